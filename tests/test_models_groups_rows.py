"""The rows of joint groups: the paper's sizes to the last parameter, what each swaps, and what it asks of training."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from hand_lib.experiments.sources import source_hash
from hand_lib.models.backbone import MIN_WIDTH
from hand_lib.models.catalogue import rows_and_variants
from hand_lib.models.counting import Counts, count
from hand_lib.models.groups.branches import Fusion
from hand_lib.models.groups.rows import BEYOND_TABLE_2, DEPTH_WEIGHT, GROUP_ROWS, PRINTED
from hand_lib.models.groups.selectors import ConcreteSelector, FixedSelector, LateSelector, StraightThroughSelector
from hand_lib.models.rows import ROWS
from hand_lib.models.size import NetworkSize

QUICK = NetworkSize(width=16, image_size=64, stem_stride=2, final_stride=1)
SIZES = {"quick": QUICK, "full": NetworkSize(image_size=128, final_stride=1)}


def counts(name: str, size: NetworkSize) -> Counts:
    return count(GROUP_ROWS[name].build(size), size.image_size)  # with data: without, drawing weights takes seconds


def size_of(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize(
    ("name", "params", "macs"),
    [("k1", 7_146_089, 10.43), ("k3", 7_468_753, 11.23), ("k3-fused", 7_478_257, 11.27)],
)
def test_the_hourglass_is_the_papers_to_the_last_parameter(name, params, macs):
    found = counts(f"hourglass-{name}", NetworkSize())
    assert (found.params, round(found.macs / 1e9, 2)) == (params, macs)


def test_the_sizes_by_hand():
    """θ and the sharpness are a number a joint and group each; fusion is K convolutions of 32·K to 32 channels."""
    names = ("k1", "k3", "k3-fused", "k3-manual", "k21")
    k1, k3, fused, manual, k21 = (size_of(GROUP_ROWS[f"hourglass-{n}"].build(NetworkSize())) for n in names)
    assert k3 - manual == 21 * 3
    assert fused - k3 == 3 * (3 * 32 * 32 + 32 + 2 * 32)
    branch = (k3 - k1) // 2
    assert branch == 161_332 and k1 + 20 * branch == k21
    assert round(100 * (k3 / k1 - 1), 1) == 4.5  # of K = 1's


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("name", ["groups", "hourglass"])
def test_capacity_has_its_own_control(name, size):
    nets = [GROUP_ROWS[f"{name}-{n}"].build(size) for n in ("k1", "k1-wide", "k3")]
    (one, backbone), (wide, same), (three, _) = ([size_of(module) for module in (net, net.backbone)] for net in nets)
    assert wide - same == pytest.approx(three - backbone, rel=0.02) and same == backbone
    assert one < wide


@pytest.mark.slow
def test_multiply_adds_grow_by_a_branch_a_group():
    """Every row's; fusion adds K·32 products a channel and cell, a selector none."""
    for name in ("groups", "hourglass"):
        macs = {row.removeprefix(f"{name}-"): counts(row, QUICK).macs for row in GROUP_ROWS if row.startswith(name)}
        branch, width, cells = macs["k2"] - macs["k1"], 16, 16**2
        for groups in (3, 4, 5, 21):
            assert macs[f"k{groups}"] == macs["k1"] + (groups - 1) * branch
        alike = {macs[short] for short in macs if short.startswith("k3") and not short.endswith("fused")}
        assert alike == {macs["k3"]}
        assert macs["k3-fused"] == macs["k3-manual-fused"] == macs["k3"] + (3 * width) ** 2 * cells
        assert macs["k1"] < macs["k1-wide"] < macs["k3"] * 1.02


def test_names_are_nobody_elses_and_titles_differ():
    known = rows_and_variants()
    assert all(known[name] is row and name == row.name for name, row in GROUP_ROWS.items())
    titles = [row.title for row in known.values()]
    assert len(set(titles)) == len(titles)
    assert all(row.varies is None or row.varies in GROUP_ROWS for row in GROUP_ROWS.values())
    # Both papers' tables on a ResNet, and both backbones alike; the loss and the choice's time on the ResNet alone.
    short = [name.removeprefix("groups-") for name in GROUP_ROWS if name.startswith("groups-")]
    assert [n for n in short if n not in ("k3-eq10", "k3-late")] == [
        n[10:] for n in GROUP_ROWS if n.startswith("hourglass-")
    ]
    assert GROUP_ROWS.keys() > BEYOND_TABLE_2
    assert [n for n in GROUP_ROWS if n.startswith("hourglass-") and n not in BEYOND_TABLE_2] == [
        f"hourglass-{n}" for n in ("k1", "k3-manual", "k3-manual-fused", "k3", "k3-fused")
    ]


def test_the_hourglass_has_the_papers_loss_and_a_resnet_the_books():
    for name, row in GROUP_ROWS.items():
        own = name.startswith("hourglass")
        assert (row.backbone == "hourglass") == own
        assert row.recipe.depth_weight == (DEPTH_WEIGHT if own or name == "groups-k3-eq10" else 1)
    assert GROUP_ROWS["groups-k3-eq10"].recipe == replace(GROUP_ROWS["groups-k3"].recipe, depth_weight=DEPTH_WEIGHT)


@pytest.mark.parametrize("name", GROUP_ROWS)
def test_a_row_is_its_composition(name):
    row = GROUP_ROWS[name]
    net = row.build(NetworkSize(width=8, image_size=32, final_stride=1))
    short = name.split("-", 1)[1]
    selector = net.decoder.selector
    assert selector.groups == int(short.split("-")[0][1:])
    assert isinstance(selector, FixedSelector) == ("manual" in short)
    assert isinstance(selector, StraightThroughSelector) == ("straight" in short)
    assert isinstance(selector, LateSelector) == ("late" in short)
    assert isinstance(net.representation.fusion, Fusion) == ("fused" in short)
    resnet = name.startswith("groups")
    assert (type(net.backbone) is type(NetworkSize().backbone())) == resnet
    said = net.eval()(torch.rand(2, 3, 32, 32))
    assert said.shape == (2, 21, 3) and said.isfinite().all()
    parts = {name for name, _ in net.named_parameters()}
    for rate in row.recipe.rates:
        assert any(rate.covers(part) for part in parts), rate
    for anneal in row.recipe.anneals:
        assert net.state_dict()[anneal.buffer].is_floating_point()
    assert bool(row.recipe.anneals) == isinstance(selector, ConcreteSelector)
    assert any(rate.part.endswith("fusion") for rate in row.recipe.rates) == ("fused" in short)


def test_a_resnet_s_rows_differ_from_one_another_in_the_groups_alone():
    def shapes(name):
        return {k: v.shape for k, v in GROUP_ROWS[name].build(QUICK).state_dict().items() if "branches" not in k}

    one, three = shapes("groups-k1"), shapes("groups-k3")
    differ = {name for name in one if one[name] != three[name]}
    assert one.keys() == three.keys()
    assert all(name.startswith(("decoder.", "representation.heatmaps", "representation.depths")) for name in differ)


def test_a_row_s_code_has_a_key_of_its_own():
    names = ("groups-k3", "groups-k3-fused", "groups-k3-manual", "groups-k3-straight", "groups-k2")
    size = NetworkSize(width=8, image_size=32, final_stride=1)
    assert len({source_hash(GROUP_ROWS[name], size) for name in names}) == len(names)


def test_a_resnet_s_row_starts_from_what_the_others_start_from():
    net = GROUP_ROWS["groups-k3"].build(QUICK)
    weights = ROWS["afr"].build(QUICK).backbone.state_dict()
    net.load_backbone(weights)
    assert all(torch.equal(value, weights[name]) for name, value in net.backbone.state_dict().items())


def test_the_papers_figures():
    """Table 2 falls from row to row; Table 3 has its least at three groups. On the paper's own network alone."""
    order = ("k1", "k3-manual", "k3-manual-fused", "k3", "k3-fused")
    for figure in ("mean", "median"):
        along = [getattr(PRINTED[name], figure) for name in order]
        assert along == sorted(along, reverse=True)
    learnt = {k: PRINTED[f"k{k}"].mean for k in (1, 2, 3, 4, 5, 21)}
    assert min(learnt, key=learnt.get) == 3
    at = GROUP_ROWS["hourglass-k3"].paper.at(NetworkSize(depth=50))
    assert at.keys() == ROWS["afr"].paper.at(NetworkSize()).keys() and (at["epe"], at["auc"]) == (10.771, 0.958)
    assert set(GROUP_ROWS["hourglass-k3"].paper.at(QUICK).values()) == {None}
    assert all(row.paper is None for name, row in GROUP_ROWS.items() if name.startswith("groups"))


@pytest.mark.parametrize("name", ["groups-k1", "groups-k3", "hourglass-k3"])
def test_no_network_has_a_strided_pointwise_convolution_that_thin(name):
    """On processors without AVX-512 torch writes past its memory in one of fewer than 8 channels."""
    net = GROUP_ROWS[name].build(NetworkSize(width=MIN_WIDTH, image_size=64, final_stride=2))
    strided = [
        m for m in net.modules() if isinstance(m, torch.nn.Conv2d) and m.kernel_size == (1, 1) and m.stride > (1, 1)
    ]
    assert strided and all(m.in_channels // m.groups >= 8 for m in strided)
