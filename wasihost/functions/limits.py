"""What the calls of one run may use at most."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from wasihost.errors import InvalidLimitsError

MAX_CALLS: Final = 2**40
MAX_CONCURRENT: Final = 1024
LEAST_BYTES: Final = 64
"""Room for the shortest calls and replies."""
MAX_BYTES: Final = 2**30
MAX_CALL_SECONDS: Final = 7 * 24 * 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionLimits:
    """How much a run may do with the functions of its host. Every bound is finite.

    Attributes:
        calls: Calls in one run, or in one turn of a session.
        concurrent: Calls that are under way at a time.
        argument_bytes: Whole message of a call: name, arguments as JSON, bytes as they are.
        reply_bytes: Likewise of what comes back.
        call_seconds: Wall clock of one call. The deadline of the run covers its calls as well.

    Raises:
        InvalidLimitsError: A value of the wrong type or out of its range.
    """

    calls: int = 10_000
    concurrent: int = 16
    argument_bytes: int = 2**20
    reply_bytes: int = 16 * 2**20
    call_seconds: float = 30.0

    def __post_init__(self) -> None:
        _check_integer("calls", self.calls, 0, MAX_CALLS)
        _check_integer("concurrent", self.concurrent, 1, MAX_CONCURRENT)
        _check_integer("argument_bytes", self.argument_bytes, LEAST_BYTES, MAX_BYTES)
        _check_integer("reply_bytes", self.reply_bytes, LEAST_BYTES, MAX_BYTES)
        seconds = self.call_seconds
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not math.isfinite(seconds):
            raise InvalidLimitsError(f"call_seconds must be a finite number of seconds, not {seconds!r}")
        if not 0 < seconds <= MAX_CALL_SECONDS:
            raise InvalidLimitsError(
                f"call_seconds must be more than 0 and at most {MAX_CALL_SECONDS:.0f}, not {seconds!r}"
            )


def _check_integer(name: str, value: object, least: int, most: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidLimitsError(f"{name} must be a whole number, not {value!r}")
    if not least <= value <= most:
        raise InvalidLimitsError(f"{name} must be from {least} to {most}, not {value}")
