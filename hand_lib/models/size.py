"""How large a network is, whatever it is made of."""

from __future__ import annotations

from dataclasses import dataclass

from hand_lib.errors import HandLibError, choose
from hand_lib.models.backbone import LAYOUTS, ResNet
from hand_lib.models.grid import MapGrid


@dataclass(frozen=True, kw_only=True)
class NetworkSize:
    """How large a row's network is; the row says what it is made of.

    Attributes:
        depth: of the ResNet: 18, 34, 50, 101 or 152.
        width: channels of its first block, 64 as published.
        image_size: side of the square pictures, in pixels.
        stem_stride: pixels from cell to cell where its first block begins, 4 as published; 2 for small pictures.
        final_stride: stride of its last block, 2 as published; 1 for small pictures.
    """

    depth: int = 18
    width: int = 64
    image_size: int = 256
    stem_stride: int = 4
    final_stride: int = 2

    def __post_init__(self) -> None:
        if self.depth not in LAYOUTS:
            raise choose("ResNet depth", self.depth, LAYOUTS)
        if not 32 <= self.image_size <= 1024:
            raise HandLibError(f"pictures must be at least 32 pixels wide and at most 1024, not {self.image_size}")
        if not 1 <= self.width <= 256:
            raise HandLibError(f"a backbone must have a width of 1 to 256 channels, not {self.width}")
        if self.stem_stride not in (2, 4):
            raise HandLibError(f"the stem's stride must be 2 or 4, not {self.stem_stride}")
        if self.final_stride not in (1, 2):
            raise HandLibError(f"the final stride must be 1 or 2, not {self.final_stride}")

    def backbone(self) -> ResNet:
        """F."""
        return ResNet(depth=self.depth, width=self.width, stem_stride=self.stem_stride, final_stride=self.final_stride)

    @property
    def bottleneck(self) -> bool:
        """Whether the backbone is of bottlenecks (ResNet-50 and deeper), whose X has four times the channels."""
        return LAYOUTS[self.depth][0].expansion > 1

    @property
    def channels(self) -> int:
        """C of X."""
        return 8 * self.width * LAYOUTS[self.depth][0].expansion

    @property
    def middle_stride(self) -> int:
        """Pixels from cell to cell of F⁰; cell i looks at pixel i times this."""
        return 4 * self.stem_stride

    @property
    def stride(self) -> int:
        """Pixels from cell to cell of X."""
        return self.middle_stride * self.final_stride

    def map_grid(self, stride: int) -> MapGrid:
        """The cells of a map of this stride over the pictures."""
        return MapGrid(height=self.image_size, width=self.image_size, stride=stride)

    @property
    def middle_grid(self) -> int:
        """Side of F⁰ in cells."""
        return self.map_grid(self.middle_stride).cells[0]

    @property
    def grid(self) -> int:
        """Side of X in cells."""
        return -(-self.middle_grid // self.final_stride)

    def scaled(self, hidden: int) -> int:
        """A width that is ``hidden`` with the published backbone, for this backbone's width."""
        return max(1, hidden * self.width // 64)
