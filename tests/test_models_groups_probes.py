"""Rows that chapter 14 trains: watching changes nothing, and what is given is what is trained."""

from __future__ import annotations

import pytest
import torch
from tiny import own_folders

from hand_lib import experiments
from hand_lib.errors import HandLibError
from hand_lib.models.groups.probes import NOTES, WatchedSelector, given_row, watched_row
from hand_lib.models.groups.selectors import ONE_A_FINGER, THUMB_INDEX_REST, ConcreteSelector, temperature_schedule
from hand_lib.models.size import NetworkSize

SMALL = NetworkSize(depth=18, width=8, image_size=32, final_stride=1)


@pytest.fixture(scope="module", autouse=True)
def folders(tmp_path_factory):
    with own_folders(tmp_path_factory):
        yield


@pytest.mark.parametrize("steps", [12, 50, 800, 1234])
def test_theta_is_noted_where_the_temperature_has_fallen_by_another_tenth(steps):
    anneal = temperature_schedule("temperature")
    selector = WatchedSelector(groups=4).train()
    seen = []
    for step in range(steps):
        selector.temperature.fill_(anneal.at(step / steps))
        with torch.no_grad():
            selector.theta.fill_(step)
        seen.append(selector.temperature.item())
        selector()
    at, thetas = selector.history()
    assert at[0] == 0 and at[-1] == steps and at == sorted(set(at))
    assert len(at) == 1 + min(steps, NOTES)
    assert (thetas[:-1] == torch.tensor(at[:-1])[:, None, None]).all() and thetas.shape == (len(at), 21, 4)
    for step in at[1:-1]:  # the step before stood a tenth higher, of 5, 4.9, 4.8, …
        assert int((5 - seen[step - 1]) * 10 + 1e-3) < int((5 - seen[step]) * 10 + 1e-3)


def test_what_is_noted_stays_and_evaluation_notes_nothing():
    selector = WatchedSelector(groups=3).train()
    selector()
    with torch.no_grad():
        selector.theta.add_(1.0)
    selector()  # at the same temperature
    selector.eval()()
    at, thetas = selector.history()
    assert at == [0, 2]
    torch.testing.assert_close(thetas[1] - thetas[0], torch.ones(21, 3))


def test_watching_changes_no_sample():
    plain, watched = ConcreteSelector(groups=5).train(), WatchedSelector(groups=5).train()
    for seed in range(3):
        drawn = []
        for selector in (plain, watched):
            torch.manual_seed(seed)
            drawn.append(selector())
        assert torch.equal(*drawn)


def test_a_watched_row_trains_to_what_its_row_gives():
    plain = experiments.run("groups-k3", profile="tiny", device="cpu", progress=False)
    watched = experiments.run(watched_row(3), profile="tiny", device="cpu", progress=False)
    expected, found = plain.model().state_dict(), watched.model().state_dict()
    assert expected.keys() < found.keys()
    for name, tensor in expected.items():
        assert torch.equal(found[name], tensor), name
    assert watched.record["group_of_joint"] == plain.record["group_of_joint"]
    at, thetas = watched.model().decoder.selector.history()
    assert at == [0, 1, 2, 3, 4, 5, 6]
    assert torch.equal(thetas[0], torch.full((21, 3), 1 / 3)) and not torch.equal(thetas[1], thetas[0])
    assert torch.equal(thetas[-1], expected["decoder.selector.theta"])


def test_given_groups_are_trained_and_each_partition_is_a_row():
    rows = [given_row(groups) for groups in (THUMB_INDEX_REST, ONE_A_FINGER, [0] * 20 + [1], list(range(21)))]
    assert len({row.name for row in rows}) == len(rows)
    for row, groups in zip(rows, (3, 5, 2, 21), strict=True):
        with torch.device("meta"):
            assert row.build(SMALL).decoder.selector.groups == groups
    run = experiments.run(rows[0], profile="tiny", device="cpu", progress=False)
    assert tuple(run.record["group_of_joint"]) == THUMB_INDEX_REST


def test_groups_that_cannot_be_given_are_refused():
    with pytest.raises(HandLibError, match="none is empty"):
        given_row([0] * 20 + [2])
    with pytest.raises(HandLibError, match="given for 20"):
        given_row([0] * 20)
