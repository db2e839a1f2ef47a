"""Tables in a terminal."""

from __future__ import annotations

from hand_lib.errors import printable


def print_table(header: list[str], body: list[list[str]]) -> None:
    """Columns as wide as they need; numbers to the right."""
    body = [[printable(cell) for cell in line] for line in body]
    widths = [max(len(line[i]) for line in [header, *body]) for i in range(len(header))]
    numeric = [all(line[i][:1].isdigit() or line[i][:1] in "-" for line in body) for i in range(len(header))]
    for line in [header, *body]:
        cells = [
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(line, widths, numeric, strict=True)
        ]
        print("  ".join(cells).rstrip())
