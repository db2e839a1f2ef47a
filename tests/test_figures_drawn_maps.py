"""Drawn maps lie where their coordinates say, and show their sign."""

from __future__ import annotations

import numpy as np
import torch

from hand_lib.figures.drawn_maps import drawn_sheet
from hand_lib.models.grid import MapGrid
from hand_lib.models.refinement import draw_heatmaps


def test_a_heatmap_is_drawn_round_the_joint_that_it_was_drawn_from():
    grid = MapGrid(height=48, width=96, stride=4)
    for u, v in ((0.5, -0.4), (-0.9, 0.95)):
        maps = draw_heatmaps(torch.tensor([[u, v]]), grid, sigma=1.5)
        shown = np.abs(drawn_sheet(torch.rand(3, 48, 96), maps).axes[0].images[1].get_array())
        assert shown.shape == (48, 96)
        rows, columns = np.nonzero(shown == shown.max())  # the pixels of the brightest cell, and the joint among them
        assert rows.min() - 0.5 <= (v + 1) / 2 * 47 <= rows.max() + 0.5
        assert columns.min() - 0.5 <= (u + 1) / 2 * 95 <= columns.max() + 0.5


def test_signs_have_two_colours_and_zero_none():
    overlay = drawn_sheet(torch.rand(3, 8, 8), torch.tensor([[[0.0, 2.0], [-4.0, 1.0]]])).axes[0].images[1]
    np.testing.assert_allclose(overlay.get_array()[::4, ::4], [[0, 0.5], [-1, 0.25]])  # a pixel of each cell
    alpha = np.asarray(overlay.get_alpha())
    assert alpha[0, 0] == 0 and alpha[4, 0] == alpha.max()
    positive, negative = overlay.cmap(1.0), overlay.cmap(0.0)
    assert positive[0] > positive[2] and negative[2] > negative[0]  # orange, purple


def test_an_empty_map_covers_nothing_and_each_has_its_own_point():
    figure = drawn_sheet(
        torch.rand(2, 3, 8, 8),
        torch.stack([torch.zeros(4, 4), torch.ones(4, 4)]),
        titles=["a", "b"],
        points=torch.tensor([[1.0, 2.0], [5.0, 6.0]]),
    )
    a, b, _ = figure.axes  # the last is the bar of colours
    assert (np.asarray(a.images[1].get_alpha()) == 0).all()
    assert [ax.collections[0].get_offsets().tolist() for ax in (a, b)] == [[[1, 2]], [[5, 6]]]
    assert [ax.get_title() for ax in (a, b)] == ["a", "b"]
