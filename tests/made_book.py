"""The book as the tests read it: made by the first test that wants it, found by the others, in whatever process."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

from conftest import ROOT
from filelock import FileLock

from hand_lib.book import site
from hand_lib.book.chapters import find_chapters
from hand_lib.book.execution import Outcome, execute


def executed(session: Path) -> list[Outcome]:
    """What became of each chapter in ``smoke``."""

    def make() -> list[Outcome]:
        folders = site.Folders.under(session / "book")
        parameters = {"PROFILE": "smoke", "SEED": 0, "DEVICE": None}
        return execute(find_chapters(ROOT), folders.executed, parameters=parameters, jobs=2)

    return _once(session, "executed", make)


def built(session: Path) -> Path:
    """The folder of the built site."""

    folders = site.Folders.under(session / "book")

    def make() -> list[str]:
        site.stage(ROOT, folders, find_chapters(ROOT), site.check(ROOT))
        return site.build(folders)

    complaints = _once(session, "built", make)
    assert complaints == [], "the site was not built"
    return folders.site


def _once(session: Path, name: str, make: Callable):
    answer = session / f"{name}.pickle"
    with FileLock(session / f"{name}.lock"):
        if not answer.exists():
            answer.write_bytes(pickle.dumps(make()))
        return pickle.loads(answer.read_bytes())
