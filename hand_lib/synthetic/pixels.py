"""Arithmetic on flat lists of pixels that gives the same bits whatever the batch."""

from __future__ import annotations

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
    """Integer noise ``(B, count)`` int32 in [0, 2**31): pixel number and picture key through a bit mixer.

    Multiplications and shifts of a 32-bit finaliser, by constants below 2**31; int32 products wrap the same way on
    every device.
    """
    x = torch.arange(count, device=key.device, dtype=torch.int32)[None] * 747796405
    x = x + ((key + salt * 40503) & 0x7FFFFFFF).to(torch.int32)[:, None]
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
