"""From light to a picture file: motion blur, the tone curve, the sensor's noise."""

from __future__ import annotations

import torch
from torch import Tensor

from hand_lib.synthetic.pixels import hash_noise
from hand_lib.synthetic.scene import SceneParameters


def motion_blur(picture: Tensor, blur: Tensor) -> Tensor:
    rows = torch.nonzero(blur.abs().sum(1) > 0)[:, 0]
    if len(rows) == 0:
        return picture
    some, size = picture[rows], picture.shape[-1]
    grid = (torch.arange(size, device=picture.device) + 0.5) / size * 2 - 1
    base = torch.stack(torch.meshgrid(grid, grid, indexing="xy"), -1)
    total = torch.zeros_like(some)
    steps = torch.linspace(-0.5, 0.5, 7).tolist()
    for t in steps:  # symmetric about the middle of the exposure, where the joints are annotated
        grid = base + 2 * t * blur[rows, None, None]
        total += torch.nn.functional.grid_sample(some, grid, padding_mode="border", align_corners=False)
    picture = picture.clone()
    picture[rows] = total / len(steps)
    return picture


def develop(picture: Tensor, scene: SceneParameters) -> Tensor:
    """Linear light to 8-bit sRGB, with a film-like shoulder and the sensor's noise."""
    batch, _, size, _ = picture.shape
    picture = torch.exp(torch.log((1.0 - torch.exp(-1.35 * picture)).clamp_(min=1e-5)).mul_(1 / 2.2))
    bits = hash_noise(scene.noise_key, size * size, salt=101)
    more = hash_noise(scene.noise_key, size * size, salt=102)
    # Three ten-bit numbers from each hash; the sum of two is triangular with variance 1/6.
    noise = torch.stack([((bits >> s) & 1023) + ((more >> s) & 1023) for s in (0, 10, 20)], 1).float()
    noise = (noise / 1024.0 - 1.0) * 6**0.5
    strength = scene.noise[:, None, None, None] * (1.25 - 0.5 * picture)
    picture = picture + strength * noise.view(batch, 3, size, size)
    return (picture * 255.0).round_().clamp_(0, 255).to(torch.uint8)
