"""Maps that are drawn from coordinates, or read as coordinates: their first and last cells are the picture's edges."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from torch import Tensor

from hand_lib.figures.style import panels, show_image


def cell_extent(cells: tuple[int, int], pixels: tuple[int, int]) -> tuple[float, float, float, float]:
    """Left, right, bottom and top of a map whose first and last cells' centres lie on the first and last pixels'.

    Args:
        cells: (h, w) of the map.
        pixels: (H, W) of the picture.
    """
    down, across = ((size - 1) / max(count - 1, 1) for size, count in zip(pixels, cells, strict=True))
    height, width = pixels
    return -across / 2, width - 1 + across / 2, height - 1 + down / 2, -down / 2


def drawn_sheet(
    images: Tensor,
    maps: Tensor,
    *,
    titles: Sequence[str] | None = None,
    points: Tensor | None = None,
    columns: int = 4,
    width: float = 6.4,
) -> Figure:
    """Maps of either sign, each laid over its picture: clear is zero, orange positive, purple negative.

    Unlike the features of :func:`hand_lib.figures.features.map_sheet`, whose cells lie on multiples of the stride,
    these maps reach from the first pixel's centre to the last one's, as those of
    :mod:`hand_lib.models.refinement` and :mod:`hand_lib.models.heatmaps` do.

    Args:
        images: ``(3, H, W)``, one picture under all the maps, or ``(N, 3, H, W)``, one a map.
        maps: ``(N, h, w)``; each is drawn in parts of its own largest absolute value.
        titles: one a map.
        points: ``(N, 2)`` pixels, one marked in each picture.
        columns: pictures a line.
        width: of the sheet, in inches.

    Returns:
        The figure.
    """
    count = len(maps)
    pictures = images.expand(count, *images.shape) if images.ndim == 3 else images
    high, wide = pictures.shape[-2:]
    columns = min(columns, count)
    rows = -(-count // columns)
    caption = 0.2 if titles is not None else 0.03
    figure, axes = panels(rows, columns, width=width, height=rows * (width / columns * high / wide + caption))
    figure.get_layout_engine().set(w_pad=0.015, h_pad=0.015, wspace=0, hspace=0)
    for i, ax in enumerate(axes.flat):
        ax.set_axis_off()
        if i >= count:
            continue
        grey = pictures[i].float().mean(0)
        show_image(ax, grey, cmap="gray", vmin=0.0, vmax=float(grey.max().clamp_min(1e-6)))
        share = maps[i].detach().cpu().float().numpy()
        share = share / max(float(np.abs(share).max()), 1e-12)
        extent = cell_extent(share.shape, (high, wide))
        ax.imshow(share, cmap="PuOr_r", vmin=-1.0, vmax=1.0, extent=extent, alpha=0.75 * np.abs(share))
        if points is not None:
            ax.scatter(
                *points[i].detach().cpu().tolist(), s=26, c="white", edgecolors="black", linewidths=1.0, zorder=3
            )
        ax.set_xlim(-0.5, wide - 0.5)
        ax.set_ylim(high - 0.5, -0.5)
        if titles is not None:
            ax.set_title(titles[i], fontsize=7.5, pad=2)
    return figure
