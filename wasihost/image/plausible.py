"""Whether what somebody else says of an image can be: a worker that a guest took over, or a file from elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wasihost.engine.snapshot import OWN_GLOBALS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wasihost.engine.mapping import Layout

MAILBOX_BYTES: Final = 65536
"""Of the harness; `engine.execute` has it too, which loads Wasmtime (tested to be the same)."""
_BITS: Final = {"i32": 32, "f32": 32, "i64": 64, "f64": 64}

Global = tuple[str, str, int]


def globals_fit(found: Sequence[Global], expected: Sequence[Global]) -> bool:
    """Whether these are the globals of the runtime's code, each with a value of its type."""
    return [(name, kind) for name, kind, _ in found] == [(name, kind) for name, kind, _ in expected] and all(
        -(2 ** (_BITS[kind] - 1)) <= value < 2 ** _BITS[kind] for _, kind, value in found
    )


def with_our_counters(found: Sequence[Global], expected: Sequence[Global]) -> tuple[Global, ...]:
    """Take the build's own globals as they are said, and the host's counters from the base image that is here."""
    return tuple(own if own[0].startswith(OWN_GLOBALS) else ours for own, ours in zip(found, expected, strict=True))


def layout_fits(layout: Layout, expected: Layout, *, has_packages: bool) -> bool:
    """Whether all addresses lie inside the memory, and the globals are those of the runtime's code."""
    places = [layout.entry, layout.mailbox, *layout.slots]
    if layout.output is not None:
        places += [layout.output.pointer_at, layout.output.start_at, layout.output.end_at]
    return (
        layout.slot_bytes == expected.slot_bytes
        and len(layout.slots) == len(expected.slots) - has_packages
        and 0 <= layout.mailbox <= layout.memory_bytes - MAILBOX_BYTES
        and all(0 <= place <= layout.memory_bytes - layout.slot_bytes for place in places)
        and 0 <= layout.entry_index < 2**32
        and globals_fit(layout.globals, expected.globals)
    )
