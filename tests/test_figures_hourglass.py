"""An hourglass' sides as they are."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from matplotlib.patches import FancyArrowPatch, Rectangle

from hand_lib.figures.hourglass import hourglass_drawing


@pytest.mark.parametrize(("side", "depth"), [(64, 4), (16, 1), (32, 3)])
def test_an_hourglass_is_drawn_with_its_sides(side, depth):
    (ax,) = hourglass_drawing(side, depth).axes
    boxes = sorted((patch for patch in ax.patches if isinstance(patch, Rectangle)), key=lambda box: box.get_x())
    assert len(boxes) == 2 * depth + 1
    heights = [box.get_height() for box in boxes]
    assert heights == heights[::-1]
    assert all(outer > inner for outer, inner in pairwise(heights[: depth + 1]))
    words = [text.get_text() for text in ax.texts]
    sides = [int(found.group(1)) for word in words if (found := re.fullmatch(r"(\d+)×\1", word))]
    expected = [side >> level for level in range(depth + 1)]
    assert sorted(sides) == sorted(expected + expected[:-1])
    arrows = [patch for patch in ax.patches if isinstance(patch, FancyArrowPatch)]
    assert len(arrows) == 3 * depth  # beside, down and up at each halving
