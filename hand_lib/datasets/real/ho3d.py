"""HO-3D, versions 2 and 3 (Hampali et al., CVPR 2020): a right hand that holds a thing.

::

    train/ABF10/rgb/0000.png        640 × 480; version 3 has .jpg
    train/ABF10/meta/0000.pkl       joints in metres, OpenGL's axes, MANO's order with the tips last
    evaluation/AP10/…               of the joints the wrist alone, and a box
    train.txt, evaluation.txt       the frames that count, a line each: ABF10/0000

The evaluation's joints were published years later in a file of their own, ``evaluation_xyz.json``: a list in the order
of evaluation.txt, in the same unit, axes and order as the rest.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from pydantic import AfterValidator
from torch import Tensor

from hand_lib.cache import read_at_most
from hand_lib.datasets.real.fields import Entry, Intrinsics, array, entry, read_numbers
from hand_lib.datasets.real.hands import Annotation, Hand, no_joints
from hand_lib.datasets.real.pickles import read_pickle
from hand_lib.datasets.real.pictures import read_picture
from hand_lib.errors import HandLibError, choose
from hand_lib.skeleton import HO3D_ORDER, NUM_JOINTS, WRIST, to_canonical

FOLDERS = {"training": "train", "evaluation": "evaluation"}
# Of version 3's training the authors say two things: their programs 78,297, their README 103,462 less the evaluation.
FRAMES = {2: {"training": 66_034, "evaluation": 11_524}, 3: {"training": None, "evaluation": 20_137}}
SUFFIXES = {2: "png", 3: "jpg"}
SIZE = (480, 640)
_LINE = re.compile(r"(\w{1,40})/(\d{4})", re.ASCII)
_MOST_BYTES = 4 * 2**20  # of a list of frames
_FROM_OPENGL = np.array([1.0, -1.0, -1.0])  # y up and z backward to y down and z forward


def _box(corners: np.ndarray) -> np.ndarray:
    if not (corners[:2] < corners[2:]).all():
        raise ValueError("is no box: its first corner is not above and left of its second")
    return corners


class _Training(Entry):
    handJoints3D: array((NUM_JOINTS, 3))
    camMat: Intrinsics


class _Evaluation(Entry):
    handJoints3D: array((3,), (1, 3))
    handBoundingBox: Annotated[array((4,)), AfterValidator(_box)]
    camMat: Intrinsics


@dataclass(frozen=True, kw_only=True)
class HO3D:
    """Right hands of one split.

    Attributes:
        root: the folder with ``train.txt`` and ``evaluation.txt``.
        split: "training" or "evaluation".
        version: 2 or 3.
        truth: the evaluation's ``evaluation_xyz.json``; without it the wrist alone is known there.

    Raises:
        HandLibError: an unknown split or version, or a truth for the training.
    """

    root: Path
    split: str
    version: int
    truth: Path | None = None

    def __post_init__(self) -> None:
        if self.split not in FOLDERS:
            raise choose("split", self.split, FOLDERS)
        if self.version not in SUFFIXES:
            raise choose("version", self.version, SUFFIXES)
        if self.truth is not None and self.split != "evaluation":
            raise HandLibError("HO-3D's training has its joints beside the pictures: give no truth")

    @property
    def list(self) -> Path:
        """The file that names the frames."""
        return Path(self.root) / f"{FOLDERS[self.split]}.txt"

    @cached_property
    def items(self) -> tuple[tuple[str, str], ...]:
        """Sequence and frame of each hand, in the order of the list: submissions keep it."""
        content = read_at_most(self.list, _MOST_BYTES)
        found = []
        for number, line in enumerate(content.decode("latin-1").split("\n"), 1):
            if line.strip():
                if not (match := _LINE.fullmatch(line.strip())):
                    raise HandLibError(f"cannot use {self.list}: line {number} is {ascii(line)[:60]}, no frame")
                found.append(match.groups())
        if not found:
            raise HandLibError(f"cannot use {self.list}: it names no frame")
        if len(set(found)) < len(found):
            raise HandLibError(f"cannot use {self.list}: it names a frame twice")
        return tuple(found)

    @cached_property
    def _truth(self) -> np.ndarray:
        """``(N, 21, 3)`` metres, HO-3D's axes and order."""
        joints = read_numbers(self.truth, NUM_JOINTS, 3)
        if len(joints) != len(self.items):
            raise HandLibError(f"cannot use {self.truth}: {len(joints)} hands, but {self.list} names {len(self.items)}")
        return joints

    def __len__(self) -> int:
        return len(self.items)

    def name(self, index: int) -> str:
        return f"HO-3D v{self.version} {self.split} {'/'.join(self.items[index])}"

    def group(self, index: int) -> str:
        """The sequence without its camera's number: cameras of one recording show the same hand."""
        return self.items[index][0][:-1]

    def annotation(self, index: int) -> Annotation:
        """What is said of a hand. Raises HandLibError where its file is not as HO-3D has it."""
        sequence, frame = self.items[index]
        path = Path(self.root) / FOLDERS[self.split] / sequence / "meta" / f"{frame}.pkl"
        content = read_pickle(path)
        if self.split == "training":
            said = entry(_Training, content, path)
            return Annotation(xyz=_joints(said.handJoints3D), K=_float(said.camMat), right=True)
        said = entry(_Evaluation, content, path)
        if self.truth is None:
            xyz = no_joints()
            xyz[WRIST] = _float(said.handJoints3D.reshape(3) * _FROM_OPENGL * 1000.0)
        else:
            xyz = _joints(self._truth[index])
        return Annotation(xyz=xyz, K=_float(said.camMat), right=True, box=_float(said.handBoundingBox))

    def hand(self, index: int) -> Hand:
        """A hand with its picture. Raises HandLibError, naming the file that is not as HO-3D has it."""
        sequence, frame = self.items[index]
        path = Path(self.root) / FOLDERS[self.split] / sequence / "rgb" / f"{frame}.{SUFFIXES[self.version]}"
        return Hand(annotation=self.annotation(index), image=read_picture(path, SIZE))


def _joints(metres: np.ndarray) -> Tensor:
    return to_canonical(_float(metres * _FROM_OPENGL * 1000.0), HO3D_ORDER)


def _float(numbers: np.ndarray) -> Tensor:
    return torch.tensor(numbers, dtype=torch.float32)
