"""The sessions that were begun at one prompt: one is gone on with, the others wait."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from wasihost.errors import ConfigError

if TYPE_CHECKING:
    from wasihost import Session


class Sessions:
    """Sessions by number, from 1 on in the order in which they were begun.

    Args:
        make: Returns a new session.
        load: Returns the session that a file holds.
    """

    def __init__(self, make: Callable[[], Session], load: Callable[[str], Session]) -> None:
        self._make = make
        self._load = load
        self._all = {1: make()}
        self._last = 1
        self.number = 1
        """That of the session that is gone on with."""

    @property
    def current(self) -> Session:
        """The session that is gone on with."""
        return self._all[self.number]

    def all(self) -> list[tuple[int, Session]]:
        """Return every session with its number."""
        return sorted(self._all.items())

    def fork(self) -> int:
        """Go on in a fork of the current session, and return its number.

        Raises:
            WasiHostError: As `Session.fork`.
        """
        return self._take(self.current.fork())

    def load(self, path: str) -> int:
        """Go on in a saved session, and return its number.

        Raises:
            WasiHostError, OSError: As `Session.load`.
        """
        return self._take(self._load(path))

    def reset(self) -> None:
        """Begin anew under the current number.

        Raises:
            WasiHostError: As `Sandbox.session`.
        """
        old, self._all[self.number] = self.current, self._make()
        old.close()

    def switch(self, number: int) -> None:
        """Go on in another session.

        Raises:
            ConfigError: There is none of that number.
        """
        if number not in self._all:
            raise ConfigError(f"there is no session {number}; %switch lists those there are")
        self.number = number

    def _take(self, session: Session) -> int:
        self._last += 1
        self._all[self._last] = session
        self.number = self._last
        return self._last
