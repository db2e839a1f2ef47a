"""The map in small, for a chapter's head: every rung as its G and its D, without words, and "you are here".

The rungs stand as on the map (:mod:`hand_lib.figures.ladder_map`), lying on their side: what comes later is further
right, and each lane has a line of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree as ET

from hand_lib.figures.map_plan import Rung, Section, Stop, map_plan
from hand_lib.figures.svg import box, element, link, path, text, write
from hand_lib.models.size import NetworkSize

COLUMN, LINE = 39, 46  # px from rung to rung, and from lane to lane; nine columns fit on a phone
PART = 13  # px: side of a G or a D

Placed = tuple[Stop | None, ET.Element]


def ladder_strip(stops: Sequence[Stop], size: NetworkSize, *, here: int | None) -> str:
    """The small map as HTML, a drawing a section; they stand side by side where there is room.

    Args:
        stops: the chapters, in order; each is one link.
        size: of the networks, which decides nothing here but what is drawn as one rung.
        here: number of the chapter at whose head it stands, or None.
    """
    drawings = "\n".join(write(_section(section, here)) for section in map_plan(stops, size))
    return f'<nav class="ladder-strip" aria-label="Where this chapter is on the map of the book">\n{drawings}\n</nav>'


def _section(section: Section, here: int | None) -> ET.Element:
    placed, ways, columns, lines = _place(section, here)
    by_stop: dict[Stop | None, list[ET.Element]] = {}
    for stop, part in placed:
        by_stop.setdefault(stop, []).append(part)
    links = [
        link(
            stop.href if stop else None,
            parts,
            label=f"Chapter {stop.number}: {stop.title}" if stop else "no chapter yet",
            class_="here" if stop and stop.number == here else None,
            aria_current="page" if stop and stop.number == here else None,
        )
        for stop, parts in by_stop.items()
    ]
    width, height = columns * COLUMN, lines * LINE + 8
    return element("svg", *ways, *links, viewBox=f"0 0 {width} {height}", width=width, height=height)


def _place(section: Section, here: int | None) -> tuple[list[Placed], list[ET.Element], int, int]:
    """Where everything is: parts with their chapters, lines between them, and how many columns and lanes there are."""
    lanes = [list(lane.rungs) for lane in section.lanes[:2]]
    lines = max(len(lanes), 1)
    middle = (lines - 1) / 2
    placed: list[Placed] = []
    ways: list[ET.Element] = []
    column = 0
    for i, stop in enumerate(section.stops):
        at = middle + (i - (len(section.stops) - 1) / 2) * 0.55
        placed.append((stop, _chapter(column, at, stop, here=stop.number == here)))
    column += bool(section.stops)
    for rung in section.trunk:
        placed.append((rung.stop, _rung(column, middle, rung, here=_is(rung, here))))
        for line in range(lines):
            ways.append(_way(column, middle, column + 1, line))
        column += 1
    ends = []
    for line, rungs in enumerate(lanes):
        for i, rung in enumerate(rungs):
            placed.append((rung.stop, _rung(column + i, line, rung, here=_is(rung, here))))
            if i:
                ways.append(_way(column + i - 1, line, column + i, line))
        ends.append(column + len(rungs))
    for lane in section.lanes[2:]:  # beside: behind the shorter one, after a gap
        line = min(range(lines), key=ends.__getitem__)
        for i, rung in enumerate(lane.rungs, start=1):
            placed.append((rung.stop, _rung(ends[line] + i, line, rung, here=_is(rung, here))))
        ends[line] += 1 + len(lane.rungs)
    return placed, ways, max(ends, default=column), lines


def _is(rung: Rung, here: int | None) -> bool:
    return rung.stop is not None and rung.stop.number == here


def _centre(column: float, line: float) -> tuple[float, float]:
    return column * COLUMN + COLUMN / 2, line * LINE + 22


def _way(column: float, line: float, to_column: float, to_line: float) -> ET.Element:
    (x, y), (to_x, to_y) = _centre(column, line), _centre(to_column, to_line)
    return path([(x + PART + 2, y), (to_x - PART - 2, to_y)], class_="way")


def _rung(column: float, line: float, rung: Rung, *, here: bool) -> ET.Element:
    """G and D side by side, and the label under them."""
    x, y = _centre(column, line)
    top = y - PART / 2
    parts = [
        box(x - PART - 1, top, PART, PART, radius=3, class_="part G"),
        box(x + 1, top, PART, PART, radius=3, class_="part D"),
        text(x, y + PART / 2 + 11, _short(rung), size=9.5, room=COLUMN - 2, class_="label", text_anchor="middle"),
    ]
    return element("g", *parts, _pin(x, top) if here else None)


def _short(rung: Rung) -> str:
    """A label that fits under a rung: "ID-5", "K=3", or "K" where there are several."""
    if "," in rung.label:
        return "K"
    return rung.label.replace(" = ", "=")


def _chapter(column: float, line: float, stop: Stop, *, here: bool) -> ET.Element:
    """A chapter that builds no row: its number in a box."""
    x, y = _centre(column, line)
    frame = box(x - 14, y - 9, 28, 18, radius=4, class_="plain")
    number = text(x, y + 4, str(stop.number), size=9.5, class_="label", text_anchor="middle")
    return element("g", frame, number, _pin(x, y - 9) if here else None)


def _pin(x: float, y: float) -> ET.Element:
    """You are here."""
    return element("path", d=f"M{x - 5:.1f} {y - 9:.1f} h10 l-5 6 z", class_="pin")
