"""A finished run as it is kept in the cache: its files, written in order and believed only where they agree."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from hand_lib import cache, training
from hand_lib.errors import HandLibError
from hand_lib.evaluation import Predictions
from hand_lib.experiments.planning import EVALUATION_FILE, MODEL_FILE, RECORD_FILE, Plan
from hand_lib.experiments.real_records import kind_of
from hand_lib.experiments.recording import read_run
from hand_lib.experiments.schema import seal, validate
from hand_lib.experiments.weights_files import WEIGHTS_KIND, about
from hand_lib.metrics import joint_errors
from hand_lib.skeleton import NUM_JOINTS


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


# ---------------------------------------------------------------------------------------------------------------- read


def read_kept(planned: Plan) -> Run | None:
    """The run as it is kept, believed only if its record is sound and this plan's, and its weights are the record's."""
    path = planned.folder / RECORD_FILE
    if not cache.exists(path):
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


# --------------------------------------------------------------------------------------------------------------- write


def keep_weights(planned: Plan, model: nn.Module) -> str:
    """Write a plan's trained weights; gives the file's sha256."""
    path = planned.folder / MODEL_FILE
    cache.write_tensors(path, model.state_dict(), {**about(planned), "kind": WEIGHTS_KIND, "key": planned.key})
    return cache.sha256(path)


def keep(planned: Plan, record: dict[str, Any], predictions: Predictions) -> Run:
    """Write what was measured, and the record last of all: a run without one is not finished."""
    record = validate(seal(record), kind_of(record))
    kept = {"xyz": predictions.xyz, "true_xyz": predictions.true_xyz, "visible": predictions.visible}
    cache.write_tensors(planned.folder / EVALUATION_FILE, kept, _about_evaluation(record))
    cache.write_json(planned.folder / RECORD_FILE, record)
    remove_checkpoint(planned)
    return Run(planned.folder, record, planned)


def _about_evaluation(record: dict[str, Any]) -> dict[str, str]:
    """What the file of predictions says of itself: of which run and weights, and measured by which code."""
    return {name: record[name] for name in ("key", "checkpoint_sha256", "evaluation_source")}


def remove_checkpoint(planned: Plan) -> None:
    """Delete the checkpoint of a training that is finished and kept."""
    path = planned.folder / training.CHECKPOINT_FILE
    with cache.readable_errors(path, "delete"):
        path.unlink(missing_ok=True)
