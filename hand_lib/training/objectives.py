"""What a network is trained towards: which targets a batch of crops has, and how far its stages are from them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from torch import Tensor

from hand_lib.datasets.augmentation import Crops
from hand_lib.samples import Samples


@dataclass(frozen=True, kw_only=True)
class Objective:
    """What is asked of a network, whatever the network.

    Attributes:
        targets: gives those of a batch, ``(B, ...)``, from its samples and the crops cut from them.
        losses: gives the loss of each stage, ``(S,)``, from the stages ``(S, B, ...)`` and the targets. They are
            summed; the last one is what a training shows and keeps.
    """

    targets: Callable[[Samples, Crops], Tensor]
    losses: Callable[[Tensor, Tensor], Tensor]


def targets_of_joints(samples: Samples, crops: Crops) -> Tensor:
    """The joints in the units that a row learns, ``(B, 21, 3)``, see :class:`hand_lib.datasets.augmentation.Crops`."""
    return crops.targets


def l1_of_stages(stages: Tensor, targets: Tensor) -> Tensor:
    """The L1 loss of each stage, ``(S,)``: mean over images, joints and coordinates.

    Every stage has its own loss and they are summed ("We use L1 loss for all the stages", JAR, section 3.2).

    Args:
        stages: ``(S, B, 21, 3)`` predictions in the targets' units; of points in the picture ``(S, B, 21, 2)``.
        targets: ``(B, 21, 3)``, of points ``(B, 21, 2)``.
    """
    return (stages.float() - targets).abs().mean(dim=(1, 2, 3))


def weighted_l1_of_stages(stages: Tensor, targets: Tensor, *, depth_weight: float) -> Tensor:
    """:func:`l1_of_stages` where an error of depth counts so many times what an equal one of u or v does."""
    weights = targets.new_tensor((1.0, 1.0, depth_weight))
    return ((stages.float() - targets).abs() * weights).mean(dim=(1, 2, 3))


JOINTS = Objective(targets=targets_of_joints, losses=l1_of_stages)


def joints_by_depth(depth_weight: float) -> Objective:
    """:data:`JOINTS` with another weight of the depth; with 1, the same."""
    losses = partial(weighted_l1_of_stages, depth_weight=depth_weight)
    return JOINTS if depth_weight == 1 else Objective(targets=targets_of_joints, losses=losses)
