"""Each data set's rule against an evaluator written apart, from what its authors say, with scipy's Procrustes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import orthogonal_procrustes
from scipy.spatial.transform import Rotation

from hand_lib.errors import HandLibError
from hand_lib.protocols import align_tips, dexter_object_scores, freihand_scores, ho3d_scores, rhd_scores, stb_scores
from hand_lib.skeleton import HO3D_ORDER, TIPS, from_canonical
from hand_lib.synthetic import EASY, render


@pytest.fixture(scope="module")
def true() -> torch.Tensor:
    return render(seed=3, split="evaluation", indices=range(20), size=16, scene=EASY, supersample=1).xyz


def noisy(true: torch.Tensor, seed: int = 0, spread: float = 15.0) -> torch.Tensor:
    return true + spread * torch.randn(true.shape, generator=torch.Generator().manual_seed(seed))


def values(scores) -> dict[str, float]:
    named = {score.name: score.value for score in scores}
    assert len(named) == len(scores) and all(score.rule for score in scores)
    return named


# --------------------------------------------------------------------------------------------- evaluators written apart


def area(errors: np.ndarray, low: float, high: float, count: int, seen: np.ndarray | None = None) -> float:
    """As the public evaluators take it: a curve a joint, its trapezium area, the mean over joints ever seen."""
    thresholds, found = np.linspace(low, high, count), []
    for joint in range(errors.shape[1]):
        mine = errors[:, joint] if seen is None else errors[seen[:, joint], joint]
        if len(mine):
            curve = [(mine <= threshold).mean() for threshold in thresholds]
            found.append(np.trapezoid(curve, thresholds) / (high - low))
    return float(np.mean(found))


def aligned_officially(true: np.ndarray, pred: np.ndarray) -> np.ndarray:
    """FreiHAND's: both centred, both of unit norm, the orthogonal matrix and the sum of singular values of scipy."""
    t1, t2 = true.mean(0), pred.mean(0)
    a, b = true - t1, pred - t2
    s1, s2 = np.linalg.norm(a) + 1e-8, np.linalg.norm(b) + 1e-8
    R, s = orthogonal_procrustes(a / s1, b / s2)
    return (b / s2) @ R.T * s * s1 + t1


def distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.sqrt(((a - b) ** 2).sum(-1))


# ------------------------------------------------------------------------------------------------------------ RHD, STB


def test_rhd_counts_all_joints_and_the_visible_ones(true):
    pred = noisy(true)
    visible = torch.rand(20, 21, generator=torch.Generator().manual_seed(1)) < 0.6
    visible[:, 3] = False  # a joint that nobody sees is left out
    errors, seen = distances(pred.double().numpy(), true.double().numpy()), visible.numpy()
    found = values(rhd_scores(pred, true, visible))
    ever = [j for j in range(21) if seen[:, j].any()]
    assert found["mean"] == pytest.approx(errors.mean(), rel=1e-6)
    assert found["median, over joints"] == pytest.approx(np.median(errors, 0).mean(), rel=1e-6)
    assert found["mean, visible"] == pytest.approx(np.mean([errors[seen[:, j], j].mean() for j in ever]), rel=1e-6)
    medians = [np.median(errors[seen[:, j], j]) for j in ever]
    assert found["median, visible"] == pytest.approx(np.mean(medians), rel=1e-6)
    assert found["AUC"] == pytest.approx(area(errors, 20, 50, 100), abs=1e-6)
    assert found["AUC, visible"] == pytest.approx(area(errors, 20, 50, 100, seen), abs=1e-6)
    twenty = np.linspace(0, 50, 20)
    assert found["AUC, groups paper's"] == pytest.approx(area(errors, twenty[8], 50, 12), abs=1e-6)
    assert found["AUC, visible, RHD's own"] == pytest.approx(area(errors, twenty[8], 50, 12, seen), abs=1e-6)


def test_stb_is_rhd_without_visibility(true):
    pred, everything = noisy(true), torch.ones(20, 21, dtype=torch.bool)
    rhd = values(rhd_scores(pred, true, everything))
    for name, value in values(stb_scores(pred, true)).items():
        assert rhd[name] == value
    assert rhd["AUC, visible"] == rhd["AUC"] and rhd["mean, visible"] == pytest.approx(rhd["mean"])


# ------------------------------------------------------------------------------------------------------------ FreiHAND


def test_freihand_is_the_official_evaluator(true):
    pred = noisy(true) + torch.tensor([30.0, -10.0, 60.0])
    a, b = true.double().numpy(), pred.double().numpy()
    errors = distances(a, b)
    aligned = distances(a, np.stack([aligned_officially(*pair) for pair in zip(a, b, strict=True)]))
    found = values(freihand_scores(pred, true))
    assert found["mean"] == pytest.approx(errors.mean() / 10, rel=1e-6)  # centimetres
    assert found["mean, Procrustes"] == pytest.approx(aligned.mean() / 10, rel=1e-5)
    assert found["AUC"] == pytest.approx(area(errors, 0, 50, 100), abs=1e-6)
    assert found["AUC, Procrustes"] == pytest.approx(area(aligned, 0, 50, 100), abs=1e-3)
    # The area is that of the error cut off at 50 mm, but for the rule of trapeziums.
    assert found["AUC, Procrustes"] == pytest.approx(1 - np.minimum(aligned, 50).mean() / 50, abs=1 / 99)


@given(angles=st.tuples(*[st.floats(-3, 3)] * 3), scale=st.floats(0.2, 5), mirror=st.booleans())
def test_freihand_forgives_place_pose_size_and_mirror(true, angles, scale, mirror):
    turn = (
        torch.tensor(Rotation.from_rotvec(angles).as_matrix())
        @ torch.diag(torch.tensor([-1.0 if mirror else 1.0, 1, 1])).double()
    )
    moved = scale * true.double() @ turn.T + torch.tensor([5.0, 7.0, 900.0])
    assert values(freihand_scores(moved, true))["mean, Procrustes"] == pytest.approx(0, abs=1e-5)


def test_zeros_get_the_mean_distance_to_the_centre(true):
    spread = (true - true.mean(1, keepdim=True)).norm(dim=-1).mean().item() / 10
    assert values(freihand_scores(torch.zeros_like(true), true))["mean, Procrustes"] == pytest.approx(spread, rel=1e-5)


# --------------------------------------------------------------------------------------------------------------- HO-3D


def test_ho3d_scales_by_the_joints_that_its_evaluator_names(true):
    """In HO-3D's own order the evaluator takes joints 0 and 4: wrist and middle MCP."""
    pred = noisy(true) * 0.7 + 20
    a, b = (from_canonical(hands, HO3D_ORDER).double().numpy() for hands in (true, pred))
    scale = np.linalg.norm(a[:, 4] - a[:, 0], axis=-1) / np.linalg.norm(b[:, 4] - b[:, 0], axis=-1)
    scaled = b * scale[:, None, None]
    errors = distances(a, scaled - scaled[:, :1] + a[:, :1])
    found = values(ho3d_scores(pred, true))
    assert found["mean, scale and translation"] == pytest.approx(errors.mean() / 10, rel=1e-6)
    assert found["AUC, scale and translation"] == pytest.approx(area(errors, 0, 50, 100), abs=1e-6)
    freihand = values(freihand_scores(pred, true))
    assert all(found[name] == value for name, value in freihand.items())


@given(scale=st.floats(0.2, 5), shift=st.tuples(*[st.floats(-500, 500)] * 3))
def test_ho3d_forgives_place_and_size_alone(true, scale, shift):
    moved = scale * true.double() + torch.tensor(shift, dtype=torch.float64)
    assert values(ho3d_scores(moved, true))["mean, scale and translation"] == pytest.approx(0, abs=1e-4)
    turned = true.double()[..., [1, 0, 2]]
    assert values(ho3d_scores(turned, true))["mean, scale and translation"] > 1


# ------------------------------------------------------------------------------------------------------- Dexter+Object


def partly_known(true: torch.Tensor) -> torch.Tensor:
    """Tips alone, some of them unseen; a frame with one tip, a frame with none."""
    said = torch.full_like(true, torch.nan)
    said[:, list(TIPS)] = true[:, list(TIPS)]
    said[2:9, 8] = torch.nan
    said[0, [4, 8, 12, 16]] = torch.nan
    said[1] = torch.nan
    return said


def test_dexter_object_aligns_frame_by_frame_on_known_tips(true):
    pred, said = noisy(true) * 1.3 + 40, partly_known(true)
    errors = np.full((20, 5), np.nan)
    for frame in range(2, 20):
        tips = [tip for tip in TIPS if said[frame, tip].isfinite().all()]
        a, b = said[frame, tips].double().numpy(), pred[frame, tips].double().numpy()
        a0, b0 = a - a.mean(0), b - b.mean(0)
        factor = np.linalg.norm(a0, axis=-1).mean() / np.linalg.norm(b0, axis=-1).mean()
        errors[frame, [TIPS.index(tip) for tip in tips]] = distances(a, b0 * factor + a.mean(0))
    scores = dexter_object_scores(pred, said)
    found = values(scores)
    assert found["mean"] == pytest.approx(np.nanmean(errors), rel=1e-6)
    counted = np.isfinite(errors)
    assert found["AUC"] == pytest.approx(area(np.nan_to_num(errors), 0, 100, 100, counted), abs=1e-6)
    assert "18 of 20 frames" in scores[0].rule and "0 to 100 mm" in scores[1].rule


@given(scale=st.floats(0.1, 10), shift=st.tuples(*[st.floats(-500, 500)] * 3))
def test_dexter_object_forgives_place_and_size(true, scale, shift):
    moved = scale * true.double() + torch.tensor(shift, dtype=torch.float64)
    assert values(dexter_object_scores(moved, partly_known(true)))["mean"] == pytest.approx(0, abs=1e-3)


def test_what_cannot_be_aligned_is_said(true):
    with pytest.raises(HandLibError, match="no frame"):
        dexter_object_scores(true, torch.full_like(true, torch.nan))
    with pytest.raises(HandLibError, match="coincide"):
        align_tips(torch.zeros(1, 5, 3), true[:1, list(TIPS)], torch.ones(1, 5, dtype=torch.bool))
    with pytest.raises(HandLibError, match="same shape"):
        dexter_object_scores(true[:, :20], true)
    broken = true.clone()
    broken[5, 8] = torch.nan
    with pytest.raises(HandLibError):
        dexter_object_scores(broken, true)


def test_a_score_says_its_unit_and_rule(true):
    for score in (*rhd_scores(true, true, torch.ones(20, 21, dtype=torch.bool)), *ho3d_scores(true, true)):
        assert score.unit in ("mm", "cm", "") and score.name in str(score) and score.rule in str(score)
        assert score.value == pytest.approx(0.0 if score.unit else 1.0, abs=0.006)  # the first threshold is 0 mm
        assert ("aligned" in score.rule) or ("onto the truth" in score.rule) or ("coincide" in score.rule)
