"""Runs: a row trained once with a seed in a profile, kept, and measured on held-out hands.

One way, each station entered once: plan (:mod:`~hand_lib.experiments.planning`), train
(:mod:`~hand_lib.experiments.fitting`), measure (:mod:`~hand_lib.experiments.measuring`), record
(:mod:`~hand_lib.experiments.recording`), keep (:mod:`~hand_lib.experiments.kept`).
"""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import TYPE_CHECKING

import torch

from hand_lib import cache, training
from hand_lib.errors import Stopped
from hand_lib.experiments.estimates import expected_time
from hand_lib.experiments.fitting import fit
from hand_lib.experiments.kept import Run, keep, keep_weights, read_kept, remove_checkpoint
from hand_lib.experiments.measuring import measured
from hand_lib.experiments.planning import Plan, plan
from hand_lib.experiments.pretraining import pretrain
from hand_lib.experiments.profiles import Profile, elsewhere
from hand_lib.experiments.real_data import RealData
from hand_lib.experiments.recording import make_record
from hand_lib.experiments.sources import evaluation_hash
from hand_lib.models.rows import Row

if TYPE_CHECKING:
    from lightning.fabric import Fabric


def run(
    row: str | Row,
    *,
    profile: str | Profile = "quick",
    seed: int = 0,
    device: str | None = None,
    progress: bool = True,
    backbone: str | None = None,
    start: str | None = None,
    real: RealData | None = None,
    deadline: float | None = None,
    wait: bool = True,
) -> Run:
    """The run of a row: from the cache, or trained now. Two processes that ask for the same run train it once.

    Args:
        row: name of the row, see :mod:`hand_lib.models.rows`, or of a variant, see :mod:`hand_lib.models.variants`; or
            a row that has neither's name, such as :func:`~hand_lib.models.variants.multi_head_row` makes.
        profile: "smoke", "quick", "long", "full" or "paper".
        seed: of the weights, the order of the data and the augmentation.
        device: "cpu", "cuda", …; None takes the GPU if there is one.
        progress: say what is done, how long it should take, and show the steps, on stderr.
        backbone: "resnet18" to "resnet152" instead of the profile's own.
        start: "random", "parts" or "imagenet" instead of the profile's own. A backbone that names parts is trained
            first, where neither the package nor the cache has it.
        real: a public data set in the place of the profile's rendered hands.
        deadline: ``time.monotonic()`` after which to stop with a checkpoint.
        wait: wait for another process that is training the same run. Those that ``torchrun`` has started always wait:
            they train one run together and must not part ways.

    Raises:
        HandLibError: an unknown name; a damaged file; a loss that is not finite; a disk that is full.
        Busy: another process is training this run, and ``wait`` is false.
        Unfinished: the deadline came first.
        Stopped: Ctrl-C or another signal, after the checkpoint was saved; the same call goes on from there.
    """
    which = {"profile": profile, "seed": seed, "device": device, "backbone": backbone, "start": start, "real": real}
    planned = plan(row, **which)
    if planned.lacks_start:
        if progress:
            print(f"{planned.title}: what it starts from is not here and is trained first", file=sys.stderr, flush=True)
        pretrain(planned.pretraining, device=device, deadline=deadline, progress=progress)
        planned = plan(row, **which)
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
    _have_data(planned)  # first: the estimate is of the training
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
            _have_data(planned)  # by one, read by all
        fabric.barrier()
        found = _make(planned, fabric, deadline, progress=progress)
    fabric.barrier()
    return found or read_kept(planned)


def _have_data(planned: Plan) -> None:
    """Have all hands that a run is trained and measured on: rendered, or read once."""
    _ = planned.data
    if planned.real is None:
        elsewhere(planned.profile)


def _make(planned: Plan, fabric: Fabric, deadline: float | None, *, progress: bool) -> Run | None:
    """Train, measure, record, keep; the run on the first process, None on the others."""
    model, done = fit(planned, fabric, deadline, progress=progress)
    if fabric.global_rank > 0:
        return None
    weights_sha256 = keep_weights(planned, model)
    predictions, part = measured(planned, model, fabric.device)
    record = make_record(planned, done, fabric.device, fabric.world_size, part, weights_sha256)
    run = keep(planned, record, predictions)
    if done.stopped_by:  # too late to stop this training, but not to stop
        raise Stopped(f"{planned.title}: trained to its end and kept", signal.Signals[done.stopped_by])
    return run


# ------------------------------------------------------------------------------------------------ what is there already


def find(planned: Plan) -> Run | None:
    """The finished run, if the cache has it; measured again if the measuring code has changed.

    Raises:
        HandLibError: a file of it is damaged, or is not this run's: one line that names it, and what to delete.
    """
    found = read_kept(planned)
    if found is None or found.record["evaluation_source"] == evaluation_hash():
        return found
    predictions, part = measured(planned, found.model(), torch.device("cpu"))
    return keep(planned, {**found.record, **part}, predictions)


def _finished(planned: Plan) -> Run | None:
    """The run if there is nothing left to do about it. It is only read, also from a cache that cannot be written."""
    found = read_kept(planned)
    if found is None or found.record["evaluation_source"] != evaluation_hash():
        return None
    untidy = (planned.folder / training.CHECKPOINT_FILE).exists() or any(cache.leftovers(planned.folder))
    return None if untidy and os.access(planned.folder, os.W_OK) else found


def _find_and_tidy(planned: Plan) -> Run | None:
    """As :func:`find`; what a process left that was killed after it had recorded is deleted. Hold the folder's lock."""
    found = find(planned)
    if found:
        remove_checkpoint(planned)
    return found


def stop_time(budget: float | None) -> float | None:
    """The ``deadline`` of :func:`run` for a budget of so many seconds from now."""
    return None if budget is None else time.monotonic() + budget
