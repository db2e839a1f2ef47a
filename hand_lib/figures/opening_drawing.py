"""The opening drawn: picture, network and hand in space as they stand still, with the data that moves them beside."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree import ElementTree as ET

from hand_lib.figures.svg import box, element, path, write
from hand_lib.skeleton import BONES, FINGER_OF_JOINT, JOINT_COLORS, WRIST

BONE_COLORS = [JOINT_COLORS[child] for _, child in BONES]

SPACE = (288, 288)  # px: the drawing of the hand in space
NETWORK = (300, 288)
TURN, TILT = 28.0, 12.0  # degrees: how the hand stands where nothing moves
REACH = 0.46  # of the drawing's side, from its middle to the outermost joint of the largest hand
RING, BELOW = 0.7, 0.85  # of that reach: the circle on the ground, and how far it is below the middle

Vector = Sequence[float]


def opening_html(data: Mapping[str, Any]) -> str:
    """The opening as a part of a page.

    Args:
        data: what :func:`hand_lib.figures.opening.write` gathers: ``run``, ``side`` and ``hands``.
    """
    first, run = data["hands"][0], data["run"]
    errors = ", ".join(f"{hand['error']:.1f}" for hand in data["hands"])
    caption = (
        f"Four hands that the network has not seen, its answers in colour, the truth in grey. It is <code>{run['row']}"
        f"</code> of the profile <code>{run['profile']}</code>, seed {run['seed']}: off by {errors} mm here, by "
        f"{run['epe']:.1f} mm on average over {run['evaluation_images']} held-out hands. "
        f"It looks at {run['pixels']} × {run['pixels']} pixels."
    )
    label = "A rendered hand, the feature maps that a network makes of it, and the 21 joints that it finds, in space"
    largest = reach(data["hands"])
    scale = {
        "scale": round(REACH * SPACE[0] / largest, 4),
        "ring": round(RING * largest),
        "below": round(BELOW * largest),
    }
    together = {**data, **scale, "tilt": TILT, "turn": TURN}
    return "\n".join(
        [
            f'<figure class="opening" role="group" aria-label="{label}">',
            '<div class="opening-panels">',
            _panel("picture", write(_picture(first, data["side"])), "one picture"),
            _panel("network", write(_network(first)), "a network: a few maps for each joint"),
            _panel("space", write(_space(first, together)), "21 joints, in millimetres"),
            "</div>",
            f'<figcaption>{caption} <button type="button" hidden>Pause</button></figcaption>',
            f'<script type="application/json">{json.dumps(together, separators=(",", ":"))}</script>',
            '<script src="../_static/opening.js" defer></script>',
            "</figure>",
            "",
        ]
    )


def _panel(name: str, drawing: str, said: str) -> str:
    return f'<div class="opening-{name}">{drawing}<p>{said}</p></div>'


def _svg(size: tuple[int, int], *parts: ET.Element) -> ET.Element:
    return element("svg", *parts, viewBox=f"0 0 {size[0]} {size[1]}", aria_hidden="true")


# --- The picture -----------------------------------------------------------------------------------------------------


def _picture(hand: Mapping[str, Any], side: int) -> ET.Element:
    image = element("image", href=hand["picture"], width=side, height=side)
    return _svg((side, side), image, *_skeleton(hand["uv"], halo=True))


def _skeleton(points: Sequence[Vector], *, halo: bool) -> list[ET.Element]:
    """Bones and joints, a colour per finger; ``data-joint`` says which joint has to be there for a part to be drawn."""
    parts = []
    for (parent, child), color in zip(BONES, BONE_COLORS, strict=True):
        (x, y), (to_x, to_y) = points[parent], points[child]
        ends = {"x1": x, "y1": y, "x2": to_x, "y2": to_y, "data_joint": child}
        if halo:
            parts.append(element("line", class_="halo", **ends))
        parts.append(element("line", class_="bone", stroke=color, **ends))
    for joint, ((x, y), color) in enumerate(zip(points, JOINT_COLORS, strict=True)):
        parts.append(element("circle", class_="joint", cx=x, cy=y, r=4, fill=color, data_joint=joint))
    return parts


# --- The network -----------------------------------------------------------------------------------------------------

TILE, PITCH = 18, 21  # px


def tile(joint: int) -> tuple[float, float]:
    """Where a joint's map stands: the fingers side by side with their tips on top, the wrist below."""
    left, low = 138.0, 96.0 + 3 * PITCH
    if joint == WRIST:
        return left + 2 * PITCH, low + 1.35 * PITCH
    return left + FINGER_OF_JOINT[joint] * PITCH, low - (joint - 1) % 4 * PITCH


def _network(hand: Mapping[str, Any]) -> ET.Element:
    middle = 146
    ways = [((2, middle), (16, middle)), ((50, middle), (62, middle)), ((118, middle), (132, middle))]
    ways += [((246, middle), (258, middle)), ((286, middle), (298, middle))]
    parts = [path([(a, b), (c, d)], class_="way") for (a, b), (c, d) in ways]
    parts.append(element("path", d="M18 88 L48 112 V180 L18 204 Z", class_="part F"))
    parts.append(element("path", d="M260 180 V112 L284 100 V192 Z", class_="part D"))
    for i, address in enumerate(hand["features"]):
        x, y = 64 + 4 * i, 138 - 12 * i
        parts += [
            box(x, y, 36, 36, radius=2, class_="sheet"),
            element("image", href=address, x=x, y=y, width=36, height=36, class_="feature"),
        ]
    for joint, address in enumerate(hand["joint_maps"]):
        x, y = tile(joint)
        parts += [
            element("image", href=address, x=x, y=y, width=TILE, height=TILE, class_="joint-map", data_joint=joint),
            box(x, y, TILE, TILE, radius=2, class_="tile", data_joint=joint),
        ]
    for x, y, letter in ((33, 150, "F"), (90, 234, "X"), (190, 234, "G"), (272, 150, "D")):
        parts.append(element("text", letter, x=x, y=y, text_anchor="middle"))
    return _svg(NETWORK, *parts)


# --- The hand in space -----------------------------------------------------------------------------------------------


def middle_of(points: Sequence[Vector]) -> Vector:
    """The mean of points."""
    return [sum(values) / len(points) for values in zip(*points, strict=True)]


def reach(hands: Sequence[Mapping[str, Any]]) -> float:
    """mm from the middle of a hand to its outermost joint, true or predicted, of the hand where that is furthest."""
    return max(math.dist(point, middle_of(hand["truth"])) for hand in hands for point in (*hand["truth"], *hand["xyz"]))


def turned(points: Sequence[Vector], middle: Vector, *, scale: float, turn: float, tilt: float) -> list[Vector]:
    """Points in space as they are drawn, without perspective: x and y in px.

    Args:
        points: mm, camera frame: x right, y down, z away.
        middle: what they turn about.
        scale: px per mm.
        turn: degrees about the vertical axis; what is far comes from the left to the right.
        tilt: degrees that one looks down.
    """
    a, b = math.radians(turn), math.radians(tilt)
    drawn = []
    for point in points:
        x, y, z = (value - centre for value, centre in zip(point, middle, strict=True))
        across, away = x * math.cos(a) + z * math.sin(a), z * math.cos(a) - x * math.sin(a)
        down = y * math.cos(b) - away * math.sin(b)
        drawn.append((round(SPACE[0] / 2 + scale * across, 1), round(SPACE[1] / 2 + scale * down, 1)))
    return drawn


def ring(radius: float, below: float) -> list[Vector]:
    """A circle on the ground under the hand, mm about its middle, whose first point lies towards the camera."""
    steps = [2 * math.pi * i / 48 for i in range(48)]
    return [(radius * math.sin(t), below, -radius * math.cos(t)) for t in steps]


def _space(hand: Mapping[str, Any], look: Mapping[str, Any]) -> ET.Element:
    middle, how = middle_of(hand["truth"]), {name: look[name] for name in ("scale", "turn", "tilt")}
    ground = turned(ring(look["ring"], look["below"]), (0, 0, 0), **how)
    truth = turned(hand["truth"], middle, **how)
    ghost = [
        element("line", class_="ghost", x1=truth[a][0], y1=truth[a][1], x2=truth[b][0], y2=truth[b][1])
        for a, b in BONES
    ]
    return _svg(
        SPACE,
        element("polygon", points=" ".join(f"{x},{y}" for x, y in ground), class_="ground"),
        element("circle", cx=ground[0][0], cy=ground[0][1], r=3.5, class_="camera"),
        *ghost,
        *_skeleton(turned(hand["xyz"], middle, **how), halo=False),
    )
