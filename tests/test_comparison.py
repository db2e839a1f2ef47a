"""Two rows compared: intervals that cover what they claim, and verdicts that do not fire on noise."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from made_records import made_record
from scipy import stats
from tiny import own_folders

from hand_lib import cache, experiments
from hand_lib.errors import HandLibError
from hand_lib.experiments import Run, SeedSpread, compare, compare_recorded, plan, pool, recorded_spread, seed_spread
from hand_lib.experiments.comparison import OWN_SEEDS, difference_interval


@pytest.fixture(scope="module", autouse=True)
def folders(tmp_path_factory):
    """A cache and results of this file's own, and the tiny profile."""
    with own_folders(tmp_path_factory):
        yield


KNOWN = SeedSpread(variance=0.25, freedom=50, rows=10)


def made_run(folder: Path, seed: int, errors: torch.Tensor, row: str = "fr", shift: float = 0.0) -> Run:
    """A run whose errors are known: every joint of image i is off by errors[i] along x."""
    truth = torch.arange(len(errors) * 63, dtype=torch.float32).view(-1, 21, 3) % 97 + shift
    xyz = truth + torch.stack([errors, torch.zeros_like(errors), torch.zeros_like(errors)], -1)[:, None]
    tensors = {"xyz": xyz, "true_xyz": truth, "visible": torch.ones(len(errors), 21, dtype=torch.bool)}
    about = {"key": f"{row} {seed}", "checkpoint_sha256": "", "evaluation_source": ""}
    cache.write_tensors(folder / "evaluation.safetensors", tensors, about)
    return Run(folder, {**about, "evaluation_images": len(errors)}, plan(row, profile="tiny", seed=seed, device="cpu"))


def pair(folder: Path, gaps: dict[int, torch.Tensor]) -> tuple[list[Run], list[Run]]:
    """Runs of two rows whose errors differ by ``gaps[seed] (N,)``; images differ by far more than the rows do."""
    base = torch.rand(len(next(iter(gaps.values()))), generator=torch.Generator().manual_seed(0)).double() * 40 + 5
    a = [made_run(folder / f"a{s}", s, (base + gap).float(), "fr") for s, gap in gaps.items()]
    b = [made_run(folder / f"b{s}", s, base.float(), "afr") for s in reversed(gaps)]
    return a, b


def test_the_pooled_spread_is_that_of_an_analysis_of_variance():
    rows = [[20.0, 21.0, 22.5], [18.0, 18.4], [25.0]]
    spread = pool(rows)
    assert (spread.rows, spread.freedom) == (2, 3)
    assert spread.variance == pytest.approx((2 * np.var(rows[0], ddof=1) + np.var(rows[1], ddof=1)) / 3)
    assert spread.between_two() == pytest.approx(stats.t.ppf(0.975, 3) * math.sqrt(2) * spread.deviation)
    none = pool([[20.0], [18.0]])
    assert math.isnan(none.variance) and (none.rows, none.freedom) == (0, 0)


def test_the_spread_is_pooled_over_runs_and_current_records_each_run_once(tmp_path, monkeypatch):
    runs = [made_run(tmp_path / f"{s}", s, torch.full((30,), 20.0 + s)) for s in (0, 1)]
    assert seed_spread(runs).freedom == 1
    decides = plan("fr", profile="tiny", device="cpu").decides
    other = {**decides, "row": "afr"}

    def recorded(decides, seed, epe):
        return {"decides": decides, "seed": seed, "metrics": {"epe_mean": epe}}

    found = [recorded(decides, 1, 99.0), recorded(other, 0, 30.0), recorded(other, 1, 31.0), recorded({}, 2, 0.0)]
    monkeypatch.setattr(experiments.comparison, "records", lambda profile: found)
    monkeypatch.setattr(experiments.comparison, "is_current", lambda record: bool(record["decides"]))
    spread = seed_spread(runs)
    assert (spread.rows, spread.freedom) == (2, 2)
    assert spread.variance == pytest.approx(0.5, rel=1e-4)


def test_compare_is_paired_by_seed_and_image(tmp_path):
    g = torch.Generator().manual_seed(0)
    gaps = {seed: 2.0 + 0.5 * seed + torch.randn(400, generator=g).double() for seed in (0, 1)}
    a, b = pair(tmp_path, gaps)
    result = compare(a, b, spread=KNOWN)
    mean = torch.stack([gaps[0], gaps[1]]).mean(0)
    assert result.difference == pytest.approx(mean.mean().item(), abs=1e-3)
    assert result.per_seed == pytest.approx([gaps[0].mean().item(), gaps[1].mean().item()], abs=1e-3)
    of_seeds, of_images = 2 * 0.25 / 2, mean.var().item() / 400
    freedom = (of_seeds + of_images) ** 2 / (of_seeds**2 / 50 + of_images**2 / 399)
    half = stats.t.ppf(0.975, freedom) * math.sqrt(of_seeds + of_images)
    assert result.high - result.difference == pytest.approx(half, rel=1e-3)
    assert result.difference - result.low == pytest.approx(half, rel=1e-3)
    assert (result.verdict, result.images, result.seeds) == ("worse", 400, (0, 1))
    assert "fr − afr: +2." in str(result) and "95%" in str(result)
    turned = compare(b, a, spread=KNOWN)
    assert (turned.difference, turned.low, turned.high) == pytest.approx(
        (-result.difference, -result.high, -result.low)
    )
    assert turned.verdict == "better"


def test_the_interval_has_the_images_alone_as_its_limit(tmp_path):
    """Where seeds do not matter it is the textbook interval of a mean; where images do not, that of the seeds."""
    noise = np.random.default_rng(0).normal(0.3, 1.0, (1, 500))
    still = SeedSpread(variance=0.0, freedom=40, rows=4)
    difference, low, high, error = difference_interval(noise, still, 0.95)
    expected = stats.ttest_1samp(noise[0], 0).confidence_interval(0.95)
    assert (low, high) == pytest.approx((expected.low, expected.high), rel=1e-6)
    assert error == pytest.approx(noise.std(ddof=1) / math.sqrt(500)) and difference == pytest.approx(noise.mean())
    flat = np.full((4, 500), 0.3)
    _, low, high, _ = difference_interval(flat, KNOWN, 0.95)
    assert high - 0.3 == pytest.approx(stats.t.ppf(0.975, 50) * math.sqrt(2 * 0.25 / 4), rel=1e-6)


@pytest.mark.parametrize(
    ("gap", "spread", "verdict"),
    [
        (0.4, KNOWN, "not resolved"),
        (3.0, KNOWN, "worse"),
        (-3.0, KNOWN, "better"),
        (0.02, replace(KNOWN, variance=1e-4), "equal"),
        (0.4, replace(KNOWN, variance=1e-4), "worse"),
        (3.0, pool([]), "not resolved"),
    ],
)
def test_verdicts(tmp_path, gap, spread, verdict):
    noise = torch.linspace(-0.5, 0.5, 300)
    a, b = pair(tmp_path, {s: noise + gap for s in (0, 1)})
    assert compare(a, b, spread=spread).verdict == verdict


def test_the_seeds_that_would_resolve_a_difference_do(tmp_path):
    noise = torch.linspace(-0.5, 0.5, 300)
    a, b = pair(tmp_path, {s: noise + 0.4 for s in (0, 1)})
    needed = compare(a, b, spread=KNOWN).seeds_needed
    assert needed == pytest.approx(2 * 0.25 * (2.01 + 0.85) ** 2 / 0.4**2, abs=1.5)  # the textbook's sample size
    generator = np.random.default_rng(0)
    resolved = []
    for _ in range(1000):
        truth = generator.normal(0, 0.5, (2, needed))
        by_seed = (truth[0] - truth[1])[:, None] + noise.numpy() + 0.4
        resolved.append(difference_interval(by_seed, KNOWN, 0.95)[1] > 0)
    assert np.mean(resolved) == pytest.approx(0.8, abs=0.05)
    a, b = pair(tmp_path / "none", {0: noise})  # no difference is resolved by no number of seeds
    assert compare(a, b, spread=KNOWN).seeds_needed is None


def simulated(
    seeds: int, *, trials: int, rows: int = 12, images: int = 400, between: float | np.ndarray, generator
) -> float:
    """The share of intervals that cover 0, the true difference of two rows among ``rows`` that differ by seed alone."""
    covered = 0
    for _ in range(trials):
        truth = generator.normal(0, np.broadcast_to(between, rows)[:, None], (rows, seeds))
        known = truth + generator.normal(0, 1.5 / math.sqrt(images), truth.shape)
        spread = pool(list(row) for row in (known[:2] if seeds >= OWN_SEEDS else known))
        hard = generator.normal(0, 1.2, images)  # what makes an image harder for one row than for the other
        by_seed = (truth[0] - truth[1])[:, None] + hard + generator.normal(0, 1.5 * math.sqrt(2), (seeds, images))
        _, low, high, _ = difference_interval(by_seed, spread, 0.95)
        covered += low <= 0 <= high
    return covered / trials


@pytest.mark.parametrize("seeds", [2, 3, 5, 8])
def test_the_interval_covers_what_it_claims(seeds):
    """Over other trainings and other images: so that one verdict in twenty fires where nothing differs."""
    coverage = simulated(seeds, trials=4000, between=0.5, generator=np.random.default_rng(seeds))
    assert 0.93 < coverage < 0.97


@pytest.mark.parametrize("seeds", [5, 8])
def test_with_seeds_enough_a_pair_speaks_for_itself(seeds):
    """Two rows that spread four times as much as the others: pooled over all, two intervals in five would miss."""
    between = np.array([1.2, 1.2, *[0.3] * 10])
    assert 0.93 < simulated(seeds, trials=4000, between=between, generator=np.random.default_rng(seeds)) < 0.97


def test_from_five_seeds_on_the_others_do_not_matter(tmp_path):
    a, b = pair(tmp_path, {s: torch.linspace(-0.5, 0.5, 60) + 0.1 * s for s in range(5)})
    assert compare(a, b, spread=KNOWN).spread == compare(a, b, spread=replace(KNOWN, variance=9.0)).spread
    assert compare(a, b, spread=KNOWN).spread.rows == 2


def test_a_run_against_itself(tmp_path):
    a = made_run(tmp_path, 0, torch.rand(20))
    result = compare(a, a)
    assert (result.difference, result.low, result.high) == (0, 0, 0) and result.verdict == "equal"


def test_runs_that_cannot_be_paired(tmp_path):
    a = made_run(tmp_path / "a", 0, torch.rand(20))
    with pytest.raises(HandLibError, match=r"seeds \[0\] and \[1\]"):
        compare(a, made_run(tmp_path / "b", 1, torch.rand(20)))
    with pytest.raises(HandLibError, match="different evaluation images"):
        compare(a, made_run(tmp_path / "c", 0, torch.rand(20), shift=1.0))
    with pytest.raises(HandLibError, match="different evaluation images"):
        compare(a, made_run(tmp_path / "d", 0, torch.rand(19)))


def recorded(row: str, epe: dict[int, float], **changes) -> list[dict]:
    return [made_record(row, seed, value, profile="tiny", **changes) for seed, value in epe.items()]


def test_records_are_compared_over_the_seeds_that_both_have():
    a, b = recorded("fr", {3: 21.0, 0: 20.0, 1: 19.5}), recorded("refine-blind", {0: 18.0, 1: 19.0, 2: 17.0})
    found = compare_recorded(a, b, spread=KNOWN)
    assert (found.names, found.seeds) == (("fr", "refine-blind"), (0, 1))
    assert found.per_seed == pytest.approx((2.0, 0.5)) and found.difference == pytest.approx(1.25)
    half = stats.t.ppf(0.975, KNOWN.freedom) * math.sqrt(2 * KNOWN.variance / 2)  # no hands in it: 2 s² / S alone
    assert (found.low, found.high) == pytest.approx((1.25 - half, 1.25 + half))
    with pytest.raises(HandLibError, match="no seed"):
        compare_recorded(a[:1], b, spread=KNOWN)
    with pytest.raises(HandLibError, match="different"):
        compare_recorded(recorded("fr", {0: 20.0}, data_version="older"), b, spread=KNOWN)


def test_with_many_seeds_recorded_rows_speak_for_themselves():
    rng = np.random.default_rng(0)
    values = rng.normal([[20.0], [19.0]], 0.4, size=(2, OWN_SEEDS))
    a, b = (recorded(row, dict(enumerate(epe))) for row, epe in zip(("fr", "afr"), values.tolist(), strict=True))
    found = compare_recorded(a, b, spread=SeedSpread(variance=1e6, freedom=99, rows=9))
    test = stats.ttest_ind(*values)  # Student's, with the variance pooled over both: the same formula
    ends = test.confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((ends.low, ends.high))


def test_the_recorded_spread_keeps_backbones_and_rows_apart():
    given = recorded("fr", {0: 20.0, 1: 22.0}) + recorded("afr", {0: 10.0, 1: 14.0, 2: 12.0})
    given += recorded("fr", {0: 90.0}, backbone="resnet50")
    spread = recorded_spread(given)
    assert (spread.rows, spread.freedom) == (2, 3)
    assert spread.variance == pytest.approx((2.0 + 8.0) / 3)
