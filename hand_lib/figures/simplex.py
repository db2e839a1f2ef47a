"""Shares of three groups as points of a triangle: a corner is one group for certain, the centre is no choice at all."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib
import plotly.graph_objects as go
import torch
from torch import Tensor

from hand_lib.figures.groups import GROUP_COLORS
from hand_lib.figures.sliders import add_play_button, slider_figure
from hand_lib.figures.style import INK

# Of the three groups: lower left, lower right, top; sides of length 1.
CORNERS = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.5, 3**0.5 / 2]])


def on_triangle(shares: Tensor) -> Tensor:
    """``(..., 3)`` shares that sum to one, to ``(..., 2)``: the mean of the corners under these weights, y up."""
    return shares.detach().cpu() @ CORNERS.to(shares.dtype)


def draw_simplex(ax: matplotlib.axes.Axes, shares: Tensor, *, title: str | None = None) -> matplotlib.axes.Axes:
    """Samples in the triangle, each in the colour of its largest share.

    Args:
        ax: the axes to draw on.
        shares: ``(N, 3)``, rows that sum to one.
        title: over the triangle.

    Returns:
        The axes.
    """
    ax.fill(*CORNERS.T.numpy(), facecolor="none", edgecolor=INK, linewidth=1.0)
    colors = [GROUP_COLORS[k] for k in shares.argmax(dim=-1).tolist()]
    ax.scatter(*on_triangle(shares).T.numpy(), c=colors, s=9, alpha=0.6, linewidths=0, clip_on=False)
    for k, (corner, up) in enumerate(zip(CORNERS.tolist(), (-0.06, -0.06, 0.05), strict=True)):
        ax.text(corner[0], corner[1] + up, f"group {k + 1}", ha="center", va="center", fontsize=9)
    ax.set_aspect("equal")
    ax.set_axis_off()
    ax.set(xlim=(-0.08, 1.08), ylim=(-0.12, 0.96))
    if title is not None:
        ax.set_title(title, fontsize=10)
    return ax


def simplex_film(
    shares: Tensor,
    labels: Sequence[str],
    *,
    alt: str,
    titles: Sequence[str] | None = None,
    prefix: str = "",
    start: int = 0,
    height: int = 480,
) -> go.Figure:
    """Samples that wander through the triangle as the slider moves, each in one colour for good.

    Args:
        shares: ``(P, N, 3)``: the same N samples at each of P positions, rows that sum to one.
        labels: one a position.
        alt: what the figure shows and what the slider changes.
        titles, prefix, start, height: as in :func:`~hand_lib.figures.sliders.slider_figure`.

    Returns:
        The plotly figure, with a button that plays it. The colour is that of the largest share at the last position.
    """
    places = on_triangle(shares).double()
    winners = shares[-1].argmax(dim=-1)
    x, y = CORNERS[[0, 1, 2, 0]].double().T.tolist()
    outline = go.Scatter(x=x, y=y, mode="lines", line={"color": INK, "width": 1}, hoverinfo="skip", showlegend=False)
    frames = []
    for position in places:
        traces = [outline]
        for k, color in enumerate(GROUP_COLORS[:3]):
            mine = position[winners == k]
            traces.append(
                go.Scatter(
                    x=[round(value, 3) for value in mine[:, 0].tolist()],
                    y=[round(value, 3) for value in mine[:, 1].tolist()],
                    mode="markers",
                    name=f"group {k + 1} in the end",
                    marker={"color": color, "size": 6, "opacity": 0.65},
                    hoverinfo="skip",
                )
            )
        frames.append(traces)
    figure = slider_figure(frames, labels, alt=alt, titles=titles, prefix=prefix, start=start, height=height)
    for k, (corner, anchor) in enumerate(zip(CORNERS.tolist(), ("top", "top", "bottom"), strict=True)):
        figure.add_annotation(
            x=corner[0], y=corner[1], text=f"group {k + 1}", showarrow=False, yanchor=anchor, font={"size": 13}
        )
    hidden = {"showgrid": False, "zeroline": False, "showticklabels": False, "ticks": "", "title": None}
    figure.update_xaxes(range=[-0.1, 1.1], constrain="domain", **hidden)
    figure.update_yaxes(range=[-0.1, 0.97], scaleanchor="x", constrain="domain", **hidden)
    return add_play_button(figure)
