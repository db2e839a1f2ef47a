"""Soft-argmax in closed form, against kornia, and the detection head's shapes."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from kornia.geometry import subpix

from hand_lib.models.heatmaps import Deconvolutions, SoftArgmax
from hand_lib.models.refinement import draw_heatmaps

NOTHING = -1e4  # a logit whose weight is zero


def decode(logits: torch.Tensor, depths: torch.Tensor | None = None) -> torch.Tensor:
    """Soft-argmax of one joint's maps (h, w)."""
    depths = torch.zeros_like(logits) if depths is None else depths
    return SoftArgmax()(torch.stack([logits, depths])[None, None])[0, 0]


@settings(max_examples=30, deadline=None)
@given(h=st.integers(2, 9), w=st.integers(2, 9), data=st.data())
def test_a_single_peak_is_read_at_its_cell(h, w, data):
    row, column = data.draw(st.integers(0, h - 1)), data.draw(st.integers(0, w - 1))
    logits = torch.full((h, w), NOTHING)
    logits[row, column] = 0
    depths = torch.arange(float(h * w)).view(h, w)
    expected = torch.tensor([2 * column / (w - 1) - 1, 2 * row / (h - 1) - 1, row * w + column])
    torch.testing.assert_close(decode(logits, depths), expected)


def test_asymmetric_peaks_on_a_non_square_map_in_closed_form():
    # Weights 3 : 1 : 1 at (row, column) = (1, 6), (1, 2), (3, 6) of a 5×9 map.
    logits = torch.full((5, 9), NOTHING)
    depths = torch.zeros(5, 9)
    for row, column, weight, depth in ((1, 6, 3, 0.5), (1, 2, 1, -1.0), (3, 6, 1, 2.0)):
        logits[row, column] = math.log(weight)
        depths[row, column] = depth
    column, row = (3 * 6 + 2 + 6) / 5, (3 * 1 + 1 + 3) / 5
    expected = torch.tensor([2 * column / 8 - 1, 2 * row / 4 - 1, (3 * 0.5 - 1.0 + 2.0) / 5])
    torch.testing.assert_close(decode(logits, depths), expected)


def test_a_flat_heatmap_is_the_centre_and_the_mean_depth():
    depths = torch.rand(4, 7, generator=torch.Generator().manual_seed(0))
    expected = torch.tensor([0.0, 0.0, depths.mean().item()])
    torch.testing.assert_close(decode(torch.zeros(4, 7), depths), expected)


def test_a_constant_added_to_the_logits_changes_nothing():
    maps = torch.randn(2, 21, 2, 5, 8, generator=torch.Generator().manual_seed(0))
    moved = maps.clone()
    moved[:, :, 0] += 7
    torch.testing.assert_close(SoftArgmax()(moved), SoftArgmax()(maps))


def test_joints_do_not_mix():
    maps = torch.randn(2, 21, 2, 5, 8, generator=torch.Generator().manual_seed(0)).requires_grad_()
    SoftArgmax()(maps)[:, 4].sum().backward()
    assert (maps.grad.abs().sum(dim=(0, 2, 3, 4)) > 0).nonzero().flatten().tolist() == [4]


@settings(max_examples=20, deadline=None)
@given(u=st.floats(-0.4, 0.4), v=st.floats(-0.4, 0.4))
def test_soft_argmax_reads_back_what_the_heatmaps_of_equation_6_draw(u, v):
    heatmap = draw_heatmaps(torch.tensor([u, v]), (33, 41), sigma=2.0)
    torch.testing.assert_close(decode(heatmap.log())[:2], torch.tensor([u, v]), atol=1e-4, rtol=0)


def test_soft_argmax_agrees_with_kornia():
    logits = 3 * torch.randn(2, 21, 6, 10, generator=torch.Generator().manual_seed(0))
    maps = torch.stack([logits, torch.zeros_like(logits)], dim=2)
    expected = subpix.spatial_expectation2d(subpix.spatial_softmax2d(logits), normalized_coordinates=True)
    torch.testing.assert_close(SoftArgmax()(maps)[..., :2], expected, atol=1e-5, rtol=0)


def test_coordinates_are_float32_from_bfloat16_maps():
    maps = torch.randn(2, 21, 2, 8, 8, generator=torch.Generator().manual_seed(0)).bfloat16()
    Y = SoftArgmax()(maps)
    assert Y.dtype == torch.float32
    torch.testing.assert_close(Y, SoftArgmax()(maps.float()))


def test_three_transposed_convolutions_make_maps_of_eight_times_the_side():
    torch.manual_seed(0)
    net = Deconvolutions(channels=32, features=8)
    X = torch.randn(2, 32, 2, 3, generator=torch.Generator().manual_seed(0))
    maps = net(X)
    assert maps.shape == (2, 21, 2, 16, 24)
    # A joint's heatmap and depth map are neighbours among the 42.
    flat = net.maps(net.upsample(X))
    assert torch.equal(maps[:, 5, 0], flat[:, 10]) and torch.equal(maps[:, 5, 1], flat[:, 11])


def test_the_detection_head_starts_near_the_centre_and_keeps_the_variance():
    torch.manual_seed(0)
    net = Deconvolutions(channels=256, features=64)
    X = torch.randn(4, 256, 4, 4, generator=torch.Generator().manual_seed(0)).relu() * math.sqrt(2)
    first = net.upsample[0](X)[..., 2:-2, 2:-2]  # away from the border
    assert first.std().item() == pytest.approx(math.sqrt(2), rel=0.15)
    assert SoftArgmax()(net(X)).abs().max() < 0.3
