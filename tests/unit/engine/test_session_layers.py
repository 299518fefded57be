"""The memory of a session at rest, next to a dict of pages: commits, forks, joined layers."""

from __future__ import annotations

import itertools
import os
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wasihost.engine.layers import (
    MAX_LAYERS,
    Checkpoint,
    Extent,
    Layer,
    SessionMemory,
    extents_of,
    resting_memory,
    split,
)
from wasihost.engine.runs import PAGE_BYTES, runs_of
from wasihost.errors import EngineError

PAGES = 40


class Model:
    """A session's memory with what each of its pages should hold."""

    def __init__(self, memory: SessionMemory, held: dict[int, int]) -> None:
        self.memory, self.held = memory, held

    def write(self, pages: list[int], value: int) -> None:
        """Do what a turn does: write to the place of a page that does not hold it."""
        layer, memory = self.memory.own_layer(), self.memory
        own = memory.own
        assert own is not None
        written = []
        for page in sorted(set(pages)):
            place = page + PAGES if memory.pages.get(page) == own << 32 | page else page
            layer.write(place, bytes([value]) * PAGE_BYTES)
            written.append((page, 1, place))
        made = Checkpoint(
            memory_bytes=PAGES * PAGE_BYTES, globals=(("g", "i32", value),), written=tuple(written), open_files=0
        )
        memory.commit(made, made.globals)
        self.held.update(dict.fromkeys(pages, value))

    def check(self) -> None:
        found = {}
        for page, count, layer, place in self.memory.extents():
            data = self.memory.layers[layer].read(place, count)
            for number in range(count):
                part = data[number * PAGE_BYTES : (number + 1) * PAGE_BYTES]
                assert part == part[:1] * PAGE_BYTES
                found[page + number] = part[0]
        assert found == self.held
        assert len(self.memory.layers) <= MAX_LAYERS + 1


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["write", "fork", "renounce", "drop"]),
        st.integers(0, 5),
        st.lists(st.integers(0, PAGES - 1), max_size=6),
    ),
    max_size=40,
)


@given(STEPS)
@settings(max_examples=60, deadline=None)
def test_it_holds_what_was_written(steps: list[tuple[str, int, list[int]]]) -> None:
    first = SessionMemory(memory_bytes=PAGES * PAGE_BYTES, globals=(), most_pages=PAGES)
    models = [Model(first, {})]
    for number, (step, which, pages) in enumerate(steps):
        model = models[which % len(models)]
        if step == "write":
            model.write(pages, number % 255 + 1)
        elif step == "fork":
            version = model.memory.version
            models.append(Model(model.memory.fork(), model.held.copy()))
            assert model.memory.version != version  # whoever has a guest of it must not go on with that
        elif step == "renounce":
            model.memory.renounce()
            assert model.memory.own is None
        elif len(models) > 1:
            models.remove(model)
            model.memory.drop()
        for other in models:
            other.check()
    assert len({model.memory.key for model in models}) == len(models)


def test_layers_of_a_session_that_nobody_forked_are_joined_too() -> None:
    model = Model(SessionMemory(memory_bytes=PAGES * PAGE_BYTES, globals=(), most_pages=PAGES), {})
    for number in range(5 * MAX_LAYERS):
        model.write([number % PAGES, 3], number % 255 + 1)
        model.memory.renounce()
        model.check()


def test_a_layer_has_a_fixed_size() -> None:
    layer = Layer(4)
    with pytest.raises(OSError, match="not permitted"):
        os.ftruncate(layer.descriptor, 0)
    with pytest.raises(EngineError, match="cannot be stored"):
        layer.write(4, bytes(PAGE_BYTES))
    with pytest.raises(EngineError, match="cannot be read"):
        layer.read(3, 2)
    layer.write(3, b"x" * PAGE_BYTES)
    assert layer.read(3, 1) == b"x" * PAGE_BYTES
    assert layer.stored_bytes() == PAGE_BYTES


def test_what_is_put_under_a_guest() -> None:
    model = Model(SessionMemory(memory_bytes=PAGES * PAGE_BYTES, globals=(("g", "i32", 0),), most_pages=PAGES), {})
    model.write([1, 2, 3, 9], 7)
    fork = model.memory.fork()
    resting = resting_memory(fork)
    assert resting.extents == [Extent(1, 3, 0, 1), Extent(9, 1, 0, 9)]
    assert (len(resting.layers), resting.own) == (2, 1)
    assert (resting.memory_bytes, resting.globals) == (PAGES * PAGE_BYTES, (("g", "i32", 7),))


@given(st.dictionaries(st.integers(0, 60), st.integers(0, 60), max_size=40))
def test_extents_say_the_same_as_pages(pages: dict[int, int]) -> None:
    found: dict[int, int] = {}
    last = -1
    for page, count, layer, place in extents_of(pages):
        assert page > last and count > 0
        last = page + count - 1
        found.update({page + number: layer << 32 | place + number for number in range(count)})
    assert found == pages
    assert split(5 << 32 | 7) == (5, 7)


@given(st.sets(st.integers(0, 60)))
def test_runs_say_the_same_as_numbers(numbers: set[int]) -> None:
    runs: list[Any] = list(runs_of(sorted(numbers)))
    assert {number for first, count in runs for number in range(first, first + count)} == numbers
    assert all(a[0] + a[1] < b[0] for a, b in itertools.pairwise(runs))
