"""Hands to be drawn: who, in what pose, left or right."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from hand_lib.synthetic.anatomy import (
    SEGMENTS,
    HandPose,
    HandShape,
    forward_kinematics,
    limit_pose,
    overlap,
    pose_of_vector,
    prototypes,
    select,
)
from hand_lib.synthetic.draws import Draws, check_split, uniform_numbers
from hand_lib.synthetic.skin import Skin, sample_skins

CHARACTERS = {"training": 800, "evaluation": 120}  # people in each split; nobody is in both


@dataclass(frozen=True, kw_only=True)
class HandParameters:
    """Everything about B hands but what stands round them.

    Attributes:
        shape: bones and thickness. pose: joint angles. skin: colours.
        right: ``(B,)`` bool; a left hand is drawn as a right one and mirrored with its picture.
        character: ``(B,)`` int64, number of the person in the split.
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


def _poses(draws: Draws, shape: HandShape, split: str) -> HandPose:
    """A gesture, a share of a second one, and noise; the first of several tries whose fingers do not overlap."""
    gestures = prototypes(split)
    first = gestures[draws.integer(0, len(gestures) - 1)]
    second = gestures[draws.integer(0, len(gestures) - 1)]
    share = draws.unit(1) ** 2
    curl = draws.normal(1)
    noise = torch.deg2rad(
        torch.tensor([7.0, 8.0, 9.0] + [9.0, 10.0, 5.0] * 4 + [9.0] + [4.0] * 4 + [9.0, 6.0, 22.0, 11.0])
    )
    noise = noise * draws.normal(24)
    noise[:, 3:15] += torch.deg2rad(8.0 * curl) * torch.tensor([1.0, 1.3, 0.8] * 4)
    wrist = torch.zeros(24)
    wrist[22:] = 1.0
    # Opening the thumb: away from the palm and from the fingers.
    open_thumb = torch.zeros(24)
    open_thumb[[0, 1, 2, 15]] = torch.deg2rad(torch.tensor([-14.0, -8.0, -12.0, -9.0]))
    first_try = limit_pose(pose_of_vector(first + share * (second - first) + noise))
    joints, _ = forward_kinematics(shape, first_try)
    bad = torch.nonzero(overlap(joints, shape.thickness) >= _MOST_OVERLAP)[:, 0]
    if len(bad) == 0:
        return first_try
    first, second, share, noise = (t[bad] for t in (first, second, share, noise))
    tries = []
    for scale, mix, thumb in (
        (1.0, 1.0, 0.0), (1.0, 1.0, 1.0), (0.5, 1.0, 0.0), (0.5, 1.0, 1.0), (0.5, 0.3, 0.5), (0.4, 0.0, 0.0),
        (0.4, 0.0, 1.0), (0.0, 0.0, 0.0), (0.0, 0.0, 1.0), (0.0, 0.0, 2.0),
    ):  # fmt: skip
        blend = first + mix * share * (second - first)
        tries.append(blend + (scale * (1 - wrist) + wrist) * noise + thumb * open_thumb)
    vectors = torch.stack(tries, 1)  # (b, M, 24)
    count = vectors.shape[1]
    poses = limit_pose(pose_of_vector(vectors.flatten(0, 1)))
    wide = select(shape, bad.repeat_interleave(count))
    joints, _ = forward_kinematics(wide, poses)
    depth = overlap(joints, wide.thickness).unflatten(0, (len(bad), count))
    # Take the first that is good enough, else the least bad.
    score = torch.where(depth < _MOST_OVERLAP, torch.arange(count) * 1e-3, depth)
    better = select(poses, torch.arange(len(bad)) * count + score.argmin(1))
    return HandPose(
        **{f: getattr(first_try, f).index_copy(0, bad, getattr(better, f)) for f in HandPose.__dataclass_fields__}
    )


_MOST_OVERLAP = 2.0  # mm that the flesh of two fingers may press into each other


def sample_hands(
    seed: int, split: str, indices: Tensor | list[int], *, left: float = 0.5, stream: str = "hand"
) -> HandParameters:
    """Draw hands: who, in what pose, left or right.

    Args:
        seed: of the data set.
        split: ``"training"`` or ``"evaluation"``: different people, different gestures, different draws.
        indices: ``(B,)`` numbers of the samples.
        left: probability of a left hand.
        stream: ``"hand"``, or ``"other hand"`` for the bystander's.

    Raises:
        HandLibError: unknown split.
    """
    check_split(split)
    indices = [int(i) for i in indices]
    draws = Draws(seed=seed, split=split, indices=indices, stream=stream, width=48)
    person = draws.integer(0, CHARACTERS[split] - 1)
    body = Draws(seed=seed, split=split, indices=[], stream="character", width=48)
    body.table = torch.from_numpy(np.array([_character(seed, split, int(p)) for p in person]).reshape(-1, 48)).float()
    skin, shape = sample_skins(body), _shapes(body)
    right = ~draws.chance(left)
    return HandParameters(shape=shape, pose=_poses(draws, shape, split), skin=skin, right=right, character=person)


@lru_cache(maxsize=4096)
def _character(seed: int, split: str, person: int) -> np.ndarray:
    return uniform_numbers(seed, split, person, "character", 48)


__all__ = ["HandParameters", "sample_hands"]
