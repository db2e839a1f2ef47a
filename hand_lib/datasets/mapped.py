"""Samples of many files, and of several sets, as one: mapped into memory, not read into it."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import fields
from itertools import accumulate

import torch
from torch import Tensor

from hand_lib.errors import HandLibError
from hand_lib.samples import Samples

MOST_TIMES = 500  # as much of an epoch from one set as from another, so that an epoch's list fits in memory


class Mapped:
    """Hands of which only those that are asked for come into memory; asked for as of :class:`Samples`.

    Args:
        parts: from :func:`hand_lib.datasets.shards.read_shard`, in order; empty ones may be among them.
        device: where the pictures of what is asked for go.

    Raises:
        HandLibError: there is no hand, or some parts have a map that others lack.
    """

    def __init__(self, parts: Sequence[Samples], device: torch.device | str = "cpu") -> None:
        self.parts = [part for part in parts if len(part)]
        if not self.parts:
            raise HandLibError("there are no samples to join")
        self.device = torch.device(device)
        given = {
            tuple(field.name for field in fields(part) if getattr(part, field.name) is not None) for part in self.parts
        }
        if len(given) > 1:
            raise HandLibError("some files have a mask or a depth map, and some have none")
        (self._names,) = given
        self._ends = torch.tensor(list(accumulate(map(len, self.parts))))

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __getitem__(self, index: slice | Tensor | list[int]) -> Samples:
        """A batch, copied out of the files: by a slice, or by a list or tensor of numbers or of truth values."""
        if isinstance(index, slice):
            numbers = torch.tensor(range(*index.indices(len(self))), dtype=torch.long)
        else:
            numbers = torch.as_tensor(index, device="cpu")
            numbers = numbers.nonzero().squeeze(-1) if numbers.dtype == torch.bool else numbers.long()
        numbers = torch.where(numbers < 0, numbers + len(self), numbers)
        if len(numbers) and not (numbers.min() >= 0 and numbers.max() < len(self)):
            raise IndexError(
                f"there are {len(self)} hands, none of the numbers {int(numbers.min())}, {int(numbers.max())}"
            )
        which = torch.bucketize(numbers, self._ends, right=True)
        if not len(numbers):
            return self.parts[0][:0]
        starts = self._ends - torch.tensor([len(part) for part in self.parts])
        rows = list(zip(which.tolist(), (numbers - starts[which]).tolist(), strict=True))
        # Row by row: each is copied out of its file once, into its place in the batch.
        taken = {
            name: torch.stack([getattr(self.parts[part], name)[row] for part, row in rows]) for name in self._names
        }
        found = Samples(**taken)
        return found if self.device.type == "cpu" else found.pictures_to(self.device)

    def pictures_to(self, device: torch.device | str) -> Mapped:
        """The same hands; the pictures of those that are asked for go to ``device``, the rest stays on disk."""
        return Mapped(self.parts, device)


class Mixture:
    """Hands of several sets as one, walked in shares; asked for as of :class:`Samples`.

    One walk is an epoch. Without shares it shows every hand once. With shares the set that would otherwise be
    curtailed sets the length: each of its hands comes once, and those of the others as often as their share asks,
    evenly spread, the difference between two hands of a set being one time at most.

    Args:
        sets: with pictures of one size.
        shares: of each set in an epoch, above 0, in any unit; None for the numbers of their hands.

    Raises:
        HandLibError: another number of shares, or one that :func:`check_shares` refuses; as :class:`Mapped`.
    """

    def __init__(self, sets: Sequence[Mapped], shares: Sequence[float] | None = None) -> None:
        sizes = [len(part) for part in sets]
        shares = sizes if shares is None else check_shares(shares, len(sets))
        epoch = max(size / share for size, share in zip(sizes, shares, strict=True))
        self.counts = tuple(max(size, round(share * epoch)) for size, share in zip(sizes, shares, strict=True))
        self._hands = Mapped([part for members in sets for part in members.parts], sets[0].device)
        starts = [0, *accumulate(sizes)]
        self._which = torch.cat(
            [
                start + torch.arange(count) * size // count
                for start, size, count in zip(starts, sizes, self.counts, strict=False)
            ]
        )

    @property
    def hands(self) -> int:
        """How many different ones there are."""
        return len(self._hands)

    def __len__(self) -> int:
        """How many an epoch shows."""
        return len(self._which)

    def __getitem__(self, index: slice | Tensor | list[int]) -> Samples:
        """A batch, copied out of the files."""
        return self._hands[self._which[index]]

    def pictures_to(self, device: torch.device | str) -> Mixture:
        """The same hands; the pictures of those that are asked for go to ``device``, the rest stays on disk."""
        moved = copy(self)
        moved._hands = self._hands.pictures_to(device)
        return moved


def check_shares(shares: Sequence[float], sets: int) -> Sequence[float]:
    """The shares, if there is one for each set and all are above 0 and in proportion; else HandLibError."""
    if len(shares) != sets:
        raise HandLibError(f"{len(shares)} shares for {sets} data sets: give each its share, or none")
    said = ", ".join(f"{share:g}" for share in shares)
    if not all(1e-6 <= share <= 1e6 for share in shares):
        raise HandLibError(f"shares must be above 0, from a millionth to a million, not {said}")
    if max(shares) / min(shares) > MOST_TIMES:
        raise HandLibError(f"shares of {said}: none may be more than {MOST_TIMES} times another")
    return shares
