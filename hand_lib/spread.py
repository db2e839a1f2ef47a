"""What was measured many times, in three numbers for people."""

from __future__ import annotations

from typing import NamedTuple


class Spread(NamedTuple):
    """Median and quartiles."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{three_digits(self.median)} [{three_digits(self.low)}, {three_digits(self.high)}]"


def three_digits(value: float) -> str:
    """Three digits that count."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
