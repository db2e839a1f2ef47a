"""The training of a start: a backbone has its lesson, is measured on held-out hands, and kept."""

from __future__ import annotations

import json
import os
import signal
import sys
from dataclasses import asdict
from pathlib import Path

import torch

from hand_lib import cache, training
from hand_lib.datasets.synthetic import load_synthetic
from hand_lib.errors import HandLibError, Stopped
from hand_lib.experiments.estimates import time_of_start
from hand_lib.experiments.fitting import check_finished
from hand_lib.experiments.provenance import device_name, library_versions
from hand_lib.experiments.recording import recorded
from hand_lib.experiments.schema import seal, validate
from hand_lib.experiments.start_records import START_FORMAT, RecordedStart, StartRecord
from hand_lib.experiments.starts import (
    RECORD_FILE,
    START_KIND,
    WEIGHTS_FILE,
    Start,
    StartPlan,
    backbone_weights,
    find_kept,
    find_shipped,
    halved,
    widened,
)
from hand_lib.samples import Samples

GUESS_FROM = 2048  # training hands that the constant guess is made from, at most


def pretrain(
    planned: StartPlan,
    *,
    device: str | None = None,
    deadline: float | None = None,
    progress: bool = True,
) -> Start:
    """The start: from the cache, or trained now. Two processes that ask for the same start train it once.

    Args:
        planned: which.
        device: "cpu", "cuda", …; None takes the GPU if there is one.
        deadline: ``time.monotonic()`` after which to stop with a checkpoint.
        progress: say how long it should take, and show the steps, on stderr.

    Raises:
        HandLibError: a damaged file; a loss that is not finite; a disk that is full; several processes under
            ``torchrun``.
        Unfinished: the deadline came first.
        Stopped: Ctrl-C or another signal, after the checkpoint was saved; the same call goes on from there.
    """
    where = training.choose_device(device)
    checkpoint = planned.folder / training.CHECKPOINT_FILE
    found = find_kept(planned)
    if found is not None and not (checkpoint.exists() and os.access(planned.folder, os.W_OK)):
        return found
    if training.processes().world > 1:
        raise HandLibError(
            f"{planned.title} is trained by one process: run `python -m hand_lib pretrain` without torchrun"
        )
    with cache.lock(planned.folder, waiting_for=f"the training of {planned.name}'s start"):
        cache.remove_leftovers(planned.folder)
        start = find_kept(planned) or _train(planned, where, deadline, progress=progress)
        with cache.readable_errors(checkpoint, "delete"):
            checkpoint.unlink(missing_ok=True)
    return start


def _train(planned: StartPlan, where: torch.device, deadline: float | None, *, progress: bool) -> Start:
    config = planned.config(training.choose_precision(where))
    training_set, evaluation_set = (_hands(planned, split) for split in ("training", "evaluation"))
    model = planned.build()
    if progress:
        print(
            f"{planned.title}, {planned.lesson.words}: {time_of_start(planned, where)}",
            file=sys.stderr,
            flush=True,
        )
    fabric = training.make_fabric(where, config.precision)
    done = training.train(
        model,
        training_set,
        config=config,
        folder=planned.folder,
        objective=planned.lesson.objective,
        key=planned.key,
        about=_about(planned),
        title=planned.title,
        fabric=fabric,
        deadline=deadline,
        progress_bar=progress,
    )
    check_finished(done, planned.title, config)
    weights = {name: halved(tensor.detach().cpu()) for name, tensor in model.state_dict().items()}
    for name, tensor in weights.items():
        if not tensor.isfinite().all():
            raise HandLibError(f"{planned.title}: {name} is not finite in half precision")
    model.load_state_dict(widened(weights))  # measured as it is kept
    path = planned.folder / WEIGHTS_FILE
    cache.write_tensors(path, weights, {**_about(planned), "kind": START_KIND, "key": planned.key})
    size = planned.network.image_size
    record = {
        "format": START_FORMAT,
        "key": planned.key,
        "source": planned.source,
        "decides": planned.decides,
        "precision": config.precision,
        "device": device_name(where),
        "libraries": library_versions(),
        "steps": done.step,
        "seconds": round(done.seconds, 2),
        "metrics": planned.lesson.measure(model, evaluation_set, size, where),
        "constant_guess": planned.lesson.guess(training_set[:GUESS_FROM], evaluation_set, size),
        "curve": done.curve,
        "weights_sha256": cache.sha256(path),
        "weights_digest": cache.digest(backbone_weights(weights)),
    }
    cache.write_json(planned.folder / RECORD_FILE, validate(seal(record), StartRecord))
    if done.stopped_by:  # too late to stop this training, but not to stop
        raise Stopped(f"{planned.title}: trained to its end and kept", signal.Signals[done.stopped_by])
    return find_kept(planned)


def _about(planned: StartPlan) -> dict[str, str]:
    return {"network": json.dumps(asdict(planned.network))}


def _hands(planned: StartPlan, split: str) -> Samples:
    asked = planned.pretraining
    return load_synthetic(
        split=split,
        count=asked.training_count if split == "training" else asked.evaluation_count,
        size=asked.render_size,
        scene=asked.scene,
        seed=asked.data_seed,
        also=planned.lesson.also,
    )


# ----------------------------------------------------------------------------------------------------------------- ship


def ship(start: Start, *, command: str, commit: str) -> Path:
    """Put a start that was trained here into the package, weights first; returns the path of its weights.

    Args:
        start: as :func:`pretrain` gives it.
        command: that made it.
        commit: of the package, as :func:`~hand_lib.experiments.recording.check_recordable` gives it.

    Raises:
        HandLibError: the start's file is not what its record says; the package's folder cannot be written.
    """
    _ = start.weights  # which are checked as they are read
    record_path, weights_path = start.plan.shipped
    with cache.open_regular(start.path) as kept, cache.atomic_write(weights_path) as file:
        file.write(kept.read())
    cache.write_json(record_path, recorded(start.record, RecordedStart, commit, command=command))
    return find_shipped(start.plan).path
