"""What the features look like, and where a network fails: by viewpoint, and hand by hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
import torch
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from torch import Tensor

from hand_lib.figures.hands import SEEN_FROM, cube_around, hand_traces, legend_line, set_scene
from hand_lib.figures.sliders import slider_figure
from hand_lib.figures.style import panels, show_image
from hand_lib.skeleton import JOINTS, ROOT, WRIST

INDEX_MCP, LITTLE_MCP = JOINTS.index("index MCP"), JOINTS.index("little MCP")


def map_sheet(
    images: Tensor,
    maps: Tensor,
    *,
    titles: Sequence[str] | None = None,
    points: Tensor | None = None,
    columns: int = 6,
    width: float = 6.4,
) -> Figure:
    """Feature maps, each laid over its picture, cell by cell: clear is nothing, bright is the map's own largest value.

    The cells are drawn where they look: cell i of a map of stride s stands at pixel s·i (see
    :mod:`hand_lib.models.grid`), and each pixel shows the cell that stands nearest to it. So the first row and column
    are half as wide as the others, and the last ones half as wide again.

    Args:
        images: ``(3, H, W)``, one picture under all the maps, or ``(N, 3, H, W)``, one a map.
        maps: ``(N, h, w)``, not negative.
        titles: one a map.
        points: ``(N, 2)`` pixels, one marked in each picture, such as the joint that the map belongs to.
        columns: pictures a line.
        width: of the sheet, in inches.

    Returns:
        The figure.
    """
    return overlay_sheet(
        images,
        maps.clamp(min=0),
        cmap="inferno",
        vmin=-0.3,
        opacity=0.7,
        titles=titles,
        title_size=8,
        points=points,
        columns=columns,
        width=width,
    )


def cell_edges(cells: int, pixels: int) -> list[float]:
    """Where one cell ends and the next one begins along one side of a picture, from the picture's edge to its edge.

    Cell i stands at pixel i · pixels / cells; halfway between two cells the nearer one changes.

    Args:
        cells: of the map along this side.
        pixels: of the picture along this side, whose outer edges are −0.5 and pixels − 0.5.

    Returns:
        ``cells + 1`` places in pixels.
    """
    return [-0.5, *((i + 0.5) * pixels / cells for i in range(cells - 1)), pixels - 0.5]


def overlay_sheet(
    images: Tensor,
    maps: Tensor,
    *,
    cmap: str,
    vmin: float,
    opacity: float,
    titles: Sequence[str] | None,
    title_size: float,
    points: Tensor | None,
    columns: int,
    width: float,
) -> Figure:
    """Maps over grey pictures, each in parts of its own largest absolute value: the nearer to zero, the clearer.

    What :func:`map_sheet` and :func:`hand_lib.figures.drawn_maps.drawn_sheet` share; they differ in their colours.

    Args:
        images: ``(3, H, W)``, one picture under all the maps, or ``(N, 3, H, W)``, one a map.
        maps: ``(N, h, w)``.
        cmap: matplotlib's name of the colours from ``vmin`` to 1.
        vmin: lower end of the colours.
        opacity: of a map's largest value.
        titles: one a map.
        title_size: in points.
        points: ``(N, 2)`` pixels, one marked in each picture.
        columns: pictures a line.
        width: of the sheet, in inches.

    Returns:
        The figure.
    """
    count = len(maps)
    pictures = images.expand(count, *images.shape) if images.ndim == 3 else images
    height_px, width_px = pictures.shape[-2:]
    columns = min(columns, count)
    rows = -(-count // columns)
    cell_of_row, cell_of_column = (
        np.searchsorted(cell_edges(cells, pixels)[1:-1], np.arange(pixels), side="right")
        for cells, pixels in zip(maps.shape[-2:], (height_px, width_px), strict=True)
    )
    caption = 0.2 if titles is not None else 0.03
    figure, axes = panels(rows, columns, width=width, height=rows * (width / columns * height_px / width_px + caption))
    figure.get_layout_engine().set(w_pad=0.015, h_pad=0.015, wspace=0, hspace=0)
    for i, ax in enumerate(axes.flat):
        ax.set_axis_off()
        if i >= count:
            continue
        grey = pictures[i].float().mean(0)
        # Dimmed, so that what is bright over it is the map.
        show_image(ax, grey, cmap="gray", vmin=0.0, vmax=1.7 * float(grey.max().clamp_min(1e-6)))
        share = maps[i].detach().cpu().float().numpy()
        share = share / max(float(np.abs(share).max()), 1e-12)
        share = share[cell_of_row][:, cell_of_column]
        ax.imshow(share, cmap=cmap, vmin=vmin, vmax=1.0, alpha=opacity * np.abs(share))
        if points is not None:
            ax.scatter(
                *points[i].detach().cpu().tolist(), s=26, c="white", edgecolors="black", linewidths=1.0, zorder=3
            )
        ax.set_xlim(-0.5, width_px - 0.5)
        ax.set_ylim(height_px - 0.5, -0.5)
        if titles is not None:
            ax.set_title(titles[i], fontsize=title_size, pad=2)
    scale = ScalarMappable(Normalize(vmin, 1.0), cmap)
    bar = figure.colorbar(scale, ax=list(axes.flat), fraction=0.03, pad=0.01, aspect=12 * rows)
    low = -1.0 if maps.min() < 0 else 0.0
    bar.ax.set_ylim(low, 1.0)
    bar.set_ticks([low, 0.0, 1.0] if low else [0.0, 1.0])
    bar.ax.tick_params(labelsize=title_size, length=2)
    bar.set_label("part of the largest", fontsize=title_size, labelpad=0)
    bar.outline.set_visible(False)
    return figure


def palm_angle(xyz: Tensor) -> Tensor:
    """The viewpoint as one number: the angle between the palm's normal and the line of sight, in degrees.

    0: the palm faces the camera. 90: the hand is seen edge on. 180: its back faces the camera.

    Args:
        xyz: ``(..., 21, 3)`` mm, camera frame, right hands (as crops have them).

    Returns:
        ``(...)``.
    """
    index = xyz[..., INDEX_MCP, :] - xyz[..., WRIST, :]
    little = xyz[..., LITTLE_MCP, :] - xyz[..., WRIST, :]
    normal = torch.linalg.cross(index, little)  # out of a right hand's palm
    to_camera = -xyz[..., ROOT, :]
    return torch.rad2deg(torch.arccos(torch.cosine_similarity(normal, to_camera, dim=-1).clamp(-1, 1)))


def bin_means(values: Tensor, errors: Tensor, *, bins: int = 6) -> tuple[list[float], list[float], list[float]]:
    """Bins of as many hands each: their mean values, their mean errors, and half the 95 % intervals of these.

    Args:
        values: ``(N,)``, a number a hand.
        errors: ``(N,)`` mm.
        bins: how many; fewer where there are fewer hands.
    """
    order = values.detach().cpu().numpy().argsort(kind="stable")
    parts = [torch.as_tensor(part) for part in np.array_split(order, bins) if len(part)]
    errors = errors.detach().cpu().double()
    half = [1.96 * float(errors[part].std()) / len(part) ** 0.5 if len(part) > 1 else 0.0 for part in parts]
    means = [float(errors[part].mean()) for part in parts]
    return [float(values[part].double().mean()) for part in parts], means, half


def pair_slider(
    solid: Tensor,
    dotted: Tensor,
    labels: Sequence[str],
    *,
    alt: str,
    names: tuple[str, str] = ("predicted", "true"),
    titles: Sequence[str] | None = None,
    prefix: str = "",
    suffix: str = "",
    start: int = 0,
    height: int = 560,
    seen_from: Sequence[float] = SEEN_FROM,
) -> go.Figure:
    """Two 3D hands that both change with the slider, such as the predicted and the true one of each picture.

    Each pair is moved so that the dotted hand's root lies at the origin: hands at other places share one frame.

    Args:
        solid, dotted: ``(N, 21, 3)`` mm, one a position.
        labels: one a position.
        alt: what the figure shows and what the slider changes.
        names: of the two, for the legend.
        titles, prefix, suffix, start, height: as in :func:`~hand_lib.figures.sliders.slider_figure`.
        seen_from: where the eye stands, as in :func:`~hand_lib.figures.hands.hand_3d`.

    Returns:
        The plotly figure.
    """
    origin = dotted[:, ROOT : ROOT + 1]
    solid, dotted = solid - origin, dotted - origin
    named = [legend_line(name, solid=number == 0) for number, name in enumerate(names)]
    figure = slider_figure(
        [hand_traces(one) + hand_traces(other, solid=False) + named for one, other in zip(solid, dotted, strict=True)],
        labels,
        alt=alt,
        titles=titles,
        prefix=prefix,
        suffix=suffix,
        start=start,
        height=height,
    )
    return set_scene(figure, cube_around(solid, dotted), seen_from=seen_from)
