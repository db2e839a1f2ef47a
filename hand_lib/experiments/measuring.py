"""What a trained network, and one who does not look, say about a profile's held-out hands."""

from __future__ import annotations

import functools
from typing import Any

import torch
from torch import nn

from hand_lib.evaluation import Predictions, mean_targets, predict, predict_constant
from hand_lib.experiments.planning import Plan
from hand_lib.experiments.profiles import Profile, datasets
from hand_lib.experiments.sources import evaluation_hash

CONSTANT_FROM = 2048  # training hands that the constant prediction is the mean of, at most


def measured(planned: Plan, model: nn.Module, device: torch.device) -> tuple[Predictions, dict[str, Any]]:
    """What a plan's trained model predicts for the evaluation set, and the part of the record that says how well."""
    result = measure(planned.profile, model, image_size=planned.network.image_size, device=device)
    part = {
        "metrics": result.metrics,
        "constant_prediction": constant_prediction(planned.profile),
        "evaluation_source": evaluation_hash(),
    }
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


@functools.lru_cache(maxsize=8)
def constant_prediction(profile: Profile) -> dict[str, Any]:
    """The metrics of one who does not look: the mean training target, for every evaluation image."""
    training_set, evaluation_set = datasets(profile)
    config = profile.training_config(seed=0, precision="32-true")
    constant = mean_targets(training_set[:CONSTANT_FROM], config)
    return predict_constant(constant, evaluation_set, image_size=config.image_size).metrics
