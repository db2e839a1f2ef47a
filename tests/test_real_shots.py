"""Rendered hands before other cameras: rigid, in their place, and the same picture where the camera is the same."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from hand_lib.camera import project
from hand_lib.datasets.real.shots import Studio, small_studio
from hand_lib.errors import HandLibError
from hand_lib.skeleton import bone_lengths

K = np.array([[500.0, 0, 130], [0, 450.0, 90], [0, 0, 1]])


def of_side(right: bool):
    hands = small_studio().hands
    return hands[hands.right == right]


@pytest.mark.parametrize("right", [True, False])
def test_a_hand_keeps_its_shape_its_distance_and_its_side_and_appears_where_it_should(right):
    hands = of_side(right)
    for number, toward in ((0, (130.0, 90.0)), (1, (60.0, 120.0)), (13, (200.0, 40.0))):
        shot = small_studio().shot(number, right=right, K=K, size=(180, 240), toward=toward)
        before, after = hands.xyz[number % 12].double(), torch.from_numpy(shot.xyz)
        torch.testing.assert_close(bone_lengths(after), bone_lengths(before), atol=1e-4, rtol=0)
        torch.testing.assert_close(after.norm(dim=-1), before.norm(dim=-1), atol=1e-4, rtol=0)
        turn = torch.linalg.lstsq(before, after).solution
        assert torch.linalg.det(turn) == pytest.approx(1, abs=1e-4)  # turned, not mirrored
        middle = K @ shot.xyz.mean(0)
        np.testing.assert_allclose(middle[:2] / middle[2], toward, atol=1e-6)
        np.testing.assert_allclose(shot.uv, project(after, torch.from_numpy(K)).numpy(), atol=1e-6)


def test_the_camera_it_was_rendered_with_gives_the_rendered_picture():
    hands = of_side(True)
    own, xyz = hands.K[2].double().numpy(), hands.xyz[2].double().numpy()
    there = own @ xyz.mean(0)
    shot = small_studio().shot(2, right=True, K=own, size=(96, 96), toward=tuple(there[:2] / there[2]))
    picture = hands.images[2].permute(1, 2, 0).numpy().astype(int)
    inner = slice(1, -1)  # beyond the outermost pixels' centres there is nothing
    assert np.abs(shot.image.astype(int) - picture)[inner, inner].max() <= 1
    assert (shot.mask == hands.mask[2].numpy())[inner, inner].all()
    np.testing.assert_allclose(shot.xyz, xyz, atol=1e-6)


def test_visible_joints_lie_on_the_hands_pixels():
    """On the whole: a joint lies under the skin, and at the rim it may be seen beside it."""
    on = []
    for number in range(12):
        shot = small_studio().shot(number, right=True, K=K, size=(180, 240), toward=(120.0, 90.0))
        u, v = np.rint(shot.uv[of_side(True).visible[number].numpy()]).astype(int).T
        inside = (u >= 0) & (v >= 0) & (u < 240) & (v < 180)
        on.append(shot.own[v[inside], u[inside]])
    assert np.concatenate(on).mean() > 0.97


def test_the_spread_is_that_of_the_joints_in_a_camera_that_looks_at_the_hand():
    studio = small_studio()
    for number in range(12):
        f = 1000.0
        looking = np.array([[f, 0, 0.0], [0, f, 0.0], [0, 0, 1]])
        uv = torch.from_numpy(studio.shot(number, right=True, K=looking, size=(4, 4), toward=(0.0, 0.0)).uv)
        assert torch.cdist(uv, uv).max() == pytest.approx(f * studio.spread(number, right=True), rel=1e-6)


def test_what_cannot_be_shot_is_said():
    right = of_side(True)
    with pytest.raises(HandLibError, match="without masks"):
        Studio(hands=replace(right, mask=None))
    with pytest.raises(HandLibError, match="no left hand"):
        Studio(hands=right).shot(0, right=False, K=K, size=(4, 4), toward=(2.0, 2.0))
