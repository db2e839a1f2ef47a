"""A decoder a group of joints: its limits are JAR's own two decoders; between them, loops, gathers and closed forms."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from hand_lib.errors import HandLibError
from hand_lib.experiments.sources import source_hash
from hand_lib.models.catalogue import rows_and_variants
from hand_lib.models.counting import count
from hand_lib.models.decoders import DecoderPerJoint, SharedDecoder
from hand_lib.models.groups.joint_aware import GroupedDecoder
from hand_lib.models.groups.joint_aware_rows import JOINT_AWARE_ROWS, RANDOM_PARTITION
from hand_lib.models.groups.rows import GROUP_ROWS
from hand_lib.models.groups.selectors import (
    ONE_A_FINGER,
    THUMB_INDEX_REST,
    ConcreteSelector,
    FixedSelector,
    StraightThroughSelector,
    dealt,
    partition,
)
from hand_lib.models.rows import MAPS, ROWS, level, level_width, mlp_parameters, projection_parameters
from hand_lib.models.size import NetworkSize
from hand_lib.partitions import adjusted_rand
from hand_lib.skeleton import FINGERS, JOINTS, WRIST

FEATURES, HIDDEN = 10, 6
TINY = NetworkSize(width=8, image_size=32, final_stride=1)
QUICK = NetworkSize(width=16, image_size=64, stem_stride=2, final_stride=1)
SIZES = (QUICK, NetworkSize(width=32, image_size=64, final_stride=1), NetworkSize(), NetworkSize(depth=50))
every_size = pytest.mark.parametrize("size", SIZES, ids=str)
every_row = pytest.mark.parametrize("name", JOINT_AWARE_ROWS)


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def random_weights(module: nn.Module) -> nn.Module:
    """Biases away from zero, in double precision."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_()
    return module.double()


def grouped(selector: nn.Module) -> GroupedDecoder:
    return random_weights(GroupedDecoder(features=FEATURES, hidden=HIDDEN, selector=selector))


def features(batch: int = 3) -> torch.Tensor:
    return torch.randn(batch, 21, FEATURES, dtype=torch.float64)


def alone(decoder: GroupedDecoder, k: int) -> SharedDecoder:
    """The k-th decoder as one that all joints share."""
    shared = SharedDecoder(features=FEATURES, hidden=HIDDEN).double()
    own = {name.replace("transforms", "transform"): tensor for name, tensor in decoder.state_dict().items()}
    shared.load_state_dict({name: tensor[k] for name, tensor in own.items() if name.startswith("transform.")})
    return shared


def partitions() -> st.SearchStrategy[list[int]]:
    """Any partition of 21 joints into numbered groups, none empty."""
    numbers = st.lists(st.integers(0, 20), min_size=21, max_size=21)
    return numbers.map(lambda drawn: [sorted(set(drawn)).index(number) for number in drawn])


# ------------------------------------------------------------------------------------------------------------- limits


@pytest.mark.parametrize("selector", [FixedSelector((0,) * 21), ConcreteSelector(groups=1)], ids=["fixed", "learnt"])
def test_one_group_is_the_shared_decoder(selector):
    decoder, G = grouped(selector).train(), features()
    torch.testing.assert_close(decoder(G), alone(decoder, 0)(G))


@pytest.mark.parametrize("learnt", [False, True])
def test_a_group_a_joint_is_a_decoder_a_joint(learnt):
    """Where they are learnt, θ prefers for each joint its own; the decoders' weights have the same names and shapes."""
    theirs = random_weights(DecoderPerJoint(features=FEATURES, hidden=HIDDEN))
    selector = ConcreteSelector(groups=21) if learnt else FixedSelector(range(21))
    decoder, G = grouped(selector).eval(), features()
    missing, unexpected = decoder.load_state_dict(theirs.state_dict(), strict=False)
    assert unexpected == [] and all(name.startswith("selector.") for name in missing)
    if learnt:
        with torch.no_grad():
            selector.theta.copy_(torch.eye(21))
    torch.testing.assert_close(decoder(G), theirs(G))


def test_decoders_that_agree_are_not_contradicted():
    decoder, G = grouped(ConcreteSelector(groups=4)).train(), features()
    with torch.no_grad():
        for parameter in decoder.transforms.parameters():
            parameter.copy_(parameter[:1].clone().expand_as(parameter))
    torch.testing.assert_close(decoder(G), alone(decoder, 0)(G))


# ------------------------------------------------------------------------------------------------------------ between


@settings(max_examples=25, deadline=None)
@given(group_of_joint=partitions(), batch=st.integers(1, 3))
def test_a_one_hot_selector_is_a_gather(group_of_joint, batch):
    decoder, G = grouped(FixedSelector(group_of_joint)), features(batch)
    assert partition(decoder.selector()) == tuple(group_of_joint)
    expected = torch.stack([alone(decoder, k)(G)[:, joint] for joint, k in enumerate(group_of_joint)], dim=1)
    torch.testing.assert_close(decoder(G), expected)


@settings(max_examples=10, deadline=None)
@given(groups=st.integers(1, 6), temperature=st.floats(0.2, 10), drawn=st.integers(0, 1000))
def test_a_soft_selector_is_a_weighted_mean(groups, temperature, drawn):
    decoder, G = grouped(ConcreteSelector(groups=groups)).train(), features()
    decoder.selector.temperature.fill_(temperature)
    torch.manual_seed(drawn)
    said = decoder(G)
    torch.manual_seed(drawn)
    S = decoder.selector.sample()
    expected = sum(S[:, k, None] * alone(decoder, k)(G) for k in range(groups))
    torch.testing.assert_close(said, expected)


def test_groups_have_no_numbers():
    """Decoders and groups renumbered alike: the same network."""
    decoder, G = grouped(FixedSelector(THUMB_INDEX_REST)), features()
    order = [2, 0, 1]
    other = grouped(FixedSelector([order.index(k) for k in THUMB_INDEX_REST]))
    other.load_state_dict({name: tensor[order] for name, tensor in decoder.state_dict().items()})
    torch.testing.assert_close(other(G), decoder(G))


def test_joints_of_one_group_are_alike_and_of_two_are_not():
    decoder, G = grouped(FixedSelector(ONE_A_FINGER)), features()
    said = decoder(G)
    for a, b in (("index MCP", "index tip"), ("index MCP", "little tip"), ("wrist", "middle DIP")):
        a, b = JOINTS.index(a), JOINTS.index(b)
        swapped = list(range(21))
        swapped[a], swapped[b] = b, a
        follows = torch.allclose(decoder(G[:, swapped]), said[:, swapped])
        assert follows == (ONE_A_FINGER[a] == ONE_A_FINGER[b])


def test_coordinates_are_in_full_precision_under_autocast():
    decoder = GroupedDecoder(features=FEATURES, hidden=HIDDEN, selector=ConcreteSelector(groups=3))
    with torch.autocast("cpu", torch.bfloat16):
        every = decoder.every(torch.randn(2, 21, FEATURES))
    assert every.dtype == torch.float32 and not torch.equal(every, every.bfloat16().float())


# ---------------------------------------------------------------------------------------------------------- gradients


def test_gradients_reach_theta_and_every_decoder_while_samples_are_soft():
    decoder = grouped(ConcreteSelector(groups=4)).train()
    decoder(features()).square().sum().backward()
    theta = decoder.selector.theta.grad
    assert (theta != 0).all()
    torch.testing.assert_close(
        theta.sum(dim=1), torch.zeros(21, dtype=theta.dtype), atol=1e-5 * theta.abs().max(), rtol=0
    )
    for parameter in decoder.transforms.parameters():
        assert (parameter.grad.flatten(1).abs().sum(dim=1) > 0).all()


def test_a_decoder_learns_from_the_joints_of_its_group_alone():
    """The gradient of each is that of a shared decoder that is shown its group and nothing else."""
    decoder, G = grouped(FixedSelector(RANDOM_PARTITION)), features()
    decoder(G).square().sum().backward()
    for k in range(5):
        shared = alone(decoder, k)
        members = [joint for joint, group in enumerate(RANDOM_PARTITION) if group == k]
        shared(G[:, members]).square().sum().backward()
        for name, parameter in shared.named_parameters():
            own = decoder.get_parameter(name.replace("transform", "transforms")).grad[k]
            torch.testing.assert_close(own, parameter.grad)


def test_what_no_joint_chooses_learns_nothing_where_samples_are_one_hot():
    decoder = grouped(StraightThroughSelector(groups=3)).train()
    with torch.no_grad():
        decoder.selector.theta.copy_(torch.tensor([100.0, 100.0, -100.0]))  # further than Gumbel noise ever reaches
    decoder(features()).square().sum().backward()
    reached = decoder.transforms.first.weight.grad.abs().sum(dim=(1, 2)) > 0
    assert reached.tolist() == [True, True, False]


def test_joints_that_read_their_maps_alike_find_one_another():
    """Two kinds of joints, one the mirror of the other, in an order without meaning; features do not tell which."""
    generator = torch.Generator().manual_seed(0)
    kind = torch.randperm(21, generator=generator) % 2
    decoder = GroupedDecoder(features=1, hidden=4, selector=ConcreteSelector(groups=2)).train()
    theta = [decoder.selector.theta]
    adam = torch.optim.Adam(
        [{"params": theta, "lr": 0.1}, {"params": decoder.transforms.parameters(), "lr": 0.01}],
    )
    steps = 400
    for step in range(steps):
        decoder.selector.temperature.fill_(max(5 * (1 - step / steps), 0.1))
        x = torch.randn(16, 21, 1, generator=generator)
        target = (x * (1 - 2 * kind)[:, None]).expand(-1, -1, 3)
        loss = (decoder(x) - target).abs().mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
    assert adjusted_rand(partition(decoder.selector.decided()), kind.tolist()) == 1


# --------------------------------------------------------------------------------------------------------- partitions


def test_a_group_a_finger_divides_the_rest():
    for finger, name in enumerate(FINGERS):
        members = [JOINTS[joint] for joint, group in enumerate(ONE_A_FINGER) if group == finger]
        assert [joint for joint in members if joint != "wrist"] == [joint for joint in JOINTS if joint.startswith(name)]
    assert ONE_A_FINGER[WRIST] == FINGERS.index("middle")
    assert len(set(zip(ONE_A_FINGER, THUMB_INDEX_REST, strict=True))) == 5  # each finger lies in one of the three


@settings(max_examples=25, deadline=None)
@given(group_of_joint=partitions(), seed=st.integers(0, 2**32 - 1))
def test_dealing_keeps_the_sizes_and_follows_the_seed(group_of_joint, seed):
    found = dealt(group_of_joint, seed=seed)
    assert sorted(found) == sorted(group_of_joint)
    assert found == dealt(tuple(group_of_joint), seed=seed)


def test_dealing_is_without_favour():
    """Over many seeds a joint is in each group as often as the group is large."""
    deals = torch.tensor([dealt(ONE_A_FINGER, seed=seed) for seed in range(2000)])
    for group in range(5):
        often = (deals == group).double().mean(dim=0)
        size = ONE_A_FINGER.count(group) / 21
        assert (often - size).abs().max() < 4.5 * (size * (1 - size) / 2000) ** 0.5


def test_the_random_partition_is_what_runs_were_trained_with():
    assert RANDOM_PARTITION == (1, 3, 4, 0, 2, 2, 3, 4, 1, 4, 0, 0, 1, 3, 2, 1, 4, 0, 2, 3, 2)
    for finger in set(ONE_A_FINGER):  # and nothing like a finger
        groups = [RANDOM_PARTITION[joint] for joint in range(21) if ONE_A_FINGER[joint] == finger]
        assert max(map(groups.count, groups)) <= 2


# --------------------------------------------------------------------------------------------------------------- rows


def groups_of(name: str) -> int:
    return int(name.removeprefix("maps-groups-").split("-")[0])


def size_of(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@every_size
@every_row
def test_the_size_in_closed_form_and_at_the_level(name, size):
    groups, cells = groups_of(name), size.grid**2
    hidden = level_width(size, decoders=groups)
    with torch.device("meta"):
        net = JOINT_AWARE_ROWS[name].build(size)
        bounds = [ROWS[row].build(size) for row in ("maps", "maps-shared")]
    head = size_of(net) - size_of(net.backbone)
    theta = 21 * groups if isinstance(net.decoder.selector, ConcreteSelector) else 0
    without = projection_parameters(size.channels, 21 * MAPS) + groups * mlp_parameters(MAPS * cells, hidden, 3)
    assert head == without + theta
    assert head == pytest.approx(level(size), rel=0.05)
    for bound in bounds:
        assert size_of(net) == pytest.approx(size_of(bound), rel=0.02)
        shapes = [{k: v.shape for k, v in of.state_dict().items()} for of in (net.representation, bound.representation)]
        assert shapes[0] == shapes[1]
    assert groups * hidden == pytest.approx(level_width(size, decoders=1), rel=0.05)


@every_row
def test_a_row_costs_what_the_shared_decoder_costs(name):
    """Each of 21 joints goes through K decoders a K-th as wide; a selector has no product to compute."""
    groups = groups_of(name)
    hidden = level_width(QUICK, decoders=groups)
    found, shared = (count(row.build(QUICK), 64) for row in (JOINT_AWARE_ROWS[name], ROWS["maps-shared"]))
    assert found.head_macs - shared.head_macs == 21 * (MAPS * QUICK.grid**2 + 3) * (
        groups * hidden - level_width(QUICK, decoders=1)
    )
    assert found.macs == pytest.approx(shared.macs, rel=0.01)


@every_row
def test_a_row_is_its_composition(name):
    row = JOINT_AWARE_ROWS[name]
    net = row.build(TINY)
    selector = net.decoder.selector
    learnt = name.count("-") == 2
    assert isinstance(selector, ConcreteSelector if learnt else FixedSelector)
    assert selector.groups == groups_of(name)
    assert net.decoder.transforms.first.weight.shape[0] == groups_of(name)
    covered = [{name for name, _ in net.named_parameters() if rate.covers(name)} for rate in row.recipe.rates]
    assert covered == ([{"decoder.selector.theta"}] if learnt else [])
    assert [net.state_dict()[anneal.buffer].item() for anneal in row.recipe.anneals] == ([5.0] if learnt else [])


def test_the_rows_partitions():
    chosen = {
        name: row.build(TINY).decoder.selector.group_of_joint
        for name, row in JOINT_AWARE_ROWS.items()
        if not row.recipe.rates
    }
    assert chosen == {
        "maps-groups-3-manual": THUMB_INDEX_REST,
        "maps-groups-5-manual": ONE_A_FINGER,
        "maps-groups-5-random": RANDOM_PARTITION,
    }


def test_names_titles_and_keys_are_nobody_elses():
    others = {**rows_and_variants(), **GROUP_ROWS}
    others = {name: row for name, row in others.items() if row is not JOINT_AWARE_ROWS.get(name)}
    assert not JOINT_AWARE_ROWS.keys() & others.keys()
    assert all(name == row.name and row.varies == "maps-shared" for name, row in JOINT_AWARE_ROWS.items())
    titles = [row.title for row in [*others.values(), *JOINT_AWARE_ROWS.values()]]
    assert len(set(titles)) == len(titles)
    assert len({source_hash(row, TINY) for row in JOINT_AWARE_ROWS.values()}) == len(JOINT_AWARE_ROWS)


@every_row
def test_evaluation_depends_neither_on_the_batch_nor_on_a_seed(name):
    net = JOINT_AWARE_ROWS[name].build(TINY).eval()
    if isinstance(net.decoder.selector, ConcreteSelector):
        nn.init.normal_(net.decoder.selector.theta)
    images = torch.rand(3, 3, 32, 32)
    with torch.no_grad():
        torch.manual_seed(1)
        together = net(images)
        torch.manual_seed(2)
        torch.testing.assert_close(net(images), together, atol=0, rtol=0)
        apart = torch.cat([net(image[None]) for image in images])
    assert together.shape == (3, 21, 3) and together.isfinite().all()
    torch.testing.assert_close(apart, together, atol=1e-4, rtol=1e-4)


@every_row
def test_a_network_begins_near_zero_and_all_of_it_learns(name):
    net = JOINT_AWARE_ROWS[name].build(TINY).train()
    said = net(torch.rand(4, 3, 32, 32))
    assert said.abs().mean() < 0.5
    (said - 1).abs().sum().backward()
    still = [name for name, p in net.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert not still


def test_another_picture_size_is_one_line():
    net = JOINT_AWARE_ROWS["maps-groups-3"].build(TINY).eval()
    with pytest.raises(HandLibError, match="was it built for another image size"):
        net(torch.rand(1, 3, 64, 64))
