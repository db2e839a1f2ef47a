"""The head of a chapter: the small map with "you are here", and what it says of reading, of before, of training."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from bs4 import BeautifulSoup
from conftest import ROOT
from docutils import nodes
from docutils.utils import new_document

from hand_lib.book import sphinx_extension
from hand_lib.book.chapters import Chapter, find_chapters
from hand_lib.book.front import (
    HEADS,
    LINES_A_MINUTE,
    WORDS_A_MINUTE,
    check_rows,
    head,
    reading_minutes,
    training,
)
from hand_lib.errors import HandLibError
from hand_lib.experiments import PROFILES, recorded_time
from hand_lib.figures.ladder_strip import ladder_strip
from hand_lib.figures.map_plan import Stop

CHAPTERS = find_chapters(ROOT)


def chapter(number: int, **options) -> Chapter:
    return Chapter(Path(f"notebooks/{number:02}_made.ipynb"), number, title=f"Made {number} & more", **options)


def cell(kind: str, source: str, *tags: str) -> dict:
    return {"cell_type": kind, "source": source.splitlines(keepends=True), "metadata": {"tags": list(tags)}}


def record(row: str, seconds: float, device: str = "Abacus, 1 thread", processes: int = 1) -> dict:
    return {"row": row, "seconds": seconds, "device": device, "processes": processes}


# ------------------------------------------------------------------------------------------------------------ reading


def test_reading_time_counts_prose_and_the_code_that_is_shown() -> None:
    prose, code = "word " * (20 * WORDS_A_MINUTE), "x = 1\n\n" * (10 * LINES_A_MINUTE)
    assert reading_minutes({"cells": [cell("markdown", prose)]}) == 20
    assert reading_minutes({"cells": [cell("markdown", prose), cell("code", code)]}) == 30
    hidden = [cell("code", code, tag) for tag in ("hide-input", "remove-cell", "remove-input", "hide-cell")]
    assert reading_minutes({"cells": [cell("markdown", prose), *hidden]}) == 20
    assert reading_minutes({"cells": [cell("markdown", "one word")]}) == 5


def test_the_how_to_says_what_is_reckoned_with() -> None:
    said = " ".join((ROOT / "book" / "how_to.md").read_text(encoding="utf-8").split())
    assert f"at {WORDS_A_MINUTE} words of prose or {LINES_A_MINUTE} lines of shown code a minute" in said


def test_reading_time_leaves_solutions_out() -> None:
    prose = cell("markdown", "word " * (10 * WORDS_A_MINUTE))
    solution = [cell("markdown", "```{solution-start} one\n```"), prose, cell("code", "y = 2\n" * 300)]
    end = cell("markdown", "```{solution-end}\n```")
    assert reading_minutes({"cells": [prose, *solution, end, prose]}) == 20


# ----------------------------------------------------------------------------------------------------------- training


def test_time_of_a_training_is_the_least_on_the_processor_that_most_used() -> None:
    found = [record("fr", s) for s in (50.0, 60.0, 400.0)]
    found += [record("fr", 1.0, "NVIDIA H9000"), record("fr", 7.0, "Other, 1 thread"), record("afr", 9.0)]
    found += [record("fr", 2.0, processes=4)] * 5
    assert recorded_time("fr", found) == (50.0, "Abacus, 1 thread")
    assert recorded_time("maps", found) is None


def test_what_an_earlier_chapter_trained_takes_no_time() -> None:
    chapters = [chapter(1, trains={"fr": 1}), chapter(2, trains={"fr": 3, "afr": 1}), chapter(3, trains={"fr": 2})]
    times = [record("fr", 60.0), record("afr", 300.0)]
    first, second, third = (training(one, chapters, times) for one in chapters)
    assert "<em>FR</em>:" in first and "about 60 s of one core" in first and "Abacus" in first and "finds" not in first
    assert "<em>FR</em>, twice · <em>AFR</em>: about 7 min" in second, "two more of FR, and one of AFR"
    assert third == "no row of a table. It finds what chapter 1 trained"


def test_networks_of_a_chapter_s_own_are_counted() -> None:
    one = chapter(1, trains={"fr": 1}, trains_besides=2)
    said = training(one, [one], [record("fr", 60.0)])
    assert "about 60 s" in said and said.endswith("; and 2 networks of its own, whose time is said before they start")
    one = chapter(1, trains_besides=1)
    assert training(one, [one], []).startswith("1 network of its own, whose time is said before it ")


def test_a_row_without_a_record_is_not_given_a_time() -> None:
    one = chapter(1, trains={"fr": 1, "afr": 1})
    assert "said before it starts" in training(one, [one], [])
    mixed = training(one, [one], [record("fr", 60.0)])
    assert "about 60 s" in mixed and mixed.endswith("and more for <em>AFR</em>")


def test_a_row_that_does_not_exist_or_is_built_twice_is_named() -> None:
    for options in ({"rungs": ("frr",)}, {"trains": {"frr": 1}}):
        with pytest.raises(HandLibError, match=r"01_made.*frr.*fr") as caught:
            check_rows([chapter(1, **options)])
        assert "\n" not in str(caught.value)
    with pytest.raises(HandLibError, match=r"02_made.*01_made builds fr too"):
        check_rows([chapter(1, rungs=("fr",)), chapter(2, rungs=("afr", "fr"))])


# ----------------------------------------------------------------------------------------------------------- the head


NUMBERED = [one for one in CHAPTERS if one.number is not None]


def test_a_page_between_chapters_has_a_head_without_a_pin() -> None:
    (one,) = (one for one in CHAPTERS if one.number is None)
    page = BeautifulSoup(head(one, CHAPTERS, []), "html.parser")
    assert {a["href"] for a in page.select("nav a")} == {f"{other.name}.html" for other in NUMBERED}
    assert not page.select("nav a[aria-current]") and not page.select(".pin")
    said = {term.text: term.find_next_sibling("dd").text for term in page.select("dt")}
    assert said["It trains"] == "no row of a table. It finds what chapters 4, 5, 6, 7, 8, 9, 10 trained"


@pytest.mark.parametrize("one", NUMBERED, ids=lambda one: one.name)
def test_every_chapter_has_a_head_that_points_at_it(one: Chapter) -> None:
    page = BeautifulSoup(head(one, CHAPTERS, []), "html.parser")
    assert {a["href"] for a in page.select("nav a")} == {f"{other.name}.html" for other in NUMBERED}
    current = page.select("nav a[aria-current='page']")
    assert current and {a["href"] for a in current} == {f"{one.name}.html"}
    assert page.select(".pin") == [pin for a in current for pin in a.select(".pin")] != []
    said = {term.text: term.find_next_sibling("dd") for term in page.select("dt")}
    assert [a["href"] for a in said["To know before"].select("a")] == [
        f"{other.name}.html" for other in CHAPTERS if other.number in one.needs
    ]
    assert said["To read"].text.endswith(" min") and said["It trains"].text


def test_the_small_map_is_no_wider_than_a_phone_and_keeps_its_rungs_apart() -> None:
    stops = [Stop(number=c.number, title=c.title, href=f"{c.name}.html", rungs=c.rungs) for c in NUMBERED]
    page = BeautifulSoup(ladder_strip(stops, PROFILES["quick"].network, here=1), "html.parser")
    for drawing in page.select("svg"):
        _, _, width, height = map(float, drawing["viewbox"].split())
        assert width <= 358 and height <= 120
        boxes = [[float(e[k]) for k in ("x", "y", "width", "height")] for e in drawing.select("rect")]
        assert all(x >= 0 and y >= 0 and x + w <= width and y + h <= height for x, y, w, h in boxes)
        for i, (x, y, w, h) in enumerate(boxes):
            assert all(x + w <= a or a + c <= x or y + h <= b or b + d <= y for a, b, c, d in boxes[i + 1 :])


def test_the_head_stands_under_the_title_of_its_chapter_alone(tmp_path: Path) -> None:
    (tmp_path / HEADS).mkdir()
    (tmp_path / HEADS / "01_made.html").write_text("<p>head</p>", encoding="utf-8")
    for page, inserted in (("notebooks/01_made", True), ("notebooks/02_other", False), ("book/01_made", False)):
        document = new_document(page)
        document += nodes.section("", nodes.title("", "Title"), nodes.paragraph("", "First"))
        app = SimpleNamespace(env=SimpleNamespace(docname=page), srcdir=str(tmp_path))
        sphinx_extension.put_head(app, document)
        kinds = [type(node).__name__ for node in document[0]]
        assert kinds == (["title", "raw", "paragraph"] if inserted else ["title", "paragraph"])
