"""Being asked to stop, by Ctrl-C or by the system, without cutting a step in two."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from hand_lib.errors import Stopped, stop_signals


class Interruption:
    """The signal that came in between, if one did."""

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None


@contextmanager
def gentle_interruption() -> Iterator[Interruption]:
    """Note the first signal that asks to stop instead of being interrupted by it; a second one interrupts at once.

    Signals reach only the main thread; elsewhere nothing is ever noted.
    """
    noted = Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield noted
        return

    def handle(number: int, frame: object) -> None:
        if noted.signal is not None:
            raise Stopped(signal_number=number)
        noted.signal = signal.Signals(number)

    before = {number: signal.signal(number, handle) for number in stop_signals()}
    try:
        yield noted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
