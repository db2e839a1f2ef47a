"""How alike are partitions of the joints into groups, and would chance have made them as alike?

A partition is the number of each joint's group. The numbers themselves mean nothing: what counts is which joints are
together. Two partitions are compared by the adjusted Rand index (Hubert and Arabie, 1985): over all pairs of joints,
how often both partitions put the two together or both keep them apart, shifted and scaled so that it is 1 where they
are the same and 0 on average where the joints of either are dealt out by chance to groups of the same sizes.

That average says nothing of a single value: with 21 joints chance alone reaches far from 0. So each value here comes
with the distribution that dealing the joints out anew gives it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import mean

import numpy as np
import torch
from scipy import stats
from scipy.optimize import linear_sum_assignment
from torch import Tensor
from torchmetrics.functional.clustering import adjusted_rand_score

from hand_lib.errors import HandLibError

Partition = Sequence[int] | Tensor

RESAMPLES = 4999  # with 500 a p-value of 0.010 may come out as 0.006, with so many hardly


def adjusted_rand(a: Partition, b: Partition) -> float:
    """The adjusted Rand index of two partitions of the same joints: 1 for the same, 0 on average by chance.

    Raises:
        HandLibError: partitions of different numbers of joints.
    """
    _check_sizes(a, b)
    with torch.sparse.check_sparse_tensor_invariants(enable=False):  # unset, torch warns of it
        return adjusted_rand_score(torch.as_tensor(a), torch.as_tensor(b)).item()


def _check_sizes(a: Partition, b: Partition) -> None:
    if len(a) != len(b):
        raise HandLibError(f"partitions of {len(a)} and of {len(b)} joints cannot be compared")


def together(partitions: Sequence[Partition]) -> Tensor:
    """How often two joints are in one group: ``(J, J)``, the share of the partitions, 1 along the diagonal.

    Raises:
        HandLibError: no partition at all; partitions of different numbers of joints.
    """
    if not partitions:
        raise HandLibError("no partition is given")
    if len({len(partition) for partition in partitions}) > 1:
        raise HandLibError("the partitions are not all of the same joints")
    numbers = torch.as_tensor(np.asarray(partitions))  # (P, J)
    return (numbers[:, :, None] == numbers[:, None, :]).double().mean(dim=0)


def overlaps(first: Partition, second: Partition) -> Tensor:
    """How many joints are in group a of one partition and in group b of the other: ``(A, B)`` int64.

    Args:
        first, second: number of each joint's group, from 0, ``(N,)`` each.

    Raises:
        HandLibError: partitions of unlike numbers of joints.
    """
    a, b = torch.as_tensor(first), torch.as_tensor(second)
    if a.shape != b.shape or a.ndim != 1 or not len(a):
        raise HandLibError(f"two partitions of the same joints are compared, not of {len(a)} and of {len(b)}")
    table = torch.zeros(int(a.max()) + 1, int(b.max()) + 1, dtype=torch.int64)
    return table.index_put_((a, b), torch.ones_like(a), accumulate=True)


def renumbered(groups: Partition, like: Partition, *, count: int | None = None) -> Tensor:
    """The numbers that each group takes so that as many joints as possible keep the number that ``like`` gives them.

    Args:
        groups: number of each joint's group, from 0, ``(N,)``.
        like: the same of the partition that is followed.
        count: K, groups in all, some of which may be empty; as many as the larger of the two partitions has, if it is
            not given.

    Returns:
        ``(K,)`` int64, a permutation: ``permutation[old number]`` is the new one.

    Raises:
        HandLibError: partitions of unlike numbers of joints, or more groups than ``count``.
    """
    table = overlaps(groups, like)
    size = max(table.shape) if count is None else count
    if size < max(table.shape):
        raise HandLibError(f"{max(table.shape)} groups cannot be numbered as {size}")
    square = torch.zeros(size, size, dtype=torch.int64)
    square[: table.shape[0], : table.shape[1]] = table
    _, columns = linear_sum_assignment(square.numpy(), maximize=True)
    return torch.from_numpy(columns)


@dataclass(frozen=True, kw_only=True, eq=False)
class Agreement:
    """How alike partitions are, and what chance gives.

    Attributes:
        index: mean adjusted Rand index.
        chance: ``(resamples,)``, the same of partitions whose joints have been dealt out anew, the sizes kept.
        p_value: how probable at least this ``index`` is by chance; never 0, but 1/(resamples + 1) at least.
    """

    index: float
    chance: np.ndarray
    p_value: float


def agreement(partitions: Sequence[Partition], *, resamples: int = RESAMPLES, seed: int = 0) -> Agreement:
    """How alike partitions are, over all pairs of them; by chance, each is dealt out anew on its own.

    Args:
        partitions: two or more of the same joints, such as trainings with different seeds have found.
        resamples: how often to deal; where there are fewer ways than that, each of them is taken once.
        seed: of the dealing.

    Raises:
        HandLibError: fewer than two partitions; partitions of different numbers of joints.
    """
    if len(partitions) < 2:
        raise HandLibError(f"agreement needs two partitions or more, not {len(partitions)}")

    def index(*dealt: np.ndarray) -> float:
        return mean(_rand(a, b) for a, b in combinations(dealt, 2))

    return _against_chance(partitions, partitions, index, resamples, seed)


def agreement_with(
    reference: Partition, partitions: Sequence[Partition], *, resamples: int = RESAMPLES, seed: int = 0
) -> Agreement:
    """How alike partitions are to one that was there before, such as a group a finger; by chance, that one is dealt.

    All are compared with the same dealing. So partitions that agree with one another do not count as if each had come
    to the reference on its own.

    Args:
        reference: what they are compared with.
        partitions: one or more of the same joints.
        resamples, seed: as in :func:`agreement`.

    Raises:
        HandLibError: no partition at all; partitions of different numbers of joints.
    """
    if not partitions:
        raise HandLibError("no partition is given")

    known = [_from_0(found) for found in partitions]

    def index(dealt: np.ndarray) -> float:
        return mean(_rand(dealt, found) for found in known)

    return _against_chance([reference], [reference, *partitions], index, resamples, seed)


def _against_chance(
    dealt: Sequence[Partition],
    compared: Sequence[Partition],
    index: Callable[..., float],
    resamples: int,
    seed: int,
) -> Agreement:
    for partition in compared[1:]:
        _check_sizes(compared[0], partition)  # before anything is dealt
    given = [_from_0(partition) for partition in dealt]
    found = stats.permutation_test(
        given,
        index,
        permutation_type="pairings",
        vectorized=False,
        n_resamples=resamples,
        alternative="greater",
        rng=np.random.default_rng(seed),
    )
    return Agreement(index=index(*given), chance=found.null_distribution, p_value=float(found.pvalue))


def _from_0(partition: Partition) -> np.ndarray:
    """The same groups, numbered 0, 1, …"""
    return np.unique(np.asarray(partition), return_inverse=True)[1]


def _rand(a: np.ndarray, b: np.ndarray) -> float:
    """What :func:`adjusted_rand` gives, many thousand times a second; groups are numbered from 0."""
    table = np.bincount(a * (int(b.max()) + 1) + b)
    both, in_a, in_b = (int(sizes @ sizes) - len(a) for sizes in (table, np.bincount(a), np.bincount(b)))
    pairs = len(a) * (len(a) - 1)  # each counted twice, as in the three before
    most, expected = (in_a + in_b) / 2, in_a * in_b / max(pairs, 1)
    return 1.0 if most == expected else (both - expected) / (most - expected)
