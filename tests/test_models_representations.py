"""What reaches whom: the representations by their gradients and symmetries."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hand_lib.models.representations import FeatureMaps, GlobalAverage, JointMaps, JointPooled, Projection

JOINTS = 21


def feature_maps(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@settings(max_examples=15, deadline=None)
@given(d=st.integers(1, 4), h=st.integers(1, 4), w=st.integers(1, 5), joint=st.integers(0, 20))
def test_map_i_times_d_plus_c_reaches_joint_i_and_no_other(d, h, w, joint):
    maps = feature_maps(2, JOINTS * d, h, w).requires_grad_()
    JointMaps.split(maps)[:, joint].sum().backward()
    reached = maps.grad.abs().sum(dim=(0, 2, 3)) > 0
    assert reached.nonzero().flatten().tolist() == [joint * d + c for c in range(d)]


def test_joint_maps_are_the_maps_of_equation_2_row_by_row():
    d, h, w = 3, 2, 5
    maps = feature_maps(4, JOINTS * d, h, w)
    G = JointMaps.split(maps)
    assert G.shape == (4, JOINTS, d * h * w)
    for i in (0, 7, 20):
        expected = torch.cat([maps[:, i * d + c].flatten(1) for c in range(d)], dim=1)
        assert torch.equal(G[:, i], expected)


def test_the_split_is_the_same_whatever_the_memory_format():
    maps = feature_maps(2, JOINTS * 2, 3, 4)
    assert torch.equal(JointMaps.split(maps), JointMaps.split(maps.contiguous(memory_format=torch.channels_last)))


def through_the_module(module, joint):
    """Which of the projected maps reach a joint's representation."""
    kept = []
    module.project.register_forward_hook(lambda _, __, output: kept.append(output) or output.retain_grad())
    module(feature_maps(2, 16, 3, 4))[:, joint].sum().backward()
    return (kept[0].grad.abs().sum(dim=(0, 2, 3)) > 0).nonzero().flatten().tolist()


def test_both_joint_specific_modules_split_in_channel_order():
    for joint in (0, 9, 20):
        own = [joint * 5 + c for c in range(5)]
        assert through_the_module(JointMaps(channels=16, maps=5), joint) == own
        assert through_the_module(JointPooled(channels=16, features=5), joint) == own


def test_feature_maps_keep_everything_and_global_average_keeps_the_mean():
    X = feature_maps(2, 16, 3, 4)
    assert torch.equal(FeatureMaps()(X).view(2, 16, 3, 4), X)
    average = GlobalAverage(channels=16, features=6)
    torch.testing.assert_close(average(X), average.project(X).flatten(2).sum(-1) / 12)


def test_pooling_forgets_where_and_maps_do_not():
    X = feature_maps(2, 16, 3, 4)
    shuffled = X.flatten(2)[..., torch.randperm(12, generator=torch.Generator().manual_seed(3))].view_as(X)
    for module in (GlobalAverage(channels=16, features=6), JointPooled(channels=16, features=6)):
        torch.testing.assert_close(module(X), module(shuffled))
    for module in (FeatureMaps(), JointMaps(channels=16, maps=2)):
        assert not torch.allclose(module(X), module(shuffled), atol=1e-2)


def test_the_projection_does_more_than_a_linear_layer_behind_the_average():
    X = feature_maps(2, 16, 3, 4)
    project = Projection(channels=16, out_channels=8).eval()
    averaged_after = project(X).mean(dim=(2, 3))
    averaged_before = project(X.mean(dim=(2, 3), keepdim=True)).flatten(1)
    assert not torch.allclose(averaged_after, averaged_before, atol=1e-2)
    # Without the ReLU the two are one: averaging commutes with what is linear.
    linear_after = project.bn(project.conv(X)).mean(dim=(2, 3))
    linear_before = project.bn(project.conv(X.mean(dim=(2, 3), keepdim=True))).flatten(1)
    torch.testing.assert_close(linear_after, linear_before)
