"""A trained network shown a data set's evaluation pictures as they are, for ``evaluate`` and ``submit``."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hand_lib.commands import placing
from hand_lib.errors import HandLibError

if TYPE_CHECKING:
    from hand_lib.datasets.real import hands
    from hand_lib.datasets.real.published import Published
    from hand_lib.experiments import Loaded
    from hand_lib.official import Placed, Poses


@dataclass(frozen=True, kw_only=True)
class Looked:
    """What came of it.

    Attributes:
        network: that was shown the pictures.
        poses: what it said.
        placed: where that puts the hands.
    """

    network: Loaded
    poses: Poses
    placed: Placed


def look(
    args: argparse.Namespace,
    weights: Path,
    reader: hands.Reader,
    published: Published,
    root: Path,
    trained_on: list[hands.Reader],
) -> Looked:
    """Show a network all hands of a reader, and put what it says into space.

    Args:
        args: see :func:`hand_lib.commands.placing.place`, and ``device``.
        weights: the network's file.
        reader: of the evaluation split of ``published``.
        root: its folder. Its own training hands, where it has some, are those that a mean scale is taken of.
        trained_on: the training hands that it is taken of otherwise.
    """
    from hand_lib import experiments, official

    depths = placing.depths_of_file(args, len(reader))
    network = experiments.load_weights(weights, device=args.device)
    poses = official.look(network.model, reader, image_size=network.network.image_size, device=network.device)
    own = [published.reader(root, "training")] if "training" in published.hands and args.scale == "mean" else trained_on
    return Looked(network=network, poses=poses, placed=placing.place(args, poses, own, depths))


def evaluation_reader(published: Published, root: Path) -> hands.Reader:
    """The evaluation hands of a data set. Raises HandLibError where it has none."""
    reader = published.reader(root, "evaluation")
    if not len(reader):
        raise HandLibError(f"{published.name} has no evaluation hands in {root}")
    return reader
