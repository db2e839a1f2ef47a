"""The groups paper's Tables 2 and 3 as rows: one group or more, made by hand or learnt, with fusion or without.

Each stands on a ResNet (``groups-…``), beside the book's other rows, with their start and their loss, and on the
paper's own hourglass (``hourglass-…``), with its 2D training beforehand and the loss of Eq. 10.

What the rows ask of their training, beside τ's schedule
(:func:`~hand_lib.models.groups.selectors.temperature_schedule`), is a faster selector and a faster fusion: the paper's
rates of 1e-1 and 1e-2, where all else learns at 1e-3, as it does in the small profiles. The paper's all else has 1e-4.
But a step of Adam's is as long as its rate, and what θ is measured by, Gumbel noise, does not get smaller with the
rate of all else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from hand_lib.models.groups.composition import fusion, groups_on_hourglass, groups_on_resnet, wide_branch
from hand_lib.models.groups.selectors import (
    THUMB_INDEX_REST,
    ConcreteSelector,
    FixedSelector,
    LateSelector,
    StraightThroughSelector,
    late_choice,
    temperature_schedule,
)
from hand_lib.models.network import HandPoseNet
from hand_lib.models.recipe import PartRate, Recipe
from hand_lib.models.rows import PaperFigures, Row
from hand_lib.models.size import NetworkSize

# --- What they ask of their training ---------------------------------------------------------------------------------

SELECTOR_RATE = PartRate(part="decoder.selector", factor=100.0)
FUSION_RATE = PartRate(part="representation.fusion", factor=10.0)
SCHEDULE = temperature_schedule("decoder.selector.temperature")

LEARNT = Recipe(rates=(SELECTOR_RATE,), anneals=(SCHEDULE,))
LEARNT_FUSED = Recipe(rates=(SELECTOR_RATE, FUSION_RATE), anneals=(SCHEDULE,))
FUSED = Recipe(rates=(FUSION_RATE,))
LEARNT_LATE = Recipe(
    rates=(PartRate(part="decoder.selector", factor=30.0),),
    anneals=(SCHEDULE, late_choice("decoder.selector.choosing")),
)

BETA = 20.0  # of Eq. 10
PAPER_SIDE = 256  # px: of the paper's crops

# In Eq. 10 as trained, u and v are pixels of the paper's crop, 255/2 of them a unit of u here, and z is in lengths of
# the scale bone, as here. So |Δu| + |Δv| + β|Δz| there is 255/2 times |Δu| + |Δv| + this times |Δz| here. It is taken
# for crops of any side: what counts is the hand's size in the crop, not the number of pixels.
DEPTH_WEIGHT = 2 * BETA / (PAPER_SIDE - 1)

# --- What they are made of -------------------------------------------------------------------------------------------

Place = Callable[..., HandPoseNet]  # groups_on_resnet or groups_on_hourglass
Build = Callable[[NetworkSize], HandPoseNet]


def learnt(place: Place, groups: int) -> Build:
    """So many groups, learnt (Eq. 8)."""

    def build(size: NetworkSize) -> HandPoseNet:
        return place(size, selector=ConcreteSelector(groups=groups))

    return build


def learnt_fused(place: Place, groups: int) -> Build:
    """So many groups, learnt, with fusion (Eq. 9)."""

    def build(size: NetworkSize) -> HandPoseNet:
        return place(size, selector=ConcreteSelector(groups=groups), fusion=fusion(size, groups=groups))

    return build


def manual(place: Place) -> Build:
    """Thumb, index finger, and all else."""

    def build(size: NetworkSize) -> HandPoseNet:
        return place(size, selector=FixedSelector(THUMB_INDEX_REST))

    return build


def manual_fused(place: Place) -> Build:
    """Thumb, index finger, and all else, with fusion (Eq. 9)."""

    def build(size: NetworkSize) -> HandPoseNet:
        return place(size, selector=FixedSelector(THUMB_INDEX_REST), fusion=fusion(size, groups=3))

    return build


def wide(place: Place, groups: int) -> Build:
    """One group with as many parameters as so many have: what capacity alone gives."""

    def build(size: NetworkSize) -> HandPoseNet:
        return place(size, selector=ConcreteSelector(groups=1), width=wide_branch(size, groups=groups))

    return build


def straight_through(place: Place, groups: int) -> Build:
    """So many groups, learnt with samples that are one-hot in training too."""

    def build(size: NetworkSize) -> HandPoseNet:
        return place(size, selector=StraightThroughSelector(groups=groups))

    return build


def learnt_late(place: Place, groups: int) -> Build:
    """So many groups, learnt, but not before the branches have learnt something."""

    def build(size: NetworkSize) -> HandPoseNet:
        return place(size, selector=LateSelector(groups=groups))

    return build


# --- What the paper prints -------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class GroupFigures(PaperFigures):
    """What Tables 2 and 3 print of a row on RHD. Its network is the hourglass at 256 px; it prints no sizes.

    Attributes:
        mean, median: end-point error in millimetres.
    """

    mean: float
    median: float

    def mean_error(self, depth: int = 18) -> float | None:
        """The mean end-point error on RHD, mm, of the hourglass: the paper has no ResNet, of whatever depth."""
        return self.mean

    def at(self, size: NetworkSize) -> dict[str, float | None]:
        """The figures for the published width and picture, whatever the depth of a ResNet that is not there."""
        published = (size.width, size.image_size) == (64, 256)
        nothing = dict.fromkeys(("params", "head_params", "macs", "head_macs"))
        return {**nothing, "epe": self.mean if published else None, "auc": self.auc if published else None}


PRINTED = {
    "k1": GroupFigures(mean=11.534, median=8.885, auc=0.951),
    "k3-manual": GroupFigures(mean=11.205, median=8.622, auc=0.954),
    "k3-manual-fused": GroupFigures(mean=11.021, median=8.543, auc=0.957),
    "k2": GroupFigures(mean=11.042, median=8.478, auc=0.956),
    "k3": GroupFigures(mean=10.771, median=8.283, auc=0.958),
    "k3-fused": GroupFigures(mean=10.653, median=8.200, auc=0.960),
    "k4": GroupFigures(mean=10.808, median=8.340, auc=0.958),
    "k5": GroupFigures(mean=10.923, median=8.418, auc=0.957),
    "k21": GroupFigures(mean=10.964, median=8.422, auc=0.956),
}

# --- The rows --------------------------------------------------------------------------------------------------------


def rows_on(place: Place, name: str, where: str) -> tuple[Row, ...]:
    """Tables 2 and 3 on one backbone, then what they leave open.

    Args:
        place: :func:`groups_on_resnet` or :func:`groups_on_hourglass`.
        name: what the rows' names begin with.
        where: the same for people.
    """

    own = place is groups_on_hourglass

    def row(short: str, title: str, table_id: str, build: Build, recipe: Recipe, varies: str | None = None) -> Row:
        return Row(
            name=f"{name}-{short}",
            title=f"{title}, {where}",
            table_id=table_id,
            build=build,
            recipe=replace(recipe, depth_weight=DEPTH_WEIGHT) if own else recipe,
            backbone="hourglass" if own else None,
            paper=PRINTED.get(short) if own else None,
            varies=varies and f"{name}-{varies}",
        )

    return (
        row("k1", "One group", "baseline", learnt(place, 1), LEARNT),
        row("k3-manual", "Three groups made by hand", "manual", manual(place), Recipe()),
        row("k3-manual-fused", "Three groups made by hand, fused", "manual, fused", manual_fused(place), FUSED),
        row("k3", "Three learnt groups", "learned", learnt(place, 3), LEARNT),
        row("k3-fused", "Three learnt groups, fused", "learned, fused", learnt_fused(place, 3), LEARNT_FUSED),
        row("k2", "Two learnt groups", "2 groups", learnt(place, 2), LEARNT),
        row("k4", "Four learnt groups", "4 groups", learnt(place, 4), LEARNT),
        row("k5", "Five learnt groups", "5 groups", learnt(place, 5), LEARNT),
        row("k21", "A group a joint at most, learnt", "21 groups", learnt(place, 21), LEARNT),
        row("k1-wide", "One group as large as three", "–", wide(place, 3), LEARNT, varies="k1"),
        row(
            "k3-straight", "Three groups, learnt straight-through", "–", straight_through(place, 3), LEARNT, varies="k3"
        ),
    )


RESNET_ROWS = rows_on(groups_on_resnet, "groups", "on a ResNet")
HOURGLASS_ROWS = rows_on(groups_on_hourglass, "hourglass", "on an hourglass")

EQUATION_10_ON_RESNET = Row(
    name="groups-k3-eq10",
    title="Three learnt groups, the loss of Eq. 10, on a ResNet",
    table_id="–",
    build=learnt(groups_on_resnet, 3),
    recipe=replace(LEARNT, depth_weight=DEPTH_WEIGHT),
    varies="groups-k3",
)

CHOSEN_LATE_ON_RESNET = Row(
    name="groups-k3-late",
    title="Three groups, learnt from the second quarter on, on a ResNet",
    table_id="–",
    build=learnt_late(groups_on_resnet, 3),
    recipe=LEARNT_LATE,
    varies="groups-k3",
)

ON_RESNET_ALONE = (EQUATION_10_ON_RESNET, CHOSEN_LATE_ON_RESNET)
"""What is asked on a ResNet only: its loss against the paper's, and when the groups are chosen."""

GROUP_ROWS: dict[str, Row] = {row.name: row for row in (*RESNET_ROWS, *ON_RESNET_ALONE, *HOURGLASS_ROWS)}

BEYOND_TABLE_2 = frozenset(row.name for row in HOURGLASS_ROWS[5:])
"""What of the hourglass is in Table 3 alone, or in no table: what costs most to train beside what it decides."""
