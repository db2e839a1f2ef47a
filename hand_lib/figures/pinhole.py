"""The pinhole camera from the side: how a ray makes a pixel, and all the hands that make one picture."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch
from torch import Tensor

from hand_lib.figures.sliders import data_uri, picture_axes, skeleton_traces_2d, slider_figure
from hand_lib.figures.style import INK, SERIES_COLORS, panels
from hand_lib.skeleton import TIPS

CAMERA, RAY = INK, "#b0b0b0"
# Of the figure's height: the picture above, the side view below.
PICTURE, SIDE_VIEW = (0.6, 1.0), (0.0, 0.47)


def pinhole_drawing(
    *,
    y: float = 62.0,
    z: float = 190.0,
    focal: float = 100.0,
    centre: float = 38.0,
    size: float = 96.0,
    farther: float = 1.5,
    width: float = 4.6,
    height: float = 3.3,
) -> Figure:
    """The pinhole camera from the side: the ray to a point, where it meets the picture, and what f, c, v, y and z are.

    The picture stands before the camera at the distance ``focal``, a pixel as large as one of the drawing's units.

    Args:
        y, z: how far down and away the point is, in the drawing's units.
        focal: the focal length f, in pixels.
        centre: the pixel straight ahead, c.
        size: of the picture along v, in pixels.
        farther: a second point lies on the same ray, so many times as far away.
        width, height: in inches.

    Returns:
        The figure.
    """
    figure, axes = panels(width=width, height=height)
    ax = axes[0, 0]
    seen = focal * y / z  # v − c
    picture, said = SERIES_COLORS[3], SERIES_COLORS[2]
    bottom = max(size - centre, y * farther) + 14
    ax.plot([0, 1.08 * z * farther], [0, 0], color=INK, linewidth=0.8, linestyle=":")
    ax.plot([0, z * farther], [0, y * farther], color=RAY, linewidth=1.6, zorder=1)
    ax.plot([focal, focal], [-centre, size - centre], color=picture, linewidth=3, solid_capstyle="butt")
    ax.plot([0], [0], "o", color=CAMERA, markersize=7)
    ax.plot([z], [y], "o", color=said, markersize=8)
    ax.plot([z * farther], [y * farther], "o", markerfacecolor="none", markeredgecolor=said, markersize=8)
    ax.plot([focal], [seen], "o", color=picture, markersize=7)
    for at, depth, name in ((bottom, focal, "$f$"), (bottom + 22, z, "$z$")):
        _measure(ax, (0, at), (depth, at))
        ax.text(depth / 2, at + 3, name, ha="center", va="top")
    ax.plot([focal, focal], [size - centre, bottom], color=INK, linewidth=0.6, linestyle=":")
    ax.plot([z, z], [y, bottom + 22], color=INK, linewidth=0.6, linestyle=":")
    _measure(ax, (z, 0), (z, y))
    ax.text(z + 4, y / 2, "$y$", va="center")
    _measure(ax, (focal - 9, 0), (focal - 9, seen))
    ax.text(focal - 13, seen / 2 + 2, "$v - c$", ha="right", va="center", fontsize=9)
    ax.text(focal + 4, -3, "$c$", va="bottom", color=picture)
    ax.text(focal + 4, seen - 2, "$v$", va="bottom", color=picture)
    ax.text(focal, -centre - 4, "picture", ha="center", va="bottom", color=picture)
    ax.text(0, -8, "camera", ha="left", va="bottom")
    ax.text(z * farther, y * farther + 9, "the same pixel", ha="right", va="top", fontsize=9, color=said)
    ax.set(xlim=(-6, 1.1 * z * farther), ylim=(bottom + 36, -centre - 18))
    ax.set_axis_off()
    ax.set_title(r"$v - c = f \cdot y / z$")
    return figure


def _measure(ax: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    """A length between two arrow heads."""
    ax.add_patch(FancyArrowPatch(start, end, arrowstyle="<->", mutation_scale=9, color=INK, shrinkA=0, shrinkB=0))


def same_picture_slider(
    image: Tensor,
    uv: Tensor,
    xyz: Tensor,
    factors: Sequence[float],
    *,
    alt: str,
    titles: Sequence[str] | None = None,
    start: int = 0,
    height: int = 760,
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
