"""Predictions by the rules of the data set that they are about."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from torch import Tensor

from hand_lib import protocols
from hand_lib.errors import choose
from hand_lib.protocols import Score


def scores(dataset: str, xyz: Tensor, true: Tensor, visible: Tensor) -> tuple[Score, ...]:
    """What :mod:`hand_lib.protocols` has for a public data set.

    Args:
        dataset: its name on the command line.
        xyz: ``(N, 21, 3)`` millimetres, predicted.
        true: ``(N, 21, 3)`` millimetres; of Dexter+Object NaN in the rows of joints that are not known.
        visible: ``(N, 21)`` bool.

    Raises:
        HandLibError: there are no rules for this data set; otherwise as they.
    """
    rules: dict[str, Callable[[], tuple[Score, ...]]] = {
        "rhd": lambda: protocols.rhd_scores(xyz, true, visible),
        "stb": lambda: protocols.stb_scores(xyz, true),
        "freihand": lambda: protocols.freihand_scores(xyz, true),
        "ho3d-v2": lambda: protocols.ho3d_scores(xyz, true),
        "ho3d-v3": lambda: protocols.ho3d_scores(xyz, true),
        "dexter-object": lambda: protocols.dexter_object_scores(xyz, true),
    }
    if dataset not in rules:
        raise choose("data set with rules", dataset, rules)
    return rules[dataset]()


def as_json(found: tuple[Score, ...]) -> list[dict[str, Any]]:
    """The same in plain JSON."""
    return [asdict(score) for score in found]
