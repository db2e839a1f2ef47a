"""Two rows on the same images: how far they lie apart, and what other trainings and other hands would leave of it.

A row's error differs from training to training. Two or three seeds cannot tell by how much, but all rows together can,
if rows spread alike: the variance between seeds is pooled over every row that has more than one, as in a one-way
analysis of variance. From :data:`OWN_SEEDS` seeds on a pair of rows speaks for itself, and its own variances alone are
pooled: a row may spread more than others do. The difference of two rows then has a t interval over seeds *and* images,

    difference ± t · √(2 s² / S + v / N),

with s² the pooled variance between seeds, S the seeds, v the variance over images of the difference and N the images;
the degrees of freedom are Satterthwaite's.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.special import stdtrit

from hand_lib.errors import HandLibError
from hand_lib.experiments.kept import Run
from hand_lib.experiments.profiles import PROFILES
from hand_lib.experiments.recording import is_current, record_path, records

MARGIN = 0.25  # mm; two rows that surely lie nearer together than this are called equal
MOST_SEEDS = 1000  # beyond which no number of seeds is named
OWN_SEEDS = 5  # with so many the two rows' own spread is known well enough
POWER = 0.8  # with which so many seeds as are named would resolve a difference


@dataclass(frozen=True, kw_only=True)
class SeedSpread:
    """How far trainings of one row lie apart that differ in their seed alone.

    Attributes:
        variance: of the mean EPE between seeds, mm², pooled over rows; NaN where no row has two seeds.
        freedom: its degrees of freedom: over all rows, the number of seeds less one.
        rows: how many rows it is pooled over.
    """

    variance: float
    freedom: int
    rows: int

    @property
    def deviation(self) -> float:
        """The standard deviation of one training, mm."""
        return math.sqrt(self.variance)

    def between_two(self, confidence: float = 0.95) -> float:
        """A/A: the difference (mm) that two trainings of the *same* row stay under with this probability."""
        return float(stdtrit(self.freedom, 0.5 + confidence / 2)) * math.sqrt(2) * self.deviation


def pool(epe_by_row: Iterable[Sequence[float]]) -> SeedSpread:
    """The variance between seeds, pooled over rows: ``epe_by_row`` holds each row's mean EPE by seed, mm."""
    groups = [np.asarray(values, dtype=float) for values in epe_by_row if len(values) > 1]
    freedom = sum(len(values) - 1 for values in groups)
    squares = sum(float(((values - values.mean()) ** 2).sum()) for values in groups)
    return SeedSpread(variance=squares / freedom if freedom else math.nan, freedom=freedom, rows=len(groups))


def seed_spread(runs: Iterable[Run]) -> SeedSpread:
    """The spread between seeds in a profile: over these runs and over all its current records.

    Args:
        runs: of one profile; a run that is recorded too counts once.
    """
    runs = list(runs)
    known: list[dict[str, Any]] = []
    for name in sorted({run.plan.profile.name for run in runs} & PROFILES.keys()):
        known += filter(is_current, records(name))
    by_row = _by_row(known)
    for run in runs:
        by_row.setdefault(_row_of(run.plan.decides), {})[run.plan.config.seed] = run.errors.mean().item()
    return pool(list(by_seed.values()) for by_seed in by_row.values())


def recorded_spread(recorded: Iterable[Mapping[str, Any]], *, measure: str = "epe_mean") -> SeedSpread:
    """The spread between seeds in records of one profile.

    Args:
        recorded: the records.
        measure: of which of their errors in mm.
    """
    return pool(list(by_seed.values()) for by_seed in _by_row(recorded, measure).values())


def _by_row(recorded: Iterable[Mapping[str, Any]], measure: str = "epe_mean") -> dict[tuple, dict[int, float]]:
    """An error of each row's records, by seed."""
    by_row: dict[tuple, dict[int, float]] = {}
    for record in recorded:
        by_row.setdefault(_row_of(record["decides"]), {})[record["seed"]] = record["metrics"][measure]
    return by_row


def _row_of(decides: Mapping[str, Any]) -> tuple[str, str, str, str | None, str]:
    """What makes two runs of a profile trainings of the same row."""
    return (
        decides["row"],
        str(decides["network"]),
        decides["start"],
        decides["weights"],
        decides["training"]["precision"],
    )


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two rows on the same evaluation images, paired by seed and image.

    Attributes:
        difference: mean over seeds and images of a's error minus b's, mm; negative: a is better.
        low, high: ends of the interval over seeds and images, mm; infinite where the spread between seeds is unknown.
        confidence: its level.
        margin: mm; an interval that lies within it on both sides of 0 says "equal".
        spread: between seeds, and what it was pooled over.
        image_error: standard error of the difference that the images leave, mm.
        per_seed: the difference of each pair of runs, mm.
        seeds: the pairs' seeds.
        images: how many images.
        names: of a and b.
    """

    difference: float
    low: float
    high: float
    confidence: float
    margin: float
    spread: SeedSpread
    image_error: float
    per_seed: tuple[float, ...]
    seeds: tuple[int, ...]
    images: int
    names: tuple[str, str]

    @property
    def verdict(self) -> str:
        """ "better" or "worse" (of a), "equal" (within the margin), or "not resolved"."""
        if -self.margin < self.low and self.high < self.margin:
            return "equal"
        if self.low > 0 or self.high < 0:
            return "worse" if self.difference > 0 else "better"
        return "not resolved"

    @property
    def seeds_needed(self) -> int | None:
        """With how many seeds a difference of this size would be resolved, in four of five cases; None if with none.

        By what is known now of the spread between seeds, and if the true difference were the one that was found.
        """
        if math.isnan(self.spread.variance):
            return None
        for seeds in range(1, MOST_SEEDS + 1):
            error, freedom = _error(self.spread, seeds, self.image_error, self.images)
            both = stdtrit(freedom, 0.5 + self.confidence / 2) + stdtrit(freedom, POWER)  # quantiles of Student's t
            if both * error < abs(self.difference):
                return seeds
        return None

    def __str__(self) -> str:
        by_seed = ", ".join(f"{value:+.2f}" for value in self.per_seed)
        return (
            f"{self.names[0]} − {self.names[1]}: {self.difference:+.2f} mm "
            f"[{self.low:+.2f}, {self.high:+.2f}] ({self.confidence:.0%} over seeds and {self.images} images), "
            f"seeds {', '.join(map(str, self.seeds))}: {by_seed}; {self.verdict}"
        )


def compare(
    runs_a: Run | Sequence[Run],
    runs_b: Run | Sequence[Run],
    *,
    spread: SeedSpread | None = None,
    confidence: float = 0.95,
    margin: float = MARGIN,
) -> Comparison:
    """Compare two rows on the same images: mean difference of the mean EPE, with an interval over seeds and images.

    Args:
        runs_a, runs_b: runs of the same seeds, in any order, on the same evaluation set.
        spread: between seeds, for fewer than :data:`OWN_SEEDS` of them; None pools it over these runs and the current
            records of their profile.
        confidence: level of the interval.
        margin: mm within which two rows are called equal.

    Raises:
        HandLibError: the seeds differ, or the evaluation sets do.
    """
    a, b = ({run.plan.config.seed: run for run in _as_list(runs)} for runs in (runs_a, runs_b))
    if a.keys() != b.keys() or not a:
        raise HandLibError(f"runs are compared seed by seed: got seeds {sorted(a)} and {sorted(b)}")
    seeds = sorted(a)
    if any(not torch.equal(a[seed].truth, b[seed].truth) for seed in seeds):
        raise HandLibError("these runs were measured on different evaluation images")
    if len(seeds) >= OWN_SEEDS:
        spread = pool([run.errors.mean().item() for run in runs.values()] for runs in (a, b))
    elif spread is None:
        spread = seed_spread([*a.values(), *b.values()])
    by_seed = np.stack([(a[s].errors.mean(dim=1) - b[s].errors.mean(dim=1)).double().numpy() for s in seeds])  # (S, N)
    names = tuple(_name(runs) for runs in (a, b))
    return _comparison(by_seed, seeds, names, by_seed.shape[1], spread, confidence, margin)


def compare_recorded(
    recorded_a: Iterable[Mapping[str, Any]],
    recorded_b: Iterable[Mapping[str, Any]],
    *,
    spread: SeedSpread,
    measure: str = "epe_mean",
    confidence: float = 0.95,
    margin: float = MARGIN,
) -> Comparison:
    """Compare two rows by their records, over the seeds that both have.

    A record holds no error of single hands, so the interval is over seeds alone: what it says holds for the hands of
    the evaluation set. The part that other hands would add is small beside that of other seeds.

    Args:
        recorded_a, recorded_b: records of one profile, each of one row, one a seed.
        spread: between seeds, for fewer than :data:`OWN_SEEDS` of them; see :func:`recorded_spread`.
        measure: which of the records' errors in mm, the mean EPE or another.
        confidence: level of the interval.
        margin: mm within which two rows are called equal.

    Raises:
        HandLibError: no seed is recorded of both; the pictures they were measured on differ.
    """
    a, b = ({record["seed"]: record for record in recorded} for recorded in (recorded_a, recorded_b))
    seeds = sorted(a.keys() & b.keys())
    if not seeds:
        raise HandLibError(f"no seed is recorded of both: got seeds {sorted(a)} and {sorted(b)}")
    if any(a[seed]["decides"]["data"] != b[seed]["decides"]["data"] for seed in seeds):
        raise HandLibError("these runs were measured on different evaluation images")
    errors = [[of[seed]["metrics"][measure] for seed in seeds] for of in (a, b)]
    if len(seeds) >= OWN_SEEDS:
        spread = pool(errors)
    by_seed = np.subtract(*errors)[:, None]  # (S, 1): all images in one
    names = tuple(record_path(of[seeds[0]]).stem.rpartition("-s")[0] for of in (a, b))
    return _comparison(by_seed, seeds, names, a[seeds[0]]["evaluation_images"], spread, confidence, margin)


def _comparison(
    by_seed: np.ndarray,
    seeds: Sequence[int],
    names: tuple[str, str],
    images: int,
    spread: SeedSpread,
    confidence: float,
    margin: float,
) -> Comparison:
    """What a's error minus b's, ``(S, N)`` mm by seed and image as in :func:`difference_interval`, says of the two."""
    difference, low, high, image_error = difference_interval(by_seed, spread, confidence)
    return Comparison(
        difference=difference,
        low=low,
        high=high,
        confidence=confidence,
        margin=margin,
        spread=spread,
        image_error=image_error,
        per_seed=tuple(by_seed.mean(axis=1).tolist()),
        seeds=tuple(seeds),
        images=images,
        names=names,
    )


def difference_interval(
    by_seed: np.ndarray, spread: SeedSpread, confidence: float
) -> tuple[float, float, float, float]:
    """The t interval of the module's head.

    Args:
        by_seed: ``(S, N)`` mm, a's error minus b's, by seed and image.
        spread: between seeds.
        confidence: level of the interval.

    Returns:
        The mean difference, the interval's ends, and the standard error that the images leave; mm.
    """
    by_image = by_seed.mean(axis=0)
    difference, images = float(by_image.mean()), len(by_image)
    image_error = float(by_image.std(ddof=1) / math.sqrt(images)) if images > 1 else 0.0
    if not by_seed.any():  # a run and itself
        return 0.0, 0.0, 0.0, 0.0
    if math.isnan(spread.variance):
        return difference, -math.inf, math.inf, image_error
    error, freedom = _error(spread, len(by_seed), image_error, images)
    half = float(stdtrit(freedom, 0.5 + confidence / 2)) * error
    return difference, difference - half, difference + half, image_error


def _error(spread: SeedSpread, seeds: int, image_error: float, images: int) -> tuple[float, float]:
    """Standard error of a mean difference over so many seeds, and Satterthwaite's degrees of freedom."""
    of_seeds, of_images = 2 * spread.variance / seeds, image_error**2
    total = of_seeds + of_images
    parts = of_seeds**2 / spread.freedom + of_images**2 / max(images - 1, 1)
    return math.sqrt(total), total**2 / parts if parts else math.inf


def _as_list(runs: Run | Iterable[Run]) -> list[Run]:
    return [runs] if isinstance(runs, Run) else list(runs)


def _name(runs: dict[int, Run]) -> str:
    return " ".join(sorted({run.plan.name.rpartition("-s")[0] for run in runs.values()}))
