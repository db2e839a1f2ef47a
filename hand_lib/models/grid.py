"""Where the cells of a map stand on the crop, for every map of the book: learnt, drawn or decoded.

A network of stride s looks with its cell i at pixel s·i (:class:`hand_lib.models.backbone.ResNet`). What is drawn
beside its features, or read from maps as coordinates, takes the same pixels. So the first cell stands on the first
pixel, and the last one s − 1 pixels before the last pixel, where the stride divides the crop.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from hand_lib.errors import HandLibError


@dataclass(frozen=True, kw_only=True)
class MapGrid:
    """The cells of a map over a crop, and the way from u and v to cells and back.

    Coordinates u, v are −1 and +1 at the centres of the crop's outer pixels. Places in cells are (column, row), like
    (u, v); maps are indexed (row, column).

    Attributes:
        height, width: of the crop, in pixels.
        stride: pixels from cell to cell; cell i stands at pixel i times this.

    Raises:
        HandLibError: a crop of fewer than 2 pixels a side, or a stride below 1.
    """

    height: int
    width: int
    stride: int

    def __post_init__(self) -> None:
        if min(self.height, self.width) < 2 or self.stride < 1:
            raise HandLibError(
                f"a map needs a crop of at least 2×2 pixels and a stride of at least 1, not {self.height}×{self.width} "
                f"and {self.stride}"
            )

    @property
    def cells(self) -> tuple[int, int]:
        """(h, w): rows and columns."""
        return -(-self.height // self.stride), -(-self.width // self.stride)

    def to_cells(self, uv: Tensor) -> Tensor:
        """u and v, ``(..., 2)``, to column and row, ``(..., 2)``, in cells, on the map or off it."""
        u, v = uv.unbind(-1)
        pixels = (u + 1) / 2 * (self.width - 1), (v + 1) / 2 * (self.height - 1)
        return torch.stack(pixels, dim=-1) / self.stride

    def to_uv(self, places: Tensor) -> Tensor:
        """Column and row, ``(..., 2)``, in cells, to u and v, ``(..., 2)``: the inverse of :meth:`to_cells`."""
        column, row = (places * self.stride).unbind(-1)
        return torch.stack([2 * column / (self.width - 1) - 1, 2 * row / (self.height - 1) - 1], dim=-1)

    def onto_cells(self, uv: Tensor) -> Tensor:
        """Like :meth:`to_cells`, but the strip of the crop beyond the last cell's centre belongs to that cell.

        That strip is up to s − 1 pixels wide. A place in it is moved onto the last cell's centre, and one beyond the
        crop is as far from that centre as it is from the crop's edge.

        Args:
            uv: ``(..., 2)``.

        Returns:
            ``(..., 2)`` column and row in cells.
        """
        column, row = self.to_cells(uv).unbind(-1)
        h, w = self.cells
        return torch.stack(
            [
                column - (column - (w - 1)).relu().clamp(max=(self.width - 1) / self.stride - (w - 1)),
                row - (row - (h - 1)).relu().clamp(max=(self.height - 1) / self.stride - (h - 1)),
            ],
            dim=-1,
        )
