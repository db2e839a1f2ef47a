"""What a network says about held-out hands, and what one would say who does not look at the pictures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from hand_lib.datasets.augmentation import crop, to_xyz
from hand_lib.metrics import joint_errors, summarise
from hand_lib.samples import Samples
from hand_lib.training import TrainingConfig, generator_for

EVALUATION_BATCH = 256


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """What a model says about N evaluation images, in millimetres, all hands mirrored to right hands.

    Attributes:
        xyz: ``(N, 21, 3)`` predicted, with the true root depth and scale (the papers' protocol).
        true_xyz: ``(N, 21, 3)``.
        visible: ``(N, 21)`` bool.
    """

    xyz: Tensor
    true_xyz: Tensor
    visible: Tensor

    @property
    def errors(self) -> Tensor:
        """``(N, 21)`` distance between prediction and truth, mm."""
        return joint_errors(self.xyz, self.true_xyz)

    @property
    def metrics(self) -> dict[str, Any]:
        """Those that every record carries, see :func:`hand_lib.metrics.summarise`."""
        return summarise(self.xyz, self.true_xyz, self.visible)


@torch.inference_mode()
def predict(
    model: Callable[[Tensor], Tensor], samples: Samples, *, image_size: int, device: torch.device | str
) -> Predictions:
    """Run a model over a set, without augmentation, in float32. The model's mode is left as it was found.

    Args:
        model: ``(B, 3, S, S)`` in [0, 1] to ``(B, 21, 3)`` in the targets' units; a module on ``device`` or a function.
        samples: N images.
        image_size: S, side of the crop in pixels.
        device: where the crops are made.
    """
    was_training = isinstance(model, nn.Module) and model.training
    if was_training:
        model.eval()
    parts = []
    for start in range(0, len(samples), EVALUATION_BATCH):
        crops = crop(samples[start : start + EVALUATION_BATCH].pictures_to(device), size=image_size)
        xyz = to_xyz(model(crops.images.contiguous(memory_format=torch.channels_last)).float(), crops)
        parts.append([tensor.cpu() for tensor in (xyz, crops.xyz, crops.visible)])
    if was_training:
        model.train()
    xyz, true_xyz, visible = (torch.cat(tensors) for tensors in zip(*parts, strict=True))
    return Predictions(xyz=xyz, true_xyz=true_xyz, visible=visible)


def mean_targets(samples: Samples, config: TrainingConfig) -> Tensor:
    """The mean training target ``(21, 3)``, over augmented crops: the guess of one who does not look.

    It is (nearly) what a network says before it has found out what to look at. A model whose error is that of this
    constant has learnt nothing from the pictures, however its loss fell.
    """
    total = torch.zeros(21, 3)
    for start in range(0, len(samples), EVALUATION_BATCH):
        crops = crop(
            samples[start : start + EVALUATION_BATCH],
            size=config.image_size,
            augmentation=config.augmentation,
            generator=generator_for("mean targets", config.seed, start),
        )
        total += crops.targets.sum(0).cpu()
    return total / len(samples)


def predict_constant(targets: Tensor, samples: Samples, *, image_size: int) -> Predictions:
    """The same ``targets (21, 3)`` for every picture of a set, as :func:`predict` would give them."""
    return predict(lambda images: targets.expand(len(images), -1, -1), samples, image_size=image_size, device="cpu")
