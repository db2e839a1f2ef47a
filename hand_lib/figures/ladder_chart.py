"""The ladder as one picture: every seed, every step with its interval and verdict, and the paper's step beside it."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import blended_transform_factory

from hand_lib.experiments import recorded_spread
from hand_lib.figures.rungs import BRANCHES, Pair, Rung, climb
from hand_lib.figures.style import GRID, INK, SERIES_COLORS, panels

# A verdict has a marker, a colour and a filling of its own, and stands beside in words.
LOOKS: Mapping[str, Mapping[str, Any]] = {
    "better": {"marker": "o", "color": SERIES_COLORS[3]},
    "worse": {"marker": "X", "color": SERIES_COLORS[2]},
    "equal": {"marker": "s", "color": INK},
    "not resolved": {"marker": "o", "color": INK, "markerfacecolor": "white"},
}
HOW_TO_READ = (
    "Left: the error of a row, a ring a seed, a bar for the mean. Middle: the row minus the one before it, on the same "
    "seeds; a ring a seed, the mean with its 95 % interval over seeds, and the verdict in words. A filled mark is "
    "resolved. The grey band is A/A: 19 of 20 differences between two trainings of *one* row lie in it. Right: the "
    "paper's difference on RHD, on a scale of its own: compare its sign with ours, not its millimetres."
)
NO_SEED = "no seed recorded"
WIDTH = 3.75  # inches: 360 px on a phone
LINE = 0.40  # inches a step


def ladder_chart(
    recorded: Iterable[Mapping[str, Any]],
    branches: Mapping[str, Mapping[Pair, str]] = BRANCHES,
    *,
    measure: str = "epe_mean",
    name: str = "EPE",
) -> Figure:
    """The steps from top to bottom, a heading a branch; nothing joins the branches.

    Args:
        recorded: records of one profile and one network, one a row and seed.
        branches: for each heading its pairs, see ``BRANCHES`` of :mod:`hand_lib.figures.rungs`.
        measure: which of the records' errors in mm.
        name: of the error, over its axis.
    """
    recorded = list(recorded)
    climbed = climb(recorded, branches, measure=measure)
    spread = recorded_spread(recorded, measure=measure)
    lines: list[str | Rung] = [line for heading, rungs in climbed.items() for line in (heading, *rungs)]
    printed = any(rung.printed is not None for rungs in climbed.values() for rung in rungs)
    columns = {f"{name}, mm": 1.0, "minus the row\nbefore, mm": 1.35} | ({"paper's,\nRHD, mm": 0.6} if printed else {})
    figure, axes = panels(
        1, len(columns), width=WIDTH, height=LINE * len(lines) + 0.75, width_ratios=list(columns.values())
    )
    errors, steps, *paper = axes[0]
    for y, line in enumerate(lines):
        if isinstance(line, str):
            _write(figure, errors, 0.0, y + 0.75, line, weight="bold")
            continue
        _write(figure, errors, 0.0, y + 0.28, line.label)
        _write(figure, axes[0, -1], 1.0, y + 0.28, line.finding, horizontalalignment="right")
        _draw_errors(errors, y + 0.72, line)
        _draw_step(steps, y + 0.72, line)
        if paper and line.printed is not None:
            paper[0].plot(line.printed, y + 0.72, "D", color=SERIES_COLORS[5], markersize=4.5)
    band = spread.between_two() if spread.freedom else 0.0
    for ax, ends in ((steps, (-band, 0, band)), *((ax, (0,)) for ax in paper)):  # zero is always in view
        ax.update_datalim([(x, 0) for x in ends])
        ax.autoscale_view()
    strips = [(y + 0.5, y + 0.95) for y, line in enumerate(lines) if isinstance(line, Rung)]
    of_steps = [(y + 0.5, y + 0.95) for y, line in enumerate(lines) if isinstance(line, Rung) and line.pair[1]]
    for ax, label in zip(axes[0], columns, strict=True):
        _frame(ax, label, strips if ax is errors else of_steps, len(lines))
    for strip in of_steps if band else ():
        steps.fill_betweenx(strip, -band, band, color=GRID, linewidth=0, zorder=0.5)
    for ax in (steps, *paper):
        ax.vlines([0] * len(of_steps), *zip(*of_steps, strict=True), color=INK, linewidth=0.8, zorder=1)
    return figure


RING = {"marker": "o", "linestyle": "", "markerfacecolor": "none", "markeredgewidth": 0.7, "markersize": 4}


def _draw_errors(ax: Axes, y: float, rung: Rung) -> None:
    """A ring a seed and a bar at their mean, at height ``y``."""
    if rung.values:
        ax.plot(rung.values, [y] * len(rung.values), color=SERIES_COLORS[5], **RING)
        ax.plot(statistics.fmean(rung.values), y, "|", color=INK, markersize=11, markeredgewidth=1.8)


def _draw_step(ax: Axes, y: float, rung: Rung) -> None:
    """A ring a seed, the mean in the look of its verdict, its interval."""
    found = rung.comparison
    if found is None:
        return
    ax.plot(found.per_seed, [y] * len(found.per_seed), color=SERIES_COLORS[5], **RING)
    look = LOOKS[found.verdict]
    if math.isfinite(found.low):
        ax.plot((found.low, found.high), (y, y), color=look["color"], linewidth=1.6, solid_capstyle="butt")
    ax.plot(found.difference, y, linestyle="", markersize=6, **look)


def _write(figure: Figure, ax: Axes, x: float, y: float, text: str, **look: Any) -> None:
    """Text over the strips, across all columns: ``x`` in parts of the axes' width, ``y`` in lines."""
    place = blended_transform_factory(ax.transAxes, ax.transData)
    written = figure.text(x, y, text, transform=place, verticalalignment="center", fontsize=8.2, **look)
    written.set_in_layout(False)  # it may be wider than its column


def _frame(ax: Axes, label: str, strips: Sequence[tuple[float, float]], lines: int) -> None:
    """One column's axis and its fine lines, which end where the words begin."""
    ax.margins(x=0.12)
    ax.set(ylim=(lines, 0.4), yticks=[])
    ax.set_xlabel(label, fontsize=8.2)
    ax.locator_params(axis="x", nbins=4, min_n_ticks=2)
    ax.tick_params(labelsize=8)
    ax.spines["left"].set_visible(False)
    ax.grid(visible=False)
    low, high = ax.get_xlim()
    ax.set_xlim(low, high)
    for tick in ax.get_xticks():
        if low <= tick <= high:
            ax.vlines([tick] * len(strips), *zip(*strips, strict=True), color=GRID, linewidth=0.6, zorder=0.6)


def ladder_alt(
    recorded: Iterable[Mapping[str, Any]],
    branches: Mapping[str, Mapping[Pair, str]] = BRANCHES,
    *,
    measure: str = "epe_mean",
    name: str = "EPE",
) -> str:
    """What the picture shows, step by step, for those who cannot see it."""
    parts = []
    for heading, rungs in climb(recorded, branches, measure=measure).items():
        steps = []
        for rung in rungs:
            printed = "" if rung.printed is None else f", in the paper {rung.printed:+.2f} mm"
            steps.append(f"{rung.label}, {_spoken(rung)}{printed}")
        parts.append(f"{heading}: " + "; ".join(steps))
    return f"Differences of {name} from row to row. " + ". ".join(parts) + "."


def _spoken(rung: Rung) -> str:
    found = rung.comparison
    if rung.pair[1] is None:
        return f"{statistics.fmean(rung.values):.2f} mm over {_seeds(rung.values)}" if rung.values else NO_SEED
    if found is None:
        return NO_SEED
    return f"{found.difference:+.2f} mm over {_seeds(found.seeds)}, {found.verdict}"


def _seeds(of: Sequence[Any]) -> str:
    return "one seed" if len(of) == 1 else f"{len(of)} seeds"
