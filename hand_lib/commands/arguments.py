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


def add_data(parser: argparse.ArgumentParser) -> None:
    """Declare which public data set stands in the place of rendered hands."""
    names = "rhd, stb, freihand, ho3d-v2 or ho3d-v3, in the place of rendered hands"
    parser.add_argument("--dataset", metavar="NAME", help=names)
    parser.add_argument("--root", type=Path, metavar="DIR", help="the folder where the data set lies")


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


def real_data(args: argparse.Namespace, profile: str | experiments.Profile) -> experiments.RealData | None:
    """The public data set that was asked for, converted."""
    from hand_lib import experiments
    from hand_lib.commands.data import say_estimate

    if (args.dataset is None) != (args.root is None):
        raise HandLibError("--dataset and --root go together: which data set, and the folder where it lies")
    if args.dataset is None:
        return None
    return experiments.real_data(args.dataset, args.root, profile, announce=say_estimate)
