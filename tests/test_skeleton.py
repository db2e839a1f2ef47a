"""The skeleton is a tree with the joints the datasets name, in any of their orders."""

from __future__ import annotations

import pytest
import torch

from hand_lib import skeleton
from hand_lib.skeleton import (
    BONES,
    FINGER_COLORS,
    FINGER_OF_JOINT,
    FINGERS,
    HO3D_ORDER,
    JOINT_COLORS,
    JOINTS,
    NUM_JOINTS,
    PARENTS,
    RHD_ORDER,
    ROOT,
    SCALE_BONE,
    STB_ORDER,
    TIPS,
    WRIST,
    WRIST_COLOR,
    bone_lengths,
    from_canonical,
    to_canonical,
)


def finger(name: str) -> list[str]:
    """A finger's joints from base to tip, spelt out here rather than read from the module."""
    middle = ("CMC", "MCP", "IP") if name == "thumb" else ("MCP", "PIP", "DIP")
    return [f"{name} {joint}" for joint in (*middle, "tip")]


# The joints in each dataset's own order, from the datasets' descriptions.
RHD_JOINTS = ["wrist"] + [joint for name in FINGERS for joint in reversed(finger(name))]
STB_JOINTS = ["wrist"] + [joint for name in reversed(FINGERS) for joint in finger(name)]
HO3D_JOINTS = (
    ["wrist"]
    + [joint for name in ("index", "middle", "little", "ring", "thumb") for joint in finger(name)[:3]]
    + [f"{name} tip" for name in FINGERS]
)


def test_twenty_one_joints_with_names_of_their_own():
    assert NUM_JOINTS == len(JOINTS) == len(set(JOINTS)) == 21
    assert list(JOINTS) == ["wrist"] + [joint for name in FINGERS for joint in finger(name)]


def test_named_joints():
    assert JOINTS[WRIST] == "wrist"
    assert JOINTS[ROOT] == "middle MCP"
    assert [JOINTS[i] for i in SCALE_BONE] == ["middle MCP", "middle PIP"]
    assert [JOINTS[i] for i in TIPS] == [f"{name} tip" for name in FINGERS]


def test_bones_are_a_tree_that_hangs_from_the_wrist():
    assert len(BONES) == 20
    for joint in range(NUM_JOINTS):
        path = [joint]
        while path[-1] != WRIST:
            path.append(PARENTS[path[-1]])
            assert len(path) <= 5  # wrist and four joints of a finger: no cycles
        assert {FINGER_OF_JOINT[i] for i in path[:-1]} in (set(), {FINGER_OF_JOINT[joint]})
    has_child = {parent for parent, _ in BONES}
    assert set(range(NUM_JOINTS)) - has_child == set(TIPS)


@pytest.mark.parametrize(
    ("order", "names"),
    [(RHD_ORDER, RHD_JOINTS), (STB_ORDER, STB_JOINTS), (HO3D_ORDER, HO3D_JOINTS)],
    ids=["RHD", "STB", "HO-3D"],
)
def test_orders_take_each_joint_to_its_name(order, names):
    assert [names[i] for i in order] == list(JOINTS)
    theirs = torch.arange(21.0).view(1, 21, 1) * torch.ones(2, 1, 3)
    canonical = to_canonical(theirs, order)
    assert [names[int(i)] for i in canonical[1, :, 2]] == list(JOINTS)
    assert torch.equal(from_canonical(canonical, order), theirs)


def test_ho3d_order_written_out():
    written = [0, 5, 6, 7, 9, 10, 11, 17, 18, 19, 13, 14, 15, 1, 2, 3, 4, 8, 12, 16, 20]
    joints = torch.arange(21.0).view(21, 1)
    assert from_canonical(joints, HO3D_ORDER).flatten().int().tolist() == written


def test_bone_lengths_of_a_stretched_chain():
    # Joint i lies i steps along (1, 2, 2), whose length is 3: a bone is three times the difference of its indices.
    xyz = torch.arange(21.0).view(21, 1) * torch.tensor([1.0, 2.0, 2.0])
    expected = torch.tensor([3.0 * (child - parent) for parent, child in BONES])
    torch.testing.assert_close(bone_lengths(xyz.expand(4, 21, 3)), expected.expand(4, 20))


def luminance(color: str) -> float:
    """Relative luminance as WCAG 2 defines it."""
    channels = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_one_colour_a_finger_seen_on_white_and_on_black():
    assert list(FINGER_COLORS) == list(FINGERS)
    assert len({*FINGER_COLORS.values(), WRIST_COLOR}) == 6
    for joint, color in enumerate(JOINT_COLORS):
        assert color == (WRIST_COLOR if joint == WRIST else FINGER_COLORS[JOINTS[joint].split()[0]])
        on_white, on_black = 1.05 / (luminance(color) + 0.05), (luminance(color) + 0.05) / 0.05
        assert min(on_white, on_black) > 2


def test_all_orders_are_permutations():
    orders = {name: value for name, value in vars(skeleton).items() if name.endswith("_ORDER")}
    assert len(orders) == 3
    for order in orders.values():
        assert sorted(order) == list(range(21))
