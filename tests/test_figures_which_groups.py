"""How many groups: Table 3 as printed, and a picture in which every dot is a difference of two records."""

from __future__ import annotations

import pytest

from hand_lib.experiments import SeedSpread
from hand_lib.figures.which_groups import BESIDE_ONE, TABLE_3_OF_GROUPS, difference_by_count, groups_table_3
from hand_lib.models.groups.rows import GROUP_ROWS, PRINTED

KNOWN = SeedSpread(variance=0.04, freedom=20, rows=5)
UNKNOWN = SeedSpread(variance=float("nan"), freedom=0, rows=0)


def record(short: str, seed: int, epe: float, groups: tuple[int, ...] = (0,)) -> dict:
    return {
        "row": f"groups-{short}",
        "seed": seed,
        "metrics": {"epe_mean": epe, "epe_median": epe - 2},
        "group_of_joint": [groups[j % len(groups)] for j in range(21)],
    }


RECORDS = [
    record("k1", 0, 15.0),
    record("k1", 1, 16.0),
    record("k3", 0, 14.5, (0, 2)),
    record("k3", 1, 16.25, (0, 1, 2)),
    record("k3", 7, 99.0, (0, 1, 2)),  # a seed that one group lacks
    record("k21", 1, 15.5, (3, 8, 11)),
]


def dots(ax) -> list[tuple[float, float]]:
    """Every dot of a seed, as where along the axis it stands and its value."""
    return sorted(
        (round(x + 0.1), y)
        for line in ax.lines
        if line.get_marker() == "o"
        for x, y in zip(line.get_xdata(), line.get_ydata(), strict=True)
    )


def test_table_3_has_the_papers_lines_this_books_means_and_the_groups_that_are_used():
    table = groups_table_3(RECORDS)
    lines = {row[0]: row for row in table.rows}
    assert list(lines) == ["1", "2", "3", "4", "5", "21"]
    assert [row[5:] for row in table.rows] == [
        (f"{p.mean:.3f}", f"{p.median:.3f}", f"{p.auc:.3f}") for p in map(PRINTED.get, TABLE_3_OF_GROUPS)
    ]
    assert [row[5] for row in table.rows] == ["11.534", "11.042", "10.771", "10.808", "10.923", "10.964"]
    space = "\N{NO-BREAK SPACE}"
    assert lines["1"][1:5] == ("1.0", f"15.50{space}±{space}0.71", f"13.50{space}±{space}0.71", "2")
    assert lines["3"][1] == f"2.7{space}±{space}0.6" and lines["3"][4] == "3"
    assert lines["21"][1:5] == ("3.0", "15.50", "13.50", "1")
    assert lines["2"][1:5] == ("–", "–", "–", "0")


def test_table_3_s_rows_have_as_many_groups_as_it_says():
    for short, groups in TABLE_3_OF_GROUPS.items():
        assert PRINTED[short] and f"groups-{short}" in GROUP_ROWS
        assert short == f"k{groups}"
    assert {f"groups-{short}" for short in BESIDE_ONE} <= GROUP_ROWS.keys()


def test_differences_are_of_the_same_seed_and_stand_beside_the_papers():
    (ax,) = difference_by_count(RECORDS, KNOWN).axes
    assert dots(ax) == [
        (BESIDE_ONE.index("k3"), -0.5),
        (BESIDE_ONE.index("k3"), 0.25),
        (BESIDE_ONE.index("k21"), -0.5),
    ]
    printed = [line.get_ydata()[0] for line in ax.lines if line.get_marker() == "s" and len(line.get_ydata())]
    assert printed == [pytest.approx(PRINTED[short].mean - 11.534) for short in BESIDE_ONE if short in PRINTED]
    (band,) = ax.patches
    corners = (
        band.get_xy()[:, 1] if hasattr(band.get_xy(), "shape") else [band.get_y(), band.get_y() + band.get_height()]
    )
    assert (min(corners), max(corners)) == pytest.approx((-KNOWN.between_two(), KNOWN.between_two()))
    means = [line.get_ydata()[0] for line in ax.lines if line.get_color() == "#d55e00"]
    assert means == pytest.approx([-0.125, -0.5])


def test_where_the_spread_is_unknown_there_is_no_band_and_without_a_pair_no_figure():
    (ax,) = difference_by_count(RECORDS, UNKNOWN).axes
    assert not ax.patches
    assert difference_by_count(RECORDS[2:], KNOWN) is None
    assert difference_by_count(RECORDS[:2], KNOWN) is None
    assert difference_by_count([], UNKNOWN) is None
