"""How a command ends: in one line for a person, with an exit code, whatever asked it to end or cannot be printed to."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import sys
import threading
from typing import Any, TextIO

from hand_lib.errors import Stopped, stop_signals


class Signals:
    """Raises :class:`~hand_lib.errors.Stopped` in a ``with`` block when a signal asks the command to end.

    A large library may swallow an exception in the middle of its import, so at first a signal is only noted, and a
    second one is needed to stop at once. What was ignored from the start, as under ``nohup``, stays ignored.
    """

    def __init__(self) -> None:
        self.received: list[int] = []
        self._at_once = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Signals:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._handle) for number in stop_signals()}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler or signal.SIG_DFL)

    def stop_at_once(self) -> None:
        """Stop now if a signal has come, and from here on as soon as one comes."""
        self._at_once = True
        if self.received:
            raise Stopped(signal_number=self.received[0])

    def _handle(self, number: int, frame: object) -> None:
        self.received.append(number)
        if self._at_once or len(self.received) > 1:
            raise Stopped(signal_number=number)


def say_stopped(number: int, message: str = "") -> int:
    """Say which signal ended the command; returns its exit code."""
    how = "interrupted" if number == signal.SIGINT else f"ended by {signal.Signals(number).name}"
    say(f"{how}: {message or 'run the same command again to go on'}")
    return 128 + number


def say(line: str) -> None:
    """Print a line on stderr, where that can be written."""
    try:
        if sys.stderr:
            print(line, file=sys.stderr, flush=True)
    except OSError:
        discard(sys.stderr)


def could_not_print(error: OSError) -> bool:
    """Whether this is what stdout or stderr said; one that cannot be written is discarded."""
    lost = False
    for stream in filter(None, (sys.stdout, sys.stderr)):
        try:
            stream.flush()  # fails again: what was not written is still there
        except OSError:
            discard(stream)
            lost = True
    # A stream without a buffer (`python -u`) keeps nothing. Files are written by code that names them.
    return lost or (error.filename is None and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EPIPE))


def discard(stream: TextIO) -> None:
    """Let what is printed here, now or at the interpreter's end, go nowhere."""
    with contextlib.suppress(OSError):  # not a file's
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
