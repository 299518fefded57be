"""What is believed of a reply to a turn: checked types, bounded sizes, and nothing else raised than ValueError."""

from __future__ import annotations

import base64
import json
import marshal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wasihost.image.turn_protocol import (
    BINARY_TYPES,
    MAX_DISPLAYS,
    MAX_OPEN_FILES_TOLD,
    MAX_TEXT_CHARACTERS,
    OpenFile,
    TurnReply,
    TurnRequest,
    decode_files,
    decode_turn_reply,
    read_files,
)

REQUEST: dict[str, Any] = {
    "kind": "turn", "source": b"x", "name": "<turn 1>", "inputs": "{}", "stdin": b"", "start": None, "renew": False,
    "files": (), "grants": [("/d", True)], "stream": False, "value_bytes": 10, "display_bytes": 20, "displays": 3,
    "figures": ("png",),
}  # fmt: skip


def reply(header: Any, value: bytes = b"", displays: bytes = b"") -> bytes:
    head = json.dumps(header).encode()
    return len(head).to_bytes(4, "little") + head + value + displays


def decode(raw: bytes, *, value_bytes: int = 1000, display_bytes: int = 1000) -> TurnReply:
    return decode_turn_reply(raw, value_bytes=value_bytes, display_bytes=display_bytes)


def parts_of(request: TurnRequest) -> tuple[dict[str, Any], bytes]:
    raw = request.encode()
    size = int.from_bytes(raw[:4], "little")
    return marshal.loads(raw[4 : 4 + size]), raw[4 + size :]


def test_a_request_says_what_differs_from_the_usual() -> None:
    head, source = parts_of(TurnRequest(**REQUEST))
    assert (head.pop("kind"), head.pop("name"), source) == ("turn", "<turn 1>", b"x")
    assert head == {"value_bytes": 10, "display_bytes": 20, "displays": 3, "figures": ["png"]}
    file = OpenFile(5, "/tmp/é", "rb", 7)
    head, _ = parts_of(
        TurnRequest(
            **{
                **REQUEST, "stdin": bytes(range(256)), "start": ([""], {"A": "é"}), "renew": True, "files": (file,),
                "stream": True, "inputs": '{"x": [1]}', "kind": "complete", "cursor": 3,
            }
        )
    )  # fmt: skip
    assert head["stdin"].encode("latin-1") == bytes(range(256))
    assert head["start"] == {"argv": [""], "env": {"A": "é"}, "path": ""}
    assert (head["renew"], head["stream"], head["cursor"], head["inputs"]) == (True, True, 3, '{"x": [1]}')
    assert (head["files"], head["grants"]) == ([[5, "/tmp/é", "rb", 7]], [["/d", True]])


def test_a_whole_reply() -> None:
    bundle = {
        "text/plain": "p\ud800", "image/png": base64.b64encode(b"\x89PNG").decode(), "application/json": {"a": [1]},
        "application/x+json": 5, "text/html": 7, "image/gif": "no base64!", "application/pdf": [],
    }  # fmt: skip
    value, shown = b'{"v": 1}', json.dumps([bundle, {}]).encode()
    header = {
        "exit_code": 3, "value": len(value), "text": "t\ud800", "displays_omitted": 2, "lost": ["/a\ud800", 5, None],
        "error": ["E", "m", "t"], "denials": [["read", "/x"]], "more": "ignored",
    }  # fmt: skip
    found = decode(reply(header, value, shown))
    assert (found.reply.exit_code, found.reply.value) == (3, {"v": 1})
    assert found.reply.error is not None
    assert found.reply.error.message == "m"
    assert [denial.target for denial in found.reply.denials] == ["/x"]
    assert (found.text, found.displays_omitted, found.lost) == ("t?", 2, ("/a?",))
    assert [dict(shown) for shown in found.displays] == [
        {"text/plain": "p?", "image/png": b"\x89PNG", "application/json": {"a": [1]}, "application/x+json": 5}, {},
    ]  # fmt: skip
    with pytest.raises(TypeError):
        found.displays[0]["text/plain"] = "x"  # type: ignore[index]
    smallest = decode(reply({"exit_code": 0, "value": 0}))
    assert (smallest.text, smallest.displays, smallest.lost, smallest.reply.value) == (None, (), (), None)


GOOD: dict[str, Any] = {"exit_code": 0, "value": 1}


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"\0\0\0", b"\xff\xff\xff\xff", b"\4\0\0\0nul",
        reply([]), reply("x"), reply(None), reply({}), reply({"exit_code": 0}), reply({"value": 0}),
        reply({**GOOD, "broken": True}, b"1"),
        *[reply({**GOOD, "exit_code": code}, b"1") for code in (-1, 256, "0", None, 0.0, [0])],
        *[reply({**GOOD, "value": length}, b"1") for length in (-1, 2, 10**9, True, "1", None, 1.0)],
        *[reply({**GOOD, "text": text}, b"1") for text in (5, ["x"], {}, True)],
        *[reply({**GOOD, "displays_omitted": omitted}, b"1") for omitted in (-1, "1", 1.5, True, None)],
        *[reply({**GOOD, "error": error}, b"1") for error in ("E", ["E"], ["E", "m", 5], {}, 0)],
        *[reply(GOOD, value) for value in (b"x", b"\xff", b"{")],
        *[reply({**GOOD, "value": 0}, b"", shown) for shown in (b"{}", b"[1]", b"[[]]", b"1", b"[{}", b"\xff")],
        reply({**GOOD, "value": 0}, b"", b"[" + b",".join([b"{}"] * (MAX_DISPLAYS + 1)) + b"]"),
        reply({**GOOD, "value": 0}, b"", b'["' + b"x" * 2000 + b'"]'),
        reply({**GOOD, "value": 0}, b"", b"[" * 500 + b"]" * 500),
        reply({**GOOD, "value": 1001}, b" " * 1001),
        (5).to_bytes(4, "little") + b'{"a":' + b"[" * 100_000,
    ],
    ids=lambda raw: repr(raw[:40]),
)  # fmt: skip
def test_what_makes_no_sense(raw: bytes) -> None:
    with pytest.raises(ValueError, match=r"makes no sense|broken"):
        decode(raw)


def test_texts_are_cut() -> None:
    found = decode(reply({**GOOD, "text": "x" * (MAX_TEXT_CHARACTERS + 5), "lost": ["p" * 5000] * 1100}, b"1"))
    assert found.text is not None
    assert len(found.text) == MAX_TEXT_CHARACTERS
    assert len(found.lost) == MAX_OPEN_FILES_TOLD
    assert max(map(len, found.lost)) == 4096


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
NAMES = st.sampled_from(
    ["exit_code", "value", "text", "displays_omitted", "lost", "error", "denials", "broken", *sorted(BINARY_TYPES)]
)


def check(found: TurnReply) -> None:
    assert type(found.reply.exit_code) is int
    assert found.text is None or type(found.text) is str
    assert type(found.displays_omitted) is int
    for path in found.lost:
        path.encode()
    for bundle in found.displays:
        for mime, data in bundle.items():
            mime.encode()
            assert isinstance(data, bytes) if mime in BINARY_TYPES else True
            assert not mime.startswith("text/") or isinstance(data, str)


@given(st.dictionaries(NAMES, ANY, max_size=8), st.lists(st.dictionaries(NAMES | st.text(max_size=9), ANY), max_size=3))
@settings(max_examples=150, deadline=None)
def test_any_header_and_bundles(header: dict[str, Any], bundles: list[dict[str, Any]]) -> None:
    for more in ({}, {"exit_code": 0, "value": 0, "text": None, "displays_omitted": 0, "error": None, "broken": 0}):
        try:
            check(decode(reply({**header, **more}, b"", json.dumps(bundles).encode())))
        except ValueError as error:
            assert "interpreter" in str(error)


@given(st.binary(max_size=200))
@settings(max_examples=150, deadline=None)
def test_any_bytes(raw: bytes) -> None:
    for data in (raw, len(raw).to_bytes(4, "little") + raw):
        with pytest.raises(ValueError, match="interpreter"):
            check(decode(data))
        assert decode_files(data) == ()


def test_open_files() -> None:
    good = [5, "/tmp/a\ud800", "rb+", 2**62]
    bad: list[Any] = [
        [True, "/a", "rb", 0], [-1, "/a", "rb", 0], [2**31, "/a", "rb", 0], [5, "/a", "rb", -1], [5, "/a", "rb", 2**63],
        [5, "/a", "rb", 1.0], [5, "p" * 5000, "rb", 0], [5, "/a", "mode" * 3, 0], [5, b"".decode(), None, 0], [5], "x",
        {"a": 1}, None, [5, "/a", "rb", 0, 0],
    ]  # fmt: skip
    assert read_files([*bad, good, *bad]) == (OpenFile(5, "/tmp/a?", "rb+", 2**62),)
    assert len(read_files([good] * 3000)) == MAX_OPEN_FILES_TOLD
    for nonsense in (None, {}, "x", 5):
        assert read_files(nonsense) == ()
    assert decode_files(reply({"files": [good]})) == (OpenFile(5, "/tmp/a?", "rb+", 2**62),)
    for raw in (b"", b"\0", reply([]), reply({"files": 5}), b"\5\0\0\0[[[[["):
        assert decode_files(raw) == ()
