"""The pinhole camera, crops as one change of image, joints and intrinsics, and the way from 2.5D to 3D and back.

Frames and units are the package's: millimetres with x right, y down and z forward; pixels ``(u, v)`` = (column, row)
with the centre of the top-left pixel at ``(0, 0)``. Intrinsics ``K`` and crops ``A`` are full ``(..., 3, 3)``
matrices whose last row is ``(0, 0, 1)``: then a crop of any angle is exact, ``K' = A K``.

The products of small matrices are written as sums of products rather than ``@``: on a GPU a matrix product may be
rounded to ten bits (TF32), or to seven under autocast, which would move a joint by a pixel.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from hand_lib.errors import HandLibError
from hand_lib.skeleton import ROOT, SCALE_BONE

# ---------------------------------------------------------------------------------------------------- pinhole camera


def project(xyz: Tensor, K: Tensor) -> Tensor:
    """Points in the camera frame to pixels: ``z [u, v, 1]ᵀ = K [x, y, z]ᵀ``.

    Args:
        xyz: ``(..., J, 3)`` in millimetres, in front of the camera (z > 0).
        K: ``(..., 3, 3)`` intrinsics in pixels; its leading dimensions broadcast against those of ``xyz``.

    Returns:
        ``(..., J, 2)`` pixels.

    Raises:
        HandLibError: ``xyz`` or ``K`` has another shape.
    """
    _check_last(xyz, "xyz", (3,))
    _check_last(K, "K", (3, 3))
    homogeneous = _apply(K, xyz)
    return homogeneous[..., :2] / homogeneous[..., 2:]


def unproject(uv: Tensor, z: Tensor, K: Tensor) -> Tensor:
    """Pixels and their depths to points in the camera frame (groups paper, Eq. 1): ``[x, y, z]ᵀ = z K⁻¹ [u, v, 1]ᵀ``.

    Args:
        uv: ``(..., J, 2)`` pixels.
        z: ``(..., J)`` depth along the optical axis in millimetres.
        K: ``(..., 3, 3)`` intrinsics.

    Returns:
        ``(..., J, 3)`` millimetres.

    Raises:
        HandLibError: ``uv`` or ``K`` has another shape.
    """
    _check_last(uv, "uv", (2,))
    _check_last(K, "K", (3, 3))
    rays = _apply(inverse(K), _homogeneous(uv))  # (..., J, 3), each with z = 1
    return z.unsqueeze(-1) * rays


# ------------------------------------------------------------------------------------------------------- 2.5D and 3D


def to_25d(
    xyz: Tensor, K: Tensor, *, root: int = ROOT, scale_bone: tuple[int, int] = SCALE_BONE
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """3D to 2.5D: pixels, and depths relative to the root in bone lengths (groups paper, Eq. 2 solved for z_rel).

    ``z_rel = (z − z_root) / s₀`` with ``s₀`` the length of the scale bone.

    Args:
        xyz: ``(..., J, 3)`` millimetres.
        K: ``(..., 3, 3)`` intrinsics.
        root: joint whose depth is zero by definition.
        scale_bone: the two joints whose distance is the unit of depth.

    Returns:
        ``uv (..., J, 2)`` pixels, ``z_rel (..., J)`` without unit, ``z_root (...)`` mm and ``scale (...)`` mm.

    Raises:
        HandLibError: ``xyz`` or ``K`` has another shape.
    """
    uv = project(xyz, K)
    start, end = scale_bone
    scale = (xyz[..., end, :] - xyz[..., start, :]).norm(dim=-1)
    z = xyz[..., 2]
    z_root = z[..., root]
    return uv, (z - z_root.unsqueeze(-1)) / scale.unsqueeze(-1), z_root, scale


def from_25d(uv: Tensor, z_rel: Tensor, K: Tensor, *, z_root: Tensor, scale: Tensor) -> Tensor:
    """2.5D to 3D (groups paper, Eq. 3): ``[x, y, z]ᵀ = (s₀ z_rel + z_root) K⁻¹ [u, v, 1]ᵀ``.

    Args:
        uv: ``(..., J, 2)`` pixels.
        z_rel: ``(..., J)`` depths relative to the root in units of the scale bone.
        K: ``(..., 3, 3)`` intrinsics of the picture that ``uv`` belongs to.
        z_root: ``(...)`` depth of the root in millimetres.
        scale: ``(...)`` length of the scale bone in millimetres.

    Returns:
        ``(..., J, 3)`` millimetres. Exact inverse of :func:`to_25d`.

    Raises:
        HandLibError: ``uv`` or ``K`` has another shape.
    """
    z = scale.unsqueeze(-1) * z_rel + z_root.unsqueeze(-1)  # Eq. 2
    return unproject(uv, z, K)


# -------------------------------------------------------------------------------------------------------------- crops


def crop_transform(
    box_center: Tensor,
    box_side: Tensor | float,
    size: int,
    *,
    rotation: Tensor | float = 0.0,
    scale: Tensor | float = 1.0,
    translation: Tensor | float = 0.0,
    mirror: Tensor | bool = False,
) -> Tensor:
    """The matrix that takes source pixels to crop pixels: ``[u', v', 1]ᵀ = A [u, v, 1]ᵀ``.

    From right to left: the box's centre goes to the origin, the picture is mirrored, resized so that ``box_side``
    source pixels fill ``size`` crop pixels, magnified by ``scale``, turned, and put in the middle of the crop::

        A = shift((size−1)/2 + translation) · rotation · (scale · size / box_side) · mirror · shift(−box_center)

    A pixel covers half a pixel on each side of its centre, so the box ``center ± box_side/2`` fills the crop
    ``−½ … size−½`` from edge to edge; a box that is the whole of a square picture of width ``size`` gives the identity.

    Args:
        box_center: ``(..., 2)`` source pixels.
        box_side: ``(...)`` side of the square box in source pixels.
        size: side of the crop in pixels.
        rotation: ``(...)`` radians; positive takes the u axis towards the v axis, clockwise on the page.
        scale: ``(...)`` magnification; above 1 the hand gets larger.
        translation: ``(..., 2)`` or a number, crop pixels.
        mirror: ``(...)`` bool, mirror left and right about the box's centre, before the rotation. This is the same crop
            of the mirrored picture, in which a box centre at u lies at W−1−u.

    Returns:
        ``(..., 3, 3)`` in the dtype and on the device of ``box_center``.

    Raises:
        HandLibError: ``box_center`` is not ``(..., 2)``, or ``size`` is below 1.
    """
    _check_last(box_center, "box_center", (2,))
    if size < 1:
        raise HandLibError(f"a crop needs at least one pixel, got size={size}")
    side, angle, scale, flip = (
        torch.as_tensor(x, dtype=box_center.dtype, device=box_center.device)
        for x in (
            box_side,
            rotation,
            scale,
            1 - 2 * torch.as_tensor(mirror, dtype=torch.int),
        )  # flip: −1 where mirrored
    )
    translation = torch.as_tensor(translation, dtype=box_center.dtype, device=box_center.device)
    translation = translation.expand(*translation.shape[:-1], 2)
    magnification = scale * size / side
    cos, sin = magnification * torch.cos(angle), magnification * torch.sin(angle)
    u, v = box_center.unbind(-1)
    shift_u, shift_v = ((size - 1) / 2 + translation).unbind(-1)
    top = [cos * flip, -sin, shift_u - cos * flip * u + sin * v]
    bottom = [sin * flip, cos, shift_v - sin * flip * u - cos * v]
    zero, one = torch.zeros_like(u), torch.ones_like(u)
    entries = torch.broadcast_tensors(*top, *bottom, zero, zero, one)
    return torch.stack(entries, dim=-1).unflatten(-1, (3, 3))


def is_mirrored(A: Tensor) -> Tensor:
    """Whether a crop turns left hands into right ones: ``(..., 3, 3)`` to ``(...)`` bool, true where det < 0."""
    return _determinant(A) < 0


def transform_points(A: Tensor, uv: Tensor) -> Tensor:
    """Where a crop puts the pixels ``uv``: ``(..., 3, 3)`` and ``(..., J, 2)`` to ``(..., J, 2)``."""
    _check_last(uv, "uv", (2,))
    return _apply(A, _homogeneous(uv))[..., :2]


def mirror_xyz(xyz: Tensor, mirrored: Tensor) -> Tensor:
    """Mirror hands in the camera's yz plane, x → −x, where ``mirrored (...)`` is true; ``(..., J, 3)`` in and out."""
    flipped = xyz * xyz.new_tensor([-1.0, 1.0, 1.0])
    return torch.where(mirrored[..., None, None], flipped, xyz)


def transform_intrinsics(A: Tensor, K: Tensor) -> Tensor:
    """The intrinsics of the crop: ``K' = A K``, and ``K' = A K diag(−1, 1, 1)`` where ``A`` mirrors.

    A mirrored picture of a left hand is a picture of a right hand, namely of :func:`mirror_xyz` of its joints. ``K'``
    projects *those* joints exactly to where the mirrored picture has them. For a plain mirror, u → W−1−u, this gives
    the focal lengths of ``K`` and a **mirrored principal point**, cx' = W−1−cx. To leave cx where it was would shift
    every joint by the same number of pixels, which is ``z (W−1−2cx)/fx`` millimetres: more for far joints than
    for near ones, so the hand comes out sheared.

    Args:
        A: ``(..., 3, 3)`` from :func:`crop_transform`; whether it mirrors is read off its determinant.
        K: ``(..., 3, 3)`` intrinsics of the source.

    Returns:
        ``(..., 3, 3)``.

    Raises:
        HandLibError: ``A`` or ``K`` has another shape.
    """
    _check_last(A, "A", (3, 3))
    _check_last(K, "K", (3, 3))
    product = (A.unsqueeze(-1) * K.unsqueeze(-3)).sum(-2)
    one = torch.ones_like(product[..., 0, 0])
    flip = torch.stack([torch.where(is_mirrored(A), -one, one), one, one], dim=-1)
    return product * flip.unsqueeze(-2)


def warp_image(images: Tensor, A: Tensor, size: int) -> Tensor:
    """The square crops of a batch of pictures, each sampled once, bilinearly: ``crop(u') = image(A⁻¹ u')``.

    Outside the source the crop is black. A crop that shrinks the picture would skip pixels and alias. So a picture
    that shrinks by a factor of n or more, n = 2, 3, …, is first averaged over n × n blocks; the crop's pixels then lie
    less than two blocks apart, and the bilinear triangle, two blocks wide, passes over none. The shift of the blocks'
    centres is part of the warp, so nothing moves.

    Args:
        images: ``(B, C, H, W)`` float.
        A: ``(B, 3, 3)`` source pixels to crop pixels; on the CPU, or where the images are. On the CPU is better: how
            far to average is decided from its values, and to read them from a GPU is to wait for it.
        size: side of the crop.

    Returns:
        ``(B, C, size, size)`` in the dtype and on the device of ``images``.

    Raises:
        HandLibError: the images are not float or not four-dimensional, or the batch sizes differ, or ``A`` is singular.
    """
    if images.ndim != 4 or not images.is_floating_point():
        raise HandLibError(f"images must be float (B, C, H, W), got {images.dtype} {tuple(images.shape)}")
    _check_last(A, "A", (3, 3))
    if A.shape[:-2] != images.shape[:1]:
        raise HandLibError(f"one transform an image: got {len(images)} images and A of shape {tuple(A.shape)}")
    shrinking = _determinant(A).abs().rsqrt()  # source pixels between neighbouring crop pixels
    if not shrinking.isfinite().all():
        raise HandLibError("A is singular or not finite for at least one image: is a box empty?")
    # The small number keeps a shrinkage by 3 that is rounded to 2.9999998 from counting as 2.
    blocks = (shrinking + 1e-3).floor().clamp(1, max(images.shape[-2:])).int().tolist()
    A = A.to(images.device, non_blocking=True)
    if len(set(blocks)) == 1:
        return _warp(images, A, size, block=blocks[0])
    crops = images.new_empty(*images.shape[:2], size, size)
    for block in set(blocks):
        chosen = torch.tensor([i for i, other in enumerate(blocks) if other == block])
        chosen = chosen.to(images.device, non_blocking=True)
        crops[chosen] = _warp(images[chosen], A[chosen], size, block=block)
    return crops


def _warp(images: Tensor, A: Tensor, size: int, *, block: int) -> Tensor:
    """:func:`warp_image` for pictures that are all averaged over blocks of the same side."""
    if block > 1:
        # At the right and bottom edge a block may be cut: ceil_mode averages what there is of it.
        images = F.avg_pool2d(images, block, ceil_mode=True)
    to_source = inverse(A)[:, :2]  # (B, 2, 3)
    pixel = torch.arange(size, device=A.device, dtype=A.dtype)
    u, v = pixel.view(1, 1, size, 1), pixel.view(1, size, 1, 1)
    source = to_source[:, None, None, :, 0] * u + to_source[:, None, None, :, 1] * v + to_source[:, None, None, :, 2]
    # Pixel u of the source is pixel (u − (block−1)/2) / block of the averaged one. grid_sample wants −1 and +1 at
    # the outer *edges* of the outer pixels (align_corners=False), and u before v.
    extents = (images.shape[-1] * block, images.shape[-2] * block)  # numbers: a tensor of them would wait for a GPU
    halves = [(2 * part + 1) / extent - 1 for part, extent in zip(source.unbind(-1), extents, strict=True)]
    grid = torch.stack(halves, dim=-1)  # (B, size, size, 2); (u − (block−1)/2)/block + ½ = (u + ½)/block
    return F.grid_sample(images, grid.to(images.dtype), mode="bilinear", padding_mode="zeros", align_corners=False)


# ------------------------------------------------------------------------------------------------------ 3×3 matrices


def _apply(matrix: Tensor, vectors: Tensor) -> Tensor:
    """``(..., 3, 3)`` times each of ``(..., J, 3)``."""
    return (matrix.unsqueeze(-3) * vectors.unsqueeze(-2)).sum(-1)


def _homogeneous(uv: Tensor) -> Tensor:
    return torch.cat([uv, torch.ones_like(uv[..., :1])], dim=-1)


def _determinant(matrix: Tensor) -> Tensor:
    """Of ``(..., 3, 3)`` with last row (0, 0, 1)."""
    return matrix[..., 0, 0] * matrix[..., 1, 1] - matrix[..., 0, 1] * matrix[..., 1, 0]


def inverse(matrix: Tensor) -> Tensor:
    """Of ``(..., 3, 3)`` with last row (0, 0, 1), in closed form: no rounding by a solver, no wait for a GPU."""
    a, b, c = matrix[..., 0, :].unbind(-1)
    d, e, f = matrix[..., 1, :].unbind(-1)
    determinant = a * e - b * d
    zero, one = torch.zeros_like(a), torch.ones_like(a)
    rows = [
        torch.stack([e / determinant, -b / determinant, (b * f - c * e) / determinant], dim=-1),
        torch.stack([-d / determinant, a / determinant, (c * d - a * f) / determinant], dim=-1),
        torch.stack([zero, zero, one], dim=-1),
    ]
    return torch.stack(rows, dim=-2)


def _check_last(tensor: Tensor, name: str, expected: tuple[int, ...]) -> None:
    if tensor.shape[-len(expected) :] != expected:
        wanted = ", ".join(["..."] + [str(n) for n in expected])
        raise HandLibError(f"{name} must have shape ({wanted}), got {tuple(tensor.shape)}")
