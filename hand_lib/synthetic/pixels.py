"""Arithmetic on flat lists of pixels that gives the same bits whatever the batch, and one sheet of noise for all."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor


def to_linear(srgb: Tensor) -> Tensor:
    """sRGB in [0, 1] to linear light, with the plain power 2.2."""
    return power(srgb.clamp(min=0.0), 2.2)


def power(base: Tensor, exponent: float | Tensor) -> Tensor:
    """``base ** exponent`` in double precision, then rounded: in single precision torch rounds the last elements of a
    tensor otherwise than the first ones, and a sample would not be the same in every batch."""
    return (base.double() ** exponent).to(base.dtype)


def hash_noise(key: Tensor, count: int, *, salt: int = 0) -> Tensor:
    """Integer noise ``(B, count)`` int32 in [0, 2**31): pixel number and picture key through a bit mixer."""
    x = torch.arange(count, device=key.device, dtype=torch.int32)[None] * 747796405
    return mixed(x + ((key + salt * 40503) & 0x7FFFFFFF).to(torch.int32)[:, None])


def mixed(x: Tensor) -> Tensor:
    """int32 numbers to int32 in [0, 2**31) that look random: the multiplications and shifts of a 32-bit finaliser, by
    constants below 2**31; int32 products wrap the same way on every device."""
    x = x ^ ((x >> 16) & 0xFFFF)
    x = x * 0x21F0AAAD
    x = x ^ ((x >> 15) & 0x1FFFF)
    x = x * 0x735A2D97
    return (x ^ ((x >> 15) & 0x1FFFF)) & 0x7FFFFFFF


def soft_step(value: Tensor, edge: float | Tensor, width: float | Tensor) -> Tensor:
    """A soft step: 0 below the edge, 1 above it."""
    return ((value - edge) / width + 0.5).clamp(0, 1)


def spread(table: Tensor, index: Tensor) -> Tensor:
    """Rows of a table (N, C) at P indices, as C contiguous columns (C, P)."""
    return table.t().contiguous().index_select(1, index)


def dot(a: Tensor, b: Tensor) -> Tensor:
    """Scalar products of vectors ``(3, ...)``."""
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


# Fields of the sheet of noise, each of unit variance and periodic.
SMOOTH, FINE, FINE_DU, FINE_DV = range(4)
_SIDE_BITS = 9


@lru_cache(maxsize=4)
def _sheet(device: str) -> Tensor:
    """(4, 512²): waves some 30 texels long; grain from 4 to 100 texels; the grain's slopes along u and v, times 4."""
    side = 1 << _SIDE_BITS
    frequency = np.fft.fftfreq(side) * side
    v, u = np.meshgrid(frequency, frequency, indexing="ij")
    radius = np.hypot(u, v)
    white = [np.fft.fft2(np.random.default_rng(n).standard_normal((side, side))) for n in (11, 12)]
    smooth = white[0] * np.exp(-(((radius - 17.0) / 6.0) ** 2))
    fine = white[1] * np.where(radius > 4, np.maximum(radius, 1.0) ** -1.1, 0.0) * np.exp(-((radius / 130.0) ** 4))
    slope = 2j * np.pi / side * fine
    fields = np.stack([np.fft.ifft2(f).real for f in (smooth, fine, slope * u, slope * v)])
    fields[0] /= fields[0].std()
    fields[1:] /= fields[1].std()
    fields[2:] *= 4.0
    return torch.tensor(fields.reshape(4, -1), dtype=torch.float32).to(device)


def texel(u: Tensor, v: Tensor) -> Tensor:
    """Places on the sheet of noise, in texels, to numbers of its texels; it repeats every 512."""
    mask = (1 << _SIDE_BITS) - 1
    column, row = u.floor().to(torch.int32) & mask, v.floor().to(torch.int32) & mask
    return (row << _SIDE_BITS) + column


def sheet_at(field: int, number: Tensor) -> Tensor:
    """Values of a field of the sheet at texels from :func:`texel`."""
    return _sheet(str(number.device))[field].index_select(0, number.reshape(-1)).view(number.shape)
