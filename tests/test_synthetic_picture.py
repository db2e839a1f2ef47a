"""Whole pictures: the annotations are where the picture shows them, whatever the batch, the order and the side."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import ndimage

from hand_lib.errors import HandLibError
from hand_lib.skeleton import FINGER_OF_JOINT, TIPS
from hand_lib.synthetic import (
    EASY,
    SPLITS,
    WIDE,
    SceneConfig,
    color_mask,
    render,
    render_scene,
    sample_hands,
    sample_scenes,
)

SIZE, COUNT = 96, 48
PLAIN = replace(WIDE, shapes=(0, 0), distractor=0.0, occluder=0.0, motion_blur=0.0, sleeve=0.5)


@pytest.fixture(scope="module")
def wide():
    return render(seed=1, split="training", indices=range(COUNT), size=SIZE)


@pytest.fixture(scope="module")
def plain():
    return render(seed=2, split="evaluation", indices=range(COUNT), size=SIZE, scene=PLAIN)


def lookup(maps, uv):
    """Values (B, 21) of maps (B, H, W) at the nearest pixels of uv (B, 21, 2)."""
    pixel = torch.floor(uv + 0.5).long().clamp(0, maps.shape[-1] - 1)
    return maps[torch.arange(len(maps))[:, None], pixel[..., 1], pixel[..., 0]]


def finger_of_class(classes):
    """Finger 0–4 of mask classes, −1 for the rest."""
    first = torch.where(classes >= 18, classes.long() - 18, classes.long() - 2)
    return torch.where((classes >= 2) & (first >= 0) & (first < 15), first // 3, -1)


def test_shapes_and_types(wide):
    assert wide.images.shape == (COUNT, 3, SIZE, SIZE) and wide.images.dtype == torch.uint8
    assert wide.mask.shape == wide.depth.shape == (COUNT, SIZE, SIZE)
    assert wide.mask.dtype == torch.uint8 and wide.depth.dtype == torch.float32
    assert wide.uv.shape == (COUNT, 21, 2) and wide.xyz.shape == (COUNT, 21, 3)
    assert wide.visible.dtype == wide.right.dtype == torch.bool
    assert wide.box.shape == (COUNT, 4) and wide.K.shape == (COUNT, 3, 3)
    for name in ("uv", "xyz", "K", "box", "depth"):
        assert torch.isfinite(getattr(wide, name)).all()


def test_uv_is_the_projection_of_xyz(wide):
    homogeneous = wide.xyz @ wide.K.transpose(1, 2)
    assert torch.allclose(homogeneous[..., :2] / homogeneous[..., 2:], wide.uv, atol=1e-3)
    assert (wide.xyz[..., 2] > 200).all()


def test_masks_hold_one_hand_in_rhd_classes(wide):
    for mask, right in zip(wide.mask, wide.right, strict=True):
        classes = set(torch.unique(mask).tolist()) - {0, 1}
        assert classes and classes <= (set(range(18, 34)) if right else set(range(2, 18)))


def test_what_is_called_hidden_is_hidden(plain):
    """A joint that is not visible has another part, or a surface too far in front of it, at its pixel."""
    surface, classes = lookup(plain.depth, plain.uv), lookup(plain.mask, plain.uv)
    gap = plain.xyz[..., 2] - surface
    finger, own = finger_of_class(classes), torch.tensor(FINGER_OF_JOINT)
    tips = list(TIPS)
    hidden = ~plain.visible[:, tips]
    same = (finger == own)[:, tips] & ((classes - torch.where(classes >= 18, 18, 2)) % 3 == 0)[:, tips]
    # But for the edge of what hides it, whose pixel may show the tip.
    assert ((gap[:, tips] > 5) | ~same)[hidden].float().mean() > 0.95


def test_middle_segments_have_their_own_labels():
    """Between the joints of a straight, seen finger the mask shows proximal, middle and distal segment in turn."""
    scene = replace(EASY, cone=1.0, roll=1.0, noise=(0.0, 0.0), sleeve=0.0)
    hands = sample_hands(0, "training", range(6), left=0.5)
    zero = {
        name: torch.zeros_like(getattr(hands.pose, name))
        for name in ("flexion", "abduction", "twist", "cupping", "wrist")
    }
    hands = replace(hands, pose=replace(hands.pose, **zero))
    samples = render_scene(hands, sample_scenes(0, "training", range(6), scene), size=160)
    assert set(hands.right.tolist()) == {True, False}
    for finger in range(1, 5):
        for segment in range(3):  # tip to palm
            joint = 1 + 4 * finger + 2 - segment
            middle = 0.5 * (samples.uv[:, joint] + samples.uv[:, joint + 1])
            if segment == 2:
                middle = 0.25 * samples.uv[:, joint] + 0.75 * samples.uv[:, joint + 1]
            classes = lookup(samples.mask, middle[:, None])[:, 0].long()
            expected = torch.where(samples.right, 18, 2) + 3 * finger + segment
            assert torch.equal(classes, expected)


def test_pictures_do_not_depend_on_batch_or_order(wide):
    rows = [40, 3, 17]
    for indices in (rows, rows[::-1]):
        again = render(seed=1, split="training", indices=indices, size=SIZE)
        for name in ("images", "mask", "depth", "uv", "xyz", "visible", "K", "right", "box"):
            assert torch.equal(getattr(again, name), getattr(wide, name)[indices]), name


def test_seeds_and_splits_differ():
    a = render(seed=0, split="training", indices=[0, 1], size=32)
    for other in (
        render(seed=1, split="training", indices=[0, 1], size=32),
        render(seed=0, split="evaluation", indices=[0, 1], size=32),
        render(seed=0, split="training", indices=[2, 3], size=32),
    ):
        assert (a.images != other.images).float().mean() > 0.5
        assert (a.xyz - other.xyz).norm(dim=-1).mean() > 10


def test_backgrounds_of_the_splits_are_disjoint():
    scenes = [sample_scenes(0, split, range(200), WIDE) for split in SPLITS]
    keys = [set(s.lens.noise_key.tolist()) for s in scenes]
    colours = [{tuple(row) for row in s.room.material[:, :5, :6].flatten(0, 1).tolist()} for s in scenes]
    for one, two in itertools.combinations(range(len(SPLITS)), 2):
        assert not colours[one] & colours[two]
        assert len(keys[one] & keys[two]) <= 1  # 24 bits: a chance meeting is possible, with another background


def test_left_hands_are_exact_mirror_images():
    scene = sample_scenes(0, "training", range(8), replace(WIDE, distractor=0.0))
    right = replace(sample_hands(0, "training", range(8)), right=torch.ones(8, dtype=torch.bool))
    left = replace(right, right=torch.zeros(8, dtype=torch.bool))
    r, m = (render_scene(h, scene, size=64) for h in (right, left))
    assert torch.equal(m.images, r.images.flip(3))
    assert torch.equal(m.depth, r.depth.flip(2))
    assert torch.equal(m.mask, torch.where(r.mask >= 18, r.mask - 16, r.mask).flip(2))
    assert torch.equal(m.visible, r.visible)
    assert torch.allclose(m.uv[..., 0], 63 - r.uv[..., 0]) and torch.equal(m.uv[..., 1], r.uv[..., 1])
    assert torch.allclose(m.xyz, r.xyz * torch.tensor([-1.0, 1.0, 1.0]))
    homogeneous = m.xyz @ m.K.transpose(1, 2)
    assert torch.allclose(homogeneous[..., :2] / homogeneous[..., 2:], m.uv, atol=1e-3)
    assert torch.allclose(m.box, torch.stack([63 - r.box[:, 2], r.box[:, 1], 63 - r.box[:, 0], r.box[:, 3]], 1))


def test_boxes_hold_the_hand_and_the_hand_is_wholly_inside(wide, plain):
    for samples in (wide, plain):
        for mask, box in zip(samples.mask, samples.box, strict=True):
            v, u = torch.nonzero(mask >= 2, as_tuple=True)
            assert box.tolist() == [u.min() - 0.5, v.min() - 0.5, u.max() + 0.5, v.max() + 0.5]
        assert (samples.box[:, :2] > 1).all() and (samples.box[:, 2:] < SIZE - 2).all()
        assert ((samples.uv > 0) & (samples.uv < SIZE - 1)).all()
    side = (plain.box[:, 2:] - plain.box[:, :2]).amax(1) / SIZE
    assert (side > 0.55).all() and (side < 0.80).all()


@pytest.mark.parametrize("size", [96, 160])
def test_silhouettes_have_no_holes_and_no_loose_pixels(size):
    """No pinholes: a background pixel with hand on both sides lies between two fingers, not in the middle of one."""
    samples = render(seed=4, split="training", indices=range(40), size=size, scene=PLAIN)
    for mask, depth in zip(samples.mask.numpy(), samples.depth.numpy(), strict=True):
        person = mask > 0
        pieces, count = ndimage.label(person, structure=np.ones((3, 3)))
        sizes = ndimage.sum(person, pieces, range(1, count + 1))
        assert sizes.max() >= 0.995 * sizes.sum()
        # A torn mesh shows as small holes whose rim is at one depth; gaps between fingers have a step at theirs.
        holes, count = ndimage.label(~person)
        for hole in range(1, count + 1):
            area = holes == hole
            if area.sum() > 3:
                continue
            rim = ndimage.binary_dilation(area, np.ones((3, 3))) & ~area
            assert np.ptp(depth[rim]) > 6.0, "pinhole"
    assert ((samples.depth > 0) == (samples.mask > 0)).all()


def test_objects_have_depth_but_no_class():
    scene = replace(PLAIN, occluder=1.0)
    samples = render(seed=0, split="training", indices=range(16), size=64, scene=scene)
    things = (samples.depth > 0) & (samples.mask == 0)
    assert (things.flatten(1).sum(1) > 10).float().mean() > 0.8


def test_bystanders_are_persons_behind():
    scene = replace(PLAIN, distractor=1.0)
    with_other = render(seed=0, split="training", indices=range(12), size=64, scene=scene)
    alone = render(seed=0, split="training", indices=range(12), size=64, scene=PLAIN)
    assert torch.equal(with_other.uv, alone.uv)
    more = ((with_other.mask == 1) & (alone.mask == 0)).flatten(1).sum(1)
    assert (more > 20).float().mean() > 0.8
    changed = (with_other.mask != alone.mask) & (alone.mask >= 2)
    assert changed.float().sum() < 0.01 * (alone.mask >= 2).sum()


def test_hands_stand_out_and_are_well_exposed(plain):
    """Light or dark, the hand's mean brightness is neither black nor white, and skin is redder than it is blue."""
    hand = plain.mask >= 2
    for image, mask in zip(plain.images, hand, strict=True):
        mean = image[:, mask].float().mean(1)
        assert 45 < mean.mean() < 225
        assert mean[0] > mean[2] - 12
        assert (image[:, mask].float().amin(0) > 250).float().mean() < 0.05  # burnt out


def test_supersampling_refines_the_same_picture():
    one = render(seed=0, split="training", indices=range(6), size=64, scene=PLAIN, supersample=1)
    two = render(seed=0, split="training", indices=range(6), size=64, scene=PLAIN)
    assert torch.equal(one.uv, two.uv)
    assert (one.mask == two.mask).float().mean() > 0.97
    assert (one.images.float() - two.images.float()).abs().mean() < 4.0


def test_colours_of_parts():
    mask = torch.arange(34).view(1, 2, 17).to(torch.uint8)
    picture = color_mask(mask)
    assert picture.shape == (1, 3, 2, 17) and picture.dtype == torch.uint8
    assert torch.equal(picture[0].flatten(1)[:, 2:18], picture[0].flatten(1)[:, 18:])
    assert len(torch.unique(picture[0].flatten(1)[:, :18].t(), dim=0)) == 18


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"split": "test"}, "evaluation, held_out_gestures, training"),
        ({"size": 4}, "16 to 1024"),
        ({"supersample": 3}, "1 or 2"),
        ({"indices": []}, "empty"),
    ],
)
def test_errors_name_the_choices(change, message):
    arguments = {"seed": 0, "split": "training", "indices": [0], "size": 32} | change
    with pytest.raises(HandLibError, match=message):
        render(**arguments)


@pytest.mark.parametrize(
    "change",
    [{"left": 1.5}, {"fill": (0.8, 0.6)}, {"fill": (0.5, 0.99)}, {"distance": (50.0, 90.0)}, {"shapes": (0, 9)}],
)
def test_scenes_out_of_range_are_refused(change):
    with pytest.raises(HandLibError, match=next(iter(change))):
        SceneConfig(**change)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_cpu_and_gpu_agree():
    on_cpu = render(seed=0, split="training", indices=range(8), size=64)
    on_gpu = render(seed=0, split="training", indices=range(8), size=64, device="cuda").to("cpu")
    assert torch.allclose(on_cpu.uv, on_gpu.uv, atol=1e-2)
    assert (on_cpu.mask == on_gpu.mask).float().mean() > 0.999
    assert (on_cpu.images.float() - on_gpu.images.float()).abs().mean() < 0.5
