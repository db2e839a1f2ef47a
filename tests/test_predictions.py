"""A chapter's predictions: asked at its head in plain text, settled by number below, and a form on the page."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest
import yaml
from conftest import ROOT
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from hand_lib.book.browser import chromium
from hand_lib.book.chapters import Chapter, find_chapters
from hand_lib.book.execution import Outcome
from hand_lib.book.site import Folders, build, check, stage
from hand_lib.book.vendor import vendor_assets

CHAPTERS = find_chapters(ROOT)
each_chapter = pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.name)


@dataclass(frozen=True)
class Asked:
    """One item of the list: choices to tick, or a blank to fill in."""

    number: int
    choices: tuple[str, ...] = ()


def asked(markdown: str) -> list[Asked]:
    """The predictions that a chapter's head asks for, by the convention of assets/predictions.js."""
    items = markdown.partition("**Your prediction.**")[2].partition("\n\n")[2].partition("\n\n")[0]
    found = []
    for item in filter(None, re.split(r"^(?=\d+\. )", items, flags=re.M)):
        text = " ".join(item.split())
        number, _, question = text.partition(". ")
        if choices := re.search(r" \*([^*]+ · [^*]+)\*$", question):
            found.append(Asked(int(number), tuple(choice.strip() for choice in choices[1].split("·"))))
        else:
            assert re.search(r"[?:] ____( [\w%]+)?$", question), f"neither choices nor a blank: {question}"
            found.append(Asked(int(number)))
    return found


def settled(text: str) -> list[int]:
    """The predictions that a text settles, in order: numbers that begin a paragraph."""
    return [int(number) for number in re.findall(r"(?:^|\n\n)\*\*Prediction (\d+)\.\*\*", text)]


@each_chapter
def test_each_prediction_can_be_ticked_or_filled_in(chapter: Chapter) -> None:
    head = nbformat.read(chapter.path, nbformat.NO_CONVERT).cells[0].source
    predictions = asked(head)
    assert [p.number for p in predictions] == list(range(1, len(predictions) + 1)) and len(predictions) >= 2
    for prediction in predictions:
        for choice in prediction.choices:
            assert 0 < len(choice) <= 40 and not set(choice) & set("$`_[]"), f"{choice!r}: plain and short"
        assert len(set(prediction.choices)) == len(prediction.choices)


@each_chapter
def test_each_prediction_is_settled_by_number(chapter: Chapter) -> None:
    """In the text, or in a sentence that code makes of a run; in the order in which they were asked."""
    head, *below = nbformat.read(chapter.path, nbformat.NO_CONVERT).cells
    numbers = []
    for cell in below:
        source = cell.source.replace('"', "\n\n").replace("\\n", "\n") if cell.cell_type == "code" else cell.source
        numbers += settled(source)
    assert list(dict.fromkeys(numbers)) == [p.number for p in asked(head.source)]


@pytest.mark.slow
@each_chapter
def test_each_prediction_is_settled_in_the_run(executed_book: list[Outcome], chapter: Chapter) -> None:
    (outcome,) = (o for o in executed_book if o.chapter == chapter)
    head, *below = nbformat.read(outcome.notebook, nbformat.NO_CONVERT).cells
    numbers = []
    for cell in below:
        shown = [cell.source] if cell.cell_type == "markdown" else []
        shown += [o.data.get("text/markdown", "") for o in cell.get("outputs", []) if "data" in o]
        numbers += [number for text in shown for number in settled(text)]
    assert list(dict.fromkeys(numbers)) == [p.number for p in asked(head.source)]


# ---------------------------------------------------------------------------------------------------------- on the page

HEAD = """\
# Guesses

**Your prediction.** Guess before you read on.

1. A hand is made larger, at $z = 2$ of its distance. What becomes of its picture? *larger · smaller · the same*
2. How far behind the skin is a joint? ____ mm
3. A score? ____
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of one chapter, which settles its predictions in its text and in what its code has shown."""
    root = tmp_path_factory.mktemp("guesses")
    shutil.copytree(ROOT / "assets", root / "assets", ignore=shutil.ignore_patterns("vendor"))
    shutil.copytree(vendor_assets(ROOT), root / "assets" / "vendor")
    shown = new_output("display_data", {"text/markdown": "**Prediction 2.** By 7 mm.", "text/plain": "Markdown"})
    cells = [
        new_markdown_cell(HEAD),
        new_markdown_cell("**Prediction 1.** Nothing.\n\nMore of it.\n\n**Prediction 3.** 0.9."),
        new_code_cell("1", outputs=[shown], execution_count=1),
    ]
    for i, cell in enumerate(cells):
        cell.id = f"cell-{i}"
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    (root / "notebooks").mkdir()
    for name in ("01_guesses", "02_others"):
        nbformat.write(new_notebook(cells=cells, metadata=kernel), root / "notebooks" / f"{name}.ipynb")
    (root / "book").mkdir()
    (root / "book" / "intro.md").write_text("# A book\n\n1. No prediction.\n", encoding="utf-8")
    (root / "book" / "references.bib").write_text("")
    files = [{"file": f"notebooks/{name}"} for name in ("01_guesses", "02_others")]
    toc = {"format": "jb-book", "root": "book/intro", "chapters": files}
    (root / "_toc.yml").write_text(yaml.safe_dump(toc))
    for name in ("_config.yml", "package.json", "package-lock.json"):
        shutil.copy(ROOT / name, root)
    folders = Folders.under(root / "build")
    stage(root, folders, find_chapters(root), check(root))
    assert build(folders) == []
    return folders.site / "notebooks" / "01_guesses.html"


@pytest.fixture(scope="module")
def browser() -> Iterator:
    with chromium() as browser:
        yield browser


def said(window) -> list[str]:
    """What stands at the places that settle predictions 1, 3 and 2, in this order."""
    return [line.inner_text().strip() for line in window.locator(".prediction-said").all()]


NOTHING = ["Guess first?"] * 3


@pytest.mark.slow
def test_an_answer_is_kept_and_read_back(browser, page: Path) -> None:
    """From the disk, where the browser's storage is the page's own as well."""
    context = browser.new_context()
    window = context.new_page()
    errors: list[str] = []
    window.on("pageerror", lambda error: errors.append(str(error)))
    window.goto(page.as_uri())
    assert said(window) == NOTHING

    window.get_by_role("radio", name="the same").check()
    window.get_by_role("textbox", name=re.compile("Prediction 2: How far behind the skin")).fill("5")
    answers = ["You said: the same (the question).", "Guess first?", "You said: 5 mm (the question)."]
    assert said(window) == answers
    for line in window.locator(".prediction-said").all():
        assert line.get_attribute("aria-live") == "polite"

    window.reload()
    assert said(window) == answers
    assert window.get_by_role("radio", name="the same").is_checked()
    assert window.get_by_role("textbox", name=re.compile("Prediction 2")).input_value() == "5"
    back = window.get_by_role("link", name="the question").first
    assert back.get_attribute("title").endswith("What becomes of its picture?")
    back.click()
    assert window.url.endswith("#prediction-1")

    window.goto(page.with_name("02_others.html").as_uri())  # another chapter's predictions are others
    assert said(window) == NOTHING
    window.goto(page.as_uri())
    window.get_by_role("button", name="Forget my answers").click()
    assert said(window) == NOTHING
    window.reload()
    assert said(window) == NOTHING and errors == []
    context.close()


@pytest.mark.slow
def test_by_keyboard_with_a_ring_and_large_enough_for_a_finger(browser, page: Path) -> None:
    for scheme in ("light", "dark"):
        context = browser.new_context(viewport={"width": 390, "height": 800}, color_scheme=scheme)
        window = context.new_page()
        window.goto(page.as_uri())
        first = window.get_by_role("radio").first
        first.focus()
        window.keyboard.press("Space")
        window.keyboard.press("ArrowRight")
        assert said(window)[0] == "You said: smaller (the question)."
        chosen = window.locator("label", has=window.get_by_role("radio", name="smaller"))
        style = "(e) => [getComputedStyle(e).outlineStyle, parseFloat(getComputedStyle(e).outlineWidth)]"
        assert chosen.evaluate(style) == ["solid", 3]
        for target in window.locator(".prediction-field label, .prediction-note button").all():
            assert target.bounding_box()["height"] >= 44
        wide = window.evaluate("() => document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 1
        context.close()


@pytest.mark.slow
def test_a_browser_that_keeps_nothing_still_reads_back(browser, page: Path) -> None:
    context = browser.new_context()
    context.add_init_script(
        "Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('no', 'SecurityError'); } })"
    )
    window = context.new_page()
    window.goto(page.as_uri())
    window.get_by_role("radio", name="larger").check()
    assert said(window)[0] == "You said: larger (the question)."
    assert "This browser keeps nothing" in window.locator(".prediction-note").inner_text()
    window.reload()
    assert said(window) == NOTHING
    context.close()


@pytest.mark.slow
def test_an_answer_that_is_no_longer_offered_is_none(browser, page: Path) -> None:
    """The question may have been reworded since."""
    context = browser.new_context()
    window = context.new_page()
    window.goto(page.as_uri())
    key = "joint-by-joint/01_guesses/prediction/1"
    window.evaluate(f"() => localStorage.setItem({json.dumps(key)}, 'yes & no')")
    window.reload()
    assert said(window) == NOTHING
    assert not any(button.is_checked() for button in window.get_by_role("radio").all())
    context.close()


@pytest.mark.slow
def test_without_scripts_the_questions_can_still_be_read(browser, page: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    window = context.new_page()
    window.goto(page.as_uri())
    text = window.locator("article").inner_text()
    assert "larger · smaller · the same" in text and "____ mm" in text
    assert window.get_by_text("Prediction 1. Nothing.").count() == 1
    context.close()
