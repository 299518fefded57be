"""What a host function has to say for itself, whether that was read from type hints or from a schema."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from wasihost.functions.binding import BoundCall, Parameter


class Shape(Protocol):
    """What a function takes and gives."""

    @property
    def parameters(self) -> dict[str, Any]:
        """JSON schema of the object of all arguments."""

    @property
    def returns(self) -> dict[str, Any] | None:
        """JSON schema of what it returns; None when nothing was said."""

    @property
    def signature(self) -> Sequence[Parameter]:
        """The parameters, in order."""

    @property
    def returns_text(self) -> str:
        """The type of what it returns, as text; "" when nothing was said."""

    def bind(self, args: list[Any], kwargs: dict[str, Any]) -> BoundCall:
        """Return what to call with.

        Raises:
            ArgumentsError: The function does not take these.
        """

    def reply(self, result: object) -> object:
        """Return a value for `writing.encode_value`.

        Raises:
            ReplyError: The function returned something else than it declares.
        """
