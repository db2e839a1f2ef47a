"""The metrics against closed forms, SciPy, NumPy, and the identity that ties the area under the curve to the errors."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from hand_lib.errors import HandLibError
from hand_lib.metrics import (
    AUC_0_50,
    AUC_0_100,
    AUC_20_50,
    AUC_21_50_GROUPS,
    AucRange,
    align_procrustes,
    align_root,
    align_scale_translation,
    auc,
    hidden_minus_visible,
    joint_errors,
    mean_epe,
    mean_epe_over_joints,
    median_epe,
    median_epe_over_joints,
    pck,
    summarise,
)
from hand_lib.skeleton import HO3D_ORDER, ROOT, WRIST, from_canonical


def hands(count: int = 5, seed: int = 0, spread: float = 40.0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, 21, 3, generator=generator) * spread + torch.tensor([10.0, -20.0, 500.0])


def rotation(seed: int) -> torch.Tensor:
    return torch.tensor(Rotation.random(rng=np.random.default_rng(seed)).as_matrix())


# ------------------------------------------------------------------------------------------------- end-point errors


def test_errors_of_a_pythagorean_offset():
    true = hands()
    errors = joint_errors(true + torch.tensor([2.0, 3.0, 6.0]), true)
    assert errors.shape == (5, 21) and errors.dtype == torch.float64
    torch.testing.assert_close(errors, torch.full((5, 21), 7.0, dtype=torch.float64), rtol=1e-5, atol=1e-4)


def test_four_averages_of_errors_written_out():
    # Three images, two joints.      joint 0: mean 4, median 2      joint 1: mean 40, median 50
    errors = torch.tensor([[1.0, 10.0], [2.0, 50.0], [9.0, 60.0]])
    assert mean_epe(errors) == mean_epe_over_joints(errors) == 22
    assert median_epe(errors) == 9.5  # of 1 2 9 10 50 60: the middle two averaged
    assert median_epe_over_joints(errors) == 26


def test_visible_joints_only_written_out():
    errors = torch.tensor([[1.0, 10.0], [2.0, 50.0], [9.0, 60.0]])
    visible = torch.tensor([[True, False], [True, False], [True, True]])
    assert mean_epe(errors, visible) == 18  # (1 + 2 + 9 + 60) / 4
    assert mean_epe_over_joints(errors, visible) == 32  # (4 + 60) / 2
    assert median_epe(errors, visible) == 5.5
    assert median_epe_over_joints(errors, visible) == 31


def test_hidden_against_visible_is_not_a_matter_of_which_joints_are_hidden():
    """Simpson's paradox: each joint is 1 mm worse where it is hidden, and yet hidden joints are better on average.

    Joint 0 is easy (2 mm) and hidden in 8 of 10 images, joint 1 is hard (20 mm) and hidden in 2 of them.
    """
    visible = torch.tensor([[False, True]] * 5 + [[False, True]] * 3 + [[True, False]] * 2)
    errors = torch.tensor([2.0, 20.0]) + (~visible).float()
    pooled = errors[~visible].mean() - errors[visible].mean()
    assert pooled.item() == pytest.approx((8 * 3 + 2 * 21) / 10 - (2 * 2 + 8 * 20) / 10)
    assert pooled < -9
    assert hidden_minus_visible(errors, visible) == pytest.approx(1.0)
    # A joint that is always visible adds nothing; one that is alone counts as much as one that is seen often.
    always = torch.cat([visible, torch.ones(10, 1, dtype=torch.bool)], 1)
    assert hidden_minus_visible(torch.cat([errors, 99 * torch.ones(10, 1)], 1), always) == pytest.approx(1.0)


@given(seed=st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_hidden_against_visible_turns_with_its_names_and_keeps_no_offset(seed):
    """Exchange visible and hidden and the sign turns; add to a joint whatever one likes and nothing changes."""
    generator = torch.Generator().manual_seed(seed)
    errors = torch.rand(40, 21, generator=generator, dtype=torch.float64)
    visible = torch.rand(40, 21, generator=generator) < 0.5
    visible[0], visible[1] = True, False
    more = hidden_minus_visible(errors, visible)
    assert hidden_minus_visible(errors, ~visible) == pytest.approx(-more)
    assert hidden_minus_visible(errors + torch.arange(21), visible) == pytest.approx(more, abs=1e-9)
    assert hidden_minus_visible(errors + 3.0 * ~visible, visible) == pytest.approx(more + 3.0)


def test_a_joint_that_is_never_visible_is_left_out():
    errors = torch.tensor([[1.0, 10.0], [3.0, 50.0]])
    visible = torch.tensor([[True, False], [True, False]])
    for average in (mean_epe, mean_epe_over_joints, median_epe, median_epe_over_joints):
        assert average(errors, visible) == 2
    assert pck(errors, torch.tensor([2.0]), visible).tolist() == [0.5]


@given(seed=st.integers(0, 10_000), count=st.integers(1, 12))
@settings(max_examples=25, deadline=None)
def test_averages_agree_with_numpy(seed, count):
    generator = torch.Generator().manual_seed(seed)
    errors = torch.rand(count, 21, generator=generator).double() * 80
    visible = torch.rand(count, 21, generator=generator) < 0.7
    visible[0, 0] = True
    masked = np.where(visible.numpy(), errors.numpy(), np.nan)[:, visible.any(dim=0).numpy()]
    assert math.isclose(mean_epe(errors), errors.numpy().mean())
    assert math.isclose(median_epe(errors), np.median(errors.numpy()))
    assert math.isclose(median_epe_over_joints(errors), np.median(errors.numpy(), axis=0).mean())
    assert math.isclose(mean_epe(errors, visible), np.nanmean(masked))
    assert math.isclose(mean_epe_over_joints(errors, visible), np.nanmean(masked, axis=0).mean())
    assert math.isclose(median_epe(errors, visible), np.nanmedian(masked))
    assert math.isclose(median_epe_over_joints(errors, visible), np.nanmedian(masked, axis=0).mean())


# ----------------------------------------------------------------------------------------------------------- PCK, AUC


def test_pck_counts_errors_at_the_threshold():
    errors = torch.tensor([[10.0, 20.0], [30.0, 20.0]])
    thresholds = torch.tensor([9.999, 10.0, 20.0, 29.0, 30.0])
    assert pck(errors, thresholds).tolist() == [0.0, 0.25, 0.75, 0.75, 1.0]


def test_pck_averages_over_joints_and_not_over_what_is_seen():
    errors = torch.tensor([[0.0, 100.0], [0.0, 100.0], [0.0, 100.0]])
    visible = torch.tensor([[True, True], [True, False], [True, False]])
    assert pck(errors, torch.tensor([50.0]), visible).tolist() == [0.5]  # pooled it would be 0.75


def test_named_ranges():
    assert AUC_0_50.thresholds.numpy() == pytest.approx(np.linspace(0, 50, 100))
    assert AUC_20_50.thresholds.numpy() == pytest.approx(np.linspace(20, 50, 100))
    assert AUC_0_100.thresholds.numpy() == pytest.approx(np.linspace(0, 100, 100))
    assert AUC_21_50_GROUPS.thresholds.numpy() == pytest.approx(np.linspace(0, 50, 20)[-12:])
    assert round(AUC_21_50_GROUPS.low, 2) == 21.05


@pytest.mark.parametrize("range", [AUC_0_50, AUC_20_50, AUC_21_50_GROUPS, AUC_0_100])
def test_auc_of_perfect_and_of_hopeless(range):
    assert auc(torch.zeros(3, 21), range) == pytest.approx(1)
    assert auc(torch.full((3, 21), 1e4), range) == 0


def test_auc_of_one_error_is_a_trapezium():
    # Thresholds 0, 10, 20, 30, 40; the curve is 0 0 1 1 1, and the rule cuts the step's corner halfway.
    assert auc(torch.full((4, 21), 15.0), AucRange(0, 40, 5)) == pytest.approx((0.5 * 10 + 20) / 40)


@given(
    seed=st.integers(0, 10_000),
    low=st.floats(0, 30),
    width=st.floats(5, 80),
    spread=st.floats(1, 100),
)
@settings(max_examples=25, deadline=None)
def test_auc_tends_to_the_mean_of_clipped_errors(seed, low, width, spread):
    errors = torch.rand(40, 21, generator=torch.Generator().manual_seed(seed)).double() * spread
    expected = 1 - (errors.clamp(low, low + width) - low).mean().item() / width
    # A step is misplaced by no more than half the distance of two thresholds.
    assert auc(errors, AucRange(low, low + width, 2001)) == pytest.approx(expected, abs=0.5 / 2000 + 1e-9)


def test_auc_from_zero_is_one_minus_the_mean_clipped_error():
    errors = joint_errors(hands(50), hands(50, seed=1))
    for top in (20.0, 50.0, 100.0):
        assert auc(errors, AucRange(0, top, 4001)) == pytest.approx(
            1 - errors.clamp(max=top).mean().item() / top, abs=2e-4
        )


def test_auc_agrees_with_numpy_and_the_joints_own_areas():
    errors = joint_errors(hands(20, spread=15), hands(20, seed=1, spread=15))
    thresholds = np.linspace(20, 50, 100)
    areas = []
    for joint in range(21):
        curve = (errors[:, joint].numpy()[:, None] <= thresholds).mean(axis=0)
        areas.append(np.trapezoid(curve, thresholds) / 30)
        assert auc(errors[:, joint : joint + 1], AUC_20_50) == pytest.approx(areas[-1])
    assert auc(errors, AUC_20_50) == pytest.approx(np.mean(areas))


def test_the_two_20_50_ranges_differ():
    errors = torch.linspace(0, 60, 210).view(10, 21)
    assert abs(auc(errors, AUC_20_50) - auc(errors, AUC_21_50_GROUPS)) > 0.005


@pytest.mark.parametrize("arguments", [(50, 20, 100), (-1, 50, 100), (0, 50, 1), (20, 20, 5)])
def test_impossible_ranges(arguments):
    with pytest.raises(HandLibError, match="range of thresholds"):
        AucRange(*arguments)


# --------------------------------------------------------------------------------------------------------- alignments


def test_align_root_moves_and_only_moves():
    true, pred = hands(), hands(seed=1)
    aligned = align_root(pred, true)
    torch.testing.assert_close(aligned[:, ROOT], true[:, ROOT].double())
    torch.testing.assert_close(aligned - aligned[:, :1], (pred - pred[:, :1]).double(), rtol=0, atol=1e-4)
    assert joint_errors(align_root(true + 77.0, true), true).max() < 1e-4
    torch.testing.assert_close(align_root(pred, true, root=WRIST)[:, WRIST], true[:, WRIST].double())


@given(seed=st.integers(0, 10_000), scale=st.floats(0.1, 10), reflection=st.booleans())
@settings(max_examples=30, deadline=None)
def test_procrustes_undoes_any_similarity(seed, scale, reflection):
    true = hands(3, seed).double()
    moved = scale * true @ rotation(seed).mT + torch.tensor([5.0, -300.0, 40.0])
    assert joint_errors(align_procrustes(moved, true, reflection=reflection), true).max() < 1e-8


def freihand_alignment(pred: np.ndarray, true: np.ndarray) -> np.ndarray:
    """What FreiHAND's evaluation is described to do, one hand at a time: centre, unit norm, SciPy's Procrustes."""
    true_center, pred_center = true.mean(axis=0), pred.mean(axis=0)
    true_norm = np.linalg.norm(true - true_center)
    true_unit = (true - true_center) / true_norm
    pred_unit = (pred - pred_center) / (np.linalg.norm(pred - pred_center) + 1e-12)
    R, scale = scipy.linalg.orthogonal_procrustes(pred_unit, true_unit)
    return pred_unit @ R * scale * true_norm + true_center


def test_procrustes_with_reflections_is_freihands():
    true, pred = hands(20), hands(20, seed=1)
    pred[:10] = true[:10] * torch.tensor([-1.0, 1.0, 1.0]) + 5 * torch.randn(10, 21, 3)  # these want a reflection
    aligned = align_procrustes(pred, true, reflection=True)
    for i in range(20):
        expected = freihand_alignment(pred[i].double().numpy(), true[i].double().numpy())
        np.testing.assert_allclose(aligned[i].numpy(), expected, atol=1e-6)


def test_procrustes_without_reflections_agrees_with_scipys_rotation():
    true, pred = hands(20), hands(20, seed=1)
    pred[:10] = true[:10] * torch.tensor([-1.0, 1.0, 1.0]) + 5 * torch.randn(10, 21, 3)
    aligned = align_procrustes(pred, true, reflection=False)
    for i in range(20):
        a, b = (x[i].double().numpy() - x[i].double().numpy().mean(axis=0) for x in (pred, true))
        R = Rotation.align_vectors(b, a)[0].as_matrix()
        scale = np.sum(b * (a @ R.T)) / np.sum(a * a)
        np.testing.assert_allclose(
            aligned[i].numpy(), scale * a @ R.T + true[i].double().numpy().mean(axis=0), atol=1e-6
        )


def test_a_mirrored_hand_is_perfect_only_where_reflections_are_allowed():
    true = hands()
    mirrored = true * torch.tensor([-1.0, 1.0, 1.0])
    assert joint_errors(align_procrustes(mirrored, true, reflection=True), true).max() < 1e-8
    assert mean_epe(joint_errors(align_procrustes(mirrored, true, reflection=False), true)) > 10


def test_a_flat_hand_is_its_own_mirror_image():
    true = hands() * torch.tensor([1.0, 1.0, 0.0])
    mirrored = true * torch.tensor([-1.0, 1.0, 1.0])
    for reflection in (False, True):
        assert joint_errors(align_procrustes(mirrored, true, reflection=reflection), true).max() < 1e-8


@pytest.mark.parametrize("reflection", [False, True])
def test_no_similarity_near_the_best_one_is_better(reflection):
    true, pred = hands(1).double(), hands(1, seed=1).double()
    aligned = align_procrustes(pred, true, reflection=reflection)
    best = (aligned - true).square().sum()
    center = aligned.mean(dim=1, keepdim=True)
    generator = np.random.default_rng(0)
    for _ in range(50):
        small = torch.tensor(Rotation.from_rotvec(generator.normal(0, 0.02, 3)).as_matrix())
        other = (1 + generator.normal(0, 0.02)) * (aligned - center) @ small.mT + center + generator.normal(0, 0.5)
        assert (other - true).square().sum() > best


def test_predicting_one_point_scores_the_distance_to_the_centroid():
    true = hands()
    expected = joint_errors(true.mean(dim=1, keepdim=True).expand_as(true), true)
    for reflection in (False, True):
        aligned = align_procrustes(torch.zeros_like(true), true, reflection=reflection)
        torch.testing.assert_close(joint_errors(aligned, true), expected, rtol=0, atol=1e-4)


def test_alignments_do_not_depend_on_the_batch():
    true, pred = hands(6).view(2, 3, 21, 3), hands(6, seed=1).view(2, 3, 21, 3)
    for align in (
        align_root,
        align_scale_translation,
        lambda pred, true: align_procrustes(pred, true, reflection=False),
        lambda pred, true: align_procrustes(pred, true, reflection=True),
    ):
        together = align(pred, true)
        assert together.shape == (2, 3, 21, 3)
        torch.testing.assert_close(together[1, 2], align(pred[1, 2], true[1, 2]))


def test_scale_and_translation_are_undone_and_rotation_is_not():
    true = hands()
    moved = 2.5 * true + torch.tensor([100.0, 0.0, -30.0])
    assert joint_errors(align_scale_translation(moved, true), true).max() < 1e-3
    turned = (true.double() @ rotation(3).mT).float()
    aligned = align_scale_translation(turned, true)
    assert mean_epe(joint_errors(aligned, true)) > 10
    torch.testing.assert_close(aligned[:, WRIST], true[:, WRIST].double())


def test_scale_and_translation_as_ho3d_writes_it():
    true, pred = hands(), hands(seed=1)
    aligned = align_scale_translation(pred, true)
    theirs_true, theirs_pred = (from_canonical(x.double(), HO3D_ORDER) for x in (true, pred))
    ratio = (theirs_true[:, 4] - theirs_true[:, 0]).norm(dim=-1) / (theirs_pred[:, 4] - theirs_pred[:, 0]).norm(dim=-1)
    expected = theirs_pred * ratio.view(-1, 1, 1)
    expected = expected - expected[:, :1] + theirs_true[:, :1]
    torch.testing.assert_close(from_canonical(aligned, HO3D_ORDER), expected)


def test_scale_and_translation_need_a_length():
    with pytest.raises(HandLibError, match="joints 0 and 9 of a predicted hand coincide"):
        align_scale_translation(torch.zeros(1, 21, 3), hands(1))


# ------------------------------------------------------------------------------------------------------------ summary


def test_summary_of_a_perfect_prediction():
    visible = torch.ones(5, 21, dtype=torch.bool)
    assert summarise(hands(), hands(), visible)["epe_hidden_minus_visible"] is None  # nothing is hidden
    visible[2, 7] = False
    summary = summarise(hands(), hands(), visible)
    for key, value in summary.items():
        assert np.allclose(value, 1 if key.startswith("auc") else 0, atol=1e-9), key


def test_summary_is_made_of_the_metrics_and_is_json():
    true, pred = hands(30, spread=20), hands(30, seed=1, spread=20)
    visible = torch.rand(30, 21) < 0.6
    summary = summarise(pred, true, visible)
    assert json.loads(json.dumps(summary)) == summary
    errors = joint_errors(pred, true)
    assert summary["epe_mean"] == pytest.approx(errors.mean().item())
    assert summary["epe_per_joint"] == pytest.approx(errors.mean(dim=0).tolist())
    assert len(summary["epe_per_joint"]) == 21
    assert summary["epe_median"] == pytest.approx(np.median(errors.numpy()))
    assert summary["epe_median_over_joints"] == pytest.approx(np.median(errors.numpy(), axis=0).mean())
    assert summary["epe_visible"] == pytest.approx(errors[visible].mean().item())
    assert summary["epe_visible_over_joints"] == pytest.approx(mean_epe_over_joints(errors, visible))
    assert summary["epe_hidden_minus_visible"] == pytest.approx(hidden_minus_visible(errors, visible))
    for key, low, high in (("0_50", 0, 50), ("20_50", 20, 50), ("21_50_groups", 400 / 19, 50), ("0_100", 0, 100)):
        area = 1 - (errors.clamp(low, high) - low).mean().item() / (high - low)
        assert summary[f"auc_{key}"] == pytest.approx(area, abs=0.006)
    assert summary["auc_20_50"] < summary["auc_21_50_groups"]  # the curve rises, so leaving out its beginning helps
    assert summary["pa_epe_mean_reflection"] <= summary["pa_epe_mean"] < summary["epe_mean"]
    assert summary["root_epe_mean"] == pytest.approx(mean_epe(joint_errors(align_root(pred, true), true)))


def test_summary_without_visibility():
    summary = summarise(hands(), hands(seed=1))
    assert summary["epe_visible"] is None and summary["epe_visible_over_joints"] is None
    assert summary["epe_hidden_minus_visible"] is None
    assert summary.keys() == summarise(hands(), hands(seed=1), torch.ones(5, 21, dtype=torch.bool)).keys()


# ------------------------------------------------------------------------------------------------------------- errors


def with_one(value: float) -> torch.Tensor:
    broken = hands()
    broken[3, 7, 1] = value
    return broken


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: joint_errors(hands(), hands(4)), r"\(5, 21, 3\) predicted and \(4, 21, 3\) true"),
        (lambda: joint_errors(hands()[..., :2], hands()[..., :2]), "same shape"),
        (lambda: joint_errors(hands(), hands()[0]), "same shape"),  # would broadcast in silence
        (lambda: joint_errors(with_one(math.nan), hands()), "1 of 105 predicted joints are NaN or infinite"),
        (lambda: joint_errors(hands(), with_one(math.inf)), "1 of 105 true joints"),
        (lambda: summarise(with_one(math.nan), hands()), "predicted joints are NaN"),
        (lambda: align_procrustes(with_one(math.nan), hands(), reflection=True), "predicted joints are NaN"),
        (lambda: mean_epe(torch.tensor([[1.0, math.nan]])), "NaN"),
        (lambda: auc(torch.tensor([[1.0, math.nan]]), AUC_0_50), "NaN"),
        (lambda: mean_epe(torch.zeros(0, 21)), "no errors to average"),
        (
            lambda: mean_epe(torch.zeros(2, 21), torch.ones(21, dtype=torch.bool)),
            r"visible must be bool of shape \(2, 21\)",
        ),
        (lambda: mean_epe(torch.zeros(2, 21), torch.ones(2, 21)), "visible must be bool"),
        (lambda: median_epe(torch.zeros(2, 21), torch.zeros(2, 21, dtype=torch.bool)), "no joint is visible"),
        (lambda: hidden_minus_visible(torch.zeros(2, 3), torch.zeros(2, 3)), "visible must be bool"),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises(HandLibError, match=words):
        call()
