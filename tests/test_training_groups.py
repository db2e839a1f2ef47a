"""Joint groups in the real loop: rates, annealing, going on in the middle of it, and the groups paper's losses."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
import torch
from outcomes import smooth_hands
from torch import nn

from hand_lib.datasets.augmentation import GENTLE, crop
from hand_lib.errors import HandLibError
from hand_lib.models.groups.branches import Fusion, GroupMaps
from hand_lib.models.groups.composition import hourglass_points
from hand_lib.models.groups.decoding import GroupDecoder, GroupSoftArgmax
from hand_lib.models.groups.rows import DEPTH_WEIGHT, GROUP_ROWS, LEARNT_FUSED
from hand_lib.models.groups.selectors import ConcreteSelector, StraightThroughSelector, temperature_schedule
from hand_lib.models.network import HandPoseNet
from hand_lib.models.recipe import Recipe
from hand_lib.models.size import NetworkSize
from hand_lib.training import JOINTS, TrainingConfig, build_seeded, joints_by_depth, l1_of_stages, train
from hand_lib.training.group_objectives import EQUATION_10, POINTS

TINY = NetworkSize(width=8, image_size=32, final_stride=1)
CONFIG = TrainingConfig(
    steps=4, batch_size=4, image_size=32, augmentation=GENTLE, learning_rate=1e-3, seed=3, validations=1
)


def begin(name: str) -> tuple[torch.nn.Module, TrainingConfig]:
    row = GROUP_ROWS[name]
    config = replace(CONFIG, rates=row.recipe.rates, anneals=row.recipe.anneals)
    return build_seeded(lambda: row.build(TINY), 0), config


def run(folder, model, config, **options):
    return train(model, smooth_hands(8), config=config, folder=folder, device="cpu", progress_bar=False, **options)


@pytest.mark.parametrize("kind", [ConcreteSelector, StraightThroughSelector])
def test_an_interruption_in_the_middle_of_the_annealing_goes_on_bit_for_bit(tmp_path, kind):
    def small() -> HandPoseNet:
        """Three fused groups behind one convolution; the parts have the names that they have in a row."""
        maps = GroupMaps(neck=nn.BatchNorm2d(8), channels=8, width=8, groups=3, fusion=Fusion(width=8, groups=3))
        read = GroupSoftArgmax(grid=TINY.map_grid(4), groups=3)
        decoder = GroupDecoder(soft_argmax=read, selector=kind(groups=3))
        return HandPoseNet(backbone=nn.Conv2d(3, 8, 4, stride=4), representation=maps, decoder=decoder)

    config = replace(CONFIG, rates=LEARNT_FUSED.rates, anneals=LEARNT_FUSED.anneals)
    whole = build_seeded(small, 0)
    run(tmp_path / "whole", whole, config)
    temperatures, progress = [], None
    while progress is None or not progress.finished:
        model = build_seeded(small, 0)
        torch.rand(len(temperatures) + 1)  # whatever has been drawn before
        progress = run(tmp_path / "parts", model, config, deadline=time.monotonic())
        temperatures.append(model.decoder.selector.temperature.item())
    schedule = temperature_schedule("t")
    assert temperatures == pytest.approx([schedule.at(step / 4) for step in range(4)])
    ours, theirs = model.state_dict(), whole.state_dict()
    assert all(torch.equal(ours[key], theirs[key]) for key in theirs)
    assert not torch.equal(ours["decoder.selector.theta"], small().decoder.selector.theta)


def test_the_selector_and_the_fusion_learn_at_their_own_rates(tmp_path):
    """Adam's first step moves every weight by its learning rate, whatever its gradient."""
    model, config = begin("groups-k3-fused")
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    run(tmp_path, model, replace(config, steps=1))
    moved = {name: (parameter - before[name]).abs().max().item() for name, parameter in model.named_parameters()}
    assert moved["decoder.selector.theta"] == pytest.approx(0.1, rel=1e-2)
    assert moved["representation.fusion.mix.weight"] == pytest.approx(0.01, rel=1e-2)
    assert moved["representation.heatmaps.maps.weight"] == pytest.approx(0.001, rel=1e-2)


def test_the_hourglass_learns_points_first_and_its_groups_go_on_from_there(tmp_path):
    points = build_seeded(lambda: hourglass_points(TINY), 0)
    before = points.backbone.heatmaps.weight.detach().clone()
    done = run(tmp_path, points, CONFIG, objective=POINTS)
    assert done.finished and done.losses.isfinite().all()
    assert not torch.equal(before, points.backbone.heatmaps.weight)
    model, _ = begin("hourglass-k3")
    model.load_backbone(points.backbone.state_dict())
    x = torch.rand(2, 3, 32, 32)
    torch.testing.assert_close(model.eval().backbone(x), points.eval().backbone(x))


def test_points_are_the_joints_places():
    samples = smooth_hands(4)
    crops = crop(samples, size=32)
    targets = POINTS.targets(samples, crops)
    torch.testing.assert_close((targets + 1) / 2 * 31, crops.uv)
    assert POINTS.losses(torch.stack([targets, targets + 0.5]), targets).tolist() == pytest.approx([0, 0.5])


def test_equation_10_is_the_papers_in_pixels_and_bones():
    """|Δu| + |Δv| in pixels of a 256-pixel crop + 20 |Δz| in bones, but for one factor for all of it."""
    samples = smooth_hands(4)
    crops = crop(samples, size=256)
    targets = EQUATION_10.targets(samples, crops)
    said = targets + 0.3 * torch.randn(targets.shape, generator=torch.Generator().manual_seed(0))
    pixels = ((said[..., :2] + 1) / 2 * 255 - crops.uv).abs().sum(dim=-1)
    printed = (pixels + 20 * (said[..., 2] - targets[..., 2]).abs()).mean()
    ours = EQUATION_10.losses(said[None], targets)
    torch.testing.assert_close(ours * 3 * 255 / 2, printed[None], atol=1e-3, rtol=1e-4)


def test_of_u_and_v_equation_10_is_the_books_loss_and_of_depth_less():
    targets = torch.zeros(5, 21, 3)
    for axis, share in ((0, 1.0), (1, 1.0), (2, DEPTH_WEIGHT)):
        stages = torch.zeros(2, 5, 21, 3)
        stages[1, ..., axis] = 0.7
        torch.testing.assert_close(EQUATION_10.losses(stages, targets), share * l1_of_stages(stages, targets))
    assert pytest.approx(40 / 255) == DEPTH_WEIGHT
    assert joints_by_depth(1.0) is JOINTS
    with pytest.raises(HandLibError, match="a depth cannot weigh 0"):
        Recipe(depth_weight=0)
    assert EQUATION_10.losses(torch.zeros(1, 5, 21, 3, dtype=torch.bfloat16), targets + 1).dtype == torch.float32
