"""Firefox: a few pages of the built site, the form, a slider, the theme, and all live figures. The rest is Chromium's.

Playwright drives the system's Firefox over WebDriver BiDi. Not every Playwright speaks only what every Firefox knows:
where the two do not understand one another, or where there is no Firefox, these tests are skipped and say why.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import live
import pytest
from playwright.sync_api import Browser, Error, Page, sync_playwright
from test_live_own_hand import photograph_answered, write_own_hand, write_photograph
from test_live_widgets import READERS, moved, write_widgets

from hand_lib.book.browser import served

pytestmark = pytest.mark.slow

_NAMES = ("firefox", "firefox-esr")
_MAC = "/Applications/Firefox.app/Contents/MacOS/firefox"
# Firefox has no command for these; "null" leaves them as the system has them.
AS_THE_SYSTEM = dict.fromkeys(("color_scheme", "reduced_motion", "forced_colors", "contrast"), "null")
CHAPTER = "notebooks/01_hands_joints_cameras"


@pytest.fixture(scope="module")
def firefox() -> Iterator[Browser]:
    candidates = [os.environ.get("FIREFOX"), *map(shutil.which, _NAMES), _MAC]
    found = next((path for path in candidates if path and Path(path).is_file()), None)
    if found is None:
        pytest.skip("there is no Firefox here: apt-get install firefox-esr (or set FIREFOX to its path)")
    with sync_playwright() as playwright:
        browser = playwright.firefox.launch(executable_path=found, channel="moz-firefox", headless=True)
        try:
            browser.new_context(**AS_THE_SYSTEM).close()
        except Error as error:
            version = browser.version
            browser.close()
            if "unknown command" not in error.message:
                raise
            pytest.skip(f"this Playwright asks Firefox {version} for what it does not know: {error.message[:120]}")
        yield browser
        browser.close()


@contextmanager
def opened(firefox: Browser, site: Path, name: str) -> Iterator[Page]:
    """A page from the disk, in a window of its own; it must end without an error of a script."""
    context = firefox.new_context(**AS_THE_SYSTEM)
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.goto((site / f"{name}.html").as_uri(), wait_until="load")
    yield page
    context.close()
    assert errors == []


@pytest.mark.parametrize("name", ["book/intro", CHAPTER, "notebooks/11_hourglass", "book/results"])
def test_a_page_opens_and_draws_all_its_figures(firefox: Browser, built_site: Path, name: str) -> None:
    with opened(firefox, built_site, name) as page:
        assert page.locator("h1").first.inner_text().strip()
        for figure in page.locator(".plotly-figure").all():
            figure.scroll_into_view_if_needed()
            figure.locator(".main-svg").first.wait_for()
        broken = "() => [...document.images].filter((i) => i.complete && !i.naturalWidth).map((i) => i.src)"
        assert page.evaluate(broken) == []


def test_a_prediction_is_kept_and_read_back(firefox: Browser, built_site: Path) -> None:
    with opened(firefox, built_site, CHAPTER) as page:
        page.locator("li.prediction").first.locator("input").first.check()
        said = page.locator(".prediction-said").first
        answer = said.inner_text()
        assert answer.startswith("You said: ")
        page.reload()
        assert said.inner_text() == answer
        page.get_by_role("button", name="Forget my answers").click()
        assert said.inner_text() != answer


def test_a_slider_moves_its_figure(firefox: Browser, built_site: Path) -> None:
    with opened(firefox, built_site, CHAPTER) as page:
        figure = page.locator(".plotly-figure", has=page.locator(".slider-rail-touch-rect")).first
        figure.scroll_into_view_if_needed()
        rail = figure.locator(".slider-rail-touch-rect").first
        active = "(e) => e.layout.sliders[0].active ?? 0"
        curves = "(e) => [...e.querySelectorAll('path')].map((p) => p.getAttribute('d')).join()"
        start, before = figure.evaluate(active), figure.evaluate(curves)
        box = rail.bounding_box()
        rail.click(position={"x": 0.98 * box["width"], "y": box["height"] / 2}, force=True)
        page.wait_for_function(f"([e, start]) => ({active})(e) !== start", arg=[figure.element_handle(), start])
        page.wait_for_function(f"([e, before]) => ({curves})(e) !== before", arg=[figure.element_handle(), before])


def test_the_theme_can_be_switched(firefox: Browser, built_site: Path) -> None:
    """Every figure in two inks shows the one that suits the page."""
    shown = "(all) => all.filter((e) => e.checkVisibility()).length"
    with opened(firefox, built_site, CHAPTER) as page:
        seen = {}
        for _ in range(3):  # the button goes through light, dark and the system's
            page.locator(".theme-switch-button:visible").first.click()
            theme = page.evaluate("() => document.documentElement.dataset.theme")
            light, dark = (page.locator(f"img.only-{scheme}").evaluate_all(shown) for scheme in ("light", "dark"))
            seen[theme] = (light > 0, dark > 0)
        assert seen == {"light": (True, False), "dark": (False, True)}


# ---------------------------------------------------------------------------------------------- networks in the page


@pytest.fixture(scope="module")
def widgets(tmp_path_factory) -> Path:
    return write_widgets(tmp_path_factory.mktemp("widgets"))


@pytest.fixture(scope="module")
def address(widgets: Path) -> Iterator[str]:
    with served(widgets) as address:
        yield address


@pytest.mark.parametrize("way", ["disk", "server"])
@pytest.mark.parametrize("widget", READERS)
def test_a_live_figure_is_moved(firefox: Browser, widgets: Path, address: str, widget: str, way: str) -> None:
    base = widgets.as_uri() + "/" if way == "disk" else address
    with live.opened(firefox, f"{base}notebooks/{widget}.html", **AS_THE_SYSTEM) as page:
        moved(page, widget)


def handed_over(page: Page) -> str:
    """What the page gives its browser to save: of a blob's download Firefox tells WebDriver nothing."""
    page.evaluate("""() => {
      const make = URL.createObjectURL;
      URL.createObjectURL = (blob) => { window.handed = blob; return make(blob); };
    }""")
    page.get_by_text("Save the joints").click()
    return page.evaluate("() => window.handed.text()")


def test_a_photograph_is_answered_as_in_python(firefox: Browser, tmp_path: Path) -> None:
    photograph, site = write_photograph(tmp_path / "hand.png"), write_own_hand(tmp_path / "site")
    photograph_answered(firefox, site, photograph, saved=handed_over, **AS_THE_SYSTEM)
