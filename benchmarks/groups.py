"""What joint groups cost: rows beside their bare backbone, and branches at once beside a loop over them.

    python benchmarks/groups.py [--device cuda]

One group, three, and three with fusion, on a ResNet and on the paper's hourglass; beside each stands the same backbone
with an average and one linear layer. A training step is :mod:`training_step`'s, on one random batch; latency is
:mod:`stages`' at batch 1, in float32.

A group's branch has weights of its own. All of them are computed as one network whose convolutions are in groups
(:mod:`hand_lib.models.groups.branches`); here that stands beside a network a group, one called after the other. Both
are first shown to give the same features and the same gradients.
"""

from __future__ import annotations

import argparse
import copy
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from common import Benchmark, Times, Timing, as_json, at_least, interleaved, mixed, show_spread
from stages import call
from torch import Tensor, nn
from training_step import bare_network, check_backbones, training_step

from hand_lib import experiments, training
from hand_lib.models.counting import count
from hand_lib.models.groups.branches import GroupBranches
from hand_lib.models.groups.composition import branch_width, hourglass
from hand_lib.models.groups.rows import GROUP_ROWS
from hand_lib.models.groups.selectors import check_groups
from hand_lib.models.size import NetworkSize
from hand_lib.skeleton import NUM_JOINTS

BACKBONES: dict[str, Callable[[NetworkSize], nn.Module]] = {"groups": NetworkSize.backbone, "hourglass": hourglass}
ROWS = ("k1", "k3", "k3-fused")
STEP, LATENCY = "training step", "latency"
AT_ONCE, LOOP = "at once", "loop"
FORWARD, BACKWARD = "forward", "forward and backward"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What runs, and how.

    Attributes:
        profile: says how rows are trained.
        network: size of every row's network.
        batch_size: pictures a training step, and features that the branches read at once.
        groups: numbers of groups whose branches are measured by themselves.
        precision: "bf16-mixed" or "32-true", of training steps and branches; the sides are compared in float32.
    """

    profile: str
    network: NetworkSize
    batch_size: int
    groups: tuple[int, ...] = (3, 21)
    precision: str = "32-true"

    def __post_init__(self) -> None:
        at_least("batch size", 2, self.batch_size)  # batch normalisation needs two
        for groups in self.groups:
            check_groups(groups)


# --- Rows beside their backbone --------------------------------------------------------------------------------------


def measure_rows(name: str, settings: Settings, device: torch.device, timing: Timing) -> list[dict[str, Any]]:
    """A line a network and work; ``name`` is what the rows' names begin with."""
    size, bare = settings.network, f"bare {name.replace('groups', 'ResNet')}"
    images, targets = random_batch(settings, device)
    rows = {f"{name}-{short}": GROUP_ROWS[f"{name}-{short}"] for short in ROWS}
    recipes = {row.name: row.recipe for row in rows.values()}
    models = {bare: training.build_seeded(lambda: bare_network(BACKBONES[name](size)), 0)}
    for row in rows.values():
        models[row.name] = training.build_seeded(lambda row=row: row.build(size), 0)
        models[row.name].load_backbone(models[bare].backbone.state_dict())
    for model in models.values():
        model.to(device, memory_format=torch.channels_last)
        check_backbones(model, models[bare], images[:2])  # leaves them in evaluation mode
    macs = {side: count(model, size.image_size).macs for side, model in models.items()}

    latency = {side: call(model, images[:1], wait=True) for side, model in models.items()}
    times = {(LATENCY, 1): interleaved(latency, device=device, timing=timing)}
    fabric = training.make_fabric(device, settings.precision)
    profile, steps = experiments.get_profile(settings.profile), {}
    for side, model in models.items():
        asked = {"recipe": recipes[side]} if side in recipes else {}
        config = replace(
            profile.training_config(seed=0, precision=settings.precision, **asked),
            batch_size=settings.batch_size,
            image_size=size.image_size,
            precision=settings.precision,
        )
        steps[side] = training_step(model, images, targets, fabric=fabric, config=config)
    times[STEP, settings.batch_size] = interleaved(steps, device=device, timing=timing)
    return [
        line(measured, side, bare, batch=batch, work=work, ratio_by_multiply_adds=macs[bare] / macs[side])
        for (work, batch), measured in times.items()
        for side in models
    ]


def random_batch(settings: Settings, device: torch.device) -> tuple[Tensor, Tensor]:
    """Pictures and targets."""
    generator, side = torch.Generator().manual_seed(0), settings.network.image_size
    images = torch.rand(settings.batch_size, 3, side, side, generator=generator)
    targets = torch.rand(settings.batch_size, NUM_JOINTS, 3, generator=generator)
    return images.to(device, memory_format=torch.channels_last), targets.to(device)


# --- Branches at once beside a loop over them ------------------------------------------------------------------------


class BranchLoop(nn.Module):
    """A network a group with the weights of its part of ``branches``, group after group."""

    def __init__(self, branches: GroupBranches, *, channels: int, width: int) -> None:
        super().__init__()
        K = branches.groups
        self.alone = nn.ModuleList(GroupBranches(channels=channels, width=width, groups=1) for _ in range(K))
        for k, alone in enumerate(self.alone):
            # The first dimension is the groups'; the normalisations' count of batches has none.
            own = {name: t.chunk(K)[k] if t.dim() else t for name, t in branches.state_dict().items()}
            alone.load_state_dict(own)

    def forward(self, features: Tensor) -> Tensor:
        """``(B, channels, h, w)`` to ``(B, K·C, h, w)``."""
        return torch.cat([alone(features) for alone in self.alone], dim=1)


def gradients(branches: nn.Module, features: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Forward and backward: what is said, and the gradients of its squares' sum for the features and all weights."""
    said = branches(features)
    return said, torch.autograd.grad(said, [features, *branches.parameters()], 2 * said.detach())


def check_equal(branches: GroupBranches, loop: BranchLoop, features: Tensor) -> None:
    """Raise AssertionError unless both give the same features and the same gradients.

    In double precision: the gradient of a bias before a normalisation is zero, and in single precision nothing but
    rounding, which differs between the two.
    """
    branches, loop = (copy.deepcopy(module).double() for module in (branches, loop))
    features = features.detach().double().requires_grad_()
    (said, (of_features, *of_weights)) = gradients(branches, features)
    (said_loop, (of_features_loop, *of_weights_loop)) = gradients(loop, features)
    of_weights_loop = [torch.cat(of_weights_loop[i :: len(of_weights)]) for i in range(len(of_weights))]
    for ours, theirs in zip(
        [said, of_features, *of_weights], [said_loop, of_features_loop, *of_weights_loop], strict=True
    ):
        torch.testing.assert_close(theirs, ours, rtol=1e-9, atol=1e-9)


def measure_branches(groups: int, settings: Settings, device: torch.device, timing: Timing) -> list[dict[str, Any]]:
    """A line a side and work."""
    width = branch_width(settings.network)
    branches = training.build_seeded(lambda: GroupBranches(channels=width, width=width, groups=groups), 0)
    loop = BranchLoop(branches, channels=width, width=width)
    h, w = settings.network.map_grid(4).cells
    features = torch.rand(settings.batch_size, width, h, w, generator=torch.Generator().manual_seed(0))
    features = features.to(device, memory_format=torch.channels_last).requires_grad_()
    named = {f"{groups} branches, {LOOP}": loop, f"{groups} branches, {AT_ONCE}": branches}
    for module in named.values():
        module.to(device, memory_format=torch.channels_last).train()
    check_equal(branches, loop, features)
    lines = []
    for work, compute in ((FORWARD, forward), (BACKWARD, gradients)):
        sides = {side: mixed(compute, module, features, settings.precision) for side, module in named.items()}
        times = interleaved(sides, device=device, timing=timing)
        lines += [
            line(times, side, next(iter(named)), batch=settings.batch_size, work=work, ratio_by_multiply_adds=1.0)
            for side in named
        ]
    return lines


@torch.no_grad()
def forward(branches: nn.Module, features: Tensor) -> Tensor:
    """What is said alone."""
    return branches(features)


# --- The benchmark ---------------------------------------------------------------------------------------------------


def line(times: Times, side: str, reference: str, **labels: Any) -> dict[str, Any]:
    """A side as the record keeps it."""
    return times.line(side, side=side, reference=reference, **labels, ratio=as_json(times.ratio(side, reference)))


def measure(settings: Settings, device: torch.device, timing: Timing) -> list[dict[str, Any]]:
    """The rows on either backbone, then the branches."""
    lines = [entry for name in BACKBONES for entry in measure_rows(name, settings, device, timing)]
    return lines + [entry for groups in settings.groups for entry in measure_branches(groups, settings, device, timing)]


def table(lines: list[dict[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """Header and body."""
    header = ["", "", "batch", "times as fast as", "", "by multiply-adds alone", "ms"]
    body = [
        [
            entry["side"],
            entry["work"],
            str(entry["batch"]),
            entry["reference"],
            show_spread(entry["ratio"]),
            f"{entry['ratio_by_multiply_adds']:.2f}",
            show_spread(entry["milliseconds"]),
        ]
        for entry in lines
    ]
    return header, body


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its own arguments."""
    parser.add_argument("--profile", help="smoke, quick, long, full or paper (default: full on a GPU, else quick)")
    parser.add_argument("--batch", type=int, metavar="N", help="pictures a step (default: the profile's)")
    parser.add_argument("--groups", type=int, nargs="+", default=[3, 21], metavar="K", help="of branches (3 21)")
    parser.add_argument("--precision", choices=("32-true", "bf16-mixed"), help="default: what training would choose")


def settings_from(options: argparse.Namespace, device: torch.device) -> Settings:
    """The profile's settings, with what was asked for otherwise."""
    profile = experiments.get_profile(options.profile or ("full" if device.type == "cuda" else "quick"))
    return Settings(
        profile=profile.name,
        network=profile.network,
        batch_size=profile.batch_size if options.batch is None else options.batch,
        groups=tuple(dict.fromkeys(options.groups)),
        precision=options.precision or training.choose_precision(device),
    )


BENCHMARK = Benchmark(
    name="groups",
    what="Joint groups beside their bare backbone, and their branches at once beside a loop over them.",
    add_arguments=add_arguments,
    settings=settings_from,
    measure=measure,
    table=table,
)

if __name__ == "__main__":
    sys.exit(BENCHMARK.main())
