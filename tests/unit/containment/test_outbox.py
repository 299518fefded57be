"""What a parent tells a worker: whole and in order, and nobody who tells something waits for it."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from wasihost.containment.outbox import Outbox
from wasihost.containment.wire import SocketEnd, Wire

LARGE = 4 << 20


@pytest.fixture
def ends() -> Iterator[tuple[Wire, Wire]]:
    ours, theirs = socket.socketpair()
    wires = Wire(SocketEnd(ours), descriptors=False), Wire(SocketEnd(theirs), descriptors=False)
    yield wires
    for wire in wires:
        wire.close()


def received(wire: Wire, count: int) -> list[bytes]:
    found = []
    for _ in range(count):
        frame = wire.receive(2 * LARGE, until=time.monotonic() + 20)
        assert frame is not None
        found.append(frame[0])
    return found


def test_small_messages_are_sent_at_once(ends: tuple[Wire, Wire]) -> None:
    outbox = Outbox(ends[0], time.monotonic() + 20)
    for number in range(10):
        outbox.put(b"%d" % number)
        assert len(outbox) == 0
    assert outbox.close() is True
    assert received(ends[1], 10) == [b"%d" % number for number in range(10)]


def test_what_the_socket_does_not_take_is_sent_later(ends: tuple[Wire, Wire]) -> None:
    outbox = Outbox(ends[0], time.monotonic() + 20)
    messages = [bytes([number]) * (LARGE if number % 2 else 10) for number in range(6)]
    began = time.monotonic()
    for message in messages:
        outbox.put(message)
    assert time.monotonic() - began < 10  # nobody has read anything yet
    assert len(outbox) > 0
    assert received(ends[1], 6) == messages
    until = time.monotonic() + 10
    while len(outbox) and time.monotonic() < until:
        time.sleep(0.005)
    assert outbox.close() is True


def test_several_threads_do_not_mix_their_messages(ends: tuple[Wire, Wire]) -> None:
    outbox = Outbox(ends[0], time.monotonic() + 30)

    def tell(name: int) -> None:
        for _ in range(30):
            outbox.put(bytes([name]) * 50_000)

    threads = [threading.Thread(target=tell, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    found = received(ends[1], 120)
    for thread in threads:
        thread.join()
    assert sorted({(len(message), len(set(message))) for message in found}) == [(50_000, 1)]
    assert sorted(message[0] for message in found) == sorted([0, 1, 2, 3] * 30)


def test_a_message_that_was_cut_off_is_told(ends: tuple[Wire, Wire]) -> None:
    outbox = Outbox(ends[0], time.monotonic() + 20)
    outbox.put(bytes(LARGE))
    assert outbox.close() is False
    outbox.put(b"more")
    assert len(outbox) == 1


def test_it_gives_up_when_the_time_is_over(ends: tuple[Wire, Wire]) -> None:
    outbox = Outbox(ends[0], time.monotonic() + 0.2)
    outbox.put(bytes(LARGE))
    deadline = time.monotonic() + 10
    before = threading.active_count()
    while not outbox._is_closed and time.monotonic() < deadline:
        time.sleep(0.01)
    assert outbox.close() is False
    assert before <= threading.active_count() + 1


def test_a_peer_that_is_gone_is_nobody_s_trouble(ends: tuple[Wire, Wire]) -> None:
    ends[1].end.close()
    outbox = Outbox(ends[0], time.monotonic() + 20)
    for _ in range(3):
        outbox.put(bytes(100))
    assert len(outbox) == 0
    assert outbox.close() is True
