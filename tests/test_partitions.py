"""Partitions compared: pair by pair from the definition, and chance where all of it can be enumerated."""

from __future__ import annotations

from itertools import combinations, permutations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from hand_lib.errors import HandLibError
from hand_lib.models.groups.selectors import ONE_A_FINGER, THUMB_INDEX_REST, dealt
from hand_lib.partitions import adjusted_rand, agreement, agreement_with, overlaps, renumbered, together


def partitions(joints: int, groups: int = 5) -> st.SearchStrategy[list[int]]:
    return st.lists(st.integers(0, groups - 1), min_size=joints, max_size=joints)


def pair_by_pair(a: list[int], b: list[int]) -> float:
    """(both − expected) / (most − expected), of the pairs that are together in both."""
    pairs = list(combinations(range(len(a)), 2))
    in_a, in_b = ({(i, j) for i, j in pairs if of[i] == of[j]} for of in (a, b))
    expected, most = len(in_a) * len(in_b) / len(pairs), (len(in_a) + len(in_b)) / 2
    return 1.0 if in_a == in_b else (len(in_a & in_b) - expected) / (most - expected)


# -------------------------------------------------------------------------------------------------------------- index


@settings(max_examples=50, deadline=None)
@given(a=partitions(21), b=partitions(21), order=st.permutations(range(5)), joints=st.permutations(range(21)))
def test_the_index_is_its_definition_and_has_its_symmetries(a, b, order, joints):
    found = adjusted_rand(a, b)
    assert found == pytest.approx(pair_by_pair(a, b), abs=1e-5)
    assert adjusted_rand(b, a) == pytest.approx(found, abs=1e-6)
    assert adjusted_rand([order[k] for k in a], b) == pytest.approx(found, abs=1e-6)  # groups have no numbers
    assert adjusted_rand([a[j] for j in joints], [b[j] for j in joints]) == pytest.approx(found, abs=1e-6)
    assert found <= 1 and adjusted_rand(a, a) == 1


def test_an_example_by_hand():
    """Of six pairs two are together in one and one of these in the other: (1 − 2·1/6) / (3/2 − 2·1/6) = 4/7."""
    assert adjusted_rand([0, 0, 1, 1], [0, 0, 1, 2]) == pytest.approx(4 / 7)
    assert adjusted_rand([0, 0, 1, 1], [0, 1, 0, 1]) == pytest.approx(-1 / 2)
    assert adjusted_rand(range(21), [0] * 21) == 0


def test_the_books_own_partitions():
    """A group a finger has 4·6 + 10 = 34 pairs of joints; all are among the 6 + 6 + 78 = 90 of the three groups."""
    assert adjusted_rand(THUMB_INDEX_REST, ONE_A_FINGER) == pytest.approx(
        (34 - 34 * 90 / 210) / ((34 + 90) / 2 - 34 * 90 / 210)
    )


def test_comparing_warns_of_nothing(recwarn):
    adjusted_rand(THUMB_INDEX_REST, ONE_A_FINGER)
    assert not recwarn.list


# ------------------------------------------------------------------------------------------------------------- chance


@pytest.mark.parametrize(("a", "b"), [((0, 0, 1, 1), (0, 0, 1, 1)), ((0, 0, 0, 1, 2), (0, 1, 1, 2, 2))])
def test_chance_is_all_the_ways_to_deal_where_they_are_few(a, b):
    every = [adjusted_rand(order, b) for order in permutations(a)]
    found = agreement_with(a, [b])
    assert sorted(found.chance) == pytest.approx(sorted(every))
    assert found.index == pytest.approx(adjusted_rand(a, b), abs=1e-6)
    assert found.p_value == pytest.approx(np.mean([value >= found.index - 1e-9 for value in every]))
    assert found.chance.mean() == pytest.approx(0, abs=1e-7)  # what "adjusted" means


def test_both_are_dealt_where_neither_was_there_before():
    a, b = (0, 0, 1, 1), (0, 1, 2, 2)
    found = agreement([a, b])
    every = [adjusted_rand(x, y) for x in permutations(a) for y in permutations(b)]
    assert sorted(found.chance) == pytest.approx(sorted(every))
    assert found.index == pytest.approx(adjusted_rand(a, b), abs=1e-6)


@settings(max_examples=200, deadline=None)
@given(partitions(21), partitions(21))
def test_what_is_dealt_is_compared_by_the_same_index(a, b):
    found = agreement_with(a, [b], resamples=1)
    assert found.index == pytest.approx(adjusted_rand(a, b), abs=1e-5)


def test_a_p_value_is_not_the_deals_luck():
    """At the number of deals that the chapters take, two seeds of the dealing say nearly the same."""
    some = [ONE_A_FINGER, (*ONE_A_FINGER[4:], *ONE_A_FINGER[:4])]
    first, second = (agreement(some, seed=seed).p_value for seed in (0, 1))
    assert abs(first - second) < 5 * (first * (1 - first) * 2 / 4999) ** 0.5 + 1e-3


def test_many_partitions_are_compared_two_by_two():
    some = [dealt(ONE_A_FINGER, seed=seed) for seed in range(4)]
    found = agreement(some, resamples=19)
    assert found.index == pytest.approx(np.mean([pair_by_pair(a, b) for a, b in combinations(some, 2)]), abs=1e-6)
    assert found.chance.shape == (19,)
    again = agreement(some, resamples=19)
    assert np.array_equal(found.chance, again.chance) and found.p_value == again.p_value
    assert not np.array_equal(found.chance, agreement(some, resamples=19, seed=1).chance)


def test_partitions_that_agree_are_not_counted_as_if_each_were_news():
    once, thrice = (agreement_with(ONE_A_FINGER, [THUMB_INDEX_REST] * count, resamples=49) for count in (1, 3))
    np.testing.assert_allclose(thrice.chance, once.chance, atol=1e-12)
    assert thrice.p_value == once.p_value
    alike = agreement([THUMB_INDEX_REST] * 3, resamples=49)  # among themselves they are news
    assert alike.index == 1 and alike.p_value == pytest.approx(1 / 50)


def test_p_values_are_uniform_by_chance():
    """Of partitions dealt by chance a quarter have a p-value of a quarter at most."""
    found = [
        agreement([dealt(ONE_A_FINGER, seed=2 * n), dealt(THUMB_INDEX_REST, seed=2 * n + 1)], resamples=19, seed=n)
        for n in range(120)
    ]
    below = sum(one.p_value <= 0.25 for one in found)
    assert stats.binom.cdf(below, 120, 0.25) > 1e-4 and stats.binom.sf(below - 1, 120, 0.25) > 1e-4


# ----------------------------------------------------------------------------------------------------------- together


@settings(max_examples=20, deadline=None)
@given(some=st.lists(partitions(6, 3), min_size=1, max_size=4))
def test_together_is_counted(some):
    found = together(some)
    for i in range(6):
        for j in range(6):
            assert found[i, j].item() == pytest.approx(sum(p[i] == p[j] for p in some) / len(some))
    assert torch.equal(found, found.T) and torch.equal(found.diagonal(), torch.ones(6, dtype=torch.float64))


def test_what_cannot_be_compared_is_one_line():
    with pytest.raises(HandLibError, match="of 21 and of 2 joints"):
        adjusted_rand(ONE_A_FINGER, [0, 1])
    with pytest.raises(HandLibError, match="of 21 and of 2 joints"):
        agreement([ONE_A_FINGER, [0, 1]])
    with pytest.raises(HandLibError, match="two partitions or more, not 1"):
        agreement([ONE_A_FINGER])
    for nothing in (lambda: together([]), lambda: agreement_with(ONE_A_FINGER, [])):
        with pytest.raises(HandLibError, match="no partition is given"):
            nothing()
    with pytest.raises(HandLibError, match="not all of the same joints"):
        together([[0, 1], [0, 1, 2]])


@given(first=partitions(21), second=partitions(21))
def test_overlaps_count_every_joint_once(first, second):
    table = overlaps(first, second)
    assert table.sum() == 21
    for a, b in zip(first, second, strict=True):
        assert table[a, b] >= 1
    assert table.sum(1).tolist() == [first.count(a) for a in range(max(first) + 1)]
    assert table.sum(0).tolist() == [second.count(b) for b in range(max(second) + 1)]


def test_shuffled_joints_have_zero_on_average_exactly():
    """Over all 720 orders of six joints, not over a sample."""
    fixed, other = [0, 0, 1, 1, 1, 2], (0, 0, 0, 1, 1, 2)
    indices = [adjusted_rand(fixed, shuffled) for shuffled in permutations(other)]
    assert sum(indices) / len(indices) == pytest.approx(0, abs=1e-7)
    assert min(indices) < 0 < max(indices)


@settings(deadline=None)
@given(groups=partitions(21), new=st.permutations(range(5)))
def test_a_renumbering_is_undone(groups, new):
    renamed = [new[group] for group in groups]
    back = renumbered(renamed, groups, count=5)
    assert sorted(back.tolist()) == list(range(5))
    assert back[torch.tensor(renamed)].tolist() == groups


@settings(deadline=None, max_examples=40)
@given(groups=partitions(21), like=partitions(21))
def test_a_renumbering_keeps_as_many_joints_as_any(groups, like):
    def kept(order) -> int:
        return sum(order[a] == b for a, b in zip(groups, like, strict=True))

    assert kept(renumbered(groups, like, count=5).tolist()) == max(map(kept, permutations(range(5))))


def test_empty_groups_take_the_numbers_that_are_left():
    assert renumbered([1, 1, 1], [0, 0, 0], count=3)[1] == 0
    assert sorted(renumbered([0, 1], [0, 0]).tolist()) == [0, 1]


def test_what_cannot_be_counted_is_one_line():
    with pytest.raises(HandLibError, match=r"of 3 and of 2$"):
        overlaps([0, 0, 1], [0, 1])
    with pytest.raises(HandLibError, match=r"3 groups cannot be numbered as 2$"):
        renumbered([0, 1, 2], [0, 0, 1], count=2)
