"""One picture of many hands, drawn from both sides; an hourglass' sides as they are."""

from __future__ import annotations

import json
import re
from itertools import pairwise

import numpy as np
import pytest
import torch
from matplotlib.patches import FancyArrowPatch, Rectangle

from hand_lib.camera import project
from hand_lib.figures.hourglass import hourglass_drawing, same_picture_slider
from hand_lib.skeleton import NUM_JOINTS, TIPS

FACTORS = (0.5, 1.0, 2.0)
K = torch.tensor([[200.0, 0.0, 40.0], [0.0, 200.0, 30.0], [0.0, 0.0, 1.0]])


@pytest.fixture(scope="module")
def hand() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.tensor([0.0, 0.0, 400.0]) + 60 * (torch.rand(NUM_JOINTS, 3, generator=generator) - 0.5)


@pytest.fixture(scope="module")
def content(hand: torch.Tensor) -> dict:
    seen = torch.stack([project(k * hand, K) for k in FACTORS])
    figure = same_picture_slider(torch.rand(3, 60, 80), seen, hand, FACTORS, start=1, alt="one picture of three hands")
    return json.loads(figure.to_json())


def finger(trace: dict) -> np.ndarray:
    return np.array([trace["x"], trace["y"]], dtype=float).T


def test_the_picture_stays_while_the_hand_grows_and_goes(content, hand):
    thumb = [0, 1, 2, 3, 4]
    assert [step["label"] for step in content["layout"]["sliders"][0]["steps"]] == ["0.5", "1", "2"]
    assert content["layout"]["sliders"][0]["active"] == 1
    for frame, k in zip(content["frames"], FACTORS, strict=True):
        above, below = frame["data"][0], frame["data"][7]
        np.testing.assert_allclose(finger(above), project(hand, K)[thumb], atol=0.051)
        np.testing.assert_allclose(finger(below), k * hand[thumb][:, [2, 1]], atol=0.051)
    axes = [trace.get("xaxis", "x") for trace in content["data"]]
    assert axes == ["x"] * 5 + ["x2"] * 7  # five fingers; rays, camera and five fingers


def test_every_hand_lies_on_the_rays_and_within_the_axes(content, hand):
    rays = content["data"][5]
    ends = finger(rays).reshape(-1, 3, 2)[:, 1]  # from the camera to an end, then a gap
    for end, tip in zip(ends, hand[list(TIPS)], strict=True):
        assert end[1] / end[0] == pytest.approx(float(tip[1] / tip[2]), abs=1e-3)
        assert end[0] > max(FACTORS) * float(tip[2])  # as far as the farthest hand
    (left, right), (low, high) = (content["layout"][axis]["range"] for axis in ("xaxis2", "yaxis2"))
    largest = max(FACTORS) * hand
    assert left < 0 and largest[:, 2].max() < right
    assert high < largest[:, 1].min() and largest[:, 1].max() < low  # y points down
    assert content["layout"]["yaxis2"]["scaleanchor"] == "x2"


def test_frames_carry_no_picture_of_their_own(content):
    assert len(content["layout"]["images"]) == 1
    assert all("source" not in trace for frame in content["frames"] for trace in frame["data"])
    assert content["layout"]["meta"]["alt"] == "one picture of three hands"


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
