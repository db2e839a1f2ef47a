"""The chapters: the notebooks of a checkout, in the order in which they may run; and pages without a number."""

from __future__ import annotations

import copy
import json
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, Field, PositiveInt

from hand_lib.book.reading import Checked, check, one_line, read_text
from hand_lib.cache import atomic_write
from hand_lib.errors import HandLibError, choose

# The first code cell of every chapter. `REPOSITORY` is filled from _config.yml, see `install_cell`.
INSTALL_CELL = """\
# Installs the book's package where it is missing (Colab, Binder); says nothing elsewhere.
import importlib.util
import subprocess
import sys

REPOSITORY = ""
if importlib.util.find_spec("hand_lib") is None:
    if not REPOSITORY:
        raise ImportError(
            "hand_lib is missing: run this notebook from `make lab`, or `pip install -e .` the checkout"
        )
    package = f"joint-by-joint[notebooks] @ git+{REPOSITORY}"
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", package], check=True
    )"""

_LARGEST = 64 * 2**20  # bytes; an executed chapter has up to ten million


def install_cell(repository: str) -> str:
    """:data:`INSTALL_CELL` with the repository's address put in; as it stands where the address is empty."""
    return INSTALL_CELL.replace('REPOSITORY = ""', f"REPOSITORY = {json.dumps(repository, ensure_ascii=False)}")


def put_address(notebook: dict[str, Any], repository: str) -> int:
    """Write the repository's address into a notebook's install cell, in place; returns how many it has."""
    cells = [cell for cell in notebook["cells"] if "".join(cell["source"]).startswith(INSTALL_CELL.partition("\n")[0])]
    for cell in cells:
        cell["source"] = install_cell(repository).splitlines(keepends=True)
    return len(cells)


class _Kernel(Checked):
    name: Literal["python3"]


class _Own(Checked):
    """What this package keeps in a notebook's metadata."""

    model_config = ConfigDict(extra="forbid")
    after: tuple[PositiveInt, ...] = Field(default=(), strict=False)
    needs: tuple[PositiveInt, ...] = Field(default=(), strict=False)
    rungs: tuple[str, ...] = Field(default=(), strict=False)
    trains: dict[str, PositiveInt] = Field(default={})
    trains_besides: int = Field(default=0, ge=0)
    executed_from: str | None = None


class _Metadata(Checked):
    kernelspec: _Kernel
    hand_lib: _Own = _Own()


class _Notebook(Checked):
    """What the book's own code reads of a notebook; nbformat's schema has the rest."""

    nbformat: Literal[4]
    metadata: _Metadata
    cells: list[dict[str, Any]] = Field(min_length=1)


@dataclass(frozen=True)
class Chapter:
    """One notebook, ``notebooks/NN_name.ipynb``; or ``notebooks/page_name.ipynb``, a page between two chapters.

    Attributes:
        path: the committed notebook.
        number: the NN of its name; None of a page between chapters, which is on no map and which nothing can name.
        after: numbers of the chapters whose trained rows this one reuses (notebook metadata ``hand_lib.after``). They
            start first, so that two chapters do not wait for the same training run.
        needs: numbers of the chapters that a reader should know before (``hand_lib.needs``).
        rungs: names of the rows that it builds, for the map (``hand_lib.rungs``).
        trains: how many runs it asks for of each row or variant (``hand_lib.trains``); those that an earlier chapter
            asks for too are found.
        trains_besides: how many networks it trains that are no row or variant of the book's
            (``hand_lib.trains_besides``), such as groups that it has just found.
        title: its first heading.
    """

    path: Path
    number: int | None
    after: tuple[int, ...] = ()
    needs: tuple[int, ...] = ()
    rungs: tuple[str, ...] = ()
    trains: Mapping[str, int] = field(default_factory=dict, hash=False)
    trains_besides: int = 0
    title: str = ""

    @property
    def name(self) -> str:
        return self.path.stem


def checkout() -> Path:
    """The folder this package runs from, which must be a checkout: the book's sources are not in an installed wheel.

    Raises:
        HandLibError: there is no ``_config.yml`` beside the package.
    """
    root = Path(__file__).resolve().parents[2]
    if not (root / "_config.yml").is_file():
        raise HandLibError(
            f"{root} has no _config.yml: the book is built from a checkout, installed with `pip install -e`"
        )
    return root


def find_chapters(root: Path) -> list[Chapter]:
    """The chapters under ``root/notebooks``, by number; after them the pages without one, by name.

    Raises:
        HandLibError: there is none; a name without a number, or a number that two have; a file that is no notebook; or
            an ``after`` that names no other chapter, or goes round in a circle; a ``needs`` that names no earlier one.
    """
    numbered: dict[int, Chapter] = {}
    pages = []
    for path in sorted((root / "notebooks").glob("*.ipynb")):
        if not re.fullmatch(r"([0-9]{2}|page)_\w[\w.-]*", path.stem):
            raise HandLibError(f"{path}: a chapter is named NN_name.ipynb, a page without number page_name.ipynb")
        number = None if path.stem.startswith("page_") else int(path.stem[:2])
        if number in numbered:
            raise HandLibError(f"{path}: {numbered[number].path.name} has the number {number:02} too")
        content = check(path, _Notebook, read_notebook(path))
        own = content.metadata.hand_lib
        title = _title(content.cells)
        chapter = Chapter(path, number, own.after, own.needs, own.rungs, own.trains, own.trains_besides, title)
        if number is None:
            pages.append(chapter)
        else:
            numbered[number] = chapter
    chapters = [*numbered.values(), *pages]
    if not chapters:
        raise HandLibError(f"{root / 'notebooks'}: no chapters")
    for chapter in chapters:
        others = [number for number in numbered if number != chapter.number]
        before = [number for number in others if chapter.number is None or number < chapter.number]
        for key, named, possible in (("after", chapter.after, others), ("needs", chapter.needs, before)):
            for other in named:
                if other not in possible:
                    there = ", ".join(map(str, possible)) or "none"
                    raise HandLibError(f"{chapter.path}: metadata.hand_lib.{key}: {other}: choose from {there}")
    try:
        TopologicalSorter({number: chapter.after for number, chapter in numbered.items()}).prepare()
    except CycleError as error:
        circle = " after ".join(map(str, reversed(error.args[1])))
        path = numbered[error.args[1][0]].path
        raise HandLibError(f"{path}: metadata.hand_lib.after goes round in a circle: {circle}") from error
    return chapters


def _title(cells: list[dict[str, Any]]) -> str:
    """The first heading of a notebook; empty where it has none."""
    texts = ("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    return next((found[1].strip() for text in texts if (found := re.search(r"(?m)^# (.+)$", text))), "")


def select(chapters: list[Chapter], wanted: str | None) -> list[Chapter]:
    """The chapters named in ``wanted``, such as ``"4,5"`` or ``"05_average_feature_regression"``; all where it is None.

    Raises:
        HandLibError: a name that fits no chapter.
    """
    if wanted is None:
        return chapters
    numbered = [c for c in chapters if c.number is not None]
    names = {str(c.number): c for c in numbered} | {c.name[:2]: c for c in numbered} | {c.name: c for c in chapters}
    chosen = []
    for word in wanted.replace(",", " ").split() or [wanted]:
        if word not in names:
            choices = [c.name if c.number is None else f"{c.number} ({c.name})" for c in chapters]
            raise choose("chapter", word, choices)
        chosen.append(names[word])
    return [chapter for chapter in chapters if chapter in chosen]


def read_notebook(path: Path) -> dict[str, Any]:
    """A notebook as JSON has it, checked against the notebook format.

    Raises:
        HandLibError: no such file, no regular file, too large, cut short, no JSON, or not a notebook; in one line.
    """
    import nbformat  # late: one of the book's tools

    text = read_text(path, most=_LARGEST)
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise HandLibError(one_line(f"{path}: cut short or no JSON ({error})")) from error
    check(path, _Notebook, content)
    try:
        with warnings.catch_warnings():  # nbformat mends what it finds and warns
            warnings.simplefilter("error")
            nbformat.validate(copy.deepcopy(content))
    except (nbformat.ValidationError, nbformat.NBFormatError, Warning) as error:
        where = ".".join(map(str, getattr(error, "absolute_path", ())))
        said = getattr(error, "message", None) or str(error)
        raise HandLibError(one_line(f"{path}: {f'{where}: ' if where else ''}{said}")) from error
    except Exception as error:  # it does not look at every type
        raise HandLibError(one_line(f"{path}: not a notebook ({type(error).__name__}: {error})")) from error
    return content


def write_notebook(path: Path, content: dict[str, Any]) -> None:
    """Write a notebook as Jupyter does, whole or not at all."""
    with atomic_write(path) as file:
        file.write((json.dumps(content, ensure_ascii=False, indent=1) + "\n").encode())
