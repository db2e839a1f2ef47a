"""*Your own hand*: a photograph and a camera on the page, and the same from the command line."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import live
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from conftest import ROOT
from damage import damage_bytes
from hypothesis import given
from hypothesis import strategies as st
from live import LOAD, opened
from PIL import Image

from hand_lib.__main__ import main
from hand_lib.book import own_hand
from hand_lib.book.browser import chromium
from hand_lib.book.live_figures import widgets_of
from hand_lib.camera import project
from hand_lib.errors import HandLibError
from hand_lib.experiments import PROFILES
from hand_lib.live import find_shipped, get_shipped
from hand_lib.live.photographs import MOST_LEANING, answer, checked_box, from_afar, middle_box, read_photograph
from hand_lib.live.site import write_site
from hand_lib.skeleton import JOINTS, NUM_JOINTS, SCALE_BONE
from hand_lib.skeleton import ROOT as ROOT_JOINT
from hand_lib.synthetic import render

LEFT = 5  # a left hand of the evaluation set


@pytest.fixture(scope="module")
def photograph(tmp_path_factory) -> Path:
    return write_photograph(tmp_path_factory.mktemp("photograph") / "hand.png")


def write_photograph(path: Path) -> Path:
    """A picture of a hand that is not square and has nothing but the hand that a file of pixels tells."""
    scene = PROFILES["quick"].scene
    samples = render(seed=0, split="evaluation", indices=[LEFT], size=320, scene=scene)
    assert not samples.right[0]
    Image.fromarray(samples.images[0, :, :280].permute(1, 2, 0).numpy()).save(path)
    return path


# ----------------------------------------------------------------------------------------------------- in Python


def test_it_is_upright_as_the_camera_was_held(tmp_path) -> None:
    pixels = np.zeros((20, 30, 3), np.uint8)
    pixels[0, 0] = 255
    turned = Image.fromarray(pixels)
    exif = turned.getexif()
    exif[0x0112] = 6  # to be turned clockwise
    turned.save(tmp_path / "turned.png", exif=exif)
    picture = read_photograph(tmp_path / "turned.png")
    assert picture.shape == (3, 30, 20) and picture[0, 0, -1] == 255 and picture[0, 0, 0] == 0
    Image.fromarray(pixels[..., 0]).save(tmp_path / "grey.png")
    assert read_photograph(tmp_path / "grey.png").shape == (3, 20, 30), "grey pictures are pictures too"


def test_a_picture_of_sixteen_bits_is_as_bright_as_one_of_eight(tmp_path) -> None:
    pixels = np.arange(30 * 40, dtype=np.uint16).reshape(30, 40) % 256
    Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / "eight.png")
    Image.fromarray(pixels * 257).save(tmp_path / "sixteen.png")
    Image.fromarray(pixels * 257).save(tmp_path / "sixteen.tiff")
    eight = read_photograph(tmp_path / "eight.png")
    assert torch.equal(read_photograph(tmp_path / "sixteen.png"), eight)
    assert torch.equal(read_photograph(tmp_path / "sixteen.tiff"), eight)
    Image.fromarray(pixels.astype(np.float32)).save(tmp_path / "float.tiff")
    with pytest.raises(HandLibError, match="eight or sixteen bits"):
        read_photograph(tmp_path / "float.tiff")


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "YCbCr"])
def test_whatever_its_colours_are_kept_in_it_is_a_picture(tmp_path, mode, photograph) -> None:
    kept = Image.open(photograph).convert(mode)
    path = tmp_path / ("hand.jpg" if mode in ("CMYK", "YCbCr") else "hand.png")
    kept.save(path)
    grey = [F.avg_pool2d(read_photograph(file).float().mean(dim=0)[None], 8).flatten() for file in (path, photograph)]
    assert torch.corrcoef(torch.stack(grey))[0, 1] > 0.9  # an inverted one would be below 0


def test_what_is_no_picture_is_said_in_one_line(tmp_path, photograph) -> None:
    content, choose = photograph.read_bytes(), random.Random(0)
    for number in range(40):
        path = tmp_path / f"{number}.png"
        try:
            path.write_bytes(damage_bytes(content, choose)[: 10**6])
        except UnicodeDecodeError:  # a change of encoding, of what is no text
            continue
        try:
            assert read_photograph(path).dtype == torch.uint8
        except HandLibError as error:
            assert str(path) in str(error) and "\n" not in str(error)


def test_an_answer_lies_on_the_hand_and_a_mirrored_one_on_the_mirrored_hand(photograph) -> None:
    """The same picture, mirrored, of the other hand: the same answer, mirrored."""
    picture = read_photograph(photograph)
    width = picture.shape[-1]
    network, side = get_shipped("multihead").network(), get_shipped("multihead").size.image_size
    box = torch.tensor([60.0, 50, 290, 275])
    mirrored = torch.tensor([width - 1 - box[2], box[1], width - 1 - box[0], box[3]])
    one = answer(network, picture, side=side, box=box, right=False)
    other = answer(network, picture.flip(-1), side=side, box=mirrored, right=True)
    flip = torch.tensor([-1.0, 1.0])
    torch.testing.assert_close(one.uv * flip + torch.tensor([width - 1.0, 0]), other.uv, atol=2e-2, rtol=0)
    torch.testing.assert_close(one.depth, other.depth, atol=1e-3, rtol=0)
    torch.testing.assert_close(one.xyz * torch.tensor([-1.0, 1, 1]), other.xyz, atol=1e-2, rtol=0)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), 1e30])
def test_an_answer_that_is_none_is_one_line(photograph, number) -> None:
    def network(images: torch.Tensor) -> torch.Tensor:
        return torch.full((len(images), NUM_JOINTS, 3), number)

    picture = read_photograph(photograph)
    with pytest.raises(HandLibError, match="no joints"):
        answer(network, picture, side=64, box=middle_box(picture), right=True)


def test_on_a_rendered_hand_it_is_the_answer_of_the_evaluation() -> None:
    """With the hand's own box: what is drawn over the picture is where the network's error is measured."""
    scene = PROFILES["quick"].scene
    sample = render(seed=0, split="evaluation", indices=[3], size=80, scene=scene)
    network = get_shipped("multihead")
    said = answer(
        network.network(),
        sample.images[0],
        side=network.size.image_size,
        box=sample.box[0],
        right=bool(sample.right[0]),
    )
    off = (said.uv - project(sample.xyz, sample.K)[0]).norm(dim=-1).mean()
    assert off < 0.08 * (sample.box[0, 2:] - sample.box[0, :2]).max(), "near the true joints, seen from the hand's size"


@given(seed=st.integers(0, 10_000), size=st.floats(5, 500), leaning=st.floats(-0.9, 0.9))
def test_a_hand_seen_from_afar_is_found_again(seed, size, leaning) -> None:
    """Under a projection without perspective: pixels of one size, however large, and the scale bone of length one."""
    torch.manual_seed(seed)
    xyz = torch.randn(NUM_JOINTS, 3, dtype=torch.float64)
    root, end = SCALE_BONE
    across = torch.nn.functional.normalize(torch.randn(2, dtype=torch.float64), dim=0) * (1 - leaning**2) ** 0.5
    xyz[end] = xyz[root] + torch.cat([across, torch.tensor([leaning])])
    found = from_afar(size * xyz[:, :2] + 100, xyz[:, 2] - xyz[root, 2] + 0.01)
    torch.testing.assert_close(found, xyz - xyz[root], atol=1e-6, rtol=1e-6)


def test_a_bone_that_points_at_the_camera_makes_no_endless_hand() -> None:
    uv, depth = torch.zeros(NUM_JOINTS, 2), torch.zeros(NUM_JOINTS)
    uv[SCALE_BONE[1]] = torch.tensor([3.0, 4.0])
    depth[SCALE_BONE[1]] = 7.0
    expected = (1 - MOST_LEANING**2) ** 0.5
    assert from_afar(uv, depth)[SCALE_BONE[1], :2].norm().item() == pytest.approx(expected)
    assert from_afar(0 * uv, 0 * depth).isfinite().all()


def test_the_box_in_the_middle_fills_the_shorter_side() -> None:
    box = middle_box(torch.zeros(3, 100, 200))
    assert ((box[:2] + box[2:]) / 2).tolist() == [99.5, 49.5]
    assert (1.2 * (box[2:] - box[:2])).tolist() == pytest.approx([100, 100])
    outside, huge = ([200, 0, 300, 50], [0, -30, 50, -1]), ([0, 0, 1e30, 1e30], [0, 0, 4, 2001])
    for bad in ([0, 0, 0, 0], [10, 10, 5, 20], *outside, [0, 0, float("nan"), 9], *huge):
        with pytest.raises(HandLibError, match="--box"):
            checked_box(torch.tensor(bad, dtype=torch.float32), torch.zeros(3, 100, 200))


def test_the_command_writes_a_drawing_and_the_joints(photograph, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["predict", str(photograph), "--row", "heatmap25d-sharp", "--left", "--box", "60", "50", "290", "275"]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "heatmap25d-sharp, profile quick, seed" in said and said.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["hand-hand.json", "hand-hand.png"]
    assert Image.open("hand-hand.png").width > 500
    content = json.loads(Path("hand-hand.json").read_text())
    assert [joint["name"] for joint in content["joints"]] == list(JOINTS)
    assert content["right"] is False and content["box"] == [60, 50, 290, 275]
    assert content["joints"][ROOT_JOINT]["xyz"] == [0, 0, 0]
    network = get_shipped("heatmap25d-sharp").network()
    wanted = answer(network, read_photograph(photograph), side=64, box=torch.tensor([60.0, 50, 290, 275]), right=False)
    torch.testing.assert_close(torch.tensor([joint["uv"] for joint in content["joints"]]), wanted.uv)


def test_the_command_says_what_it_cannot_use(photograph, tmp_path, capsys) -> None:
    (tmp_path / "text.png").write_text("no picture")
    copied, content = tmp_path / "copied.png", photograph.read_bytes()
    copied.write_bytes(content)
    (tmp_path / "alias.png").symlink_to(copied)
    Image.new("RGB", (1, 40)).save(tmp_path / "thin.png")
    (tmp_path / "taken.json").mkdir()
    weights = get_shipped("fr").path
    for words, said in (
        ([str(tmp_path / "none.png")], "none.png: no such file"),
        ([str(tmp_path / "text.png")], "text.png: it is cut short or no picture"),
        ([str(photograph), "--row", "hourglass-k1"], "unknown row in the package 'hourglass-k1': choose from afr"),
        ([str(photograph), "--box", "9", "9", "2", "2"], "--box 9 9 2 2: give u0 v0 u1 v1"),
        ([str(photograph), "-o", str(tmp_path / "x.txt")], "a drawing is one of .png, .jpg, .pdf, .svg"),
        ([str(copied), "-o", str(copied)], "copied.png: name another file"),
        ([str(copied), "-o", str(tmp_path / "alias.png")], "would replace"),
        ([str(copied), "-o", str(tmp_path / "taken.png")], "taken.json: this is a folder"),
        ([str(tmp_path / "thin.png")], "1 × 40 pixels are no picture of a hand"),
        ([str(photograph), "--row", str(weights)], "fr.safetensors"),
    ):
        assert main(["predict", *words]) == 2
        assert said in capsys.readouterr().err
    names = ["alias.png", "copied.png", "taken.json", "text.png", "thin.png"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names and copied.read_bytes() == content


# ---------------------------------------------------------------------------------------------------- on the page


def test_the_page_has_its_place_and_the_networks_errors(tmp_path) -> None:
    own_hand.write(tmp_path, ROOT / "results")
    place, text = (Path(tmp_path / f"own_hand_{name}.md").read_text(encoding="utf-8") for name in ("place", "errors"))
    assert widgets_of([place]) == ["own_hand"] and 'data-hands="none"' in place
    for row, network in find_shipped().items():
        (record,) = [
            r
            for path in (ROOT / "results" / "quick").glob(f"{row}-s*.json")
            if (r := json.loads(path.read_text()))["checkpoint_sha256"] == network.record["checkpoint_sha256"]
        ]
        look = record["elsewhere"]["other_look"]["metrics"]["epe_mean"]
        assert f"| `{row}` | {record['metrics']['epe_mean']:.1f} mm |" in text and f"| {look:.1f} mm |" in text
    page = (ROOT / "book" / "your_own_hand.md").read_text(encoding="utf-8")
    assert all(f"```{{include}} own_hand_{name}.md" in page for name in ("place", "errors")) and " mm" not in page, (
        "nobody types a result"
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    return write_own_hand(tmp_path_factory.mktemp("site"))


def write_own_hand(root: Path) -> Path:
    """The scripts and files as a site has them, and the page."""
    write_site(ROOT / "assets" / "live", root / "_static" / "live")
    own_hand.write(root, ROOT / "results")
    place = (root / "own_hand_place.md").read_text(encoding="utf-8")
    section = place[place.index("<section") : place.index("</section>")] + "</section>"
    live.write_page(root / "notebooks" / "own.html", section)
    return root


@pytest.fixture(scope="module")
def browser() -> Iterator:
    with chromium("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream") as started:
        yield started


# The streams that the page was lent are kept, to see whether it gives them back.
LENT = """() => {
window.lent = [];
const lend = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
navigator.mediaDevices.getUserMedia = async (wanted) => {
  const stream = await lend(wanted);
  window.lent.push(...stream.getTracks());
  return stream;
};
}"""
SHOWN = "() => Number(document.querySelector('.live-stage').dataset.shown ?? 0)"
FILMED = "() => Number(document.querySelector('.live-stage').dataset.shown ?? 0) > 5"


@pytest.mark.slow
@pytest.mark.parametrize("width", [1280, 390])
def test_a_photograph_is_answered_as_in_python_and_nothing_is_sent(
    browser, site: Path, photograph: Path, width: int
) -> None:
    photograph_answered(browser, site, photograph, width=width)


def downloaded(page: Any) -> str:
    """What the page's button saves."""
    with page.expect_download() as download:
        page.get_by_text("Save the joints").click()
    return download.value.path().read_text()


def photograph_answered(
    browser,
    site: Path,
    photograph: Path,
    *,
    saved: Callable[[Any], str] = downloaded,
    width: int = 1280,
    **options: Any,
) -> None:
    """Show a photograph, move the box by key and pointer, and hold what is saved against Python's answer."""
    with opened(browser, f"{site.as_uri()}/notebooks/own.html", width=width, accept_downloads=True, **options) as page:
        assert page.locator("video, input[type=file]").count() == 0, "nothing is asked for before the click"
        page.locator(LOAD).click()
        page.locator("input[accept='image/*']").wait_for()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.locator("input[accept='image/*']").set_input_files(photograph)
        page.wait_for_function(f"() => ({SHOWN})() > 0")
        page.get_by_text("a left hand").click()

        whole = page.locator("canvas").first
        whole.press("ArrowLeft")
        for _ in range(3):
            whole.press("-")
        box = whole.bounding_box()
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] / 2 - 12, box["y"] + box["height"] / 2 + 9, steps=4)
        page.mouse.up()
        page.wait_for_timeout(300)
        content = json.loads(saved(page))
        assert [url for url in asked if not url.startswith("blob:")] == [], "the page asked for something"
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        small = "(all) => all.filter((e) => e.checkVisibility() && e.getBoundingClientRect().height < 43.5).length"
        assert page.locator(".live-stage :is(button, select, input[type=range])").evaluate_all(small) == 0
        before = page.locator("canvas").nth(2).evaluate("(c) => c.toDataURL()")
        page.locator("canvas").nth(2).press("ArrowRight")
        assert page.locator("canvas").nth(2).evaluate("(c) => c.toDataURL()") != before, "it turns in space"
    network, picture = get_shipped("multihead"), read_photograph(photograph)
    left, middle = torch.tensor(content["box"]), middle_box(picture)
    assert (left[2] - left[0]) < 0.95 * (middle[2] - middle[0]), "smaller by the key"
    assert (left[0] + left[2]) < (middle[0] + middle[2]) - 10, "moved by key and pointer"
    wanted = answer(network.network(), picture, side=network.size.image_size, box=left, right=False)
    joints = content["joints"]
    assert content["right"] is False and [joint["name"] for joint in joints] == list(JOINTS)
    torch.testing.assert_close(torch.tensor([joint["uv"] for joint in joints]), wanted.uv, atol=0.02, rtol=0)
    torch.testing.assert_close(torch.tensor([joint["depth"] for joint in joints]), wanted.depth, atol=1e-3, rtol=0)
    torch.testing.assert_close(torch.tensor([joint["xyz"] for joint in joints]), wanted.xyz, atol=2e-3, rtol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("leaving", ["button", "another tab", "another page", "a photograph"])
def test_the_camera_is_let_go_when_nobody_looks(browser, site: Path, photograph: Path, leaving: str) -> None:
    with opened(browser, f"{site.as_uri()}/notebooks/own.html") as page:
        page.evaluate(LENT)
        page.locator(LOAD).click()
        page.get_by_text("Use the camera").wait_for()
        assert page.evaluate("lent.length") == 0, "it was not asked for yet"
        page.get_by_text("Use the camera").click()
        page.wait_for_function(FILMED, timeout=60_000)
        assert page.evaluate("lent.map((track) => track.readyState)") == ["live"]
        if leaving == "button":
            page.get_by_text("Stop the camera").click()
        elif leaving == "another tab":
            page.evaluate("Object.defineProperty(document, 'hidden', { value: true })")
            page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        elif leaving == "another page":
            page.evaluate("dispatchEvent(new Event('pagehide'))")
        else:
            page.locator("input[accept='image/*']").set_input_files(photograph)
        page.wait_for_function("() => lent.every((track) => track.readyState === 'ended')")
        page.get_by_text("Use the camera").wait_for()
        page.wait_for_timeout(300)
        shown = page.evaluate(SHOWN)
        page.wait_for_timeout(500)
        assert page.evaluate(SHOWN) == shown, "nothing is computed any more"


@pytest.mark.slow
def test_without_a_camera_the_page_says_so_and_photographs_work(browser, site: Path, photograph: Path) -> None:
    with opened(browser, f"{site.as_uri()}/notebooks/own.html") as page:
        refuse = "async () => { throw new DOMException('x', 'NotAllowedError'); }"
        page.evaluate(f"() => {{ navigator.mediaDevices.getUserMedia = {refuse}; }}")
        page.locator(LOAD).click()
        page.get_by_text("Use the camera").click()
        page.get_by_text("No camera: it was not allowed.").first.wait_for()
        (site / "no_picture.png").write_text("no picture")
        page.locator("input[accept='image/*']").set_input_files(site / "no_picture.png")
        page.get_by_text("no_picture.png is no picture that this browser can read.").first.wait_for()
        page.locator("input[accept='image/*']").set_input_files(photograph)
        page.wait_for_function(f"() => ({SHOWN})() > 0")


@pytest.mark.slow
def test_any_network_of_the_package_can_be_asked_and_ones_own(browser, site: Path, photograph, tmp_path) -> None:
    from test_live_networks import own_file

    own = tmp_path / "model.safetensors"
    own.write_bytes(own_file("pooled", PROFILES["quick"].network, {"profile": "quick", "seed": "5"}))
    with opened(browser, f"{site.as_uri()}/notebooks/own.html") as page:
        page.locator(LOAD).click()
        page.locator("input[accept='image/*']").set_input_files(photograph)
        page.wait_for_function(f"() => ({SHOWN})() > 0")
        values = page.locator("select option").evaluate_all("(all) => all.map((one) => one.value)")
        assert values == list(find_shipped())
        for row in ("refine-hdr", "heatmap25d-sharp"):
            before = page.locator("canvas").nth(1).evaluate("(c) => c.toDataURL()")
            page.locator("select").select_option(row)
            page.wait_for_function(f"() => document.querySelector('.live-said').textContent.startsWith('{row},')")
            page.wait_for_function("(was) => document.querySelectorAll('canvas')[1].toDataURL() !== was", arg=before)
        page.locator("input[accept='.safetensors']").set_input_files(own)
        page.get_by_text("model.safetensors is not used: the row pooled cannot be drawn here").wait_for()
        own.write_bytes(own_file("maps", PROFILES["quick"].network, {"profile": "quick", "seed": "5"}))
        page.locator("input[accept='.safetensors']").set_input_files(own)
        page.get_by_text("Now in use: your maps, profile quick, seed 5.").wait_for()
