"""The camera against closed forms, and its crops against pictures whose every pixel is known and against kornia."""

from __future__ import annotations

import math

import kornia
import pytest
import torch
import torch.nn.functional as F
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hand_lib.camera import (
    crop_transform,
    from_25d,
    is_mirrored,
    mirror_xyz,
    project,
    to_25d,
    transform_intrinsics,
    transform_points,
    unproject,
    warp_image,
)
from hand_lib.errors import HandLibError
from hand_lib.skeleton import ROOT, SCALE_BONE, bone_lengths

H, W = 60, 90  # no test picture is square
K = torch.tensor([[300.0, 2.0, 52.0], [0.0, 280.0, 21.0], [0.0, 0.0, 1.0]])  # fx ≠ fy, skew, centre off the middle


def some_hands(count: int = 4, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, 21, 3, generator=generator) * 40 + torch.tensor([10.0, -20.0, 500.0])


def crops_of(**ranges) -> st.SearchStrategy:
    """Keyword arguments of crop_transform for one random crop."""
    return st.fixed_dictionaries(
        {
            "center": st.tuples(st.floats(20, 70), st.floats(15, 45)),
            "side": st.floats(20, 80),
            "size": st.integers(16, 48),
            "rotation": st.floats(-math.pi, math.pi),
            "scale": st.floats(0.7, 1.4),
            "translation": st.tuples(st.floats(-6, 6), st.floats(-6, 6)),
            "mirror": st.booleans(),
        }
        | ranges
    )


def transform_of(crop: dict) -> torch.Tensor:
    return crop_transform(
        torch.tensor(crop["center"]),
        crop["side"],
        crop["size"],
        rotation=crop["rotation"],
        scale=crop["scale"],
        translation=torch.tensor(crop["translation"]),
        mirror=crop["mirror"],
    )


# ---------------------------------------------------------------------------------------------------- pinhole camera


def test_projection_in_closed_form():
    plain = torch.tensor([[300.0, 0.0, 52.0], [0.0, 280.0, 21.0], [0.0, 0.0, 1.0]])
    xyz = torch.tensor([[0.0, 0.0, 700.0], [50.0, -25.0, 500.0]])
    expected = torch.tensor([[52.0, 21.0], [52.0 + 300 * 50 / 500, 21.0 - 280 * 25 / 500]])
    torch.testing.assert_close(project(xyz, plain), expected)


def test_projection_agrees_with_kornia():
    plain = K - torch.tensor([[0.0, 2.0, 0.0], [0.0] * 3, [0.0] * 3])  # kornia reads fx, fy, cx and cy only
    xyz = some_hands()
    torch.testing.assert_close(project(xyz, plain), kornia.geometry.project_points(xyz, plain.expand(4, 21, 3, 3)))


def test_unprojection_inverts_projection():
    xyz = some_hands()
    torch.testing.assert_close(unproject(project(xyz, K), xyz[..., 2], K), xyz, rtol=0, atol=1e-3)


def test_one_camera_an_image_and_one_for_all():
    xyz = some_hands()
    cameras = torch.stack([K, K * torch.tensor([[2.0], [2.0], [1.0]]), K, K])
    together = project(xyz, cameras)
    for image in range(4):
        torch.testing.assert_close(together[image], project(xyz[image], cameras[image]))
    torch.testing.assert_close(project(xyz.view(2, 2, 21, 3), cameras.view(2, 2, 3, 3)).view(4, 21, 2), together)


def test_autocast_does_not_touch_the_camera():
    xyz = some_hands()
    with torch.autocast("cpu", torch.bfloat16):
        inside = project(xyz, K)
        A = crop_transform(torch.tensor([40.0, 20.0]), 50.0, 64, rotation=0.3)
        cropped = transform_intrinsics(A, K)
    assert torch.equal(inside, project(xyz, K))
    assert torch.equal(cropped, transform_intrinsics(A, K))


# -------------------------------------------------------------------------------------------------------------- 2.5D


def test_25d_closed_form():
    xyz = some_hands()
    uv, z_rel, z_root, scale = to_25d(xyz, K)
    torch.testing.assert_close(uv, project(xyz, K))
    torch.testing.assert_close(z_root, xyz[:, ROOT, 2])
    start, end = SCALE_BONE
    torch.testing.assert_close(scale, (xyz[:, end] - xyz[:, start]).norm(dim=-1))
    assert torch.equal(z_rel[:, ROOT], torch.zeros(4))
    torch.testing.assert_close(z_rel * scale[:, None] + z_root[:, None], xyz[..., 2])


def test_25d_other_root_and_bone():
    xyz = some_hands()
    _, z_rel, z_root, scale = to_25d(xyz, K, root=0, scale_bone=(0, 9))
    assert torch.equal(z_root, xyz[:, 0, 2])
    torch.testing.assert_close(scale, (xyz[:, 9] - xyz[:, 0]).norm(dim=-1))
    assert torch.equal(z_rel[:, 0], torch.zeros(4))


@given(seed=st.integers(0, 10_000), crop=crops_of())
@settings(max_examples=50, deadline=None)
def test_25d_and_back_through_any_crop(seed, crop):
    xyz = some_hands(2, seed)
    cropped = transform_intrinsics(transform_of(crop), K)
    uv, z_rel, z_root, scale = to_25d(xyz, cropped)
    torch.testing.assert_close(from_25d(uv, z_rel, cropped, z_root=z_root, scale=scale), xyz, rtol=0, atol=5e-3)


@pytest.mark.parametrize("factor", [0.5, 3.0])
def test_25d_cannot_tell_a_small_near_hand_from_a_large_far_one(factor):
    near, far = to_25d(some_hands(), K), to_25d(some_hands() * factor, K)
    torch.testing.assert_close(far[0], near[0], rtol=1e-5, atol=1e-3)
    torch.testing.assert_close(far[1], near[1], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(far[2], near[2] * factor)
    torch.testing.assert_close(far[3], near[3] * factor)


def test_gradients():
    xyz = some_hands(1).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda points: to_25d(points, K.double())[:2], xyz)
    uv, z_rel, z_root, scale = (x.detach().requires_grad_() for x in to_25d(xyz, K.double()))
    assert torch.autograd.gradcheck(
        lambda uv, z, root, scale: from_25d(uv, z, K.double(), z_root=root, scale=scale), (uv, z_rel, z_root, scale)
    )


# ------------------------------------------------------------------------------------------------------ the transform


def test_whole_square_picture_is_the_identity():
    A = crop_transform(torch.tensor([39.5, 39.5]), 80.0, 80)
    torch.testing.assert_close(A, torch.eye(3))


def test_the_box_fills_the_crop_from_edge_to_edge():
    center, side, size = torch.tensor([31.0, 12.5]), 25.0, 64
    corners = center + side / 2 * torch.tensor([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])
    expected = torch.tensor([[-0.5, -0.5], [63.5, -0.5], [63.5, 63.5], [-0.5, 63.5]])
    torch.testing.assert_close(transform_points(crop_transform(center, side, size), corners), expected)
    mirrored = transform_points(crop_transform(center, side, size, mirror=True), corners)
    torch.testing.assert_close(mirrored, expected[[1, 0, 3, 2]], rtol=0, atol=1e-4)


def test_rotation_takes_u_towards_v():
    center = torch.tensor([30.0, 20.0])
    A = crop_transform(center, 41.0, 41, rotation=math.pi / 2)
    right_of_center = transform_points(A, center + torch.tensor([[5.0, 0.0]]))
    torch.testing.assert_close(right_of_center, torch.tensor([[20.0, 25.0]]))


def test_translation_and_scale():
    center = torch.tensor([30.0, 20.0])
    A = crop_transform(center, 40.0, 20, scale=1.5, translation=torch.tensor([3.0, -2.0]))
    points = transform_points(A, torch.stack([center, center + torch.tensor([8.0, 4.0])]))
    torch.testing.assert_close(points, torch.tensor([[12.5, 7.5], [12.5 + 0.75 * 8, 7.5 + 0.75 * 4]]))


@given(crop=crops_of())
@settings(max_examples=50, deadline=None)
def test_the_matrix_is_the_composition_it_says_it_is(crop):
    def shift(u: float, v: float) -> torch.Tensor:
        return torch.tensor([[1.0, 0.0, u], [0.0, 1.0, v], [0.0, 0.0, 1.0]], dtype=torch.float64)

    size, (tu, tv), (cu, cv) = crop["size"], crop["translation"], crop["center"]
    cos, sin = math.cos(crop["rotation"]), math.sin(crop["rotation"])
    rotation = torch.tensor([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]], dtype=torch.float64)
    factor = crop["scale"] * size / crop["side"]
    resize = torch.diag(torch.tensor([factor, factor, 1.0], dtype=torch.float64))
    mirror = torch.diag(torch.tensor([-1.0 if crop["mirror"] else 1.0, 1.0, 1.0], dtype=torch.float64))
    middle = (size - 1) / 2
    expected = shift(middle + tu, middle + tv) @ rotation @ resize @ mirror @ shift(-cu, -cv)
    A = transform_of(crop)
    torch.testing.assert_close(A.double(), expected, rtol=1e-5, atol=1e-4)
    assert bool(is_mirrored(A)) == crop["mirror"]


def test_a_batch_is_its_parts():
    centers = torch.tensor([[30.0, 20.0], [50.0, 10.0], [12.0, 44.0]])
    sides, angles = torch.tensor([20.0, 30.0, 40.0]), torch.tensor([0.1, -2.0, 3.0])
    shifts, mirror = torch.tensor([[1.0, 2.0], [-3.0, 0.0], [0.0, 5.0]]), torch.tensor([True, False, True])
    together = crop_transform(centers, sides, 32, rotation=angles, translation=shifts, mirror=mirror)
    assert together.shape == (3, 3, 3)
    assert is_mirrored(together).tolist() == mirror.tolist()
    for i in range(3):
        alone = crop_transform(
            centers[i], sides[i], 32, rotation=angles[i], translation=shifts[i], mirror=bool(mirror[i])
        )
        torch.testing.assert_close(together[i], alone)
    assert crop_transform(centers[0], 20.0, 32, rotation=angles).shape == (3, 3, 3)


# ---------------------------------------------------------------------------------------------------------- mirroring


def test_plain_mirror_keeps_the_focal_lengths_and_mirrors_the_principal_point():
    A = torch.tensor([[-1.0, 0.0, W - 1.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    plain = torch.tensor([[300.0, 0.0, 52.0], [0.0, 280.0, 21.0], [0.0, 0.0, 1.0]])
    expected = torch.tensor([[300.0, 0.0, W - 1 - 52.0], [0.0, 280.0, 21.0], [0.0, 0.0, 1.0]])
    torch.testing.assert_close(transform_intrinsics(A, plain), expected)


@given(crop=crops_of(), seed=st.integers(0, 10_000))
@settings(max_examples=50, deadline=None)
def test_the_crops_camera_projects_the_crops_hand_where_the_crop_shows_it(crop, seed):
    xyz, A = some_hands(2, seed), transform_of(crop)
    moved = transform_points(A, project(xyz, K))
    projected = project(mirror_xyz(xyz, is_mirrored(A)), transform_intrinsics(A, K))
    torch.testing.assert_close(projected, moved, rtol=0, atol=2e-3)


def test_forgetting_the_principal_point_shears_the_hand():
    xyz = some_hands(1)
    plain = torch.tensor([[300.0, 0.0, 52.0], [0.0, 280.0, 21.0], [0.0, 0.0, 1.0]])
    A = torch.tensor([[-1.0, 0.0, W - 1.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    uv, z = transform_points(A, project(xyz, plain)), xyz[..., 2]
    right = unproject(uv, z, transform_intrinsics(A, plain))
    wrong = unproject(uv, z, plain)
    torch.testing.assert_close(right, mirror_xyz(xyz, torch.tensor([True])), rtol=0, atol=1e-3)
    # Off by z (W−1−2cx)/fx along x: a shear in the xz plane, not a shift, so that bones change their lengths.
    torch.testing.assert_close((wrong - right)[..., 0], z * (W - 1 - 2 * 52) / 300, rtol=0, atol=1e-3)
    torch.testing.assert_close(bone_lengths(right), bone_lengths(xyz), rtol=0, atol=1e-3)
    assert (bone_lengths(wrong) - bone_lengths(xyz)).abs().max() > 1


def test_mirror_only_the_hands_that_are_to_be():
    xyz = some_hands(3)
    mirrored = mirror_xyz(xyz, torch.tensor([True, False, True]))
    assert torch.equal(mirrored[1], xyz[1])
    assert torch.equal(mirrored[0], xyz[0] * torch.tensor([-1.0, 1.0, 1.0]))
    assert torch.equal(mirror_xyz(mirrored, torch.tensor([True, False, True])), xyz)


# --------------------------------------------------------------------------------------------------------------- warp


def grid(height: int = H, width: int = W) -> tuple[torch.Tensor, torch.Tensor]:
    v, u = torch.meshgrid(torch.arange(height).float(), torch.arange(width).float(), indexing="ij")
    return u, v


def blob(uv: torch.Tensor, sigma: float = 2.5, height: int = H, width: int = W) -> torch.Tensor:
    u, v = grid(height, width)
    return torch.exp(-((u - uv[0]) ** 2 + (v - uv[1]) ** 2) / (2 * sigma**2))[None, None]


def centroid(image: torch.Tensor) -> torch.Tensor:
    u, v = grid(*image.shape)
    return torch.stack([(u * image).sum(), (v * image).sum()]) / image.sum()


def test_identity_and_exact_mirror():
    images = torch.rand(2, 3, 48, 48)
    center = torch.tensor([[23.5, 23.5]]).expand(2, 2)
    same = warp_image(images, crop_transform(center, 48.0, 48), 48)
    torch.testing.assert_close(same, images, rtol=0, atol=1e-5)
    mirrored = warp_image(images, crop_transform(center, 48.0, 48, mirror=True), 48)
    torch.testing.assert_close(mirrored, images.flip(-1), rtol=0, atol=1e-5)
    turned = warp_image(images, crop_transform(center, 48.0, 48, rotation=math.pi / 2), 48)
    torch.testing.assert_close(turned, images.rot90(-1, dims=(-2, -1)), rtol=0, atol=2e-5)  # clockwise


@pytest.mark.parametrize("side", [20.0, 33.0, 50.0])  # magnified, as it is, shrunk a little
def test_warp_of_a_ramp_is_the_source_coordinate(side):
    u, v = grid()
    images = torch.stack([u / W, v / H]).expand(1, 2, H, W)
    A = crop_transform(
        torch.tensor([[47.0, 24.0]]), side, 32, rotation=0.4, translation=torch.tensor([2.0, -1.0]), mirror=True
    )
    crop = warp_image(images, A, 32)[0]
    crop_u, crop_v = grid(32, 32)
    source = transform_points(torch.linalg.inv(A[0]), torch.stack([crop_u, crop_v], dim=-1).view(-1, 2)).view(32, 32, 2)
    inside = ((source >= 0) & (source <= torch.tensor([W - 1.0, H - 1.0]))).all(dim=-1)
    assert inside.sum() > 400
    torch.testing.assert_close(crop[0][inside], source[..., 0][inside] / W, rtol=0, atol=1e-4)
    torch.testing.assert_close(crop[1][inside], source[..., 1][inside] / H, rtol=0, atol=1e-4)


@given(crop=crops_of(size=st.just(64), side=st.floats(24, 70)), offset=st.tuples(st.floats(-6, 6), st.floats(-6, 6)))
@settings(max_examples=40, deadline=None)
def test_a_blob_lands_where_the_matrix_says(crop, offset):
    A = transform_of(crop)
    uv = torch.tensor(crop["center"]) + torch.tensor(offset)
    expected = transform_points(A, uv[None])[0]
    # Cut by the border of the crop or of the source, a blob has its centroid elsewhere.
    reach = 4.5 * 1.5 * A[:2, 0].norm()
    assume(expected.min() > reach and expected.max() < 63 - reach and uv.min() > 7 and uv[0] < W - 8 and uv[1] < H - 8)
    found = warp_image(blob(uv, sigma=1.5), A[None], 64)[0, 0]
    assert (centroid(found) - expected).norm() < 0.05


@pytest.mark.parametrize("shrinking", [1.9, 2.0, 3.0, 4.7, 7.3])
def test_a_blob_lands_where_the_matrix_says_when_shrunk(shrinking):
    height, width, size = 301, 430, 32  # not multiples of the blocks
    center = torch.tensor([220.0, 130.0])
    uv = center + shrinking * torch.tensor([3.1, -2.3])
    A = crop_transform(center[None], size * shrinking, size, rotation=0.7, mirror=True)
    found = warp_image(blob(uv, sigma=2 * shrinking, height=height, width=width), A, size)[0, 0]
    assert (centroid(found) - transform_points(A, uv[None])[0][0]).norm() < 0.01


@given(crop=crops_of(size=st.just(32), side=st.floats(10, 42)))
@settings(max_examples=25, deadline=None)
def test_warp_agrees_with_kornia(crop):
    images = torch.rand(1, 3, H, W, generator=torch.Generator().manual_seed(1))
    A = transform_of(crop | {"scale": 1.0})[None]
    expected = kornia.geometry.warp_affine(images, A[:, :2], (32, 32), align_corners=True)
    # The interior: at the border kornia may fade to black half a pixel elsewhere.
    inside = kornia.geometry.warp_affine(torch.ones_like(images), A[:, :2], (32, 32), align_corners=True) > 0.999
    torch.testing.assert_close(warp_image(images, A, 32)[inside], expected[inside], rtol=0, atol=2e-3)


@pytest.mark.parametrize("block", [2, 3, 4])
def test_shrinking_by_a_whole_number_averages_blocks(block):
    images = torch.rand(1, 3, 24 * block, 24 * block)
    A = crop_transform(torch.full((1, 2), (24 * block - 1) / 2), 24.0 * block, 24)
    torch.testing.assert_close(warp_image(images, A, 24), F.avg_pool2d(images, block), rtol=0, atol=1e-5)


@pytest.mark.parametrize("shrinking", [2.2, 3.5, 6.1])
def test_shrinking_noise_averages_it_away(shrinking):
    # White noise holds mostly frequencies that a small picture cannot: a shrunk one must be nearly flat.
    size = 32
    images = torch.randn(8, 1, 260, 300)
    A = crop_transform(torch.tensor([[150.0, 130.0]]).expand(8, 2), size * shrinking, size, rotation=0.3)
    crops = warp_image(images, A, size)
    assert crops.std() < 1.0 / math.floor(shrinking)
    assert crops.std() > 0.3 / shrinking  # and no blurrier than it must be: an exact average has 1/shrinking


def test_shrinking_by_three_counts_as_three_at_every_angle():
    # The factor is read off A, whose entries are rounded: at some angles it comes out as 2.9999998.
    images = torch.randn(1, 1, 130, 150, generator=torch.Generator().manual_seed(0)).expand(64, 1, 130, 150)
    center = torch.tensor([[75.2, 64.9]]).expand(64, 2)
    A = crop_transform(center, 75.0, 25, rotation=torch.linspace(-3, 3, 64))
    crops = warp_image(images, A, 25)
    assert crops.std(dim=(1, 2, 3)).max() < 0.28  # 0.22 from blocks of three, 0.33 from blocks of two


@pytest.mark.parametrize("block", [2, 3, 4])
def test_shrinking_loses_nothing_at_the_far_borders(block):
    height, width = 12 * block + 1, 15 * block + 1  # one row and one column more than fill the blocks
    A = torch.diag(torch.tensor([1 / block, 1 / block, 1.0]))[None]
    crop = warp_image(torch.ones(1, 1, height, width), A, 20)[0, 0]
    far = torch.tensor([[width - 1.0, height - 1.0]])
    u, v = transform_points(A[0], far)[0].floor().int().tolist()
    torch.testing.assert_close(crop[1:v, 1:u], torch.ones(v - 1, u - 1))
    assert crop[v, 5] > 0.5 and crop[5, u] > 0.5


def test_outside_the_source_is_black():
    crop = warp_image(torch.ones(1, 3, H, W), crop_transform(torch.tensor([[0.0, 0.0]]), 20.0, 20), 20)[0, 0]
    assert torch.equal(crop[:9, :9], torch.zeros(9, 9))
    torch.testing.assert_close(crop[11:, 11:], torch.ones(9, 9))


def test_each_image_is_shrunk_by_its_own_factor():
    images = torch.rand(5, 3, H, W)
    centers = torch.tensor([[40.0, 30.0]]).expand(5, 2)
    A = crop_transform(centers, torch.tensor([10.0, 80.0, 20.0, 50.0, 81.0]), 16, rotation=torch.arange(5.0))
    together = warp_image(images, A, 16)
    for i in range(5):
        torch.testing.assert_close(together[i : i + 1], warp_image(images[i : i + 1], A[i : i + 1], 16))


def test_gradients_reach_the_picture_and_the_matrix():
    images = torch.rand(1, 1, 7, 9, dtype=torch.float64, requires_grad=True)
    A = crop_transform(torch.tensor([[4.1, 3.3]], dtype=torch.float64), 5.0, 4, rotation=0.2).requires_grad_()
    warp_image(images, A, 4).square().sum().backward()
    assert images.grad.abs().sum() > 0 and A.grad[:, :2].abs().min() > 0


# ------------------------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: project(torch.zeros(21, 2), K), r"xyz must have shape \(..., 3\), got \(21, 2\)"),
        (lambda: project(torch.zeros(21, 3), K[:2]), r"K must have shape \(..., 3, 3\)"),
        (lambda: unproject(torch.zeros(21, 3), torch.ones(21), K), "uv must have shape"),
        (lambda: transform_intrinsics(torch.zeros(2, 3), K), "A must have shape"),
        (lambda: crop_transform(torch.zeros(3), 1.0, 4), "box_center must have shape"),
        (lambda: crop_transform(torch.zeros(2), 1.0, 0), "size=0"),
        (lambda: warp_image(torch.zeros(1, 3, 4, 4, dtype=torch.uint8), torch.eye(3)[None], 4), "must be float"),
        (lambda: warp_image(torch.zeros(3, 4, 4), torch.eye(3)[None], 4), "must be float"),
        (lambda: warp_image(torch.zeros(2, 3, 4, 4), torch.eye(3)[None], 4), "2 images"),
        (lambda: warp_image(torch.zeros(1, 3, 4, 4), torch.zeros(1, 3, 3), 4), "singular"),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises(HandLibError, match=words):
        call()
