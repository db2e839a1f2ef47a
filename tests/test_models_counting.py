"""Parameters and multiply-adds: closed forms for the counter, the papers' printed digits for the rows."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from hand_lib.errors import HandLibError
from hand_lib.models.counting import count, multiply_adds, table
from hand_lib.models.rows import ROWS, NetworkSize


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
}


@pytest.mark.parametrize("name", TABLE_2)
def test_table_2_to_the_printed_digit(name):
    with torch.device("meta"):
        counts = count(ROWS[name].build(NetworkSize(depth=50)), 256)
    printed = TABLE_2[name]
    assert round(counts.params / 1e6, 1) == printed["params"]
    assert round(counts.head_params / 1e6, 1) == printed["head_params"]
    assert round(counts.macs / 1e9, 1) == printed["macs"]
    assert round(counts.head_macs / 1e9, 1) == printed["head_macs"]


def test_the_table_has_all_rows_in_order_with_plain_numbers():
    lines = table(depth=18, image_size=64, width=16)
    assert [line["row"] for line in lines] == list(ROWS)
    for line in lines:
        for key in ("params", "head_params", "macs", "head_macs", "head_macs_output_grid"):
            assert type(line[key]) is int and line[key] > 0
        assert 0 < line["head_macs"] <= line["head_macs_output_grid"] < line["macs"] * 10
        assert line["head_params"] < line["params"]


def test_paper_figures_stand_only_beside_the_size_they_were_printed_for():
    published = {line["row"]: line["paper"] for line in table(depth=50)}
    for name, printed in TABLE_2.items():
        assert {key: published[name][key] for key in printed} == printed
    assert published["afr"]["epe"] == 12.46 and published["afr"]["auc"] is None
    resnet18 = {line["row"]: line["paper"] for line in table(depth=18)}
    assert resnet18["fr"] == dict.fromkeys(TABLE_2["afr"]) | {"epe": 14.90, "auc": 0.918}
    for line in table(depth=50, image_size=128) + table(depth=18, width=32):
        assert set(line["paper"].values()) == {None}


def test_an_unknown_backbone_is_refused_in_one_line():
    with pytest.raises(HandLibError, match=r"20.*101, 152, 18, 34, 50"):
        table(depth=20)
