"""A network's answer to a photograph: where it sees 21 joints, in a picture of which nothing else is known.

No camera, no root depth and no scale are known here, so nothing is in millimetres: joints are pixels and depths in
lengths of the scale bone. In space the hand stands as if it were seen from far away. The pages compute the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor, nn

from hand_lib.camera import crop_transform, inverse, transform_points, warp_image
from hand_lib.datasets.real.pictures import opened
from hand_lib.errors import HandLibError
from hand_lib.skeleton import SCALE_BONE

MARGIN = 1.2  # of the square that is cut out, as in training
MOST_LEANING = 0.95  # of its length: a bone that points at the camera says nothing of how large a pixel is
_FARTHEST = 1e6  # in halves of a picture, and lengths of a bone
_LARGEST = 10  # a box beside its picture
_MOST_BYTES, _MOST_PIXELS = 64 * 2**20, 50_000_000
_FEWEST = 8  # pixels of a side
_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF")


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a network says of one picture.

    Attributes:
        uv: ``(21, 2)`` joints in pixels of the picture.
        depth: ``(21,)`` behind the root, in lengths of the scale bone.
        xyz: ``(21, 3)`` the hand in lengths of the scale bone, root at 0, as :func:`from_afar` gives it.
        crop: ``(3, S, S)`` in [0, 1], what the network saw.
        seen: ``(21, 2)`` joints in pixels of the crop.
    """

    uv: Tensor
    depth: Tensor
    xyz: Tensor
    crop: Tensor
    seen: Tensor


def read_photograph(path: Path) -> Tensor:
    """A picture as a person sees it, turned as the camera was held; ``(3, H, W)`` uint8, RGB.

    Raises:
        HandLibError: no such file; too large or too small; cut short or no picture; numbers that are no brightness.
    """
    with opened(path, _FORMATS, _MOST_BYTES) as picture:
        width, height = picture.size
        if width * height > _MOST_PIXELS:
            raise HandLibError(f"cannot read {path}: {width} × {height} pixels are more than {_MOST_PIXELS}")
        if min(width, height) < _FEWEST:
            raise HandLibError(f"cannot use {path}: {width} × {height} pixels are no picture of a hand")
        pixels = np.array(_eight_bits(ImageOps.exif_transpose(picture)).convert("RGB"))
    return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()


def _eight_bits(picture: Image.Image) -> Image.Image:
    """Pictures of sixteen bits as others are; Pillow's own conversion makes all above 255 white."""
    if picture.mode not in ("F", "I") and not picture.mode.startswith("I;16"):
        return picture
    values = np.asarray(picture, dtype=np.float64)
    if not (values.min() >= 0 and values.max() < 2**16) or picture.mode == "F":
        raise ValueError("its numbers are none of eight or sixteen bits")
    return Image.fromarray((values / 257).round().astype(np.uint8))


def middle_box(picture: Tensor) -> Tensor:
    """The box in the middle whose crop is as wide as the picture's shorter side; ``(4,)`` u0, v0, u1, v1."""
    height, width = picture.shape[-2:]
    centre = torch.tensor([(width - 1) / 2, (height - 1) / 2])
    half = min(width, height) / MARGIN / 2
    return torch.cat([centre - half, centre + half])


def checked_box(box: Tensor, picture: Tensor) -> Tensor:
    """The box, if a hand can be cut out there. Raises HandLibError that names the box and the picture's size."""
    height, width = picture.shape[-2:]
    (u0, v0, u1, v1), said = box.tolist(), " ".join(f"{number:g}" for number in box.tolist())
    if not box.isfinite().all() or u1 - u0 < 4 or v1 - v0 < 4:
        raise HandLibError(f"--box {said}: give u0 v0 u1 v1 in pixels, with u1 and v1 at least 4 larger")
    if max(u1 - u0, v1 - v0) > _LARGEST * max(width, height):
        raise HandLibError(f"--box {said} is more than {_LARGEST} times as large as the picture of {width} × {height}")
    if u0 >= width or v0 >= height or u1 <= 0 or v1 <= 0:
        raise HandLibError(f"--box {said} lies outside the picture of {width} × {height} pixels")
    return box


@torch.inference_mode()
def answer(network: nn.Module, picture: Tensor, *, side: int, box: Tensor, right: bool) -> Answer:
    """Ask a network for the hand in a box.

    Args:
        network: ``(B, 3, S, S)`` in [0, 1] to ``(B, 21, 3)``, on the CPU.
        picture: ``(3, H, W)`` uint8.
        side: S.
        box: ``(4,)`` u0, v0, u1, v1 round the hand, from edge to edge; a fifth more is cut out.
        right: whether it is a right hand; a left one is shown to the network as its mirror image.

    Raises:
        HandLibError: what it answers is not finite, or far beyond any picture.
    """
    first, last = box[None, :2], box[None, 2:]
    A = crop_transform((first + last) / 2, MARGIN * (last - first).amax(-1), side, mirror=torch.tensor([not right]))
    crop = warp_image(picture[None].float(), A, side) / 255
    Y = network(crop)[0]
    if not (Y.abs() < _FARTHEST).all():
        raise HandLibError("the network answers with numbers that are no joints: its weights are of no use")
    seen = (Y[:, :2] + 1) / 2 * (side - 1)
    uv, depth = transform_points(inverse(A)[0], seen), Y[:, 2]
    return Answer(uv=uv, depth=depth, xyz=from_afar(uv, depth), crop=crop[0], seen=seen)


def from_afar(uv: Tensor, depth: Tensor) -> Tensor:
    """A hand in lengths of the scale bone from what a picture says, as if it were seen from far away.

    There all joints have pixels of one size, and the scale bone tells it: its length is 1, so of its part in the
    picture's plane as much as its depth leaves. A bone that points at the camera would make the hand endless; it is
    taken to lean by :data:`MOST_LEANING` at most.

    Args:
        uv: ``(21, 2)`` pixels.
        depth: ``(21,)`` behind the root, in lengths of the scale bone.

    Returns:
        ``(21, 3)``, root at 0, x right, y down, z away.
    """
    root, end = SCALE_BONE
    leaning = (depth[end] - depth[root]).abs().clamp(max=MOST_LEANING)
    unit = (uv[end] - uv[root]).norm() / (1 - leaning**2).sqrt()
    unit = torch.where(unit > 0, unit, torch.ones_like(unit))
    return torch.cat([(uv - uv[root]) / unit, (depth - depth[root])[:, None]], dim=-1)
