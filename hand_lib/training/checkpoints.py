"""How far a training has come, and the file from which it goes on."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from hand_lib import cache
from hand_lib.errors import HandLibError
from hand_lib.strict import Count, Millimetres, Positive, Seconds, Strict, check
from hand_lib.training.config import TrainingConfig

CHECKPOINT_KIND = "training checkpoint"


@dataclass(kw_only=True)
class Progress:
    """How far a training has come: what is saved beside the weights and the optimiser's state.

    Attributes:
        step: steps done.
        losses: ``(steps,)`` float32, the last stage's L1 of each step, NaN for steps to come.
        curve: one dict a validation, the first at step 0: ``step``, ``loss`` (mean of the steps since the validation
            before, so not at step 0), ``epe`` (mm), ``seconds``.
        seconds: wall time of all parts of an interrupted training together, validation included.
        data_seconds: of it, time in which the network waited for its next batch (on a GPU: sampled steps, scaled up).
        finished: all steps are done.
        stopped_by: "budget" where the time was used up, or the name of a signal that came, such as "SIGINT"; or None.
    """

    step: int = 0
    losses: Tensor = field(default_factory=lambda: torch.empty(0))
    curve: list[dict[str, float]] = field(default_factory=list)
    seconds: float = 0.0
    data_seconds: float = 0.0
    finished: bool = False
    stopped_by: str | None = None


class CurvePoint(Strict):
    """One validation, see :class:`Progress`; without ``epe`` where nothing was validated."""

    step: Count
    loss: Annotated[float, Field(ge=0)] | None = None
    epe: Millimetres | None = None
    seconds: Seconds

    @model_validator(mode="after")
    def _agree(self) -> CurvePoint:
        if (self.loss is None) != (self.step == 0):
            raise ValueError("a loss belongs to every step but step 0")
        return self


def in_order(curve: Sequence[CurvePoint], *, steps: int, seconds: float) -> None:
    """Raise ValueError unless a curve goes forward, and ends within so many steps and so much time."""
    if any(a.step >= b.step or a.seconds > b.seconds for a, b in pairwise(curve)):
        raise ValueError("curve goes backwards")
    if curve and (curve[-1].step > steps or curve[-1].seconds > seconds):
        last = f"step {curve[-1].step} after {curve[-1].seconds:g} s"
        raise ValueError(f"curve ends at {last}, the training at step {steps} after {seconds:g} s")


class Saved(Strict):
    """The part of :class:`Progress` that a checkpoint's metadata hold."""

    step: Positive
    curve: list[CurvePoint]
    seconds: Seconds
    data_seconds: Seconds

    @model_validator(mode="after")
    def _agree(self) -> Saved:
        in_order(self.curve, steps=self.step, seconds=self.seconds)
        return self


def parameter_names(model: nn.Module, optimiser: torch.optim.Optimizer) -> list[str]:
    """The names of the optimiser's parameters, in its order: that of its groups, not that of the model."""
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    return [names[id(parameter)] for group in optimiser.param_groups for parameter in group["params"]]


def save_checkpoint(
    path: Path,
    model: nn.Module,
    optimiser: torch.optim.Optimizer,
    progress: Progress,
    key: str,
    about: Mapping[str, str],
) -> None:
    """Write all that a training needs to go on, as one file that is whole or absent."""
    names = parameter_names(model, optimiser)
    tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    for index, state in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{names[index]}.{what}": torch.as_tensor(value) for what, value in state.items()}
    tensors["losses"] = progress.losses
    said = {name: getattr(progress, name) for name in Saved.model_fields}
    cache.write_tensors(path, tensors, {**about, "kind": CHECKPOINT_KIND, "key": key, "progress": json.dumps(said)})


def load_checkpoint(
    path: Path, model: nn.Module, optimiser: torch.optim.Optimizer, config: TrainingConfig, key: str
) -> Progress:
    """Restore the model and the optimiser in place; returns how far the training had come.

    Raises:
        HandLibError: the file is damaged, belongs to another training, or does not hold what this one needs.
    """
    try:
        tensors, metadata = cache.read_tensors(path)
        if metadata.get("kind") != CHECKPOINT_KIND or metadata.get("key") != key:
            raise cache.Damaged(f"cannot go on from {path}: it is no checkpoint of this training")
        learnt = [name for name in parameter_names(model, optimiser) if f"optimiser.{name}.step" in tensors]
        cache.expect_tensors(path, tensors, _contents(model, learnt, config))
        progress = _progress(path, metadata, tensors.pop("losses"), config)
    except cache.Damaged as error:
        raise HandLibError(f"{error}; delete {path} to train from the beginning") from error
    state = {
        index: {what: tensors.pop(f"optimiser.{name}.{what}") for what in ("step", "exp_avg", "exp_avg_sq")}
        for index, name in enumerate(parameter_names(model, optimiser))
        if name in learnt  # Adam knows nothing of a parameter that no gradient has reached
    }
    model.load_state_dict({name.removeprefix("model."): tensor for name, tensor in tensors.items()})
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})
    for parameter, moments in optimiser.state.items():
        # Files hold tensors row by row. In the parameter's own memory order the same instructions run over the same
        # numbers as before, so that not one bit differs.
        for what in ("exp_avg", "exp_avg_sq"):
            moments[what] = torch.empty_like(parameter).copy_(moments[what])
    return progress


def _contents(model: nn.Module, learnt: Sequence[str], config: TrainingConfig) -> dict[str, Tensor]:
    """Tensors with the names, types and shapes of those that :func:`save_checkpoint` writes, given what was learnt."""
    parameters = dict(model.named_parameters())
    like = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    for name in learnt:
        moments = dict.fromkeys(("exp_avg", "exp_avg_sq"), parameters[name])
        like |= {f"optimiser.{name}.{what}": tensor for what, tensor in moments.items()}
        like[f"optimiser.{name}.step"] = torch.empty(())
    return like | {"losses": torch.empty(config.steps)}


def _progress(path: Path, metadata: Mapping[str, str], losses: Tensor, config: TrainingConfig) -> Progress:
    saved = read_saved(path, metadata)
    done = saved.step
    wanted = [step for step in sorted(config.validation_steps) if step <= done]
    if done > config.steps or [point.step for point in saved.curve] != wanted:
        raise cache.Damaged(f"cannot go on from {path}: {done} steps and this curve are not of {config.steps} steps")
    if not losses[:done].isfinite().all() or not losses[done:].isnan().all():
        raise cache.Damaged(f"cannot go on from {path}: its losses are not those of {done} steps")
    return Progress(**json.loads(metadata["progress"]), losses=losses)


def read_saved(path: Path, metadata: Mapping[str, str]) -> Saved:
    """What a checkpoint's metadata say of its progress.

    Raises:
        Damaged: they say none, or one that cannot be.
    """
    try:
        return check(Saved, cache.parse_json(metadata.get("progress", "")))
    except (HandLibError, ValueError) as error:
        raise cache.Damaged(f"cannot use {path}: progress: {error}") from error
