"""One run as it is handed to whoever carries it out: bytes, numbers and descriptors, all checked."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from wasihost.capabilities.usage import FolderLimit
from wasihost.limits import WASM_PAGE_BYTES, Limits

if TYPE_CHECKING:
    from wasihost.engine.layers import SessionMemory

PROCESS_WALLS: Final = ("wasm", "process")
"""What stands around every run in a worker, besides what the operating system gives."""
MAX_DEPTH: Final = 4
"""How many runs may be under way one inside the listener of the other: each level has workers of its own."""


class Turn:
    """A run that is under way, as its listeners know it. What they start inherits it and may outlive the run."""

    __slots__ = ("runner",)

    def __init__(self, runner: object) -> None:
        self.runner: object | None = runner

    def end(self) -> None:
        """The run is over: nobody waits for it any more."""
        self.runner = None


inside: Final[ContextVar[frozenset[Turn]]] = ContextVar("wasihost-inside", default=frozenset())
"""Runs whose listener is the code in this context, or started it: it must not wait for those that are under way."""
SLICE_SECONDS: Final = 0.2
"""How long a signal may go unnoticed."""


def default_size() -> int:
    """Return how many workers there are unless said otherwise: one for each core that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Calls(Protocol):
    """Carries out the calls of one run, in the parent; from several threads.

    Attributes:
        message_bytes: Longest call that is read.
        reply_bytes: Longest reply.
        concurrent: Calls that are begun and waited for later, at a time; one counts until its reply was taken.
    """

    message_bytes: int
    reply_bytes: int
    concurrent: int

    def begin(self, message: bytes, done: Callable[[bytes], object], *, here: bool = False) -> None:
        """Make a call; `done` is called with the reply, from any thread. Never raises.

        With `here`, the caller waits for the reply: a plain function may be called on his thread.
        """

    def look(self) -> None:
        """Give up calls whose time is over; for whoever waits for replies, now and then."""

    def too_long(self, size: int) -> bytes:
        """Return the reply to a call that is too long to be read."""

    def too_many(self) -> bytes:
        """Return the reply to a call that is one too many at a time."""


class Job(NamedTuple):
    """A run to be made.

    Attributes:
        request: What the harness reads (`image.protocol.Request.encode`).
        stdin: Standard input, None to inherit the host's own.
        fuel: Instructions; None on an unmetered engine.
        memory_bytes: Cap of the linear memory, whole pages.
        deadline_seconds: Wall clock from the start of the run.
        output_bytes: Kept of standard output and standard error, each.
        output_ends_run: Whether a stream past `output_bytes` ends the run.
        open_files: Files open at a time.
        host_calls: Calls answered by the host's own code.
        disk_bytes: Bytes that the run may add to its writable grants.
        disk_files: Files, folders and links that it may add.
        reply_bytes: Longest reply of the harness that is read.
        brought: Folders that take the place of granted ones in this run: (index of the grant, descriptor, path).
        session: The session whose turn this is.
        snapshot_into: An empty file for the memory of a run that makes an image.
        watch: Looks from outside at what the run has stored, until the time given; a sentence says why it must end.
        calls: Carries out calls of functions of the host; None when there are none.
        on_stdout: Called with each piece of standard output, in order, while the run goes on.
        on_stderr: Likewise for standard error.
    """

    request: bytes
    stdin: bytes | None
    fuel: int | None
    memory_bytes: int
    deadline_seconds: float
    output_bytes: int
    output_ends_run: bool
    open_files: int
    host_calls: int
    disk_bytes: int
    disk_files: int
    reply_bytes: int
    brought: tuple[tuple[int, int, str], ...] = ()
    session: SessionMemory | None = None
    snapshot_into: int | None = None
    watch: Callable[[float], str | None] | None = None
    calls: Calls | None = None
    on_stdout: Callable[[bytes], object] | None = None
    on_stderr: Callable[[bytes], object] | None = None


def make_job(
    limits: Limits,
    *,
    request: bytes,
    stdin: bytes | None,
    reply_bytes: int,
    brought: tuple[tuple[int, int, str], ...] = (),
    session: SessionMemory | None = None,
    snapshot_into: int | None = None,
    watch: Callable[[float], str | None] | None = None,
    calls: Calls | None = None,
    on_stdout: Callable[[bytes], object] | None = None,
    on_stderr: Callable[[bytes], object] | None = None,
) -> Job:
    """Return a run under these limits; the other arguments are those of `Job`."""
    return Job(
        request=request,
        stdin=stdin,
        fuel=limits.fuel if isinstance(limits.fuel, int) else None,
        memory_bytes=limits.memory_pages * WASM_PAGE_BYTES,
        deadline_seconds=limits.deadline_seconds,
        output_bytes=limits.output_bytes,
        output_ends_run=limits.output_overflow == "end",
        open_files=limits.open_files,
        host_calls=limits.host_calls,
        disk_bytes=limits.disk_bytes,
        disk_files=limits.disk_files,
        reply_bytes=reply_bytes,
        brought=brought,
        session=session,
        snapshot_into=snapshot_into,
        watch=watch,
        calls=calls,
        on_stdout=on_stdout,
        on_stderr=on_stderr,
    )


class Grant(NamedTuple):
    """A granted directory, open.

    Attributes:
        guest: Where the guest finds it.
        writable: Whether the guest may change it.
        descriptor: The directory.
        engine_path: What an engine in this process opens.
        host: Its resolved path, for launchers that mount it by name.
        overlay: Whether each run gets a copy in its place, and each session one for itself.
        limit: What it may hold in all; only a scratch folder has one.
    """

    guest: str
    writable: bool
    descriptor: int
    engine_path: str
    host: str
    overlay: bool = False
    limit: FolderLimit | None = None


class Control:
    """The handle by which another thread cancels a run, before it starts or while it goes on."""

    __slots__ = ("_lock", "_stop", "cancelled", "expired", "until")

    def __init__(self) -> None:
        self.cancelled = False
        self.expired = False
        self.until = math.inf
        """`time.monotonic()` at which the run is stopped, whatever a listener does; set when the run starts."""
        self._stop: Callable[[], object] | None = None
        self._lock = threading.Lock()

    def bind(self, stop: Callable[[], object] | None) -> None:
        """Say what stops the run from now on; it is called at once when the run is cancelled already.

        The one before is not called any more once this returns: whoever stopped by it may serve somebody else now.
        """
        with self._lock:
            self._stop = stop
            if self.cancelled and stop is not None:
                stop()

    def cancel(self) -> None:
        """Stop the run. Harmless after its end, and more than once."""
        with self._lock:
            self.cancelled = True
            if self._stop is not None:
                self._stop()

    def expire(self) -> None:
        """Stop the run that is under way because its time is over; harmless after its end."""
        with self._lock:
            if self._stop is not None:
                self.expired = True
                self._stop()
