"""Chromium, which prints the book and looks at its pages in the tests: which one, how it is started, and a server."""

from __future__ import annotations

import http.server
import os
import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from hand_lib.errors import HandLibError

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--enable-unsafe-swiftshader",  # WebGL without a GPU
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_MAC = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)


def find_chromium(playwright: Any) -> str:
    """The browser to drive: ``$CHROMIUM``, one on the PATH, macOS' applications, or Playwright's own.

    Raises:
        HandLibError: there is none.
    """
    candidates = [os.environ.get("CHROMIUM"), *map(shutil.which, _NAMES), *_MAC, playwright.chromium.executable_path]
    for candidate in candidates:
        if candidate and Path(candidate).is_file():
            return candidate
    how = "brew install --cask chromium" if sys.platform == "darwin" else "apt-get install chromium"
    raise HandLibError(f"this needs Chromium, and there is none here: {how} (or set CHROMIUM to its path)")


@contextmanager
def chromium(*flags: str) -> Iterator:
    """A headless browser with a fresh profile, with these flags besides. Raises HandLibError where there is none."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=find_chromium(playwright), args=[*FLAGS, *flags], headless=True
        )
        try:
            yield browser
        finally:
            browser.close()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """A folder of pages by HTTP, on this machine alone; the address, with a slash at its end."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
