"""Branches, fusion and decoding of joint groups: loops, gathers and closed forms beside what is computed at once."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from hand_lib.errors import HandLibError
from hand_lib.models.grid import MapGrid
from hand_lib.models.groups.blocks import Residual, doubling, pointwise, side_by_side
from hand_lib.models.groups.branches import Fusion, GroupBranches, GroupMaps, branch_parameters, level_width
from hand_lib.models.groups.composition import groups_on_hourglass, groups_on_resnet
from hand_lib.models.groups.decoding import GroupDecoder, GroupSoftArgmax, select
from hand_lib.models.groups.selectors import THUMB_INDEX_REST, ConcreteSelector, FixedSelector, StraightThroughSelector
from hand_lib.models.heatmaps import SharpSoftArgmax
from hand_lib.models.size import NetworkSize

TINY = NetworkSize(width=8, image_size=32, final_stride=1)


def random_weights(module: nn.Module) -> nn.Module:
    """Normalisation, biases and all else away from what they begin with."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(std=0.3)
        for name, buffer in module.named_buffers():
            if name.endswith("running_var"):
                buffer.uniform_(0.5, 2)
            elif name.endswith("running_mean"):
                buffer.normal_()
    return module


def parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


# ------------------------------------------------------------------------------------------- all groups at once, or one


def part(whole: nn.Module, k: int, groups: int) -> nn.Module:
    """The k-th group of a module that has been built with ``groups``: the same module built with one."""
    alone = {
        GroupBranches: lambda: GroupBranches(channels=12, width=4, groups=1),
        GroupMaps: lambda: GroupMaps(neck=nn.Identity(), channels=12, width=4, groups=1),
    }[type(whole)]()
    own = {}
    for name, tensor in whole.state_dict().items():
        cut = tensor.dim() > 0  # the count of batches is nobody's
        own[name] = tensor.chunk(groups)[k] if cut else tensor
    alone.load_state_dict(own)
    return alone


@pytest.mark.parametrize("kind", [GroupBranches, GroupMaps])
@pytest.mark.parametrize("mode", [True, False], ids=["training", "evaluation"])
def test_groups_at_once_are_a_loop_over_groups(kind, mode):
    whole = GroupBranches(channels=12, width=4, groups=3)
    if kind is GroupMaps:
        whole = GroupMaps(neck=nn.Identity(), channels=12, width=4, groups=3)
    random_weights(whole)
    parts = [part(whole, k, 3).train(mode) for k in range(3)]
    x = torch.randn(2, 12, 8, 12)
    said = whole.train(mode)(x)
    assert said.shape == ((2, 12, 8, 12) if kind is GroupBranches else (2, 3, 21, 2, 8, 12))
    torch.testing.assert_close(said, torch.cat([one(x) for one in parts], dim=1), atol=1e-4, rtol=1e-4)


def test_a_branch_s_gradient_is_its_own():
    branches = random_weights(GroupBranches(channels=6, width=4, groups=3)).eval()
    branches(torch.randn(1, 6, 8, 8))[:, 4:8].sum().backward()
    for name, parameter in branches.named_parameters():
        own, *others = (parameter.grad.chunk(3)[k].abs().sum().item() for k in (1, 0, 2))
        assert own > 0 or "bias" in name
        assert others == [0, 0], name


def test_maps_are_joined_group_by_group():
    a, b = torch.arange(6.0).view(1, 6, 1, 1), 10 + torch.arange(3.0).view(1, 3, 1, 1)
    assert side_by_side(a, b, groups=3).flatten().tolist() == [0, 1, 10, 2, 3, 11, 4, 5, 12]


def test_blocks_keep_halve_and_double():
    x = torch.randn(2, 8, 6, 10)
    assert pointwise(4, 3, groups=2)(x).shape == (2, 6, 6, 10)
    assert doubling(4, 3, groups=2)(x).shape == (2, 6, 12, 20)
    assert Residual(4, 3, groups=2)(x).shape == (2, 6, 6, 10)
    assert Residual(4, 4, stride=2, groups=2)(x).shape == (2, 8, 3, 5)
    assert isinstance(Residual(4, 4).shortcut, nn.Identity)
    still = Residual(4, 4)
    nn.init.zeros_(still.bn2.weight)
    torch.testing.assert_close(still(x[:, :4]), x[:, :4].relu())  # the residual branch silent


@pytest.mark.parametrize(("channels", "width"), [(32, 32), (16, 16), (5, 3)])
def test_the_size_of_a_branch_in_closed_form(channels, width):
    made = GroupMaps(neck=nn.Identity(), channels=channels, width=width, groups=1)
    assert parameters(made) == branch_parameters(channels=channels, width=width)
    three = GroupMaps(neck=nn.Identity(), channels=channels, width=width, groups=3)
    assert parameters(three) == 3 * parameters(made)


@pytest.mark.parametrize("groups", [2, 3, 5, 21])
@pytest.mark.parametrize("width", [16, 32])
def test_one_group_can_be_as_large_as_several(width, groups):
    wide = level_width(channels=width, width=width, groups=groups)
    one, several = (
        branch_parameters(channels=width, width=wide),
        groups * branch_parameters(channels=width, width=width),
    )
    assert wide > width and one == pytest.approx(several, rel=0.03)


# ------------------------------------------------------------------------------------------------------ fusion (Eq. 9)


@pytest.mark.parametrize("groups", [2, 3, 5])
def test_fusion_begins_as_the_printed_weighted_sum(groups):
    fusion = Fusion(width=4, groups=groups)
    features = torch.randn(2, groups * 4, 3, 5)
    F = features.unflatten(1, (groups, 4))
    for k, fused in enumerate(fusion.mix(features).unflatten(1, (groups, 4)).unbind(1)):
        expected = 0.9 * F[:, k] + sum(0.1 / (groups - 1) * F[:, i] for i in range(groups) if i != k)
        torch.testing.assert_close(fused, expected)
    alpha = fusion.mix.weight.detach()[::4, ::4, 0, 0]  # of the first channels
    torch.testing.assert_close(alpha.sum(dim=1), torch.ones(groups))
    # Normalised by nothing yet, and no feature is negative after the branches' ReLU.
    features = features.abs()
    torch.testing.assert_close(fusion.eval()(features), fusion.mix(features), atol=1e-4, rtol=1e-4)


def test_fusion_learns_any_mixture():
    """Every feature of a group may come to depend on every feature of every group."""
    fusion = Fusion(width=2, groups=3).eval()
    features = torch.rand(1, 6, 2, 2).requires_grad_()
    fusion(features)[:, 0].sum().backward()
    assert (fusion.mix.weight.grad[0] != 0).all()  # a trainable weight where α·identity has a zero
    assert (features.grad.sum(dim=(0, 2, 3)) != 0).tolist() == [True, False] * 3


def test_one_group_has_nothing_to_be_fused_with():
    with pytest.raises(HandLibError, match="no other to be fused with"):
        Fusion(width=4, groups=1)


# ------------------------------------------------------------------------------------------------------------ decoding


def test_every_group_is_read_as_the_rival_is():
    grid = MapGrid(height=12, width=20, stride=2)
    ours = GroupSoftArgmax(grid=grid, groups=3)
    maps = torch.randn(2, 3, 21, 2, 6, 10)
    with torch.no_grad():
        ours.log_sharpness.normal_()
    said = ours(maps)
    for k in range(3):
        theirs = SharpSoftArgmax(grid=grid)
        theirs.log_sharpness = nn.Parameter(ours.log_sharpness[k].detach())
        torch.testing.assert_close(said[:, k], theirs(maps[:, k]))
    assert ours.sharpness.shape == (3, 21)


def test_one_hot_selection_is_a_gather():
    poses = torch.randn(4, 3, 21, 3)
    selected = FixedSelector(THUMB_INDEX_REST)()
    expected = poses[:, torch.tensor(THUMB_INDEX_REST), torch.arange(21)]
    assert torch.equal(select(selected, poses), expected)


def test_soft_selection_is_the_weighted_mean():
    poses, selected = torch.randn(4, 3, 21, 3), torch.rand(21, 3).softmax(dim=1)
    torch.testing.assert_close(select(selected, poses), torch.einsum("jk,bkjc->bjc", selected, poses))
    same = poses[:, :1].expand(-1, 3, -1, -1)
    torch.testing.assert_close(select(selected, same), poses[:, 0])  # groups that agree are not contradicted


def test_a_joint_is_learnt_by_its_own_group_alone():
    maps = torch.randn(2, 3, 21, 2, 4, 4).requires_grad_()
    decoder = GroupDecoder(
        soft_argmax=GroupSoftArgmax(grid=MapGrid(height=16, width=16, stride=4), groups=3),
        selector=FixedSelector(THUMB_INDEX_REST),
    )
    decoder(maps).square().sum().backward()
    reached = maps.grad.abs().sum(dim=(0, 3, 4, 5)) > 0  # (K, 21)
    assert torch.equal(reached.T.float(), decoder.selector())


def test_gradients_reach_theta_from_every_group():
    for kind in (ConcreteSelector, StraightThroughSelector):
        decoder = GroupDecoder(
            soft_argmax=GroupSoftArgmax(grid=MapGrid(height=16, width=16, stride=4), groups=3), selector=kind(groups=3)
        ).train()
        decoder(torch.randn(2, 3, 21, 2, 4, 4)).sum().backward()
        theta = decoder.selector.theta.grad
        assert (theta != 0).all()
        torch.testing.assert_close(theta.sum(dim=1), torch.zeros(21), atol=1e-5, rtol=0)  # a softmax's


# -------------------------------------------------------------------------------------------------------------- whole


@pytest.mark.parametrize("place", [groups_on_resnet, groups_on_hourglass])
def test_evaluation_depends_neither_on_the_batch_nor_on_a_seed(place):
    net = random_theta(place(TINY, selector=ConcreteSelector(groups=4)).eval())
    images = torch.rand(3, 3, 32, 32)
    with torch.no_grad():
        torch.manual_seed(1)
        together = net(images)
        torch.manual_seed(2)
        torch.testing.assert_close(net(images), together, atol=0, rtol=0)
        apart = torch.cat([net(image[None]) for image in images])
    assert together.shape == (3, 21, 3)
    torch.testing.assert_close(apart, together, atol=1e-4, rtol=1e-4)


def random_theta(net: nn.Module) -> nn.Module:
    with torch.no_grad():
        net.decoder.selector.theta.normal_()
    return net


def test_a_batch_shares_one_sample():
    """The same picture twice is answered twice alike, though what is drawn differs from call to call."""
    net = groups_on_resnet(TINY, selector=ConcreteSelector(groups=3)).eval()
    net.decoder.selector.train()
    net.decoder.selector.temperature.fill_(0.5)
    image = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        first, second = net(torch.cat([image, image]))
        third = net(image)[0]
    torch.testing.assert_close(first, second, atol=1e-5, rtol=1e-5)
    assert not torch.allclose(first, third, atol=1e-6)


@pytest.mark.parametrize("place", [groups_on_resnet, groups_on_hourglass])
def test_the_network_begins_near_zero_and_all_of_it_learns(place):
    net = place(TINY, selector=ConcreteSelector(groups=3)).train()
    said = net(torch.rand(4, 3, 32, 32))
    assert said.abs().mean() < 0.5
    said.abs().sum().backward()
    still = [name for name, p in net.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    # A bias before batch normalisation does nothing, and a relative depth map of zeros hardly anything.
    assert not [name for name in still if not name.endswith("bias")], still
