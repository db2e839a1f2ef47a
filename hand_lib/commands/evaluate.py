"""``python -m hand_lib evaluate``: what a trained network says about hands that it has not seen."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from hand_lib.commands.arguments import add_data, add_which, checked_seed, leave_out, real_data
from hand_lib.commands.printing import print_table
from hand_lib.errors import HandLibError, choose


def add_arguments(evaluate: argparse.ArgumentParser) -> None:
    """Declare what ``evaluate`` can be told."""
    evaluate.add_argument("what", metavar="ROW|CHECKPOINT", help="a row that was trained, or a .safetensors file")
    add_which(evaluate, default=None)
    evaluate.add_argument("--seed", type=int, help="of the row's run (default: 0)")
    evaluate.add_argument("--backbone", help="of the row's run (default: the profile's)")
    evaluate.add_argument("--start", help="of the row's run (default: the profile's)")
    add_data(evaluate)
    evaluate.add_argument("--json", action="store_true", help="all metrics")


def evaluate_run(args: argparse.Namespace) -> int:
    """Measure a run of the cache, or a checkpoint file."""
    from hand_lib import cache, experiments
    from hand_lib.models.catalogue import rows_and_variants

    if args.what in rows_and_variants():
        profile, seed = args.profile or "quick", checked_seed(args.seed or 0)
        planned = experiments.plan(
            args.what,
            profile=profile,
            seed=seed,
            device=args.device,
            backbone=args.backbone,
            start=args.start,
            real=(real := real_data(args, profile)),
        )
        if (found := experiments.find(planned)) is None:
            again = f"python -m hand_lib train {args.what} --profile {profile} --seed {seed}"
            again += "" if real is None else f" --dataset {args.dataset} --root {args.root}"
            raise HandLibError(f"{planned.title} has not been trained: {again}")
        path = found.folder / "model.safetensors"
    else:
        path = Path(args.what)
        if path.suffix != ".safetensors" and not cache.exists(path):
            raise choose("row, and no file,", args.what, rows_and_variants())
        leave_out(args, ("seed", "backbone", "start"), f"{path} says itself what it is")
        real = real_data(args, args.profile or experiments.profile_of(path))
    result = experiments.evaluate_checkpoint(path, profile=args.profile, device=args.device, real=real)
    if args.json:
        print(json.dumps(result, indent=1))
        return 0
    after = "" if result["step"] is None else f", after {result['step']} steps"
    print(f"{result['row']} ({result['backbone']}), profile {result['profile']}, seed {result['seed']}{after}")
    for score in result.get("scores", []):  # root depth and scale are given, as on rendered hands
        number = f"{score['value']:.2f} {score['unit']}" if score["unit"] else f"{score['value']:.3f}"
        print(f"{score['name']}: {number} ({score['rule']}; true root depth and scale given)")
    names = [name for name, value in result["metrics"].items() if isinstance(value, float)]
    body = [[name, f"{result['metrics'][name]:.3f}", f"{result['constant_prediction'][name]:.3f}"] for name in names]
    print_table(["metric", "this model", "constant prediction"], body)
    return 0
