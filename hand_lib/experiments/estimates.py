"""How long a training should take, said before it starts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import torch
from torch import nn

from hand_lib import cache, training
from hand_lib.errors import HandLibError
from hand_lib.experiments.planning import RECORD_FILE, Plan, plan
from hand_lib.experiments.profiles import PROFILES, Profile
from hand_lib.experiments.provenance import device_name
from hand_lib.experiments.recording import read_run, records
from hand_lib.experiments.starts import StartPlan
from hand_lib.models.rows import Row
from hand_lib.samples import Samples
from hand_lib.training import JOINTS, Objective, TrainingConfig


def estimate(
    row: str | Row,
    profile: str | Profile = "quick",
    device: str | None = None,
    *,
    seeds: Sequence[int] = (0,),
    backbone: str | None = None,
) -> str:
    """How long training should take and on what, for example "about 50 s on this CPU (AMD EPYC, 1 thread)".

    Where the backbone that the row starts from has still to be trained, its time is said beside.

    Runs that are in the cache take no time and are named as such. The time of a training is taken from the quickest
    finished run of the same row, profile and backbone on a like device, else from a few measured steps.

    Raises:
        HandLibError: an unknown row, profile, device or backbone.
    """
    plans = [plan(row, profile=profile, device=device, backbone=backbone, seed=seed) for seed in seeds]
    said = expected_time(plans, device)
    if plans and plans[0].lacks_start:
        before = time_of_start(plans[0].pretraining, training.choose_device(device))
        said += f"; before it, for what it starts from, {before}"
    return said


def time_of_start(planned: StartPlan, device: torch.device) -> str:
    """How long the training of a start should take, in the words of :func:`estimate`, from a few measured steps."""
    config, objective = planned.config(training.choose_precision(device)), planned.lesson.objective
    seconds = measured_seconds(planned.build(), config, planned.pretraining.render_size, device, objective=objective)
    return _about(seconds, device)


def _about(seconds: float, device: torch.device) -> str:
    kind = {"cpu": "this CPU", "cuda": "this GPU", "mps": "this GPU"}[device.type]
    return f"about {say_duration(seconds)} on {kind} ({device_name(device)})"


def expected_time(plans: Sequence[Plan], device: str | None) -> str:
    """The words of :func:`estimate` for plans that differ in their seeds alone."""
    left = [planned for planned in plans if not cache.exists(planned.folder / RECORD_FILE)]
    if not left:
        return "no time, found in the cache"
    where = training.choose_device(device)
    name = device_name(where)
    seconds = _recorded_seconds(left[0], name) or _measured(left[0], where)
    said = _about(seconds * len(left), where)
    if len(plans) == 1:
        return said
    if len(left) == len(plans):
        return f"{said}, for {len(left)} seeds"
    return f"{said}, for {len(left)} of {len(plans)} seeds; the rest is in the cache"


def say_duration(seconds: float) -> str:
    """A duration for people: "8 s", "50 s", "3 min", "2.5 h"."""
    if seconds < 90:
        return f"{max(1, round(seconds) if seconds < 20 else round(seconds, -1)):.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def recorded_time(row: str, recorded: Iterable[Mapping[str, Any]]) -> tuple[float, str] | None:
    """How long one training of a row took where no GPU was used, and on what; None where no such run is recorded.

    Args:
        row: its name.
        recorded: records of one profile and one network.

    Returns:
        The least in seconds over the runs on the device that has most of them, since whatever else a machine does only
        makes it slower; and that device's name.
    """
    seconds: dict[str, list[float]] = {}
    for record in recorded:
        if record["row"] == row and record["processes"] == 1 and "thread" in record["device"]:
            seconds.setdefault(record["device"], []).append(record["seconds"])
    if not seconds:
        return None
    device = max(seconds, key=lambda name: len(seconds[name]))
    return min(seconds[device]), device


def _recorded_seconds(planned: Plan, device: str) -> float | None:
    known = []
    with suppress(HandLibError):  # an estimate leaves out what it cannot read; who needs it will complain
        known += records(planned.profile.name) if planned.profile.name in PROFILES else []
    for path in (cache.cache_dir() / "runs" / planned.profile.name).glob(f"{planned.row.name}-*/{RECORD_FILE}"):
        with suppress(HandLibError):
            known.append(read_run(path))
    like = [
        record["seconds"] / record["steps"]
        for record in known
        if record["row"] == planned.row.name
        and record["device"] == device
        and record["processes"] == 1
        and record["decides"]["network"] == planned.decides["network"]
        and record["decides"]["training"]["batch_size"] == planned.config.batch_size
    ]
    return min(like) * planned.config.steps if like else None


def _measured(planned: Plan, device: torch.device) -> float:
    size = planned.profile.render_size if planned.real is None else planned.real.size
    return measured_seconds(planned.build(), planned.config, size, device)


def measured_seconds(
    model: nn.Module,
    config: TrainingConfig,
    render_size: int,
    device: torch.device,
    *,
    objective: Objective = JOINTS,
    steps: int = 4,
) -> float:
    """The time of a training, from a few steps on noise, warmed up by one.

    Args:
        model: trained in passing.
        config: how.
        render_size: side of the pictures, in pixels.
        device: where.
        objective: what for.
        steps: how many are timed.
    """
    size, batch = render_size, config.batch_size
    corner = torch.tensor([0.0, 0.0, size - 1, size - 1])
    xyz = torch.rand(batch, 21, 3) * 100 + torch.tensor([-50.0, -50.0, 500.0])
    K = torch.tensor([[2.0 * size, 0, size / 2], [0, 2.0 * size, size / 2], [0, 0, 1]])
    noise = Samples(
        images=torch.randint(0, 256, (batch, 3, size, size), dtype=torch.uint8),
        uv=torch.zeros(batch, 21, 2),
        xyz=xyz,
        visible=torch.ones(batch, 21, dtype=torch.bool),
        K=K.expand(batch, 3, 3).contiguous(),
        right=torch.ones(batch, dtype=torch.bool),
        box=corner.expand(batch, 4).contiguous(),
        mask=torch.randint(0, 34, (batch, size, size), dtype=torch.uint8),
        depth=torch.full((batch, size, size), 500.0),
    )
    batches = training.Batches(noise.pictures_to(device), config, objective)
    fabric = training.make_fabric(device, config.precision)
    network, stepper, _ = training.set_up(fabric, model, config)
    began = 0.0
    for step in range(steps + 1):
        if step == 1:
            began = training.now(device)
        training.training_step(fabric, network, stepper, *batches(step), objective)
    return (training.now(device) - began) / steps * config.steps
