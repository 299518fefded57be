"""What one end of the wire sends is what the other end gets, in both directions."""

from __future__ import annotations

import ast
import collections
import dataclasses
import datetime
import decimal
import enum
import json
import math
import uuid
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from wire_lab import PLAIN_TREES, SAMPLES, TREES, frame, same, to_guest, to_host

from wasihost.functions.mistakes import ReplyError
from wasihost.functions.reading import decode
from wasihost.functions.writing import encode_error, encode_value
from wasihost.guest import values
from wasihost.guest.values import message_of, value_of_reply

GUEST = Path(values.__file__).parent


class Colour(enum.Enum):
    RED = "r"
    RAW = b"\1"


class Level(enum.IntEnum):
    LOW = 1


class Pair(NamedTuple):
    left: int
    right: bytes


@dataclasses.dataclass
class Point:
    x: int
    y: Any = None


class Text(str):
    __slots__ = ()


class Number(float):
    def __str__(self) -> str:
        return "not this"

    __repr__ = __str__


@given(TREES)
def test_a_guest_sends_what_the_host_reads(value: Any) -> None:
    assert same(to_host(value), value)


@given(TREES)
def test_the_host_sends_what_a_guest_reads(value: Any) -> None:
    assert same(to_guest(value), value)


@given(PLAIN_TREES)
def test_what_json_has_a_form_for_is_sent_as_it_is(value: Any) -> None:
    message = message_of("f", (value,), {})
    assert json.loads(message[4:]) == ["f", [value], {}]
    assert json.loads(encode_value(value)[4:]) == [0, value]


@pytest.mark.parametrize("value", SAMPLES, ids=lambda value: repr(value)[:30])
def test_samples_arrive(value: Any) -> None:
    assert same(to_host(value), value)
    assert same(to_guest(value), value)
    assert same(to_host([value, {"a": [value]}]), [value, {"a": [value]}])
    assert same(to_guest([value, {"a": [value]}]), [value, {"a": [value]}])


def test_a_message_is_as_it_is_written_down() -> None:
    assert message_of("f", (1, "ä"), {"k": None}) == frame('["f",[1,"ä"],{"k":null}]'.encode())
    marked = b'["f",[{"$":["bytes",0,1]},{"$":["dict",[["$",2]]]}],{"k":{"$":["bytes",1,2]}},1]'
    assert message_of("f", (b"x", {"$": 2}), {"k": b"yz"}) == frame(marked, b"xyz")
    assert encode_value([1, "ä"]) == frame('[0,[1,"ä"]]'.encode())
    assert encode_value(b"xy") == frame(b'[0,{"$":["bytes",0,2]},1]', b"xy")
    assert encode_error("ValueError", "ä") == frame('[1,"ValueError","ä"]'.encode())
    assert value_of_reply(encode_error("ValueError", "ä")) == (1, "ValueError", "ä")


@pytest.mark.parametrize(
    ("sent", "got"),
    [
        ((1, (2,)), [1, [2]]),
        (Point(1, Point(2)), {"x": 1, "y": {"x": 2, "y": None}}),
        (Pair(1, b"x"), [1, b"x"]),
        (Colour.RED, "r"),
        (Colour.RAW, b"\1"),
        ([Level.LOW], [1]),
        (bytearray(b"x"), b"x"),
        (memoryview(b"abc")[::-1], b"cba"),
        (Text("x"), "x"),
        ({Text("x"): Text("y")}, {"x": "y"}),
        (Number(1.5), 1.5),
        (collections.OrderedDict(a=b"x"), {"a": b"x"}),
        (collections.defaultdict(list, a=[1]), {"a": [1]}),
    ],
    ids=repr,
)
def test_a_guest_may_send_what_has_a_plain_form(sent: Any, got: Any) -> None:
    assert same(to_host(sent), got)


def half_pair() -> str:
    return "\ud800"


def endless() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


def nested(depth: int, leaf: Any = None) -> Any:
    for _ in range(depth):
        leaf = [leaf]
    return leaf


REFUSED_BOTH_WAYS = [
    (math.nan, "Out of range|NaN"),
    ([1.0, math.inf], "Out of range|infinite"),
    ({"a": [-math.inf, b"x"]}, "Out of range|infinite"),
    (10**4300, "4300 digits"),
    ("\ud800", "surrogate"),
    ({"\udfff": b""}, "surrogate"),
    (nested(101), "more than 100 lists"),
    (nested(101, b""), "more than 100 lists"),
    (endless(), "more than 100 lists"),
    (decimal.Decimal("NaN"), "no number"),
    (decimal.Decimal("-Infinity"), "no number"),
]


@pytest.mark.parametrize(("value", "words"), REFUSED_BOTH_WAYS, ids=range(len(REFUSED_BOTH_WAYS)))
def test_what_has_no_form_is_refused_where_it_comes_from(value: Any, words: str) -> None:
    for call in (((value,), {}), ((), {"k": value}), ((b"", value), {})):
        with pytest.raises(ValueError, match=words):
            message_of("f", *call)
    with pytest.raises(ReplyError, match=words):
        encode_value(value)
    with pytest.raises(ReplyError, match=words):
        encode_value([b"", value])


def test_the_deepest_that_may_be() -> None:
    assert same(to_host(nested(100)), nested(100))
    assert same(to_host(nested(100, b"x")), nested(100, b"x"))
    assert same(to_guest(nested(100)), nested(100))
    assert same(to_guest(nested(100, b"x")), nested(100, b"x"))
    value: Any = datetime.timedelta(1)
    for _ in range(100):
        value = {"$": value}
    assert same(to_host(value), value)
    assert same(to_guest(value), value)
    with pytest.raises(ValueError, match="more than 100"):
        message_of("f", ({"$": value},), {})


@pytest.mark.parametrize(
    "value", [{1, 2}, frozenset(), object(), 1j, {1: 2}, {None: b""}, [{b"x": 1}], range(3), Point, len], ids=repr
)
def test_what_is_no_value_is_a_type_error_inside(value: Any) -> None:
    with pytest.raises(TypeError, match=r"cannot be passed to the host|must be str"):
        message_of("f", (value,), {})
    with pytest.raises(ReplyError, match=r"no form|must be str"):
        encode_value(value)


def test_a_decimal_of_very_many_digits_stays_inside() -> None:
    for text in ("1E+4301", "1E-4301", "0E+999999", "1" * 4302):
        with pytest.raises(ValueError, match="exponent beyond 4300"):
            message_of("f", (decimal.Decimal(text),), {})


def test_the_message_of_an_exception_always_has_a_form() -> None:
    assert value_of_reply(encode_error("E", half_pair() + "x" * 20_000)) == (1, "E", "?" + "x" * 16_383)


def test_kinds_that_are_kinds_of_others() -> None:
    class Later(datetime.datetime):
        pass

    assert same(to_host(Later(2024, 1, 2)), datetime.datetime(2024, 1, 2))
    assert same(to_guest(Later(2024, 1, 2)), datetime.datetime(2024, 1, 2))


def test_large_bytes_are_sent_as_they_are() -> None:
    large = b"\0\xff" * 1_000_000
    message = message_of("f", (large,), {})
    assert len(message) < len(large) + 100
    assert decode(message) == ("f", [large], {})
    assert to_guest(large) == large


def test_the_guests_end_takes_no_name_that_the_harness_has() -> None:
    def names(path: Path) -> set[str]:
        found = set()
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                found.add(node.name)
            elif isinstance(node, ast.Assign):
                found |= {name.id for target in node.targets for name in ast.walk(target) if isinstance(name, ast.Name)}
            elif isinstance(node, ast.Import | ast.ImportFrom):
                found |= {alias.asname or alias.name for alias in node.names}
        return found

    own = names(GUEST / "values.py")
    assert {"message_of", "value_of_reply", "json"} <= own
    modules = {"dataclasses", "datetime", "decimal", "enum", "json", "uuid"}
    for path in GUEST.glob("*.py"):
        if path.name != "values.py":
            assert not (own - modules) & names(path), path.name


def test_a_uuid_of_any_kind() -> None:
    for version in (uuid.uuid1(), uuid.uuid4(), uuid.UUID(int=0)):
        assert same(to_host(version), version)
