"""Dexter+Object (Sridhar et al., ECCV 2016): fingertips of a hand that handles a cuboid; for evaluation only.

::

    data/Grasp1/color/Color_0001.bmp           640 × 480
    data/Grasp1/annotations/Grasp13D.txt       a line a frame

A line has cells between semicolons, the first five the tips of thumb, index, middle, ring and little finger: x, y, z
in millimetres before the depth camera, x and y with the opposite sign. A tip that is not seen has z = 32001.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from hand_lib.cache import read_at_most
from hand_lib.camera import project
from hand_lib.datasets.real.fields import Entry, array, entry
from hand_lib.datasets.real.hands import Annotation, Hand, no_joints
from hand_lib.datasets.real.pictures import read_picture
from hand_lib.errors import HandLibError, choose
from hand_lib.skeleton import TIPS

SEQUENCES = ("Grasp1", "Grasp2", "Occlusion", "Pinch", "Rigid", "Rotate")
SIZE = (480, 640)
_UNSEEN = 32001.0
_MOST_BYTES = 4 * 2**20

# The colour camera, and the way to its frame from the depth camera's: p ↦ R p + t, millimetres.
_K = ((587.45209, 0.0, 325.0), (0.0, 600.67456, 249.0), (0.0, 0.0, 1.0))
_R = np.array([[0.9999, 0.0034, 0.0161], [-0.0033, 1.0, -0.0079], [-0.0162, 0.0079, 0.9998]])
_T = np.array([19.0473, -1.8514, -4.7501])
_SIGNS = np.array([-1.0, -1.0, 1.0])


class _Tips(Entry):
    tips: array((len(TIPS), 3))


@dataclass(frozen=True, kw_only=True)
class DexterObject:
    """Hands of some sequences, in the frame of the colour camera.

    Attributes:
        root: the folder with ``data``.
        sequences: of ``SEQUENCES``.
        right: whether the hands are right ones. Public code takes them for left ones; the files do not say.
        around: millimetres. The data set has no boxes and its tips are not the hand, so a hand's box is a square this
            wide round the middle of its tips that are seen, at their depth: a choice of ours.
        prefix: what the annotation files' names begin with: ``my_`` for the revised ones that go round.

    Raises:
        HandLibError: an unknown sequence.
    """

    root: Path
    sequences: tuple[str, ...] = SEQUENCES
    right: bool = False
    around: float = 200.0
    prefix: str = ""

    def __post_init__(self) -> None:
        for sequence in self.sequences:
            if sequence not in SEQUENCES:
                raise choose("sequence", sequence, SEQUENCES)

    def _file(self, sequence: str) -> Path:
        return Path(self.root) / "data" / sequence / "annotations" / f"{self.prefix}{sequence}3D.txt"

    @cached_property
    def _tips(self) -> dict[str, np.ndarray]:
        return {sequence: read_tips(self._file(sequence)) for sequence in self.sequences}

    @cached_property
    def items(self) -> tuple[tuple[str, int], ...]:
        """Sequence and frame, from 1, of each hand of which a tip is seen."""
        return tuple(
            (sequence, frame)
            for sequence, tips in self._tips.items()
            for frame, seen in enumerate(np.isfinite(tips).any((1, 2)), 1)
            if seen
        )

    def __len__(self) -> int:
        return len(self.items)

    def name(self, index: int) -> str:
        sequence, frame = self.items[index]
        return f"Dexter+Object {sequence} {frame:04d}"

    def group(self, index: int) -> str:
        """The sequence: its frames follow each other."""
        return self.items[index][0]

    def annotation(self, index: int) -> Annotation:
        """What is said of a hand: its tips that are seen."""
        sequence, frame = self.items[index]
        xyz = no_joints()
        tips = (self._tips[sequence][frame - 1] * _SIGNS) @ _R.T + _T
        xyz[list(TIPS)] = torch.tensor(tips, dtype=torch.float32)
        K = torch.tensor(_K)
        middle = xyz.nanmean(dim=0)
        half = 0.5 * self.around * K[[0, 1], [0, 1]] / middle[2]
        place = project(middle[None], K)[0]
        return Annotation(xyz=xyz, K=K, right=self.right, box=torch.cat([place - half, place + half]))

    def hand(self, index: int) -> Hand:
        """A hand with its picture. Raises HandLibError, naming the file that is not as the dataset has it."""
        sequence, frame = self.items[index]
        path = Path(self.root) / "data" / sequence / "color" / f"Color_{frame:04d}.bmp"
        return Hand(annotation=self.annotation(index), image=read_picture(path, SIZE))


def read_tips(path: Path) -> np.ndarray:
    """``(N, 5, 3)`` millimetres as they are in the file; NaN in the rows of tips that are not seen.

    Raises:
        HandLibError: no such file, or a line of it has no five cells of three finite numbers.
    """
    content = read_at_most(path, _MOST_BYTES)
    lines = content.decode("latin-1").rstrip().split("\n")
    return np.stack([_line(line, path, f"line {number}") for number, line in enumerate(lines, 1)])


def _line(line: str, path: Path, where: str) -> np.ndarray:
    cells = [cell.split(",") for cell in line.split(";")[: len(TIPS)]]
    try:
        numbers = np.array([[float(number) for number in cell] for cell in cells])
    except ValueError as error:
        raise HandLibError(f"cannot use {path} at {where}: {ascii(line)[:60]} has no tips") from error
    tips = entry(_Tips, {"tips": numbers}, path, where).tips
    tips[tips[:, 2] == _UNSEEN] = np.nan
    return tips
