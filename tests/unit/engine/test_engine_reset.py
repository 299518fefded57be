"""A used guest made new is the image again, byte for byte, whatever was done to it."""

from __future__ import annotations

import ctypes
import errno
import gc
import os
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wasihost.engine import mapping, reset
from wasihost.engine.capi import EXTERN_TABLE
from wasihost.engine.ending import Ending
from wasihost.engine.execute import Run
from wasihost.engine.instance import Guest
from wasihost.engine.reset import KEPT_PAGES, SAMPLE_RESETS, Reset
from wasihost.engine.runs import PAGE_BYTES
from wasihost.engine.spare import SpareGuests, prepare
from wasihost.engine.surroundings import Surroundings
from wasihost.engine.threads import submit_and_wait
from wasihost.engine.written import Scratch, WrittenPages, written_pages
from wasihost.image.protocol import MESSAGE_BYTES, Request
from wasihost.image.store import Ready, make_ready
from wasihost.limits import WASM_PAGE_BYTES


@pytest.fixture(scope="module", params=["cpython-3.15", "cpython-3.11"])
def ready(request: pytest.FixtureRequest) -> Ready:
    return make_ready(request.param, metered=True)


@pytest.fixture(scope="module")
def resetting(ready: Ready) -> Reset:
    return Reset(ready.code, ready.image, written_pages())


def renewed(resetting: Reset, used: Guest) -> Guest:
    fresh = resetting.renew(used)
    assert fresh is not None
    assert used._store is None, "the used guest was not closed"
    return fresh


def is_image(ready: Ready, guest: Guest) -> bool:
    layout = ready.image.layout
    assert guest.memory_bytes() == layout.memory_bytes
    assert all(guest.get_global(name) == value for name, _, value in layout.globals)
    view = ready.image.view()
    return guest.read(0, layout.memory_bytes) == ctypes.string_at(view.address, view.size)


def own_pages(ready: Ready, guest: Guest) -> int:
    found = written_pages().find(guest.memory_address(), ready.image.layout.memory_bytes, Scratch())
    return sum(count for _, count in found)


def run(ready: Ready, guest: Guest, source: str, **surroundings: float) -> Ending:
    request = Request(
        kind="code", source=source.encode(), name="<string>", is_file=False, argv=["-c"], path="", env={}, inputs="{}",
        grants=[], stream=False, value_bytes=1000,
    ).encode()  # fmt: skip
    given = {"fuel": 10**10, "deadline_seconds": 20.0, **surroundings}
    about = Surroundings(directories=ready.libraries, **given)  # type: ignore[arg-type]
    made = Run(ready.code, ready.image, about, [], reply_bytes=MESSAGE_BYTES, prepared=guest)
    return submit_and_wait(lambda: made.execute(request)).end.ending


PROGRAMS = {
    "a small one": ("print(1)", {}, Ending.RETURNED),
    "one that exits": ("import os; os._exit(3)", {}, Ending.EXITED),
    "one out of fuel": ("while True: pass", {"fuel": 10**8}, Ending.OUT_OF_FUEL),
    "one past its deadline": ("while True: pass", {"deadline_seconds": 0.2}, Ending.DEADLINE),
    "one with much memory": ("x = [bytes(1000) for _ in range(100_000)]", {}, Ending.RETURNED),
    "one that changes the interpreter": (
        "import sys, builtins, json\nbuiltins.print = json.dumps = None\nsys.modules.clear()\nsys.path[:] = []",
        {},
        Ending.RETURNED,
    ),
    "one that writes everywhere": (
        "import ctypes"
        if False
        else "import gc\nfor thing in gc.get_objects():\n    hash(type(thing)); repr(thing)[:9]",
        {},
        Ending.RETURNED,
    ),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_after_a_program_the_memory_is_the_image(ready: Ready, resetting: Reset, name: str) -> None:
    source, surroundings, ending = PROGRAMS[name]
    guest = prepare(ready.code, ready.image)
    for _ in range(2):
        assert run(ready, guest, source, **surroundings) is ending  # type: ignore[arg-type]
        assert own_pages(ready, guest) > 20
        guest = renewed(resetting, guest)
        assert is_image(ready, guest)
        assert own_pages(ready, guest) <= KEPT_PAGES
    assert run(ready, guest, "import sys, json\nassert sys.modules and json.dumps(1) == '1'") is Ending.RETURNED
    guest.close()


writes = st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=9000)), max_size=30)


@given(writes=writes, grown=st.integers(0, 50), numbers=st.lists(st.integers(0, 2**31 - 1), max_size=3))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_written_the_memory_is_the_image(
    ready: Ready, resetting: Reset, writes: list[tuple[float, bytes]], grown: int, numbers: list[int]
) -> None:
    guest = prepare(ready.code, ready.image)
    layout = ready.image.layout
    guest.grow_to(layout.memory_bytes + grown * WASM_PAGE_BYTES)
    for where, data in writes:
        guest.write(int(where * (guest.memory_bytes() - len(data))), data)
    for number, (name, kind, _) in zip(numbers, layout.globals, strict=False):
        guest.set_global(name, kind, number)
    fresh = renewed(resetting, guest)
    assert is_image(ready, fresh)
    # What lies behind the image is new as well.
    fresh.grow_to(layout.memory_bytes + (grown + 1) * WASM_PAGE_BYTES)
    assert not any(fresh.read(layout.memory_bytes, (grown + 1) * WASM_PAGE_BYTES))
    fresh.close()


def test_a_reset_guest_needs_no_new_copies(ready: Ready) -> None:
    resetting = Reset(ready.code, ready.image, written_pages())
    guest = prepare(ready.code, ready.image)
    assert own_pages(ready, guest) <= 1
    assert run(ready, guest, "print(1)") is Ending.RETURNED
    written = own_pages(ready, guest)
    guest = renewed(resetting, guest)
    assert own_pages(ready, guest) == written > 20
    guest.close()


def test_many_copies_are_dropped_but_for_those_of_the_first(ready: Ready) -> None:
    resetting = Reset(ready.code, ready.image, written_pages())
    guest = prepare(ready.code, ready.image)
    guest.write(10 * PAGE_BYTES, bytes(5 * PAGE_BYTES))
    guest = renewed(resetting, guest)
    assert own_pages(ready, guest) == 5
    guest.write(0, b"x" * (KEPT_PAGES + 1) * PAGE_BYTES)
    guest = renewed(resetting, guest)
    assert own_pages(ready, guest) == 5
    assert is_image(ready, guest)
    guest.close()


def test_copies_that_runs_do_not_write_are_dropped_after_a_while(ready: Ready) -> None:
    resetting = Reset(ready.code, ready.image, written_pages())
    guest = prepare(ready.code, ready.image)
    guest.write(10 * PAGE_BYTES, bytes(5 * PAGE_BYTES))
    guest = renewed(resetting, guest)
    kept = []
    for number in range(2, SAMPLE_RESETS + 2):
        # The same as in the image counts as not written: nothing has to be copied back then.
        guest.write(12 * PAGE_BYTES, guest.read(12 * PAGE_BYTES, 8))
        guest.write(20 * PAGE_BYTES, f"run {number}".encode())
        guest.write(22 * PAGE_BYTES, f"run {number}".encode())
        guest = renewed(resetting, guest)
        assert is_image(ready, guest)
        kept.append(own_pages(ready, guest))
    assert kept == [7] * (SAMPLE_RESETS - 2) + [2, 3]
    guest.close()


def test_resets_at_the_same_time_do_not_mix_what_they_keep(ready: Ready) -> None:
    """The first ones decide which pages are kept, and each of these guests has written too many others."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for _ in range(25):
            resetting = Reset(ready.code, ready.image, written_pages())
            resetting._works = True
            used = [prepare(ready.code, ready.image) for _ in range(4)]
            for number, guest in enumerate(used):
                guest.write(number * 700 * PAGE_BYTES, b"x" * (KEPT_PAGES + 100) * PAGE_BYTES)
            with ThreadPoolExecutor(4) as pool:
                fresh = list(pool.map(resetting.renew, used))
            for made in fresh:
                assert made is not None
                assert is_image(ready, made)
                made.close()
    finally:
        sys.setswitchinterval(interval)


def test_a_reset_guest_has_a_store_and_tables_of_its_own(ready: Ready, resetting: Reset) -> None:
    guest = prepare(ready.code, ready.image)
    before = guest.export("wasihost:table", EXTERN_TABLE).of.table.item.store_id
    fresh = renewed(resetting, guest)
    assert fresh.export("wasihost:table", EXTERN_TABLE).of.table.item.store_id != before
    fresh.close()


def test_where_the_kernel_does_not_say_what_was_written_nothing_is_reset(
    ready: Ready, monkeypatch: pytest.MonkeyPatch
) -> None:
    blind = WrittenPages()
    os.close(blind._pagemap)
    blind._pagemap = -1
    guest = prepare(ready.code, ready.image)
    assert Reset(ready.code, ready.image, blind).renew(guest) is None
    assert guest._store is None
    spares = SpareGuests(ready.code, ready.image, blind, most=1)
    spares.put_away(prepare(ready.code, ready.image))
    assert spares.spare() is None
    made = spares.take()
    assert is_image(ready, made)
    made.close()


def test_where_pages_can_be_read_but_not_asked_for_the_reset_is_the_same(ready: Ready) -> None:
    reading = WrittenPages()
    reading._scans = False
    guest = prepare(ready.code, ready.image)
    guest.write(3 * PAGE_BYTES + 7, b"changed")
    fresh = renewed(Reset(ready.code, ready.image, reading), guest)
    assert is_image(ready, fresh)
    fresh.close()


def test_where_memory_cannot_be_moved_nothing_is_reset(ready: Ready, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        ctypes.set_errno(errno.EINVAL)
        return 2**64 - 1

    resetting = Reset(ready.code, ready.image, written_pages())
    with monkeypatch.context() as patch:
        patch.setattr(mapping, "_mremap", refuse)
        assert not ready.image.can_be_moved()
        guest = prepare(ready.code, ready.image)
        assert resetting.renew(guest) is None
        assert guest._store is None
    # It was asked once.
    assert resetting.renew(prepare(ready.code, ready.image)) is None
    assert ready.image.can_be_moved()


def test_memory_that_fails_to_move_is_left_and_not_tried_again(ready: Ready, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between an unmapping that succeeded and a mapping that did not, its addresses may have gone to somebody else."""
    closed: list[Guest] = []
    close = Guest.close

    def counted_close(guest: Guest) -> None:
        closed.append(guest)
        close(guest)

    def fail(*_: object) -> None:
        raise mapping.MoveError("no room")

    resetting = Reset(ready.code, ready.image, written_pages())
    guest = renewed(resetting, prepare(ready.code, ready.image))
    with monkeypatch.context() as patch:
        patch.setattr(Guest, "close", counted_close)
        patch.setattr(reset, "move_private", fail)
        assert resetting.renew(guest) is None
        assert closed == [guest], "the new guest was freed, or the used one was not"
    assert resetting.renew(prepare(ready.code, ready.image)) is None


@pytest.fixture
def spares(ready: Ready) -> Iterator[SpareGuests]:
    made = SpareGuests(ready.code, ready.image, written_pages(), most=2)
    yield made
    made.close()


def test_spare_guests_are_taken_before_new_ones_are_made(ready: Ready, spares: SpareGuests) -> None:
    first = spares.take()
    first.write(9 * PAGE_BYTES, b"one")
    spares.put_away(first)
    again = spares.take()
    assert own_pages(ready, again) > 0
    assert is_image(ready, again)
    assert spares.spare() is None
    again.close()


def test_no_more_spare_guests_are_kept_than_asked_for(ready: Ready, spares: SpareGuests) -> None:
    used = [prepare(ready.code, ready.image) for _ in range(4)]
    threads = [threading.Thread(target=spares.put_away, args=(guest,)) for guest in used]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(guest._store is None for guest in used)
    kept = [guest for _ in range(4) if (guest := spares.spare()) is not None]
    assert len(kept) == 2
    for guest in kept:
        assert is_image(ready, guest)
        guest.close()


def test_what_waits_is_freed_with_what_it_waits_in(ready: Ready) -> None:
    made = SpareGuests(ready.code, ready.image, written_pages(), most=2)
    made.put_away(prepare(ready.code, ready.image))
    (waiting,) = made._waiting
    assert waiting._store is not None
    del made
    gc.collect()
    assert waiting._store is None


def test_fewer_may_wait_from_now_on(ready: Ready, spares: SpareGuests) -> None:
    for _ in range(2):
        spares.put_away(prepare(ready.code, ready.image))
    kept, gone = spares._waiting
    spares.keep_at_most(1)
    assert spares._waiting == [kept]
    assert gone._store is None
    spares.put_away(prepare(ready.code, ready.image))
    assert spares._waiting == [kept]


def test_after_the_end_no_guest_is_kept(ready: Ready, spares: SpareGuests) -> None:
    waiting = prepare(ready.code, ready.image)
    spares.put_away(waiting)
    spares.close()
    assert spares.spare() is None
    late = prepare(ready.code, ready.image)
    spares.put_away(late)
    assert spares.spare() is None
    assert late._store is None
