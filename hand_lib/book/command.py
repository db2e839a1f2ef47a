"""``python -m hand_lib book``: its arguments, and what it does in order."""

from __future__ import annotations

import argparse
import importlib.util
import os
import time
from pathlib import Path

from hand_lib.book.chapters import Chapter, checkout, find_chapters, select
from hand_lib.book.execution import execute
from hand_lib.cache import lock
from hand_lib.errors import HandLibError
from hand_lib.strict import SEEDS

_TOOLS = ("papermill", "jupyter_book", "nbformat", "plotly", "psutil", "matplotlib", "yaml")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``book`` on ``parser``."""
    parser.add_argument("--profile", default="quick", help="smoke, quick (default), long, full or paper")
    parser.add_argument("--chapters", metavar="LIST", help="numbers or names, such as 4,5; all of them by default")
    parser.add_argument("--seed", type=int, default=0, help="the seed that the chapters start from (default 0)")
    parser.add_argument("--device", help="cpu or cuda; by default the GPU where there is one")
    parser.add_argument("--jobs", type=int, metavar="N", help="chapters at a time (default: one a core)")
    parser.add_argument("--no-build", action="store_true", help="execute the chapters and stop there")


def run(args: argparse.Namespace) -> int:
    """Execute the chapters, then build the site. Whatever can be known to be wrong is said before the first hour.

    Returns:
        0, or 1 where a chapter failed or the site has a warning.

    Raises:
        HandLibError: an unknown profile, device or chapter; a seed or a number of jobs out of range; no checkout; a
            missing tool; something wrong in the chapters, settings or records; or another process makes this book.
    """
    from hand_lib.experiments import get_profile  # late: these import torch, which `--help` can do without
    from hand_lib.training import choose_device

    get_profile(args.profile)
    choose_device(args.device)
    if not 0 <= args.seed < SEEDS:
        raise HandLibError(f"--seed {str(args.seed)[:25]}: give a whole number from 0 to {SEEDS - 1}")
    if args.jobs is not None and args.jobs < 1:
        raise HandLibError(f"--jobs {args.jobs}: at least 1")
    missing = [name for name in _TOOLS if importlib.util.find_spec(name) is None]
    if missing:
        raise HandLibError(
            f"missing {', '.join(missing)}: install the book's tools with `make`, or `pip install -e .[book]`"
        )
    root = checkout()
    chapters = find_chapters(root)
    chosen = select(chapters, args.chapters)
    place = root / "build" / args.profile
    # Refused, not waited for: the first one executes and builds all that a second one would.
    with lock(place, waiting_for=f"the book of the profile {args.profile}, in {place}", wait=False):
        return _make(root, place, chapters, chosen, args)


def _make(root: Path, place: Path, chapters: list[Chapter], chosen: list[Chapter], args: argparse.Namespace) -> int:
    from hand_lib.book import site  # late: needs the book's tools

    folders = site.Folders.under(place)
    settings = None if args.no_build else site.check(root)
    jobs = min(args.jobs or os.cpu_count() or 1, len(chosen))
    parameters = {"PROFILE": args.profile, "SEED": args.seed, "DEVICE": args.device}

    print(f"executing {len(chosen)} chapters, profile {args.profile}, {jobs} at a time", flush=True)
    start = time.monotonic()
    outcomes = execute(chosen, folders.executed, parameters=parameters, jobs=jobs)
    failed = [outcome for outcome in outcomes if outcome.error]
    print(f"executed in {time.monotonic() - start:.0f} s", flush=True)
    if failed:
        print(f"{len(failed)} of {len(chosen)} chapters failed; the executed notebooks hold the errors:")
        for outcome in failed:
            print(f"  {outcome.notebook}: {outcome.error}")
        return 1
    if settings is None:
        print(f"the executed notebooks are in {folders.executed}")
        return 0

    start = time.monotonic()
    without = site.stage(root, folders, chapters, settings)
    for chapter in without:
        print(f"  {chapter.name} has not been executed with profile {args.profile}: its page shows no outputs")
    print("building the site", flush=True)
    complaints = site.build(folders)
    if complaints:
        print("\n  ".join([f"the site was not built, see {folders.log}", *complaints]))
        return 1
    print(f"built in {time.monotonic() - start:.0f} s\nopen {folders.site / 'index.html'}")
    return 0
