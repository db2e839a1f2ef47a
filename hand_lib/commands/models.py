"""``python -m hand_lib models``: what each row's network costs."""

from __future__ import annotations

import argparse
import json

from hand_lib.commands.printing import print_table


def add_arguments(models: argparse.ArgumentParser) -> None:
    """Declare what ``models`` can be told."""
    models.add_argument("--backbone", default="resnet50", help="resnet18 to resnet152 (default: resnet50, as Table 2)")
    models.add_argument("--size", type=int, default=256, metavar="PX", help="side of the picture (default: 256)")
    models.add_argument("--json", action="store_true", help="a list of objects instead of a table")


def show_models(args: argparse.Namespace) -> int:
    """Print Table 2's columns for every row and variant."""
    from hand_lib.experiments import get_depth
    from hand_lib.models.counting import table

    lines = table(depth=get_depth(args.backbone), image_size=args.size)
    if args.json:
        print(json.dumps(lines, indent=1))
        return 0

    def figure(value: float, scale: float, paper: float | None, digits: int) -> str:
        return f"{value / scale:.{digits}f}" + (f" ({paper})" if paper is not None else "")

    header = ["row", "", "parameters, M", "of it the head", "multiply-adds, G", "of it the head", "on output grid"]
    body = []
    for line in lines:
        paper = line["paper"] or {}
        body.append(
            [
                line["row"],
                line["title"],
                figure(line["params"], 1e6, paper.get("params"), 2),
                figure(line["head_params"], 1e6, paper.get("head_params"), 2),
                figure(line["macs"], 1e9, paper.get("macs"), 2),
                figure(line["head_macs"], 1e9, paper.get("head_macs"), 3),
                figure(line["head_macs_output_grid"], 1e9, None, 3),
            ]
        )
    print(f"{args.backbone}, {args.size} px; in brackets: what the paper prints")
    print_table(header, body)
    return 0
