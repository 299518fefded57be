"""How long work reports itself; the command line draws it, a library user may."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """A listener for one piece of long work at a time."""

    def start(self, label: str, *, total_bytes: int | None = None, expected_seconds: float | None = None) -> None:
        """Work begins.

        Args:
            label: What is being done, for a person ("Downloading cpython-3.15").
            total_bytes: Size of the work when it is counted in bytes.
            expected_seconds: Estimated duration when it is not.
        """

    def update(self, done_bytes: int) -> None:
        """Report the bytes done so far, out of `total_bytes`."""

    def finish(self, seconds: float) -> None:
        """Work is done, after that many seconds (also when it failed)."""


class SilentProgress:
    """The default: says nothing."""

    def start(self, label: str, *, total_bytes: int | None = None, expected_seconds: float | None = None) -> None:
        """Ignore the beginning."""

    def update(self, done_bytes: int) -> None:
        """Ignore the amount."""

    def finish(self, seconds: float) -> None:
        """Ignore the end."""
