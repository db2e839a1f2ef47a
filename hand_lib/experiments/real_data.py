"""A public data set in the place of a profile's rendered hands."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from hand_lib.datasets.mapped import Mapped
from hand_lib.datasets.real.conversion import (
    CONVERSION_VERSION,
    Conversion,
    Estimate,
    convert,
    find_converted,
    open_converted,
)
from hand_lib.datasets.real.cut_outs import CutOut
from hand_lib.datasets.real.published import get_published
from hand_lib.experiments.profiles import Profile, get_profile

DATA_SET_VERSION = str(CONVERSION_VERSION)  # as records have it


@dataclass(frozen=True, kw_only=True)
class RealData:
    """What a run on a public data set is trained and measured on: both splits, converted.

    Attributes:
        training, evaluation: of one data set, for one profile's crops.
    """

    training: Conversion
    evaluation: Conversion

    @property
    def name(self) -> str:
        """Of the data set, as on the command line."""
        return self.training.published.name

    @property
    def size(self) -> int:
        """Side of the pictures that crops are taken from, in pixels."""
        return self.training.how.size

    @cached_property
    def sets(self) -> tuple[Mapped, Mapped]:
        """The training and the evaluation hands, in their files. Raises HandLibError where one is not converted."""
        return open_converted(self.training), open_converted(self.evaluation)

    @cached_property
    def decides(self) -> dict[str, Any]:
        """What of the data decides a run's outcome; the folders' names hold hashes of all that decides the pictures."""
        training, evaluation = self.sets
        return {
            "version": DATA_SET_VERSION,
            "dataset": self.name,
            "training": self.training.folder.name,
            "evaluation": self.evaluation.folder.name,
            "training_count": len(training),
            "evaluation_count": len(evaluation),
            "size": self.size,
        }


def real_data(
    name: str,
    root: Path,
    profile: str | Profile,
    *,
    announce: Callable[[str, Estimate], object] = lambda title, estimate: None,
) -> RealData:
    """A data set for a profile's crops. What is not converted yet is converted now.

    Args:
        name: of ``PUBLISHED`` in :mod:`hand_lib.datasets.real.published`.
        root: its folder.
        profile: whose crops.
        announce: told the split's title and what its conversion will take, before it begins.

    Raises:
        HandLibError: an unknown name; a data set without training or evaluation split; otherwise as
            :func:`hand_lib.datasets.real.conversion.convert`.
    """
    published, profile = get_published(name), get_profile(profile)
    how = CutOut(image_size=profile.network.image_size, augmentation=profile.augmentation)
    data = RealData(
        training=Conversion(published=published, root=root, split="training", how=how),
        evaluation=Conversion(published=published, root=root, split="evaluation", how=how),
    )
    for part in (data.training, data.evaluation):
        if find_converted(part) is None:
            convert(part, announce=functools.partial(announce, part.title))
    return data
