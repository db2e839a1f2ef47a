"""Drawn maps lie where their coordinates say, and show their sign."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from hand_lib.figures.drawn_maps import cell_extent, drawn_sheet
from hand_lib.models.refinement import draw_heatmaps


def test_first_and_last_cells_centres_are_the_first_and_last_pixels():
    left, right, bottom, top = cell_extent((3, 5), (31, 81))
    across, down = (right - left) / 5, (bottom - top) / 3
    assert (left + across / 2, right - across / 2) == pytest.approx((0, 80))
    assert (top + down / 2, bottom - down / 2) == pytest.approx((0, 30))


def test_a_heatmap_is_drawn_round_the_joint_that_it_was_drawn_from():
    high, wide = 48, 96
    u, v = 0.5, -0.4
    maps = draw_heatmaps(torch.tensor([[u, v]]), (24, 32), sigma=1.5)
    overlay = drawn_sheet(torch.rand(3, high, wide), maps).axes[0].images[1]
    left, right, bottom, top = overlay.get_extent()
    row, column = np.unravel_index(np.abs(overlay.get_array()).argmax(), (24, 32))
    across, down = (right - left) / 32, (bottom - top) / 24
    assert left + (column + 0.5) * across == pytest.approx((u + 1) / 2 * (wide - 1), abs=across / 2)
    assert top + (row + 0.5) * down == pytest.approx((v + 1) / 2 * (high - 1), abs=down / 2)


def test_signs_have_two_colours_and_zero_none():
    overlay = drawn_sheet(torch.rand(3, 8, 8), torch.tensor([[[0.0, 2.0], [-4.0, 1.0]]])).axes[0].images[1]
    np.testing.assert_allclose(overlay.get_array(), [[0, 0.5], [-1, 0.25]])
    alpha = np.asarray(overlay.get_alpha())
    assert alpha[0, 0] == 0 and alpha[1, 0] == alpha.max()
    positive, negative = overlay.cmap(1.0), overlay.cmap(0.0)
    assert positive[0] > positive[2] and negative[2] > negative[0]  # orange, purple


def test_an_empty_map_covers_nothing_and_each_has_its_own_point():
    figure = drawn_sheet(
        torch.rand(2, 3, 8, 8),
        torch.stack([torch.zeros(4, 4), torch.ones(4, 4)]),
        titles=["a", "b"],
        points=torch.tensor([[1.0, 2.0], [5.0, 6.0]]),
    )
    a, b = figure.axes
    assert (np.asarray(a.images[1].get_alpha()) == 0).all()
    assert [ax.collections[0].get_offsets().tolist() for ax in (a, b)] == [[[1, 2]], [[5, 6]]]
    assert [ax.get_title() for ax in (a, b)] == ["a", "b"]
