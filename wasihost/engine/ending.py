"""How a run ends, in values: nothing here loads Wasmtime, so a parent of workers can use it."""

from __future__ import annotations

import contextlib
import enum
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from wasihost.engine.layers import Checkpoint
    from wasihost.engine.snapshot import Snapshot


class Ending(enum.Enum):
    """How the wasm side of a run came to its end."""

    RETURNED = "returned"
    """The entry function came back; its reply may be read."""
    EXITED = "exited"
    """The guest called `proc_exit`."""
    FROZEN = "frozen"
    """A command build rang the bell that freezes it (boot only)."""
    OUT_OF_FUEL = "out of fuel"
    DEADLINE = "deadline"
    CANCELLED = "cancelled"
    OUTPUT_LIMIT = "output limit"
    DISK_LIMIT = "disk limit"
    HOST_CALL_LIMIT = "host call limit"
    CRASHED = "crashed"
    """Wasm trapped: the guest's memory can no longer be trusted to hold a Python."""
    HOST_FAILED = "host failed"


class End(NamedTuple):
    """How a call into the guest ended."""

    ending: Ending
    detail: str = ""
    exit_code: int = 0


class Stop(NamedTuple):
    """Why the host stops a guest, or stopped it."""

    ending: Ending
    detail: str
    exit_code: int = 0

    def end(self) -> End:
        """Return the same as the end of a call."""
        return End(self.ending, self.detail, self.exit_code)


CANCELLED: Final = Stop(Ending.CANCELLED, "the run was cancelled")
EXPIRED: Final = Stop(Ending.DEADLINE, "the run reached its deadline")


class Execution(NamedTuple):
    """What came of a run, in bytes and numbers; nothing of it is interpreted yet.

    Attributes:
        end: How the wasm ended.
        walls: What stood around the run, where that is the business of a worker of its own; else empty.
        reply: The harness's reply, None unless the entry function returned one. Hostile bytes.
        stdout: What was kept of standard output, and how many bytes were not.
        stderr: Likewise for standard error.
        fuel_consumed: None when unmetered, or when nobody came back to tell.
        memory_bytes: Size of the guest's memory at the end; 0 when nobody came back to tell.
        cpu_seconds: CPU time of the thread that ran the guest.
        wall_seconds: From the start of the run to its end.
        snapshot: What belongs to the memory that was written into a file, where the run had one for it.
        checkpoint: What a turn of a session changed; None when it is to be undone.
        attached: Whether the session was put under a guest for this turn, without the files that it had open.
    """

    end: End
    walls: tuple[str, ...] = ()
    reply: bytes | None = None
    stdout: tuple[bytes, int] = (b"", 0)
    stderr: tuple[bytes, int] = (b"", 0)
    fuel_consumed: int | None = None
    memory_bytes: int = 0
    cpu_seconds: float = 0.0
    wall_seconds: float = 0.0
    snapshot: Snapshot | None = None
    checkpoint: Checkpoint | None = None
    attached: bool = False


def host_failed(error: BaseException) -> Stop:
    """Log an exception of the host's own code, and return the stop that it means. Its text stays on the host."""
    # Behind the walls of an enclosed process nothing can be imported any more, and no exception may leave here: the
    # caller is a function that native code called.
    with contextlib.suppress(BaseException):
        import logging  # nothing else on the way to a run needs it

        logging.getLogger("wasihost").error("a host function failed", exc_info=error)
    return Stop(Ending.HOST_FAILED, f"the host failed while serving the guest: {type(error).__name__}")
