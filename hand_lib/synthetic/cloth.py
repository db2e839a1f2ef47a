"""Sleeves: their colours, and the folds and hems of their cloth."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from hand_lib.synthetic.draws import Draws
from hand_lib.synthetic.pixels import FINE, FINE_DU, FINE_DV, sheet_at, soft_step, spread, texel, to_linear

THICKNESS = 3.0  # mm of cloth
_HEM = 11.0  # mm from the edge to the seam


@dataclass(frozen=True, kw_only=True)
class Cloth:
    """The sleeves of B pictures.

    Attributes:
        cuff: ``(B,)`` mm from the wrist to where the sleeve begins, infinite without one.
        colors: ``(B, 2, 3)`` its two colours, linear RGB. weave: ``(B, 2)`` period of its stripes in mm, their share.
        folds: ``(B, 2)`` slope of its folds, and where on the sheet of noise they lie.
    """

    cuff: Tensor
    colors: Tensor
    weave: Tensor
    folds: Tensor


def muted(u: Tensor) -> Tensor:
    """Four uniform numbers ``(..., 4)`` to a colour of cloth or paint ``(..., 3)``, linear RGB: mostly greys, blues and
    browns of little saturation, now and then a strong one."""
    value = 0.10 + 0.82 * u[..., :1]
    # Strong colours are rare, rarer among greens and violets than from orange to blue.
    likely = 0.45 + 0.55 * torch.cos(6.2832 * (u[..., 2:3] - 0.08)).abs()
    saturation = 0.05 + 0.55 * u[..., 1:2] ** 2 * likely
    turn = 6.2832 * (u[..., 2:3] + torch.tensor([0.0, -1 / 3, 1 / 3], device=u.device))
    hue = 0.5 + 0.5 * torch.cos(turn)
    return to_linear((value * (1 - saturation + saturation * hue) + 0.04 * (u[..., 3:] - 0.5)).clamp(0.02, 0.95))


def sample_cloth(draws: Draws, *, sleeve: float) -> Cloth:
    """Draw sleeves; ``sleeve`` is the probability of one."""
    cuff = torch.where(draws.chance(sleeve), draws.uniform(22.0, 85.0), torch.inf)
    colors = muted(draws.unit(8).unflatten(1, (2, 4)))
    plain = draws.chance(0.65)
    weave = torch.stack([draws.uniform(4.0, 22.0), torch.where(plain, 0.0, draws.uniform(0.2, 0.6))], 1)
    folds = torch.stack([draws.uniform(0.25, 0.75), draws.uniform(0.0, 2000.0)], 1)
    return Cloth(cuff=cuff, colors=colors, weave=weave, folds=folds)


def cloth_at(cloth: Cloth, image: Tensor, place: Tensor, footprint: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Where sleeves are, their albedo and their slope, at P points of forearms.

    Args:
        image: ``(P,)``. place: ``(3, P)`` resting place, mm, y from the elbow to
            the wrist. footprint: ``(P,)`` mm that a pixel covers.

    Returns:
        ``(P,)`` bool; albedo ``(3, P)``, black gaps at the hem included; slope ``(3, P)`` in the forearm's frame.
    """
    table = torch.cat([cloth.cuff[:, None].clamp(max=1e6), cloth.weave, cloth.folds, cloth.colors.flatten(1)], 1)
    cuff, period, band, steep, where, *colors = spread(table, image)
    up_arm = -place[1]
    beyond = up_arm - cuff
    # Folds run round the arm and a little askew; near the cuff they crowd. The weave is finer than most pixels.
    round_ = place[0] + 1.2 * place[2]
    number = texel(0.45 * round_ + where, 2.4 * up_arm + 0.8 * place[0])
    fold = sheet_at(FINE, number)
    slope_y = -steep * sheet_at(FINE_DV, number) * 0.30
    slope_x = steep * sheet_at(FINE_DU, number) * 0.12
    seam = (beyond - _HEM) / (0.8 + 0.25 * footprint)
    edge = beyond / (1.6 + 0.25 * footprint)
    groove = torch.exp(-(seam**2))
    slope_y = slope_y - 0.5 * groove * seam
    striped = soft_step(
        (torch.remainder(up_arm / period, 1.0) - 0.5 * band).abs() * -period, -0.5 * band * period, footprint
    )
    shade = (1.0 - 0.35 * groove) * (1.0 - 0.5 * torch.exp(-(edge**2))) * (1.0 + 0.07 * fold)
    albedo = (
        torch.stack([a + striped * (band > 0) * (b - a) for a, b in zip(colors[:3], colors[3:], strict=True)]) * shade
    )
    return beyond > 0, albedo, torch.stack([slope_x, slope_y, 1.2 * slope_x])
