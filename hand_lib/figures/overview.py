"""Every method of the book beside every other: how large, how dear, how good; and the papers' steps beside ours."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from hand_lib.experiments import Comparison
from hand_lib.figures.branches import TABLE_2_OF_GROUPS
from hand_lib.figures.cost_chart import Mark
from hand_lib.figures.ladder import interval, printed_between, title
from hand_lib.figures.paper_tables import NOT_RECORDED, TABLE_1
from hand_lib.figures.rungs import ACROSS, AVERAGES, MAPS, Pair, Rung, climb
from hand_lib.figures.tables import Table, mean_and_spread, together
from hand_lib.models.catalogue import rows_and_variants
from hand_lib.models.counting import count
from hand_lib.models.decoders import MLP
from hand_lib.models.groups.joint_aware_rows import JOINT_AWARE_ROWS
from hand_lib.models.groups.rows import GROUP_ROWS
from hand_lib.models.size import NetworkSize

# --- The methods -----------------------------------------------------------------------------------------------------

REGRESSION, STAGES, DETECTION = "regression", "in stages", "detection"
BRANCHES, DECODERS = "a branch per group", "a decoder per group"

HOURGLASS = "On the hourglass, from another start"
METHODS: Mapping[str, tuple[str, ...]] = {
    "Joint-Aware Regression's ladder": TABLE_1,
    "Its rival": ("heatmap25d", "heatmap25d-sharp"),
    "Joint groups, on the same ResNet": (
        *(f"groups-{short}" for short in TABLE_2_OF_GROUPS),
        *(f"groups-k{groups}" for groups in (2, 4, 5, 21)),
        "groups-k1-wide",
    ),
    "Groups inside Joint-Aware Regression": tuple(JOINT_AWARE_ROWS),
    HOURGLASS: tuple(f"hourglass-{short}" for short in TABLE_2_OF_GROUPS),
}


def family(row: str) -> str:
    """Of what kind a row is, in a few words."""
    if row in JOINT_AWARE_ROWS:
        return DECODERS
    if row in GROUP_ROWS:
        return BRANCHES
    if row.startswith("heatmap"):
        return DETECTION
    return STAGES if row.startswith("refine") else REGRESSION


def methods_table(
    records: Sequence[Mapping[str, Any]], rows: Mapping[str, Sequence[str]], *, size: NetworkSize, note: str = ""
) -> Table:
    """A line a row, also those that no record has: what D reads, how wide D is, size, cost, errors.

    Args:
        records: of one profile, one a row and seed.
        rows: names of rows, under the headings they stand under; an empty heading has no line.
        size: of the networks that are counted.
        note: under the table.
    """
    lines = []
    for heading, names in rows.items():
        if heading:
            lines.append((heading, *[""] * 9))
        for name in names:
            own = [record["metrics"] for record in records if record["row"] == name]
            errors = [
                together(mean_and_spread([metrics[key] for metrics in own], digits=digits))
                for key, digits in (("epe_mean", 2), ("pa_epe_mean", 2), ("auc_20_50", 3))
            ]
            if not own:
                errors[0] = NOT_RECORDED
            lines.append((name, title(name), *measures(name, size), *errors, str(len(own))))
    header = (
        "row",
        "in words",
        "decoder reads",
        "its width",
        "parameters, 10⁶",
        "multiply-adds, 10⁶",
        "EPE, mm",
        "Procrustes, mm",
        "AUC 20–50",
        "n",
    )
    return Table(header, tuple(lines), note)


@functools.cache
def measures(row: str, size: NetworkSize) -> tuple[str, str, str, str]:
    """What D reads, how wide D is, and the network's parameters and multiply-adds in millions."""
    with torch.device("meta"):  # shapes only
        network = rows_and_variants()[row].build(size).eval()
        image = torch.empty(1, 3, size.image_size, size.image_size)
        with torch.no_grad():
            G = network.representation(network.backbone(image))
    n = count(network, size.image_size)
    stages = 1 + len(getattr(network, "refinements", ()))
    widths = (*decoder_width(network.decoder).split(", "), *([f"{stages} times"] if stages > 1 else []))
    shape = together(" × ".join(f"{side:,}" for side in G.shape[1:]))
    return shape, ", ".join(map(together, widths)), f"{n.params / 1e6:.2f}", f"{n.macs / 1e6:.1f}"


def decoder_width(decoder: nn.Module) -> str:
    """Hidden units of each T in D: "21 × 66" for 21 side by side; "soft-argmax" where D has no layer."""
    widths = []
    for module in decoder.modules():
        if isinstance(module, MLP):
            *side_by_side, hidden, _ = module.first.weight.shape
            widths.append(" × ".join(str(number) for number in (*side_by_side, hidden)))
    return ", ".join(widths) or "soft-argmax"


def method_marks(records: Sequence[Mapping[str, Any]], rows: Iterable[str]) -> list[Mark]:
    """For the picture of error against multiply-adds (10⁶): the rows that are recorded, means over their seeds."""
    marks = []
    for row in rows:
        own = [record for record in records if record["row"] == row]
        if own:
            error = sum(record["metrics"]["epe_mean"] for record in own) / len(own)
            marks.append(Mark(name=row, cost=own[0]["macs"] / 1e6, error=error, family=family(row)))
    return marks


# --- The papers' steps -----------------------------------------------------------------------------------------------

GROUP_STEPS: Mapping[tuple[str, str], str] = {
    ("k3-manual", "k1"): "three groups by hand",
    ("k3-manual-fused", "k3-manual"): "fused",
    ("k3", "k3-manual"): "learnt, not by hand",
    ("k3-fused", "k3"): "fused",
}
NUMBER_STEPS: Mapping[tuple[str, str], str] = {
    ("k2", "k1"): "two groups learnt",
    ("k3", "k2"): "three for two",
    ("k4", "k3"): "four for three",
    ("k5", "k3"): "five for three",
    ("k21", "k3"): "21 for three",
}


def _on(place: str, steps: Mapping[tuple[str, str], str]) -> dict[Pair, str]:
    return {(f"{place}-{a}", f"{place}-{b}"): change for (a, b), change in steps.items()}


PRINTED_STEPS: Mapping[str, Mapping[Pair, str]] = {
    "Joint-Aware Regression, averages": AVERAGES,
    "Joint-Aware Regression, maps": MAPS,
    "Joint-Aware Regression, across": ACROSS,
    "Joint groups, on this book's ResNet": _on("groups", {**GROUP_STEPS, **NUMBER_STEPS}),
    "Joint groups, on the paper's hourglass": _on("hourglass", GROUP_STEPS),
}

HOLDS, TURNED, EQUAL, OPEN, MISSING = "holds", "other way round", "equal", "not resolved", NOT_RECORDED


def printed_step(pair: Pair) -> float | None:
    """What the paper prints of a step, mm; of one on the ResNet that its hourglass made, that of the hourglass."""
    return printed_between(*(name and name.replace("groups-k", "hourglass-k") for name in pair))


def outcome(found: Comparison | None, printed: float) -> str:
    """What became of a paper's step: :data:`HOLDS` where the difference is resolved and has the printed sign."""
    if found is None:
        return MISSING
    if found.verdict in (EQUAL, OPEN):
        return found.verdict
    return HOLDS if (found.difference < 0) == (printed < 0) else TURNED


def printed_steps(records: Iterable[Mapping[str, Any]]) -> dict[str, list[tuple[Rung, float, str]]]:
    """For each heading of :data:`PRINTED_STEPS` its steps: what is recorded, what is printed, what became of it.

    Args:
        records: of one profile, one a row and seed.
    """
    found = {}
    for heading, rungs in climb(records, PRINTED_STEPS).items():
        printed = [printed_step(rung.pair) for rung in rungs]
        found[heading] = [(r, p, outcome(r.comparison, p)) for r, p in zip(rungs, printed, strict=True)]
    return found


def printed_steps_table(steps: Mapping[str, Sequence[tuple[Rung, float, str]]], *, note: str = "") -> Table:
    """What :func:`printed_steps` gives: a line per step, the paper's difference in a column of its own."""
    lines = []
    for heading, members in steps.items():
        lines.append((heading, *[""] * 5))
        for rung, printed, became in members:
            c = rung.comparison
            ours = ("–", "–", "0") if c is None else (f"{c.difference:+.2f}", interval(c), str(len(c.seeds)))
            names = " − ".join(name for name in rung.pair if name)
            lines.append((f"{names}: {rung.change}", f"{printed:+.2f}", *ours, became))
    header = ("step", "paper's, RHD (not comparable)", "here, mm", "95 % interval", "seeds", "here the step")
    return Table(header, tuple(lines), note)


def tally(steps: Mapping[str, Sequence[tuple[Rung, float, str]]]) -> str:
    """How many of the papers' steps became what, in a sentence."""
    became = Counter(last for members in steps.values() for *_, last in members)
    total = became.total()
    recorded = total - became[MISSING]
    if not recorded:
        return f"Of the papers' {total} steps none is recorded."
    counts = ", ".join(
        f"{kind} {became[kind]}" + (f" ({became[kind] / recorded:.0%})" if kind == HOLDS else "")
        for kind in (HOLDS, TURNED, EQUAL, OPEN)
    )
    return f"Of the papers' {total} steps {recorded} are recorded here with a common seed. They count as: {counts}."
