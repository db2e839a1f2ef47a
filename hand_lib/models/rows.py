"""The rows of the papers' tables, each one composition: Y = D(G(F(I))) with another G or D.

**Widths.** JAR's paper prints no layer widths; it says that the rows' parameters are "at the same level", and Table 2
prints parameters and multiply-adds of three rows with ResNet-50 at 256 px. What is built here:

- The *level* is the multi-head row's head: a projection to 21 joints × 8 heads × 8 maps, heads of 512 → 512 → 64,
  fusion of 512 → 512 → 3. With ResNet-50 these are Table 2's 5.4 M parameters and 0.2 G multiply-adds.
- Every other row from FR (ID-1) to the shared maps (ID-6) has one free number, a hidden width, solved so that its head
  comes to that level within 5 %. At equal width, a decoder a joint would have 21 times the shared decoder's
  parameters; at an equal level each joint's decoder is a twenty-first as wide, and the two rows differ in sharing
  alone.
- Two demands exclude each other for bottleneck backbones (ResNet-50 and deeper): Table 2 prints 8.5 M for AFR beside
  5.4 M for JAR, which is not one level. There AFR has the printed size, FR is matched to AFR, and ID-3 to ID-7 share
  the level of 5.4 M. Table 1 is ResNet-18: there all seven rows are level.
- Pooled features (ID-3, ID-4) of the size of one head's maps (8 maps of 8×8: 512 numbers a joint) would need a
  projection to 10,752 channels, more than the level. They get what nine tenths of the level buy.
- The paper says that AFR needs fewer computations and parameters than FR. At one level the parameters are equal, and
  the computations are more: FR's linear layers use every weight once a picture, AFR's projection its own in every cell.
- The paper says that ID-4 and ID-6 have representations of one dimension. At this level they cannot, see above: with
  ResNet-18 at 256 px a joint has 272 numbers there and 512 here.
- Refinement (ID-8 to ID-11) adds parameters, mostly of the further stages' own last blocks, and is matched to nothing.
- A thinner backbone (``width`` below 64) has thinner hidden layers in proportion; heads and maps stay 8 and 8.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from torch import nn

from hand_lib.models.decoders import DecoderPerJoint, HandDecoder, MultiHeadDecoder, SharedDecoder
from hand_lib.models.grid import MapGrid
from hand_lib.models.heatmaps import Deconvolutions, SoftArgmax
from hand_lib.models.network import HandPoseNet, RefinedHandPoseNet
from hand_lib.models.recipe import NOTHING_MORE, Recipe
from hand_lib.models.refinement import DepthMaps, Heatmaps, RefineMaps, Refinement, SplatDepthMaps
from hand_lib.models.representations import FeatureMaps, GlobalAverage, JointMaps, JointPooled
from hand_lib.models.size import NetworkSize
from hand_lib.skeleton import NUM_JOINTS

HEADS = 8  # n of Eq. 4
MAPS = 8  # feature maps a head
# At width 64. Other widths reproduce Table 2's figures too; these are the plainest.
HEAD_HIDDEN = 512
HEAD_OUTPUTS = 64
FUSE_HIDDEN = 512
REFINE_HIDDEN = 512  # T_r's
DECONVOLUTION_FEATURES = 256
# AFR's length of X̄ and hidden width. Along the line of 8.5 M parameters the projection's share is free; at 1344 and
# 4096, two rounder numbers, backbone and head come to 5.52 G, which would not print as Table 2's 5.6.
AVERAGE_FEATURES = 1664
AVERAGE_HIDDEN = 2944


# --- Levels of parameters -------------------------------------------------------------------------------------------


def projection_parameters(channels: int, out_channels: int) -> int:
    """1×1 convolution without bias, and batch normalisation's weight and bias."""
    return channels * out_channels + 2 * out_channels


def mlp_parameters(features: int, hidden: int, outputs: int) -> int:
    """Two linear layers with biases."""
    return hidden * (features + 1 + outputs) + outputs


def level(size: NetworkSize) -> int:
    """Parameters of the multi-head row's head, to which the rows of Table 1 are matched."""
    hidden, outputs, fuse = size.scaled(HEAD_HIDDEN), size.scaled(HEAD_OUTPUTS), size.scaled(FUSE_HIDDEN)
    return (
        projection_parameters(size.channels, NUM_JOINTS * HEADS * MAPS)
        + HEADS * mlp_parameters(MAPS * size.grid**2, hidden, outputs)
        + mlp_parameters(HEADS * outputs, fuse, 3)
    )


def average_level(size: NetworkSize) -> int:
    """Parameters of AFR's and FR's heads: the level, or Table 2's 8.5 M where the backbone is of bottlenecks."""
    if not size.bottleneck:
        return level(size)
    features, hidden = size.scaled(AVERAGE_FEATURES), size.scaled(AVERAGE_HIDDEN)
    return projection_parameters(size.channels, features) + mlp_parameters(features, hidden, NUM_JOINTS * 3)


def hidden_width(parameters: int, *, features: int, outputs: int, count: int = 1) -> int:
    """The hidden width with which ``count`` two-layer MLPs come nearest to ``parameters`` in all."""
    return round_width((parameters / count - outputs) / (features + 1 + outputs))


def round_width(width: float) -> int:
    """A layer's width: a multiple of 8 from 256 on, which runs faster; below they would be coarse."""
    width = max(1, round(width))
    return width if width < 256 else 8 * round(width / 8)


# --- The rows -------------------------------------------------------------------------------------------------------


def fr(size: NetworkSize) -> HandPoseNet:
    """ID-1, feature regression: G = all feature maps, D = one MLP."""
    features = size.channels * size.grid**2
    hidden = hidden_width(average_level(size), features=features, outputs=NUM_JOINTS * 3)
    return HandPoseNet(
        backbone=size.backbone(),
        representation=FeatureMaps(),
        decoder=HandDecoder(features=features, hidden=hidden),
    )


def afr(size: NetworkSize) -> HandPoseNet:
    """ID-2, average feature regression: G = global average, D = one MLP."""
    features = size.scaled(AVERAGE_FEATURES)
    rest = average_level(size) - projection_parameters(size.channels, features)
    return HandPoseNet(
        backbone=size.backbone(),
        representation=GlobalAverage(channels=size.channels, features=features),
        decoder=HandDecoder(features=features, hidden=hidden_width(rest, features=features, outputs=NUM_JOINTS * 3)),
    )


def pooled_features(size: NetworkSize) -> int:
    """d of ID-3 and ID-4: what nine tenths of the level buy of projection, in multiples of 8."""
    return max(8, int(0.9 * level(size) / (NUM_JOINTS * (size.channels + 2))) // 8 * 8)


def pooled(size: NetworkSize) -> HandPoseNet:
    """ID-3: G = joint-specific pooled features, D = a decoder a joint."""
    features = pooled_features(size)
    rest = level(size) - projection_parameters(size.channels, NUM_JOINTS * features)
    return HandPoseNet(
        backbone=size.backbone(),
        representation=JointPooled(channels=size.channels, features=features),
        decoder=DecoderPerJoint(
            features=features, hidden=hidden_width(rest, features=features, outputs=3, count=NUM_JOINTS)
        ),
    )


def pooled_shared(size: NetworkSize) -> HandPoseNet:
    """ID-4: G = joint-specific pooled features, D = one decoder shared by the joints (Eq. 3)."""
    features = pooled_features(size)
    rest = level(size) - projection_parameters(size.channels, NUM_JOINTS * features)
    return HandPoseNet(
        backbone=size.backbone(),
        representation=JointPooled(channels=size.channels, features=features),
        decoder=SharedDecoder(features=features, hidden=hidden_width(rest, features=features, outputs=3)),
    )


def level_width(size: NetworkSize, *, decoders: int) -> int:
    """The hidden width with which so many decoders of one head's maps (21 in ID-5, one in ID-6) are at the level."""
    rest = level(size) - projection_parameters(size.channels, NUM_JOINTS * MAPS)
    return hidden_width(rest, features=MAPS * size.grid**2, outputs=3, count=decoders)


def maps(size: NetworkSize, *, hidden: int | None = None) -> HandPoseNet:
    """ID-5: G = joint-specific feature maps (Eq. 2), as many as one head has, D = a decoder a joint.

    Args:
        size: of the network.
        hidden: width of each decoder's hidden layer; None takes the level's.
    """
    hidden = hidden or level_width(size, decoders=NUM_JOINTS)
    return HandPoseNet(
        backbone=size.backbone(),
        representation=JointMaps(channels=size.channels, maps=MAPS),
        decoder=DecoderPerJoint(features=MAPS * size.grid**2, hidden=hidden),
    )


def maps_shared(size: NetworkSize, *, hidden: int | None = None) -> HandPoseNet:
    """ID-6: G = joint-specific feature maps (Eq. 2), D = one decoder shared by the joints (Eq. 3).

    Args:
        size: of the network.
        hidden: width of the decoder's hidden layer; None takes the level's.
    """
    hidden = hidden or level_width(size, decoders=1)
    return HandPoseNet(
        backbone=size.backbone(),
        representation=JointMaps(channels=size.channels, maps=MAPS),
        decoder=SharedDecoder(features=MAPS * size.grid**2, hidden=hidden),
    )


def joint_maps(size: NetworkSize, heads: int = HEADS, maps: int = MAPS) -> JointMaps:
    """G of ID-7 and on: heads · maps feature maps a joint."""
    return JointMaps(channels=size.channels, maps=heads * maps)


def multi_head_decoder(size: NetworkSize, heads: int = HEADS, maps: int = MAPS) -> MultiHeadDecoder:
    """D of ID-7 and on (Eq. 4)."""
    return MultiHeadDecoder(
        features=heads * maps * size.grid**2,
        heads=heads,
        hidden=size.scaled(HEAD_HIDDEN),
        outputs=size.scaled(HEAD_OUTPUTS),
        fuse_hidden=size.scaled(FUSE_HIDDEN),
    )


def multi_head(size: NetworkSize, *, heads: int = HEADS, maps: int = MAPS) -> HandPoseNet:
    """ID-7: G = joint-specific feature maps (Eq. 2), D = many heads, fused (Eq. 4)."""
    return HandPoseNet(
        backbone=size.backbone(),
        representation=joint_maps(size, heads, maps),
        decoder=multi_head_decoder(size, heads, maps),
    )


def heatmaps(size: NetworkSize, *, detach: bool = True) -> Heatmaps:
    """H of Eq. 6: σ is 1.7 cells of a 16×16 map, the same share of a smaller one, but never less than a cell."""
    grid = size.map_grid(size.middle_stride)
    return Heatmaps(grid=grid, sigma=max(1.0, 1.7 * size.middle_grid / 16), detach=detach)


def depth_maps(size: NetworkSize, *, detach: bool = True) -> DepthMaps:
    """D of Eq. 6: one cell a joint, as printed, on maps of 16×16 and more; bilinear weights on smaller ones."""
    kind = DepthMaps if size.middle_grid >= 16 else SplatDepthMaps
    return kind(grid=size.map_grid(size.middle_stride), detach=detach)


def refine_maps(size: NetworkSize, *, detach: bool = True) -> RefineMaps:
    """R of Eq. 5."""
    return RefineMaps(
        grid=size.map_grid(size.middle_stride),
        features=HEADS * size.scaled(HEAD_OUTPUTS),
        hidden=size.scaled(REFINE_HIDDEN),
        detach=detach,
    )


def refined(size: NetworkSize, *maps: Callable[[NetworkSize], nn.Module], stages: int = 2) -> RefinedHandPoseNet:
    """ID-8 to ID-11: the multi-head row in stages, each further one shown ``maps`` of the one before (Eq. 5–7).

    Args:
        size: of the network.
        maps: of :func:`refine_maps`, :func:`heatmaps`, :func:`depth_maps`; ``partial(heatmaps, detach=False)`` lets the
            gradient through.
        stages: in all, the first included.
    """
    backbone = size.backbone()
    return RefinedHandPoseNet(
        backbone=backbone,
        representation=joint_maps(size),
        decoder=multi_head_decoder(size),
        refinements=[
            Refinement(
                backbone=backbone,
                maps=[draw(size) for draw in maps],
                representation=joint_maps(size),
                decoder=multi_head_decoder(size),
            )
            for _ in range(stages - 1)
        ],
    )


def heatmap_grid(size: NetworkSize) -> MapGrid:
    """Where the rival's maps stand: :class:`Deconvolutions` make eight cells of each of X along either side."""
    return size.map_grid(size.stride // 8)


def heatmap25d(size: NetworkSize) -> HandPoseNet:
    """2.5D of Table 2, the detection rival: G = heatmaps and depth maps, D = soft-argmax."""
    return HandPoseNet(
        backbone=size.backbone(),
        representation=Deconvolutions(channels=size.channels, features=size.scaled(DECONVOLUTION_FEATURES)),
        decoder=SoftArgmax(grid=heatmap_grid(size)),
    )


# --- What the paper prints ------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class PaperFigures:
    """What a paper prints for a row, on its own data. Not comparable with errors on other data.

    Attributes:
        epe: mean end-point error on RHD in millimetres, by depth of the ResNet.
        auc: area under the PCK curve on RHD (ResNet-18).
        params, head_params: millions of parameters with ResNet-50, in all and after the backbone.
        macs, head_macs: 10⁹ multiply-adds (the paper says FLOPs) with ResNet-50 at 256 px, in all and after the
            backbone.
    """

    epe: dict[int, float] = field(default_factory=dict)
    auc: float | None = None
    params: float | None = None
    head_params: float | None = None
    macs: float | None = None
    head_macs: float | None = None

    def mean_error(self, depth: int = 18) -> float | None:
        """The mean end-point error on RHD, mm, with a ResNet of this depth; None where the paper prints none."""
        return self.epe.get(depth)

    def at(self, size: NetworkSize) -> dict[str, float | None]:
        """The figures the paper prints for this size; None for those it prints for another one only."""
        published = size == NetworkSize(depth=size.depth)
        sizes = ("params", "head_params", "macs", "head_macs")
        return {
            **{name: getattr(self, name) if published and size.depth == 50 else None for name in sizes},
            "epe": self.epe.get(size.depth) if published else None,
            "auc": self.auc if published and size.depth == 18 else None,
        }


@dataclass(frozen=True, kw_only=True, eq=False)
class Row:
    """One row of a table, or a variant of one (:mod:`hand_lib.models.variants`).

    Attributes:
        name: as in commands, records and tables.
        title: for people.
        table_id: the row's name in the paper.
        build: makes its network, with random weights.
        paper: what the paper prints for it.
        recipe: what it asks of its training beyond the profile's.
        backbone: the kind of backbone that it brings itself, "hourglass"; None for a profile's ResNet.
        revision: raised whenever a change of code changes what training this row gives (a test notices). Records hold
            it: they outlive a change that leaves the outcome as it was.
        varies: name of the row that this is a variant of; None for a row of a table.
    """

    name: str
    title: str
    table_id: str
    build: Callable[[NetworkSize], nn.Module]
    paper: PaperFigures | None = None
    recipe: Recipe = NOTHING_MORE
    backbone: str | None = None
    revision: int = 1
    varies: str | None = None


ROWS: dict[str, Row] = {
    row.name: row
    for row in (
        Row(
            name="fr",
            title="Feature regression",
            table_id="ID-1",
            build=fr,
            paper=PaperFigures(epe={18: 14.90}, auc=0.918),
        ),
        Row(
            name="afr",
            title="Average feature regression",
            table_id="ID-2",
            build=afr,
            revision=2,
            paper=PaperFigures(
                epe={18: 14.08, 34: 13.38, 50: 12.46, 101: 12.25, 152: 12.14},
                auc=0.927,
                params=32.0,
                head_params=8.5,
                macs=5.6,
                head_macs=0.2,
            ),
        ),
        Row(
            name="pooled",
            title="Joint-specific pooled features, a decoder a joint",
            table_id="ID-3",
            build=pooled,
            revision=2,
            paper=PaperFigures(epe={18: 13.84}, auc=0.938),
        ),
        Row(
            name="pooled-shared",
            title="Joint-specific pooled features, one shared decoder",
            table_id="ID-4",
            build=pooled_shared,
            revision=2,
            paper=PaperFigures(epe={18: 12.53}, auc=0.945),
        ),
        Row(
            name="maps",
            title="Joint-specific feature maps, a decoder a joint",
            table_id="ID-5",
            build=maps,
            paper=PaperFigures(epe={18: 12.21}, auc=0.948),
        ),
        Row(
            name="maps-shared",
            title="Joint-specific feature maps, one shared decoder",
            table_id="ID-6",
            build=maps_shared,
            paper=PaperFigures(epe={18: 12.10}, auc=0.949),
        ),
        Row(
            name="multihead",
            title="Multi-head decoding (JAR, one stage)",
            table_id="ID-7",
            build=multi_head,
            paper=PaperFigures(
                epe={18: 11.68, 34: 10.86, 50: 10.74, 101: 10.40, 152: 10.16},
                auc=0.954,
                params=28.9,
                head_params=5.4,
                macs=5.6,
                head_macs=0.2,
            ),
        ),
        Row(
            name="refine-h",
            title="Refinement with heatmaps, two stages",
            table_id="ID-8",
            build=lambda size: refined(size, heatmaps),
            paper=PaperFigures(epe={18: 11.30}, auc=0.957),
            revision=2,
        ),
        Row(
            name="refine-hd",
            title="Refinement with heatmaps and depth maps, two stages",
            table_id="ID-9",
            build=lambda size: refined(size, heatmaps, depth_maps),
            paper=PaperFigures(epe={18: 11.19}, auc=0.958),
            revision=2,
        ),
        Row(
            name="refine-hdr",
            title="Refinement with heatmaps, depth maps and refine maps, two stages",
            table_id="ID-10",
            build=lambda size: refined(size, refine_maps, heatmaps, depth_maps),
            paper=PaperFigures(epe={18: 10.97}, auc=0.961),
            revision=2,
        ),
        Row(
            name="refine-hdr-3",
            title="The same, three stages",
            table_id="ID-11",
            build=lambda size: refined(size, refine_maps, heatmaps, depth_maps, stages=3),
            paper=PaperFigures(epe={18: 10.87}, auc=0.961),
            revision=2,
        ),
        Row(
            name="heatmap25d",
            title="2.5D detection: heatmaps, depth maps, soft-argmax",
            table_id="2.5D",
            build=heatmap25d,
            paper=PaperFigures(
                epe={18: 11.92, 34: 11.56, 50: 11.43, 101: 11.04, 152: 10.69},
                params=34.0,
                head_params=10.5,
                macs=12.9,
                head_macs=7.6,
            ),
            revision=2,
        ),
    )
}
