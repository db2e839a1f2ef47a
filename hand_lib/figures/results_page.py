"""The tables of the page of results, made from the records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hand_lib.cache import atomic_write
from hand_lib.experiments import PROFILES, get_depth, is_current, records
from hand_lib.experiments.schema import digest
from hand_lib.figures.tables import PAPER_EPE, Table, mean_and_spread, plain, together
from hand_lib.models.rows import ROWS
from hand_lib.synthetic import DATA_VERSION

FROM = {"random": "from random weights", "parts": "from parts", "imagenet": "from ImageNet"}
HEADER = ("row", "in the paper", "EPE, mm", "AUC 20–50", "seeds", "backbone", PAPER_EPE)
NO_RECORDS = "**No run is recorded yet.** Until one is, this page has nothing to show."
OUTDATED = "\\* Recorded with other code, or on other pictures, than those of this version of the book."
NONE_CURRENT = "**None of these runs is current.**"


def write(path: Path, folder: Path | None = None) -> None:
    """Write the tables of all recorded runs, as Markdown that ``book/results.md`` includes.

    Args:
        path: the file to write.
        folder: where the records are, instead of :func:`hand_lib.cache.results_dir`.

    Raises:
        HandLibError: a record cannot be read, or the file cannot be written.
    """
    with atomic_write(path) as file:
        file.write(markdown(records(folder=folder)).encode())


_COMPARE = "and compare neither with the chapters nor with newer records."


def markdown(found: Iterable[Mapping[str, Any]]) -> str:
    """One table a profile, in the profiles' order; a plain sentence where there is no record. ``smoke`` is left out."""
    parts = []
    shown = [record for record in found if record["profile"] != "smoke"]
    for name, profile in PROFILES.items():
        members = [record for record in shown if record["profile"] == name]
        if members:
            title = f"{profile.title[:1].upper()}{profile.title[1:]}."
            parts.append(
                f"### Profile `{name}`\n\n{title} {_shared_facts(members)}\n\n{_validity(members)}{table(members)}\n"
            )
    return "\n".join(parts) or f"{NO_RECORDS}\n"


def table(members: Sequence[Mapping[str, Any]]) -> Table:
    """The records of one profile: a line for all that were decided by the same but for the seed.

    So seeds are averaged only where code and pictures were the same. The spread is the sample standard deviation.
    Where some lines are current and others are not, these have a star.
    """
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for record in members:
        training = {name: value for name, value in record["decides"]["training"].items() if name != "seed"}
        groups.setdefault(digest({**record["decides"], "training": training}), []).append(record)
    outdated = [not all(is_current(run) for run in runs) for runs in groups.values()]
    stars = [old and not all(outdated) for old in outdated]
    lines = []
    for runs, star in zip(groups.values(), stars, strict=True):
        name, backbone, start = (runs[0][field] for field in ("row", "backbone", "start"))
        own = PROFILES[runs[0]["profile"]].start
        lines.append(
            (
                f"`{name}` \\*" if star else f"`{name}`",
                plain(runs[0]["table_id"]),
                together(mean_and_spread([run["metrics"]["epe_mean"] for run in runs], digits=2)),
                together(mean_and_spread([run["metrics"]["auc_20_50"] for run in runs], digits=3)),
                together(", ".join(str(run["seed"]) for run in runs)),
                backbone if start == own else f"{backbone}, {FROM[start]}",
                _of_the_paper(name, get_depth(backbone)),
            )
        )
    return Table(HEADER, tuple(lines), OUTDATED if any(stars) else "")


def _validity(members: Sequence[Mapping[str, Any]]) -> str:
    """A paragraph where no run of a profile is current; nothing elsewhere."""
    if any(is_current(run) for run in members):
        return ""
    versions = sorted({run["data_version"] for run in members})
    if DATA_VERSION in versions:
        trained = "with other code, or on other pictures, than those of this version of the book,"
    elif len(versions) == 1:
        trained = f"on the pictures of an earlier version (data version {plain(versions[0])}),"
    else:
        trained = f"on the pictures of earlier versions (data versions {' and '.join(map(plain, versions))}),"
    return f"{NONE_CURRENT} They were trained {trained} {_COMPARE}\n\n"


def _shared_facts(members: Sequence[Mapping[str, Any]]) -> str:
    """Where these runs were trained, and what the constant prediction has on their pictures."""
    devices = sorted({plain(run["device"]) for run in members})
    constants = sorted({f"{run['constant_prediction']['epe_mean']:.2f}" for run in members})
    return f"Trained on {'; '.join(devices)}. The constant prediction has {' or '.join(constants)} mm."


def _of_the_paper(row: str, depth: int) -> str:
    """The EPE that the paper prints for this row and depth of the ResNet; a dash where it prints none."""
    paper = ROWS[row].paper if row in ROWS else None
    figure = paper.epe.get(depth) if paper else None
    return "–" if figure is None else f"{figure:.2f}"
