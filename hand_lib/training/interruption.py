"""Being asked to stop, by Ctrl-C or by the system, without cutting a step in two."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from hand_lib.errors import Terminated

_SAID = {signal.SIGINT: "Ctrl-C", signal.SIGTERM: "SIGTERM"}


class Interruption:
    """What came in between, if anything did."""

    def __init__(self) -> None:
        self.by: str | None = None  # "Ctrl-C" or "SIGTERM"


@contextmanager
def gentle_interruption() -> Iterator[Interruption]:
    """Note the first Ctrl-C or SIGTERM instead of being interrupted by it; a second one interrupts at once.

    Signals reach only the main thread; elsewhere nothing is ever noted.
    """
    noted = Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield noted
        return

    def handle(number: int, frame: object) -> None:
        if noted.by is not None:
            raise Terminated if number == signal.SIGTERM else KeyboardInterrupt
        noted.by = _SAID[signal.Signals(number)]

    before = {number: signal.signal(number, handle) for number in _SAID}
    try:
        yield noted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
