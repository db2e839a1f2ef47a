"""The figures for any row: what each position of the slider shows is that row's, and the rest stays."""

from __future__ import annotations

import pytest
import torch

from hand_lib.figures.any_row import error_slider, extremes_slider
from hand_lib.figures.features import bin_means
from hand_lib.skeleton import JOINTS

GENERATOR = torch.Generator().manual_seed(3)
N, SIDE = 40, 32
ERRORS = {name: 10 * k + torch.rand(N, 21, generator=GENERATOR) for k, name in enumerate(("low", "middle", "high"), 1)}
GUESS = 50 + torch.rand(N, 21, generator=GENERATOR)
ANGLE = torch.rand(N, generator=GENERATOR) * 180
VISIBLE = torch.rand(N, 21, generator=GENERATOR) < 0.7


@pytest.fixture(scope="module")
def by_row():
    return error_slider(ERRORS, ANGLE, VISIBLE, still=("guess", GUESS), start=1)


def test_each_position_shows_its_row_s_means(by_row):
    for frame, values in zip(by_row.frames, ERRORS.values(), strict=True):
        assert list(frame.data[0].y) == pytest.approx(values.mean(0).tolist(), abs=0.006)
        _, means, half = bin_means(ANGLE, values.mean(1))
        assert list(frame.data[1].y) == pytest.approx(means, abs=0.006)
        assert list(frame.data[1].error_y.array) == pytest.approx(half, abs=0.006)
        seen, unseen = values[VISIBLE].mean(), values[~VISIBLE].mean()
        title = frame.layout.title.text
        assert f"visible joints {seen:.2f}" in title and f"hidden {unseen:.2f}" in title


def test_what_stays_is_the_guess_on_the_same_axes(by_row):
    assert list(by_row.data[2].x) == list(JOINTS)
    assert list(by_row.data[2].y) == pytest.approx(GUESS.mean(0).tolist(), abs=0.006)
    assert by_row.data[3].yaxis == by_row.data[1].yaxis == "y2"
    assert by_row.layout.yaxis.range == by_row.layout.yaxis2.range
    assert by_row.layout.yaxis.range[1] > float(GUESS.mean(0).max()), "no bar is cut off"
    assert by_row.layout.sliders[0].active == 1 and "slider" in by_row.layout.meta["alt"]


@pytest.mark.parametrize("count", [1, 3])
def test_the_best_and_the_worst_hands_of_each_row(count: int):
    images = torch.rand(N, 3, SIDE, SIDE, generator=GENERATOR)
    truth = torch.rand(N, 21, 2, generator=GENERATOR) * SIDE
    said = {row: truth + k for k, row in enumerate(ERRORS)}
    figure = extremes_slider(images, truth, said, ERRORS, count=count)
    for frame, (row, values) in zip(figure.frames, ERRORS.items(), strict=True):
        order = values.mean(1).argsort()
        hands = [*order[:count].tolist(), *order.flip(0)[:count].tolist()]
        words = [f"{values[hand].mean():.1f} mm" for hand in hands]
        *_, captions = frame.data
        assert [text.partition(" · ")[2] for text in captions.text] == words
        assert [text.partition(" · ")[0] for text in captions.text] == ["best"] * count + ["worst"] * count
        ghost = frame.data[2 * count]  # the first line after the pictures
        thumb = frame.data[2 * count + 2]
        # The wrist of the first hand, in the first tile: truth, and prediction moved by as many pixels as the row says.
        k = list(ERRORS).index(row)
        assert ghost.x[0] == pytest.approx(truth[hands[0], 0, 0].item(), abs=0.06)
        assert thumb.x[0] == pytest.approx(truth[hands[0], 0, 0].item() + k, abs=0.06)
        # Lines of two hands are not joined, and the last one is where its tile is.
        assert thumb.x[5] is None and thumb.x[-1] is None
        last = thumb.y[-6] - (truth[hands[-1], 0, 1].item() + k)
        assert last == pytest.approx(1.21 * SIDE, abs=0.2)
