"""Types as the author of a guest's program sees them: what is sent, not what the host makes of it.

Classes of the host are dicts there, with the keys that their fields have; members of enums are their values; what comes
back as a list is called one.
"""

from __future__ import annotations

import dataclasses
import enum
import types
import typing
from typing import Annotated, Any, Final, Literal, NotRequired, Required, TypeVar, Union, Unpack

import msgspec

from wasihost.functions.foreign import is_model
from wasihost.functions.schema_node import PYTHON_TYPES, Node
from wasihost.functions.stub_names import StubNames

_LITERALS: Final = (str, int, bool, type(None))
_SIMPLE: Final = {
    "str": "str",
    "int": "int",
    "float": "float",
    "bool": "bool",
    "bytes": "bytes",
    "bytearray": "bytes",
    "memoryview": "bytes",
    "NoneType": "None",
    "datetime": "datetime",
    "date": "date",
    "time": "time",
    "timedelta": "timedelta",
    "Decimal": "Decimal",
    "UUID": "UUID",
}
_MAX_DEPTH: Final = 20
_MAX_LITERALS: Final = 100


class StubTypes:
    """Writes types, and defines the classes that they need."""

    def __init__(self, names: StubNames) -> None:
        self._names = names

    # -- hints ------------------------------------------------------------------------------------------------------

    def of_hint(self, hint: Any, *, given: bool = False) -> str:  # noqa: ANN401 - any hint
        """Return a hint as a guest sees it; `given` for a parameter, which takes tuples for what they are."""
        if hint is None:
            return "None"
        origin, args = typing.get_origin(hint), typing.get_args(hint)
        if origin in (Annotated, Required, NotRequired):
            return self.of_hint(args[0], given=given)
        if origin is Unpack:
            return f"{self._names.use('Unpack')}[{self.of_hint(args[0])}]"
        if origin is Union or origin is types.UnionType:
            return _joined([self.of_hint(arg, given=given) for arg in args])
        if origin is Literal:
            return self._literal([arg.value if isinstance(arg, enum.Enum) else arg for arg in args])
        if isinstance(hint, typing.NewType):
            return self.of_hint(hint.__supertype__, given=given)
        if isinstance(hint, TypeVar):
            return self._any()
        if isinstance(origin, type):
            return self._of_container(origin, args, given=given)
        return self._of_class(hint, given=given) if isinstance(hint, type) else self._any()

    def _of_container(self, origin: type, args: tuple[Any, ...], *, given: bool) -> str:
        if issubclass(origin, dict) or origin.__name__ in ("Mapping", "MutableMapping"):
            return f"{self._names.use('dict')}[{self.of_hint(args[0])}, {self.of_hint(args[1])}]"
        if origin is tuple and given:
            inner = ["..." if arg is ... else self.of_hint(arg, given=True) for arg in args]
            return f"{self._names.use('tuple')}[{', '.join(inner) or '()'}]"
        if dataclasses.is_dataclass(origin) or hasattr(origin, "__struct_fields__") or typing.is_typeddict(origin):
            return f"{self._names.use('dict')}[{self._names.use('str')}, {self._any()}]"
        inner = list(dict.fromkeys(self.of_hint(arg) for arg in args if arg is not ...))
        return f"{self._names.use('list')}[{_joined(inner) or self._any()}]"

    def _of_class(self, hint: type, *, given: bool) -> str:
        simple = _SIMPLE.get(hint.__name__)
        if simple is not None and hint.__module__ in ("builtins", "datetime", "decimal", "uuid"):
            return self._names.use(simple)
        if issubclass(hint, enum.Enum):
            return self._literal([member.value for member in hint])
        known = self._names.known(hint)
        if known is not None:
            return known
        if is_model(hint):
            return self._of_fields(hint, *_of_model(hint))
        if issubclass(hint, msgspec.Struct):
            if hint.__struct_config__.array_like:
                return f"{self._names.use('list')}[{self._any()}]"
            return self._of_fields(hint, *_of_struct(hint))
        if dataclasses.is_dataclass(hint):
            return self._of_fields(hint, *_of_dataclass(hint))
        if typing.is_typeddict(hint):
            return self._of_fields(hint, *_of_typed_dict(hint))
        if issubclass(hint, tuple) and hasattr(hint, "_fields"):
            return self._of_container(tuple, tuple(_hints_of(hint).values()), given=given)
        if issubclass(hint, dict):
            return f"{self._names.use('dict')}[{self._names.use('str')}, {self._any()}]"
        if issubclass(hint, list | tuple | set | frozenset):
            name = self._names.use("tuple" if given and hint is tuple else "list")
            return f"{name}[{self._any()}{', ...' if given and hint is tuple else ''}]"
        return self._any()

    def _of_fields(self, hint: type, fields: dict[str, Any], optional: frozenset[str]) -> str:
        name = self._names.add(hint, hint.__name__)
        self._names.define(name, {key: self.of_hint(inner) for key, inner in fields.items()}, optional)
        return name

    def _literal(self, values: list[Any]) -> str:
        if not values or len(values) > _MAX_LITERALS or not all(type(value) in _LITERALS for value in values):
            inner = dict.fromkeys(self.of_hint(type(value)) for value in values)
            return _joined(list(inner)) or self._any()
        # ASCII, so that nothing in it can end the line or turn its direction.
        return f"{self._names.use('Literal')}[{', '.join(map(ascii, values))}]"

    def _any(self) -> str:
        return self._names.use("Any")

    # -- schemas ----------------------------------------------------------------------------------------------------

    def of_node(self, node: Node, wanted: str, depth: int = 0) -> str:
        """Return a schema as a guest sees it; `wanted` is what its class is called if it needs one and has no title."""
        if depth > _MAX_DEPTH:
            return self._any()
        known = self._names.known(node)
        if known is not None:
            return known
        if "const" in node.said or "enum" in node.said:
            return self._literal(node.said.get("enum", [node.said.get("const")]))
        if node.choices is not None:
            return _joined(list(dict.fromkeys(self.of_node(choice, wanted, depth + 1) for choice in node.choices)))
        if node.kinds is None:
            return self._any()
        kinds = [kind for kind in node.kinds if not (kind == "integer" and "number" in node.kinds)]
        # None comes last, as people write it.
        kinds.sort(key=lambda kind: (kind == "null", kind))
        return _joined([self._of_kind(node, kind, wanted, depth) for kind in kinds])

    def _of_kind(self, node: Node, kind: str, wanted: str, depth: int) -> str:
        if kind == "array":
            inner = self._any() if node.items is None else self.of_node(node.items, wanted, depth + 1)
            return f"{self._names.use('list')}[{inner}]"
        if kind != "object":
            return self._names.use(PYTHON_TYPES[kind])
        if not node.properties:
            inner = (
                self.of_node(node.additional, wanted, depth + 1) if isinstance(node.additional, Node) else self._any()
            )
            return f"{self._names.use('dict')}[{self._names.use('str')}, {inner}]"
        title = node.said.get("title", "")
        name = self._names.add(node, in_camel_case(title) or wanted)
        fields = {
            key: self.of_node(part, f"{name}{in_camel_case(key)}", depth + 1) for key, part in node.properties.items()
        }
        self._names.define(name, fields, frozenset(fields.keys() - set(node.required)))
        return name


def in_camel_case(text: str) -> str:
    """Return words as the name of a class."""
    return "".join(word[:1].upper() + word[1:] for word in text.replace("_", " ").split())


def _joined(texts: list[str]) -> str:
    """A union, with each member once and None last."""
    members = list(dict.fromkeys(texts))
    if "None" in members:
        members.remove("None")
        members.append("None")
    return " | ".join(members)


# -- fields of classes ------------------------------------------------------------------------------------------------

_Fields = tuple[dict[str, Any], frozenset[str]]
"""Hints by keys, and the keys that may be left out."""


def _hints_of(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind, include_extras=True)


def _of_dataclass(kind: Any) -> _Fields:  # noqa: ANN401 - a dataclass
    hints = _hints_of(kind)
    fields = dataclasses.fields(kind)
    absent = dataclasses.MISSING
    return (
        {field.name: hints[field.name] for field in fields},
        frozenset(f.name for f in fields if f.default is not absent or f.default_factory is not absent),
    )


def _of_typed_dict(kind: Any) -> _Fields:  # noqa: ANN401 - a TypedDict
    return _hints_of(kind), kind.__optional_keys__


def _of_struct(kind: type[msgspec.Struct]) -> _Fields:
    fields = msgspec.structs.fields(kind)
    config = kind.__struct_config__
    hints: dict[str, Any] = {} if config.tag is None else {str(config.tag_field): Literal[config.tag]}
    hints.update({field.encode_name: field.type for field in fields})
    return hints, frozenset(field.encode_name for field in fields if not field.required)


def _of_model(kind: Any) -> _Fields:  # noqa: ANN401 - a class of pydantic's
    fields = {field.alias if isinstance(field.alias, str) else name: field for name, field in kind.model_fields.items()}
    return (
        {key: field.annotation for key, field in fields.items()},
        frozenset(key for key, field in fields.items() if not field.is_required()),
    )
