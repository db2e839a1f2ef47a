"""The exceptions that people are meant to read: what they can mend, and that the command was told to stop."""

from __future__ import annotations

import signal
from collections.abc import Iterable


class HandLibError(Exception):
    """Something a person can mend: one line that names the file, the value and the choices.

    The command line prints it as ``error: <message>`` and leaves with exit code 2.
    """


class Stopped(KeyboardInterrupt):
    """A signal asked the command to end: Ctrl-C, SIGTERM, or the closing of the terminal.

    Attributes:
        signal_number: the signal. The command line leaves with exit code 128 + this number, as a shell would say.
    """

    def __init__(self, message: str = "", signal_number: int = signal.SIGINT) -> None:
        super().__init__(message)
        self.signal_number = signal_number


def choose(name: str, value: object, choices: Iterable[str]) -> HandLibError:
    """The error for an unknown name: says what was asked for and what there is."""
    return HandLibError(f"unknown {name} {value!r}: choose from {', '.join(sorted(map(str, choices)))}")
