"""The ledger: every rung once, in the chapters' order; sizes are the networks', errors the records'."""

from __future__ import annotations

import pytest
from conftest import ROOT
from made_records import made_record

from hand_lib.book.chapters import find_chapters
from hand_lib.experiments import PROFILES
from hand_lib.figures import ladder, ledger
from hand_lib.figures.ledger import HEADER, LEDGER, NEW
from hand_lib.models.catalogue import rows_and_variants
from hand_lib.models.counting import count
from hand_lib.models.rows import ROWS


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs of FR and AFR, and of a row that stands further down."""
    errors = {"fr": (20.0, 22.0), "afr": (18.0,), "multihead": (15.0,)}
    found = [made_record(row, seed, epe) for row, epes in errors.items() for seed, epe in enumerate(epes)]
    monkeypatch.setattr(ladder, "own_records", lambda profile, rows: found if profile == "quick" else [])


def test_the_rungs_stand_in_the_order_in_which_the_chapters_build_them():
    built = [row for chapter in find_chapters(ROOT) for row in chapter.rungs]
    assert list(LEDGER) == built


def test_it_grows_by_a_chapter_s_rungs_and_marks_them(recorded):
    before, after, whole = ledger.ledger("afr"), ledger.ledger("pooled", "maps"), ledger.ledger()
    assert [line[0] for line in before.rows] == ["ID-1 FR", f"{NEW}ID-2 AFR"]
    assert [line[0] for line in after.rows] == ["ID-1 FR", "ID-2 AFR", f"{NEW}ID-3 pooled", f"{NEW}ID-5 maps"]
    unmarked = [[cell.removeprefix(NEW) for cell in line] for line in before.rows]
    assert [list(line) for line in after.rows[:2]] == unmarked
    assert len(whole.rows) == len(ROWS) and not any(NEW in line[0] for line in whole.rows)


def test_errors_are_those_of_the_records(recorded):
    lines = {line[0]: dict(zip(HEADER, line, strict=True)) for line in ledger.ledger().rows}
    assert lines["ID-1 FR"]["EPE, mm"].replace("\N{NO-BREAK SPACE}", " ") == "21.00 ± 1.41"
    assert (lines["ID-1 FR"]["n"], lines["ID-2 AFR"]["n"], lines["ID-3 pooled"]["n"]) == ("2", "1", "0")
    assert lines["ID-3 pooled"]["EPE, mm"] == "not recorded"
    assert lines["ID-2 AFR"][HEADER[-1]] == "14.08", "as the paper prints it"


def test_sizes_are_those_of_the_networks(recorded):
    size = PROFILES["quick"].network
    for name, line in zip(LEDGER, ledger.ledger().rows, strict=False):
        n = count(rows_and_variants()[name].build(size), size.image_size)
        assert line[3:5] == (f"{n.params / 1e6:.2f}", f"{n.macs / 1e6:.1f}"), name


def test_without_records_it_shows_networks_alone(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ladder, "own_records", lambda profile, rows: [])
    shown = ledger.ledger("fr")
    assert shown.rows[0][5:7] == ("not recorded", "0") and "quick" in shown.note
