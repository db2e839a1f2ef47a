"""The tables of the ladder of rows: how they did so far, and what one rung changed."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor

from hand_lib.experiments import (
    PROFILES,
    Comparison,
    Run,
    SeedSpread,
    is_current,
    records,
)
from hand_lib.experiments.profiles import own_start
from hand_lib.figures.tables import PAPER_EPE, Column, Table, results_table, table, together
from hand_lib.metrics import hidden_minus_visible, mean_epe
from hand_lib.models.catalogue import rows_and_variants
from hand_lib.models.rows import ROWS
from hand_lib.skeleton import JOINTS, TIPS

TITLES: Mapping[str, str] = {
    "constant": "constant prediction",
    "fr": "FR",
    "afr": "AFR",
    "pooled": "pooled",
    "pooled-shared": "pooled, shared",
    "maps": "maps",
    "maps-shared": "maps, shared",
    "multihead": "multi-head",
    "refine-h": "refined: heatmaps",
    "refine-hd": "refined: heatmaps, depth maps",
    "refine-hdr": "refined: heatmaps, depth maps, refine maps",
    "refine-hdr-3": "the same, three stages",
    "heatmap25d": "2.5D detection",
    "maps-shared-narrow": "maps, shared, narrow",
    "maps-shared-middle": "maps, shared, middle",
    "maps-middle": "maps, middle",
    "maps-wide": "maps, wide",
    "multihead-1x64": "1 head of 64 maps",
    "multihead-2x32": "2 heads of 32 maps",
    "multihead-4x16": "4 heads of 16 maps",
    "refine-blind": "refined: no maps",
    "refine-hdr-through": "refined: not detached",
    "heatmap25d-x10": "2.5D, logits × 10",
    "heatmap25d-sharp": "2.5D, sharpness learnt",
    "groups-k1": "one group",
    "groups-k3-manual": "3 groups by hand",
    "groups-k3-manual-fused": "3 groups by hand, fused",
    "groups-k3": "3 learnt groups",
    "groups-k3-fused": "3 learnt groups, fused",
    "groups-k2": "2 learnt groups",
    "groups-k4": "4 learnt groups",
    "groups-k5": "5 learnt groups",
    "groups-k21": "up to 21 learnt groups",
    "groups-k1-wide": "one wide group",
    "groups-k3-straight": "3 groups, straight-through",
    "groups-k3-eq10": "3 learnt groups, Eq. 10",
    "groups-k3-late": "3 groups, learnt late",
    "hourglass-k1": "hourglass",
    "hourglass-k3-manual": "hourglass, 3 groups by hand",
    "hourglass-k3-manual-fused": "hourglass, 3 groups by hand, fused",
    "hourglass-k3": "hourglass, 3 learnt groups",
    "hourglass-k3-fused": "hourglass, 3 learnt groups, fused",
    "hourglass-k2": "hourglass, 2 learnt groups",
    "hourglass-k4": "hourglass, 4 learnt groups",
    "hourglass-k5": "hourglass, 5 learnt groups",
    "hourglass-k21": "hourglass, up to 21 learnt groups",
    "hourglass-k1-wide": "hourglass, one wide group",
    "hourglass-k3-straight": "hourglass, 3 groups, straight-through",
    "maps-groups-3": "maps, 3 learnt groups",
    "maps-groups-3-manual": "maps, 3 groups by hand",
    "maps-groups-5": "maps, 5 learnt groups",
    "maps-groups-5-manual": "maps, a group per finger",
    "maps-groups-5-random": "maps, 5 random groups",
}
# Refined rows by what each adds to the one before it: their titles are too long for the margin of a chart.
ADDED: Mapping[str, str] = {
    "refine-h": "+ heatmaps",
    "refine-hd": "+ depth maps",
    "refine-hdr": "+ refine maps",
    "refine-hdr-3": "+ third stage",
}
COLUMNS = (
    Column("metrics.epe_mean", "EPE mean, mm", 2),
    Column("metrics.epe_median", "median, mm", 2),
    Column("metrics.epe_visible", "visible joints, mm", 2),
    Column("metrics.pa_epe_mean", "Procrustes, mm", 2),
    Column("metrics.auc_20_50", "AUC 20–50", 3),
)
NOT_COMPARABLE = "paper, RHD (not comparable)"


def title(row: str) -> str:
    """What a row is called in the chapters: "AFR" for ``afr``."""
    known = rows_and_variants()
    return TITLES.get(row, known[row].title if row in known else row)


def label(row: str) -> str:
    """A row's number in the first paper and what it is, short enough for a legend: "ID-2 AFR", "ID-9 + depth maps"."""
    number = ROWS[row].table_id if row in ROWS else ""
    words = ADDED.get(row, title(row))
    return f"{number} {words}" if number.startswith("ID-") else words


def rows_table(runs: Mapping[str, Sequence[Run]], *, note: str = "") -> Table:
    """The rows so far, in the order given, under the constant prediction, beside what the paper prints.

    Args:
        runs: for each row's name its runs, one a seed.
        note: under the table, after what the columns are.
    """
    given = [run.record for members in runs.values() for run in members]
    profile = given[0]["profile"]
    about = f"Profile {profile}; n seeds, mean ± standard deviation."
    constant = {"row": "constant", "metrics": given[0]["constant_prediction"]}
    return results_table(
        [constant, *given],
        COLUMNS,
        order=["constant", *runs],
        titles={row: title(row) for row in ("constant", *runs)},
        paper={row: f"{ROWS[row].paper.epe[18]:.2f}" for row in runs if row in ROWS and ROWS[row].paper},
        paper_title=PAPER_EPE,
        note=f"{about} {note}".strip(),
    )


# Profiles whose records the chapters show beside their own numbers, the better one first.
RECORDED = ("full", "long", "quick")
NOT_RECORDED = (
    f"No run of these rows in {', '.join(f'`{profile}`' for profile in RECORDED[:-1])} or `{RECORDED[-1]}` is recorded "
    "for this version of the code and the pictures."
)


def own_records(profile: str, rows: Iterable[str]) -> list[dict[str, Any]]:
    """The recorded runs of these rows with the profile's own network and start, by today's code."""
    rows = set(rows)
    return [r for r in of_own_network(records(profile)) if r["row"] in rows and is_current(r)]


def of_own_network(found: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The records with their profile's own network and start, so that each row and seed is there once."""

    def own(record: dict[str, Any]) -> bool:
        profile, row = PROFILES[record["profile"]], rows_and_variants().get(record["row"])
        return (record["decides"]["network"], record["start"]) == (asdict(profile.network), own_start(row, profile))

    return [record for record in found if own(record)]


ENOUGH_SEEDS = 3


def recorded(rows: Iterable[str]) -> list[dict[str, Any]]:
    """The recorded runs of these rows in one of :data:`RECORDED`: with most of the rows, then enough seeds of each.

    A single seed of a long training says less of a row than several of a short one; from :data:`ENOUGH_SEEDS` on the
    better profile is preferred. Runs of other code or other pictures than today's are left out, and those of another
    network or start than the profile's own.

    Args:
        rows: names of rows.
    """
    rows = list(rows)

    def worth(own: Sequence[Mapping[str, Any]]) -> tuple[int, int]:
        seeds = Counter(record["row"] for record in own)
        return len(seeds), min([*seeds.values(), ENOUGH_SEEDS])

    return max((own_records(profile, rows) for profile in RECORDED), key=worth)


def recorded_note(own: Sequence[Mapping]) -> str:
    """Where recorded runs come from: "Not this page's runs, but records of the profile full, with up to 3 seeds …"."""
    devices = sorted({record["device"] for record in own})
    seeds = len({record["seed"] for record in own})
    return (
        f"Not this page's runs, but records of the profile {own[0]['profile']}, "
        f"with {'one seed' if seeds == 1 else f'up to {seeds} seeds'} a row, on {', '.join(devices)}."
    )


LENGTHS = ("quick", "long")  # the same experiment with few steps and with many


def by_length(rows: Iterable[str]) -> dict[str, tuple[float, float]]:
    """EPE in mm of recorded runs after a short and after a long training (:data:`LENGTHS`).

    Means over the seeds that all these rows have in both; empty where there is no such seed.
    """
    rows = list(rows)
    epe: dict[tuple[str, str], dict[int, float]] = {(row, profile): {} for row in rows for profile in LENGTHS}
    for profile in LENGTHS:
        for r in own_records(profile, rows):
            epe[r["row"], profile][r["seed"]] = r["metrics"]["epe_mean"]
    seeds = set.intersection(*(set(values) for values in epe.values())) if epe else set()
    if not seeds:
        return {}
    means = {key: sum(values[seed] for seed in seeds) / len(seeds) for key, values in epe.items()}
    return {row: (means[row, LENGTHS[0]], means[row, LENGTHS[1]]) for row in rows}


def printed_difference(comparison: Comparison) -> float | None:
    """What a paper prints for a's EPE minus b's, see :func:`printed_between`."""
    return printed_between(*comparison.names)


def printed_between(a: str, b: str | None) -> float | None:
    """Row a's EPE minus b's (ResNet-18 or hourglass, RHD), mm, as a paper prints them; None where none prints both."""
    known = rows_and_variants()
    papers = [known[name].paper if name in known else None for name in (a, b)]
    if None in papers or type(papers[0]) is not type(papers[1]):
        return None
    of_a, of_b = (paper.mean_error() for paper in papers)
    return round(of_a - of_b, 2)


def differences_table(comparisons: Sequence[Comparison]) -> Table:
    """One line per comparison: the paired difference, its interval over seeds and hands, each seed's, the paper's.

    Under it the A/A line: how far two trainings of one and the same row lie apart.
    """
    most = max(len(c.seeds) for c in comparisons)
    lines = []
    for c in comparisons:
        seeds = [f"{value:+.2f}" for value in c.per_seed] + ["–"] * (most - len(c.seeds))
        printed = printed_difference(c)
        lines.append(
            [
                f"{title(c.names[0])} − {title(c.names[1])}",
                f"{c.difference:+.2f}",
                interval(c),
                *seeds,
                "–" if printed is None else f"{printed:+.2f}",
            ]
        )
    longest = max(comparisons, key=lambda c: len(c.seeds))
    return table(
        ["difference of EPE", "mm", "95 % interval", *(f"seed {seed}" for seed in longest.seeds), NOT_COMPARABLE],
        lines,
        note="Negative: the first is better. The interval is over seeds and hands. "
        + a_against_a(comparisons[0].spread),
    )


def interval(comparison: Comparison) -> str:
    """ "−0.40 to +0.12" in one piece, or a dash where the spread between seeds is not known."""
    known = math.isfinite(comparison.low)
    return together(f"{comparison.low:+.2f} to {comparison.high:+.2f}") if known else "–"


def a_against_a(spread: SeedSpread) -> str:
    """The A/A line: what a difference of one row from itself, trained twice, looks like."""
    if not spread.freedom:
        return "No row here has two seeds, so nothing is known of how far two trainings of one row lie apart."
    return (
        f"A/A: two trainings of one row differ by up to {spread.between_two():.2f} mm, in 19 of 20 cases "
        f"(pooled over {spread.rows} rows with {spread.freedom} degrees of freedom)."
    )


def verdict(comparison: Comparison) -> str:
    """What a comparison shows, in one sentence, beside the paper's order."""
    first, second = (title(name) for name in comparison.names)
    size = f"{abs(comparison.difference):.2f} mm"
    if comparison.verdict == "equal":
        return f"*{first}* and *{second}* are equal within {comparison.margin:g} mm."
    if comparison.verdict == "not resolved":
        begin = f"*{first}* against *{second}*: not resolved. {size} lie between them"
        if not comparison.spread.freedom:
            return f"{begin}; with one seed a row nothing says how far trainings differ."
        needed = comparison.seeds_needed
        more = f"; about {needed} seeds would resolve a difference of this size" if needed else ""
        return f"{begin}, and other seeds and other hands could turn the order round{more}."
    better, worse = (first, second) if comparison.difference < 0 else (second, first)
    sentence = f"*{better}* is better than *{worse}*, by {size}"
    printed = printed_difference(comparison)
    if printed is None:
        return sentence + "."
    if (printed < 0) == (comparison.difference < 0):
        return sentence + ", the same way round as in the paper."
    return sentence + ". **This is not the paper's order.**"


def verdicts(comparisons: Sequence[Comparison], profile: str) -> str:
    """The verdicts as a Markdown list; in ``smoke`` a sentence that nothing follows."""
    return follows("\n".join(f"- {verdict(comparison)}" for comparison in comparisons), profile)


def follows(text: str, profile: str) -> str:
    """A conclusion drawn from runs, as it is; in ``smoke`` a sentence that there is none."""
    return "In the smoke profile nothing follows from these numbers." if profile == "smoke" else text


def contradicts(comparison: Comparison) -> bool:
    """The difference is resolved and its sign is not the paper's."""
    printed = printed_difference(comparison)
    resolved = comparison.verdict in ("better", "worse")
    return resolved and printed is not None and (printed < 0) != (comparison.difference < 0)


def seed_mean(runs: Sequence[Run]) -> Tensor:
    """``(N, 21)`` mm: each held-out hand's error, joint by joint, averaged over the seeds."""
    return torch.stack([run.errors for run in runs]).mean(0)


def split_table(errors: Mapping[str, Tensor], visible: Tensor) -> Table:
    """Errors of visible and hidden joints, of tips and the others.

    The joints that are often hidden are others than those that are often seen, so a third number compares the two
    joint by joint: :func:`~hand_lib.metrics.hidden_minus_visible`.

    Args:
        errors: for each name ``(N, 21)`` mm.
        visible: ``(N, 21)`` bool.
    """
    more = {name: hidden_minus_visible(values, visible) for name, values in errors.items()}
    others = [j for j in range(len(JOINTS)) if j not in TIPS]
    return table(
        ["mean error, mm", "visible joints", "hidden joints", "hidden − visible, by joint", "tips", "other joints"],
        [
            [
                name,
                f"{mean_epe(values, visible):.2f}",
                f"{mean_epe(values, ~visible):.2f}",
                "–" if more[name] is None else f"{more[name]:+.2f}",
                f"{values[:, list(TIPS)].mean():.2f}",
                f"{values[:, others].mean():.2f}",
            ]
            for name, values in errors.items()
        ],
        note=f"{(~visible).float().mean():.0%} of the joints are hidden.",
    )
