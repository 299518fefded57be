"""Functions of the host that a guest may call."""

from __future__ import annotations

import inspect
import keyword
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import InitVar, dataclass, field
from typing import Any, Final, overload

import msgspec

from wasihost.errors import InvalidFunctionError
from wasihost.functions.binding import ABSENT, BoundCall, Parameter
from wasihost.functions.declared import DeclaredShape
from wasihost.functions.hints import HintedShape
from wasihost.functions.shape import Shape
from wasihost.functions.wire import MAX_NAME_CHARACTERS
from wasihost.functions.writing import is_plain

MAX_FUNCTIONS: Final = 1000
MAX_HELP_CHARACTERS: Final = 16384
MAX_DEFAULT_BYTES: Final = 1024
"""Of a default that guests are told, as JSON."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HostFunction:
    """Code of the host that a guest may call by its name, with arguments that are checked before.

    `host_function` makes one from type hints; with a schema it is made by hand, and the function is called with its
    arguments by name then. A property that is not required and was not given is passed on as its "default" if it has
    one, and not at all otherwise. On the host a function is called like what it was made of.

    Isolation: a guest that was granted it calls it with any arguments that the declaration admits, as often as
    `FunctionLimits` let it, and gets what it returns. It runs in the host's own process.

    Attributes:
        name: What guests call it: an identifier of at most 100 characters that does not begin with "_".
        call: The function, or a coroutine function.
        parameters: JSON schema of the object of all its arguments. Of one that is written by hand, `schema` says what
            it may consist of; it has no members beside its properties unless "additionalProperties" says so.
        returns: JSON schema of what it returns; None when nothing is said.
        help: What it does, for the authors of programs that call it: they can read it.
        is_async: Whether `call` is a coroutine function.
        shape: What arguments and results are held against.
        from_hints: The shape, where there is one already; left out for a schema that is written by hand.

    Raises:
        InvalidFunctionError: A name, parameter or type that cannot be; the message names function and parameter.
    """

    name: str
    call: Callable[..., Any]
    parameters: dict[str, Any]
    returns: dict[str, Any] | None = None
    help: str = ""
    is_async: bool = field(init=False)
    shape: Shape = field(init=False, repr=False)
    from_hints: InitVar[Shape | None] = None

    def __post_init__(self, from_hints: Shape | None) -> None:
        _check_name(self.name)
        if not callable(self.call):
            raise InvalidFunctionError(f"the function {self.name!r} cannot be called: it is {self.call!r}")
        shape = DeclaredShape(self.name, self.parameters, self.returns) if from_hints is None else from_hints
        object.__setattr__(self, "shape", shape)
        object.__setattr__(self, "parameters", shape.parameters)
        object.__setattr__(self, "returns", shape.returns)
        if not isinstance(self.help, str) or len(self.help) > MAX_HELP_CHARACTERS:
            raise InvalidFunctionError(
                f"the help of the function {self.name!r} must be a text of at most {MAX_HELP_CHARACTERS} characters"
            )
        object.__setattr__(self, "is_async", _is_async(self.call))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - whatever the function takes and returns
        """Call the function itself, as the host does for its own purposes: nothing is checked."""
        return self.call(*args, **kwargs)

    def bind(self, args: list[Any], kwargs: dict[str, Any]) -> BoundCall:
        """Check arguments as `reading.decode` returns them, and return what to call the function with.

        Raises:
            ArgumentsError: It does not take these.
        """
        return self.shape.bind(args, kwargs)

    def reply(self, result: object) -> object:
        """Return what `writing.encode_value` takes for a result of the function.

        Raises:
            ReplyError: The result is not what the function declares, or has no form on the wire.
        """
        return self.shape.reply(result)

    def describe(self) -> dict[str, Any]:
        """Return what a guest is told, for JSON: "name", "help", "is_async", "parameters", "returns".

        Each parameter is [name, kind as in `inspect.Parameter`, has_default, default or None, annotation as text].
        has_default is 0, 1, or 2 for a default that is long or has no form in JSON, which is shown as `...`.
        Annotations and "returns" are "" where nothing was said.
        """
        return {
            "name": self.name,
            "help": self.help,
            "is_async": self.is_async,
            "parameters": [_described(parameter) for parameter in self.shape.signature],
            "returns": self.shape.returns_text,
        }


@overload
def host_function(
    function: Callable[..., Any], /, *, name: str | None = None, help: str | None = None
) -> HostFunction: ...
@overload
def host_function(
    *, name: str | None = None, help: str | None = None
) -> Callable[[Callable[..., Any]], HostFunction]: ...
def host_function(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    help: str | None = None,  # noqa: A002 - what it is called where it is kept
) -> HostFunction | Callable[[Callable[..., Any]], HostFunction]:
    """Make a function, or a coroutine function, one that can be granted to guests.

        @host_function
        def search(query: str, limit: int = 10) -> list[str]: ...

    Its type hints say what guests may pass and what they get; a parameter without one takes anything that can be
    passed. Nothing is converted that is not the same value: no text becomes a number. Hints may be str, int, float,
    bool, None, bytes, list, tuple, dict, set, Any, Literal, unions, enums, datetime, date, time, timedelta, Decimal,
    UUID, dataclasses, TypedDict, NamedTuple, structs of msgspec, models of pydantic, and Annotated with `msgspec.Meta`.
    A `pattern` of the latter is matched with whatever guests send: one that can be made to run for ever will be.

    Args:
        function: The function.
        name: What guests call it; by default its own name.
        help: What it does; by default its docstring.

    Raises:
        InvalidFunctionError: It cannot be granted as it is; the message names function and parameter.
    """

    def wrap(function: Callable[..., Any]) -> HostFunction:
        called = getattr(function, "__name__", None) if name is None else name
        if called is None:
            raise InvalidFunctionError(f"{function!r} has no name: host_function(name=...) gives it one")
        _check_name(called)
        if not callable(function):
            raise InvalidFunctionError(f"the function {called!r} cannot be called: it is {function!r}")
        shape = HintedShape(called, function)
        return HostFunction(
            name=called,
            call=function,
            parameters=shape.parameters,
            returns=shape.returns,
            help=(inspect.getdoc(function) or "") if help is None else help,
            from_hints=shape,
        )

    return wrap if function is None else wrap(function)


def granted(functions: Iterable[HostFunction | Callable[..., Any]]) -> tuple[HostFunction, ...]:
    """Return the functions that a user wants to grant, plain ones made host functions.

    Raises:
        InvalidFunctionError: Something cannot be granted, or two have one name.
    """
    if isinstance(functions, str | bytes | HostFunction) or not isinstance(functions, Iterable):
        raise InvalidFunctionError(f"functions must be a list of functions, not {functions!r}")
    found: dict[str, HostFunction] = {}
    for each in functions:
        function = each if isinstance(each, HostFunction) else host_function(each)
        if function.name in found:
            raise InvalidFunctionError(f"there are two functions of the name {function.name!r}")
        found[function.name] = function
        if len(found) > MAX_FUNCTIONS:
            raise InvalidFunctionError(f"a guest can be granted at most {MAX_FUNCTIONS} functions")
    return tuple(found.values())


def _check_name(name: object) -> None:
    if (
        not isinstance(name, str)
        or len(name) > MAX_NAME_CHARACTERS
        or not name.isidentifier()
        or keyword.iskeyword(name)
        or name.startswith("_")
        or unicodedata.normalize("NFKC", name) != name  # Python looks for the normal form
    ):
        raise InvalidFunctionError(
            f"{name!r} cannot be the name of a function: it must be an identifier of at most {MAX_NAME_CHARACTERS} "
            "characters, no keyword, and not begin with '_'"
        )


def _is_async(call: Callable[..., Any]) -> bool:
    return inspect.iscoroutinefunction(call) or inspect.iscoroutinefunction(getattr(call, "__call__", None))  # noqa: B004


def _described(parameter: Parameter) -> list[object]:
    default = parameter.default
    has_default = int(default is not ABSENT)
    try:
        if has_default and (not is_plain((default,)) or len(msgspec.json.encode(default)) > MAX_DEFAULT_BYTES):
            has_default = 2
    except (ValueError, msgspec.MsgspecError):  # no number, a text that is none, an integer without end
        has_default = 2
    return [parameter.name, parameter.kind, has_default, default if has_default == 1 else None, parameter.annotation]
