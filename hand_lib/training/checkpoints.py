"""How far a training has come, and the file from which it goes on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from hand_lib import cache
from hand_lib.errors import HandLibError

CHECKPOINT_KIND = "training checkpoint"


@dataclass(kw_only=True)
class Progress:
    """How far a training has come: what is saved beside the weights and the optimiser's state.

    Attributes:
        step: steps done.
        losses: ``(steps,)`` float32, the last stage's L1 of each step, NaN for steps to come.
        curve: one dict a validation: ``step``, ``loss`` (mean since the one before), ``epe`` (mm), ``seconds``.
        seconds: wall time of all parts of an interrupted training together, validation included.
        data_seconds: of it, time in which the network waited for its next batch (on a GPU: sampled steps, scaled up).
        finished: all steps are done.
        stopped_by: "budget", or a signal's name such as "SIGINT", where the training stopped before the end, else None.
    """

    step: int = 0
    losses: Tensor = field(default_factory=lambda: torch.empty(0))
    curve: list[dict[str, float]] = field(default_factory=list)
    seconds: float = 0.0
    data_seconds: float = 0.0
    finished: bool = False
    stopped_by: str | None = None


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
    said = {name: getattr(progress, name) for name in ("step", "curve", "seconds", "data_seconds")}
    cache.write_tensors(path, tensors, {**about, "kind": CHECKPOINT_KIND, "key": key, "progress": json.dumps(said)})


def load_checkpoint(path: Path, model: nn.Module, optimiser: torch.optim.Optimizer, key: str) -> Progress:
    """Restore the model and the optimiser in place; returns how far the training had come.

    Raises:
        HandLibError: the file is damaged, or belongs to another training.
    """
    advice = f"delete {path} to train from the beginning"
    try:
        tensors, metadata = cache.read_tensors(path)
    except HandLibError as error:
        raise HandLibError(f"{error}; {advice}") from error
    if metadata.get("kind") != CHECKPOINT_KIND or metadata.get("key") != key:
        raise HandLibError(f"cannot go on from {path}: it is no checkpoint of this training; {advice}")
    progress = Progress(**json.loads(metadata["progress"]), losses=tensors.pop("losses"))
    names = parameter_names(model, optimiser)
    state = {
        index: {what: tensors.pop(f"optimiser.{name}.{what}") for what in ("step", "exp_avg", "exp_avg_sq")}
        for index, name in enumerate(names)
    }
    model.load_state_dict({name.removeprefix("model."): tensor for name, tensor in tensors.items()})
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})
    for parameter in model.parameters():
        # Files hold tensors row by row. In the parameter's own memory order the same instructions run over the same
        # numbers as before, so that not one bit differs.
        moments = optimiser.state[parameter]
        for what in ("exp_avg", "exp_avg_sq"):
            moments[what] = torch.empty_like(parameter).copy_(moments[what])
    return progress
