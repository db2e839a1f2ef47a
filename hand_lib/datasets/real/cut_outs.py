"""Each hand of a large picture in a small one: cut out once, with room for whatever the augmentation does.

A training never sees more of a picture than the square round the hand that a turned, shifted and shrunken crop can
reach. :class:`CutOut` says how large that square is, and :func:`cut` makes it a picture of its own, with the joints,
the intrinsics and the box moved along. What a network is shown, and what it is told, is then the same as from the
whole picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, cos, floor, radians, sin, sqrt

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from hand_lib.camera import crop_transform, transform_intrinsics, transform_points
from hand_lib.datasets.augmentation import TRANSLATION_REFERENCE, Augmentation
from hand_lib.datasets.real.hands import Hand, to_samples
from hand_lib.errors import HandLibError
from hand_lib.samples import Samples

_FILTER = Image.Resampling.BICUBIC
_FILTER_REACH = 2  # pixels of the smaller picture to either side
_LARGEST = 4.0  # times the picture's longer side: a hand's box that is larger is none


@dataclass(frozen=True, kw_only=True)
class CutOut:
    """How much of a picture is kept round a hand, and how finely.

    Attributes:
        image_size: side of the crops that will be taken of it, in pixels.
        augmentation: what may be done to them.
        margin: of the crops, see :func:`hand_lib.datasets.augmentation.crop`.
    """

    image_size: int
    augmentation: Augmentation
    margin: float = 1.2

    @property
    def size(self) -> int:
        """Side of the cut-out in its own pixels. They are as fine as those of the crop that is magnified most."""
        return ceil(self._needed * self.image_size * self._finest)

    @property
    def reach(self) -> float:
        """Side of the cut-out, in sides of the crop that is not augmented."""
        return self.size / (self.image_size * self._finest)

    @property
    def _finest(self) -> float:
        """Pixels of the cut-out in one of the plain crop: so many that no crop's pixel is smaller than one of them."""
        return max(1.0, self.augmentation.scale[1])

    @property
    def _needed(self) -> float:
        """The least :attr:`reach`.

        The centres of a crop's outer pixels lie (n − 1)/2 of its pixels from its middle. They are shifted by T n/256 at
        most, turned, and shrunken by the lowest scale. A square of half side h that is turned by θ reaches
        h (|cos θ| + |sin θ|), which is h √2 from 45° on. A pixel is made of what lies within one and a half of its own
        widths (:func:`hand_lib.camera.warp_image`: a triangle over two blocks, and half a block; it takes a pixel for
        as large as n blocks from a thousandth less on).
        """
        n, turn = self.image_size, radians(min(self.augmentation.rotation_degrees, 45.0))
        turned = min(cos(turn) + sin(turn), sqrt(2))
        outermost = 0.5 * (n - 1) / n + self.augmentation.translation_px / TRANSLATION_REFERENCE
        return 2 / self.augmentation.scale[0] * (outermost * turned + 1.001 * 1.5 / n)


def cut(hand: Hand, how: CutOut) -> Samples:
    """A hand cut out of its picture, as samples of one: resampled once, black where the picture ends.

    Raises:
        HandLibError: a joint is not known or lies behind the camera; the box is empty or far larger than the picture.
    """
    whole = to_samples([hand])
    if not (whole.xyz[..., 2] > 0).all():
        raise HandLibError("a joint lies behind the camera")
    first, last = whole.box[0, :2], whole.box[0, 2:]
    side = how.margin * how.reach * (last - first).max().item()
    longest = max(hand.image.shape[1:])
    if not (last > first).all() or not side < _LARGEST * how.margin * how.reach * longest:
        raise HandLibError(f"its box, {', '.join(f'{edge:.4g}' for edge in whole.box[0].tolist())}, is no hand's")
    centre = (first + last) / 2
    if not ((centre > -longest) & (centre < 2 * longest)).all():
        raise HandLibError(f"it lies outside its picture, round {', '.join(f'{place:.4g}' for place in centre)}")
    A = crop_transform(centre, side, how.size)[None]
    return Samples(
        images=_resampled(hand.image, centre, side, how.size)[None],
        uv=transform_points(A, whole.uv),
        xyz=whole.xyz,
        visible=whole.visible,
        K=transform_intrinsics(A, whole.K),
        right=whole.right,
        box=transform_points(A, whole.box.view(1, 2, 2)).flatten(1),
    )


def _resampled(image: Tensor, centre: Tensor, side: float, size: int) -> Tensor:
    """``(3, size, size)`` of the square of a picture ``(3, H, W)`` uint8; each pixel of all that it covers."""
    # Pillow counts from the outer edge of the first pixel, we from its centre.
    left, top = ((centre.double() + 0.5) - side / 2).tolist()
    around = ceil(_FILTER_REACH * max(1.0, side / size)) + 1
    u0, v0 = floor(left) - around, floor(top) - around
    u1, v1 = ceil(left + side) + around, ceil(top + side) + around
    room = np.zeros((v1 - v0, u1 - u0, 3), np.uint8)
    height, width = image.shape[1:]
    rows, columns = slice(max(v0, 0), min(v1, height)), slice(max(u0, 0), min(u1, width))
    if rows.start < rows.stop and columns.start < columns.stop:
        seen = image[:, rows, columns].permute(1, 2, 0).numpy()
        room[rows.start - v0 : rows.stop - v0, columns.start - u0 : columns.stop - u0] = seen
    box = (left - u0, top - v0, left - u0 + side, top - v0 + side)
    small = Image.fromarray(room).resize((size, size), _FILTER, box=box)
    return torch.from_numpy(np.array(small)).permute(2, 0, 1).contiguous()
