"""The page's arithmetic against PyTorch on the same rounded weights: in Node, and in a browser from the disk."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import live
import pytest
import torch
from safetensors.torch import load, save
from test_live_networks import SMALL, unlike_its_start
from torch import Tensor, nn

from hand_lib.camera import from_25d, is_mirrored, mirror_xyz, project, to_25d, transform_intrinsics
from hand_lib.live.shipped import SHIPPED_ROWS, get_shipped
from hand_lib.live.site import hands_file, structures
from hand_lib.models.size import NetworkSize
from hand_lib.samples import Samples

MOST_OFF = 0.001  # mm

each_shipped = pytest.mark.parametrize("row", SHIPPED_ROWS)


@pytest.fixture(scope="module")
def hands() -> bytes:
    return hands_file()


def samples_of(content: bytes) -> Samples:
    """The hands of the site's file."""
    read = load(content)
    uv = project(read["xyz"], read["K"])
    whole = torch.ones(uv.shape[:2], dtype=torch.bool)
    return Samples(**{**read, "right": read["right"].bool()}, uv=uv, visible=whole)


def compare(network: nn.Module, size: int, content: bytes, states: list[dict], answers: list[dict[str, Any]]) -> None:
    """Every stage of every state: the picture, the joints in it, the maps between, and the answer in millimetres."""
    samples = samples_of(content)
    assert len(answers) == len(states) >= 24
    assert {bool(samples.right[state["hand"]]) for state in states} == {True, False}
    for state, answer in zip(states, answers, strict=True):
        image, A = live.seen(samples, state, size)
        hand = samples[[state["hand"]]]
        K, xyz = transform_intrinsics(A, hand.K), mirror_xyz(hand.xyz, is_mirrored(A))
        uv, _, z_root, scale = to_25d(xyz, K)
        torch.testing.assert_close(torch.tensor(answer["image"]).view_as(image), image, atol=1e-4, rtol=0)
        torch.testing.assert_close(torch.tensor(answer["uv"])[None], uv, atol=1e-3, rtol=0)
        Ys, Ms = stages(network, image)
        assert len(Ys) == len(answer["xyz"])
        for i, Y in enumerate(Ys):
            wanted = from_25d((Y[..., :2] + 1) / 2 * (size - 1), Y[..., 2], K, z_root=z_root, scale=scale)
            found = torch.tensor(answer["xyz"][i]).view_as(wanted)
            assert (found - wanted).norm(dim=-1).max() < MOST_OFF
            if Ms:
                torch.testing.assert_close(torch.tensor(answer["M"][i]).view_as(Ms[i]), Ms[i], atol=1e-3, rtol=1e-3)


@torch.inference_mode()
def stages(network: nn.Module, image: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Each stage's Y, ``(1, 21, 3)``, and M, ``(1, 21, n·e)``, where there are heads."""
    heard: list[Tensor] = []
    fusions = [module.fusion for module in network.modules() if hasattr(module, "fusion")]
    hooks = [fusion.register_forward_pre_hook(lambda _, given: heard.append(given[0])) for fusion in fusions]
    Ys = network.stages(image)
    for hook in hooks:
        hook.remove()
    return Ys, heard


def asked(row: str, hands: bytes, *, simd: bool) -> dict[str, Any]:
    content = live.encoded(get_shipped(row).content)
    return {"network": content, "hands": live.encoded(hands), "states": live.states(24), "simd": simd}


@pytest.mark.parametrize("simd", [True, pytest.param(False, marks=pytest.mark.slow)], ids=["simd", "plain"])
@each_shipped
def test_in_node_each_network_answers_as_in_pytorch(row: str, simd: bool, hands: bytes) -> None:
    request = asked(row, hands, simd=simd)
    answer = live.in_node(live.PARITY, request)
    assert answer["simd"] is simd
    compare(get_shipped(row).network(), get_shipped(row).size.image_size, hands, request["states"], answer["answers"])


OTHER_SIZES = {
    "refine-hdr": NetworkSize(width=8, image_size=128, stem_stride=2, final_stride=2),  # depth maps of one cell a joint
    "heatmap25d-sharp": NetworkSize(width=8, image_size=72, final_stride=2),  # maps of an odd number of cells
    "maps": NetworkSize(width=8, image_size=64, final_stride=1),
    "multihead": NetworkSize(depth=34, width=8, image_size=64, final_stride=1),
}


@pytest.mark.parametrize("row", OTHER_SIZES)
def test_a_readers_own_float_file_of_another_size_answers_as_in_pytorch(row: str, hands: bytes) -> None:
    """Batch normalisation is folded on the page; strides, pooling and grids are read from the site's list."""
    size = OTHER_SIZES[row]
    network = unlike_its_start(row, size)
    said = {"kind": "weights", "row": row, "network": json.dumps(dataclasses.asdict(size))}
    content = save({name: tensor.contiguous() for name, tensor in network.state_dict().items()}, said)
    request = {"network": live.encoded(content), "hands": live.encoded(hands), "states": live.states(24), "simd": True}
    answer = live.in_node(live.PARITY, request, structures(sizes=[SMALL, size]))
    for state, one in zip(request["states"], answer["answers"], strict=True):
        image, _ = live.seen(samples_of(hands), state, size.image_size)
        Ys, _ = stages(network, image)
        for Y, found in zip(Ys, one["Y"], strict=True):
            torch.testing.assert_close(torch.tensor(found, dtype=Y.dtype).view_as(Y), Y, atol=1e-4, rtol=1e-4)
