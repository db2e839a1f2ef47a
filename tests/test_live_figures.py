"""Figures that a network moves, in a browser with the network cut: from the disk and served, by pointer and by keys."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import live
import pytest
import torch
from bs4 import BeautifulSoup
from conftest import ROOT
from live import LOAD, opened
from test_live_parity import asked, compare, hands  # noqa: F401 (a fixture)

from hand_lib.book.browser import chromium, served
from hand_lib.book.live_figures import scripts_for, widgets_of
from hand_lib.camera import transform_points
from hand_lib.figures import live as live_figures
from hand_lib.live import get_shipped
from hand_lib.live.shipped import SHIPPED_ROWS
from hand_lib.live.site import HANDS, START, lean, write_scripts, write_site
from hand_lib.live.site import SCRIPTS as SCRIPTS_JOINED

SCRIPTS, WIDGETS = ROOT / "assets" / "live", sorted((ROOT / "assets" / "live" / "widgets").glob("*.js"))
SECTION = live_figures.section_html("move", [get_shipped("fr"), get_shipped("afr")], verb="Move and turn the picture")
MOST_BYTES = 60_000  # of scripts and styles on a page, and as much again when a figure is asked for


# ------------------------------------------------------------------------------------------------ what a page is given


def test_only_pages_with_such_a_figure_load_its_scripts() -> None:
    assert widgets_of(["<p>live</p>", SECTION, SECTION]) == ["move"]
    assert scripts_for(widgets_of([SECTION])) == ["live/list.js", "live/start.js"]
    assert scripts_for(widgets_of(["<section>", ""])) == []


def test_a_section_says_in_words_what_its_networks_are() -> None:
    section = BeautifulSoup(SECTION, "html.parser").section
    assert section["data-rows"] == "fr afr" and section["data-widget"] == "move"
    for row in ("fr", "afr"):
        record = get_shipped(row).record
        assert f"{row}, profile quick, seed {record['seed']}, {record['rounded_epe_mean']:.1f} mm" in section.text


def test_scripts_and_styles_of_a_page_are_light(site: Path) -> None:
    """Before the reader asks for anything; and with all that computes and draws, once a figure is asked for."""
    folder = site / "_static"
    first = [folder / "live" / "live.css", *(folder / name for name in scripts_for(["move"]))]
    assert sum(path.stat().st_size for path in first) <= MOST_BYTES
    largest = max(path.stat().st_size for path in (folder / "live" / "widgets").glob("*.js"))
    assert (folder / "live" / "live.js").stat().st_size + largest <= MOST_BYTES


def test_every_script_is_joined_and_a_lean_one_says_the_same() -> None:
    assert {path.name for path in SCRIPTS.glob("*.js")} == {START, *SCRIPTS_JOINED}
    assert lean("// one\n\n  const a = 1; // two\n\tb();\n") == "const a = 1; // two\nb();\n"
    for path in (*SCRIPTS.glob("*.js"), *WIDGETS):
        text = path.read_text(encoding="utf-8")
        odd = [line for line in text.splitlines() if line.count("`") % 2]
        assert odd == [], f"{path.name}: a string over lines would lose its indentation"
        assert "fetch(" not in text and "import(" not in text and "://" not in text, "works from a file, asks nobody"


def test_the_still_shows_what_the_networks_say() -> None:
    """The same crops as the page's: the picture moves, and the true joints with it."""
    sample = live_figures.bank([3])
    _, A = live_figures.moved(sample, 64)
    _, aside = live_figures.moved(sample, 64, rightward=10, down=-2)
    off = transform_points(aside, sample.uv) - transform_points(A, sample.uv)
    torch.testing.assert_close(off, torch.tensor([10.0, -2.0]).expand_as(off), atol=1e-3, rtol=0)
    _, turned = live_figures.moved(sample, 64, turn=90)
    about = transform_points(turned, sample.uv) - 31.5
    before = transform_points(A, sample.uv) - 31.5
    torch.testing.assert_close(about, torch.stack([-before[..., 1], before[..., 0]], -1), atol=1e-3, rtol=0)
    figure = live_figures.move_still(["fr", "afr"])
    assert [ax.get_title() for ax in figure.axes] == ["as it is", "10 px to the right", "turned by 90°"]


# -------------------------------------------------------------------------------------------------------- in a browser


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """The scripts and files as a site has them, and a page with a still and the place beside it."""
    root = tmp_path_factory.mktemp("site")
    write_site(SCRIPTS, root / "_static" / "live")
    live.write_page(root / "notebooks" / "moved.html", SECTION)
    return root


@pytest.fixture(scope="module", params=["disk", "server"])
def address(request, site: Path) -> Iterator[str]:
    if request.param == "disk":
        yield site.as_uri() + "/"
        return

    with served(site) as address:
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator:
    with chromium() as started:
        yield started


SAID = ".live-said"


@pytest.mark.slow
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_the_picture_is_moved_by_pointer_and_by_keys(browser, address: str, width: int, scheme: str) -> None:
    with opened(browser, f"{address}notebooks/moved.html", width=width, scheme=scheme) as page:
        assert page.locator("img").is_visible() and page.locator("canvas").count() == 0
        said_before = page.locator(LOAD).inner_text()
        assert said_before.startswith("Move and turn the picture: load ") and said_before.endswith(" MB")
        page.locator(LOAD).press("Enter")
        page.wait_for_selector("canvas")
        assert not page.locator("img").is_visible(), "the still gives way"
        page.locator(".live-guess button").first.click()
        page.wait_for_function(
            "() => / hands whose picture moved /.test(document.querySelector('.live-verdict').textContent)"
        )
        verdict = page.locator(".live-verdict").inner_text()
        assert f"Over {len(HANDS)} hands" in verdict
        page.wait_for_function(f"() => document.querySelector('{SAID}').textContent.includes('+10.0 px right')")

        picture, space = page.locator("canvas").nth(0), page.locator("canvas").nth(1)
        box = picture.bounding_box()
        assert box["width"] > 150, "as large as a phone allows"
        seen = picture.evaluate("(c) => c.toDataURL()")
        picture.press("ArrowDown")
        page.wait_for_function(f"() => document.querySelector('{SAID}').textContent.includes('+1.0 px down')")
        assert picture.evaluate("(c) => c.toDataURL()") != seen
        page.mouse.move(box["x"] + 60, box["y"] + 60)
        page.mouse.down()
        page.mouse.move(box["x"] + 60 - box["width"] / 8, box["y"] + 60, steps=3)
        page.mouse.up()
        page.wait_for_function(f"() => document.querySelector('{SAID}').textContent.includes('+2.0 px right')")
        assert page.locator("input[type=range]").nth(0).input_value() == "2", "sliders follow"

        turned = space.evaluate("(c) => c.toDataURL()")
        space.press("ArrowLeft")
        assert space.evaluate("(c) => c.toDataURL()") != turned
        slider = page.locator("input[type=range]").nth(2)
        slider.focus()
        page.keyboard.press("ArrowRight")
        page.wait_for_function(f"() => document.querySelector('{SAID}').textContent.includes('turned by 1°')")
        page.get_by_text("hand ›").click()
        page.wait_for_function(f"() => document.querySelector('{SAID}').textContent.includes('turned by 0°')")
        heard = "() => document.querySelector('[aria-live]').textContent"
        page.wait_for_function(f"() => ({heard})() === document.querySelector('{SAID}').textContent")

        small = "(all) => all.filter((e) => e.checkVisibility() && e.getBoundingClientRect().height < 43.5).length"
        assert page.locator(".live :is(button, input[type=range])").evaluate_all(small) == 0, "as large as a finger"
        assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.slow
def test_one_pointer_drags_and_a_second_finger_or_button_does_nothing(browser, site: Path) -> None:
    with opened(browser, f"{site.as_uri()}/notebooks/moved.html", has_touch=True) as page:
        page.locator(LOAD).click()
        page.locator(".live-guess button").first.click()
        page.wait_for_function(f"() => document.querySelector('{SAID}').textContent.includes('+10.0 px right')")
        picture = page.locator("canvas").nth(0)
        picture.scroll_into_view_if_needed()
        box = picture.bounding_box()
        pixel, x, y = box["width"] / 64, box["x"] + 60, box["y"] + 60
        devices = page.context.new_cdp_session(page)

        def touch(what: str, *places: tuple[float, float]) -> None:
            points = [{"x": right, "y": down, "id": i} for i, (right, down) in enumerate(places)]
            devices.send("Input.dispatchTouchEvent", {"type": what, "touchPoints": points})

        other = (x + 100, y + 90)
        touch("touchStart", (x, y))
        touch("touchStart", (x, y), other)
        touch("touchMove", (x - 4 * pixel, y), other)
        touch("touchMove", (x - 4 * pixel, y), (other[0], other[1] + 40))
        page.wait_for_function(f"() => document.querySelector('{SAID}').textContent.includes('+6.0 px right and +0.0')")
        touch("touchEnd")
        page.mouse.move(x, y)
        page.mouse.down(button="right")
        page.mouse.move(x + 50, y)
        page.mouse.up(button="right")
        page.mouse.down()
        page.mouse.move(x + 50 - 2 * pixel, y)
        page.mouse.up()
        page.mouse.move(x, y)
        page.wait_for_function(f"() => document.querySelector('{SAID}').textContent.includes('+4.0 px right and +0.0')")


@pytest.mark.slow
def test_what_the_page_says_is_what_pytorch_says(browser, site: Path) -> None:
    """The table under the moved picture: errors and moves of both networks."""
    with opened(browser, f"{site.as_uri()}/notebooks/moved.html") as page:
        page.locator(LOAD).click()
        page.locator(".live-guess button").first.click()
        page.wait_for_function("() => document.querySelector('table td')?.checkVisibility()")
        page.wait_for_function(f"() => document.querySelector('{SAID}').textContent.includes('+10.0 px right')")
        rows = page.locator("table tr").evaluate_all(
            "(all) => all.map((row) => [...row.children].map((c) => c.textContent))"
        )
    sample = live_figures.bank([3])
    still, moved = (live_figures.moved(sample, 64, rightward=by)[0] for by in (0, 10))
    for row, cells in zip(("fr", "afr"), rows[1:], strict=True):
        network = get_shipped(row).network()
        with torch.inference_mode():
            shift = ((network(moved) - network(still))[0, :, :2] / 2 * 63).mean(0)
        found = [float(cell.replace("−", "-")) for cell in cells[2:]]
        assert found == pytest.approx(shift.tolist(), abs=0.051)


@pytest.mark.slow
def test_parity_in_the_browser_with_simd_and_without(browser, site: Path, hands: bytes) -> None:  # noqa: F811
    with opened(browser, f"{site.as_uri()}/notebooks/moved.html") as page:
        for row, simd in [*((row, True) for row in SHIPPED_ROWS), ("refine-hdr", False)]:
            request = asked(row, hands, simd=simd)
            page.evaluate("Live.ready()")
            answer = page.evaluate(f"(request) => ({live.expression(live.PARITY)})(Live, request)", request)
            assert answer["simd"] is simd
            compare(get_shipped(row).network(), 64, hands, request["states"], answer["answers"])


@pytest.mark.slow
@pytest.mark.parametrize("row", SHIPPED_ROWS)
def test_the_sites_files_are_the_packages(browser, site: Path, row: str) -> None:
    """Put together from their parts and checked; the page lists what the record says."""
    with opened(browser, f"{site.as_uri()}/notebooks/moved.html") as page:
        about = page.evaluate(f"Live.ready().then(() => Live.open('{row}')).then(({{ about }}) => about)")
        listed = page.evaluate(f"Live.files['{row}']")
    record = get_shipped(row).record
    assert (about["row"], about["seed"]) == (row, str(record["seed"]))
    for name in ("row", "profile", "seed", "checkpoint_sha256"):
        assert listed[name] == record[name]
    assert listed["bytes"] == len(get_shipped(row).content)


@pytest.mark.slow
@pytest.mark.parametrize("wrong", ["missing", "cut", "changed", "another"])
def test_where_a_file_is_missing_or_damaged_the_still_stays_and_the_page_says_why(
    browser, site: Path, tmp_path: Path, wrong: str
) -> None:
    root = tmp_path / "site"
    write_scripts(SCRIPTS, root / "_static" / "live")
    files = root / "_static" / "live" / "files"
    files.mkdir()
    for path in (site / "_static" / "live").glob("list.js"):
        (root / "_static" / "live" / path.name).write_bytes(path.read_bytes())
    for path in (site / "_static" / "live" / "files").glob("*.js"):
        if path.name.startswith(("fr.", "afr.", "hands.")):
            (files / path.name).symlink_to(path)
    broken = files / "afr.1.js"
    content = broken.read_text()
    broken.unlink()
    if wrong == "cut":
        broken.write_text(content[: len(content) // 2])
    elif wrong == "changed":
        broken.write_text(content.replace("A", "B", 1000))
    elif wrong == "another":
        broken.write_text((files / "fr.1.js").read_text())
    live.write_page(root / "notebooks" / "moved.html", SECTION)
    allowed = ("ERR_FILE_NOT_FOUND", "SyntaxError", "Invalid or unexpected token")
    with opened(browser, f"{root.as_uri()}/notebooks/moved.html", allowed=allowed) as page:
        page.locator(LOAD).click()
        said = page.locator(".live-problem")
        said.wait_for()
        words = {
            "missing": "files/afr.1.js is not there",
            "cut": "afr.1.js is not what it should be",
            "changed": "the file of afr is damaged",
            "another": "afr.1.js is not what it should be",
        }
        assert said.inner_text() == f"This figure stays as it is: {words[wrong]}."
        assert page.locator("img").is_visible() and page.locator("canvas").count() == 0
        broken.unlink(missing_ok=True)
        broken.write_text(content)
        page.get_by_text("Try again").click()
        page.wait_for_selector("canvas")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["list.js", "live.js", "widgets/move.js"])
@pytest.mark.parametrize("wrong", ["missing", "cut"])
def test_where_a_script_is_blocked_or_cut_the_still_stays_and_the_page_says_why(
    browser, site: Path, tmp_path: Path, name: str, wrong: str
) -> None:
    root = tmp_path / "site"
    folder = root / "_static" / "live"
    write_scripts(SCRIPTS, folder)
    (folder / "list.js").write_bytes((site / "_static" / "live" / "list.js").read_bytes())
    (folder / "files").symlink_to(site / "_static" / "live" / "files")
    content = (folder / name).read_text()
    (folder / name).unlink()
    if wrong == "cut":
        (folder / name).write_text(content[: len(content) // 2])
    live.write_page(root / "notebooks" / "moved.html", SECTION)
    allowed = ("ERR_FILE_NOT_FOUND", "SyntaxError")
    with opened(browser, f"{root.as_uri()}/notebooks/moved.html", allowed=allowed) as page:
        page.locator(LOAD).click()
        said = page.locator(".live-problem")
        said.wait_for()
        why = "this site was built without" if name == "list.js" else name
        assert said.inner_text().startswith("This figure stays as it is: ") and why in said.inner_text()
        assert page.locator("img").is_visible() and page.locator("canvas").count() == 0
        if name != "list.js":
            (folder / name).unlink(missing_ok=True)
            (folder / name).write_text(content)
            page.get_by_text("Try again").click()
            page.wait_for_selector("canvas")


@pytest.mark.slow
def test_a_page_with_the_script_twice_has_one_button_and_works_without_webassembly(browser, site: Path) -> None:
    tag = '<script defer src="../_static/live/start.js"></script>'
    once = (site / "notebooks" / "moved.html").read_text()
    assert tag in once
    (site / "notebooks" / "twice.html").write_text(once.replace(tag, 2 * tag))
    with opened(browser, f"{site.as_uri()}/notebooks/twice.html") as page:
        page.add_init_script("delete globalThis.WebAssembly")
        page.reload()
        assert page.locator(LOAD).count() == 1
        page.locator(LOAD).click()
        page.wait_for_selector("canvas")


@pytest.mark.slow
def test_without_scripts_the_still_and_its_text_stand(browser, site: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{site.as_uri()}/notebooks/moved.html")
    assert page.locator("img").is_visible() and page.locator("button").count() == 0
    assert "seed" in page.locator("section").inner_text()
    context.close()


@pytest.mark.slow
def test_a_readers_own_run_takes_the_place_of_one_that_is_shown(browser, site: Path, tmp_path: Path) -> None:
    from test_live_networks import own_file

    from hand_lib.experiments import PROFILES

    size = PROFILES["quick"].network
    own, other = tmp_path / "model.safetensors", tmp_path / "other.safetensors"
    own.write_bytes(own_file("afr", size, {"profile": "quick", "seed": "77"}))
    other.write_bytes(own_file("maps", size, {"profile": "quick", "seed": "77"}))
    (tmp_path / "notes.safetensors").write_text("no tensors at all")
    with opened(browser, f"{site.as_uri()}/notebooks/moved.html") as page:
        page.locator(LOAD).click()
        choose, said = page.locator(".live-own input"), page.locator(".live-own [role=status]")
        choose.wait_for()
        before = page.locator("canvas").nth(0).evaluate("(c) => c.toDataURL()")
        for path, words in (
            (tmp_path / "notes.safetensors", "notes.safetensors is not used: this is no whole safetensors file"),
            (other, "other.safetensors is not used: it is of maps, and this figure shows fr and afr."),
            (own, "Now in use: your afr, profile quick, seed 77."),
        ):
            choose.set_input_files(path)
            page.wait_for_function(
                f"() => document.querySelector('.live-own [role=status]').textContent.startsWith({json.dumps(words)})"
            )
        assert said.inner_text().endswith("seed 77.")
        page.wait_for_function("(was) => document.querySelector('canvas').toDataURL() !== was", arg=before)
