"""A used guest made new is the image again, byte for byte, whatever was done to it."""

from __future__ import annotations

import ctypes
import errno
import gc
import mmap
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wasihost.engine import faults, mapping, reset
from wasihost.engine.capi import EXTERN_TABLE
from wasihost.engine.ending import Ending
from wasihost.engine.execute import Run
from wasihost.engine.instance import Guest
from wasihost.engine.reset import KEPT_PAGES, SAMPLE_RESETS, Reset
from wasihost.engine.runs import PAGE_BYTES
from wasihost.engine.spare import SpareGuests, prepare
from wasihost.engine.surroundings import Directory, Surroundings
from wasihost.engine.threads import submit_and_wait
from wasihost.engine.written import Scratch, WrittenPages, written_pages
from wasihost.image.protocol import MESSAGE_BYTES, Request
from wasihost.image.store import Ready, make_ready
from wasihost.limits import WASM_PAGE_BYTES


@pytest.fixture(scope="module", params=["cpython-3.15", "cpython-3.11"])
def ready(request: pytest.FixtureRequest) -> Ready:
    return make_ready(request.param, metered=True)


@pytest.fixture(params=["its store is kept", "its memory is moved"])
def way(request: pytest.FixtureRequest, ready: Ready, monkeypatch: pytest.MonkeyPatch) -> str:
    """The two ways of resetting; without this fixture it is the usual one."""
    if request.param == "its memory is moved":
        monkeypatch.setattr(ready.code, "table_is_fixed", False)
    return str(request.param)


@pytest.fixture
def moving(ready: Ready, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ready.code, "table_is_fixed", False)


@pytest.fixture(scope="module")
def resetting(ready: Ready) -> Reset:
    return Reset(ready.code, ready.image, written_pages())


def store_of(guest: Guest) -> int:
    return int(guest.export("wasihost:table", EXTERN_TABLE).of.table.item.store_id)


def renewed(resetting: Reset, used: Guest) -> Guest:
    fresh = resetting.renew(used)
    assert fresh is not None
    assert used._store is None, "the used guest was not closed"
    return fresh


MEMCMP = ctypes.CDLL(None).memcmp
MEMCMP.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t]


def is_image(ready: Ready, guest: Guest) -> bool:
    layout = ready.image.layout
    assert guest.memory_bytes() == layout.memory_bytes
    assert all(guest.get_global(name) == value for name, _, value in layout.globals)
    view = ready.image.view()
    # Not as bytes: new memory for these would be page faults of the tests' own.
    return bool(MEMCMP(guest.memory_address(), view.address, layout.memory_bytes) == 0)


def own_pages(ready: Ready, guest: Guest) -> int:
    found = written_pages().find(guest.memory_address(), ready.image.layout.memory_bytes, Scratch())
    return sum(count for _, count in found)


def run(ready: Ready, guest: Guest, source: str, paths: Sequence[str] = (), **surroundings: Any) -> Ending:
    request = Request(
        kind="code", source=source.encode(), name="<string>", is_file=False, argv=["-c"], path="", env={}, inputs="{}",
        grants=[], stream=False, value_bytes=1000,
    ).encode()  # fmt: skip
    given = {"directories": ready.libraries, "fuel": 10**10, "deadline_seconds": 20.0, **surroundings}
    made = Run(ready.code, ready.image, Surroundings(**given), paths, reply_bytes=MESSAGE_BYTES, prepared=guest)
    return submit_and_wait(lambda: made.execute(request)).end.ending


PRINT = Request(
    kind="code", source=b"print(1)", name="<string>", is_file=False, argv=["-c"], path="", env={}, inputs="{}",
    grants=[], stream=False, value_bytes=1000,
).encode()  # fmt: skip
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
@pytest.mark.usefixtures("way")
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


@pytest.mark.usefixtures("way")
@given(
    writes=writes,
    grown=st.one_of(st.just(0), st.integers(0, 50)),
    numbers=st.lists(st.integers(0, 2**31 - 1), max_size=9),
)
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


rounds = st.lists(
    st.lists(st.tuples(st.sampled_from([3, 4, 5, 300, 301, 6000]), st.binary(min_size=1, max_size=9000)), max_size=6),
    min_size=2,
    max_size=6,
)


@pytest.mark.usefixtures("way")
@given(rounds=rounds)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_run_after_run_the_memory_is_the_image(
    ready: Ready, resetting: Reset, rounds: list[list[tuple[int, bytes]]]
) -> None:
    """In the same few pages, so that some runs find copies of all that they write, and others do not."""
    guest = prepare(ready.code, ready.image)
    for written in rounds:
        guest.begin(Surroundings())
        for page, data in written:
            guest.write(page * PAGE_BYTES + len(data) % PAGE_BYTES, data)
        guest = renewed(resetting, guest)
        assert is_image(ready, guest)
    guest.close()


def test_a_reset_guest_needs_no_new_copies(ready: Ready) -> None:
    resetting = Reset(ready.code, ready.image, written_pages())
    guest = prepare(ready.code, ready.image)
    assert own_pages(ready, guest) <= 1
    assert run(ready, guest, "print(1)") is Ending.RETURNED
    written = own_pages(ready, guest)
    guest = renewed(resetting, guest)
    assert own_pages(ready, guest) == written > 20
    guest.close()


@pytest.mark.usefixtures("way")
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


@pytest.mark.usefixtures("way")
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


@pytest.mark.usefixtures("way")
def test_resets_at_the_same_time_do_not_mix_what_they_keep(ready: Ready) -> None:
    """The first ones decide which pages are kept, and each of these guests has written too many others."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for _ in range(25):
            resetting = Reset(ready.code, ready.image, written_pages())
            resetting._moves = True
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


def test_the_store_is_kept_where_no_code_changes_the_table(ready: Ready, resetting: Reset) -> None:
    assert ready.code.table_is_fixed
    guest = prepare(ready.code, ready.image)
    before = store_of(guest)
    fresh = renewed(resetting, guest)
    assert (store_of(fresh), fresh.age) == (before, 1)
    fresh.close()


@pytest.mark.usefixtures("moving")
def test_where_code_may_change_the_table_a_reset_guest_has_a_store_of_its_own(ready: Ready, resetting: Reset) -> None:
    guest = prepare(ready.code, ready.image)
    before = store_of(guest)
    fresh = renewed(resetting, guest)
    assert store_of(fresh) != before
    assert fresh.age == 0
    fresh.close()


def test_memory_that_has_grown_gets_a_new_store(ready: Ready, resetting: Reset) -> None:
    guest = prepare(ready.code, ready.image)
    before = store_of(guest)
    guest.grow_to(ready.image.layout.memory_bytes + 1)
    fresh = renewed(resetting, guest)
    assert store_of(fresh) != before
    assert is_image(ready, fresh)
    fresh.close()


def test_a_store_is_not_kept_for_ever(ready: Ready, resetting: Reset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reset, "MAX_AGE", 3)
    guest, stores = prepare(ready.code, ready.image), []
    for _ in range(8):
        stores.append(store_of(guest))
        guest = renewed(resetting, guest)
    assert [stores.count(store) for store in dict.fromkeys(stores)] == [4, 4]
    guest.close()


@pytest.mark.usefixtures("way")
def test_whoever_stops_a_used_guest_late_does_not_stop_the_next(ready: Ready, resetting: Reset) -> None:
    used = prepare(ready.code, ready.image)
    assert run(ready, used, "print(1)") is Ending.RETURNED
    fresh = renewed(resetting, used)
    used.cancel()
    assert run(ready, fresh, "print(1)") is Ending.RETURNED
    fresh.cancel()
    assert fresh.must_stop()
    fresh.close()


@pytest.mark.usefixtures("way")
def test_limits_and_counts_of_a_run_are_not_those_of_the_next(ready: Ready, resetting: Reset) -> None:
    fuel: list[int | None] = []
    guest = prepare(ready.code, ready.image)
    for number in range(3):
        assert run(ready, guest, "while True: pass", fuel=10**7 * (number + 1)) is Ending.OUT_OF_FUEL
        fuel.append(guest.fuel_consumed())
        guest = renewed(resetting, guest)
    assert fuel == [10**7, 2 * 10**7, 3 * 10**7]
    assert run(ready, guest, "open('/dev/null')", open_files=0) is Ending.RETURNED
    guest = renewed(resetting, guest)
    assert is_image(ready, guest)
    guest.close()


@pytest.mark.usefixtures("way")
def test_files_of_a_run_are_closed_with_its_reset(ready: Ready, resetting: Reset, tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("seen", "utf-8")
    leaving = "import builtins; builtins.kept = open('/data/note.txt'); builtins.kept.fileno()"
    guest = prepare(ready.code, ready.image)
    about = [*ready.libraries, Directory(host=str(tmp_path), guest="/data")]

    def is_open() -> bool:
        return any(_target(entry) in (tmp_path, tmp_path / "note.txt") for entry in Path("/proc/self/fd").iterdir())

    assert run(ready, guest, leaving, directories=about, paths=["/data"]) is Ending.RETURNED
    assert is_open()
    guest = renewed(resetting, guest)
    assert not is_open()
    assert run(ready, guest, "import os\nassert not os.path.exists('/data')") is Ending.RETURNED
    guest = renewed(resetting, guest)
    assert run(ready, guest, "open('/data/note.txt').read()", directories=about, paths=["/data"]) is Ending.RETURNED
    guest.close()


def _target(link: Path) -> Path | None:
    try:
        return link.readlink()
    except OSError:
        return None


class _Asked:
    """Counts how often the kernel is asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.times = 0
        find = WrittenPages.find_spans

        def counted(*arguments: Any) -> Any:
            self.times += 1
            return find(*arguments)

        monkeypatch.setattr(WrittenPages, "find_spans", counted)


def test_without_page_faults_the_kernel_is_not_asked(
    ready: Ready, resetting: Reset, monkeypatch: pytest.MonkeyPatch
) -> None:
    guest = prepare(ready.code, ready.image)
    asked = _Asked(monkeypatch)
    spared = 0
    for _ in range(20):
        before = asked.times
        used = guest
        guest = submit_and_wait(lambda used=used: both_here(ready, resetting, used))
        spared += asked.times == before
        assert is_image(ready, guest)
    assert spared >= 10, "runs of one program have page faults again and again"
    guest.close()


def both_here(ready: Ready, resetting: Reset, used: Guest) -> Guest:
    made = Run(
        ready.code, ready.image, Surroundings(directories=ready.libraries, fuel=10**10), [],
        reply_bytes=MESSAGE_BYTES, prepared=used,
    )  # fmt: skip
    assert made.execute(PRINT).end.ending is Ending.RETURNED
    return renewed(resetting, used)


@pytest.mark.parametrize("how", ["a page fault", "a page fault of another thread", "nobody looked before"])
def test_when_in_doubt_the_kernel_is_asked(ready: Ready, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    resetting = Reset(ready.code, ready.image, written_pages())
    guest = prepare(ready.code, ready.image)
    guest.write(9 * PAGE_BYTES, b"copied")
    if how != "nobody looked before":
        guest = renewed(resetting, guest)
        guest.write(9 * PAGE_BYTES, b"again")
    asked = _Asked(monkeypatch)
    if how == "a page fault":
        guest.write(77 * PAGE_BYTES, b"new")
    elif how == "a page fault of another thread":
        with mmap.mmap(-1, 64 * mmap.PAGESIZE) as pages, ThreadPoolExecutor(1) as pool:
            pool.submit(pages.write, b"x").result()
    guest = renewed(resetting, guest)
    assert asked.times == 1
    assert is_image(ready, guest)
    # The twin: everything as it should be, in one of some resets at least, as the tests have page faults of their own.
    for _ in range(20):
        before = asked.times
        guest.write(9 * PAGE_BYTES, b"once more")
        guest = renewed(resetting, guest)
        assert is_image(ready, guest)
        if asked.times == before:
            break
    else:
        pytest.fail("the kernel is asked each time")
    guest.close()


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("when", ["before the run", "in the run"])
def test_pages_that_somebody_else_brings_in_are_looked_for(ready: Ready, resetting: Reset, when: str) -> None:
    """As `mlockall` does, from whatever thread: all pages are copies then, and nothing that writes to them faults."""
    guest = renewed(resetting, prepare(ready.code, ready.image))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    populate_write = 23

    def bring_in() -> None:
        with ThreadPoolExecutor(1) as pool:
            size = ready.image.layout.memory_bytes
            assert pool.submit(libc.madvise, guest.memory_address(), size, populate_write).result() == 0

    if when == "before the run":
        bring_in()
    guest.begin(Surroundings())
    if when == "in the run":
        bring_in()
    for page in range(1000, 1300):
        guest.write(page * PAGE_BYTES, b"of a run")
    guest = renewed(resetting, guest)
    assert is_image(ready, guest)
    guest.close()


def test_what_the_kernel_writes_into_the_memory_is_a_page_fault_too(ready: Ready, resetting: Reset) -> None:
    guest = renewed(resetting, prepare(ready.code, ready.image))
    at = 1234 * PAGE_BYTES
    buffer = (ctypes.c_char * 16).from_address(guest.memory_address() + at)
    incoming, outgoing = os.pipe()
    os.write(outgoing, b"from the kernel!")
    guest.begin(Surroundings())
    before = faults.mark()
    os.readv(incoming, [buffer])
    after = faults.mark()
    assert before is not None
    assert after is not None
    assert after > before
    assert guest.read(at, 16) == b"from the kernel!"
    guest = renewed(resetting, guest)
    assert is_image(ready, guest)
    guest.close()
    os.close(incoming)
    os.close(outgoing)


def test_now_and_then_the_kernel_is_asked_in_any_case(
    ready: Ready, resetting: Reset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reset, "mark", lambda: 5)
    guest = renewed(resetting, prepare(ready.code, ready.image))
    asked = _Asked(monkeypatch)
    for _ in range(2 * SAMPLE_RESETS):
        guest = renewed(resetting, guest)
    assert asked.times == 2
    guest.close()


def test_a_system_that_does_not_count_page_faults_is_asked_each_time(
    ready: Ready, resetting: Reset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(faults, "_counted", None)
    monkeypatch.setattr(faults, "_getrusage", lambda _: SimpleNamespace(ru_minflt=0, ru_majflt=0))
    asked = _Asked(monkeypatch)
    guest = prepare(ready.code, ready.image)
    for times in (1, 2, 3):
        guest.begin(Surroundings())
        guest = renewed(resetting, guest)
        assert guest.faults is None
        assert asked.times == times
    guest.close()


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


@pytest.mark.usefixtures("moving")
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


@pytest.mark.usefixtures("moving")
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
