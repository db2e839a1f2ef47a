"""Maps that are drawn from coordinates, or read as coordinates: of either sign."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure
from torch import Tensor

from hand_lib.figures.features import overlay_sheet


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

    The cells lie as those of :func:`hand_lib.figures.features.map_sheet` do: each pixel shows the nearest one.

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
        cmap="PuOr_r",
        vmin=-1.0,
        opacity=0.75,
        titles=titles,
        title_size=7.5,
        points=points,
        columns=columns,
        width=width,
    )
