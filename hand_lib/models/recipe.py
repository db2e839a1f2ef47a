"""What a row asks of its training beyond what its profile says: data that the loop reads, whatever the row."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor

from hand_lib.errors import HandLibError
from hand_lib.models.size import NetworkSize


def is_number(value: object) -> bool:
    """A finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


@dataclass(frozen=True, kw_only=True)
class PartRate:
    """Another learning rate for one part of a network.

    Attributes:
        part: name of a submodule or a parameter, such as ``representation.selector``.
        factor: times the learning rate of all else, 0 or more; the schedule over the steps stays the same.

    Raises:
        HandLibError: a factor that is no such number.
    """

    part: str
    factor: float

    def __post_init__(self) -> None:
        if not is_number(self.factor) or self.factor < 0:
            raise HandLibError(f"{self.part} cannot learn at {self.factor!r} times the rate: give a number, 0 or more")

    def covers(self, parameter: str) -> bool:
        """Whether the parameter of this name belongs to the part."""
        return parameter == self.part or parameter.startswith(f"{self.part}.")


@dataclass(frozen=True, kw_only=True)
class Anneal:
    """A buffer of a network that follows the step, such as a temperature: a straight line between two shares.

    Attributes:
        buffer: name of a buffer, such as ``representation.selector.temperature``; all its elements take the value.
        start, end: its value up to ``begin`` and from ``until`` on.
        begin, until: shares of all steps, in [0, 1], ``begin`` before ``until``.

    Raises:
        HandLibError: values that are no finite numbers; shares that are no shares, or in the wrong order.
    """

    buffer: str
    start: float
    end: float
    begin: float = 0.0
    until: float = 1.0

    def __post_init__(self) -> None:
        numbers = (self.start, self.end, self.begin, self.until)
        if not (all(map(is_number, numbers)) and 0 <= self.begin < self.until <= 1):
            raise HandLibError(
                f"{self.buffer} cannot go from {self.start} to {self.end} between the shares {self.begin} and "
                f"{self.until} of a training: 0 ≤ begin < until ≤ 1"
            )

    def at(self, share: float) -> float:
        """The value when this share of the steps is done."""
        passed = min(max((share - self.begin) / (self.until - self.begin), 0.0), 1.0)
        return self.start + (self.end - self.start) * passed


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What a row brings to its training.

    Attributes:
        rates: parts that learn at another rate.
        anneals: buffers that follow the step.
        depth_weight: what an error of depth counts in the loss, beside an equal one of u or v, above 0.
        start: gives the weights that a network of this size begins from, by the network's own names; what it does not
            name keeps its random start. What it gives is a part of the run's key.

    Raises:
        HandLibError: a weight that is no such number.
    """

    rates: tuple[PartRate, ...] = ()
    anneals: tuple[Anneal, ...] = ()
    depth_weight: float = 1.0
    start: Callable[[NetworkSize], Mapping[str, Tensor]] | None = None

    def __post_init__(self) -> None:
        if not is_number(self.depth_weight) or self.depth_weight <= 0:
            raise HandLibError(f"a depth cannot weigh {self.depth_weight!r} in a loss: give a number above 0")


NOTHING_MORE = Recipe()
