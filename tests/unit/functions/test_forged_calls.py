"""No bytes make the reader of calls raise anything but MalformedCallError, or take long."""

from __future__ import annotations

import datetime
import json
import sys
import threading
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from wire_lab import PLAIN_TREES, TREES, frame

from wasihost.functions.mistakes import MalformedCallError
from wasihost.functions.reading import decode
from wasihost.guest.values import message_of


def survives(message: bytes) -> None:
    try:
        name, args, kwargs = decode(message)
    except MalformedCallError:
        return
    assert name.isidentifier()
    assert type(args) is list
    assert type(kwargs) is dict


@given(st.binary(max_size=200))
@example(b"")
@example(b"\0\0\0")
@example(b"\xff\xff\xff\xff")
@example(b"\0\0\0\0")
def test_arbitrary_bytes(message: bytes) -> None:
    survives(message)
    survives(frame(message))


@given(PLAIN_TREES, st.binary(max_size=20))
def test_arbitrary_json(said: Any, blobs: bytes) -> None:
    survives(frame(json.dumps(said).encode(), blobs))
    survives(frame(json.dumps(["f", [said], {"k": said}, 1]).encode(), blobs))
    survives(frame(json.dumps(["f", said, said, said]).encode(), blobs))


NAMES = ["bytes", "datetime", "date", "time", "timedelta", "decimal", "uuid", "dict", "other"]
MARKS = st.one_of(
    st.lists(st.one_of(st.sampled_from(NAMES), st.integers(-5, 50), PLAIN_TREES), max_size=4),
    PLAIN_TREES,
)


@given(MARKS, st.binary(max_size=20))
def test_arbitrary_marks(mark: Any, blobs: bytes) -> None:
    survives(frame(json.dumps(["f", [{"$": mark}], {}, 1]).encode(), blobs))


@given(TREES, st.data())
def test_a_message_that_was_changed(value: Any, data: st.DataObject) -> None:
    message = bytearray(message_of("f", (value,), {"k": value}))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(message) - 1))
        message[at] = data.draw(st.integers(0, 255))
    survives(bytes(message))
    survives(bytes(message[: data.draw(st.integers(0, len(message)))]))


NOW = '{"$":["datetime","2024-01-01T00:00:00"]}'


@pytest.mark.parametrize(
    ("header", "blobs"),
    [
        (b"", b""),
        (b"null", b""),
        (b"[]", b""),
        (b'["f"]', b""),
        (b'["f",[]]', b""),
        (b'["f",[],[]]', b""),
        (b'["f",{},{}]', b""),
        (b'["f",[],{},2]', b""),
        (b'["f",[],{},true]', b""),
        (b'["f",[],{},1,1]', b""),
        (b'[1,[],{}]', b""),
        (b'["",[],{}]', b""),
        (b'["a b",[],{}]', b""),
        (b'["a.b",[],{}]', b""),
        (b'["' + b"a" * 101 + b'",[],{}]', b""),
        (b'["f",[NaN],{}]', b""),
        (b'["f",[Infinity],{}]', b""),
        (b'["f",[1e999],{}]', b""),
        (b'["f",[' + b"1" * 4301 + b"],{}]", b""),
        (b'["f",["\\ud800"],{}]', b""),
        (b'["f",["\\udc00\\ud800"],{}]', b""),
        (b'["f",["\xed\xa0\x80"],{}]', b""),
        (b'["f",["\xff"],{}]', b""),
        (b'["f",["\0"],{}]', b""),
        (b'["f",[],{}] ["f",[],{}]', b""),
        (b'["f",[],{}]', b"x"),
        (b'["f",[],{},1]', b"x"),
        (b'["f",[{"$":["bytes",0,1]},{"$":["bytes",0,1]}],{},1]', b"x"),
        (b'["f",[{"$":["bytes",0,2]}],{},1]', b"x"),
        (b'["f",[{"$":["bytes",0,-1]}],{},1]', b""),
        (b'["f",[{"$":["bytes",-1,1]}],{},1]', b"x"),
        (b'["f",[{"$":["bytes",0,1.0]}],{},1]', b"x"),
        (b'["f",[{"$":["bytes",false,true]}],{},1]', b"x"),
        (b'["f",[{"$":["bytes",0,' + b"9" * 400 + b"]}],{},1]", b"x"),
        (b'["f",[{"$":["bytes",0]}],{},1]', b""),
        (b'["f",[{"$":[]}],{},1]', b""),
        (b'["f",[{"$":"bytes"}],{},1]', b""),
        (b'["f",[{"$":["date","2024-01-01"],"a":1}],{},1]', b""),
        (b'["f",[{"$":["pickle","x"]}],{},1]', b""),
        (b'["f",[{"$":["dict",[["a"]]]}],{},1]', b""),
        (b'["f",[{"$":["dict",[[1,2]]]}],{},1]', b""),
        (b'["f",[{"$":["dict",{"a":1}]}],{},1]', b""),
        (b'["f",[{"$":["datetime","2024-13-01"]}],{},1]', b""),
        (b'["f",[{"$":["datetime",1]}],{},1]', b""),
        (b'["f",[{"$":["timedelta",[1,2]]}],{},1]', b""),
        (b'["f",[{"$":["timedelta",[1,2,true]]}],{},1]', b""),
        (b'["f",[{"$":["timedelta",[9999999999,0,0]]}],{},1]', b""),
        (b'["f",[{"$":["timedelta",[' + b"9" * 400 + b',0,0]]}],{},1]', b""),
        (b'["f",[{"$":["decimal","x"]}],{},1]', b""),
        (b'["f",[{"$":["decimal","NaN"]}],{},1]', b""),
        (b'["f",[{"$":["decimal","sNaN"]}],{},1]', b""),
        (b'["f",[{"$":["decimal","Infinity"]}],{},1]', b""),
        (b'["f",[{"$":["decimal","1e999999"]}],{},1]', b""),
        (b'["f",[{"$":["decimal","1e-999999"]}],{},1]', b""),
        (b'["f",[{"$":["decimal","1e99999999999999999999"]}],{},1]', b""),
        (b'["f",[{"$":["decimal","' + b"1" * 10000 + b'"]}],{},1]', b""),
        (b'["f",[{"$":["uuid","{00000000-0000-0000-0000-000000000007}"]}],{},1]', b""),
        (b'["f",[{"$":["uuid",7]}],{},1]', b""),
    ],
    ids=lambda value: repr(value)[:60],
)  # fmt: skip
def test_what_is_no_call(header: bytes, blobs: bytes) -> None:
    with pytest.raises(MalformedCallError):
        decode(frame(header, blobs))


def test_marks_are_marks_only_where_it_is_said() -> None:
    said = f'["f",[{NOW}],{{}}'
    assert decode(frame(f"{said}]".encode())) == ("f", [json.loads(NOW)], {})
    assert decode(frame(f"{said},1]".encode())) == ("f", [datetime.datetime(2024, 1, 1)], {})


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'{"$":["dict",[["a",', b'["[",', b'["\\"[",'])
def test_what_is_nested_without_end_is_refused_before_anything_follows_it(opening: bytes) -> None:
    failures: list[str] = []

    def read() -> None:
        for start in (b"", b'["f",[', b'["f",[],{"k":'):
            for count in (101, 500, 100_000):
                try:
                    decode(frame(start + opening * count))
                except MalformedCallError:
                    continue
                failures.append(f"{start!r} {count}")

    # On a stack that a deep recursion in C would run over.
    before = threading.stack_size(256 * 1024)
    try:
        thread = threading.Thread(target=read)
        thread.start()
        thread.join()
    finally:
        threading.stack_size(before)
    assert failures == []


def test_brackets_in_texts_do_not_count() -> None:
    text = '[{"\\' * 1000
    assert decode(frame(json.dumps(["f", [text, [text]], {text: text}]).encode())) == (
        "f",
        [text, [text]],
        {text: text},
    )
    assert decode(message_of("f", ([[]] * 1000,), {})) == ("f", [[[]] * 1000], {})
    deep: Any = 1
    for _ in range(101):
        deep = [deep]
    with pytest.raises(MalformedCallError, match="too deeply"):
        decode(frame(json.dumps(["f", [deep], {}]).encode()))
    assert decode(frame(json.dumps(["f", deep, {}]).encode())) == ("f", deep, {})
    with pytest.raises(MalformedCallError, match="too deeply"):
        decode(frame(json.dumps(["f", [deep], {}, 1]).encode()))
    assert decode(frame(json.dumps(["f", deep, {}, 1]).encode())) == ("f", deep, {})


def test_a_host_that_allows_itself_long_integers_does_not_allow_them_to_guests() -> None:
    before = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        with pytest.raises(MalformedCallError):
            decode(frame(b'["f",[' + b"7" * 1_000_000 + b"],{}]"))
    finally:
        sys.set_int_max_str_digits(before)


def test_the_same_key_twice_is_the_last() -> None:
    assert decode(frame(b'["f",[],{"a":1,"a":2}]')) == ("f", [], {"a": 2})
