"""Files of weights: what they say of themselves, and how one that somebody has is measured on held-out hands."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import AfterValidator
from torch import Tensor, nn

from hand_lib import cache, training
from hand_lib.errors import HandLibError
from hand_lib.experiments.measuring import constant_prediction, measure, measure_real
from hand_lib.experiments.planning import Plan
from hand_lib.experiments.profiles import get_profile, get_row
from hand_lib.experiments.real_data import RealData
from hand_lib.experiments.schema import Network, possible_network
from hand_lib.experiments.scoring import as_json, scores
from hand_lib.models.size import NetworkSize
from hand_lib.strict import Hash, Name, Seed, Strict, check
from hand_lib.training.checkpoints import read_saved

WEIGHTS_KIND = "weights"


class About(Strict):
    """What a file of weights, or a checkpoint, says of itself."""

    kind: Literal[WEIGHTS_KIND, training.CHECKPOINT_KIND]
    key: Hash
    row: Name
    profile: Name
    seed: Seed
    network: Annotated[Network, AfterValidator(possible_network)]


def about(planned: Plan) -> dict[str, str]:
    """The metadata of a plan's files, but for ``kind`` and ``key``; numbers and the network as JSON."""
    return {
        "row": planned.row.name,
        "profile": planned.profile.name,
        "seed": str(planned.config.seed),
        "network": json.dumps(asdict(planned.network)),
    }


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """A network out of a file, and what the file says of it.

    Attributes:
        model: on its device, in evaluation mode.
        row, profile: their names.
        seed: of the run.
        network: its size.
        backbone: such as "resnet18".
        step: of a checkpoint; None of finished weights.
        device: where the model is.
    """

    model: nn.Module
    row: str
    profile: str
    seed: int
    network: NetworkSize
    backbone: str
    step: int | None
    device: torch.device


def load_weights(path: Path, *, device: str | None = None) -> Loaded:
    """The network of a weights file or a training checkpoint that this package wrote.

    Args:
        path: ``model.safetensors`` or ``checkpoint.safetensors``.
        device: where to compute; None takes the GPU if there is one.

    Raises:
        HandLibError: no such file; damaged; a file that tells of no row of this package; weights that do not fit.
    """
    tensors, metadata = cache.read_tensors(path)
    said = _read_about(path, metadata)
    row, network = get_row(said.row), NetworkSize(**said.network.model_dump())
    step = None
    if said.kind == training.CHECKPOINT_KIND:
        step = read_saved(path, metadata).step
        tensors = {name.removeprefix("model."): t for name, t in tensors.items() if name.startswith("model.")}
    with torch.device("meta"):  # names and shapes alone: what a file asks for may be larger than this machine
        fits = row.build(network).state_dict()
    cache.expect_tensors(path, tensors, fits)
    where = training.choose_device(device)
    model = _filled(path, row.build(network), tensors).to(where, memory_format=torch.channels_last)
    return Loaded(
        model=model.eval(),
        row=row.name,
        profile=said.profile,
        seed=said.seed,
        network=network,
        backbone=row.backbone or f"resnet{network.depth}",
        step=step,
        device=where,
    )


def evaluate_checkpoint(
    path: Path, *, profile: str | None = None, device: str | None = None, real: RealData | None = None
) -> dict[str, Any]:
    """Measure a weights file or a training checkpoint that this package wrote.

    Args:
        path: ``model.safetensors`` or ``checkpoint.safetensors``.
        profile: whose evaluation set to use; None takes the one it was trained in.
        device: where to compute.
        real: a public data set to measure on, in the place of the profile's rendered hands.

    Returns:
        ``row``, ``profile``, ``seed``, ``backbone``, ``step`` (None for finished weights), ``metrics``,
        ``constant_prediction``; of a public data set ``dataset`` and ``scores`` besides, by its own rules.

    Raises:
        HandLibError: as :func:`load_weights`.
    """
    found = load_weights(path, device=device)
    profile_ = get_profile(profile or found.profile)
    if real is None:
        result = measure(profile_, found.model, image_size=found.network.image_size, device=found.device)
        by_rules, constant = {}, constant_prediction(profile_)
    else:
        result, guess = measure_real(real, profile_, found.model, found.network.image_size, found.device)
        own = scores(real.measured_on, result.xyz, result.true_xyz, result.visible)
        by_rules, constant = {"dataset": real.measured_on, "scores": as_json(own)}, guess.metrics
    return {
        **_named(found, profile_.name),
        "metrics": result.metrics,
        "constant_prediction": constant,
        **by_rules,
    }


def _named(found: Loaded, profile: str) -> dict[str, Any]:
    own = {name: getattr(found, name) for name in ("row", "seed", "backbone", "step")}
    return {**own, "profile": profile}


def profile_of(path: Path) -> str:
    """The profile that a file of weights was trained in. Raises HandLibError as :func:`evaluate_checkpoint`."""
    return _read_about(path, cache.read_tensors(path)[1]).profile


def _read_about(path: Path, metadata: dict[str, str]) -> About:
    found: dict[str, object] = {name: metadata[name] for name in About.model_fields if name in metadata}
    try:
        for name in ("seed", "network"):
            found[name] = cache.parse_json(metadata.get(name, "null"))
        return check(About, found)
    except (HandLibError, ValueError) as error:
        raise HandLibError(f"{path} is not a checkpoint of this package: {error}") from error


def _filled(path: Path, model: nn.Module, tensors: dict[str, Tensor]) -> nn.Module:
    for name, tensor in tensors.items():
        if not tensor.isfinite().all():
            raise HandLibError(f"cannot use {path}: {name} has a number that is not finite")
    model.load_state_dict(tensors)
    return model
