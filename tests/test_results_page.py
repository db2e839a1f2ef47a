"""The page of results: what the records say, and nothing else."""

from __future__ import annotations

import statistics
from pathlib import Path

import pytest
from made_records import made_record

from hand_lib import cache
from hand_lib.errors import HandLibError
from hand_lib.experiments import get_profile
from hand_lib.figures.results_page import HEADER, NO_RECORDS, OUTDATED, markdown, write
from hand_lib.figures.tables import PAPER_EPE, together


def lines_of(text: str) -> list[list[str]]:
    return [
        [cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("| `")
    ]


def test_without_records_it_says_so(tmp_path: Path) -> None:
    write(tmp_path / "table.md", folder=tmp_path / "results")
    assert (tmp_path / "table.md").read_text() == f"{NO_RECORDS}\n"


def test_seeds_are_averaged_with_their_spread() -> None:
    ours = [30.5, 33.5]
    text = markdown([made_record("fr", seed, epe) for seed, epe in enumerate(ours)])
    (line,) = lines_of(text)
    cells = dict(zip(HEADER, line, strict=True))
    assert cells["EPE, mm"] == together(f"32.00 ± {statistics.stdev(ours):.2f}")
    assert cells["seeds"] == together("0, 1")
    assert cells[PAPER_EPE] == "14.90"  # Table 1 of JAR, ID-1
    assert "Trained on a processor, 1 thread. The constant prediction has 51.25 mm." in text


def test_one_seed_has_no_spread() -> None:
    (line,) = lines_of(markdown([made_record("afr", 0, 25.0)]))
    assert line[HEADER.index("EPE, mm")] == "25.00"


def test_profiles_have_tables_of_their_own_and_smoke_has_none() -> None:
    text = markdown(
        [
            made_record("fr", 0, 30.0),
            made_record("fr", 0, 20.0, profile="full"),
            made_record("fr", 0, 99.0, profile="smoke"),
        ]
    )
    assert text.index("`quick`") < text.index("`full`")
    assert [line[HEADER.index("EPE, mm")] for line in lines_of(text)] == ["30.00", "20.00"]
    assert "smoke" not in text and "99" not in text
    assert markdown([made_record("fr", 0, 99.0, profile="smoke")]).strip() == NO_RECORDS


def test_runs_of_other_code_or_pictures_are_kept_apart_and_marked() -> None:
    runs = [
        made_record("fr", 0, 30.0),
        made_record("fr", 1, 40.0, revision=2),
        made_record("fr", 2, 50.0, data_version="older"),
    ]
    text = markdown(runs)
    lines = lines_of(text)
    assert [line[HEADER.index("EPE, mm")] for line in lines] == ["30.00", "40.00", "50.00"]
    assert [line[0] for line in lines] == ["`fr`", "`fr` \\*", "`fr` \\*"]
    assert OUTDATED in text
    assert OUTDATED not in markdown(runs[:1])


def test_a_backbone_that_the_paper_does_not_print_gets_a_dash() -> None:
    run = made_record("fr", 0, 30.0, backbone="resnet34")
    (line,) = lines_of(markdown([run]))
    assert line[HEADER.index(PAPER_EPE)] == "–"


def test_runs_that_start_from_imagenet_are_kept_apart() -> None:
    lines = lines_of(markdown([made_record("fr", 0, 30.0), made_record("fr", 1, 20.0, imagenet=True)]))
    column = HEADER.index("backbone")
    assert [line[column] for line in lines] == ["resnet18", "resnet18, from ImageNet"]


def test_it_reads_records_from_the_folder(tmp_path: Path) -> None:
    for seed in get_profile("quick").seeds:
        cache.write_json(tmp_path / "results" / "quick" / f"afr-s{seed}.json", made_record("afr", seed, 20.0 + seed))
    write(tmp_path / "page" / "table.md", folder=tmp_path / "results")
    (line,) = lines_of((tmp_path / "page" / "table.md").read_text())
    assert line[HEADER.index("seeds")] == together("0, 1")


def test_a_damaged_record_is_named(tmp_path: Path) -> None:
    path = tmp_path / "results" / "quick" / "afr-s0.json"
    path.parent.mkdir(parents=True)
    path.write_text('{"format": 1, "row"')
    with pytest.raises(HandLibError, match=r"afr-s0\.json"):
        write(tmp_path / "table.md", folder=tmp_path / "results")
    assert not (tmp_path / "table.md").exists()
