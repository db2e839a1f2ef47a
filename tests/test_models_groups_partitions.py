"""Comparing partitions: closed forms, what chance gives, and numbers that mean nothing."""

from __future__ import annotations

from itertools import combinations, permutations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hand_lib.errors import HandLibError
from hand_lib.models.groups.partitions import adjusted_rand_index, overlaps, renumbered

partition = st.lists(st.integers(0, 4), min_size=21, max_size=21)


@given(first=partition, second=partition)
def test_overlaps_count_every_joint_once(first, second):
    table = overlaps(first, second)
    assert table.sum() == 21
    for a, b in zip(first, second, strict=True):
        assert table[a, b] >= 1
    assert table.sum(1).tolist() == [first.count(a) for a in range(max(first) + 1)]
    assert table.sum(0).tolist() == [second.count(b) for b in range(max(second) + 1)]


@settings(deadline=None)
@given(first=partition, second=partition, new=st.permutations(range(5)))
def test_the_index_is_symmetric_and_knows_no_numbers(first, second, new):
    index = adjusted_rand_index(first, second)
    assert index == pytest.approx(adjusted_rand_index(second, first))
    assert index == pytest.approx(adjusted_rand_index([new[group] for group in first], second))
    assert adjusted_rand_index(first, [new[group] for group in first]) == pytest.approx(1)
    assert index <= 1 + 1e-12


@settings(deadline=None)
@given(first=partition, second=partition)
def test_the_index_counts_pairs(first, second):
    """The definition, pair by pair: agreement beyond what the two numbers of pairs would have by lot."""
    pairs = list(combinations(range(21), 2))
    in_first = [first[i] == first[j] for i, j in pairs]
    in_second = [second[i] == second[j] for i, j in pairs]
    both = sum(a and b for a, b in zip(in_first, in_second, strict=True))
    by_lot = sum(in_first) * sum(in_second) / len(pairs)
    most = (sum(in_first) + sum(in_second)) / 2
    expected = 1.0 if most == by_lot else (both - by_lot) / (most - by_lot)
    assert adjusted_rand_index(first, second) == pytest.approx(expected)


def test_shuffled_joints_have_zero_on_average_exactly():
    """Over all 720 orders of six joints, not over a sample."""
    fixed, other = [0, 0, 1, 1, 1, 2], (0, 0, 0, 1, 1, 2)
    indices = [adjusted_rand_index(fixed, shuffled) for shuffled in permutations(other)]
    assert sum(indices) / len(indices) == pytest.approx(0, abs=1e-12)
    assert min(indices) < 0 < max(indices)


def test_a_value_by_hand():
    """{a, b} {c, d} against {a, b, c} {d}: one pair in common of 2 and 3, by lot 2·3/6 = 1, so 0."""
    assert adjusted_rand_index([0, 0, 1, 1], [0, 0, 0, 1]) == pytest.approx(0)
    assert adjusted_rand_index([0, 0, 1, 1], [0, 1, 0, 1]) == pytest.approx(-0.5)


@pytest.mark.parametrize("alike", [[0] * 21, list(range(21))])
def test_trivial_partitions_are_like_themselves(alike):
    assert adjusted_rand_index(alike, alike) == 1
    assert adjusted_rand_index([0] * 21, list(range(21))) == 0


@settings(deadline=None)
@given(groups=partition, new=st.permutations(range(5)))
def test_a_renumbering_is_undone(groups, new):
    renamed = [new[group] for group in groups]
    back = renumbered(renamed, groups, count=5)
    assert sorted(back.tolist()) == list(range(5))
    assert back[torch.tensor(renamed)].tolist() == groups


@settings(deadline=None, max_examples=40)
@given(groups=partition, like=partition)
def test_a_renumbering_keeps_as_many_joints_as_any(groups, like):
    def kept(order) -> int:
        return sum(order[a] == b for a, b in zip(groups, like, strict=True))

    assert kept(renumbered(groups, like, count=5).tolist()) == max(map(kept, permutations(range(5))))


def test_empty_groups_take_the_numbers_that_are_left():
    assert renumbered([1, 1, 1], [0, 0, 0], count=3)[1] == 0
    assert sorted(renumbered([0, 1], [0, 0]).tolist()) == [0, 1]


def test_what_cannot_be_compared_is_one_line():
    with pytest.raises(HandLibError, match=r"of 3 and of 2$"):
        adjusted_rand_index([0, 0, 1], [0, 1])
    with pytest.raises(HandLibError, match=r"3 groups cannot be numbered as 2$"):
        renumbered([0, 1, 2], [0, 0, 1], count=2)
