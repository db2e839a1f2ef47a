"""``python -m hand_lib predict``: what a network says of a photograph."""

from __future__ import annotations

import argparse
import importlib.util
from itertools import product
from pathlib import Path

from hand_lib.commands.shipped import chosen_network
from hand_lib.errors import HandLibError, printable

_DRAWN = (".png", ".jpg", ".pdf", ".svg")


def add_arguments(predict: argparse.ArgumentParser) -> None:
    """Declare what ``predict`` can be told."""
    predict.add_argument("photograph", type=Path, metavar="PHOTO", help="a JPEG, PNG, WebP, BMP or TIFF")
    rows = "a row that comes with the package, or your own .safetensors (default: multihead)"
    predict.add_argument("--row", default="multihead", metavar="ROW|FILE", help=rows)
    box = "round the hand, in pixels; by default as large as fits into the middle"
    predict.add_argument("--box", type=float, nargs=4, metavar=("U0", "V0", "U1", "V1"), help=box)
    predict.add_argument("--left", action="store_true", help="it is a left hand")
    drawn = "the drawing; joints are written beside it as .json (default: PHOTO's name-hand.png in this folder)"
    predict.add_argument("-o", "--output", type=Path, metavar="FILE", help=drawn)


def predict_photograph(args: argparse.Namespace) -> int:
    """Write what a network says of a photograph: a drawing, and the joints as JSON.

    Raises:
        HandLibError: no picture, no such network, a box outside the picture, a format that cannot be drawn, files
            that would replace what was given.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise HandLibError("to draw needs matplotlib: `pip install -e .[notebooks]`")
    import matplotlib
    import torch

    matplotlib.use("agg")
    from hand_lib import cache
    from hand_lib.figures.photographs import answer_figure
    from hand_lib.live import photographs
    from hand_lib.skeleton import JOINTS

    path = args.output or Path(f"{args.photograph.stem}-hand.png")
    if path.suffix not in _DRAWN:
        raise HandLibError(f"-o {path}: a drawing is one of {', '.join(_DRAWN)}")
    written = (path, path.with_suffix(".json"))
    for target, given in product(written, (args.photograph, Path(args.row))):
        if cache.exists(target) and cache.exists(given) and target.samefile(given):
            raise HandLibError(f"-o {path} would replace {given}: name another file")
    for target in written:
        if target.is_dir():
            raise HandLibError(f"cannot write {target}: this is a folder, not a file")
    picture = photographs.read_photograph(args.photograph)
    if args.box is None:
        box = photographs.middle_box(picture)
    else:
        box = photographs.checked_box(torch.tensor(args.box), picture)
    title, side, network = chosen_network(args.row)
    said = photographs.answer(network, picture, side=side, box=box, right=not args.left)
    content = {
        "network": title,
        "right": not args.left,
        "box": box.tolist(),
        "joints": [
            {"name": name, "uv": uv, "depth": depth, "xyz": xyz}
            for name, uv, depth, xyz in zip(
                JOINTS, said.uv.tolist(), said.depth.tolist(), said.xyz.tolist(), strict=True
            )
        ],
    }
    figure = answer_figure(picture, box, said, title=title)
    with cache.atomic_write(path) as file:
        figure.savefig(file, format=path.suffix[1:])
    cache.write_json(written[1], content)
    names = " and ".join(printable(str(target)) for target in written)
    print(f"{title}: {names}. A network answers with a hand, whatever the picture shows.", flush=True)
    return 0
