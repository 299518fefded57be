"""What a run may use at most."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass
from typing import Final, Literal

from wasihost.errors import InvalidLimitsError

WASM_PAGE_BYTES: Final = 65536
WASM_MEMORY_BYTES: Final = 2**32
"""The most that 32-bit wasm can address."""

MAX_FUEL: Final = 2**62
MAX_DEADLINE_SECONDS: Final = 7 * 24 * 3600.0
MAX_OUTPUT_BYTES: Final = 2**32
MAX_OPEN_FILES: Final = 2**20
MAX_DISK_BYTES: Final = 2**50
MAX_DISK_FILES: Final = 2**24
MAX_HOST_CALLS: Final = 2**40


class Metering(enum.Enum):
    """How instructions are bounded when it is not by a number."""

    UNMETERED = "unmetered"

    def __repr__(self) -> str:
        return self.name


UNMETERED: Final = Metering.UNMETERED
"""`Limits(fuel=UNMETERED)`: instructions are not counted, the deadline alone ends a run (10 to 40 % faster)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The budget of one run. Every bound is finite.

    Attributes:
        fuel: Wasm instructions (Wasmtime's fuel, about one a wasm operator), or `UNMETERED`. The default lasts some
            6 to 12 seconds of computing on a machine of 2026 (8 to 15 thousand million a second).
        memory_bytes: Linear memory of the guest, rounded down to whole 64 KiB pages. It holds the interpreter
            itself (about 45 MiB on cpython-3.15), so a value below the image's own size is refused. A guest that
            reaches the cap sees MemoryError.
        deadline_seconds: Wall clock from the start of the run, sleeps and host calls included.
        output_bytes: Standard output and standard error, each.
        output_overflow: What happens past `output_bytes`: "end" stops the run (OUTPUT_LIMIT); "truncate" lets it go
            on, keeping the first and the last half and counting what was left out.
        open_files: Files and directories that the guest holds open at a time; more is OSError(EMFILE) inside.
        disk_bytes: What a run may add to all its writable directories together, by the sizes of files. What was there
            before is measured when the run stores something for the first time. More is the outcome DISK_LIMIT, before
            it is stored. A write counts as if all of it were new, so one that does not fit into what is left ends the
            run even where it would have replaced something. A hole in a file counts like bytes from the next
            measurement on.
        disk_files: Files, folders and links that a run may add to all its writable directories together.
        host_calls: Calls that wasihost's own code answers in place of Wasmtime: output, sleeps, host functions.
        value_bytes: JSON text of the last expression's value; a longer one is dropped (`RunResult.value` is None).
        display_bytes: What one turn of a session may show, as JSON text with Base64 for pictures; what goes beyond is
            left out (`RunResult.displays_omitted`).

    Raises:
        InvalidLimitsError: A value of the wrong type or out of its range.
    """

    fuel: int | Metering = 100_000_000_000
    memory_bytes: int = 256 * 2**20
    deadline_seconds: float = 10.0
    output_bytes: int = 2**20
    output_overflow: Literal["end", "truncate"] = "end"
    open_files: int = 256
    disk_bytes: int = 2**30
    disk_files: int = 10_000
    host_calls: int = 1_000_000
    value_bytes: int = 8 * 2**20
    display_bytes: int = 16 * 2**20

    def __post_init__(self) -> None:
        if self.fuel is not UNMETERED:
            _check_integer("fuel", self.fuel, 1, MAX_FUEL, hint=" or UNMETERED")
        _check_integer("memory_bytes", self.memory_bytes, WASM_PAGE_BYTES, WASM_MEMORY_BYTES)
        _check_integer("output_bytes", self.output_bytes, 0, MAX_OUTPUT_BYTES)
        _check_integer("open_files", self.open_files, 0, MAX_OPEN_FILES)
        _check_integer("disk_bytes", self.disk_bytes, 0, MAX_DISK_BYTES)
        _check_integer("disk_files", self.disk_files, 0, MAX_DISK_FILES)
        _check_integer("host_calls", self.host_calls, 0, MAX_HOST_CALLS)
        _check_integer("value_bytes", self.value_bytes, 0, WASM_MEMORY_BYTES)
        _check_integer("display_bytes", self.display_bytes, 0, WASM_MEMORY_BYTES)
        seconds = self.deadline_seconds
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not math.isfinite(seconds):
            raise InvalidLimitsError(f"deadline_seconds must be a finite number of seconds, not {seconds!r}")
        if not 0 < seconds <= MAX_DEADLINE_SECONDS:
            raise InvalidLimitsError(
                f"deadline_seconds must be more than 0 and at most {MAX_DEADLINE_SECONDS:.0f}, not {seconds!r}"
            )
        if self.output_overflow not in ("end", "truncate"):
            raise InvalidLimitsError(f'output_overflow must be "end" or "truncate", not {self.output_overflow!r}')

    @property
    def memory_pages(self) -> int:
        """Whole wasm pages of 64 KiB within `memory_bytes`."""
        return self.memory_bytes // WASM_PAGE_BYTES


def _check_integer(name: str, value: object, least: int, most: int, *, hint: str = "") -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidLimitsError(f"{name} must be a whole number{hint}, not {value!r}")
    if not least <= value <= most:
        raise InvalidLimitsError(f"{name} must be from {least} to {most}{hint}, not {value}")
