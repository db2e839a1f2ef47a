"""Figures in two inks: nothing is lost on the dark page, nothing changes on the light one or over a picture."""

from __future__ import annotations

import base64
import io
import re
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from conftest import ROOT
from matplotlib.colors import to_rgb
from myst_nb.core.render import MimeData, load_mime_renders
from PIL import Image

from hand_lib.book.two_inks import TwoInksRenderer
from hand_lib.figures import panels
from hand_lib.figures.dark import DARK, METADATA_KEY, PAPER, in_two_inks
from hand_lib.figures.groups import GROUP_COLORS
from hand_lib.figures.style import GRID, INK, SERIES_COLORS
from hand_lib.skeleton import FINGER_COLORS


def contrast(one: str, other: str) -> float:
    """WCAG 2's ratio, from 1 to 21."""

    def luminance(color: str) -> float:
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(color)]
        return float(np.dot([0.2126, 0.7152, 0.0722], linear))

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def pixels(content: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(content))).convert("RGBA"))


def colors_of(picture: np.ndarray) -> set[str]:
    """The opaque colours, as six digits."""
    opaque = picture[picture[..., 3] == 255][:, :3]
    return {f"#{r:02x}{g:02x}{b:02x}" for r, g, b in np.unique(opaque, axis=0).tolist()}


def twins(figure) -> tuple[np.ndarray, np.ndarray]:
    data, metadata = in_two_inks(figure)
    return pixels(data["image/png"]), pixels(metadata["image/png"][METADATA_KEY])


def test_what_is_drawn_reads_on_the_dark_page():
    assert contrast(DARK[INK], PAPER) > 7
    for color in (*SERIES_COLORS, *GROUP_COLORS, *FINGER_COLORS.values()):
        assert contrast(DARK.get(color, color), PAPER) > 3, color
    assert 1.2 < contrast(DARK[GRID], PAPER) < 3  # there, and no more


@pytest.mark.parametrize("palette", [SERIES_COLORS, GROUP_COLORS])
def test_colors_that_differ_differ_in_the_dark_too(palette):
    dark = [to_rgb(DARK.get(color, color)) for color in palette]
    apart = [np.abs(np.subtract(a, b)).max() for i, a in enumerate(dark) for b in dark[:i]]
    assert min(apart) > 0.2


def test_every_color_that_is_lost_in_the_dark_has_another_one():
    """All that the figures' own code names."""
    for path in (ROOT / "hand_lib" / "figures").glob("*.py"):
        if path.stem != "dark":
            for color in re.findall(r'"(#[0-9a-fA-F]{6})"', path.read_text(encoding="utf-8")):
                assert color.lower() in DARK or 3 < contrast(color, PAPER) < 15, f"{path.name}: {color}"


def test_a_chart_is_drawn_in_light_ink_on_nothing_and_the_light_one_is_as_it_was():
    figure, axes = panels(1, 1, width=2)
    ax = axes[0, 0]
    ax.plot([0, 1], [0, 1], linewidth=6)
    ax.plot([0, 1], [1, 0], "s", color="#5e3c99", markersize=12, markerfacecolor="white", markeredgewidth=4)
    ax.set_title("a title")
    light, dark = twins(figure)
    assert light.shape == dark.shape
    assert (light[0, 0] == 255).all() and dark[0, 0, 3] == 0
    assert {"#222222", "#5e3c99", "#ffffff"} <= colors_of(light)
    found = colors_of(dark)
    assert {DARK["#222222"], DARK["#5e3c99"], PAPER} <= found and not {"#222222", "#5e3c99", "#ffffff"} & found
    again, _ = twins(figure)  # its layout may be a fraction of a pixel elsewhere, as whenever a figure is printed twice
    assert colors_of(again) >= {"#222222", "#5e3c99", "#ffffff"} and not (found - colors_of(light)) & colors_of(again)


def test_what_lies_over_a_picture_is_left_alone_and_its_title_is_not():
    figure, axes = panels(1, 1, width=2)
    ax = axes[0, 0]
    ax.imshow(np.full((8, 8, 3), 200, np.uint8))
    ax.plot([1, 6], [2, 2], color=INK, linewidth=6)
    ax.set_axis_off()
    ax.set_title("a title")
    light, dark = twins(figure)
    lines = [np.argwhere((picture == (0x22, 0x22, 0x22, 255)).all(-1)) for picture in (light, dark)]
    inside = lines[0][:, 0] > light.shape[0] * 0.25  # the title is above
    assert inside.any() and np.array_equal(lines[0][inside], lines[1])
    assert DARK[INK] in colors_of(dark)


def test_points_of_many_colors_are_changed_one_by_one():
    figure, axes = panels(1, 1, width=2)
    axes[0, 0].scatter([0, 1], [0, 1], c=[to_rgb("#222222"), to_rgb("#d55e00")], s=400)
    _, dark = twins(figure)
    assert {DARK["#222222"], "#d55e00"} <= colors_of(dark)


def test_a_figure_with_nothing_on_it_shows_nothing():
    figure, axes = panels(1, 1, width=2)
    axes[0, 0].remove()
    assert in_two_inks(figure) == ({}, {})


def test_the_page_gets_both_and_fetches_one():
    figure, axes = panels(1, 1, width=1)
    axes[0, 0].plot([0, 1])
    data, metadata = in_two_inks(figure)
    one = MimeData("image/png", data["image/png"], output_metadata=metadata)
    shown = SimpleNamespace(render_image=lambda data: [{"content": data.content, "classes": ["own"]}])
    light, dark = TwoInksRenderer.handle_mime(shown, one, False)
    assert (light["content"], dark["content"]) == (one.content, metadata["image/png"][METADATA_KEY])
    assert (light["classes"], dark["classes"]) == (["own", "only-light"], ["own", "only-dark"])
    assert light["loading"] == dark["loading"] == "lazy"
    for other in (MimeData("image/png", "AAAA"), MimeData("text/html", "x", output_metadata=metadata)):
        assert TwoInksRenderer.handle_mime(shown, other, False) is None
    assert TwoInksRenderer in load_mime_renders()


def test_a_notebook_s_cell_keeps_both(tmp_path):
    from IPython.testing.globalipapp import start_ipython

    start_ipython()
    from IPython import get_ipython

    from hand_lib import figures

    figures.use()
    figure, axes = panels(1, 1, width=1)
    axes[0, 0].plot(torch.arange(3))
    data, metadata = get_ipython().display_formatter.format(figure)
    assert data["image/png"] and metadata["image/png"][METADATA_KEY]
