"""The rows: their order, what each swaps, and that their parameters are at one level."""

from __future__ import annotations

import pytest
import torch

from hand_lib.errors import HandLibError
from hand_lib.models.backbone import LAYOUTS, MIN_WIDTH
from hand_lib.models.catalogue import rows_and_variants
from hand_lib.models.decoders import DecoderPerJoint, HandDecoder, MultiHeadDecoder, SharedDecoder
from hand_lib.models.heatmaps import Deconvolutions, SoftArgmax
from hand_lib.models.network import RefinedHandPoseNet
from hand_lib.models.refinement import DepthMaps, Heatmaps, RefineMaps, SplatDepthMaps
from hand_lib.models.representations import FeatureMaps, GlobalAverage, JointMaps, JointPooled
from hand_lib.models.rows import HEADS, MAPS, ROWS, hidden_width, level, multi_head
from hand_lib.models.size import NetworkSize

COMPOSITIONS = {
    "fr": (FeatureMaps, HandDecoder),
    "afr": (GlobalAverage, HandDecoder),
    "pooled": (JointPooled, DecoderPerJoint),
    "pooled-shared": (JointPooled, SharedDecoder),
    "maps": (JointMaps, DecoderPerJoint),
    "maps-shared": (JointMaps, SharedDecoder),
    "multihead": (JointMaps, MultiHeadDecoder),
    "refine-h": (JointMaps, MultiHeadDecoder),
    "refine-hd": (JointMaps, MultiHeadDecoder),
    "refine-hdr": (JointMaps, MultiHeadDecoder),
    "refine-hdr-3": (JointMaps, MultiHeadDecoder),
    "heatmap25d": (Deconvolutions, SoftArgmax),
}
SINGLE_STAGE = ("fr", "afr", "pooled", "pooled-shared", "maps", "maps-shared", "multihead")

# The sizes of the book's profiles, the paper's, and some between.
SIZES = (
    NetworkSize(width=16, image_size=64, stem_stride=2, final_stride=1),
    NetworkSize(width=16, image_size=64, final_stride=1),
    NetworkSize(width=32, image_size=64, final_stride=1),
    NetworkSize(image_size=128, final_stride=1),
    NetworkSize(),
    NetworkSize(depth=34),
    NetworkSize(final_stride=1),
    NetworkSize(width=32, image_size=128),
)


def on_paper(name: str, size: NetworkSize):
    """A row's network without data."""
    with torch.device("meta"):
        return ROWS[name].build(size)


def head_parameters(net) -> int:
    return sum(p.numel() for part in (net.representation, net.decoder) for p in part.parameters())


def test_the_papers_rows_come_in_its_order_under_their_names():
    first_paper = [name for name, row in ROWS.items() if name in COMPOSITIONS]
    assert first_paper == list(COMPOSITIONS)
    assert [ROWS[name].table_id for name in first_paper] == [f"ID-{i}" for i in range(1, 12)] + ["2.5D"]
    assert all(name == row.name and row.title for name, row in ROWS.items())


@pytest.mark.parametrize("name", COMPOSITIONS)
def test_a_row_is_its_composition(name):
    net = on_paper(name, NetworkSize(width=8))
    assert (type(net.representation), type(net.decoder)) == COMPOSITIONS[name]


def test_refined_rows_differ_in_their_maps_and_stages():
    def drawn(name, size):
        net = on_paper(name, size)
        assert isinstance(net, RefinedHandPoseNet)
        return [[type(m) for m in stage.maps] for stage in net.refinements]

    large, small = NetworkSize(width=8), NetworkSize(width=8, image_size=64)
    assert drawn("refine-h", large) == [[Heatmaps]]
    assert drawn("refine-hd", large) == [[Heatmaps, DepthMaps]]
    assert drawn("refine-hdr", large) == [[RefineMaps, Heatmaps, DepthMaps]]
    assert drawn("refine-hdr-3", large) == [[RefineMaps, Heatmaps, DepthMaps]] * 2
    assert drawn("refine-hdr", small) == [[RefineMaps, Heatmaps, SplatDepthMaps]]
    assert on_paper("refine-h", large).refinements[0].maps[0].sigma == pytest.approx(1.7)
    assert on_paper("refine-h", small).refinements[0].maps[0].sigma == 1.0
    for name in ("refine-h", "refine-hd", "refine-hdr", "refine-hdr-3"):
        assert all(m.detach for stage in on_paper(name, large).refinements for m in stage.maps)


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_parameters_of_table_1_are_at_one_level(size):
    heads = {name: head_parameters(on_paper(name, size)) for name in SINGLE_STAGE}
    assert max(heads.values()) <= 1.05 * min(heads.values()), heads
    assert heads["multihead"] == level(size)


@pytest.mark.parametrize("depth", [50, 152])
def test_with_bottlenecks_there_are_two_levels_as_table_2_has_it(depth):
    heads = {name: head_parameters(on_paper(name, NetworkSize(depth=depth))) for name in SINGLE_STAGE}
    averages, joints = [heads.pop(name) for name in ("fr", "afr")], list(heads.values())
    assert max(averages) <= 1.05 * min(averages) and max(joints) <= 1.05 * min(joints)
    assert round(max(averages) / 1e6, 1) == 8.5 and round(max(joints) / 1e6, 1) == 5.4


def test_sharing_alone_differs_between_the_paired_rows():
    for unshared, shared in (("pooled", "pooled-shared"), ("maps", "maps-shared")):
        a, b = on_paper(unshared, NetworkSize()), on_paper(shared, NetworkSize())
        shapes = [{k: v.shape for k, v in net.representation.state_dict().items()} for net in (a, b)]
        assert shapes[0] == shapes[1]
        narrow, wide = a.decoder.transforms.first.weight.shape[1], b.decoder.transform.first.weight.shape[0]
        assert wide / narrow == pytest.approx(21, rel=0.05)


def test_the_multi_head_row_has_eight_heads_of_eight_maps_and_can_have_others():
    assert (HEADS, MAPS) == (8, 8)
    size = NetworkSize()
    net = multi_head(size)
    assert net.decoder.heads == 8 and net.representation.project.conv.out_channels == 21 * 64
    tiny = NetworkSize(width=8, image_size=64)
    for heads, maps in ((1, 8), (4, 2), (3, 5)):
        net = multi_head(tiny, heads=heads, maps=maps)
        assert net.representation.project.conv.out_channels == 21 * heads * maps
        assert net(torch.rand(2, 3, 64, 64)).shape == (2, 21, 3)


def test_a_hidden_width_solves_for_its_parameters():
    for parameters, features, outputs, times in ((3_000_000, 512, 3, 1), (3_000_000, 512, 3, 21), (90_000, 70, 63, 1)):
        hidden = hidden_width(parameters, features=features, outputs=outputs, count=times)
        built = times * (hidden * features + hidden + hidden * outputs + outputs)
        assert built == pytest.approx(parameters, rel=0.02)


@pytest.mark.parametrize("depth", [18, 50])
@pytest.mark.parametrize(("side", "stride"), [(64, 1), (64, 2), (256, 2), (224, 2), (100, 2), (130, 1)])
def test_sizes_foretell_the_backbones_shapes(depth, side, stride):
    size = NetworkSize(depth=depth, width=8, image_size=side, final_stride=stride)
    with torch.device("meta"):
        backbone = size.backbone()
        middle, last = backbone.middle_and_last(torch.empty(1, 3, side, side))
    assert middle.shape[2:] == (size.middle_grid,) * 2
    assert last.shape[1:] == (size.channels, size.grid, size.grid)


def test_the_papers_figures_fall_down_table_1_and_along_table_2():
    epe = [row.paper.epe[18] for row in ROWS.values() if row.table_id.startswith("ID-")]
    auc = [row.paper.auc for row in ROWS.values() if row.table_id.startswith("ID-")]
    assert epe == sorted(epe, reverse=True) and auc == sorted(auc)
    # Table 1's last column: what is gained over ID-1.
    gains = [0, 0.82, 1.06, 2.37, 2.69, 2.80, 3.22, 3.60, 3.71, 3.93, 4.03]
    assert [round(epe[0] - value, 2) for value in epe] == gains
    for name in ("afr", "multihead", "heatmap25d"):
        along = list(ROWS[name].paper.epe.values())
        assert list(ROWS[name].paper.epe) == list(LAYOUTS) and along == sorted(along, reverse=True)


@pytest.mark.parametrize("argument", [{"depth": 19}, {"image_size": 16}])
def test_impossible_sizes_are_refused_in_one_line(argument):
    with pytest.raises(HandLibError) as error:
        NetworkSize(**argument)
    assert "\n" not in str(error.value) and str(next(iter(argument.values()))) in str(error.value)


@pytest.mark.parametrize("depth", [18, 50])
@pytest.mark.parametrize("row", rows_and_variants())
def test_no_network_has_a_strided_pointwise_convolution_that_thin(row, depth):
    """On processors without AVX-512 torch writes past its memory in one of fewer than 8 channels."""
    net = rows_and_variants()[row].build(NetworkSize(depth=depth, width=MIN_WIDTH, image_size=64, final_stride=2))
    strided = [
        m for m in net.modules() if isinstance(m, torch.nn.Conv2d) and m.kernel_size == (1, 1) and m.stride > (1, 1)
    ]
    assert strided and all(m.in_channels >= 8 for m in strided)
