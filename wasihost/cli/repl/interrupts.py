"""Signals at a terminal: Ctrl-C ends what somebody waits for, SIGTERM and SIGHUP end the loop.

Where nobody waits (an undoing, the lines about a turn), an exception would leave work half done, or end the loop and
with it everything that the session knows.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from types import FrameType
from typing import Final, Self

from wasihost.cli.run import Terminated

WAKE_SECONDS: Final = 0.1

_ENDING: Final = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))


class Interrupts:
    """A context manager around what one Ctrl-C may end; those that follow do nothing until it is entered again."""

    def __init__(self) -> None:
        self._breaks_off = False
        self._is_inside = False
        self._is_ending = False

    def install(self) -> None:
        """Hear the signals from now on; Ctrl-C also where whoever started this process has it ignored."""
        signal.signal(signal.SIGINT, self._break_off)
        for number in _ENDING:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._end)
        if hasattr(signal, "pthread_kill"):
            reader, writer = os.pipe()
            os.set_blocking(writer, False)
            signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
            threading.Thread(target=_wake_editor, args=(reader,), name="wasirun-signals", daemon=True).start()

    def __enter__(self) -> Self:
        self._breaks_off = self._is_inside = True
        self._end_if_due()
        return self

    def __exit__(self, *_: object) -> None:
        self._breaks_off = self._is_inside = False

    def _break_off(self, _number: int, _frame: FrameType | None) -> None:
        if self._breaks_off:
            self._breaks_off = False
            raise KeyboardInterrupt

    def _end(self, _number: int, _frame: FrameType | None) -> None:
        self._is_ending = True
        self._end_if_due()

    def _end_if_due(self) -> None:
        if self._is_ending and self._is_inside:
            raise Terminated


def _wake_editor(reader: int) -> None:
    """See to it that signals are heard by the line editor.

    One that comes between its prompt and its waiting is not, until there is another: so one follows that says that the
    window may have changed. And what is raised while it calls back is forgotten: so those that end the loop are
    repeated until it has ended.
    """
    main = threading.main_thread().ident
    ending: set[int] = set()
    while main is not None:
        ending = ending or {*os.read(reader, 64)} & {*_ENDING}
        time.sleep(WAKE_SECONDS)
        signal.pthread_kill(main, min(ending, default=signal.SIGWINCH))
