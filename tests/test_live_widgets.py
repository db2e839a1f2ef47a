"""Every figure that a network moves: guess, verdict, free play, by pointer and by keys, with the network cut.

What each verdict says is checked against PyTorch on the same rounded weights.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import live
import pytest
import torch
from axe_playwright_python.sync_playwright import Axe
from bs4 import BeautifulSoup
from conftest import ROOT
from IPython.display import HTML
from live import LOAD, opened
from torch import Tensor

from hand_lib.book.browser import chromium, served
from hand_lib.book.chapters import read_notebook
from hand_lib.camera import from_25d, is_mirrored, mirror_xyz, to_25d, transform_intrinsics, transform_points
from hand_lib.figures import live as live_figures
from hand_lib.figures import live_widgets
from hand_lib.figures.live_widgets import INDEX_TIP, LITTLE_TIP, THUMB_TIP
from hand_lib.live import get_shipped
from hand_lib.live.site import HANDS, hands_file, write_site
from hand_lib.models.groups.selectors import THUMB_INDEX_REST
from hand_lib.partitions import adjusted_rand

MOST_LOADED = 10_600_000  # bytes that a chapter's figures load when all of them are asked for
SIZE = 64
SAID, VERDICT = ".live-said", ".live-verdict"


# --------------------------------------------------------------------------------------------- what the readers do


def drag(page: Any, canvas: int, right: float, down: float = 0.0) -> None:
    """Put the pointer on a canvas and move it by a share of the canvas's width."""
    target = page.locator("canvas").nth(canvas)
    target.scroll_into_view_if_needed()
    box = target.bounding_box()
    x, y, wide = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, box["width"]
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + right * wide, y + down * wide, steps=3)
    page.mouse.up()


def swap_cells_by_keys(page: Any) -> None:
    cells = page.locator(".live-cells button")
    before, columns = cells.all_inner_texts(), 8
    cells.nth(0).focus()
    for key in ("ArrowRight", "Enter", "ArrowDown", "Enter"):
        page.keyboard.press(key)
    there = before[1 + columns]
    page.wait_for_function(f"() => document.querySelectorAll('.live-cells button')[1].textContent === '{there}'")
    before[1], before[1 + columns] = there, before[1]
    assert cells.all_inner_texts() == before


def swap_cells_by_pointer(page: Any) -> None:
    page.locator(".live-cells button").nth(0).click()
    page.locator(".live-cells button").nth(63).click()
    page.wait_for_function("() => document.querySelectorAll('.live-cells button')[0].textContent === '64'")


def press(text: str, key: str) -> Callable[[Any], None]:
    return lambda page: page.get_by_role("button", name=text, exact=True).press(key)


def click(text: str) -> Callable[[Any], None]:
    return lambda page: page.get_by_role("button", name=text, exact=True).click()


def on_canvas(canvas: int, key: str) -> Callable[[Any], None]:
    return lambda page: page.locator("canvas").nth(canvas).press(key)


STATE = "() => [...document.querySelectorAll('.live-said, .live table, .live-cells')].map((e) => e.innerText).join('|')"


def stroke_joints(page: Any) -> None:
    """Choose a group, and stroke over the palm."""
    click("group 3")(page)
    drag(page, canvas=0, right=0.2)


def show_groups() -> None:
    live_widgets.display(None)
    palm_middle_tips = [0, 0, 0, 1, 2, *([0, 1, 1, 2] * 4)]
    learnt = {"learnt, seed 0": torch.tensor(palm_middle_tips).roll(2).tolist(), "learnt, seed 1": palm_middle_tips}
    live_widgets.display(HTML(live_widgets.groups_html(learnt, [14.1, 13.9], [13.4])))


def in_list(page: Any) -> None:
    page.locator("select").nth(0).select_option(label="index tip")


@dataclass(frozen=True, kw_only=True)
class Reader:
    """How a reader moves one of the figures.

    Attributes:
        show: the function of the notebook's cell.
        pointer, keys: each changes what is said.
    """

    show: Callable[[], None]
    pointer: tuple[Callable[[Any], None], ...]
    keys: tuple[Callable[[Any], None], ...]


READERS = {
    "move": Reader(
        show=partial(live_figures.move, ("fr",)),
        pointer=(partial(drag, canvas=0, right=0.1),),
        keys=(on_canvas(0, "ArrowUp"),),
    ),
    "cells": Reader(
        show=live_widgets.cells,
        pointer=(swap_cells_by_pointer, click("shuffle")),
        keys=(swap_cells_by_keys,),
    ),
    "cover": Reader(
        show=live_widgets.cover,
        pointer=(partial(drag, canvas=0, right=0.1, down=0.1),),
        keys=(on_canvas(1, "ArrowDown"), lambda page: page.locator("input").nth(2).press("ArrowRight")),
    ),
    "joints": Reader(
        show=live_widgets.joints, pointer=(click("next hand"), in_list), keys=(press("next hand", "Enter"),)
    ),
    "heads": Reader(
        show=live_widgets.heads,
        pointer=(click("head 2"), click("show the smallest set")),
        keys=(press("head 3", "Space"),),
    ),
    "lie": Reader(
        show=live_widgets.lie,
        pointer=(partial(drag, canvas=0, right=-0.1, down=0.1), click("the next hand’s maps")),
        keys=(on_canvas(0, "ArrowUp"), lambda page: page.locator("input").nth(2).press("ArrowRight")),
    ),
    "rivals": Reader(
        show=live_widgets.rivals,
        pointer=(partial(drag, canvas=0, right=-0.3),),
        keys=(on_canvas(1, "ArrowDown"), lambda page: page.locator("input").nth(2).press("ArrowLeft")),
    ),
    "groups": Reader(
        show=show_groups,
        pointer=(stroke_joints, click("thumb, index, rest")),
        keys=(lambda page: page.get_by_role("button", name="middle tip: group").press("Enter"),),
    ),
}
each_widget = pytest.mark.parametrize("widget", READERS)


@cache
def shown(widget: str) -> tuple[Any, str]:
    """The still and the place that the function of a notebook's cell displays."""
    found: list[Any] = []
    with pytest.MonkeyPatch.context() as patch:
        for module in (live_figures, live_widgets):
            patch.setattr(module, "display", found.append)
        READERS[widget].show()
    still, place = found
    return still, place.data


# --------------------------------------------------------------------------------------------------- in the notebooks


def calls(path: Path) -> list[str]:
    """The widgets that a chapter's cells show, as ``live.move`` and ``live_widgets.cells``."""
    sources = ["".join(cell["source"]) for cell in read_notebook(path)["cells"] if cell["cell_type"] == "code"]
    return [name for source in sources for name in re.findall(r"\blive(?:_widgets)?\.([a-z_]+)\(", source)]


PLACES = {path: calls(path) for path in sorted((ROOT / "notebooks").glob("*.ipynb"))}


def test_each_widget_stands_in_a_chapter() -> None:
    asked = [name for names in PLACES.values() for name in names]
    assert set(asked) == set(READERS)
    assert {path.stem for path in (ROOT / "assets" / "live" / "widgets").glob("*.js")} >= set(READERS)


@pytest.mark.parametrize("path", [path for path, names in PLACES.items() if names], ids=lambda path: path.stem)
def test_what_a_chapter_loads_is_bounded(path: Path) -> None:
    rows = {row for name in PLACES[path] for row in re.search(r'data-rows="([^"]*)"', shown(name)[1])[1].split()}
    total = len(hands_file()) + sum(len(get_shipped(row).content) for row in rows)
    assert total * 4 / 3 <= MOST_LOADED


def test_recorded_groups_are_compared_and_where_there_are_none_the_still_stands_alone(monkeypatch) -> None:
    shown = []
    monkeypatch.setattr(live_widgets, "display", shown.append)
    runs = [
        {"row": row, "seed": seed, "metrics": {"epe_mean": 13.0 + seed}, "group_of_joint": [seed % 3] * 21}
        for row in ("groups-k3", "groups-k3-manual")
        for seed in (1, 0)
    ]
    monkeypatch.setattr(live_widgets, "recorded", lambda rows: [run for run in runs if run["row"] in rows])
    live_widgets.groups()
    known = json.loads(BeautifulSoup(shown[1].data, "html.parser").section["data-known"])
    assert [(one["name"], one["epe"]) for one in known["learnt"]] == [
        ("learnt, seed 0", [13]),
        ("learnt, seed 1", [14]),
    ]
    assert known["manual"] == {"name": "thumb, index, rest", "groups": list(THUMB_INDEX_REST), "epe": [13, 14]}
    shown.clear()
    runs.clear()
    live_widgets.groups()
    assert len(shown) == 1


# -------------------------------------------------------------------------------------------------------- in a browser


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    return write_widgets(tmp_path_factory.mktemp("site"))


def write_widgets(root: Path) -> Path:
    """The scripts and files as a site has them, and a page for each widget."""
    write_site(ROOT / "assets" / "live", root / "_static" / "live")
    for widget in READERS:
        live.write_page(root / "notebooks" / f"{widget}.html", shown(widget)[1])
    return root


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    with served(site) as address:
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator:
    with chromium() as started:
        yield started


def begun(page: Any, guess: int = 0) -> str:
    """Load the figure and guess; what the verdict says."""
    page.locator(LOAD).press("Enter")
    page.wait_for_selector(".live-guess")
    assert not page.locator("img").is_visible(), "the still gives way"
    page.locator(".live-guess button").nth(guess).click()
    page.wait_for_function(f"() => /^(You guessed right|It is)/.test(document.querySelector('{VERDICT}').textContent)")
    page.wait_for_function(f"() => document.querySelector('{SAID}').textContent")
    return page.locator(VERDICT).inner_text()


def moved(page: Any, widget: str) -> None:
    """Guess, and move the figure in every way that a reader has; each must change what is said."""
    begun(page)
    for act in (*READERS[widget].pointer, *READERS[widget].keys):
        was = page.evaluate(STATE)
        act(page)
        page.wait_for_function(f"(was) => ({STATE})() !== was", arg=was)


@pytest.mark.slow
@pytest.mark.parametrize(("way", "width", "scheme"), [("disk", 1280, "light"), ("server", 390, "dark")])
@each_widget
def test_it_is_moved_by_pointer_and_by_keys(
    browser, site: Path, address: str, widget: str, way: str, width: int, scheme: str
) -> None:
    base = site.as_uri() + "/" if way == "disk" else address
    with opened(browser, f"{base}notebooks/{widget}.html", width=width, scheme=scheme) as page:
        assert page.locator("canvas").count() == 0 and page.locator("img").is_visible()
        moved(page, widget)
        heard = "() => document.querySelector('[aria-live]').textContent"
        page.wait_for_function(f"() => ({heard})() === document.querySelector('{SAID}').textContent")
        small = """(all) => all.filter((e) => e.checkVisibility()).map((e) => [e.getBoundingClientRect(), e.outerHTML])
          .filter(([box]) => box.height < 43.5 || box.width < 43.5).map(([, html]) => html)"""
        assert page.locator(".live :is(button, select, input[type=range])").evaluate_all(small) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        if way == "server":  # from a disk axe may not read the styles, and complains
            found = Axe().run(page, [[".live"]], {"resultTypes": ["violations"]}).response["violations"]
            assert [(fault["id"], fault["nodes"][0]["html"][:120]) for fault in found] == []
        unnamed = (
            "(all) => all.filter((e) => !(e.ariaLabel || e.textContent || e.closest('label')?.textContent)).length"
        )
        assert page.locator(".live :is(button, select, input, canvas)").evaluate_all(unnamed) == 0


# ------------------------------------------------------------------------------------------------------ what it says


@dataclass(frozen=True, kw_only=True)
class Bank:
    """All hands of the site in crops of one kind."""

    images: Tensor
    A: Tensor
    K: Tensor
    xyz: Tensor
    uv: Tensor

    def millimetres(self, Y: Tensor) -> Tensor:
        _, _, z_root, scale = to_25d(self.xyz, self.K)
        return from_25d((Y[..., :2] + 1) / 2 * (SIZE - 1), Y[..., 2], self.K, z_root=z_root, scale=scale)

    def error(self, Y: Tensor) -> float:
        return (self.millimetres(Y) - self.xyz).norm(dim=-1).mean().item()

    def apart(self, Y: Tensor, other: Tensor, joints: Any = slice(None)) -> float:
        return (self.millimetres(Y) - self.millimetres(other)).norm(dim=-1)[:, joints].mean().item()


@cache
def bank(rightward: float = 0.0) -> Bank:
    samples = live_figures.bank(HANDS)
    images, A = live_figures.moved(samples, SIZE, rightward=rightward)
    xyz = mirror_xyz(samples.xyz, is_mirrored(A))
    return Bank(images=images, A=A, K=transform_intrinsics(A, samples.K), xyz=xyz, uv=transform_points(A, samples.uv))


@torch.inference_mode()
def of_cells() -> list[float]:
    networks = live_widgets.networks_of(("fr", "afr")).values()
    images = bank().images
    return [bank().apart(live_widgets.cells_swapped(network, images), network(images)) for network in networks]


@torch.inference_mode()
def of_cover() -> list[float]:
    view = live_widgets.View(image=bank().images, uv=bank().uv)
    images = torch.cat(
        [
            live_widgets.covered(live_widgets.View(image=image[None], uv=uv), uv[INDEX_TIP], live_widgets.DISC)
            for image, uv in zip(view.image, view.uv, strict=True)
        ]
    )
    others = [joint for joint in range(21) if not 5 <= joint <= 8]
    found = []
    for network in live_widgets.networks_of(("maps", "afr")).values():
        before, after = network(view.image), network(images)
        found += [bank().apart(after, before, [INDEX_TIP]), bank().apart(after, before, others)]
    return found


@torch.inference_mode()
def of_joints() -> list[float]:
    found, images = [], bank().images
    for network in live_widgets.networks_of(("maps", "maps-shared")).values():
        before = live_widgets.pixels(network(images), SIZE)
        after = live_widgets.pixels(live_widgets.joints_swapped(network, images, THUMB_TIP, LITTLE_TIP), SIZE)
        off = after[:, [THUMB_TIP, LITTLE_TIP]] - before[:, [LITTLE_TIP, THUMB_TIP]]
        found.append(off.norm(dim=-1).mean().item())
    return found


@torch.inference_mode()
def of_lie() -> list[float]:
    network, images = get_shipped("refine-hdr").network(), bank().images
    first, honest = network.stages(images)
    _, answer = live_widgets.lied(network, images, 8.0)
    F0, X = network.backbone.middle_and_last(images)
    M = network.decoder.multi_head(network.representation(X))
    drawn = [maps.roll(-1, 0) for maps in network.refinements[0].draw(first, M)]
    other, _ = network.refinements[0].look(F0, drawn)
    by = (live_widgets.pixels(answer, SIZE) - live_widgets.pixels(honest, SIZE))[..., 0].mean().item()
    errors = [bank().error(Y) for Y in (honest, answer, other, first)]
    return [by, *errors, errors[0] - errors[-1]]


@torch.inference_mode()
def of_rivals() -> list[float]:
    networks = live_widgets.networks_of(("multihead", "heatmap25d", "heatmap25d-sharp")).values()
    return [one.error(network(one.images)) for network in networks for one in (bank(), bank(20.0))]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("widget", "pattern", "expected"),
    [
        ("cells", r"moved by ([\d.]+) mm", of_cells),
        ("cover", r"([\d.]+) mm and the joints of the other fingers by ([\d.]+)", of_cover),
        ("joints", r": ([\d.]+) px", of_joints),
        (
            "lie",
            r"along by (−?[\d.]+) px.*from ([\d.]+) to ([\d.]+) mm, and to ([\d.]+) mm.*alone is ([\d.]+) mm"
            r".*second look changes the error by ([+−][\d.]+) mm",
            of_lie,
        ),
        ("rivals", r"from ([\d.]+) to ([\d.]+) mm", of_rivals),
    ],
    ids=lambda value: value if isinstance(value, str) and value.isalpha() else "",
)
def test_its_verdict_is_pytorchs(browser, site: Path, widget: str, pattern: str, expected) -> None:
    with opened(browser, f"{site.as_uri()}/notebooks/{widget}.html") as page:
        verdict = begun(page)
    found = [
        number
        for numbers in re.findall(pattern, verdict)
        for number in ([numbers] if isinstance(numbers, str) else numbers)
    ]
    digits = len(found[0].split(".")[1])
    wanted = expected()
    assert [float(number.replace("−", "-")) for number in found] == pytest.approx(wanted, abs=0.51 * 10**-digits)


@pytest.mark.slow
def test_the_smallest_set_of_heads_is_pytorchs(browser, site: Path) -> None:
    """Each of the 256 sets, in one go: the smallest that stays within a millimetre, and the best of its size."""
    with opened(browser, f"{site.as_uri()}/notebooks/heads.html") as page:
        verdict = begun(page)
        alone = page.locator("table tr").evaluate_all(
            "(all) => all.slice(1).map((r) => [...r.children].map((c) => c.textContent))"
        )
    shipped = get_shipped("multihead")
    network = shipped.network()
    with torch.inference_mode():
        M = network.decoder.multi_head(network.representation(network.backbone(bank().images)))
        n = network.decoder.heads
        sets = (torch.arange(2**n)[:, None] >> torch.arange(n)) & 1 == 1  # (256, n)
        wide = sets.repeat_interleave(M.shape[-1] // n, dim=1)
        errors = torch.tensor([bank().error(network.decoder.fuse(torch.where(one, M, shipped.usual))) for one in wide])
    allowed, sizes = errors <= errors[-1] + 1, sets.sum(1)
    least = sizes[allowed].min()
    best = torch.where(allowed & (sizes == least), errors, torch.inf).argmin()
    assert f"the smallest has {least}: {', '.join(str(i + 1) for i in range(n) if sets[best, i])}," in verdict
    assert f"All {n} heads are {errors[-1]:.2f} mm off" in verdict
    for i, (_, silent, only) in enumerate(alone):
        assert float(silent) == pytest.approx(errors[2**n - 1 - 2**i].item(), abs=0.006)
        assert float(only) == pytest.approx(errors[2**i].item(), abs=0.006)


@pytest.mark.slow
def test_the_index_of_groups_is_the_packages(browser, site: Path) -> None:
    with opened(browser, f"{site.as_uri()}/notebooks/groups.html") as page:
        begun(page)
        page.get_by_role("button", name="thumb, index, rest", exact=True).click()
        page.get_by_role("button", name="wrist: group").click()
        page.wait_for_function("() => document.querySelector('table')")
        page.wait_for_timeout(300)
        lines = page.locator("table tr").evaluate_all(
            "(all) => all.slice(1).map((r) => [...r.children].map((c) => c.textContent))"
        )
        known = page.evaluate("JSON.parse(document.querySelector('.live').dataset.known)")
    own = [(THUMB_INDEX_REST[0] + 1) % 3, *THUMB_INDEX_REST[1:]]
    others = [known["manual"], *known["learnt"]]
    assert [line[0] for line in lines] == [one["name"] for one in others]
    for (_, index, limit, _), one in zip(lines, others, strict=True):
        assert float(index.replace("−", "-")) == pytest.approx(adjusted_rand(own, one["groups"]), abs=0.0051)
        assert 0 < float(limit.replace("−", "-")) < 0.4
