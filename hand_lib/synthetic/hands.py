"""Hands to be drawn: who, in what pose, left or right."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from hand_lib.synthetic.anatomy import (
    SEGMENTS,
    HandPose,
    HandShape,
    limit_pose,
    pose_of_vector,
    prototypes,
    select,
)
from hand_lib.synthetic.contact import relax
from hand_lib.synthetic.draws import Draws, check_split, uniform_numbers
from hand_lib.synthetic.skin import Skin, sample_skins

CHARACTERS = {"training": 800, "evaluation": 120}  # people; nobody is in both
# Whose people and whose gestures a split shows.
PEOPLE = {"training": "training", "evaluation": "evaluation", "held_out_gestures": "evaluation"}
GESTURES = {"training": "training", "evaluation": "training", "held_out_gestures": "held_out"}


@dataclass(frozen=True, kw_only=True)
class HandParameters:
    """Everything about B hands but what stands round them.

    Attributes:
        shape: bones and thickness. pose: joint angles. skin: colours.
        right: ``(B,)`` bool; a left hand is drawn as a right one and mirrored with its picture.
        character: ``(B,)`` int64, number of the person among the training or the evaluation people.
    """

    shape: HandShape
    pose: HandPose
    skin: Skin
    right: Tensor
    character: Tensor

    def __len__(self) -> int:
        return len(self.right)

    def __getitem__(self, index) -> HandParameters:
        """The rows of a slice, list or tensor of indices."""
        return select(self, index)


def _shapes(draws: Draws) -> HandShape:
    # Size: the middle of women's and men's hands, and the spread of both together.
    size = 1.0 + 0.065 * draws.normal(1)
    palm = size * (1.0 + torch.tensor([0.045, 0.03, 0.04]) * draws.normal(3))
    fingers = size * (1.0 + 0.035 * draws.normal(1))
    chain = fingers * (1.0 + 0.025 * draws.normal(5))
    segments = SEGMENTS * chain[..., None] * (1.0 + 0.03 * draws.normal(15).unflatten(1, (5, 3)))
    build = 1.0 + 0.06 * draws.normal(1)
    return HandShape(
        segments=segments,
        palm=palm,
        thickness=size * build * (1.0 + 0.02 * draws.normal(5)),
        forearm=(size * build * (1.0 + 0.05 * draws.normal(1)))[:, 0],
    )


def _poses(draws: Draws, split: str) -> HandPose:
    """A gesture, a share of a second one, and noise; brought within the limits."""
    gestures = prototypes(GESTURES[split])
    first = gestures[draws.integer(0, len(gestures) - 1)]
    second = gestures[draws.integer(0, len(gestures) - 1)]
    share = draws.unit(1) ** 2
    curl = draws.normal(1)
    noise = torch.deg2rad(
        torch.tensor([7.0, 8.0, 9.0] + [9.0, 10.0, 5.0] * 4 + [9.0] + [4.0] * 4 + [9.0, 6.0, 22.0, 11.0])
    )
    noise = noise * draws.normal(24)
    noise[:, 3:15] += torch.deg2rad(8.0 * curl) * torch.tensor([1.0, 1.3, 0.8] * 4)
    return limit_pose(pose_of_vector(first + share * (second - first) + noise))


def draw_hands(
    seed: int, split: str, indices: Tensor | list[int], *, left: float = 0.5, stream: str = "hand"
) -> HandParameters:
    """As :func:`sample_hands`, with fingers that may still lie in one another: what :func:`relaxed` is for."""
    check_split(split)
    indices = [int(i) for i in indices]
    draws = Draws(seed=seed, split=split, indices=indices, stream=stream, width=48)
    people = PEOPLE[split]
    person = draws.integer(0, CHARACTERS[people] - 1)
    body = Draws(seed=seed, split=people, indices=[], stream="character", width=48)
    body.table = torch.from_numpy(np.array([_character(seed, people, int(p)) for p in person]).reshape(-1, 48)).float()
    skin, shape = sample_skins(body), _shapes(body)
    right = ~draws.chance(left)
    return HandParameters(shape=shape, pose=_poses(draws, split), skin=skin, right=right, character=person)


def relaxed(hands: HandParameters) -> HandParameters:
    """Hands in poses in which nothing overlaps; the more at once, the less time each takes."""
    return replace(hands, pose=relax(hands.shape, hands.pose))


def sample_hands(
    seed: int, split: str, indices: Tensor | list[int], *, left: float = 0.5, stream: str = "hand"
) -> HandParameters:
    """Draw hands: who, in what pose, left or right.

    Args:
        seed: of the data set.
        split: ``"training"``; ``"evaluation"``: other people, and poses from the same distribution, drawn anew;
            ``"held_out_gestures"``: the evaluation's people in gestures that neither of the two shows.
        indices: ``(B,)`` numbers of the samples.
        left: probability of a left hand.
        stream: ``"hand"``, or ``"other hand"`` for the bystander's.

    Raises:
        HandLibError: unknown split.
    """
    return relaxed(draw_hands(seed, split, indices, left=left, stream=stream))


@lru_cache(maxsize=4096)
def _character(seed: int, people: str, person: int) -> np.ndarray:
    return uniform_numbers(seed, people, person, "character", 48)


__all__ = ["CHARACTERS", "GESTURES", "PEOPLE", "HandParameters", "draw_hands", "relaxed", "sample_hands"]
