"""What the pages load of the package's networks: files cut into scripts, and one script that lists them."""

from __future__ import annotations

import base64
import json
import math
import zlib
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from hand_lib import experiments
from hand_lib.cache import atomic_write, readable_errors
from hand_lib.experiments import DATA_SEED, PROFILES
from hand_lib.live.shipped import PROFILE, SHIPPED_ROWS, Shipped, find_shipped
from hand_lib.live.structure import structure
from hand_lib.models.size import NetworkSize
from hand_lib.synthetic import render

# Held-out hands of the evaluation set, left ones and right ones.
HANDS = tuple(range(24))
HANDS_FILE = "hands"
PART = 2**18  # characters of base64 a script

# In the order in which each needs those before it. A page has START; the others come when a reader asks for a figure.
START = "start.js"
COMPUTING = ("matrix.js", "tensors.js", "layers.js", "network.js", "crops.js")
SCRIPTS = (*COMPUTING, "controls.js", "drawing.js", "asking.js", "figure.js")


def write_site(scripts: Path, folder: Path) -> None:
    """Write what the pages load: ``start.js``, ``list.js``, ``live.css``; later ``live.js``, ``widgets``, ``files``.

    Args:
        scripts: the folder ``assets/live/`` of a checkout.
        folder: of the site; made if it is missing.

    Raises:
        HandLibError: a script is missing; a network is damaged; the folder cannot be written.
    """
    write_scripts(scripts, folder)
    networks = find_shipped()
    files = {row: network.content for row, network in networks.items()} | {HANDS_FILE: hands_file()}
    listed = {name: _write_parts(folder / "files", name, content) for name, content in files.items()}
    for row, network in networks.items():
        listed[row] |= about(network)
    said = {"files": listed, "structures": structures()}
    lines = [f"  Live.{name} = {json.dumps(content, separators=(',', ':'))};" for name, content in said.items()]
    with atomic_write(folder / "list.js") as file:
        file.write("\n".join(["{", "  const Live = (globalThis.Live ??= {});", *lines, "}", ""]).encode())


def write_scripts(scripts: Path, folder: Path) -> None:
    """Write the scripts and the styles as the pages load them: joined, without indentation and lines of comment."""
    with readable_errors(scripts, "read"):
        joined = "".join(lean((scripts / name).read_text(encoding="utf-8")) for name in SCRIPTS)
        written = {"live.js": joined, "live.css": (scripts / "live.css").read_text(encoding="utf-8")}
        written[START] = lean((scripts / START).read_text(encoding="utf-8"))
        for path in sorted((scripts / "widgets").glob("*.js")):
            written[f"widgets/{path.name}"] = lean(path.read_text(encoding="utf-8"))
    for name, text in written.items():
        with atomic_write(folder / name) as file:
            file.write(text.encode())


def lean(script: str) -> str:
    """A script without indentation, empty lines and lines of comment; no string here goes over a line's end."""
    lines = [line.strip() for line in script.splitlines()]
    return "".join(f"{line}\n" for line in lines if line and not line.startswith("//"))


def about(network: Shipped) -> dict[str, Any]:
    """What a page says of a network."""
    record = network.record
    return {
        **{name: record[name] for name in ("row", "profile", "seed", "checkpoint_sha256")},
        "epe": round(record["rounded_epe_mean"], 1),
    }


def structures(sizes: Sequence[NetworkSize] | None = None) -> list[dict[str, Any]]:
    """What each row that the pages can compute is made of, size by size.

    A reader's own file of weights names its row and size, and is read by this.

    Args:
        sizes: at which; None takes those of the profiles.
    """
    if sizes is None:
        sizes = list(dict.fromkeys(profile.network for profile in PROFILES.values()))
    return [
        {"network": asdict(size), "rows": {row: structure(_shapes(row, size), size) for row in SHIPPED_ROWS}}
        for size in sizes
    ]


def _shapes(row: str, size: NetworkSize) -> torch.nn.Module:
    with torch.device("meta"):
        return experiments.get_row(row).build(size)


def hands_file() -> bytes:
    """Pictures, joints and cameras of :data:`HANDS`, as safetensors."""
    from safetensors.torch import save

    profile = PROFILES[PROFILE]
    where = {"seed": DATA_SEED, "split": "evaluation", "size": profile.render_size, "scene": profile.scene}
    samples = render(indices=list(HANDS), **where)
    tensors = {name: getattr(samples, name).contiguous() for name in ("images", "xyz", "K", "box")}
    return save({**tensors, "right": samples.right.to(torch.uint8)})


def _write_parts(folder: Path, name: str, content: bytes) -> dict[str, int]:
    text = base64.b64encode(content).decode()
    count = math.ceil(len(text) / PART)
    for i in range(count):
        with atomic_write(folder / f"{name}.{i}.js") as file:
            file.write(f'Live.part("{name}",{i},"{text[i * PART : (i + 1) * PART]}");\n'.encode())
    return {"parts": count, "bytes": len(content), "crc32": zlib.crc32(content)}
