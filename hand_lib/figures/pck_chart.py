"""PCK curves as the first paper draws them in its Figure 2; and, where they coincide, what lies between them."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from hand_lib.figures.charts import cycle
from hand_lib.figures.cost_chart import spread_out
from hand_lib.figures.style import GRID, INK, SERIES_COLORS, SERIES_DASHES, panels
from hand_lib.figures.tables import Table, table
from hand_lib.metrics import AUC_0_50, AUC_20_50, auc, pck

WIDTH = 3.75  # inches: 360 px on a phone
NAMES = 1.35  # inches for the names
LINE = 0.155  # inches per name
HIGH = 2.3  # inches, of a panel at least


def pck_differences(errors: Mapping[str, Tensor], *, guess: Tensor) -> Figure:
    """Above the share of joints within each distance; below how far each curve lies over the first one's.

    Names stand beside the curves, each behind a piece of its line: above as high as the curve ends, below in the order
    of the curves' mean height over 20 to 50 mm (:func:`auc_table`). That range is shaded.

    Args:
        errors: for each name ``(N, 21)`` mm, on the same hands; the first is what the others are held against.
        guess: ``(N, 21)`` mm of one who does not look, drawn above alone.
    """
    limits = AUC_0_50.low, AUC_0_50.high
    thresholds = torch.linspace(*limits, 201, dtype=torch.float64)
    curves = {name: pck(values, thresholds) for name, values in errors.items()}
    first, best = next(iter(errors)), max(errors, key=lambda name: auc(errors[name], AUC_20_50))
    height = max(HIGH, LINE * (len(errors) + 1))
    figure, axes = panels(
        2,
        2,
        width=WIDTH,
        height=HIGH + height + 0.9,
        width_ratios=[WIDTH - NAMES - 0.5, NAMES],
        height_ratios=[HIGH, height],
    )
    figure.get_layout_engine().set(w_pad=0.01, wspace=0)
    looks = {name: series_look(number) for number, name in enumerate(errors)}
    looks["constant prediction"] = {"color": "#888888", "linewidth": 1.8}
    above, below = axes[:, 0]
    shown = {"constant prediction": pck(guess, thresholds)} | {name: curves[name] for name in (first, best)}
    for name, values in shown.items():
        above.plot(thresholds, values, **looks[name])
    above.set(ylabel="PCK: share of joints within it", ylim=(0, 1.02), xlim=limits)
    ends = sorted(shown, key=lambda name: shown[name][-1])
    places = spread_out([float(shown[name][-1]) / 1.02 for name in ends], gap=LINE / HIGH)
    _name(axes[0, 1], {name: (place, looks[name]) for name, place in zip(ends, places, strict=True)})
    for name, values in curves.items():
        below.plot(thresholds, 100 * (values - curves[first]), **looks[name])
    below.set(xlabel="threshold, mm", ylabel=f"PCK minus that of {first},\npercentage points", xlim=limits)
    ranked = sorted(errors, key=lambda name: auc(errors[name], AUC_20_50))
    middle = 0.5 - LINE / height * (len(ranked) - 1) / 2
    _name(axes[1, 1], {name: (middle + k * LINE / height, looks[name]) for k, name in enumerate(ranked)})
    for ax in (above, below):
        ax.axvspan(AUC_20_50.low, AUC_20_50.high, color=GRID, alpha=0.35, linewidth=0, zorder=0)
        ax.tick_params(labelsize=8)
        ax.yaxis.label.set_size(8.8)
        ax.xaxis.label.set_size(8.8)
    return figure


def series_look(number: int) -> dict[str, object]:
    """Colour and dash of a series, so that no two of 36 are alike."""
    dash = number + number // len(SERIES_COLORS)
    return {"color": cycle(SERIES_COLORS, number), "linestyle": cycle(SERIES_DASHES, dash), "linewidth": 1.3}


def _name(beside: Axes, names: Mapping[str, tuple[float, Mapping[str, object]]]) -> None:
    """Names with a piece of their lines, at these places between 0 and 1."""
    beside.set(xlim=(0, 1), ylim=(0, 1))
    beside.set_axis_off()
    for name, (place, look) in names.items():
        beside.plot((0.0, 0.2), (place, place), clip_on=False, **look)
        beside.text(0.25, place, name, verticalalignment="center", fontsize=7.6, color=INK)


def auc_table(errors: Mapping[str, Tensor], *, note: str = "") -> Table:
    """The mean height of each PCK curve, over 0 to 50 mm and over the 20 to 50 mm of the papers.

    Args:
        errors: for each name ``(N, 21)`` mm.
        note: under the table.
    """
    lines = [[name, f"{auc(values, AUC_0_50):.3f}", f"{auc(values, AUC_20_50):.3f}"] for name, values in errors.items()]
    return table(["", "AUC 0–50 mm", "AUC 20–50 mm"], lines, note=note)
