"""``python -m hand_lib results``: what is recorded, and what is not yet."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

from hand_lib.commands.arguments import leave_out
from hand_lib.commands.printing import print_table


def add_arguments(results: argparse.ArgumentParser) -> None:
    """Declare what ``results`` can be told."""
    results.add_argument("--profile", help="only this one")
    results.add_argument("--dataset", metavar="NAME", help="runs on this public data set")
    results.add_argument("--missing", action="store_true", help="what the profile (default: full) still lacks")
    results.add_argument("--results", type=Path, metavar="DIR", help="where the records are (default: results/)")
    results.add_argument("--json", action="store_true", help="the records themselves, or the missing ones")


def show_results(args: argparse.Namespace) -> int:
    """Print the recorded runs, or what a profile lacks."""
    from hand_lib import cache, experiments

    if args.results is not None:
        with cache.readable_errors(args.results, "read"):
            os.listdir(args.results)
    if args.missing:
        leave_out(args, ("dataset",), "--missing lists runs on rendered hands")
        profile = experiments.get_profile(args.profile or "full")
        lacking = experiments.missing(profile, folder=args.results)
        if args.json:
            print(json.dumps([{"row": row, "seed": seed, "profile": profile.name} for row, seed in lacking], indent=1))
        for row, seed in lacking if not args.json else []:
            print(f"python -m hand_lib train {row} --profile {profile.name} --seed {seed}")
        if not lacking and not args.json:
            print(f"nothing is missing: every row and variant has all its seeds in the profile {profile.name}")
        return 0

    folder = args.results
    if args.dataset is not None:
        folder = folder or experiments.real_results()
    found = experiments.records(args.profile, folder=folder)
    if args.dataset is not None:
        found = [record for record in found if record.get("dataset") == args.dataset]
    if args.json:
        print(json.dumps(found, indent=1))
        return 0
    if not found:
        print(f"no recorded runs{f' of the profile {args.profile}' if args.profile else ''}")
        return 0
    header = [
        "profile",
        "row",
        "backbone",
        "start",
        "seed",
        "mean EPE",
        "median",
        "AUC 0-50",
        "constant",
        "train s",
        "device",
        "date",
    ]
    body, outdated = [], False
    for record in found:
        current = experiments.is_current(record)
        outdated |= not current
        metrics = record["metrics"]
        body.append(
            [
                record["profile"],
                record["row"] + ("" if current else " *"),
                record["backbone"],
                record["start"],
                str(record["seed"]),
                f"{metrics['epe_mean']:.2f}",
                f"{metrics['epe_median']:.2f}",
                f"{metrics['auc_0_50']:.3f}",
                f"{record['constant_prediction']['epe_mean']:.2f}",
                f"{record['seconds']:.0f}",
                record["device"],
                record["date"][:10],
            ]
        )
    print_table(header, body)
    if outdated:
        print("* recorded by other code or on other data than today's")
    return 0
