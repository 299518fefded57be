"""The output buffer of a started interpreter is found by how it changes, whatever else holds the same bytes."""

from __future__ import annotations

import struct

import pytest

from wasihost.engine.mapping import OutputBuffer
from wasihost.image.freeze import MARKER, _Boot

OBJECT, POINTER, START, END = 1000, 1008, 1016, 1024
SIZE = 64


def look(places: list[int], pointer: int, pending: int, *, start: int = 0) -> bytes:
    """A memory with the marker at some places, and the buffered writer's object."""
    memory = bytearray(10_000)
    for place in places:
        memory[place : place + len(MARKER)] = MARKER
    struct.pack_into("<I", memory, POINTER, pointer)
    struct.pack_into("<q", memory, START, start)
    struct.pack_into("<q", memory, END, pending)
    return bytes(memory)


def found(*looks: bytes) -> OutputBuffer | None:
    boot = object.__new__(_Boot)
    boot._looks = [*looks]
    return boot._output_buffer({"buffer": OBJECT, "buffer_size": SIZE})


@pytest.mark.parametrize("places", [[5000], [2000, 5000], [5000, 7000], [2000, 5000, 7000], [4000, 4301, 5000]])
def test_the_buffer_is_the_marker_that_is_pointed_to(places: list[int]) -> None:
    assert found(look(places, 5000, 301), look([], 5000, 701), look([], 5000, -1)) == OutputBuffer(
        pointer_at=POINTER, start_at=START, end_at=END
    )


@pytest.mark.parametrize(
    "looks",
    [
        [look([5000], 5000, 301), look([], 5000, 701)],
        [look([], 5000, 301), look([], 5000, 701), look([], 5000, -1)],
        [look([5000], 5016, 301), look([], 5000, 701), look([], 5000, -1)],
        [look([5000], 5000, 301), look([], 5000, 700), look([], 5000, -1)],
        [look([5000], 5000, 301, start=1), look([], 5000, 701), look([], 5000, -1)],
    ],
)
def test_what_is_not_clear_is_not_used(looks: list[bytes]) -> None:
    assert found(*looks) is None
