"""The paper's tables: every row, the paper's order of rows, means of what was given."""

from __future__ import annotations

from hand_lib.figures.ladder import printed_between
from hand_lib.figures.paper_tables import TABLE_1, TABLE_2, not_recorded, table_2, table_2_costs
from hand_lib.figures.rungs import AVERAGES, MAPS
from hand_lib.figures.tables import together
from hand_lib.models.rows import ROWS


def record(row: str, seed: int, epe: float, backbone: str = "resnet18") -> dict:
    metrics = {"epe_mean": epe, "pa_epe_mean": epe / 2, "auc_20_50": epe / 100}
    return {"row": row, "seed": seed, "backbone": backbone, "metrics": metrics}


def test_table_1_has_the_papers_eleven_rows_and_printed_steps():
    assert [ROWS[row].table_id for row in TABLE_1] == [f"ID-{i}" for i in range(1, 12)]
    # The text's own: 2.69 mm from ID-1 to ID-5, then 0.11, 0.42, 0.38, 0.11, 0.22, 0.1.
    assert [f"{printed_between(*pair):+.2f}" for pair in MAPS] == [
        *("-2.69", "-0.11", "-0.42", "-0.38", "-0.11", "-0.22", "-0.10")
    ]
    assert all(TABLE_1.index(before) < TABLE_1.index(row) for row, before in (*AVERAGES, *MAPS))
    assert dict(MAPS.keys())["maps"] == "fr" and dict(AVERAGES.keys())["pooled"] == "afr"


def test_no_line_breaks_inside_a_number_with_its_spread():
    assert together("1 ± 2") == "1\u00a0±\u00a02"


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
