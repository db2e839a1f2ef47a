"""Rendered hands before the cameras of public data sets: a few, small, with joints that are exactly theirs."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace

import numpy as np

from hand_lib.samples import Samples
from hand_lib.synthetic import EASY, render


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


@functools.lru_cache(maxsize=8)
def rendered(right: bool, count: int) -> Samples:
    """The first hands of a side, 96 pixels wide."""
    scene = replace(EASY, left=0.0 if right else 1.0)
    return render(seed=5, split="training", indices=list(range(count)), size=96, scene=scene, supersample=1)


def shot(number: int, *, right: bool, K: np.ndarray, size: tuple[int, int], toward: tuple[float, float]) -> Shot:
    """A rendered hand before another camera, turned so that it appears at the pixel ``toward``.

    To turn a camera about its centre and to give it another K is one homography of the picture, so picture and joints
    stay exactly what they are to each other.
    """
    return _shot(number, right, tuple(map(tuple, K.tolist())), size, toward)


@functools.lru_cache(maxsize=128)
def _shot(number: int, right: bool, K: tuple, size: tuple[int, int], toward: tuple[float, float]) -> Shot:
    samples, K = rendered(right, 12), np.array(K)
    xyz, source = samples.xyz[number].double().numpy(), samples.K[number].double().numpy()
    middle = xyz.mean(0) / np.linalg.norm(xyz.mean(0))
    wanted = np.linalg.solve(K, [*toward, 1.0])
    wanted /= np.linalg.norm(wanted)
    axis = np.cross(middle, wanted)
    cross = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    turn = np.eye(3) + cross + cross @ cross / (1 + middle @ wanted)
    v, u = np.mgrid[: size[0], : size[1]]
    there = np.stack([u, v, np.ones_like(u)], -1) @ np.linalg.inv(K @ turn @ np.linalg.inv(source)).T
    where = np.rint(there[..., :2] / there[..., 2:]).astype(int)
    inside = ((where >= 0) & (where < 96)).all(-1)
    column, row = np.where(inside[..., None], where, 0).transpose(2, 0, 1)
    image = samples.images[number].permute(1, 2, 0).numpy()[row, column] * inside[..., None]
    mask = samples.mask[number].numpy()[row, column] * inside
    return Shot(xyz=xyz @ turn.T, K=K, right=right, image=image.astype(np.uint8), mask=mask.astype(np.uint8))
