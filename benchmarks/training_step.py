"""The training step of a row against that of the bare backbone with a linear head.

    python benchmarks/training_step.py [--rows multihead refine-hdr …] [--device cuda]

Both sides train on the same batch, in the same process and in turns, as :func:`hand_lib.training.loop.train` does it:
same engine, precision, memory order and optimiser. Beside them runs what makes a batch (gathering, cropping,
augmenting), and each row is told which part of its time that takes: in the training loop the two follow each other.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from common import Benchmark, Timing, as_json, at_least, interleaved, show_spread
from torch import Tensor, nn

from hand_lib import experiments, training
from hand_lib.errors import HandLibError
from hand_lib.models.counting import count
from hand_lib.models.network import HandPoseNet
from hand_lib.models.size import NetworkSize
from hand_lib.skeleton import NUM_JOINTS
from hand_lib.synthetic import render
from hand_lib.training import TrainingConfig

BARE = "bare backbone"
DATA = "data"
GOAL = 0.9  # of the bare backbone's pictures a second, on a GPU


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What is trained, and on what.

    Attributes:
        rows: names of the rows.
        profile: gives the scene, the augmentation and whatever is not named otherwise.
        network: size of every row's network, and of the bare backbone.
        batch_size: pictures a step.
        render_size: side of the pictures that the crops are cut from, in pixels.
        precision: as in :class:`hand_lib.training.config.TrainingConfig`.
        hands: rendered hands that the batches are drawn from.
    """

    rows: tuple[str, ...] = ("multihead",)
    profile: str
    network: NetworkSize
    batch_size: int
    render_size: int
    precision: str
    hands: int = 128

    def __post_init__(self) -> None:
        for row in self.rows:
            experiments.get_row(row)
        at_least("batch size", 2, self.batch_size)  # batch normalisation needs two
        at_least("hands", 1, self.hands)


def bare_network(backbone: nn.Module) -> HandPoseNet:
    """A backbone, its average, and one linear layer: the least that could regress a hand."""
    return HandPoseNet(
        backbone=backbone,
        representation=nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()),
        decoder=nn.Sequential(nn.Linear(backbone.channels, NUM_JOINTS * 3), nn.Unflatten(1, (NUM_JOINTS, 3))),
    )


@torch.no_grad()
def check_backbones(model: HandPoseNet, bare: HandPoseNet, images: Tensor) -> None:
    """Raise AssertionError unless both see the same in the pictures, and say something of the same shape."""
    model.eval(), bare.eval()
    X, X_bare = model.backbone(images), bare.backbone(images)
    torch.testing.assert_close(X, X_bare, rtol=0, atol=1e-3 * X_bare.abs().max().item())
    assert model.stages(images)[-1].shape == bare.stages(images)[-1].shape == (len(images), NUM_JOINTS, 3)


def training_step(
    model: HandPoseNet, images: Tensor, targets: Tensor, *, fabric: Any, config: TrainingConfig
) -> Callable[[], Tensor]:
    """One step of :func:`hand_lib.training.loop.train` on a batch that stays the same; gives each stage's loss."""
    network, stepper, _ = training.set_up(fabric, model, config)
    return lambda: training.training_step(fabric, network, stepper, images, targets)


def measure(settings: Settings, device: torch.device, timing: Timing) -> list[dict[str, Any]]:
    """A line for the bare backbone, one a row, and one for the data."""
    profile = experiments.get_profile(settings.profile)
    config = replace(
        profile.training_config(seed=0, precision=settings.precision),
        batch_size=settings.batch_size,
        image_size=settings.network.image_size,
    )
    hands = render(
        seed=experiments.DATA_SEED,
        split="training",
        indices=range(settings.hands),
        size=settings.render_size,
        scene=profile.scene,
        device=device,
    )
    batches = training.Batches(hands.pictures_to(device), config)
    images, targets = batches(0)
    fabric = training.make_fabric(device, config.precision)

    bare = training.build_seeded(lambda: bare_network(settings.network.backbone()), 0)
    models = {BARE: bare}
    for row in settings.rows:
        build = experiments.get_row(row).build
        models[row] = training.build_seeded(lambda build=build: build(settings.network), 0)
        models[row].load_backbone(bare.backbone.state_dict())
    for model in models.values():
        model.to(device, memory_format=torch.channels_last)
        check_backbones(model, bare, images[:2])
    macs = {name: count(model, config.image_size).macs for name, model in models.items()}
    steps = {
        name: training_step(model, images, targets, fabric=fabric, config=config) for name, model in models.items()
    }

    numbers = itertools.count(1)  # every batch is another one
    times = interleaved({**steps, DATA: lambda: batches(next(numbers))}, device=device, timing=timing)
    for name, step in steps.items():
        if not step().isfinite().all():
            raise HandLibError(f"{name}: the loss is not finite, so what was timed was no training")
    return [
        times.line(
            side,
            side=side,
            images_per_second=as_json(times.rate(side, settings.batch_size)),
            ratio_to_bare=as_json(times.ratio(side, BARE)),
            ratio_by_multiply_adds=None if side == DATA else macs[BARE] / macs[side],
            data_share=None if side == DATA else as_json(times.share(DATA, side)),
        )
        for side in [BARE, *settings.rows, DATA]
    ]


def table(lines: list[dict[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """Header and body."""
    header = ["row", "ratio to the bare backbone", "by multiply-adds alone", "share of the data", "pictures/s"]
    body = []
    for line in lines:
        cells = ["", "", ""]
        if line["side"] != DATA:
            cells = [show_spread(line["ratio_to_bare"]), f"{line['ratio_by_multiply_adds']:.2f}"]
            cells += [show_spread(line["data_share"])]
        body.append([line["side"], *cells, show_spread(line["images_per_second"])])
    return header, body


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its own arguments."""
    parser.add_argument("--rows", nargs="+", default=["multihead"], metavar="ROW", help="default: multihead")
    parser.add_argument("--profile", help="smoke, quick, long, full or paper (default: full on a GPU, else quick)")
    parser.add_argument("--backbone", help="resnet18 to resnet152 (default: the profile's, as all that follows)")
    parser.add_argument("--width", type=int, help="channels of the backbone's first block")
    parser.add_argument("--size", type=int, metavar="PX", help="side of the crops")
    parser.add_argument("--batch", type=int, metavar="N", help="pictures a step")
    parser.add_argument("--precision", choices=("32-true", "bf16-mixed"), help="default: what training would choose")
    parser.add_argument("--hands", type=int, default=128, metavar="N", help="rendered hands to draw from (128)")


def settings_from(options: argparse.Namespace, device: torch.device) -> Settings:
    """The profile's settings, with what was asked for otherwise."""
    profile = experiments.get_profile(options.profile or ("full" if device.type == "cuda" else "quick"))
    network = profile.network
    if options.backbone is not None:
        network = replace(network, depth=experiments.get_depth(options.backbone))
    if options.width is not None:
        at_least("width", 1, options.width)
        network = replace(network, width=options.width)
    if options.size is not None:
        network = replace(network, image_size=options.size)
    return Settings(
        rows=tuple(dict.fromkeys(options.rows)),
        profile=profile.name,
        network=network,
        batch_size=profile.batch_size if options.batch is None else options.batch,
        render_size=round(profile.render_size * network.image_size / profile.network.image_size),
        precision=options.precision or training.choose_precision(device),
        hands=options.hands,
    )


BENCHMARK = Benchmark(
    name="training_step",
    what="Training step of a row against the bare backbone with a linear head, on the same batch.",
    add_arguments=add_arguments,
    settings=settings_from,
    measure=measure,
    table=table,
    notes=(f"The goal for multihead, on a GPU: at least {GOAL} of the bare backbone's pictures a second.",),
)

if __name__ == "__main__":
    sys.exit(BENCHMARK.main())
