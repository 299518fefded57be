"""What a function takes and gives, as a schema says that was written by hand."""

from __future__ import annotations

import copy
import keyword
from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec

from wasihost.errors import InvalidFunctionError
from wasihost.functions.binding import (
    ABSENT,
    KEYWORD_ONLY,
    POSITIONAL_OR_KEYWORD,
    VAR_KEYWORD,
    Binding,
    BoundCall,
    Parameter,
)
from wasihost.functions.foreign import write_foreign
from wasihost.functions.mistakes import ArgumentsError, ReplyError
from wasihost.functions.schema import MismatchError, Schema
from wasihost.functions.schema_node import PYTHON_TYPES, Node
from wasihost.functions.wire import NATIVE

MAX_PARAMETERS: Final = 255
MAX_MESSAGE_CHARACTERS: Final = 1000
_TEXT_DEPTH: Final = 4
"""How far a type is written out. A schema may contain itself."""


class DeclaredShape:
    """A function whose arguments are the members of one object.

    Args:
        name: What guests call the function.
        parameters: Schema of the object; without "additionalProperties" there are no other members than its properties.
        returns: Schema of what it returns, or None: anything that has a form on the wire.

    Raises:
        InvalidFunctionError: One of the schemas is none, or a parameter has no name that Python could have.
    """

    __slots__ = (
        "_binding",
        "_defaults",
        "_extra",
        "_function",
        "arguments",
        "parameters",
        "result",
        "returns",
        "returns_text",
        "signature",
    )

    def __init__(
        self, name: str, parameters: object, returns: object, *, defaults: Mapping[str, Any] | None = None
    ) -> None:
        self._function = name
        try:
            said: Any = copy.deepcopy(parameters)
            if isinstance(said, dict):
                said.setdefault("additionalProperties", False)
            self.arguments = Schema.read(said, "parameters")
            result: Any = copy.deepcopy(returns)
            self.result = None if result is None else Schema.read(result, "returns")
            self.parameters: dict[str, Any] = said
            self.returns: dict[str, Any] | None = result
            self.signature = _signature_of(self.arguments.root)
            self._defaults = _defaults_of(self.arguments.root) if defaults is None else dict(defaults)
        except (ValueError, RecursionError) as error:
            raise InvalidFunctionError(f"the function {name!r}, {error}") from error
        self._binding = Binding(name, self.signature)
        self._extra = next((each.name for each in self.signature if each.kind == VAR_KEYWORD), None)
        self.returns_text = "" if self.result is None else text_of_node(self.result.root)

    def bind(self, args: list[Any], kwargs: dict[str, Any]) -> BoundCall:
        """Return what to call with, all of it by name; see `Shape.bind`."""
        given = self._binding.gather(args, kwargs)
        if self._extra is not None:
            given |= given.pop(self._extra, {})
        try:
            self.arguments.check(given)
        except MismatchError as error:
            kind: Literal["TypeError", "ValueError"] = "TypeError" if error.wrong_type else "ValueError"
            raise ArgumentsError(kind, f"{self._function}() argument {error}"[:MAX_MESSAGE_CHARACTERS]) from None
        for name, default in self._defaults.items():
            if name not in given:
                given[name] = copy.deepcopy(default)
        return BoundCall((), given)

    def reply(self, result: object) -> object:
        """Return a value for the wire; see `Shape.reply`."""
        try:
            value: object = msgspec.to_builtins(result, builtin_types=NATIVE, enc_hook=write_foreign)
            if self.result is not None:
                self.result.check(value)
        except Exception as error:
            # Models and classes run code of their own when they are taken apart.
            raise ReplyError(f"{self._function}() returned something else than it declares: {error}") from error
        return value


def _signature_of(root: Node) -> tuple[Parameter, ...]:
    if root.kinds != frozenset({"object"}) or root.choices is not None or root.tokens is not None:
        raise ValueError('parameters: it must be a schema of the type "object", with properties')
    if len(root.properties) > MAX_PARAMETERS:
        raise ValueError(f"parameters: there are more than {MAX_PARAMETERS}")
    missing = [name for name in root.required if name not in root.properties]
    if missing:
        raise ValueError(f"parameters.required: {missing[0]!r} is none of the properties")
    kind = POSITIONAL_OR_KEYWORD
    optional = False
    found: dict[str, list[Parameter]] = {POSITIONAL_OR_KEYWORD: [], KEYWORD_ONLY: []}
    for name, node in root.properties.items():
        if not name.isidentifier() or keyword.iskeyword(name):
            raise ValueError(f"parameters: {name!r} cannot be the name of a parameter")
        required = name in root.required
        if optional and required:
            kind = KEYWORD_ONLY  # Python has no parameter that must be given after one that need not
        optional |= not required
        default = ABSENT if required else node.said.get("default", ...)
        found[kind].append(Parameter(name=name, kind=kind, default=default, annotation=text_of_node(node)))
    signature = found[POSITIONAL_OR_KEYWORD] + found[KEYWORD_ONLY]
    if root.additional is not False:
        extra = "others"
        while extra in root.properties:
            extra += "_"
        annotation = "" if root.additional is True else text_of_node(root.additional)
        signature.append(Parameter(name=extra, kind=VAR_KEYWORD, annotation=annotation))
    return tuple(signature)


def _defaults_of(root: Node) -> dict[str, Any]:
    defaults = {}
    for name, node in root.properties.items():
        if name not in root.required and "default" in node.said:
            defaults[name] = node.said["default"]
            try:
                Schema(node, {}).check(defaults[name])
            except ValueError as error:
                raise ValueError(f"parameters.{name}.default: {error}") from None
    return defaults


def text_of_node(node: Node, depth: int = 0) -> str:
    """Return a schema as a type of Python: `list[str] | None`."""
    if depth > _TEXT_DEPTH:
        return "Any"
    values = node.said.get("enum", [node.said["const"]] if "const" in node.said else None)
    if values is not None and all(value is None or isinstance(value, str | int) for value in values):
        text = f"Literal[{', '.join(map(repr, values))}]"
        return text if len(text) <= MAX_MESSAGE_CHARACTERS else "Any"
    if node.choices is not None:
        texts = [text_of_node(choice, depth + 1) for choice in node.choices]
        return "Any" if "Any" in texts or len(texts) > _TEXT_DEPTH else " | ".join(dict.fromkeys(texts))
    if node.kinds is None:
        return "Any"
    kinds = [kind for kind in PYTHON_TYPES if kind in node.kinds and not (kind == "integer" and "number" in node.kinds)]
    # None comes last, as people write it.
    return " | ".join(_text_of_kind(node, kind, depth) for kind in sorted(kinds, key=lambda kind: kind == "null"))


def _text_of_kind(node: Node, kind: str, depth: int) -> str:
    if kind == "array" and node.items is not None:
        return f"list[{text_of_node(node.items, depth + 1)}]"
    if kind == "object":
        extra = node.additional
        alone = isinstance(extra, Node) and not node.properties
        return f"dict[str, {text_of_node(extra, depth + 1) if alone and isinstance(extra, Node) else 'Any'}]"
    return PYTHON_TYPES[kind] if kind != "array" else "list[Any]"
