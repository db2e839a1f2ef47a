"""A crop's picture, joints, intrinsics and targets say the same thing, whatever the augmentation."""

from __future__ import annotations

import math
from contextlib import nullcontext
from dataclasses import fields, replace

import kornia
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hand_lib.camera import project, transform_points
from hand_lib.datasets.augmentation import (
    GENTLE,
    GROUPS,
    JAR,
    NO_AUGMENTATION,
    Augmentation,
    Crops,
    crop,
    jitter_colors,
    to_xyz,
)
from hand_lib.errors import HandLibError
from hand_lib.samples import Samples
from hand_lib.skeleton import JOINTS, ROOT, SCALE_BONE

H, W = 96, 132  # not square
K = torch.tensor([[140.0, 0.0, 71.0], [0.0, 131.0, 40.0], [0.0, 0.0, 1.0]])  # fx ≠ fy, centre off the middle
ALL = {"none": NO_AUGMENTATION, "gentle": GENTLE, "jar": JAR, "groups": GROUPS}
COLORLESS = replace(JAR, brightness=0.0, contrast=0.0, saturation=0.0)


def hand_samples(count: int = 4, seed: int = 0) -> Samples:
    """Noise pictures with joints scattered before the camera, left and right by turns, boxed by their joints."""
    generator = torch.Generator().manual_seed(seed)
    middle = torch.tensor([0.0, 10.0, 500.0]) + torch.tensor([60.0, 30.0, 60.0]) * torch.randn(
        count, 1, 3, generator=generator
    ).clamp(-1.5, 1.5)
    xyz = middle + 30 * torch.randn(count, 21, 3, generator=generator).clamp(-1.5, 1.5)
    uv = project(xyz, K)
    return Samples(
        images=torch.randint(0, 256, (count, 3, H, W), dtype=torch.uint8, generator=generator),
        uv=uv,
        xyz=xyz,
        visible=torch.rand(count, 21, generator=generator) < 0.8,
        K=K.expand(count, 3, 3).clone(),
        right=torch.arange(count) % 2 == 0,
        box=torch.cat([uv.amin(dim=1).round() - 0.5, uv.amax(dim=1).round() + 0.5], dim=-1),
    )


def mirrored(samples: Samples) -> Samples:
    """The samples seen in a mirror, each field by hand."""
    flip = torch.diag(torch.tensor([-1.0, 1.0, 1.0]))
    mirrored_K = samples.K.clone()
    mirrored_K[:, 0, 2] = W - 1 - samples.K[:, 0, 2]
    u0, v0, u1, v1 = samples.box.unbind(-1)
    return replace(
        samples,
        images=samples.images.flip(-1),
        uv=torch.stack([W - 1 - samples.uv[..., 0], samples.uv[..., 1]], dim=-1),
        xyz=samples.xyz @ flip,
        K=mirrored_K,
        right=~samples.right,
        box=torch.stack([W - 1 - u1, v0, W - 1 - u0, v1], dim=-1),
    )


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def assert_same(one: Crops, other: Crops, *, atol: float = 0.0, but: tuple[str, ...] = ()) -> None:
    for field in fields(Crops):
        if field.name not in but:
            a, b = getattr(one, field.name), getattr(other, field.name)
            torch.testing.assert_close(a, b, rtol=0, atol=atol if a.is_floating_point() else 0, msg=field.name)


# -------------------------------------------------------------------------------------- what every crop must satisfy

any_augmentation = st.builds(
    Augmentation,
    scale=st.tuples(st.floats(0.6, 1.0), st.floats(1.0, 1.6)),
    rotation_degrees=st.floats(0, 180),
    translation_px=st.floats(0, 60),
    brightness=st.floats(0, 1),
    contrast=st.floats(0, 1),
    saturation=st.floats(0, 1),
    hue=st.floats(0, 0.5),
)


@given(augmentation=any_augmentation, seed=st.integers(0, 10_000), size=st.integers(8, 70), margin=st.floats(0.8, 2))
@settings(max_examples=40, deadline=None)
def test_picture_joints_camera_and_targets_agree(augmentation, seed, size, margin):
    samples = hand_samples(4, seed)
    crops = crop(samples, size=size, augmentation=augmentation, generator=seeded(seed), margin=margin)

    assert crops.images.shape == (4, 3, size, size)
    assert crops.images.min() >= 0 and crops.images.max() <= 1
    torch.testing.assert_close(project(crops.xyz, crops.K), crops.uv)
    torch.testing.assert_close(transform_points(crops.A, samples.uv), crops.uv, rtol=0, atol=5e-3)
    torch.testing.assert_close(to_xyz(crops.targets, crops), crops.xyz, rtol=0, atol=1e-2)
    inside = ((crops.uv >= -0.5) & (crops.uv <= size - 0.5)).all(dim=-1)
    assert torch.equal(crops.visible, samples.visible & inside)
    start, end = SCALE_BONE
    torch.testing.assert_close(crops.scale, (samples.xyz[:, end] - samples.xyz[:, start]).norm(dim=-1))
    assert torch.equal(crops.z_root, samples.xyz[:, ROOT, 2])


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_dot_painted_at_a_joint_is_found_at_the_crops_joint(name, seed):
    samples = hand_samples(21, seed)
    joints = torch.arange(21)  # another joint in each picture
    at = samples.uv[joints, joints]
    v, u = torch.meshgrid(torch.arange(H), torch.arange(W), indexing="ij")
    squares = (u - at[:, 0].view(-1, 1, 1)) ** 2 + (v - at[:, 1].view(-1, 1, 1)) ** 2
    dots = (255 * torch.exp(-squares / (2 * 1.5**2))).round().to(torch.uint8)
    samples = replace(samples, images=dots[:, None].expand(-1, 3, -1, -1))
    plain = replace(ALL[name], brightness=0.0, contrast=0.0, saturation=0.0, hue=0.0)
    crops = crop(samples, size=64, augmentation=plain, generator=seeded(seed))
    expected = crops.uv[joints, joints]

    weights = crops.images.mean(dim=1)
    cv, cu = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    found = torch.stack([(cu * weights).sum((1, 2)), (cv * weights).sum((1, 2))], dim=-1) / weights.sum((1, 2))[:, None]
    # Whole dots only: a cut one has its centroid elsewhere.
    reach = 6 * crops.A[:, :2, 0].norm(dim=-1, keepdim=True)
    whole = ((expected > reach) & (expected < 63 - reach)).all(dim=-1)
    whole &= ((at > 6) & (at < torch.tensor([W - 7.0, H - 7.0]))).all(dim=-1)
    assert whole.sum() >= 3 and (~samples.right[whole]).any()
    assert (found - expected)[whole].norm(dim=-1).max() < 0.1


def test_targets_are_minus_one_and_one_at_the_outer_pixels():
    crops = crop(hand_samples(), size=33)
    torch.testing.assert_close(crops.targets[..., :2], crops.uv / 16 - 1)
    torch.testing.assert_close(
        crops.targets[..., 2], (crops.xyz[..., 2] - crops.z_root[:, None]) / crops.scale[:, None], rtol=0, atol=1e-5
    )
    assert torch.equal(crops.targets[:, ROOT, 2], torch.zeros(4))


def test_targets_go_beyond_one_where_joints_leave_the_crop():
    crops = crop(hand_samples(), size=64, margin=0.5)
    outside = (crops.targets[..., :2].abs() > 64 / 63).any(dim=-1)
    assert outside.any()
    assert not crops.visible[outside].any()
    torch.testing.assert_close(to_xyz(crops.targets, crops), crops.xyz, rtol=0, atol=1e-2)


def test_to_xyz_of_a_prediction():
    crops = crop(hand_samples(), size=64)
    nearer = crops.targets - torch.tensor([0.0, 0.0, 0.5])
    xyz = to_xyz(nearer, crops)
    torch.testing.assert_close(xyz[..., 2], crops.xyz[..., 2] - 0.5 * crops.scale[:, None])
    torch.testing.assert_close(project(xyz, crops.K), crops.uv)
    low = to_xyz(crops.targets.bfloat16(), crops)
    assert low.dtype == torch.float32
    torch.testing.assert_close(low, to_xyz(crops.targets.bfloat16().float(), crops))
    with pytest.raises(HandLibError, match=r"expected a prediction \(4, 21, 3\), got \(4, 63\)"):
        to_xyz(crops.targets.flatten(1), crops)


# --------------------------------------------------------------------------------------------------------- handedness


def triple_product(xyz: torch.Tensor) -> torch.Tensor:
    """Signed volume of wrist, index MCP, little MCP and thumb tip: a mirror changes its sign, a motion does not."""
    index, little, thumb = (xyz[:, JOINTS.index(name)] - xyz[:, 0] for name in ("index MCP", "little MCP", "thumb tip"))
    return torch.linalg.det(torch.stack([index, little, thumb], dim=1))


@pytest.mark.parametrize("name", ALL)
def test_left_hands_become_right_hands_and_right_hands_stay(name):
    samples = hand_samples(8)
    before, after = triple_product(samples.xyz), triple_product(crop(samples, size=32, augmentation=ALL[name]).xyz)
    torch.testing.assert_close(after, torch.where(samples.right, before, -before), rtol=1e-3, atol=10)


@pytest.mark.parametrize("name", ALL)
def test_a_left_hand_gives_the_crop_of_its_mirror_image(name):
    samples = hand_samples(6)
    one = crop(samples, size=48, augmentation=ALL[name], generator=seeded())
    other = crop(mirrored(samples), size=48, augmentation=ALL[name], generator=seeded())
    # The picture's noise is white: a hundred-thousandth of a pixel shows, and A itself starts from the other picture.
    assert_same(one, other, atol=5e-3, but=("A",))


# ------------------------------------------------------------------------------------------------------ the plain crop


def test_no_augmentation_shows_the_box_in_the_middle():
    samples = hand_samples()
    crops = crop(samples, size=64, margin=1.25)
    u0, v0, u1, v1 = samples.box.unbind(-1)
    side = 1.25 * torch.maximum(u1 - u0, v1 - v0)
    center = torch.stack([(u0 + u1) / 2, (v0 + v1) / 2], dim=-1)
    middle = transform_points(crops.A, center[:, None])
    torch.testing.assert_close(middle, torch.full((4, 1, 2), 31.5), rtol=0, atol=1e-4)
    torch.testing.assert_close(crops.A[:, 1, 1], 64 / side)
    torch.testing.assert_close(crops.A[:, 0, 0], torch.where(samples.right, 1.0, -1.0) * 64 / side)
    assert crops.A[:, 0, 1].abs().max() == crops.A[:, 1, 0].abs().max() == 0


def test_a_box_of_the_whole_picture_gives_the_picture():
    samples = hand_samples(2)
    samples = replace(
        samples,
        images=samples.images[..., :H],
        right=torch.ones(2, dtype=torch.bool),
        box=torch.tensor([[-0.5, -0.5, H - 0.5, H - 0.5]]).expand(2, 4),
    )
    crops = crop(samples, size=H, margin=1.0)
    torch.testing.assert_close(crops.images, samples.images / 255, rtol=0, atol=1e-4)
    torch.testing.assert_close(crops.K, samples.K, rtol=0, atol=1e-4)


def test_no_augmentation_draws_nothing():
    samples, generator = hand_samples(), seeded()
    before, global_before = generator.get_state(), torch.get_rng_state()
    assert_same(crop(samples, size=32, generator=generator), crop(samples, size=32))
    assert torch.equal(generator.get_state(), before) and torch.equal(torch.get_rng_state(), global_before)


# --------------------------------------------------------------------------------------------------------------- draws


def test_a_seed_decides_everything():
    samples = hand_samples()
    one = crop(samples, size=32, augmentation=JAR, generator=seeded(7))
    assert_same(one, crop(samples, size=32, augmentation=JAR, generator=seeded(7)))
    other = crop(samples, size=32, augmentation=JAR, generator=seeded(8))
    assert (one.uv - other.uv).abs().amax(dim=(1, 2)).min() > 0.1
    torch.manual_seed(7)
    assert_same(one, crop(samples, size=32, augmentation=JAR))


def test_each_image_is_augmented_on_its_own():
    samples = hand_samples(1)[[0] * 8]
    crops = crop(samples, size=32, augmentation=JAR, generator=seeded())
    different = (crops.uv[:, None] - crops.uv[None]).abs().amax(dim=(2, 3)) + torch.eye(8)
    assert different.min() > 0.1


@pytest.mark.parametrize("name", ["gentle", "jar", "groups"])
@pytest.mark.parametrize("size", [24, 64])
def test_draws_fill_their_ranges_and_do_not_leave_them(name, size):
    count = 2000
    samples = hand_samples(1)[[0] * count]
    samples = replace(samples, images=samples.images[:, :, :2, :2].contiguous())  # only the geometry matters here
    plain = crop(samples[:1], size=size).A[0]
    setting = replace(ALL[name], brightness=0.0, contrast=0.0, saturation=0.0, hue=0.0)
    A = torch.cat([  # in parts: another seed each
        crop(samples[i : i + 100], size=size, augmentation=setting, generator=seeded(i)).A for i in range(0, count, 100)
    ])  # fmt: skip

    scale = A[:, :2, 0].norm(dim=-1) / plain[0, 0]
    low, high = setting.scale
    assert low - 1e-4 <= scale.min() < low + 0.01 * (high - low) + 1e-4
    assert high + 1e-4 >= scale.max() > high - 0.01 * (high - low) - 1e-4
    assert (1 / scale).mean() == pytest.approx((1 / low + 1 / high) / 2, abs=0.01)

    degrees = torch.atan2(A[:, 1, 0], A[:, 0, 0]).rad2deg()
    reach = setting.rotation_degrees
    assert 0.99 * reach < degrees.abs().max() <= reach + 1e-3
    assert abs(degrees.mean()) < 0.06 * reach and degrees.std() == pytest.approx(reach / math.sqrt(3), rel=0.05)

    center = ((samples.box[:1, :2] + samples.box[:1, 2:]) / 2)[None]
    shift = transform_points(A, center.expand(count, 1, 2))[:, 0] - (size - 1) / 2
    reach = setting.translation_px * size / 256
    assert (shift.abs().amax(dim=0) <= reach + 1e-3).all() and (shift.abs().amax(dim=0) > 0.99 * reach).all()


def test_settings_as_the_papers_give_them():
    assert JAR.scale == (0.9, 1.1) and JAR.rotation_degrees == 180 and JAR.translation_px == 10
    assert JAR.brightness == JAR.contrast == JAR.saturation == 0.2
    assert GROUPS.rotation_degrees == 180 and GROUPS.translation_px == 20 and GROUPS.hue == 0.1
    assert tuple(1 / s for s in GROUPS.scale) == pytest.approx((1.2, 1.0))
    assert replace(GENTLE, rotation_degrees=180) == JAR and GENTLE.rotation_degrees == 20


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_cuts_the_same_crops_and_is_not_waited_for():
    samples = hand_samples(16)
    here = crop(samples, size=64, augmentation=JAR, generator=seeded())
    pictures = samples.pictures_to("cuda")
    crop(pictures, size=64, augmentation=JAR)  # what it loads once, it may wait for
    torch.cuda.set_sync_debug_mode("error")
    try:
        there = crop(pictures[torch.arange(16)], size=64, augmentation=JAR, generator=seeded())
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert there.images.is_cuda and there.targets.is_cuda
    assert_same(here, there.to("cpu"), atol=5e-3)
    assert_same(here, crop(samples.to("cuda"), size=64, augmentation=JAR, generator=seeded()).to("cpu"), atol=5e-3)


def test_no_value_is_read_from_the_device_of_the_pictures(monkeypatch):
    # The device "meta" has shapes and no values: to ask for one raises, as does mixing its tensors with others.
    monkeypatch.setattr(torch, "autocast", lambda *arguments, **options: nullcontext())  # which "meta" has not
    samples = hand_samples(16)
    index = torch.tensor([3, 3, 0, 12])
    there = crop(samples.pictures_to("meta")[index], size=64, augmentation=replace(JAR, hue=0.1), generator=seeded())
    here = crop(samples[index], size=64, augmentation=replace(JAR, hue=0.1), generator=seeded())
    assert {value.device.type for value in vars(there).values()} == {"meta"}
    assert {name: value.shape for name, value in vars(there).items()} == {n: v.shape for n, v in vars(here).items()}


def test_autocast_leaves_the_crop_alone():
    samples = hand_samples()
    plain = crop(samples, size=32, augmentation=replace(JAR, hue=0.1), generator=seeded())
    with torch.autocast("cpu", torch.bfloat16):
        inside = crop(samples, size=32, augmentation=replace(JAR, hue=0.1), generator=seeded())
        xyz = to_xyz(inside.targets, inside)
    assert_same(plain, inside)
    assert torch.equal(xyz, to_xyz(plain.targets, plain))


# ------------------------------------------------------------------------------------------------------------- colours

UNCHANGED = {"brightness": 1.0, "contrast": 1.0, "saturation": 1.0, "turn": 0.0}


def jitter(images: torch.Tensor, **changes: float) -> torch.Tensor:
    return jitter_colors(images, **{key: torch.full((len(images),), x) for key, x in (UNCHANGED | changes).items()})


def test_no_change_of_colours():
    images = torch.rand(3, 3, 8, 9)
    torch.testing.assert_close(jitter(images), images)


@pytest.mark.parametrize("factor", [0.0, 0.6, 1.3])
def test_colour_factors_agree_with_kornia(factor):
    images = 0.3 + 0.3 * torch.rand(2, 3, 8, 9)  # so far from 0 and 1 that nothing is clamped
    enhance = kornia.enhance
    torch.testing.assert_close(
        jitter(images, brightness=factor), enhance.adjust_brightness_accumulative(images, factor)
    )
    torch.testing.assert_close(
        jitter(images, contrast=factor),
        enhance.adjust_contrast_with_mean_subtraction(images, factor),
        atol=1e-3,
        rtol=0,
    )
    torch.testing.assert_close(
        jitter(images, saturation=factor),
        enhance.adjust_saturation_with_gray_subtraction(images, factor),
        atol=1e-3,
        rtol=0,
    )


def test_a_third_of_a_turn_is_hsvs_and_permutes_the_primaries():
    images = torch.rand(2, 3, 8, 9)
    torch.testing.assert_close(jitter(images, turn=1 / 3), images[:, [2, 0, 1]], rtol=0, atol=1e-5)  # red to green
    torch.testing.assert_close(
        jitter(images, turn=1 / 3), kornia.enhance.adjust_hue(images, 2 * math.pi / 3), rtol=0, atol=1e-4
    )


@given(first=st.floats(-0.5, 0.5), second=st.floats(-0.5, 0.5))
@settings(max_examples=20, deadline=None)
def test_turns_of_the_hue_add_up_and_keep_greys_and_the_mean(first, second):
    images = torch.rand(2, 3, 4, 5)
    turned = jitter(images, turn=first)
    torch.testing.assert_close(jitter(turned, turn=second), jitter(images, turn=first + second), rtol=0, atol=1e-5)
    torch.testing.assert_close(turned.mean(dim=1), images.mean(dim=1), rtol=0, atol=1e-5)
    grey = images[:, :1].expand(2, 3, 4, 5)
    torch.testing.assert_close(jitter(grey, turn=first), grey, rtol=0, atol=1e-5)


def test_colour_changes_compose_in_the_order_given():
    images = torch.rand(2, 3, 8, 9)
    changes = {"brightness": 1.2, "contrast": 0.8, "saturation": 1.1, "turn": 0.07}
    step_by_step = images
    for key, value in changes.items():
        step_by_step = jitter(step_by_step, **{key: value})
    torch.testing.assert_close(jitter(images, **changes), step_by_step, rtol=0, atol=1e-5)


def test_each_image_gets_its_own_colours_and_only_the_colours_change():
    samples = hand_samples(1)[[0] * 6]
    colors = Augmentation(brightness=0.2, contrast=0.2, saturation=0.2, hue=0.1)
    plain, colored = crop(samples, size=32), crop(samples, size=32, augmentation=colors, generator=seeded())
    assert_same(plain, colored, but=("images",))
    different = (colored.images[:, None] - colored.images[None]).abs().mean(dim=(2, 3, 4)) + torch.eye(6)
    assert different.min() > 1e-3


# ------------------------------------------------------------------------------------------- the container, and errors


def test_crops_slice_and_move_together():
    crops = crop(hand_samples(5), size=16)
    assert len(crops) == 5 and len(crops[1:3]) == 2
    assert_same(crops[[3, 1]], crops[torch.tensor([3, 1])])
    assert torch.equal(crops[[3, 1]].K, crops.K[[3, 1]])
    assert {getattr(crops.to("meta"), field.name).device.type for field in fields(Crops)} == {"meta"}


def test_empty_batch():
    crops = crop(hand_samples(2)[:0], size=16, augmentation=JAR)
    assert crops.images.shape == (0, 3, 16, 16) and crops.targets.shape == (0, 21, 3)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: Augmentation(scale=(1.1, 0.9)), "scale must be"),
        (lambda: Augmentation(scale=(0.0, 1.0)), "scale must be"),
        (lambda: Augmentation(hue=-0.1), "hue must not be negative, got -0.1"),
        (lambda: crop(hand_samples(), size=1), "at least two pixels, got size=1"),
        (lambda: crop(hand_samples(), size=32, margin=0), "margin must be positive"),
        (
            lambda: crop(replace(hand_samples(), box=torch.tensor([[5.0, 5.0, 1.0, 1.0]]).expand(4, 4)), size=32),
            "4 of 4 boxes are empty",
        ),
        (lambda: crop(replace(hand_samples(), box=torch.full((4, 4), math.nan)), size=32), "4 of 4 boxes are empty"),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises(HandLibError, match=words):
        call()
