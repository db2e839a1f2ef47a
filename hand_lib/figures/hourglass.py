"""Drawings for the hourglass and 2.5D: all the hands that make one picture, and the sides of an hourglass' maps."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Rectangle
from torch import Tensor

from hand_lib.figures.sliders import data_uri, picture_axes, skeleton_traces_2d, slider_figure
from hand_lib.figures.style import INK, SERIES_COLORS, panels
from hand_lib.skeleton import TIPS

CAMERA, RAY = INK, "#b0b0b0"
# Of the figure's height: the picture above, the side view below.
PICTURE, SIDE_VIEW = (0.5, 1.0), (0.0, 0.36)


def same_picture_slider(
    image: Tensor,
    uv: Tensor,
    xyz: Tensor,
    factors: Sequence[float],
    *,
    alt: str,
    titles: Sequence[str] | None = None,
    start: int = 0,
    height: int = 680,
) -> go.Figure:
    """A hand's picture above, and below, seen from the side, the hands k times as large and as far that all make it.

    Args:
        image: ``(3, H, W)``, the picture.
        uv: ``(N, 21, 2)`` pixels, the joints that each of the N hands has in it.
        xyz: ``(21, 3)`` mm, camera frame, the hand with k = 1.
        factors: the N values of k.
        alt: what the figure shows and what the slider changes.
        titles: one a position.
        start: the position that is shown first.
        height: in pixels.

    Returns:
        The plotly figure.
    """
    ends = max(factors) * 1.08 * xyz[list(TIPS)]
    rays = go.Scatter(
        x=[value for end in ends for value in (0.0, round(float(end[2]), 1), None)],
        y=[value for end in ends for value in (0.0, round(float(end[1]), 1), None)],
        mode="lines",
        line={"color": RAY, "width": 1},
        hoverinfo="skip",
        showlegend=False,
    )
    camera = go.Scatter(
        x=[0], y=[0], mode="markers", marker={"color": CAMERA, "size": 11}, hoverinfo="skip", showlegend=False
    )
    frames = []
    for k, points in zip(factors, uv, strict=True):
        from_the_side = skeleton_traces_2d(k * xyz[:, [2, 1]], showlegend=False)
        for trace in from_the_side:
            trace.hovertemplate = "%{text}<br>z %{x} y %{y} mm<extra></extra>"
        below = [rays, camera, *from_the_side]
        frames.append([*skeleton_traces_2d(points, showlegend=False), *(_below(trace) for trace in below)])
    figure = slider_figure(
        frames,
        [f"{k:g}" for k in factors],
        alt=alt,
        titles=titles,
        prefix="times as large and as far: ",
        start=start,
        height=height,
    )
    rows, columns = image.shape[-2:]
    picture_axes(figure, rows, columns)
    figure.add_layout_image(
        source=data_uri(image),
        xref="x",
        yref="y",
        x=-0.5,
        y=-0.5,
        sizex=columns,
        sizey=rows,
        sizing="stretch",
        layer="below",
    )
    low, high = (float(value) * max(factors) for value in (xyz[:, 1].min(), xyz[:, 1].max()))
    air = 0.15 * (high - low)
    figure.update_layout(
        yaxis={"domain": PICTURE},
        xaxis2={
            "anchor": "y2",
            "range": [-0.04 * float(ends[:, 2].max()), float(ends[:, 2].max())],
            "title": {"text": "z, mm (away from the camera)", "standoff": 6},
        },
        yaxis2={
            "anchor": "x2",
            "domain": SIDE_VIEW,
            "range": [max(high, 0.0) + air, min(low, 0.0) - air],
            "scaleanchor": "x2",
            "constrain": "domain",
            "title": {"text": "y, mm", "standoff": 6},
        },
    )
    return figure


def _below(trace: go.Scatter) -> go.Scatter:
    return go.Scatter(trace).update(xaxis="x2", yaxis="y2")


# ----------------------------------------------------------------------------------------------------- the hourglass


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
