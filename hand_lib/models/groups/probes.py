"""Rows that stand in no table and that chapter 14 trains: groups watched while they form, and groups given beforehand.

Neither is recorded. A watched row gives what the row gives that it watches; given groups are one training a partition,
and there are as many of these as there are partitions.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from hand_lib.models.groups.composition import groups_on_resnet
from hand_lib.models.groups.rows import LEARNT
from hand_lib.models.groups.selectors import FIRST_TEMPERATURE, LAST_TEMPERATURE, ConcreteSelector, FixedSelector
from hand_lib.models.network import HandPoseNet
from hand_lib.models.rows import Row
from hand_lib.models.size import NetworkSize
from hand_lib.skeleton import NUM_JOINTS

FALL = 0.1  # of τ, after which θ is noted again: the paper's own staircase
NOTES = 1 + round((FIRST_TEMPERATURE - LAST_TEMPERATURE) / FALL)
SIGNS = "0123456789abcdefghijk"  # a group's number in one character, of 21


class WatchedSelector(ConcreteSelector):
    """The same selector, which notes its θ whenever τ has fallen by another tenth.

    The notes are buffers, so they are kept with the weights, and a training that is interrupted does not lose them.

    Args:
        groups: K, 1 to 21.

    Attributes:
        samples: how many have been drawn so far, one a training step.
        noted_at: ``(50,)`` int64, how many had been drawn at each note; −1 where τ has not come so far.
        noted: ``(50, 21, K)``, θ there.

    Raises:
        HandLibError: a number of groups that 21 joints cannot have.
    """

    def __init__(self, *, groups: int) -> None:
        super().__init__(groups=groups)
        self.register_buffer("samples", torch.tensor(0))
        self.register_buffer("noted_at", torch.full((NOTES,), -1))
        self.register_buffer("noted", torch.zeros(NOTES, NUM_JOINTS, groups))

    @torch.no_grad()
    def note(self) -> None:
        """Note θ if τ stands where it has not stood before, and count a sample; without waiting for the device."""
        fallen = (FIRST_TEMPERATURE - self.temperature) / FALL
        place = (fallen + 1e-3).long().clamp(0, NOTES - 1)  # the thousandth is for τ in single precision
        new = self.noted_at[place] < 0
        self.noted[place] = torch.where(new, self.theta, self.noted[place])
        self.noted_at[place] = torch.where(new, self.samples, self.noted_at[place])
        self.samples += 1

    def sample(self) -> Tensor:
        """As :class:`~hand_lib.models.groups.selectors.ConcreteSelector` has it."""
        self.note()
        return super().sample()

    def history(self) -> tuple[list[int], Tensor]:
        """Training steps done at each note and now ``(P,)``, and θ there ``(P, 21, K)``."""
        there = self.noted_at >= 0
        steps = [*self.noted_at[there].tolist(), int(self.samples)]
        return steps, torch.cat([self.noted[there], self.theta.detach()[None]])


def watched_row(groups: int) -> Row:
    """So many groups, learnt on a ResNet, whose θ is noted on the way. It trains to what the row ``groups-k…`` gives.

    Args:
        groups: K, 1 to 21.
    """

    def build(size: NetworkSize) -> HandPoseNet:
        return groups_on_resnet(size, selector=WatchedSelector(groups=groups))

    name, title = f"groups-k{groups}-watched", f"Learnt groups, watched; K = {groups}, on a ResNet"
    return Row(name=name, title=title, table_id="–", build=build, recipe=LEARNT, varies=f"groups-k{groups}")


def given_row(group_of_joint: Sequence[int]) -> Row:
    """Groups that are given from the first step on, on a ResNet: a row for each partition.

    Args:
        group_of_joint: number of the group of each of the 21 joints, from 0; no number is left out.

    Raises:
        HandLibError: groups that :class:`~hand_lib.models.groups.selectors.FixedSelector` refuses.
    """
    groups = FixedSelector(group_of_joint).groups

    def build(size: NetworkSize) -> HandPoseNet:
        return groups_on_resnet(size, selector=FixedSelector(group_of_joint))

    name = f"groups-given-{''.join(SIGNS[group] for group in group_of_joint)}"
    return Row(name=name, title=f"Groups that are given; K = {groups}, on a ResNet", table_id="–", build=build)
