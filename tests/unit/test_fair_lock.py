"""A lock that is had in the order in which it was asked for, and that those who wait can give up."""

from __future__ import annotations

import gc
import threading
import time

from wasihost.containment.job import Control
from wasihost.fair_lock import FairLock


def test_first_come_first_served() -> None:
    lock, order = FairLock(), []
    tickets = [lock.enter() for _ in range(6)]

    def take(number: int) -> None:
        assert lock.wait(tickets[number])
        order.append(number)
        lock.leave(tickets[number])

    threads = [threading.Thread(target=take, args=(number,)) for number in (5, 3, 4, 1, 2)]
    for thread in threads:
        thread.start()
    time.sleep(0.05)
    assert order == []  # the first has it, whoever waits
    take(0)
    for thread in threads:
        thread.join(5)
    assert order == [0, 1, 2, 3, 4, 5]


def test_who_gives_up_is_passed_over() -> None:
    lock = FairLock()
    first, second, third = lock.enter(), lock.enter(), lock.enter()
    assert lock.enter_if_free() is None
    lock.leave(second)
    lock.leave(first)
    lock.leave(first)  # harmless
    assert lock.wait(third)
    lock.leave(third)
    free = lock.enter_if_free()
    assert free is not None and lock.wait(free)
    lock.leave(free)


def test_a_cancelled_wait_ends_and_holds_nobody_up() -> None:
    lock, control = FairLock(), Control()
    holder, waiter, last = lock.enter(), lock.enter(), lock.enter()
    threading.Timer(0.05, control.cancel).start()
    started = time.monotonic()
    assert not lock.wait(waiter, lambda: control.cancelled)
    assert time.monotonic() - started < 1
    lock.leave(waiter)
    lock.leave(holder)
    assert lock.wait(last)


def test_who_has_it_when_cancelled_does_not_begin() -> None:
    lock, control = FairLock(), Control()
    control.cancel()
    ticket = lock.enter()
    assert not lock.wait(ticket, lambda: control.cancelled)
    lock.leave(ticket)
    other = lock.enter()
    assert lock.wait(other)


def test_a_ticket_that_was_lost_holds_nobody_up() -> None:
    """Ctrl-C may come between the making of a ticket and its keeping."""
    lock = FairLock()
    lock.enter()
    gc.collect()
    ticket = lock.enter()
    assert lock.wait(ticket)
