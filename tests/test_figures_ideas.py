"""The drawings of core ideas show what they are given: hands, errors, cells and averages."""

from __future__ import annotations

import re

import matplotlib
import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle

from hand_lib.figures.ideas import SHADES, alignment_steps, flatten_or_average
from hand_lib.metrics import joint_errors, mean_epe
from hand_lib.skeleton import FINGERS, NUM_JOINTS


def test_each_step_is_a_panel_with_its_error_over_the_same_truth():
    true = 50 * torch.randn(NUM_JOINTS, 3)
    stages = {f"step {k}": true + shift for k, shift in enumerate((30.0, 20.0, 10.0, 0.0))}
    figure = alignment_steps(stages, true)
    assert len(figure.axes) == 4
    for ax, (name, hand) in zip(figure.axes, stages.items(), strict=True):
        error = mean_epe(joint_errors(hand[None], true[None]))
        assert ax.get_title() == f"{name}: {error:.0f} mm"
        ghosts, drawn = ax.lines[: len(FINGERS)], ax.lines[len(FINGERS) :]
        assert len(drawn) == len(FINGERS)
        for ghost, line in zip(ghosts, drawn, strict=True):
            shift = line.get_xydata() - ghost.get_xydata()
            np.testing.assert_allclose(shift, float(name[-1] != "3") * (30 - 10 * int(name[-1])), atol=1e-4)
    limits = {(*ax.get_xlim(), *ax.get_ylim()) for ax in figure.axes}
    assert len(limits) == 1  # one scale, so that steps can be compared
    assert figure.axes[0].yaxis_inverted()  # y points down


@pytest.mark.parametrize(("count", "h", "w", "channels"), [(3, 4, 4, 128), (2, 2, 3, 7)])
def test_every_cell_stands_in_its_map_and_in_the_strip(count, h, w, channels):
    maps = torch.rand(count, h, w)
    (ax,) = flatten_or_average(maps, channels).axes
    colors = [to_hex(box.get_facecolor()) for box in ax.patches if isinstance(box, Rectangle)]
    assert len(colors) == 2 * maps.numel() + count
    shade = matplotlib.colormaps[SHADES]
    values = (maps.double() - maps.min()) / (maps.max() - maps.min())
    each = [colors[n * (2 * h * w + 1) : (n + 1) * (2 * h * w + 1)] for n in range(count)]
    for n, of_map in enumerate(each):
        cells = [to_hex(shade(v)) for v in values[n].flatten().tolist()]
        assert of_map[:-1:2] == of_map[1:-1:2] == cells
        assert of_map[-1] == to_hex(shade(values[n].mean().item()))
    boxes = [box for box in ax.patches if isinstance(box, Rectangle)]
    strip = sorted((box for box in boxes if box.get_linewidth() == 0), key=lambda box: box.get_x())
    order = [to_hex(shade(v)) for v in values.flatten().tolist()]  # as Tensor.flatten has it
    assert [to_hex(box.get_facecolor()) for box in strip] == order
    text = " ".join(text.get_text() for text in ax.texts)
    assert [int(n.replace(",", "")) for n in re.findall(r"([\d,]+) numbers", text)] == [channels * h * w, channels]
