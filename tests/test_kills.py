"""A process that dies at any write, flush, rename or deletion leaves nothing wrong, and nothing to tidy up by hand."""

from __future__ import annotations

import builtins
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from tiny import TINY, own_folders

from hand_lib import cache, experiments, training
from hand_lib.__main__ import main
from hand_lib.experiments import PROFILES

PARTS = 4
KILLED = 9
COMMAND = ["train", "afr", "--profile", "tiny", "--device", "cpu"]
CALLS = ("fsync", "replace", "unlink")  # of os; and every write

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


@pytest.fixture(autouse=True)
def folders(tmp_path_factory):
    with own_folders(tmp_path_factory), pytest.MonkeyPatch.context() as patch:
        patch.setitem(PROFILES, "tiny", replace(TINY, steps=2, training_count=8, evaluation_count=4, batch_size=4))
        train = training.train
        # A checkpoint after every step, and the same clock in every record.
        patch.setattr(training, "train", lambda *a, **options: train(*a, **options, checkpoint_seconds=0.0))
        yield


class Half:
    """A file that takes the first half of what is written to it, and then the process is gone."""

    def __init__(self, file, strike) -> None:
        self.file, self.strike = file, strike

    def write(self, content: bytes) -> int:
        def half() -> None:
            self.file.write(content[: len(content) // 2])
            self.file.flush()

        self.strike(half)
        return self.file.write(content)

    def __enter__(self) -> Half:
        self.file.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self.file.__exit__(*error)

    def __getattr__(self, name: str):
        return getattr(self.file, name)


@contextmanager
def dying_at(number: int) -> Iterator[list[str]]:
    """In this block the process ends at once at the ``number``-th call that changes a disk: before it, or half done."""
    calls: list[str] = []

    def strike(half_done=lambda: None, name="write") -> None:
        calls.append(name)
        if len(calls) == number:
            half_done()
            os._exit(KILLED)

    with pytest.MonkeyPatch.context() as patch:
        for name in CALLS:
            real = getattr(os, name)
            patch.setattr(os, name, lambda *a, real=real, name=name, **o: (strike(name=name), real(*a, **o))[1])
        real_open = builtins.open

        def watched(path, mode="r", *more, **options):
            file = real_open(path, mode, *more, **options)
            return Half(file, strike) if "w" in mode and str(path).endswith(".part") else file

        patch.setattr(builtins, "open", watched)
        yield calls


def in_a_child(number: int) -> int:
    """Run the command in a process of its own that dies at its ``number``-th call; how it ended."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115
            with dying_at(number):
                code = main(COMMAND)
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def everything() -> dict[str, object]:
    """What the command has left: names of all files, the weights' bits, and of the record all but times."""
    (record,) = experiments.records()
    done = experiments.find(experiments.plan("afr", profile="tiny", device="cpu"))
    folders = (cache.cache_dir(), cache.results_dir())
    return {
        "files": sorted(str(path.relative_to(folder)) for folder in folders for path in folder.rglob("*")),
        "weights": {name: tensor.tolist() for name, tensor in done.model().state_dict().items()},
        "predictions": done.predictions.tolist(),
        "metrics": record["metrics"],
        "decides": record["decides"],
        "curve": [(point["step"], point.get("loss"), point["epe"]) for point in record["curve"]],
    }


def differing(a: dict, b: dict) -> list[str]:
    """What of two runs is not the same."""
    return [what for what in a if a[what] != b[what]]


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_whenever_it_dies_the_same_command_again_gives_the_same(part, tmp_path, monkeypatch, capsys):
    """From an empty cache: render, train with a checkpoint each step, measure, record; killed at every single call."""
    with dying_at(0) as calls:
        assert main(COMMAND) == 0
    expected = everything()
    assert set(calls) == {"write", *CALLS} and len(calls) > 30
    for number in range(1 + part, len(calls) + 1, PARTS):
        monkeypatch.setenv(cache.CACHE_VARIABLE, str(tmp_path / f"cache-{number}"))
        monkeypatch.setenv(cache.RESULTS_VARIABLE, str(tmp_path / f"results-{number}"))
        experiments.profiles.load_once.cache_clear()
        assert in_a_child(number) == KILLED, (number, calls[number - 1])
        assert main(COMMAND) == 0, (number, calls[number - 1], capsys.readouterr().err)
        left = everything()
        assert differing(left, expected) == [], (number, calls[number - 1], left["files"])
