"""What is made of the chapters for the front of the book: its map, and what stands at the head of each chapter.

The notebooks stay free of it. They say in their metadata what they build, what they train and what should be known
before; times come from the notebook's own length and from records.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hand_lib.book.chapters import Chapter, read_notebook
from hand_lib.errors import HandLibError, choose
from hand_lib.experiments import PROFILES, recorded_time, records, say_duration
from hand_lib.figures.ladder import of_own_network, title
from hand_lib.figures.ladder_map import ladder_map
from hand_lib.figures.ladder_strip import ladder_strip
from hand_lib.figures.map_plan import Stop
from hand_lib.models.catalogue import rows_and_variants

SHOWN = PROFILES["quick"]  # whose networks and times the front speaks of: the profile of `make book`
HEADS = "heads"  # folder of the staged book, from which hand_lib.book.sphinx_extension takes them

WORDS_A_MINUTE, LINES_A_MINUTE = 150, 15  # of prose and of code that one reads to understand
_UNSEEN = {"remove-cell", "remove-input", "hide-input", "hide-cell"}


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


def write_map(path: Path, chapters: Sequence[Chapter]) -> None:
    """Write the map as a page that another page of its folder includes.

    Args:
        path: of the page, in a folder beside that of the chapters.
        chapters: in order.
    """
    drawn = ladder_map(_stops(chapters, "../notebooks/"), SHOWN.network)
    path.write_text(f"```{{raw}} html\n{drawn}\n```\n", encoding="utf-8")


def write_heads(folder: Path, chapters: Sequence[Chapter], results: Path) -> None:
    """Write what stands at the head of each chapter, as ``folder/NN_name.html``.

    Args:
        folder: is made.
        chapters: in order.
        results: folder of the records that tell how long trainings took.
    """
    recorded = list(of_own_network(records(SHOWN.name, folder=results)))
    folder.mkdir()
    for chapter in chapters:
        (folder / f"{chapter.name}.html").write_text(head(chapter, chapters, recorded), encoding="utf-8")


def _stops(chapters: Sequence[Chapter], folder: str) -> list[Stop]:
    numbered = [c for c in chapters if c.number is not None]
    return [Stop(number=c.number, title=c.title, href=f"{folder}{c.name}.html", rungs=tuple(c.rungs)) for c in numbered]


# ------------------------------------------------------------------------------------------------ a chapter's head


def head(chapter: Chapter, chapters: Sequence[Chapter], recorded: Sequence[Mapping[str, Any]]) -> str:
    """A chapter's head as HTML: the small map, and a line each on reading, on what comes before, on training.

    Args:
        chapter: whose head it is.
        chapters: all of them, in order, the pages without number last.
        recorded: records of :data:`SHOWN` that tell how long trainings took.
    """
    before = [other for other in chapters if other.number in chapter.needs]
    links = ", ".join(f'<a href="{c.name}.html">{c.number}. {html.escape(c.title)}</a>' for c in before)
    facts = {
        "You are here": ("between chapters, beside" if chapter.number is None else "▾ on")
        + ' the <a href="../book/intro.html#the-map">map of the book</a>',
        "To read": f"about {reading_minutes(read_notebook(chapter.path))} min",
        "To know before": links or "no other chapter",
        "It trains": training(chapter, chapters, recorded),
    }
    lines = "\n".join(f"<div><dt>{name}</dt><dd>{said}</dd></div>" for name, said in facts.items())
    strip = ladder_strip(_stops(chapters, ""), SHOWN.network, here=chapter.number)
    return f'<div class="chapter-head">\n{strip}\n<dl>\n{lines}\n</dl>\n</div>\n'


def reading_minutes(notebook: Mapping[str, Any]) -> int:
    """How long a chapter takes to read, in minutes, to the nearest five: its prose and the code that it shows.

    Solutions are left out: they are folded away, and an exercise takes as long as it takes.
    """
    words = lines = 0
    folded = False
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        folded = folded or "{solution-start}" in source
        if cell["cell_type"] == "markdown" and not folded:
            words += len(source.split())
        elif cell["cell_type"] == "code" and not folded and not _UNSEEN.intersection(cell["metadata"].get("tags", ())):
            lines += sum(bool(line.strip()) for line in source.splitlines())
        folded = folded and "{solution-end}" not in source
    return max(5, 5 * round((words / WORDS_A_MINUTE + lines / LINES_A_MINUTE) / 5))


def training(chapter: Chapter, chapters: Sequence[Chapter], recorded: Sequence[Mapping[str, Any]]) -> str:
    """What a chapter trains that no earlier one has, how long that takes on one core, and what it finds; as HTML."""
    earlier: dict[str, tuple[int, int]] = {}  # of each row: how many runs there are, and which chapter came first
    for other in chapters[: chapters.index(chapter)]:
        for row, count in other.trains.items() if other.number is not None else ():
            most, first = earlier.get(row, (0, other.number))
            earlier[row] = max(most, count), first
    own = {row: n - earlier.get(row, (0, 0))[0] for row, n in chapter.trains.items() if n > earlier.get(row, (0, 0))[0]}
    found = sorted({earlier[row][1] for row in chapter.trains if row not in own})
    said = "no row of a table"
    if own:
        said = f"{' · '.join(_run(row, count) for row, count in own.items())}: {_takes(own, recorded)}"
    if n := chapter.trains_besides:
        said = f"{said}; and " if own else ""
        said += (
            f"{n} network{'s' * (n > 1)} of its own, whose time is said before {'they start' if n > 1 else 'it starts'}"
        )
    if found:
        said += f". It finds what chapter{'s' if len(found) > 1 else ''} {', '.join(map(str, found))} trained"
    return said


def _run(row: str, count: int) -> str:
    times = {1: "", 2: ", twice"}.get(count, f", {count} times")
    return f"<em>{html.escape(title(row))}</em>{times}"


def _takes(own: Mapping[str, int], recorded: Sequence[Mapping[str, Any]]) -> str:
    times = {row: recorded_time(row, recorded) for row in own}
    known = {row: time for row, time in times.items() if time}
    if not known:
        return "how long that takes is said before it starts"
    seconds = sum(own[row] * time for row, (time, _) in known.items())
    devices = sorted({html.escape(device.removesuffix(", 1 thread")) for _, device in known.values()})
    said = f"about {say_duration(seconds)} of one core in <code>{SHOWN.name}</code> ({', '.join(devices)})"
    unknown = [_run(row, 1) for row in own if row not in known]
    return said + (f", and more for {' · '.join(unknown)}" if unknown else "")
