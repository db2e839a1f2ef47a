"""The opening of the book: what is committed is what the function writes, and it moves only where that is welcome."""

from __future__ import annotations

import base64
import io
import json
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from bs4 import BeautifulSoup
from conftest import ROOT
from PIL import Image

from hand_lib.camera import project
from hand_lib.experiments import DATA_SEED, PROFILES, run
from hand_lib.figures import opening
from hand_lib.figures.opening_drawing import SPACE, middle_of, opening_html, ring, tile, turned
from hand_lib.figures.sliders import data_uri
from hand_lib.skeleton import BONES, NUM_JOINTS
from hand_lib.synthetic import render

PAGE = (ROOT / "book" / "opening.html").read_text(encoding="utf-8")
SCRIPT = ROOT / "assets" / "opening.js"
DATA = opening.read(PAGE)


def picture(address: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2])))


# --------------------------------------------------------------------------------------------- what is committed


def test_the_committed_page_is_what_the_function_makes_of_its_data() -> None:
    assert opening_html(DATA) == PAGE


def test_its_hands_are_the_renderers() -> None:
    indices = [hand["index"] for hand in DATA["hands"]]
    assert indices == list(opening.HANDS)
    scene = PROFILES[opening.PROFILE].scene
    samples = render(seed=DATA_SEED, split="evaluation", indices=indices, size=opening.SIDE, scene=scene)
    assert samples.right.all(), "a left hand would be shown as the mirror image of what the network saw"
    for i, hand in enumerate(DATA["hands"]):
        truth, xyz, uv = (torch.tensor(hand[name]) for name in ("truth", "xyz", "uv"))
        torch.testing.assert_close(truth, samples.xyz[i], atol=0.2, rtol=0)
        torch.testing.assert_close(uv, project(xyz, samples.K[i]), atol=0.2, rtol=0)
        assert (truth - xyz).norm(dim=-1).mean().item() == pytest.approx(hand["error"], abs=0.15)
        shown, anew = (np.asarray(picture(p), float) for p in (hand["picture"], data_uri(samples.images[i])))
        assert shown.shape == anew.shape and abs(shown - anew).mean() < 0.5, "apart from rounding"


def test_its_network_is_a_recorded_one() -> None:
    about = DATA["run"]
    record = json.loads((ROOT / "results" / about["profile"] / f"{about['row']}-s{about['seed']}.json").read_text())
    assert (about["row"], about["profile"], about["seed"]) == (opening.ROW, opening.PROFILE, opening.SEED)
    assert about["checkpoint_sha256"] == record["checkpoint_sha256"]
    assert about["epe"] == pytest.approx(record["metrics"]["epe_mean"], abs=0.051)
    assert about["pixels"] == record["decides"]["network"]["image_size"]
    said = BeautifulSoup(PAGE, "html.parser").figcaption.text
    assert f"{about['epe']:.1f} mm" in said and all(f"{hand['error']:.1f}" in said for hand in DATA["hands"])


def test_it_is_light() -> None:
    assert len(PAGE.encode()) + SCRIPT.stat().st_size < 400_000


@pytest.mark.slow
def test_what_a_run_predicts_is_what_is_written(tmp_path: Path) -> None:
    small = run(opening.ROW, profile="smoke", seed=0, progress=False)
    right = [i for i in range(40) if (small.truth[i] - _xyz(i)).abs().max() < 0.1][:2]
    opening.write(tmp_path / "opening.html", small, right)
    data = opening.read((tmp_path / "opening.html").read_text(encoding="utf-8"))
    cells = PROFILES["smoke"].network.grid
    for hand, index in zip(data["hands"], right, strict=True):
        torch.testing.assert_close(torch.tensor(hand["xyz"]), small.predictions[index], atol=0.06, rtol=0)
        assert len(hand["features"]) == opening.FEATURES and len(hand["joint_maps"]) == NUM_JOINTS
        assert {picture(address).size for address in (*hand["features"], *hand["joint_maps"])} == {(cells, cells)}
    assert data["run"]["checkpoint_sha256"] == small.record["checkpoint_sha256"]


def _xyz(index: int) -> torch.Tensor:
    profile = PROFILES["smoke"]
    where = {"seed": DATA_SEED, "split": "evaluation", "size": profile.render_size, "scene": profile.scene}
    return render(indices=[index], **where).xyz[0]


# ------------------------------------------------------------------------------------------------------ the drawing


def test_the_still_shows_every_joint_where_it_is() -> None:
    page = BeautifulSoup(PAGE, "html.parser")
    first = DATA["hands"][0]
    dots = page.select(".opening-picture circle.joint")
    assert [[float(dot["cx"]), float(dot["cy"])] for dot in dots] == first["uv"]
    for panel in ("picture", "space"):
        bones = page.select(f".opening-{panel} line.bone")
        assert [int(bone["data-joint"]) for bone in bones] == [child for _, child in BONES]
    assert len(page.select(".joint-map")) == NUM_JOINTS
    assert page.select_one("figure")["aria-label"] and page.select_one("button").has_attr("hidden")


def test_no_hand_leaves_its_drawing_however_it_is_turned() -> None:
    for hand in DATA["hands"]:
        for turn in range(-90, 91, 10):
            where = {"scale": DATA["scale"], "turn": turn, "tilt": DATA["tilt"]}
            for points in (hand["xyz"], hand["truth"]):
                drawn = turned(points, middle_of(hand["truth"]), **where)
                assert all(0 <= x <= SPACE[0] and 0 <= y <= SPACE[1] for x, y in drawn)


def test_turning_is_a_rotation() -> None:
    here = (SPACE[0] / 2, SPACE[1] / 2)
    straight = {"scale": 2.0, "turn": 0.0, "tilt": 0.0}
    assert turned([(3, 4, 5)], (1, 1, 1), **straight) == [(here[0] + 4, here[1] + 6)], "as the camera sees it"
    aside = {**straight, "turn": 90.0}
    assert turned([(0, 0, 10)], (0, 0, 0), **aside) == [(here[0] + 20, here[1])], "what was far is at the right"
    above = {**straight, "tilt": 90.0}
    assert turned([(0, 7, 10)], (0, 0, 0), **above) == [(here[0], here[1] - 20)], "from above, what is far is on top"
    towards = ring(10, 3)[0]
    assert towards == pytest.approx((0, 3, -10)) and all(
        math.hypot(x, z) == pytest.approx(10) for x, _, z in ring(10, 3)
    )


def test_the_tiles_are_a_hand_with_its_tips_on_top() -> None:
    places = [tile(joint) for joint in range(NUM_JOINTS)]
    assert len(set(places)) == NUM_JOINTS
    for finger in range(5):
        column = places[1 + 4 * finger : 5 + 4 * finger]
        assert len({x for x, _ in column}) == 1 and [y for _, y in column] == sorted(
            (y for _, y in column), reverse=True
        )
    assert places[0][1] == max(y for _, y in places)


# -------------------------------------------------------------------------------------------------------- in a browser


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The opening alone on a page, on the disk, where the book has it."""
    folder = tmp_path_factory.mktemp("site")
    for name in ("book", "_static"):
        (folder / name).mkdir()
    (folder / "_static" / "opening.js").write_bytes(SCRIPT.read_bytes())
    (folder / "_static" / "book.css").write_bytes((ROOT / "assets" / "book.css").read_bytes())
    head = '<!doctype html><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    head += '<link rel="stylesheet" href="../_static/book.css">'
    (folder / "book" / "intro.html").write_text(f"{head}<body>{PAGE}</body>", encoding="utf-8")
    return (folder / "book" / "intro.html").as_uri()


@pytest.fixture(scope="module")
def browser() -> Iterator:
    from hand_lib.book.browser import chromium

    with chromium() as started:
        yield started


DRAWN = (
    "() => [...document.querySelectorAll('.opening-space line.bone')].map((line) => Number(line.getAttribute('x2')))"
)
CHANGED = f"(before) => ({DRAWN})().some((x, i) => x !== before[i])"


def opened(browser, address: str, **options):
    page = browser.new_context(viewport={"width": 390, "height": 800}, **options).new_page()
    page.goto(address)
    return page


@pytest.mark.slow
def test_it_moves_by_itself_and_is_stopped_by_the_keyboard(browser, address: str) -> None:
    page = opened(browser, address, reduced_motion="no-preference")
    still = page.evaluate(DRAWN)
    page.wait_for_function(CHANGED, arg=still)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Pause"
    page.keyboard.press("Enter")
    page.wait_for_timeout(200)
    stopped = page.evaluate(DRAWN)
    page.wait_for_timeout(500)
    assert page.evaluate(DRAWN) == stopped and page.locator(".opening button").inner_text() == "Play"
    page.keyboard.press("Enter")
    page.wait_for_function(CHANGED, arg=stopped)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.context.close()


@pytest.mark.slow
def test_it_stands_still_for_those_who_want_less_motion_until_they_start_it(browser, address: str) -> None:
    page = opened(browser, address, reduced_motion="reduce")
    still = page.evaluate(DRAWN)
    page.wait_for_timeout(700)
    assert page.evaluate(DRAWN) == still and page.locator(".opening button").inner_text() == "Play"
    page.evaluate(
        f"() => {{ window.first = null; const b = ({DRAWN})(); new MutationObserver(() => "
        f"{{ window.first ??= ({DRAWN})(); }}).observe(document.querySelector('.opening-space .camera'), "
        "{ attributes: true }); }"
    )
    page.locator(".opening button").click()
    page.wait_for_function("() => window.first")
    off = max(abs(a - b) for a, b in zip(page.evaluate("window.first"), still, strict=True))
    assert off < 4, "the script begins where the still is: both turn a hand in the same way"
    page.context.close()


def with_own_clock(browser, address: str):
    """The page in motion, by a clock that runs as the test says."""
    page = browser.new_context(reduced_motion="no-preference").new_page()
    page.clock.install(time=0)
    page.goto(address)
    return page


@pytest.mark.slow
def test_every_joint_is_found_once_and_every_hand_has_its_turn(browser, address: str) -> None:
    """With a clock that runs fast."""
    page = with_own_clock(browser, address)
    seen, pictures = set(), set()
    for _ in range(1200):
        page.clock.run_for(100)
        now, shown = page.evaluate(
            "() => [[...document.querySelectorAll('.tile.now')].map((t) => t.dataset.joint),"
            " document.querySelector('.opening-picture image').getAttribute('href').slice(-40)]"
        )
        seen.update(now)
        pictures.add(shown)
        if len(pictures) == len(DATA["hands"]) and len(seen) == NUM_JOINTS:
            break
    assert (len(seen), len(pictures)) == (NUM_JOINTS, len(DATA["hands"]))
    page.context.close()


@pytest.mark.slow
def test_on_paper_the_first_hand_stands_whole(browser, address: str) -> None:
    page = with_own_clock(browser, address)
    for _ in range(300):  # until a hand is half found
        page.clock.run_for(100)
        if page.locator(".opening-space .later").count() > 10:
            break
    else:
        pytest.fail("no hand was ever half found")
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator(".later").count() == 0 and not page.locator(".opening button").is_visible()
    first = page.locator(".opening-picture image").get_attribute("href")
    assert first == DATA["hands"][0]["picture"]
    page.context.close()


@pytest.mark.slow
def test_without_scripts_the_whole_hand_stands_there(browser, address: str) -> None:
    page = opened(browser, address, java_script_enabled=False)
    assert page.locator(".opening-space circle.joint").count() == NUM_JOINTS
    assert page.locator(".opening-space circle.joint >> visible=true").count() == NUM_JOINTS
    assert not page.locator(".opening button").is_visible()
    page.context.close()
