"""``python -m hand_lib evaluate``: what a trained network says about hands that it has not seen."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from hand_lib.commands import placing
from hand_lib.commands.arguments import add_data, add_other_data, add_row, other_source, real_data, sources
from hand_lib.commands.looking import evaluation_reader, look
from hand_lib.commands.printing import print_table
from hand_lib.commands.trained import is_row, weights_file, weights_of_row
from hand_lib.errors import HandLibError

if TYPE_CHECKING:
    from hand_lib import experiments


def add_arguments(evaluate: argparse.ArgumentParser) -> None:
    """Declare what ``evaluate`` can be told."""
    add_row(evaluate)
    add_data(evaluate)
    add_other_data(evaluate)
    placing.add_arguments(evaluate)
    evaluate.add_argument("--json", action="store_true", help="all metrics")


def evaluate_run(args: argparse.Namespace) -> int:
    """Measure a run of the cache, or a checkpoint file."""
    from hand_lib import experiments

    pictures = _pictures(args)
    if pictures is None and args.root_depth is not None:
        raise HandLibError("--root-depth is for public data sets: name one with --dataset, or --on")
    if is_row(args.what):
        path, real = weights_of_row(args)
    else:
        path, real = weights_file(args), None
    if pictures is not None:
        return _evaluate_pictures(args, path, real, *pictures)
    if not is_row(args.what):
        real = real_data(args, args.profile or experiments.profile_of(path))
    result = experiments.evaluate_checkpoint(path, profile=args.profile, device=args.device, real=real)
    if args.json:
        print(json.dumps(result, indent=1))
        return 0
    _say_which(result)
    for score in result.get("scores", []):  # root depth and scale are given, as on rendered hands
        _say_score(score, "true root depth and scale given")
    names = [name for name, value in result["metrics"].items() if isinstance(value, float)]
    body = [[name, f"{result['metrics'][name]:.3f}", f"{result['constant_prediction'][name]:.3f}"] for name in names]
    print_table(["metric", "this model", "constant prediction"], body)
    return 0


def _pictures(args: argparse.Namespace) -> tuple[str, Path] | None:
    """The data set whose whole pictures are to be measured on; None for converted or rendered hands.

    Those are another data set than the one trained on, one without training hands, and one of which not the whole truth
    is to be used.
    """
    from hand_lib.datasets.real.published import get_published

    placing.check(args)
    named, other = sources(args), other_source(args)
    if other is not None:
        if named and not is_row(args.what):
            raise HandLibError("a file is measured on one data set: give --dataset and --root, or --on and --on-root")
        get_published(other[0])
        return other
    if len(named) != 1:
        if args.scale is not None or args.root_depth is not None:
            raise HandLibError("--root-depth and --scale are for one public data set: name it with --dataset, or --on")
        return None
    (name, _), published = named[0], get_published(named[0][0])
    if "training" not in published.hands:
        if is_row(args.what):
            raise HandLibError(f"{name} has no training hands: give it with --on and --on-root")
        return named[0]
    return named[0] if args.root_depth is not None or args.scale is not None else None


def _evaluate_pictures(
    args: argparse.Namespace, weights: Path, real: experiments.RealData | None, name: str, root: Path
) -> int:
    from hand_lib.datasets.real.published import get_published
    from hand_lib.experiments.scoring import as_json, scores

    published = get_published(name)
    reader = evaluation_reader(published, root)
    if "training" in published.hands and not reader.annotation(0).known.all():
        raise HandLibError(f"the truth of {name}'s evaluation is not in {root}: `submit` writes what its server scores")
    args.root_depth = "truth" if args.root_depth is None else args.root_depth
    if args.scale is None:
        args.scale = "given" if "training" in published.hands else "mean"
    trained_on = [] if real is None else [part.reader for part in real.training]
    looked = look(args, weights, reader, published, root, trained_on)
    network = looked.network
    found = {name: getattr(network, name) for name in ("row", "backbone", "profile", "seed", "step")}
    own = scores(name, looked.placed.xyz, looked.poses.told, looked.poses.visible)
    found |= {"dataset": name, "hands": len(reader), "given": looked.placed.said, "scores": as_json(own)}
    if args.json:
        print(json.dumps(found, indent=1))
        return 0
    _say_which(found)
    for score in found["scores"]:
        _say_score(score, looked.placed.said)
    return 0


def _say_which(found: dict) -> None:
    after = "" if found["step"] is None else f", after {found['step']} steps"
    print(f"{found['row']} ({found['backbone']}), profile {found['profile']}, seed {found['seed']}{after}")


def _say_score(score: dict, given: str) -> None:
    number = f"{score['value']:.2f} {score['unit']}" if score["unit"] else f"{score['value']:.3f}"
    print(f"{score['name']}: {number} ({score['rule']}; {given})")
