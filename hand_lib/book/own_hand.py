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


def write(path: Path, results: Path) -> None:
    """Write it as a page that *Your own hand* includes.

    Args:
        path: of the file.
        results: folder of the records.
    """
    network = find_shipped()[FIRST]
    place = section_html("own_hand", [network], verb="Try it with your own hand", hands="none")
    path.write_text(f"```{{raw}} html\n{place}\n```\n\n{errors_table(records(PROFILE, folder=results))}\n", "utf-8")


def errors_table(found: Iterable[Mapping[str, Any]]) -> str:
    """Mean errors of the package's networks, in MyST: on hands as in training, and on those that differ in kind.

    Args:
        found: records of runs, among them those that the networks are.
    """
    by_weights = {record["checkpoint_sha256"]: record for record in found}
    lines = [_line(_HEAD), _line(["---", *["---:"] * (len(_HEAD) - 1)])]
    for row, network in find_shipped().items():
        record = by_weights[network.record["checkpoint_sha256"]]
        gestures, look = (record["elsewhere"][name] for name in ("held_out_gestures", "other_look"))
        errors = [record["metrics"]["epe_mean"], gestures["metrics"]["epe_mean"], look["metrics"]["epe_mean"]]
        errors.append(record["constant_prediction"]["epe_mean"])
        lines.append(_line([f"`{row}`", *(f"{error:.1f} mm" for error in errors)]))
    return "\n".join(lines)


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
