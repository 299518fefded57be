"""A guest's memory in a file, with its globals: the build's own as they are, counters of the host as they were."""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from wasihost.engine.instance import Guest
from wasihost.engine.snapshot import CHUNK_BYTES, OWN_GLOBALS, Snapshot, take_snapshot
from wasihost.engine.spare import prepare
from wasihost.errors import EngineError
from wasihost.image.store import Ready, make_ready


@pytest.fixture(scope="module")
def ready() -> Ready:
    return make_ready("cpython-3.11", metered=True)


@pytest.fixture
def guest(ready: Ready) -> Iterator[Guest]:
    made = prepare(ready.code, ready.image)
    yield made
    made.close()


@pytest.fixture
def file(tmp_path: Path) -> Iterator[int]:
    descriptor = os.open(tmp_path / "memory", os.O_RDWR | os.O_CREAT)
    yield descriptor
    os.close(descriptor)


def written(tmp_path: Path) -> bytes:
    return (tmp_path / "memory").read_bytes()


def values(snapshot: Snapshot, *, own: bool) -> dict[str, int]:
    return {name: value for name, _, value in snapshot.globals if name.startswith(OWN_GLOBALS) == own}


def test_an_untouched_guest_is_its_image(ready: Ready, guest: Guest, file: int, tmp_path: Path) -> None:
    layout = ready.image.layout
    snapshot = take_snapshot(guest, layout, file)
    counters = {name: value for name, _, value in layout.globals}
    assert snapshot == Snapshot(
        memory_bytes=layout.memory_bytes,
        globals=layout.globals,
        open_files=0,
        entropy_reads=counters["wasihost:entropy_reads"],
    )
    memory = written(tmp_path)
    assert memory == guest.read(0, guest.memory_bytes())
    zeros = sum(memory[at : at + CHUNK_BYTES] == bytes(CHUNK_BYTES) for at in range(0, len(memory), CHUNK_BYTES))
    assert zeros > 0
    assert (tmp_path / "memory").stat().st_blocks * 512 <= len(memory) - zeros * CHUNK_BYTES + CHUNK_BYTES


def test_what_a_guest_wrote_is_in_it(ready: Ready, guest: Guest, file: int, tmp_path: Path) -> None:
    guest.grow_to(guest.memory_bytes() + 65536)
    end = guest.memory_bytes()
    guest.write(end - 5, b"ended")
    snapshot = take_snapshot(guest, ready.image.layout, file)
    assert snapshot.memory_bytes == end == len(written(tmp_path))
    assert written(tmp_path)[-6:] == b"\0ended"


def test_own_globals_are_as_they_are_and_counters_as_they_were(ready: Ready, guest: Guest, file: int) -> None:
    layout = ready.image.layout
    own = [(name, kind) for name, kind, _ in layout.globals if name.startswith(OWN_GLOBALS)]
    assert own
    for number, (name, kind) in enumerate(own):
        guest.set_global(name, kind, 1000 + number)
    before = {name: value for name, _, value in layout.globals}
    for name, kind, value in (
        ("wasihost:streams", "i32", 0),
        ("wasihost:open_count", "i32", 3),
        ("wasihost:open_limit", "i32", 7),
        ("wasihost:files_left", "i32", 5),
        ("wasihost:disk_left", "i64", 9),
        ("wasihost:entropy_reads", "i32", 77),
    ):
        guest.set_global(name, kind, value)
    snapshot = take_snapshot(guest, layout, file)
    assert [(name, kind) for name, kind, _ in snapshot.globals] == [(name, kind) for name, kind, _ in layout.globals]
    assert values(snapshot, own=True) == {name: 1000 + number for number, (name, _) in enumerate(own)}
    assert values(snapshot, own=False) == {name: before[name] for name in values(snapshot, own=False)}
    assert (snapshot.open_files, snapshot.entropy_reads) == (3, 77)


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.ENOSPC, "no room is left"),
        (errno.EDQUOT, "no room is left"),
        (errno.EFBIG, "no room is left"),
        (errno.EIO, "writing failed"),
    ],
)
def test_a_file_that_cannot_be_written(
    ready: Ready, guest: Guest, file: int, number: int, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "pwrite", fail)
    with pytest.raises(EngineError) as caught:
        take_snapshot(guest, ready.image.layout, file)
    assert str(caught.value) == f"the image cannot be stored: {reason}"


def test_writes_that_are_cut_short_go_on(
    ready: Ready, guest: Guest, file: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = os.pwrite

    def short(descriptor: int, data: Any, offset: int) -> int:
        return whole(descriptor, data[:50_000], offset)

    monkeypatch.setattr(os, "pwrite", short)
    guest.write(0, struct.pack("<I", 0xDEADBEEF))
    take_snapshot(guest, ready.image.layout, file)
    assert written(tmp_path) == guest.read(0, guest.memory_bytes())
