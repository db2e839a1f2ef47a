"""Pictures and masks from disk, with Pillow: what is not the picture that the dataset has there is one line."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from hand_lib.cache import read_at_most
from hand_lib.errors import HandLibError

_MOST_BYTES = 32 * 2**20  # a picture of 640 × 480 has less than one million
_FORMATS = ("PNG", "JPEG", "BMP")


def read_picture(path: Path, size: tuple[int, int]) -> Tensor:
    """A colour picture.

    Args:
        path: a PNG, JPEG or BMP file of 8 bits a channel.
        size: the height and width that it must have.

    Returns:
        ``(3, H, W)`` uint8, RGB.

    Raises:
        HandLibError: no such file, cut short, no picture, or of another size or kind.
    """
    return torch.from_numpy(_pixels(path, size, ("RGB",))).permute(2, 0, 1).contiguous()


def read_mask(path: Path, size: tuple[int, int]) -> Tensor:
    """A picture of one number a pixel: ``(H, W)`` uint8. Of a grey picture in three channels, the first.

    Raises:
        HandLibError: as :func:`read_picture`.
    """
    pixels = _pixels(path, size, ("L", "P", "RGB"))  # of a palette, the numbers: masks are classes, not colours
    return torch.from_numpy(pixels if pixels.ndim == 2 else pixels[..., 0].copy())


def _pixels(path: Path, size: tuple[int, int], modes: tuple[str, ...]) -> np.ndarray:
    with opened(path, _FORMATS, _MOST_BYTES) as picture:
        width, height = picture.size
        if (height, width) != size:
            raise HandLibError(f"cannot use {path}: it is {width} × {height} pixels, not {size[1]} × {size[0]}")
        if picture.mode not in modes:
            raise HandLibError(f"cannot use {path}: its pixels are {picture.mode}, not {' or '.join(modes)}")
        return np.array(picture)


@contextmanager
def opened(path: Path, formats: tuple[str, ...], most_bytes: int) -> Iterator[Image.Image]:
    """A picture of which no pixel is unpacked yet: a small file can declare, and hold, a very large one.

    Args:
        path: the file.
        formats: Pillow's names of those that are read.
        most_bytes: of the file.

    Raises:
        HandLibError: no such file, too large, cut short or no picture; also where that shows in the ``with`` block.
    """
    content = read_at_most(path, most_bytes)
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(io.BytesIO(content), formats=formats) as picture:
            yield picture
    except HandLibError:
        raise
    except Exception as error:  # decoders of damaged files raise whatever comes to hand
        reason = str(error).partition("\n")[0].partition(" <")[0][:80] or type(error).__name__
        raise HandLibError(f"cannot read {path}: it is cut short or no picture ({reason})") from error
