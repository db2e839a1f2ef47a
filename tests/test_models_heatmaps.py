"""Soft-argmax in closed form, against kornia, and the detection head's shapes."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from kornia.geometry import subpix

from hand_lib.models.grid import MapGrid
from hand_lib.models.heatmaps import Deconvolutions, SharpSoftArgmax, SoftArgmax
from hand_lib.models.refinement import draw_heatmaps
from hand_lib.models.rows import heatmap25d
from hand_lib.models.size import NetworkSize
from hand_lib.models.variants import heatmap25d_sharp

NOTHING = -1e4  # a logit whose weight is zero


def soft_argmax(h: int, w: int, stride: int = 1) -> SoftArgmax:
    """Of maps of h × w cells whose stride divides the crop; with a stride of 1 they are the crop's pixels."""
    return SoftArgmax(grid=MapGrid(height=h * stride, width=w * stride, stride=stride))


def decode(logits: torch.Tensor, depths: torch.Tensor | None = None, *, stride: int = 1) -> torch.Tensor:
    """Soft-argmax of one joint's maps (h, w)."""
    depths = torch.zeros_like(logits) if depths is None else depths
    return soft_argmax(*logits.shape, stride)(torch.stack([logits, depths])[None, None])[0, 0]


@settings(max_examples=30, deadline=None)
@given(h=st.integers(2, 9), w=st.integers(2, 9), stride=st.sampled_from([1, 2, 4]), data=st.data())
def test_a_single_peak_is_read_at_its_cells_pixel(h, w, stride, data):
    row, column = data.draw(st.integers(0, h - 1)), data.draw(st.integers(0, w - 1))
    logits = torch.full((h, w), NOTHING)
    logits[row, column] = 0
    depths = torch.arange(float(h * w)).view(h, w)
    u, v = 2 * stride * column / (stride * w - 1) - 1, 2 * stride * row / (stride * h - 1) - 1
    torch.testing.assert_close(decode(logits, depths, stride=stride), torch.tensor([u, v, row * w + column]))


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
    torch.testing.assert_close(soft_argmax(5, 8)(moved), soft_argmax(5, 8)(maps))


def test_joints_do_not_mix():
    maps = torch.randn(2, 21, 2, 5, 8, generator=torch.Generator().manual_seed(0)).requires_grad_()
    soft_argmax(5, 8)(maps)[:, 4].sum().backward()
    assert (maps.grad.abs().sum(dim=(0, 2, 3, 4)) > 0).nonzero().flatten().tolist() == [4]


@settings(max_examples=20, deadline=None)
@given(u=st.floats(-0.4, 0.4), v=st.floats(-0.4, 0.4))
def test_soft_argmax_reads_back_what_the_heatmaps_of_equation_6_draw(u, v):
    grid = MapGrid(height=33 * 4, width=41 * 4, stride=4)
    heatmap = draw_heatmaps(torch.tensor([u, v]), grid, sigma=2.0)
    torch.testing.assert_close(decode(heatmap.log(), stride=4)[:2], torch.tensor([u, v]), atol=1e-4, rtol=0)


def test_soft_argmax_agrees_with_kornia():
    logits = 3 * torch.randn(2, 21, 6, 10, generator=torch.Generator().manual_seed(0))
    maps = torch.stack([logits, torch.zeros_like(logits)], dim=2)
    expected = subpix.spatial_expectation2d(subpix.spatial_softmax2d(logits), normalized_coordinates=True)
    torch.testing.assert_close(soft_argmax(6, 10)(maps)[..., :2], expected, atol=1e-5, rtol=0)


def test_coordinates_are_float32_from_bfloat16_maps():
    maps = torch.randn(2, 21, 2, 8, 8, generator=torch.Generator().manual_seed(0)).bfloat16()
    for decoder in (soft_argmax(8, 8), SharpSoftArgmax(grid=soft_argmax(8, 8).grid)):
        Y = decoder(maps)
        assert Y.dtype == torch.float32
        torch.testing.assert_close(Y, decoder(maps.float()))


def test_three_transposed_convolutions_make_maps_of_eight_times_the_side():
    torch.manual_seed(0)
    net = Deconvolutions(channels=32, features=8)
    X = torch.randn(2, 32, 2, 3, generator=torch.Generator().manual_seed(0))
    maps = net(X)
    assert maps.shape == (2, 21, 2, 16, 24)
    # A joint's heatmap and depth map are neighbours among the 42.
    flat = net.maps(net.upsample(X))
    assert torch.equal(maps[:, 5, 0], flat[:, 10]) and torch.equal(maps[:, 5, 1], flat[:, 11])


def test_a_stamp_lies_round_three_and_a_half_cells_beyond_its_input_cells_pixel():
    net = Deconvolutions(channels=8, features=8).eval()
    for layer in net.upsample:
        if isinstance(layer, torch.nn.ConvTranspose2d):
            torch.nn.init.constant_(layer.weight, 1.0)
    X = torch.zeros(1, 8, 5, 6)
    X[..., 2, 3] = 1.0
    stamp = net.upsample(X)[0, 0]
    row = (stamp.sum(1) @ torch.arange(40.0)) / stamp.sum()
    column = (stamp.sum(0) @ torch.arange(48.0)) / stamp.sum()
    assert (row.item(), column.item()) == pytest.approx((8 * 2 + 3.5, 8 * 3 + 3.5))


def test_the_detection_head_starts_near_the_centre_and_keeps_the_variance():
    torch.manual_seed(0)
    net = Deconvolutions(channels=256, features=64)
    X = torch.randn(4, 256, 4, 4, generator=torch.Generator().manual_seed(0)).relu() * math.sqrt(2)
    first = net.upsample[0](X)[..., 2:-2, 2:-2]  # away from the border
    assert first.std().item() == pytest.approx(math.sqrt(2), rel=0.15)
    assert soft_argmax(32, 32)(net(X)).abs().max() < 0.3


# --- A learnable sharpness ------------------------------------------------------------------------------------------


def test_a_sharpness_multiplies_the_logits_joint_by_joint():
    maps = torch.randn(2, 21, 2, 5, 8, generator=torch.Generator().manual_seed(0))
    plain = soft_argmax(5, 8, 2)
    sharp = SharpSoftArgmax(grid=plain.grid, start=1.0)
    torch.testing.assert_close(sharp(maps), plain(maps))
    with torch.no_grad():
        sharp.log_sharpness[7] = math.log(4.0)
    changed = maps.clone()
    changed[:, 7, 0] *= 4
    torch.testing.assert_close(sharp(maps), plain(changed))
    assert (sharp(maps) != plain(maps)).any(-1).any(0).nonzero().flatten().tolist() == [7]


def test_the_sharper_the_nearer_to_the_largest_cell():
    logits = torch.randn(1, 21, 6, 9, generator=torch.Generator().manual_seed(0))
    grid = MapGrid(height=24, width=36, stride=4)
    row, column = logits.flatten(2).argmax(-1) // 9, logits.flatten(2).argmax(-1) % 9
    largest = grid.to_uv(torch.stack([column, row], dim=-1).float())
    maps = torch.stack([logits, torch.zeros_like(logits)], dim=2)
    off = [
        (SharpSoftArgmax(grid=grid, start=beta)(maps)[..., :2] - largest).norm(dim=-1).mean() for beta in (1, 10, 1e4)
    ]
    assert off[0] > off[1] > off[2] and off[2] < 1e-4


def test_the_gradient_of_a_sharpness_is_a_covariance():
    """d E[u] / d β = cov(u, h) under the weights; by the logarithm of β it is β times that."""
    h = torch.randn(21, 4, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    net = SharpSoftArgmax(grid=MapGrid(height=4, width=7, stride=1), start=3.0).double()
    u = torch.linspace(-1, 1, 7, dtype=torch.float64).expand(21, 4, 7)
    weights = (3 * h).flatten(1).softmax(-1).view_as(h)
    mean = lambda values: (weights * values).sum(dim=(1, 2))  # noqa: E731
    (gradient,) = torch.autograd.grad(net.read(h, torch.zeros_like(h))[:, 0].sum(), net.log_sharpness)
    torch.testing.assert_close(gradient, 3 * (mean(u * h) - mean(u) * mean(h)))


def test_the_sharp_rival_starts_where_a_logit_is_felt_and_its_sharpness_learns():
    torch.manual_seed(0)
    size = NetworkSize(width=16, image_size=64, stem_stride=2, final_stride=1)
    plain, sharp = heatmap25d(size), heatmap25d_sharp(size)
    sharp.load_state_dict(plain.state_dict(), strict=False)
    images = torch.rand(4, 3, 64, 64)
    logits = plain.representation(plain.backbone(images))[:, :, 0].flatten(2)
    spread = (logits - logits.mean(-1, keepdim=True)).square().mean().sqrt().item()
    assert spread < 0.3 and 0.3 < spread * sharp.decoder.sharpness[0].item() < 3
    assert sharp.decoder.grid == plain.decoder.grid == MapGrid(height=64, width=64, stride=1)
    sharp(images).square().sum().backward()
    assert (sharp.decoder.log_sharpness.grad.abs() > 0).all()
