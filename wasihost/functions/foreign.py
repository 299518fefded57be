"""Types that msgspec leaves to us: models of pydantic, and unions that it cannot tell apart.

pydantic is never imported. Whoever declares a function with a model has it, and a model brings its validator along.
"""

from __future__ import annotations

import datetime
import decimal
import json
import uuid
from typing import Any, Final

import msgspec

from wasihost.functions.wire import NATIVE


class RefusedValueError(ValueError):
    """A value was refused here, in words that are fit for the guest. Other errors may carry words of the host."""


def is_model(kind: object) -> bool:
    """Whether something is a class of pydantic's models."""
    return isinstance(kind, type) and hasattr(kind, "__pydantic_validator__") and hasattr(kind, "model_validate")


class _Either(type):
    """Classes that stand for a union; whatever was made for one is an instance, as msgspec asks."""

    members: tuple[Any, ...]

    def __instancecheck__(cls, thing: object) -> bool:
        return True


def either(members: tuple[Any, ...], text: str) -> type:
    """Return a type for values of any of these types, of which the first that fits is taken.

    Args:
        members: The types.
        text: What the union is called in messages.
    """
    # 1 is a float as well, but more an int.
    ordered = tuple(sorted(members, key=lambda member: member is float))
    return _Either(text, (), {"members": ordered})


def members_of(kind: object) -> tuple[Any, ...]:
    """The types that a type made by `either` stands for; empty for any other."""
    return kind.members if isinstance(kind, _Either) else ()


def read_foreign(kind: type, value: Any) -> Any:  # noqa: ANN401 - any argument
    """Make a value of such a type: the `dec_hook` for arguments."""
    if isinstance(kind, _Either):
        return _first_that_fits(kind, value, read_foreign)
    if is_model(kind):
        return _model(kind, value)
    raise NotImplementedError


def check_foreign(kind: Any, value: Any) -> Any:  # noqa: ANN401 - any type, any result
    """Likewise for results: a model that was made is a good one, and its fields may have other names in its dump."""
    if isinstance(kind, _Either):
        return _first_that_fits(kind, value, check_foreign)
    return kind.__new__(kind)


def write_foreign(value: Any) -> Any:  # noqa: ANN401 - any result
    """Say in other words what msgspec has no word for: the `enc_hook` for results."""
    if is_model(type(value)):
        return value.model_dump(by_alias=True)
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, bytes):
        return bytes(value)
    for base in (int, float):
        if isinstance(value, base):
            return base(value)
    if isinstance(value, NATIVE):
        return value
    raise TypeError(f"an object of the type {type(value).__qualname__} has no form that a guest can be given")


def _first_that_fits(kind: _Either, value: object, hook: Any) -> object:  # noqa: ANN401 - one of the two above
    for member in kind.members:
        try:
            return msgspec.convert(value, member, builtin_types=NATIVE, dec_hook=hook)
        except msgspec.ValidationError:
            continue
    raise RefusedValueError(f"Expected `{kind.__name__}`, got `{type(value).__name__}`")


_OWN_WORDS: Final = frozenset({"value_error", "assertion_error"})
"""Errors that validators of the host raised, whose messages are not ours to pass on."""


def _model(kind: Any, value: Any) -> Any:  # noqa: ANN401 - a class of pydantic's
    # Strictly, but with what a guest has no way to say: the members of an enum, a tuple. pydantic's strict rules for
    # JSON allow these; they in turn know no bytes.
    try:
        return kind.model_validate(value, strict=True)
    except ValueError as error:
        first = error
    try:
        said = json.dumps(value, default=_text)
    except TypeError:
        raise _refusal(kind, first) from None
    try:
        return kind.model_validate_json(said, strict=True)
    except ValueError as error:
        raise _refusal(kind, error) from None


def _text(value: Any) -> str:  # noqa: ANN401 - anything that JSON has no form for
    if isinstance(value, datetime.timedelta):
        return str(json.loads(msgspec.json.encode(value)))
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, decimal.Decimal | uuid.UUID):
        return str(value)
    raise TypeError


def _refusal(kind: type, error: Any) -> RefusedValueError:  # noqa: ANN401 - an error of pydantic's, or any other
    try:
        told = error.errors(include_context=False, include_input=False)[0]
        place = ".".join(str(part) for part in told["loc"])
        # An error without an address is none of pydantic's own.
        words = told["msg"] if "url" in told and told["type"] not in _OWN_WORDS else "the value is not valid"
    except (AttributeError, KeyError, IndexError, TypeError):
        return RefusedValueError(f"no valid {kind.__name__}")
    return RefusedValueError(f"{place}: {words}" if place else words)
