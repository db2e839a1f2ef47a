"""From where hands are seen: every side alike, no farther from the palm than promised, and no arm in the way."""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import stats

from hand_lib.synthetic import (
    EASY,
    SPLITS,
    WIDE,
    HandPose,
    HandShape,
    forward_kinematics,
    hand_surface,
    pose_surface,
    rasterise,
    sample_hands,
    sample_scenes,
)
from hand_lib.synthetic.anatomy import WRIST_LIMITS, forearm_direction
from hand_lib.synthetic.surface import FOREARM_PART
from hand_lib.synthetic.views import FOREARM_ASIDE, clear_forearm


def rays(scenes) -> torch.Tensor:
    """(B, 3) unit vectors from the camera to the hand, in the hand's frame."""
    ray = scenes.place.double() / scenes.place.double().norm(dim=1, keepdim=True)
    return torch.einsum("bij,bi->bj", scenes.rotation.double(), ray)


@pytest.mark.parametrize("split", SPLITS)
def test_wide_sees_every_side_alike(split):
    """By Archimedes, each coordinate of a uniform direction is uniform; and equal areas hold equal numbers."""
    ray = rays(sample_scenes(0, split, range(6000), WIDE)).numpy()
    for axis in range(3):
        assert stats.kstest(ray[:, axis], "uniform", args=(-1, 2)).pvalue > 1e-3
    bands = ((ray[:, 1] + 1) / 2 * 8).astype(int).clip(0, 7)
    sectors = ((math.pi + torch.atan2(*torch.tensor(ray[:, [0, 2]]).T)) / (2 * math.pi) * 12).int().clamp(0, 11).numpy()
    counts = torch.bincount(torch.tensor(bands * 12 + sectors), minlength=96).numpy()
    assert stats.chisquare(counts).pvalue > 1e-3
    # Seen from the wrist's side by more than 30 degrees: a quarter of the sphere.
    assert (ray[:, 1] > 0.5).mean() == pytest.approx(0.25, abs=0.025)


def test_wide_turns_the_picture_to_all_sides():
    """About the ray, too: the rotation as a whole is uniform, so the trace has the Haar measure's moments."""
    rotation = sample_scenes(1, "training", range(6000), WIDE).rotation
    trace = rotation.diagonal(dim1=1, dim2=2).sum(1)
    assert trace.mean().item() == pytest.approx(0.0, abs=0.06)  # its variance is 1
    assert (trace**2).mean().item() == pytest.approx(1.0, abs=0.08)
    assert torch.allclose(rotation @ rotation.transpose(1, 2), torch.eye(3).expand_as(rotation), atol=1e-5)
    assert torch.allclose(torch.linalg.det(rotation), torch.ones(len(rotation)), atol=1e-5)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32), cone=st.floats(5.0, 180.0), roll=st.floats(0.0, 180.0))
def test_no_hand_is_seen_from_outside_the_cone(seed, cone, roll):
    scenes = sample_scenes(seed, "evaluation", range(200), replace(EASY, cone=cone, roll=roll))
    cos = -rays(scenes)[:, 2]  # between the palm's normal and the line to the camera
    assert (cos >= math.cos(math.radians(cone)) - 1e-5).all()


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32))
@example(seed=263)  # one of its numbers is 1 in single precision
def test_easy_keeps_to_sixty_degrees_of_the_palm(seed):
    for split in SPLITS:
        angle = torch.rad2deg(torch.arccos((-rays(sample_scenes(seed, split, range(150), EASY))[:, 2]).clamp(-1, 1)))
        assert angle.max() <= 60.001


def test_easy_covers_its_cap_evenly():
    ray = rays(sample_scenes(3, "training", range(5000), EASY)).numpy()
    assert stats.kstest(-ray[:, 2], "uniform", args=(0.5, 0.5)).pvalue > 1e-3
    course = torch.atan2(*torch.tensor(ray[:, :2]).T).numpy()
    assert stats.kstest(course, "uniform", args=(-math.pi, 2 * math.pi)).pvalue > 1e-3


def test_upright_hands_point_up():
    """Without tilt and turn, the fingers point up in a picture that looks straight at the hand."""
    scenes = sample_scenes(0, "training", range(50), replace(EASY, cone=0.1, roll=0.0))
    ray = scenes.place / scenes.place.norm(dim=1, keepdim=True)
    up = -torch.eye(3)[1] + ray * ray[:, 1:2]
    up = up / up.norm(dim=1, keepdim=True)
    cos = (scenes.rotation[:, :, 1] * up).sum(1)
    assert (cos > math.cos(math.radians(6.0))).all()


def test_the_forearm_s_direction_is_that_of_its_frame():
    pose = sample_hands(0, "training", range(50)).pose
    _, frames = forward_kinematics(HandShape.mean(50), pose)
    assert torch.allclose(forearm_direction(pose.wrist), -frames.rotation[:, -1, :, 1], atol=1e-6)
    assert torch.equal(forearm_direction(torch.zeros(2)), torch.tensor([0.0, -1.0, 0.0]))


@pytest.fixture(scope="module", params=["WIDE", "EASY"])
def cleared(request):
    """Hands and their scenes, before and after."""
    hands = sample_hands(7, "training", range(300))
    scenes = sample_scenes(7, "training", range(300), {"WIDE": WIDE, "EASY": EASY}[request.param])
    return hands, replace(hands, pose=clear_forearm(hands.shape, hands.pose, scenes.rotation, scenes.place)), scenes


def test_no_forearm_comes_at_the_camera(cleared):
    hands, after, scenes = cleared
    cos = -(forearm_direction(after.pose.wrist) * rays(scenes).float()).sum(1)
    assert (cos <= math.cos(math.radians(FOREARM_ASIDE - 5))).all()
    before = -(forearm_direction(hands.pose.wrist) * rays(scenes).float()).sum(1)
    assert (before > math.cos(math.radians(FOREARM_ASIDE - 5))).float().mean() > 0.1  # there was something to do


def test_wrists_keep_to_their_range_and_nothing_else_moves(cleared):
    hands, after, _ = cleared
    assert (after.pose.wrist >= WRIST_LIMITS[:, 0] - 1e-6).all()
    assert (after.pose.wrist <= WRIST_LIMITS[:, 1] + 1e-6).all()
    assert torch.equal(forward_kinematics(after.shape, after.pose)[0], forward_kinematics(hands.shape, hands.pose)[0])
    moved = (after.pose.wrist != hands.pose.wrist).any(1)
    assert 0.1 < moved.float().mean() < 0.6


def test_a_wrist_out_of_the_way_is_left_alone():
    """Seen from the palm's side, from the back and from the finger tips, a straight arm hides nothing."""
    rotation = torch.stack(
        [
            torch.diag(torch.tensor([1.0, -1.0, -1.0])),  # palm to the camera
            torch.diag(torch.tensor([-1.0, -1.0, 1.0])),  # back of the hand
            torch.tensor([[1.0, 0, 0], [0, 0, 1.0], [0, -1.0, 0]]),  # finger tips
        ]
    )
    place = torch.tensor([[0.0, 0, 500.0]]).expand(3, 3)
    pose = clear_forearm(HandShape.mean(3), HandPose.zero(3), rotation, place)
    assert torch.equal(pose.wrist, torch.zeros(3, 2))
    # And from the wrist's side the arm is bent nearly as far as it goes.
    pose = clear_forearm(HandShape.mean(), HandPose.zero(), rotation[2:] * torch.tensor([1.0, -1.0, -1.0]), place[:1])
    assert pose.wrist.abs().max() > math.radians(45)


def test_hands_are_seen_past_their_own_forearms(cleared):
    """The share of a hand's pixels that its own arm covers, by drawing it with and without the arm."""
    _, hands, scenes = cleared
    surface = hand_surface(6.0)
    joints, frames = forward_kinematics(hands.shape, hands.pose)
    points, _ = pose_surface(surface, hands.shape, frames)
    camera = scenes.rotation @ (points - joints.mean(1)[..., None]) + scenes.place[..., None]
    arm = (surface.part == FOREARM_PART)[surface.faces].any(1)
    own = surface.part != FOREARM_PART
    assert camera[:, 2].min() > 40.0  # nothing meets the lens
    size = 64
    plane = camera[:, :2] / camera[:, 2:]
    low, high = plane[:, :, own].amin(2), plane[:, :, own].amax(2)
    zoom = 0.7 * size / (high - low).amax(1)
    xy = (plane - 0.5 * (low + high)[..., None]) * zoom[:, None, None] + size / 2
    shares = []
    for first in range(0, len(xy), 50):
        rows = slice(first, first + 50)
        bare, whole = torch.zeros(2, 50, size, size, dtype=torch.long)
        rasterise(bare, xy[rows], 1 / camera[rows, 2], surface.faces[~arm], torch.arange(50))
        rasterise(whole, xy[rows], 1 / camera[rows, 2], surface.faces, torch.arange(50))
        covered = (bare > 0) & arm[((whole & 0xFFFFFFFF) - 1) % len(surface.faces)]
        shares.append(covered.flatten(1).sum(1) / (bare > 0).flatten(1).sum(1))
    shares = torch.cat(shares)
    assert shares.mean() < 0.015
    assert (shares > 0.25).float().mean() < 0.02
    from_wrist = rays(scenes)[:, 1] > 0.5
    assert shares[from_wrist].mean() < 0.06
