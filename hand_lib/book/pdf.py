"""The built site as one PDF: ``make pdf``.

Each page is printed by Chromium in the light theme, in the order of the contents, without the package's own pages.
What moves on a page is printed as its still; solutions are printed open, folded code is left out. Links inside the book
are text on paper; links to the world stay links.
"""

from __future__ import annotations

import argparse
import importlib.util
import io
import sys
from pathlib import Path

from hand_lib.book.browser import chromium
from hand_lib.book.chapters import checkout
from hand_lib.book.settings import read_contents
from hand_lib.book.site import Folders
from hand_lib.cache import atomic_write
from hand_lib.errors import HandLibError

NAME = "joint-by-joint.pdf"
_WITHOUT = "book/api/"  # the package's pages: made to be looked up, not read through
_WAIT = 120_000  # milliseconds, for a page to draw itself

# Solutions are opened, and what only leads about the site goes.
_PREPARE = """async () => {
  for (const one of document.querySelectorAll(".toggle-hidden")) one.classList.remove("toggle-hidden");
  for (const one of document.querySelectorAll("details:not(.hide)")) one.open = true;
  const leading = "details.hide, .toggle-button, .headerlink, .prev-next-area";
  for (const one of document.querySelectorAll(leading)) one.remove();
  for (const link of document.querySelectorAll("a[href]")) {
    if (!/^https?:/.test(link.getAttribute("href"))) link.removeAttribute("href");
  }
  if (window.MathJax?.startup) await MathJax.startup.promise;
  if (window.stills) await window.stills;
  await Promise.all([...document.images].map((image) => {
    image.loading = "eager";
    return image.checkVisibility() ? image.decode().catch(() => null) : null;
  }));
}"""
_FOOTER = """<div style="font-size: 8px; width: 100%; text-align: center; font-family: sans-serif">
<span class="title"></span> · <span class="pageNumber"></span> of <span class="totalPages"></span></div>"""


def print_site(site: Path, pages: list[str], target: Path) -> int:
    """Print pages of a built site into one PDF, each with a bookmark.

    Args:
        site: the folder of the pages.
        pages: their names without ``.html``, in the order of reading.
        target: the PDF.

    Returns:
        How many sheets it has.

    Raises:
        HandLibError: a page is missing, there is no Chromium, or the file cannot be written.
    """
    from pypdf import PdfReader, PdfWriter

    for page in pages:
        if not (site / f"{page}.html").is_file():
            raise HandLibError(f"no {site / f'{page}.html'}: build the site first, with `make book`")
    book = PdfWriter()
    with chromium() as browser:
        for number, name in enumerate(pages, 1):
            print(f"printing {number} of {len(pages)}: {name}", flush=True)
            title, sheets = _printed(browser, (site / f"{name}.html").absolute())
            first = len(book.pages)
            book.append(PdfReader(io.BytesIO(sheets)), import_outline=False)
            book.add_outline_item(title, first)
    book.add_metadata({"/Title": "Joint by Joint"})
    book.compress_identical_objects()
    with atomic_write(target) as file:
        book.write(file)
    return len(book.pages)


def _printed(browser, path: Path) -> tuple[str, bytes]:
    """A page's title, and the page as a PDF of its own."""
    page = browser.new_page(viewport={"width": 900, "height": 1200}, color_scheme="light")
    try:
        page.set_default_timeout(_WAIT)
        page.emulate_media(media="print", color_scheme="light")
        page.goto(path.as_uri(), wait_until="load")
        page.evaluate(_PREPARE)
        margin = {"top": "15mm", "bottom": "16mm", "left": "14mm", "right": "14mm"}
        sheets = page.pdf(
            format="A4",
            scale=0.82,
            margin=margin,
            print_background=True,
            display_header_footer=True,
            header_template="<span></span>",
            footer_template=_FOOTER,
        )
        return page.locator("h1").first.inner_text().strip(), sheets
    finally:
        page.close()


def main(arguments: list[str] | None = None) -> int:
    """Print the site of a profile. Returns 0. Raises HandLibError, see :func:`print_site`."""
    parser = argparse.ArgumentParser(prog="python -m hand_lib.book.pdf", description=__doc__.splitlines()[0])
    parser.add_argument("--profile", default="quick", help="whose site is printed (default: quick)")
    profile = parser.parse_args(arguments).profile
    if importlib.util.find_spec("pypdf") is None or importlib.util.find_spec("playwright") is None:
        raise HandLibError("missing playwright or pypdf: install the printer's tools with `pip install -e .[pdf]`")
    root = checkout()
    place = root / "build" / profile
    pages = [page for page in read_contents(root).pages if not page.startswith(_WITHOUT)]
    sheets = print_site(Folders.under(place).site, pages, place / NAME)
    print(f"{sheets} sheets in {place / NAME}")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except HandLibError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
