"""What a function takes and gives, read from its type hints."""

from __future__ import annotations

import collections.abc
import functools
import inspect
import operator
import re
import types
import typing
from collections.abc import Callable, Iterator
from typing import Annotated, Any, Final, Literal, Union, Unpack

import msgspec

from wasihost.errors import GuestVisibleError, InvalidFunctionError
from wasihost.functions.annotation import text_of
from wasihost.functions.binding import ABSENT, VAR_KEYWORD, Binding, BoundCall, Parameter
from wasihost.functions.foreign import (
    RefusedValueError,
    check_foreign,
    either,
    is_model,
    members_of,
    read_foreign,
    write_foreign,
)
from wasihost.functions.mistakes import ArgumentsError, ReplyError
from wasihost.functions.wire import NATIVE, SCALARS

MAX_MESSAGE_CHARACTERS: Final = 1000
_CONTAINERS: Final = frozenset(
    {
        list, tuple, dict, set, frozenset, collections.abc.Sequence, collections.abc.MutableSequence,
        collections.abc.Collection, collections.abc.Mapping, collections.abc.MutableMapping, collections.abc.Set,
    }
)  # fmt: skip
_UNCHECKED: Final = frozenset({"pydantic", "annotated_types"})
_is_wrong_type: Final = re.compile(r"Expected `[^`]*`, got `").search
_AS_THEY_ARE: Final = SCALARS | {bytes}


class HintedShape:
    """A function's parameters as one msgspec struct, which checks and converts them all at once.

    Args:
        name: What guests call the function.
        call: The function.

    Raises:
        InvalidFunctionError: Something in its signature cannot be checked, or not be passed on.
    """

    __slots__ = (
        "_binding",
        "_function",
        "_returns",
        "_returns_class",
        "_struct",
        "hints",
        "parameters",
        "returns",
        "returns_text",
        "signature",
    )

    def __init__(self, name: str, call: Callable[..., Any]) -> None:
        self._function = name
        declared, hints = _signature_of(name, call)
        fields: list[tuple[str, Any] | tuple[str, Any, Any]] = []
        checked: dict[str, Any] = {}
        always_more = False  # what must be in it can be missing
        for each in declared:
            hint = hints.get(each.name, Any)
            unpacked = each.kind is each.VAR_KEYWORD and typing.get_origin(hint) is Unpack
            whole = _usable(name, f"parameter {each.name!r}", typing.get_args(hint)[0] if unpacked else hint)
            if each.kind is each.VAR_POSITIONAL:
                whole = list[whole]  # type: ignore[valid-type]
            elif each.kind is each.VAR_KEYWORD and not unpacked:
                whole = dict[str, whole]  # type: ignore[valid-type]
            always_more |= unpacked
            checked[each.name] = whole
            required = each.default is each.empty and each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)
            fields.append((f"p{len(fields)}", whole) if required else (f"p{len(fields)}", whole, ABSENT))
        self._struct = msgspec.defstruct(
            "Arguments",
            fields,
            rename=dict(zip((field[0] for field in fields), checked, strict=True)),
            forbid_unknown_fields=True,
            kw_only=True,
        )
        returns = hints.get("return", inspect.Signature.empty)
        self._returns: Any = Any
        if returns is not inspect.Signature.empty:
            self._returns = _usable(name, "the result", returns)
        self._returns_class = self._returns if isinstance(self._returns, type) else None
        self.hints = {key: hints.get(key, Any) for key in (*checked, "return")}
        self.signature = tuple(
            Parameter(
                name=each.name,
                kind=each.kind.name,
                default=ABSENT if each.default is each.empty else each.default,
                annotation=text_of(hints[each.name]) if each.name in hints else "",
            )
            for each in declared
        )
        self.returns_text = "" if returns is inspect.Signature.empty else text_of(returns)
        self._binding = Binding(name, self.signature, always_more=always_more)
        self.parameters = self._schema_of_parameters(checked)
        self.returns = None
        if returns is not inspect.Signature.empty:
            (schema,), parts = _schemas(name, [self._returns])
            self.returns = {**schema, "$defs": parts} if parts else schema

    def bind(self, args: list[Any], kwargs: dict[str, Any]) -> BoundCall:
        """Return what to call with; see `Shape.bind`."""
        given = self._binding.gather(args, kwargs)
        try:
            found = msgspec.convert(given, self._struct, builtin_types=NATIVE, dec_hook=read_foreign)
        except msgspec.ValidationError as error:
            raise self._refusal(error) from error
        except GuestVisibleError as error:
            raise ArgumentsError("ValueError", str(error)) from error
        except Exception as error:
            # A check of the host's own that failed: what it says is not for the guest.
            raise ArgumentsError("ValueError", f"{self._function}() got arguments that are not valid") from error
        return self._binding.spread(len(given), msgspec.structs.astuple(found))

    def reply(self, result: object) -> object:
        """Return a value for the wire; see `Shape.reply`."""
        kind = type(result)
        fits = self._returns is Any or kind is self._returns_class
        if fits and kind in _AS_THEY_ARE:
            return result
        try:
            value = msgspec.to_builtins(result, builtin_types=NATIVE, enc_hook=write_foreign)
            if not fits:
                msgspec.convert(value, self._returns, builtin_types=NATIVE, dec_hook=check_foreign)
        except Exception as error:
            # Models and classes run code of their own when they are taken apart and put together.
            raise ReplyError(f"{self._function}() returned something else than it declares: {error}") from error
        return value

    def _refusal(self, error: msgspec.ValidationError) -> ArgumentsError:
        text, _, path = str(error).rpartition(" - at `")
        if not path.endswith("`"):
            text, path = str(error), "$`"
        place = path[:-1].replace("`", "").removeprefix("$.")
        cause = error.__cause__
        if cause is not None and not isinstance(cause, RefusedValueError):
            text = "the value is not valid"  # a class of the host raised it, in its own words
        kind: Literal["TypeError", "ValueError"] = "TypeError" if _is_wrong_type(text) else "ValueError"
        words = text.replace("`", "")
        said = f"{self._function}() argument {place}: {words[:1].lower()}{words[1:]}"
        return ArgumentsError(kind, said[:MAX_MESSAGE_CHARACTERS])

    def _schema_of_parameters(self, checked: dict[str, Any]) -> dict[str, Any]:
        kinds = {each.name: each for each in self.signature}
        schemas, parts = _schemas(self._function, list(checked.values()))
        properties: dict[str, Any] = {}
        extra: bool | dict[str, Any] = False
        for name, schema in zip(checked, schemas, strict=True):
            if kinds[name].kind == VAR_KEYWORD:
                extra = schema.get("additionalProperties", True)
            else:
                properties[name] = schema
        said: dict[str, Any] = {"type": "object", "properties": properties}
        required = [each.name for each in self.signature if each.required]
        if required:
            said["required"] = required
        said["additionalProperties"] = extra
        if parts:
            said["$defs"] = parts
        return said


# -- hints ------------------------------------------------------------------------------------------------------------


def _signature_of(name: str, call: Callable[..., Any]) -> tuple[list[inspect.Parameter], dict[str, Any]]:
    target: Any = call
    while isinstance(target, functools.partial):
        target = target.func
    if not inspect.isroutine(target) and not isinstance(target, type):
        target = type(target).__call__
    target = inspect.unwrap(target)
    if inspect.isgeneratorfunction(target) or inspect.isasyncgenfunction(target):
        raise InvalidFunctionError(f"the function {name!r} is a generator: a guest gets one value from a call")
    try:
        declared = list(inspect.signature(call).parameters.values())
        hints = typing.get_type_hints(target, include_extras=True)
    except Exception as error:
        # Hints that are texts are evaluated, and may say anything.
        raise InvalidFunctionError(f"the type hints of the function {name!r} cannot be read: {error}") from error
    return declared, hints


def _usable(function: str, where: str, hint: Any) -> Any:  # noqa: ANN401 - any hint
    """Return a hint that msgspec understands.

    Raises:
        InvalidFunctionError: There is none for it.
    """
    try:
        usable = _adapted(hint)
        _check(usable, set())
    except (TypeError, ValueError, NameError, AttributeError) as error:
        raise InvalidFunctionError(f"the function {function!r}, {where} ({text_of(hint)}): {error}") from error
    return usable


def _adapted(hint: Any) -> Any:  # noqa: ANN401 - any hint
    if hint is object:
        return Any
    origin = typing.get_origin(hint)
    args = typing.get_args(hint)
    if origin is Annotated:
        for extra in args[1:]:
            if type(extra).__module__.partition(".")[0] in _UNCHECKED:
                raise TypeError(f"{type(extra).__name__}(...) would not be checked here: use msgspec.Meta(...)")
        return Annotated[(_adapted(args[0]), *args[1:])]
    if origin is Union or origin is types.UnionType:
        members = tuple(map(_adapted, args))
        joined: Any = functools.reduce(operator.or_, members)
        try:
            msgspec.inspect.type_info(joined)
        except TypeError:
            return either(members, text_of(hint))
        return joined
    if origin in _CONTAINERS and args:
        return origin[tuple(arg if arg is ... else _adapted(arg) for arg in args)]
    return hint


def _check(hint: Any, seen: set[int]) -> None:  # noqa: ANN401 - any hint
    for part in _parts_of(msgspec.inspect.type_info(hint), seen):
        if isinstance(part, msgspec.inspect.CustomType):
            for member in members_of(part.cls):
                _check(member, seen)
            if not is_model(part.cls) and not members_of(part.cls):
                raise TypeError(f"no value of the type {part.cls.__qualname__} can be passed on")
        elif isinstance(part, msgspec.inspect.ExtType | msgspec.inspect.RawType):
            raise TypeError("no value of the types Ext and Raw can be passed on")
        elif isinstance(part, msgspec.inspect.DictType):
            if not _may_be_text(part.key_type):
                raise TypeError("the keys of a dict must be str")
        elif isinstance(part, msgspec.inspect.DataclassType) and hasattr(part.cls, "__pydantic_validator__"):
            raise TypeError(f"what {part.cls.__qualname__} demands would not be checked here: use a model")


def _may_be_text(key: msgspec.inspect.Type) -> bool:
    if isinstance(key, msgspec.inspect.LiteralType):
        return all(isinstance(value, str) for value in key.values)
    if isinstance(key, msgspec.inspect.EnumType):
        return all(isinstance(member.value, str) for member in key.cls)
    return isinstance(key, msgspec.inspect.StrType | msgspec.inspect.AnyType)


def _parts_of(thing: Any, seen: set[int]) -> Iterator[Any]:  # noqa: ANN401 - types, fields, and tuples of these
    """Yield all types within a type, each once: types may contain themselves."""
    if isinstance(thing, tuple):
        for each in thing:
            yield from _parts_of(each, seen)
    elif isinstance(thing, msgspec.inspect.Type | msgspec.inspect.Field) and id(thing) not in seen:
        seen.add(id(thing))
        yield thing
        for name in thing.__struct_fields__:
            yield from _parts_of(getattr(thing, name), seen)


# -- schemas ----------------------------------------------------------------------------------------------------------


def _schemas(function: str, hints: list[Any]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return the JSON schema of each hint, and the definitions that they refer to."""
    parts: dict[str, Any] = {}

    def foreign(kind: type) -> dict[str, Any]:
        if members_of(kind):
            found, more = msgspec.json.schema_components(
                members_of(kind), schema_hook=foreign, ref_template="#/$defs/{name}"
            )
            parts.update(more)
            return {"anyOf": list(found)}
        model: Any = kind
        # Models of the same name can differ: each brings its definitions under names of its own.
        said = model.model_json_schema(ref_template=f"#/$defs/{kind.__name__}.{{model}}")
        parts.update({f"{kind.__name__}.{name}": part for name, part in said.pop("$defs", {}).items()})
        return dict(said)

    try:
        schemas, more = msgspec.json.schema_components(hints, schema_hook=foreign, ref_template="#/$defs/{name}")
        parts.update(more)
        return [_with_binary(schema) for schema in schemas], {name: _with_binary(part) for name, part in parts.items()}
    except Exception as error:
        # pydantic has errors of its own for what has no schema.
        raise InvalidFunctionError(
            f"the function {function!r} has hints that no schema can be made of: {error}"
        ) from error


def _with_binary(schema: Any) -> Any:  # noqa: ANN401 - a part of a schema
    """Say of bytes that they are bytes: they are not sent as Base64 here."""
    if isinstance(schema, list):
        return [_with_binary(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    said = {key: _with_binary(part) for key, part in schema.items()}
    if said.get("contentEncoding") == "base64":
        del said["contentEncoding"]
        said["format"] = "binary"
    return said
