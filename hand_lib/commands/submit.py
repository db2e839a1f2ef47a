"""``python -m hand_lib submit``: a trained network's hands as the server of FreiHAND or HO-3D wants them."""

from __future__ import annotations

import argparse
from pathlib import Path

from hand_lib.commands import placing
from hand_lib.commands.arguments import add_data, add_other_data, add_row, leave_out, other_source, sources
from hand_lib.commands.looking import evaluation_reader, look
from hand_lib.commands.trained import is_row, weights_file, weights_of_row
from hand_lib.errors import HandLibError, printable

# What the data set tells with each hand of its evaluation: nothing here is the truth.
_TOLD = {"freihand": ("bone", "given"), "ho3d-v2": ("wrist", "mean"), "ho3d-v3": ("wrist", "mean")}


def add_arguments(submit: argparse.ArgumentParser) -> None:
    """Declare what ``submit`` can be told."""
    add_row(submit)
    add_data(submit)
    add_other_data(submit)
    placing.add_arguments(submit)
    submit.add_argument("-o", "--out", type=Path, required=True, metavar="FILE", help="the .zip to write")


def write_submission(args: argparse.Namespace) -> int:
    """Show the network every picture of the official evaluation, and write what it says; score it where that is known.

    All that can be wrong is looked at before the first picture, and the file is written last and at once.
    """
    from hand_lib.datasets.real.published import get_published
    from hand_lib.experiments.scoring import scores
    from hand_lib.submissions import check_path, submission_to

    name, root = _to(args)
    wanted, published = submission_to(name), get_published(name)
    check_path(args.out)
    depth, scale = _TOLD[name]
    args.root_depth = depth if args.root_depth is None else args.root_depth
    args.scale = scale if args.scale is None else args.scale
    placing.check(args)
    reader = evaluation_reader(published, root)
    if len(reader) != wanted.hands:
        raise HandLibError(f"{name} in {root} has {len(reader)} evaluation hands, but its server wants {wanted.hands}")
    if is_row(args.what):
        weights, _ = weights_of_row(args)
    else:
        leave_out(args, ("share", "profile"), f"{args.what} says itself what it is")
        weights = weights_file(args)

    looked = look(args, weights, reader, published, root, [])
    wanted.write(args.out, looked.placed.xyz)
    which = looked.network
    print(f"{which.row} ({which.backbone}), profile {which.profile}, seed {which.seed}: {len(reader)} hands of {name}")
    print(f"{looked.placed.said}; written to {printable(str(args.out))}")
    if looked.poses.whole:
        for score in scores(name, looked.placed.xyz, looked.poses.told, looked.poses.visible):
            print(score)
    else:
        print("the truth is not here: its server scores it")
    return 0


def _to(args: argparse.Namespace) -> tuple[str, Path]:
    """The data set to submit to, and where it lies: the other one, or else the one that was trained on."""
    named, other = sources(args), other_source(args)
    if other is not None:
        if named and not is_row(args.what):
            raise HandLibError("to which data set? a file needs one: --dataset and --root, or --on and --on-root")
        return other
    if len(named) != 1:
        raise HandLibError("to which data set? name it with --dataset and --root, or --on and --on-root")
    return named[0]
