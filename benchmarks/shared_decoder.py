"""Decoders in one batched product against a loop over the joints.

    python benchmarks/shared_decoder.py [--device cuda]

Twice: the decoder that all joints share (Eq. 3), and a decoder for every joint; each inside the row that has it, at
that row's widths. Both sides are first shown to give the same coordinates and the same gradients.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from typing import Any

import torch
from common import Benchmark, Times, Timing, as_json, at_least, interleaved, mixed, show_spread
from torch import Tensor, nn

from hand_lib import experiments, training
from hand_lib.models.decoders import MLP, CoordinateLinear, DecoderPerJoint, SharedDecoder
from hand_lib.models.size import NetworkSize
from hand_lib.skeleton import NUM_JOINTS

BATCHED, LOOP = "one product", "loop"
FORWARD, BACKWARD = "forward", "forward and backward"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Whose decoders, and how many pictures at once.

    Attributes:
        network: size of the rows whose decoders are measured.
        batches: pictures at once.
        precision: "bf16-mixed" or "32-true", for the timing; the sides are compared in float32.
    """

    network: NetworkSize
    batches: tuple[int, ...] = (1, 64)
    precision: str = "32-true"

    def __post_init__(self) -> None:
        at_least("batch size", 1, *self.batches)


class SharedLoop(nn.Module):
    """The shared decoder, joint after joint: the same layers, called 21 times."""

    def __init__(self, decoder: SharedDecoder) -> None:
        super().__init__()
        self.transform = decoder.transform

    def forward(self, G: Tensor) -> Tensor:
        """``(B, 21, features)`` to ``(B, 21, 3)``."""
        return torch.stack([self.transform(G[:, joint]) for joint in range(NUM_JOINTS)], dim=1)


class JointLoop(nn.Module):
    """A decoder a joint, joint after joint: 21 small networks with the batched one's weights."""

    def __init__(self, decoder: DecoderPerJoint) -> None:
        super().__init__()
        first, last = decoder.transforms.first, decoder.transforms.last
        _, hidden, features = first.weight.shape
        self.transforms = nn.ModuleList()
        for joint in range(NUM_JOINTS):
            transform = MLP(nn.Linear(features, hidden), CoordinateLinear(hidden, 3))
            with torch.no_grad():
                for layer, source in ((transform.first, first), (transform.last, last)):
                    layer.weight.copy_(source.weight[joint])
                    layer.bias.copy_(source.bias[joint])
            self.transforms.append(transform)

    def forward(self, G: Tensor) -> Tensor:
        """``(B, 21, features)`` to ``(B, 21, 3)``."""
        return torch.stack([transform(G[:, joint]) for joint, transform in enumerate(self.transforms)], dim=1)


DECODERS = {"shared": ("maps-shared", SharedLoop), "a decoder a joint": ("maps", JointLoop)}  # row, and its loop


def gradients(decoder: nn.Module, G: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Forward and backward: the coordinates, and the gradients of their sum for the input and all weights."""
    Y = decoder(G)
    return Y, torch.autograd.grad(Y, [G, *decoder.parameters()], torch.ones_like(Y))


def check_equal(batched: nn.Module, loop: nn.Module, G: Tensor) -> None:
    """Raise AssertionError unless both give the same coordinates and the same gradients."""
    (Y, (of_G, *of_weights)), (Y_loop, (of_G_loop, *of_weights_loop)) = gradients(batched, G), gradients(loop, G)
    if isinstance(loop, JointLoop):  # weights and biases of 21 networks, one after the other
        of_weights_loop = [torch.stack(of_weights_loop[i :: len(of_weights)]) for i in range(len(of_weights))]
    expected = [Y, of_G, *of_weights]
    for ours, theirs in zip(expected, [Y_loop, of_G_loop, *of_weights_loop], strict=True):
        # A rounding of float32 is a part of the largest number in a sum, not of the sum.
        torch.testing.assert_close(theirs, ours, rtol=1e-3, atol=1e-5 * ours.abs().max().item() + 1e-7)


def measure(settings: Settings, device: torch.device, timing: Timing) -> list[dict[str, Any]]:
    """A line a decoder, batch size, pass and side."""
    lines = []
    for name, (row, make_loop) in DECODERS.items():
        decoder = training.build_seeded(lambda row=row: experiments.get_row(row).build(settings.network), 0).decoder
        loop = make_loop(decoder)
        decoder, loop = decoder.to(device), loop.to(device)
        features = next(module for module in decoder.modules() if isinstance(module, MLP)).first.weight.shape[-1]
        for batch in settings.batches:
            generator = torch.Generator().manual_seed(0)
            G = torch.rand(batch, NUM_JOINTS, features, generator=generator).to(device).requires_grad_()
            check_equal(decoder, loop, G)
            for what, call in ((FORWARD, forward), (BACKWARD, gradients)):
                times = interleaved(
                    {
                        LOOP: mixed(call, loop, G, settings.precision),
                        BATCHED: mixed(call, decoder, G, settings.precision),
                    },
                    device=device,
                    timing=timing,
                )
                lines += [line(times, side, decoder=name, batch=batch, work=what) for side in (LOOP, BATCHED)]
    return lines


@torch.inference_mode()
def forward(decoder: nn.Module, G: Tensor) -> Tensor:
    """Coordinates alone."""
    return decoder(G)


def line(times: Times, side: str, **labels: Any) -> dict[str, Any]:
    """A side as the record keeps it."""
    return times.line(side, **labels, side=side, ratio_to_loop=as_json(times.ratio(side, LOOP)))


def table(lines: list[dict[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """Header and body: the loop's own times are in the record."""
    header = ["decoder", "batch", "", "times as fast as the loop", "one product, ms"]
    body = [
        [
            entry["decoder"],
            str(entry["batch"]),
            entry["work"],
            show_spread(entry["ratio_to_loop"]),
            show_spread(entry["milliseconds"]),
        ]
        for entry in lines
        if entry["side"] == BATCHED
    ]
    return header, body


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its own arguments."""
    parser.add_argument("--backbone", default="resnet18", help="resnet18 to resnet152 (default: resnet18)")
    parser.add_argument("--width", type=int, default=64, help="of the backbone, and with it of the decoders")
    parser.add_argument("--size", type=int, default=256, metavar="PX", help="side of the picture (default: 256)")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 64], metavar="N", help="default: 1 64")
    parser.add_argument("--precision", choices=("32-true", "bf16-mixed"), help="default: what training would choose")


def settings_from(options: argparse.Namespace, device: torch.device) -> Settings:
    """Settings as asked for."""
    at_least("width", 1, options.width)
    return Settings(
        network=NetworkSize(
            depth=experiments.get_depth(options.backbone), width=options.width, image_size=options.size
        ),
        batches=tuple(dict.fromkeys(options.batches)),
        precision=options.precision or training.choose_precision(device),
    )


BENCHMARK = Benchmark(
    name="shared_decoder",
    what="Decoding all joints in one batched product against a loop over the joints.",
    add_arguments=add_arguments,
    settings=settings_from,
    measure=measure,
    table=table,
)

if __name__ == "__main__":
    sys.exit(BENCHMARK.main())
