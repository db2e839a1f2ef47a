"""PCK curves and what lies between them: closed forms of uniform errors."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch

from hand_lib.figures.pck_chart import auc_table, pck_differences, series_look


def uniform(high: float, hands: int = 2000) -> torch.Tensor:
    """Errors spread evenly from 0 to ``high`` mm: PCK(t) = t / high."""
    return ((torch.arange(hands * 21) + 0.5) / (hands * 21) * high).view(21, hands).T


ERRORS = {"even": uniform(50.0), "twice as good": uniform(25.0)}


@pytest.fixture(scope="module")
def chart():
    return pck_differences(ERRORS, guess=uniform(100.0))


def named(ax) -> list[str]:
    return [text.get_text() for text in ax.texts]


def test_the_lower_panel_shows_differences_in_percentage_points(chart):
    below = chart.axes[2]
    still, moved = (line.get_ydata() for line in below.lines)
    t = below.lines[0].get_xdata()
    assert np.abs(still).max() == 0
    # Each joint's errors lie in a narrow band, so the mean over the joints' curves is stepped by a 21st.
    expected = 100 * (np.minimum(t / 25, 1) - t / 50)
    assert np.abs(moved - expected).max() < 0.5
    assert below.get_xlim() == (0, 50)


def test_the_upper_panel_shows_the_first_the_best_and_the_guess(chart):
    above = chart.axes[0]
    ends = [line.get_ydata()[-1] for line in above.lines]
    assert ends == pytest.approx([0.5, 1.0, 1.0], abs=0.01)
    assert sorted(named(chart.axes[1])) == ["constant prediction", "even", "twice as good"]


def test_names_stand_beside_the_curves_and_apart():
    many = {f"row {i}": uniform(40.0 + 0.01 * i, hands=50) for i in range(12)}
    figure = pck_differences(many, guess=uniform(100.0, hands=50))
    beside = figure.axes[3]
    assert sorted(named(beside)) == sorted(many)
    figure.canvas.draw()
    boxes = sorted((text.get_window_extent() for text in beside.texts), key=lambda box: box.y0)
    assert all(low.y1 <= high.y0 + 1 for low, high in pairwise(boxes))
    heights = {text.get_text(): text.get_position()[1] for text in beside.texts}
    assert sorted(heights, key=heights.get) == [f"row {i}" for i in reversed(range(12))], "the best on top"
    assert figure.axes[0].get_legend() is None and figure.axes[2].get_legend() is None


def test_areas_of_uniform_errors():
    lines = {line[0]: [float(cell) for cell in line[1:]] for line in auc_table(ERRORS).rows}
    assert lines["even"] == pytest.approx([0.5, 0.7], abs=2e-3)
    assert lines["twice as good"] == pytest.approx([0.75, (0.9 * 5 + 25) / 30], abs=2e-3)


def test_each_of_many_rows_has_a_look_of_its_own():
    assert len({str(series_look(number)) for number in range(36)}) == 36
