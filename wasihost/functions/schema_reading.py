"""From a JSON schema of somebody whom nobody vouches for to what values can be held against."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

from wasihost.functions.schema_checking import Check
from wasihost.functions.schema_node import WORDS, Node, place_within, quoted

MAX_NODES: Final = 2000
"""Schemas within one schema, and values in its enums, together."""
MAX_CHARACTERS: Final = 256 * 1024
"""Of all texts in one schema."""
MAX_DEPTH: Final = 32
"""Schemas within each other."""
MAX_CHOICES: Final = 1000
"""Of one enum."""
MAX_SHOWN_CHARACTERS: Final = 200
FORMATS: Final = ("binary", "date-time", "date", "time", "duration", "decimal", "uuid")
TYPES: Final = ("null", "boolean", "integer", "number", "string", "array", "object")
_ANNOTATIONS: Final = frozenset({"title", "description", "default", "examples"})
_BOUNDS: Final = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
_COUNTS: Final = ("minLength", "maxLength", "minItems", "maxItems")
_KEYWORDS: Final = frozenset(
    {"type", "format", "enum", "const", "items", "properties", "required", "additionalProperties", "uniqueItems"}
    | {"anyOf", "$ref", "$defs", *_BOUNDS, *_COUNTS, *_ANNOTATIONS}
)  # fmt: skip
_REFERENCE: Final = "#/$defs/"


class Reader:
    """Reads the schemas in one schema, and counts them."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self._left = MAX_NODES
        self._characters_left = MAX_CHARACTERS

    def node(self, said: object, where: str, depth: int) -> Node:
        """Read a schema that is within `depth` others.

        Raises:
            ValueError: It is none, or not supported, or too large.
        """
        if depth > MAX_DEPTH:
            raise ValueError(f"{where}: more than {MAX_DEPTH} schemas within each other")
        self._count(where)
        parts = object_of(said, where)
        for keyword in parts:
            self._count_text(keyword, where)
            if keyword not in _KEYWORDS:
                raise ValueError(f"{where}: {quoted(keyword)} is not supported in schemas")
        if "$defs" in parts and depth:
            raise ValueError(f"{where}: $defs must be at the top of the schema")
        self._annotations(parts, where)
        node = Node(said=parts, properties={})
        self.nodes.append(node)
        if "$ref" in parts:
            node.reference = self._reference(parts, where)
            return node
        self._kinds(node, parts, where)
        self._values(node, parts, where)
        self._numbers(node, parts, where)
        if "items" in parts:
            node.items = self.node(parts["items"], f"{where}.items", depth + 1)
        node.unique = _flag(parts.get("uniqueItems", False), f"{where}.uniqueItems")
        for name, part in object_of(parts.get("properties", {}), f"{where}.properties").items():
            self._count_text(name, where)
            node.properties[name] = self.node(part, place_within(where, name), depth + 1)
        node.required = self._names(parts.get("required", []), f"{where}.required")
        extra = parts.get("additionalProperties", True)
        if isinstance(extra, bool):
            node.additional = extra
        else:
            node.additional = self.node(extra, f"{where}.additionalProperties", depth + 1)
        if "anyOf" in parts:
            choices = _array(parts["anyOf"], f"{where}.anyOf")
            if not choices:
                raise ValueError(f"{where}.anyOf: it is empty")
            node.choices = tuple(
                self.node(part, f"{where}.anyOf[{index}]", depth + 1) for index, part in enumerate(choices)
            )
        return node

    def _count(self, where: str) -> None:
        self._left -= 1
        if self._left < 0:
            raise ValueError(f"{where}: the schema is too large, it may have {MAX_NODES} parts")

    def _count_text(self, text: str, where: str) -> None:
        self._count_characters(len(text), where)

    def _count_characters(self, number: int, where: str) -> None:
        self._characters_left -= number
        if self._characters_left < 0:
            raise ValueError(f"{where}: the schema is too large, it may have {MAX_CHARACTERS} characters")

    def _annotations(self, parts: Mapping[str, Any], where: str) -> None:
        for keyword in ("title", "description"):
            text = parts.get(keyword, "")
            if not isinstance(text, str):
                raise ValueError(f"{where}.{keyword}: it must be a text")
            self._count_text(text, where)
        if "default" in parts:
            self._value(parts["default"], f"{where}.default", 0)
        for index, example in enumerate(_array(parts.get("examples", []), f"{where}.examples")):
            self._value(example, f"{where}.examples[{index}]", 0)

    def _reference(self, parts: Mapping[str, Any], where: str) -> str:
        beside = sorted(parts.keys() - _ANNOTATIONS - {"$ref", "$defs"})
        if beside:
            raise ValueError(f"{where}: {beside[0]} has no place beside $ref")
        reference = parts["$ref"]
        if not isinstance(reference, str) or not reference.startswith(_REFERENCE):
            raise ValueError(f"{where}.$ref: it must be {quoted(_REFERENCE + 'NAME')}")
        self._count_text(reference, where)
        return reference.removeprefix(_REFERENCE)

    def _kinds(self, node: Node, parts: Mapping[str, Any], where: str) -> None:
        wanted: set[str] | None = None
        if "type" in parts:
            said = parts["type"]
            names = [said] if isinstance(said, str) else _array(said, f"{where}.type")
            for name in names:
                if not isinstance(name, str) or name not in TYPES:
                    raise ValueError(f"{where}.type: {quoted(name)} is no type; there are {', '.join(TYPES)}")
            if not names or len(set(names)) != len(names):
                raise ValueError(f"{where}.type: it must name each type once, and one at least")
            wanted = set(names)
            if "number" in wanted:
                wanted.add("integer")
        if "format" in parts:
            form = parts["format"]
            if not isinstance(form, str) or form not in FORMATS:
                raise ValueError(f"{where}.format: {quoted(form)} is not supported; there are {', '.join(FORMATS)}")
            if wanted is not None and "string" not in wanted:
                raise ValueError(f"{where}.format: it is for the type string")
            wanted = ((wanted or set()) - {"string"}) | {form}
        node.kinds = None if wanted is None else frozenset(wanted)

    def _values(self, node: Node, parts: Mapping[str, Any], where: str) -> None:
        if "enum" in parts and "const" in parts:
            raise ValueError(f"{where}: enum and const exclude each other")
        if "const" in parts:
            values = [parts["const"]]
        elif "enum" in parts:
            values = _array(parts["enum"], f"{where}.enum")
            if not 1 <= len(values) <= MAX_CHOICES:
                raise ValueError(f"{where}.enum: it must have from 1 to {MAX_CHOICES} values")
        else:
            return
        for value in values:
            self._value(value, f"{where}.enum", 0)
        tokens = Check()
        node.texts = frozenset(value for value in values if isinstance(value, str))
        node.tokens = frozenset(tokens.token(value) for value in values if not isinstance(value, str))
        node.shown = _shown(values)

    def _value(self, value: object, where: str, depth: int) -> None:
        """Count a value that is part of the schema."""
        if depth > MAX_DEPTH:
            raise ValueError(f"{where}: more than {MAX_DEPTH} arrays and objects within each other")
        self._count(where)
        if isinstance(value, str):
            self._count_text(value, where)
        elif isinstance(value, dict):
            for key, item in object_of(value, where).items():
                self._count_text(key, where)
                self._value(item, where, depth + 1)
        elif isinstance(value, list):
            for item in value:
                self._value(item, where, depth + 1)
        elif isinstance(value, int):
            self._count_characters(value.bit_length() // 3, where)
        elif not isinstance(value, float | None) or (isinstance(value, float) and not math.isfinite(value)):
            raise ValueError(f"{where}: it must be a value that JSON has a form for")

    def _numbers(self, node: Node, parts: Mapping[str, Any], where: str) -> None:
        for keyword in _BOUNDS:
            if keyword in parts:
                number = parts[keyword]
                if isinstance(number, bool) or not isinstance(number, int | float) or not _is_finite(number):
                    raise ValueError(f"{where}.{keyword}: it must be a finite number")
                node.bounds += ((keyword, number),)
        for keyword in _COUNTS:
            if keyword in parts:
                number = parts[keyword]
                if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < 2**53:
                    raise ValueError(f"{where}.{keyword}: it must be a whole number, and not negative")
                node.counts += ((keyword, number),)

    def _names(self, said: object, where: str) -> tuple[str, ...]:
        names = _array(said, where)
        for name in names:
            if not isinstance(name, str):
                raise ValueError(f"{where}: {quoted(name)} is no name")
            self._count(where)
            self._count_text(name, where)
        if len(set(names)) != len(names):
            raise ValueError(f"{where}: it has a name twice")
        return tuple(names)


class Linker:
    """Puts in place of references what they refer to, and finds those that go in circles."""

    def __init__(self, definitions: dict[str, Node], where: str) -> None:
        self._definitions = definitions
        self._where = where
        self._under_way: set[int] = set()

    def target(self, node: Node) -> Node:
        """Follow a reference to what is none.

        Raises:
            ValueError: There is nothing, or it goes in circles.
        """
        seen: list[str] = []
        while node.reference is not None:
            name = node.reference
            if name in seen:
                raise ValueError(f"{place_within(f'{self._where}.$defs', name)}: it refers to itself")
            if name not in self._definitions:
                raise ValueError(f"{self._where}: there is no {place_within('$defs', name)}")
            seen.append(name)
            node = self._definitions[name]
            if len(seen) > MAX_DEPTH:
                raise ValueError(f"{self._where}.$defs: more than {MAX_DEPTH} references after each other")
        return node

    def link(self, node: Node) -> None:
        """Follow the references in a node."""
        if node.items is not None:
            node.items = self.target(node.items)
        if isinstance(node.additional, Node):
            node.additional = self.target(node.additional)
        for name, part in node.properties.items():
            node.properties[name] = self.target(part)
        if node.choices is not None:
            node.choices = tuple(map(self.target, node.choices))

    def accept(self, node: Node) -> frozenset[str]:
        """Find out for which kinds of values a node may be right, and which of its choices for which."""
        if node.accepted is not None:
            return node.accepted
        if id(node) in self._under_way:
            raise ValueError(f"{self._where}: an anyOf has itself among its choices")
        if len(self._under_way) > MAX_DEPTH:
            raise ValueError(f"{self._where}: more than {MAX_DEPTH} anyOf within each other")
        self._under_way.add(id(node))
        accepted = frozenset(WORDS) if node.kinds is None else node.kinds
        if node.choices is not None:
            found = [(choice, self.accept(choice)) for choice in node.choices]
            node.by_kind = {kind: tuple(choice for choice, kinds in found if kind in kinds) for kind in accepted}
            accepted = frozenset(kind for kind, choices in node.by_kind.items() if choices)
        self._under_way.discard(id(node))
        node.accepted = accepted
        return accepted


def object_of(said: object, where: str) -> Mapping[str, Any]:
    """Return what must be an object with names for keys, or raise ValueError."""
    if not isinstance(said, dict):
        raise ValueError(f"{where}: it must be an object, not {quoted(said)}")
    for key in said:
        if not isinstance(key, str):
            raise ValueError(f"{where}: {quoted(key)} is no name")
    return said


def _array(said: object, where: str) -> list[Any]:
    if not isinstance(said, list):
        raise ValueError(f"{where}: it must be an array, not {quoted(said)}")
    return said


def _flag(said: object, where: str) -> bool:
    if not isinstance(said, bool):
        raise ValueError(f"{where}: it must be true or false, not {quoted(said)}")
    return said


def _is_finite(number: float) -> bool:
    return isinstance(number, int) or math.isfinite(number)


def _shown(values: list[Any]) -> str:
    text = " or ".join(map(quoted, values[:20]))
    return text if len(text) <= MAX_SHOWN_CHARACTERS and len(values) <= 20 else text[:MAX_SHOWN_CHARACTERS] + " ..."
