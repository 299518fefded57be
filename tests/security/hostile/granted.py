"""Functions of the host for cases about them: what is granted, by a gate and in limits."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final

from hostile.case import SECRET

from wasihost import FunctionLimits, GuestVisibleError, PendingCall, host_function


@host_function
def look_up(word: str, top: int = 1) -> list[str]:
    """Look a word up."""
    return [word] * top


@host_function
def erase(word: str) -> str:
    """Do what no hostile guest is granted."""
    return f"{word} is gone"


@host_function
def fail(*, openly: bool = False) -> None:
    """Fail with words that are not meant for guests, or with some that are."""
    raise GuestVisibleError("try again later") if openly else FileNotFoundError(SECRET)


@host_function
def wait(seconds: float) -> str:
    """Take that long."""
    time.sleep(seconds)
    return "done"


def short_words(call: PendingCall) -> bool:
    """Let calls through that are about short words."""
    return len(str(call.arguments.get("word", ""))) < 10


GRANTED: Final[Mapping[str, Any]] = {
    "functions": [look_up, fail, wait],
    "function_limits": FunctionLimits(calls=300, argument_bytes=4096, reply_bytes=4096, call_seconds=0.3),
    "gate": short_words,
}
"""Options of a sandbox."""
WITH_ERASE: Final[Mapping[str, Any]] = {**GRANTED, "functions": [look_up, erase, fail, wait]}
