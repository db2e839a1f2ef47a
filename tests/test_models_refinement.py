"""Maps drawn of a prediction (Eq. 5–6, corrected) and stages that look at them (Eq. 7)."""

from __future__ import annotations

import math
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from hand_lib.errors import HandLibError
from hand_lib.models.backbone import ResNet
from hand_lib.models.decoders import MultiHeadDecoder
from hand_lib.models.grid import MapGrid
from hand_lib.models.network import RefinedHandPoseNet
from hand_lib.models.refinement import (
    DepthMaps,
    Heatmaps,
    RefineMaps,
    Refinement,
    SplatDepthMaps,
    draw_depths,
    draw_heatmaps,
    splat_depths,
)
from hand_lib.models.representations import JointMaps
from hand_lib.models.rows import depth_maps, heatmaps, refine_maps, refined
from hand_lib.models.size import NetworkSize


def grid_of(h: int, w: int, stride: int = 16) -> MapGrid:
    """h × w cells whose stride divides the crop."""
    return MapGrid(height=h * stride, width=w * stride, stride=stride)


GRIDS = st.builds(grid_of, st.integers(2, 9), st.integers(2, 9), st.sampled_from([1, 4, 8, 16]))


def at_cell(row: float, column: float, grid: MapGrid) -> torch.Tensor:
    """u and v of the pixel at which this cell stands."""
    u, v = (2 * grid.stride * i / (side - 1) - 1 for i, side in ((column, grid.width), (row, grid.height)))
    return torch.tensor([u, v], dtype=torch.float64)


def with_depth(uv: torch.Tensor, z: float) -> torch.Tensor:
    return torch.cat([uv, uv.new_tensor([z])])


# --- Eq. 6 ----------------------------------------------------------------------------------------------------------


@settings(max_examples=50, deadline=None)
@given(grid=GRIDS, data=st.data(), sigma=st.floats(0.4, 3))
def test_heatmaps_peak_at_the_predicted_cell(grid, data, sigma):
    h, w = grid.cells
    row, column = data.draw(st.integers(0, h - 1)), data.draw(st.integers(0, w - 1))
    H = draw_heatmaps(at_cell(row, column, grid), grid, sigma=sigma)
    assert H.shape == (h, w)
    assert divmod(int(H.argmax()), w) == (row, column)
    assert H[row, column].item() == pytest.approx(1)
    # One cell along either side: exp(−1/σ²); the diagonal: exp(−2/σ²).
    other_row, other_column = (row + 1) % h, (column + 1) % w
    if other_row and other_column:
        assert H[other_row, column].item() == pytest.approx(math.exp(-1 / sigma**2))
        assert H[row, other_column].item() == pytest.approx(math.exp(-1 / sigma**2))
        assert H[other_row, other_column].item() == pytest.approx(math.exp(-2 / sigma**2))


def test_heatmaps_between_cells_are_equation_6_cell_by_cell():
    grid, sigma, (row, column) = grid_of(4, 7), 1.3, (2.3, 5.8)
    H = draw_heatmaps(at_cell(row, column, grid), grid, sigma=sigma)
    for i in range(4):
        for j in range(7):
            assert H[i, j].item() == pytest.approx(math.exp(-((i - row) ** 2 + (j - column) ** 2) / sigma**2))


def test_a_heatmap_beyond_the_last_cell_shows_the_flank():
    grid = grid_of(3, 4)  # columns on pixels 0, 16, 32 and 48 of 64, rows on 0, 16 and 32 of 48
    H = draw_heatmaps(torch.tensor([1.0, 1.0], dtype=torch.float64), grid, sigma=1.0)
    assert H[2, 3].item() == pytest.approx(math.exp(-2 * (15 / 16) ** 2)) and H[2, 3] == H.max()


def test_equation_6_as_printed_grows_away_from_the_joint():
    grid, sigma, (row, column) = grid_of(8, 12), 1.7, (2, 9)
    i, j = torch.meshgrid(torch.arange(8.0), torch.arange(12.0), indexing="ij")
    distance = torch.hypot(i - row, j - column)
    printed = torch.exp(distance / sigma**2)
    assert divmod(int(printed.argmin()), 12) == (row, column)  # least where the joint is
    assert divmod(int(printed.argmax()), 12) == (7, 0)  # most in the corner furthest from it
    ours = draw_heatmaps(at_cell(row, column, grid), grid, sigma=sigma)
    by_distance = distance.flatten().argsort()
    assert (printed.flatten()[by_distance].diff() >= 0).all() and (ours.flatten()[by_distance].diff() <= 1e-9).all()


@settings(max_examples=50, deadline=None)
@given(grid=GRIDS, data=st.data(), z=st.floats(0.5, 3))
def test_a_depth_map_is_zero_but_at_the_nearest_cell(grid, data, z):
    h, w = grid.cells
    row, column = data.draw(st.integers(0, h - 1)), data.draw(st.integers(0, w - 1))
    off_row, off_column = data.draw(st.floats(-0.49, 0.49)), data.draw(st.floats(-0.49, 0.49))
    D = draw_depths(with_depth(at_cell(row + off_row, column + off_column, grid), -z), grid)
    expected = torch.zeros(h, w, dtype=torch.float64)
    expected[row, column] = -z
    assert torch.equal(D, expected)


def test_a_joint_between_two_cells_is_drawn_once():
    grid = MapGrid(height=5, width=9, stride=1)  # u = 0.125 is halfway between columns 4 and 5, exactly
    D = draw_depths(torch.tensor([0.125, 0.0, 2.0]), grid)
    assert D.sum() == 2 and D[2, 5] == 2


@settings(max_examples=50, deadline=None)
@given(grid=GRIDS, u=st.floats(-1, 1), v=st.floats(-1, 1))
def test_every_joint_on_the_crop_has_its_depth_on_the_map(grid, u, v):
    """That is, in the strip beyond the last cells too; the nearest cell is the nearest of those that there are."""
    uvz = torch.tensor([u, v, 1.0], dtype=torch.float64)
    one, shared = draw_depths(uvz, grid), splat_depths(uvz, grid)
    assert one.sum().item() == 1 and shared.sum().item() == pytest.approx(1)
    h, w = grid.cells
    pixel_u, pixel_v = (u + 1) / 2 * (grid.width - 1), (v + 1) / 2 * (grid.height - 1)
    row, column = divmod(int(one.argmax()), w)
    assert abs(grid.stride * column - pixel_u) == pytest.approx(
        min(abs(grid.stride * i - pixel_u) for i in range(w)), abs=1e-6
    )
    assert abs(grid.stride * row - pixel_v) == pytest.approx(
        min(abs(grid.stride * i - pixel_v) for i in range(h)), abs=1e-6
    )


def test_a_splat_fades_away_over_one_cell_beyond_either_edge_of_the_crop():
    grid = grid_of(3, 4)  # 48×64 pixels
    for pixels in (0.0, 4.0, 8.0, 12.0, 16.0):
        left = torch.tensor([-1 - 2 * pixels / 63, -1.0, 1.0], dtype=torch.float64)
        right = torch.tensor([1 + 2 * pixels / 63, 1.0, 1.0], dtype=torch.float64)
        below = torch.tensor([-1.0, 1 + 2 * pixels / 47, 1.0], dtype=torch.float64)
        for joint, cell in ((left, (0, 0)), (right, (2, 3)), (below, (2, 0))):
            D = splat_depths(joint, grid)
            assert D[cell].item() == pytest.approx(1 - pixels / 16, abs=1e-9) and D.sum() == D[cell]


@pytest.mark.parametrize("draw", [draw_depths, splat_depths])
def test_a_joint_off_the_map_and_the_root_leave_their_maps_empty(draw):
    grid = grid_of(4, 6)
    for row, column in ((-1.2, 2), (5.0, 2), (1, -1.1), (1, 7.2)):  # the crop ends at row 3.94 and column 5.94
        assert draw(with_depth(at_cell(row, column, grid), 1.5), grid).abs().sum() == 0
    assert draw(with_depth(at_cell(1, 2, grid), 0.0), grid).abs().sum() == 0


@settings(max_examples=50, deadline=None)
@given(grid=GRIDS, data=st.data())
def test_splat_weights_sum_to_one_and_balance_at_the_joint(grid, data):
    h, w = grid.cells
    row, column = data.draw(st.floats(0, h - 1)), data.draw(st.floats(0, w - 1))
    D = splat_depths(with_depth(at_cell(row, column, grid), 1.0), grid)
    assert D.min() >= 0 and (D > 1e-9).sum() <= 4
    assert D.sum().item() == pytest.approx(1)
    assert (D.sum(dim=0) @ torch.arange(w).double()).item() == pytest.approx(column, abs=1e-9)
    assert (D.sum(dim=1) @ torch.arange(h).double()).item() == pytest.approx(row, abs=1e-9)


def test_at_a_cells_centre_the_splat_is_the_one_cell_of_equation_6():
    grid = grid_of(4, 6)
    joint = with_depth(at_cell(3, 1, grid), 0.7)
    torch.testing.assert_close(splat_depths(joint, grid), draw_depths(joint, grid))


def test_maps_are_drawn_joint_by_joint():
    grid = grid_of(4, 6)
    Y = torch.rand(2, 21, 3, generator=torch.Generator().manual_seed(0)) * 2 - 1
    for draw in (partial(draw_heatmaps, sigma=1.2), draw_depths, splat_depths):
        maps = draw(Y[..., :2] if isinstance(draw, partial) else Y, grid)
        assert maps.shape == (2, 21, 4, 6)
        one = Y[1, 17, :2] if isinstance(draw, partial) else Y[1, 17]
        torch.testing.assert_close(maps[1, 17], draw(one, grid))


# --- Drawn cells and F⁰'s cells look at one pixel --------------------------------------------------------------------


@pytest.mark.parametrize(
    "size",
    [
        NetworkSize(width=8, image_size=256),
        NetworkSize(width=8, image_size=64, final_stride=1),
        NetworkSize(width=8, image_size=64, stem_stride=2, final_stride=1),
    ],
    ids=["as published", "small", "small, with a finer stem"],
)
def test_a_stage_finds_a_joint_at_the_same_cell_in_the_features_and_in_the_drawn_maps(size):
    """A bright dot at a pixel, and a prediction at that pixel: their peaks lie in one cell, everywhere on the crop."""
    side, stride, cells = size.image_size, size.middle_stride, size.middle_grid
    backbone, grid = looking_backbone(size), size.map_grid(stride)
    for row, column in ((0, 0), (1, cells - 1), (cells - 1, 2), (cells - 2, cells // 2), (1, cells - 2)):
        images = torch.full((2, 3, side, side), 0.7)  # more than the mean, so that nothing is cut off at zero
        images[1, :, stride * row, stride * column] = 1.0
        with torch.no_grad():
            F0, _ = backbone.middle_and_last(images)
        uv = 2 * stride * torch.tensor([column, row]) / (side - 1) - 1
        H, D = draw_heatmaps(uv, grid, sigma=1.0), splat_depths(torch.cat([uv, torch.ones(1)]), grid)
        for maps in ((F0[1] - F0[0]).sum(0), H, D):
            assert divmod(int(maps.argmax()), cells) == (row, column)


def looking_backbone(size: NetworkSize) -> ResNet:
    """A backbone that adds up what lies round a pixel: all weights alike, nothing normalised away."""
    backbone = size.backbone().eval()
    for module in backbone.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.constant_(module.weight, 1 / module.weight[0].numel())
    return backbone


# --- What passes the gradient on -------------------------------------------------------------------------------------

GRID = grid_of(4, 6)


def maps_of(kind: str, detach: bool) -> nn.Module:
    return {
        "H": lambda: Heatmaps(grid=GRID, sigma=1.2, detach=detach),
        "D": lambda: DepthMaps(grid=GRID, detach=detach),
        "D, splat": lambda: SplatDepthMaps(grid=GRID, detach=detach),
        "R": lambda: RefineMaps(grid=GRID, features=10, hidden=8, detach=detach),
    }[kind]()


@pytest.mark.parametrize(
    ("kind", "follows_uv", "follows_z", "follows_M"),
    [
        ("H", True, False, False),
        ("D", False, True, False),
        ("D, splat", True, True, False),
        ("R", False, False, True),
    ],
)
def test_maps_pass_a_gradient_where_they_are_told_to(kind, follows_uv, follows_z, follows_M):
    generator = torch.Generator().manual_seed(0)
    Y = (torch.rand(2, 21, 3, generator=generator) * 1.8 - 0.9).requires_grad_()
    M = torch.randn(2, 21, 10, generator=generator).requires_grad_()
    weight = torch.rand(2, 21, *GRID.cells, generator=generator)

    drawn = maps_of(kind, detach=False)(Y, M)
    assert drawn.shape == (2, 21, *GRID.cells)
    uvz_grad, M_grad = torch.autograd.grad((drawn * weight).sum(), (Y, M), materialize_grads=True)
    assert bool(uvz_grad[..., :2].abs().sum() > 0) == follows_uv
    assert bool(uvz_grad[..., 2].abs().sum() > 0) == follows_z
    assert bool(M_grad.abs().sum() > 0) == follows_M

    stopped = maps_of(kind, detach=True)(Y, M)
    assert stopped.requires_grad == (kind == "R")  # T_r itself still learns
    if stopped.requires_grad:
        assert torch.autograd.grad(stopped.sum(), (Y, M), allow_unused=True) == (None, None)


def test_refine_maps_are_one_transformation_for_all_joints():
    maps = maps_of("R", detach=True)
    M = torch.randn(2, 21, 10, generator=torch.Generator().manual_seed(0))
    order = torch.arange(21).roll(4)
    torch.testing.assert_close(maps(None, M[:, order]), maps(None, M)[:, order])
    torch.testing.assert_close(maps(None, M)[1, 5].flatten(), maps.transform(M[1, 5]))


# --- Stages ---------------------------------------------------------------------------------------------------------

SIZE = NetworkSize(width=8, image_size=64, final_stride=1)
KINDS = {"H": heatmaps, "D": depth_maps, "R": refine_maps}


def pictures(count: int = 2) -> torch.Tensor:
    return torch.rand(count, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def learns(module: nn.Module) -> bool:
    return any(p.grad is not None and bool(p.grad.abs().sum() > 0) for p in module.parameters())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("detach", [True, False])
def test_a_stages_loss_reaches_the_stage_before_only_where_its_maps_let_it(kind, detach):
    torch.manual_seed(0)
    net = refined(SIZE, partial(KINDS[kind], detach=detach))
    net.stages(pictures())[1].square().sum().backward()
    # The first stage's own parts; F⁰'s layers learn from every stage.
    assert learns(net.representation) == (not detach)
    assert learns(net.decoder.transforms) == (not detach)
    assert learns(net.backbone.layer4) == (not detach)
    assert learns(net.decoder.fusion) == (not detach and kind != "R")  # R looks at M, before the fusion
    assert learns(net.backbone.layer3) and learns(net.backbone.conv1)
    assert learns(net.refinements[0].block) and learns(net.refinements[0].decoder)


def test_with_all_maps_detached_the_first_stage_learns_from_its_own_loss_alone():
    torch.manual_seed(0)
    net = refined(SIZE, refine_maps, heatmaps, depth_maps, stages=3)
    net.stages(pictures())[1:].abs().sum().backward()
    assert not learns(net.representation) and not learns(net.decoder) and not learns(net.backbone.layer4)
    net.zero_grad()
    net.stages(pictures())[0].abs().sum().backward()
    assert learns(net.representation) and learns(net.decoder) and learns(net.backbone)
    assert not learns(net.refinements)


def test_stages_are_equations_5_to_7_by_hand():
    torch.manual_seed(0)
    net = refined(SIZE, refine_maps, heatmaps, depth_maps, stages=3).eval()
    images = pictures()
    predictions = net.stages(images)
    assert predictions.shape == (3, 2, 21, 3)
    assert torch.equal(net(images), predictions[2])

    F0, X = net.backbone.middle_and_last(images)
    M = net.decoder.multi_head(net.representation(X))
    torch.testing.assert_close(predictions[0], net.decoder.fuse(M))
    for stage, before, after in zip(net.refinements, predictions[:2], predictions[1:], strict=True):
        R = stage.maps[0].transform(M).view(2, 21, 4, 4)
        H = draw_heatmaps(before[..., :2], grid_of(4, 4), sigma=1.0)
        D = splat_depths(before, grid_of(4, 4))
        A = torch.cat([F0, *(scale(maps) for scale, maps in zip(stage.scales, (R, H, D), strict=True))], dim=1)
        G = stage.representation(stage.block(stage.join(A)))
        M = stage.decoder.multi_head(G)
        torch.testing.assert_close(after, stage.decoder.fuse(M))


@pytest.mark.parametrize("kinds", [("H",), ("R", "H", "D")])
@pytest.mark.parametrize("stem_stride", [2, 4])
def test_each_kind_of_map_comes_to_the_join_on_the_features_scale(kinds, stem_stride):
    """What differs from hand to hand: each kind's part is within a factor of two of F⁰'s, before anything is learnt."""
    torch.manual_seed(0)
    size = NetworkSize(width=16, image_size=64, stem_stride=stem_stride, final_stride=1)
    net = refined(size, *(KINDS[kind] for kind in kinds)).train()
    (stage,) = net.refinements
    blotches = torch.rand(48, 3, 6, 6, generator=torch.Generator().manual_seed(0))
    Y = 1.4 * torch.rand(48, 21, 3, generator=torch.Generator().manual_seed(1)) - 0.7  # as far apart as hands are
    with torch.no_grad():
        F0, X = net.backbone.middle_and_last(nn.functional.interpolate(blotches, size=(64, 64), mode="bilinear"))
        drawn = stage.draw(Y, net.decoder.multi_head(net.representation(X)))
    weights = stage.join.weight[:, F0.shape[1] :, 0, 0].split(21, dim=1)
    for maps, weight in zip(drawn, weights, strict=True):
        part = torch.einsum("oc,bchw->bohw", weight, maps)
        assert 0.5 < across_hands(part) / across_hands(F0) < 2


def across_hands(maps: torch.Tensor) -> float:
    """Standard deviation over the hands, cell by cell and channel by channel; its root mean square."""
    return maps.detach().var(0).mean().sqrt().item()


def test_maps_for_pictures_of_another_size_are_refused_in_one_line():
    net = refined(SIZE, heatmaps)
    with pytest.raises(HandLibError, match="image size") as error:
        net.refinements[0](torch.rand(2, 32, 5, 5), torch.rand(2, 21, 3), torch.rand(2, 21, 10))
    assert "\n" not in str(error.value)


def test_every_stage_has_weights_of_its_own():
    net = refined(SIZE, refine_maps, heatmaps, stages=4)
    assert len(net.refinements) == 3
    parts = [net.backbone, net.representation, net.decoder, *net.refinements]
    owned = [{p.data_ptr() for p in part.parameters()} for part in parts]
    assert sum(map(len, owned)) == len(set.union(*owned)) == len(list(net.parameters()))
    for stage in net.refinements:
        shapes = {name: value.shape for name, value in stage.block.state_dict().items()}
        assert shapes == {name: value.shape for name, value in net.backbone.layer4.state_dict().items()}


def test_a_further_stage_starts_by_looking_at_the_middle_features_as_they_are():
    backbone = ResNet(width=8)
    stage = Refinement(
        backbone=backbone,
        maps=[Heatmaps(grid=GRID, sigma=1.0), SplatDepthMaps(grid=GRID)],
        representation=JointMaps(channels=64, maps=2),
        decoder=MultiHeadDecoder(features=2, heads=1, hidden=4, outputs=3, fuse_hidden=4),
    )
    F0 = torch.randn(2, 32, 4, 6, generator=torch.Generator().manual_seed(0))
    empty = torch.zeros(2, 42, 4, 6)
    torch.testing.assert_close(stage.join(torch.cat([F0, empty], dim=1)), F0)
    drawn = torch.rand(2, 42, 4, 6, generator=torch.Generator().manual_seed(1))
    assert (stage.join(torch.cat([F0, drawn], dim=1)) - F0).abs().mean() > 0.1


def test_a_trained_backbone_starts_every_stages_last_block():
    torch.manual_seed(0)
    net, trained = refined(SIZE, heatmaps, stages=3), ResNet(width=8)
    net.load_backbone(trained.state_dict())
    for block in (net.backbone.layer4, *(stage.block for stage in net.refinements)):
        for name, value in trained.layer4.state_dict().items():
            assert torch.equal(block.state_dict()[name], value)


def test_a_stage_that_is_told_nothing_sees_the_middle_features_alone():
    net = refined(SIZE).eval()
    (stage,) = net.refinements
    F0, _ = net.backbone.middle_and_last(pictures())
    torch.testing.assert_close(stage.join(F0), F0)  # at first F⁰ passes through
    Y, M = torch.randn(len(F0), 21, 3), torch.randn(len(F0), 21, stage.decoder.outputs)
    torch.testing.assert_close(stage(F0, Y, M)[0], stage(F0, 2 * Y, 0 * M)[0], rtol=0, atol=0)


def test_refinement_works_on_non_square_maps():
    backbone = ResNet(width=8)

    def head() -> dict[str, nn.Module]:
        decoder = MultiHeadDecoder(features=2 * 2 * 6, heads=2, hidden=8, outputs=5, fuse_hidden=8)
        return {"representation": JointMaps(channels=64, maps=2), "decoder": decoder}

    # 64×192 pictures: F⁰ of 4×12 cells, X of 2×6.
    grid = grid_of(4, 12)
    maps = [RefineMaps(grid=grid, features=10, hidden=8), Heatmaps(grid=grid, sigma=1.0), DepthMaps(grid=grid)]
    net = RefinedHandPoseNet(
        backbone=backbone, **head(), refinements=[Refinement(backbone=backbone, maps=maps, **head())]
    )
    assert net.stages(torch.rand(2, 3, 64, 192)).shape == (2, 2, 21, 3)
