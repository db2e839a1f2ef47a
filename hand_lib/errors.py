"""The exception that people are meant to read, and the one for being asked to end."""

from __future__ import annotations

from collections.abc import Iterable

SPACES = "\N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}"


class HandLibError(Exception):
    """Something a person can mend: one line that names the file, the value and the choices.

    The command line prints it as ``error: <message>`` and leaves with exit code 2.
    """

    def __init__(self, message: str = "") -> None:
        super().__init__(printable(message))


class Terminated(KeyboardInterrupt):
    """The system asked the process to end (SIGTERM); what Ctrl-C leaves in order, this leaves in order too."""


def choose(name: str, value: object, choices: Iterable[str]) -> HandLibError:
    """The error for an unknown name: says what was asked for and what there is."""
    return HandLibError(f"unknown {name} {value!r}: choose from {', '.join(sorted(map(str, choices)))}")


def printable(text: str) -> str:
    """The text in one line for a terminal: what would move the cursor, change colours or not show becomes a "?"."""
    text = " ".join(text.splitlines()).replace("\t", " ")
    return "".join(character if character.isprintable() or character in SPACES else "?" for character in text)
