"""The built site in a real browser with the network cut: every page, on a desktop and on a phone, light and dark."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin

import pytest
import yaml
from browser import chromium
from bs4 import BeautifulSoup
from conftest import ROOT

pytestmark = pytest.mark.slow

WIDTHS = {"desktop": 1280, "phone": 390}
HEIGHT = 900


def toc_pages() -> list[str]:
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text())
    return [toc["root"], *(chapter["file"] for part in toc["parts"] for chapter in part["chapters"])]


PAGES = toc_pages()
CHAPTERS = [page for page in PAGES if page.startswith("notebooks/")]


@pytest.fixture(scope="module")
def address(built_site: Path) -> Iterator[str]:
    """The site, served from this machine."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(built_site)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def browser() -> Iterator:
    with chromium() as browser:
        yield browser


class Visit:
    """One page in one window. Anything that is not of the site itself is refused and noted as a complaint."""

    def __init__(self, browser, base: str, *, width: int) -> None:
        self.complaints: list[str] = []
        self._base = base
        self._context = browser.new_context(viewport={"width": width, "height": HEIGHT}, color_scheme="light")
        self._context.route("**/*", self._guard)
        self.page = self._context.new_page()
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.complaints.append(f"script error: {error}"))
        self.page.on("requestfailed", lambda r: self.complaints.append(f"request failed: {r.url[:200]}"))
        self.page.on("response", self._response)

    def __enter__(self) -> Visit:
        return self

    def __exit__(self, *_: object) -> None:
        self._context.close()

    def open(self, path: str):
        """Open a page and wait until all that it draws is drawn."""
        self.page.goto(urljoin(self._base, path), wait_until="load")
        self.page.evaluate("async () => { if (window.MathJax?.startup) await MathJax.startup.promise; }")
        self.page.wait_for_function(f"() => ({WAITING})() === 0", timeout=30_000)
        self.page.wait_for_load_state("networkidle")
        return self.page

    def _guard(self, route) -> None:
        if route.request.url.startswith((self._base, "data:", "blob:")):
            route.continue_()
        else:
            self.complaints.append(f"request to another host: {route.request.url[:200]}")
            route.abort()

    def _console(self, message) -> None:
        if message.type == "error":
            self.complaints.append(f"console: {message.text}")

    def _response(self, response) -> None:
        if response.status >= 400:
            self.complaints.append(f"{response.status}: {response.url}")


# What is asked of a page inside the browser; see the file.
CHECKS = (ROOT / "tests" / "page_checks.js").read_text(encoding="utf-8").partition("\n")[2].strip()
WAITING, FAULTS, FAINT = (f"() => {CHECKS.strip()}.{name}()" for name in ("waiting", "faults", "faint"))


@pytest.mark.parametrize("device", WIDTHS)
@pytest.mark.parametrize("name", PAGES)
def test_page_is_whole_and_readable(browser, address: str, name: str, device: str) -> None:
    with Visit(browser, address, width=WIDTHS[device]) as visit:
        page = visit.open(f"{name}.html")
        found = page.evaluate(FAULTS)
        for scheme in ("light", "dark"):  # as the reader's system has it
            page.emulate_media(color_scheme=scheme)
            page.wait_for_function(f"() => document.documentElement.dataset.theme === '{scheme}'")
            found += [f"{scheme}: {fault}" for fault in page.evaluate(FAINT)]
        assert found + visit.complaints == []


def test_pages_outside_the_contents(browser, address: str, built_site: Path) -> None:
    """The index, the search page and the sources of the package: no error, no other host, no sideways scrolling."""
    others = sorted(str(path.relative_to(built_site)) for path in built_site.rglob("*.html"))
    known = {"index.html", *(f"{name}.html" for name in PAGES)}  # index.html leads to the first page, see below
    others = [path for path in others if path not in known and not path.startswith("_static/")]
    assert "genindex.html" in others and "search.html" in others
    for path in others:
        with Visit(browser, address, width=WIDTHS["phone"]) as visit:
            page = visit.open(path)
            wide = page.evaluate("() => document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert (path, visit.complaints, max(wide, 1)) == (path, [], 1)


def test_front_page_leads_into_the_book(browser, address: str) -> None:
    with Visit(browser, address, width=WIDTHS["desktop"]) as visit:
        visit.page.goto(address)
        visit.page.wait_for_url(urljoin(address, f"{PAGES[0]}.html"))
        assert visit.page.locator("h1").first.inner_text().startswith("Joint by Joint")
        assert visit.complaints == []


@pytest.mark.parametrize("device", WIDTHS)
def test_the_map_fits_its_window_and_leads_into_every_chapter(browser, address: str, device: str) -> None:
    with Visit(browser, address, width=WIDTHS[device]) as visit:
        page = visit.open(f"{PAGES[0]}.html")
        (drawing,) = [d for d in page.locator(".ladder-map svg").all() if d.is_visible()]
        links = drawing.locator("a").all()
        leads_to = {urljoin(page.url, a.get_attribute("href")) for a in links}
        assert leads_to == {urljoin(address, f"{name}.html") for name in CHAPTERS}
        words = drawing.evaluate(
            "(d) => [...d.querySelectorAll('text')].map((t) => [t.textContent, t.getBoundingClientRect()])"
            ".map(([said, box]) => [said, box.left, box.right, box.height])"
        )
        box = drawing.bounding_box()
        assert [w[0] for w in words if w[1] < box["x"] - 1 or w[2] > box["x"] + box["width"] + 1] == []
        assert min(height for *_, height in words) >= 9, "legible"
        links[0].focus()
        page.keyboard.press("Enter")
        page.wait_for_url(urljoin(address, f"{CHAPTERS[0]}.html"))
        assert visit.complaints == []


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_chapter_begins_with_its_head(browser, address: str, name: str) -> None:
    with Visit(browser, address, width=WIDTHS["phone"]) as visit:
        page = visit.open(f"{name}.html")
        here = page.locator(".chapter-head nav a[aria-current='page']")
        assert {urljoin(page.url, a.get_attribute("href")) for a in here.all()} == {page.url}
        title, head = page.locator("article h1").bounding_box(), page.locator(".chapter-head").bounding_box()
        assert 0 <= head["y"] - (title["y"] + title["height"]) < 80
        assert page.locator(".chapter-head dd").count() == page.locator(".chapter-head dt").count() > 0


@pytest.mark.parametrize("name", CHAPTERS)
def test_sliders_move_figures_without_a_kernel(browser, address: str, name: str) -> None:
    with Visit(browser, address, width=WIDTHS["desktop"]) as visit:
        page = visit.open(f"{name}.html")
        figures = page.locator(".plotly-figure", has=page.locator(".slider-rail-touch-rect"))
        assert figures.count() > 0, "a chapter has something to move on its page"
        for figure in figures.all():
            figure.scroll_into_view_if_needed()
            before = plot_area(page, figure)
            rail = figure.locator(".slider-rail-touch-rect").first
            box = rail.bounding_box()
            active = "(e) => e.layout.sliders[0].active ?? 0"
            start = figure.evaluate(active)
            right = start == 0
            rail.click(position={"x": box["width"] * (0.98 if right else 0.02), "y": box["height"] / 2}, force=True)
            page.wait_for_timeout(300)
            assert figure.evaluate(active) != start
            assert plot_area(page, figure) != before, "the slider moved and the figure did not"
        assert visit.complaints == []


def plot_area(page, figure) -> bytes:
    """A picture of a figure's plotting area alone, without its slider and its buttons."""
    size = figure.evaluate("(e) => e._fullLayout._size")
    figure.evaluate("(e) => e.scrollIntoView({ block: 'center' })")
    box = figure.bounding_box()
    clip = {"x": box["x"] + size["l"], "y": box["y"] + size["t"], "width": size["w"], "height": size["h"]}
    return page.screenshot(clip=clip)


def test_site_opens_from_the_disk(browser, built_site: Path) -> None:
    """`make book` says "open .../index.html": the pages work without a server as well."""
    base = built_site.as_uri() + "/"
    for name in (PAGES[0], *CHAPTERS[:1]):
        with Visit(browser, base, width=WIDTHS["desktop"]) as visit:
            page = visit.open(f"{name}.html")
            assert page.evaluate(FAULTS) + visit.complaints == []


def test_search_finds_a_word_of_the_book(browser, address: str) -> None:
    with Visit(browser, address, width=WIDTHS["desktop"]) as visit:
        page = visit.open("search.html?q=intrinsics")
        page.wait_for_selector("#search-results li a")
        assert visit.complaints == []


@pytest.mark.parametrize("name", CHAPTERS)
def test_notebook_can_be_downloaded(built_site: Path, name: str) -> None:
    """The page links to its notebook, executed, and it is a whole one."""
    page = BeautifulSoup((built_site / f"{name}.html").read_text(encoding="utf-8"), "html.parser")
    links = {a["href"] for a in page.select("a[href$='.ipynb']")}
    assert links
    for link in links:
        notebook = json.loads((built_site / f"{name}.html").parent.joinpath(link).read_text(encoding="utf-8"))
        assert any(cell.get("outputs") for cell in notebook["cells"])


def test_every_link_inside_the_site_leads_somewhere(built_site: Path) -> None:
    pages = {
        path: BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
        for path in built_site.rglob("*.html")
        if "_static" not in path.parts
    }
    anchors = {path: {e["id"] for e in page.select("[id]")} for path, page in pages.items()}
    broken = []
    for path, page in pages.items():
        for link in (a["href"] for a in page.select("a[href]")):
            target, anchor = urldefrag(link)
            if ":" in target.split("/")[0] or target.startswith("//"):
                continue
            file = (path.parent / unquote(target)).resolve() if target else path
            if not file.exists() or (anchor and file in anchors and unquote(anchor) not in anchors[file]):
                broken.append(f"{path.relative_to(built_site)}: {link}")
    assert broken == []


def test_no_page_names_a_script_or_style_of_another_host(built_site: Path) -> None:
    foreign = []
    for path in built_site.rglob("*.html"):
        page = BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
        for element in page.select("script[src], link[rel~=stylesheet], link[rel~=preload], img[src], iframe[src]"):
            source = element.get("src") or element.get("href")
            if source.startswith(("http:", "https:", "//")):
                foreign.append(f"{path.relative_to(built_site)}: {source}")
    assert foreign == []


def test_launch_buttons_wait_for_the_repository(built_site: Path) -> None:
    """Without an address there is no button that leads nowhere; with one there are all (see test_book)."""
    address = (yaml.safe_load((ROOT / "_config.yml").read_text())["repository"] or {}).get("url")
    page = BeautifulSoup((built_site / f"{CHAPTERS[0]}.html").read_text(encoding="utf-8"), "html.parser")
    hosts = [a["href"] for a in page.select("a[href*='colab.research'], a[href*='mybinder'], a[href*='/edit/']")]
    assert bool(hosts) == bool(address)
