"""Drawings as SVG that stands in a page: text that the page's own style sheet colours, and links."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from xml.etree import ElementTree as ET


def element(name: str, *inside: ET.Element | str | None, **attributes: object) -> ET.Element:
    """An element with what stands in it. ``class_`` is ``class``, and an underscore in a name is a hyphen."""
    made = ET.Element(name, {_attribute(key): _number(value) for key, value in attributes.items() if value is not None})
    for part in inside:
        if isinstance(part, str):
            made.text = (made.text or "") + part
        elif part is not None:
            made.append(part)
    return made


def text(x: float, y: float, words: str, *, size: float, room: float = math.inf, **attributes: object) -> ET.Element:
    """One line of text.

    Args:
        x, y: where it begins, or where its ``text_anchor`` has it.
        words: of one line.
        size: of the letters, in px.
        room: px that it must not leave, whatever font the reader has.
        attributes: of the element.
    """
    fixed = {"textLength": room, "lengthAdjust": "spacingAndGlyphs"} if 1.1 * width_of(words, size) > room else {}
    return element("text", words, x=x, y=y, font_size=size, **fixed, **attributes)


def width_of(words: str, size: float) -> float:
    """How wide a text is in px, about: a sans-serif font's letters, narrow, wide and others."""
    em = sum(0.32 if letter in "ijl.,:;'’|()ft " else 0.9 if letter in "mwMW" else 0.6 for letter in words)
    return em * size


def path(points: Sequence[tuple[float, float]], **attributes: object) -> ET.Element:
    """A line through these points, without filling."""
    d = "M" + " L".join(f"{_number(x)} {_number(y)}" for x, y in points)
    return element("path", d=d, fill="none", stroke="currentColor", **attributes)


def box(x: float, y: float, width: float, height: float, *, radius: float = 5, **attributes: object) -> ET.Element:
    """A rectangle with round corners, without filling."""
    look = {"rx": radius, "fill": "none", "stroke": "currentColor"}
    return element("rect", x=x, y=y, width=width, height=height, **look, **attributes)


def link(href: str | None, parts: Iterable[ET.Element], *, label: str, **attributes: object) -> ET.Element:
    """Parts that lead somewhere when one of them is clicked; a plain group where there is nowhere to go."""
    if href is None:
        return element("g", element("title", label), *parts, **attributes)
    return element("a", element("title", label), *parts, href=href, aria_label=label, **attributes)


def wrap(words: str, room: float, size: float, lines: int = 2) -> list[str]:
    """A text in at most so many lines of this width, broken at spaces; the last one takes what is left."""
    found = [""]
    for word in words.split():
        if found[-1] and width_of(f"{found[-1]} {word}", size) > room and len(found) < lines:
            found.append("")
        found[-1] = f"{found[-1]} {word}".strip()
    return found


def write(drawing: ET.Element) -> str:
    """As it stands in HTML."""
    return ET.tostring(drawing, encoding="unicode", short_empty_elements=False)


def _attribute(name: str) -> str:
    if name in ("viewBox", "textLength", "lengthAdjust"):
        return name
    return name.rstrip("_").replace("_", "-")


def _number(value: object) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
