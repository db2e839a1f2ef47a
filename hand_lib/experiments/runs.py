"""Runs: a row trained once with a seed in a profile, kept, and measured on held-out hands.

One way, each station entered once: plan → train → measure → record.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from hand_lib import cache, training
from hand_lib.errors import HandLibError, Stopped
from hand_lib.evaluation import predict
from hand_lib.experiments.estimates import expected_time
from hand_lib.experiments.measuring import constant_prediction, measure
from hand_lib.experiments.planning import EVALUATION_FILE, MODEL_FILE, RECORD_FILE, Plan, evaluation_hash, plan
from hand_lib.experiments.profiles import Profile, datasets
from hand_lib.experiments.recording import make_record, read_run
from hand_lib.experiments.schema import RunRecord, seal, validate
from hand_lib.experiments.weights_files import WEIGHTS_KIND, about
from hand_lib.metrics import joint_errors
from hand_lib.models.rows import Row
from hand_lib.skeleton import NUM_JOINTS

if TYPE_CHECKING:
    from lightning.fabric import Fabric


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
        model = self.plan.build()
        with _or_delete(self.folder):
            _check_weights(self.folder, self.record)
            path = self.folder / MODEL_FILE
            tensors, _ = cache.read_tensors(path)
            cache.expect_tensors(path, tensors, model.state_dict())
        model.load_state_dict(tensors)
        return model.to(device, memory_format=torch.channels_last).eval()

    @cached_property
    def _evaluation(self) -> dict[str, Tensor]:
        path = self.folder / EVALUATION_FILE
        with _or_delete(self.folder):
            tensors, metadata = cache.read_tensors(path)
            if metadata != _about_evaluation(self.record):
                raise cache.Damaged(f"{path} is not the file its record tells of")
            count = self.record["evaluation_images"]
            hands, seen = torch.empty(count, NUM_JOINTS, 3), torch.empty(count, NUM_JOINTS, dtype=torch.bool)
            cache.expect_tensors(path, tensors, {"xyz": hands, "true_xyz": hands, "visible": seen})
        return tensors

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
        return joint_errors(self.predictions, self.truth)

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
        Stopped: Ctrl-C or another signal, after the checkpoint was saved; the same call goes on from there.
    """
    planned = plan(row, profile=profile, seed=seed, device=device, backbone=backbone, imagenet=imagenet)
    ours = training.processes()
    if ours.rank > 0:  # the first process keeps the lock for all
        return _run_together(planned, device, deadline)
    if ours.world == 1 and (found := _finished(planned)):
        return found
    with cache.lock(planned.folder, waiting_for=planned.title, wait=wait or ours.world > 1):
        cache.remove_leftovers(planned.folder)
        if ours.world > 1:
            return _run_together(planned, device, deadline, progress=progress)
        return _find_and_tidy(planned) or _run_alone(planned, device, deadline, progress=progress)


def _run_alone(planned: Plan, device: str | None, deadline: float | None, *, progress: bool) -> Run:
    datasets(planned.profile)  # rendered first: the estimate is of the training
    if progress:
        print(f"{planned.title}: {expected_time([planned], device)}", file=sys.stderr, flush=True)
    fabric = training.make_fabric(training.choose_device(device), planned.config.precision)
    return _make(planned, fabric, deadline, progress=progress)


def _run_together(planned: Plan, device: str | None, deadline: float | None, *, progress: bool = False) -> Run:
    """As one of several processes: the first one looks, renders, measures and records; all of them train and read."""
    fabric = training.make_fabric(training.choose_device(device), planned.config.precision)
    first = fabric.global_rank == 0
    found = _find_and_tidy(planned) if first else None
    if not fabric.broadcast(found is not None):
        if first:
            datasets(planned.profile)  # rendered by one, read by all
        fabric.barrier()
        found = _make(planned, fabric, deadline, progress=progress)
    fabric.barrier()
    return found or _read(planned)


def _make(planned: Plan, fabric: Fabric, deadline: float | None, *, progress: bool) -> Run | None:
    """Train, measure, record; the run on the first process, None on the others."""
    model, done = _train(planned, fabric, deadline, progress=progress)
    if fabric.global_rank > 0:
        return None
    sha256 = cache.sha256(planned.folder / MODEL_FILE)
    measured = _measure(planned, model, fabric.device, sha256)
    return _record(planned, make_record(planned, done, fabric.device, fabric.world_size, measured, sha256))


# ------------------------------------------------------------------------------------------------ what is there already


def find(planned: Plan) -> Run | None:
    """The finished run, if the cache has it; measured again if the measuring code has changed.

    Raises:
        HandLibError: a file of it is damaged, or is not this run's: one line that names it, and what to delete.
    """
    found = _read(planned)
    if found is None or found.record["evaluation_source"] == evaluation_hash():
        return found
    sha256 = found.record["checkpoint_sha256"]
    return _record(planned, {**found.record, **_measure(planned, found.model(), torch.device("cpu"), sha256)})


def _finished(planned: Plan) -> Run | None:
    """The run if there is nothing left to do about it. It is only read, also from a cache that cannot be written."""
    found = _read(planned)
    if found is None or found.record["evaluation_source"] != evaluation_hash():
        return None
    untidy = (planned.folder / training.CHECKPOINT_FILE).exists() or any(cache.leftovers(planned.folder))
    return None if untidy and os.access(planned.folder, os.W_OK) else found


def _find_and_tidy(planned: Plan) -> Run | None:
    """As :func:`find`; what a process left that was killed after it had recorded is deleted. Hold the folder's lock."""
    found = find(planned)
    if found:
        _remove_checkpoint(planned)
    return found


def _read(planned: Plan) -> Run | None:
    """The run as it is kept, believed only if its record is sound and this plan's, and its weights are the record's."""
    path = planned.folder / RECORD_FILE
    with cache.readable_errors(path, "read"):
        if not path.exists():
            return None
    with _or_delete(planned.folder):
        record = read_run(path)
        if (record["key"], record["decides"]) != (planned.key, planned.decides):
            raise HandLibError(f"{path} is the record of another run")
        _check_weights(planned.folder, record)
    return Run(planned.folder, record, planned)


def _check_weights(folder: Path, record: dict[str, Any]) -> None:
    if cache.sha256(folder / MODEL_FILE) != record["checkpoint_sha256"]:
        raise HandLibError(f"{folder / MODEL_FILE} is not the file its record tells of")


@contextmanager
def _or_delete(folder: Path) -> Iterator[None]:
    """Say of what is wrong with a finished run how to have it anew. Hours of training are not deleted unasked."""
    try:
        yield
    except HandLibError as error:
        raise HandLibError(f"{error}; delete {folder} to train again") from error


# --------------------------------------------------------------------------------------------------------------- train


def _train(
    planned: Plan, fabric: Fabric, deadline: float | None, *, progress: bool
) -> tuple[nn.Module, training.Progress]:
    """The trained network, its weights kept, and how its training went."""
    training_set, evaluation_set = datasets(planned.profile)
    config = planned.config
    few = evaluation_set[: config.validation_images]

    def validate(model: nn.Module) -> float:
        return predict(model, few, image_size=config.image_size, device=fabric.device).errors.mean().item()

    model = planned.start()
    done = training.train(
        model,
        training_set,
        config=config,
        folder=planned.folder,
        validate=validate,
        key=planned.key,
        about=about(planned),
        title=planned.name,
        fabric=fabric,
        deadline=deadline,
        progress_bar=progress,
    )
    if not done.finished:
        where = f"{planned.title}: stopped at step {done.step} of {config.steps}; the same command goes on from there"
        raise Unfinished(where) if done.stopped_by == "budget" else Stopped(where, signal.Signals[done.stopped_by])
    if fabric.global_rank == 0:
        weights = {**about(planned), "kind": WEIGHTS_KIND, "key": planned.key}
        cache.write_tensors(planned.folder / MODEL_FILE, model.state_dict(), weights)
    return model, done


# --------------------------------------------------------------------------------------------------- measure and record


def _measure(planned: Plan, model: nn.Module, device: torch.device, weights_sha256: str) -> dict[str, Any]:
    """Measure a trained model on the evaluation set; keeps the predictions, returns the record's part."""
    result = measure(planned.profile, model, image_size=planned.network.image_size, device=device)
    measured = {
        "metrics": result.metrics,
        "constant_prediction": constant_prediction(planned.profile),
        "evaluation_source": evaluation_hash(),
    }
    about_it = _about_evaluation({**measured, "key": planned.key, "checkpoint_sha256": weights_sha256})
    kept = {"xyz": result.xyz, "true_xyz": result.true_xyz, "visible": result.visible}
    cache.write_tensors(planned.folder / EVALUATION_FILE, kept, about_it)
    return measured


def _about_evaluation(record: dict[str, Any]) -> dict[str, str]:
    """What the file of predictions says of itself: of which run and weights, and measured by which code."""
    return {name: record[name] for name in ("key", "checkpoint_sha256", "evaluation_source")}


def _record(planned: Plan, record: dict[str, Any]) -> Run:
    """Write the record, last of all: a run without one is not finished."""
    record = validate(seal(record), RunRecord)
    cache.write_json(planned.folder / RECORD_FILE, record)
    _remove_checkpoint(planned)
    return Run(planned.folder, record, planned)


def _remove_checkpoint(planned: Plan) -> None:
    path = planned.folder / training.CHECKPOINT_FILE
    with cache.readable_errors(path, "delete"):
        path.unlink(missing_ok=True)


def stop_time(budget: float | None) -> float | None:
    """The ``deadline`` of :func:`run` for a budget of so many seconds from now."""
    return None if budget is None else time.monotonic() + budget
