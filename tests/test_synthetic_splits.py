"""What the splits share and what they do not: people, gestures, poses and views, by statistics of the parameters."""

import numpy as np
import pytest
import torch
from scipy import stats

from hand_lib.synthetic import SPLITS, WIDE, HandShape, forward_kinematics, sample_hands, sample_scenes
from hand_lib.synthetic.anatomy import PROTOTYPES, prototypes
from hand_lib.synthetic.hands import CHARACTERS, GESTURES, PEOPLE

COUNT = 2500
LEVEL = 0.01  # of a whole family of tests: Bonferroni


@pytest.fixture(scope="module")
def hands():
    return {split: sample_hands(0, split, range(COUNT)) for split in SPLITS}


def angles(hands) -> torch.Tensor:
    """(B, 22) radians: all that moves a joint."""
    pose = hands.pose
    return torch.cat([pose.flexion.flatten(1), pose.abduction, pose.twist[:, None], pose.cupping[:, None]], 1)


def people(hands) -> torch.Tensor:
    """(P, 15) mm: each person's bones once."""
    return torch.unique(hands.shape.segments.flatten(1), dim=0)


def energy_distance(a: torch.Tensor, b: torch.Tensor) -> float:
    """Székely's: zero in expectation if and only if the distributions are the same (unbiased estimates)."""
    within = sum(torch.cdist(x, x).sum() / (len(x) * (len(x) - 1)) for x in (a, b))
    return (2 * torch.cdist(a, b).mean() - within).item()


def nearest(a: torch.Tensor, b: torch.Tensor | None = None) -> torch.Tensor:
    """Distance of each row of ``a`` to the nearest of ``b``, or to the nearest other one of ``a``."""
    if b is not None:
        return torch.cdist(a, b).amin(1)
    return (torch.cdist(a, a) + 1e9 * torch.eye(len(a))).amin(1)


def test_evaluation_is_posed_like_training_angle_by_angle(hands):
    a, b = (angles(hands[s]).numpy() for s in ("training", "evaluation"))
    worst = min(stats.ks_2samp(a[:, i], b[:, i]).pvalue for i in range(a.shape[1]))
    assert worst > LEVEL / a.shape[1]


def test_evaluation_is_posed_like_training_all_angles_together(hands):
    """The energy distance of the two splits against those of random halves of both."""
    a, b = (angles(hands[s])[:1200] for s in ("training", "evaluation"))
    both, generator = torch.cat([a, b]), torch.Generator().manual_seed(0)
    chance = []
    for _ in range(40):
        order = torch.randperm(len(both), generator=generator)
        chance.append(energy_distance(both[order[:1200]], both[order[1200:]]))
    seen, chance = energy_distance(a, b), np.array(chance)
    assert seen < chance.mean() + 4 * chance.std()
    held = energy_distance(a, angles(hands["held_out_gestures"])[:1200])
    assert held > 20 * chance.std() and held > 10 * abs(seen)


def test_no_evaluation_pose_is_a_copy_of_a_training_pose(hands):
    """Evaluation poses are no nearer to training poses than those are to one another."""
    a, b = (angles(hands[s]) for s in ("training", "evaluation"))
    within, across = nearest(a), nearest(b, a)
    small = within.quantile(0.01)
    assert across.min() > np.deg2rad(3.0)
    assert (across < small).float().mean() < 0.03
    assert across.median().item() == pytest.approx(within.median().item(), rel=0.05)


def test_people_differ_but_are_of_the_same_build(hands):
    a, b = (people(hands[s]).numpy() for s in ("training", "evaluation"))
    assert len(a) > 0.9 * CHARACTERS["training"] and len(b) == CHARACTERS["evaluation"]
    assert not {tuple(row) for row in a.tolist()} & {tuple(row) for row in b.tolist()}
    worst = min(stats.ks_2samp(a[:, i], b[:, i]).pvalue for i in range(15))
    assert worst > LEVEL / 15
    # Held-out gestures are made by the evaluation's people: what differs from evaluation is the gesture.
    assert torch.equal(people(hands["evaluation"]), people(hands["held_out_gestures"]))


def test_views_are_alike():
    a, b = (sample_scenes(0, s, range(4000), WIDE) for s in ("training", "evaluation"))
    for values in (lambda s: s.rotation.flatten(1), lambda s: s.place):
        x, y = values(a).numpy(), values(b).numpy()
        assert min(stats.ks_2samp(x[:, i], y[:, i]).pvalue for i in range(x.shape[1])) > LEVEL / x.shape[1]


def test_the_mean_hand_of_evaluation_is_training_s(hands):
    """Where the joints of one and the same hand are on average, in both splits' poses."""
    means = {s: forward_kinematics(HandShape.mean(COUNT), h.pose)[0].mean(0) for s, h in hands.items()}
    shift = {s: (means[s] - means["training"]).norm(dim=1) for s in SPLITS}
    assert shift["evaluation"].max() < 4.0  # mm; the means' own standard errors are about 1
    assert shift["held_out_gestures"].max() > 10.0


def test_held_out_gestures_are_held_out():
    training, held_out = PROTOTYPES["training"], PROTOTYPES["held_out"]
    assert not set(training) & set(held_out)
    assert not set(training.values()) & set(held_out.values())
    assert len(torch.unique(prototypes("training"), dim=0)) == len(training)
    assert {s for s in SPLITS if GESTURES[s] == "held_out"} == {"held_out_gestures"}
    assert {s for s in SPLITS if PEOPLE[s] == "training"} == {"training"}
    # Nor is any of them a blend of two gestures of training, as its poses are.
    a, b = torch.rad2deg(prototypes("training")), torch.rad2deg(prototypes("held_out"))
    ends = a[None] - a[:, None]  # (P, P, 24)
    for gesture in b:
        from_first = gesture - a[:, None]
        t = ((from_first * ends).sum(-1) / ends.square().sum(-1).clamp(min=1e-6)).clamp(0, 1)
        away = (from_first - t[..., None] * ends).abs().amax(-1)
        assert away.min() > 15.0  # degrees, of the angle that differs most


def test_held_out_poses_are_farther_from_training_than_training_is_from_itself(hands):
    a, c = angles(hands["training"]), angles(hands["held_out_gestures"])
    assert nearest(c, a).median() > 1.3 * nearest(a).median()


def test_poses_are_rich():
    """Poses are no handful of gestures: some nine directions hold 95 % of the variance."""
    a = angles(sample_hands(0, "training", range(2000)))
    share = torch.linalg.svdvals(a - a.mean(0)).square().cumsum(0)
    assert 8 <= int((share / share[-1] < 0.95).sum()) + 1 <= 12
