"""The public data sets by name: which splits they have, how many hands, how they are read, and where their terms are.

Where public practice differs, a reader here makes the papers' choice: of RHD the larger hand of a frame, of STB one
picture of each stereo pair, of FreiHAND all four versions of a training picture, and the crop from the picture's
middle. What the papers leave open: which picture of the pair, here the left one, in whose camera's frame the labels
are; and how much of FreiHAND's picture is cut out, here the whole. Another choice is another reader
(:mod:`hand_lib.datasets.real`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from hand_lib.cache import exists
from hand_lib.datasets.real import freihand, ho3d, rhd, stb
from hand_lib.datasets.real.dexter_object import DexterObject
from hand_lib.datasets.real.freihand import FreiHAND
from hand_lib.datasets.real.hands import Reader
from hand_lib.datasets.real.ho3d import HO3D
from hand_lib.datasets.real.rhd import RHD
from hand_lib.datasets.real.stb import STB
from hand_lib.errors import HandLibError, choose


@dataclass(frozen=True, kw_only=True, eq=False)
class Published:
    """A public data set.

    Attributes:
        name: as on the command line.
        title: as its authors call it.
        folder: the folder that a root is.
        terms: the page from which its authors give it, with the terms.
        hands: how many hands each split has when it is whole; None where its authors do not say.
        read: makes the reader of a root and a split.
    """

    name: str
    title: str
    folder: str
    terms: str
    hands: Mapping[str, int | None]
    read: Callable[[Path, str], Reader]

    def reader(self, root: Path, split: str) -> Reader:
        """The hands of a split.

        Raises:
            HandLibError: the data set has no such split; there is no such folder.
        """
        if split not in self.hands:
            raise choose(f"split of {self.name}", split, self.hands)
        if not exists(root):
            raise HandLibError(f"there is no folder {root}: give {self.folder}, which comes from {self.terms}")
        return self.read(root, split)


_CROP_MARGIN = 1.2  # of :func:`hand_lib.datasets.augmentation.crop`


def _freihand(root: Path, split: str) -> Reader:
    versions = freihand.VERSIONS if split == "training" else ("gs",)
    return FreiHAND(root=root, split=split, versions=versions, middle=freihand.SIZE[0] / _CROP_MARGIN)


def _ho3d(version: int) -> Callable[[Path, str], Reader]:
    def read(root: Path, split: str) -> Reader:
        truth = Path(root) / "evaluation_xyz.json"
        known = split == "evaluation" and exists(truth)
        return HO3D(root=root, split=split, version=version, truth=truth if known else None)

    return read


def _dexter_object(root: Path, split: str) -> Reader:
    return DexterObject(root=root)


_HO3D_TERMS = "https://www.tugraz.at/index.php?id=40231"

PUBLISHED: dict[str, Published] = {
    published.name: published
    for published in (
        Published(
            name="rhd",
            title="Rendered Handpose Dataset",
            folder="the folder RHD_published_v2",
            terms="https://lmb.informatik.uni-freiburg.de/resources/datasets/RenderedHandposeDataset.en.html",
            hands=rhd.SPLITS,
            read=lambda root, split: RHD(root=root, split=split),
        ),
        Published(
            name="stb",
            title="Stereo Hand Pose Tracking Benchmark",
            folder="the folder with images and labels",
            terms="https://sites.google.com/site/zhjw1988/",
            hands={split: len(sequences) * stb.FRAMES for split, sequences in stb.SPLITS.items()},
            read=lambda root, split: STB(root=root, split=split, views=("BB left",)),
        ),
        Published(
            name="freihand",
            title="FreiHAND",
            folder="the folder FreiHAND_pub_v2, with FreiHAND_pub_v2_eval's files in it",
            terms="https://lmb.informatik.uni-freiburg.de/projects/freihand/",
            hands={
                "training": freihand.SPLITS["training"] * len(freihand.VERSIONS),
                "evaluation": freihand.SPLITS["evaluation"],
            },
            read=_freihand,
        ),
        Published(
            name="ho3d-v2",
            title="HO-3D, version 2",
            folder="the folder with train.txt and evaluation.txt",
            terms=_HO3D_TERMS,
            hands=ho3d.FRAMES[2],
            read=_ho3d(2),
        ),
        Published(
            name="ho3d-v3",
            title="HO-3D, version 3",
            folder="the folder with train.txt and evaluation.txt",
            terms=_HO3D_TERMS,
            hands=ho3d.FRAMES[3],
            read=_ho3d(3),
        ),
        Published(
            name="dexter-object",
            title="Dexter+Object",
            folder="the folder with data",
            terms="https://handtracker.mpi-inf.mpg.de/projects/RealtimeHO/",
            hands={"evaluation": None},
            read=_dexter_object,
        ),
    )
}


def get_published(name: str) -> Published:
    """The public data set of this name. Raises HandLibError that names the choices."""
    if name not in PUBLISHED:
        raise choose("data set", name, PUBLISHED)
    return PUBLISHED[name]
