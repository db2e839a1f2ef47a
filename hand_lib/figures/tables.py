"""Tables of recorded runs, and the banner that says how much a page's numbers may claim."""

from __future__ import annotations

import html
import re
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from hand_lib.errors import printable

PAPER_EPE = "paper's EPE, RHD (not comparable)"  # over the column of what the paper prints


@dataclass(frozen=True)
class Column:
    """One column of a results table.

    Attributes:
        key: where the number lies in a record; dots go into nested records, such as ``"metrics.epe_mean"``.
        title: of the column, with its unit.
        digits: after the point.
        factor: multiplies the number, such as 1e-6 for millions.
    """

    key: str
    title: str
    digits: int = 1
    factor: float = 1.0


@dataclass(frozen=True)
class Table:
    """A small table that shows itself in a notebook (HTML), in a terminal (Markdown) and on a page.

    Attributes:
        header: the columns' titles.
        rows: the cells.
        note: under the table.
        align: "right" for numbers or "left" for words; the first column is always to the left.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    align: Literal["left", "right"] = "right"

    def _repr_html_(self) -> str:
        def line(cells: Iterable[str], tag: str) -> str:
            sides = ("left" if i == 0 else self.align for i in range(len(self.header)))
            tags = (tag if cell else "td" for cell in cells)  # a corner with nothing in it is no heading
            return "".join(
                f'<{tag} style="text-align:{side};padding:0.2em 0.7em">{html.escape(with_minus(cell))}</{tag}>'
                for cell, side, tag in zip(cells, sides, tags, strict=True)
            ).join(("<tr>", "</tr>"))

        body = "".join(line(row, "td") for row in self.rows)
        note = f"<p><small>{html.escape(self.note)}</small></p>" if self.note else ""
        return (
            '<div style="overflow-x:auto"><table class="table">'
            f"<thead>{line(self.header, 'th')}</thead><tbody>{body}</tbody></table></div>{note}"
        )

    def _repr_markdown_(self) -> str:
        return str(self)

    def __str__(self) -> str:
        """The table as Markdown."""

        def line(cells: Iterable[str]) -> str:
            return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

        rule = "|" + "|".join(["---"] + ["---:" if self.align == "right" else "---"] * (len(self.header) - 1)) + "|"
        text = "\n".join([line(self.header), rule, *(line(row) for row in self.rows)])
        return f"{text}\n\n{self.note}" if self.note else text

    __repr__ = __str__


def with_minus(text: str) -> str:
    """The text with a minus sign, not a hyphen, before each negative number; names such as refine-hdr-3 stay.

    What rounding has left of a negative number, such as -0.00, is zero and has no sign.
    """
    text = re.sub(r"(^|[\s(\[])-(?=0(\.0+)?(?!\.?\d))", "\\1", text)
    return re.sub(r"(^|[\s(\[])-(?=\d)", "\\1−", text)


def table(header: Sequence[str], rows: Iterable[Sequence[object]], *, note: str = "") -> Table:
    """Any small table: floats get three significant figures, everything else its own text.

    Args:
        header: the columns' titles.
        rows: the cells.
        note: under the table.

    Returns:
        The table.
    """

    def text(cell: object) -> str:
        return f"{cell:.3g}" if isinstance(cell, float) else str(cell)

    return Table(tuple(header), tuple(tuple(text(cell) for cell in row) for row in rows), note)


def results_table(
    records: Iterable[Mapping],
    columns: Sequence[Column],
    *,
    row: str = "row",
    order: Sequence[str] | None = None,
    titles: Mapping[str, str] | None = None,
    paper: Mapping[str, float | str] | None = None,
    paper_title: str = "paper (not comparable)",
    note: str = "",
) -> Table:
    """Records to a table: one line a row, the mean over its seeds ± their standard deviation.

    Args:
        records: as runs leave them: nested mappings. A number that a record lacks is left out of the mean.
        columns: what to show.
        row: the key whose value names the line.
        order: rows to show, from top to bottom, also those that nobody has run; else as they first occur.
        titles: what to call a row.
        paper: a row's figure as a paper prints it. It gets a column of its own, last, because data, network and
            training differ.
        paper_title: over that column.
        note: under the table.

    Returns:
        The table. "n" is the number of runs (seeds); the ± is the sample standard deviation over them.
    """
    groups: dict[str, list[Mapping]] = {name: [] for name in order or ()}
    for record in records:
        if order is None or record[row] in groups:
            groups.setdefault(record[row], []).append(record)
    header = ["row", *(column.title for column in columns), "n"]
    if paper is not None:
        header.append(paper_title)
    lines = []
    for name, members in groups.items():
        cells = [(titles or {}).get(name, name)]
        cells += [together(mean_and_spread(_numbers(members, column), digits=column.digits)) for column in columns]
        cells.append(str(len(members)))
        if paper is not None:
            cells.append(str(paper.get(name, "–")))
        lines.append(tuple(cells))
    return Table(tuple(header), tuple(lines), note)


def plain(text: str) -> str:
    """Text that is not ours, such as a device's name, for a page in Markdown: shown as it is, never a link."""
    escaped = re.sub(r"[!-/:-@[-`{-~]", r"\\\g<0>", printable(text))  # Markdown has a way out for all of ASCII's marks
    return escaped.replace(r"\,", ",").replace(r"\|", "&#124;")  # a bar would end a table's cell


def together(text: str) -> str:
    """The text with spaces at which no line breaks."""
    return text.replace(" ", "\N{NO-BREAK SPACE}")


def mean_and_spread(values: Sequence[float], *, digits: int = 1) -> str:
    """ "12.3 ± 0.4": the mean and the sample standard deviation; only the mean of one value, a dash for none."""
    if not values:
        return "–"
    mean = f"{statistics.fmean(values):.{digits}f}"
    # Parameters and multiply-adds are the same for every seed: "± 0.0" would only be noise.
    if len(values) == 1 or len(set(values)) == 1:
        return mean
    return f"{mean} ± {statistics.stdev(values):.{digits}f}"


def _numbers(records: Sequence[Mapping], column: Column) -> list[float]:
    found = []
    for record in records:
        value: object = record
        for part in column.key.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        if value is not None:
            found.append(float(value) * column.factor)  # type: ignore[arg-type]
    return found


@dataclass(frozen=True)
class Banner:
    """A sentence about the profile that shows itself at the top of a page."""

    title: str
    text: str
    warning: bool

    def _repr_html_(self) -> str:
        kind, color = ("warning", "#d55e00") if self.warning else ("note", "#0072b2")
        return (
            f'<div class="admonition {kind}" role="note" style="border-left:0.3rem solid {color};padding:0.3em 1em">'
            f'<p class="admonition-title"><strong>{html.escape(self.title)}</strong></p>'
            f"<p>{html.escape(self.text)}</p></div>"
        )

    def __repr__(self) -> str:
        return f"{self.title}\n{self.text}"


_PROFILE_TEXT = {
    "smoke": "This page was made in the smoke profile. It runs everything and learns nothing: "
    "the numbers below only show that the code works.",
    "quick": "Small networks, small pictures and short training, on this machine. "
    "Large differences can be seen here; small ones cannot be settled.",
    "long": "Small networks and small pictures, with four times the steps and hands of quick, on this machine. "
    "Few seeds, so small differences stay open.",
    "full": "Trained on one GPU with several seeds, on the book's synthetic hands.",
    "paper": "The papers' own protocol and picture size.",
}


def banner(profile: str) -> Banner:
    """What this page's numbers may claim: in ``smoke`` a plain "Not a result", otherwise the profile by name.

    Args:
        profile: ``smoke``, ``quick``, ``long``, ``full`` or ``paper``.

    Returns:
        A banner that shows itself as the last value of a cell.
    """
    title = "Not a result" if profile == "smoke" else f"Profile: {profile}"
    return Banner(
        title, _PROFILE_TEXT.get(profile, "Figures and numbers below were made in this profile."), profile == "smoke"
    )
