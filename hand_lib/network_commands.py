"""``python -m hand_lib export | predict``: trained networks into the package, as ONNX, and onto a photograph."""

from __future__ import annotations

import argparse
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

from hand_lib.errors import HandLibError, printable

if TYPE_CHECKING:
    from torch import nn

_DRAWN = (".png", ".jpg", ".pdf", ".svg")


def add_export_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``export`` on ``parser``."""
    rows = "rows to put into the package (default: all that belong there); with --onnx one of them, or a .safetensors"
    parser.add_argument("rows", nargs="*", metavar="ROW", help=rows)
    parser.add_argument("--onnx", type=Path, metavar="FILE", help="write this network as ONNX instead")


def export(args: argparse.Namespace) -> int:
    """Round the best recorded runs and put them into the package; or write a network as ONNX.

    Raises:
        HandLibError: a row that does not belong there, or of which no recorded run is in the cache; not one network
            for one file; uncommitted changes.
    """
    from hand_lib import experiments
    from hand_lib.live.shipped import SHIPPED_ROWS, best_run, ship

    if args.onnx is not None:
        return _export_onnx(args)
    for row in args.rows:
        if row not in SHIPPED_ROWS:
            raise HandLibError(f"{row} does not come with the package: choose from {', '.join(SHIPPED_ROWS)}")
    commit = experiments.check_recordable()
    for row in args.rows or SHIPPED_ROWS:
        made = ship(best_run(row), command=f"python -m hand_lib export {row}", commit=commit)
        record = made.record
        print(
            f"{row}, seed {record['seed']}: {len(made.content) / 1e6:.2f} MB, {record['rounded_epe_mean']:.3f} mm "
            f"rounded, {record['epe_mean']:.3f} mm as trained; in the package as {printable(str(made.path))}",
            flush=True,
        )
    return 0


def _export_onnx(args: argparse.Namespace) -> int:
    from hand_lib.live.onnx_file import write_onnx

    if len(args.rows) != 1:
        raise HandLibError(f"--onnx writes one network: name one row or one file, not {len(args.rows)}")
    title, side, network = chosen_network(args.rows[0])
    write_onnx(network, side, args.onnx)
    print(f"{title}: {printable(str(args.onnx))}, pictures of {side} × {side} pixels")
    return 0


def chosen_network(what: str) -> tuple[str, int, nn.Module]:
    """The network of a row that comes with the package, or one of a reader's own.

    Args:
        what: name of a row, or a file of weights.

    Returns:
        What it is, in words; the side of its pictures; the network on the CPU, in evaluation mode.

    Raises:
        HandLibError: neither a row in the package nor a file; a file that is no network of this package.
    """
    from hand_lib import cache
    from hand_lib.experiments.weights_files import read_model
    from hand_lib.live import find_shipped, get_shipped

    path = Path(what)
    if what in find_shipped() or (path.suffix != ".safetensors" and not cache.exists(path)):
        network = get_shipped(what)
        record = network.record
        title = f"{what}, profile {record['profile']}, seed {record['seed']}, rounded to eight bits"
        return title, network.size.image_size, network.network()
    said, _, model = read_model(path)
    return f"{said.row}, profile {said.profile}, seed {said.seed}", said.network.image_size, model.eval()


def add_predict_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``predict`` on ``parser``."""
    parser.add_argument("photograph", type=Path, metavar="PHOTO", help="a JPEG, PNG, WebP, BMP or TIFF")
    rows = "a row that comes with the package, or your own .safetensors (default: multihead)"
    parser.add_argument("--row", default="multihead", metavar="ROW|FILE", help=rows)
    box = "round the hand, in pixels; by default as large as fits into the middle"
    parser.add_argument("--box", type=float, nargs=4, metavar=("U0", "V0", "U1", "V1"), help=box)
    parser.add_argument("--left", action="store_true", help="it is a left hand")
    drawn = "the drawing; joints are written beside it as .json (default: PHOTO's name-hand.png in this folder)"
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help=drawn)


def predict(args: argparse.Namespace) -> int:
    """Write what a network says of a photograph: a drawing, and the joints as JSON.

    Raises:
        HandLibError: no picture, no such network, a box outside the picture, a format that cannot be drawn.
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
    cache.write_json(path.with_suffix(".json"), content)
    written = f"{printable(str(path))} and {printable(str(path.with_suffix('.json')))}"
    print(f"{title}: {written}. A network answers with a hand, whatever the picture shows.", flush=True)
    return 0
