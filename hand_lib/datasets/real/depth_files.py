"""Files that say how deep each hand of an evaluation lies, for who takes that from another method.

Two kinds of JSON are read, both in metres as the data sets are: a list of numbers, one a hand in the evaluation's
order; or a list of entries with ``image_id``, the hand's number from 0, and ``root_cam``, x, y and z of its root. The
latter is the file that goes round with I2L-MeshNet for FreiHAND: its root is the wrist, and JAR's figures are made with
it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from hand_lib.cache import read_at_most
from hand_lib.datasets.real.fields import Entry, list_of
from hand_lib.errors import HandLibError

_MOST_BYTES = 64 * 2**20  # an entry has some two hundred
_Number = Annotated[float, Field(allow_inf_nan=False)]
_RANGE = (0.1, 5.0)  # metres


class _RootOfHand(Entry):
    image_id: Annotated[int, Field(ge=0, lt=10**9)]
    root_cam: Annotated[list[_Number], Field(min_length=3, max_length=3)]


def read_root_depths(path: Path, count: int) -> Tensor:
    """The depth of a joint of each hand, in the evaluation's order.

    Args:
        path: the JSON file.
        count: how many hands there are.

    Returns:
        ``(count,)`` float32 millimetres.

    Raises:
        HandLibError: no such file; no such list; a hand that it lacks or has twice; depths that are not those of hands
            in metres.
    """
    content = read_at_most(path, _MOST_BYTES)
    entries = content.lstrip()[1:].lstrip().startswith(b"{")
    found = list_of(_RootOfHand if entries else _Number, content, path)
    if entries:
        numbers = [said.image_id for said in found]
        if sorted(numbers) != list(range(count)):
            wrong = f"{len(numbers)} entries, {len(set(numbers))} of them different, up to {max(numbers)}"
            raise HandLibError(f"cannot use {path}: image_id must be each number from 0 to {count - 1} once: {wrong}")
        found = [said.root_cam[2] for said in sorted(found, key=lambda said: said.image_id)]
    if len(found) != count:
        raise HandLibError(f"cannot use {path}: {len(found)} depths, but there are {count} hands")
    depths = torch.tensor(found)
    if depths.min() < _RANGE[0] or depths.max() > _RANGE[1]:
        raise HandLibError(f"cannot use {path}: depths from {depths.min():.4g} to {depths.max():.4g}: give metres")
    return depths * 1000
