"""A hand cut out of its picture lacks nothing that a training could have seen; what is known of it moves along."""

from __future__ import annotations

from dataclasses import replace
from math import pi
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hand_lib.camera import crop_transform, inverse, project, transform_points
from hand_lib.datasets.augmentation import GENTLE, GROUPS, JAR, NO_AUGMENTATION, Augmentation, crop
from hand_lib.datasets.real import RHD, Annotation, FreiHAND, Hand, to_samples
from hand_lib.datasets.real.cut_outs import CutOut, cut
from hand_lib.datasets.real.imitations import write_freihand, write_rhd
from hand_lib.errors import HandLibError
from hand_lib.evaluation import predict_constant
from hand_lib.samples import Samples

KNOWN = (NO_AUGMENTATION, GENTLE, JAR, GROUPS)


@st.composite
def augmentations(draw) -> Augmentation:
    low = draw(st.floats(0.5, 1.5))
    return Augmentation(
        scale=(low, low * draw(st.floats(1.0, 2.0))),
        rotation_degrees=draw(st.floats(0.0, 180.0)),
        translation_px=draw(st.floats(0.0, 60.0)),
    )


def crops_of(how: CutOut, zoom: float, turn: float, shift: tuple[float, float], mirror: bool) -> torch.Tensor:
    """The matrix of a crop of a cut-out whose random numbers, in [−1, 1], were these; as `crop` makes it."""
    low, high = how.augmentation.scale
    plain = how.size / how.reach
    return crop_transform(
        torch.full((2,), (how.size - 1) / 2, dtype=torch.float64),
        plain * (0.5 * (1 / low + 1 / high) + 0.5 * (1 / low - 1 / high) * zoom),
        how.image_size,
        rotation=how.augmentation.rotation_degrees * pi / 180 * turn,
        translation=how.augmentation.translation_px * how.image_size / 256 * torch.tensor(shift, dtype=torch.float64),
        mirror=mirror,
    )


def farthest(how: CutOut, A: torch.Tensor) -> float:
    """How far from the cut-out's middle the crop looks, in pixels of the cut-out, to either side."""
    n = how.image_size - 1
    corners = torch.tensor([[0.0, 0.0], [0.0, n], [n, 0.0], [n, n]], dtype=torch.float64)
    step = (A[0, 0] * A[1, 1] - A[0, 1] * A[1, 0]).abs().rsqrt()
    looked_at = transform_points(inverse(A), corners) - (how.size - 1) / 2
    return float(looked_at.abs().max() + 1.5 * (step + 1e-3).floor().clamp(min=1))


@given(
    augmentation=st.sampled_from(KNOWN) | augmentations(),
    image_size=st.sampled_from([16, 64, 128, 256]),
    draws=st.lists(st.floats(-1, 1), min_size=4, max_size=4),
    mirror=st.booleans(),
)
def test_no_crop_looks_beyond_the_cut_out(augmentation, image_size, draws, mirror):
    how = CutOut(image_size=image_size, augmentation=augmentation)
    for zoom, turn in ((draws[0], draws[1]), (1.0, draws[1]), (1.0, 1.0), (-1.0, 1.0)):
        for shift in ((draws[2], draws[3]), (1.0, 1.0), (-1.0, 1.0)):
            assert farthest(how, crops_of(how, zoom, turn, shift, mirror)) <= how.size / 2


@pytest.mark.parametrize("augmentation", KNOWN)
@pytest.mark.parametrize("image_size", [64, 128, 256])
def test_the_cut_out_is_hardly_larger_than_it_must_be(augmentation, image_size):
    how = CutOut(image_size=image_size, augmentation=augmentation)
    corner = min(45.0 / augmentation.rotation_degrees, 1.0) if augmentation.rotation_degrees else 0.0
    shifts = [(u, v) for u in (-1.0, 1.0) for v in (-1.0, 1.0)]
    farthest_of_all = max(farthest(how, crops_of(how, 1.0, corner, shift, False)) for shift in shifts)
    assert how.size / 2 - farthest_of_all < 1.5


@pytest.mark.parametrize("augmentation", KNOWN)
def test_in_a_white_picture_no_augmented_crop_has_a_dark_pixel(augmentation):
    """Also of the pixels that the crop's own averaging looks at. A black frame two pixels wider would be seen."""
    how = CutOut(image_size=64, augmentation=replace(augmentation, brightness=0, contrast=0, saturation=0, hue=0))
    hand = hand_at((400.0, 420.0), image=torch.full((3, 900, 900), 255, dtype=torch.uint8))
    one = cut(hand, how)
    assert one.images.min() == 255
    many = one[torch.zeros(300, dtype=torch.long)]
    crops = crop(many, size=64, augmentation=how.augmentation, generator=torch.Generator().manual_seed(1))
    assert crops.images.min() > 0.999


def hand_at(centre: tuple[float, float], image: torch.Tensor, spread: float = 60.0, right: bool = True) -> Hand:
    """A hand of random joints whose box has this centre."""
    generator = torch.Generator().manual_seed(7)
    K = torch.tensor([[500.0, 0, 310], [0, 480.0, 250], [0, 0, 1]])
    uv = (torch.rand(21, 2, generator=generator) * 2 - 1) * spread + torch.tensor(centre)
    z = 600 + 80 * torch.rand(21, generator=generator)
    rays = torch.cat([(uv - K[:2, 2]) / K.diagonal()[:2], torch.ones(21, 1)], dim=-1)
    return Hand(annotation=Annotation(xyz=rays * z[:, None], K=K, right=right), image=image)


@given(
    u=st.floats(-20, 660),
    v=st.floats(-20, 500),
    spread=st.floats(5, 300),
    right=st.booleans(),
    augmentation=st.sampled_from(KNOWN),
)
def test_the_new_intrinsics_project_the_hand_to_its_new_joints(u, v, spread, right, augmentation):
    hand = hand_at((u, v), torch.zeros(3, 480, 640, dtype=torch.uint8), spread, right)
    how = CutOut(image_size=64, augmentation=augmentation)
    one, whole = cut(hand, how), to_samples([hand])
    assert torch.equal(one.xyz, whole.xyz) and torch.equal(one.right, whole.right)
    torch.testing.assert_close(project(one.xyz, one.K), one.uv, atol=5e-3, rtol=1e-4)
    # The box is in the middle, and as many pixels wide as the crop is to find it.
    longest = (one.box[0, 2:] - one.box[0, :2]).max()
    torch.testing.assert_close(longest * how.margin * how.reach, torch.tensor(float(how.size)), atol=0.01, rtol=1e-4)
    middle = (one.box[0, :2] + one.box[0, 2:]) / 2
    torch.testing.assert_close(middle, torch.full((2,), (how.size - 1) / 2), atol=0.01, rtol=1e-4)


@pytest.fixture(scope="module")
def readers(tmp_path_factory) -> dict[str, RHD | FreiHAND]:
    rhd, freihand = tmp_path_factory.mktemp("rhd"), tmp_path_factory.mktemp("freihand")
    write_rhd(rhd, count=4)
    write_freihand(freihand, 4)
    return {"rhd": RHD(root=rhd, split="training", hands="both"), "freihand": FreiHAND(root=freihand, split="training")}


def both(reader: RHD | FreiHAND, how: CutOut) -> tuple[Samples, Samples]:
    hands = [reader.hand(index) for index in range(len(reader))]
    straight = to_samples(hands)
    return replace(straight, mask=None), Samples.concat([cut(hand, how) for hand in hands])


@pytest.mark.parametrize("name", ["rhd", "freihand"])
@pytest.mark.parametrize("augmentation", [NO_AUGMENTATION, GENTLE, JAR])
def test_a_training_sees_and_is_told_the_same_as_from_the_whole_picture(name, augmentation, readers):
    """The same random crops of the picture and of the cut-out: pixels but for one resampling more, joints exactly."""
    size = 48
    straight, converted = both(readers[name], CutOut(image_size=size, augmentation=augmentation))
    a, b = (
        crop(one, size=size, augmentation=augmentation, generator=torch.Generator().manual_seed(3))
        for one in (straight, converted)
    )
    torch.testing.assert_close(b.targets, a.targets, atol=2e-3, rtol=1e-3)
    torch.testing.assert_close(b.uv, a.uv, atol=0.02, rtol=1e-3)
    torch.testing.assert_close(b.K, a.K, atol=0.05, rtol=1e-3)
    assert torch.equal(b.xyz, a.xyz) and torch.equal(b.scale, a.scale)
    assert (a.images - b.images).abs().mean() < 0.03  # of noise and sharp edges, once more resampled
    moved = torch.roll(a.images, 2, dims=-1)
    assert (a.images - b.images).abs().mean() < 0.5 * (a.images - moved).abs().mean()


def test_a_smooth_picture_comes_through_exactly(readers):
    """A ramp is its own average and its own interpolation: pixels must not move by a hundredth of the ramp's step."""
    ramp = torch.arange(320).view(1, 1, -1).expand(3, 320, 320) * 255 / 320
    hand = replace(hand_at((160.0, 150.0), ramp.round().to(torch.uint8)))
    how = CutOut(image_size=64, augmentation=JAR)
    crops = [crop(one, size=64) for one in (to_samples([hand]), cut(hand, how))]
    inside = slice(4, -4)
    difference = (crops[0].images - crops[1].images)[..., inside, inside] * 255
    assert difference.abs().max() < 1.5 and difference.mean().abs() < 0.1  # rounded to whole numbers twice


@pytest.mark.parametrize("name", ["rhd", "freihand"])
def test_errors_are_the_same_as_from_the_whole_picture(name, readers):
    straight, converted = both(readers[name], CutOut(image_size=64, augmentation=JAR))
    guess = torch.randn(21, 3, generator=torch.Generator().manual_seed(0)) * 0.3
    a, b = (predict_constant(guess, one, image_size=64) for one in (straight, converted))
    torch.testing.assert_close(b.errors, a.errors, atol=0.02, rtol=1e-3)
    assert torch.equal(a.visible, b.visible)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda said: replace(said, xyz=said.xyz * torch.tensor([1, 1, -1.0])), "behind the camera"),
        (lambda said: replace(said, box=torch.tensor([10.0, 10.0, 10.0, 40.0])), "no hand's"),
        (lambda said: replace(said, box=torch.tensor([-9e4, -9e4, 9e4, 9e4])), "no hand's"),
        (lambda said: replace(said, box=torch.tensor([torch.nan, 0.0, 5.0, 5.0])), "no hand's"),
        (lambda said: replace(said, box=torch.tensor([9e4, 0.0, 9.01e4, 50.0])), "outside its picture"),
        (lambda said: replace(said, xyz=said.xyz.clone().index_fill(0, torch.tensor(3), torch.nan)), "not known"),
    ],
)
def test_what_cannot_be_cut_out_is_said(change, said):
    hand = hand_at((100.0, 100.0), torch.zeros(3, 200, 200, dtype=torch.uint8))
    with pytest.raises(HandLibError, match=said):
        cut(replace(hand, annotation=change(hand.annotation)), CutOut(image_size=64, augmentation=JAR))


def test_what_lies_outside_the_picture_is_black(tmp_path: Path):
    hand = hand_at((0.0, 100.0), torch.full((3, 200, 200), 255, dtype=torch.uint8))
    picture = cut(hand, CutOut(image_size=64, augmentation=GENTLE)).images[0]
    middle = picture.shape[-1] // 2
    rows = slice(middle - 5, middle + 5)
    assert picture[:, rows, : middle - 8].max() == 0 and picture[:, rows, middle + 8 :].min() == 255
