"""Run chapters headless through papermill, several side by side, each in a process of its own."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from hand_lib.book.chapters import Chapter, read_notebook, write_notebook
from hand_lib.book.children import Family
from hand_lib.cache import make_folder, readable_errors
from hand_lib.errors import HandLibError

_CELLS_DONE = re.compile(r"(\d+)/(\d+) \[")  # papermill's progress bar


@dataclass(frozen=True)
class Outcome:
    """What became of one chapter.

    Attributes:
        notebook: the executed notebook; of a chapter that failed, with the error in it.
        seconds: wall time.
        error: the last line of what went wrong, None where all went well.
    """

    chapter: Chapter
    notebook: Path
    seconds: float
    error: str | None = None


def execute(chapters: list[Chapter], target: Path, *, parameters: dict[str, object], jobs: int) -> list[Outcome]:
    """Execute ``chapters`` into ``target/NN_name.ipynb``, at most ``jobs`` at a time, and say how it goes.

    A chapter starts when those that it names in ``after`` have ended, well or not. A chapter that fails does not stop
    the others. Whatever ends this call, Ctrl-C or ``kill -9``, ends what it has started, kernels included.

    Args:
        parameters: what papermill injects, ``PROFILE``, ``SEED`` and ``DEVICE``.
        jobs: how many run at a time; with more than one, each computes with one thread.

    Raises:
        HandLibError: ``target`` cannot be written.
    """
    make_folder(target)
    environment = {**os.environ, "PYDEVD_DISABLE_FILE_VALIDATION": "1", "JUPYTER_PREFER_ENV_PATH": "1"}
    environment |= {"PYTHONUTF8": "1", "PYTHONIOENCODING": "utf-8"}  # whatever the terminal speaks
    if jobs > 1:  # two threads a process collapse beside other load
        environment["OMP_NUM_THREADS"] = "1"

    outcomes: list[Outcome] = []
    waiting, running = list(chapters), dict[Future[Outcome], Chapter]()
    with _Progress(len(chapters)) as progress, ThreadPoolExecutor(jobs) as pool, Family() as family:

        def start(command: list[str], **options: Any) -> subprocess.Popen[bytes]:
            return family.start(command, env=environment, **options)

        while waiting or running:
            busy = {c.number for c in waiting} | {c.number for c in running.values()}
            ready = [c for c in waiting if not busy.intersection(c.after)]
            for chapter in ready[: jobs - len(running)]:
                waiting.remove(chapter)
                progress.started(chapter)
                running[pool.submit(_execute_one, chapter, target, parameters, start, progress.cells)] = chapter
            done, _ = wait(running, timeout=1.0, return_when=FIRST_COMPLETED)
            for future in done:
                del running[future]
                outcomes.append(future.result())
                progress.ended(outcomes[-1])
            progress.tick()
    return sorted(outcomes, key=lambda outcome: chapters.index(outcome.chapter))


def _execute_one(
    chapter: Chapter,
    target: Path,
    parameters: dict[str, object],
    start: Callable[..., subprocess.Popen[bytes]],
    report: Callable[[Chapter, int, int], None],
) -> Outcome:
    """Execute the chapter as it stands now; what is written to it meanwhile is not in what comes out."""
    notebook = target / chapter.path.name
    command = [sys.executable, "-m", "papermill", "-", str(notebook), "--progress-bar", "--cwd", str(target)]
    command += ["--parameters_yaml", json.dumps(parameters)]
    began = time.monotonic()
    tail = ""
    try:
        source = chapter.path.read_bytes()
        notebook.unlink(missing_ok=True)  # what is there afterwards is of this run
        with tempfile.TemporaryFile() as file:
            file.write(source)
            file.seek(0)
            process = start(command, stdin=file, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        with process:
            while chunk := os.read(process.stderr.fileno(), 4096):
                tail = (tail + chunk.decode(errors="replace"))[-4000:]
                if found := _CELLS_DONE.findall(tail):
                    report(chapter, int(found[-1][0]), int(found[-1][1]))
        error = None if process.returncode == 0 else _reason(notebook, tail, process.returncode)
        if error is None:
            _finish(notebook, _hash(source))
    except OSError as failure:
        error = f"{failure.filename or notebook}: {failure.strerror or failure}"
    except HandLibError as failure:
        error = str(failure)
    return Outcome(chapter, notebook, time.monotonic() - began, error)


def _reason(notebook: Path, tail: str, code: int) -> str:
    """Why papermill failed, in one line: the error that the notebook holds, or the last one that papermill printed."""
    if os.strerror(errno.ENOSPC) in tail:
        return f"the disk is full: {notebook.parent} or the folder for temporary files, {tempfile.gettempdir()}"
    with contextlib.suppress(HandLibError):
        for cell in read_notebook(notebook)["cells"]:
            for output in cell.get("outputs", []):
                if output["output_type"] == "error":
                    message = str(output["evalue"]).strip().partition("\n")[0]
                    return f"{output['ename']}: {message} (cell {cell['execution_count']})"
    if code < 0:
        return f"papermill was ended by signal {-code}"
    lines = [line.strip() for line in re.split(r"[\r\n]", tail) if line.strip() and not _CELLS_DONE.search(line)]
    errors = [line for line in lines if re.match(r"[\w.]*(Error|Exception|NoSuchKernel)\b", line)]
    return (errors or lines or [f"papermill failed with exit code {code}"])[-1]


# ------------------------------------------------------------------------------------------- what was executed of what


def _finish(notebook: Path, source: str) -> None:
    """Finish an executed notebook: hide the parameters that papermill put in, and note what it was made from."""
    content = read_notebook(notebook)
    for cell in content["cells"]:
        tags = cell["metadata"].get("tags", [])
        if "injected-parameters" in tags and "remove-cell" not in tags:
            tags.append("remove-cell")
    content["metadata"].setdefault("hand_lib", {})["executed_from"] = source
    write_notebook(notebook, content)


def is_current(notebook: Path, chapter: Chapter) -> bool:
    """Whether ``notebook`` is the chapter as it stands, executed to its end.

    Raises:
        HandLibError: the chapter cannot be read.
    """
    with readable_errors(chapter.path, "read"):
        source = _hash(chapter.path.read_bytes())
    try:
        return read_notebook(notebook)["metadata"].get("hand_lib", {}).get("executed_from") == source
    except HandLibError:
        return False


def _hash(source: bytes) -> str:
    return hashlib.sha256(source).hexdigest()


# ------------------------------------------------------------------------------------------------------ saying how far


class _Progress:
    """One line for each chapter's start and end, and a bar under them that says which cells run."""

    def __init__(self, chapters: int) -> None:
        self._cells: dict[str, tuple[int, int]] = {}
        # Where nobody watches (a log, CI) the lines are enough.
        self._bar = tqdm(total=chapters, unit="chapter", disable=not sys.stderr.isatty(), bar_format=_BAR_FORMAT)

    def __enter__(self) -> _Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def started(self, chapter: Chapter) -> None:
        self._cells[chapter.name] = (0, 0)
        self._say(f"  running  {chapter.name}")

    def ended(self, outcome: Outcome) -> None:
        del self._cells[outcome.chapter.name]
        self._bar.update()
        self._say(f"  {'FAILED ' if outcome.error else 'done   '}  {outcome.chapter.name}  {outcome.seconds:.0f} s")
        if outcome.error:
            self._say(f"           {outcome.error}\n           {outcome.notebook}")

    def cells(self, chapter: Chapter, done: int, total: int) -> None:
        self._cells[chapter.name] = (done, total)

    def tick(self) -> None:
        self._bar.set_description_str(
            " · ".join(f"{name[:2]} cell {d}/{n}" for name, (d, n) in self._cells.copy().items())
        )

    @staticmethod
    def _say(line: str) -> None:
        tqdm.write(line)
        sys.stdout.flush()


_BAR_FORMAT = "  {n_fmt}/{total_fmt} chapters, {elapsed}  {desc}"
