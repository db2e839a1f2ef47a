"""Run chapters headless through papermill, several side by side, each in a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from hand_lib.book.chapters import Chapter

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
    the others. Ctrl-C ends the running ones, kernels included, and is raised again.

    Args:
        parameters: what papermill injects, ``PROFILE``, ``SEED`` and ``DEVICE``.
        jobs: how many run at a time; with more than one, each computes with one thread.
    """
    target.mkdir(parents=True, exist_ok=True)
    environment = dict(os.environ, PYDEVD_DISABLE_FILE_VALIDATION="1", JUPYTER_PREFER_ENV_PATH="1")
    if jobs > 1:  # two threads a process collapse beside other load
        environment["OMP_NUM_THREADS"] = "1"

    processes = _Processes()
    outcomes: list[Outcome] = []
    waiting, running = list(chapters), dict[Future[Outcome], Chapter]()
    with _Progress(len(chapters)) as progress, ThreadPoolExecutor(jobs) as pool:
        try:
            while waiting or running:
                busy = {c.number for c in waiting} | {c.number for c in running.values()}
                ready = [c for c in waiting if not busy.intersection(c.after)] or (waiting if not running else [])
                for chapter in ready[: jobs - len(running)]:
                    waiting.remove(chapter)
                    progress.started(chapter)
                    future = pool.submit(
                        _execute_one, chapter, target, parameters, environment, processes, progress.cells
                    )
                    running[future] = chapter
                done, _ = wait(running, timeout=1.0, return_when=FIRST_COMPLETED)
                for future in done:
                    del running[future]
                    outcomes.append(future.result())
                    progress.ended(outcomes[-1])
                progress.tick()
        except BaseException:
            processes.stop()
            raise
    return sorted(outcomes, key=lambda outcome: outcome.chapter.number)


def _execute_one(
    chapter: Chapter,
    target: Path,
    parameters: dict[str, object],
    environment: dict[str, str],
    processes: _Processes,
    report: Callable[[Chapter, int, int], None],
) -> Outcome:
    notebook = target / chapter.path.name
    command = [sys.executable, "-m", "papermill", "--progress-bar", "--cwd", str(target)]
    command += ["--parameters_yaml", json.dumps(parameters), str(chapter.path), str(notebook)]
    notebook.unlink(missing_ok=True)  # what is there afterwards is of this run
    start = time.monotonic()
    tail = ""
    with processes.start(command, environment) as process:
        while chunk := os.read(process.stderr.fileno(), 4096):
            tail = (tail + chunk.decode(errors="replace"))[-4000:]
            if found := _CELLS_DONE.findall(tail):
                report(chapter, int(found[-1][0]), int(found[-1][1]))
    seconds = time.monotonic() - start
    if process.returncode == 0:
        return Outcome(chapter, notebook, seconds)
    return Outcome(chapter, notebook, seconds, _reason(notebook) or tail.strip().rpartition("\n")[2])


def _reason(notebook: Path) -> str | None:
    """The error that the executed notebook holds, in one line."""
    with contextlib.suppress(OSError, ValueError):
        for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
            for output in cell.get("outputs", []):
                if output["output_type"] == "error":
                    message = str(output["evalue"]).strip().partition("\n")[0]
                    return f"{output['ename']}: {message} (cell {cell['execution_count']})"
    return None


class _Processes:
    """The running papermill processes, each in a session of its own: Ctrl-C reaches us alone, and we end them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._stopped = False

    @contextlib.contextmanager
    def start(self, command: list[str], environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
        with self._lock:
            if self._stopped:
                raise KeyboardInterrupt
            process = subprocess.Popen(
                command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
            self._running.add(process)
        try:
            with process:
                yield process
        finally:
            with self._lock:
                self._running.discard(process)

    def stop(self) -> None:
        """Ask first (papermill then shuts its kernel down), insist after ten seconds."""
        with self._lock:
            self._stopped = True
            running = list(self._running)
        for signal_number in (signal.SIGINT, signal.SIGKILL):
            for process in running:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal_number)
            deadline = time.monotonic() + 10
            while time.monotonic() < deadline and any(process.poll() is None for process in running):
                time.sleep(0.1)


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
