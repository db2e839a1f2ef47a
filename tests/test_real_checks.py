"""Sanity checks of real data: silent on sound hands, and one line on those with another order, unit, axis or side."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hand_lib.datasets.real import HO3D, RHD, STB, Annotation, DexterObject, FreiHAND, Hand, Reader, check_sample
from hand_lib.datasets.real.checks import complaints
from hand_lib.datasets.real.imitations import (
    HO3D_LIST,
    RHD_LIST,
    STB_LIST,
    write_dexter,
    write_freihand,
    write_ho3d,
    write_rhd,
    write_stb,
)
from hand_lib.datasets.real.shots import small_studio
from hand_lib.errors import HandLibError, printable

CANONICAL = list(range(21))


def rhd(root: Path, **changed) -> Reader:
    write_rhd(root, count=8, **changed)
    return RHD(root=root, split="training", hands="both")


def stb(root: Path, **changed) -> Reader:
    write_stb(root, count=5, **changed)
    return STB(root=root, split="evaluation")


def stb_palm(root: Path, **changed) -> Reader:
    write_stb(root, count=5, **changed)
    return STB(root=root, split="evaluation", views=("SK color",), wrist=None)


def freihand(root: Path, **changed) -> Reader:
    write_freihand(root, count=12, versions=("gs",), **changed)
    return FreiHAND(root=root, split="training")


def ho3d(root: Path, **changed) -> Reader:
    write_ho3d(root, count=12, **changed)
    return HO3D(root=root, split="training", version=2)


def ho3d_wrist(root: Path, **changed) -> Reader:
    write_ho3d(root, "evaluation", count=8, **changed)
    return HO3D(root=root, split="evaluation", version=2)


def dexter(root: Path, **changed) -> Reader:
    write_dexter(root, count=5, **changed)
    return DexterObject(root=root, sequences=("Grasp1", "Rotate"))


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Callable[..., Reader]:
    """A data set with other annotations beside pictures that are written once."""
    roots: dict[Callable, Path] = {}

    def make_at(make: Callable[..., Reader], **changed) -> Reader:
        known = make in roots
        root = roots.setdefault(make, tmp_path_factory.mktemp(make.__name__))
        return make(root, pictures=not known, **changed)

    return make_at


WHOLE = (rhd, stb, stb_palm, freihand, ho3d)


def said_of(reader: Reader) -> str:
    with pytest.raises(HandLibError) as caught:
        check_sample(reader)
    said = str(caught.value)
    assert reader.name(0) in said and printable(said) == said
    return said


@pytest.mark.parametrize("make", [*WHOLE, ho3d_wrist, dexter])
def test_sound_hands_pass(make, made):
    check_sample(made(make))


@pytest.mark.parametrize(
    ("make", "order"),
    [
        (rhd, CANONICAL),  # fingers from the base on
        (rhd, STB_LIST),
        (stb, CANONICAL),
        (stb, RHD_LIST),
        (stb_palm, CANONICAL),
        (freihand, RHD_LIST),
        (freihand, HO3D_LIST),
        (freihand, STB_LIST),
        (ho3d, CANONICAL),
        (ho3d, [0, *(j for first in (5, 9, 13, 17, 1) for j in range(first, first + 3)), 4, 8, 12, 16, 20]),
    ],
)
def test_another_order_of_joints_is_noticed(make, order, made):
    """The last is the commonest mistake with HO-3D: ring and little finger in the order of their names."""
    assert "order" in said_of(made(make, order=order))


@pytest.mark.parametrize("make", WHOLE)
@pytest.mark.parametrize(
    ("factor", "unit"), [(1e-3, "metres"), (1e3, "micrometres"), (0.1, "centimetres")], ids=lambda value: str(value)
)
def test_another_unit_is_noticed_and_named(make, factor, unit, made):
    if factor == 1e3 and make in (stb, stb_palm):  # so far away that the reader itself refuses it
        with pytest.raises(HandLibError, match="beyond"):
            check_sample(made(make, change=lambda joints: joints * factor))
        return
    assert f"are they {unit}?" in said_of(made(make, change=lambda joints: joints * factor))


@pytest.mark.parametrize("make", WHOLE)
@pytest.mark.parametrize("axis", range(3))
def test_a_flipped_axis_is_noticed(make, axis, made):
    signs = np.ones(3)
    signs[axis] = -1
    said = said_of(made(make, change=lambda joints: joints * signs))
    if axis == 2:
        assert "behind the camera" in said
    else:
        assert "bend as" in said


@pytest.mark.parametrize("make", [*WHOLE, ho3d_wrist])
def test_the_axes_of_opengl_are_noticed(make, made):
    assert "behind the camera" in said_of(made(make, change=lambda joints: joints * [1, -1, -1]))


def test_tips_and_wrists_alone_tell_unit_and_depth(made):
    assert "are they metres?" in said_of(made(dexter, change=lambda joints: joints / 1000))
    assert "behind the camera" in said_of(made(dexter, change=lambda joints: joints * [1, 1, -1]))
    assert "its box" in said_of(made(ho3d_wrist, change=lambda joints: joints * [-1, 1, 1] + [0.2, 0, 0]))


# -------------------------------------------------------------------------------------------- on hands alone, many more


def hands(right: bool, order: list[int] = CANONICAL, signs: tuple[int, int, int] = (1, 1, 1)) -> list[Hand]:
    both = small_studio().hands
    samples = both[both.right == right]
    image = torch.zeros(3, 96, 96, dtype=torch.uint8)
    xyz = samples.xyz[:, order] * torch.tensor(signs)
    pairs = zip(xyz, samples.K, strict=True)
    return [Hand(annotation=Annotation(xyz=one, K=K, right=right), image=image) for one, K in pairs]


@pytest.mark.parametrize("right", [True, False])
def test_every_order_of_fingers_but_the_canonical_is_noticed(right):
    fingers = [CANONICAL[first : first + 4] for first in range(1, 21, 4)]
    assert complaints(hands(right)) == []
    for chosen in itertools.permutations(range(5)):
        order = [0, *(joint for finger in chosen for joint in fingers[finger])]
        assert bool(complaints(hands(right, order))) == (chosen != (0, 1, 2, 3, 4)), chosen


def test_fingers_listed_from_the_tip_are_noticed():
    fingers = [CANONICAL[first : first + 4] for first in range(1, 21, 4)]
    for turned in range(1, 32):
        parts = [finger[::-1] if turned >> i & 1 else finger for i, finger in enumerate(fingers)]
        assert complaints(hands(True, [0, *itertools.chain(*parts)])), f"{turned:05b}"


def test_random_orders_are_noticed():
    dice = random.Random(0)
    for _ in range(60):
        order = dice.sample(CANONICAL, 21)
        assert complaints(hands(dice.random() < 0.5, order)), order


@given(
    right=st.booleans(),
    fingers=st.permutations(range(5)),
    signs=st.tuples(*[st.sampled_from([1, -1])] * 3),
    unit=st.sampled_from([1.0, 1e-3, 0.1, 1e3]),
)
def test_mixtures_of_mistakes_are_noticed(right, fingers, signs, unit):
    """All but one: half a turn about the optical axis makes other hands of hands, which only pixels can contradict."""
    order = [0, *(joint for finger in fingers for joint in range(1 + 4 * finger, 5 + 4 * finger))]
    wrong = [
        replace(hand, annotation=replace(hand.annotation, xyz=hand.annotation.xyz * unit))
        for hand in hands(right, order, signs)
    ]
    if order == CANONICAL and unit == 1.0 and signs in ((1, 1, 1), (-1, -1, 1)):
        assert not [said for said in complaints(wrong) if "project" not in said]
    else:
        assert complaints(wrong)


@pytest.mark.parametrize("right", [True, False])
def test_the_other_side_is_noticed_from_eight_hands_on(right):
    swapped = [replace(hand, annotation=replace(hand.annotation, right=not right)) for hand in hands(right)]
    (said,) = complaints(swapped)
    assert "is an axis mirrored?" in said
    assert complaints(swapped[:7]) == []


def test_a_length_that_is_not_the_bones_is_noticed():
    lengths = [(hand.annotation.xyz[9] - hand.annotation.xyz[10]).norm().item() for hand in hands(True)]
    pairs = list(zip(hands(True), lengths, strict=True))

    def scaled(factor: float) -> list[Hand]:
        return [replace(hand, annotation=replace(hand.annotation, scale=factor * length)) for hand, length in pairs]

    assert complaints(scaled(1.0)) == []
    (said,) = complaints(scaled(8.0))
    assert "is 8 times that of its bone" in said


def test_a_reader_without_hands_is_said():
    class Empty:
        def __len__(self) -> int:
            return 0

    with pytest.raises(HandLibError, match="no hands"):
        check_sample(Empty())


def test_hands_are_looked_at_evenly():
    sound, asked = hands(True), []

    class Long:
        def __len__(self) -> int:
            return 1001

        def name(self, index: int) -> str:
            return str(index)

        def hand(self, index: int) -> Hand:
            asked.append(index)
            return sound[index % 12]

    check_sample(Long(), count=5)
    assert asked == [0, 250, 500, 750, 1000]
