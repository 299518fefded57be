"""Written pages are found in each of the three ways, and the ways agree."""

from __future__ import annotations

import ctypes
import mmap
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wasihost.engine.layers import Layer
from wasihost.engine.mapping import map_private
from wasihost.engine.runs import PAGE_BYTES
from wasihost.engine.written import Scratch, WrittenPages

PAGES = 3000


class Memory:
    """Pages of which the first third is a file's, copy-on-write, as under a guest."""

    def __init__(self) -> None:
        self.layer = Layer(PAGES // 3)
        self.layer.write(0, b"\1" * (PAGES // 3 * PAGE_BYTES))
        self.map = mmap.mmap(-1, PAGES * PAGE_BYTES, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self.address = ctypes.addressof(ctypes.c_char.from_buffer(self.map))
        map_private(self.address, PAGES // 3 * PAGE_BYTES, self.layer.descriptor, 0)

    def write(self, page: int) -> None:
        ctypes.memset(self.address + page * PAGE_BYTES + 5, 7, 1)

    def read(self, page: int) -> int:
        return ctypes.string_at(self.address + page * PAGE_BYTES, 1)[0]


@pytest.fixture
def memory() -> Iterator[Memory]:
    yield Memory()


def numbers(found: list[tuple[int, int]]) -> set[int]:
    pages = [page for first, count in found for page in range(first, first + count)]
    assert pages == sorted(set(pages))
    return set(pages)


def ways() -> dict[str, WrittenPages]:
    scanning, reading = WrittenPages(), WrittenPages()
    reading._scans = False
    return {"scanning": scanning, "reading": reading}


@given(st.sets(st.integers(0, PAGES - 1), max_size=40), st.sets(st.integers(0, PAGES // 3 - 1), max_size=20))
@settings(max_examples=25, deadline=None)
def test_what_was_written_is_found(written: set[int], read: set[int]) -> None:
    memory = Memory()
    for page in written:
        memory.write(page)
    for page in read:  # of the file: present, and nobody's own
        assert memory.read(page) in (1, 7)
    for name, way in ways().items():
        assert numbers(way.find(memory.address, PAGES * PAGE_BYTES, Scratch())) == written, name


def test_more_regions_than_one_answer_holds(memory: Memory) -> None:
    written = set(range(0, PAGES, 2))
    for page in written:
        memory.write(page)
    scratch = Scratch()
    for name, way in ways().items():
        for _ in range(2):  # the room for the answer is used again
            assert numbers(way.find(memory.address, PAGES * PAGE_BYTES, scratch)) == written, name
        part = numbers(way.find(memory.address + 10 * PAGE_BYTES, 7 * PAGE_BYTES, scratch))
        assert part == {0, 2, 4, 6}, name


def test_where_nothing_is_known_all_pages_count(memory: Memory) -> None:
    way = WrittenPages()
    way._pagemap = -1
    assert way.find(memory.address, PAGES * PAGE_BYTES, Scratch()) == [(0, PAGES)]
    assert way.find(memory.address, 0, Scratch()) in ([], [(0, 0)])


def test_a_kernel_that_cannot_scan_is_asked_once(memory: Memory) -> None:
    way = WrittenPages()
    asked = []

    def refuse(*_: object) -> int:
        asked.append(1)
        return -1

    way._ioctl = refuse  # type: ignore[assignment]
    memory.write(2)
    for _ in range(3):
        assert numbers(way.find(memory.address, PAGES * PAGE_BYTES, Scratch())) == {2}
    assert asked == [1]
