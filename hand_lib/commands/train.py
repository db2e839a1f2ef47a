"""``python -m hand_lib train`` and ``pretrain``: rows, and what their backbones start from."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

from hand_lib.commands.arguments import (
    add_data,
    add_which,
    checked_seed,
    deadline_of,
    is_first_process,
    leave_out,
    real_data,
)
from hand_lib.errors import HandLibError, printable


def add_arguments(train: argparse.ArgumentParser) -> None:
    """Declare what ``train`` can be told."""
    train.add_argument("rows", nargs="*", metavar="ROW", help="such as fr afr; see `models`")
    missing = "all that the profile's records lack, in order; several processes may share it"
    train.add_argument("--missing", action="store_true", help=missing)
    add_which(train)
    train.add_argument("--seed", type=int, nargs="+", help="one or more (default: 0)")
    train.add_argument("--backbone", help="resnet18 to resnet152 (default: the profile's)")
    starts = "of the backbone: random, parts or imagenet, of an hourglass random or points (default: the profile's)"
    train.add_argument("--start", help=starts)
    train.add_argument("--budget", type=float, metavar="SECONDS", help="stop cleanly after so long; run again to go on")
    add_data(train)
    train.add_argument("--results", type=Path, metavar="DIR", help="where to record (default: results/, not for smoke)")


def train_rows(args: argparse.Namespace) -> int:
    """Train one row after the other, each with every seed."""
    from hand_lib import cache, experiments
    from hand_lib.models.catalogue import rows_and_variants

    profile = experiments.get_profile(args.profile)
    if args.missing == bool(args.rows):
        raise HandLibError(f"name rows to train, or --missing: rows are {', '.join(rows_and_variants())}")
    first = is_first_process()
    deadline = deadline_of(args.budget)
    if args.missing:
        own = ("seed", "backbone", "start", "dataset", "root", "share")
        leave_out(args, own, "--missing asks for the profile's own seeds, start and hands")
        wanted = experiments.missing(profile, folder=args.results)
    else:
        seeds = [0] if args.seed is None else args.seed
        wanted = list(dict.fromkeys((row, checked_seed(seed)) for seed in seeds for row in args.rows))
    which = {"profile": profile, "device": args.device, "backbone": args.backbone, "start": args.start}
    for row, seed in wanted:  # all names are checked before the first hour is spent
        experiments.plan(row, seed=seed, **which)
    if (real := real_data(args, profile)) is not None:
        which["real"] = real

    recording = args.results is not None or profile.name != "smoke"
    if recording:  # what cannot be recorded must be known before the training, not after it
        try:
            commit = experiments.check_recordable()  # of the code that is loaded: the checkout may change meanwhile
        except HandLibError as error:
            if args.missing or args.results is not None:  # to record is what was asked for
                raise
            recording = False
            print(f"this will not be recorded: {error}", file=sys.stderr, flush=True)
    if recording:
        if real is None:
            cache.make_folder((args.results or cache.results_dir()) / profile.name)
        else:
            cache.make_folder(
                (args.results or experiments.real_results()) / experiments.real_folder(real.decides, profile.name)
            )
    for number, (row, seed) in enumerate(wanted):
        if deadline is not None and time.monotonic() >= deadline:
            return _say_budget(args.budget, f"{len(wanted) - number} of {len(wanted)} runs not begun")
        try:
            run = experiments.run(row, seed=seed, deadline=deadline, wait=not args.missing, **which)
        except experiments.Unfinished as stopped:
            return _say_budget(args.budget, str(stopped))
        except cache.Busy as busy:  # what is missing is shared by as many processes as ask for it
            print(f"{busy}: left to it", file=sys.stderr, flush=True)
            continue
        if not first:
            continue
        line = _summary(run.record)
        if recording:
            line += f"; recorded in {printable(str(experiments.write_record(run.record, args.results, commit=commit)))}"
        print(line, flush=True)
    return 0


def add_pretrain_arguments(pretrain: argparse.ArgumentParser) -> None:
    """Declare what ``pretrain`` can be told."""
    add_which(pretrain)
    other = "resnet18 to resnet152, or hourglass, which finds joints in the picture (default: the profile's)"
    pretrain.add_argument("--backbone", help=other)
    pretrain.add_argument("--budget", type=float, metavar="SECONDS", help="stop cleanly after so long")
    pretrain.add_argument("--ship", action="store_true", help="put the weights and their record into the package")


def pretrain_backbone(args: argparse.Namespace) -> int:
    """Train the start of a profile's backbones, or find it, and put it into the package if that was asked for."""
    from hand_lib import experiments

    profile = experiments.get_profile(args.profile)
    if args.backbone == "hourglass":
        planned = experiments.start_plan(profile, lesson=experiments.POINTS)
    else:
        planned = experiments.start_plan(profile, experiments.sized(profile, args.backbone))
    deadline = deadline_of(args.budget)
    # What cannot be shipped must be known before the training; of the code that is loaded, for it may change meanwhile.
    commit = experiments.check_recordable() if args.ship else ""
    try:
        start = experiments.pretrain(planned, device=args.device, deadline=deadline)
    except experiments.Unfinished as stopped:
        return _say_budget(args.budget, str(stopped))
    learnt, guess = start.record["metrics"], start.record["constant_guess"]
    how = f"trained in {start.record['seconds']:.0f} s on {start.record['device']}"
    line = f"{planned.title}: {planned.lesson.say(learnt, guess)}, {how}"
    if args.ship:
        other = ["--backbone", args.backbone] if args.backbone else []
        command = " ".join(["python -m hand_lib pretrain --profile", profile.name, *other, "--ship"])
        shipped = experiments.ship(start, command=command, commit=commit)
        line += f"; in the package as {printable(str(shipped))}"
    elif experiments.find_shipped(planned) is not None:
        line += "; rows start from the one in the package"
    print(line, flush=True)
    return 0


def _say_budget(budget: float, where: str) -> int:
    if is_first_process():
        print(f"the budget of {budget:g} s is used up: {where}", flush=True)
    return 0


def _summary(record: dict[str, Any]) -> str:
    constant = record["constant_prediction"]["epe_mean"]
    on = f" on {record['dataset']}" if "dataset" in record else ""
    return (
        f"{record['row']}{on}, profile {record['profile']}, seed {record['seed']}: mean error "
        f"{record['metrics']['epe_mean']:.1f} mm (constant prediction {constant:.1f}), "
        f"trained in {record['seconds']:.0f} s on {record['device']}"
    )
