"""Error against cost: one mark per method, its name beside it, and the front that no other method beats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from scipy.optimize import isotonic_regression

from hand_lib.figures.style import GRID, INK, SERIES_COLORS, panels

# A family has a shape and a colour of its own; a mark is full where it lies on the front.
LOOKS: tuple[tuple[str, str], ...] = tuple(zip("os^DvP", SERIES_COLORS, strict=True))
WIDTH = 3.75  # inches: 360 px on a phone
LINE = 0.155  # inches per name
NAMES = 1.35  # inches for the names
LEAST = 1.5  # inches, of a panel


@dataclass(frozen=True, kw_only=True)
class Mark:
    """One method in the picture.

    Attributes:
        name: written beside it.
        cost: what it costs.
        error: what it errs by.
        family: methods of one family look alike.
    """

    name: str
    cost: float
    error: float
    family: str = ""


def pareto_front(marks: Sequence[Mark]) -> list[Mark]:
    """The marks that no other beats, by rising cost: each dearer one errs by less than all that are cheaper.

    Of marks that cost and err alike the first stands for all.
    """
    front: list[Mark] = []
    for mark in sorted(marks, key=lambda mark: (mark.cost, mark.error)):
        if not front or mark.error < front[-1].error:
            front.append(mark)
    return front


def cost_chart(
    charts: Mapping[str, Sequence[Mark]], *, xlabels: Sequence[str], ylabel: str = "EPE, mm", noise: float | None = None
) -> Figure:
    """Error over cost, a panel below the other; a thin line leads from each mark to its name at the right.

    The dashed line is the front: the least error that this cost, or less, buys in this panel.

    Args:
        charts: for each panel's title its marks, one at least.
        xlabels: under each panel, what the cost is and its unit.
        ylabel: what the error is, and its unit.
        noise: a difference of errors that is drawn for comparison, as A/A.
    """
    heights = [max(LEAST, LINE * (len(marks) + 1)) for marks in charts.values()]
    families = list(dict.fromkeys(mark.family for marks in charts.values() for mark in marks))
    legend = 0.17 * -(-len(families) // 2) if len(families) > 1 else 0.0
    figure, axes = panels(
        len(charts),
        2,
        width=WIDTH,
        height=sum(heights) + 0.62 * len(charts) + legend + 0.1,
        width_ratios=[WIDTH - NAMES - 0.5, NAMES],
        height_ratios=heights,
    )
    figure.get_layout_engine().set(w_pad=0.01, wspace=0)
    looks = {family: LOOKS[number % len(LOOKS)] for number, family in enumerate(families)}
    dearest = {
        xlabel: max(
            mark.cost
            for marks, below in zip(charts.values(), xlabels, strict=True)
            if below == xlabel
            for mark in marks
        )
        for xlabel in xlabels
    }
    for (ax, beside), (title, marks), xlabel, height in zip(axes, charts.items(), xlabels, heights, strict=True):
        ax.set_xlim(0, 1.1 * dearest[xlabel])  # costs begin at nothing; one scale where they are of one kind
        _draw(ax, marks, looks)
        if noise:
            _draw_noise(ax, noise)
        ax.set(xlabel=xlabel, ylabel=ylabel)
        ax.set_title(title, fontsize=8.8, loc="left")
        ax.tick_params(labelsize=8)
        _name(ax, beside, marks, gap=LINE / height)
    if len(families) > 1:
        handles = [
            Line2D([], [], linestyle="", marker=looks[f][0], color=looks[f][1], markersize=5, label=f) for f in families
        ]
        figure.legend(
            handles=handles,
            loc="outside upper left",
            ncols=2,
            fontsize=8,
            frameon=False,
            handletextpad=0.1,
            columnspacing=0.8,
        )
    return figure


def _draw(ax: Axes, marks: Sequence[Mark], looks: Mapping[str, tuple[str, str]]) -> None:
    """Marks, full on the front and hollow elsewhere, and the front's line; fixes the error's limits."""
    front = pareto_front(marks)
    for mark in marks:
        shape, color = looks[mark.family]
        filling = color if any(mark is one for one in front) else "white"
        ax.plot(mark.cost, mark.error, shape, color=color, markerfacecolor=filling, markersize=5.5, zorder=3)
    ax.margins(y=0.06)
    ax.set_ylim(ax.get_ylim())
    costs = [*(mark.cost for mark in front), ax.get_xlim()[1]]
    errors = [*(mark.error for mark in front), front[-1].error]
    ax.plot(costs, errors, color=INK, linewidth=1.0, linestyle=(0, (4, 2)), drawstyle="steps-post", zorder=2)


def _draw_noise(ax: Axes, noise: float) -> None:
    """A bar of this height at the left, where no method is so cheap."""
    low, high = ax.get_ylim()
    x, middle = 0.04, (low + high) / 2
    across = ax.get_yaxis_transform()
    ax.errorbar([x], [middle], yerr=[noise / 2], color=INK, linewidth=1.2, capsize=3, transform=across, zorder=3)
    ax.text(x + 0.03, middle, "A/A", transform=across, verticalalignment="center", fontsize=7.5)


def _name(ax: Axes, beside: Axes, marks: Sequence[Mark], *, gap: float) -> None:
    """The names in the errors' order, at least ``gap`` of the panel's height apart, with a line from each mark."""
    beside.set(xlim=(0, 1), ylim=ax.get_ylim())
    beside.set_axis_off()
    low, high = ax.get_ylim()
    right = ax.get_xlim()[1]
    ordered = sorted(marks, key=lambda mark: mark.error)
    places = spread_out([(mark.error - low) / (high - low) for mark in ordered], gap=gap)
    for mark, place in zip(ordered, places, strict=True):
        y = low + place * (high - low)
        look: dict[str, Any] = {"color": "#888888", "linewidth": 0.5, "zorder": 1, "clip_on": False}
        ax.plot((mark.cost, right), (mark.error, mark.error), **look)
        beside.plot((0, 0.1, 0.13), (mark.error, y, y), **look)
        beside.text(0.15, y, mark.name, verticalalignment="center", fontsize=7.6)
    ax.grid(color=GRID)


def spread_out(wanted: Sequence[float], *, gap: float) -> list[float]:
    """Places between 0 and 1, as near to the wanted ones as a gap from each to the next allows (least squares).

    Args:
        wanted: in rising order.
        gap: between two places; less where so many do not fit.
    """
    count = len(wanted)
    gap = min(gap, 1 / max(count - 1, 1))
    if not count:
        return []
    gaps = gap * np.arange(count)
    level = isotonic_regression(wanted - gaps).x  # without the gaps, places may not fall
    return (np.clip(level, 0, max(0.0, 1 - gaps[-1])) + gaps).tolist()
