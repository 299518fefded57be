"""Stub files: what type checkers and editors of a guest's author know of the functions that it may call."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Any, Final

from wasihost.functions.binding import (
    ABSENT,
    KEYWORD_ONLY,
    POSITIONAL_ONLY,
    VAR_KEYWORD,
    VAR_POSITIONAL,
    Parameter,
)
from wasihost.functions.declared import DeclaredShape
from wasihost.functions.function import HostFunction
from wasihost.functions.hints import HintedShape
from wasihost.functions.schema_node import Node
from wasihost.functions.stub_names import INDENT, StubNames
from wasihost.functions.stub_types import StubTypes, in_camel_case

_MAX_DEFAULT_CHARACTERS: Final = 60
_HEAD: Final = '"""Functions of the host that this program may call."""'


def stub_file(functions: Iterable[HostFunction]) -> str:
    """Return the text of a `host.pyi` for these functions, in the order in which they are given.

    What it says holds inside: dataclasses and models of the host are `TypedDict`s there.
    """
    granted = tuple(functions)
    names = StubNames(frozenset(function.name for function in granted))
    types = StubTypes(names)
    texts = [_function(function, types) for function in granted]
    parts = [_HEAD]
    imports = names.imports()
    if imports:
        parts.append("\n".join(imports))
    return "\n\n".join([*parts, *names.classes(), *texts]) + "\n"


def _function(function: HostFunction, types: StubTypes) -> str:
    parameters = ", ".join(_parameters(function, types))
    head = f"{'async ' if function.is_async else ''}def {function.name}({parameters}) -> {_returns(function, types)}:"
    if not function.help:
        return f"{head} ..."
    return f"{head}\n{INDENT}{_docstring(function.help)}"


def _parameters(function: HostFunction, types: StubTypes) -> list[str]:
    found: list[str] = []
    signature = function.shape.signature
    kinds = [parameter.kind for parameter in signature]
    for index, parameter in enumerate(signature):
        if parameter.kind == KEYWORD_ONLY and not {VAR_POSITIONAL, KEYWORD_ONLY} & set(kinds[:index]):
            found.append("*")
        stars = {VAR_POSITIONAL: "*", VAR_KEYWORD: "**"}.get(parameter.kind, "")
        annotation = _type_of(function, parameter, types)
        found.append(f"{stars}{parameter.name}: {annotation}{_default(parameter, annotation)}")
        if parameter.kind == POSITIONAL_ONLY and POSITIONAL_ONLY not in kinds[index + 1 :]:
            found.append("/")
    return found


def _type_of(function: HostFunction, parameter: Parameter, types: StubTypes) -> str:
    shape = function.shape
    if isinstance(shape, HintedShape):
        return types.of_hint(shape.hints[parameter.name], given=True)
    if isinstance(shape, DeclaredShape):
        root = shape.arguments.root
        node = root.additional if parameter.kind == VAR_KEYWORD else root.properties[parameter.name]
        if isinstance(node, Node):
            return types.of_node(node, f"{in_camel_case(function.name)}{in_camel_case(parameter.name)}")
    return types.of_hint(Any)


def _returns(function: HostFunction, types: StubTypes) -> str:
    shape = function.shape
    if isinstance(shape, HintedShape):
        return types.of_hint(shape.hints["return"])
    if isinstance(shape, DeclaredShape) and shape.result is not None:
        return types.of_node(shape.result.root, f"{in_camel_case(function.name)}Result")
    return types.of_hint(Any)


def _default(parameter: Parameter, annotation: str) -> str:
    """Show a default where that is short and of the type that is said; others are `...`."""
    default = parameter.default
    if default is ABSENT:
        return ""
    plain = default is None and "None" in annotation.split(" | ")
    if type(default) in (int, bool, str, float) and type(default).__name__ == annotation:
        plain = not isinstance(default, float) or math.isfinite(default)
    text = ascii(default) if plain else "..."
    return f" = {text if len(text) <= _MAX_DEFAULT_CHARACTERS else '...'}"


def _docstring(text: str) -> str:
    """Return a text as a docstring, in which it cannot end before its end."""
    lines = [_escaped(line.rstrip()) for line in text.strip().split("\n")]
    if len(lines) == 1:
        return f'"""{lines[0]}"""'
    inner = [f"{INDENT}{line}" if line else "" for line in lines[1:]]
    return "\n".join([f'"""{lines[0]}', *inner, f'{INDENT}"""'])


def _escaped(line: str) -> str:
    # No two quotes stand beside each other then, and none at the end.
    line = re.sub(r'"(?="|$)', r"\"", line.replace("\\", "\\\\"))
    shown = (char if char.isprintable() or char == "\t" else char.encode("unicode_escape").decode() for char in line)
    return "".join(shown)
