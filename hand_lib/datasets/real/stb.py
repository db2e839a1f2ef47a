"""STB, the Stereo Hand Pose Tracking Benchmark (Zhang et al., ICIP 2017): one left hand before six backgrounds.

::

    images/B1Counting/{BB_left,BB_right,SK_color}_0.png    640 × 480, 1,500 a sequence, numbers without zeros before
    labels/B1Counting_{BB,SK}.mat                          handPara: 3 × 21 × 1500, millimetres

Two cameras saw each sequence: a stereo pair, BB, and a depth camera with a colour one beside it, SK. BB's labels are
in the frame of its left camera, SK's in that of the depth camera. Joint 0 is the middle of the palm, not the wrist;
then come little, ring, middle, index finger and thumb, each from base to tip. There are no masks.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor

from hand_lib.cache import exists, read_at_most
from hand_lib.datasets.real.fields import Entry, array, entry
from hand_lib.datasets.real.hands import Annotation, Hand
from hand_lib.datasets.real.matlab_arrays import variables
from hand_lib.datasets.real.pictures import read_picture
from hand_lib.errors import HandLibError, choose
from hand_lib.skeleton import JOINTS, STB_ORDER, WRIST, to_canonical

SPLITS = {  # the papers': the first background is for evaluation
    "training": tuple(f"B{n}{kind}" for n in range(2, 7) for kind in ("Counting", "Random")),
    "evaluation": ("B1Counting", "B1Random"),
}
FRAMES = 1500  # a sequence
SIZE = (480, 640)
_VARIABLE = "handPara"
_MOST_BYTES = 2 * 2**20  # of a label file; a whole one has 756 kB


@dataclass(frozen=True, kw_only=True)
class View:
    """One of the cameras: its pictures, its labels, and how a label gets into its frame.

    Attributes:
        pictures: what the names of its pictures begin with.
        labels: what the names of its label files end with.
        K: fx, fy, cx, cy in pixels.
        R, t: a label p, in millimetres, is R p + t in this camera's frame.
    """

    pictures: str
    labels: str
    K: tuple[float, float, float, float]
    R: np.ndarray
    t: np.ndarray


_BB = (822.79041, 822.79041, 318.47345, 250.31296)
_BASELINE = 120.054  # millimetres from the left to the right camera
# From SK's colour camera to its depth camera: p ↦ R p + t. The labels go the other way.
_R = Rotation.from_rotvec([0.00531, -0.01196, 0.00301]).as_matrix()
_T = np.array([-24.0381, -0.4563, -1.2326])

VIEWS = {
    "BB left": View(pictures="BB_left", labels="BB", K=_BB, R=np.eye(3), t=np.zeros(3)),
    "BB right": View(pictures="BB_right", labels="BB", K=_BB, R=np.eye(3), t=np.array([-_BASELINE, 0.0, 0.0])),
    "SK color": View(
        pictures="SK_color", labels="SK", K=(607.92271, 607.88192, 314.78337, 236.42484), R=_R.T, t=-_R.T @ _T
    ),
}


@dataclass(frozen=True, kw_only=True)
class PalmToWrist:
    """A guess at the wrist, which is not labelled: on the line from a joint through the palm's middle, and beyond.

    ``wrist = joint + factor · (palm − joint)``

    Attributes:
        joint: in canonical order.
        factor: above 1, beyond the palm.
    """

    joint: int
    factor: float


RING_TWICE = PalmToWrist(joint=JOINTS.index("ring MCP"), factor=2.0)  # the commonest in public code
MIDDLE_2_2 = PalmToWrist(joint=JOINTS.index("middle MCP"), factor=2.2)


@dataclass(frozen=True, kw_only=True)
class STB:
    """Left hands of one split.

    Attributes:
        root: the folder with ``images`` and ``labels``. The sequences' folders may also lie in it directly.
        split: "training" or "evaluation".
        views: of ``VIEWS``; the stereo pair by default. Frame by frame, they show the same hands.
        wrist: how joint 0 is made of the palm's middle; None leaves the palm's middle in the wrist's place.

    Raises:
        HandLibError: an unknown split or view.
    """

    root: Path
    split: str
    views: tuple[str, ...] = ("BB left", "BB right")
    wrist: PalmToWrist | None = RING_TWICE

    def __post_init__(self) -> None:
        if self.split not in SPLITS:
            raise choose("split", self.split, SPLITS)
        for view in self.views:
            if view not in VIEWS:
                raise choose("view", view, VIEWS)

    @cached_property
    def _labels(self) -> dict[tuple[str, str], np.ndarray]:
        """Joints ``(N, 21, 3)`` as they are in the file, by sequence and kind of label."""
        kinds = sorted({VIEWS[view].labels for view in self.views})
        return {(name, kind): read_labels(self._file(name, kind)) for name in SPLITS[self.split] for kind in kinds}

    @cached_property
    def items(self) -> tuple[tuple[str, str, int], ...]:
        """Sequence, view and frame of each hand."""
        return tuple(
            (name, view, frame)
            for name in SPLITS[self.split]
            for view in self.views
            for frame in range(len(self._labels[name, VIEWS[view].labels]))
        )

    def __len__(self) -> int:
        return len(self.items)

    def name(self, index: int) -> str:
        sequence, view, frame = self.items[index]
        return f"STB {sequence} {view} {frame}"

    def group(self, index: int) -> str:
        """The sequence: its frames follow each other, and its views show the same hand."""
        return self.items[index][0]

    def annotation(self, index: int) -> Annotation:
        """What is said of a hand. Raises HandLibError where the label is not as STB has it."""
        sequence, view, frame = self.items[index]
        camera = VIEWS[view]
        xyz = self._labels[sequence, camera.labels][frame] @ camera.R.T + camera.t
        joints = to_canonical(torch.from_numpy(xyz), STB_ORDER)
        if self.wrist is not None:
            joint = joints[self.wrist.joint]
            joints[WRIST] = joint + self.wrist.factor * (joints[WRIST] - joint)
        return Annotation(xyz=joints.float(), K=_matrix(camera.K), right=False)

    def hand(self, index: int) -> Hand:
        """A hand with its picture. Raises HandLibError, naming the file that is not as STB has it."""
        sequence, view, frame = self.items[index]
        folder = Path(self.root) / "images" / sequence
        if not exists(folder):
            folder = Path(self.root) / sequence
        image = read_picture(folder / f"{VIEWS[view].pictures}_{frame}.png", SIZE)
        return Hand(annotation=self.annotation(index), image=image)

    def _file(self, sequence: str, kind: str) -> Path:
        return Path(self.root) / "labels" / f"{sequence}_{kind}.mat"


class _Labels(Entry):
    joints: array((21, 3))


def read_labels(path: Path) -> np.ndarray:
    """``(N, 21, 3)`` millimetres in the file's own order.

    Raises:
        HandLibError: no such file, no MATLAB file, without ``handPara`` or with one that is no 3 × 21 × N of numbers.
    """
    content = read_at_most(path, _MOST_BYTES)
    try:
        found = variables(content, _MOST_BYTES).get(_VARIABLE)
    except ValueError as error:
        raise HandLibError(f"cannot read {path}: it is cut short or no MATLAB file ({error})") from error
    if found is None:
        raise HandLibError(f"cannot use {path}: it has no {_VARIABLE}")
    shape = found.shape
    if len(shape) != 3 or shape[:2] != (3, 21) or not 1 <= shape[2] <= FRAMES or found.kind not in ("double", "single"):
        said = " × ".join(map(str, shape))
        raise HandLibError(f"cannot use {path}: {_VARIABLE} is {found.kind} of {said}, not double of 3 × 21 × {FRAMES}")
    try:
        joints = found.numbers().transpose(2, 1, 0)
    except ValueError as error:
        raise HandLibError(f"cannot use {path}: {_VARIABLE}: {error}") from error
    for frame, one in enumerate(joints):
        entry(_Labels, {"joints": one}, path, f"frame {frame}")
    return joints.astype(np.float64)


def _matrix(K: tuple[float, float, float, float]) -> Tensor:
    fx, fy, cx, cy = K
    return torch.tensor([[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]])
