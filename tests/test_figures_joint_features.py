"""Maps on a slider lie where their cells look, matrices name their joints, and linear readings are measured apart."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from hand_lib.figures.joint_features import joint_matrix, linear_probe, map_slider, see_through
from hand_lib.skeleton import JOINTS

# ----------------------------------------------------------------------------------------------------------------- maps


def sheet_value(figure, x: float, y: float, position: int = 0):
    """What the sheet of maps shows at a point of its coordinates."""
    heat = figure.frames[position].data[0]
    column, row = np.searchsorted(heat.x, x) - 1, np.searchsorted(heat.y, y) - 1
    return heat.z[row][column]


def slider(maps: torch.Tensor, **options):
    options = {"tiles": [f"map {i}" for i in range(maps.shape[1])], "alt": "maps of joints", **options}
    return map_slider(torch.rand(3, 32, 80), maps, [str(p) for p in range(len(maps))], **options)


def test_a_cell_lies_around_the_pixel_that_it_looks_at():
    maps = torch.zeros(2, 3, 2, 5)  # a stride of 16 pixels both ways
    maps[0, 2, 1, 3] = 4.0
    maps[1, 0, 0, 4] = 0.5
    figure = slider(maps, columns=2)
    corners = [(image.x + 0.5, image.y + 0.5) for image in figure.layout.images]  # each tile's first pixel's centre
    across, down = corners[2]
    for u, v in ((48, 16), (41, 9), (55, 31)):  # the last cells reach to the picture's edge
        assert sheet_value(figure, across + u, down + v) == 1.0
    for u, v in ((39, 16), (57, 16), (48, 7), (79, 31)):
        assert sheet_value(figure, across + u, down + v) == 0
    assert sheet_value(figure, across + 80, down + 16) is None  # between the tiles
    across, down = corners[0]
    assert sheet_value(figure, across + 64, down + 0, position=1) == 1.0  # bright is the map's own largest value


def test_tiles_do_not_overlap_and_each_has_its_name_and_its_picture():
    figure = slider(torch.rand(2, 8, 2, 5), columns=4)
    images, names = figure.layout.images, [a.text for a in figure.layout.annotations]
    assert names == [f"map {i}" for i in range(8)] and len(images) == 8
    corners = sorted({image.x for image in images}), sorted({image.y for image in images})
    assert len(corners[0]) == 4 and len(corners[1]) == 2
    assert min(np.diff(corners[0])) > 80 and min(np.diff(corners[1])) > 32
    assert figure.layout.meta["alt"] == "maps of joints"


def test_a_point_is_marked_in_every_tile_and_moves_with_the_slider():
    points = torch.tensor([[10.0, 20.0], [70.0, 5.0]])
    figure = slider(torch.rand(2, 3, 2, 5), points=points)
    for position, (u, v) in enumerate(points.tolist()):
        marks = figure.frames[position].data[1]
        for x, y, image in zip(marks.x, marks.y, figure.layout.images, strict=True):
            assert (x - (image.x + 0.5), y - (image.y + 0.5)) == pytest.approx((u, v), abs=0.02)


def test_a_silent_map_covers_nothing_and_the_pictures_are_sent_once():
    figure = slider(torch.zeros(21, 8, 4, 4))
    assert {value for line in figure.frames[0].data[0].z for value in line} <= {0.0, None}
    assert see_through()[0][1].endswith(",0.00)") and see_through()[-1][0] == 1
    assert len(figure.to_json()) < 150_000


# --------------------------------------------------------------------------------------------------------------- matrix


def test_a_matrix_has_its_first_index_down_and_names_the_joints():
    values = torch.zeros(21, 21)
    values[3, 17] = 2.0
    ax = joint_matrix(values, xlabel="of", ylabel="by", label="mm").axes[0]
    assert np.unravel_index(ax.images[0].get_array().argmax(), (21, 21)) == (3, 17)
    assert [t.get_text() for t in ax.get_xticklabels()] == list(JOINTS) == [t.get_text() for t in ax.get_yticklabels()]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("of", "by")


# ---------------------------------------------------------------------------------------------------------------- probe


def test_what_is_linear_in_the_features_is_read_off_whole():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(400, 12, generator=generator)
    y = x @ torch.randn(12, 2, generator=generator) + torch.tensor([3.0, -700.0])
    assert linear_probe(x, y, ridge=1e-9) == pytest.approx([1.0, 1.0], abs=1e-6)


def test_the_noises_share_is_missing_and_unrelated_features_know_nothing():
    generator = torch.Generator().manual_seed(0)
    x, noise = torch.randn(20_000, 3, generator=generator), torch.randn(20_000, generator=generator)
    targets = torch.stack([x[:, 0] + noise, noise], dim=1)  # R² of ½ and of 0
    assert linear_probe(x, targets) == pytest.approx([0.5, 0.0], abs=0.03)


def test_it_is_measured_on_examples_that_were_not_fitted():
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(60, 50, generator=generator), torch.randn(60, 1, generator=generator)
    fit = torch.arange(60) < 55
    assert linear_probe(x, y, fit=fit, ridge=1e-9).item() < 0  # learnt by heart, of no use elsewhere
    broken = torch.where(fit[:, None], 2.0 * x[:, :1], -2.0 * x[:, :1])  # the rest follows another rule
    assert linear_probe(x, broken, fit=fit, ridge=1e-9).item() < -1
