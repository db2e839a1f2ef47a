"""Parts and depth of a crop's cells: what the picture there shows, turned, mirrored and cut as the picture is."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from hand_lib.camera import is_mirrored, transform_points
from hand_lib.datasets.augmentation import GENTLE, JAR, NO_AUGMENTATION, Augmentation, crop
from hand_lib.datasets.part_maps import PART_CLASSES, part_classes, part_targets
from hand_lib.errors import HandLibError
from hand_lib.models.parts import PartsNet, parts_loss
from hand_lib.models.size import NetworkSize
from hand_lib.samples import Samples
from hand_lib.skeleton import ROOT, SCALE_BONE
from hand_lib.synthetic import EASY, render

H, W = 60, 92  # not square
S, STRIDE = 64, 4
COLORLESS = replace(JAR, brightness=0.0, contrast=0.0, saturation=0.0)
AUGMENTATIONS = {"none": NO_AUGMENTATION, "gentle": replace(GENTLE, brightness=0, contrast=0, saturation=0)}
AUGMENTATIONS["jar"] = COLORLESS


def patchwork(count: int = 8) -> Samples:
    """Pictures of squares 12 px a side, each of one class, whose grey is seven times the class; a slanting plane."""
    g = torch.Generator().manual_seed(0)
    part = torch.randint(0, PART_CLASSES, (count, 5, 8), generator=g)
    part = part.repeat_interleave(12, 1).repeat_interleave(12, 2)[:, :H, :W]
    right = torch.arange(count) % 2 == 0
    other = torch.arange(W) % 2  # what is not the hand: background, or a person
    mask = torch.where(part > 0, part + torch.where(right, 17, 1).view(-1, 1, 1), other)
    v, u = torch.meshgrid(torch.arange(H), torch.arange(W), indexing="ij")
    xyz = torch.randn(count, 21, 3, generator=g) * 30 + torch.tensor([0.0, 0.0, 500.0])
    return Samples(
        images=(7 * part).to(torch.uint8)[:, None].expand(count, 3, H, W).contiguous(),
        uv=torch.zeros(count, 21, 2),
        xyz=xyz,
        visible=torch.ones(count, 21, dtype=torch.bool),
        K=torch.tensor([[150.0, 0, W / 2], [0, 150.0, H / 2], [0, 0, 1]]).expand(count, 3, 3).clone(),
        right=right,
        box=torch.tensor([20.0, 8.0, 78.0, 50.0]).expand(count, 4).contiguous(),
        mask=mask.to(torch.uint8),
        depth=(400 + 0.5 * u + 0.25 * v).expand(count, H, W).contiguous(),
    )


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_a_cell_has_the_class_that_the_picture_has_there(name):
    samples = patchwork()
    crops = crop(samples, size=S, augmentation=AUGMENTATIONS[name], generator=torch.Generator().manual_seed(3))
    part = part_targets(samples, crops, stride=STRIDE)[:, 0]
    assert part.shape == (len(samples), S // STRIDE, S // STRIDE)
    # The crop's grey, blended from four pixels, is a class's where all four show it.
    seen = crops.images[:, 0, ::STRIDE, ::STRIDE] * 255 / 7
    pure = (seen - seen.round()).abs() < 1e-3
    agree = (part == seen.round())[pure].float().mean()
    assert pure.float().mean() > 0.6 and agree > 0.97  # a blend may be another class's grey by chance
    assert is_mirrored(crops.A).tolist() == (~samples.right).tolist()


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_a_cell_has_the_depth_of_the_nearest_pixel(name):
    samples = patchwork()
    crops = crop(samples, size=S, augmentation=AUGMENTATIONS[name], generator=torch.Generator().manual_seed(4))
    part, depth = part_targets(samples, crops, stride=STRIDE).unbind(dim=1)
    v, u = torch.meshgrid(torch.arange(0, S, STRIDE), torch.arange(0, S, STRIDE), indexing="ij")
    points = torch.stack([u, v], dim=-1).double().view(-1, 2)
    source = transform_points(torch.linalg.inv(crops.A.double()), points.expand(len(crops), -1, 2)).view(-1, 16, 16, 2)
    plane = 400 + 0.5 * source[..., 0] + 0.25 * source[..., 1]
    bone = (samples.xyz[:, SCALE_BONE[1]] - samples.xyz[:, SCALE_BONE[0]]).norm(dim=-1)
    wanted = (plane - samples.xyz[:, ROOT, 2].view(-1, 1, 1)) / bone.view(-1, 1, 1)
    off = ((depth - wanted).abs() * bone.view(-1, 1, 1))[part > 0]
    assert len(off) > 500 and off.max() <= (0.5 + 0.25) / 2 + 1e-3  # half a pixel to either side
    assert (depth[part == 0] == 0).all()


def test_outside_the_picture_nothing_is_a_hand():
    samples = patchwork()
    samples = replace(samples, mask=torch.full_like(samples.mask, 33))
    far = Augmentation(translation_px=512)
    crops = crop(samples, size=S, augmentation=far, generator=torch.Generator().manual_seed(0))
    part = part_targets(samples, crops, stride=STRIDE)[:, 0]
    lit = crop(
        replace(samples, images=torch.full_like(samples.images, 255)),
        size=S,
        augmentation=far,
        generator=torch.Generator().manual_seed(0),
    ).images[:, 0, ::STRIDE, ::STRIDE]
    assert set(part.unique().tolist()) == {0.0, 16.0}
    assert (part[lit == 0] == 0).all() and (part[lit == 1] == 16).all()


def test_both_hands_have_the_same_parts():
    left, right = torch.arange(2, 18), torch.arange(18, 34)
    assert part_classes(left.to(torch.uint8)).tolist() == list(range(1, 17)) == part_classes(right).tolist()
    assert part_classes(torch.tensor([0, 1])).tolist() == [0, 0]


@pytest.fixture(scope="module")
def hands() -> Samples:
    return render(seed=7, split="training", indices=list(range(24)), size=80, scene=EASY)


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_the_cell_at_a_visible_joint_shows_a_part_that_meets_there(hands, name):
    crops = crop(hands, size=S, augmentation=AUGMENTATIONS[name], generator=torch.Generator().manual_seed(5))
    part, depth = part_targets(hands, crops, stride=1).unbind(dim=1)
    right = hits = near = 0
    for hand in range(len(crops)):
        for joint in range(1, 21):
            u, v = crops.uv[hand, joint].round().int().tolist()
            if not crops.visible[hand, joint] or not (0 <= u < S and 0 <= v < S):
                continue
            finger, place = divmod(joint - 1, 4)
            # Parts of a finger are numbered from the tip to the palm; a joint lies between two of them.
            meet = {1 + 3 * finger + segment for segment in (2 - min(place, 2), min(3 - place, 2))}
            meet |= {16} if place == 0 or joint == 2 else set()
            found = part[hand, v, u].item()
            hits += 1
            right += found in meet
            if found:
                z = (crops.xyz[hand, joint, 2] - crops.z_root[hand]) / crops.scale[hand]
                near += -1.0 < (depth[hand, v, u] - z).item() < 0.3  # the skin is before the joint, by half a finger
    assert hits > 200 and right > 0.93 * hits and near > 0.93 * hits, (hits, right, near)


def test_a_mirrored_picture_of_the_other_hand_has_the_same_targets(hands):
    """The whole scene in a mirror is the other hand's; its crop, mirrored back, is the same."""
    flip = torch.diag(torch.tensor([-1.0, 1.0, 1.0]))
    K = hands.K.clone()
    K[:, 0, 2] = 79 - K[:, 0, 2]
    mask = hands.mask.long()
    mask = torch.where(mask >= 18, mask - 16, torch.where(mask >= 2, mask + 16, mask)).to(torch.uint8)
    box = torch.stack([79 - hands.box[:, 2], hands.box[:, 1], 79 - hands.box[:, 0], hands.box[:, 3]], dim=-1)
    other = replace(
        hands,
        images=hands.images.flip(3),
        xyz=hands.xyz @ flip,
        K=K,
        right=~hands.right,
        box=box,
        mask=mask.flip(2),
        depth=hands.depth.flip(2),
    )
    here, there = (part_targets(s, crop(s, size=S), stride=STRIDE) for s in (hands, other))
    same = here[:, 0] == there[:, 0]  # but where a cell looks between two pixels, which are rounded to either side
    assert same.float().mean() > 0.97


def test_without_maps_there_are_no_parts(hands):
    with pytest.raises(HandLibError, match="mask and depth"):
        part_targets(replace(hands, depth=None), crop(hands, size=S), stride=STRIDE)


# ---------------------------------------------------------------------------------------------------------- the network


@pytest.mark.parametrize(
    "size",
    [
        NetworkSize(width=8, image_size=64, stem_stride=2, final_stride=1),
        NetworkSize(width=8, image_size=64, final_stride=1),
        NetworkSize(width=8, image_size=128, final_stride=2),
        NetworkSize(depth=50, width=8, image_size=64, final_stride=1),
    ],
    ids=str,
)
def test_a_cell_is_four_pixels(size):
    model = PartsNet(size=size).eval()
    with torch.inference_mode():
        said = model.stages(torch.rand(2, 3, size.image_size, size.image_size))
    assert said.shape == (1, 2, 18, size.image_size // 4, size.image_size // 4)


def test_pictures_that_no_doubling_meets_are_refused():
    with pytest.raises(HandLibError, match="72 px are no whole number of cells of 16 px"):
        PartsNet(size=NetworkSize(width=8, image_size=72, final_stride=1))


def test_the_loss_in_closed_form():
    stages = torch.zeros(2, 1, 18, 2, 2)
    targets = torch.tensor([[[[0.0, 3.0], [16.0, 0.0]], [[0.0, 0.5], [-1.5, 0.0]]]])
    stages[1, :, 17] = 9.0  # off where there is no hand does not count
    stages[1, :, 17, 0, 1], stages[1, :, 17, 1, 0] = 0.5, -1.5
    assert torch.allclose(parts_loss(stages, targets), math.log(17) + torch.tensor([1.0, 0.0]))
    stages[:, 0, :17] = -100.0
    for cell, part in {(0, 0): 0, (0, 1): 3, (1, 0): 16, (1, 1): 0}.items():
        stages[:, 0, part, *cell] = 100.0
    assert torch.allclose(parts_loss(stages, targets), torch.tensor([1.0, 0.0]))


def test_a_batch_without_a_hand_has_a_loss():
    assert torch.allclose(parts_loss(torch.zeros(1, 2, 18, 4, 4), torch.zeros(2, 2, 4, 4)), torch.tensor(math.log(17)))
