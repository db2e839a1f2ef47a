"""Records are believed while the outcome of a training is what it was: held here by a few steps of every row
and every variant.

The same fingerprint on every processor: once as this one is, once with the instructions of a plainer one, where torch
and oneDNN can be told so.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import outcomes
import pytest

from hand_lib.datasets import augmentation
from hand_lib.models import backbone
from hand_lib.models.catalogue import rows_and_variants

ROOT = Path(__file__).resolve().parents[1]
KEPT = json.loads(outcomes.KEPT.read_text())
ADVICE = (
    "what training gives {row} has changed. If it was meant to, raise its `revision` in hand_lib/models (or "
    "TRAINING_REVISION in hand_lib/experiments/revisions.py), then run `python tests/outcomes.py --write`"
)


def same(found: dict, kept: dict, *, losses: float = 1e-3, says: float = 2e-2) -> bool:
    """Equal but for rounding, which six steps of Adam spread: relative tolerances of the losses and of the answers."""
    return (
        found["revision"] == kept["revision"]
        and found["losses"] == pytest.approx(kept["losses"], rel=losses)
        and found["says"] == pytest.approx(kept["says"], rel=says, abs=1e-5)
    )


@pytest.mark.parametrize("row", rows_and_variants())
def test_the_outcome_is_that_of_the_records(row):
    assert row in KEPT, f"{row} is new: run `python tests/outcomes.py --write {row}`"
    assert same(outcomes.outcome(row), KEPT[row]), ADVICE.format(row=row)


def test_no_outcome_of_a_row_that_is_gone():
    assert set(KEPT) == set(rows_and_variants())


def _rate(patch):
    before = outcomes.TrainingConfig.learning_rate_at
    patch.setattr(outcomes.TrainingConfig, "learning_rate_at", lambda self, step: 1.1 * before(self, step))


def _shortcut(patch):
    patch.setattr(
        backbone.BasicBlock, "forward", lambda self, x: self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
    )


def _colours(patch):
    before = augmentation.jitter_colors
    patch.setattr(augmentation, "jitter_colors", lambda images, *rest, **named: before(images, *rest, **named) * 0.97)


@pytest.mark.parametrize("change", [_rate, _shortcut, _colours])
def test_a_change_of_the_outcome_is_noticed(monkeypatch, change):
    change(monkeypatch)
    assert not same(outcomes.outcome("afr"), KEPT["afr"])


PROCESSORS = {
    "AVX2, no AVX-512": {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"},
    "SSE4.1": {"ONEDNN_MAX_CPU_ISA": "SSE41", "ATEN_CPU_CAPABILITY": "default"},
}


@pytest.mark.slow
@pytest.mark.parametrize("processor", PROCESSORS)
def test_plainer_processors_give_the_same(processor):
    """In a process of its own, whose heap is checked where the system's library for it is there."""
    environment = {**os.environ, **PROCESSORS[processor], "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    checker = next(Path("/lib").glob("*/libc_malloc_debug.so.0"), None)
    if checker:
        environment |= {"LD_PRELOAD": str(checker), "MALLOC_CHECK_": "3"}
    command = [sys.executable, str(ROOT / "tests" / "outcomes.py"), "afr", "multihead", "refine-hdr", "heatmap25d"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:] or f"ended with {done.returncode}"
    for row, found in json.loads(done.stdout).items():
        assert same(found, KEPT[row]), (row, found, KEPT[row])
