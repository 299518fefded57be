"""The clock hand of an engine: moves its epoch while guests run.

Wasmtime compares a counter (the epoch) at loop heads and function entries. When it has moved, the store's callback
decides by the real clock whether the guest goes on, so a late tick makes a deadline late by that much, never early.
"""

from __future__ import annotations

import threading
import time
from typing import Final

from wasihost.engine.capi import lib
from wasihost.errors import EngineError

TICK_SECONDS: Final = 0.01
LINGER_SECONDS: Final = 0.5
"""The hand keeps moving this long after the last run: starting a thread costs more than a run."""


class Ticker:
    """Ticks one engine while at least one run is under way."""

    def __init__(self, engine: int) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._running = 0
        self._last_use = 0.0
        self._thread: threading.Thread | None = None

    def enter(self) -> None:
        """A run begins.

        Raises:
            EngineError: The system gives no thread.
        """
        with self._lock:
            if self._thread is None:
                thread = threading.Thread(target=self._tick, name="wasihost-ticker", daemon=True)
                try:
                    thread.start()
                except RuntimeError as error:
                    raise EngineError(f"cannot watch the clock for a guest: {error}") from None
                self._thread = thread
            self._running += 1

    def leave(self) -> None:
        """A run is over."""
        with self._lock:
            self._running -= 1
            self._last_use = time.monotonic()

    def _tick(self) -> None:
        while True:
            time.sleep(TICK_SECONDS)
            with self._lock:
                if not self._running and time.monotonic() - self._last_use > LINGER_SECONDS:
                    self._thread = None
                    return
            lib.wasmtime_engine_increment_epoch(self._engine)
