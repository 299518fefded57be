"""What ended a guest: every Wasmtime trap code and every stop of ours, by name."""

from __future__ import annotations

from typing import Final

from wasihost.engine.ending import Ending

TRAP_MEANINGS: Final[dict[int, tuple[Ending, str]]] = {
    0: (Ending.CRASHED, "the native stack overflowed"),
    1: (Ending.CRASHED, "memory was accessed out of bounds"),
    2: (Ending.CRASHED, "an atomic access was misaligned"),
    3: (Ending.CRASHED, "a table was accessed out of bounds"),
    4: (Ending.CRASHED, "a null function was called (code outside the slice traps like this)"),
    5: (Ending.CRASHED, "a function was called with the wrong signature"),
    6: (Ending.CRASHED, "an integer operation overflowed"),
    7: (Ending.CRASHED, "an integer was divided by zero"),
    8: (Ending.CRASHED, "a number could not be converted to an integer"),
    9: (Ending.CRASHED, "unreachable code was reached (code outside the slice traps like this)"),
    10: (Ending.DEADLINE, "the run was interrupted"),
    11: (Ending.OUT_OF_FUEL, "the run used up its fuel"),
    12: (Ending.CRASHED, "an atomic wait on unshared memory"),
    13: (Ending.CRASHED, "a null reference was used"),
    14: (Ending.CRASHED, "an array was accessed out of bounds"),
    15: (Ending.CRASHED, "an allocation was too large"),
    16: (Ending.CRASHED, "a reference was cast to a type that it is not"),
    19: (Ending.CRASHED, "a stack switch had no handler"),
    20: (Ending.CRASHED, "a continuation was resumed twice"),
    49: (Ending.CRASHED, "a wasm exception was not caught"),
}
"""Trap code of Wasmtime 50 -> what it means here. A test walks Wasmtime's enumeration: codes that only the component
model or the Pulley interpreter can raise are absent on purpose and count as crashes."""


def meaning_of(code: int) -> tuple[Ending, str]:
    """Return the ending and a plain sentence for a trap code; an unknown code is a crash."""
    return TRAP_MEANINGS.get(code, (Ending.CRASHED, f"wasm trapped (code {code})"))
