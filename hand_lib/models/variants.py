"""Variants of the rows: networks that stand in no table, and that decide what a table leaves open.

A row of a table often differs from the row before in more than one thing. Each variant here changes one thing alone.
They are trained, recorded and found by name like the rows themselves (``python -m hand_lib train NAME``).
"""

from __future__ import annotations

import math
from functools import partial

from hand_lib.errors import HandLibError
from hand_lib.models.heatmaps import SharpSoftArgmax, SoftArgmax
from hand_lib.models.network import HandPoseNet, RefinedHandPoseNet
from hand_lib.models.rows import (
    Row,
    depth_maps,
    heatmap25d,
    heatmap_grid,
    heatmaps,
    level_width,
    maps,
    maps_shared,
    multi_head,
    refine_maps,
    refined,
    round_width,
)
from hand_lib.models.size import NetworkSize
from hand_lib.skeleton import NUM_JOINTS

# --- Refinement: what do the maps give, and what does the detach? ----------------------------------------------------


def refine_blind(size: NetworkSize) -> RefinedHandPoseNet:
    """Two stages, of which the second is shown no maps: F⁰ and nothing else. What it gains no map has given."""
    return refined(size)


def refine_hdr_through(size: NetworkSize) -> RefinedHandPoseNet:
    """ID-10 without *detach*: the second stage's loss goes through the maps on into the first stage."""
    return refined(size, *(partial(kind, detach=False) for kind in (refine_maps, heatmaps, depth_maps)))


# --- The shared decoder: sharing or width? ---------------------------------------------------------------------------
# At one level of parameters the shared decoder is 21 times as wide as each of the 21. So each of the two rows is also
# built with the other's hidden width, and both with the width between: two decoders by three widths.


def middle_width(size: NetworkSize) -> int:
    """The hidden width half-way between ID-5's and ID-6's, as a ratio."""
    return round_width(math.sqrt(level_width(size, decoders=NUM_JOINTS) * level_width(size, decoders=1)))


def maps_middle(size: NetworkSize) -> HandPoseNet:
    """ID-5 with 21 decoders of :func:`middle_width`."""
    return maps(size, hidden=middle_width(size))


def maps_wide(size: NetworkSize) -> HandPoseNet:
    """ID-5 with 21 decoders, each as wide as ID-6's one: 21 times its parameters."""
    return maps(size, hidden=level_width(size, decoders=1))


def maps_shared_narrow(size: NetworkSize) -> HandPoseNet:
    """ID-6 with a decoder no wider than one of ID-5's 21: a twenty-first of their parameters."""
    return maps_shared(size, hidden=level_width(size, decoders=NUM_JOINTS))


def maps_shared_middle(size: NetworkSize) -> HandPoseNet:
    """ID-6 with a decoder of :func:`middle_width`."""
    return maps_shared(size, hidden=middle_width(size))


# --- Many heads: heads or maps? --------------------------------------------------------------------------------------


def multi_head_row(*, heads: int, maps: int) -> Row:
    """ID-7 with another number of heads or of maps a head, the rest as it is.

    Its head has as many parameters as it needs: no level. With as many maps a joint as the row has, they differ little.

    Raises:
        HandLibError: for less than one head or map.
    """
    if heads < 1 or maps < 1:
        raise HandLibError(f"a multi-head decoder has at least one head of one map, not {heads} of {maps}")

    def build(size: NetworkSize) -> HandPoseNet:
        return multi_head(size, heads=heads, maps=maps)

    name, title = f"multihead-{heads}x{maps}", f"Multi-head decoding, heads: {heads}, maps a head: {maps}"
    return Row(name=name, title=title, table_id="–", build=build, varies="multihead")


# --- The rival: a fairer start ---------------------------------------------------------------------------------------


def heatmap25d_x10(size: NetworkSize) -> HandPoseNet:
    """2.5D with ten times the logits, so heatmaps that start ten times less flat; the depth maps stay as they are."""
    network = heatmap25d(size)
    network.decoder = SoftArgmax(grid=heatmap_grid(size), beta=10.0)
    return network


def heatmap25d_sharp(size: NetworkSize) -> HandPoseNet:
    """2.5D whose soft-argmax learns how sharp it is, joint by joint, from ten times the logits on."""
    network = heatmap25d(size)
    network.decoder = SharpSoftArgmax(grid=heatmap_grid(size))
    return network


VARIANTS: dict[str, Row] = {
    variant.name: variant
    for variant in (
        Row(
            name="maps-shared-narrow",
            title="One shared decoder, as narrow as each of the 21",
            table_id="–",
            build=maps_shared_narrow,
            varies="maps-shared",
        ),
        Row(
            name="maps-shared-middle",
            title="One shared decoder, of the width between",
            table_id="–",
            build=maps_shared_middle,
            varies="maps-shared",
        ),
        Row(
            name="maps-middle",
            title="A decoder a joint, each of the width between",
            table_id="–",
            build=maps_middle,
            varies="maps",
        ),
        Row(
            name="maps-wide",
            title="A decoder a joint, each as wide as the shared one",
            table_id="–",
            build=maps_wide,
            varies="maps",
        ),
        multi_head_row(heads=1, maps=64),
        multi_head_row(heads=2, maps=32),
        multi_head_row(heads=4, maps=16),
        Row(
            name="refine-blind",
            title="Two stages, the second shown no maps",
            table_id="–",
            build=refine_blind,
            varies="refine-hdr",
        ),
        Row(
            name="refine-hdr-through",
            title="Refinement with all maps, gradients let through",
            table_id="–",
            build=refine_hdr_through,
            varies="refine-hdr",
            revision=2,
        ),
        Row(
            name="heatmap25d-x10",
            title="2.5D detection, logits × 10",
            table_id="–",
            build=heatmap25d_x10,
            varies="heatmap25d",
            revision=2,
        ),
        Row(
            name="heatmap25d-sharp",
            title="2.5D detection, sharpness learnt",
            table_id="–",
            build=heatmap25d_sharp,
            varies="heatmap25d",
        ),
    )
}
