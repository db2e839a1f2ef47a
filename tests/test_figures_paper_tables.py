"""The paper's tables whole: every row, the paper's order of rows, means and differences of what was given."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
from made_records import made_record

from hand_lib.experiments import Comparison, pool
from hand_lib.figures import rungs
from hand_lib.figures.paper_tables import (
    BEFORE,
    TABLE_1,
    TABLE_2,
    before_pairs,
    not_recorded,
    recorded_before_pairs,
    table_1,
    table_1_steps,
    table_2,
    table_2_costs,
)
from hand_lib.figures.tables import together
from hand_lib.models.rows import ROWS


def record(row: str, seed: int, epe: float, backbone: str = "resnet18") -> dict:
    metrics = {"epe_mean": epe, "pa_epe_mean": epe / 2, "auc_20_50": epe / 100}
    return {"row": row, "seed": seed, "backbone": backbone, "metrics": metrics}


def comparison(difference: float, *, half: float = 0.5) -> Comparison:
    return Comparison(
        difference=difference,
        low=difference - half,
        high=difference + half,
        confidence=0.95,
        margin=0.25,
        spread=pool([[1.0, 2.0]]),
        image_error=0.1,
        per_seed=(difference,),
        seeds=(0,),
        images=9,
        names=("a", "b"),
    )


def test_table_1_has_the_papers_eleven_rows_and_printed_steps():
    table, steps = table_1([]), table_1_steps([])
    assert [line[0] for line in table.rows] == [f"ID-{i}" for i in range(1, 12)]
    assert [ROWS[row].table_id for row in TABLE_1] == [line[0] for line in table.rows]
    assert all(line[2:6] == ("not recorded", "–", "–", "0") for line in table.rows)
    # The text's own: 2.69 mm from ID-1 to ID-5, then 0.11, 0.42, 0.38, 0.11, 0.22, 0.1.
    printed = [line[-1] for line in steps.rows][3:]
    assert printed == ["-2.69", "-0.11", "-0.42", "-0.38", "-0.11", "-0.22", "-0.10"]
    assert all(line[2:4] == ("–", "–") for line in steps.rows)
    assert sum("not comparable" in title for title in (*table.header, *steps.header)) == 3


def test_rows_come_after_those_that_they_build_on():
    assert all(TABLE_1.index(before) < TABLE_1.index(row) for row, before in BEFORE.items())
    assert BEFORE["maps"] == "fr" and BEFORE["pooled"] == "afr"


def test_table_1_averages_seeds_and_takes_differences_over_common_seeds():
    given = [record("fr", 0, 30.0), record("fr", 1, 34.0), record("afr", 0, 20.0), record("maps", 2, 1.0)]
    assert table_1(given).rows[0][2:6] == tuple(map(together, ("32.00 ± 2.83", "16.00 ± 1.41", "0.320 ± 0.028", "2")))
    steps = {line[0]: line for line in table_1_steps(given).rows}
    assert steps[together("ID-2 − ID-1")][2:4] == ("-10.00", "–")  # seed 0 alone
    assert steps[together("ID-5 − ID-1")][2] == "–"  # no seed in common
    with_interval = {line[0]: line for line in table_1_steps(given, {"afr": comparison(-9.0)}).rows}
    assert with_interval[together("ID-2 − ID-1")][2:4] == ("-9.00", together("-9.50 to -8.50"))
    unknown = {line[0]: line for line in table_1_steps(given, {"afr": comparison(-9.0, half=math.inf)}).rows}
    assert unknown[together("ID-2 − ID-1")][2:4] == ("-9.00", "–")


def test_no_line_breaks_inside_a_number_with_its_spread():
    assert together("1 ± 2") == "1\u00a0±\u00a02"


def test_pairs_are_made_of_common_seeds_and_share_one_spread_over_all_runs(monkeypatch: pytest.MonkeyPatch):
    seen, spreads = [], []

    def compare(a, b, *, spread):
        seen.append((a, b))
        spreads.append(spread)
        return comparison(0.0)

    monkeypatch.setattr(rungs, "compare", compare)
    monkeypatch.setattr(rungs, "seed_spread", lambda runs: pool([[r.record["seed"] for r in runs]]))

    def run(row: str, seed: int):
        return SimpleNamespace(record={"row": row, "seed": seed})

    runs = {row: [run(row, seed) for seed in (0, 1)] for row in ("fr", "afr")}
    runs["pooled"] = [run("pooled", 1)]
    runs["refine-h"] = [run("refine-h", 0)]  # its row before is missing
    assert set(before_pairs(runs)) == {"afr", "pooled"}
    assert [[r.record["seed"] for r in a] for a, _ in seen] == [[0, 1], [1]]
    assert [r.record["row"] for r in seen[1][1]] == ["afr"]
    assert spreads[0] is spreads[1] and spreads[0].freedom == 6 - 1  # of all six runs, also the one without a pair


def test_pairs_of_records_are_those_that_share_a_seed():
    given = [made_record("fr", s, 24.0 + 0.1 * s) for s in (0, 1)] + [made_record("afr", s, 22.0) for s in (0, 1)]
    pairs = recorded_before_pairs([*given, made_record("refine-h", 0, 19.0)])
    assert set(pairs) == {"afr"} and pairs["afr"].difference == pytest.approx(-2.05)
    assert pairs["afr"].seeds == (0, 1) and recorded_before_pairs([]) == {}


def test_table_2_has_every_backbone_and_says_what_is_not_recorded():
    given = [record("afr", 0, 12.0, "resnet50"), record("afr", 1, 14.0, "resnet50")]
    table = table_2(given)
    assert len(table.rows) == len(TABLE_2) * 5
    lines = {line[0]: line for line in table.rows}
    assert lines["AFR, R-50"][1:] == (together("13.00 ± 1.41"), "2", "12.46")
    assert sum(line[1] == "not recorded" for line in table.rows) == 14
    assert len(not_recorded(given)) == 14 and "AFR, R-50" not in not_recorded(given)


def test_table_2_counts_the_rival_both_ways_and_the_printed_sizes():
    lines = {line[0]: line[1:] for line in table_2_costs().rows}
    assert len(lines) == len(TABLE_2) * 5
    rival = lines[together("2.5D detection, R-50")]
    assert rival == tuple(
        map(together, ("34.0 M (10.5)", "7.3 G (1.9)", "12.9 G (7.6)", "34.0 M (10.5)", "12.9 G (7.6)"))
    )
    for name in ("AFR, R-50", "multi-head, R-50"):  # counted as printed, on either grid
        params, macs, on_output, printed_params, printed_macs = lines[together(name)]
        assert (params, macs, on_output) == (printed_params, printed_macs, printed_macs)
