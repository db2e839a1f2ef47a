"""The README's picture: rendered hands with their joints. ``python -m hand_lib.figures.cover assets/hands.jpg``."""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib

from hand_lib.cache import atomic_write
from hand_lib.figures import style
from hand_lib.figures.hands import contact_sheet
from hand_lib.synthetic import WIDE, render


def write(path: Path, *, seed: int = 0, columns: int = 6, lines: int = 3, size: int = 192) -> None:
    """Render hands of the evaluation split and save them as a sheet, a colour per finger; hidden joints are hollow.

    Args:
        path: where the JPEG goes.
        seed: of the rendered hands.
        columns, lines: of the sheet.
        size: side of a picture, in pixels.

    Raises:
        HandLibError: the file cannot be written.
    """
    samples = render(seed=seed, split="evaluation", indices=list(range(columns * lines)), size=size, scene=WIDE)
    style.use()
    figure = contact_sheet(samples, samples.uv, visible=samples.visible, columns=columns, width=9.0)
    with atomic_write(path) as file:
        figure.savefig(file, format="jpg", dpi=120, pil_kwargs={"quality": 85})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m hand_lib.figures.cover", description=__doc__)
    parser.add_argument("path", type=Path)
    matplotlib.use("agg")
    write(parser.parse_args().path)
