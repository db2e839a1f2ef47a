"""What the pictures and the table of starts say, from made parts and made records."""

from __future__ import annotations

import made_records
import matplotlib.pyplot as plt
import pytest
import torch

from hand_lib import cache, experiments
from hand_lib.figures.starts import parts_sheet, starts_table
from hand_lib.skeleton import FINGER_COLORS


def test_each_part_is_drawn_in_its_cell_in_its_fingers_colour():
    truth = torch.zeros(2, 4, 4, dtype=torch.long)
    truth[1, 1, 2] = 3  # the thumb's last part: lightest at the tip, so the first is the finger's own colour
    named = truth.clone()
    named[1, 1, 2] = 0
    figure = parts_sheet(torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0)), truth, named)
    axes = figure.axes
    assert [ax.get_ylabel() for ax in axes[::2]] == ["crop", "true parts", "named parts"]
    cells = [ax.collections[0].get_array().reshape(4, 4, 3) for ax in axes[2:]]  # true of both hands, then named
    finger = torch.tensor([int(FINGER_COLORS["thumb"][i : i + 2], 16) for i in (1, 3, 5)])
    assert (torch.tensor(cells[1][1, 2]) - finger).abs().max() <= 1
    assert not cells[0].any() and not cells[2].any() and not cells[3].any()
    assert axes[3].collections[0].get_coordinates()[1, 2].tolist() == [
        6.0,
        2.0,
    ]  # cell 2 stands at pixel 8, cell 1 at 4
    plt.close(figure)


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """Writes made records where the package looks for them."""
    monkeypatch.setattr(cache, "results_dir", lambda: tmp_path)

    def write(row: str, seed: int, epe: float, start: str) -> None:
        planned = experiments.plan(row, profile="quick", seed=seed, device="cpu", start=start)
        record = made_records.made_record(row, seed, epe, start=start)
        record["decides"] = planned.decides
        record = made_records.sealed(record)
        path = experiments.record_path(record, tmp_path)
        path.parent.mkdir(parents=True, exist_ok=True)
        cache.write_json(path, record)

    return write


def test_starts_are_compared_over_the_seeds_that_have_them_all(kept):
    for seed, parts, random in ((0, 15.0, 21.0), (1, 16.0, 23.0), (2, 99.0, None)):
        kept("fr", seed, parts, "parts")
        if random is not None:
            kept("fr", seed, random, "random")
    kept("afr", 0, 14.0, "parts")  # nothing to compare it with
    shown = starts_table(["fr", "afr"])
    assert shown.header == ("EPE, mm, from", "random weights", "weights that name the hand's parts", "n")
    assert [[cell.replace("\N{NO-BREAK SPACE}", " ") for cell in row] for row in shown.rows] == [
        ["FR", "22.00 ± 1.41", "15.50 ± 0.71", "2"]
    ]
    assert "quick" in shown.note


def test_one_start_is_no_comparison(kept):
    kept("fr", 0, 15.0, "parts")
    assert starts_table(["fr"]) is None
