"""Feature maps lie where their cells look, viewpoints are angles, bins are means, pairs of hands share a frame."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from hand_lib.figures import features
from hand_lib.skeleton import ROOT
from hand_lib.synthetic import HandPose, HandShape, forward_kinematics


def flat_hand() -> torch.Tensor:
    """(21, 3) mm: a right hand of mean shape, palm to the camera, fingers up, root on the optical axis at 500 mm."""
    joints, _ = forward_kinematics(HandShape.mean(), HandPose.zero())
    hand = joints[0] @ torch.diag(torch.tensor([1.0, -1.0, -1.0]))  # its palm faced +z, y was up
    return hand - hand[ROOT] + torch.tensor([0.0, 0.0, 500.0])


def turned(hand: torch.Tensor, degrees: float, axis: int) -> torch.Tensor:
    """The hand turned about its root, around x (0), y (1) or z (2)."""
    angle = math.radians(degrees)
    rotation = torch.eye(3)
    a, b = (axis + 1) % 3, (axis + 2) % 3
    rotation[a, a] = rotation[b, b] = math.cos(angle)
    rotation[a, b], rotation[b, a] = -math.sin(angle), math.sin(angle)
    return (hand - hand[ROOT]) @ rotation.T + hand[ROOT]


# --------------------------------------------------------------------------------------------------------- feature maps


def test_each_pixel_shows_the_cell_that_looks_nearest_to_it():
    maps = torch.arange(1.0, 11.0).view(1, 2, 5)
    ax = features.map_sheet(torch.rand(3, 32, 80), maps).axes[0]
    overlay = ax.images[1]
    assert overlay.get_extent() == [-0.5, 79.5, 31.5, -0.5]  # the picture's own frame, and all of it
    assert ax.get_xlim() == (-0.5, 79.5) and ax.get_ylim() == (31.5, -0.5)
    shown = overlay.get_array()
    # A stride of 16 pixels both ways: cell (1, 3) looks at pixel (u, v) = (48, 16), the last column at u = 64.
    for v in range(32):
        for u in range(80):
            # Of two that are as near, the later one.
            row = max(range(2), key=lambda i: (-abs(16 * i - v), i))
            column = max(range(5), key=lambda i: (-abs(16 * i - u), i))
            assert shown[v, u] == pytest.approx(float(maps[0, row, column]) / 10)


def test_where_a_map_is_zero_the_picture_shows_through():
    maps = torch.tensor([[[0.0, 1.0], [2.0, 4.0]]])
    overlay = features.map_sheet(torch.rand(3, 8, 8), maps).axes[0].images[1]
    alpha = np.asarray(overlay.get_alpha())[::4, ::4]  # a pixel of each cell
    assert alpha[0, 0] == 0
    np.testing.assert_allclose(alpha / alpha.max(), maps[0].numpy() / 4)


def test_a_map_without_any_response_covers_nothing():
    overlay = features.map_sheet(torch.rand(3, 8, 8), torch.zeros(1, 4, 4)).axes[0].images[1]
    assert (np.asarray(overlay.get_alpha()) == 0).all()


def test_every_map_gets_its_picture_its_title_and_its_mark():
    pictures = torch.stack([torch.full((3, 6, 9), value) for value in (0.1, 0.5, 0.9)])
    points = torch.tensor([[1.0, 2.0], [7.0, 0.0], [4.0, 5.0]])
    figure = features.map_sheet(pictures, torch.rand(3, 2, 3), titles=["one", "two", "three"], points=points, columns=2)
    shown = [ax for ax in figure.axes if ax.images]
    assert len(figure.axes) == 5 and len(shown) == 3  # two lines of two, and the bar of colours
    assert [ax.get_title() for ax in shown] == ["one", "two", "three"]
    for ax, value, point in zip(shown, (0.1, 0.5, 0.9), points, strict=True):
        assert float(ax.images[0].get_array().max()) == pytest.approx(value)
        np.testing.assert_allclose(ax.collections[0].get_offsets()[0], point)


# ------------------------------------------------------------------------------------------------------------ viewpoint


@pytest.mark.parametrize("degrees", [0.0, 40.0, 90.0, 150.0, 180.0])
@pytest.mark.parametrize("axis", [0, 1])
def test_the_palm_angle_is_the_angle_that_the_hand_was_turned_by(degrees, axis):
    hand = flat_hand()
    base = float(features.palm_angle(hand))
    assert base < 6  # the palm's joints are not quite in one plane
    assert float(features.palm_angle(turned(hand, degrees, axis))) == pytest.approx(degrees, abs=base + 0.1)


def test_the_palm_angle_knows_neither_roll_nor_size_nor_the_side_of_the_picture():
    hand = turned(flat_hand(), 35.0, 0)
    angle = features.palm_angle(hand)
    for same in (turned(hand, 70.0, 2), 1.7 * hand):
        torch.testing.assert_close(features.palm_angle(same), angle, atol=1e-2, rtol=0)
    # Turned about the camera, hand and line of sight turn together.
    rotation = torch.linalg.matrix_exp(torch.tensor([[0.0, 0.0, 0.3], [0.0, 0.0, -0.2], [-0.3, 0.2, 0.0]]))
    torch.testing.assert_close(features.palm_angle(hand @ rotation.T), angle, atol=1e-2, rtol=0)


def test_palm_angles_come_in_batches():
    hands = torch.stack([turned(flat_hand(), degrees, 1) for degrees in (10.0, 20.0, 60.0)])
    assert features.palm_angle(hands).shape == (3,)
    assert features.palm_angle(hands)[2] == features.palm_angle(hands[2])


# --------------------------------------------------------------------------------------------------------- error by bin


def test_each_bin_has_as_many_hands_and_their_mean():
    order = torch.randperm(30, generator=torch.Generator().manual_seed(0))
    values = torch.arange(30.0)[order]
    x, y, half = features.bin_means(values, values**2, bins=5)
    parts = [np.arange(i, i + 6) ** 2.0 for i in range(0, 30, 6)]
    np.testing.assert_allclose(x, [2.5, 8.5, 14.5, 20.5, 26.5])
    np.testing.assert_allclose(y, [part.mean() for part in parts])
    np.testing.assert_allclose(half, [1.96 * part.std(ddof=1) / 6**0.5 for part in parts])


def test_equal_errors_have_no_spread():
    _, y, half = features.bin_means(torch.rand(40), torch.full((40,), 7.0))
    np.testing.assert_allclose(y, 7)
    np.testing.assert_allclose(half, 0)


def test_fewer_hands_than_bins_stand_one_by_one():
    x, y, half = features.bin_means(torch.tensor([3.0, 1.0]), torch.tensor([30.0, 10.0]))
    assert (x, y, half) == ([1.0, 3.0], [10.0, 30.0], [0.0, 0.0])


# ------------------------------------------------------------------------------------------------------- pairs of hands


def test_each_position_shows_its_own_pair_around_the_dotted_root():
    true = torch.stack([flat_hand() + torch.tensor([10.0 * i, 0.0, 50.0 * i]) for i in range(3)])
    predicted = true + torch.tensor([1.0, -2.0, 3.0])
    figure = features.pair_slider(
        predicted, true, ["a", "b", "c"], alt="pairs", names=("FR", "AFR"), titles=["1", "2", "3"]
    )
    assert len(figure.frames) == 3
    assert [trace.name for trace in figure.data[-2:]] == ["FR", "AFR"]
    assert figure.layout.meta["alt"] == "pairs"
    for index, frame in enumerate(figure.frames):
        thumb = np.array([frame.data[0][axis] for axis in "xyz"]).T  # (5, 3): wrist to tip, solid
        thumb_true = np.array([frame.data[5][axis] for axis in "xyz"]).T  # the dotted ones follow
        middle_true = np.array([frame.data[7][axis] for axis in "xyz"]).T
        np.testing.assert_allclose(thumb - thumb_true, np.tile([1.0, -2.0, 3.0], (5, 1)), atol=0.11)
        np.testing.assert_allclose(middle_true[1], 0, atol=0.06)  # the middle finger's base is the root
        np.testing.assert_allclose(thumb_true, (true[index] - true[index, ROOT])[:5], atol=0.06)


def test_pairs_need_as_many_of_each():
    hands = torch.stack([flat_hand()] * 2)
    with pytest.raises((ValueError, RuntimeError)):
        features.pair_slider(hands, hands[:1].repeat(3, 1, 1), ["a", "b"], alt="pairs")
