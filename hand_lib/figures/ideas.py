"""Drawings of core ideas: Procrustes' three steps, and maps that are laid side by side or averaged."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from hand_lib.figures.hands import GHOST, draw_hand_2d, finger_chain
from hand_lib.figures.style import INK, panels
from hand_lib.metrics import joint_errors
from hand_lib.skeleton import FINGERS

SHADES = "cividis"


def alignment_steps(stages: Mapping[str, Tensor], true: Tensor, *, columns: int = 2, width: float = 4.0) -> Figure:
    """One prediction on its way to the truth, a panel a step: the truth grey, the prediction in the fingers' colours.

    Args:
        stages: for each step's name the hand ``(21, 3)`` mm after it; drawn as the camera sees it, without perspective.
        true: ``(21, 3)`` mm.
        columns: panels a line.
        width: in inches.

    Returns:
        The figure, each panel with its mean error.
    """
    rows = -(-len(stages) // columns)
    figure, axes = panels(rows, columns, width=width, height=1.08 * width * rows / columns, sharex=True, sharey=True)
    for ax in axes.flat:
        ax.set_axis_off()
    for ax, (name, hand) in zip(axes.flat, stages.items(), strict=False):
        for finger in range(len(FINGERS)):
            ax.plot(*true[finger_chain(finger)][:, :2].T, color=GHOST, linewidth=4, solid_capstyle="round")
        error = joint_errors(hand[None], true[None]).mean()
        draw_hand_2d(ax, hand[:, :2], title=f"{name}: {error:.0f} mm")
    return figure


def flatten_or_average(maps: Tensor, channels: int, *, width: float = 4.6, height: float = 3.5) -> Figure:
    """What two representations make of the same feature maps: all their cells side by side, or one average a map.

    Args:
        maps: ``(N, h, w)``, the few maps that are drawn.
        channels: how many maps there are in all.
        width, height: in inches.

    Returns:
        The figure: the maps, below them the long strip of all cells, and below that the averages.
    """
    count, h, w = maps.shape
    shade = matplotlib.colormaps[SHADES]
    low, high = float(maps.min()), float(maps.max())
    figure, axes = panels(width=width, height=height)
    ax = axes[0, 0]
    tall = 1.0 * h / w
    values = ((maps.double() - low) / max(high - low, 1e-9)).numpy()
    cell = (1.5 * count - 0.5) / values.size  # of the strip
    strip, means = tall + 0.95, tall + 2.25
    for n, grid in enumerate(values):
        for i in range(h):
            for j in range(w):
                _box(ax, 1.5 * n + j / w, i / w, 1 / w, 1 / w, shade(grid[i, j]))
                _box(ax, cell * ((n * h + i) * w + j), strip, cell, 0.3, shade(grid[i, j]), edge=0.0)
        _box(ax, 1.5 * n + 0.35, means, 0.3, 0.3, shade(grid.mean()))
    wide = 1.5 * count - 0.5
    ax.text(0, -0.12, f"{count} of {channels} maps of {h}×{w} cells", va="bottom")
    ax.text(0, strip - 0.12, f"FR: every cell, {channels * h * w:,} numbers", va="bottom")
    ax.text(0, means - 0.12, f"AFR: an average per map, {channels:,} numbers", va="bottom")
    ax.set(xlim=(-0.05, wide + 0.05), ylim=(means + 0.4, -0.5))
    ax.set_aspect("equal")
    ax.set_axis_off()
    return figure


def _box(ax: Axes, x: float, y: float, width: float, height: float, color: object, *, edge: float = 0.5) -> None:
    ax.add_patch(Rectangle((x, y), width, height, facecolor=color, edgecolor=INK if edge else color, linewidth=edge))
