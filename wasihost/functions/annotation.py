"""Type hints as text, as a person would write them."""

from __future__ import annotations

import types
import typing
from typing import Annotated, Any, Literal, Union

from wasihost.functions.foreign import members_of

MAX_CHARACTERS = 1000
"""Of one hint; a union of a thousand members is no help to anybody."""


def text_of(hint: object) -> str:
    """Return a hint as text: `list[str]`, `int | None`, `Point`."""
    text = _text(hint)
    return text if len(text) <= MAX_CHARACTERS else text[: MAX_CHARACTERS - 3] + "..."


def _text(hint: object) -> str:
    if hint is None or hint is type(None):
        return "None"
    if hint is Any:
        return "Any"
    if hint is ...:
        return "..."
    members = members_of(hint)
    if members:
        return " | ".join(map(_text, members))
    origin = typing.get_origin(hint)
    args = typing.get_args(hint)
    if origin is Annotated:
        return _text(args[0])
    if origin is Union or origin is types.UnionType:
        return " | ".join(map(_text, args))
    if origin is Literal:
        return f"Literal[{', '.join(repr(getattr(arg, 'value', arg)) for arg in args)}]"
    if origin is not None and args:
        return f"{_name(origin)}[{', '.join(map(_text, args))}]"
    return _name(hint)


def _name(hint: object) -> str:
    name = getattr(hint, "__name__", None)
    return name if isinstance(name, str) else str(hint).removeprefix("typing.")
