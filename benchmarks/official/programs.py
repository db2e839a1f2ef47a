"""The published programs as modules: their folder on the path, and stand-ins for what of old libraries they call."""

from __future__ import annotations

import contextlib
import io
import subprocess
import sys
import types
import warnings
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import numpy as np
from PIL import Image
from scipy.spatial import cKDTree

from hand_lib.errors import HandLibError


@contextlib.contextmanager
def program(root: Path, file: str, clone: str, stands_in: dict[str, types.ModuleType]) -> Iterator[str]:
    """Their folder in front of the path, and modules in the place of some that they import. Gives the commit.

    Raises:
        HandLibError: the folder does not have the file.
    """
    if not (root / file).is_file():
        raise HandLibError(f"there is no {root / file}: git clone {clone}, and give its folder")
    said = subprocess.run(["git", "-C", str(root), "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    before = set(sys.modules)
    numpy_1 = {} if hasattr(np, "trapz") else {"trapz": np.trapezoid}  # its name in NumPy 1
    with contextlib.ExitStack() as stack:
        stack.enter_context(mock.patch.dict(sys.modules, stands_in))
        stack.enter_context(mock.patch.object(sys, "path", [str(root), *sys.path]))
        for name, function in numpy_1.items():
            stack.enter_context(mock.patch.object(np, name, function, create=True))
        stack.enter_context(contextlib.redirect_stdout(io.StringIO()))
        stack.enter_context(contextlib.redirect_stderr(io.StringIO()))
        stack.enter_context(warnings.catch_warnings(action="ignore"))
        yield said.stdout.strip()[:10] or "unknown"
    for name in set(sys.modules) - before:
        if name.partition(".")[0] in ("eval", "pred", "utils", "data", "eval_RHD"):
            del sys.modules[name]


def module(name: str, **content: object) -> types.ModuleType:
    """A module that has nothing else."""
    made = types.ModuleType(name)
    vars(made).update(content)
    return made


def picture_readers() -> dict[str, types.ModuleType]:
    """Of scikit-image and OpenCV what the tools call: reading a file, the latter with blue first."""

    def read(path: str) -> np.ndarray:
        return np.asarray(Image.open(path))

    reader = module("skimage.io", imread=read)
    return {
        "skimage": module("skimage", io=reader),
        "skimage.io": reader,
        "cv2": module("cv2", imread=lambda path: read(path)[..., ::-1]),
    }


def old_open3d() -> types.ModuleType:
    """Of Open3D as it was in 2019 what FreiHAND's evaluator calls: each point's distance to the nearest of others."""

    class PointCloud:
        points: np.ndarray

    def distances(one: PointCloud, other: PointCloud) -> np.ndarray:
        return cKDTree(other.points).query(one.points)[0]

    return module(
        "open3d",
        PointCloud=PointCloud,
        Vector3dVector=np.asarray,
        compute_point_cloud_to_point_cloud_distance=distances,
    )
