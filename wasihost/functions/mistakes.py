"""What can be wrong with one call: with its bytes, with its arguments, with what the function returned."""

from __future__ import annotations

from typing import Literal


class MalformedCallError(ValueError):
    """Bytes of a guest that are no call. Only a guest that forges its messages sends such ones."""


class ArgumentsError(Exception):
    """A function was called with something that it does not take.

    Attributes:
        kind: The class that the guest gets: "TypeError" or "ValueError".
        message: What the guest gets with it; it speaks of the guest's own arguments and of what was declared only.
    """

    def __init__(self, kind: Literal["TypeError", "ValueError"], message: str) -> None:
        super().__init__(message)
        self.kind: Literal["TypeError", "ValueError"] = kind
        self.message = message


class ReplyError(ValueError):
    """What a function returned is not what it declares, or has no form on the wire. The message is for the host."""
