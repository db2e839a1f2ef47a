"""How many groups: the groups paper's Table 3 beside this book's records, as a table and as a picture."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from hand_lib.experiments import SeedSpread
from hand_lib.figures.branches import ERRORS_BESIDE_PRINTED, errors_beside_printed
from hand_lib.figures.ladder import title
from hand_lib.figures.style import INK, SERIES_COLORS, panels
from hand_lib.figures.tables import Table, mean_and_spread, together
from hand_lib.models.groups.rows import PRINTED

# Table 3's lines as the paper orders them: the rows' names without their backbone, then the number of groups.
TABLE_3_OF_GROUPS: Mapping[str, int] = {"k1": 1, "k2": 2, "k3": 3, "k4": 4, "k5": 5, "k21": 21}
ONE = "groups-k1"  # from which the differences are taken
BESIDE_ONE = ("k1-wide", *list(TABLE_3_OF_GROUPS)[1:])


def groups_table_3(recorded: Iterable[Mapping[str, Any]], *, note: str = "") -> Table:
    """The groups paper's Table 3 whole: this book's errors on a ResNet, and what the paper prints of its hourglass.

    Args:
        recorded: records of one profile, one per row and seed; a row that has none has dashes.
        note: under the table.
    """
    by_row = _by_row(recorded)
    lines = []
    for short, groups in TABLE_3_OF_GROUPS.items():
        own = by_row.get(f"groups-{short}", ())
        used = [len(set(record["group_of_joint"])) for record in own]
        metrics = [record["metrics"] for record in own]
        lines.append(
            (str(groups), together(mean_and_spread(used)) if used else "–", *errors_beside_printed(short, metrics))
        )
    return Table(("groups", "of them used", *ERRORS_BESIDE_PRINTED), tuple(lines), note)


def difference_by_count(
    recorded: Iterable[Mapping[str, Any]], spread: SeedSpread, *, width: float = 6.4
) -> Figure | None:
    """What each number of groups changes against one group: a dot per seed, their mean, and what the paper prints.

    Args:
        recorded: records of one profile, one per row and seed.
        spread: between seeds; a band says how far two trainings of one row lie apart.
        width: in inches.

    Returns:
        The figure; None where no other row shares a seed with that of one group.
    """
    by_row = {row: {r["seed"]: r["metrics"]["epe_mean"] for r in own} for row, own in _by_row(recorded).items()}
    one = by_row.get(ONE, {})
    rows = [f"groups-{short}" for short in BESIDE_ONE]
    changes = [[by_row.get(row, {})[seed] - one[seed] for seed in one if seed in by_row.get(row, {})] for row in rows]
    if not any(changes):
        return None
    figure, axes = panels(width=width, height=3.3)
    ax = axes[0, 0]
    if spread.freedom:
        apart = spread.between_two()
        ax.axhspan(-apart, apart, color="#eeeeee", zorder=0, label="two trainings of one row, 19 of 20")
    ax.axhline(0, color=INK, linewidth=0.8)
    paper = SERIES_COLORS[1]
    for place, (short, values) in enumerate(zip(BESIDE_ONE, changes, strict=True)):
        ax.plot(np.full(len(values), place - 0.1), values, "o", color=INK, alpha=0.6, markersize=5)
        if values:
            ax.plot([place - 0.3, place + 0.1], [np.mean(values)] * 2, color="#d55e00")
        if short in PRINTED:
            printed = PRINTED[short].mean - PRINTED["k1"].mean
            ax.plot(place + 0.25, printed, "s", color=paper, markerfacecolor="none", markersize=7)
    ax.plot([], [], "o", color=INK, alpha=0.6, label="this book, a dot per seed")
    ax.plot([], [], "s", color=paper, markerfacecolor="none", label="paper (not comparable)")
    names = [
        str(TABLE_3_OF_GROUPS[short]) if short in TABLE_3_OF_GROUPS else title(f"groups-{short}")
        for short in BESIDE_ONE
    ]
    ax.set_xticks(range(len(rows)), names)
    ax.set(xlabel="learnt groups", ylabel="EPE minus one group's, mm")
    ax.grid(axis="x", visible=False)
    figure.legend(loc="outside upper center", ncols=3, fontsize=8)
    return figure


def _by_row(recorded: Iterable[Mapping[str, Any]]) -> dict[str, Sequence[Mapping[str, Any]]]:
    by_row: dict[str, list[Mapping[str, Any]]] = {}
    for record in recorded:
        by_row.setdefault(record["row"], []).append(record)
    return by_row
