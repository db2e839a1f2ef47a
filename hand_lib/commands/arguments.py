"""Arguments that several commands have, and what is refused of them before anything is begun."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hand_lib.errors import HandLibError

if TYPE_CHECKING:
    from hand_lib import experiments


def add_which(parser: argparse.ArgumentParser, default: str | None = "quick") -> None:
    """Declare which profile, and where to compute."""
    said = "quick" if default else "that of the checkpoint, or quick"
    parser.add_argument("--profile", default=default, help=f"smoke, quick, long, full or paper (default: {said})")
    parser.add_argument("--device", help="cpu, cuda, cuda:1, mps (default: the GPU if there is one)")


def add_row(parser: argparse.ArgumentParser) -> None:
    """Declare which trained network: a row's run, or a file."""
    parser.add_argument("what", metavar="ROW|CHECKPOINT", help="a row that was trained, or a .safetensors file")
    add_which(parser, default=None)
    parser.add_argument("--seed", type=int, help="of the row's run (default: 0)")
    parser.add_argument("--backbone", help="of the row's run (default: the profile's)")
    parser.add_argument("--start", help="of the row's run (default: the profile's)")


def add_data(parser: argparse.ArgumentParser) -> None:
    """Declare which public data sets stand in the place of rendered hands."""
    names = "rhd, stb, freihand, ho3d-v2 or ho3d-v3, in the place of rendered hands; several mix them"
    parser.add_argument("--dataset", action="append", metavar="NAME", help=names)
    folder = "the folder where the data set lies, one for each --dataset"
    parser.add_argument("--root", action="append", type=Path, metavar="DIR", help=folder)
    share = "of an epoch's hands, one for each of several data sets (default: every hand once)"
    parser.add_argument("--share", action="append", type=float, metavar="PART", help=share)


def add_other_data(parser: argparse.ArgumentParser) -> None:
    """Declare a data set to be measured on that is none of those trained on."""
    names = "another public data set to measure on, dexter-object too"
    parser.add_argument("--on", metavar="NAME", help=names)
    parser.add_argument("--on-root", type=Path, metavar="DIR", help="the folder where that lies")


def deadline_of(budget: float | None) -> float | None:
    """When a budget of seconds is used up. Raises HandLibError where it is no time."""
    from hand_lib.experiments import stop_time

    if budget is not None and not 0 < budget < math.inf:
        raise HandLibError(f"--budget {budget:g}: give seconds above 0")
    return stop_time(budget)


def checked_seed(seed: int) -> int:
    """The seed, if it is one; else HandLibError."""
    from hand_lib.strict import SEEDS

    if not 0 <= seed < SEEDS:
        raise HandLibError(f"--seed {str(seed)[:25]}: give a whole number from 0 to {SEEDS - 1}")
    return seed


def leave_out(args: argparse.Namespace, names: Sequence[str], why: str) -> None:
    """Refuse arguments that would have no effect."""
    if given := [f"--{name}" for name in names if getattr(args, name) is not None and getattr(args, name) is not False]:
        raise HandLibError(f"{why}: leave out {' and '.join(given)}")


def is_first_process() -> bool:
    """Whether this is the process that speaks, of those that ``torchrun`` has started."""
    from hand_lib.training import processes

    return processes().rank == 0


def sources(args: argparse.Namespace) -> list[tuple[str, Path]]:
    """Name and folder of each data set that was named. Raises HandLibError where they do not go together."""
    names, roots = args.dataset or [], args.root or []
    if len(names) != len(roots):
        raise HandLibError("--dataset and --root go together: which data set, and the folder where it lies")
    if args.share is not None and len(names) < 2:
        raise HandLibError("--share is for several data sets: leave it out")
    return list(zip(names, roots, strict=True))


def other_source(args: argparse.Namespace) -> tuple[str, Path] | None:
    """Name and folder of the other data set to measure on, if one was named."""
    if (args.on is None) != (args.on_root is None):
        raise HandLibError("--on and --on-root go together: which data set, and the folder where it lies")
    return None if args.on is None else (args.on, args.on_root)


def real_data(args: argparse.Namespace, profile: str | experiments.Profile) -> experiments.RealData | None:
    """The public data sets that were asked for, converted; None for rendered hands."""
    from hand_lib import experiments
    from hand_lib.commands.data import say_estimate

    named = sources(args)
    if not named:
        return None
    return experiments.mixed_data(named, profile, shares=args.share, announce=say_estimate)
