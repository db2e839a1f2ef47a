"""Two rows on the same images: paired by seed and image, with a bootstrap interval."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from hand_lib.errors import HandLibError
from hand_lib.experiments.runs import Run


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two rows on the same evaluation images, paired by seed and image.

    The interval is a bootstrap over **images**: what another draw of as many evaluation hands could have shown of
    these very networks. It does **not** cover the seeds: how much retraining would move the difference is seen in
    ``per_seed``, and two or three seeds are too few for an interval.

    Attributes:
        difference: mean over seeds and images of a's error minus b's, mm; negative: a is better.
        low, high: ends of the interval, mm.
        confidence: its level.
        per_seed: the difference of each pair of runs, mm.
        seeds: the pairs' seeds.
        images: how many images.
        names: of a and b.
    """

    difference: float
    low: float
    high: float
    confidence: float
    per_seed: tuple[float, ...]
    seeds: tuple[int, ...]
    images: int
    names: tuple[str, str]

    @property
    def clear(self) -> bool:
        """The interval excludes 0, and all seeds agree on the sign."""
        same_sign = len({value > 0 for value in self.per_seed}) == 1
        return same_sign and not self.low <= 0 <= self.high

    def __str__(self) -> str:
        by_seed = ", ".join(f"{value:+.2f}" for value in self.per_seed)
        return (
            f"{self.names[0]} − {self.names[1]}: {self.difference:+.2f} mm "
            f"[{self.low:+.2f}, {self.high:+.2f}] ({self.confidence:.0%} over {self.images} images), "
            f"seeds {', '.join(map(str, self.seeds))}: {by_seed}"
        )


def compare(runs_a: Run | Sequence[Run], runs_b: Run | Sequence[Run], *, confidence: float = 0.95) -> Comparison:
    """Compare two rows on the same images: mean difference of the mean EPE, with a paired bootstrap interval.

    Args:
        runs_a, runs_b: runs of the same seeds, in any order, on the same evaluation set.
        confidence: level of the interval.

    Raises:
        HandLibError: the seeds differ, or the evaluation sets do.
    """
    from scipy.stats import bootstrap

    a, b = ({run.plan.config.seed: run for run in _as_list(runs)} for runs in (runs_a, runs_b))
    if a.keys() != b.keys() or not a:
        raise HandLibError(f"runs are compared seed by seed: got seeds {sorted(a)} and {sorted(b)}")
    seeds = sorted(a)
    if any(not torch.equal(a[seed].truth, b[seed].truth) for seed in seeds):
        raise HandLibError("these runs were measured on different evaluation images")
    by_seed = np.stack([(a[s].errors.mean(dim=1) - b[s].errors.mean(dim=1)).double().numpy() for s in seeds])  # (S, N)
    by_image = by_seed.mean(axis=0)
    if np.ptp(by_image) == 0:  # nothing to resample, for example a run and itself
        low = high = float(by_image[0])
    else:
        generator = np.random.default_rng(0)
        interval = bootstrap(
            (by_image,), np.mean, confidence_level=confidence, method="BCa", batch=500, rng=generator
        ).confidence_interval
        low, high = float(interval.low), float(interval.high)
    return Comparison(
        difference=float(by_image.mean()),
        low=low,
        high=high,
        confidence=confidence,
        per_seed=tuple(by_seed.mean(axis=1).tolist()),
        seeds=tuple(seeds),
        images=by_seed.shape[1],
        names=tuple(_name(runs) for runs in (a, b)),
    )


def _as_list(runs: Run | Iterable[Run]) -> list[Run]:
    return [runs] if isinstance(runs, Run) else list(runs)


def _name(runs: dict[int, Run]) -> str:
    return " ".join(sorted({run.plan.name.rpartition("-s")[0] for run in runs.values()}))
