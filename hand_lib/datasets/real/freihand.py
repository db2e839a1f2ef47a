"""FreiHAND (Zimmermann et al., ICCV 2019): right hands, each training hand in four versions of its picture.

::

    FreiHAND_pub_v2/training/rgb/00000000.jpg      130,240 of 224 × 224: four times the same 32,560 hands
    FreiHAND_pub_v2/training/mask/00000000.jpg     32,560, of the first version
    FreiHAND_pub_v2/training_{K,xyz,scale}.json    32,560 entries, metres
    FreiHAND_pub_v2/evaluation/rgb/00000000.jpg    3,960
    FreiHAND_pub_v2/evaluation_{K,scale}.json      and _xyz.json, which came later

The versions are the green screen as it was (gs) and three with other backgrounds and colours (hom, sample, auto). A
split into training and validation goes by :meth:`FreiHAND.group`, or the same hand stands on both sides of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from hand_lib.cache import exists
from hand_lib.datasets.real.fields import as_camera, read_numbers
from hand_lib.datasets.real.hands import Annotation, Hand, no_joints
from hand_lib.datasets.real.pictures import read_mask, read_picture
from hand_lib.errors import HandLibError, choose
from hand_lib.skeleton import NUM_JOINTS

SPLITS = {"training": 32_560, "evaluation": 3_960}  # hands, whatever the versions
VERSIONS = ("gs", "hom", "sample", "auto")  # in the order of the pictures' numbers
SIZE = (224, 224)


@dataclass(frozen=True, kw_only=True)
class FreiHAND:
    """Right hands of one split.

    Attributes:
        root: the folder ``FreiHAND_pub_v2``.
        split: "training" or "evaluation".
        versions: of the training pictures, one or more of ``VERSIONS``; evaluation has the first alone.
        middle: side in pixels of a square in the middle of the picture, which is then each hand's box: FreiHAND's
            pictures are crops round a hand already, and its evaluation comes without masks. None leaves the box to the
            silhouette or, where there is none, to the joints.

    Raises:
        HandLibError: an unknown split or version, or one that the split does not have.
    """

    root: Path
    split: str
    versions: tuple[str, ...] = ("gs",)
    middle: float | None = None

    def __post_init__(self) -> None:
        if self.split not in SPLITS:
            raise choose("split", self.split, SPLITS)
        for version in self.versions:
            if version not in VERSIONS:
                raise choose("version", version, VERSIONS)
        if self.split == "evaluation" and self.versions != ("gs",):
            raise HandLibError(f"FreiHAND's evaluation has the version gs alone, not {', '.join(self.versions)}")

    def _file(self, what: str) -> Path:
        return Path(self.root) / f"{self.split}_{what}.json"

    @cached_property
    def _numbers(self) -> dict[str, np.ndarray]:
        """K ``(N, 3, 3)``; xyz ``(N, 21, 3)`` and scale ``(N,)`` where there are such files; metres."""
        found = {"K": read_numbers(self._file("K"), 3, 3)}
        if self.split == "training" or exists(self._file("xyz")):
            found["xyz"] = read_numbers(self._file("xyz"), NUM_JOINTS, 3)
        if exists(self._file("scale")):
            found["scale"] = read_numbers(self._file("scale"))
        count = len(found["K"])
        if count > SPLITS[self.split]:
            raise HandLibError(f"cannot use {self._file('K')}: {count} entries, more than FreiHAND's hands")
        for what, numbers in found.items():
            if len(numbers) != count:
                said = f"{len(numbers)} entries, but {self._file('K').name} has {count}"
                raise HandLibError(f"cannot use {self._file(what)}: {said}")
        return found

    @cached_property
    def items(self) -> tuple[tuple[int, str], ...]:
        """The hand's number and the version of its picture, versions one after the other."""
        return tuple((number, version) for version in self.versions for number in range(len(self._numbers["K"])))

    def __len__(self) -> int:
        return len(self.items)

    def name(self, index: int) -> str:
        number, version = self.items[index]
        return f"FreiHAND {self.split} {number:08d} {version}"

    def group(self, index: int) -> str:
        """The hand's number, the same for its four versions."""
        return f"{self.split} {self.items[index][0]:08d}"

    def annotation(self, index: int) -> Annotation:
        """What is said of a hand; no joint is known where the split has no file of joints.

        Raises:
            HandLibError: a file is missing, or is not as FreiHAND has it.
        """
        number, _ = self.items[index]
        found = self._numbers
        xyz = torch.tensor(found["xyz"][number] * 1000.0, dtype=torch.float32) if "xyz" in found else no_joints()
        return Annotation(
            xyz=xyz,
            K=as_camera(found["K"][number], self._file("K"), f"entry {number}"),
            right=True,
            box=None if self.middle is None else _middle(self.middle),
            scale=float(found["scale"][number]) * 1000.0 if "scale" in found else None,
        )

    def hand(self, index: int) -> Hand:
        """A hand with its picture and, in training, its silhouette. Raises HandLibError, naming the file."""
        number, version = self.items[index]
        folder = Path(self.root) / self.split
        picture = number + SPLITS["training"] * VERSIONS.index(version)
        silhouette = None
        if self.split == "training":
            silhouette = read_mask(folder / "mask" / f"{number:08d}.jpg", SIZE) > 127  # JPEG rounds black and white
        return Hand(
            annotation=self.annotation(index),
            image=read_picture(folder / "rgb" / f"{picture:08d}.jpg", SIZE),
            silhouette=silhouette,
        )


def _middle(side: float) -> torch.Tensor:
    height, width = SIZE
    return torch.tensor([width - side, height - side, width + side, height + side]) / 2 - 0.5
