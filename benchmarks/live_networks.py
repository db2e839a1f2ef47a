"""The page's own run time against onnxruntime-web, in one page.

    python benchmarks/live_networks.py

Both compute the package's networks, one picture at a time and with one thread, in headless Chromium, on this machine.
onnxruntime-web is fetched from the npm registry into a temporary folder, pinned; it is no part of the book. Both sides
are first shown to give the same answers.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import sysconfig
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from common import Benchmark, Times, Timing, as_json, show_spread

from hand_lib.book.browser import chromium, served
from hand_lib.book.chapters import checkout
from hand_lib.book.children import run
from hand_lib.errors import HandLibError
from hand_lib.live import SHIPPED_ROWS, get_shipped
from hand_lib.live.onnx_file import write_onnx
from hand_lib.live.site import write_site

VERSION = "1.30.0"  # of onnxruntime-web
OURS, PLAIN, THEIRS = "this book's", "this book's, without SIMD", f"onnxruntime-web {VERSION}"
OWN = ("start.js", "live.js")
NEEDED = ("ort.wasm.min.js", "ort-wasm-simd-threaded.wasm", "ort-wasm-simd-threaded.mjs")

PAGE = """<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><title>Side by side</title>
<script src="live/start.js"></script><script src="live/live.js"></script><script src="live/list.js"></script>
<script src="ort/ort.wasm.min.js"></script>"""

SIDE_BY_SIDE = """async ([row, turns, least]) => {
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmPaths = new URL("ort/", location.href).href;
  const file = await Live.open(row), build = (how) => Live.network({ ...file, tensors: { ...file.tensors } }, how);
  const network = build(), without = build({ simd: false }), { side } = network;
  const session = await ort.InferenceSession.create(`${row}.onnx`, { executionProviders: ["wasm"] });
  const image = Float32Array.from({ length: 3 * side * side }, (_, i) => ((i * 7919) % 1009) / 1008);
  const ours = () => network.forward(image).Y, plain = () => without.forward(image).Y;
  const given = { images: new ort.Tensor("float32", image, [1, 3, side, side]) };
  const theirs = async () => (await session.run(given)).joints.data;
  const known = await theirs();
  const apart = (said) => Math.max(...said.map((value, i) => Math.abs(value - known[i])));
  const off = Math.max(apart(ours()), apart(plain()));
  const turn = async (call) => {
    const start = performance.now();
    let calls = 0;
    do {
      await call();
      calls++;
    } while (performance.now() - start < least);
    return (performance.now() - start) / calls / 1000;
  };
  const sides = [ours, plain, theirs], seconds = sides.map(() => []);
  for (let i = 0; i < turns; i++) for (const [k, call] of sides.entries()) seconds[k].push(await turn(call));
  return { off, seconds, simd: network.machine.simd };
}"""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Whose networks; of those in the package."""

    rows: tuple[str, ...]


def fetch(folder: Path) -> Path:
    """onnxruntime-web, pinned, from the npm registry; the folder of its scripts.

    Raises:
        HandLibError: npm is missing or could not fetch it.
    """
    npm = shutil.which("npm", path=sysconfig.get_path("scripts")) or shutil.which("npm")
    if npm is None:
        raise HandLibError("npm is missing: install the book's tools with `make`, or `pip install -e .[book]`")
    package = f"onnxruntime-web@{VERSION}"
    command = [npm, "install", package, "--prefix", str(folder), "--ignore-scripts", "--no-audit", "--no-fund"]
    fetched = run(command, cwd=folder)
    if fetched.returncode:
        raise HandLibError(
            f"npm could not fetch {package}: {(fetched.stderr.strip().splitlines() or ['no message'])[0]}"
        )
    return folder / "node_modules" / "onnxruntime-web" / "dist"


def write(site: Path, rows: Sequence[str], theirs: Path) -> None:
    """A page with both run times, and the networks for both."""
    write_site(checkout() / "assets" / "live", site / "live")
    (site / "ort").mkdir()
    for name in NEEDED:
        shutil.copy(theirs / name, site / "ort")
    for row in rows:
        network = get_shipped(row)
        write_onnx(network.network(), network.size.image_size, site / f"{row}.onnx")
    (site / "page.html").write_text(PAGE, encoding="utf-8")


def measure(settings: Settings, device: torch.device, timing: Timing) -> list[dict[str, Any]]:
    """A line a row and side, with how many bytes the side's scripts have, the weights not counted."""
    lines = []
    with tempfile.TemporaryDirectory(prefix="live-") as folder:
        site = Path(folder) / "site"
        site.mkdir()
        write(site, settings.rows, fetch(Path(folder)))
        with served(site) as address, chromium() as browser:
            page = browser.new_page()
            page.goto(f"{address}page.html")
            ours, theirs = (
                sum((site / folder / name).stat().st_size for name in names)
                for folder, names in (("live", OWN), ("ort", NEEDED))
            )
            bytes_of = {OURS: ours, PLAIN: ours, THEIRS: theirs}
            what = {"browser": f"Chromium {browser.version}"}
            for row in settings.rows:
                found = page.evaluate(SIDE_BY_SIDE, [row, timing.repetitions, 1000 * timing.seconds])
                if not found["off"] < 1e-3:
                    raise HandLibError(f"the two answers for {row} differ by {found['off']:.1e}")
                if not found["simd"]:
                    raise HandLibError("this Chromium has no SIMD in WebAssembly: give another by CHROMIUM")
                times = Times(dict(zip(bytes_of, map(tuple, found["seconds"]), strict=True)))
                for side, count in bytes_of.items():
                    ratio, differ = as_json(times.ratio(side, THEIRS)), found["off"]
                    lines.append(times.line(side, row=row, side=side, ratio=ratio, differ=differ, bytes=count, **what))
    return lines


def table(lines: list[dict[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """Header and body."""
    header = ["row", "", "ms a picture", f"times as fast as {THEIRS}", "kB of scripts"]
    return header, [
        [e["row"], e["side"], show_spread(e["milliseconds"]), show_spread(e["ratio"]), f"{e['bytes'] / 1000:.0f}"]
        for e in lines
    ]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its own arguments."""
    parser.add_argument("--rows", nargs="+", default=["afr", "refine-hdr", "heatmap25d"], metavar="ROW")


def settings_from(options: argparse.Namespace, device: torch.device) -> Settings:
    """Settings as asked for."""
    if unknown := [row for row in options.rows if row not in SHIPPED_ROWS]:
        raise HandLibError(f"{unknown[0]} does not come with the package: choose from {', '.join(SHIPPED_ROWS)}")
    return Settings(rows=tuple(options.rows))


BENCHMARK = Benchmark(
    name="live_networks",
    what="A network in a page: this book's run time against onnxruntime-web, one thread each.",
    add_arguments=add_arguments,
    settings=settings_from,
    measure=measure,
    table=table,
    clock="wall time in the page",
)

if __name__ == "__main__":
    sys.exit(BENCHMARK.main())
