"""Two ways to cut the hand into groups: how alike they are, and which group of one is which of the other.

Groups have no names of their own. That joint 4 is in group 0 says nothing; that joints 4 and 8 are together does.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from hand_lib.errors import HandLibError


def overlaps(first: Tensor | Sequence[int], second: Tensor | Sequence[int]) -> Tensor:
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


def adjusted_rand_index(first: Tensor | Sequence[int], second: Tensor | Sequence[int]) -> float:
    """Hubert and Arabie's index: 1 for the same groups whatever their numbers, 0 on average for groups drawn by lot.

    It counts the pairs of joints that are together in both partitions, and takes off what as many groups of these
    sizes, filled by lot, have on average.

    Args:
        first, second: number of each joint's group, from 0, ``(N,)`` each.

    Raises:
        HandLibError: partitions of unlike numbers of joints.
    """

    def pairs(counts: Tensor) -> float:
        return float((counts * (counts - 1) // 2).sum())

    table = overlaps(first, second)
    together, in_first, in_second = pairs(table), pairs(table.sum(1)), pairs(table.sum(0))
    by_lot = in_first * in_second / max(pairs(table.sum()), 1.0)
    most = (in_first + in_second) / 2
    return 1.0 if most == by_lot else (together - by_lot) / (most - by_lot)


def renumbered(groups: Tensor | Sequence[int], like: Tensor | Sequence[int], *, count: int | None = None) -> Tensor:
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
