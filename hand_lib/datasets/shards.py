"""Samples on disk: files of some hundred hands each, whole or absent, that say what they hold."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import fields
from pathlib import Path

import torch

from hand_lib import cache
from hand_lib.datasets.workers import Span
from hand_lib.samples import Samples
from hand_lib.skeleton import NUM_JOINTS

# Kept where they are asked for: five bytes a pixel, beside the picture's three.
MAPS = ("mask", "depth")

# What a row is trained and measured on. Figures that show a mask call `synthetic.render` themselves.
KEPT = tuple(field.name for field in fields(Samples) if field.name not in MAPS)


def shard_path(folder: Path, span: Span) -> Path:
    """The file of the hands from ``span[0]`` to one before ``span[1]``."""
    return folder / f"{span[0]:06d}-{span[1]:06d}.safetensors"


def span_of(path: Path) -> Span:
    """The span that a shard's name says."""
    first, last = map(int, path.stem.split("-"))
    return first, last


def write_shard(
    path: Path, samples: Samples, *, also: Collection[str] = (), said: Mapping[str, str] | None = None
) -> None:
    """Write samples, which are on the CPU.

    Args:
        path: from :func:`shard_path`.
        samples: of square pictures.
        also: of ``MAPS``, those that are kept.
        said: kept in the file's metadata.

    Raises:
        HandLibError: the disk is full, or the folder cannot be written.
    """
    tensors = {name: getattr(samples, name) for name in (*KEPT, *also)}
    cache.write_tensors(path, tensors, {**about(path), **(said or {})})


def read_shard(path: Path, *, size: int, also: Collection[str] = ()) -> tuple[Samples, dict[str, str]]:
    """What :func:`write_shard` wrote: the samples, and what else the file says.

    Every byte is read once, for its checksum. The tensors are the file itself, mapped into memory: the system reads
    what is used, and drops what is not when memory gets short.

    Args:
        path: whose name says which hands and how many it holds, at most.
        size: side of the pictures.
        also: the maps that it must hold.

    Raises:
        Damaged: it is not what was written, or holds other images than its name and the rest say.
        HandLibError: it cannot be read.
    """
    tensors, metadata = cache.read_tensors(path)
    said = {name: text for name, text in metadata.items() if name not in about(path)}
    layout = {name: (tensor.dtype, tuple(tensor.shape)) for name, tensor in tensors.items()}
    count = len(tensors["images"]) if "images" in tensors and tensors["images"].ndim else -1
    whole = metadata == {**about(path), **said} and layout == _layout(count, size, also)
    if not whole or count > span_of(path)[1] - span_of(path)[0]:
        raise cache.Damaged(f"cannot read {path}: it holds other images")
    return Samples(**tensors), said


def about(path: Path) -> dict[str, str]:
    """What a shard says it is: a file under another's name is not what it should be, though whole."""
    return {"dataset": path.parent.name, "images": path.stem}


def _layout(count: int, size: int, also: Collection[str]) -> dict[str, tuple[torch.dtype, tuple[int, ...]]]:
    """Type and shape of each tensor in a shard of so many images of this side, see :class:`Samples`."""
    maps = {"mask": (torch.uint8, (count, size, size)), "depth": (torch.float32, (count, size, size))}
    return {
        "images": (torch.uint8, (count, 3, size, size)),
        "uv": (torch.float32, (count, NUM_JOINTS, 2)),
        "xyz": (torch.float32, (count, NUM_JOINTS, 3)),
        "visible": (torch.bool, (count, NUM_JOINTS)),
        "K": (torch.float32, (count, 3, 3)),
        "right": (torch.bool, (count,)),
        "box": (torch.float32, (count, 4)),
        **{name: maps[name] for name in also},
    }
