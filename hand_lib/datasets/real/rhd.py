"""RHD, the Rendered Handpose Dataset (Zimmermann and Brox, ICCV 2017): two hands a picture, with masks.

::

    RHD_published_v2/training/{color,mask}/00000.png    41,258 pictures of 320 × 320
    RHD_published_v2/training/anno_training.pickle
    RHD_published_v2/evaluation/…                        2,728

A frame has both hands of a person, rows 0–20 the left and 21–41 the right: wrist, then each finger from tip to palm;
metres. The papers take one hand a frame, the one with more pixels in the mask. A joint counts as visible there by the
mask's classes in its neighbourhood, not by what lies before it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from hand_lib.datasets.real.fields import Entry, Intrinsics, array, entry
from hand_lib.datasets.real.hands import Annotation, Hand
from hand_lib.datasets.real.pickles import read_pickle
from hand_lib.datasets.real.pictures import read_mask, read_picture
from hand_lib.errors import HandLibError, choose
from hand_lib.skeleton import NUM_JOINTS, RHD_ORDER, to_canonical

SPLITS = {"training": 41_258, "evaluation": 2_728}  # pictures
SIZE = (320, 320)
HANDS = ("larger", "both")

# Classes of the mask: 0 background, 1 person, then 16 of a left hand and 16 of a right one.
_FIRST = {"left": 2, "right": 18}
_CLASSES, _PERSON = 34, 1


class _Frame(Entry):
    xyz: array((2 * NUM_JOINTS, 3))
    uv_vis: array((2 * NUM_JOINTS, 3))
    K: Intrinsics


@dataclass(frozen=True, kw_only=True)
class RHD:
    """Hands of one split.

    Attributes:
        root: the folder ``RHD_published_v2``.
        split: "training" or "evaluation".
        hands: "larger", the papers' choice: of each frame the hand with more pixels in the mask, the left one only if
            it has strictly more; or "both": each hand of which the dataset calls a joint visible.

    Raises:
        HandLibError: an unknown split or choice.
    """

    root: Path
    split: str
    hands: str = "larger"

    def __post_init__(self) -> None:
        if self.split not in SPLITS:
            raise choose("split", self.split, SPLITS)
        if self.hands not in HANDS:
            raise choose("choice of hands", self.hands, HANDS)

    @property
    def annotations(self) -> Path:
        """The pickle."""
        return Path(self.root) / self.split / f"anno_{self.split}.pickle"

    @cached_property
    def _frames(self) -> dict[int, object]:
        content = read_pickle(self.annotations)
        if not isinstance(content, dict) or not content:
            raise HandLibError(f"cannot use {self.annotations}: it holds no dictionary of frames")
        for key in content:
            if not (isinstance(key, int) and 0 <= key < SPLITS[self.split]):
                raise HandLibError(f"cannot use {self.annotations}: {ascii(key)[:40]} is no number of a frame")
        return content

    @cached_property
    def items(self) -> tuple[tuple[int, str | None], ...]:
        """Frame and side of each hand; of a frame's larger hand the side is None: the mask tells it."""
        if self.hands == "larger":
            return tuple((number, None) for number in sorted(self._frames))
        return tuple(
            (number, side)
            for number in sorted(self._frames)
            for side in _FIRST
            if (self._frame(number).uv_vis[_rows(side), 2] == 1).any()
        )

    def __len__(self) -> int:
        return len(self.items)

    def name(self, index: int) -> str:
        number, side = self.items[index]
        return f"RHD {self.split} {number:05d} {side or 'larger hand'}"

    def group(self, index: int) -> str:
        return f"{self.split} {self.items[index][0]:05d}"

    def annotation(self, index: int) -> Annotation:
        """What is said of a hand; for the larger one of a frame its mask is read.

        Raises:
            HandLibError: the entry, or the mask where it is needed, is not as RHD has it.
        """
        number, side = self.items[index]
        return self._annotation(number, side or self._larger(self._mask(number)))

    def hand(self, index: int) -> Hand:
        """A hand with its picture and mask. Raises HandLibError, naming the file that is not as RHD has it."""
        number, side = self.items[index]
        mask = self._mask(number)
        side = side or self._larger(mask)
        own = (mask >= _FIRST[side]) & (mask < _FIRST[side] + 16)
        return Hand(
            annotation=self._annotation(number, side),
            image=read_picture(self._picture("color", number), SIZE),
            mask=torch.where(own | (mask == 0), mask, _PERSON),
            silhouette=own,
        )

    def _picture(self, kind: str, number: int) -> Path:
        return Path(self.root) / self.split / kind / f"{number:05d}.png"

    def _mask(self, number: int) -> Tensor:
        path = self._picture("mask", number)
        mask = read_mask(path, SIZE)
        if (largest := int(mask.max())) >= _CLASSES:
            raise HandLibError(
                f"cannot use {path}: {largest} is no class of RHD's masks, which are 0 to {_CLASSES - 1}"
            )
        return mask

    @staticmethod
    def _larger(mask: Tensor) -> str:
        left = ((mask >= _FIRST["left"]) & (mask < _FIRST["right"])).sum()
        return "left" if left > (mask >= _FIRST["right"]).sum() else "right"

    def _frame(self, number: int) -> _Frame:
        return entry(_Frame, self._frames[number], self.annotations, f"frame {number}")

    def _annotation(self, number: int, side: str) -> Annotation:
        frame, rows = self._frame(number), _rows(side)
        uv_vis = _canonical(frame.uv_vis[rows])
        return Annotation(
            xyz=_canonical(frame.xyz[rows]) * 1000.0,
            K=torch.tensor(frame.K, dtype=torch.float32),
            right=side == "right",
            visible=uv_vis[:, 2] == 1,
            uv=uv_vis[:, :2],
        )


def _rows(side: str) -> slice:
    return slice(NUM_JOINTS) if side == "left" else slice(NUM_JOINTS, None)


def _canonical(joints: np.ndarray) -> Tensor:
    return to_canonical(torch.tensor(joints, dtype=torch.float32), RHD_ORDER)
