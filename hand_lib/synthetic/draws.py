"""Where the random numbers of a picture come from, and which splits there are.

All random numbers of a picture come from a counter-based generator keyed by (seed, split, index, stream), so picture
``i`` is the same in any batch, order or process. They are drawn on the CPU.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from hand_lib.errors import choose

# Evaluation has people, scenes and random numbers of its own, but the same gestures; held_out_gestures shows the
# evaluation's people in gestures that training never shows.
SPLITS = ("training", "evaluation", "held_out_gestures")
_STREAMS = {"character": 0, "hand": 1, "scene": 2, "other hand": 3}


class Draws:
    """Random numbers of B pictures: a table of uniform ones, handed out from left to right."""

    def __init__(self, *, seed: int, split: str, indices: list[int], stream: str, width: int) -> None:
        self.table = torch.from_numpy(
            np.array([uniform_numbers(seed, split, int(index), stream, width) for index in indices]).reshape(-1, width)
        ).float()
        self._used = 0

    def __len__(self) -> int:
        return len(self.table)

    def unit(self, count: int) -> Tensor:
        """``(B, count)`` uniform in [0, 1)."""
        part = self.table[:, self._used : self._used + count]
        if part.shape[1] != count:
            raise ValueError("the table of random numbers is too narrow")
        self._used += count
        return part

    def uniform(self, low: float, high: float) -> Tensor:
        """``(B,)`` uniform between two bounds."""
        return low + (high - low) * self.unit(1)[:, 0]

    def normal(self, count: int) -> Tensor:
        """``(B, count)`` standard normal, cut at ± 2.5 standard deviations."""
        return torch.special.ndtri((0.0062 + 0.9876 * self.unit(count)).double()).float()

    def chance(self, probability: float) -> Tensor:
        """``(B,)`` true with the given probability."""
        return self.unit(1)[:, 0] < probability

    def integer(self, low: int, high: int) -> Tensor:
        """``(B,)`` int64 from low to high, both included."""
        return (low + (self.unit(1)[:, 0] * (high - low + 1)).floor().clamp(max=high - low)).long()


def uniform_numbers(seed: int, split: str, index: int, stream: str, width: int) -> np.ndarray:
    number = (SPLITS.index(split) << 60) | (_STREAMS[stream] << 56) | (index & ((1 << 56) - 1))
    key = np.array([seed & ((1 << 64) - 1), number], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key)).random(width)


def check_split(split: str) -> str:
    """``split`` itself, or the error that names those there are."""
    if split not in SPLITS:
        raise choose("split", split, SPLITS)
    return split
