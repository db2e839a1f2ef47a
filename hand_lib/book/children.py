"""The processes that making the book starts, and their end: none outlives the command, however that ends.

papermill starts a kernel in a session of its own, and the kernel starts renderers, so neither a process group nor a
parent's number finds them all. Instead each inherits a mark in its environment. A watcher, this file run as a program,
waits until its standard input closes, which the system does for it when the command ends, even by ``kill -9``. Then it
ends whatever bears the mark.

It imports nothing of the package, so that the watcher is small and there at once.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import psutil

_MARK = "JOINT_BY_JOINT_BOOK"
_PATIENCE = 3.0  # seconds between the request to end and the end: a training saves its checkpoint in less
_GIVING_UP = 10.0


class Family:
    """Processes that end with a ``with`` block, or with this process: children, kernels, and whatever these start.

    Several threads may start them. Each has its own session, so that Ctrl-C in a terminal reaches this process alone.
    """

    def __init__(self) -> None:
        self._mark = uuid.uuid4().hex
        self._lock = threading.Lock()
        self._ended = False

    def __enter__(self) -> Family:
        command = [sys.executable, "-P", __file__, self._mark]
        self._watcher = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True
        )
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._ended = True
        self._watcher.stdin.close()
        if self._watcher.wait() != 0:  # it was killed itself
            end(self._mark)

    def start(self, command: list[str], *, env: dict[str, str] | None = None, **options: Any) -> subprocess.Popen:
        """Start a process; the options are those of :class:`subprocess.Popen`.

        Raises:
            KeyboardInterrupt: the block has been left.
        """
        environment = {**(os.environ if env is None else env), _MARK: self._mark}
        with self._lock:
            if self._ended:
                raise KeyboardInterrupt
            return subprocess.Popen(command, env=environment, start_new_session=True, **options)


def run(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a command to its end like :func:`subprocess.run`, with what it prints as text; it ends with this process."""
    with Family() as family:
        process = family.start(
            command,
            env={**os.environ, "PYTHONUTF8": "1", "PYTHONIOENCODING": "utf-8"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            **options,
        )
        printed, complained = process.communicate()
    return subprocess.CompletedProcess(command, process.returncode, printed, complained)


def bearers(mark: str) -> list[psutil.Process]:
    """The living processes with this mark."""
    import psutil  # late: one of the book's tools

    found = []
    for process in psutil.process_iter(["environ"]):  # None for another user's
        if (process.info["environ"] or {}).get(_MARK) == mark and process.pid != os.getpid():
            found.append(process)
    return found


def end(mark: str) -> None:
    """End all that bear the mark: ask first, insist after :data:`_PATIENCE`, and look again for what they started."""
    import psutil

    asked: set[psutil.Process] = set()
    start = time.monotonic()
    while (found := bearers(mark)) and time.monotonic() < start + _GIVING_UP:
        for process in found:
            with contextlib.suppress(psutil.Error):
                if time.monotonic() > start + _PATIENCE:
                    process.kill()
                elif process not in asked:
                    process.terminate()
                    asked.add(process)
        time.sleep(0.05)


def _watch(mark: str) -> None:
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    sys.stdin.buffer.read()  # returns when the pipe closes
    end(mark)


if __name__ == "__main__":
    _watch(sys.argv[1])
