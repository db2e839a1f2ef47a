"""What *How a page computes a network* tells of measurements: speed beside a library, and what eight bits cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import product
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from hand_lib.cache import atomic_write, read_json
from hand_lib.errors import HandLibError
from hand_lib.figures.tables import Table
from hand_lib.live import find_shipped
from hand_lib.spread import Spread, three_digits
from hand_lib.strict import Name, Positive, Strict, Text, check

_Above0 = Annotated[float, Field(gt=0)]


class _Spread(Strict):
    """Median and quartiles."""

    median: _Above0
    low: _Above0
    high: _Above0

    def __str__(self) -> str:
        return str(Spread(self.median, self.low, self.high))


class _Said(BaseModel):
    """What this page needs of a record; a benchmark writes more than that."""

    model_config = ConfigDict(strict=True, frozen=True, allow_inf_nan=False)


class _Line(_Said):
    row: Name
    side: Text
    browser: Text
    milliseconds: _Spread
    ratio: _Spread
    bytes: Positive


class _Load(_Said):
    before: Annotated[float, Field(ge=0)] | None


class _Timing(_Said):
    repetitions: Positive


class _Record(_Said):
    device: Text
    cores: Positive
    load_average: _Load
    timing: _Timing
    lines: Annotated[list[_Line], Field(min_length=1)]

    @model_validator(mode="after")
    def _each_network_on_each_side_once(self) -> Self:
        found = Counter((line.row, line.side) for line in self.lines)
        rows, sides = (dict.fromkeys(names) for names in zip(*found, strict=True))
        if len(sides) < 2:
            raise ValueError(f"lines: there is nothing beside {ascii(*sides)}")
        for row, side in product(rows, sides):
            if found[row, side] != 1:
                raise ValueError(f"lines: {row} has {found[row, side]} of {side!a}, not 1")
        return self


def write(folder: Path, results: Path) -> None:
    """Write what *How a page computes a network* includes: ``run_time_speed.md`` and ``run_time_rounding.md``.

    Args:
        folder: of the page.
        results: folder of the records, with ``benchmarks/live_networks-….json`` for each machine.

    Raises:
        HandLibError: a record cannot be read; a file cannot be written.
    """
    found = [_measured(path) for path in sorted((results / "benchmarks").glob("live_networks-*.json"))]
    speed = "\n\n".join(map(_speed_of, found)) or "Not measured yet: `python benchmarks/live_networks.py`."
    for name, text in {"speed": speed, "rounding": str(rounding_table())}.items():
        with atomic_write(folder / f"run_time_{name}.md") as file:
            file.write(f"{text}\n".encode())


def _measured(path: Path) -> _Record:
    content = read_json(path)
    try:
        return check(_Record, content)
    except HandLibError as error:
        raise HandLibError(f"cannot use {path}: {error}") from error


def _speed_of(record: _Record) -> str:
    """A table with a line a network, and on what it was measured; as MyST."""
    sides = list(dict.fromkeys(line.side for line in record.lines))
    ours, *_, theirs = sides
    by_row: dict[str, dict[str, _Line]] = {}
    for line in record.lines:
        by_row.setdefault(line.row, {})[line.side] = line
    header = ("network", *(f"{side}, ms" for side in sides), f"{ours}: times as fast as {theirs}")
    rows = [
        (f"`{row}`", *(three_digits(of[side].milliseconds.median) for side in sides), str(of[ours].ratio))
        for row, of in by_row.items()
    ]
    sizes = {line.side: line.bytes for line in record.lines}
    load = record.load_average.before
    busy = "" if load is None else f", load average {load:.1f} on {record.cores} cores"
    return (
        f"{Table(header, tuple(rows))}\n\n"
        f"Milliseconds a picture, medians of {record.timing.repetitions} turns each, one after the other in one page, "
        f"one thread; of the last column the quartiles as well; {record.lines[0].browser} on "
        f"{record.device.partition(',')[0]}{busy}. The scripts: {sizes[ours] / 1e3:.0f} kB against "
        f"{sizes[theirs] / 1e6:.1f} MB, {sizes[theirs] / sizes[ours]:.0f} times as much."
    )


def rounding_table() -> Table:
    """What the package's networks lose by eight bits, by their own records."""
    header = ("network", "MB", "EPE, mm", "in eight bits, mm", "a joint moves, mm: mean", "most")
    return Table(header, tuple(_rounded(found.record, len(found.content)) for found in find_shipped().values()))


def _rounded(record: dict, count: int) -> Iterable[str]:
    errors = (f"{record[name]:.3f}" for name in ("epe_mean", "rounded_epe_mean"))
    moved = (f"{record[name]:.2f}" for name in ("moved_mean", "moved_max"))
    return (f"`{record['row']}`", f"{count / 1e6:.1f}", *errors, *moved)
