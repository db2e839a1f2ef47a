"""Which joint gains: the mean and its error by hand, and no winner where nothing is gained."""

from __future__ import annotations

import numpy as np
import pytest

from hand_lib.figures.joint_gains import CHANCE, joint_gains


def records(row: str, errors: np.ndarray) -> list[dict]:
    return [{"row": row, "seed": seed, "metrics": {"epe_per_joint": own.tolist()}} for seed, own in enumerate(errors)]


def test_the_mean_and_its_standard_error_over_the_seeds_of_both():
    before, after = np.full((3, 21), 15.0), np.full((4, 21), 15.0)
    after[:3, 8] = (14.0, 13.0, 12.0)  # saves 1, 2 and 3 mm
    found = joint_gains(records("maps", before) + records("maps-shared", after), "maps", "maps-shared")
    assert found.seeds == 3 and found.most == 8
    assert found.mean[8] == pytest.approx(2) and found.error[8] == pytest.approx(1 / 3**0.5)
    assert not found.shown  # 3.5 standard errors: of three seeds, and the best of 21 joints
    assert found.mean[0] == found.error[0] == 0


def test_a_gain_that_all_seeds_agree_on_is_shown_and_one_seed_shows_nothing():
    before = np.full((8, 21), 15.0)
    after = before.copy()
    after[:, 20] -= 0.7 + 0.05 * np.cos(np.arange(8))
    both = records("pooled", before) + records("pooled-shared", after)
    found = joint_gains(both, "pooled", "pooled-shared")
    assert found.shown and found.most == 20
    alone = joint_gains([record for record in both if record["seed"] == 3], "pooled", "pooled-shared")
    assert alone.seeds == 1 and not alone.shown and np.isnan(alone.error).all()
    assert joint_gains(records("pooled", before), "pooled", "pooled-shared") is None


def test_where_nothing_is_gained_a_winner_is_rare():
    g, times = np.random.default_rng(0), 400
    called = 0
    for _ in range(times):
        before, after = g.normal(15, 0.3, (2, 8, 21))
        called += joint_gains(records("a", before) + records("b", after), "a", "b").shown
    assert called / times < CHANCE + 3 * (CHANCE * (1 - CHANCE) / times) ** 0.5
