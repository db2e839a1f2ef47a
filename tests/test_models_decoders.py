"""Decoders against loops over plain layers, and by what they share between joints and heads."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from hand_lib.errors import HandLibError
from hand_lib.models.decoders import (
    MLP,
    BatchedLinear,
    CoordinateLinear,
    DecoderPerJoint,
    HandDecoder,
    MultiHeadDecoder,
    SharedDecoder,
)

JOINTS = 21
FEATURES = 24


def features(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def multi_head(heads: int = 4) -> MultiHeadDecoder:
    return MultiHeadDecoder(features=FEATURES, heads=heads, hidden=7, outputs=5, fuse_hidden=6).double()


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def with_random_biases(module: nn.Module) -> nn.Module:
    """Biases start at zero; a comparison should see them."""
    for name, parameter in module.named_parameters():
        if name.endswith("bias"):
            nn.init.normal_(parameter)
    return module


def plain(layers: MLP, j: int) -> nn.Sequential:
    """The j-th of n batched transformations, of torch's own layers."""
    first, last = layers.first, layers.last
    net = nn.Sequential(nn.Linear(*first.weight.shape[:0:-1]), nn.ReLU(), nn.Linear(*last.weight.shape[:0:-1]))
    parts = {"0.weight": first.weight[j], "0.bias": first.bias[j], "2.weight": last.weight[j], "2.bias": last.bias[j]}
    net.double().load_state_dict({name: value.detach() for name, value in parts.items()})
    return net


@settings(max_examples=20, deadline=None)
@given(batch=st.integers(1, 3), count=st.integers(1, 5), inputs=st.integers(1, 6), outputs=st.integers(1, 6))
def test_batched_linear_is_a_loop_over_linear_layers(batch, count, inputs, outputs):
    layer = BatchedLinear(count, inputs, outputs).double()
    nn.init.normal_(layer.weight)
    nn.init.normal_(layer.bias)
    x = features(batch, count, inputs)
    looped = torch.stack([nn.functional.linear(x[:, j], layer.weight[j], layer.bias[j]) for j in range(count)], dim=1)
    torch.testing.assert_close(layer(x), looped)


def test_a_decoder_a_joint_is_a_loop_over_21_decoders():
    decoder = with_random_biases(DecoderPerJoint(features=FEATURES, hidden=9).double())
    G = features(2, JOINTS, FEATURES)
    looped = torch.stack([plain(decoder.transforms, i)(G[:, i]) for i in range(JOINTS)], dim=1)
    torch.testing.assert_close(decoder(G), looped)


def test_many_heads_are_equation_4_written_as_a_loop():
    decoder = with_random_biases(multi_head(heads=4))
    G = features(2, JOINTS, FEATURES)
    heads = [plain(decoder.transforms, j) for j in range(4)]
    for i in (0, 13, 20):
        M = torch.cat([heads[j](G[:, i, 6 * j : 6 * (j + 1)]) for j in range(4)], dim=-1)
        torch.testing.assert_close(decoder.multi_head(G)[:, i], M)
        torch.testing.assert_close(decoder(G)[:, i], decoder.fusion(M))


def test_one_head_is_the_shared_decoder_where_the_fusion_passes_its_input_through():
    shared = with_random_biases(SharedDecoder(features=FEATURES, hidden=7).double())
    single = MultiHeadDecoder(features=FEATURES, heads=1, hidden=7, outputs=3, fuse_hidden=6).double()
    with torch.no_grad():
        single.transforms.first.weight[0] = shared.transform.first.weight
        single.transforms.first.bias[0] = shared.transform.first.bias
        single.transforms.last.weight[0] = shared.transform.last.weight
        single.transforms.last.bias[0] = shared.transform.last.bias
        # x = ReLU(x) − ReLU(−x): a two-layer identity.
        identity = torch.eye(3)
        single.fusion.first.weight.copy_(torch.cat([identity, -identity]))
        single.fusion.last.weight.copy_(torch.cat([identity, -identity], dim=1))
    G = features(2, JOINTS, FEATURES)
    torch.testing.assert_close(single(G), shared(G), rtol=0, atol=1e-14)


@pytest.mark.parametrize(
    "decoder", [SharedDecoder(features=FEATURES, hidden=8).double(), multi_head()], ids=["shared", "multi-head"]
)
def test_a_shared_decoder_gives_swapped_joints_swapped_coordinates(decoder):
    G = features(2, JOINTS, FEATURES)
    order = torch.randperm(JOINTS, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(decoder(G[:, order]), decoder(G)[:, order])


def test_a_decoder_a_joint_is_not_indifferent_to_the_joint():
    decoder = DecoderPerJoint(features=FEATURES, hidden=8).double()
    G = features(2, JOINTS, FEATURES)
    order = torch.arange(JOINTS).roll(1)
    assert not torch.allclose(decoder(G[:, order]), decoder(G)[:, order], atol=1e-3)


def reached(decoder: nn.Module, joint: int) -> list[int]:
    """The joints whose representation a joint's coordinates depend on."""
    G = features(2, JOINTS, FEATURES).requires_grad_()
    decoder(G)[:, joint].square().sum().backward()
    return (G.grad.abs().sum(dim=(0, 2)) > 0).nonzero().flatten().tolist()


@pytest.mark.parametrize(
    "decoder",
    [
        SharedDecoder(features=FEATURES, hidden=32).double(),
        DecoderPerJoint(features=FEATURES, hidden=32).double(),
        multi_head(),
    ],
    ids=["shared", "per joint", "multi-head"],
)
def test_a_joint_is_decoded_from_its_own_representation_alone(decoder):
    for joint in (0, 9, 20):
        assert reached(decoder, joint) == [joint]


def test_a_head_reads_its_own_part_alone():
    decoder = MultiHeadDecoder(features=FEATURES, heads=4, hidden=32, outputs=5, fuse_hidden=6).double()
    G = features(2, JOINTS, FEATURES).requires_grad_()
    decoder.multi_head(G)[..., 10:15].square().sum().backward()  # head 2's outputs
    assert (G.grad.abs().sum(dim=(0, 1)) > 0).nonzero().flatten().tolist() == list(range(12, 18))


def test_the_whole_hand_at_once_lets_every_feature_reach_every_joint():
    decoder = HandDecoder(features=FEATURES, hidden=64).double()
    G = features(2, FEATURES).requires_grad_()
    Y = decoder(G)
    assert Y.shape == (2, JOINTS, 3)
    torch.testing.assert_close(Y.flatten(1), decoder.transform(G))
    Y[:, 11].square().sum().backward()
    assert (G.grad.abs().sum(dim=0) > 0).all()


def parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_unsharing_at_equal_width_multiplies_the_parameters_by_21():
    shared, unshared = SharedDecoder(features=50, hidden=20), DecoderPerJoint(features=50, hidden=20)
    assert parameters(unshared) == 21 * parameters(shared)


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda: HandDecoder(features=512, hidden=256), (64, 512)),
        (lambda: SharedDecoder(features=512, hidden=256), (64, JOINTS, 512)),
        (lambda: DecoderPerJoint(features=512, hidden=256), (64, JOINTS, 512)),
        (lambda: MultiHeadDecoder(features=512, heads=8, hidden=64, outputs=8, fuse_hidden=64), (64, JOINTS, 512)),
    ],
    ids=["hand", "shared", "per joint", "multi-head"],
)
def test_predictions_start_near_zero_but_not_at_it(make, shape):
    torch.manual_seed(0)
    Y = make()(torch.randn(shape))
    assert 0.02 < Y.std() < 0.3 and Y.mean().abs() < 0.1


def test_coordinates_are_computed_in_full_precision_under_autocast():
    layer = CoordinateLinear(512, 3)
    x = torch.randn(8, 512, generator=torch.Generator().manual_seed(0))
    with torch.autocast("cpu", torch.bfloat16):
        exact, rounded = layer(x.bfloat16()), nn.functional.linear(x, layer.weight, layer.bias)
    assert exact.dtype == torch.float32 and rounded.dtype == torch.bfloat16
    torch.testing.assert_close(exact, layer(x.bfloat16().float()))


def test_features_of_another_image_size_are_refused_in_one_line():
    for decoder, G in (
        (SharedDecoder(features=32, hidden=4), torch.rand(1, JOINTS, 64)),
        (MultiHeadDecoder(features=32, heads=4, hidden=4, outputs=2, fuse_hidden=4), torch.rand(1, JOINTS, 64)),
        (HandDecoder(features=32, hidden=4), torch.rand(1, 16)),
    ):
        with pytest.raises(HandLibError, match="image size"):
            decoder(G)


def test_heads_must_divide_the_features():
    with pytest.raises(HandLibError, match="24 features a joint cannot be divided among 5 heads"):
        multi_head(heads=5)
