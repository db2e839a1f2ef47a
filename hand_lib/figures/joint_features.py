"""What belongs to one joint: its feature maps at every position of a slider, and tables of joint against joint."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib
import plotly.graph_objects as go
import torch
from matplotlib.figure import Figure
from torch import Tensor

from hand_lib.figures.features import cell_edges
from hand_lib.figures.sliders import data_uri, slider_figure
from hand_lib.figures.style import panels
from hand_lib.skeleton import FINGERS, JOINT_COLORS, JOINTS

GAP = 0.06  # between tiles, in parts of a tile's side
CAPTION = 0.17  # over each tile, likewise


def map_slider(
    image: Tensor,
    maps: Tensor,
    labels: Sequence[str],
    *,
    alt: str,
    tiles: Sequence[str],
    points: Tensor | None = None,
    titles: Sequence[str] | None = None,
    columns: int = 4,
    prefix: str = "",
    suffix: str = "",
    start: int = 0,
    height: int | None = None,
) -> go.Figure:
    """A sheet of feature maps over a picture that changes with the slider, such as the maps of one joint after another.

    Each map is laid over the picture as in :func:`hand_lib.figures.features.map_sheet`: clear is nothing, bright is
    the map's own largest value, and each pixel shows the cell that stands nearest to it.

    Args:
        image: ``(3, H, W)`` in [0, 1], under all the maps.
        maps: ``(P, N, h, w)``, not negative: N maps at each of P positions.
        labels: one a position.
        alt: what the figure shows and what the slider changes.
        tiles: names of the N maps.
        points: ``(P, 2)`` pixels, marked in every tile at that position.
        titles, prefix, suffix, start: as in :func:`~hand_lib.figures.sliders.slider_figure`.
        columns: tiles a line.
        height: in pixels; from the number of lines if it is not given.

    Returns:
        The plotly figure.
    """
    count, h, w = maps.shape[1:]
    high, wide = image.shape[-2:]
    columns = min(columns, count)
    rows = -(-count // columns)
    left = [round(i * wide * (1 + GAP), 3) for i in range(columns)]  # each tile's first pixel's centre
    top = [round(i * high * (1 + GAP + CAPTION), 3) for i in range(rows)]
    x, y = edges(left, w, wide), edges(top, h, high)
    corners = [(left[i % columns], top[i // columns]) for i in range(count)]

    frames = []
    for p in range(len(maps)):
        values = maps[p].detach().cpu().float().clamp_min(0)
        share = values / values.amax(dim=(1, 2), keepdim=True).clamp_min(1e-12)
        sheet: list[list[float | None]] = [[None] * (len(x) - 1) for _ in range(len(y) - 1)]
        for i, tile in enumerate(share.tolist()):
            for r, line in enumerate(tile):
                at = i % columns * (w + 1)
                sheet[i // columns * (h + 1) + r][at : at + w] = [round(value, 3) for value in line]
        traces: list = [
            go.Heatmap(x=x, y=y, z=sheet, zmin=0, zmax=1, colorscale=see_through(), showscale=False, hoverinfo="skip")
        ]
        if points is not None:
            u, v = points[p].detach().cpu().double().tolist()
            traces.append(
                go.Scatter(
                    x=[round(at + u, 2) for at, _ in corners],
                    y=[round(at + v, 2) for _, at in corners],
                    mode="markers",
                    marker={"size": 8, "color": "white", "line": {"color": "black", "width": 1.5}},
                    hoverinfo="skip",
                    showlegend=False,
                )
            )
        frames.append(traces)
    figure = slider_figure(
        frames,
        labels,
        alt=alt,
        titles=titles,
        prefix=prefix,
        suffix=suffix,
        start=start,
        height=height or 170 + 170 * rows,
    )
    grey = image.float().mean(0, keepdim=True)
    source = data_uri((grey / grey.max().clamp_min(1e-6)).expand(3, -1, -1))
    for (across, down), name in zip(corners, tiles, strict=True):
        figure.add_layout_image(
            source=source,
            xref="x",
            yref="y",
            x=across - 0.5,
            y=down - 0.5,
            sizex=wide,
            sizey=high,
            sizing="stretch",
            layer="below",
        )
        figure.add_annotation(
            x=across + (wide - 1) / 2, y=down - 0.5, text=name, showarrow=False, yanchor="bottom", font={"size": 11}
        )
    hidden = {"showgrid": False, "zeroline": False, "showticklabels": False, "ticks": "", "title": None}
    figure.update_xaxes(range=[-0.5, left[-1] + wide - 0.5], constrain="domain", **hidden)
    figure.update_yaxes(
        range=[top[-1] + high - 0.5, -0.5 - CAPTION * high], scaleanchor="x", constrain="domain", **hidden
    )
    return figure


def edges(starts: Sequence[float], cells: int, pixels: int) -> list[float]:
    """The cells' edges along one side of a line of tiles, in the sheet's coordinates.

    What lies between a tile's last cell and the next tile belongs to none and counts as one more cell.

    Args:
        starts: where each tile's first pixel's centre lies.
        cells: of a map along this side.
        pixels: of the picture along this side.
    """
    return [round(start + edge, 3) for start in starts for edge in cell_edges(cells, pixels)]


def see_through() -> list[list]:
    """A plotly colour scale from clear to bright, that of :func:`hand_lib.figures.features.map_sheet`."""
    scale = []
    for step in range(17):
        share = step / 16
        red, green, blue, _ = matplotlib.colormaps["inferno"]((share + 0.3) / 1.3, bytes=True)
        scale.append([share, f"rgba({red},{green},{blue},{0.8 * share:.2f})"])
    return scale


def joint_matrix(
    values: Tensor,
    *,
    xlabel: str,
    ylabel: str,
    label: str,
    low: float | None = None,
    high: float | None = None,
    width: float = 4.6,
) -> Figure:
    """A number for each pair of joints, as a picture of 21 × 21 cells with the joints' names.

    Args:
        values: ``(21, 21)``, the first index down.
        xlabel, ylabel: what the joints along each side are.
        label: of the colours, with the unit.
        low, high: ends of the colours; the values' own if they are not given.
        width: in inches.

    Returns:
        The figure.
    """
    figure, axes = panels(width=width, height=0.92 * width)
    ax = axes[0, 0]
    shown = ax.imshow(values.detach().cpu().numpy(), cmap="cividis", vmin=low, vmax=high)
    ax.grid(visible=False)
    ax.set_xticks(range(len(JOINTS)), JOINTS, rotation=90, fontsize=7)
    ax.set_yticks(range(len(JOINTS)), JOINTS, fontsize=7)
    for axis in (ax.get_xticklabels(), ax.get_yticklabels()):
        for text, color in zip(axis, JOINT_COLORS, strict=True):
            text.set_color(color)
    for finger in range(len(FINGERS)):
        ax.axhline(4 * finger + 0.5, color="white", linewidth=0.8)
        ax.axvline(4 * finger + 0.5, color="white", linewidth=0.8)
    ax.set(xlabel=xlabel, ylabel=ylabel)
    figure.colorbar(shown, ax=ax, label=label, shrink=0.85)
    return figure


def linear_probe(features: Tensor, targets: Tensor, *, fit: Tensor | None = None, ridge: float = 1e-2) -> Tensor:
    """How much of the targets can be read off the features by a linear map: R², measured on examples not fitted.

    Args:
        features: ``(N, F)``.
        targets: ``(N, T)``.
        fit: ``(N,)`` bool, the examples that the map is fitted to; every other one if it is not given.
        ridge: weight of a ridge, in parts of the features' mean variance times the number of fitted examples, since
            features hang together.

    Returns:
        ``(T,)``: 1 where the targets are read off exactly, 0 where the fitted examples' mean does as well, less where
        the map does worse than that.
    """
    if fit is None:
        fit = torch.arange(len(features), device=features.device) % 2 == 0
    x, y = features.double(), targets.double()
    x, y = x - x[fit].mean(0), y - y[fit].mean(0)
    gram = x[fit].T @ x[fit]
    gram.diagonal().add_(ridge * gram.diagonal().mean().clamp_min(1e-12))
    off = y[~fit] - x[~fit] @ torch.linalg.solve(gram, x[fit].T @ y[fit])
    return (1 - off.square().sum(0) / y[~fit].square().sum(0).clamp_min(1e-12)).to(features.dtype)
