"""Parameters and multiply-adds: closed forms for the counter, the papers' printed digits for the rows."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from hand_lib.errors import HandLibError
from hand_lib.models.catalogue import rows_and_variants
from hand_lib.models.counting import count, multiply_adds, table
from hand_lib.models.rows import ROWS
from hand_lib.models.size import NetworkSize


def count_layer(layer: nn.Module, *shape: int) -> tuple[int, int]:
    image = torch.rand(1, *shape)
    return multiply_adds(layer, image), multiply_adds(layer, image, output_grid=True)


def test_convolutions_in_closed_form():
    # 5 output channels × 4 inputs a channel × 3·2 kernel, at every cell of the 6×5 output of a 13×8 picture.
    layer = nn.Conv2d(8, 10, (3, 2), stride=2, groups=2, padding=(0, 1))
    macs = 10 * 4 * 3 * 2 * 6 * 5
    assert count_layer(layer, 8, 13, 8) == (macs, macs)


def test_transposed_convolutions_on_either_grid():
    layer = nn.ConvTranspose2d(3, 7, 4, stride=2, padding=1)
    assert count_layer(layer, 3, 5, 6) == (3 * 7 * 16 * 5 * 6, 3 * 7 * 16 * 10 * 12)


def test_a_transposed_convolution_really_computes_the_smaller_number():
    # Every product of the computation once: with all weights and inputs one, an output is the number of products in it.
    layer = nn.ConvTranspose2d(3, 7, 4, stride=2, padding=0, bias=False)
    nn.init.ones_(layer.weight)
    products = layer(torch.ones(1, 3, 5, 6)).sum().item()
    assert count_layer(layer, 3, 5, 6)[0] == products


def test_linear_and_batched_products_count_one_for_each_product():
    class Products(nn.Module):
        def forward(self, x):
            return torch.baddbmm(torch.zeros(4, 1, 5), x, torch.ones(4, 3, 5)) @ torch.ones(5, 2)

    assert count_layer(nn.Linear(6, 11), 6)[0] == 6 * 11
    x = torch.rand(4, 2, 3)
    assert multiply_adds(Products(), x) == 4 * 2 * 3 * 5 + 4 * 2 * 5 * 2


def test_counting_leaves_the_network_as_it_was():
    model = ROWS["afr"].build(NetworkSize(width=8, image_size=64))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    counts = count(model, 64)
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert counts.params == sum(p.numel() for p in model.parameters())
    assert counts.params - counts.head_params == sum(p.numel() for p in model.backbone.parameters())
    assert counts.macs - counts.head_macs == multiply_adds(model.backbone, torch.rand(1, 3, 64, 64))


# Table 2 of the paper: millions of parameters and 10⁹ multiply-adds with ResNet-50 at 256 px, (after the backbone).
TABLE_2 = {
    "afr": {"params": 32.0, "head_params": 8.5, "macs": 5.6, "head_macs": 0.2},
    "multihead": {"params": 28.9, "head_params": 5.4, "macs": 5.6, "head_macs": 0.2},
    "heatmap25d": {"params": 34.0, "head_params": 10.5, "macs": 12.9, "head_macs": 7.6},
}


@pytest.mark.parametrize("name", TABLE_2)
def test_table_2_to_the_printed_digit(name):
    with torch.device("meta"):
        counts = count(ROWS[name].build(NetworkSize(depth=50)), 256)
    printed = TABLE_2[name]
    assert round(counts.params / 1e6, 1) == printed["params"]
    assert round(counts.head_params / 1e6, 1) == printed["head_params"]
    # The paper's are those of counters that charge a transposed convolution for its output grid.
    backbone_macs = counts.macs - counts.head_macs
    assert round((backbone_macs + counts.head_macs_output_grid) / 1e9, 1) == printed["macs"]
    assert round(counts.head_macs_output_grid / 1e9, 1) == printed["head_macs"]
    if name == "heatmap25d":  # really computed: a quarter, but for the last 1×1 convolution
        assert (round(counts.macs / 1e9, 1), round(counts.head_macs / 1e9, 1)) == (7.3, 1.9)
    else:
        assert counts.head_macs == counts.head_macs_output_grid


def test_the_detection_heads_multiply_adds_by_hand():
    with torch.device("meta"):
        counts = count(ROWS["heatmap25d"].build(NetworkSize(depth=50)), 256)
    first = 2048 * 256 * 4 * 4 * 8 * 8  # input cells: 8×8, 16×16, 32×32
    second, third = 256 * 256 * 4 * 4 * 16 * 16, 256 * 256 * 4 * 4 * 32 * 32
    last = 256 * 42 * 64 * 64
    assert counts.head_macs == first + second + third + last
    assert counts.head_macs_output_grid == 4 * (first + second + third) + last


def test_jars_multiply_adds_by_hand():
    with torch.device("meta"):
        counts = count(ROWS["multihead"].build(NetworkSize(depth=50)), 256)
    projection = 2048 * 1344 * 8 * 8
    heads = 21 * 8 * (512 * 512 + 512 * 64)
    fusion = 21 * (512 * 512 + 512 * 3)
    assert counts.head_macs == projection + heads + fusion


def test_the_head_of_a_refined_network_has_the_further_stages_last_blocks():
    with torch.device("meta"):
        model = ROWS["refine-hdr-3"].build(NetworkSize())
    counts, plain = count(model, 256), count(ROWS["multihead"].build(NetworkSize(image_size=256)), 256)
    assert counts.params - counts.head_params == plain.params - plain.head_params
    block = sum(p.numel() for p in model.backbone.layer4.parameters())
    assert counts.head_params > 3 * plain.head_params + 2 * block
    middle = torch.empty(1, 256, 16, 16, device="meta")
    assert counts.head_macs > 3 * plain.head_macs + 2 * multiply_adds(model.backbone.layer4, middle)


def test_the_table_has_all_rows_in_order_with_plain_numbers():
    lines = table(depth=18, image_size=64, width=16)
    assert [line["row"] for line in lines] == list(rows_and_variants())
    for line in lines:
        for key in ("params", "head_params", "macs", "head_macs", "head_macs_output_grid"):
            assert type(line[key]) is int and line[key] > 0
        assert 0 < line["head_macs"] <= line["head_macs_output_grid"] < line["macs"] * 10
        assert line["head_params"] < line["params"]
        if rows_and_variants()[line["row"]].paper is not None:
            assert set(line["paper"]) == {"params", "head_params", "macs", "head_macs", "epe", "auc"}
        else:
            assert line["paper"] is None


def test_paper_figures_stand_only_beside_the_size_they_were_printed_for():
    for name, printed in TABLE_2.items():
        published = ROWS[name].paper.at(NetworkSize(depth=50))
        assert {key: published[key] for key in printed} == printed
    assert ROWS["afr"].paper.at(NetworkSize(depth=50)) == TABLE_2["afr"] | {"epe": 12.46, "auc": None}
    assert ROWS["fr"].paper.at(NetworkSize()) == dict.fromkeys(TABLE_2["afr"]) | {"epe": 14.90, "auc": 0.918}
    for other in (NetworkSize(depth=50, image_size=128), NetworkSize(width=32), NetworkSize(final_stride=1)):
        assert set(ROWS["afr"].paper.at(other).values()) == {None}


def test_an_unknown_backbone_is_refused_in_one_line():
    with pytest.raises(HandLibError, match=r"20.*101, 152, 18, 34, 50"):
        table(depth=20)
