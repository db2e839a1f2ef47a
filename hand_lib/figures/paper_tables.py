"""The JAR paper's Tables 1 and 2 whole: this book's figures, and the paper's in columns of their own."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from hand_lib.experiments import Comparison, Run
from hand_lib.figures.ladder import interval, title
from hand_lib.figures.rungs import AVERAGES, MAPS, climb, own_comparisons
from hand_lib.figures.tables import PAPER_EPE, Table, mean_and_spread, together
from hand_lib.models.backbone import LAYOUTS
from hand_lib.models.counting import count
from hand_lib.models.rows import ROWS
from hand_lib.models.size import NetworkSize

# "The row before" in Table 1: averages and maps are two branches, both from FR.
BEFORE: Mapping[str, str] = dict((*AVERAGES, *MAPS))
TABLE_1 = ("fr", *BEFORE)
TABLE_2 = ("heatmap25d", "afr", "multihead")
NOT_COMPARABLE = "(not comparable)"
NOT_RECORDED = "not recorded"


def before_pairs(runs: Mapping[str, Sequence[Run]]) -> dict[str, Comparison]:
    """Each row of Table 1 against the row before it, paired by the seeds that both have; rows without one are left out.

    Args:
        runs: for each row's name its runs, one a seed.
    """
    return {row: found for (row, _), found in own_comparisons(runs, BEFORE.items()).items()}


def recorded_before_pairs(records: Sequence[Mapping[str, Any]]) -> dict[str, Comparison]:
    """The same from records, so with intervals over seeds alone.

    Args:
        records: of one profile and one network, one a row and seed.
    """
    (rungs,) = climb(records, {"": dict.fromkeys(BEFORE.items(), "")}).values()
    return {rung.pair[0]: rung.comparison for rung in rungs if rung.comparison}


def table_1(records: Sequence[Mapping[str, Any]], *, note: str = "") -> Table:
    """All of Table 1, also the rows that no record has: errors, mean ± spread over the seeds.

    Args:
        records: of one profile, one a row and seed.
        note: under the table.
    """
    lines = []
    for row in TABLE_1:
        own = [record["metrics"] for record in records if record["row"] == row]
        lines.append(
            (
                ROWS[row].table_id,
                title(row),
                together(mean_and_spread([metrics["epe_mean"] for metrics in own], digits=2)) if own else NOT_RECORDED,
                together(mean_and_spread([metrics["pa_epe_mean"] for metrics in own], digits=2)),
                together(mean_and_spread([metrics["auc_20_50"] for metrics in own], digits=3)),
                str(len(own)),
                f"{ROWS[row].paper.epe[18]:.2f}",
                f"{ROWS[row].paper.auc:.3f}",
            )
        )
    header = (
        "",
        "row",
        "EPE, mm",
        "Procrustes, mm",
        "AUC 20–50",
        "n",
        PAPER_EPE,
        f"paper's AUC {NOT_COMPARABLE}",
    )
    return Table(header, tuple(lines), note)


def table_1_steps(
    records: Sequence[Mapping[str, Any]], comparisons: Mapping[str, Comparison] | None = None, *, note: str = ""
) -> Table:
    """Each row of Table 1 minus the row before it, also the rows that no record has.

    Args:
        records: of one profile, one a row and seed.
        comparisons: of a row with the row before, as :func:`before_pairs` makes them. Without one the difference is
            that of the records' means over the seeds that both rows have, and has no interval: a record holds no
            error of single hands.
        note: under the table.
    """
    epe = {row: {r["seed"]: r["metrics"]["epe_mean"] for r in records if r["row"] == row} for row in TABLE_1}
    lines = []
    for row, before in BEFORE.items():
        difference, ends = _difference(epe, row, comparisons or {})
        printed = ROWS[row].paper.epe[18] - ROWS[before].paper.epe[18]
        lines.append(
            (
                together(f"{ROWS[row].table_id} − {ROWS[before].table_id}"),
                f"{title(row)} − {title(before)}",
                difference,
                ends,
                f"{printed:+.2f}",
            )
        )
    header = (
        "",
        "difference of EPE",
        "mm",
        "95 % interval",
        f"paper's, RHD {NOT_COMPARABLE}",
    )
    return Table(header, tuple(lines), note)


def _difference(
    epe: Mapping[str, Mapping[int, float]], row: str, comparisons: Mapping[str, Comparison]
) -> tuple[str, str]:
    """Row minus the row before, and its interval, as text."""
    if row in comparisons:
        found = comparisons[row]
        return f"{found.difference:+.2f}", interval(found)
    before = BEFORE.get(row)
    seeds = epe[row].keys() & epe[before].keys() if before else ()
    if not seeds:
        return "–", "–"
    return f"{statistics.fmean(epe[row][seed] - epe[before][seed] for seed in seeds):+.2f}", "–"


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
