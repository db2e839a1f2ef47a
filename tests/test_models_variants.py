"""The variants: each differs from its row in the one thing that it is there for."""

from __future__ import annotations

import math

import pytest
import torch

from hand_lib.errors import HandLibError
from hand_lib.models.catalogue import rows_and_variants
from hand_lib.models.groups.joint_aware_rows import JOINT_AWARE_ROWS
from hand_lib.models.groups.rows import GROUP_ROWS
from hand_lib.models.rows import HEADS, MAPS, ROWS
from hand_lib.models.size import NetworkSize
from hand_lib.models.variants import VARIANTS, multi_head_row

QUICK = NetworkSize(width=16, image_size=64, stem_stride=2, final_stride=1)
SIZES = (QUICK, NetworkSize(width=32, image_size=64, final_stride=1), NetworkSize(), NetworkSize(depth=50))
every_size = pytest.mark.parametrize("size", SIZES, ids=str)


def on_paper(name: str, size: NetworkSize):
    """A network without data."""
    with torch.device("meta"):
        return rows_and_variants()[name].build(size)


def shapes(net) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in net.state_dict().items()}


def decoder_width(name: str, size: NetworkSize) -> int:
    """Hidden units of one decoder."""
    decoder = on_paper(name, size).decoder
    return (decoder.transform if "shared" in name else decoder.transforms).first.weight.shape[-2]


def test_every_variant_names_its_row_and_is_found_by_its_own_name():
    assert not VARIANTS.keys() & ROWS.keys()
    assert list(rows_and_variants()) == [*ROWS, *VARIANTS, *GROUP_ROWS, *JOINT_AWARE_ROWS]
    for name, variant in VARIANTS.items():
        assert (name, variant.paper) == (variant.name, None)
        assert variant.varies in ROWS and name.startswith(variant.varies.split("-")[0])
    assert all(row.varies is None for row in ROWS.values())
    titles = [row.title for row in rows_and_variants().values()]
    assert len(set(titles)) == len(titles)


@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant_computes(name):
    net = VARIANTS[name].build(NetworkSize(width=8, image_size=32, final_stride=1)).eval()
    said = net(torch.rand(2, 3, 32, 32))
    assert said.shape == (2, 21, 3) and said.isfinite().all()


@every_size
def test_sharing_and_width_are_crossed(size):
    """Three widths, each for 21 decoders and for one: columns differ in sharing alone, lines in width alone."""
    own, shared = ("maps", "maps-middle", "maps-wide"), ("maps-shared-narrow", "maps-shared-middle", "maps-shared")
    widths = [decoder_width(name, size) for name in own]
    assert widths == [decoder_width(name, size) for name in shared]
    narrow, middle, wide = widths
    assert wide / narrow == pytest.approx(21, rel=0.05)
    assert middle == pytest.approx(math.sqrt(narrow * wide), rel=0.01)
    for a, b in zip(own, shared, strict=True):
        first, second = on_paper(a, size), on_paper(b, size)
        decoders = [sum(p.numel() for p in net.decoder.parameters()) for net in (first, second)]
        assert decoders[0] == 21 * decoders[1]
        assert shapes(first.backbone) == shapes(second.backbone)
        assert shapes(first.representation) == shapes(second.representation)


@every_size
def test_the_sweep_of_heads_keeps_the_maps_and_nearly_the_parameters(size):
    row = on_paper("multihead", size)
    for heads, maps in ((1, 64), (2, 32), (4, 16)):
        net = on_paper(f"multihead-{heads}x{maps}", size)
        assert net.decoder.heads == heads
        assert shapes(net.representation) == shapes(row.representation)  # 64 maps a joint
        counts = [sum(p.numel() for p in network.decoder.transforms.first.parameters()) for network in (net, row)]
        assert counts[0] == pytest.approx(counts[1], rel=0.02)


def test_a_sweeps_row_is_the_multi_head_row_but_for_heads_and_maps():
    size = NetworkSize(width=8, image_size=64)
    same, row = multi_head_row(heads=HEADS, maps=MAPS).build(size), ROWS["multihead"].build(size)
    assert shapes(same) == shapes(row)
    other = multi_head_row(heads=2, maps=5)
    assert other.name == "multihead-2x5" and other.name not in rows_and_variants()
    net = other.build(size)
    assert net.decoder.heads == 2 and net.representation.project.conv.out_channels == 21 * 10
    with pytest.raises(HandLibError, match="at least one head"):
        multi_head_row(heads=0, maps=5)


def test_the_blind_second_stage_has_the_rows_layers_but_for_what_reads_the_maps():
    blind, row = on_paper("refine-blind", QUICK), on_paper("refine-hdr", QUICK)
    first, second = shapes(blind), shapes(row)
    assert {name for name in second if first.get(name) != second[name]} == {
        "refinements.0.join.weight",
        *(name for name in second if name.startswith(("refinements.0.maps.", "refinements.0.scales."))),
    }
    assert not blind.refinements[0].maps


@pytest.mark.parametrize(("name", "reached"), [("refine-hdr", False), ("refine-hdr-through", True)])
def test_the_second_loss_reaches_the_first_decoder_only_where_it_is_let_through(name, reached):
    torch.manual_seed(0)
    net = rows_and_variants()[name].build(NetworkSize(width=8, image_size=64, final_stride=1))
    net.stages(torch.rand(2, 3, 64, 64))[1].abs().sum().backward()
    gradients = [p.grad for p in net.decoder.parameters()]
    assert any(g is not None and g.abs().sum() > 0 for g in gradients) == reached
    assert shapes(net) == shapes(ROWS["refine-hdr"].build(NetworkSize(width=8, image_size=64, final_stride=1)))


def test_ten_times_the_logits_and_the_depths_as_they_are():
    torch.manual_seed(0)
    size = NetworkSize(width=8, image_size=32, final_stride=1)
    row, steeper = (rows_and_variants()[name].build(size).eval() for name in ("heatmap25d", "heatmap25d-x10"))
    steeper.load_state_dict(row.state_dict())
    maps = torch.randn(2, 21, 2, 8, 6)
    scaled = maps * torch.tensor([10.0, 1.0]).view(2, 1, 1)
    torch.testing.assert_close(steeper.decoder(maps), row.decoder(scaled))
    flat = maps * torch.tensor([0.0, 1.0]).view(2, 1, 1)  # nothing to make steeper
    torch.testing.assert_close(steeper.decoder(flat), row.decoder(flat))
