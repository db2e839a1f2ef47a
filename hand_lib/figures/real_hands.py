"""Hands of a public data set on one sheet, cut out, with the joints that the data set tells."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from hand_lib.cache import atomic_write
from hand_lib.camera import crop_transform, project, transform_points, warp_image
from hand_lib.datasets.real.checks import evenly
from hand_lib.datasets.real.hands import Hand, Reader, box_of
from hand_lib.errors import HandLibError, choose
from hand_lib.figures import style
from hand_lib.figures.hands import contact_sheet

FORMATS = ("png", "jpg", "pdf", "svg")
SIDE = 160  # of a cut-out, in pixels
_MARGIN = 1.4
_NARROWEST = 0.2  # of the picture's height: one known joint alone has no extent


def cut_out(hand: Hand, size: int = SIDE) -> tuple[Tensor, Tensor, Tensor]:
    """A hand as its picture has it, neither turned nor mirrored.

    Args:
        hand: with or without its joints.
        size: side of the cut-out, in pixels.

    Returns:
        The picture ``(3, size, size)`` in [0, 1]; the joints ``(21, 2)`` in its pixels, NaN where they are not known;
        whether they are visible, ``(21,)`` bool, true where the data set does not say.

    Raises:
        HandLibError: neither a joint nor a box nor the hand's pixels are known.
    """
    said = hand.annotation
    seen = hand.silhouette is not None and hand.silhouette.any()
    if said.box is None and not seen and not said.known.any():
        raise HandLibError("of a hand no joint is known: there is nothing to cut out")
    uv = project(said.xyz, said.K)
    box = said.box if said.box is not None else box_of(uv[said.known], hand.silhouette)
    side = _MARGIN * max((box[2:] - box[:2]).max().item(), _NARROWEST * hand.image.shape[1])
    A = crop_transform((box[:2] + box[2:]) / 2, side, size)
    picture = warp_image(hand.image[None].float() / 255, A[None], size)[0]
    visible = torch.ones(len(uv), dtype=torch.bool) if said.visible is None else said.visible
    return picture, transform_points(A, uv), visible


def write_sheet(reader: Reader, path: Path, *, count: int = 24, columns: int = 6) -> int:
    """Save some hands of a reader as a sheet, evenly spread over its index; hidden joints are hollow.

    Args:
        reader: whose hands.
        path: a .png, .jpg, .pdf or .svg file.
        count: how many, at most.
        columns: hands a line.

    Returns:
        How many hands are on the sheet.

    Raises:
        HandLibError: no hands; another kind of file; a damaged file of the data set; the sheet cannot be written.
    """
    kind = path.suffix.lower().removeprefix(".")
    if kind not in FORMATS:
        raise choose("kind of picture", path.suffix, [f".{known}" for known in FORMATS])
    if not len(reader):
        raise HandLibError("the data set has no hands")
    hands = [cut_out(reader.hand(index)) for index in evenly(len(reader), count)]
    pictures, uv, visible = (torch.stack(parts) for parts in zip(*hands, strict=True))
    style.use()
    figure = contact_sheet(pictures, uv, visible=visible, columns=columns, width=9.0, limit=count)
    with atomic_write(path) as file:
        figure.savefig(file, format=kind, dpi=120)
    return len(hands)
