"""What every reader gives: one hand's annotation, with or without its picture, and the way to samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from hand_lib.camera import project
from hand_lib.errors import HandLibError
from hand_lib.samples import Samples
from hand_lib.skeleton import NUM_JOINTS


@dataclass(frozen=True, kw_only=True)
class Annotation:
    """What a dataset says of one hand, in the package's conventions.

    Camera frame: x right, y down, z forward, millimetres. Joints are in the order of :mod:`hand_lib.skeleton`.

    Attributes:
        xyz: ``(21, 3)`` float32; NaN in the rows of joints that the dataset does not tell.
        K: ``(3, 3)`` float32, intrinsics of the picture.
        right: a right hand.
        visible: ``(21,)`` bool, or None where the dataset does not say.
        uv: ``(21, 2)`` float32 pixels that the dataset gives beside ``xyz``, or None.
        box: ``(4,)`` float32, ``u0, v0, u1, v1`` that the dataset gives, or None.
        scale: millimetres from middle MCP to middle PIP, where the dataset gives it beside the joints or in their
            place; else None.
    """

    xyz: Tensor
    K: Tensor
    right: bool
    visible: Tensor | None = None
    uv: Tensor | None = None
    box: Tensor | None = None
    scale: float | None = None

    @property
    def known(self) -> Tensor:
        """``(21,)`` bool, the joints that the dataset tells."""
        return self.xyz.isfinite().all(dim=-1)


@dataclass(frozen=True, kw_only=True)
class Hand:
    """An annotation with its picture.

    Attributes:
        annotation: what the dataset says.
        image: ``(3, H, W)`` uint8, RGB.
        mask: ``(H, W)`` uint8 in RHD's classes, in which another hand is class 1, a person; or None.
        silhouette: ``(H, W)`` bool, the pixels that show the hand, where a dataset tells so without naming parts, and
            wherever there is a mask; or None.
    """

    annotation: Annotation
    image: Tensor
    mask: Tensor | None = None
    silhouette: Tensor | None = None


class Reader(Protocol):
    """What the readers have in common: an index of hands, made without opening a picture, and the hands one by one."""

    def __len__(self) -> int: ...

    def name(self, index: int) -> str:
        """Which frame and which hand, for people."""

    def group(self, index: int) -> str:
        """What must not be parted between training and validation: hands of one group are one hand seen again."""

    def annotation(self, index: int) -> Annotation:
        """What is said of a hand. Raises HandLibError, naming the file, where that is damaged."""

    def hand(self, index: int) -> Hand:
        """The same with the picture. Raises HandLibError, naming the file, where one is missing or damaged."""


def no_joints() -> Tensor:
    """``(21, 3)`` of NaN: to be filled with what is known."""
    return torch.full((NUM_JOINTS, 3), torch.nan)


def box_of(uv: Tensor, silhouette: Tensor | None) -> Tensor:
    """``(4,)`` ``u0, v0, u1, v1`` round the silhouette, pixels' sides included; round the joints where none is seen.

    Args:
        uv: ``(J, 2)`` pixels.
        silhouette: ``(H, W)`` bool, or None.
    """
    points = uv if silhouette is None or not silhouette.any() else silhouette.nonzero().flip(-1).float()
    return torch.cat([points.amin(0) - 0.5, points.amax(0) + 0.5])


def to_samples(hands: Sequence[Hand]) -> Samples:
    """Hands with all their joints, of pictures of one size, as a batch.

    Where a dataset does not say whether a joint is visible, it counts as visible if it lies in the picture. A dataset's
    own box goes before that of the silhouette, and this before that of the joints.

    Raises:
        HandLibError: no hands, a joint that is not known, pictures of several sizes, or masks of some hands only.
    """
    for hand in hands:
        missing = int((~hand.annotation.known).sum())
        if missing:
            raise HandLibError(f"{missing} of {NUM_JOINTS} joints of a hand are not known: it can be no sample")
    return _batch(hands)


def to_pictures(hands: Sequence[Hand]) -> Samples:
    """The same of hands of which joints need not be known: NaN in their rows of ``xyz`` and ``uv``, and not visible.

    Raises:
        HandLibError: no hands, pictures of several sizes, masks of some hands only, or a hand of which neither a box
            nor a silhouette nor its joints are known.
    """
    samples = _batch(hands)
    if not samples.box.isfinite().all():
        raise HandLibError("where a hand lies in its picture is not known: neither a box nor its joints are given")
    return samples


def _batch(hands: Sequence[Hand]) -> Samples:
    if not hands:
        raise HandLibError("there are no hands to make samples of")
    sizes = {tuple(hand.image.shape[1:]) for hand in hands}
    if len(sizes) > 1:
        raise HandLibError(f"pictures of several sizes make no batch: {', '.join(map(str, sorted(sizes)))}")
    return Samples.concat([_sample(hand) for hand in hands])


def _sample(hand: Hand) -> Samples:
    said = hand.annotation
    uv = project(said.xyz, said.K)
    visible = said.visible
    if visible is None:
        size = torch.tensor([hand.image.shape[2], hand.image.shape[1]])
        visible = ((uv > -0.5) & (uv < size - 0.5)).all(dim=-1)
    return Samples(
        images=hand.image[None],
        uv=uv[None],
        xyz=said.xyz[None],
        visible=visible[None],
        K=said.K[None],
        right=torch.tensor([said.right]),
        box=(said.box if said.box is not None else box_of(uv, hand.silhouette))[None],
        mask=None if hand.mask is None else hand.mask[None],
    )
