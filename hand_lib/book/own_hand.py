"""The part of the page *Your own hand* that is made of the package's networks: their place and how good they are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from hand_lib.experiments import records
from hand_lib.figures.live import section_html
from hand_lib.live import find_shipped
from hand_lib.live.shipped import PROFILE

FIRST = "multihead"  # the network that is loaded first; the others are chosen on the page
_HEAD = ("network", "hands like those of its training", "other gestures", "another look", "who does not look")


def write(folder: Path, results: Path) -> None:
    """Write what *Your own hand* includes: ``own_hand_place.md`` and ``own_hand_errors.md``.

    Args:
        folder: of the page.
        results: folder of the records.
    """
    network = find_shipped()[FIRST]
    place = section_html("own_hand", [network], verb="Try it with your own hand", hands="none")
    (folder / "own_hand_place.md").write_text(f"```{{raw}} html\n{place}\n```\n", encoding="utf-8")
    (folder / "own_hand_errors.md").write_text(f"{errors_table(records(PROFILE, folder=results))}\n", encoding="utf-8")


def errors_table(found: Iterable[Mapping[str, Any]]) -> str:
    """Mean errors of the package's networks, in MyST: on hands as in training, and on those that differ in kind.

    Args:
        found: records of runs, among them those that the networks are.
    """
    by_weights = {record["checkpoint_sha256"]: record for record in found}
    lines = [_line(_HEAD), _line(["---", *["---:"] * (len(_HEAD) - 1)])]
    for row, network in find_shipped().items():
        if (record := by_weights.get(network.record["checkpoint_sha256"])) is None:
            continue  # its errors on hands that differ in kind are in its record alone
        gestures, look = (record["elsewhere"][name] for name in ("held_out_gestures", "other_look"))
        errors = [record["metrics"]["epe_mean"], gestures["metrics"]["epe_mean"], look["metrics"]["epe_mean"]]
        errors.append(record["constant_prediction"]["epe_mean"])
        lines.append(_line([f"`{row}`", *(f"{error:.1f} mm" for error in errors)]))
    return "\n".join(lines)


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
