"""Figures: what is drawn is what was given, sliders move by themselves, and every figure says what it shows."""

from __future__ import annotations

import base64
import io
import json

import numpy as np
import plotly.graph_objects as go
import pytest
import torch
from matplotlib.colors import to_hex
from PIL import Image

from hand_lib import figures
from hand_lib.figures import widgets
from hand_lib.figures.hands import draw_ghost_2d
from hand_lib.figures.style import PAPER, to_array
from hand_lib.figures.tables import with_minus
from hand_lib.skeleton import FINGER_COLORS, FINGERS, JOINT_COLORS, JOINTS, NUM_JOINTS, TIPS


@pytest.fixture
def hand() -> torch.Tensor:
    """(21, 3) mm: an open, slightly arched hand, wrist at the bottom, every joint in a place of its own."""
    joints = [[0.0, 80.0, 500.0]]
    for finger in range(5):
        for segment in range(4):
            reach = 75 - 60 * (finger == 0) + 28 * segment
            joints.append([-45.0 + 22 * finger, 80 - reach, 500 - 5 * segment - finger])
    return torch.tensor(joints)


@pytest.fixture
def picture() -> torch.Tensor:
    """(3, 30, 50) uint8, not square, one bright pixel off the diagonal."""
    image = torch.zeros(3, 30, 50, dtype=torch.uint8)
    image[0, 7, 41] = 255
    return image


def payload(figure: go.Figure) -> dict:
    return json.loads(figure.to_json())


def contrast(one: str, other: str) -> float:
    """WCAG's contrast ratio of two colours."""

    def luminance(color: str) -> float:
        channels = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    light, dark = sorted([luminance(one), luminance(other)], reverse=True)
    return (light + 0.05) / (dark + 0.05)


# -------------------------------------------------------------------------------------------------------------- style


def test_text_reads_on_the_card_and_the_card_is_opaque():
    assert contrast(figures.style.INK, PAPER) > 7
    figure, axes = figures.panels()
    assert to_hex(figure.get_facecolor(), keep_alpha=True) == "#ffffffff"
    assert axes.shape == (1, 1)


def test_panels_are_not_held_by_pyplot():
    from matplotlib import pyplot

    before = pyplot.get_fignums()
    figures.panels(2, 3)
    assert pyplot.get_fignums() == before


def test_series_colors_are_no_fingers_colors():
    assert not set(figures.style.SERIES_COLORS) & set(FINGER_COLORS.values())


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_pictures_keep_rows_and_columns(picture, dtype):
    image = picture if dtype == torch.uint8 else picture.float() / 255
    array = to_array(image)
    assert array.shape == (30, 50, 3)
    assert array.dtype == np.uint8
    assert tuple(np.argwhere(array[..., 0] == 255)[0]) == (7, 41)


# -------------------------------------------------------------------------------------------------------------- hands


def test_draw_hand_2d_puts_each_joint_in_its_place_and_color(hand, picture):
    figure, axes = figures.panels()
    uv = hand[:, :2]
    figures.draw_hand_2d(axes[0, 0], uv, picture)
    ax = axes[0, 0]
    lines = {line.get_label(): line for line in ax.lines}
    assert set(lines) == set(FINGERS)
    for finger, name in enumerate(FINGERS):
        assert to_hex(lines[name].get_color()) == FINGER_COLORS[name]
        expected = uv[[0, *range(1 + 4 * finger, 5 + 4 * finger)]]
        np.testing.assert_allclose(lines[name].get_xydata(), expected)
    points = ax.collections[0]
    np.testing.assert_allclose(points.get_offsets(), uv)
    assert [to_hex(color) for color in points.get_facecolors()] == list(JOINT_COLORS)
    assert ax.get_xlim() == (-0.5, 49.5)
    assert ax.get_ylim() == (29.5, -0.5)  # v down
    assert figure.axes == [ax]


def test_hidden_joints_are_hollow(hand):
    _, axes = figures.panels()
    visible = torch.ones(NUM_JOINTS, dtype=torch.bool)
    visible[list(TIPS)] = False
    ax = figures.draw_hand_2d(axes[0, 0], hand[:, :2], visible=visible)
    seen, hidden = ax.collections
    assert len(seen.get_offsets()) == 16
    np.testing.assert_allclose(hidden.get_offsets(), hand[list(TIPS), :2])
    assert {to_hex(color) for color in hidden.get_facecolors()} == {"#ffffff"}


def test_contact_sheet_shows_every_picture_up_to_its_limit(picture, hand):
    images = picture.expand(7, -1, -1, -1)
    figure = figures.contact_sheet(images, hand[None, :, :2].expand(7, -1, -1), columns=3, limit=5)
    shown = [ax for ax in figure.axes if ax.images]
    assert len(shown) == 5
    assert len(figure.axes) == 6  # two lines of three


def test_hand_3d_has_the_hand_in_it_equal_axes_and_a_description(hand):
    figure = figures.hand_3d(hand, alt="an open hand")
    content = payload(figure)
    assert content["layout"]["meta"]["alt"] == "an open hand"
    assert [trace["name"] for trace in content["data"]] == list(FINGERS)
    for finger, trace in enumerate(content["data"]):
        chain = [0, *range(1 + 4 * finger, 5 + 4 * finger)]
        drawn = np.stack([trace["x"], trace["y"], trace["z"]], axis=1)
        np.testing.assert_allclose(drawn, hand[chain], atol=0.051)
        assert trace["line"]["color"] == FINGER_COLORS[FINGERS[finger]]
        assert trace["text"] == [JOINTS[j] for j in chain]
    scene = content["layout"]["scene"]
    spans = [np.ptp(scene[f"{letter}axis"]["range"]) for letter in "xyz"]
    np.testing.assert_allclose(spans, spans[0], atol=0.2)
    for i, letter in enumerate("xyz"):
        low, high = scene[f"{letter}axis"]["range"]
        assert low <= hand[:, i].min()
        assert hand[:, i].max() <= high
        assert scene[f"{letter}axis"]["title"]["text"] == f"{letter}, mm"
    assert scene["camera"]["up"] == {"x": 0, "y": -1, "z": 0}  # y is down


def test_hand_3d_fits_a_second_hand_and_a_skin(hand):
    skin = (torch.tensor([[400.0, 0, 500], [410, 0, 500], [400, 10, 500]]), torch.tensor([[0, 1, 2]]))
    content = payload(figures.hand_3d({"true": hand, "predicted": hand + 60}, alt="two", mesh=skin))
    assert len(content["data"]) == 13  # two hands of five fingers, two lines in the legend, the skin
    assert content["layout"]["scene"]["xaxis"]["range"][1] > 410
    assert (content["data"][-1]["i"], content["data"][-1]["j"], content["data"][-1]["k"]) == ([0], [1], [2])


# ------------------------------------------------------------------------------------------------------------ sliders


def test_a_slider_moves_by_its_own_frames_alone(hand):
    hands = torch.stack([hand, hand + 10, hand + 20])
    figure = figures.hand_slider(hands, ["0", "10", "20"], alt="a hand that moves", prefix="shift: ", suffix=" mm")
    content = payload(figure)
    steps = content["layout"]["sliders"][0]["steps"]
    frames = {frame["name"]: frame for frame in content["frames"]}
    assert [step["label"] for step in steps] == ["0", "10", "20"]
    for step, expected in zip(steps, hands, strict=True):
        assert step["method"] == "animate"  # no call back to a kernel
        (name,) = step["args"][0]
        thumb = frames[name]["data"][0]
        np.testing.assert_allclose(thumb["x"], expected[:5, 0], atol=0.051)
        np.testing.assert_allclose(thumb["z"], expected[:5, 2], atol=0.051)
    low, high = content["layout"]["scene"]["xaxis"]["range"]
    assert low <= hands[..., 0].min() <= hands[..., 0].max() <= high  # the axes hold every position


def test_frames_carry_only_what_moves(hand):
    content = payload(figures.hand_slider(torch.stack([hand, hand + 1]), ["a", "b"], alt="two"))
    for frame in content["frames"]:
        for trace in frame["data"]:
            assert set(trace) == {"type", "x", "y", "z"}


def test_a_frame_takes_back_what_another_changed():
    colors = ["#111111", "#222222", "#111111"]
    frames = [[go.Bar(x=["a"], y=[float(i)], marker={"color": color}, name="b")] for i, color in enumerate(colors)]
    content = payload(figures.slider_figure(frames, ["0", "1", "2"], alt="bars"))
    assert [frame["data"][0]["marker"]["color"] for frame in content["frames"]] == colors
    assert all("name" not in frame["data"][0] for frame in content["frames"])


def test_a_sliders_words_have_minus_signs():
    frames = [[go.Bar(x=["a"], y=[height])] for height in (1, 2)]
    figure = figures.slider_figure(frames, ["-20", "refine-hdr-3"], titles=["by -0.4 px", "by +1 px"], alt="bars")
    assert [step.label for step in figure.layout.sliders[0].steps] == ["−20", "refine-hdr-3"]
    assert figure.layout.title.text == "by −0.4 px"


def test_a_frame_that_leaves_a_property_open_is_refused():
    frames = [[go.Bar(x=["a"], y=[1.0], marker={"color": "#111111"})], [go.Bar(x=["b"], y=[2.0])]]
    with pytest.raises(ValueError, match="marker"):
        figures.slider_figure(frames, ["0", "1"], alt="bars")


def test_slider_rejects_uneven_frames():
    one, two = [go.Scatter(x=[0], y=[0])], [go.Scatter(x=[0], y=[0]), go.Scatter(x=[0], y=[0])]
    with pytest.raises(ValueError, match="same number"):
        figures.slider_figure([one, two], ["0", "1"], alt="x")
    with pytest.raises(ValueError, match="labels"):
        figures.slider_figure([one], ["0", "1"], alt="x")


def test_image_slider_holds_the_pictures(picture, hand):
    other = picture.roll(5, dims=2)
    figure = figures.image_slider(
        torch.stack([picture, other]), ["0", "1"], alt="x", uv=hand[None, :, :2].expand(2, -1, -1)
    )
    content = payload(figure)
    for frame, expected in zip(content["frames"], (picture, other), strict=True):
        head, _, data = frame["data"][0]["source"].partition(",")
        assert head == "data:image/jpeg;base64"
        decoded = Image.open(io.BytesIO(base64.b64decode(data)))
        assert decoded.size == (50, 30)
        error = np.abs(np.asarray(decoded, float) - to_array(expected)).mean()
        assert error < 6
    assert content["layout"]["yaxis"]["range"] == [29.5, -0.5]


def test_payload_of_a_long_slider_stays_small(hand):
    hands = hand + torch.randn(24, 21, 3)
    assert len(figures.hand_slider(hands, [str(i) for i in range(24)], alt="x").to_json()) < 100_000


# ------------------------------------------------------------------------------------------------------------- charts


def test_curve_draws_a_line_a_seed_but_names_a_row_once():
    figure = figures.curve(
        {"fr": [[(0, 3.0), (1, 2.0)], [(0, 3.5), (1, 2.5)]], "afr": [(0, 2.0), (1, 1.0)]}, ylabel="EPE, mm"
    )
    (ax,) = figure.axes
    assert len(ax.lines) == 3
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["fr", "afr"]
    assert ax.get_ylabel() == "EPE, mm"
    np.testing.assert_allclose(ax.lines[1].get_xydata(), [[0, 3.5], [1, 2.5]])


def test_pck_curve_counts_an_error_at_its_threshold():
    figure = figures.pck_curves({"m": torch.tensor([10.0, 20.0, 30.0, 40.0])}, limit=40)
    x, y = figure.axes[0].lines[0].get_xydata().T
    assert y[x == 10.0] == 0.25
    assert y[-1] == 1.0
    assert y[np.isclose(x, 9.9)] == 0.0


def test_error_bars_are_means_in_the_fingers_colors():
    errors = torch.arange(21.0).expand(4, 21) + torch.tensor([-1.0, 1.0, -1.0, 1.0])[:, None]
    (ax,) = figures.error_by_joint(errors).axes
    bars = ax.patches
    np.testing.assert_allclose([bar.get_height() for bar in bars], torch.arange(21.0))
    assert [to_hex(bar.get_facecolor()) for bar in bars] == list(JOINT_COLORS)
    # ±1 in equal parts over four hands: standard deviation √(4/3), so the half interval is 1.96 √(4/3) / 2.
    segments = ax.collections[0].get_segments()
    half = np.array([np.ptp(segment[:, 1]) / 2 for segment in segments])
    np.testing.assert_allclose(half, 1.96 * np.sqrt(4 / 3) / 2)


def test_error_by_finger_averages_its_four_joints():
    errors = torch.arange(21.0).expand(2, 21)
    (ax,) = figures.error_by_finger({"a": errors, "b": 2 * errors}).axes
    heights = [bar.get_height() for bar in ax.patches]
    expected = [0, 2.5, 6.5, 10.5, 14.5, 18.5]
    np.testing.assert_allclose(heights, expected + [2 * h for h in expected])


# ------------------------------------------------------------------------------------------------------------- tables


@pytest.fixture
def records() -> list[dict]:
    return [
        {"row": "fr", "metrics": {"epe_mean": 30.0}, "params": 2_000_000},
        {"row": "afr", "metrics": {"epe_mean": 20.0}, "params": 1_500_000},
        {"row": "fr", "metrics": {"epe_mean": 32.0}, "params": 2_000_000},
        {"row": "old", "metrics": {}, "params": 0},
    ]


def test_results_table_averages_seeds_and_keeps_the_papers_figure_apart(records):
    columns = [figures.Column("metrics.epe_mean", "EPE, mm"), figures.Column("params", "parameters, M", 2, 1e-6)]
    made = figures.results_table(
        records, columns, order=["afr", "fr", "maps"], titles={"fr": "FR"}, paper={"fr": 14.9, "afr": 14.08}
    )
    assert made.header == ("row", "EPE, mm", "parameters, M", "n", "paper (not comparable)")
    assert made.rows == (
        ("afr", "20.0", "1.50", "1", "14.08"),
        ("FR", figures.tables.together("31.0 ± 1.4"), "2.00", "2", "14.9"),
        ("maps", "–", "–", "0", "–"),
    )


def test_a_table_shows_itself_in_html_and_markdown():
    made = figures.table(["a|b", "c"], [["<x>", 0.123456]], note="n & m")
    assert "&lt;x&gt;" in made._repr_html_()
    assert "n &amp; m" in made._repr_html_()
    assert str(made).splitlines() == ["| a\\|b | c |", "|---|---:|", "| <x> | 0.123 |", "", "n & m"]


def test_negative_numbers_have_a_minus_and_names_keep_their_hyphens():
    cells = ("-0.29 mm", "+3.1 [-1.20, -0.25] (-2)", "refine-hdr-3, 20-50, 3e-05, 2026-01-31", "-")
    page = figures.table(("a", "b", "c", "d"), [cells])._repr_html_()
    for shown in ("−0.29 mm", "+3.1 [−1.20, −0.25] (−2)", cells[2], ">-<"):
        assert shown in page
    assert "-0.29 mm" in str(figures.table(("a",), [cells[:1]])), "text that is read by programs stays as it is"


def test_zero_has_no_sign():
    cells = ["-0.00", "-0", "(-0.0 px)", "-0.01", "-0.001", "-10"]
    assert list(map(with_minus, cells)) == ["0.00", "0", "(0.0 px)", "−0.01", "−0.001", "−10"]


def test_the_banner_says_plainly_that_smoke_is_no_result():
    assert figures.banner("smoke").title == "Not a result"
    assert "Not a result" in figures.banner("smoke")._repr_html_()
    assert "warning" in figures.banner("smoke")._repr_html_()
    assert "quick" in figures.banner("quick").title
    assert "warning" not in figures.banner("quick")._repr_html_()


# ------------------------------------------------------------------------------------------------------------ widgets


def test_explore_draws_again_when_a_control_moves():
    drawn = []

    def draw(angle: float, name: str):
        drawn.append((angle, name))
        figure, axes = figures.panels(width=2)
        axes[0, 0].plot([0, angle])
        return figure

    box = widgets.explore(
        draw,
        alt='a line, "thin"',
        angle=widgets.slider("angle", 0, 90, value=30, step=0.5, unit="°"),
        name=widgets.choice("finger", list(FINGERS)),
    )
    angle, name, picture = box.children
    first = picture.value
    angle.value = 60
    name.value = "ring"
    assert drawn == [(30, "thumb"), (60, "thumb"), (60, "ring")]
    assert picture.value != first
    assert 'alt="a line, &quot;thin&quot;"' in picture.value
    assert angle.readout_format == ".1f"
    assert angle.description == "angle, °"


def test_the_truth_is_a_white_ghost_under_the_prediction(hand):
    uv = hand[:, :2]
    figure, axes = figures.panels()
    figures.draw_hand_2d(axes[0, 0], uv + 1)
    draw_ghost_2d(axes[0, 0], uv)
    lines = figure.axes[0].lines
    white = [line for line in lines if line.get_color() == "white"]
    assert len(white) == 5 and len(lines) == 10
    for line in white:
        assert {tuple(point) for point in line.get_xydata().tolist()} <= {tuple(point) for point in uv.tolist()}
        assert line.get_zorder() < min(other.get_zorder() for other in lines if other not in white)
