"""``python -m hand_lib export | predict``: trained networks into the package, as ONNX, and onto a photograph."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from hand_lib.errors import HandLibError, printable

if TYPE_CHECKING:
    from torch import nn


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
