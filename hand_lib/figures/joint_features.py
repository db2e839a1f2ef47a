"""What belongs to one joint: its feature maps at every position of a slider, and tables of joint against joint."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib
import plotly.graph_objects as go
import torch
from matplotlib.figure import Figure
from torch import Tensor
from torch.nn import functional

from hand_lib.figures.sliders import data_uri, slider_figure
from hand_lib.figures.style import panels
from hand_lib.skeleton import FINGERS, JOINT_COLORS, JOINTS

TILE, GAP = 112, 6  # pixels of a tile's side and between tiles


def map_slider(
    images: Tensor,
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

    Each map is laid over its picture as in :func:`hand_lib.figures.features.map_sheet`: clear is nothing, bright is
    the map's own largest value, and the centre of cell i of a map of stride s lies on pixel s·i.

    Args:
        images: ``(3, H, H)`` in [0, 1], one picture under all the maps, or ``(P, 3, H, H)``, one a position.
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
    positions, count = maps.shape[:2]
    pictures = images.expand(positions, *images.shape) if images.ndim == 3 else images
    side = pictures.shape[-1]
    columns = min(columns, count)
    rows = -(-count // columns)
    corners = [(i % columns * (TILE + GAP), i // columns * (TILE + GAP)) for i in range(count)]  # (x, y) of each tile
    wide, high = columns * (TILE + GAP) - GAP, rows * (TILE + GAP) - GAP
    frames = []
    for p in range(positions):
        sheet = torch.ones(3, high, wide)
        for (x, y), overlaid in zip(corners, overlay(pictures[p], maps[p]), strict=True):
            sheet[:, y : y + TILE, x : x + TILE] = overlaid
        traces: list = [go.Image(source=data_uri(sheet), hoverinfo="skip")]
        if points is not None:
            u, v = ((points[p].detach().cpu().double() + 0.5) * TILE / side - 0.5).tolist()
            traces.append(
                go.Scatter(
                    x=[round(x + u, 1) for x, _ in corners],
                    y=[round(y + v, 1) for _, y in corners],
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
        height=height or 190 + round(150 * rows),
    )
    hidden = {"showgrid": False, "zeroline": False, "showticklabels": False, "ticks": "", "title": None}
    figure.update_xaxes(range=[-0.5, wide - 0.5], constrain="domain", **hidden)
    figure.update_yaxes(range=[high - 0.5, -14.5], scaleanchor="x", constrain="domain", **hidden)
    for (x, y), name in zip(corners, tiles, strict=True):
        figure.add_annotation(
            x=x + TILE / 2,
            y=y + 1,
            text=name,
            showarrow=False,
            yanchor="top" if y else "bottom",
            font={"size": 11, "color": "white" if y else "#222222"},
        )
    return figure


def overlay(image: Tensor, maps: Tensor) -> Tensor:
    """A picture in grey under each of its maps: ``(3, H, H)`` and ``(N, h, w)`` to ``(N, 3, TILE, TILE)`` in [0, 1]."""
    side = image.shape[-1]
    grey = functional.interpolate(image.float().mean(0)[None, None], size=(TILE, TILE), mode="bilinear")[0]
    grey = grey / grey.max().clamp_min(1e-6)
    pixel = (torch.arange(TILE) + 0.5) * side / TILE - 0.5  # of the picture, at each pixel of the tile

    def cells(count: int) -> tuple[Tensor, Tensor]:
        index = (pixel / (side / count) + 0.5).floor().long()
        return index.clamp(0, count - 1), index < count  # the last half cell of the picture belongs to none

    (row, rows_inside), (column, columns_inside) = cells(maps.shape[-2]), cells(maps.shape[-1])
    values = maps.detach().cpu().float().clamp_min(0)
    share = values / values.amax(dim=(1, 2), keepdim=True).clamp_min(1e-12)
    share = share[:, row][:, :, column] * rows_inside[:, None] * columns_inside
    colors = matplotlib.colormaps["inferno"]((share.numpy() + 0.3) / 1.3)[..., :3]
    alpha = 0.8 * share[:, None]
    return alpha * torch.from_numpy(colors).permute(0, 3, 1, 2).float() + (1 - alpha) * grey


def joint_matrix(
    values: Tensor,
    *,
    xlabel: str,
    ylabel: str,
    label: str,
    low: float | None = None,
    high: float | None = None,
    width: float = 6.0,
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


def linear_probe(features: Tensor, targets: Tensor, *, ridge: float = 1e-2) -> Tensor:
    """How much of the targets can be read off the features by a linear map: R², measured on hands not fitted.

    The map is fitted to every other hand, with a ridge for features that hang together, and measured on the rest.

    Args:
        features: ``(N, F)``.
        targets: ``(N, T)``.
        ridge: its weight, in parts of the features' mean variance times the number of hands.

    Returns:
        ``(T,)``: 1 where the targets are read off exactly, 0 where the fitted hands' mean does as well, less where the
        map does worse than that.
    """
    fit = torch.arange(len(features), device=features.device) % 2 == 0
    x, y = features.double(), targets.double()
    x, y = x - x[fit].mean(0), y - y[fit].mean(0)
    gram = x[fit].T @ x[fit]
    gram.diagonal().add_(ridge * gram.diagonal().mean().clamp_min(1e-12))
    off = y[~fit] - x[~fit] @ torch.linalg.solve(gram, x[fit].T @ y[fit])
    return (1 - off.square().sum(0) / y[~fit].square().sum(0).clamp_min(1e-12)).to(features.dtype)
