"""Bones, limits, poses: closed forms and properties."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hand_lib.errors import HandLibError
from hand_lib.skeleton import bone_lengths
from hand_lib.synthetic import SPLITS, HandPose, HandShape, forward_kinematics, limit_pose, sample_hands
from hand_lib.synthetic.anatomy import (
    ABDUCTION_LIMITS,
    CHAIN_FRAMES,
    DIP_OF_PIP,
    DIP_SLACK,
    FLEXION_LIMITS,
    SEGMENTS,
    pose_of_vector,
    rotation_x,
    rotation_y,
    rotation_z,
)


def random_pose(seed: int, batch: int = 8, spread: float = 3.0) -> HandPose:
    return pose_of_vector(spread * torch.randn(batch, 24, generator=torch.Generator().manual_seed(seed)))


@pytest.mark.parametrize(("rotation", "source", "target"), [(rotation_x, 1, 2), (rotation_y, 2, 0), (rotation_z, 0, 1)])
def test_a_quarter_turn_carries_one_axis_to_the_next(rotation, source, target):
    axes = torch.eye(3)
    assert torch.allclose(rotation(torch.tensor(math.pi / 2)) @ axes[source], axes[target], atol=1e-6)


def test_chain_frames_are_rotations():
    assert torch.allclose(CHAIN_FRAMES @ CHAIN_FRAMES.transpose(1, 2), torch.eye(3).expand(5, 3, 3), atol=1e-6)
    assert torch.allclose(torch.linalg.det(CHAIN_FRAMES), torch.ones(5), atol=1e-6)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_no_pose_changes_a_bone_of_a_chain(seed):
    pose = random_pose(seed)
    joints, frames = forward_kinematics(HandShape.mean(8), pose)
    lengths = bone_lengths(joints).unflatten(1, (5, 4))[:, :, 1:]
    assert torch.allclose(lengths, SEGMENTS.expand(8, 5, 3), atol=1e-3)
    # The wrist is the origin, and the metacarpals keep their lengths: only the cupped ones move.
    assert torch.equal(joints[:, 0], torch.zeros(8, 3))
    still, _ = forward_kinematics(HandShape.mean(), HandPose.zero())
    assert torch.allclose(joints[:, [1, 5, 9]], still[:, [1, 5, 9]].expand(8, 3, 3), atol=1e-4)
    assert torch.allclose(torch.linalg.det(frames.rotation), torch.ones(8, 24), atol=1e-4)


def test_a_straight_finger_is_a_line_and_the_middle_one_points_along_y():
    joints, _ = forward_kinematics(HandShape.mean(), HandPose.zero())
    for chain in range(1, 5):
        base, *rest = joints[0, 1 + 4 * chain : 5 + 4 * chain]
        direction = CHAIN_FRAMES[chain, :, 1]
        for joint, length in zip(rest, SEGMENTS[chain].cumsum(0), strict=True):
            assert torch.allclose(joint, base + length * direction, atol=1e-4)
    assert torch.allclose(joints[0, 12] - joints[0, 9], torch.tensor([0.0, SEGMENTS[2].sum().item(), 0.0]), atol=1e-4)


def test_ninety_degrees_of_flexion():
    """MCP at 90° points the finger out of the palm; PIP at 90° more brings it back towards the wrist."""
    flexion = torch.zeros(1, 5, 3)
    flexion[0, 2] = torch.tensor([math.pi / 2, math.pi / 2, 0.0])
    joints, _ = forward_kinematics(HandShape.mean(), replace(HandPose.zero(), flexion=flexion))
    base, pip, dip, tip = joints[0, 9:13]
    l1, l2, l3 = SEGMENTS[2]
    assert torch.allclose(pip - base, torch.tensor([0, 0, l1]), atol=1e-4)
    assert torch.allclose(dip - pip, torch.tensor([0, -l2, 0]), atol=1e-4)
    assert torch.allclose(tip - dip, torch.tensor([0, -l3, 0]), atol=1e-4)


def test_abduction_turns_towards_the_little_finger():
    abduction = torch.zeros(1, 5)
    abduction[0, 2] = math.radians(10)
    joints, _ = forward_kinematics(HandShape.mean(), replace(HandPose.zero(), abduction=abduction))
    finger = joints[0, 12] - joints[0, 9]
    angle = math.radians(10)
    assert torch.allclose(finger / finger.norm(), torch.tensor([-math.sin(angle), math.cos(angle), 0]), atol=1e-5)
    assert joints[0, 17, 0] < joints[0, 9, 0] < joints[0, 5, 0] < joints[0, 4, 0]  # little to thumb along x


def test_anthropometry():
    """A mean hand is as long and as broad as hands are (about 185 and 80 mm), and the fingers rank as they should."""
    joints, _ = forward_kinematics(HandShape.mean(), HandPose.zero())
    assert 175 < joints[0, 12, 1] < 190
    assert 50 < (joints[0, 5] - joints[0, 17]).norm() < 65
    reach = (joints[0, [8, 12, 16, 20]] - joints[0, 0]).norm(dim=1)
    assert reach.argmax() == 1 and reach.argmin() == 3  # middle and little finger
    assert (reach[0] - reach[2]).abs() < 8  # index and ring finger are nearly equal


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_limits_hold_for_any_angles(seed):
    pose = limit_pose(random_pose(seed, spread=2.0))
    assert (pose.flexion >= FLEXION_LIMITS[..., 0] - 1e-6).all()
    assert (pose.flexion <= FLEXION_LIMITS[..., 1] + 1e-6).all()
    assert (pose.abduction >= ABDUCTION_LIMITS[:, 0] - 1e-6).all()
    assert (pose.abduction <= ABDUCTION_LIMITS[:, 1] + 1e-6).all()
    stray = (pose.flexion[:, 1:, 2] - DIP_OF_PIP * pose.flexion[:, 1:, 1]).abs()
    assert (stray <= DIP_SLACK + 1e-5).all()
    # A bent finger cannot be spread.
    bent = pose.flexion[:, 1:, 0] > math.radians(85)
    assert (pose.abduction[:, 1:][bent].abs() < math.radians(6)).all()


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_limiting_twice_is_limiting_once(seed):
    once = limit_pose(random_pose(seed))
    twice = limit_pose(once)
    for name in ("flexion", "abduction", "twist", "cupping", "wrist"):
        assert torch.allclose(getattr(once, name), getattr(twice, name), atol=1e-6)


@pytest.mark.parametrize("split", SPLITS)
def test_sampled_hands_are_within_limits(split):
    hands = sample_hands(3, split, range(300))
    again = limit_pose(hands.pose)
    assert torch.allclose(hands.pose.flexion, again.flexion, atol=1e-6)
    assert torch.allclose(hands.pose.abduction, again.abduction, atol=1e-6)
    assert 0.4 < hands.right.float().mean() < 0.6


def test_spread_of_bones_is_about_that_of_people():
    """About 8 % of each bone's length; Buryanov & Kotiuk measured 8 to 9 % for metacarpals, 7 to 16 % for phalanges."""
    segments = sample_hands(0, "training", range(2000)).shape.segments
    ratio = segments / SEGMENTS
    assert torch.allclose(ratio.mean(0), torch.ones(5, 3), atol=0.02)
    assert ((ratio.std(0) > 0.06) & (ratio.std(0) < 0.11)).all()


def test_splits_share_no_person_and_a_person_has_one_hand():
    a = sample_hands(0, "training", range(400))
    b = sample_hands(0, "evaluation", range(400))
    skins = [{tuple(r) for r in hands.skin.back.numpy().tolist()} for hands in (a, b)]
    assert not skins[0] & skins[1]
    # A person comes more than once, always with the same hand.
    person, counts = torch.unique(b.character, return_counts=True)
    rows = torch.nonzero(b.character == person[counts.argmax()])[:, 0]
    assert len(rows) > 1
    assert (b.shape.segments[rows] == b.shape.segments[rows[0]]).all()


def test_hands_do_not_depend_on_batch_or_order():
    many = sample_hands(5, "training", range(300))
    few = sample_hands(5, "training", [31, 7])
    for name in ("flexion", "abduction", "twist", "cupping", "wrist"):
        assert torch.equal(getattr(few.pose, name), getattr(many.pose, name)[[31, 7]])
    assert torch.equal(few.shape.segments, many.shape.segments[[31, 7]])
    other = sample_hands(6, "training", [31, 7])
    assert not torch.equal(other.pose.flexion, few.pose.flexion)


def test_an_unknown_split_names_the_choices():
    with pytest.raises(HandLibError, match=r"validation.*evaluation, held_out_gestures, training"):
        sample_hands(0, "validation", [0])


def test_skin_tones_cover_the_range():
    skin = sample_hands(0, "training", range(600)).skin
    light = np.sort(skin.back.mean(1).numpy())
    assert light[-1] / light[0] > 10  # linear albedo
    assert (skin.back[:, 0] > skin.back[:, 2]).all()  # redder than blue
    # Palms have little pigment: nearly the back's colour on light skin, far lighter on dark skin.
    ratio = skin.palm.mean(1) / skin.back.mean(1)
    assert (ratio > 0.85).all()
    assert (ratio[skin.tone > 0.8] > 1.2).all()
