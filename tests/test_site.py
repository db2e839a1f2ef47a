"""The built site in a real browser with the network cut: every page, on a desktop and on a phone, light and dark."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin

import pytest
import yaml
from axe_playwright_python.sync_playwright import Axe
from bs4 import BeautifulSoup
from conftest import ROOT

from hand_lib.book.browser import chromium, served
from hand_lib.book.pdf import print_site
from hand_lib.errors import HandLibError

pytestmark = pytest.mark.slow

WIDTHS = {"desktop": 1280, "phone": 390}
HEIGHT = 900


def toc_pages() -> list[str]:
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text())
    return [toc["root"], *(chapter["file"] for part in toc["parts"] for chapter in part["chapters"])]


PAGES = toc_pages()
CHAPTERS = [page for page in PAGES if page.startswith("notebooks/")]
NUMBERED = [page for page in CHAPTERS if not page.startswith("notebooks/page_")]


@pytest.fixture(scope="module")
def address(built_site: Path) -> Iterator[str]:
    """The site, served from this machine."""

    with served(built_site) as address:
        yield address


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


def wait_for_theme(page, scheme: str) -> None:
    """Until the page is light or dark, and no colour is on its way there."""
    page.wait_for_function(f"() => document.documentElement.dataset.theme === '{scheme}'")
    page.wait_for_function("() => document.getAnimations().every((one) => one.playState !== 'running')")


# Text inside plotly's drawings is in the alternative text, and contrast of code is looked at by `faint`.
# docutils gives an entry of a bibliography a role that lists want.
AXE_LEAVES = {"exclude": [[".plotly-figure svg"], [".highlight"], [".citation"], [".citation-list"]]}

# The package's pages are all made alike, by Sphinx.
AXE_PAGES = [*(name for name in PAGES if not name.startswith("book/api/")), "book/api/camera"]


@pytest.mark.parametrize("name", AXE_PAGES)
def test_axe_finds_nothing(browser, address: str, name: str) -> None:
    """axe-core's rules for readers with assistive technology; the dark theme differs in its colours alone."""
    with Visit(browser, address, width=WIDTHS["desktop"]) as visit:
        page = visit.open(f"{name}.html")
        found = []
        for scheme, options in (("light", {}), ("dark", {"runOnly": ["color-contrast"]})):
            page.emulate_media(color_scheme=scheme)
            wait_for_theme(page, scheme)
            answer = Axe().run(page, AXE_LEAVES, {"resultTypes": ["violations"], **options}).response
            for fault in answer["violations"]:
                places = [node["html"][:120] for node in fault["nodes"][:3]]
                found.append(f"{scheme}: {fault['id']}: {fault['help']}: {places}")
        assert found == []


@pytest.mark.parametrize("device", WIDTHS)
@pytest.mark.parametrize("name", PAGES)
def test_page_is_whole_and_readable(browser, address: str, name: str, device: str) -> None:
    with Visit(browser, address, width=WIDTHS[device]) as visit:
        page = visit.open(f"{name}.html")
        found = page.evaluate(FAULTS)
        for scheme in ("light", "dark"):  # as the reader's system has it
            page.emulate_media(color_scheme=scheme)
            wait_for_theme(page, scheme)
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
        (drawing,) = [d for d in page.locator(".ladder-map > div").all() if d.is_visible()]
        links = drawing.locator("a").all()
        leads_to = {urljoin(page.url, a.get_attribute("href")) for a in links}
        assert leads_to == {urljoin(address, f"{name}.html") for name in NUMBERED}
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
        assert {urljoin(page.url, a.get_attribute("href")) for a in here.all()} == {page.url} & {
            urljoin(address, f"{chapter}.html") for chapter in NUMBERED
        }
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


def with_live_figures(built_site: Path) -> list[str]:
    """The pages with a figure that a network moves."""
    return [name for name in PAGES if '<section class="live"' in (built_site / f"{name}.html").read_text()]


def test_networks_run_in_the_pages_that_say_so(browser, address: str, built_site: Path) -> None:
    """Served, with all else cut off: on a phone, in the theme's own styles."""
    names = with_live_figures(built_site)
    assert {"notebooks/05_average_feature_regression", "book/your_own_hand"} <= set(names)
    for name in names:
        with Visit(browser, address, width=WIDTHS["phone"]) as visit:
            page = visit.open(f"{name}.html")
            for number in range(page.locator("section.live").count()):
                section = page.locator("section.live").nth(number)
                section.locator(".live-load").click()
                section.locator(".live-stage canvas").first.wait_for(timeout=60_000)
                if (stills := section.locator("xpath=ancestor::*[contains(@class, 'cell_output')]//img")).count():
                    assert not any(still.is_visible() for still in stills.all()), "the still gives way"
            assert page.evaluate(FAULTS) + visit.complaints == []
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme=scheme)
                wait_for_theme(page, scheme)
                found = Axe().run(page, [[".live"]], {"resultTypes": ["violations"]}).response["violations"]
                assert [(scheme, fault["id"], fault["nodes"][0]["html"][:120]) for fault in found] == []


def test_only_pages_with_such_a_figure_load_its_scripts(built_site: Path) -> None:
    having = set(with_live_figures(built_site))
    for name in PAGES:
        page = BeautifulSoup((built_site / f"{name}.html").read_text(encoding="utf-8"), "html.parser")
        links = [e.get("src") or e.get("href") for e in page.select("script[src*='live/'], link[href*='live/']")]
        assert bool(links) == (name in having), name


@pytest.mark.parametrize("name", CHAPTERS)
def test_predictions_are_asked_and_read_back(browser, address: str, name: str) -> None:
    """Each item of the list is a form, and is read back below; see test_predictions for what becomes of an answer."""
    with Visit(browser, address, width=WIDTHS["desktop"]) as visit:
        page = visit.open(f"{name}.html")
        asked = page.locator("p:has(> strong:text-is('Your prediction.')) ~ ol").first.locator("> li")
        assert asked.count() == page.locator("li.prediction").count() >= 2
        assert page.locator(".prediction-said").count() >= asked.count()
        for number, item in enumerate(asked.all(), 1):
            field = item.locator("input").first
            field.fill("12") if field.get_attribute("type") == "text" else field.check()
            said = page.locator(f"p:has(> strong:text-is('Prediction {number}.')) > .prediction-said")
            assert said.first.inner_text().startswith("You said: ")
        assert visit.complaints == []


@pytest.mark.parametrize("name", CHAPTERS)
def test_open_code_fits_into_its_column(browser, address: str, name: str) -> None:
    with Visit(browser, address, width=WIDTHS["desktop"]) as visit:
        page = visit.open(f"{name}.html")
        blocks = "(all) => all.filter((e) => e.checkVisibility()).map((e) => e.scrollWidth - e.clientWidth)"
        over = page.locator(".cell_input pre").evaluate_all(blocks)
        assert over and max(over) <= 1


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


def test_the_site_is_printed_as_one_pdf(built_site: Path, tmp_path: Path) -> None:
    """Two pages: text and stills are there, solutions are open, and no link leads to a file of this machine."""
    from pypdf import PdfReader

    target = tmp_path / "book.pdf"
    pages = [PAGES[0], "notebooks/01_hands_joints_cameras"]
    # In a process of its own: this one may drive a browser already.
    program = "import sys; from pathlib import Path; from hand_lib.book.pdf import print_site\n"
    program += "print_site(Path(sys.argv[1]), sys.argv[3:], Path(sys.argv[2]))"
    subprocess.run([sys.executable, "-c", program, built_site, target, *pages], cwd=ROOT, check=True, timeout=300)
    book = PdfReader(target)
    assert len(book.pages) > 5
    titles = [one.title for one in book.outline]
    assert len(titles) == 2 and titles[0].startswith("Joint by Joint")
    text = " ".join(page.extract_text() for page in book.pages)
    chapter = json.loads((ROOT / "notebooks" / "01_hands_joints_cameras.ipynb").read_text())
    headings = [
        line.lstrip("# ").strip()
        for cell in chapter["cells"]
        if cell["cell_type"] == "markdown"
        for line in cell["source"]
        if line.startswith("## ")
    ]
    said = " ".join(text.split())
    assert headings and all(heading in said for heading in headings if heading.isascii())
    assert "Solution to" in said
    pictures = sum(len(page.images) for page in book.pages)
    figures = BeautifulSoup((built_site / "notebooks/01_hands_joints_cameras.html").read_text(), "html.parser").select(
        ".plotly-figure"
    )
    assert pictures >= len(figures) > 3
    assert b"file:" not in target.read_bytes()
    for page in book.pages:
        for annotation in page.get("/Annots", []):
            action = annotation.get_object().get("/A", {})
            assert str(action.get("/URI", "https:")).startswith("http")


def test_a_site_that_is_not_there_is_not_printed(tmp_path: Path) -> None:
    with pytest.raises(HandLibError, match="build the site first"):
        print_site(tmp_path, ["book/intro"], tmp_path / "book.pdf")
    assert not (tmp_path / "book.pdf").exists()


@pytest.mark.parametrize("name", CHAPTERS)
def test_no_page_has_a_control_that_needs_a_kernel(built_site: Path, name: str) -> None:
    assert "widget-view" not in (built_site / f"{name}.html").read_text(encoding="utf-8")
