"""Replies are the guest's word: whatever they hold, the answer is a Reply of checked types or a ValueError."""

from __future__ import annotations

import enum
import json
import marshal
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wasihost.image.image_protocol import ImageReply, ImageRequest, read_image_reply
from wasihost.image.protocol import MESSAGE_BYTES, Reply, Request, decode_reply, framed
from wasihost.result import Denial, GuestError

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=10,
)


def frame(head: object, value: bytes = b"") -> bytes:
    text = head if isinstance(head, bytes) else json.dumps(head).encode()
    return len(text).to_bytes(4, "little") + text + value


def decode(raw: bytes) -> Reply | None:
    try:
        return decode_reply(raw, value_bytes=1000)
    except ValueError:
        return None


@given(st.binary(max_size=200))
def test_random_bytes(raw: bytes) -> None:
    reply = decode(raw)
    assert reply is None or isinstance(reply, Reply)


@given(head=JSON, value=st.binary(max_size=20))
def test_random_json(head: Any, value: bytes) -> None:
    reply = decode(frame(head, value))
    if not (isinstance(head, dict) and isinstance(head.get("exit_code"), int) and 0 <= head["exit_code"] <= 255):
        assert reply is None


@given(
    error=JSON,
    denials=JSON,
    code=st.integers(-1, 256) | st.booleans() | st.none(),
)
def test_random_members(error: Any, denials: Any, code: Any) -> None:
    reply = decode(frame({"exit_code": code, "error": error, "denials": denials}))
    if reply is not None:
        assert type(reply.exit_code) is int
        assert 0 <= reply.exit_code <= 255
        assert reply.error is None or isinstance(reply.error, GuestError)
        assert all(isinstance(denial, Denial) for denial in reply.denials)


@given(JSON)
def test_a_value_comes_back_as_it_was(value: Any) -> None:
    raw = json.dumps(value).encode()
    reply = decode_reply(frame({"exit_code": 0}, raw), value_bytes=len(raw))
    assert reply == Reply(exit_code=0, value=value, error=None, denials=())


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\0\0\0",
        b"\0\0\0\0",
        b"\xff\xff\xff\xff{}",
        frame(b"[" * 100_000),
        frame(b'{"exit_code":' + b"9" * 5000 + b"}"),
        frame(b'{"exit_code": NaN}'),
        frame(b'{"exit_code": Infinity}'),
        frame(b'\xff{"exit_code": 0}'),
        frame({"exit_code": 0}, b"NaN"),
        frame({"exit_code": 0}, b"1e999"),
        frame({"exit_code": 0}, b"[-1e999]"),
        frame({"exit_code": 0}, b"[" * 999),
        frame({"exit_code": 0}, b'"\xff"'),
        frame({"exit_code": 0}, b" " * 1001),
        frame({"exit_code": 0}, b"1 2"),
        frame({"exit_code": 256}),
        frame({"exit_code": -1}),
        frame({"exit_code": "0"}),
        frame({"exit_code": 0.0}),
        frame({"exit_code": 0, "broken": True}),
        frame({"exit_code": 0, "error": ["a", "b"]}),
        frame({"exit_code": 0, "error": ["a", "b", 3]}),
        frame({"exit_code": 0, "error": "abc"}),
        frame([0]),
        frame({"exit_code": 0, "x": "y" * MESSAGE_BYTES}),
    ],
    ids=range(26),
)
def test_nonsense_is_refused(raw: bytes) -> None:
    with pytest.raises(ValueError, match=r"^(the interpreter's reply makes no sense|the program left the interpreter)"):
        decode_reply(raw, value_bytes=1000)


def test_a_digit_bomb_in_the_value_is_no_value() -> None:
    raw = b"9" * 5000
    assert decode_reply(frame({"exit_code": 0}, raw), value_bytes=10_000).value is None
    assert decode_reply(frame({"exit_code": 0}, b"[" + raw + b"]"), value_bytes=10_000).value is None
    assert decode_reply(frame({"exit_code": 0}, raw[:4300]), value_bytes=10_000).value == int("9" * 4300)
    with pytest.raises(ValueError, match=r"^the interpreter's reply makes no sense$"):
        decode_reply(frame(b'{"exit_code": ' + raw + b"}"), value_bytes=10_000)


def test_lone_surrogates_in_texts_become_printable() -> None:
    reply = decode_reply(
        frame(b'{"exit_code": 1, "error": ["\\ud800", "m", "t"], "denials": [["read", "/\\udcff"]]}'), value_bytes=0
    )
    assert reply.error == GuestError(type="?", message="m", traceback="t")
    assert reply.denials == (Denial(kind="read", target="/?"),)


def test_denials_are_bounded_and_of_known_kinds() -> None:
    said = [["read", f"/{n}"] for n in range(100)]
    reply = decode_reply(
        frame({"exit_code": 0, "denials": [["rm", "/x"], ["read"], ["read", 3], *said]}), value_bytes=0
    )
    assert reply.denials == tuple(Denial(kind="read", target=f"/{n}") for n in range(16))


@given(source=st.binary(max_size=100), argv=st.lists(st.text(max_size=5), max_size=3), path=st.text(max_size=5))
def test_a_request_says_what_it_was_made_of(source: bytes, argv: list[str], path: str) -> None:
    raw = Request(
        kind="code",
        source=source,
        name="<string>",
        is_file=False,
        argv=argv,
        path=path,
        env={"A": "b"},
        inputs='{"x": [1]}',
        grants=[("/data", True)],
        stream=False,
        value_bytes=7,
    ).encode()
    cut = 4 + int.from_bytes(raw[:4], "little")
    assert raw[cut:] == source
    assert marshal.loads(raw[4:cut]) == {
        "kind": "code",
        "name": "<string>",
        "argv": argv,
        "path": path,
        "env": {"A": "b"},
        "grants": [["/data", True]],
        "value_bytes": 7,
        "inputs": '{"x": [1]}',
    }


def test_a_request_says_nothing_of_what_there_is_not() -> None:
    raw = Request(
        kind="code", source=b"1", name="<string>", is_file=False, argv=["-c"], path="", env={}, inputs="{}", grants=[],
        stream=False, value_bytes=7,
    ).encode()  # fmt: skip
    assert set(marshal.loads(raw[4:-1])) == {"kind", "name", "argv", "path", "value_bytes"}
    raw = Request(
        kind="code", source=b"1", name="a.py", is_file=True, argv=["-c"], path="", env={}, inputs="{}", grants=[],
        stream=True, value_bytes=7,
    ).encode()  # fmt: skip
    assert {"file": True, "stream": True}.items() <= marshal.loads(raw[4:-1]).items()


class Text(str):
    __slots__ = ()


class Number(enum.IntEnum):
    SEVEN = 7


class Word(enum.StrEnum):
    NAME = "nämë"


def test_texts_and_numbers_of_other_types_are_said_as_what_they_are() -> None:
    raw = Request(
        kind="code", source=b"1", name=Text("<s>"), is_file=False, argv=[Word.NAME, Text("x")], path=Text("/p"),
        env={Text("A"): Word.NAME}, inputs="{}", grants=[(Text("/d"), True)], stream=False, value_bytes=Number.SEVEN,
    ).encode()  # fmt: skip
    assert marshal.loads(raw[4:-1]) == {
        "kind": "code", "name": "<s>", "argv": ["nämë", "x"], "path": "/p", "env": {"A": "nämë"},
        "grants": [["/d", True]], "value_bytes": 7,
    }  # fmt: skip
    with pytest.raises(TypeError, match="cannot say bytes"):
        framed({"kind": b"code"}, b"")


def test_the_host_and_the_harness_agree_on_the_mailbox() -> None:
    from wasihost.engine import doorbell
    from wasihost.image.freeze import CALIBRATE, MARKER, harness_source

    text = harness_source()

    def constant(name: str) -> int:
        found = re.search(rf"^{name} = (\d+)$", text, re.MULTILINE)
        assert found is not None, name
        return int(found.group(1))

    assert constant("MAILBOX_BYTES") == doorbell.MAILBOX_BYTES
    assert constant("BODY") == doorbell.MAILBOX_BODY
    commands = f"{doorbell.FETCH}, {CALIBRATE}, {doorbell.ENTROPY}"
    assert f"FETCH, CALIBRATE, ENTROPY = {commands}\n" in text
    assert f"read_number(box, {doorbell.ANSWER})" in text
    assert f"for amount in ({len(MARKER)}, 400):" in text


# -- images -----------------------------------------------------------------------------------------------------------


def test_a_request_for_an_image() -> None:
    raw = ImageRequest(library="/lib", modules=["a", "b.c"], setup=b"x = 1").encode()
    size = int.from_bytes(raw[:4], "little")
    assert marshal.loads(raw[4 : 4 + size]) == {"kind": "image", "library": "/lib", "modules": ["a", "b.c"]}
    assert raw[4 + size :] == b"x = 1"


def test_a_reply_of_an_image() -> None:
    said = {"failed": "numpy", "imported": ["json", "re"], "entropy": [["uuid", 1], ["", 10]]}
    assert read_image_reply(said) == ImageReply(
        failed="numpy", imported=("json", "re"), entropy=(("uuid", 1), ("", 10))
    )


@pytest.mark.parametrize(
    "said",
    [
        None,
        5,
        "x",
        [],
        {},
        {"failed": None, "imported": None, "entropy": None},
        {"failed": 5, "imported": "json", "entropy": "x"},
        {"failed": ["x"], "imported": {"a": 1}, "entropy": {"a": 1}},
        {"imported": [1, None, ["a"]], "entropy": [1, None, "xy", [], ["a"], ["a", "1"], [1, 1], ["a", True]]},
        {"entropy": [["a", 1.5], ["a", 1, 1]]},
    ],
)
def test_a_reply_of_an_image_that_makes_no_sense_is_empty(said: object) -> None:
    assert read_image_reply(said) == ImageReply(failed="", imported=(), entropy=())


def test_lone_surrogates_do_not_get_out_of_a_reply_of_an_image() -> None:
    said = {"failed": "\ud800", "imported": ["\udfff"], "entropy": [["\ud800", 1]]}
    assert read_image_reply(said) == ImageReply(failed="?", imported=("?",), entropy=(("?", 1),))


@given(said=JSON)
def test_random_replies_of_an_image(said: Any) -> None:
    assert isinstance(read_image_reply(said), ImageReply)
