"""The trained network that a command is about: a row's run in the cache, or a file."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from hand_lib.commands.arguments import checked_seed, leave_out, real_data
from hand_lib.errors import HandLibError, choose, printable

if TYPE_CHECKING:
    from hand_lib import experiments


def is_row(what: str) -> bool:
    """Whether this is a row's name, and no file's."""
    from hand_lib.models.catalogue import rows_and_variants

    return what in rows_and_variants()


def weights_of_row(args: argparse.Namespace) -> tuple[Path, experiments.RealData | None]:
    """The weights that the run of a row has left in the cache, and the public data sets that it was trained on.

    Raises:
        HandLibError: there is no such run: the line says the command that makes it.
    """
    from hand_lib import experiments

    profile, seed = args.profile or "quick", checked_seed(args.seed or 0)
    which = {"profile": profile, "seed": seed, "device": args.device, "backbone": args.backbone, "start": args.start}
    planned = experiments.plan(args.what, **which, real=(real := real_data(args, profile)))
    if (found := experiments.find(planned)) is None:
        again = f"python -m hand_lib train {args.what} --profile {profile} --seed {seed}"
        for name in ("backbone", "start"):
            if (asked := getattr(args, name)) is not None:
                again += f" --{name} {asked}"
        for name, root in zip(args.dataset or (), args.root or (), strict=True):
            again += f" --dataset {name} --root {shlex.quote(printable(str(root)))}"
        again += "".join(f" --share {share}" for share in args.share or ())
        raise HandLibError(f"{planned.title} has not been trained: {again}")
    return found.folder / "model.safetensors", real


def weights_file(args: argparse.Namespace) -> Path:
    """The file of weights that was named.

    Raises:
        HandLibError: it is neither a file nor a row; arguments that only a row can have.
    """
    from hand_lib import cache
    from hand_lib.models.catalogue import rows_and_variants

    path = Path(args.what)
    if path.suffix != ".safetensors" and not cache.exists(path):
        raise choose("row, and no file,", args.what, rows_and_variants())
    leave_out(args, ("seed", "backbone", "start"), f"{path} says itself what it is")
    return path
