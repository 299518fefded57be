"""Frames over real sockets and pipes: whole, bounded, and nothing but the wire's own errors."""

# Files of /proc and descriptors, for which pathlib has no words.
# ruff: noqa: PTH123, PTH208

from __future__ import annotations

import contextlib
import os
import resource
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wasihost.containment import spawner
from wasihost.containment.wire import (
    HEADER,
    MARK,
    MAX_DESCRIPTORS,
    MAX_FRAME_BYTES,
    PipeEnd,
    SocketEnd,
    Wire,
    WireClosedError,
    WireError,
    WireTimeoutError,
)

MIB = 1 << 20


@contextlib.contextmanager
def sockets(*, left: bool = False, right: bool = True) -> Iterator[tuple[Wire, Wire]]:
    """Two wires that are connected; whether each takes descriptors."""
    one, two = socket.socketpair()
    wires = Wire(SocketEnd(one), descriptors=left), Wire(SocketEnd(two), descriptors=right)
    try:
        yield wires
    finally:
        for wire in wires:
            wire.close()


@contextlib.contextmanager
def pipes() -> Iterator[tuple[Wire, Wire]]:
    a_in, a_out = os.pipe()
    b_in, b_out = os.pipe()
    wires = Wire(PipeEnd(a_in, b_out), descriptors=False), Wire(PipeEnd(b_in, a_out), descriptors=False)
    try:
        yield wires
    finally:
        for wire in wires:
            wire.close()


@contextlib.contextmanager
def raw(*, descriptors: bool = False) -> Iterator[tuple[socket.socket, Wire]]:
    """A plain socket, to send what is no frame, and the wire at its other end."""
    one, two = socket.socketpair()
    wire = Wire(SocketEnd(two), descriptors=descriptors)
    try:
        yield one, wire
    finally:
        one.close()
        wire.close()


def soon(seconds: float = 10.0) -> float:
    return time.monotonic() + seconds


def hang_up(wire: Wire) -> None:
    """Close a wire's own end; the fixture's later close must find one that can be closed."""
    if isinstance(wire.end, PipeEnd):
        null = os.open(os.devnull, os.O_RDWR)
        for number in (wire.end.fileno(), wire.end.outgoing()):
            os.dup2(null, number)
        os.close(null)
    else:
        wire.close()


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def header(size: int, count: int = 0, mark: int = MARK) -> bytes:
    return HEADER.pack(size, count, mark)


# -- whole messages ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("connected", [sockets, pipes])
@pytest.mark.parametrize("size", [0, 1, 7, 8, 65527, 65528, 65536, MIB - 8, MIB, MIB + 1, 5 * MIB])
def test_any_size_arrives_whole(connected: Any, size: int) -> None:
    message = os.urandom(size)
    with connected() as (left, right):
        thread = threading.Thread(target=left.send, args=(message,), kwargs={"until": soon()}, daemon=True)
        thread.start()
        assert right.receive(size, until=soon()) == (message, [])
        thread.join()
        assert right.receive(size, until=0.0) is None


@given(st.lists(st.binary(max_size=200), max_size=8), st.lists(st.integers(1, 300), max_size=20))
@settings(max_examples=120, deadline=None)
def test_messages_however_they_are_cut(sent: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(header(len(message)) + message for message in sent)
    with raw() as (peer, wire):
        heard: list[bytes] = []
        for cut in [*cuts, len(stream)]:
            peer.sendall(stream[:cut])
            stream = stream[cut:]
            while (frame := wire.receive(200, until=0.0)) is not None:
                heard.append(frame[0])
        assert heard == sent


def test_a_message_split_at_every_byte() -> None:
    message = bytes(range(64))
    frame = header(len(message)) + message
    for where in range(1, len(frame)):
        with raw() as (peer, wire):
            peer.sendall(frame[:where])
            assert wire.receive(64, until=0.0) is None
            peer.sendall(frame[where:] + frame[:1])
            assert wire.receive(64, until=soon()) == (message, [])
            assert wire.receive(64, until=0.0) is None


def test_a_slow_reader_gets_everything() -> None:
    message = os.urandom(4 * MIB)
    with sockets() as (left, right):
        thread = threading.Thread(target=left.send, args=(message,), kwargs={"until": soon(30)}, daemon=True)
        thread.start()
        time.sleep(0.2)
        assert right.receive(4 * MIB, until=soon(30)) == (message, [])
        thread.join()


# -- descriptors -------------------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.binary(max_size=100), st.integers(0, MAX_DESCRIPTORS)), min_size=1, max_size=4))
@settings(max_examples=40, deadline=None)
def test_descriptors_come_with_their_message(sent: list[tuple[bytes, int]]) -> None:
    before = open_descriptors()
    with sockets() as (left, right), contextlib.ExitStack() as files:
        for message, count in sent:
            mine = [files.enter_context(open(os.devnull, "rb")).fileno() for _ in range(count)]
            left.send(message, mine, until=soon())
            frame = right.receive(100, until=soon())
            assert frame is not None
            assert frame[0] == message
            assert len(frame[1]) == count
            for own, got in zip(mine, frame[1], strict=True):
                assert own != got
                assert os.path.samestat(os.fstat(own), os.fstat(got))
                os.close(got)
    assert open_descriptors() == before


def test_several_messages_in_one_read_keep_their_descriptors_apart() -> None:
    read, write = os.pipe()
    try:
        with sockets() as (left, right):
            left.send(b"a", [read])
            left.send(b"b")
            left.send(b"c", [write, read])
            frames = [right.receive(9, until=soon()) for _ in range(3)]
            got = [frame[1] for frame in frames if frame is not None]
            assert [len(numbers) for numbers in got] == [1, 0, 2]
            os.write(got[2][0], b"x")
            assert os.read(got[0][0], 9) == b"x"
            for number in [*got[0], *got[2]]:
                os.close(number)
    finally:
        os.close(read)
        os.close(write)


def test_closing_closes_descriptors_that_nobody_took() -> None:
    before = open_descriptors()
    with sockets() as (left, right):
        left.send(b"a", [0, 0, 0])
        left.send(b"b", [0, 0, 0])
        frame = right.receive(9, until=soon())
        assert frame is not None
        for number in frame[1]:
            os.close(number)
    assert open_descriptors() == before


def test_a_side_that_takes_no_descriptors_gets_none() -> None:
    with sockets(right=False) as (left, right):
        before = open_descriptors()
        left.send(b"", [0, 1, 2])
        with pytest.raises(WireError, match="descriptors"):
            right.receive(9, until=soon())
        assert open_descriptors() == before


def test_descriptors_that_no_frame_announces_do_not_pile_up() -> None:
    before = open_descriptors()
    with raw(descriptors=True) as (peer, wire):
        packed = struct.pack("32i", *[0] * 32)
        with pytest.raises(WireError, match="descriptors"):
            for _ in range(8):
                peer.sendmsg([header(0) * 2], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, packed)])
                while wire.receive(9, until=0.0) is not None:
                    continue
        assert open_descriptors() <= before + 2 + 4 * MAX_DESCRIPTORS
    assert open_descriptors() == before


@pytest.mark.parametrize("count", [MAX_DESCRIPTORS + 1, 253])
def test_too_many_descriptors(count: int) -> None:
    before = open_descriptors()
    with raw(descriptors=True) as (peer, wire):
        packed = struct.pack(f"{count}i", *[0] * count)
        peer.sendmsg([header(0)], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, packed)])
        with pytest.raises(WireError, match="descriptors"):
            wire.receive(9, until=soon())
    assert open_descriptors() == before


def test_announced_descriptors_that_do_not_come() -> None:
    with raw(descriptors=True) as (peer, wire):
        peer.sendall(header(1, count=1) + b"x")
        with pytest.raises(WireError, match="lacks its descriptors"):
            wire.receive(9, until=soon())


# -- what is refused ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("claimed", [101, MIB, 2**31, 2**32 - 1])
def test_a_length_over_the_limit_is_refused_before_memory_is_taken(claimed: int) -> None:
    with raw() as (peer, wire):
        peer.sendall(header(claimed) + b"x" * 60_000)
        tracemalloc.start()
        try:
            with pytest.raises(WireError, match="no sense"):
                wire.receive(100, until=soon())
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < 512 * 1024


def test_a_length_within_the_limit_takes_memory_only_as_it_comes() -> None:
    with raw() as (peer, wire):
        peer.sendall(header(2**32 - 1) + b"x" * 1000)
        tracemalloc.start()
        try:
            assert wire.receive(MAX_FRAME_BYTES, until=soon(0.05)) is None
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < 4 * MIB


def test_the_limit_itself_is_allowed() -> None:
    with sockets() as (left, right):
        left.send(b"x" * 100)
        assert right.receive(100, until=soon()) == (b"x" * 100, [])
        left.send(b"x" * 101)
        with pytest.raises(WireError):
            right.receive(100, until=soon())


@pytest.mark.parametrize("mark", [0, MARK ^ 1, MARK + 1, 0x5748, 0xFFFF])
def test_a_wrong_mark(mark: int) -> None:
    with raw() as (peer, wire):
        peer.sendall(header(0, mark=mark))
        with pytest.raises(WireError, match="no sense"):
            wire.receive(100, until=soon())


def test_a_count_over_the_limit() -> None:
    with raw(descriptors=True) as (peer, wire):
        peer.sendall(header(0, count=MAX_DESCRIPTORS + 1))
        with pytest.raises(WireError, match="no sense"):
            wire.receive(100, until=soon())


@given(
    st.lists(st.binary(min_size=1, max_size=64) | st.just(header(3)) | st.just(header(0, 1)), max_size=8), st.booleans()
)
@settings(max_examples=300, deadline=None)
def test_random_bytes_give_frames_or_the_errors_of_the_wire(pieces: list[bytes], descriptors: bool) -> None:
    with raw(descriptors=descriptors) as (peer, wire):
        for piece in pieces:
            peer.sendall(piece)
        peer.shutdown(socket.SHUT_WR)
        with pytest.raises((WireError, WireClosedError)):
            while True:
                frame = wire.receive(32, until=soon())
                assert frame is not None
                assert len(frame[0]) <= 32
                assert frame[1] == []


# -- gone, late, slow --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("connected", [sockets, pipes])
def test_a_closed_peer(connected: Any) -> None:
    with connected() as (left, right):
        hang_up(right)
        with pytest.raises(WireClosedError):
            left.receive(9, until=soon())
        with pytest.raises(WireClosedError):
            left.send(b"x" * MIB, until=soon())


@pytest.mark.parametrize("connected", [sockets, pipes])
def test_what_was_sent_before_the_end_is_heard(connected: Any) -> None:
    with connected() as (left, right):
        left.send(b"last words")
        hang_up(left)
        assert right.receive(99, until=soon()) == (b"last words", [])
        with pytest.raises(WireClosedError):
            right.receive(99, until=soon())


def test_a_peer_that_ends_in_the_middle_of_a_frame() -> None:
    with raw() as (peer, wire):
        peer.sendall(header(10) + b"half")
        peer.shutdown(socket.SHUT_WR)
        with pytest.raises(WireClosedError):
            wire.receive(10, until=soon())


def test_a_peer_that_ends_with_something_unread() -> None:
    one, two = socket.socketpair()
    wire = Wire(SocketEnd(two), descriptors=False)
    try:
        wire.send(b"never read")
        one.close()  # the other side hears of a reset connection
        with pytest.raises(WireClosedError):
            wire.receive(10, until=soon())
    finally:
        wire.close()


@pytest.mark.parametrize("connected", [sockets, pipes])
def test_silence_lasts_until_the_given_time(connected: Any) -> None:
    with connected() as (left, _):
        started = time.monotonic()
        assert left.receive(9, until=started + 0.15) is None
        assert time.monotonic() - started >= 0.15
        started = time.monotonic()
        assert left.receive(9, until=0.0) is None
        assert time.monotonic() - started < 0.1


@pytest.mark.parametrize("connected", [sockets, pipes])
def test_a_peer_that_does_not_read(connected: Any) -> None:
    with connected() as (left, _):
        started = time.monotonic()
        with pytest.raises(WireTimeoutError):
            left.send(b"x" * (16 * MIB), until=started + 0.15)
        assert time.monotonic() - started >= 0.15


def test_a_frame_that_never_stops_coming_does_not_outlast_the_given_time() -> None:
    with raw() as (peer, wire):
        stop = threading.Event()

        def dribble() -> None:
            with contextlib.suppress(OSError):
                peer.sendall(header(2**32 - 1))
                while not stop.is_set():
                    peer.sendall(b"x" * 4096)

        thread = threading.Thread(target=dribble, daemon=True)
        thread.start()
        started = time.monotonic()
        try:
            assert wire.receive(2**32 - 1, until=started + 0.3) is None
            assert time.monotonic() - started < 2.0
        finally:
            stop.set()
            peer.close()


def test_waiting_does_not_spin() -> None:
    with sockets() as (left, _):
        before = resource.getrusage(resource.RUSAGE_THREAD).ru_utime
        assert left.receive(9, until=soon(0.4)) is None
        assert resource.getrusage(resource.RUSAGE_THREAD).ru_utime - before < 0.1


def test_a_signal_interrupts_the_wait_and_the_wait_goes_on() -> None:
    heard: list[int] = []
    before = signal.signal(signal.SIGUSR1, lambda number, _: heard.append(number))
    try:
        with sockets() as (left, right):
            main = threading.main_thread().ident
            assert main is not None
            threading.Timer(0.05, signal.pthread_kill, (main, signal.SIGUSR1)).start()
            threading.Timer(0.15, left.send, (b"after",)).start()
            assert right.receive(9, until=soon()) == (b"after", [])
        assert heard == [signal.SIGUSR1]
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_a_dead_peer_does_not_kill_a_process_that_asked_for_sigpipe() -> None:
    script = """
import signal, socket, sys
sys.path += sys.argv[1:]
from wasihost.containment.wire import *
signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # as command line programs do
one, two = socket.socketpair()
wire = Wire(SocketEnd(one), descriptors=False)
two.close()
try:
    wire.send(b"x")
except WireClosedError:
    print("closed")
"""
    done = subprocess.run(
        [sys.executable, "-I", "-c", script, *spawner.package_folders()], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "closed\n"), done.stderr


def test_a_pipe_end_waits_on_what_it_reads_and_writes() -> None:
    a_in, a_out = os.pipe()
    end = PipeEnd(a_in, a_out)
    assert (end.fileno(), end.outgoing()) == (a_in, a_out)
    assert not os.get_blocking(a_in)
    assert not os.get_blocking(a_out)
    poll = select.poll()
    poll.register(end, select.POLLIN)
    assert poll.poll(0) == []
    assert end.sendmsg([memoryview(b"ab"), memoryview(b"c")]) == 3
    assert end.recvmsg(10) == (b"abc", [], 0, None)
    end.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(a_in)
