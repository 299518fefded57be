"""Runs in this process: WebAssembly is the only wall, and a host call that never returns costs a thread."""

from __future__ import annotations

import contextlib
import contextvars
import os
import threading
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from wasihost.containment.disk import disk_hook
from wasihost.containment.job import SLICE_SECONDS
from wasihost.containment.local_calls import LocalCalls
from wasihost.engine import threads
from wasihost.engine.execute import Run, Turn
from wasihost.engine.spare import SpareGuests
from wasihost.engine.surroundings import Directory, Surroundings
from wasihost.engine.written import written_pages
from wasihost.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wasihost.capabilities.usage import FolderLimit
    from wasihost.containment.job import Control, Grant, Job
    from wasihost.engine.attached import Attached
    from wasihost.engine.ending import Execution
    from wasihost.engine.layers import SessionMemory
    from wasihost.image.store import Ready

HEAP_BYTES: Final = 192 << 20
"""What the walls let a process that runs guests grow by, besides the guest's memory."""
GUEST_ADDRESSES_BYTES: Final = 24 << 30
"""Wasmtime reserves addresses for the largest memory with guards on both sides; a dying and a new guest overlap."""
SPARE_ADDRESSES_BYTES: Final = 10 << 30
"""Likewise, of one guest that waits."""
DESCRIPTORS: Final = 64
"""What such a process itself has open, grants included."""
GRACE_SECONDS: Final = 0.25
"""How long a stopped guest may take to leave a host call before its thread is abandoned."""


SPARE_GUESTS: Final = 2
"""Guests that wait for runs. Each has some 2 MiB of memory of its own, and addresses for the largest memory."""
MAX_ATTACHED: Final = 16
"""Sessions whose guests are kept from turn to turn; the others rest, and take some milliseconds more to go on."""
LEAVING_SECONDS: Final = 0.1
"""How long a thread that Python has done with may still be on its way out."""


class Direct:
    """Makes runs on threads of this process."""

    def __init__(self, ready: Ready, grants: Sequence[Grant]) -> None:
        self._ready = ready
        self._grants = tuple(grants)
        self.walls: tuple[str, ...] = ("wasm",)
        self.missing: tuple[tuple[str, str], ...] = ()
        self._lock = threading.Lock()
        self._attached: OrderedDict[int, tuple[int, Attached]] = OrderedDict()
        """Key of a session -> version of its memory, and the guest that has it."""
        self._written = written_pages()  # opened before walls put it out of reach
        self._spares = SpareGuests(ready.code, ready.image, self._written, most=SPARE_GUESTS)

    def enclose(self, memory_bytes: int, open_files: int, disk_bytes: int) -> None:
        """Put the operating system's walls around this whole process, for good.

        Raises:
            EngineError: The process has other threads, which Landlock would not hold.
        """
        from wasihost.containment.walls.enclosure import Enclosure, enclose

        if not _is_alone():
            raise EngineError("this process has several threads already: enclose it first of all, or use workers")
        self._spares.keep_at_most(1)
        standing = enclose(
            Enclosure(
                readable=[
                    *[library.host for library in self._ready.libraries],
                    *[grant.descriptor for grant in self._grants if not grant.writable],
                ],
                writable=[grant.descriptor for grant in self._grants if grant.writable],
                data_bytes=2 * memory_bytes + HEAP_BYTES,
                address_bytes=GUEST_ADDRESSES_BYTES + SPARE_ADDRESSES_BYTES + HEAP_BYTES,
                open_files=open_files + DESCRIPTORS,
                file_bytes=disk_bytes + _own_output_bytes(),
            )
        )
        self.walls = ("wasm", *standing.walls)
        self.missing = standing.missing

    def check_process(self) -> None:
        """Refuse to work in a forked child.

        Raises:
            EngineError: This process was forked after the engine was made.
        """
        self._ready.code.engine.check_process()

    def run(self, job: Job, control: Control, *, depth: int = 0) -> Execution:  # noqa: ARG002
        """Make a run, beside any others.

        Raises:
            EngineError: The guest could not be set up.
            BaseException: Ctrl-C; the run is stopped first.
        """
        self.check_process()
        turn = None if job.session is None else self._turn(job.session)
        run = self._prepare(job, turn)
        context = contextvars.copy_context()  # so that listeners know which run is theirs
        task = threads.submit(lambda: context.run(run.execute, job.request), run.put_away)
        try:
            control.bind(run.cancel)
            if _is_over(task, job.deadline_seconds + GRACE_SECONDS):
                return self._finished(job, turn, task)
        except BaseException:  # Ctrl-C, or a signal handler that raised
            run.cancel()
            if task.wait(GRACE_SECONDS) and turn is not None:
                turn.close()
            raise
        finally:
            control.bind(None)
        run.expire()
        if task.wait(GRACE_SECONDS):
            return self._finished(job, turn, task)
        # A host call does not come back, and nothing but the end of the process stops it.
        return run.abandoned()

    def _turn(self, memory: SessionMemory) -> Turn:
        from wasihost.engine.layers import resting_memory  # runs do without

        with self._lock:
            version, attached = self._attached.pop(memory.key, (-1, None))
        if attached is not None and version != memory.version:
            attached.close()
            attached = None
        return Turn(attached, None if attached is not None else resting_memory(memory), self._written)

    def _finished(self, job: Job, turn: Turn | None, task: threads.Task[Execution]) -> Execution:
        """Keep the guest of a session for its next turn."""
        execution = task.result()
        if turn is not None and turn.attached is not None and job.session is not None:
            gone: list[Attached] = []
            with self._lock:
                kept = job.session.version + (execution.checkpoint is not None)
                self._attached[job.session.key] = kept, turn.attached
                while len(self._attached) > MAX_ATTACHED:
                    gone.append(self._attached.popitem(last=False)[1][1])
            for attached in gone:
                attached.close()
        return execution

    def forget(self, key: int) -> None:
        """Free the guest of a session, which is not in a turn."""
        with self._lock:
            _, attached = self._attached.pop(key, (0, None))
        if attached is not None:
            attached.close()

    def _prepare(self, job: Job, turn: Turn | None) -> Run:
        directories = list(self._ready.libraries)
        brought = {index: (descriptor, path) for index, descriptor, path in job.brought}
        writable: list[tuple[int, FolderLimit | None]] = []
        for index, grant in enumerate(self._grants):
            folder, host = brought.get(index, (grant.descriptor, grant.engine_path))
            if grant.writable or grant.overlay:
                writable.append((folder, grant.limit))
            directories.append(Directory(host=host, guest=grant.guest, writable=grant.writable or grant.overlay))
        surroundings = Surroundings(
            directories=directories,
            stdin=job.stdin,
            fuel=job.fuel,
            memory_bytes=job.memory_bytes,
            deadline_seconds=job.deadline_seconds,
            output_bytes=job.output_bytes,
            output_ends_run=job.output_ends_run,
            open_files=job.open_files,
            host_calls=job.host_calls,
            disk=disk_hook(writable, disk_bytes=job.disk_bytes, disk_files=job.disk_files),
            calls=None if job.calls is None else LocalCalls(job.calls),
            on_stdout=job.on_stdout,
            on_stderr=job.on_stderr,
        )
        return Run(
            self._ready.code,
            self._ready.image,
            surroundings,
            [grant.guest for grant in self._grants],
            reply_bytes=job.reply_bytes,
            spares=self._spares,
            # The run may outlast the caller, who closes his own.
            snapshot_into=None if job.snapshot_into is None else os.dup(job.snapshot_into),
            turn=turn,
        )

    def pids(self) -> list[int]:
        """There are no workers."""
        return []

    def close(self) -> None:
        """Free the guests of sessions and those that wait; nothing else is held that others do not share."""
        self._spares.close()
        with self._lock:
            gone = [attached for _, attached in self._attached.values()]
            self._attached.clear()
        for attached in gone:
            attached.close()


def _is_alone() -> bool:
    """Whether this process has one thread; the kernel counts one that was joined for a moment longer."""
    from wasihost.containment.walls.kernel import thread_count

    until = time.monotonic() + LEAVING_SECONDS
    while (thread_count() or 1) != 1:
        if time.monotonic() >= until or threading.active_count() > 1:
            return False
        time.sleep(0.0002)
    return True


def _own_output_bytes() -> int:
    """How far this process's own standard output and error have been written, where they are files."""
    sizes = [0]
    for descriptor in (1, 2):
        with contextlib.suppress(OSError):
            sizes.append(os.fstat(descriptor).st_size)
    return max(sizes) + (4 << 30)


def _is_over(task: threads.Task[Execution], seconds: float) -> bool:
    """Wait for the end of a run in slices: Ctrl-C just before a lock is waited for is noticed only after that wait."""
    end = time.monotonic() + seconds
    while not task.wait(max(0.0, min(end - time.monotonic(), SLICE_SECONDS))):
        if time.monotonic() >= end:
            return False
    return True
