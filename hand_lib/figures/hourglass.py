"""A drawing for the hourglass: the sides of its maps, halved and doubled again."""

from __future__ import annotations

from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Rectangle

from hand_lib.figures.style import INK, SERIES_COLORS, panels


def hourglass_drawing(side: int, depth: int, *, width: float = 5.8, height: float = 3.2) -> Figure:
    """An hourglass as its maps' sides: halved on the way down, doubled on the way up, and what stays beside them.

    Args:
        side: cells along the outermost maps.
        depth: how often the side is halved.
        width, height: in inches.

    Returns:
        The figure. Its boxes are as high as the root of their maps' sides, so that small ones can be seen.
    """
    figure, axes = panels(width=width, height=height)
    ax = axes[0, 0]
    tall = [2.0 * 2.0 ** (-level / 2) for level in range(depth + 1)]
    for level in range(depth + 1):
        cells = side >> level
        places = [level] if level == depth else [level, 2 * depth - level]
        for x in places:
            ax.add_patch(
                Rectangle((x - 0.16, -tall[level] / 2), 0.32, tall[level], facecolor=SERIES_COLORS[1], edgecolor=INK)
            )
            ax.annotate(f"{cells}×{cells}", (x, -tall[level] / 2 - 0.08), ha="center", va="top", fontsize=8.5)
        if level == depth:
            continue
        y = tall[level] / 2 - 0.12
        ax.add_patch(_arrow((level + 0.16, y), (2 * depth - level - 0.16, y), color=SERIES_COLORS[3]))
        between = [(level, level + 1), (2 * depth - level - 1, 2 * depth - level)]
        for start, end in between:
            ax.add_patch(_arrow((start + 0.16, 0), (end - 0.16, 0), color=INK))
    ax.annotate(
        "stays beside", (depth, tall[0] / 2 - 0.08), ha="center", va="bottom", fontsize=9.5, color=SERIES_COLORS[3]
    )
    ax.annotate("halved", (depth / 2, -1.42), ha="center", va="top", fontsize=9.5)
    ax.annotate("doubled and added", (1.5 * depth, -1.42), ha="center", va="top", fontsize=9.5)
    ax.set(xlim=(-0.6, 2 * depth + 0.6), ylim=(-1.75, 1.25))
    ax.set_axis_off()
    return figure


def _arrow(start: tuple[float, float], end: tuple[float, float], *, color: str) -> FancyArrowPatch:
    return FancyArrowPatch(
        start, end, arrowstyle="-|>", mutation_scale=8, color=color, linewidth=1.1, shrinkA=0, shrinkB=0
    )
