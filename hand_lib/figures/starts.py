"""What a backbone's start is worth: the parts of hands that it names, and the rows that begin from it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict

import torch
from matplotlib.figure import Figure
from torch import Tensor

from hand_lib.experiments import PROFILES, is_current, records
from hand_lib.experiments.profiles import STARTS
from hand_lib.figures.features import cell_edges
from hand_lib.figures.ladder import RECORDED, title
from hand_lib.figures.style import panels
from hand_lib.figures.tables import Table, mean_and_spread, table, together
from hand_lib.synthetic import color_mask

RIGHT_HAND = 17  # RHD's class of a right hand's part is so much more than the part's number


def parts_sheet(images: Tensor, truth: Tensor, named: Tensor, *, width: float = 6.4) -> Figure:
    """Crops, the parts that they show, and the parts that a network names in them: three lines of pictures.

    Args:
        images: ``(N, 3, S, S)``, crops of right hands (left ones are mirrored).
        truth, named: ``(N, h, h)`` int64, 0–16, see ``PART_CLASSES``. Each cell is
            drawn where it looks.
        width: of the sheet, in inches.

    Returns:
        The figure.
    """
    count, size = len(images), images.shape[-1]
    figure, axes = panels(3, count, width=width, height=3 * width / count + 0.1)
    edges = cell_edges(truth.shape[-1], size)
    for line, (name, maps) in enumerate((("crop", None), ("true parts", truth), ("named parts", named))):
        for i, ax in enumerate(axes[line]):
            ax.set(xticks=[], yticks=[], xlim=(-0.5, size - 0.5), ylim=(size - 0.5, -0.5), aspect="equal")
            if maps is None:
                ax.imshow(images[i].permute(1, 2, 0).numpy())
            else:
                colors = color_mask(torch.where(maps[i] > 0, maps[i] + RIGHT_HAND, 0))
                ax.pcolormesh(edges, edges, colors.permute(1, 2, 0).numpy())
            if i == 0:
                ax.set_ylabel(name)
    return figure


def starts_table(rows: Iterable[str]) -> Table | None:
    """EPE of recorded runs by what their backbones start from, first profile of :data:`RECORDED` with several.

    Over the seeds that a row has from all of these starts; None where no row has any.
    """
    rows = list(rows)
    for profile in RECORDED:
        network = asdict(PROFILES[profile].network)
        epe: dict[tuple[str, str], dict[int, float]] = {}
        for record in filter(is_current, records(profile)):
            if record["decides"]["network"] == network:
                by_seed = epe.setdefault((record["row"], record["start"]), {})
                by_seed[record["seed"]] = record["metrics"]["epe_mean"]
        starts = [start for start in STARTS if any((row, start) in epe for row in rows)]
        lines = []
        for row in rows if len(starts) > 1 else []:
            each = [epe.get((row, start), {}) for start in starts]
            if seeds := sorted(set.intersection(*map(set, each))):
                means = [together(mean_and_spread([values[s] for s in seeds], digits=2)) for values in each]
                lines.append([title(row), *means, str(len(seeds))])
        if lines:
            header = ["EPE, mm, from", *(STARTS[start] for start in starts), "n"]
            return table(header, lines, note=f"Recorded runs of the profile {profile}, over the same seeds.")
    return None
