"""However ``book`` ends, nothing that it started outlives it: papermill, kernels, what these start, the build."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import yaml
from conftest import ROOT
from test_book import write_chapter

from hand_lib.book import children
from hand_lib.book.vendor import vendor_assets

pytestmark = pytest.mark.slow

MARK = "JOINT_BY_JOINT_TEST_MARK"
# A kernel at full load in C, without a look at its signals, and a renderer in a session of its own that hears nobody.
DEAF = "import signal; [signal.signal(s, signal.SIG_IGN) for s in (1, 2, 15)]; print(flush=True)\nwhile True: pass"
BUSY = f"""\
import signal, subprocess, sys
renderer = subprocess.Popen([sys.executable, "-c", {DEAF!r}], start_new_session=True, stdout=subprocess.PIPE)
renderer.stdout.readline()
open("busy", "w").close()
sum(range(10**12))"""
PROGRAM = """\
import signal, sys
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # these tests may run under nohup themselves
from pathlib import Path
from hand_lib.__main__ import main
from hand_lib.book import command
command.checkout = lambda: Path(sys.argv[1])
sys.exit(main(["book", "--profile", "smoke", *sys.argv[2:]]))"""


def make_checkout(root: Path, code: str) -> Path:
    shutil.copytree(ROOT / "assets", root / "assets", ignore=shutil.ignore_patterns("vendor"))
    for name in ("_config.yml", "package.json", "package-lock.json"):
        shutil.copy(ROOT / name, root)
    write_chapter(root / "notebooks", "01_one", code)
    (root / "book").mkdir()
    (root / "book" / "intro.md").write_text("# Book\n")
    (root / "book" / "references.bib").write_text("")
    contents = {"format": "jb-book", "root": "book/intro", "chapters": [{"file": "notebooks/01_one"}]}
    (root / "_toc.yml").write_text(yaml.safe_dump(contents))
    return root


class Book:
    """``book`` as a process of its own; all that descends from it bears a mark that this class alone knows."""

    def __init__(self, root: Path, *arguments: str) -> None:
        self.root = root
        self._mark = uuid.uuid4().hex
        environment = {**os.environ, MARK: self._mark, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-c", PROGRAM, str(root), *arguments]
        self.process = subprocess.Popen(
            command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )

    def family(self) -> list[psutil.Process]:
        every = psutil.process_iter(["environ"])
        return [process for process in every if (process.info["environ"] or {}).get(MARK) == self._mark]

    def runs(self, word: str) -> bool:
        for process in self.family():
            try:
                if any(part == word or part.endswith(f"/{word}") for part in process.cmdline()):
                    return True
            except psutil.Error:
                continue
        return False


def wait_until(condition: Callable[[], object], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.05)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Book]]:
    started: list[Book] = []

    def start(code: str, *arguments: str) -> Book:
        root = tmp_path / f"checkout-{len(started)}"
        root.mkdir()
        started.append(Book(make_checkout(root, code), *arguments))
        return started[-1]

    yield start
    for book in started:
        for process in book.family():
            process.kill()
        book.process.communicate()


CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129, signal.SIGKILL: -signal.SIGKILL}


def end(book: Book, number: signal.Signals) -> None:
    """Send the signal; within ten seconds nobody is left, and what is said is one line."""
    book.process.send_signal(number)
    assert book.process.wait(timeout=60) == CODES[number]
    wait_until(lambda: not book.family(), 10)
    said = book.process.stderr.read()
    assert "Traceback" not in said and said.count("\n") == (number != signal.SIGKILL), said


def each(*numbers: signal.Signals) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("number", numbers, ids=lambda number: number.name)


@each(signal.SIGINT, signal.SIGKILL)
def test_while_a_kernel_computes(start: Callable[..., Book], number: signal.Signals) -> None:
    book = start(BUSY, "--no-build")
    executed = book.root / "build" / "smoke" / "notebooks"
    wait_until((executed / "busy").exists, 60)
    assert book.runs("papermill") and book.runs("ipykernel_launcher") and book.runs(DEAF)
    end(book, number)


@each(signal.SIGHUP, signal.SIGTERM, signal.SIGKILL)
def test_while_papermill_starts(start: Callable[..., Book], number: signal.Signals) -> None:
    book = start(BUSY, "--no-build")
    wait_until(lambda: book.runs("papermill"), 60)
    end(book, number)


@each(signal.SIGTERM, signal.SIGKILL)
def test_while_the_site_is_built(start: Callable[..., Book], number: signal.Signals) -> None:
    book = start("1")
    shutil.copytree(vendor_assets(ROOT), book.root / "assets" / "vendor")
    wait_until(lambda: book.runs("jupyter-book"), 90)
    end(book, number)


def test_although_the_watcher_is_killed_first(start: Callable[..., Book]) -> None:
    book = start(BUSY, "--no-build")
    wait_until((book.root / "build" / "smoke" / "notebooks" / "busy").exists, 60)
    (watcher,) = (process for process in book.family() if children.__file__ in process.cmdline())
    watcher.kill()
    end(book, signal.SIGTERM)


def test_a_second_book_of_the_profile_is_refused(start: Callable[..., Book]) -> None:
    """And what the first one does is not disturbed."""
    first = start(BUSY, "--no-build")
    wait_until((first.root / "build" / "smoke" / "notebooks" / "busy").exists, 60)
    second = Book(first.root, "--no-build")
    said = second.process.communicate(timeout=120)[1]
    assert second.process.returncode == 2 and said.count("\n") == 1
    assert "another process is busy with the book of the profile smoke" in said
    assert first.runs("ipykernel_launcher") and first.process.poll() is None
    end(first, signal.SIGTERM)
