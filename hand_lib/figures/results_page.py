"""The page of results, made from the records: tables, and the ladder as a picture."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from hand_lib.cache import atomic_write
from hand_lib.experiments import BACKBONES, PROFILES, Profile, is_current, recorded_spread, records
from hand_lib.experiments.profiles import own_backbone, own_start
from hand_lib.experiments.schema import digest
from hand_lib.figures.ladder import a_against_a, of_own_network
from hand_lib.figures.ladder_chart import ladder_alt, ladder_chart
from hand_lib.figures.protocol import network_words, protocol_table
from hand_lib.figures.rungs import BRANCHES, climb, variant_pairs
from hand_lib.figures.tables import PAPER_EPE, Table, mean_and_spread, plain, together
from hand_lib.models.catalogue import rows_and_variants
from hand_lib.models.groups.joint_aware_rows import JOINT_AWARE_ROWS
from hand_lib.models.groups.rows import GROUP_ROWS
from hand_lib.models.rows import ROWS, Row
from hand_lib.models.variants import VARIANTS
from hand_lib.synthetic import DATA_VERSION

FROM = {"random": "from random weights", "parts": "from parts", "points": "from points", "imagenet": "from ImageNet"}
GROUPS = (
    "Joint groups, on a ResNet (`groups-…`), on the paper's hourglass (`hourglass-…`), and inside Joint-Aware "
    "Regression (`maps-groups-…`):"
)
HEADER = ("row", "EPE, mm", "Procrustes, mm", "AUC 20–50", "seed numbers", PAPER_EPE)
VARIANT_HEADER = ("variant", *HEADER[1:5])
MEASURES = (("epe_mean", 2), ("pa_epe_mean", 2), ("auc_20_50", 3))  # with digits after the point
ELSEWHERE = {"held_out_gestures": "other gestures", "other_look": "another look"}  # of AllElsewhere's fields
NO_RECORDS = "**No run is recorded yet.** Until one is, this page has nothing to show."
OUTDATED = "\\* Recorded with other code, or on other pictures, than those of this version of the book."
NONE_CURRENT = "**None of these runs is current.**"


def write(path: Path, folder: Path | None = None) -> None:
    """Write what ``book/results.md`` includes: the tables of all recorded runs as Markdown, and their pictures.

    Args:
        path: the file to write; the pictures are written beside it.
        folder: where the records are, instead of :func:`hand_lib.cache.results_dir`.

    Raises:
        HandLibError: a record cannot be read, or a file cannot be written.
    """
    found = records(folder=folder)
    write_page(path, markdown(found), pictures(found))


def write_page(path: Path, text: str, pictures: Mapping[str, Figure]) -> None:
    """Write a page and its pictures, by file name, beside it; the page last. Raises HandLibError where that fails."""
    for name, figure in pictures.items():
        with atomic_write(path.with_name(name)) as file:
            file.write(_svg(figure))
    with atomic_write(path) as file:
        file.write(text.encode())


def _svg(figure: Figure) -> bytes:
    """The picture as a file that is the same for the same records."""
    file = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "joint by joint"}):
        figure.savefig(file, format="svg", metadata={"Date": None})
    return file.getvalue()


_COMPARE = "and compare neither with the chapters nor with newer records."


def markdown(found: Iterable[Mapping[str, Any]]) -> str:
    """A section a profile, in the profiles' order; a plain sentence where there is no record. ``smoke`` is left out."""
    parts = [_section(profile, members) for profile, members in _by_profile(found)]
    return "\n".join(parts) or f"{NO_RECORDS}\n\n{_protocol(PROFILES['quick'])}\n"


def pictures(found: Iterable[Mapping[str, Any]]) -> dict[str, Figure]:
    """The figures that :func:`markdown` of the same records names, by their files' names."""
    return {
        _file(profile, kind): ladder_chart(shown, branches, measure=measure, name=name)
        for profile, members in _by_profile(found)
        for kind, (branches, measure, name, shown) in _kinds(profile, members).items()
    }


def _by_profile(found: Iterable[Mapping[str, Any]]) -> list[tuple[Profile, list[Mapping[str, Any]]]]:
    found = list(found)
    given = [(profile, [r for r in found if r["profile"] == name]) for name, profile in PROFILES.items()]
    return [(profile, members) for profile, members in given if members and profile.name != "smoke"]


def _section(profile: Profile, members: Sequence[Mapping[str, Any]]) -> str:
    title = f"{profile.title[:1].upper()}{profile.title[1:]}."
    figures = {kind: _figure(profile, kind, *what) for kind, what in _kinds(profile, members).items()}
    variants = [record for record in members if record["row"] in VARIANTS]
    groups = [record for record in members if record["row"] in GROUP_ROWS | JOINT_AWARE_ROWS]
    rows = [record for record in members if record["row"] not in VARIANTS | GROUP_ROWS | JOINT_AWARE_ROWS]
    elsewhere = elsewhere_table(rows)
    parts = [
        f"### Profile `{profile.name}`",
        f"{title} {_shared_facts(profile, members)}",
        _validity(members),
        figures.get("ladder", ""),
        str(table(rows)) if rows else "",
        figures.get("variants", ""),
        str(table(variants)) if variants else "",
        f"{GROUPS}\n\n{table(groups)}" if groups else "",
        _folded("On hands of another kind", str(elsewhere)) if elsewhere.rows else "",
        _folded("The ladder by the Procrustes error", figures["procrustes"]) if "procrustes" in figures else "",
        _protocol(profile),
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def _folded(title: str, text: str) -> str:
    """What a reader opens by a click."""
    return f"::::{{dropdown}} {title}\n{text}\n::::"


# --- Tables ----------------------------------------------------------------------------------------------------------


def table(members: Sequence[Mapping[str, Any]]) -> Table:
    """Records of one profile, of one kind of rows: a line for all that differ in their seed alone.

    So seeds are averaged only where code and pictures were the same. The spread is the sample standard deviation.
    Where some lines are current and others are not, these have a star.
    """
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for record in members:
        training = {name: value for name, value in record["decides"]["training"].items() if name != "seed"}
        groups.setdefault(digest({**record["decides"], "training": training}), []).append(record)
    outdated = [not all(is_current(run) for run in runs) for runs in groups.values()]
    stars = [old and not all(outdated) for old in outdated]
    lines = [_line(runs, star=" \\*" if star else "") for runs, star in zip(groups.values(), stars, strict=True)]
    header = VARIANT_HEADER if members[0]["row"] in VARIANTS else HEADER  # the paper prints no variant
    return Table(header, tuple(lines), OUTDATED if any(stars) else "")


def elsewhere_table(members: Sequence[Mapping[str, Any]]) -> Table:
    """EPE of a profile's rows on its evaluation set, on gestures and under a look that no training shows.

    Current records with the profile's own network and start; beside them the constant prediction.
    """
    own = [record for record in of_own_network(members) if is_current(record)]
    lines = []
    for row in ROWS:
        if runs := [record for record in own if record["row"] == row]:
            values = [[run["metrics"]["epe_mean"] for run in runs]]
            values += [[run["elsewhere"][kind]["metrics"]["epe_mean"] for run in runs] for kind in ELSEWHERE]
            lines.append((f"`{row}`", *(together(mean_and_spread(each, digits=2)) for each in values)))
    if own:
        kinds = [own[0]["elsewhere"][kind]["constant_epe_mean"] for kind in ELSEWHERE]
        constant = [own[0]["constant_prediction"]["epe_mean"], *kinds]
        lines.append(("constant prediction", *(f"{value:.2f}" for value in constant)))
    return Table(("EPE, mm", "evaluation", *ELSEWHERE.values()), tuple(lines))


def _line(runs: Sequence[Mapping[str, Any]], *, star: str) -> tuple[str, ...]:
    row = runs[0]["row"]
    measured = [
        together(mean_and_spread([run["metrics"][measure] for run in runs], digits=digits))
        for measure, digits in MEASURES
    ]
    measured.append(say_seeds([run["seed"] for run in runs]))
    name, more = f"`{row}`{star}", _unlike_the_profile(runs[0])
    known = rows_and_variants().get(row)
    if row in VARIANTS:
        return f"{name} of `{known.varies}`{more}", *measured
    if known is not None and known.varies:
        return f"{name} of `{known.varies}`{more}", *measured, "–"
    table_id = plain(runs[0]["table_id"]).replace(r"\-", "\N{NON-BREAKING HYPHEN}")
    return f"{name} {table_id}{more}", *measured, _of_the_paper(known, runs[0]["backbone"])


def _unlike_the_profile(record: Mapping[str, Any]) -> str:
    """ ", resnet50, from random weights": what is not the profile's own."""
    row, own = rows_and_variants().get(record["row"]), PROFILES[record["profile"]]
    backbone = f", {record['backbone']}" if record["backbone"] != own_backbone(row, own) else ""
    return backbone + (f", {FROM[record['start']]}" if record["start"] != own_start(row, own) else "")


def say_seeds(seeds: Iterable[int]) -> str:
    """ "0–4, 7" of 0, 1, 2, 3, 4 and 7."""
    parts: list[list[int]] = []
    for seed in sorted(set(seeds)):
        if parts and seed == parts[-1][-1] + 1:
            parts[-1].append(seed)
        else:
            parts.append([seed])
    said = [f"{p[0]}–{p[-1]}" if len(p) > 2 else ", ".join(map(str, p)) for p in parts]
    return together(", ".join(said))


def _of_the_paper(row: Row | None, backbone: str) -> str:
    """The EPE that a paper prints for this row and backbone; a dash where it prints none."""
    if row is None or row.paper is None:
        return "–"
    figure = row.paper.mean_error(BACKBONES.get(backbone))
    return "–" if figure is None else f"{figure:.2f}"


# --- Sentences -------------------------------------------------------------------------------------------------------


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
    return f"{NONE_CURRENT} They were trained {trained} {_COMPARE}"


def _shared_facts(profile: Profile, members: Sequence[Mapping[str, Any]]) -> str:
    """How large the networks are, where they were trained, and what the constant prediction has on their pictures."""
    devices = sorted({plain(run["device"]) for run in members})
    constants = sorted({f"{run['constant_prediction']['epe_mean']:.2f}" for run in members})
    aligned = sorted({f"{run['constant_prediction']['pa_epe_mean']:.2f}" for run in members})
    return (
        f"{network_words(profile.network)} Trained on {'; '.join(devices)}. The constant prediction has "
        f"{' or '.join(constants)} mm, after Procrustes alignment {' or '.join(aligned)} mm."
    )


def _protocol(profile: Profile) -> str:
    """What the paper did, what the profile does instead, and why."""
    return _folded(f"Theirs, ours, why: the training of `{profile.name}`", str(protocol_table(profile)))


# --- The ladder ------------------------------------------------------------------------------------------------------

Kind = tuple[Mapping, str, str, list[Mapping[str, Any]]]  # branches, measure, its name, records


def _kinds(profile: Profile, members: Sequence[Mapping[str, Any]]) -> dict[str, Kind]:
    """The pictures of a profile: those of which the current records of its own network have at least one step."""
    current = [record for record in of_own_network(members) if is_current(record)]
    kinds: dict[str, Kind] = {
        "ladder": (BRANCHES, "epe_mean", "EPE", current),
        "procrustes": (BRANCHES, "pa_epe_mean", "Procrustes", current),
        "variants": (variant_pairs(), "epe_mean", "EPE", current),
    }
    return {kind: what for kind, what in kinds.items() if _has_steps(what)}


def _has_steps(what: Kind) -> bool:
    branches, measure, _, shown = what
    return any(rung.comparison for rungs in climb(shown, branches, measure=measure).values() for rung in rungs)


def _file(profile: Profile, kind: str) -> str:
    return f"{kind}_{profile.name}.svg"


def _figure(
    profile: Profile, kind: str, branches: Mapping, measure: str, name: str, shown: Sequence[Mapping[str, Any]]
) -> str:
    """The picture with its alternative text, over the A/A line."""
    alt = json.dumps(ladder_alt(shown, branches, measure=measure, name=name), ensure_ascii=False)
    captions = {"ladder": "The ladder", "procrustes": "The ladder by the Procrustes error", "variants": "The variants"}
    noise = a_against_a(recorded_spread(shown, measure=measure))
    return f"```{{figure}} {_file(profile, kind)}\n:alt: {alt}\n:width: 480px\n\n{captions[kind]}. {noise}\n```"
