"""What stands on the map of the book, and in what order: chapters, and rows in sections and lanes.

Nothing here knows a row by its name: the lanes of the first paper are the branches that ``BRANCHES`` of
:mod:`hand_lib.figures.rungs` compares along, and what is in none of them stands beside. The rows of joint groups differ
in little more than K, so those that are made of the same parts are drawn as one rung.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hand_lib.figures.compositions import Composition, composition, write_shape
from hand_lib.figures.ladder import title
from hand_lib.figures.rungs import AVERAGES, BRANCHES, MAPS
from hand_lib.models.groups.joint_aware_rows import JOINT_AWARE_ROWS
from hand_lib.models.groups.rows import GROUP_ROWS
from hand_lib.models.rows import ROWS, Row
from hand_lib.models.size import NetworkSize


@dataclass(frozen=True, kw_only=True)
class Stop:
    """A chapter, as the map has it.

    Attributes:
        number, title: of the chapter.
        href: where it is, seen from the page that the map stands on.
        rungs: names of the rows that it builds.
    """

    number: int
    title: str
    href: str
    rungs: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Rung:
    """One row, or several that are made of the same parts.

    Attributes:
        names: of the rows.
        label: short, such as "ID-5" or "K = 3".
        title: for people.
        made: of what, the first row's.
        read: the shape of what D reads, with K where the rows differ.
        stop: the chapter that builds the first of them, or None.
    """

    names: tuple[str, ...]
    label: str
    title: str
    made: Composition
    read: str
    stop: Stop | None


@dataclass(frozen=True, kw_only=True)
class Lane:
    """Rungs one below the other.

    Attributes:
        title: over them; may be empty.
        rungs: in order.
        follows: whether the first one follows the section's trunk.
        backbone: whether they have a backbone of their own kind, to be shown once over all of them.
    """

    title: str
    rungs: tuple[Rung, ...]
    follows: bool = False
    backbone: bool = False


@dataclass(frozen=True, kw_only=True)
class Section:
    """A part of the map.

    Attributes:
        title: over it.
        stops: chapters that build no row but belong here.
        trunk: rungs that all lanes begin at; may be empty.
        lanes: beside one another.
    """

    title: str
    stops: tuple[Stop, ...]
    trunk: tuple[Rung, ...]
    lanes: tuple[Lane, ...]

    @property
    def rungs(self) -> list[Rung]:
        """All of them, the trunk first."""
        return [*self.trunk, *(rung for lane in self.lanes for rung in lane.rungs)]


BEYOND = "Beyond the book's own pictures"
"""The section of the chapters that follow the last row."""


def map_plan(stops: Sequence[Stop], size: NetworkSize) -> list[Section]:
    """The map: every row of the papers' tables once, under the chapter that builds it, and every chapter.

    Args:
        stops: the chapters, in order.
        size: of the networks whose shapes are shown.
    """
    by_row = {name: stop for stop in stops for name in stop.rungs}

    def single(row: Row) -> Rung:
        return _rung([row], size, by_row, label=row.table_id, title=title(row.name).removeprefix(row.table_id).strip())

    def merged(rows: Iterable[Row]) -> tuple[Rung, ...]:
        families: dict[tuple, list[Row]] = {}
        for row in rows:
            families.setdefault((*composition(row, size).words, by_row.get(row.name)), []).append(row)
        return tuple(_family(members, size, by_row) for members in families.values())

    trunk = [name for pairs in BRANCHES.values() for name, before in pairs if before is None]
    branches = {"averages, from FR": [a for a, _ in AVERAGES], "maps, from FR": [a for a, _ in MAPS]}
    known = {*trunk, *(name for names in branches.values() for name in names)}
    grouped = [row for row in GROUP_ROWS.values() if row.varies is None]
    sections = [
        Section(
            title="The ladder: Joint-Aware Regression",
            stops=(),
            trunk=tuple(single(ROWS[name]) for name in trunk),
            lanes=(
                *(
                    Lane(title=title, rungs=tuple(single(ROWS[name]) for name in names), follows=True)
                    for title, names in branches.items()
                ),
                Lane(title="beside: the rival", rungs=tuple(single(row) for n, row in ROWS.items() if n not in known)),
            ),
        ),
        Section(
            title="Learnable joint groups",
            stops=(),
            trunk=(),
            lanes=(
                Lane(
                    title="on the paper's hourglass",
                    rungs=merged(row for row in grouped if row.backbone),
                    backbone=True,
                ),
                Lane(
                    title="on the ladder's ResNet",
                    rungs=merged(row for row in grouped if not row.backbone),
                    backbone=True,
                ),
            ),
        ),
        Section(
            title="What neither paper tried",
            stops=(),
            trunk=(),
            lanes=tuple(Lane(title="", rungs=(rung,)) for rung in merged(JOINT_AWARE_ROWS.values())),
        ),
    ]
    return _with_stops(sections, stops)


def _with_stops(sections: Sequence[Section], stops: Sequence[Stop]) -> list[Section]:
    """Put every chapter that builds no row before the rungs of the next one that does; the last ones by themselves."""
    place = {name: i for i, section in enumerate(sections) for rung in section.rungs for name in rung.names}
    begins = [min((place[name] for name in stop.rungs if name in place), default=None) for stop in stops]
    plain: list[list[Stop]] = [[] for _ in (*sections, BEYOND)]
    for i, (stop, begin) in enumerate(zip(stops, begins, strict=True)):
        if begin is None:
            following = [later for later in begins[i:] if later is not None]
            plain[following[0] if following else -1].append(stop)
    beyond = [Section(title=BEYOND, stops=(), trunk=(), lanes=())] if plain[-1] else []
    return [
        Section(title=section.title, stops=tuple(own), trunk=section.trunk, lanes=section.lanes)
        for section, own in zip([*sections, *beyond], plain, strict=False)
    ]


def _rung(rows: Sequence[Row], size: NetworkSize, by_row: dict[str, Stop], *, label: str, title: str) -> Rung:
    made = [composition(row, size) for row in rows]
    return Rung(
        names=tuple(row.name for row in rows),
        label=label,
        title=title,
        made=made[0],
        read=write_shape(made[0].read, made[1].read if len(made) > 1 else None),
        stop=by_row.get(rows[0].name),
    )


def _family(rows: Sequence[Row], size: NetworkSize, by_row: dict[str, Stop]) -> Rung:
    """Rows that differ in K: one rung, named after what they share."""
    made = composition(rows[0], size)
    numbers = sorted({composition(row, size).groups for row in rows})
    fused = ", fused" if made.G.endswith("fused") else ""
    label = "K = " + ", ".join(map(str, numbers))
    return _rung(rows, size, by_row, label=label, title=f"{made.grouping}{fused}")
