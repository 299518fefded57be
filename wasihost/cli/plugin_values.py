"""Arguments of a plugin's function as they are typed, and its result as it is printed.

What JSON has no form for is a text in both directions: bytes in base64, a datetime, date or time as in ISO 8601, a
timedelta as an ISO 8601 duration (`P1DT3S`), a Decimal and a UUID as Python writes them.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import uuid
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any, Final, NoReturn

import msgspec

from wasihost.cli.text import shown_name
from wasihost.errors import ConfigError
from wasihost.functions.declared import text_of_node
from wasihost.functions.schema_node import Node
from wasihost.plugins.declared import Export, Parameter

MAX_FILE_BYTES: Final = 2**30
_NATIVE: Final[dict[str, type]] = {
    "binary": bytes,
    "date-time": datetime.datetime,
    "date": datetime.date,
    "time": datetime.time,
    "duration": datetime.timedelta,
    "decimal": Decimal,
    "uuid": uuid.UUID,
}
"""Kinds of values, as schemas call them, that are typed as a text."""


def read_words(export: Export, words: Sequence[str]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the arguments that words say: `VALUE` in the order of the parameters, `NAME=VALUE` by name.

    A value is what its parameter takes: a text as it is, and else JSON, or a text for what JSON has no form for.
    `@FILE` stands for what is in a file, `@-` for standard input; for a parameter that takes bytes, these are the bytes
    themselves. A text that begins with @ is typed with two. A word has a name only if the function has a parameter of
    that name.

    Raises:
        ConfigError: A value is nothing that its parameter takes, a file cannot be read, or a name stands there twice.
    """
    parameters = {parameter.name: parameter for parameter in export.parameters}
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    for word in words:
        name, mark, text = word.partition("=")
        if mark and name in parameters:
            if name in kwargs:
                raise ConfigError(f"the argument {name} is given twice")
            kwargs[name] = _value(parameters[name], text)
        elif len(args) < len(export.parameters):
            args.append(_value(export.parameters[len(args)], word))
        else:
            raise ConfigError(f"{export.signature} takes no argument {shown_name(word)!r} on top of those before it")
    return tuple(args), kwargs


def read_json(export: Export, text: str) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the arguments that one JSON value says: an object by name, or an array in order; `@FILE` as for words.

    Raises:
        ConfigError: It is neither, or cannot be read.
    """
    where = "--json-args"
    if text.startswith("@"):
        text = _decoded(_contents(text[1:], where), where)
    try:
        said = _parsed(text)
    except ValueError as error:
        raise ConfigError(f"{where}: that is no JSON: {error}") from None
    match said:
        case dict():
            nodes = {parameter.name: parameter.schema.root for parameter in export.parameters}
            return (), {name: _native(nodes.get(name), value) for name, value in said.items()}
        case list():
            roots: list[Node | None] = [parameter.schema.root for parameter in export.parameters[: len(said)]]
            roots += [None] * (len(said) - len(roots))
            return tuple(_native(node, value) for node, value in zip(roots, said, strict=True)), {}
    raise ConfigError(f"{where}: that is neither an object, with arguments by name, nor an array, with them in order")


def result_text(value: object) -> str:
    """Return a result as JSON, in ASCII and on one line: nothing in it can be taken for a command by a terminal."""
    return json.dumps(msgspec.to_builtins(value))


def _value(parameter: Parameter, text: str) -> Any:  # noqa: ANN401 - what the parameter takes
    kinds = parameter.schema.root.accepted or frozenset()
    if text.startswith("@@"):
        text = text[1:]
    elif text.startswith("@"):
        data = _contents(text[1:], parameter.name)
        if "binary" in kinds and "string" not in kinds:
            return data
        text = _decoded(data, parameter.name)
    found = list(_meanings(parameter.schema.root, kinds, text))
    for value in found:
        try:
            parameter.schema.check(value)
        except ValueError:
            continue
        return value
    if found:
        return found[0]  # whoever calls with it is told what is wrong with it
    what = f"{text_of_node(parameter.schema.root)}, in JSON" if not kinds & {*_NATIVE} else _forms(kinds)
    raise ConfigError(f"the argument {parameter.name} is to be {what}, and {shown_name(text)!r} is not")


def _meanings(node: Node, kinds: frozenset[str], text: str) -> Iterator[Any]:
    """Yield what a text may stand for, the likeliest first."""
    if kinds - {"string"}:
        with contextlib.suppress(ValueError):
            yield _native(node, _parsed(text))
    if "string" in kinds:
        yield text
    else:
        yield from _natives(kinds, text)


def _native(node: Node | None, value: Any) -> Any:  # noqa: ANN401 - JSON
    """Return a JSON value with what its schema wants to be bytes, dates and so on in place of their texts."""
    if node is None:
        return value
    kinds = node.accepted or frozenset()
    if isinstance(value, str) and "string" not in kinds:
        return next(_natives(kinds, value), value)
    if isinstance(value, list) and node.items is not None:
        return [_native(node.items, item) for item in value]
    if isinstance(value, dict) and (node.properties or isinstance(node.additional, Node)):
        rest = node.additional if isinstance(node.additional, Node) else None
        return {name: _native(node.properties.get(name, rest), item) for name, item in value.items()}
    return value


def _natives(kinds: frozenset[str], text: str) -> Iterator[Any]:
    for kind, native in _NATIVE.items():
        if kind in kinds:
            try:
                yield msgspec.convert(text, native)
            except (msgspec.ValidationError, ValueError):
                continue


def _forms(kinds: frozenset[str]) -> str:
    words = {
        "binary": "bytes, in base64 or as @FILE",
        "date-time": "a datetime such as 2026-11-26T09:30:00Z",
        "date": "a date such as 2026-11-26",
        "time": "a time such as 09:30:00",
        "duration": "a duration such as P1DT3H or PT90S",
        "decimal": "a decimal number",
        "uuid": "a UUID",
    }
    return " or ".join(text for kind, text in words.items() if kind in kinds)


def _parsed(text: str) -> Any:  # noqa: ANN401 - JSON
    """Read JSON.

    Raises:
        ValueError: It is none.
    """
    try:
        return json.loads(text, parse_constant=_no_number)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number of JSON")


def _contents(path: str, what: str) -> bytes:
    """Return what is in a file, or on standard input."""
    name = "standard input" if path == "-" else shown_name(path)
    try:
        with open(0 if path == "-" else path, "rb", closefd=path != "-") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as error:  # the second at a NUL
        why = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else "that is no path"
        raise ConfigError(f"{what}: {name} cannot be read: {why}") from None
    if len(data) > MAX_FILE_BYTES:
        raise ConfigError(f"{what}: {name} has more than {MAX_FILE_BYTES} bytes")
    return data


def _decoded(data: bytes, what: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise ConfigError(f"{what}: what was read is no UTF-8 from byte {error.start} on") from None
