"""Files of weights: what they say of themselves, and how one that somebody has is measured on held-out hands."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import AfterValidator
from torch import Tensor, nn

from hand_lib import cache, protocols, training
from hand_lib.errors import HandLibError
from hand_lib.evaluation import Predictions
from hand_lib.experiments.measuring import constant_prediction, measure, measure_real
from hand_lib.experiments.planning import Plan
from hand_lib.experiments.profiles import get_profile, get_row
from hand_lib.experiments.real_data import RealData
from hand_lib.experiments.schema import Network, possible_network
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
        HandLibError: no such file; damaged; a file that tells of no row of this package; weights that do not fit.
    """
    said, step, model = read_model(path)
    row, network = get_row(said.row), NetworkSize(**said.network.model_dump())
    profile_ = get_profile(profile or said.profile)
    where = training.choose_device(device)
    model.to(where, memory_format=torch.channels_last)
    if real is None:
        result, constant = measure(profile_, model, image_size=network.image_size, device=where), None
    else:
        result, constant = measure_real(real, profile_, model, network.image_size, where)
    return {
        "row": row.name,
        "profile": profile_.name,
        "seed": said.seed,
        "backbone": row.backbone or f"resnet{network.depth}",
        "step": step,
        "metrics": result.metrics,
        "constant_prediction": constant_prediction(profile_) if constant is None else constant.metrics,
        **({} if real is None else {"dataset": real.name, "scores": scores(real.name, result)}),
    }


def read_model(path: Path) -> tuple[About, int | None, nn.Module]:
    """A network from a weights file or a training checkpoint that this package wrote.

    Returns:
        What the file says of itself; the step of a checkpoint, None for finished weights; the network on the CPU.

    Raises:
        HandLibError: as :func:`evaluate_checkpoint`.
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
    return said, step, _loaded(path, row.build(network), tensors)


def scores(dataset: str, said: Predictions) -> list[dict[str, Any]]:
    """Predictions by a public data set's own rules, see :mod:`hand_lib.protocols`; plain JSON."""
    rules: dict[str, Callable[[], tuple[protocols.Score, ...]]] = {
        "rhd": lambda: protocols.rhd_scores(said.xyz, said.true_xyz, said.visible),
        "stb": lambda: protocols.stb_scores(said.xyz, said.true_xyz),
        "freihand": lambda: protocols.freihand_scores(said.xyz, said.true_xyz),
        "ho3d-v2": lambda: protocols.ho3d_scores(said.xyz, said.true_xyz),
        "ho3d-v3": lambda: protocols.ho3d_scores(said.xyz, said.true_xyz),
    }
    return [asdict(score) for score in rules[dataset]()]


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


def _loaded(path: Path, model: nn.Module, tensors: dict[str, Tensor]) -> nn.Module:
    for name, tensor in tensors.items():
        if not tensor.isfinite().all():
            raise HandLibError(f"cannot use {path}: {name} has a number that is not finite")
    model.load_state_dict(tensors)
    return model
