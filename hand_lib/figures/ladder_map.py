"""The map of the book: every row as its G and D with the shapes between them, each a link to its chapter.

Drawn twice, for wide pages and for phones; the style sheet of the page (``assets/book.css``) shows one of the two and
gives the colours, so that it reads on a light page and on a dark one.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from xml.etree import ElementTree as ET

from hand_lib.figures.compositions import Composition, write_shape
from hand_lib.figures.map_plan import Lane, Rung, Section, Stop, map_plan
from hand_lib.figures.svg import box, element, link, path, text, width_of, wrap, write
from hand_lib.models.size import NetworkSize

WIDE, TALL = 832, 358  # px: two columns on a page, one on a phone
GAP = 32  # between columns
AIR = 14  # between what stands one below the other
HEAD, FLOW, BACK = 24, 32, 16  # of a card: its title, its boxes, the way back to a further stage
TITLE, WORDS, SHAPES = 12, 10.5, 10  # px: sizes of letters


def ladder_map(stops: Sequence[Stop], size: NetworkSize) -> str:
    """The map as HTML, in its two forms.

    Args:
        stops: the chapters, in order.
        size: of the networks whose shapes are shown.
    """
    plan = map_plan(stops, size)
    parts = [f'<div class="ladder-map" role="group" aria-label="{html.escape(describe(plan))}">']
    for form, width, columns in (("wide", WIDE, 2), ("tall", TALL, 1)):
        drawings = (write(_drawing(section, width, columns)) for section in plan)
        parts += [f'<div class="{form}">', *drawings, "</div>"]
    return "\n".join([*parts, "</div>"])


def describe(plan: Sequence[Section]) -> str:
    """The map in a sentence, for those who cannot see it; its links follow in reading order."""
    parts = [f"{section.title}: {len(section.rungs)} networks" for section in plan if section.rungs]
    return "A map of the book. Each network is a box with its parts and the shapes between them. " + "; ".join(parts)


# --- From top to bottom ----------------------------------------------------------------------------------------------


class _Sheet:
    """A drawing that grows downwards in columns.

    Attributes:
        lows: for each column where it ends so far.
    """

    def __init__(self, width: int, columns: int) -> None:
        self.width = width
        self.column = (width - GAP * (columns - 1)) / columns
        self.lows = [0.0] * columns
        self.parts: list[ET.Element] = []

    def x(self, column: int) -> float:
        return column * (self.column + GAP)

    def level(self) -> float:
        """Bring all columns to the height of the lowest one, and return it."""
        self.lows = [max(self.lows)] * len(self.lows)
        return self.lows[0]

    def add(self, column: int, height: float, *parts: ET.Element | None) -> None:
        """Parts that take so much of a column."""
        self.parts += [part for part in parts if part is not None]
        self.lows[column] += height


def _drawing(section: Section, width: int, columns: int) -> ET.Element:
    """One section; on paper none is torn apart."""
    sheet = _Sheet(width, columns)
    sheet.parts.append(text(0, 16, section.title, size=14, room=width, class_="section"))
    sheet.parts.append(path([(0, 24), (width, 24)], class_="rule"))
    sheet.lows = [36.0] * columns
    _stops(sheet, section.stops)
    if section.trunk:
        _trunk(sheet, section.trunk)
    for i, lane in enumerate(section.lanes):
        shortest = min(range(columns), key=sheet.lows.__getitem__)
        _lane(sheet, i if i < columns else shortest, lane, follows=lane.follows and i < columns)
    return element("svg", *sheet.parts, viewBox=f"0 0 {width} {sheet.level():.0f}", role="presentation")


def _trunk(sheet: _Sheet, rungs: Sequence[Rung]) -> None:
    """F, the key beside it, and the rungs that all lanes begin at, with ways to the lanes."""
    if len(sheet.lows) == 1:
        _key(sheet, 0)
        sheet.add(0, 8)
    else:
        _key(sheet, 1)
    _backbone(sheet, 0, rungs[0].made)
    for rung in rungs:
        sheet.add(0, _height(rung) + AIR, *_card(0, sheet.lows[0], sheet.column, rung))
    low = sheet.level()
    for column in range(1, len(sheet.lows)):
        x = sheet.x(column) + 10
        points = [(sheet.column, low - AIR - 20), (x, low - AIR - 20), (x, low - AIR)]
        sheet.parts.append(path(points, class_="way"))


def _stops(sheet: _Sheet, stops: Sequence[Stop]) -> None:
    """Chapters that build no row: side by side, or on a phone one below the other."""
    across = 3 if len(sheet.lows) > 1 else 1
    width = (sheet.width - AIR * (across - 1)) / across
    start = sheet.level()
    for i, stop in enumerate(stops):
        x, y = i % across * (width + AIR), start + i // across * 36
        parts = [
            box(x, y, width, 28, class_="rung"),
            text(x + 10, y + 18, stop.title, size=TITLE, room=width - 76, class_="title"),
            _chapter(x + width - 10, y + 18, stop),
        ]
        sheet.parts.append(link(stop.href, parts, label=f"Chapter {stop.number}: {stop.title}"))
    if stops:
        sheet.lows = [start + -(-len(stops) // across) * 36 + 8] * len(sheet.lows)


def _chapter(x: float, y: float, stop: Stop) -> ET.Element:
    """A chapter's number, at the right of a line."""
    return text(x, y, f"chapter {stop.number}", size=SHAPES, class_="number", text_anchor="end")


def _lane(sheet: _Sheet, column: int, lane: Lane, *, follows: bool) -> None:
    x, start = sheet.x(column), sheet.lows[column]
    if lane.title:
        sheet.add(column, 26, text(x + 20, start + 13, lane.title, size=TITLE, class_="lane"))
    if lane.backbone:
        _backbone(sheet, column, lane.rungs[0].made)
    elif follows:
        sheet.parts.append(path([(x + 10, start - AIR), (x + 10, sheet.lows[column])], class_="way"))
    for i, rung in enumerate(lane.rungs):
        y = sheet.lows[column]
        way = path([(x + 10, y - AIR), (x + 10, y)], class_="way") if i else None
        sheet.add(column, _height(rung) + AIR, way, *_card(x, y, sheet.column, rung))


def _backbone(sheet: _Sheet, column: int, made: Composition) -> None:
    """I → F → X, once for all that stand below."""
    x, y, width = sheet.x(column), sheet.lows[column], sheet.column
    image, X = write_shape(made.image), write_shape(made.X)
    part, middle = width * 0.36, y + FLOW / 2
    left, right = x + 24, x + width - 24
    at = (left + right - part) / 2
    sheet.add(
        column,
        FLOW + AIR,
        path([(x + 18, middle), (x + 10, middle), (x + 10, y + FLOW + AIR)], class_="way"),
        _shape(left, middle + 4, image),
        _arrow(left + width_of(image, SHAPES) + 5, at - 3, middle),
        *_part(at, y + 2, part, FLOW - 4, "F", made.F),
        _arrow(at + part + 4, right - width_of(X, SHAPES) - 5, middle),
        _shape(right - width_of(X, SHAPES), middle + 4, X),
    )


KEY = {
    "F": ("backbone", "from the picture to feature maps"),
    "G": ("representation", "what of them the decoder sees"),
    "D": ("decoder", "from there to 21 joints of three numbers"),
}


def _key(sheet: _Sheet, column: int) -> None:
    """What the colours stand for."""
    for letter, (name, does) in KEY.items():
        x, y = sheet.x(column) + 24, sheet.lows[column]
        sheet.add(
            column,
            27,
            *_part(x, y, 108, 20, letter, f"{letter}, {name}"),
            text(x + 118, y + 14, does, size=WORDS, room=sheet.column - 142, class_="shape"),
        )


# --- A card ----------------------------------------------------------------------------------------------------------


def _height(rung: Rung) -> float:
    return HEAD + FLOW + 10 + (BACK if rung.made.stages > 1 else 0)


def _card(x: float, y: float, width: float, rung: Rung) -> list[ET.Element]:
    """A rung: its name and chapter, and below X → G → what is read → D → Y."""
    made, top, air = rung.made, y + HEAD, 10
    X, read, Y = write_shape(made.X), rung.read, write_shape(made.Y)
    left, between, right = (width_of(shape, SHAPES) for shape in (X, read, Y))
    part = (width - 20 - left - between - right - 4 * air) / 2
    g = x + 10 + left + air
    d = g + part + between + 2 * air
    middle = top + FLOW / 2
    parts = [
        box(x, y, width, _height(rung), radius=7, class_="rung"),
        _name(x + 10, y + 17, rung, room=width - 74),
        _shape(x + 10, middle + 4, X),
        *_part(g, top, part, FLOW, "G", made.G),
        _shape(g + part + air, middle + 4, read),
        *_part(d, top, part, FLOW, "D", made.D),
        _shape(d + part + air, middle + 4, Y),
        *(_arrow(at - air + 2, at - 2, middle) for at in (g, g + part + air, d, d + part + air)),
    ]
    if rung.stop is not None:
        parts.append(_chapter(x + width - 10, y + 17, rung.stop))
    if made.stages > 1:
        low = top + FLOW + 13
        said = f"{made.stages} stages: " + ", ".join(made.shown)
        inner = d + part - g - 60
        half = min(1.1 * width_of(said, SHAPES), inner) / 2 + 5
        start, end, centre = d + part - 12, g + 12, (g + d + part) / 2
        parts += [
            path([(start, top + FLOW), (start, low), (centre + half, low)], class_="way"),
            path([(centre - half, low), (end, low), (end, top + FLOW + 1)], class_="way"),
            path([(end - 2.5, top + FLOW + 4), (end, top + FLOW + 1), (end + 2.5, top + FLOW + 4)], class_="way"),
            text(centre, low + 3.5, said, size=SHAPES, room=inner, class_="shape", text_anchor="middle"),
        ]
    where = f"chapter {rung.stop.number}" if rung.stop else "no chapter yet"
    label = f"{rung.label} {rung.title}, {where}: G {made.G}, {read}; D {made.D}"
    return [link(rung.stop and rung.stop.href, parts, label=label)]


def _name(x: float, y: float, rung: Rung, *, room: float) -> ET.Element:
    """A rung's label in bold, and its title behind it."""
    name = text(x, y, f"{rung.label}  {rung.title}", size=TITLE, room=room)
    name.text = None
    name.extend([element("tspan", rung.label, class_="label"), element("tspan", rung.title, dx=8)])
    return name


def _shape(x: float, y: float, shape: str) -> ET.Element:
    """The shape of a tensor, exactly as wide as reckoned with."""
    return text(x, y, shape, size=SHAPES, room=width_of(shape, SHAPES), class_="shape")


def _part(x: float, y: float, width: float, height: float, letter: str, words: str) -> list[ET.Element]:
    """F, G or D: a box in its colour with its words in it."""
    room = width - 8
    lines = wrap(words, room, WORDS)
    first = y + height / 2 + 4 - 6 * (len(lines) - 1)
    return [
        box(x, y, width, height, class_=f"part {letter}"),
        *(
            text(x + width / 2, first + 12 * i, line, size=WORDS, room=room, class_="words", text_anchor="middle")
            for i, line in enumerate(lines)
        ),
    ]


def _arrow(start: float, end: float, y: float) -> ET.Element:
    """To the right, with a small head."""
    d = f"M{start:.1f} {y:.1f} L{end:.1f} {y:.1f} m-3 -2.5 l3 2.5 l-3 2.5"
    return element("path", d=d, fill="none", stroke="currentColor", class_="way")
