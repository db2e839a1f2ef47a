"""The JAR paper's Table 2: this book's figures, and the paper's in columns of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from hand_lib.figures.ladder import title
from hand_lib.figures.rungs import AVERAGES, MAPS
from hand_lib.figures.tables import PAPER_EPE, Table, mean_and_spread, together
from hand_lib.models.backbone import LAYOUTS
from hand_lib.models.counting import count
from hand_lib.models.rows import ROWS
from hand_lib.models.size import NetworkSize

TABLE_1 = ("fr", *(row for row, _ in (*AVERAGES, *MAPS)))
TABLE_2 = ("heatmap25d", "afr", "multihead")
NOT_RECORDED = "not recorded"


def table_2(records: Sequence[Mapping[str, Any]], *, note: str = "") -> Table:
    """The errors of Table 2: three methods with five backbones, also those that no record has.

    Args:
        records: of one profile, one a row, backbone and seed.
        note: under the table.
    """
    lines = []
    for row in TABLE_2:
        for depth in LAYOUTS:
            own = [r["metrics"]["epe_mean"] for r in records if r["row"] == row and r["backbone"] == f"resnet{depth}"]
            shown = together(mean_and_spread(own, digits=2)) if own else NOT_RECORDED
            lines.append((f"{title(row)}, R-{depth}", shown, str(len(own)), f"{ROWS[row].paper.epe[depth]:.2f}"))
    return Table(("method, backbone", "EPE, mm", "n", PAPER_EPE), tuple(lines), note)


def table_2_costs(*, note: str = "") -> Table:
    """Parameters and multiply-adds of Table 2, as built for 256 px; in brackets what comes after the backbone.

    Args:
        note: under the table.
    """
    lines = []
    for row in TABLE_2:
        for depth in LAYOUTS:
            size = NetworkSize(depth=depth)
            with torch.device("meta"):  # shapes only
                n = count(ROWS[row].build(size), size.image_size)
            on_output = n.macs - n.head_macs + n.head_macs_output_grid
            paper = ROWS[row].paper.at(size)
            lines.append(
                tuple(
                    together(cell)
                    for cell in (
                        f"{title(row)}, R-{depth}",
                        f"{n.params / 1e6:.1f} M ({n.head_params / 1e6:.1f})",
                        f"{n.macs / 1e9:.1f} G ({n.head_macs / 1e9:.1f})",
                        f"{on_output / 1e9:.1f} G ({n.head_macs_output_grid / 1e9:.1f})",
                        "–" if paper["params"] is None else f"{paper['params']} M ({paper['head_params']})",
                        "–" if paper["macs"] is None else f"{paper['macs']} G ({paper['head_macs']})",
                    )
                )
            )
    header = (
        "method, backbone",
        "parameters",
        "multiply-adds",
        "the same on the output grid",
        "paper's parameters",
        "paper's FLOPs",
    )
    return Table(header, tuple(lines), note)


def not_recorded(records: Sequence[Mapping[str, Any]]) -> list[str]:
    """What Table 2 lacks, as "2.5D detection, R-34"."""
    have = {(r["row"], r["backbone"]) for r in records}
    return [f"{title(row)}, R-{depth}" for row in TABLE_2 for depth in LAYOUTS if (row, f"resnet{depth}") not in have]
