"""What is seen behind the hand."""

from __future__ import annotations

import torch
from torch import Tensor

from hand_lib.synthetic.anatomy import rotate
from hand_lib.synthetic.pixels import hash_noise, to_linear
from hand_lib.synthetic.scene import SceneParameters


def backgrounds(scene: SceneParameters, size: int) -> Tensor:
    """Paint ``(B, 3, size, size)`` linear RGB: a gradient, noise on several scales, shapes; some look like fingers."""
    device, batch = scene.place.device, len(scene)
    grid = (torch.arange(size, device=device, dtype=torch.float32) + 0.5) / size  # 0 to 1
    y, x = grid[:, None], grid[None, :]
    c0, c1 = scene.background[:, :3, None, None], scene.background[:, 3:, None, None]
    slope = scene.shapes[:, 0, 18:20]
    ramp = (slope[:, :1, None] * x + slope[:, 1:, None] * y).clamp(0, 1)[:, None]  # (B, 1, H, W)
    picture = c0 + (c1 - c0) * ramp
    # Value noise: random lattices, magnified; three fields with colours of their own.
    coarse = min(size, max(64, size // 2))  # noise has no finer detail
    field, weight = 0.0, 0.0
    for octave, cells in enumerate((3, 7, 16, 37)):
        lattice = hash_noise(scene.noise_key, 3 * cells * cells, salt=octave + 1).float() / 2**31
        lattice = lattice.view(batch, 3, cells, cells)
        share = 0.55**octave
        field = field + share * torch.nn.functional.interpolate(
            lattice, size=(coarse, coarse), mode="bilinear", align_corners=True
        )
        weight += share
    field = field / weight - 0.5
    tint = 0.55 * scene.tint + 1.0
    colour = rotate(tint.transpose(1, 2), field.flatten(2)).view_as(field)  # no rotation, but the same product
    colour = (1.0 + 2.2 * scene.clutter[:, None, None, None] * colour).clamp_(0.05, 3.0)
    if coarse < size:
        colour = torch.nn.functional.interpolate(colour, size=(size, size), mode="bilinear")
    picture = picture * colour

    for i in range(int(scene.shape_count.max()) if batch else 0):
        rows = torch.nonzero(scene.shape_count > i)[:, 0]
        s = scene.shapes[rows, i, :, None, None]  # (b, 20, 1, 1)
        angle = 2 * torch.pi * s[:, 0]
        cos, sin = torch.cos(angle), torch.sin(angle)
        cx, cy = 1.2 * s[:, 1] - 0.1, 1.2 * s[:, 2] - 0.1
        qx = x * cos + (y * sin - (cx * cos + cy * sin))  # place along and across the shape's axis
        qy = y * cos - (x * sin + (cy * cos - cx * sin))
        finger = s[:, 3] < 0.4
        half_x = torch.where(finger, 0.12 + 0.3 * s[:, 4], 0.05 + 0.22 * s[:, 4])
        half_y = torch.where(finger, torch.zeros_like(half_x), 0.22 * s[:, 5])
        round_ = torch.where(finger, 0.02 + 0.05 * s[:, 6], 0.01 + 0.12 * s[:, 6] ** 2)
        dx, dy = qx.abs().sub_(half_x).clamp_(min=0), qy.abs().sub_(half_y).clamp_(min=0)
        soft = 1.0 / (1.2 / size + 0.03 * s[:, 7] ** 3)
        alpha = dx.square_().add_(dy.square_()).sqrt_().mul_(-soft).add_(0.5 + round_ * soft).clamp_(0, 1)
        first, second = scene.shapes[rows, i, 8:11], scene.shapes[rows, i, 11:14]
        # Finger-like shapes have skin's colours and are lit like cylinders.
        tone = (first[:, :1] * 0.85 + 0.15) * torch.tensor([1.0, 0.72, 0.56], device=device) + 0.06 * (second - 0.5)
        first = torch.where(finger[:, :, 0], tone.clamp(0.02, 1), first)
        first, second = to_linear(first)[..., None, None], to_linear(second)[..., None, None]
        striped = (s[:, 14] < 0.35) & ~finger
        stripes = torch.remainder(qx.mul_(6.0 + 25.0 * s[:, 15]), 1.0).gt_(0.5).mul_(striped)
        bright = 0.8 + 0.4 * ramp[rows, 0] * s[:, 17]
        lit = qy.div_(round_).clamp_(-1, 1).square_().mul_(-0.55 * finger * (0.6 + 0.4 * s[:, 16]) ** 2).add_(1.0)
        lit = lit.mul_(bright)[:, None]
        colour = (stripes[:, None] * (second - first)).add_(first).mul_(lit)
        below = picture[rows]
        picture[rows] = below.add_(colour.sub_(below).mul_(alpha[:, None]))
    return picture
