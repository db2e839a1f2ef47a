"""Maps that are drawn from coordinates, or read as coordinates: their first and last cells are the picture's edges."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure
from torch import Tensor

from hand_lib.figures.features import overlay_sheet


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
    return overlay_sheet(
        images,
        maps,
        extent=cell_extent(tuple(maps.shape[-2:]), tuple(images.shape[-2:])),
        cmap="PuOr_r",
        vmin=-1.0,
        opacity=0.75,
        titles=titles,
        title_size=7.5,
        points=points,
        columns=columns,
        width=width,
    )
