"""What parent and worker say to each other, with the types that the receiver insists on.

The parent believes nothing: a worker may be in the hands of a guest that broke out of its wasm. Every message is
decoded into one of these types or refused.
"""

from __future__ import annotations

from typing import Final

import msgspec

PROTOCOL: Final = 4
"""Version of the messages. Parent and worker come from one installation, unless a container holds another."""

MAX_DETAIL_CHARACTERS: Final = 4096
ROOM_BYTES: Final = 4096
"""Longest message apart from what it carries, of those that carry one thing."""


class ToWorker(msgspec.Struct, tag=True, array_like=True):
    """Anything that a worker hears."""


class Load(ToWorker, tag="load"):
    """The first message: what to load. No guest has run yet, and nothing is walled in."""

    protocol: int
    runtime: str
    metered: bool
    compiled: str
    image: str
    libraries: list[tuple[str, str]]
    """Host path and guest path of each."""
    memory_bytes: int
    slots: int


class GrantSaid(msgspec.Struct, array_like=True):
    """A granted directory; its descriptor travels with the message, unless `path` says where it is mounted."""

    guest: str
    writable: bool
    path: str
    overlay: bool
    limit: tuple[int, int] | None


class Configure(ToWorker, tag="configure"):
    """The second: the grants, for which walls leave room. `room` is the path of the folder of brought ones."""

    grants: list[GrantSaid]
    room: str | None
    open_files: int
    file_bytes: int
    memory_bytes: int


class AttachSaid(msgspec.Struct, array_like=True):
    """The memory of a session that is put under a new guest; its layers come along as descriptors."""

    memory_bytes: int
    globals: list[tuple[str, str, int]]
    extents: list[tuple[int, int, int, int]]
    layers: int
    own: int


class SessionSaid(msgspec.Struct, array_like=True):
    """The session that a turn belongs to. Without `attach`, the worker has its guest already."""

    key: int
    attach: AttachSaid | None


class CallsSaid(msgspec.Struct, array_like=True):
    """That the guest may call functions of the host, and how much a call and its reply may hold."""

    message_bytes: int
    reply_bytes: int
    concurrent: int
    """Calls begun at a time; one counts until its reply was taken."""
    too_long: bytes
    """The reply to a call that is longer."""
    too_many: bytes
    """The reply to a call that is one too many at a time."""


class Execute(ToWorker, tag="execute"):
    """Every other: a run, or a turn of a session.

    Descriptors come along: of the folders that it brings (index of the grant, path; "" for a descriptor), of the layers
    of its session, with `snapshot` of a file for the memory, with `stdin_descriptor` of its standard input. `forget`
    names sessions whose guests are not needed any more.
    """

    number: int
    request: bytes
    stdin: bytes
    stdin_descriptor: bool
    fuel: int | None
    memory_bytes: int
    deadline_seconds: float
    output_bytes: int
    output_ends_run: bool
    streams: bool
    open_files: int
    host_calls: int
    disk_bytes: int
    disk_files: int
    reply_bytes: int
    brought: list[tuple[int, str]]
    snapshot: bool
    session: SessionSaid | None
    forget: list[int]
    calls: CallsSaid | None


class Answer(ToWorker, tag="answer"):
    """The reply to a call of the run of that number."""

    number: int
    call: int
    reply: bytes


class FromWorker(msgspec.Struct, tag=True, array_like=True):
    """Anything that a parent hears."""


class Loaded(FromWorker, tag="loaded"):
    """The answer to `Load`."""

    protocol: int
    version: str


class Ready(FromWorker, tag="ready"):
    """The answer to `Configure`, said before any guest has run."""

    walls: list[str]
    missing: list[tuple[str, str]]


class Failed(FromWorker, tag="failed"):
    """The worker cannot do what it was told, and ends."""

    reason: str


class Output(FromWorker, tag="output"):
    """A piece of what the guest printed: stream 1 or 2."""

    stream: int
    data: bytes


class Call(FromWorker, tag="call"):
    """A call of a function of the host, by the guest of the run of that number; what it says is the guest's."""

    number: int
    call: int
    message: bytes


class SnapshotSaid(msgspec.Struct, array_like=True):
    """What belongs to a memory that was written into a file."""

    memory_bytes: int
    globals: list[tuple[str, str, int]]
    open_files: int
    entropy_reads: int


class CheckpointSaid(msgspec.Struct, array_like=True):
    """What a turn of a session changed (`engine.layers.Checkpoint`)."""

    memory_bytes: int
    globals: list[tuple[str, str, int]]
    written: list[tuple[int, int, int]]
    open_files: int
    files: bytes


class Done(FromWorker, tag="done"):
    """The end of the run of that number. `stdout` and `stderr` are given where not all of it was sent on the way."""

    number: int
    ending: str
    detail: str
    exit_code: int
    reply: bytes | None
    stdout: tuple[bytes, int] | None
    stderr: tuple[bytes, int] | None
    fuel_consumed: int | None
    memory_bytes: int
    cpu_seconds: float
    wall_seconds: float
    worn: bool
    snapshot: SnapshotSaid | None
    checkpoint: CheckpointSaid | None


encode: Final = msgspec.msgpack.Encoder().encode
decode_to_worker: Final = msgspec.msgpack.Decoder(Load | Configure | Execute | Answer).decode
_decode_from_worker: Final = msgspec.msgpack.Decoder(Loaded | Ready | Failed | Output | Call | Done).decode
DecodeError: Final = msgspec.DecodeError


def decode_from_worker(data: bytes) -> Loaded | Ready | Failed | Output | Call | Done:
    """Return the message.

    Raises:
        DecodeError: It is none. (msgspec itself raises UnicodeDecodeError for text that is not UTF-8.)
    """
    try:
        message: Loaded | Ready | Failed | Output | Call | Done = _decode_from_worker(data)
    except UnicodeDecodeError:
        raise DecodeError("text that is not UTF-8") from None
    return message
