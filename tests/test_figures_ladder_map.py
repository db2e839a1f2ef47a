"""The map of the book: what it shows is what the networks are, and a new row draws itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest
import torch
from bs4 import BeautifulSoup
from torch import Tensor, nn

from hand_lib.experiments import PROFILES
from hand_lib.figures import map_plan as plans
from hand_lib.figures.compositions import composition, words, write_shape
from hand_lib.figures.ladder_map import TALL, WIDE, ladder_map
from hand_lib.figures.map_plan import Stop, map_plan
from hand_lib.figures.svg import link, text, width_of, wrap, write
from hand_lib.models.catalogue import rows_and_variants
from hand_lib.models.groups.rows import GROUP_ROWS
from hand_lib.models.rows import ROWS
from hand_lib.models.size import NetworkSize
from hand_lib.models.variants import VARIANTS

SIZE = PROFILES["quick"].network
STOPS = [
    Stop(number=1, title="Ground & <more>", href="one.html"),
    Stop(number=2, title="Feature regression", href="two.html", rungs=("fr", "afr")),
    Stop(number=3, title="Selector", href="three.html"),
    Stop(number=4, title="Groups", href="four.html", rungs=("groups-k1", "groups-k3")),
    Stop(number=5, title="The end", href="five.html"),
]


@pytest.fixture(scope="module")
def page() -> BeautifulSoup:
    return BeautifulSoup(ladder_map(STOPS, SIZE), "html.parser")


def seen(page: BeautifulSoup, form: str) -> list[str]:
    return [element.get_text() for element in page.select(f".{form} text")]


# ------------------------------------------------------------------------------------------------------ compositions


@pytest.mark.parametrize("name", ["fr", "pooled-shared", "multihead", "refine-hd", "heatmap25d", "groups-k3-fused"])
def test_shapes_are_those_that_a_picture_meets_on_its_way(name: str) -> None:
    """Against a real picture through the real network, not on the meta device."""
    row, size = rows_and_variants()[name], NetworkSize(width=8, image_size=64, stem_stride=2, final_stride=1)
    network = row.build(size).eval()
    made = composition(row, size)
    with torch.inference_mode():
        X = network.backbone(torch.rand(2, *made.image))
        read = network.representation(X)
        Y = network(torch.rand(2, *made.image))
    assert (made.X, made.read, made.Y) == (X.shape[1:], read.shape[1:], Y.shape[1:])
    assert made.Y == (21, 3)


def test_what_tells_two_rows_apart_is_said() -> None:
    made = {name: composition(row, SIZE) for name, row in ROWS.items()}
    assert made["fr"].D == made["afr"].D and made["fr"].G != made["afr"].G
    assert made["pooled"].G == made["pooled-shared"].G and made["pooled"].D != made["pooled-shared"].D
    assert [made[f"refine-{kind}"].stages for kind in ("h", "hd", "hdr", "hdr-3")] == [2, 2, 2, 3]
    assert made["refine-hd"].shown == ("heatmaps", "depth maps") and made["multihead"].shown == ()
    assert composition(VARIANTS["refine-blind"], SIZE).stages == 2
    assert "4 heads" in composition(VARIANTS["multihead-4x16"], SIZE).D
    assert len({(m.words, m.read) for m in made.values()}) == len(ROWS), "no two rows look the same"


def test_groups_are_counted_and_said_to_be_whose_they_are() -> None:
    made = {name: composition(row, SIZE) for name, row in GROUP_ROWS.items()}
    assert [made[f"groups-k{k}"].groups for k in (1, 2, 3, 21)] == [1, 2, 3, 21]
    assert made["groups-k1"].grouping == "one group"
    assert made["groups-k3-manual"].grouping == "fixed groups" and made["groups-k3"].grouping == "learnt groups"
    assert made["hourglass-k3"].F == "hourglass" and made["groups-k3"].F == "ResNet-18"
    assert made["groups-k3-fused"].G != made["groups-k3"].G


def test_an_unknown_part_is_named_after_its_class_and_a_known_kind_after_its_own() -> None:
    class HTTPOrFourierMixer(nn.Module):
        pass

    class Wider(type(ROWS["afr"].build(SIZE).decoder)):
        pass

    assert words(HTTPOrFourierMixer()) == "httpor fourier mixer"
    assert words(Wider(features=2, hidden=2)) == "one MLP for the hand"


@pytest.mark.parametrize(
    "shape, other, said",
    [((21, 512), None, "21×512"), ((8192,), None, "8192"), ((3, 21, 2), (2, 21, 2), "K×21×2"), ((4,), (4,), "4")],
)
def test_shapes_as_they_are_written(shape: tuple[int, ...], other: tuple[int, ...] | None, said: str) -> None:
    assert write_shape(shape, other) == said


# ------------------------------------------------------------------------------------------------------------- the plan


def test_every_row_is_on_the_map_once_and_no_variant_of_a_row_that_is() -> None:
    names = [name for section in map_plan([], SIZE) for rung in section.rungs for name in rung.names]
    assert len(names) == len(set(names))
    tables = set(ROWS) | {name for name, row in GROUP_ROWS.items() if row.varies is None}
    assert tables <= set(names) and not set(names) & set(VARIANTS)


def test_every_chapter_is_on_the_map_before_what_follows_it() -> None:
    ladder, groups, both, beyond = map_plan(STOPS, SIZE)
    on_the_way = [[stop.number for stop in section.stops] for section in (ladder, groups, both, beyond)]
    assert on_the_way == [[1], [3], [], [5]]
    assert not beyond.rungs and len(map_plan(STOPS[:-1], SIZE)) == 3
    by_row = {name: rung.stop for s in (ladder, groups) for rung in s.rungs for name in rung.names}
    assert by_row["fr"].number == by_row["afr"].number == 2 and by_row["pooled"] is None
    assert by_row["groups-k1"].number == 4


def test_rows_of_one_kind_are_one_rung_unless_two_chapters_build_them() -> None:
    together = map_plan([], SIZE)[1]
    (learnt,) = (rung for rung in together.rungs if "groups-k21" in rung.names)
    assert {"groups-k2", "groups-k3", "groups-k4", "groups-k5"} < set(learnt.names)
    assert learnt.label == "K = 2, 3, 4, 5, 21" and learnt.read.startswith("K×21×")
    apart = {rung.names: rung for rung in map_plan(STOPS, SIZE)[1].rungs}
    assert apart["groups-k3",].read.startswith("3×21×"), "here its chapter builds the three alone"


@pytest.fixture
def one_more_row(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    class Shuffled(nn.Module):
        def forward(self, X: Tensor) -> Tensor:
            return X.flatten(1).flip(1)

    def build(size: NetworkSize) -> nn.Module:
        network = ROWS["fr"].build(size)
        network.representation = Shuffled()
        return network

    row = replace(ROWS["fr"], name="shuffled", title="Shuffled regression", table_id="ID-99", build=build)
    monkeypatch.setattr(plans, "ROWS", {**ROWS, row.name: row})
    yield row.name


def test_a_new_row_draws_itself(one_more_row: str) -> None:
    page = BeautifulSoup(ladder_map(STOPS, SIZE), "html.parser")
    for form in ("wide", "tall"):
        assert "ID-99shuffled" in seen(page, form)


# ---------------------------------------------------------------------------------------------------------- the drawing


def test_every_row_is_drawn_with_its_parts_and_shapes_in_both_forms(page: BeautifulSoup) -> None:
    for form in ("wide", "tall"):
        drawn = seen(page, form)
        for section in map_plan(STOPS, SIZE):
            assert section.title in drawn
            for rung in section.rungs:
                assert f"{rung.label}{rung.title}" in drawn
                assert {rung.read, write_shape(rung.made.X), write_shape(rung.made.Y)} <= set(drawn)
                assert set(rung.made.G.split()) <= set(" ".join(drawn).split())


def test_what_has_a_chapter_is_a_link_that_says_where_it_leads(page: BeautifulSoup) -> None:
    for form in ("wide", "tall"):
        links = page.select(f".{form} a")
        assert {a["href"] for a in links} == {stop.href for stop in STOPS}
        assert all(
            f"hapter {stop.number}" in a["aria-label"] for stop in STOPS for a in links if a["href"] == stop.href
        )
        assert "Ground & <more>" in seen(page, form), "what is written stays text"
    (whole,) = page.select(".ladder-map")
    assert "map" in whole["aria-label"]


def test_nothing_is_wider_than_the_drawing_and_no_cards_overlap(page: BeautifulSoup) -> None:
    drawings = [(svg, width) for form, width in (("wide", WIDE), ("tall", TALL)) for svg in page.select(f".{form} svg")]
    assert len(drawings) == 2 * len(map_plan(STOPS, SIZE))
    for drawing, width in drawings:
        _, _, across, down = map(float, drawing["viewbox"].split())
        assert across == width
        cards = [[float(card[k]) for k in ("x", "y", "width", "height")] for card in drawing.select("rect.rung")]
        assert all(x >= 0 and x + w <= width + 0.01 and y + h <= down for x, y, w, h in cards)
        for i, (x, y, w, h) in enumerate(cards):
            for a, b, c, d in cards[i + 1 :]:
                assert x + w <= a + 0.01 or a + c <= x + 0.01 or y + h <= b + 0.01 or b + d <= y + 0.01
        for words_ in drawing.select("text"):
            wide = float(words_.get("textlength", width_of(words_.text, float(words_["font-size"]))))
            start = float(words_["x"]) - wide * {"middle": 0.5, "end": 1.0}.get(words_.get("text-anchor"), 0.0)
            assert start >= -0.01 and start + wide <= width + 0.01, words_.text


def test_colours_are_left_to_the_page(page: BeautifulSoup) -> None:
    assert {e["fill"] for e in page.select("[fill]")} == {"none"}
    assert {e["stroke"] for e in page.select("[stroke]")} == {"currentColor"}


# --------------------------------------------------------------------------------------------------------- svg itself


def test_text_that_could_leave_its_room_is_held_in_it() -> None:
    held = text(0, 0, "maps by joint", size=10, room=20)
    free = text(0, 0, "maps by joint", size=10, room=200)
    assert held.get("textLength") == "20" and free.get("textLength") is None
    assert width_of("mmm", 10) > width_of("nnn", 10) > width_of("iii", 10)


@pytest.mark.parametrize("room", [10, 60, 500])
def test_wrapping_keeps_every_word_in_order(room: float) -> None:
    lines = wrap("a heatmap and a depth map by joint", room, 10)
    assert " ".join(lines) == "a heatmap and a depth map by joint" and 1 <= len(lines) <= 2


def test_a_part_without_a_place_to_go_is_no_link() -> None:
    assert link(None, [], label="x").tag == "g"
    linked = link("a.html?b=1&c=2", [ET.Element("rect")], label='say "x"')
    again = ET.fromstring(write(linked))
    assert (again.tag, again.get("href"), again.get("aria-label")) == ("a", "a.html?b=1&c=2", 'say "x"')
