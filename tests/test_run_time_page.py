"""The page *How a page computes a network*: its numbers are those of records."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT

from hand_lib.book import run_time
from hand_lib.errors import HandLibError
from hand_lib.live import find_shipped

SIDES = {"ours": 4_000, "library": 2_000_000}


def spread(median: float) -> dict[str, float]:
    return {"median": median, "low": 0.9 * median, "high": 1.2 * median}


def record(**changed: Any) -> dict[str, Any]:
    """A benchmark's record, with fields that the page has no use for."""
    lines = [
        {
            "row": row,
            "side": side,
            "browser": "Chromium 1",
            "milliseconds": spread(took * slower),
            "ratio": spread(1 / took),
            "bytes": count,
            "differ": 1e-7,
            "seconds": [0.1],
        }
        for row, slower in (("afr", 1), ("refine-hdr", 2))
        for (side, count), took in zip(SIDES.items(), (100, 1), strict=True)
    ]
    said = {"device": "Some CPU, 1 thread", "cores": 2, "load_average": {"before": 0.42, "after": 1.0}, "lines": lines}
    return {"benchmark": "live_networks", "timing": {"repetitions": 11, "seconds": 0.5}, **said, **changed}


def written(folder: Path, *records: dict[str, Any]) -> str:
    """The page's part on speed, from such records."""
    results = folder / "results"
    (results / "benchmarks").mkdir(parents=True)
    for i, content in enumerate(records):
        (results / "benchmarks" / f"live_networks-{i}.json").write_text(json.dumps(content))
    run_time.write(folder, results)
    return (folder / "run_time_speed.md").read_text(encoding="utf-8")


def test_speed_and_size_are_those_of_the_record(tmp_path) -> None:
    text = written(tmp_path, record())
    assert "| `afr` | 100 | 1.00 | 0.01 [0.01, 0.01] |" in text
    assert "| `refine-hdr` | 200 | 2.00 | 0.01 [0.01, 0.01] |" in text
    assert "4 kB against 2.0 MB, 500 times as much" in text
    assert "11 turns" in text and "Chromium 1 on Some CPU, load average 0.4 on 2 cores" in text


def test_a_machine_that_counts_no_load_has_none(tmp_path) -> None:
    assert "load average" not in written(tmp_path, record(load_average={"before": None, "after": None}))


def test_each_machine_has_a_table_and_none_has_the_command(tmp_path) -> None:
    assert written(tmp_path / "two", record(), record(device="Another")).count("| `afr` |") == 2
    assert "python benchmarks/live_networks.py" in written(tmp_path / "none")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"lines": []}, "lines: "),
        ({"cores": "two"}, "cores: "),
        ({"lines": [{**record()["lines"][0], "bytes": 0}]}, "lines.0.bytes: "),
        ({"lines": [{**record()["lines"][0], "milliseconds": spread(0)}]}, "lines.0.milliseconds.median: "),
        ({"lines": record()["lines"][::2]}, "lines: there is nothing beside 'ours'"),
        ({"lines": record()["lines"][:-1]}, "lines: refine-hdr has 0 of 'library', not 1"),
        ({"lines": record()["lines"][1:]}, "lines: afr has 0 of 'ours', not 1"),
        ({"lines": [*record()["lines"], record()["lines"][0]]}, "lines: afr has 2 of 'ours', not 1"),
    ],
)
def test_a_record_that_cannot_be_is_named_in_one_line(tmp_path, changed, said) -> None:
    with pytest.raises(HandLibError, match=re.escape(f"live_networks-0.json: {said}")) as caught:
        written(tmp_path, record(**changed))
    assert "\n" not in str(caught.value) and not (tmp_path / "run_time_speed.md").exists()


UNREADABLE = {"empty": b"", "no text": b"\xff\xfe", "deep": b"[" * 10**5, "NaN": b'{"cores": NaN}', "a folder": None}


@pytest.mark.parametrize("content", UNREADABLE.values(), ids=UNREADABLE)
def test_what_cannot_be_read_is_named_once(tmp_path, content) -> None:
    path = tmp_path / "benchmarks" / "live_networks-0.json"
    path.parent.mkdir()
    path.mkdir() if content is None else path.write_bytes(content)
    with pytest.raises(HandLibError, match="cannot read") as caught:
        run_time.write(tmp_path, tmp_path)
    assert str(caught.value).count(str(path)) == 1 and "\n" not in str(caught.value)


def test_what_eight_bits_cost_is_what_the_records_say(tmp_path) -> None:
    written(tmp_path)
    lines = (tmp_path / "run_time_rounding.md").read_text(encoding="utf-8").splitlines()[2:]
    for line, (row, network) in zip(lines, find_shipped().items(), strict=True):
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        names = ("epe_mean", "rounded_epe_mean", "moved_mean", "moved_max")
        assert cells[0] == f"`{row}`" and float(cells[1]) == pytest.approx(network.path.stat().st_size / 1e6, abs=0.05)
        for cell, name in zip(cells[2:], names, strict=True):
            assert float(cell) == pytest.approx(network.record[name], abs=0.0051 if "moved" in name else 0.00051)


def test_nobody_types_a_measurement() -> None:
    page = (ROOT / "book" / "networks_in_the_page.md").read_text(encoding="utf-8")
    assert all(f"```{{include}} run_time_{name}.md" in page for name in ("speed", "rounding"))
    assert not re.search(r"\d\s*(ms|mm|kB|MB)\b", page)
