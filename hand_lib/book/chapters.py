"""The chapters: the notebooks of a checkout, in the order in which they may run."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
        raise ImportError("hand_lib is missing: run this notebook from `make lab`, or `pip install -e .` the checkout")
    package = f"joint-by-joint[notebooks] @ git+{REPOSITORY}"
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", package], check=True)"""


def install_cell(repository: str) -> str:
    """:data:`INSTALL_CELL` with the repository's address put in; as it stands where the address is empty."""
    return INSTALL_CELL.replace('REPOSITORY = ""', f"REPOSITORY = {json.dumps(repository, ensure_ascii=False)}")


def put_address(notebook: dict[str, Any], repository: str) -> int:
    """Write the repository's address into a notebook's install cell, in place; returns how many it has."""
    cells = [cell for cell in notebook["cells"] if "".join(cell["source"]).startswith(INSTALL_CELL.partition("\n")[0])]
    for cell in cells:
        cell["source"] = install_cell(repository).splitlines(keepends=True)
    return len(cells)


@dataclass(frozen=True)
class Chapter:
    """One notebook, ``notebooks/NN_name.ipynb``.

    Attributes:
        path: the committed notebook.
        number: the NN of its name.
        after: numbers of the chapters whose trained rows this one reuses (notebook metadata ``hand_lib.after``). They
            start first, so that two chapters do not wait for the same training run.
    """

    path: Path
    number: int
    after: tuple[int, ...] = ()

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
    """The chapters under ``root/notebooks``, by number.

    Raises:
        HandLibError: there is none, a name has no number, or a file is not a notebook.
    """
    chapters = []
    for path in sorted((root / "notebooks").glob("*.ipynb")):
        number, _, _ = path.stem.partition("_")
        if not number.isdigit():
            raise HandLibError(f"{path}: a chapter is named NN_name.ipynb")
        try:
            metadata = json.loads(path.read_text(encoding="utf-8"))["metadata"]
        except (ValueError, KeyError, TypeError) as error:
            raise HandLibError(f"{path}: not a notebook ({error})") from error
        chapters.append(Chapter(path, int(number), tuple(metadata.get("hand_lib", {}).get("after", ()))))
    if not chapters:
        raise HandLibError(f"{root / 'notebooks'}: no chapters")
    return chapters


def select(chapters: list[Chapter], wanted: str | None) -> list[Chapter]:
    """The chapters named in ``wanted``, such as ``"4,5"`` or ``"05_average_feature_regression"``; all where it is None.

    Raises:
        HandLibError: a name that fits no chapter.
    """
    if wanted is None:
        return chapters
    names = (
        {str(c.number): c for c in chapters} | {c.path.stem[:2]: c for c in chapters} | {c.name: c for c in chapters}
    )
    chosen = []
    for word in wanted.replace(",", " ").split() or [wanted]:
        if word not in names:
            raise choose("chapter", word, [f"{c.number} ({c.name})" for c in chapters])
        chosen.append(names[word])
    return [chapter for chapter in chapters if chapter in chosen]


def write_notebook(path: Path, content: dict[str, Any]) -> None:
    """Write a notebook as Jupyter does, whole or not at all."""
    with atomic_write(path) as file:
        file.write((json.dumps(content, ensure_ascii=False, indent=1) + "\n").encode())
