"""Error against cost: the front is what nobody beats, names stand apart and in order, like costs share one scale."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hand_lib.figures.cost_chart import LOOKS, Mark, cost_chart, pareto_front, spread_out

coordinates = st.integers(0, 12).map(float)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(coordinates, coordinates), max_size=12))
def test_the_front_is_what_no_other_beats(points):
    marks = [Mark(name=str(i), cost=cost, error=error) for i, (cost, error) in enumerate(points)]

    def beaten(mark: Mark) -> bool:
        return any(
            o.cost <= mark.cost and o.error <= mark.error and (o.cost, o.error) != (mark.cost, mark.error)
            for o in marks
        )

    front = pareto_front(marks)
    assert {(m.cost, m.error) for m in front} == {(m.cost, m.error) for m in marks if not beaten(m)}
    assert all(a.cost < b.cost and a.error > b.error for a, b in itertools.pairwise(front))
    assert pareto_front(marks[::-1]) == front or len({(m.cost, m.error) for m in marks}) < len(marks)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=15).map(sorted), st.floats(0.01, 0.3))
def test_names_stand_apart_inside_and_in_order(wanted, gap):
    places = spread_out(wanted, gap=gap)
    least = min(gap, 1 / max(len(wanted) - 1, 1))
    assert min(places) >= -1e-9 and max(places) <= 1 + 1e-9
    assert (np.diff(places) >= least - 1e-9).all()


def test_names_with_room_stay_where_they_are_and_two_alike_part_evenly():
    assert spread_out([0.1, 0.5, 0.9], gap=0.2) == pytest.approx([0.1, 0.5, 0.9])
    assert spread_out([0.5, 0.5], gap=0.2) == pytest.approx([0.4, 0.6])
    assert spread_out([0.0, 0.0, 1.0], gap=0.1) == pytest.approx([0.0, 0.1, 1.0])


def lines_of(ax, marker: str) -> dict[tuple[float, float], str]:
    """The marks of this shape: where they are, and what fills them."""
    return {
        (line.get_xdata()[0], line.get_ydata()[0]): line.get_markerfacecolor()
        for line in ax.lines
        if line.get_marker() == marker and len(line.get_xdata()) == 1
    }


MARKS = (
    Mark(name="cheap", cost=10, error=16.0, family="one"),
    Mark(name="beaten", cost=20, error=16.5, family="one"),
    Mark(name="good", cost=30, error=14.0, family="other"),
)


def test_marks_lie_where_they_should_and_are_full_on_the_front():
    other = (Mark(name="apart", cost=40, error=13.0, family="other"),)
    figure = cost_chart({"here": MARKS, "there": other}, xlabels=["cost, s", "cost, s"], noise=0.5)
    ax, names, below, names_below = figure.axes
    (first, color), (second, _) = LOOKS[:2]
    assert lines_of(ax, first) == {(10, 16.0): color, (20, 16.5): "white"}
    assert set(lines_of(ax, second)) == {(30, 14.0)} and set(lines_of(below, second)) == {(40, 13.0)}
    (front,) = (line for line in ax.lines if line.get_drawstyle() == "steps-post")
    assert list(zip(*front.get_data(), strict=True)) == [(10, 16.0), (30, 14.0), (ax.get_xlim()[1], 14.0)]
    assert ax.get_xlim() == below.get_xlim() == (0, pytest.approx(44))  # one kind of cost, one scale
    assert [ax.get_title(loc="left"), below.get_title(loc="left")] == ["here", "there"]
    assert [text.get_text() for text in names.texts] == ["good", "cheap", "beaten"]  # by error
    heights = [text.get_position()[1] for text in names.texts]
    assert heights == sorted(heights) and [t.get_text() for t in names_below.texts] == ["apart"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["one", "other"]
    assert [text.get_text() for text in ax.texts] == ["A/A"]


def test_costs_of_other_kinds_have_scales_of_their_own_and_one_family_no_legend():
    first, *_ = MARKS
    figure = cost_chart({"a": [first], "b": [Mark(name="cheap", cost=1000, error=16.0, family="one")]}, xlabels="xy")
    ax, _, below, _ = figure.axes
    assert ax.get_xlim()[1] == pytest.approx(11) and below.get_xlim()[1] == pytest.approx(1100)
    assert not figure.legends and not ax.texts


def test_every_name_of_many_is_legible_on_a_phone():
    """Thirty names, as wide as a telephone: none on another, none cut off at the right."""
    marks = [
        Mark(name=f"groups-k3-manual-fuse{i:02}", cost=60 + i % 7, error=14 + (i % 11) / 100, family=str(i % 5))
        for i in range(30)
    ]
    figure = cost_chart({"all": marks}, xlabels=["multiply-adds"])
    figure.draw_without_rendering()
    assert figure.get_size_inches()[0] == pytest.approx(3.75)
    boxes = sorted((text.get_window_extent() for text in figure.axes[1].texts), key=lambda box: box.y0)
    assert all(low.y1 <= high.y0 + 2 for low, high in itertools.pairwise(boxes))  # pixels
    assert max(box.x1 for box in boxes) <= figure.bbox.x1 + 1
