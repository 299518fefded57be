"""Values, and strategies for them, that pass between host and guest; both ends of the wire are held together."""

from __future__ import annotations

import datetime
import decimal
import uuid
from typing import Any

from hypothesis import strategies as st

from wasihost.functions.reading import decode
from wasihost.functions.writing import encode_value
from wasihost.guest.values import message_of, value_of_reply

TEXTS = st.text(st.characters(codec="utf-8"), max_size=12)
KEYS = st.one_of(TEXTS, st.sampled_from(["$", "a", "\\", '"', "[", "{"]))
ZONES = st.sampled_from([None, datetime.UTC, datetime.timezone(datetime.timedelta(hours=-3, minutes=-30))])
PLAIN_LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-(10**60), 10**60),
    st.floats(allow_nan=False, allow_infinity=False),
    TEXTS,
)
NATIVE_LEAVES = st.one_of(
    st.binary(max_size=40),
    st.datetimes(timezones=ZONES),
    st.dates(),
    st.times(timezones=ZONES),
    st.timedeltas(),
    st.decimals(allow_nan=False, allow_infinity=False).filter(lambda value: abs(value.as_tuple().exponent) < 4000),
    st.uuids(),
)


def trees(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.recursive(
        leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=12
    )


PLAIN_TREES = trees(PLAIN_LEAVES)
TREES = trees(PLAIN_LEAVES | NATIVE_LEAVES)

SAMPLES = [
    b"",
    b"\0\xff" * 10,
    datetime.datetime(2024, 2, 29, 23, 59, 59, 999_999),
    datetime.datetime(2024, 2, 29, tzinfo=datetime.UTC),
    datetime.date(1, 1, 1),
    datetime.time(1, 2, 3, 4, tzinfo=datetime.timezone(datetime.timedelta(seconds=1))),
    datetime.timedelta(days=-1, seconds=5, microseconds=7),
    datetime.timedelta.max,
    decimal.Decimal("-0.00"),
    decimal.Decimal("1E+4300"),
    decimal.Decimal("1E-4300"),
    uuid.UUID(int=7),
    {"$": 1},
    {"$": {"$": [b"x", {"$": None, "a": b"y"}]}},
    {"$": ["bytes", 0, 5]},
    10**4299,
    -(10**4298),
    -0.0,
    5e-324,
    1.7976931348623157e308,
    "\0\x1f\x7f\u2028\U0001f600\\\"[{]}'",
]


def same(one: Any, other: Any) -> bool:
    """Whether two values are equal and of the same types, all the way down; zones as offsets."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, datetime.datetime | datetime.time):
        return one == other and one.utcoffset() == other.utcoffset()
    return repr(one) == repr(other)


def to_host(value: Any) -> Any:
    name, args, kwargs = decode(message_of("f", (value,), {"k": value}))
    assert name == "f"
    assert len(args) == 1
    assert same(args[0], kwargs["k"])
    return args[0]


def to_guest(value: Any) -> Any:
    kind, found = value_of_reply(encode_value(value))
    assert kind == 0
    return found


def frame(header: bytes, blobs: bytes = b"") -> bytes:
    return len(header).to_bytes(4, "little") + header + blobs
