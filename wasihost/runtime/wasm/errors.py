"""The one exception of this package."""

from __future__ import annotations


class WasmFormatError(ValueError):
    """A module is malformed, truncated, or of a kind that wasihost cannot use.

    The message says what is wrong and, where there is one, at which byte offset of the module. Whoever knows which
    file the bytes came from turns this into an error of `wasihost.errors`.
    """

    def __init__(self, problem: str, offset: int | None = None) -> None:
        super().__init__(problem if offset is None else f"{problem} (at byte {offset})")
        self.offset = offset
