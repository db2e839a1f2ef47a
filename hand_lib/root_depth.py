"""How far away is the hand? The root's depth from the picture itself, for whoever is not told it.

A 2.5D pose says where each joint is in the picture and how deep it lies relative to the root, in bone lengths. What it
leaves out are two numbers, the root's depth and the length of the bone (:func:`hand_lib.camera.from_25d`). The papers
take both from the truth on RHD and STB. One bone's *shape* gives the first, in units of the second: two joints a
distance 1 apart, seen along two rays, are as far away as the rays are close. So this is what one must still know:

===========================  ===========================================================
known                        then
===========================  ===========================================================
nothing                      the hand up to its size, depth and size in proportion
the bone's length            the hand in millimetres, in its place
the root's depth and length  nothing is left to find: the papers' protocol on RHD and STB
===========================  ===========================================================

With the rays ``r_i = K⁻¹ [u_i, v_i, 1]`` and everything in lengths of the bone, a joint lies at ``(z_i + ζ) r_i``, ζ
the root's depth. That the ends a, b of the bone are 1 apart is a quadratic in ζ::

    ‖ζ d + e‖² = 1,    d = r_b − r_a,    e = z_b r_b − z_a r_a
    ζ = −d·e/‖d‖² ± √((d·e)² − ‖d‖² (‖e‖² − 1)) / ‖d‖²

Both solutions have the same picture. The farther one is meant, unless the bone points so nearly along the line of sight
that to push it away would pull its ends apart in the picture less than their rays converge: ``d·(b − a) < 0``. Where
the bone is foreshortened altogether, ``d = 0``, any depth will do.

The price is a lever: ζ is about ``1/‖d‖``, so a bone that comes out 5 % too long puts the hand 5 % too near, 30 mm at
600 mm. :func:`spread` says what errors of a few pixels do.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from hand_lib.camera import unproject
from hand_lib.errors import HandLibError
from hand_lib.skeleton import SCALE_BONE


@dataclass(frozen=True, kw_only=True)
class Depths:
    """Root depths at which a bone has the length that it should have, in units of that length.

    Attributes:
        near, far: ``(...)`` the two solutions. Where there is none both are the depth at which the bone comes nearest
            to its length.
        real: ``(...)`` bool, whether there is a solution.
    """

    near: Tensor
    far: Tensor
    real: Tensor


def solve(uv: Tensor, z_rel: Tensor, K: Tensor, *, bone: tuple[int, int] = SCALE_BONE) -> Depths:
    """Both root depths that make a bone one unit long.

    Args:
        uv: ``(..., J, 2)`` pixels.
        z_rel: ``(..., J)`` depths relative to the root in lengths of the bone.
        K: ``(..., 3, 3)`` intrinsics of the picture that ``uv`` belongs to.
        bone: its two ends.

    Returns:
        Float64; of a bone whose ends coincide in the picture infinite or NaN.

    Raises:
        HandLibError: a shape is another.
    """
    d, e = _lines(uv, z_rel, K, bone)
    size, along = d.square().sum(-1), (d * e).sum(-1)
    discriminant = along.square() - size * (e.square().sum(-1) - 1)
    half = discriminant.clamp(min=0).sqrt()
    return Depths(near=(-along - half) / size, far=(-along + half) / size, real=discriminant >= 0)


def recover(
    uv: Tensor, z_rel: Tensor, K: Tensor, *, scale: Tensor | float, bone: tuple[int, int] = SCALE_BONE
) -> Tensor:
    """The root's depth in millimetres, from a pose and the bone's length: the farther solution of :func:`solve`.

    Args:
        uv: ``(..., J, 2)`` pixels.
        z_rel: ``(..., J)`` depths relative to the root in lengths of the bone.
        K: ``(..., 3, 3)`` intrinsics.
        scale: ``(...)`` length of the bone in millimetres: the true one, or a mean one. An error of a per cent in it
            is an error of a per cent in all that comes out.
        bone: its two ends.

    Returns:
        ``(...)`` float32 millimetres.

    Raises:
        HandLibError: a shape is another; the ends of a bone coincide in the picture; a hand would lie behind the
            camera.
    """
    far = solve(uv, z_rel, K, bone=bone).far
    lost = ~(far.isfinite() & (far > 0))
    if lost.any():
        raise HandLibError(
            f"{int(lost.sum())} of {lost.numel()} hands have a bone from joint {bone[0]} to {bone[1]} that no depth "
            "before the camera explains: give their root's depth"
        )
    return (far * torch.as_tensor(scale, dtype=torch.float64, device=far.device)).float()


def from_joint(z: Tensor, z_rel: Tensor, *, joint: int, scale: Tensor) -> Tensor:
    """The root's depth where another joint's is known: of the wrist, for example, ``z_root = z_wrist − s z_rel_wrist``.

    Args:
        z: ``(N,)`` depths of the joint in millimetres.
        z_rel: ``(N, J)`` predicted depths relative to the root in bone lengths.
        joint: which one.
        scale: ``(N,)`` length of the scale bone in millimetres.

    Returns:
        ``(N,)`` millimetres.
    """
    return z - scale * z_rel[:, joint]


def spread(
    uv: Tensor,
    z_rel: Tensor,
    K: Tensor,
    *,
    scale: Tensor | float,
    pixels: float,
    depths: float,
    bone: tuple[int, int] = SCALE_BONE,
) -> Tensor:
    """How far :func:`recover` is off where the bone's ends are, to first order.

    The quadratic's left side depends on six numbers, u, v and z of both ends; by the implicit function theorem the
    depth moves by ``−(∂F/∂x) / (∂F/∂ζ)`` for each. With ``p = ζ d + e``, the bone itself, ``∂F/∂ζ = 2 p·d``, and an end
    b that moves in the picture moves p by ``(z_b + ζ)`` times its ray's change.

    Args:
        uv, z_rel, K, scale, bone: as :func:`recover`.
        pixels: standard deviation of each u and each v, independent.
        depths: standard deviation of each relative depth, independent, in bone lengths.

    Returns:
        ``(...)`` float64, the standard deviation of the root's depth in millimetres; infinite where the bone is
        foreshortened altogether.

    Raises:
        HandLibError: as :func:`solve`.
    """
    d, e = _lines(uv, z_rel, K, bone)
    zeta = solve(uv, z_rel, K, bone=bone).far
    p = zeta.unsqueeze(-1) * d + e
    slope = (p * d).sum(-1)
    # A pixel to the right, and a pixel down, in rays.
    steps = _rays(uv.new_tensor([[1.0, 0.0], [0.0, 1.0]]), K) - _rays(uv.new_zeros(2, 2), K)  # (..., 2, 3)
    variance = torch.zeros_like(zeta)
    for end in bone:
        ray = _rays(uv[..., [end], :], K).squeeze(-2)
        away = z_rel[..., end].double() + zeta
        moved = ((p.unsqueeze(-2) * steps).sum(-1) * away.unsqueeze(-1)).square().sum(-1)
        variance = variance + pixels**2 * moved + depths**2 * (p * ray).sum(-1).square()
    return variance.sqrt() / slope.abs() * scale


def _lines(uv: Tensor, z_rel: Tensor, K: Tensor, bone: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """d and e, ``(..., 3)`` float64 each."""
    a, b = _rays(uv[..., list(bone), :], K).unbind(-2)
    z_a, z_b = z_rel[..., list(bone)].double().unsqueeze(-1).unbind(-2)
    return b - a, z_b * b - z_a * a


def _rays(uv: Tensor, K: Tensor) -> Tensor:
    """``(..., J, 2)`` pixels to ``(..., J, 3)`` float64, each with z = 1."""
    return unproject(uv.double(), torch.ones_like(uv[..., 0], dtype=torch.float64), K.double())
