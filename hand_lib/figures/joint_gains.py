"""Which joint gains from a step of the ladder, from records: of 21 differences one is always the largest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

CHANCE = 0.05  # that of joints that all gain nothing one is called a winner


@dataclass(frozen=True, kw_only=True)
class JointGains:
    """What a step saves, joint by joint, over the seeds that are recorded of both rows.

    Attributes:
        mean: ``(21,)`` mm, positive where the later row errs less.
        error: ``(21,)`` mm, standard error of that over the seeds; NaN of one seed.
        seeds: how many.
    """

    mean: np.ndarray
    error: np.ndarray
    seeds: int

    @property
    def most(self) -> int:
        """The joint whose mean gain is largest, shown or not."""
        return int(self.mean.argmax())

    @property
    def shown(self) -> bool:
        """Whether that joint gains at all: a t test, with the level shared out among all joints, as it is the best."""
        if self.seeds < 2:
            return False
        least = stats.t.ppf(1 - CHANCE / len(self.mean), self.seeds - 1)
        return bool(self.mean[self.most] > least * self.error[self.most])


def joint_gains(records: Iterable[Mapping[str, Any]], before: str, after: str) -> JointGains | None:
    """The gains of a step; None where no seed of both rows is recorded.

    Args:
        records: of one profile.
        before, after: names of rows.
    """
    by_row: dict[str, dict[int, list[float]]] = {before: {}, after: {}}
    for record in records:
        if record["row"] in by_row:
            by_row[record["row"]][record["seed"]] = record["metrics"]["epe_per_joint"]
    seeds = sorted(by_row[before].keys() & by_row[after].keys())
    if not seeds:
        return None
    gains = np.array([np.subtract(by_row[before][seed], by_row[after][seed]) for seed in seeds])
    error = gains.std(0, ddof=1) / len(seeds) ** 0.5 if len(seeds) > 1 else np.full(gains.shape[1], np.nan)
    return JointGains(mean=gains.mean(0), error=error, seeds=len(seeds))
