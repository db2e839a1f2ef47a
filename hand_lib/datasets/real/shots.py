"""Rendered hands before the cameras of public data sets, with joints that are exactly theirs.

To turn a camera about its centre and to give it another K is one homography of the picture. So a hand that was rendered
once can stand before any camera, and its picture and joints stay exactly what they are to each other.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from scipy.ndimage import map_coordinates

from hand_lib.errors import HandLibError
from hand_lib.samples import Samples
from hand_lib.synthetic import EASY, render

_MOST_KEPT = 128  # shots, of up to 1.2 MB each


@dataclass(frozen=True, kw_only=True)
class Shot:
    """One hand as a camera sees it.

    Attributes:
        xyz: ``(21, 3)`` millimetres, canonical order, OpenCV's axes.
        K: ``(3, 3)`` of the camera.
        right: a right hand.
        image: ``(H, W, 3)`` uint8.
        mask: ``(H, W)`` uint8 in RHD's classes.
    """

    xyz: np.ndarray
    K: np.ndarray
    right: bool
    image: np.ndarray
    mask: np.ndarray

    @property
    def own(self) -> np.ndarray:
        """``(H, W)`` bool, the pixels of this hand."""
        first = 18 if self.right else 2
        return (self.mask >= first) & (self.mask < first + 16)

    @property
    def uv(self) -> np.ndarray:
        """``(21, 2)`` pixels."""
        return pixels(self.K, self.xyz)


def pixels(K: np.ndarray, xyz: np.ndarray) -> np.ndarray:
    there = xyz @ K.T
    return there[:, :2] / there[:, 2:]


@dataclass(frozen=True, kw_only=True, eq=False)
class Studio:
    """Rendered hands that can be shot by other cameras.

    Attributes:
        hands: with masks, of any size. A side's hands are counted by themselves, and from the first on again after the
            last.
    """

    hands: Samples
    _kept: dict[tuple, Shot] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.hands.mask is None:
            raise HandLibError("hands without masks cannot be shot: the pixels of a hand would not be known")

    def shot(
        self, number: int, *, right: bool, K: np.ndarray, size: tuple[int, int], toward: tuple[float, float]
    ) -> Shot:
        """A hand before a camera that is turned so that the hand appears at the pixel ``toward``; black all round.

        Args:
            number: of the hand, among those of its side.
            right: the side.
            K: ``(3, 3)`` of the camera.
            size: height and width of its pictures, in pixels.
            toward: u and v.

        Raises:
            HandLibError: there is no hand of this side.
        """
        index = self._index(number, right)
        key = (index, *map(tuple, K.tolist()), size, toward)
        if key not in self._kept:
            if len(self._kept) >= _MOST_KEPT:
                self._kept.clear()
            self._kept[key] = self._shot(index, right, K, size, toward)
        return self._kept[key]

    def spread(self, number: int, *, right: bool) -> float:
        """How far the outermost joints of a hand are apart in the picture, in focal lengths. Raises as :meth:`shot`."""
        xyz = self.hands.xyz[self._index(number, right)].double()
        middle = xyz.mean(0) / xyz.mean(0).norm()
        across = torch.linalg.qr(torch.stack([middle, *torch.eye(3, dtype=torch.float64)[:2]], dim=1)).Q[:, 1:]
        places = (xyz @ across) / (xyz @ middle)[:, None]  # as a camera sees it that looks at its middle
        return torch.cdist(places, places).max().item()

    def _index(self, number: int, right: bool) -> int:
        of_side = (self.hands.right == right).nonzero().flatten()
        if not len(of_side):
            raise HandLibError(f"there is no {'right' if right else 'left'} hand to be shot")
        return int(of_side[number % len(of_side)])

    def _shot(self, index: int, right: bool, K: np.ndarray, size: tuple[int, int], toward: tuple[float, float]) -> Shot:
        xyz, source = (tensor[index].double().numpy() for tensor in (self.hands.xyz, self.hands.K))
        middle = xyz.mean(0) / np.linalg.norm(xyz.mean(0))
        wanted = np.linalg.solve(K, [*toward, 1.0])
        wanted /= np.linalg.norm(wanted)
        axis = np.cross(middle, wanted)
        cross = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
        turn = np.eye(3) + cross + cross @ cross / (1 + middle @ wanted)
        v, u = np.mgrid[: size[0], : size[1]]
        there = np.stack([u, v, np.ones_like(u)], -1) @ np.linalg.inv(K @ turn @ np.linalg.inv(source)).T
        where = (there[..., :2] / there[..., 2:]).transpose(2, 0, 1)[::-1]  # rows and columns
        picture = self.hands.images[index].numpy()
        image = np.stack([map_coordinates(color, where, order=1, output=np.float64) for color in picture], axis=-1)
        mask = map_coordinates(self.hands.mask[index].numpy(), where, order=0)
        return Shot(xyz=xyz @ turn.T, K=K, right=right, image=np.rint(image).astype(np.uint8), mask=mask)


@functools.cache
def small_studio() -> Studio:
    """Twelve hands of each side, 96 pixels wide: enough to try a reader."""
    sides = [replace(EASY, left=left) for left in (0.0, 1.0)]
    shared = {"seed": 5, "split": "training", "indices": list(range(12)), "size": 96, "supersample": 1}
    return Studio(hands=Samples.concat([render(scene=scene, **shared) for scene in sides]))
