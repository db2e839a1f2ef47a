"""Errors by each data set's own rules: the same hands, other joints counted, other alignments, other ranges.

Two numbers can be compared only where both went by one rule. So each :class:`Score` carries its rule in words: which
joints, what was aligned, the range of an area. What a network was given beforehand (in both papers, on RHD and STB, the
root's depth and the hand's scale) is no part of a rule here: say it beside the number.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from hand_lib.errors import HandLibError
from hand_lib.metrics import (
    AUC_0_50,
    AUC_0_100,
    AUC_20_50,
    AUC_21_50_GROUPS,
    AucRange,
    align_procrustes,
    align_scale_translation,
    auc,
    joint_errors,
    mean_epe,
    mean_epe_over_joints,
    median_epe,
    median_epe_over_joints,
)
from hand_lib.skeleton import NUM_JOINTS, TIPS

_RANGES = {
    AUC_0_50: "0 to 50 mm, 100 thresholds",
    AUC_20_50: "20 to 50 mm, 100 thresholds",
    AUC_21_50_GROUPS: "21.05 to 50 mm, the last 12 of 20 thresholds",
    AUC_0_100: "0 to 100 mm, 100 thresholds",
}


@dataclass(frozen=True, kw_only=True)
class Score:
    """One number and what it means.

    Attributes:
        name: short, for a table.
        value: the number.
        unit: "mm" or "cm" of an error; "" of an area, which is between 0 and 1.
        rule: which joints were counted, how they were averaged, and what was aligned.
    """

    name: str
    value: float
    unit: str
    rule: str

    def __str__(self) -> str:
        said = f"{self.value:.2f} {self.unit}" if self.unit else f"{self.value:.3f}"
        return f"{self.name}: {said} ({self.rule})"


def rhd_scores(pred: Tensor, true: Tensor, visible: Tensor) -> tuple[Score, ...]:
    """RHD: of all joints, as the groups paper's evaluator counts, and of the visible ones, as RHD's own does.

    RHD's own evaluator puts the roots upon each other before it measures; here they coincide in depth alone, which is
    given.

    Args:
        pred: ``(N, 21, 3)`` millimetres.
        true: ``(N, 21, 3)`` millimetres.
        visible: ``(N, 21)`` bool.

    Raises:
        HandLibError: shapes differ, a number is not finite, or no joint is visible.
    """
    errors = joint_errors(pred, true)
    rule = "visible joints, nothing aligned"
    each = f"{rule}; mean over joints of each joint's"
    mean, median = mean_epe_over_joints(errors, visible), median_epe_over_joints(errors, visible)
    return (
        *_all_joints(errors),
        Score(name="mean, visible", value=mean, unit="mm", rule=f"{each} mean"),
        Score(name="median, visible", value=median, unit="mm", rule=f"{each} median"),
        _area(errors, AUC_20_50, rule, visible=visible, name="AUC, visible"),
        _area(errors, AUC_21_50_GROUPS, rule, visible=visible, name="AUC, visible, RHD's own"),
    )


def stb_scores(pred: Tensor, true: Tensor) -> tuple[Score, ...]:
    """STB: all joints. The wrist is made up of the palm's middle (:class:`hand_lib.datasets.real.stb.PalmToWrist`).

    Args:
        pred: ``(N, 21, 3)`` millimetres.
        true: ``(N, 21, 3)`` millimetres.

    Raises:
        HandLibError: shapes differ, or a number is not finite.
    """
    return _all_joints(joint_errors(pred, true))


def _all_joints(errors: Tensor) -> tuple[Score, ...]:
    rule = "all joints, nothing aligned"
    each = f"{rule}; mean over joints of each joint's median"
    return (
        Score(name="mean", value=mean_epe(errors), unit="mm", rule=rule),
        Score(name="median", value=median_epe(errors), unit="mm", rule=rule),
        Score(name="median, over joints", value=median_epe_over_joints(errors), unit="mm", rule=each),
        _area(errors, AUC_20_50, rule),
        _area(errors, AUC_21_50_GROUPS, rule, name="AUC, groups paper's"),
    )


def freihand_scores(pred: Tensor, true: Tensor) -> tuple[Score, ...]:
    """FreiHAND: before and after the official alignment, in centimetres.

    Args:
        pred: ``(N, 21, 3)`` millimetres.
        true: ``(N, 21, 3)`` millimetres.

    Raises:
        HandLibError: shapes differ, or a number is not finite.
    """
    return _before_and_after(pred, true, {"": pred, "Procrustes": align_procrustes(pred, true, reflection=True)})


def ho3d_scores(pred: Tensor, true: Tensor) -> tuple[Score, ...]:
    """HO-3D: unaligned, after Procrustes, and after scale and translation by the wrist; in centimetres.

    Args:
        pred: ``(N, 21, 3)`` millimetres, in canonical order.
        true: ``(N, 21, 3)`` millimetres, in canonical order.

    Raises:
        HandLibError: shapes differ, a number is not finite, or of a predicted hand wrist and middle MCP coincide.
    """
    aligned = {
        "": pred,
        "Procrustes": align_procrustes(pred, true, reflection=True),
        "scale and translation": align_scale_translation(pred, true),
    }
    return _before_and_after(pred, true, aligned)


_ALIGNMENTS = {
    "": "nothing aligned",
    "Procrustes": "moved, turned, scaled and, where that is better, mirrored onto the truth, hand by hand",
    "scale and translation": "wrists made to coincide, scaled by the distance from wrist to middle MCP",
}


def _before_and_after(pred: Tensor, true: Tensor, aligned: dict[str, Tensor]) -> tuple[Score, ...]:
    scores = []
    for name, hands in aligned.items():
        errors, rule = joint_errors(hands, true), f"all joints, {_ALIGNMENTS[name]}"
        after = f", {name}" if name else ""
        scores.append(Score(name=f"mean{after}", value=mean_epe(errors) / 10, unit="cm", rule=rule))
        scores.append(_area(errors, AUC_0_50, rule, name=f"AUC{after}"))
    return tuple(scores)


def dexter_object_scores(pred: Tensor, true: Tensor) -> tuple[Score, ...]:
    """Dexter+Object: fingertips, after :func:`align_tips`; frames with fewer than two known tips are left out.

    Args:
        pred: ``(N, 21, 3)`` millimetres.
        true: ``(N, 21, 3)`` millimetres, NaN in the rows of joints that are not known.

    Raises:
        HandLibError: shapes differ; a predicted tip is not finite; no frame has two known tips; the predicted tips of a
            frame coincide.
    """
    if pred.shape != true.shape or pred.ndim != 3 or pred.shape[1:] != (NUM_JOINTS, 3):
        shapes = f"{tuple(pred.shape)} predicted and {tuple(true.shape)} true"
        raise HandLibError(f"hands must have the same shape (N, {NUM_JOINTS}, 3), got {shapes}")
    tips = list(TIPS)
    known = true[:, tips].isfinite().all(dim=-1)
    counted = known.sum(dim=-1) >= 2
    if not counted.any():
        raise HandLibError("no frame has two known fingertips: there is nothing to align")
    pred, known = pred[counted][:, tips], known[counted]
    true = true[counted][:, tips].nan_to_num(0.0)
    errors = joint_errors(align_tips(pred, true, known), true)
    rule = f"known fingertips of {int(counted.sum())} of {len(counted)} frames, centred and scaled frame by frame"
    return (
        Score(name="mean", value=mean_epe(errors, known), unit="mm", rule=rule),
        _area(errors, AUC_0_100, rule, visible=known),
    )


def align_tips(pred: Tensor, true: Tensor, known: Tensor) -> Tensor:
    """Centre each frame's predicted points on the true ones, and scale them to the same mean distance from the centre.

    Args:
        pred: ``(N, J, 3)`` millimetres.
        true: ``(N, J, 3)`` millimetres; rows that are not known may hold any finite number.
        known: ``(N, J)`` bool, two or more a frame; only these decide.

    Returns:
        ``(N, J, 3)`` float64.

    Raises:
        HandLibError: the known points of a predicted frame coincide.
    """
    weights = known.double().unsqueeze(-1) / known.sum(dim=-1, keepdim=True).unsqueeze(-1)
    centres = [(points.double() * weights).sum(dim=-2, keepdim=True) for points in (pred, true)]
    away = [points.double() - centre for points, centre in zip((pred, true), centres, strict=True)]
    sizes = [(points.norm(dim=-1, keepdim=True) * weights).sum(dim=-2, keepdim=True) for points in away]
    if not (sizes[0] > 0).all():
        raise HandLibError("the predicted fingertips of a frame coincide: there is no size to scale by")
    return away[0] * sizes[1] / sizes[0] + centres[1]


def _area(errors: Tensor, within: AucRange, rule: str, *, visible: Tensor | None = None, name: str = "AUC") -> Score:
    return Score(name=name, value=auc(errors, within, visible), unit="", rule=f"{rule}; {_RANGES[within]}")
