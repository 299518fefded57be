"""Whether what somebody else says of an image can be: a worker that a guest took over, or a file from elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wasihost.engine.doorbell import MAILBOX_BYTES
from wasihost.engine.mapping import RANDOM_BYTES
from wasihost.engine.snapshot import OWN_GLOBALS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wasihost.engine.mapping import Layout

_LEAST: Final = {"i32": -(2**31), "f32": -(2**31), "i64": -(2**63), "f64": -(2**63)}
_BEYOND: Final = {"i32": 2**32, "f32": 2**32, "i64": 2**64, "f64": 2**64}

Global = tuple[str, str, int]


def globals_fit(found: Sequence[Global], expected: Sequence[Global]) -> bool:
    """Whether these are the globals of the runtime's code, each with a value of its type."""
    if len(found) != len(expected):
        return False
    for (name, kind, value), (known, its_kind, _) in zip(found, expected, strict=True):
        if name != known or kind != its_kind or not _LEAST[kind] <= value < _BEYOND[kind]:
            return False
    return True


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
        and (layout.random is None or 0 <= layout.random <= layout.memory_bytes - RANDOM_BYTES)
        and 0 <= layout.entry_index < 2**32
        and globals_fit(layout.globals, expected.globals)
    )
