"""Where in space a network's hands are put: ``--root-depth`` and ``--scale`` of ``evaluate`` and ``submit``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from hand_lib.errors import HandLibError, choose

if TYPE_CHECKING:
    from torch import Tensor

    from hand_lib.datasets.real import hands
    from hand_lib.official import Known, Placed, Poses

DEPTHS = ("truth", "wrist", "bone")
SCALES = ("given", "mean")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare where the root's depth and the scale come from."""
    depths = (
        "truth, wrist (as the data set tells it), bone (recovered from the prediction), or a JSON file of depths in "
        "metres"
    )
    parser.add_argument("--root-depth", metavar="SOURCE", help=depths)
    joint = "whose depths the file has, such as wrist or 'middle MCP' (default: wrist)"
    parser.add_argument("--depth-joint", metavar="JOINT", help=joint)
    scales = "length of the scale bone: given (by the data set), mean (of training hands), or millimetres"
    parser.add_argument("--scale", metavar="SOURCE", help=scales)


def check(args: argparse.Namespace) -> None:
    """Raise HandLibError where the words are none, or no file, before a network looks at a picture."""
    from hand_lib import cache, official
    from hand_lib.skeleton import JOINTS

    source = args.root_depth
    if source is not None and source not in DEPTHS and not cache.exists(source):
        raise choose("source of root depths, and no file,", source, DEPTHS)
    if args.depth_joint is not None:
        if source is None or source in DEPTHS:
            raise HandLibError("--depth-joint says whose depths a file has: leave it out, or name the file")
        if args.depth_joint not in JOINTS:
            raise choose("joint", args.depth_joint, JOINTS)
    if args.scale is not None and args.scale not in SCALES:
        official.same_scale(_millimetres(args.scale), 0)


def depths_of_file(args: argparse.Namespace, count: int) -> Tensor | None:
    """What the file of ``root_depth`` says of so many hands, ``(count,)`` millimetres; None where no file is named.

    Raises:
        HandLibError: as :func:`hand_lib.datasets.real.depth_files.read_root_depths`.
    """
    from hand_lib.datasets.real.depth_files import read_root_depths

    return None if args.root_depth in DEPTHS else read_root_depths(Path(args.root_depth), count)


def _millimetres(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise HandLibError(f"--scale {text[:25]}: given, mean, or a length in millimetres") from error


def place(args: argparse.Namespace, poses: Poses, training: list[hands.Reader], depths: Tensor | None) -> Placed:
    """A network's poses in millimetres, by what was asked for.

    Args:
        args: with ``root_depth``, ``depth_joint`` and ``scale``, none of them None but the second.
        poses: from :func:`hand_lib.official.look`.
        training: whose hands a mean scale is taken of.
        depths: from :func:`depths_of_file`.

    Raises:
        HandLibError: what was asked for is not known of these hands.
    """
    from hand_lib import official

    scale = _scale(args, poses, training)
    return official.place(poses, depth=_depth(args, poses, scale, depths), scale=scale)


def _scale(args: argparse.Namespace, poses: Poses, training: list[hands.Reader]) -> Known:
    from hand_lib import official

    if args.scale == "given":
        return official.told_scale(poses)
    if args.scale == "mean":
        if not training:
            raise HandLibError("there are no training hands to take a mean scale of: give --scale in millimetres")
        return official.mean_scale(training, len(poses))
    return official.same_scale(_millimetres(args.scale), len(poses))


def _depth(args: argparse.Namespace, poses: Poses, scale: Known, depths: Tensor | None) -> Known:
    from hand_lib import official
    from hand_lib.skeleton import JOINTS, WRIST

    if args.root_depth == "truth":
        return official.true_depth(poses, scale)
    if args.root_depth == "wrist":
        return official.told_depth(poses, scale, joint=WRIST)
    if args.root_depth == "bone":
        return official.depth_of_bone(poses, scale)
    joint, source = JOINTS.index(args.depth_joint or "wrist"), f"read from {Path(args.root_depth).name}"
    return official.depth_of_joint(poses, scale, joint=joint, depths=depths, source=source)
