"""What a backbone may learn before any row asks it for joints: to name the parts of hands, or to find points.

A ResNet names parts and tells their depth (:mod:`hand_lib.models.parts`): nobody told it a joint's coordinates, nor how
to regress them. An hourglass finds the joints in the picture, as the groups paper has it
(:class:`hand_lib.models.hourglass.HourglassPoints`): it knows u and v of the joints, and nothing of their depth.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from hand_lib.datasets.augmentation import crop
from hand_lib.datasets.part_maps import PART_CLASSES, part_targets
from hand_lib.models.groups.composition import hourglass_points
from hand_lib.models.parts import STRIDE, PartsNet, parts_loss
from hand_lib.models.size import NetworkSize
from hand_lib.samples import Samples
from hand_lib.training import Objective
from hand_lib.training.group_objectives import POINTS as POINTS_OBJECTIVE

AT_ONCE = 64  # hands that are measured together

Figures = dict[str, float]


@dataclass(frozen=True, kw_only=True, eq=False)
class Lesson:
    """What is learnt, by which network, and how well.

    Attributes:
        start: the start that comes of it, one of ``STARTS``.
        words: what who has learnt it does, for people.
        revision: of the code, by the name that records have for it; raised whenever a change of code outside the loop
            changes what is learnt: of the network, the targets or the loss.
        backbone: the name of the backbone that a network of this size has.
        build: the network that learns, with random weights; what is kept for rows is its ``backbone``.
        objective: what for.
        also: what the hands must have beside pictures and joints.
        modules: the code that it stands on, beside the loop's.
        measure: of the network, hands, the crops' side in pixels and the device: how well it does.
        guess: of the training hands, hands and the crops' side: the same of one who never looks.
        say: of these two, in words.
    """

    start: str
    words: str
    revision: Mapping[str, int]
    backbone: Callable[[NetworkSize], str]
    build: Callable[[NetworkSize], nn.Module]
    objective: Objective
    also: tuple[str, ...]
    modules: tuple[str, ...]
    measure: Callable[[nn.Module, Samples, int, torch.device], Figures]
    guess: Callable[[Samples, Samples, int], Figures]
    say: Callable[[Mapping[str, Any], Mapping[str, Any]], str]


# --------------------------------------------------------------------------------------------------------------- parts


def measure_parts(model: nn.Module, samples: Samples, size: int, device: torch.device) -> Figures:
    """How well a network names the parts of hands and their depth, see
    :class:`~hand_lib.experiments.start_records.PartsMetrics`.

    Args:
        model: on ``device``; it is left in evaluation mode.
        samples: N hands with mask and depth; their plain crops are looked at.
        size: side of the crops in pixels.
        device: where to compute.
    """
    model.eval()
    right, off, cells = 0.0, 0.0, 0
    with torch.inference_mode():
        for images, targets, bones in _parts(samples, size):
            said = model(images.to(device, memory_format=torch.channels_last)).float().cpu()
            part, hand = said[:, :PART_CLASSES].argmax(dim=1), targets[:, 0] > 0
            right += (part == targets[:, 0])[hand].sum().item()
            off += ((said[:, PART_CLASSES] - targets[:, 1]).abs() * bones)[hand].sum().item()
            cells += int(hand.sum())
    return {"foreground_accuracy": right / max(cells, 1), "depth_error": off / max(cells, 1)}


def guess_parts(learnt: Samples, samples: Samples, size: int) -> Figures:
    """The same of the best guess that never looks: the part and the median depth most of ``learnt``'s cells have."""
    targets = torch.cat([targets for _, targets, _ in _parts(learnt, size)])
    hand = targets[:, 0] > 0
    part, depth = targets[:, 0][hand].mode().values, targets[:, 1][hand].median()
    right, off, cells = 0.0, 0.0, 0
    for _, targets, bones in _parts(samples, size):
        hand = targets[:, 0] > 0
        right += (targets[:, 0] == part)[hand].sum().item()
        off += ((depth - targets[:, 1]).abs() * bones)[hand].sum().item()
        cells += int(hand.sum())
    return {"foreground_accuracy": right / max(cells, 1), "depth_error": off / max(cells, 1)}


def _parts(samples: Samples, size: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Images, targets, and the scale bone in mm ``(b, 1, 1)``, of a few hands at a time."""
    for first in range(0, len(samples), AT_ONCE):
        part = samples[first : first + AT_ONCE]
        crops = crop(part, size=size)
        yield crops.images, part_targets(part, crops, stride=STRIDE), crops.scale.view(-1, 1, 1)


def _say_parts(learnt: Mapping[str, Any], guess: Mapping[str, Any]) -> str:
    return (
        f"names {learnt['foreground_accuracy']:.1%} of the hand's cells right (constant guess "
        f"{guess['foreground_accuracy']:.1%}), depth off by {learnt['depth_error']:.1f} mm ({guess['depth_error']:.1f})"
    )


PARTS = Lesson(
    start="parts",
    words="which names the parts of hands",
    revision={"start": 1},
    backbone=lambda size: f"resnet{size.depth}",
    build=lambda size: PartsNet(size=size),
    objective=Objective(targets=partial(part_targets, stride=STRIDE), losses=parts_loss),
    also=("mask", "depth"),
    modules=("hand_lib.models.parts", "hand_lib.datasets.part_maps"),
    measure=measure_parts,
    guess=guess_parts,
    say=_say_parts,
)

# -------------------------------------------------------------------------------------------------------------- points


def measure_points(model: nn.Module, samples: Samples, size: int, device: torch.device) -> Figures:
    """How far from the joints a network's points are in the picture, see
    :class:`~hand_lib.experiments.start_records.PointsMetrics`.

    Args:
        model: on ``device``, to u and v ``(B, 21, 2)``; it is left in evaluation mode.
        samples: N hands; their plain crops are looked at.
        size: side of the crops in pixels.
        device: where to compute.
    """
    model.eval()
    with torch.inference_mode():
        off = [
            model(images.to(device, memory_format=torch.channels_last)).float().cpu() - uv
            for images, uv in _points(samples, size)
        ]
    return _distances(torch.cat(off), size)


def guess_points(learnt: Samples, samples: Samples, size: int) -> Figures:
    """The same of the best guess that never looks: each joint at its median place in ``learnt``'s crops."""
    middle = torch.cat([uv for _, uv in _points(learnt, size)]).median(dim=0).values
    return _distances(torch.cat([uv for _, uv in _points(samples, size)]) - middle, size)


def _points(samples: Samples, size: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Images, and u and v of their joints, of a few hands at a time."""
    for first in range(0, len(samples), AT_ONCE):
        crops = crop(samples[first : first + AT_ONCE], size=size)
        yield crops.images, crops.targets[..., :2]


def _distances(off: Tensor, size: int) -> Figures:
    """Of differences in u and v ``(N, 21, 2)``, in pixels of crops of this side."""
    pixels = (off * ((size - 1) / 2)).norm(dim=-1)
    return {"uv_error": pixels.mean().item(), "uv_median": pixels.median().item()}


def _say_points(learnt: Mapping[str, Any], guess: Mapping[str, Any]) -> str:
    return f"finds the joints to {learnt['uv_error']:.2f} px (constant guess {guess['uv_error']:.2f})"


POINTS = Lesson(
    start="points",
    words="which finds joints in the picture",
    revision={"points": 1},
    backbone=lambda size: "hourglass",
    build=hourglass_points,
    objective=POINTS_OBJECTIVE,
    also=(),
    modules=("hand_lib.models.hourglass", "hand_lib.models.groups.composition", "hand_lib.training.group_objectives"),
    measure=measure_points,
    guess=guess_points,
    say=_say_points,
)

LESSONS = {lesson.start: lesson for lesson in (PARTS, POINTS)}
