"""What is made of the chapters for the front of the book: the map."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hand_lib.book.chapters import Chapter
from hand_lib.errors import HandLibError, choose
from hand_lib.experiments import PROFILES
from hand_lib.figures.ladder_map import ladder_map
from hand_lib.figures.map_plan import Stop
from hand_lib.models.catalogue import rows_and_variants

SHOWN = PROFILES["quick"]  # whose networks and times the front speaks of: the profile of `make book`


def check_rows(chapters: Sequence[Chapter]) -> None:
    """Check that the chapters build and train rows that exist, and that no two build the same.

    Raises:
        HandLibError: names the notebook, the key and the row.
    """
    known = rows_and_variants()
    built: dict[str, Chapter] = {}
    for chapter in chapters:
        for key, names in (("rungs", chapter.rungs), ("trains", chapter.trains)):
            for name in names:
                if name not in known:
                    raise HandLibError(f"{chapter.path}: metadata.hand_lib.{key}: {choose('row', name, known)}")
        for name in chapter.rungs:
            if built.setdefault(name, chapter) != chapter:
                raise HandLibError(f"{chapter.path}: metadata.hand_lib.rungs: {built[name].name} builds {name} too")


def stops(chapters: Sequence[Chapter], *, folder: str) -> list[Stop]:
    """The chapters as the map has them.

    Args:
        chapters: in order.
        folder: where their pages are, seen from the page that the map stands on.
    """
    return [
        Stop(number=c.number, title=c.title, href=f"{folder}/{c.name}.html", rungs=tuple(c.rungs)) for c in chapters
    ]


def write_map(path: Path, chapters: Sequence[Chapter]) -> None:
    """Write the map as a page that another page of its folder includes.

    Args:
        path: of the page, in a folder beside that of the chapters.
        chapters: in order.
    """
    drawn = ladder_map(stops(chapters, folder="../notebooks"), SHOWN.network)
    path.write_text(f"```{{raw}} html\n{drawn}\n```\n", encoding="utf-8")
