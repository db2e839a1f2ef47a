"""One comparison: their number and ours, and how far apart the two may be."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hand_lib.protocols import Score


@dataclass(frozen=True, kw_only=True)
class Line:
    """One comparison.

    Attributes:
        tool: whose, with its commit.
        what: was compared.
        theirs, ours: numbers of the same shape.
        unit: of both.
        within: the largest difference that rounding explains.
    """

    tool: str
    what: str
    theirs: np.ndarray
    ours: np.ndarray
    unit: str = ""
    within: float = 1e-6

    @property
    def difference(self) -> float:
        theirs, ours = (np.asarray(side, dtype=np.float64) for side in (self.theirs, self.ours))
        return float(np.abs(theirs - ours).max()) if theirs.shape == ours.shape else float("inf")

    @property
    def agrees(self) -> bool:
        return self.difference <= self.within

    def cells(self) -> list[str]:
        theirs, ours = np.asarray(self.theirs), np.asarray(self.ours)
        one = theirs.size == 1 and theirs.dtype != bool
        sides = [f"{float(side):.6g} {self.unit}".strip() if one else f"{side.size} numbers" for side in (theirs, ours)]
        return [
            self.tool,
            self.what,
            *sides,
            f"{self.difference:.1g} {self.unit}".strip() if self.difference else "none",
        ]


def measures(tool: str, names: list[str], returned: list[tuple], scores: tuple[Score, ...]) -> list[Line]:
    """Mean error and area of each alignment beside our scores of those names. Submissions have seven decimals."""
    own, lines = {score.name: score.value for score in scores}, []
    for name, (mean, _, area, *_) in zip(names, returned, strict=False):
        after = f", {name}" if name else ""
        lines += [
            Line(tool=tool, what=f"mean error{after}", theirs=100 * mean, ours=own[f"mean{after}"], unit="cm"),
            Line(tool=tool, what=f"AUC 0–50 mm{after}", theirs=area, ours=own[f"AUC{after}"], within=1e-9),
        ]
    return lines


def markdown(lines: list[Line]) -> str:
    header = ["tool", "what", "theirs", "ours", "largest difference"]
    rows = [header, ["---"] * len(header), *(line.cells() for line in lines)]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)
