"""Groups on the hand: every joint where it is, in its group's colour and mark, and films that say what they show."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex

from hand_lib import figures
from hand_lib.figures.groups import (
    GROUP_COLORS,
    draw_groups,
    group_film,
    group_hands,
    group_look,
    group_strips,
    legend_handles,
    open_hand,
)
from hand_lib.figures.simplex import CORNERS, draw_simplex, on_triangle, simplex_film
from hand_lib.models.groups.selectors import THUMB_INDEX_REST
from hand_lib.skeleton import FINGER_COLORS, JOINTS, NUM_JOINTS


@pytest.fixture
def probabilities() -> torch.Tensor:
    """(3, 21, 3): even, then leaning, then certain of the groups made by hand."""
    certain = torch.nn.functional.one_hot(torch.tensor(THUMB_INDEX_REST), 3).float()
    even = torch.full((NUM_JOINTS, 3), 1 / 3)
    return torch.stack([even, 0.5 * even + 0.5 * certain, certain])


def of_group(trace) -> set[tuple[float, float]]:
    return {(x, y) for x, y in zip(trace.x, trace.y, strict=True) if x is not None}


# ---------------------------------------------------------------------------------------------------------- the look


def test_no_two_groups_look_alike_and_none_like_a_finger_or_a_row():
    looks = [group_look(group) for group in range(NUM_JOINTS)]
    assert len({(color, mark) for color, mark, _ in looks}) == NUM_JOINTS
    assert len({(color, symbol) for color, _, symbol in looks}) == NUM_JOINTS
    assert len({mark for _, mark, _ in looks[:7]}) == len({color for color, _, _ in looks[:7]}) == 7
    assert not set(GROUP_COLORS) & {*FINGER_COLORS.values(), *figures.style.SERIES_COLORS}


def grey(color: str) -> float:
    red, green, blue = (int(color[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_three_groups_are_told_apart_in_grey():
    levels = sorted(map(grey, GROUP_COLORS[:3]))
    assert min(np.diff(levels)) > 0.15 and levels[-1] < 0.8  # the last one against the white card


# ---------------------------------------------------------------------------------------------------------- the hand


def test_the_open_hand_is_a_right_one_with_every_joint_apart():
    hand = open_hand()
    assert hand.shape == (21, 2)
    apart = torch.cdist(hand, hand) + 1e3 * torch.eye(21)
    assert apart.min() > 12  # mm
    tips = hand[[4, 8, 12, 16, 20]]
    assert (tips[1:, 1] < hand[0, 1]).all()  # up
    assert (tips[:-1, 0] > tips[1:, 0]).all()  # palm to the reader: the thumb is on the right


def test_a_drawn_hand_has_every_joint_once_in_its_groups_look():
    _, axes = figures.panels()
    draw_groups(axes[0, 0], THUMB_INDEX_REST)
    hand = open_hand().numpy()
    found = {}
    for marks in axes[0, 0].collections:
        color = to_hex(marks.get_facecolor()[0])
        for x, y in marks.get_offsets():
            joint = int(np.abs(hand - [x, y]).sum(1).argmin())
            assert joint not in found
            found[joint] = color
    assert found == {joint: group_look(group)[0] for joint, group in enumerate(THUMB_INDEX_REST)}
    assert axes[0, 0].yaxis_inverted()


def test_certain_joints_are_larger():
    _, axes = figures.panels()
    certainty = torch.linspace(0, 1, 21)
    draw_groups(axes[0, 0], [0] * 21, certainty=certainty)
    (marks,) = axes[0, 0].collections
    sizes = marks.get_sizes()
    assert (np.diff(sizes) > 0).all() and sizes[0] > 0.15 * sizes[-1]


def test_hands_side_by_side_share_a_legend_of_the_groups_that_occur():
    figure = group_hands({"one": [0] * 21, "by hand": THUMB_INDEX_REST, "two": [2] * 10 + [0] * 11}, columns=2)
    titles = [ax.get_title() for ax in figure.axes]
    assert titles == ["one", "by hand", "two", ""]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["group 1", "group 2", "group 3"]
    named = legend_handles([0, 2], names=("thumb", "index", "rest"))
    assert [handle.get_label() for handle in named] == ["thumb", "rest"]


# ---------------------------------------------------------------------------------------------------------- the film


def test_in_a_film_every_joint_is_in_its_likeliest_group(probabilities):
    figure = group_film(probabilities, ["0", "10", "20"], alt="groups that form")
    hand = open_hand().double().numpy().round(1)
    for frame in figure.frames[1:]:
        assert not of_group(frame.data[4])  # nobody without a preference
        for group, trace in enumerate(frame.data[1:4]):
            mine = [joint for joint, of in enumerate(THUMB_INDEX_REST) if of == group]
            assert of_group(trace) == {(float(hand[j, 0]), float(hand[j, 1])) for j in mine}
    first = figure.frames[0].data
    assert len(of_group(first[4])) == 21 and not any(of_group(trace) for trace in first[1:4])
    sizes = [sum(s for t in frame.data[1:] if of_group(t) for s in t.marker.size) for frame in figure.frames]
    assert sizes[0] < sizes[1] < sizes[2]


def test_a_film_moves_by_slider_and_by_button_and_is_described(probabilities):
    figure = group_film(probabilities, ["0", "10", "20"], alt="groups that form", titles=["a", "b", "c"])
    payload = json.loads(figure.to_json())
    assert payload["layout"]["meta"]["alt"] == "groups that form"
    assert [step["label"] for step in payload["layout"]["sliders"][0]["steps"]] == ["0", "10", "20"]
    play, stop = payload["layout"]["updatemenus"][0]["buttons"]
    assert play["args"][0] is None and play["args"][1]["fromcurrent"] and stop["args"][0] == [None]
    names = [trace["name"] for trace in payload["data"] if trace.get("name")]
    assert names == ["group 1", "group 2", "group 3", "no preference"]  # also those that are empty at first
    assert all(trace["x"] for trace in payload["data"])
    assert "thumb tip: 100%" in figure.frames[2].data[1].text


def test_a_film_of_as_many_groups_as_joints_is_small():
    figure = group_film(torch.eye(21).expand(25, 21, 21), [str(i) for i in range(25)], alt="a group a joint")
    assert len(figure.to_json()) < 250_000


# --------------------------------------------------------------------------------------------------------- the strips


def test_strips_are_pale_where_nothing_is_decided_and_full_where_all_is(probabilities):
    figure = group_strips({"left": probabilities, "right": probabilities.flip(0)}, [0, 100, 200])
    left, right = (ax.images[0].get_array() for ax in figure.axes)
    assert left.shape == (21, 3, 3) and np.allclose(left, right[:, ::-1])
    for joint, group in enumerate(THUMB_INDEX_REST):
        assert to_hex(left[joint, 2]) == group_look(group)[0]
        assert left[joint, 0].min() == 1
        assert 0.2 < left[joint, 1].min() < 0.9
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == list(JOINTS)
    low, high = figure.axes[0].get_xlim()
    assert (low, high) == (-50, 250)  # the steps stand at the middles of their cells


def test_each_strip_ends_in_the_mark_of_its_group(probabilities):
    figure = group_strips({"run": probabilities}, [0, 100, 200])
    marks = [line.get_marker() for line in figure.axes[0].lines if line.get_marker() != "None"]
    assert marks == [group_look(group)[1] for group in THUMB_INDEX_REST]


# ------------------------------------------------------------------------------------------------------- the triangle


def test_a_certain_group_is_a_corner_and_none_is_the_centre():
    torch.testing.assert_close(on_triangle(torch.eye(3)), CORNERS)
    torch.testing.assert_close(on_triangle(torch.full((3,), 1 / 3)), CORNERS.mean(0))
    sides = (CORNERS - CORNERS.roll(1, 0)).norm(dim=1)
    torch.testing.assert_close(sides, torch.ones(3))


def test_points_of_the_simplex_lie_inside_and_in_the_colour_of_their_largest_share():
    shares = torch.distributions.Dirichlet(torch.ones(3)).sample((200,))
    _, axes = figures.panels()
    draw_simplex(axes[0, 0], shares)
    (dots,) = axes[0, 0].collections
    assert [to_hex(c) for c in dots.get_facecolor()] == [GROUP_COLORS[k] for k in shares.argmax(1)]
    x, y = np.asarray(dots.get_offsets()).T
    assert (y >= -1e-6).all() and (y <= np.sqrt(3) * np.minimum(x, 1 - x) + 1e-6).all()


def test_in_a_film_of_the_triangle_a_sample_keeps_its_colour_and_finds_its_corner():
    scores = torch.randn(50, 3, generator=torch.Generator().manual_seed(0))
    shares = torch.stack([(scores / tau).softmax(1) for tau in (100.0, 1.0, 1e-3)])
    figure = simplex_film(shares, ["100", "1", "0.001"], alt="samples in a triangle", prefix="τ = ")
    counts = scores.argmax(1).bincount(minlength=3).tolist()
    for frame in figure.frames:
        assert [len(trace.x) for trace in frame.data[1:]] == counts
    for k, trace in enumerate(figure.frames[-1].data[1:]):
        away = np.hypot(np.array(trace.x) - float(CORNERS[k, 0]), np.array(trace.y) - float(CORNERS[k, 1]))
        assert np.median(away) < 1e-3
    hot = figure.frames[0].data[1]
    assert np.hypot(np.array(hot.x) - 0.5, np.array(hot.y) - float(CORNERS[:, 1].mean())).max() < 0.05
