"""What is said of what holds rows back follows from errors on hands that were seen, and from the records' lengths."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from made_records import made_record

from hand_lib.experiments import PROFILES
from hand_lib.figures import ladder, limits


def run_of(on_seen: float, held_out: float, monkeypatch: pytest.MonkeyPatch, *, profile: str = "quick"):
    asked = []

    def predict(model, samples, *, image_size, device):
        asked.append((len(samples), image_size))
        return SimpleNamespace(errors=torch.full((len(samples), 21), on_seen))

    monkeypatch.setattr(limits.evaluation, "predict", predict)
    plan = SimpleNamespace(network=PROFILES["quick"].network, profile=PROFILES[profile])
    return SimpleNamespace(plan=plan, model=lambda: None, errors=torch.full((4, 21), held_out)), asked


@pytest.mark.parametrize(("held_out", "says"), [(20.5, "not learnt well yet"), (30.0, "33% of an error")])
def test_an_error_as_large_on_hands_seen_speaks_for_too_little_training(monkeypatch, held_out, says):
    run, asked = run_of(20.0, held_out, monkeypatch)
    text = limits.fit({"afr": run}, torch.zeros(3000))
    assert says in text and "*AFR* errs by 20.00 mm" in text and f"{held_out:.2f} mm on new ones" in text
    assert asked == [(1024, 64)]


def test_smoke_says_nothing(monkeypatch):
    run, _ = run_of(20.0, 20.0, monkeypatch, profile="smoke")
    assert "nothing follows" in limits.fit({"afr": run}, torch.zeros(10))


@pytest.mark.parametrize(("after", "helps"), [(18.0, True), (25.0, False)])
def test_what_a_longer_training_changes_is_read_off_the_records(monkeypatch, after, helps):
    kept = {"quick": [made_record("afr", 0, 22.0)], "long": [made_record("afr", 0, after, profile="long")]}
    monkeypatch.setattr(ladder, "records", lambda profile: kept[profile])
    text = limits.longer(["afr"])
    assert f"{after - 22:+.2f} mm (*AFR*)" in text and "4 times the steps" in text and "batches of 64 for 32" in text
    assert ("stop at what they are trained with" in text) == helps
    assert limits.longer(["afr", "fr"]) == ""
