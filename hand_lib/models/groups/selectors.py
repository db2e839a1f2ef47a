"""Which group a joint is in: the binary selector S of Eq. 4–7, learnt as Eq. 8 has it, or fixed.

Eq. 8 is printed as exp(θ + O)/τ over the sum of the same, in which τ cancels. What the text describes, and what is
here, is the Concrete distribution (Maddison et al., 2016), softmax((θ + O)/τ) with Gumbel noise O: near one-hot where τ
is small, near uniform where it is large.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from hand_lib.errors import HandLibError
from hand_lib.models.recipe import Anneal
from hand_lib.skeleton import FINGER_OF_JOINT, FINGERS, JOINTS, NUM_JOINTS

FIRST_TEMPERATURE, LAST_TEMPERATURE = 5.0, 0.1


def temperature_schedule(buffer: str) -> Anneal:
    """τ over a training: the paper's 5 − 0.1 every 1,000 steps, as a straight line over shares of the steps.

    The paper's line ends "around 0", where Eq. 8 divides by zero. Of its 50,000 steps the last 1,000 would have τ = 0;
    here τ comes to 0.1 when 98 % of the steps are done, and stays there.

    Args:
        buffer: name of the selector's ``temperature`` in the network.
    """
    return Anneal(buffer=buffer, start=FIRST_TEMPERATURE, end=LAST_TEMPERATURE, until=0.98)


def late_choice(buffer: str) -> Anneal:
    """When a :class:`LateSelector` begins to choose: not in the first quarter of the steps, wholly from 30 % on.

    Args:
        buffer: name of the selector's ``choosing`` in the network.
    """
    return Anneal(buffer=buffer, start=0.0, end=1.0, begin=0.25, until=0.30)


def check_groups(groups: int) -> None:
    """Raise HandLibError for a number of groups that 21 joints cannot have."""
    if not 1 <= groups <= NUM_JOINTS:
        raise HandLibError(f"{NUM_JOINTS} joints make 1 to {NUM_JOINTS} groups, not {groups}")


def gumbel_like(scores: Tensor) -> Tensor:
    """O of Eq. 8, −log(−log U), in the shape of ``scores``.

    U is what ``torch.rand`` gives, from the same seed the same on every CPU; but not 0, whose logarithm is infinite.
    """
    uniform = torch.rand_like(scores).clamp(min=torch.finfo(scores.dtype).tiny)
    return -torch.log(-torch.log(uniform))


def one_hot_of_largest(scores: Tensor) -> Tensor:
    """``(..., K)`` to the same shape: 1 at the largest entry of each row, the first of equals, 0 elsewhere."""
    return torch.zeros_like(scores).scatter_(-1, scores.argmax(dim=-1, keepdim=True), 1.0)


# --- Learnt ---------------------------------------------------------------------------------------------------------


class ConcreteSelector(nn.Module):
    """S of Eq. 7, learnt (Eq. 8): a soft sample while it trains, the likeliest group of each joint afterwards.

    One sample a forward, which the whole batch shares. It is drawn from torch's own generator, which the training loop
    seeds by the step. At evaluation nothing is drawn.

    Args:
        groups: K, 1 to 21. With one there is nothing to choose, and S is 1 whatever θ is.

    Attributes:
        theta: θ, ``(21, K)``, logits; 1/K at first. Any constant is the same start, for softmax ignores it.
        temperature: τ, a buffer that the training's :class:`~hand_lib.models.recipe.Anneal` drives.

    Raises:
        HandLibError: a number of groups that 21 joints cannot have.
    """

    def __init__(self, *, groups: int) -> None:
        super().__init__()
        check_groups(groups)
        self.groups = groups
        self.theta = nn.Parameter(torch.full((NUM_JOINTS, groups), 1 / groups))
        self.register_buffer("temperature", torch.tensor(FIRST_TEMPERATURE))

    def extra_repr(self) -> str:
        return f"groups={self.groups}"

    def forward(self) -> Tensor:
        """S, ``(21, K)``, rows that sum to 1: :meth:`sample` in training mode, :meth:`decided` in evaluation mode."""
        return self.sample() if self.training else self.decided()

    def sample(self) -> Tensor:
        """Eq. 8: softmax((θ + O)/τ), ``(21, K)``, with new Gumbel noise O for every entry; θ gets its gradient."""
        return ((self.theta + gumbel_like(self.theta)) / self.temperature).softmax(dim=-1)

    def decided(self) -> Tensor:
        """The likeliest group of each joint, one-hot, ``(21, K)``; without a gradient."""
        return one_hot_of_largest(self.theta.detach())

    def probabilities(self) -> Tensor:
        """softmax(θ), ``(21, K)``: how often a sample's largest entry is in each group, at any τ."""
        return self.theta.softmax(dim=-1)


class StraightThroughSelector(ConcreteSelector):
    """The same, binary in training too: the sample is made one-hot, and its gradient is that of the soft one.

    So a branch is trained with the joints that are in its group, and with no others' share. The gradient is biased.
    """

    def sample(self) -> Tensor:
        """One-hot, ``(21, K)``, with the gradient of Eq. 8."""
        soft = super().sample()
        hard = one_hot_of_largest(soft.detach())
        return hard + (soft - soft.detach())


class LateSelector(ConcreteSelector):
    """The same, undecided at first: every joint has an equal share of all groups until the branches have learnt.

    A choice made while the branches are random is a choice of which random branch is the least wrong. Here θ gets no
    gradient until ``choosing`` leaves 0.

    Attributes:
        choosing: from 0, all groups alike, to 1, Eq. 8; a buffer that the training's
            :class:`~hand_lib.models.recipe.Anneal` drives (:func:`late_choice`).
    """

    def __init__(self, *, groups: int) -> None:
        super().__init__(groups=groups)
        self.register_buffer("choosing", torch.tensor(0.0))

    def sample(self) -> Tensor:
        """``(21, K)``: 1/K everywhere, a sample of Eq. 8, or what lies between them."""
        return (1 - self.choosing) / self.groups + self.choosing * super().sample()


class AlwaysSampledSelector(ConcreteSelector):
    """The same, sampled at evaluation too, as in the authors' code: what it then says depends on the seed."""

    def forward(self) -> Tensor:
        """S, ``(21, K)``: a soft sample (Eq. 8) in either mode."""
        return self.sample()


# --- Fixed ----------------------------------------------------------------------------------------------------------

# Thumb, index, and all else, the wrist included (Zhou et al., 2018): Table 2's groups made by hand.
THUMB_INDEX_REST = tuple(
    {FINGERS.index("thumb"): 0, FINGERS.index("index"): 1}.get(finger, 2) for finger in FINGER_OF_JOINT
)

# A group a finger. The wrist goes with the middle finger, whose metacarpal is the hand's axis; so these five groups
# are the three above with the rest divided.
ONE_A_FINGER = tuple(FINGERS.index("middle") if finger < 0 else finger for finger in FINGER_OF_JOINT)


def dealt(group_of_joint: Sequence[int], *, seed: int) -> tuple[int, ...]:
    """Groups of the same sizes, the joints dealt out to them by chance.

    Args:
        group_of_joint: number of each joint's group.
        seed: of NumPy's ``RandomState``, whose numbers are promised never to change.
    """
    return tuple(np.random.RandomState(seed).permutation(group_of_joint).tolist())


class FixedSelector(nn.Module):
    """S that somebody has chosen; nothing is learnt or drawn.

    Args:
        group_of_joint: number of the group of each of the 21 joints, from 0; no number is left out.

    Raises:
        HandLibError: another number of joints; a group below 0, or one that no joint is in.
    """

    def __init__(self, group_of_joint: Sequence[int]) -> None:
        super().__init__()
        if len(group_of_joint) != NUM_JOINTS:
            raise HandLibError(f"groups are needed for {NUM_JOINTS} joints, and were given for {len(group_of_joint)}")
        self.groups = max(group_of_joint) + 1
        if set(group_of_joint) != set(range(self.groups)):
            raise HandLibError(f"groups are numbered from 0 on, and none is empty: {sorted(set(group_of_joint))}")
        numbers = torch.tensor(tuple(group_of_joint))
        selected = (numbers[:, None] == torch.arange(self.groups)).float()
        self.register_buffer("selected", selected, persistent=False)
        self.group_of_joint = tuple(group_of_joint)

    def extra_repr(self) -> str:
        return f"group_of_joint={self.group_of_joint}"

    def forward(self) -> Tensor:
        """S, one-hot, ``(21, K)``."""
        return self.selected

    def decided(self) -> Tensor:
        """The same."""
        return self.selected


def partition(selected: Tensor) -> tuple[int, ...]:
    """The number of each joint's group, from one-hot S, ``(21, K)``, such as a trained selector's ``decided()``.

    :mod:`hand_lib.partitions` compares them.
    """
    return tuple(selected.argmax(dim=-1).tolist())


def members(selected: Tensor) -> list[list[str]]:
    """The joints of each group by name, from one-hot S, ``(21, K)``; a group may be empty."""
    numbers = partition(selected)
    return [[name for name, group in zip(JOINTS, numbers, strict=True) if group == k] for k in range(selected.shape[1])]
