"""The training of what is planned."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from torch import nn

from hand_lib import training
from hand_lib.errors import Stopped
from hand_lib.evaluation import predict
from hand_lib.experiments.planning import Plan
from hand_lib.experiments.weights_files import about

if TYPE_CHECKING:
    from lightning.fabric import Fabric


class Unfinished(Exception):
    """The training stopped before its end, with a checkpoint, because its time was used up."""


def fit(
    planned: Plan, fabric: Fabric, deadline: float | None, *, progress: bool
) -> tuple[nn.Module, training.Progress]:
    """The trained network, and how its training went.

    Args:
        planned: what to train.
        fabric: the engine.
        deadline: ``time.monotonic()`` after which to stop with a checkpoint.
        progress: show the steps on stderr.

    Raises:
        Unfinished: the deadline came first.
        Stopped: a signal came first.
        HandLibError: as :func:`hand_lib.training.loop.train`.
    """
    training_set, evaluation_set = planned.data
    config = planned.config
    few = evaluation_set[: config.validation_images]

    def validate(model: nn.Module) -> float:
        return predict(model, few, image_size=config.image_size, device=fabric.device).errors.mean().item()

    model = planned.begin()
    done = training.train(
        model,
        training_set,
        config=config,
        folder=planned.folder,
        objective=training.joints_by_depth(planned.row.recipe.depth_weight),
        validate=validate,
        key=planned.key,
        about=about(planned),
        title=planned.name,
        fabric=fabric,
        deadline=deadline,
        progress_bar=progress,
    )
    check_finished(done, planned.title, config)
    return model, done


def check_finished(done: training.Progress, title: str, config: training.TrainingConfig) -> None:
    """Raise Unfinished, or Stopped where a signal came, if a training has not come to its end."""
    if not done.finished:
        where = f"{title}: stopped at step {done.step} of {config.steps}; the same command goes on from there"
        raise Unfinished(where) if done.stopped_by == "budget" else Stopped(where, signal.Signals[done.stopped_by])
