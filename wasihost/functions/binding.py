"""From positional and keyword arguments to parameters, by the rules of Python, with its words when they do not fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from inspect import Parameter as Declared
from typing import Any, Final, NamedTuple

from wasihost.functions.mistakes import ArgumentsError

POSITIONAL_ONLY: Final = Declared.POSITIONAL_ONLY.name
POSITIONAL_OR_KEYWORD: Final = Declared.POSITIONAL_OR_KEYWORD.name
VAR_POSITIONAL: Final = Declared.VAR_POSITIONAL.name
KEYWORD_ONLY: Final = Declared.KEYWORD_ONLY.name
VAR_KEYWORD: Final = Declared.VAR_KEYWORD.name

ABSENT: Final = object()
"""Stands for an argument that was not given."""
MAX_NAMED_CHARACTERS: Final = 100
"""Of a guest's own word in a message to it."""


class BoundCall(NamedTuple):
    """What to call a function with: `function.call(*args, **kwargs)`."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One parameter of a function.

    Attributes:
        name: Its name.
        kind: As in `inspect.Parameter`: "POSITIONAL_ONLY", "POSITIONAL_OR_KEYWORD", "VAR_POSITIONAL", "KEYWORD_ONLY" or
            "VAR_KEYWORD".
        default: What holds when it is not given, or ABSENT.
        annotation: Its type, as text.
    """

    name: str
    kind: str
    default: object = ABSENT
    annotation: str = ""

    @property
    def required(self) -> bool:
        """Whether a call needs it."""
        return self.default is ABSENT and self.kind not in (VAR_POSITIONAL, VAR_KEYWORD)


class Binding:
    """The parameters of a function, made ready for its calls.

    Args:
        function: What guests call it.
        parameters: Its parameters, in order.
        always_more: Whether there is a dict for `**kwargs` even when there is nothing in it.
    """

    __slots__ = (
        "_always_more",
        "_double_star",
        "_function",
        "_keywords",
        "_parameters",
        "_positional",
        "_required",
        "_simple",
        "_star",
    )

    def __init__(self, function: str, parameters: Sequence[Parameter], *, always_more: bool = False) -> None:
        kinds = [parameter.kind for parameter in parameters]
        names = {kind: [each.name for each in parameters if each.kind == kind] for kind in kinds}
        self._function = function
        self._parameters = tuple(parameters)
        self._positional = (*names.get(POSITIONAL_ONLY, ()), *names.get(POSITIONAL_OR_KEYWORD, ()))
        self._keywords = frozenset((*names.get(POSITIONAL_OR_KEYWORD, ()), *names.get(KEYWORD_ONLY, ())))
        self._required = frozenset(each.name for each in parameters if each.required)
        self._star = next(iter(names.get(VAR_POSITIONAL, ())), None)
        self._double_star = next(iter(names.get(VAR_KEYWORD, ())), None)
        self._always_more = always_more
        self._simple = len(self._positional) == len(parameters)

    def gather(self, args: Sequence[Any], kwargs: dict[str, Any]) -> dict[str, Any]:
        """Return the arguments by the names of their parameters: a list for `*args`, a dict for `**kwargs`.

        Raises:
            ArgumentsError: They do not fit the parameters.
        """
        given: dict[str, Any] = dict(zip(self._positional, args, strict=False))
        if len(args) > len(self._positional):
            if self._star is None:
                most = len(self._positional)
                plural, verb = "s" * (most != 1), "was" if len(args) == 1 else "were"
                raise self._refusal(f"takes {most} positional argument{plural} but {len(args)} {verb} given")
            given[self._star] = list(args[len(self._positional) :])
        if kwargs or self._always_more:
            self._add_keywords(given, kwargs)
        if not self._required <= given.keys():
            missing = [repr(each.name) for each in self._parameters if each.required and each.name not in given]
            raise self._refusal(f"missing required argument{'s' * (len(missing) > 1)}: {', '.join(missing)}")
        return given

    def spread(self, given: int, values: tuple[Any, ...]) -> BoundCall:
        """Return what to call with, from one value for each parameter, ABSENT for those that were not given.

        Args:
            given: How many were.
            values: The values, in the order of the parameters.
        """
        if self._simple and given == len(values):
            return BoundCall(values, {})
        args: list[Any] = []
        kwargs: dict[str, Any] = {}
        for parameter, value in zip(self._parameters, values, strict=True):
            if value is ABSENT:
                continue
            if parameter.kind == VAR_POSITIONAL:
                args += value
            elif parameter.kind == VAR_KEYWORD:
                kwargs |= value
            elif parameter.kind == KEYWORD_ONLY or (
                # After a gap; those that have no name for a call never come after one.
                parameter.kind == POSITIONAL_OR_KEYWORD and len(args) < self._positional.index(parameter.name)
            ):
                kwargs[parameter.name] = value
            else:
                args.append(value)
        return BoundCall(tuple(args), kwargs)

    def _add_keywords(self, given: dict[str, Any], kwargs: dict[str, Any]) -> None:
        others: dict[str, Any] = {}
        for name, value in kwargs.items():
            if name in self._keywords:
                if name in given:
                    raise self._refusal(f"got multiple values for argument {name!r}")
                given[name] = value
            elif self._double_star is not None:
                others[name] = value
            elif name in self._positional:
                raise self._refusal(f"got a positional-only argument passed as keyword argument: {name!r}")
            else:
                raise self._refusal(f"got an unexpected keyword argument {name[:MAX_NAMED_CHARACTERS]!r}")
        if self._double_star is not None and (others or self._always_more):
            given[self._double_star] = others

    def _refusal(self, what: str) -> ArgumentsError:
        return ArgumentsError("TypeError", f"{self._function}() {what}")
