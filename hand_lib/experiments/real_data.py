"""Public data sets in the place of a profile's rendered hands."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from hand_lib.datasets.mapped import Mapped, Mixture, check_shares
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
from hand_lib.errors import HandLibError
from hand_lib.experiments.profiles import Profile, get_profile

DATA_SET_VERSION = str(CONVERSION_VERSION)  # as records have it


@dataclass(frozen=True, kw_only=True)
class RealData:
    """What a run on public data sets is trained and measured on, converted.

    Attributes:
        training: of one data set or more, for one profile's crops.
        evaluation: of the first of them.
        shares: how much of each epoch comes from each of several data sets, in any unit; None takes every hand once.
    """

    training: tuple[Conversion, ...]
    evaluation: Conversion
    shares: tuple[float, ...] | None = None

    @property
    def name(self) -> str:
        """Of what it is trained on, as records have it: "rhd", "rhd-and-stb"."""
        return "-and-".join(part.published.name for part in self.training)

    @property
    def measured_on(self) -> str:
        """The name of the data set whose evaluation hands are measured on."""
        return self.evaluation.published.name

    @property
    def size(self) -> int:
        """Side of the pictures that crops are taken from, in pixels."""
        return self.evaluation.how.size

    @cached_property
    def sets(self) -> tuple[Mapped | Mixture, Mapped]:
        """The training and the evaluation hands, in their files. Raises HandLibError where one is not converted."""
        parts = [open_converted(part) for part in self.training]
        training = parts[0] if len(parts) == 1 else Mixture(parts, self.shares)
        return training, open_converted(self.evaluation)

    @cached_property
    def decides(self) -> dict[str, Any]:
        """What of the data decides a run's outcome; the folders' names hold hashes of all that decides the pictures."""
        training, evaluation = self.sets
        folders = [part.folder.name for part in self.training]
        said = {
            "version": DATA_SET_VERSION,
            "dataset": self.name,
            "training": folders[0] if len(folders) == 1 else folders,
            "evaluation": self.evaluation.folder.name,
            "training_count": len(training) if isinstance(training, Mapped) else training.hands,
            "evaluation_count": len(evaluation),
            "size": self.size,
        }
        return said if isinstance(training, Mapped) else {**said, "epoch": list(training.counts)}


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
    return mixed_data([(name, root)], profile, announce=announce)


def mixed_data(
    sources: Sequence[tuple[str, Path]],
    profile: str | Profile,
    *,
    shares: Sequence[float] | None = None,
    announce: Callable[[str, Estimate], object] = lambda title, estimate: None,
) -> RealData:
    """Several data sets to be trained on together; what is trained is measured on the first one's evaluation hands.

    Args:
        sources: name and folder of each, in order, none twice.
        profile: whose crops.
        shares: how much of each epoch comes from each, in any unit; see :class:`hand_lib.datasets.mapped.Mixture`.
        announce: as :func:`real_data`.

    Raises:
        HandLibError: no data set, one twice, another number of shares, or one that is not above 0; otherwise as
            :func:`real_data`.
    """
    names = [name for name, _ in sources]
    if not names or len(set(names)) < len(names):
        raise HandLibError(f"name one data set or several different ones, not {', '.join(names) or 'none'}")
    if shares is not None:
        check_shares(shares, len(names))
    profile = get_profile(profile)
    how = CutOut(image_size=profile.network.image_size, augmentation=profile.augmentation)

    def part(name: str, root: Path, split: str) -> Conversion:
        return Conversion(published=get_published(name), root=root, split=split, how=how)

    data = RealData(
        training=tuple(part(name, root, "training") for name, root in sources),
        evaluation=part(*sources[0], "evaluation"),
        shares=None if shares is None or len(names) == 1 else tuple(shares),
    )
    for conversion in (*data.training, data.evaluation):
        if find_converted(conversion) is None:
            convert(conversion, announce=functools.partial(announce, conversion.title))
    return data
