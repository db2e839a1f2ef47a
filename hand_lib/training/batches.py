"""The data of a training by number: what a step sees follows from ``(seed, step)`` alone.

Which images (:func:`batch_indices`), how they are augmented and with which weights a training begins
(:func:`generator_for`): so an interrupted training needs no state of any generator to go on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import lru_cache

import torch
from torch import Tensor, nn

from hand_lib.datasets.augmentation import crop
from hand_lib.errors import HandLibError
from hand_lib.samples import Samples
from hand_lib.training.config import TrainingConfig
from hand_lib.training.objectives import JOINTS, Objective


def generator_for(*counters: int | str, device: torch.device | str = "cpu") -> torch.Generator:
    """A random generator that depends on the counters alone, for example ``("augmentation", seed, step)``."""
    digest = hashlib.blake2b(repr(counters).encode(), digest_size=8).digest()
    return torch.Generator(device).manual_seed(int.from_bytes(digest, "little") >> 1)


def batch_indices(step: int, *, count: int, batch_size: int, seed: int) -> Tensor:
    """Which images step ``step`` sees: ``(batch_size,)`` int64.

    The data are walked epoch after epoch, each in an order of its own that only ``(seed, epoch)`` decides; a batch may
    span two epochs, so that every image is seen equally often.
    """
    positions = torch.arange(step * batch_size, (step + 1) * batch_size)
    epochs = positions // count
    indices = torch.empty_like(positions)
    for epoch in epochs.unique().tolist():
        here = epochs == epoch
        indices[here] = _order(count, seed, epoch)[positions[here] % count]
    return indices


@lru_cache(maxsize=2)
def _order(count: int, seed: int, epoch: int) -> Tensor:
    return torch.randperm(count, generator=generator_for("order", seed, epoch))


class Batches:
    """The batches of a training by number of step: crops of this process's part of the global batch.

    Args:
        samples: the training set, its pictures on the device they are to be cropped on (uint8: 41,258 of 160 px are
            3.2 GB), the rest on the CPU.
        config: batch size, crop size, augmentation and seed.
        objective: whose targets.
        rank, world: which of how many equal parts of each global batch this process takes.
    """

    def __init__(
        self,
        samples: Samples,
        config: TrainingConfig,
        objective: Objective = JOINTS,
        *,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        if config.batch_size % world:
            raise HandLibError(f"a batch of {config.batch_size} cannot be shared equally by {world} processes")
        self.samples, self.config, self.objective = samples, config, objective
        self.part = slice(rank * config.batch_size // world, (rank + 1) * config.batch_size // world)

    def __call__(self, step: int) -> tuple[Tensor, Tensor]:
        """Images ``(b, 3, S, S)`` in [0, 1], channels last, and the objective's targets ``(b, ...)`` at ``step``."""
        config = self.config
        generator = generator_for("augmentation", config.seed, step)
        # `crop` draws eight numbers an image: skip those of the processes before this one, so that each image of the
        # global batch is augmented in the same way however many processes share it.
        torch.rand(self.part.start, 8, generator=generator)
        samples = self.samples[self.indices(step)]
        crops = crop(
            samples,
            size=config.image_size,
            augmentation=config.augmentation,
            generator=generator,
        )
        return crops.images.contiguous(memory_format=torch.channels_last), self.objective.targets(samples, crops)

    def indices(self, step: int) -> Tensor:
        """The numbers of this process's images at ``step``, ``(b,)`` int64 on the CPU."""
        config = self.config
        return batch_indices(step, count=len(self.samples), batch_size=config.batch_size, seed=config.seed)[self.part]


def build_seeded(build: Callable[[], nn.Module], seed: int) -> nn.Module:
    """A model with the random weights of ``seed``; the caller's random state is left alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(generator_for("weights", seed).initial_seed())
        return build()
