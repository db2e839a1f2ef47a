"""The root's depth out of a bone: exact on true poses, both solutions told apart, its error to first order."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hand_lib.camera import from_25d, project, to_25d
from hand_lib.errors import HandLibError
from hand_lib.root_depth import from_joint, recover, solve, spread
from hand_lib.skeleton import ROOT, SCALE_BONE, WRIST
from hand_lib.synthetic import WIDE, render

COUNT = 200


@pytest.fixture(scope="module")
def hands():
    """Rendered hands of all kinds: K, joints, and their true 2.5D pose in float64."""
    made = render(seed=9, split="evaluation", indices=range(COUNT), size=16, scene=WIDE, supersample=1)
    xyz, K = made.xyz.double(), made.K.double()
    return xyz, K, *to_25d(xyz, K)


def test_of_a_true_pose_one_of_the_two_is_the_truth(hands):
    _, K, uv, z_rel, z_root, scale = hands
    found = solve(uv, z_rel, K)
    off = torch.stack([(depth * scale - z_root).abs() for depth in (found.near, found.far)])
    assert off.amin(0).max() < 1e-6 and found.real.all()


def test_the_farther_one_is_it_unless_the_bone_s_ends_come_apart_less_than_their_rays(hands):
    """The distance of two points on given rays is least where the bone stands across both; the truth is beyond that."""
    xyz, K, uv, z_rel, z_root, scale = hands
    found = solve(uv, z_rel, K)
    a, b = (xyz[:, joint] for joint in SCALE_BONE)
    apart = ((b / b[:, 2:] - a / a[:, 2:]) * (b - a)).sum(-1)
    far = (found.far * scale - z_root).abs() < 1e-6
    assert torch.equal(far, apart >= 0)
    assert far.float().mean() > 0.97  # of hands before a camera it is the rule
    torch.testing.assert_close(recover(uv[far], z_rel[far], K[far], scale=scale[far]), z_root[far].float())


def test_both_solutions_are_the_same_picture_of_a_bone_of_the_same_length(hands):
    _, K, uv, z_rel, _, scale = hands
    found = solve(uv, z_rel, K)
    for depth in (found.near, found.far):
        xyz = from_25d(uv, z_rel, K, z_root=depth * scale, scale=scale)
        length = (xyz[:, SCALE_BONE[1]] - xyz[:, SCALE_BONE[0]]).norm(dim=-1)
        torch.testing.assert_close(length, scale)
        torch.testing.assert_close(project(xyz, K), uv)


def test_without_the_length_the_hand_is_right_up_to_its_size(hands):
    xyz, K, uv, z_rel, _, scale = hands
    found = solve(uv, z_rel, K).far
    small = from_25d(uv, z_rel, K, z_root=found, scale=torch.ones_like(scale))
    right = (small * scale[:, None, None] - xyz).norm(dim=-1).amax(-1) < 1e-6
    assert right.float().mean() > 0.97


@given(st.floats(0.5, 2.0), st.integers(0, COUNT - 1))
def test_a_per_cent_of_the_length_is_a_per_cent_of_the_depth(hands, factor, number):
    _, K, uv, z_rel, _, scale = (each[[number]] for each in hands)
    plain = recover(uv, z_rel, K, scale=scale)
    torch.testing.assert_close(recover(uv, z_rel, K, scale=factor * scale), factor * plain)


def test_a_bone_across_the_line_of_sight_in_closed_form():
    """Two joints at one depth, b apart and p pixels apart in the picture: z = f b / p; and ± of the same size."""
    f, pixels, length = 500.0, 40.0, 45.0
    K = torch.tensor([[f, 0, 100], [0, f, 80], [0, 0, 1]])
    uv = torch.zeros(21, 2)
    uv[SCALE_BONE[0]], uv[SCALE_BONE[1]] = torch.tensor([90.0, 70.0]), torch.tensor([90.0, 70.0 + pixels])
    found = solve(uv, torch.zeros(21), K)
    assert found.far.item() == pytest.approx(f / pixels) and found.near.item() == pytest.approx(-f / pixels)
    assert recover(uv, torch.zeros(21), K, scale=length).item() == pytest.approx(f * length / pixels)
    # Each end adds its pixels along the bone: a relative error of √2 s / p.
    off = spread(uv, torch.zeros(21), K, scale=length, pixels=0.5, depths=0.0)
    assert off.item() == pytest.approx(2**0.5 * 0.5 / pixels * f * length / pixels, rel=1e-6)


def test_where_no_depth_explains_the_bone_the_nearest_one_is_given():
    K, uv, z_rel = torch.eye(3), torch.zeros(21, 2), torch.zeros(21)
    uv[SCALE_BONE[1], 0], z_rel[SCALE_BONE[1]] = 0.1, 1.5  # deeper by more than its length
    found = solve(uv, z_rel, K)
    assert not found.real and found.near == found.far

    def length(zeta):
        xyz = from_25d(uv, z_rel, K, z_root=zeta, scale=torch.tensor(1.0))
        return (xyz[SCALE_BONE[1]] - xyz[SCALE_BONE[0]]).norm()

    least = length(found.far.float())
    assert least > 1 and all(length(found.far.float() + step) > least for step in (-0.5, 0.5))


def test_a_bone_of_no_length_in_the_picture_is_refused(hands):
    _, K, uv, z_rel, _, scale = hands
    uv = uv.clone()
    uv[3, SCALE_BONE[1]] = uv[3, SCALE_BONE[0]]
    z_rel = z_rel.clone()
    z_rel[3, SCALE_BONE[1]] = z_rel[3, SCALE_BONE[0]]
    with pytest.raises(HandLibError, match=f"1 of {COUNT} hands .* give their root's depth"):
        recover(uv, z_rel, K, scale=scale)


def test_first_order_is_what_noise_does(hands):
    """Small noise, many times, on the half of the hands whose bone is not foreshortened most."""
    _, K, uv, z_rel, _, scale = hands
    said = spread(uv, z_rel, K, scale=scale, pixels=0.01, depths=0.002)
    plain = torch.nonzero(said < said.median()).flatten()[:20]
    g = torch.Generator().manual_seed(0)
    noise = partial(torch.randn, dtype=torch.float64, generator=g)
    times = 4000
    noisy = recover(
        uv[plain] + 0.01 * noise(times, len(plain), 21, 2),
        z_rel[plain] + 0.002 * noise(times, len(plain), 21),
        K[plain],
        scale=scale[plain],
    )
    np.testing.assert_allclose(noisy.double().std(0), said[plain], rtol=0.08)


def test_the_wrist_s_depth_gives_the_root_s(hands):
    xyz, _, _, z_rel, z_root, scale = hands
    torch.testing.assert_close(from_joint(xyz[:, WRIST, 2], z_rel, joint=WRIST, scale=scale), z_root)
    torch.testing.assert_close(from_joint(z_root, z_rel, joint=ROOT, scale=scale), z_root)
