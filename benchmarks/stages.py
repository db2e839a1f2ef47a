"""Latency and throughput of refinement with 1, 2 and 4 stages.

    python benchmarks/stages.py [--device cuda] [--modes eager compile graphs]

Each number of stages runs as it is (eager), through torch.compile, and on an NVIDIA GPU as a captured CUDA graph: at
batch 1, where every call is waited for (latency), and at a larger batch (throughput). All of them take turns. Pictures
lie on the device; copying them there and cropping them are not counted. Weights are random and in float32: they
change no time. A compiled or captured network is first shown to give what the eager one gives.

The paper prints 134, 86 and 49 pictures a second (Table 3: ResNet-34, 256 px) for an RTX 3090 and an older PyTorch, and
does not say at which batch size. What can be set beside ours is the ratio between the stages.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from common import Benchmark, Timing, as_json, at_least, interleaved, show_spread, synchronise
from torch import Tensor, nn
from torch._dynamo.exc import TorchDynamoException

from hand_lib import experiments, training
from hand_lib.errors import HandLibError, choose
from hand_lib.models.counting import count
from hand_lib.models.rows import depth_maps, heatmaps, refine_maps, refined
from hand_lib.models.size import NetworkSize

PAPER_FPS = {1: 134, 2: 86, 4: 49}  # Table 3
PAPER_DEVICE = "RTX 3090"
PAPER_NETWORK = NetworkSize(depth=34)
EAGER, COMPILE, GRAPHS = MODES = ("eager", "compile", "graphs")

Network = Callable[[Tensor], Tensor]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What runs, and how.

    Attributes:
        network: its size.
        stages: numbers of stages, the first of them the one that others are compared with.
        modes: of "eager", "compile", "graphs".
        batch_size: for the throughput.
    """

    network: NetworkSize = PAPER_NETWORK
    stages: tuple[int, ...] = (1, 2, 4)
    modes: tuple[str, ...] = (EAGER, COMPILE)
    batch_size: int = 64

    def __post_init__(self) -> None:
        at_least("stages", 1, *self.stages)
        at_least("batch size", 1, self.batch_size)
        for mode in self.modes:
            if mode not in MODES:
                raise choose("mode", mode, MODES)


def make_network(settings: Settings, stages: int, images: Tensor) -> nn.Module:
    """JAR with so many stages and all three maps, in evaluation mode, where the pictures are."""
    model = training.build_seeded(
        lambda: refined(settings.network, refine_maps, heatmaps, depth_maps, stages=stages), 0
    ).to(images.device, memory_format=torch.channels_last)
    settle(model, images)
    return model.eval()


@torch.no_grad()
def settle(model: nn.Module, images: Tensor) -> None:
    """Give batch normalisation the statistics of these pictures, so that numbers have a trained network's size."""
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 1.0
    model.train()(images)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum


@torch.inference_mode()
def in_mode(model: nn.Module, mode: str, images: Tensor) -> Network:
    """The network in a mode, ready to be timed on pictures of this shape.

    Raises:
        HandLibError: torch.compile cannot work on this machine.
        AssertionError: the result is not the eager network's.
    """
    if mode == EAGER:
        return model
    if mode == GRAPHS:
        network = captured(model, images)
    else:
        print(f"compiling for a batch of {len(images)} …", file=sys.stderr, flush=True)
        network = torch.compile(model, fullgraph=True, dynamic=False)
        try:
            network(images)
        except TorchDynamoException as error:
            reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
            raise HandLibError(f"torch.compile fails here ({reason}): leave it out with --modes eager") from error
    check_equal(network, model, images)
    return network


def check_equal(network: Network, model: nn.Module, images: Tensor) -> None:
    """Raise AssertionError unless the network gives what the eager one gives.

    Up to rounding; on a GPU convolutions may round to ten bits (TF32), and a depth between two cells may then fall
    into either.
    """
    expected = model(images)
    tolerance = 1e-3 if images.device.type == "cpu" else 3e-2
    torch.testing.assert_close(network(images), expected, rtol=0, atol=tolerance * expected.abs().max().item())


def captured(model: nn.Module, images: Tensor) -> Network:
    """The eager network's kernels as one CUDA graph, which is started by one call instead of hundreds."""
    entrance = images.clone()
    with torch.cuda.device(images.device):
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):  # libraries make their choices and their workspaces before the capture
            for _ in range(3):
                model(entrance)
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            exit_ = model(entrance)

    def replay(images: Tensor) -> Tensor:
        entrance.copy_(images)
        graph.replay()
        return exit_

    return replay


def call(network: Network, images: Tensor, *, wait: bool) -> Callable[[], None]:
    """One call of the network; a latency waits for its end."""

    @torch.inference_mode()
    def run() -> None:
        network(images)
        if wait:
            synchronise(images.device)

    return run


def measure(settings: Settings, device: torch.device, timing: Timing) -> list[dict[str, Any]]:
    """A line a batch size, mode and number of stages."""
    size = settings.network.image_size
    images = torch.rand(max(settings.batch_size, 4), 3, size, size, generator=torch.Generator().manual_seed(0))
    images = images.to(device, memory_format=torch.channels_last)
    models = {stages: make_network(settings, stages, images[:4]) for stages in settings.stages}
    macs = {stages: count(model, size).macs for stages, model in models.items()}
    first = settings.stages[0]
    lines = []
    for batch in dict.fromkeys((1, settings.batch_size)):
        torch.compiler.reset()  # every batch size is compiled anew, and what is kept for the others has a limit
        here = images[:batch].contiguous(memory_format=torch.channels_last)
        sides = {
            (mode, stages): in_mode(model, mode, here) for mode in settings.modes for stages, model in models.items()
        }
        times = interleaved(
            {_name(*side): call(network, here, wait=batch == 1) for side, network in sides.items()},
            device=device,
            timing=timing,
        )
        for mode, stages in sides:
            name = _name(mode, stages)
            to_eager = times.ratio(name, _name(EAGER, stages)) if EAGER in settings.modes else None
            lines.append(
                times.line(
                    name,
                    batch=batch,
                    mode=mode,
                    stages=stages,
                    images_per_second=as_json(times.rate(name, batch)),
                    first=first,
                    ratio_to_first=as_json(times.ratio(name, _name(mode, first))),
                    ratio_by_multiply_adds=macs[first] / macs[stages],
                    ratio_to_eager=None if to_eager is None else as_json(to_eager),
                    paper=paper(settings.network, stages, first),
                )
            )
    return lines


def _name(mode: str, stages: int) -> str:
    return f"{mode} {stages}"


def paper(network: NetworkSize, stages: int, first: int) -> dict[str, Any] | None:
    """What the paper prints for this network, and on what; None where it is another one."""
    if network != PAPER_NETWORK or stages not in PAPER_FPS or first not in PAPER_FPS:
        return None
    return {
        "device": PAPER_DEVICE,
        "images_per_second": PAPER_FPS[stages],
        "ratio": PAPER_FPS[stages] / PAPER_FPS[first],
    }


def table(lines: list[dict[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """Header and body; the paper's columns where it measured this network."""
    first = lines[0]["first"]
    header = ["batch", "mode", "stages", f"ratio to {first} stage{'s' if first > 1 else ''}"]
    header += ["by multiply-adds alone", "ratio to eager", "pictures/s"]
    printed = any(line["paper"] for line in lines)
    if printed:
        header += [f"paper's ratio, {PAPER_DEVICE}", f"paper's pictures/s, {PAPER_DEVICE}"]
    body = []
    for line in lines:
        cells = [str(line["batch"]), line["mode"], str(line["stages"]), show_spread(line["ratio_to_first"])]
        cells += [f"{line['ratio_by_multiply_adds']:.2f}"]
        cells += [
            show_spread(line["ratio_to_eager"]) if line["ratio_to_eager"] else "",
            show_spread(line["images_per_second"]),
        ]
        if printed:
            of_paper = line["paper"]
            cells += [f"{of_paper['ratio']:.2f}", str(of_paper["images_per_second"])] if of_paper else ["", ""]
        body.append(cells)
    return header, body


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its own arguments."""
    parser.add_argument("--backbone", default="resnet34", help="resnet18 to resnet152 (default: resnet34, the paper's)")
    parser.add_argument("--width", type=int, default=64, help="channels of its first block (default: 64)")
    parser.add_argument("--size", type=int, default=256, metavar="PX", help="side of the picture (default: 256)")
    parser.add_argument("--stages", type=int, nargs="+", default=[1, 2, 4], metavar="N", help="default: 1 2 4")
    parser.add_argument("--modes", nargs="+", metavar="MODE", help="eager, compile, graphs (default: all there are)")
    parser.add_argument("--batch", type=int, metavar="N", help="for the throughput (default: 64 on a GPU, else 8)")


def settings_from(options: argparse.Namespace, device: torch.device) -> Settings:
    """Settings as asked for; raises HandLibError for CUDA graphs where there is no CUDA."""
    modes = tuple(dict.fromkeys(options.modes or (MODES if device.type == "cuda" else (EAGER, COMPILE))))
    if GRAPHS in modes and device.type != "cuda":
        raise HandLibError(f"--modes graphs needs an NVIDIA GPU, not {device.type}: choose from eager, compile")
    at_least("width", 1, options.width)
    return Settings(
        network=NetworkSize(
            depth=experiments.get_depth(options.backbone), width=options.width, image_size=options.size
        ),
        stages=tuple(dict.fromkeys(options.stages)),
        modes=modes,
        batch_size=(64 if device.type == "cuda" else 8) if options.batch is None else options.batch,
    )


BENCHMARK = Benchmark(
    name="stages",
    what="Inference of multi-stage refinement by number of stages, batch size and mode.",
    add_arguments=add_arguments,
    settings=settings_from,
    measure=measure,
    table=table,
)

if __name__ == "__main__":
    sys.exit(BENCHMARK.main())
