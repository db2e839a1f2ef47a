"""Where cells stand: cell i of a map of stride s at pixel s·i, on crops that are not square."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hand_lib.errors import HandLibError
from hand_lib.models.grid import MapGrid

SIDES = st.integers(2, 300)
GRIDS = st.builds(lambda h, w, s: MapGrid(height=h, width=w, stride=s), SIDES, SIDES, st.integers(1, 32))


@settings(max_examples=100, deadline=None)
@given(grid=GRIDS, data=st.data())
def test_a_cell_stands_at_its_number_times_the_stride(grid, data):
    h, w = grid.cells
    column, row = data.draw(st.integers(0, w - 1)), data.draw(st.integers(0, h - 1))
    u, v = grid.to_uv(torch.tensor([column, row], dtype=torch.float64)).tolist()
    # −1 and +1 are the centres of the outer pixels, 0 and side − 1.
    assert (u + 1) / 2 * (grid.width - 1) == pytest.approx(grid.stride * column, abs=1e-9)
    assert (v + 1) / 2 * (grid.height - 1) == pytest.approx(grid.stride * row, abs=1e-9)
    assert grid.stride * column <= grid.width - 1 and grid.stride * row <= grid.height - 1  # every cell on the crop
    assert grid.stride * w > grid.width - 1 and grid.stride * h > grid.height - 1  # and none is missing


@settings(max_examples=50, deadline=None)
@given(grid=GRIDS, u=st.floats(-3, 3), v=st.floats(-3, 3))
def test_to_cells_and_back(grid, u, v):
    uv = torch.tensor([[u, v], [v, u]], dtype=torch.float64)
    torch.testing.assert_close(grid.to_uv(grid.to_cells(uv)), uv)


def test_the_last_strip_of_the_crop_is_the_last_cells():
    grid = MapGrid(height=40, width=64, stride=16)  # columns on 0, 16, 32 and 48; rows on 0, 16 and 32
    assert grid.cells == (3, 4)

    def place(u_pixel: float, v_pixel: float) -> list[float]:
        uv = torch.tensor([2 * u_pixel / 63 - 1, 2 * v_pixel / 39 - 1], dtype=torch.float64)
        return grid.onto_cells(uv).tolist()

    assert place(20, 8) == pytest.approx([1.25, 0.5])
    assert place(-8, -16) == pytest.approx([-0.5, -1])
    assert place(55, 36) == pytest.approx([3, 2])  # in the strip, both ways
    assert place(63, 39) == pytest.approx([3, 2])  # at the crop's corner
    assert place(63 + 8, 39 + 4) == pytest.approx([3.5, 2.25])  # beyond it


@pytest.mark.parametrize("argument", [{"height": 1}, {"width": 0}, {"stride": 0}])
def test_what_is_no_grid_is_refused_in_one_line(argument):
    with pytest.raises(HandLibError) as error:
        MapGrid(**{"height": 64, "width": 64, "stride": 16, **argument})
    assert "\n" not in str(error.value)
