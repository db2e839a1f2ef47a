"""What a trained network, and one who does not look, say about a profile's held-out hands."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from hand_lib.datasets.real.checks import evenly
from hand_lib.evaluation import Predictions, mean_targets, predict, predict_constant
from hand_lib.experiments.planning import Plan
from hand_lib.experiments.profiles import Profile, datasets, elsewhere
from hand_lib.experiments.real_data import RealData
from hand_lib.experiments.real_records import PCK_UP_TO
from hand_lib.experiments.scoring import as_json, scores
from hand_lib.experiments.sources import evaluation_hash
from hand_lib.metrics import pck
from hand_lib.models.groups.selectors import partition

CONSTANT_FROM = 2048  # training hands that the constant prediction is the mean of, at most


def measured(planned: Plan, model: nn.Module, device: torch.device) -> tuple[Predictions, dict[str, Any]]:
    """What a plan's trained model predicts for the evaluation set, and the part of the record that says how well."""
    if planned.real is None:
        result = measure(planned.profile, model, image_size=planned.network.image_size, device=device)
        part = {
            "constant_prediction": constant_prediction(planned.profile),
            "elsewhere": measure_elsewhere(planned, model, device),
        }
    else:
        result, constant = measure_real(planned.real, planned.profile, model, planned.network.image_size, device)
        own = scores(planned.real.measured_on, result.xyz, result.true_xyz, result.visible)
        curve = pck(result.errors, torch.arange(PCK_UP_TO + 1, dtype=torch.float64))
        part = {
            "constant_prediction": constant.metrics,
            "scores": as_json(own),
            "pck": [round(share, 6) for share in curve.tolist()],
        }
    part |= {"metrics": result.metrics, "evaluation_source": evaluation_hash()}
    if hasattr(model.decoder, "selector"):
        part["group_of_joint"] = list(partition(model.decoder.selector.decided()))
    return result, part


def measure(profile: Profile, model: nn.Module, *, image_size: int, device: torch.device) -> Predictions:
    """A trained model's predictions for the profile's evaluation set.

    Args:
        profile: whose evaluation set.
        model: on ``device``.
        image_size: side of the crops that the model takes, in pixels.
        device: where to compute.
    """
    _, evaluation_set = datasets(profile)
    return predict(model.eval(), evaluation_set, image_size=image_size, device=device)


def measure_real(
    real: RealData, profile: Profile, model: nn.Module, image_size: int, device: torch.device
) -> tuple[Predictions, Predictions]:
    """What a trained model, and one who does not look, predict for a public data set's evaluation hands.

    Args:
        real: the data set.
        profile: whose crops.
        model: on ``device``.
        image_size: side of the crops that the model takes, in pixels.
        device: where to compute.
    """
    training_set, evaluation_set = real.sets
    config = replace(profile.training_config(seed=0, precision="32-true"), image_size=image_size)
    # Evenly spread: hands of one file follow each other, and so do data sets.
    constant = mean_targets(training_set[evenly(len(training_set), CONSTANT_FROM)], config)
    return (
        predict(model.eval(), evaluation_set, image_size=image_size, device=device),
        predict_constant(constant, evaluation_set, image_size=image_size),
    )


def measure_elsewhere(planned: Plan, model: nn.Module, device: torch.device) -> dict[str, dict[str, Any]]:
    """What a plan's trained model makes of hands that differ in kind from those it was trained on."""
    size = planned.network.image_size
    constants = _constant_elsewhere(planned.profile)
    return {
        name: {
            "images": len(samples),
            "metrics": predict(model.eval(), samples, image_size=size, device=device).metrics,
            "constant_epe_mean": constants[name],
        }
        for name, samples in elsewhere(planned.profile).items()
    }


@functools.lru_cache(maxsize=8)
def constant_prediction(profile: Profile) -> dict[str, Any]:
    """The metrics of one who does not look: the mean training target, for every evaluation image."""
    _, evaluation_set = datasets(profile)
    return predict_constant(_constant(profile), evaluation_set, image_size=profile.network.image_size).metrics


@functools.lru_cache(maxsize=8)
def _constant_elsewhere(profile: Profile) -> dict[str, float]:
    size = profile.network.image_size
    return {
        name: predict_constant(_constant(profile), samples, image_size=size).metrics["epe_mean"]
        for name, samples in elsewhere(profile).items()
    }


@functools.lru_cache(maxsize=8)
def _constant(profile: Profile) -> Tensor:
    training_set, _ = datasets(profile)
    return mean_targets(training_set[:CONSTANT_FROM], profile.training_config(seed=0, precision="32-true"))
