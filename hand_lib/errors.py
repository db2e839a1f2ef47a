"""The exceptions that people are meant to read: what they can mend, and that the command was told to stop."""

from __future__ import annotations

import signal
from collections.abc import Iterable

SPACES = "\N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}"


class HandLibError(Exception):
    """Something a person can mend: one line that names the file, the value and the choices.

    The command line prints it as ``error: <message>`` and leaves with exit code 2.
    """

    def __init__(self, message: str = "") -> None:
        super().__init__(printable(message))


class Stopped(KeyboardInterrupt):
    """A signal asked the command to end: Ctrl-C, SIGTERM, or the closing of the terminal.

    Attributes:
        signal_number: the signal. The command line leaves with exit code 128 + this number, as a shell would say.
    """

    def __init__(self, message: str = "", signal_number: int = signal.SIGINT) -> None:
        super().__init__(message)
        self.signal_number = signal_number


def stop_signals() -> list[signal.Signals]:
    """The signals that ask this process to end; not those that it was told to ignore, as under ``nohup``."""
    known = [getattr(signal, name, None) for name in ("SIGINT", "SIGTERM", "SIGHUP")]
    return [number for number in known if number is not None and signal.getsignal(number) != signal.SIG_IGN]


def choose(name: str, value: object, choices: Iterable[str]) -> HandLibError:
    """The error for an unknown name: says what was asked for and what there is."""
    return HandLibError(f"unknown {name} {value!r}: choose from {', '.join(sorted(map(str, choices)))}")


def printable(text: str) -> str:
    """The text in one line for a terminal: what would move the cursor, change colours or not show becomes a "?"."""
    text = " ".join(text.splitlines()).replace("\t", " ")
    return "".join(character if character.isprintable() or character in SPACES else "?" for character in text)
