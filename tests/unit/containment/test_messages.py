"""What a parent decodes is one of a few types, or refused."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wasihost.containment import messages

GRANT = messages.GrantSaid("/d", True, "", False, (10, 2))
TO_WORKER: list[messages.ToWorker] = [
    messages.Load(
        protocol=1, runtime="r", metered=True, compiled="/c", image="/i", libraries=[("/s", "/lib")],
        memory_bytes=2**28, slots=16,
    ),
    messages.Configure(grants=[GRANT, GRANT], room=None, open_files=1, file_bytes=2**50, memory_bytes=2**32),
    messages.Execute(
        number=1, request=b"r", stdin=b"\0\xff", stdin_descriptor=False, fuel=None, memory_bytes=2**32,
        deadline_seconds=0.5,
        output_bytes=2**32, output_ends_run=True, streams=False, open_files=2, host_calls=3, disk_bytes=4,
        disk_files=5, reply_bytes=6, brought=[(1, "/o")], snapshot=True, session=None, forget=[],
        calls=messages.CallsSaid(10, 20, 4, b"no", b"more"),
    ),
    messages.Execute(
        number=2, request=b"", stdin=b"", stdin_descriptor=False, fuel=1, memory_bytes=65536, deadline_seconds=1.0,
        output_bytes=0, output_ends_run=False, streams=True, open_files=0, host_calls=0, disk_bytes=0,
        disk_files=0, reply_bytes=0, brought=[], snapshot=False,
        session=messages.SessionSaid(3, messages.AttachSaid(65536, [("g", "i64", -1)], [(1, 2, 0, 3)], 1, 0)),
        forget=[4, 5], calls=None,
    ),
    messages.Answer(number=1, call=2, reply=b"\0\xff"),
]  # fmt: skip
FROM_WORKER: list[messages.FromWorker] = [
    messages.Loaded(protocol=1, version="1.0"),
    messages.Ready(walls=["landlock"], missing=[("seccomp", "not compiled in")]),
    messages.Failed(reason="why"),
    messages.Output(stream=1, data=b"\0\xffdata"),
    messages.Call(number=1, call=2, message=b"\0\xff"),
    messages.Done(
        number=1, ending="exited", detail="", exit_code=3, reply=None, stdout=(b"x", 1), stderr=None, fuel_consumed=7,
        memory_bytes=8, cpu_seconds=0.25, wall_seconds=0.5, worn=True,
        snapshot=messages.SnapshotSaid(65536, [("g", "i32", 1)], 0, 2), checkpoint=None,
    ),
    messages.Done(
        number=1, ending="returned", detail="d", exit_code=0, reply=b"{}", stdout=None, stderr=(b"", 0),
        fuel_consumed=None,
        memory_bytes=0, cpu_seconds=0.0, wall_seconds=0.0, worn=False, snapshot=None,
        checkpoint=messages.CheckpointSaid(65536, [("g", "i32", 1)], [(1, 2, 3), (4, 5, 6)], 0, b"\0"),
    ),
]  # fmt: skip


def test_messages_come_back_as_they_were() -> None:
    for told in TO_WORKER:
        assert messages.decode_to_worker(messages.encode(told)) == told
    for heard in FROM_WORKER:
        assert messages.decode_from_worker(messages.encode(heard)) == heard


def test_neither_side_takes_the_messages_of_the_other() -> None:
    for told in TO_WORKER:
        with pytest.raises(messages.DecodeError):
            messages.decode_from_worker(messages.encode(told))
    for heard in FROM_WORKER:
        with pytest.raises(messages.DecodeError):
            messages.decode_to_worker(messages.encode(heard))


def decode(data: bytes) -> None:
    """Decode as the parent does: one of its types, or DecodeError and nothing else."""
    try:
        message = messages.decode_from_worker(data)
    except messages.DecodeError:
        return
    heard = (messages.Loaded, messages.Ready, messages.Failed, messages.Output, messages.Call, messages.Done)
    assert type(message) in heard
    check(message)


def check(message: messages.FromWorker) -> None:
    """Each field is of exactly the type that is written in its class."""
    for name in message.__struct_fields__:
        value = getattr(message, name)
        if isinstance(value, messages.SnapshotSaid):
            assert all(type(number) is int for number in (value.memory_bytes, value.open_files, value.entropy_reads))
            value = value.globals
            assert all([type(part) for part in entry] == [str, str, int] for entry in value)
        if isinstance(value, messages.CheckpointSaid):
            assert all(type(number) is int for number in (value.memory_bytes, value.open_files))
            assert type(value.files) is bytes
            assert all([type(part) for part in entry] == [int, int, int] for entry in value.written)
            value = value.globals
            assert all([type(part) for part in entry] == [str, str, int] for entry in value)
        assert isinstance(value, bool | int | float | str | bytes | list | tuple | None), (name, value)
        if isinstance(value, list):
            assert all(isinstance(entry, str | tuple) for entry in value)


@given(st.binary(max_size=300))
@settings(max_examples=400, deadline=None)
def test_random_bytes(data: bytes) -> None:
    decode(data)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    data = bytearray(messages.encode(draw(st.sampled_from([*FROM_WORKER, *TO_WORKER]))))
    for _ in range(draw(st.integers(1, 4))):
        where = draw(st.integers(0, len(data)))
        what = draw(st.sampled_from(("set", "cut", "insert", "repeat")))
        if what == "set" and where < len(data):
            data[where] = draw(st.integers(0, 255))
        elif what == "cut":
            del data[where : where + draw(st.integers(1, 8))]
        elif what == "insert":
            data[where:where] = draw(st.binary(min_size=1, max_size=8))
        else:
            data[where:where] = data[where : where + 16]
    return bytes(data)


@given(mutated())
@settings(max_examples=400, deadline=None)
def test_mutated_messages(data: bytes) -> None:
    decode(data)


SHAPES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=8)
    | st.binary(max_size=8),
    lambda inner: st.lists(inner, max_size=12) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=15,
)


@given(
    st.sampled_from(["loaded", "ready", "failed", "output", "call", "done", "load", "execute", "answer", ""]),
    st.lists(SHAPES, max_size=14),
)
@settings(max_examples=80, deadline=None)
def test_well_formed_nonsense(tag: str, fields: list[Any]) -> None:
    decode(msgspec.msgpack.encode([tag, *fields]))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x91" * 100_000,  # a nest
        b"\xdd\xff\xff\xff\xff",  # an array of 2**32 - 1 entries that are not there
        b"\xc6\xff\xff\xff\xff",  # as many bytes
        b"\xdf\xff\xff\xff\xff",  # a mapping
        b"\x93\xa6output\x01\xc6\xff\xff\xff\xff",
        messages.encode(FROM_WORKER[3]) + b"\0",  # something after the end
        messages.encode(FROM_WORKER[3]) * 2,
        msgspec.msgpack.encode({"type": "output", "stream": 1, "data": b""}),
        msgspec.msgpack.encode(["output", 1.0, b""]),
        msgspec.msgpack.encode(["output", "1", b""]),
        msgspec.msgpack.encode(["output", True, b""]),
        msgspec.msgpack.encode(["output", 1]),
        msgspec.msgpack.encode(["output", 1, "text"]),
        msgspec.msgpack.encode(["loaded", 1, b"bytes"]),
        b"\x93\xa1\xa6",  # a tag that is not UTF-8
        b"\x92\xa6failed\xa2\xc3\x28",
        msgspec.msgpack.encode(["unknown", 1, b""]),
        msgspec.msgpack.encode([1, 1, b""]),
    ],
)
def test_these_are_refused(data: bytes) -> None:
    with pytest.raises(messages.DecodeError):
        messages.decode_from_worker(data)
