"""The ledger: what each network is made of, what it costs and how it errs; it grows by a rung a chapter."""

from __future__ import annotations

from hand_lib.experiments import PROFILES
from hand_lib.figures.ladder import recorded, recorded_note, title
from hand_lib.figures.overview import measures
from hand_lib.figures.paper_tables import NOT_RECORDED
from hand_lib.figures.tables import PAPER_EPE, Table, mean_and_spread, together
from hand_lib.models.catalogue import rows_and_variants

# In the order in which the chapters build them.
LEDGER = (
    "fr",
    "afr",
    "pooled",
    "maps",
    "pooled-shared",
    "maps-shared",
    "multihead",
    "refine-h",
    "refine-hd",
    "refine-hdr",
    "refine-hdr-3",
    "heatmap25d",
    "hourglass-k1",
    "groups-k1",
    "groups-k3-manual",
    "groups-k3-manual-fused",
    "hourglass-k3-manual",
    "hourglass-k3-manual-fused",
    "groups-k3",
    "groups-k3-fused",
    "groups-k2",
    "groups-k4",
    "groups-k5",
    "groups-k21",
    "hourglass-k3",
    "hourglass-k3-fused",
    "hourglass-k2",
    "hourglass-k4",
    "hourglass-k5",
    "hourglass-k21",
    "maps-groups-3",
    "maps-groups-3-manual",
    "maps-groups-5",
    "maps-groups-5-manual",
    "maps-groups-5-random",
)
HEADER = (
    "rung",
    "D reads",
    "hidden units",
    "parameters, 10⁶",
    "multiply-adds, 10⁶",
    "EPE, mm",
    "n",
    PAPER_EPE,
)
NEW = "▸ "


def ledger(*own: str) -> Table:
    """All rungs up to those of one chapter, which are marked; errors are recorded ones, mean ± spread over the seeds.

    Sizes and costs are those of the networks whose errors are shown: of the profile with most records of the whole
    ledger, or of ``quick`` where nothing is recorded.

    Args:
        own: names of the rows that the chapter builds; none for the whole of the first paper's ladder, without marks.
    """
    last = max(map(LEDGER.index, own or ("heatmap25d",)))
    rows = LEDGER[: last + 1]
    records = [record for record in recorded(LEDGER) if record["row"] in rows]
    profile = PROFILES[records[0]["profile"] if records else "quick"]
    lines = []
    for name in rows:
        row = rows_and_variants()[name]
        errors = [record["metrics"]["epe_mean"] for record in records if record["row"] == name]
        printed = row.paper.mean_error() if row.paper else None
        label = f"{row.table_id} {title(name)}" if row.table_id.startswith("ID-") else title(name)
        lines.append(
            (
                (NEW if name in own else "") + label,
                *measures(name, profile.network),
                together(mean_and_spread(errors, digits=2)) if errors else NOT_RECORDED,
                str(len(errors)),
                "–" if printed is None else f"{printed:.2f}",
            )
        )
    about = recorded_note(records) if records else f"Networks of the profile {profile.name}."
    return Table(HEADER, tuple(lines), about)
