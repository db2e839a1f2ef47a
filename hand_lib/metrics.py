"""How far a predicted hand is from the true one: errors, curves, the area under them, and alignments.

A number means little without three words beside it: *which joints* were counted, *how* the average over joints was
taken, and *what was aligned* beforehand. Here each choice has its own function or its own name. All distances are in
millimetres, hands are ``(..., 21, 3)``; wrong shapes, NaN and infinity are errors rather than numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from hand_lib.errors import HandLibError
from hand_lib.skeleton import ROOT, WRIST

# ------------------------------------------------------------------------------------------------- end-point errors


def joint_errors(pred: Tensor, true: Tensor) -> Tensor:
    """The end-point error (EPE) of each joint: the Euclidean distance to the truth.

    Args:
        pred: ``(..., J, 3)`` millimetres.
        true: ``(..., J, 3)`` millimetres.

    Returns:
        ``(..., J)`` float64, millimetres.

    Raises:
        HandLibError: the shapes differ, the last dimension is not 3, or a value is not finite.
    """
    pred, true = _hands(pred, true)
    return (pred - true).norm(dim=-1)


def mean_epe(errors: Tensor, visible: Tensor | None = None) -> float:
    """The mean over all joints of all images, each counted once.

    Args:
        errors: ``(..., J)`` from :func:`joint_errors`.
        visible: ``(..., J)`` bool, the joints to count; None counts all.

    Raises:
        HandLibError: ``visible`` has another shape or dtype, nothing is left to count, or a value is not finite.
    """
    return _counted(errors, visible).nanmean().item()


def mean_epe_over_joints(errors: Tensor, visible: Tensor | None = None) -> float:
    """The mean over joints of each joint's mean over images, as RHD's evaluator and that of the groups paper take it.

    It is :func:`mean_epe` when all joints are counted, and another number when some are seen less often than others.
    A joint that is never visible is left out. Arguments and errors as :func:`mean_epe`.
    """
    return _counted(errors, visible).nanmean(dim=0).nanmean().item()


def median_epe(errors: Tensor, visible: Tensor | None = None) -> float:
    """The median over all joints of all images. Arguments and errors as :func:`mean_epe`."""
    return _counted(errors, visible).flatten().nanquantile(0.5).item()


def median_epe_over_joints(errors: Tensor, visible: Tensor | None = None) -> float:
    """The mean over joints of each joint's median over images: the "median EPE" of the groups paper's evaluator.

    A joint that is never visible is left out. Arguments and errors as :func:`mean_epe`.
    """
    return _counted(errors, visible).nanquantile(0.5, dim=0).nanmean().item()


def hidden_minus_visible(errors: Tensor, visible: Tensor) -> float | None:
    """How much larger a joint's error is where it is hidden: for each joint the mean error of its hidden cases minus
    that of its visible ones, then the mean over joints.

    The mean over all hidden joints minus the mean over all visible ones is another number, and may have the other
    sign: the joints that are hidden often are not those that are seen often. Here each joint is compared with itself.
    A joint that is always visible, or never, is left out.

    Args:
        errors: ``(..., J)`` from :func:`joint_errors`.
        visible: ``(..., J)`` bool.

    Returns:
        Millimetres, positive where hidden joints are harder; None if no joint is visible in one image and hidden in
        another.

    Raises:
        HandLibError: as :func:`mean_epe`.
    """
    seen = _counted(errors, visible).nanmean(dim=0)  # (J,)
    unseen = _counted(errors, None).masked_fill(visible.reshape(-1, visible.shape[-1]), torch.nan).nanmean(dim=0)
    more = unseen - seen
    return None if more.isnan().all() else more.nanmean().item()


# ----------------------------------------------------------------------------------------------------------- PCK, AUC


@dataclass(frozen=True)
class AucRange:
    """The thresholds under an area: ``count`` of them, evenly spaced from ``low`` to ``high`` millimetres, both in."""

    low: float
    high: float
    count: int

    def __post_init__(self) -> None:
        if not 0 <= self.low < self.high or self.count < 2:
            raise HandLibError(f"a range of thresholds needs 0 <= low < high and two points or more, got {self}")

    @property
    def thresholds(self) -> Tensor:
        """``(count,)`` float64, millimetres."""
        return torch.linspace(self.low, self.high, self.count, dtype=torch.float64)


AUC_0_50 = AucRange(0.0, 50.0, 100)  # FreiHAND's
AUC_20_50 = AucRange(20.0, 50.0, 100)  # JAR's for RHD and STB
AUC_0_100 = AucRange(0.0, 100.0, 100)  # the literature's for Dexter+Object
# What the groups paper's evaluator prints as "20-50": the last 12 of 20 thresholds on 0–50, so from 21.05 mm on.
AUC_21_50_GROUPS = AucRange(50.0 * 8 / 19, 50.0, 12)


def pck(errors: Tensor, thresholds: Tensor, visible: Tensor | None = None) -> Tensor:
    """The proportion of correct keypoints: of each joint's errors, how many are ``<=`` the threshold; mean over joints.

    Args:
        errors: ``(..., J)`` millimetres.
        thresholds: ``(T,)`` millimetres.
        visible: ``(..., J)`` bool, the joints to count; None counts all. A joint that is never visible is left out.

    Returns:
        ``(T,)`` float64 in [0, 1].

    Raises:
        HandLibError: as :func:`mean_epe`.
    """
    counted = _counted(errors, visible)  # (N, J)
    present = ~counted.isnan()
    images_per_joint = present.sum(dim=0)
    seen = images_per_joint > 0
    # NaN <= t is false: a joint that is not counted is never correct.
    correct = torch.stack([(counted <= threshold).sum(dim=0) for threshold in thresholds.tolist()])  # (T, J)
    return (correct[:, seen].double() / images_per_joint[seen]).mean(dim=-1)


def auc(errors: Tensor, range: AucRange, visible: Tensor | None = None) -> float:
    """The area under the :func:`pck` curve by the trapezium rule, divided by the width of the range: in [0, 1].

    As the thresholds get denser, the area over 0–T tends to ``1 − E[min(e, T)] / T``. Averaging the joints' curves
    and averaging their areas is the same.

    Args:
        errors: ``(..., J)`` millimetres.
        range: one of the ``AUC_…`` constants, or any :class:`AucRange`.
        visible: ``(..., J)`` bool, the joints to count.

    Raises:
        HandLibError: as :func:`mean_epe`.
    """
    thresholds = range.thresholds
    curve = pck(errors, thresholds, visible).cpu()
    return (torch.trapezoid(curve, thresholds) / (range.high - range.low)).item()


# --------------------------------------------------------------------------------------------------------- alignments


def align_root(pred: Tensor, true: Tensor, *, root: int = ROOT) -> Tensor:
    """Move each predicted hand so that its root lies on the true one.

    Args:
        pred: ``(..., J, 3)`` millimetres.
        true: ``(..., J, 3)`` millimetres.
        root: joint made to coincide.

    Returns:
        ``(..., J, 3)`` float64.

    Raises:
        HandLibError: as :func:`joint_errors`.
    """
    pred, true = _hands(pred, true)
    return pred - pred[..., root : root + 1, :] + true[..., root : root + 1, :]


def align_procrustes(pred: Tensor, true: Tensor, *, reflection: bool) -> Tensor:
    """Move, turn and scale each predicted hand onto the true one as well as possible (least squares).

    The rotation is the closed form of orthogonal Procrustes: with both hands centred and ``true ᵀ pred = U S Vᵀ``,
    ``R = U Vᵀ`` and the scale is ``tr S / ‖pred‖²``. That ``R`` may be a reflection.

    Args:
        pred: ``(..., J, 3)`` millimetres.
        true: ``(..., J, 3)`` millimetres.
        reflection: True allows reflections, as FreiHAND's official alignment does: a mirrored hand, with every finger
            bent the wrong way, then scores 0. False takes the best proper rotation.

    Returns:
        ``(..., J, 3)`` float64. A prediction whose joints all coincide becomes the true hand's centroid.

    Raises:
        HandLibError: as :func:`joint_errors`.
    """
    pred, true = _hands(pred, true)
    center = true.mean(dim=-2, keepdim=True)
    pred = pred - pred.mean(dim=-2, keepdim=True)
    U, S, Vh = torch.linalg.svd((true - center).mT @ pred)  # (..., 3, 3), (..., 3), (..., 3, 3)
    if not reflection:
        # Turn the axis that matters least, that of the smallest singular value, where U Vᵀ would reflect.
        sign = torch.linalg.det(U @ Vh).sign()
        flip = torch.stack([torch.ones_like(sign), torch.ones_like(sign), sign], dim=-1)
        U, S = U * flip.unsqueeze(-2), S * flip
    scale = S.sum(dim=-1) / pred.square().sum(dim=(-2, -1)).clamp(min=torch.finfo(pred.dtype).tiny)
    return scale[..., None, None] * (pred @ (U @ Vh).mT) + center


def align_scale_translation(
    pred: Tensor, true: Tensor, *, origin: int = WRIST, bone: tuple[int, int] = (WRIST, ROOT)
) -> Tensor:
    """HO-3D's alignment: scale each predicted hand to the true length of one bone, and make the wrists coincide.

    Args:
        pred: ``(..., J, 3)`` millimetres, in canonical joint order.
        true: ``(..., J, 3)`` millimetres, in canonical joint order.
        origin: joint made to coincide.
        bone: the two joints whose distance gives the scale; wrist to middle MCP by default.

    Returns:
        ``(..., J, 3)`` float64.

    Raises:
        HandLibError: as :func:`joint_errors`.
    """
    pred, true = _hands(pred, true)
    start, end = bone
    length_pred = (pred[..., end, :] - pred[..., start, :]).norm(dim=-1)
    length_true = (true[..., end, :] - true[..., start, :]).norm(dim=-1)
    if not (length_pred > 0).all():
        raise HandLibError(f"joints {start} and {end} of a predicted hand coincide: there is no length to scale by")
    scale = (length_true / length_pred)[..., None, None]
    return scale * (pred - pred[..., origin : origin + 1, :]) + true[..., origin : origin + 1, :]


# ------------------------------------------------------------------------------------------------------------ summary


def summarise(
    pred_xyz: Tensor, true_xyz: Tensor, visible: Tensor | None = None
) -> dict[str, float | list[float] | None]:
    """The metrics that every recorded run carries, as plain numbers that JSON can hold.

    Args:
        pred_xyz: ``(N, 21, 3)`` millimetres, camera frame.
        true_xyz: ``(N, 21, 3)`` millimetres, camera frame.
        visible: ``(N, 21)`` bool, or None where a dataset does not say; the three keys that need it are None then.

    Returns:
        A dictionary. Nothing aligned, all joints: ``epe_mean``, ``epe_median``, ``epe_median_over_joints``,
        ``epe_per_joint`` (a list), ``auc_0_50``, ``auc_20_50``, ``auc_21_50_groups``, ``auc_0_100``. Visible joints
        only: ``epe_visible`` (all of them pooled), ``epe_visible_over_joints`` (as RHD's evaluator). Hidden against
        visible, each joint with itself: ``epe_hidden_minus_visible``, None also if no joint is both. Roots aligned:
        ``root_epe_mean``. Procrustes: ``pa_epe_mean`` (rotations only) and ``pa_epe_mean_reflection`` (reflections
        allowed, as FreiHAND's server).

    Raises:
        HandLibError: as :func:`joint_errors` and :func:`mean_epe`.
    """
    errors = joint_errors(pred_xyz, true_xyz)
    aligned = {flag: align_procrustes(pred_xyz, true_xyz, reflection=flag) for flag in (False, True)}
    return {
        "epe_mean": mean_epe(errors),
        "epe_median": median_epe(errors),
        "epe_median_over_joints": median_epe_over_joints(errors),
        "epe_visible": None if visible is None else mean_epe(errors, visible),
        "epe_visible_over_joints": None if visible is None else mean_epe_over_joints(errors, visible),
        "epe_hidden_minus_visible": None if visible is None else hidden_minus_visible(errors, visible),
        "epe_per_joint": _counted(errors, None).mean(dim=0).tolist(),
        "auc_0_50": auc(errors, AUC_0_50),
        "auc_20_50": auc(errors, AUC_20_50),
        "auc_21_50_groups": auc(errors, AUC_21_50_GROUPS),
        "auc_0_100": auc(errors, AUC_0_100),
        "root_epe_mean": mean_epe(joint_errors(align_root(pred_xyz, true_xyz), true_xyz)),
        "pa_epe_mean": mean_epe(joint_errors(aligned[False], true_xyz)),
        "pa_epe_mean_reflection": mean_epe(joint_errors(aligned[True], true_xyz)),
    }


# ------------------------------------------------------------------------------------------------------------- checks


def _hands(pred: Tensor, true: Tensor) -> tuple[Tensor, Tensor]:
    """Both as float64, or an error."""
    if pred.shape != true.shape or pred.ndim < 2 or pred.shape[-1] != 3:
        shapes = f"{tuple(pred.shape)} predicted and {tuple(true.shape)} true"
        raise HandLibError(f"hands must have the same shape (..., joints, 3), got {shapes}")
    for name, hands in (("predicted", pred), ("true", true)):
        broken = ~hands.isfinite().flatten(end_dim=-2).all(dim=-1)
        if broken.any():
            raise HandLibError(f"{int(broken.sum())} of {broken.numel()} {name} joints are NaN or infinite")
    return pred.double(), true.double()


def _counted(errors: Tensor, visible: Tensor | None) -> Tensor:
    """``(N, J)`` float64 with NaN where a joint is not to be counted, or an error."""
    if errors.ndim < 1 or errors.numel() == 0:
        raise HandLibError(f"there are no errors to average: got shape {tuple(errors.shape)}")
    if not errors.isfinite().all():
        raise HandLibError("some errors are NaN or infinite")
    counted = errors.double()
    if visible is not None:
        if visible.shape != errors.shape or visible.dtype != torch.bool:
            raise HandLibError(
                f"visible must be bool of shape {tuple(errors.shape)}, got {visible.dtype} of {tuple(visible.shape)}"
            )
        if not visible.any():
            raise HandLibError("no joint is visible: there is nothing to average")
        counted = counted.masked_fill(~visible, torch.nan)
    return counted.reshape(-1, errors.shape[-1])
