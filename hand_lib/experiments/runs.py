"""Runs: a row trained once with a seed in a profile, kept, and measured on held-out hands."""

from __future__ import annotations

import functools
import json
import os
import sys
import time
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from hand_lib import cache, training
from hand_lib.datasets.synthetic import load_synthetic
from hand_lib.errors import HandLibError
from hand_lib.experiments.estimates import estimate
from hand_lib.experiments.planning import Plan, evaluation_hash, plan
from hand_lib.experiments.profiles import DATA_SEED, Profile, datasets, get_profile, get_row, load_once
from hand_lib.experiments.recording import make_record
from hand_lib.metrics import summarise
from hand_lib.models.rows import NetworkSize, Row
from hand_lib.training import predict


@dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes:
        folder: where it is kept: ``record.json``, ``model.safetensors``, ``evaluation.safetensors``.
        record: what came out, how and on what; plain JSON (see :func:`~hand_lib.experiments.recording.make_record`).
        plan: what decided it.
    """

    folder: Path
    record: dict[str, Any]
    plan: Plan

    def model(self, device: str | torch.device = "cpu") -> nn.Module:
        """The trained network, in evaluation mode.

        Raises:
            HandLibError: its file is missing, damaged, or not the one the record tells of.
        """
        path = self.folder / "model.safetensors"
        tensors, _ = cache.read_tensors(path)
        if cache.sha256(path) != self.record["checkpoint_sha256"]:
            raise HandLibError(f"{path} is not the file its record tells of; delete {self.folder} to train again")
        model = self.plan.build()
        model.load_state_dict(tensors)
        return model.to(device, memory_format=torch.channels_last).eval()

    @cached_property
    def _evaluation(self) -> dict[str, Tensor]:
        return cache.read_tensors(self.folder / "evaluation.safetensors")[0]

    @property
    def predictions(self) -> Tensor:
        """``(N, 21, 3)`` float32 millimetres: each evaluation hand, mirrored to a right one, as predicted."""
        return self._evaluation["xyz"]

    @property
    def truth(self) -> Tensor:
        """``(N, 21, 3)`` float32 millimetres: the evaluation hands, mirrored to right ones."""
        return self._evaluation["true_xyz"]

    @property
    def visible(self) -> Tensor:
        """``(N, 21)`` bool."""
        return self._evaluation["visible"]

    @cached_property
    def errors(self) -> Tensor:
        """``(N, 21)`` millimetres: each evaluation image's error, joint by joint."""
        return training.joint_errors(self.predictions, self.truth)

    @property
    def curve(self) -> list[dict[str, float]]:
        """One dict a validation: ``step``, ``loss``, ``epe`` (mm, on a part of the evaluation set), ``seconds``."""
        return self.record["curve"]


class Unfinished(Exception):
    """The training stopped before its end, with a checkpoint, because its time was used up."""


def run(
    row: str | Row,
    *,
    profile: str | Profile = "quick",
    seed: int = 0,
    device: str | None = None,
    progress: bool = True,
    backbone: str | None = None,
    imagenet: bool = False,
    deadline: float | None = None,
    wait: bool = True,
) -> Run:
    """The run of a row: from the cache, or trained now. Two processes that ask for the same run train it once.

    Args:
        row: name of the row, see ``ROWS`` in :mod:`hand_lib.models.rows`; or a row that is in no table, such as
            :func:`~hand_lib.models.rows.multi_head_row` makes.
        profile: "smoke", "quick", "long", "full" or "paper".
        seed: of the weights, the order of the data and the augmentation.
        device: "cpu", "cuda", …; None takes the GPU if there is one.
        progress: say what is done, how long it should take, and show the steps, on stderr.
        backbone: "resnet18" to "resnet152" instead of the profile's own.
        imagenet: start the backbone from ImageNet's weights.
        deadline: ``time.monotonic()`` after which to stop with a checkpoint.
        wait: wait for another process that is training the same run. Those that ``torchrun`` has started always wait:
            they train one run together and must not part ways.

    Raises:
        HandLibError: an unknown name; a damaged file; a loss that is not finite; a disk that is full.
        Busy: another process is training this run, and ``wait`` is false.
        Unfinished: the deadline came first.
        KeyboardInterrupt: Ctrl-C, after the checkpoint was saved; the same call goes on from there.
    """
    planned = plan(row, profile=profile, seed=seed, device=device, backbone=backbone, imagenet=imagenet)
    if int(os.environ.get("RANK", "0")) > 0:  # under torchrun the first process keeps the lock for all
        return _run(planned, device, progress, deadline)
    with cache.lock(planned.folder, waiting_for=planned.title, wait=wait or _together()):
        cache.remove_leftovers(planned.folder)
        return _run(planned, device, progress, deadline)


def _together() -> bool:
    """Whether this process is one of several that ``torchrun`` has started."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


def _run(planned: Plan, device: str | None, progress: bool, deadline: float | None) -> Run:
    fabric = None
    if _together():  # joined before anything is looked up, so that all see the same
        fabric = training.make_fabric(training.choose_device(device), planned.config.precision)
    found = find(planned) if fabric is None or fabric.global_rank == 0 else None
    if fabric is not None:
        if not fabric.broadcast(found is not None):
            if fabric.global_rank == 0:
                datasets(planned.profile)  # rendered by one, read by all
            fabric.barrier()
            _train(planned, fabric, progress and fabric.global_rank == 0, deadline)
        fabric.barrier()
        return found or _load_run(planned)
    if found is None:
        datasets(planned.profile)  # rendered first: the estimate is of the training
        if progress:
            expected = estimate(planned.row, planned.profile, device, backbone=planned.backbone)
            print(f"{planned.title}: {expected}", file=sys.stderr, flush=True)
        fabric = training.make_fabric(training.choose_device(device), planned.config.precision)
        _train(planned, fabric, progress, deadline)
        found = _load_run(planned)
    return found


def find(planned: Plan) -> Run | None:
    """The finished run, if the cache has it; measured again if the measuring code has changed."""
    if not (planned.folder / "record.json").exists():
        return None
    found = _load_run(planned)
    if found.record["evaluation_source"] != evaluation_hash():
        measured = _measure(planned, found.model(), found.folder, torch.device("cpu"))
        record = {**found.record, **measured}
        cache.write_json(found.folder / "record.json", record)
        found = Run(found.folder, record, planned)
    return found


def _load_run(planned: Plan) -> Run:
    record = cache.read_json(planned.folder / "record.json")
    if not isinstance(record, dict) or record.get("key") != planned.key:
        raise HandLibError(f"{planned.folder / 'record.json'} is no record of this run; delete {planned.folder}")
    return Run(planned.folder, record, planned)


def _train(planned: Plan, fabric: Any, progress: bool, deadline: float | None) -> None:
    training_set, evaluation_set = datasets(planned.profile)
    model = planned.start()
    about = {
        "row": planned.row.name,
        "profile": planned.profile.name,
        "seed": str(planned.config.seed),
        "network": json.dumps(asdict(planned.network)),
    }
    done = training.train(
        model,
        training_set,
        evaluation_set,
        config=planned.config,
        folder=planned.folder,
        key=planned.key,
        about=about,
        title=planned.name,
        fabric=fabric,
        deadline=deadline,
        progress_bar=progress,
    )
    if not done.finished:
        step = f"step {done.step} of {planned.config.steps}"
        where = f"{planned.title}: stopped at {step}; the same command goes on from there"
        raise KeyboardInterrupt(where) if done.stopped_by == "Ctrl-C" else Unfinished(where)
    if fabric.global_rank > 0:
        return
    folder = planned.folder
    cache.write_tensors(
        folder / "model.safetensors", model.state_dict(), {**about, "kind": "weights", "key": planned.key}
    )
    measured = _measure(planned, model, folder, fabric.device)
    record = make_record(
        planned, done, fabric.device, fabric.world_size, measured, cache.sha256(folder / "model.safetensors")
    )
    cache.write_json(folder / "record.json", record)  # last: a run without a record is not finished
    (folder / "checkpoint.safetensors").unlink(missing_ok=True)


def _measure(planned: Plan, model: nn.Module, folder: Path, device: torch.device) -> dict[str, Any]:
    """Measure a trained model on the evaluation set; keeps the predictions, returns the record's part."""
    _, evaluation_set = datasets(planned.profile)
    size = planned.network.image_size
    result = predict(model.eval(), evaluation_set, image_size=size, device=device)
    cache.write_tensors(
        folder / "evaluation.safetensors",
        {"xyz": result.xyz, "true_xyz": result.true_xyz, "visible": result.visible},
    )
    return {
        "metrics": summarise(result.xyz, result.true_xyz, result.visible),
        "constant_prediction": constant_prediction(planned.profile),
        "evaluation_source": evaluation_hash(),
    }


@functools.lru_cache(maxsize=8)
def constant_prediction(profile: Profile) -> dict[str, Any]:
    """The metrics of one who does not look: the mean training target, for every evaluation image."""
    shared = {"size": profile.render_size, "scene": profile.scene, "seed": DATA_SEED}
    evaluation_set = load_once(split="evaluation", count=profile.evaluation_count, **shared)
    config = profile.training_config(seed=0, precision="32-true")
    few = min(profile.training_count, 2048)
    constant = training.mean_targets(load_synthetic(split="training", count=few, **shared), config)
    result = predict(
        lambda images: constant.expand(len(images), -1, -1), evaluation_set, image_size=config.image_size, device="cpu"
    )
    return summarise(result.xyz, result.true_xyz, result.visible)


def evaluate_checkpoint(path: Path, *, profile: str | None = None, device: str | None = None) -> dict[str, Any]:
    """Measure a weights file or a training checkpoint that this package wrote.

    Args:
        path: ``model.safetensors`` or ``checkpoint.safetensors``.
        profile: whose evaluation set to use; None takes the one it was trained in.
        device: where to compute.

    Returns:
        ``row``, ``profile``, ``seed``, ``backbone``, ``step`` (None for finished weights), ``metrics``,
        ``constant_prediction``.

    Raises:
        HandLibError: no such file; damaged; a file that tells of no row of this package; weights that do not fit.
    """
    tensors, metadata = cache.read_tensors(path)
    try:
        row, network = get_row(metadata["row"]), NetworkSize(**json.loads(metadata["network"]))
        profile_ = get_profile(profile or metadata["profile"])
        seed = int(metadata["seed"])
    except (KeyError, TypeError, ValueError) as error:
        raise HandLibError(
            f"{path} is not a checkpoint of this package: its metadata name no row and network"
        ) from error
    step = None
    if metadata.get("kind") == training.CHECKPOINT_KIND:
        step = json.loads(metadata["progress"])["step"]
        tensors = {name[len("model.") :]: value for name, value in tensors.items() if name.startswith("model.")}
    model = row.build(network)
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        raise HandLibError(f"{path} does not fit the row {row.name}: {str(error).splitlines()[1].strip()}") from error
    where = training.choose_device(device)
    _, evaluation_set = datasets(profile_)
    result = predict(
        model.to(where, memory_format=torch.channels_last).eval(),
        evaluation_set,
        image_size=network.image_size,
        device=where,
    )
    return {
        "row": row.name,
        "profile": profile_.name,
        "seed": seed,
        "backbone": f"resnet{network.depth}",
        "step": step,
        "metrics": summarise(result.xyz, result.true_xyz, result.visible),
        "constant_prediction": constant_prediction(profile_),
    }


def stop_time(budget: float | None) -> float | None:
    """The ``deadline`` of :func:`run` for a budget of so many seconds from now."""
    return None if budget is None else time.monotonic() + budget
