"""A weights file or a checkpoint that somebody has, measured on held-out hands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from hand_lib import cache, training
from hand_lib.errors import HandLibError
from hand_lib.experiments.measuring import constant_prediction, measure
from hand_lib.experiments.profiles import get_profile, get_row
from hand_lib.models.size import NetworkSize


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
    model = model.to(where, memory_format=torch.channels_last)
    result = measure(profile_, model, image_size=network.image_size, device=where)
    return {
        "row": row.name,
        "profile": profile_.name,
        "seed": seed,
        "backbone": f"resnet{network.depth}",
        "step": step,
        "metrics": result.metrics,
        "constant_prediction": constant_prediction(profile_),
    }
