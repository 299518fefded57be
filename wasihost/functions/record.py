"""What is noted of each call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

CallOutcome: TypeAlias = Literal[
    "returned",
    "raised",
    "refused",
    "invalid",
    "unknown",
    "limit",
    "deadline",
    "abandoned",
    "cancelled",
    "reply_invalid",
    "malformed",
]
"""How a call ended.

"returned"; "raised": the function did; "refused": the gate did not let it through; "invalid": with arguments that the
function does not take; "unknown": there is no such function; "limit": one call, or one byte, too many; "deadline": it
took too long and was cancelled; "abandoned": likewise, but it could not be cancelled and may still be at work;
"cancelled": the run ended first; "reply_invalid": what it returned is not what it declares, or has no form for a guest;
"malformed": the message was no call.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostCall:
    """One call of a function of the host, as the host saw it.

    Attributes:
        name: The function; for a call of none, the name that the guest said.
        arguments_digest: sha256 of the message of the call, in hexadecimal: equal for equal arguments.
        argument_bytes: Length of that message.
        reply_bytes: Length of the reply; 0 when there was none.
        seconds: Wall clock, from the message to the reply.
        outcome: How it ended; see `CallOutcome`.
        error: Name of the class of the exception that the guest got, or None.
    """

    name: str
    arguments_digest: str
    argument_bytes: int
    reply_bytes: int
    seconds: float
    outcome: CallOutcome
    error: str | None = None
