"""Signals of a daemon: the first stop signal lowers a flag, a second gives up, SIGHUP asks for a reload.

Handlers do nothing else, so no batch is ever torn by one - except by giving up, which is what that is for.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any

STOP_S_MAX = 9.5
"""From the first stop signal to the end, under 10 s (issue 2): also where a server that hangs holds the loop."""


class GiveUp(BaseException):
    """Draining took too long, or a second stop signal came. Not an Exception: nobody may settle it on the way."""


class Signals:
    """Installs the handlers while entered; restores the old ones after."""

    def __init__(self) -> None:
        self.stop = False
        self._reload = False
        self._gave_up = False
        self._old: dict[int, Any] = {}

    def __enter__(self) -> Signals:
        if threading.current_thread() is threading.main_thread():  # Python takes signals nowhere else
            for number in (signal.SIGTERM, signal.SIGINT):
                self._old[number] = signal.signal(number, self._on_stop)
            self._old[signal.SIGHUP] = signal.signal(signal.SIGHUP, self._on_reload)
            self._old[signal.SIGALRM] = signal.signal(signal.SIGALRM, self._on_alarm)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._old:
            signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in self._old.items():
            signal.signal(number, handler)

    def take_reload(self) -> bool:
        """True once after each SIGHUP."""
        asked, self._reload = self._reload, False
        return asked

    @contextmanager
    def deadline(self, seconds: float) -> Iterator[None]:
        """Raise GiveUp in the block when it takes longer than `seconds`."""
        if not self._old:
            yield
            return
        left_s = signal.getitimer(signal.ITIMER_REAL)[0]
        signal.setitimer(signal.ITIMER_REAL, min(seconds, left_s) if left_s else seconds)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)

    def _on_stop(self, number: int, frame: FrameType | None) -> None:
        if self._gave_up:  # even closing hangs: nothing is left to be polite to
            os._exit(1)
        if self.stop:
            self._gave_up = True
            raise GiveUp
        self.stop = True
        signal.setitimer(signal.ITIMER_REAL, STOP_S_MAX)

    def _on_alarm(self, number: int, frame: FrameType | None) -> None:
        self._gave_up = True
        raise GiveUp

    def _on_reload(self, number: int, frame: FrameType | None) -> None:
        self._reload = True
