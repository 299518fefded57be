"""Functions with type hints: what they take, what they refuse and in which words, what they give."""

import asyncio
import collections.abc
import dataclasses
import datetime
import decimal
import enum
import functools
import inspect
import json
import uuid
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, NotRequired, Optional, TypedDict, Union, Unpack

import msgspec
import pydantic
import pytest
from wire_lab import to_guest

from wasihost.errors import ConfigError, GuestVisibleError, InvalidFunctionError
from wasihost.functions.function import HostFunction, granted, host_function
from wasihost.functions.mistakes import ArgumentsError, ReplyError


class Colour(enum.Enum):
    RED = "r"
    BLUE = "b"


class Level(enum.IntEnum):
    LOW = 1


@dataclasses.dataclass
class Point:
    x: int
    y: int = 0
    inner: Optional["Point"] = None


class Options(TypedDict):
    depth: int
    name: NotRequired[str]


class Pair(NamedTuple):
    left: int
    right: str


class Row(msgspec.Struct):
    key: str
    size: int


class Part(pydantic.BaseModel):
    day: datetime.date
    pair: tuple[int, int]
    amount: decimal.Decimal | None = None


class Model(pydantic.BaseModel):
    count: int
    colour: Colour = Colour.RED
    raw: bytes = b""
    part: Part | None = None
    size: Annotated[int, pydantic.Field(ge=0, alias="Size")] = 0

    @pydantic.field_validator("count")
    @classmethod
    def check(cls, value: int) -> int:
        if value == 7:
            raise ValueError("look into /etc/secret")
        if value == 8:
            raise KeyError("look into /etc/secret")
        if value == 9:
            raise GuestVisibleError("nine is not for sale")
        return value


class Strict(msgspec.Struct):
    count: int

    def __post_init__(self) -> None:
        if self.count < 0:
            raise ValueError("look into /etc/secret")


def refused(function: HostFunction, *args: Any, **kwargs: Any) -> tuple[str, str]:
    with pytest.raises(ArgumentsError) as caught:
        function.bind(list(args), kwargs)
    assert "/etc" not in caught.value.message
    return caught.value.kind, caught.value.message


def called(function: HostFunction, *args: Any, **kwargs: Any) -> Any:
    bound = function.bind(list(args), kwargs)
    return function.call(*bound.args, **bound.kwargs)


def takes(hint: Any) -> HostFunction:
    def f(x):
        return x

    f.__annotations__ = {"x": hint}
    return host_function(f)


def gives(hint: Any) -> HostFunction:
    def f():
        return None

    f.__annotations__ = {"return": hint}
    return host_function(f)


@host_function
def search(query: str, /, limit: int = 10, *rest: int, exact: bool = False, **more: str) -> list[str]:
    """Find things."""
    return [query, str(limit), *map(str, rest), str(exact), *more.values()]


def test_a_host_function_is_called_like_the_function() -> None:
    assert search("x", 1, 2, exact=True, a="b") == ["x", "1", "2", "True", "b"]
    assert (search.name, search.help, search.is_async) == ("search", "Find things.", False)
    with pytest.raises(dataclasses.FrozenInstanceError):
        search.name = "other"  # type: ignore[misc]


def test_the_decorator_with_a_name_and_help() -> None:
    @host_function(name="find", help="Finds.")
    def _search(query: str) -> str:
        """Something else."""
        return query

    assert (_search.name, _search.help) == ("find", "Finds.")
    assert host_function(lambda: 1, name="one").help == ""


def test_coroutine_functions_are_async() -> None:
    @host_function
    async def fetch(x: int) -> int:
        return x + 1

    class Fetcher:
        async def __call__(self, x: int) -> int:
            return x + 2

    assert fetch.is_async
    assert asyncio.run(fetch(1)) == 2
    assert asyncio.run(called(fetch, 1)) == 2
    fetcher = host_function(Fetcher(), name="fetcher")
    assert fetcher.is_async
    assert asyncio.run(called(fetcher, x=1)) == 3
    assert refused(fetcher, "1")[0] == "TypeError"


def test_methods_and_partial_functions() -> None:
    class Store:
        def get(self, key: str) -> str:
            return key * 2

    assert called(host_function(Store().get), "a") == "aa"
    assert refused(host_function(Store().get), 1) == ("TypeError", "get() argument key: expected str, got int")

    def power(base: int, exponent: int) -> int:
        return base**exponent

    square = host_function(functools.partial(power, exponent=2), name="square")
    assert called(square, 3) == 9
    assert refused(square, "3")[0] == "TypeError"


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [
        (("q",), {}),
        (("q", 1), {}),
        (("q",), {"limit": 1}),
        (("q", 1, 2, 3), {}),
        (("q", 1, 2, 3), {"exact": True, "a": "x", "query": "own", "rest": "r", "more": "m"}),
        (("q",), {"exact": True}),
    ],
)
def test_arguments_arrive_as_python_would_pass_them(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    assert called(search, *args, **kwargs) == search.call(*args, **kwargs)


def test_what_is_not_given_is_left_to_the_function() -> None:
    marker = object()

    @host_function
    def f(a: int = 1, b: Any = marker, *, c: int = 3) -> Any:
        return a, b, c

    assert called(f) == (1, marker, 3)
    assert called(f, b=2) == (1, 2, 3)
    assert f.bind([], {"b": 2}).kwargs == {"b": 2}
    assert called(f, 5, c=6) == (5, marker, 6)


@pytest.mark.parametrize(
    ("args", "kwargs", "words"),
    [
        ((), {}, "search() missing required argument: 'query'"),
        ((), {"query": "x"}, "search() missing required argument: 'query'"),
        (("x", 1), {"limit": 2}, "search() got multiple values for argument 'limit'"),
        ((1,), {}, "search() argument query: expected str, got int"),
        (("x", True), {}, "search() argument limit: expected int, got bool"),
        (("x", 1.0), {}, "search() argument limit: expected int, got float"),
        (("x", "1"), {}, "search() argument limit: expected int, got str"),
        (("x", None), {}, "search() argument limit: expected int, got null"),
        (("x", 1, 2, "3"), {}, "search() argument rest[1]: expected int, got str"),
        (("x",), {"exact": 1}, "search() argument exact: expected bool, got int"),
        (("x",), {"other": 1}, "search() argument more[...]: expected str, got int"),
    ],
)
def test_what_does_not_fit_is_a_type_error(args: tuple[Any, ...], kwargs: dict[str, Any], words: str) -> None:
    assert refused(search, *args, **kwargs) == ("TypeError", words)


def test_the_words_of_python_for_what_does_not_fit() -> None:
    @host_function
    def two(a: int, b: int) -> int:
        return a

    @host_function
    def none() -> None: ...

    @host_function
    def first(a: int, /, b: int) -> int:
        return a

    assert refused(two) == ("TypeError", "two() missing required arguments: 'a', 'b'")
    assert refused(two, 1, 2, 3) == ("TypeError", "two() takes 2 positional arguments but 3 were given")
    assert refused(none, 1) == ("TypeError", "none() takes 0 positional arguments but 1 was given")
    assert refused(two, 1, 2, c=3) == ("TypeError", "two() got an unexpected keyword argument 'c'")
    assert len(refused(two, 1, 2, **{"c" * 100_000: 3})[1]) < 200
    words = "first() got a positional-only argument passed as keyword argument: 'a'"
    assert refused(first, a=1, b=2) == ("TypeError", words)


NOW = datetime.datetime(2024, 1, 2, tzinfo=datetime.UTC)
SOME = uuid.UUID(int=7)


@pytest.mark.parametrize(
    ("hint", "said", "value"),
    [
        (float, 1, 1.0),
        (Any, {"a": [1, b"x"]}, {"a": [1, b"x"]}),
        (object, b"x", b"x"),
        (None, None, None),
        (bytes, b"x", b"x"),
        (datetime.datetime, NOW, NOW),
        (datetime.date, NOW.date(), NOW.date()),
        (datetime.time, NOW.time(), NOW.time()),
        (datetime.timedelta, datetime.timedelta(1), datetime.timedelta(1)),
        (decimal.Decimal, decimal.Decimal("1.5"), decimal.Decimal("1.5")),
        (uuid.UUID, SOME, SOME),
        (int, 10**100, 10**100),
        (Literal["a", 1], 1, 1),
        (Colour, "b", Colour.BLUE),
        (Level, 1, Level.LOW),
        (Optional[int], None, None),  # noqa: UP045 - both ways to say it
        (int | None, 1, 1),
        (Union[int, str], "x", "x"),  # noqa: UP007 - likewise
        (list[int], [1], [1]),
        (list[bytes], [b"x"], [b"x"]),
        (tuple[int, str], [1, "x"], (1, "x")),
        (tuple[int, ...], [1, 2, 3], (1, 2, 3)),
        (dict[str, list[float]], {"a": [1]}, {"a": [1.0]}),
        (dict[Colour, int], {"r": 1}, {Colour.RED: 1}),
        (dict, {"a": 1}, {"a": 1}),
        (list, ["x"], ["x"]),
        (set[int], [1, 1], {1}),
        (collections.abc.Sequence[int], [1], [1]),
        (collections.abc.Mapping[str, Colour], {"a": "r"}, {"a": Colour.RED}),
        (Point, {"x": 1, "inner": {"x": 2}}, Point(1, 0, Point(2))),
        (list[Point], [{"x": 1, "y": 2}], [Point(1, 2)]),
        (Options, {"depth": 1}, {"depth": 1}),
        (Pair, [1, "x"], Pair(1, "x")),
        (Row, {"key": "a", "size": 1}, Row("a", 1)),
        (dict[str, Row], {"a": {"key": "a", "size": 1}}, {"a": Row("a", 1)}),
        (Annotated[int, msgspec.Meta(ge=0)], 0, 0),
        (Annotated[Point, "a note"], {"x": 1}, Point(1)),
        (bytes | str, b"x", b"x"),
        (bytes | str, "x", "x"),
        (list[bytes | Colour | None], [b"x", "r", None], [b"x", Colour.RED, None]),
        (datetime.datetime | datetime.date | None, NOW.date(), NOW.date()),
        (dict[str, float | int | bytes | str], {"a": 1}, {"a": 1}),
        (Model | list[int] | str, [1], [1]),
        (Model | Part, {"day": NOW.date(), "pair": [1, 2]}, Part(day=NOW.date(), pair=(1, 2))),
        (Model, {"count": 1, "raw": b"\xff"}, Model(count=1, raw=b"\xff")),
        (Model, {"count": 1, "colour": "b", "Size": 5}, Model(count=1, colour=Colour.BLUE, Size=5)),
        (
            Model,
            {"count": 1, "part": {"day": NOW.date(), "pair": [1, 2], "amount": decimal.Decimal("1.50")}},
            Model(count=1, part=Part(day=NOW.date(), pair=(1, 2), amount=decimal.Decimal("1.50"))),
        ),
        (list[Model | None], [None, {"count": 2}], [None, Model(count=2)]),
    ],
    ids=str,
)
def test_hints_and_what_they_take(hint: Any, said: Any, value: Any) -> None:
    found = takes(hint).bind([said], {}).args[0]
    assert found == value
    assert type(found) is type(value)
    json.dumps(takes(hint).parameters)


@pytest.mark.parametrize(
    ("hint", "said", "kind", "words"),
    [
        (int, "1", "TypeError", "x: expected int, got str"),
        (int, b"1", "TypeError", "x: expected int, got bytes"),
        (str, 1, "TypeError", "x: expected str, got int"),
        (str, b"x", "TypeError", "x: expected str, got bytes"),
        (bytes, "eA==", "TypeError", "x: expected bytes, got str"),
        (bool, 1, "TypeError", "x: expected bool, got int"),
        (float, "1.5", "TypeError", "x: expected float, got str"),
        (float, 10**400, "ValueError", "x: number out of range"),
        (datetime.date, "2024-01-02", "TypeError", "x: expected date, got str"),
        (datetime.date, NOW, "TypeError", "x: expected date, got datetime"),
        (datetime.timedelta, 5, "TypeError", "x: expected duration, got int"),
        (decimal.Decimal, 1.5, "TypeError", "x: expected decimal, got float"),
        (uuid.UUID, str(SOME), "TypeError", "x: expected uuid, got str"),
        (Literal["a", "b"], "c", "ValueError", "x: invalid enum value 'c'"),
        (Colour, "RED", "ValueError", "x: invalid enum value 'RED'"),
        (Annotated[int, msgspec.Meta(ge=0, le=9)], 10, "ValueError", "x: expected int <= 9"),
        (Annotated[str, msgspec.Meta(max_length=3)], "xxxx", "ValueError", "x: expected str of length <= 3"),
        (tuple[int, int], [1], "ValueError", "x: expected array of length 2, got 1"),
        (Point, {}, "ValueError", "x: object missing required field x"),
        (Point, {"x": 1, "inner": {"x": "2"}}, "TypeError", "x.inner.x: expected int, got str"),
        (Options, {"depth": None}, "TypeError", "x.depth: expected int, got null"),
        (dict[str, list[int]], {"a": [1, "2"]}, "TypeError", "x[...][1]: expected int, got str"),
        (bytes | str, 1, "TypeError", "x: expected bytes | str, got int"),
        (list[bytes | str], [b"x", None], "TypeError", "x[1]: expected bytes | str, got NoneType"),
        (Strict, {"count": -1}, "ValueError", "x: the value is not valid"),
        (list[Strict], [{"count": 1}, {"count": -1}], "ValueError", "x[1]: the value is not valid"),
        (Model, {"count": "1"}, "ValueError", "x: count: Input should be a valid integer"),
        (Model, {"count": 1, "raw": b"", "part": 1}, "ValueError", "x: part: Input should be"),
        (Model, {"count": 1, "Size": -1}, "ValueError", "x: Size: Input should be greater than or equal to 0"),
        (Model, {"count": 1, "part": {"day": NOW.date(), "pair": [1]}}, "ValueError", "x: part.pair"),
        (Model, {"count": 7}, "ValueError", "x: count: the value is not valid"),
        (list[Model], [{"count": 1}, {"count": 7}], "ValueError", "x[1]: count: the value is not valid"),
        (Model, None, "ValueError", "x: Input should be"),
    ],
    ids=str,
)
def test_hints_and_what_they_refuse(hint: Any, said: Any, kind: str, words: str) -> None:
    found, message = refused(takes(hint), said)
    assert message.lower().startswith(f"f() argument {words}".lower()), message
    assert found == kind
    assert len(message) <= 1000


def test_what_else_a_check_of_the_host_raises_stays_there() -> None:
    assert refused(takes(Model), {"count": 8}) == ("ValueError", "f() got arguments that are not valid")
    assert refused(takes(Model), {"count": 9}) == ("ValueError", "nine is not for sale")


def test_keywords_of_a_typed_dict() -> None:
    @host_function
    def f(**options: Unpack[Options]) -> dict:  # type: ignore[type-arg]
        return options

    assert called(f, depth=1, name="x") == {"depth": 1, "name": "x"}
    assert refused(f, depth="1") == ("TypeError", "f() argument options.depth: expected int, got str")
    assert refused(f) == ("ValueError", "f() argument options: object missing required field depth")

    class Wrong(TypedDict):
        thing: Opaque

    def g(**options: Unpack[Wrong]) -> None: ...

    with pytest.raises(InvalidFunctionError, match=r"the function 'g', parameter 'options' .*Opaque"):
        host_function(g)


def test_what_may_be_missing_before_what_must_be_there() -> None:
    @host_function
    def f(a: int = 1, *, b: str, c: bytes = b"", d: bool) -> Any:
        return a, b, c, d

    assert called(f, 5, b="x", d=True) == (5, "x", b"", True)
    assert called(f, d=True, b="x", c=b"y") == (1, "x", b"y", True)
    assert refused(f, b="x") == ("TypeError", "f() missing required argument: 'd'")


@pytest.mark.parametrize(
    ("hint", "result", "value"),
    [
        (Any, {"a": (1, {2})}, {"a": [1, [2]]}),
        (int, 1, 1),
        (float, 1, 1),
        (None, None, None),
        (bytes, b"x", b"x"),
        (bytes, memoryview(b"x"), b"x"),
        (bytes, bytearray(b"x"), b"x"),
        (Any, [memoryview(b"x")], [b"x"]),
        (datetime.datetime, NOW, NOW),
        (Colour, Colour.RED, "r"),
        (Level, Level.LOW, 1),
        (list[Colour], [Colour.RED], ["r"]),
        (tuple[int, str], (1, "x"), [1, "x"]),
        (list[int], (1, 2), [1, 2]),
        (set[int], {1}, [1]),
        (Point, Point(1, inner=Point(2)), {"x": 1, "y": 0, "inner": {"x": 2, "y": 0, "inner": None}}),
        (list[Point], [Point(1)], [{"x": 1, "y": 0, "inner": None}]),
        (Options, {"depth": 1}, {"depth": 1}),
        (Pair, Pair(1, "x"), [1, "x"]),
        (Row, Row("a", 1), {"key": "a", "size": 1}),
        (Part, Part(day=NOW.date(), pair=(1, 2)), {"day": NOW.date(), "pair": [1, 2], "amount": None}),
        (
            list[Model],
            [Model(count=1)],
            [{"count": 1, "colour": "r", "raw": b"", "part": None, "Size": 0}],
        ),
        (bytes | str, b"x", b"x"),
        (dict, collections.Counter("a"), {"a": 1}),
        (Any, {"a": {"b": Point(1)}}, {"a": {"b": {"x": 1, "y": 0, "inner": None}}}),
    ],
    ids=str,
)
def test_results_and_what_the_guest_gets(hint: Any, result: Any, value: Any) -> None:
    assert to_guest(gives(hint).reply(result)) == value


@pytest.mark.parametrize(
    ("hint", "result"),
    [
        (int, "1"),
        (None, 1),
        (str, None),
        (list[int], ["1"]),
        (Point, {"y": 1}),
        (Options, {}),
        (Colour, "red"),
        (bytes | str, 1),
        (int, Point(1)),
        (Any, object()),
        (Any, [Path("/etc")]),
        (Any, lambda: 1),
        (Any, 1j),
    ],
    ids=str,
)
def test_results_that_were_not_declared(hint: Any, result: Any) -> None:
    with pytest.raises(ReplyError, match=r"^f\(\) returned something else than it declares"):
        gives(hint).reply(result)


def test_a_function_without_hints_takes_and_gives_what_can_be_passed() -> None:
    @host_function
    def f(a, b=2):
        return [a, b]

    assert called(f, {"x": b"y"}) == [{"x": b"y"}, 2]
    assert f.parameters == {
        "type": "object",
        "properties": {"a": {}, "b": {}},
        "required": ["a"],
        "additionalProperties": False,
    }
    assert f.returns is None


class Opaque:
    pass


@pydantic.dataclasses.dataclass
class Checked:
    x: Annotated[int, pydantic.Field(gt=0)]


@dataclasses.dataclass
class Holder:
    held: list[Opaque]


@pytest.mark.parametrize(
    ("hint", "words"),
    [
        (Opaque, "Opaque"),
        (list[Opaque], "Opaque"),
        (Holder, "Opaque"),
        (bytes | str | Opaque, "Opaque"),
        (dict[int, str], "keys of a dict must be str"),
        (dict[str, dict[bytes, str]], "keys of a dict must be str"),
        (Checked, "would not be checked"),
        (list[Checked], "would not be checked"),
        (Annotated[int, pydantic.Field(gt=0)], "would not be checked"),
        (list[Annotated[int, pydantic.Field(gt=0)]], "would not be checked"),
        (collections.abc.Callable[[], int], "Callable"),
        (collections.abc.Iterator[int], "Iterator"),
        (type, "type"),
        (Path, "Path"),
        (msgspec.Raw, "Raw"),
        (msgspec.msgpack.Ext, "Ext"),
    ],
    ids=str,
)
def test_hints_that_nothing_can_be_passed_for(hint: Any, words: str) -> None:
    with pytest.raises(InvalidFunctionError, match=words) as caught:
        takes(hint)
    assert "the function 'f', parameter 'x'" in str(caught.value)
    assert isinstance(caught.value, ConfigError)
    with pytest.raises(InvalidFunctionError, match=r"the function 'f', the result"):
        gives(hint)


def test_hints_that_cannot_be_read() -> None:
    def f(x: "Missing") -> int:  # type: ignore[name-defined]  # noqa: F821
        return 1

    with pytest.raises(InvalidFunctionError, match=r"type hints of the function 'f' cannot be read.*Missing"):
        host_function(f)


def test_generators_are_refused() -> None:
    def one():
        yield 1

    async def two():
        yield 1

    for function in (one, two):
        with pytest.raises(InvalidFunctionError, match="is a generator"):
            host_function(function)


@pytest.mark.parametrize("name", ["", "_f", "__class__", "class", "a b", "a.b", "1a", "a" * 101, "ﬁnd", 1, "a\n"])
def test_names_that_no_function_has(name: Any) -> None:
    with pytest.raises(InvalidFunctionError, match="cannot be the name of a function"):
        host_function(lambda: 1, name=name)


def test_names_that_functions_have() -> None:
    for name in ("a" * 100, "größe", "match"):
        assert host_function(lambda: 1, name=name).name == name
    with pytest.raises(InvalidFunctionError, match="'<lambda>' cannot be the name"):
        host_function(lambda: 1)
    with pytest.raises(InvalidFunctionError, match="has no name"):
        host_function(functools.partial(print))


def test_a_help_that_is_a_book_is_refused() -> None:
    with pytest.raises(InvalidFunctionError, match="help of the function 'f'"):
        host_function(lambda: 1, name="f", help="x" * 16_385)
    assert len(host_function(lambda: 1, name="f", help="x" * 16_384).help) == 16_384


def test_what_is_granted() -> None:
    def other(a: int) -> int:
        return a

    found = granted([search, other])
    assert [type(each) for each in found] == [HostFunction, HostFunction]
    assert found[0] is search
    assert found[1].name == "other"
    assert granted([]) == ()
    assert granted(iter([other]))[0].call is other
    with pytest.raises(InvalidFunctionError, match="two functions of the name 'other'"):
        granted([other, host_function(search.call, name="other")])
    for wrong in ("search", search, 1, None):
        with pytest.raises(InvalidFunctionError, match="must be a list of functions"):
            granted(wrong)  # type: ignore[arg-type]
    with pytest.raises(InvalidFunctionError):
        granted([1])  # type: ignore[list-item]
    many = [host_function(other, name=f"f{number}") for number in range(1001)]
    assert len(granted(many[:1000])) == 1000
    with pytest.raises(InvalidFunctionError, match="at most 1000"):
        granted(many)


def test_what_a_guest_is_told() -> None:
    told = search.describe()
    assert json.loads(json.dumps(told)) == {
        "name": "search",
        "help": "Find things.",
        "is_async": False,
        "parameters": [
            ["query", "POSITIONAL_ONLY", 0, None, "str"],
            ["limit", "POSITIONAL_OR_KEYWORD", 1, 10, "int"],
            ["rest", "VAR_POSITIONAL", 0, None, "int"],
            ["exact", "KEYWORD_ONLY", 1, False, "bool"],
            ["more", "VAR_KEYWORD", 0, None, "str"],
        ],
        "returns": "list[str]",
    }
    for _, kind, *_ in told["parameters"]:
        assert isinstance(getattr(inspect.Parameter, kind), type(inspect.Parameter.VAR_KEYWORD))


def test_defaults_that_json_has_no_form_for_are_not_told() -> None:
    long = "x" * 2000
    half = "\ud800"

    def g(a: Any = long, b: Any = half, c: Any = 10**5000, d: Any = "x" * 1000) -> None: ...

    assert [each[2] for each in host_function(g).describe()["parameters"]] == [2, 2, 2, 1]

    def f(
        a: Any = Path("/etc"), b: Any = float("nan"), c: Any = None, d: Any = (1, {"x": "y"}), e: Any = b"x"
    ) -> None: ...

    told = host_function(f).describe()
    assert [each[2:4] for each in told["parameters"]] == [
        [2, None],
        [2, None],
        [1, None],
        [1, (1, {"x": "y"})],
        [2, None],
    ]
    assert "/etc" not in json.dumps(told)


@pytest.mark.parametrize(
    ("hint", "text"),
    [
        (int | None, "int | None"),
        (Optional[list[Point]], "list[Point] | None"),  # noqa: UP045 - likewise
        (Literal["a", 1], "Literal['a', 1]"),
        (dict[str, Any], "dict[str, Any]"),
        (tuple[int, ...], "tuple[int, ...]"),
        (bytes | str, "bytes | str"),
        (Annotated[int, msgspec.Meta(ge=0)], "int"),
        (datetime.datetime, "datetime"),
        (collections.abc.Sequence[Colour], "Sequence[Colour]"),
    ],
    ids=str,
)
def test_hints_as_text(hint: Any, text: str) -> None:
    assert takes(hint).describe()["parameters"][0][4] == text
    assert gives(hint).describe()["returns"] == text


def test_the_schema_of_parameters() -> None:
    assert search.parameters == {
        "type": "object",
        "properties": {
            "query": {"type": "string"},
            "limit": {"type": "integer"},
            "rest": {"type": "array", "items": {"type": "integer"}},
            "exact": {"type": "boolean"},
        },
        "required": ["query"],
        "additionalProperties": {"type": "string"},
    }
    assert search.returns == {"type": "array", "items": {"type": "string"}}
    assert takes(bytes).parameters["properties"]["x"] == {"type": "string", "format": "binary"}
    point = takes(Point).parameters
    assert point["properties"]["x"] == {"$ref": "#/$defs/Point"}
    assert point["$defs"]["Point"]["required"] == ["x"]
    model = takes(list[Model]).parameters
    assert model["properties"]["x"]["items"]["properties"]["part"]["anyOf"][0] == {"$ref": "#/$defs/Model.Part"}
    assert set(model["$defs"]) == {"Model.Part", "Model.Colour"}
    either = takes(bytes | str | Point).parameters
    assert either["properties"]["x"]["anyOf"][2] == {"$ref": "#/$defs/Point"}
    assert set(either["$defs"]) == {"Point"}
