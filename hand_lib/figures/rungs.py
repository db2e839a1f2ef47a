"""The ladder's steps: which row is compared with which, by how much their records or runs differ.

Both branches begin at FR: averages (ID-1 to ID-4) and maps (ID-1, then ID-5 to ID-11). The paper compares along them
and names two pairs across: ID-6 with ID-4, for what a map adds to an average, and the rival with AFR and JAR.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hand_lib.experiments import Comparison, Run, SeedSpread, compare, compare_recorded, recorded_spread, seed_spread
from hand_lib.figures.ladder import interval, own_records, printed_between, title, verdict
from hand_lib.figures.tables import Table, table, with_minus
from hand_lib.models.catalogue import rows_and_variants
from hand_lib.models.rows import ROWS
from hand_lib.models.variants import VARIANTS

Pair = tuple[str, str | None]  # names, as in "the first minus the second"; None where a branch begins

# The pairs of each branch, and in a few words what the first has that the second has not.
AVERAGES: Mapping[Pair, str] = {
    ("afr", "fr"): "the maps' average",
    ("pooled", "afr"): "averages by joint",
    ("pooled-shared", "pooled"): "one shared decoder",
}
MAPS: Mapping[Pair, str] = {
    ("maps", "fr"): "maps by joint",
    ("maps-shared", "maps"): "one shared decoder",
    ("multihead", "maps-shared"): "many heads",
    ("refine-h", "multihead"): "heatmaps shown",
    ("refine-hd", "refine-h"): "and depth maps",
    ("refine-hdr", "refine-hd"): "and refine maps",
    ("refine-hdr-3", "refine-hdr"): "a third stage",
}
ACROSS: Mapping[Pair, str] = {
    ("maps-shared", "pooled-shared"): "maps for averages",
    ("heatmap25d", "afr"): "detection for AFR",
    ("multihead", "heatmap25d"): "JAR for detection",
}
BRANCHES: Mapping[str, Mapping[Pair, str]] = {
    "Where both branches begin": {("fr", None): "all maps at once"},
    "Averages, from FR": AVERAGES,
    "Maps, from FR": MAPS,
    "Across": ACROSS,
}


def variant_pairs() -> dict[str, dict[Pair, str]]:
    """Each variant and the row that it varies, as in ``BRANCHES``."""
    return {"Variants, from the rows they vary": {(name, row.varies): "" for name, row in VARIANTS.items()}}


@dataclass(frozen=True, kw_only=True)
class Rung:
    """One step: a row, the row before it, and what the records say of the two.

    Attributes:
        pair: the row and the one before it.
        change: what the row has and the other has not, in a few words; may be empty.
        values: the row's error with each seed, mm.
        comparison: the row minus the one before over the seeds that both have; None where they share none.
        printed: the paper's difference (ResNet-18 or hourglass, RHD), mm; None where no paper prints both. Not
            comparable in millimetres.
    """

    pair: Pair
    change: str
    values: tuple[float, ...]
    comparison: Comparison | None
    printed: float | None

    @property
    def label(self) -> str:
        """ "ID-2 − ID-1: the maps' average"; a variant has no number in the paper, and a name instead."""
        names = [ROWS[name].table_id if name in ROWS else title(name) for name in self.pair if name]
        return " − ".join(names) + (f": {self.change}" if self.change else "")

    @property
    def finding(self) -> str:
        """ "−1.02, better" (mm, of the first), or a dash; nothing where a branch begins."""
        if self.pair[1] is None:
            return ""
        if self.comparison is None:
            return "–"
        return with_minus(f"{self.comparison.difference:+.2f}, {self.comparison.verdict}")


def climb(
    recorded: Iterable[Mapping[str, Any]],
    branches: Mapping[str, Mapping[Pair, str]] = BRANCHES,
    *,
    measure: str = "epe_mean",
) -> dict[str, list[Rung]]:
    """Every step of the ladder, also those that no record has.

    Args:
        recorded: records of one profile and one network, one a row and seed; of no row too.
        branches: for each heading its pairs.
        measure: which of the records' errors in mm, such as "pa_epe_mean"; the paper prints the mean EPE only.
    """
    recorded = list(recorded)
    by_row = _by_row(recorded)
    spread = recorded_spread(recorded, measure=measure)
    return {
        heading: [_rung(pair, change, by_row, spread, measure) for pair, change in pairs.items()]
        for heading, pairs in branches.items()
    }


def _rung(pair: Pair, change: str, by_row: Mapping[str, Sequence[Mapping]], spread: SeedSpread, measure: str) -> Rung:
    a, b = (by_row.get(name or "", ()) for name in pair)
    shared = {r["seed"] for r in a} & {r["seed"] for r in b}
    return Rung(
        pair=pair,
        change=change,
        values=tuple(record["metrics"][measure] for record in a),
        comparison=compare_recorded(a, b, spread=spread, measure=measure) if shared else None,
        printed=printed_between(*pair) if measure == "epe_mean" else None,
    )


def _by_row(recorded: Iterable[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    by_row: dict[str, list[Mapping[str, Any]]] = {}
    for record in recorded:
        by_row.setdefault(record["row"], []).append(record)
    return by_row


# --- Pairs that a chapter asks for -----------------------------------------------------------------------------------


def own_comparisons(runs: Mapping[str, Sequence[Run]], pairs: Iterable[Pair]) -> dict[Pair, Comparison]:
    """Pairs of rows, compared over the seeds that these runs have of both; a pair without one is left out.

    All share one spread between seeds, pooled over every run given and the records of their profile, so that rows with
    one seed have an interval.

    Args:
        runs: for each row's name its runs, one a seed.
        pairs: names, as in "the first minus the second".
    """
    by_seed = {row: {run.record["seed"]: run for run in members} for row, members in runs.items()}
    spread = seed_spread(run for members in runs.values() for run in members)
    found = {}
    for first, second in pairs:
        a, b = (by_seed.get(name or "", {}) for name in (first, second))
        if seeds := sorted(a.keys() & b.keys()):
            found[first, second] = compare([a[s] for s in seeds], [b[s] for s in seeds], spread=spread)
    return found


MOST_STEPS_LAST = ("quick", "long", "full")
NO_PAIRS = "No seed of these rows and variants is recorded for this version of the code and the pictures."


def recorded_comparisons(pairs: Iterable[Pair]) -> dict[str, list[Comparison]]:
    """Pairs of rows or variants, compared over the seeds that are recorded of both.

    Args:
        pairs: names, as in "the first minus the second".

    Returns:
        For each profile of :data:`MOST_STEPS_LAST` its comparisons; without the profiles and the pairs that have none.
    """
    wanted = {"": dict.fromkeys(pairs, "")}
    found = {}
    for profile in MOST_STEPS_LAST:
        rungs = climb(own_records(profile, rows_and_variants()), wanted)[""]
        found[profile] = [rung.comparison for rung in rungs if rung.comparison]
    return {profile: comparisons for profile, comparisons in found.items() if comparisons}


def recorded_verdicts(found: Mapping[str, Sequence[Comparison]]) -> str:
    """What :func:`recorded_comparisons` gives, in a sentence each, as a Markdown list; empty where that is."""
    return "\n".join(
        f"- Profile {profile}: {verdict(c)}{' One seed says so.' if len(c.seeds) == 1 else ''}"
        for profile, pairs in found.items()
        for c in pairs
    )


def recorded_differences_table(found: Mapping[str, Sequence[Comparison]]) -> Table | None:
    """What :func:`recorded_comparisons` gives, a line per pair and profile; None where that is empty."""
    if not found:
        return None
    lines = [
        [
            f"{title(c.names[0])} − {title(c.names[1])}",
            profile,
            f"{c.difference:+.2f}",
            interval(c),
            str(len(c.seeds)),
            c.verdict,
        ]
        for profile, comparisons in found.items()
        for c in comparisons
    ]
    return table(
        ["difference of EPE", "profile", "mm", "95 % interval", "seeds", "the first is"],
        lines,
        note="Recorded runs. Negative: the first is better. The interval is over seeds, on the evaluation set's hands.",
    )
