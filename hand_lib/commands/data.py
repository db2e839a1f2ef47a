"""``python -m hand_lib data check | convert | show``: public data sets as they lie on this disk."""

from __future__ import annotations

import argparse
import functools
import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from hand_lib.errors import HandLibError, printable

if TYPE_CHECKING:
    from hand_lib.datasets.real.conversion import Estimate


def add_commands(parser: argparse.ArgumentParser) -> None:
    """Declare what ``data`` can do on ``parser``."""
    commands = parser.add_subparsers(title="what to do", required=True, metavar="ACTION")

    check_ = commands.add_parser("check", help="is it whole? names every file that is missing or broken")
    _add_which(check_)
    check_.set_defaults(command=check)

    said = "cut the hands out once, for the crops of a profile; goes on where it was interrupted"
    convert_ = commands.add_parser("convert", help=said)
    _add_which(convert_)
    convert_.add_argument("--profile", default="quick", help="smoke, quick, long, full or paper (default: quick)")
    convert_.add_argument("--workers", type=int, metavar="N", help="processes (default: one a core)")
    convert_.add_argument(
        "--skip-damaged", action="store_true", help="leave out hands that cannot be used, and list them"
    )
    convert_.set_defaults(command=convert)

    show_ = commands.add_parser("show", help="a sheet of hands with their joints")
    _add_which(show_)
    show_.add_argument("-o", "--output", type=Path, metavar="FILE", help="default: NAME-SPLIT.png in this folder")
    show_.add_argument("--count", type=int, default=24, metavar="N", help="hands on the sheet (default: 24)")
    show_.set_defaults(command=show)


def _add_which(parser: argparse.ArgumentParser) -> None:
    names = "rhd, stb, freihand, ho3d-v2, ho3d-v3 or dexter-object"
    parser.add_argument("--dataset", required=True, metavar="NAME", help=names)
    parser.add_argument("--root", required=True, type=Path, metavar="DIR", help="the folder where it lies")
    parser.add_argument("--split", help="training or evaluation (default: each that it has)")


def check(args: argparse.Namespace) -> int:
    """Read every hand of a data set; 0 if it is whole, 1 if not."""
    from hand_lib.datasets.real.inspection import inspect
    from hand_lib.datasets.real.published import get_published

    published = get_published(args.dataset)
    whole = True
    for split in _splits(args):
        found = inspect(published, args.root, split)
        print("\n".join(printable(line) for line in found.lines), flush=True)
        whole &= found.whole
    if not whole:
        print(f"{published.name} is not whole; it comes from {published.terms}", flush=True)
    return 0 if whole else 1


def convert(args: argparse.Namespace) -> int:
    """Convert a data set for a profile; says before how long it takes and how much disk."""
    from hand_lib import experiments
    from hand_lib.datasets.real import conversion
    from hand_lib.datasets.real.cut_outs import CutOut
    from hand_lib.datasets.real.published import get_published

    if args.workers is not None and args.workers < 1:
        raise HandLibError(f"--workers {args.workers}: at least 1")
    published, profile = get_published(args.dataset), experiments.get_profile(args.profile)
    how = CutOut(image_size=profile.network.image_size, augmentation=profile.augmentation)
    for split in _splits(args):
        wanted = conversion.Conversion(published=published, root=args.root, split=split, how=how)
        announce = functools.partial(say_estimate, wanted.title)
        done = conversion.convert(wanted, workers=args.workers, skip_damaged=args.skip_damaged, announce=announce)
        print(
            f"{wanted.title}: {len(done.hands)} hands of {done.size} px in {printable(str(wanted.folder))}", flush=True
        )
        if done.skipped:
            print(f"{len(done.skipped)} left out, listed in manifest.json there", flush=True)
    return 0


def say_estimate(title: str, expected: Estimate) -> None:
    """Say on stderr what a conversion will take."""
    from hand_lib.experiments import say_duration

    room = f"{expected.bytes / 1e9:.1f} GB of {expected.free / 1e9:.1f} GB that are free"
    cores = f"{expected.workers} core{'s' if expected.workers > 1 else ''}"
    said = f"{expected.hands} hands to {expected.size} px, {room}, about {say_duration(expected.seconds)} on {cores}"
    print(f"{title}: {said}", file=sys.stderr, flush=True)


def show(args: argparse.Namespace) -> int:
    """Write sheets of a data set's hands."""
    from hand_lib.datasets.real.published import get_published

    if importlib.util.find_spec("matplotlib") is None:
        raise HandLibError("to draw needs matplotlib: `pip install -e .[notebooks]`")
    if args.count < 1:
        raise HandLibError(f"--count {args.count}: at least 1")
    published, splits = get_published(args.dataset), _splits(args)
    if args.output is not None and len(splits) > 1:
        raise HandLibError(f"-o {args.output} names one file: say which with --split {' or '.join(splits)}")
    import matplotlib

    matplotlib.use("agg")
    from hand_lib.figures.real_hands import write_sheet

    for split in splits:
        path = args.output or Path(f"{published.name}-{split}.png")
        drawn = write_sheet(published.reader(args.root, split), path, count=args.count)
        print(f"{published.name}, {split}: {drawn} hands in {printable(str(path))}", flush=True)
    return 0


def _splits(args: argparse.Namespace) -> list[str]:
    """The splits that were asked for. Whether there are such, their reader says."""
    from hand_lib.datasets.real.published import get_published

    return list(get_published(args.dataset).hands) if args.split is None else [args.split]
