"""Eq. 1 and every row as a network: batches, precisions, memory formats, files, compiling, exporting."""

from __future__ import annotations

import onnxruntime
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from hand_lib.errors import HandLibError
from hand_lib.models.backbone import ResNet
from hand_lib.models.decoders import SharedDecoder
from hand_lib.models.network import HandPoseNet
from hand_lib.models.representations import JointMaps
from hand_lib.models.rows import ROWS
from hand_lib.models.size import NetworkSize

SIZE = NetworkSize(width=8, image_size=64, final_stride=1)
every_row = pytest.mark.parametrize("name", ROWS)


def pictures(count: int, side: int = 64) -> torch.Tensor:
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(0))


def built(name: str) -> nn.Module:
    """A row's network, with weights and batch statistics that are not those of the start."""
    torch.manual_seed(0)
    net = ROWS[name].build(SIZE)
    for _ in range(3):
        net(pictures(8))
    return net.eval()


def test_a_network_is_equation_1():
    F = ResNet(width=8)
    G = JointMaps(channels=64, maps=2)
    D = SharedDecoder(features=2 * 2 * 3, hidden=16)
    net = HandPoseNet(backbone=F, representation=G, decoder=D).eval()
    I = torch.rand(2, 3, 64, 96)  # noqa: E741 (the paper's name)
    Y = net(I)
    assert Y.shape == (2, 21, 3)
    torch.testing.assert_close(Y, D(G(F(I))))
    torch.testing.assert_close(net.stages(I), Y[None])


@every_row
def test_a_batch_is_its_pictures_one_by_one(name):
    net, images = built(name), pictures(3)
    Y = net(images)
    assert Y.shape == (3, 21, 3) and Y.dtype == torch.float32 and Y.isfinite().all()
    torch.testing.assert_close(torch.cat([net(image[None]) for image in images]), Y, atol=1e-5, rtol=1e-4)
    stages = net.stages(images)
    assert stages.ndim == 4 and torch.equal(stages[-1], Y)
    assert (Y[0] - Y[1]).abs().max() > 1e-5  # it looks at the picture


@every_row
def test_a_training_step_reaches_every_parameter_even_with_one_picture(name):
    torch.manual_seed(0)
    net = ROWS[name].build(SIZE)
    net.stages(pictures(1)).sub(0.3).abs().mean().backward()
    unreached = [key for key, p in net.named_parameters() if p.grad is None or not p.grad.isfinite().all()]
    assert unreached == []


@every_row
def test_some_steps_of_training_lower_the_loss(name):
    torch.manual_seed(0)
    net, images = ROWS[name].build(SIZE), pictures(8)
    targets = torch.rand(8, 21, 3, generator=torch.Generator().manual_seed(1)) - 0.5
    optimiser = torch.optim.Adam(net.parameters(), lr=1e-3)
    losses = []
    for _ in range(12):
        loss = (net.stages(images) - targets).abs().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.96 * losses[0], losses


@every_row
def test_bfloat16_autocast_stays_near_float32_and_gives_float32(name):
    net, images = built(name), pictures(2)
    exact = net(images)
    with torch.autocast("cpu", torch.bfloat16):
        rough = net(images)
    assert rough.dtype == torch.float32
    assert (rough - exact).abs().mean() < 0.1 * exact.abs().mean() + 1e-3


@every_row
def test_a_whole_network_in_bfloat16_runs(name):
    net = built(name)
    exact = net(pictures(2))
    rough = net.bfloat16()(pictures(2).bfloat16()).float()
    assert rough.shape == (2, 21, 3) and (rough - exact).abs().mean() < 0.25 * exact.abs().mean() + 1e-2


@every_row
def test_channels_last_gives_the_same(name):
    net, images = built(name), pictures(2)
    exact = net(images)
    net = net.to(memory_format=torch.channels_last)
    torch.testing.assert_close(net(images.contiguous(memory_format=torch.channels_last)), exact, atol=1e-5, rtol=1e-4)


@every_row
def test_weights_come_back_from_a_file(name, tmp_path):
    net, images = built(name), pictures(2)
    save_file(net.state_dict(), tmp_path / "weights.safetensors")
    torch.manual_seed(1)
    other = ROWS[name].build(SIZE).eval()
    assert not torch.equal(other(images), net(images))
    other.load_state_dict(load_file(tmp_path / "weights.safetensors"))
    assert torch.equal(other(images), net(images))


@every_row
def test_a_trained_backbone_can_be_its_start(name):
    net, trained = ROWS[name].build(SIZE), ResNet(width=8)
    net.load_backbone(trained.state_dict())
    for key, value in trained.state_dict().items():
        assert torch.equal(net.backbone.state_dict()[key], value)


@pytest.mark.parametrize("name", ["fr", "maps", "multihead", "refine-hdr"])
def test_pictures_of_another_size_are_refused_in_one_line(name):
    with pytest.raises(HandLibError, match="image size") as error:
        ROWS[name].build(SIZE)(pictures(1, side=128))
    assert "\n" not in str(error.value)


@every_row
def test_the_graph_has_no_break_and_does_not_depend_on_the_data(name):
    net, images = built(name), pictures(2)
    whole = torch.compile(net, backend="eager", fullgraph=True)
    torch.testing.assert_close(whole(images), net(images))
    torch.testing.assert_close(whole(images.flip(0)), net(images).flip(0), atol=1e-5, rtol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["multihead", "refine-hdr", "heatmap25d"])
def test_the_compiled_network_gives_what_the_eager_one_gives(name):
    net, images = built(name), pictures(2)
    torch.compiler.reset()  # other tests of this process may have compiled the same code for other networks
    with torch.no_grad():
        torch.testing.assert_close(torch.compile(net, fullgraph=True)(images), net(images), atol=1e-4, rtol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["afr", "pooled", "refine-hdr", "heatmap25d"])
@pytest.mark.filterwarnings("ignore")
def test_the_exported_network_gives_what_the_eager_one_gives(name, tmp_path):
    net = built(name)
    path = tmp_path / "hand.onnx"
    torch.onnx.export(
        net,
        (pictures(2),),
        path,
        dynamo=True,
        dynamic_shapes=({0: torch.export.Dim("batch")},),
        external_data=False,
        verbose=False,
    )
    session = onnxruntime.InferenceSession(path)
    for count in (1, 5):
        (Y,) = session.run(None, {session.get_inputs()[0].name: pictures(count).numpy()})
        torch.testing.assert_close(torch.from_numpy(Y), net(pictures(count)), atol=1e-4, rtol=1e-3)
