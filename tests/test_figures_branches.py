"""Figures of joint groups: panels and rings lie where they say, blocks are cut where groups end, Table 2 as printed."""

from __future__ import annotations

import pytest
import torch

from hand_lib.figures.branches import TABLE_2_OF_GROUPS, groups_table_2, mixing_weights, said_by_groups, stations
from hand_lib.models.groups.rows import GROUP_ROWS, PRINTED
from hand_lib.models.groups.selectors import THUMB_INDEX_REST, FixedSelector

NAMES = ("thumb", "index", "others")


def rings(ax) -> list[tuple[float, float]]:
    """The places that are ringed: lines of one point, without a filling."""
    return [
        (line.get_xdata()[0], line.get_ydata()[0])
        for line in ax.lines
        if len(line.get_xdata()) == 1 and line.get_markerfacecolor() == "none"
    ]


def test_stations_stand_in_order_with_a_box_a_group_and_their_shapes():
    flow = [("picture", (3, 64, 64)), (["a", "b", "c"], (3, 8)), (["x", "y", "z"], (3, 2)), ("one", (2,))]
    (ax,) = stations(flow).axes
    boxes = [patch.get_bbox() for patch in ax.patches]
    assert len(boxes) == 8
    for upper, lower in ((0, 1), (1, 4), (4, 7)):  # going down, and nothing overlaps
        assert boxes[upper].y1 < boxes[lower].y0
    assert boxes[1].x1 < boxes[2].x0 and boxes[2].x1 < boxes[3].x0
    assert boxes[0].x0 <= boxes[1].x0 and boxes[3].x1 <= boxes[0].x1
    for box, next_one in zip(boxes[1:4], boxes[4:7], strict=True):
        assert (box.x0, box.x1) == (next_one.x0, next_one.x1)
    texts = [text.get_text() for text in ax.texts]
    assert [t for t in texts if "×" in t or t == "2"] == ["3 × 64 × 64", "3 × 8", "3 × 2", "2"]
    assert [t for t in texts if t in "abcxyz"] == list("abcxyz")
    assert len(ax.lines) == 3 + 3 + 3  # fans out, three side by side, and in again


def test_each_group_has_its_panel_and_its_own_joints_are_ringed():
    uv, chosen = 40 * torch.rand(3, 21, 2), 40 * torch.rand(21, 2)
    figure = said_by_groups(torch.rand(3, 30, 48), uv, FixedSelector(THUMB_INDEX_REST)(), NAMES, chosen=chosen)
    assert [ax.get_title() for ax in figure.axes] == [*NAMES, "selected"]
    for k, ax in enumerate(figure.axes[:3]):
        own = [joint for joint, group in enumerate(THUMB_INDEX_REST) if group == k]
        assert rings(ax) == [pytest.approx(uv[k, joint].tolist()) for joint in own]
        assert ax.get_xlim() == (-0.5, 47.5) and ax.get_ylim() == (29.5, -0.5)
    assert rings(figure.axes[3]) == []
    wrist = [line.get_xydata()[0] for line in figure.axes[3].lines]  # every finger begins there
    assert all(point == pytest.approx(chosen[0].tolist()) for point in wrist)


@pytest.mark.parametrize("groups", [2, 3])
def test_weights_have_one_scale_and_lines_between_groups(groups):
    first = torch.zeros(groups * 4, groups * 4)
    first[5, 1] = -3.0  # to the second group, from the first
    figure = mixing_weights({"before": first, "after": 0.5 * first.T}, NAMES[:groups], limit=2.0)
    before, after, bar = figure.axes
    assert [before.get_title(), after.get_title()] == ["before", "after"] and bar.get_ylabel() == "weight"
    assert [text.get_text() for text in before.get_xticklabels()] == list(NAMES[:groups])
    for ax in (before, after):
        assert ax.images[0].get_clim() == (-2.0, 2.0)
        across = sorted(line.get_ydata()[0] for line in ax.lines if line.get_ydata()[0] == line.get_ydata()[1])
        assert across == [4 * k - 0.5 for k in range(1, groups)]  # between one group's last cell and the next's first
        assert len(ax.lines) == 2 * (groups - 1)
    shown = before.images[0].get_array()
    assert (shown[5, 1], shown[1, 5]) == (-3.0, 0.0)  # what is made goes down


def test_table_2_has_the_papers_lines_and_this_books_means():
    table = groups_table_2(
        {"groups-k1": [{"epe_mean": 20.0, "epe_median": 18.0}, {"epe_mean": 22.0, "epe_median": 18.0}]}
    )
    assert len(table.rows) == len(TABLE_2_OF_GROUPS) == 5
    assert table.rows[0][3:6] == ("21.00\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}1.41", "18.00", "2")
    assert all(row[3:6] == ("–", "–", "0") for row in table.rows[1:])
    printed = [tuple(map(float, row[6:])) for row in table.rows]
    assert printed == [(p.mean, p.median, p.auc) for p in map(PRINTED.get, TABLE_2_OF_GROUPS)]
    assert [row[6] for row in table.rows] == ["11.534", "11.205", "11.021", "10.771", "10.653"]


def test_table_2_s_ticks_say_what_the_rows_are():
    for short, (by_hand, learnt, fused) in TABLE_2_OF_GROUPS.items():
        title = GROUP_ROWS[f"groups-{short}"].title
        assert (by_hand, learnt, fused) == ("by hand" in title, "learnt" in title, "fused" in title)
