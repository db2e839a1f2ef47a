"""The pinhole camera from the side: similar triangles, and one picture of many hands."""

from __future__ import annotations

import base64
import io
import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.patches import FancyArrowPatch
from PIL import Image

from hand_lib.camera import project
from hand_lib.figures.dark import METADATA_KEY, in_two_inks
from hand_lib.figures.pinhole import pinhole_drawing, same_picture_slider
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


# ------------------------------------------------------------------------------------------------------- the drawing


def dots(ax) -> list[tuple[float, float]]:
    return [tuple(line.get_xydata()[0]) for line in ax.lines if line.get_marker() == "o"]


@given(
    y=st.floats(10, 80),
    z=st.floats(120, 300),
    focal=st.floats(40, 110),
    farther=st.floats(1.1, 2),
    centre=st.floats(0, 50),
)
def test_the_drawn_pixel_is_the_projected_point(y, z, focal, farther, centre):
    """And the farther point has the same one."""
    (ax,) = pinhole_drawing(y=y, z=z, focal=focal, farther=farther, centre=centre).axes
    camera, near, far, pixel = dots(ax)
    assert camera == (0, 0) and near == (z, y)
    K = torch.tensor([[focal, 0.0, 0.0], [0.0, focal, centre], [0.0, 0.0, 1.0]], dtype=torch.double)
    for depth, down in (near, far):
        seen = project(torch.tensor([[0.0, down, depth]], dtype=torch.double), K)[0, 1].item()
        assert pixel[0] == focal and pixel[1] == pytest.approx(seen - centre)


def test_lengths_are_measured_where_they_are():
    (ax,) = pinhole_drawing(y=60, z=180, focal=90).axes
    lengths = sorted(
        abs(end - start) for arrow in ax.patches if isinstance(arrow, FancyArrowPatch) for start, end in [_ends(arrow)]
    )
    assert lengths == pytest.approx([30, 60, 90, 180])  # v − c, y, f, z


def _ends(arrow: FancyArrowPatch) -> tuple[float, float]:
    (x0, y0), (x1, y1) = arrow._posA_posB
    return (x0, x1) if y0 == y1 else (y0, y1)


def test_nothing_of_it_is_lost_on_the_dark_page():
    _, metadata = in_two_inks(pinhole_drawing())
    twin = Image.open(io.BytesIO(base64.b64decode(metadata["image/png"][METADATA_KEY]))).convert("RGBA")
    picture = np.asarray(twin)
    opaque = picture[picture[..., 3] == 255][:, :3]
    assert len(opaque) > 1000 and opaque.max(axis=1).min() > 100  # the light page's ink has 34
