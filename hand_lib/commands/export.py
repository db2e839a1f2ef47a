"""``python -m hand_lib export``: trained networks into the package, or one of them as ONNX."""

from __future__ import annotations

import argparse
from pathlib import Path

from hand_lib.commands.shipped import chosen_network
from hand_lib.errors import HandLibError, printable


def add_arguments(export: argparse.ArgumentParser) -> None:
    """Declare what ``export`` can be told."""
    rows = "rows to put into the package (default: all that belong there); with --onnx one of them, or a .safetensors"
    export.add_argument("rows", nargs="*", metavar="ROW", help=rows)
    export.add_argument("--onnx", type=Path, metavar="FILE", help="write this network as ONNX instead")


def export_networks(args: argparse.Namespace) -> int:
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
    from hand_lib.cache import readable_errors
    from hand_lib.live.onnx_file import write_onnx

    if len(args.rows) != 1:
        raise HandLibError(f"--onnx writes one network: name one row or one file, not {len(args.rows)}")
    if args.onnx.suffix != ".onnx":  # not over weights that were just trained
        raise HandLibError(f"--onnx {args.onnx}: give a name that ends in .onnx")
    with readable_errors(args.onnx):
        is_folder = args.onnx.is_dir()
    if is_folder:
        raise HandLibError(f"cannot write {args.onnx}: this is a folder, not a file")
    title, side, network = chosen_network(args.rows[0])
    write_onnx(network, side, args.onnx)
    print(f"{title}: {printable(str(args.onnx))}, pictures of {side} × {side} pixels")
    return 0
