"""What the benchmarks share: arguments, timing side by side, tables and records.

A bare time says more about a machine, and about what else runs on it, than about the code. So the sides of a
comparison take turns in one process (A B A B …), and what is reported is the ratio of neighbours, by its median and
quartiles.
"""

from __future__ import annotations

import argparse
import math
import os
import re
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn

from hand_lib import cache, experiments, training
from hand_lib.errors import HandLibError
from hand_lib.spread import Spread

RECORD_FORMAT = 1
FOLDER = "benchmarks"  # in results/; `hand_lib.experiments.records` leaves it out

# ------------------------------------------------------------------------------------------------------------- timing


def spread(values: Sequence[float]) -> Spread:
    """Median and quartiles of one or more values."""
    if len(values) == 1:
        return Spread(values[0], values[0], values[0])
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return Spread(median, low, high)


@dataclass(frozen=True, kw_only=True)
class Timing:
    """How long to measure.

    Attributes:
        repetitions: turns that every side gets.
        seconds: how long a turn lasts at least; a side is called as often as that takes.

    Raises:
        HandLibError: no repetitions, or a negative time.
    """

    repetitions: int = 11
    seconds: float = 0.5

    def __post_init__(self) -> None:
        if self.repetitions < 1:
            raise HandLibError(f"repetitions must be at least 1, not {self.repetitions}")
        if not 0 <= self.seconds < math.inf:
            raise HandLibError(f"seconds a turn must be 0 or more, not {self.seconds:g}")


@dataclass(frozen=True)
class Times:
    """What :func:`interleaved` measured.

    Attributes:
        seconds: of one call, for every side a value a turn. Entries of the same index are neighbours in time.
    """

    seconds: dict[str, tuple[float, ...]]

    def ratio(self, side: str, reference: str) -> Spread:
        """How many times as fast as ``reference`` the side is: the ratio turn by turn."""
        return spread([b / a for a, b in zip(self.seconds[side], self.seconds[reference], strict=True)])

    def rate(self, side: str, count: int = 1) -> Spread:
        """Pictures a second, for ``count`` of them a call."""
        return spread([count / seconds for seconds in self.seconds[side]])

    def share(self, part: str, rest: str) -> Spread:
        """Which part of the time of both, one after the other, ``part`` takes: turn by turn."""
        return spread([a / (a + b) for a, b in zip(self.seconds[part], self.seconds[rest], strict=True)])

    def line(self, name: str, /, **labels: Any) -> dict[str, Any]:
        """The side as a record keeps it: labels, then all that was measured."""
        seconds = self.seconds[name]
        return {**labels, "milliseconds": as_json(spread([1e3 * s for s in seconds])), "seconds": list(seconds)}


def as_json(values: Spread) -> dict[str, float]:
    """As a record keeps it."""
    return values._asdict()


def counts_cpu_time(device: torch.device) -> bool:
    """Whether the process's own CPU time is the clock: with one thread on the CPU.

    There it is what the work takes, whoever else uses the machine. With several threads it would be their sum.
    """
    return device.type == "cpu" and torch.get_num_threads() == 1


def clock_of(device: torch.device) -> str:
    """What :func:`now` reads."""
    return "CPU time of the process" if counts_cpu_time(device) else "wall time, device synchronised"


def synchronise(device: torch.device) -> None:
    """Wait until the device has done what it was given."""
    if device.type != "cpu":
        torch.accelerator.synchronize(device)


def now(device: torch.device) -> float:
    """Seconds on the clock of :func:`counts_cpu_time`, once the device has done what it was given."""
    synchronise(device)
    return time.process_time() if counts_cpu_time(device) else time.perf_counter()


def mixed(
    compute: Callable[[nn.Module, Tensor], object], module: nn.Module, given: Tensor, precision: str
) -> Callable[[], object]:
    """The call of a module in the training's precision."""

    def run() -> object:
        with torch.autocast(given.device.type, torch.bfloat16, enabled=precision == "bf16-mixed"):
            return compute(module, given)

    return run


def interleaved(sides: Mapping[str, Callable[[], object]], *, device: torch.device, timing: Timing) -> Times:
    """Time the sides in turns, A B A B …, after a few calls of each to warm up.

    Args:
        sides: what to call, by name.
        device: where they compute.
        timing: how long.
    """
    calls = {}
    for name, call in sides.items():
        call()
        call()
        start = now(device)
        call()
        calls[name] = max(1, math.ceil(timing.seconds / max(now(device) - start, 1e-6)))
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(timing.repetitions):
        for name, call in sides.items():
            start = now(device)
            for _ in range(calls[name]):
                call()
            seconds[name].append((now(device) - start) / calls[name])
    return Times({name: tuple(values) for name, values in seconds.items()})


# ------------------------------------------------------------------------------------------------------ the benchmark

Settings = TypeVar("Settings")


@dataclass(frozen=True, kw_only=True)
class Benchmark(Generic[Settings]):
    """One benchmark: what it measures, and how it is asked for and shown.

    Attributes:
        name: of the record.
        what: it measures, in a sentence.
        add_arguments: its own arguments, beside those of :func:`make_parser`.
        settings: a frozen dataclass from the arguments and the device.
        measure: from settings, device and timing to the record's lines.
        table: header and body from those lines.
        notes: sentences below the table.
        clock: what it times by; None for :func:`now`.
    """

    name: str
    what: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    settings: Callable[[argparse.Namespace, torch.device], Settings]
    measure: Callable[[Settings, torch.device, Timing], list[dict[str, Any]]]
    table: Callable[[list[dict[str, Any]]], tuple[list[str], list[list[str]]]]
    notes: tuple[str, ...] = ()
    clock: str | None = None

    def record(self, settings: Settings, *, device: torch.device, timing: Timing) -> dict[str, Any]:
        """Measure, and say in plain JSON what was measured, how and on what."""
        before = load_average()
        commit, _ = experiments.commit_of_code()  # of the code that is loaded; the checkout may change meanwhile
        lines = self.measure(settings, device, timing)
        return {
            "format": RECORD_FORMAT,
            "benchmark": self.name,
            "what": self.what,
            "device": experiments.device_name(device),
            "device_type": device.type,
            "threads": torch.get_num_threads(),
            "clock": self.clock or clock_of(device),
            "load_average": {
                "before": before,
                "after": load_average(),
            },  # of the last minute; 1 is this benchmark's own
            "cores": os.cpu_count(),
            "libraries": experiments.library_versions(),
            "commit": commit,
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "settings": asdict(settings),
            "timing": asdict(timing),
            "lines": lines,
        }

    def main(self, arguments: Sequence[str] | None = None) -> int:
        """Run from the command line: prints the table, writes the record, returns the exit code.

        Where the package has uncommitted changes nothing is recorded: no commit would say what was measured.
        """
        parser = make_parser(self.what)
        self.add_arguments(parser)
        options = parser.parse_args(arguments)
        try:
            if options.threads is not None:
                if options.threads < 1:
                    raise HandLibError(f"--threads {options.threads}: give 1 or more")
                torch.set_num_threads(options.threads)
            device = training.choose_device(options.device)
            timing = Timing(repetitions=options.repetitions, seconds=options.seconds)
            settings = self.settings(options, device)
            folder = options.results or cache.results_dir() / FOLDER
            cache.make_folder(folder)  # a folder that cannot be written must be known before, not after
            try:
                experiments.check_recordable()
                unrecorded = None
            except HandLibError as error:
                unrecorded = error
            record = self.record(settings, device=device, timing=timing)
            path = folder / f"{self.name}-{file_name(record['device'])}.json"
            if unrecorded is None:
                cache.write_json(path, record)
        except HandLibError as error:
            print(f"error: {error}", file=sys.stderr)
            return 2
        except KeyboardInterrupt:
            print("interrupted: nothing is recorded", file=sys.stderr)
            return 130
        self.show(record)
        print(f"not recorded: {unrecorded}" if unrecorded else f"recorded in {_near(path)}")
        return 0

    def show(self, record: Mapping[str, Any]) -> None:
        """Print a record."""
        load = record["load_average"]["before"]
        print(f"{self.what}\n{record['device']}; torch {record['libraries']['torch']}; {record['clock']}")
        print(f"load average {load:.1f} on {record['cores']} cores" if load is not None else "load average unknown")
        print(f"median [quartiles] of {record['timing']['repetitions']} turns each\n")
        print_table(*self.table(record["lines"]))
        print()
        for note in self.notes:
            print(note)


def make_parser(what: str) -> argparse.ArgumentParser:
    """The arguments that every benchmark has."""
    default = Timing()
    parser = argparse.ArgumentParser(description=what)
    parser.add_argument("--device", help="cpu, cuda, cuda:1, mps (default: the GPU if there is one)")
    parser.add_argument("--threads", type=int, metavar="N", help="of the CPU (default: torch's own)")
    parser.add_argument(
        "--repetitions",
        type=int,
        default=default.repetitions,
        metavar="N",
        help=f"turns a side (default: {default.repetitions})",
    )
    parser.add_argument(
        "--seconds", type=float, default=default.seconds, help=f"a turn, at least (default: {default.seconds:g})"
    )
    parser.add_argument("--results", type=Path, metavar="DIR", help=f"of the record (default: results/{FOLDER})")
    return parser


def at_least(name: str, least: int, *values: int) -> None:
    """Raise HandLibError unless all the values are ``least`` or more."""
    for value in values:
        if value < least:
            raise HandLibError(f"{name} must be at least {least}, not {value}")


def load_average() -> float | None:
    """Processes that wanted to run, on average over the last minute; None where the system does not count them."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def file_name(device: str) -> str:
    """ "NVIDIA H100 80GB HBM3" to "nvidia-h100-80gb-hbm3"."""
    return re.sub(r"[^a-z0-9]+", "-", device.lower()).strip("-")


def print_table(header: list[str], body: list[list[str]]) -> None:
    """Columns as wide as they need."""
    widths = [max(len(row[i]) for row in [header, *body]) for i in range(len(header))]
    for row in [header, *body]:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def show_spread(values: Mapping[str, float]) -> str:
    """A record's median and quartiles for a table."""
    return str(Spread(**values))


def _near(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
