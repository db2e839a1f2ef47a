"""How a network is trained, whatever the network."""

from __future__ import annotations

import math
from dataclasses import dataclass

from hand_lib.datasets.augmentation import Augmentation
from hand_lib.errors import HandLibError, choose
from hand_lib.models.recipe import Anneal, PartRate, is_number

PRECISIONS = ("32-true", "bf16-mixed")


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """How a model is trained, whatever the model.

    Attributes:
        steps: optimiser steps in all.
        batch_size: images a step, over all processes together.
        image_size: side of the crop the model sees, in pixels.
        augmentation: random changes of each crop.
        learning_rate: of Adam at step 0; a cosine takes it to 0 at the last step.
        rates: parts of the model that learn at a multiple of it.
        anneals: buffers of the model that follow the step.
        precision: "bf16-mixed" or "32-true", see :func:`hand_lib.training.engine.choose_precision`.
        seed: of the data's order and augmentation.
        validations: how often the validation error is measured, evenly over the steps, after the first time, which is
            before them.
        validation_images: on how many images; the curve is for the eye, the record's figures use them all.

    Raises:
        HandLibError: a number of anything below 1; a learning rate that is not above 0; an unknown precision.
    """

    steps: int
    batch_size: int
    image_size: int
    augmentation: Augmentation
    learning_rate: float = 3e-4
    rates: tuple[PartRate, ...] = ()
    anneals: tuple[Anneal, ...] = ()
    precision: str = "32-true"
    seed: int = 0
    validations: int = 10
    validation_images: int = 256

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "image_size", "validations", "validation_images"):
            if getattr(self, name) < 1:
                raise HandLibError(f"{name} is {getattr(self, name)}: a training needs at least 1")
        if not is_number(self.learning_rate) or self.learning_rate <= 0:
            raise HandLibError(f"the learning rate is {self.learning_rate!r}: give a number above 0")
        if self.precision not in PRECISIONS:
            raise choose("precision", self.precision, PRECISIONS)

    def learning_rate_at(self, step: int) -> float:
        """The cosine's learning rate in step ``step``, counted from 0."""
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * step / self.steps))

    @property
    def validation_steps(self) -> frozenset[int]:
        """After how many steps the validation error is measured: from 0 to all of them."""
        return frozenset(round(self.steps * i / self.validations) for i in range(self.validations + 1))
