"""Several data sets trained on together: in the shares asked for, each hand seen, measured by the rules of one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from test_mapped import equal, hands
from tiny import own_folders

from hand_lib import experiments
from hand_lib.__main__ import main
from hand_lib.datasets.mapped import Mapped, Mixture
from hand_lib.datasets.real.dexter_object import SEQUENCES
from hand_lib.datasets.real.imitations import write_dexter, write_freihand, write_rhd
from hand_lib.errors import HandLibError
from hand_lib.samples import Samples


def mixed(sizes: list[int], shares: list[float] | None) -> tuple[Mixture, list[torch.Tensor]]:
    """Sets whose hands carry their numbers, in files of three, and how often an epoch shows each."""
    first, sets = 0, []
    for size in sizes:
        whole = hands(size, first=first)
        sets.append(Mapped([whole[start : start + 3] for start in range(0, size, 3)]))
        first += size
    made = Mixture(sets, shares)
    shown = made[:].uv[:, 0, 0].long()
    times = shown.bincount(minlength=first)
    return made, list(times.split(sizes))


@given(
    st.lists(st.tuples(st.integers(1, 20), st.floats(0.05, 20)), min_size=1, max_size=4),
)
def test_an_epoch_shows_every_hand_and_each_set_its_share(drawn):
    sizes, shares = [size for size, _ in drawn], [share for _, share in drawn]
    made, times = mixed(sizes, shares)
    assert len(made) == sum(made.counts) and made.hands == sum(sizes)
    for seen, count in zip(times, made.counts, strict=True):
        assert seen.sum() == count and seen.min() >= 1 and seen.max() - seen.min() <= 1
    # The set that would be curtailed shows each hand once; the others have their part to within a hand.
    per_share = [count / share for count, share in zip(made.counts, shares, strict=True)]
    lead = max(range(len(sizes)), key=lambda i: sizes[i] / shares[i])
    assert made.counts[lead] == sizes[lead]
    for i, share in enumerate(shares):
        assert abs(per_share[i] - per_share[lead]) * share <= 1


def test_without_shares_it_is_one_set_after_the_other():
    made, times = mixed([4, 7], None)
    assert all((seen == 1).all() for seen in times)
    assert equal(made[[10, 0, -1, 4]], hands(11)[[10, 0, 10, 4]])
    assert equal(made[2:6], hands(11)[2:6])
    there = made.pictures_to("meta")
    assert there[[1]].images.device.type == "meta" and made[[1]].images.device.type == "cpu" and len(there) == 11


def test_a_quarter_and_three_quarters():
    made, (few, many) = mixed([2, 12], [1, 3])
    assert made.counts == (4, 12) and few.tolist() == [2, 2] and many.tolist() == [1] * 12


@pytest.mark.parametrize(
    "shares", [[1], [1, 0], [1, -2], [1, torch.inf], [1, torch.nan], [5e-324, 5e-324], [1e-9, 1], [1e308, 1], [1, 501]]
)
def test_what_are_no_shares(shares):
    with pytest.raises(HandLibError, match="share"):
        mixed([2, 3], shares)


# ------------------------------------------------------------------------------------------------------------ as a run


@pytest.fixture(scope="module", autouse=True)
def folders(tmp_path_factory):
    with own_folders(tmp_path_factory):
        yield


@pytest.fixture(scope="module")
def roots(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("real")
    write_rhd(folder / "rhd", "training", 3), write_rhd(folder / "rhd", "evaluation", 2)
    write_freihand(folder / "freihand", 2), write_freihand(folder / "freihand", 2, versions=("gs",), split="evaluation")
    write_dexter(folder / "dexter-object", SEQUENCES, 1)
    return {name: folder / name for name in ("rhd", "freihand", "dexter-object")}


@pytest.fixture(scope="module")
def both(roots) -> list[str]:
    return [word for name in ("rhd", "freihand") for word in ("--dataset", name, "--root", str(roots[name]))]


TINY_CPU = ("--profile", "tiny", "--device", "cpu")


@pytest.fixture(scope="module")
def trained(both) -> dict:
    assert main(["train", "fr", *TINY_CPU, *both, "--share", "1", "--share", "2"]) == 0
    (record,) = experiments.records(folder=experiments.real_results())
    return record


def test_it_is_recorded_under_both_names_with_the_epoch(trained):
    assert (experiments.real_results() / "rhd-and-freihand-4-and-8-tiny" / "fr-s0.json").exists()
    data = trained["decides"]["data"]
    assert trained["dataset"] == data["dataset"] == "rhd-and-freihand"
    assert [name.partition("-")[0] for name in data["training"]] == ["rhd", "freihand"]
    assert trained["training_images"] == 3 + 8 and data["epoch"] == [4, 8]
    assert data["evaluation"].startswith("rhd-evaluation") and trained["evaluation_images"] == 2
    assert experiments.is_current(trained)


def test_the_hands_are_those_of_each_and_shares_are_another_run(trained, roots):
    sources = [(name, roots[name]) for name in ("rhd", "freihand")]
    plain, shared = (experiments.mixed_data(sources, "tiny", shares=shares) for shares in (None, (1, 2)))
    keys = {
        name: experiments.plan("fr", profile="tiny", device="cpu", real=data).key
        for name, data in {
            "plain": plain,
            "shared": shared,
            "turned": experiments.mixed_data(sources[::-1], "tiny"),
            "rhd": experiments.real_data("rhd", roots["rhd"], "tiny"),
        }.items()
    }
    assert len(set(keys.values())) == 4 and keys["shared"] == trained["key"]
    each = [experiments.real_data(*source, "tiny").sets[0] for source in sources]
    assert equal(plain.sets[0][:], Samples.concat([part[:] for part in each]))
    assert shared.measured_on == "rhd" and shared.name == "rhd-and-freihand"


def test_runs_with_other_shares_do_not_replace_each_other(trained, both, tmp_path, capsys):
    for shares in ((), ("1", "1"), ("2", "2"), ("1", "2")):  # the second and the third are the same
        said = [word for share in shares for word in ("--share", share)]
        assert main(["train", "fr", *TINY_CPU, *both, *said, "--results", str(tmp_path)]) == 0
    found = experiments.records(folder=tmp_path)
    assert sorted(record["decides"]["data"]["epoch"] for record in found) == [[3, 8], [4, 8], [8, 8]]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "rhd-and-freihand-4-and-8-tiny",
        "rhd-and-freihand-8-and-8-tiny",
        "rhd-and-freihand-tiny",
    ]


def test_it_is_measured_by_the_rules_of_the_one_that_is_named(trained, both, roots, capsys):
    command = ["evaluate", "fr", *TINY_CPU, *both, "--share", "1", "--share", "2", "--json"]
    assert main(command) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["dataset"] == "rhd"
    assert found["metrics"]["epe_mean"] == pytest.approx(trained["metrics"]["epe_mean"], rel=1e-4)
    for name, rule in (("freihand", "hand by hand"), ("dexter-object", "known fingertips of 6 of 6 frames")):
        assert main([*command, "--on", name, "--on-root", str(roots[name])]) == 0
        found = json.loads(capsys.readouterr().out)
        assert found["dataset"] == name and any(rule in score["rule"] for score in found["scores"])
        assert ("mean of training hands" in found["given"]) == (name == "dexter-object")
    assert main(["results", "--dataset", "rhd-and-freihand"]) == 0
    assert "fr" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--share", "1"], ["1 shares for 2 data sets"]),
        (["--share", "1", "--share", "0"], ["above 0", "1, 0"]),
        (["--root", "x"], ["--dataset and --root go together"]),
    ],
)
def test_a_mixture_that_is_none_is_one_line(both, capsys, arguments, named):
    assert main(["train", "fr", *TINY_CPU, *both, *arguments]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and all(name in said for name in named), said


def test_one_data_set_twice_or_one_without_training_hands(roots, capsys):
    rhd = ["--dataset", "rhd", "--root", str(roots["rhd"])]
    assert main(["train", "fr", *TINY_CPU, *rhd, *rhd]) == 2
    assert "several different ones, not rhd, rhd" in capsys.readouterr().err
    dexter = ["--dataset", "dexter-object", "--root", str(roots["dexter-object"])]
    assert main(["train", "fr", *TINY_CPU, *rhd, *dexter]) == 2
    assert "unknown split of dexter-object 'training'" in capsys.readouterr().err
