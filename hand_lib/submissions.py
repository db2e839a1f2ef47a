"""Predictions as the servers of FreiHAND and HO-3D want them: ``pred.json`` alone in a zip file.

The file holds a list of two lists, joints and vertices of every hand of the evaluation split, in its order, in metres.
FreiHAND keeps our order of joints and our axes. HO-3D has its own order, and OpenGL's axes. A file in the wrong order
or axes is accepted by a server and scores badly, so both are made here, from one kind of prediction, and nowhere else.
"""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from hand_lib.cache import atomic_write
from hand_lib.datasets.real import freihand, ho3d
from hand_lib.errors import HandLibError, choose
from hand_lib.skeleton import HO3D_ORDER, NUM_JOINTS, ROOT, TIPS, from_canonical

VERTICES = 778  # of the hand model whose surface both data sets measure; of none predicted, zeros
_LONGEST = 200.0  # millimetres from the middle finger's knuckle to its tip, along straight lines between joints
_DEPTHS = (150.0, 3000.0)  # millimetres between which half of the joints lie: hands before a camera, in this unit alone
_FARTHEST = 5000.0  # millimetres


class Write(Protocol):
    """Writes a submission of hands ``(N, 21, 3)`` to a file."""

    def __call__(self, path: Path, xyz: Tensor) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Submission:
    """What one data set's server takes.

    Attributes:
        hands: how many.
        write: see :func:`write_freihand`.
    """

    hands: int
    write: Write


def submission_to(dataset: str) -> Submission:
    """What the server of a data set takes. Raises HandLibError that names the data sets that have one."""
    if dataset == "freihand":
        return Submission(hands=freihand.SPLITS["evaluation"], write=write_freihand)
    versions = {f"ho3d-v{version}": version for version in ho3d.FRAMES}
    if dataset not in versions:
        raise choose("data set with a server", dataset, ["freihand", *versions])
    version = versions[dataset]
    return Submission(hands=ho3d.FRAMES[version]["evaluation"], write=partial(write_ho3d, version=version))


def check_path(path: Path) -> None:
    """Raise HandLibError where no submission can be written: another kind of file, or no such folder."""
    if path.suffix != ".zip":
        raise choose("kind of submission", path.suffix, [".zip"])
    if not path.absolute().parent.is_dir():
        raise HandLibError(f"cannot write {path}: there is no folder {path.parent}")
    if path.is_dir():
        raise HandLibError(f"cannot write {path}: this is a folder, not a file")
    if not os.access(path.absolute().parent, os.W_OK):
        raise HandLibError(f"cannot write {path}: no permission")


def write_freihand(path: Path, xyz: Tensor) -> None:
    """Write a submission to FreiHAND.

    Args:
        path: a .zip file.
        xyz: ``(3960, 21, 3)`` millimetres, canonical order, OpenCV's axes; in the order of the evaluation's numbers.

    Raises:
        HandLibError: another number of hands; a number that is not finite; what cannot be hands in millimetres before a
            camera; the file cannot be written.
    """
    _write(path, _checked(xyz, freihand.SPLITS["evaluation"], "FreiHAND") / 1000)


def write_ho3d(path: Path, xyz: Tensor, *, version: int) -> None:
    """Write a submission to HO-3D.

    Args:
        path: a .zip file.
        xyz: ``(11524, 21, 3)`` or, of version 3, ``(20137, 21, 3)`` millimetres, canonical order, OpenCV's axes; in the
            order of ``evaluation.txt``.
        version: 2 or 3.

    Raises:
        HandLibError: an unknown version; otherwise as :func:`write_freihand`.
    """
    if version not in ho3d.FRAMES:
        raise choose("version", version, ho3d.FRAMES)
    hands = _checked(xyz, ho3d.FRAMES[version]["evaluation"], f"HO-3D, version {version},")
    _write(path, from_canonical(hands, HO3D_ORDER) * torch.tensor([1.0, -1.0, -1.0]) / 1000)


def _checked(xyz: Tensor, count: int, dataset: str) -> Tensor:
    """The hands as float64 on the CPU."""
    if xyz.shape != (count, NUM_JOINTS, 3):
        raise HandLibError(f"{dataset} wants hands of shape {(count, NUM_JOINTS, 3)}, got {tuple(xyz.shape)}")
    hands = xyz.detach().double().cpu()
    if not hands.isfinite().all():
        broken = int((~hands.isfinite()).flatten(1).any(dim=1).sum())
        raise HandLibError(f"{broken} of {count} hands have a number that is not finite")
    depths = hands[..., 2]
    if not (depths > 0).all() or hands.abs().max() > _FARTHEST or not _DEPTHS[0] <= depths.median() <= _DEPTHS[1]:
        low, high = depths.min().item(), depths.max().item()
        said = f"joints lie at depths from {low:.4g} to {high:.4g}"
        raise HandLibError(f"{said}: give millimetres in the camera's frame, z forward")
    finger = hands[:, ROOT : TIPS[2] + 1]
    length = (finger[:, 1:] - finger[:, :-1]).norm(dim=-1).sum(dim=-1).median().item()
    if length > _LONGEST:
        raise HandLibError(f"the middle fingers are {length:.3g} long: give millimetres, joints in canonical order")
    return hands


def _write(path: Path, joints: Tensor) -> None:
    check_path(path)
    entry = zipfile.ZipInfo("pred.json")  # without the time of day: the same hands give the same file
    entry.compress_type = zipfile.ZIP_DEFLATED
    with atomic_write(path) as file, zipfile.ZipFile(file, "w") as archive, archive.open(entry, "w") as member:
        for piece in _pieces(joints):
            member.write(piece.encode())


def _pieces(joints: Tensor) -> Iterator[str]:
    """``[[joints of each hand], [vertices of each hand]]``, a hand at a time: the whole has hundreds of megabytes."""
    nothing = json.dumps([[0.0, 0.0, 0.0]] * VERTICES)
    yield "[["
    for number, hand in enumerate(joints):
        yield (", " if number else "") + json.dumps([[round(x, 7) for x in joint] for joint in hand.tolist()])
    yield "], ["
    for number in range(len(joints)):
        yield (", " if number else "") + nothing
    yield "]]"
