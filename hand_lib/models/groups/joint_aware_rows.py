"""Joint-Aware Regression with a decoder a group of joints: rows between ID-5, a decoder a joint, and ID-6, one for all.

All are at one level of parameters, ID-5's and ID-6's own (:func:`hand_lib.models.rows.level_width`): at this level K
decoders have a K-th of the shared decoder's hidden width each. So from ID-6 over three and five groups to ID-5, fewer
joints share a decoder, and each decoder is narrower. θ comes on top, 21·K numbers. At nearly the width of one of five
decoders :mod:`hand_lib.models.variants` has one for all and one a joint (``maps-shared-middle``, ``maps-middle``).

Learnt groups stand beside groups made by hand, and those beside a partition that means nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from hand_lib.models.groups.joint_aware import GroupedDecoder
from hand_lib.models.groups.rows import LEARNT, Build
from hand_lib.models.groups.selectors import ONE_A_FINGER, THUMB_INDEX_REST, ConcreteSelector, FixedSelector, dealt
from hand_lib.models.network import HandPoseNet
from hand_lib.models.recipe import NOTHING_MORE, Recipe
from hand_lib.models.representations import JointMaps
from hand_lib.models.rows import MAPS, Row, level_width
from hand_lib.models.size import NetworkSize

RANDOM_PARTITION = dealt(ONE_A_FINGER, seed=0)


def maps_groups(size: NetworkSize, *, selector: nn.Module) -> HandPoseNet:
    """G = joint-specific feature maps (Eq. 2 of JAR), as in ID-5 and ID-6, D = a decoder a group.

    Args:
        size: of the network.
        selector: says which group a joint is in, and how many there are.
    """
    hidden = level_width(size, decoders=selector.groups)
    return HandPoseNet(
        backbone=size.backbone(),
        representation=JointMaps(channels=size.channels, maps=MAPS),
        decoder=GroupedDecoder(features=MAPS * size.grid**2, hidden=hidden, selector=selector),
    )


def learnt(groups: int) -> Build:
    """So many groups, learnt."""

    def build(size: NetworkSize) -> HandPoseNet:
        return maps_groups(size, selector=ConcreteSelector(groups=groups))

    return build


def fixed(group_of_joint: Sequence[int]) -> Build:
    """Groups that somebody has chosen."""

    def build(size: NetworkSize) -> HandPoseNet:
        return maps_groups(size, selector=FixedSelector(group_of_joint))

    return build


def joint_aware_row(short: str, title: str, build: Build, recipe: Recipe = NOTHING_MORE) -> Row:
    """A variant of ID-6, the shared decoder."""
    return Row(
        name=f"maps-groups-{short}",
        title=title,
        table_id="–",
        build=build,
        recipe=recipe,
        varies="maps-shared",
    )


JOINT_AWARE_ROWS: dict[str, Row] = {
    row.name: row
    for row in (
        joint_aware_row("3", "A decoder for each of three learnt groups", learnt(3), LEARNT),
        joint_aware_row("3-manual", "A decoder each for thumb, index finger and the rest", fixed(THUMB_INDEX_REST)),
        joint_aware_row("5", "A decoder for each of five learnt groups", learnt(5), LEARNT),
        joint_aware_row("5-manual", "A decoder a finger", fixed(ONE_A_FINGER)),
        joint_aware_row("5-random", "A decoder for each of five groups dealt at random", fixed(RANDOM_PARTITION)),
    )
}
