"""From light to a picture file: focus, motion, the tone curve, the sensor's noise, and JPEG."""

from __future__ import annotations

import io
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from hand_lib.synthetic.draws import Draws
from hand_lib.synthetic.pixels import hash_noise


@dataclass(frozen=True, kw_only=True)
class Lens:
    """The cameras of B pictures.

    Attributes:
        aperture: ``(B,)`` standard deviation of the blur of what is infinitely far, in parts of the picture's side.
        softness: ``(B,)`` of the blur of the whole picture, likewise.
        motion: ``(B, 2)`` in parts of the picture's side, 0 for none.
        vignette: ``(B,)`` share of the light that corners lose.
        noise: ``(B,)`` standard deviation of the noise, of the full range; noise_key ``(B,)`` int64 below 2**31.
        quality: ``(B,)`` of the JPEG file, 1 to 100; 0 for a picture that was never compressed.
    """

    aperture: Tensor
    softness: Tensor
    motion: Tensor
    vignette: Tensor
    noise: Tensor
    noise_key: Tensor
    quality: Tensor


def sample_lens(
    draws: Draws,
    *,
    aperture: tuple[float, float],
    softness: tuple[float, float],
    motion_blur: float,
    noise: tuple[float, float],
    compressed: float,
    quality: tuple[float, float],
) -> Lens:
    """Draw cameras; arguments are as in :class:`~hand_lib.synthetic.scene.SceneConfig`."""
    moves, course, travel = draws.chance(motion_blur), draws.uniform(0.0, 6.2832), draws.uniform(0.02, 0.06)
    motion = travel[:, None] * torch.stack([torch.cos(course), torch.sin(course)], 1)
    low, high = softness
    return Lens(
        aperture=draws.uniform(*aperture),
        softness=low + (high - low) * draws.unit(1)[:, 0] ** 3,
        motion=torch.where(moves[:, None], motion, 0.0),
        vignette=0.25 * draws.unit(1)[:, 0] ** 2,
        noise=draws.uniform(*noise),
        noise_key=(draws.unit(1)[:, 0].double() * (1 << 24)).long() * 61 + 17,
        quality=torch.where(draws.chance(compressed), draws.uniform(*quality), 0.0),
    )


def _binomial(picture: Tensor) -> Tensor:
    """Blur by [1 2 1] / 4 along both axes, standard deviation 0.71 pixels; borders are repeated."""
    wide = torch.nn.functional.pad(picture, (1, 1, 1, 1), mode="replicate")
    wide = wide[:, :, :-2] + 2.0 * wide[:, :, 1:-1] + wide[:, :, 2:]
    return (wide[..., :-2] + 2.0 * wide[..., 1:-1] + wide[..., 2:]).mul_(1 / 16)


def defocus(picture: Tensor, width: Tensor) -> Tensor:
    """Blur each pixel by a standard deviation of its own.

    Args:
        picture: ``(B, 3, S, S)``. width: ``(B, S, S)`` or ``(B, 1, 1)`` pixels, from 0.7 to 7.6; nearest of them else.

    Returns:
        ``(B, 3, S, S)``: of four blurs, the two next to the width, in the shares that give its variance.
    """
    size = picture.shape[-1]
    variance = (width * width)[:, None]
    small = large = _binomial(picture)
    result = large
    for low, high in pairwise(_VARIANCES):
        if not bool((variance > low).any()):
            break
        small = _binomial(torch.nn.functional.avg_pool2d(small, 2, ceil_mode=True))
        before, large = large, torch.nn.functional.interpolate(small, size=(size, size), mode="bilinear")
        result = result + (large - before) * ((variance - low) / (high - low)).clamp(0, 1)
    return result


# Of the blurs of :func:`defocus` in square pixels: each halves the picture, blurs it by [1 2 1] / 4, and enlarges it.
_VARIANCES = (0.5, 3.5, 14.5, 58.5)


def soften(picture: Tensor, lens: Lens) -> Tensor:
    """Put whole pictures out of focus, those whose blur a pixel would show."""
    width = lens.softness * picture.shape[-1]
    rows = torch.nonzero(width > 0.25)[:, 0]
    if len(rows) == 0:
        return picture
    some = picture[rows]
    # Below 0.7 pixels a share of the smallest blur, whose variance is what is asked for.
    share = ((width[rows] / 0.7) ** 2).clamp(max=1.0)[:, None, None, None]
    blurred = defocus(some, width[rows, None, None])
    picture = picture.clone()
    picture[rows] = some + share * (blurred - some)
    return picture


def motion_blur(picture: Tensor, motion: Tensor) -> Tensor:
    """Blur pictures (B, 3, S, S) along their motion (B, 2), in parts of the side."""
    rows = torch.nonzero(motion.abs().sum(1) > 0)[:, 0]
    if len(rows) == 0:
        return picture
    some, size = picture[rows], picture.shape[-1]
    grid = (torch.arange(size, device=picture.device) + 0.5) / size * 2 - 1
    base = torch.stack(torch.meshgrid(grid, grid, indexing="xy"), -1)
    total = torch.zeros_like(some)
    steps = torch.linspace(-0.5, 0.5, 7).tolist()
    for t in steps:  # symmetric about the middle of the exposure, where the joints are annotated
        grid = base + 2 * t * motion[rows, None, None]
        total += torch.nn.functional.grid_sample(some, grid, padding_mode="border", align_corners=False)
    picture = picture.clone()
    picture[rows] = total / len(steps)
    return picture


def develop(picture: Tensor, lens: Lens) -> Tensor:
    """Linear light (B, 3, S, S) to 8-bit sRGB, with a film-like shoulder, the sensor's noise and JPEG's losses."""
    batch, _, size, _ = picture.shape
    grid = (torch.arange(size, device=picture.device) + 0.5) / size * 2 - 1
    corner = 0.5 * (grid[:, None] ** 2 + grid[None] ** 2)
    picture = picture * (1.0 - lens.vignette[:, None, None] * corner)[:, None]
    picture = torch.exp(torch.log((1.0 - torch.exp(-1.35 * picture)).clamp_(min=1e-5)).mul_(1 / 2.2))
    bits = hash_noise(lens.noise_key, size * size, salt=101)
    more = hash_noise(lens.noise_key, size * size, salt=102)
    # Three ten-bit numbers from each hash; the sum of two is triangular with variance 1/6.
    noise = torch.stack([((bits >> s) & 1023).add_((more >> s) & 1023) for s in (0, 10, 20)], 1)
    noise = noise.float().sub_(1024.0).mul_(6**0.5 / 1024.0)
    strength = lens.noise[:, None, None, None] * (1.25 - 0.5 * picture)
    picture = strength.mul_(noise.view(batch, 3, size, size)).add_(picture)
    return jpeg(picture.mul_(255.0).round_().clamp_(0, 255).to(torch.uint8), lens.quality)


def jpeg(pictures: Tensor, quality: Tensor) -> Tensor:
    """What is left of pictures when they are stored as JPEG files and read again.

    Files are written by a library, on the CPU: that takes less time than the transforms would in PyTorch, and the
    losses are those of real files.

    Args:
        pictures: ``(B, 3, S, S)`` uint8. quality: ``(B,)`` 1 to 100, rounded; 0 leaves a picture as it is.

    Returns:
        ``(B, 3, S, S)`` uint8, where ``pictures`` were.
    """
    rows = torch.nonzero(quality.cpu() > 0)[:, 0]
    if len(rows) == 0:
        return pictures
    stored = pictures.index_select(0, rows.to(pictures.device)).permute(0, 2, 3, 1).contiguous().cpu().numpy()
    read = []
    for picture, q in zip(stored, quality.cpu()[rows].tolist(), strict=True):
        with io.BytesIO() as file:
            Image.fromarray(picture).save(file, "JPEG", quality=round(q))
            read.append(torch.from_numpy(np.array(Image.open(file, formats=["JPEG"]))))
    pictures = pictures.clone()
    pictures[rows] = torch.stack(read).permute(0, 3, 1, 2).to(pictures.device)
    return pictures
