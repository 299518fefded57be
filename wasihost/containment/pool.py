"""The workers of one sandbox: a few processes, each making one run at a time, handed out first come, first served."""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections import deque
from typing import TYPE_CHECKING, Final

from wasihost.containment import messages, nursery
from wasihost.containment.job import MAX_DEPTH, PROCESS_WALLS, SLICE_SECONDS
from wasihost.containment.process import WorkerLostError, WorkerProcess
from wasihost.containment.required import check_required
from wasihost.engine.ending import CANCELLED, Execution
from wasihost.errors import ClosedError, ConfigError, EngineError, InvalidGrantError, WallsMissingError, WasiHostError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wasihost.containment.job import Control, Grant, Job
    from wasihost.containment.launchers import Launcher
    from wasihost.engine.layers import SessionMemory
    from wasihost.image.store import Located


ATTEMPTS: Final = 3
"""How often a worker is started before those who wait for it are told that none can be."""


LOST: Final = "worker processes end as soon as they are started"


class _Waiter:
    """Somebody in the queue; `worker` or `error` is set when the lock is released."""

    __slots__ = ("error", "ready", "worker")

    def __init__(self) -> None:
        self.worker: WorkerProcess | None = None
        self.error: Exception | None = None
        self.ready = threading.Lock()
        self.ready.acquire()


class _Start:
    """The start of a worker that was announced: done by the first who claims it, or given up by them."""

    __slots__ = ("_unclaimed", "old")

    def __init__(self, old: WorkerProcess | None = None) -> None:
        self.old = old
        self._unclaimed = threading.Lock()

    def claim(self) -> bool:
        """Whether it is the caller's to do."""
        return self._unclaimed.acquire(blocking=False)


class Pool:
    """Makes runs in worker processes.

    Args:
        located: Code and image.
        grants: The granted directories, open for as long as the pool lives.
        room: Folder that holds copies of overlays and what sessions own: (descriptor, path), None without them.
        configure: Limits that the walls are built for; its grants are filled in here.
        size: Most workers at a time.
        launcher: What starts the workers, None for this process itself.
        require_walls: Walls that must stand, else no run is made.
        spares: Whether a loaded worker is kept in reserve for the next pool of the same image.
    """

    def __init__(
        self,
        located: Located,
        *,
        grants: Sequence[Grant],
        room: tuple[int, str] | None,
        open_files: int,
        file_bytes: int,
        memory_bytes: int,
        size: int,
        launcher: Launcher | None,
        require_walls: frozenset[str],
        spares: bool = True,
    ) -> None:
        self._located = located
        self._grants = tuple(grants)
        self._room = room
        self._bounds = (open_files, file_bytes, memory_bytes)
        self._size = size
        self._launcher = launcher
        self._require_walls = require_walls
        self._spares = spares
        self._lock = threading.Lock()
        self._idle: deque[WorkerProcess] = deque()
        self._waiters: deque[_Waiter] = deque()
        self._places: dict[int, threading.Semaphore] = {}
        """Of the runs in listeners of runs, by their depth."""
        self._busy = 0
        self._starting = 0
        self._helpers = 0
        self._closed = False
        self._pid = os.getpid()
        self._processes: set[WorkerProcess] = set()
        self._finalizer = weakref.finalize(self, _end_all, self._processes, self._pid)
        self.walls: tuple[str, ...] = ()
        first = self._make()  # so that a machine that cannot serve is told here, and the walls are known
        self.walls = (*PROCESS_WALLS, *first.walls)
        self.missing = first.missing
        self._idle.append(first)

    # -- runs ---------------------------------------------------------------------------------------------------------

    def run(self, job: Job, control: Control, *, depth: int = 0) -> Execution:
        """Make a run on the next free worker.

        Args:
            job: The run.
            control: Cancels it.
            depth: How many runs of this pool wait for the caller, who is a listener of theirs, and hold a worker each.

        Raises:
            ClosedError: The pool was closed.
            InvalidGrantError: The standard input cannot reach the workers.
            EngineError: No worker can be started, or this process was forked.
            BaseException: What a callback raised, or Ctrl-C.
        """
        self.check_process()
        try:
            return self._run(job, control, depth)
        except OSError as error:
            if error.errno is None:
                raise  # not the system's: a signal handler's, perhaps TimeoutError
            raise _as_engine_error(error) from error

    def _run(self, job: Job, control: Control, depth: int) -> Execution:
        if job.stdin is None and self._launcher is not None and self._launcher.by_path:
            raise InvalidGrantError(
                f"stdin=INHERIT cannot reach a worker inside {self._launcher.name}: read it here and pass the bytes"
            )
        if job.session is not None and self._launcher is not None and self._launcher.by_path:
            raise ConfigError(
                f"a session cannot reach a worker inside {self._launcher.name}, which passes no open files on: "
                "use another launcher, or none"
            )
        if depth:
            return self._run_inside(job, control, depth)
        lost = 0
        while True:
            # Cancelled before its run, a worker would be killed for nothing.
            worker = None if control.cancelled else self._acquire(control, job.session)
            if worker is None:
                return Execution(end=CANCELLED.end())
            try:
                return worker.run(job, control)
            except WorkerLostError:
                lost += 1
                if lost > self._size:
                    raise EngineError(LOST) from None
            finally:
                self._release(worker)

    def _run_inside(self, job: Job, control: Control, depth: int) -> Execution:
        """Make a run on a worker of its own: waiting for one that waits for the caller would never end.

        Each level of runs inside listeners has as many places as the pool has workers. Those who hold them wait for
        deeper levels only, so waiting for one comes to an end.
        """
        if depth > MAX_DEPTH:
            raise EngineError(f"runs in listeners of runs are {depth} deep; {MAX_DEPTH} are allowed")
        with self._lock:
            places = self._places.setdefault(depth, threading.Semaphore(self._size))
        while not places.acquire(timeout=SLICE_SECONDS):
            if control.cancelled:
                return Execution(end=CANCELLED.end())
        try:
            if control.cancelled:
                return Execution(end=CANCELLED.end())
            return self._run_once(job, control)
        finally:
            places.release()

    def _run_once(self, job: Job, control: Control) -> Execution:
        for _ in range(ATTEMPTS):
            worker = self._make()
            try:
                return worker.run(job, control)
            except WorkerLostError:
                if control.cancelled:
                    return Execution(end=CANCELLED.end())
            finally:
                with self._lock:
                    self._processes.discard(worker)
                worker.close()
        raise EngineError(LOST)

    def check_process(self) -> None:
        """Refuse to work in a forked child: the workers are its parent's, and both would talk to them.

        Raises:
            EngineError: This process was forked after the pool was made.
        """
        if os.getpid() != self._pid:
            raise EngineError(
                "this process was forked after its sandbox was made: make the sandbox in the child, or use 'spawn'"
            )

    def _acquire(self, control: Control, session: SessionMemory | None = None) -> WorkerProcess | None:
        while True:
            waiter = _Waiter()
            worker: WorkerProcess | None = None
            start: _Start | None = None
            try:
                with self._lock:
                    if self._closed:
                        raise ClosedError("the sandbox is closed")
                    if self._idle and not self._waiters:
                        # No calls in between: Ctrl-C comes after a call, and then both or neither must have happened.
                        index = 0 if session is None else self._index_for(session)
                        worker = self._idle[index]
                        self._busy += 1
                        del self._idle[index]
                    else:
                        self._waiters.append(waiter)
                    if self._wants_more():
                        start = _Start()
                        self._starting += 1
                if start is not None:
                    self._start(start)
                if worker is None:
                    return self._wait(waiter, control)
                if worker.is_alive():
                    return worker
                # It died while it was idle: replaced without a word.
                worker.worn = True
                dead, worker = worker, None
                self._release(dead)
            except BaseException:
                self._give_up(waiter, worker, start)
                raise

    def _index_for(self, session: SessionMemory) -> int:
        """Return which idle worker is best for a turn: the one that has the session's guest."""
        for index, worker in enumerate(self._idle):
            if worker.kept.has(session.key, session.version):
                return index
        return 0

    def forget(self, key: int) -> None:
        """A session is over: its guests are freed when the workers that have them hear of something else."""
        with self._lock:
            for worker in self._processes:
                worker.kept.forget(key)

    def _give_up(self, waiter: _Waiter, worker: WorkerProcess | None, start: _Start | None) -> None:
        """Take back what somebody had who does not go on: Ctrl-C, or no thread could be had."""
        self._leave(waiter)
        if start is not None:
            self._start_again(start)
        for held in (worker, waiter.worker):
            if held is not None:
                self._release(held)

    def _wants_more(self) -> bool:
        """Whether another worker should be started: somebody waits for whom none is on its way."""
        there = self._busy + len(self._idle) + self._starting
        return there < self._size and self._starting < len(self._waiters) and not self._idle

    def _wait(self, waiter: _Waiter, control: Control) -> WorkerProcess | None:
        control.bind(lambda: self._leave(waiter))
        try:
            # In slices: Ctrl-C just before a lock is waited for is noticed only after that wait.
            while not waiter.ready.acquire(timeout=SLICE_SECONDS):
                continue
        finally:
            control.bind(None)
        if waiter.error is not None:
            raise waiter.error
        if waiter.worker is not None and control.cancelled:
            worker, waiter.worker = waiter.worker, None
            self._release(worker)
            return None
        return waiter.worker

    def _leave(self, waiter: _Waiter) -> None:
        """Take somebody out of the queue, with nothing."""
        with self._lock:
            if waiter not in self._waiters:
                return
            self._waiters.remove(waiter)
        waiter.ready.release()

    def _release(self, worker: WorkerProcess) -> None:
        with self._lock:
            self._busy -= 1
        self._offer(worker)

    def _offer(self, worker: WorkerProcess) -> None:
        """Give a worker to the first who waits, or let it rest, or end it."""
        start: _Start | None = None
        with self._lock:
            if not worker.worn and not self._closed:
                if self._waiters:
                    waiter = self._waiters.popleft()
                    waiter.worker = worker
                    self._busy += 1
                    waiter.ready.release()
                else:
                    self._idle.append(worker)
                return
            self._processes.discard(worker)
            if not self._closed:
                start = _Start(worker)
                self._starting += 1
        if start is not None:
            self._start(start)
        else:
            worker.close()

    # -- workers ------------------------------------------------------------------------------------------------------

    def _start(self, start: _Start) -> None:
        """Start a worker on a thread of its own, after the one in whose place it comes was ended."""
        try:
            threading.Thread(target=self._start_now, args=(start,), name="wasihost-start", daemon=True).start()
        except RuntimeError:
            self._start_now(start)
        except BaseException:  # Ctrl-C while the thread began, or before
            self._start_again(start)
            raise

    def _start_again(self, start: _Start) -> None:
        """Begin a start that was interrupted, unless it has begun: others may wait for what it brings."""
        if start.claim():
            self._start(_Start(start.old))

    def _start_now(self, start: _Start) -> None:
        if not start.claim():
            return
        with self._lock:
            self._helpers += 1
        try:
            self._replace(start.old)
        finally:
            with self._lock:
                self._helpers -= 1

    def _replace(self, old: WorkerProcess | None) -> None:
        if old is not None:
            old.kill()
        made: WorkerProcess | None = None
        error: Exception | None = None
        for _ in range(ATTEMPTS):
            try:
                made = self._make()
                break
            except WallsMissingError as caught:
                error = caught
                break
            except BaseException as caught:
                error = _as_engine_error(caught)  # somebody may have killed it while it started
        with self._lock:
            self._starting -= 1
            if made is None and not self._busy and not self._idle and not self._starting:
                # Nobody is left who could serve those who wait.
                for waiter in self._waiters:
                    waiter.error = error
                    waiter.ready.release()
                self._waiters.clear()
        if made is not None:
            self._offer(made)
        if old is not None:
            old.close()

    def _make(self) -> WorkerProcess:
        if self._closed:
            raise ClosedError("the sandbox is closed")
        worker = nursery.take(
            self._located, self._launcher, self._grants, self._room, self._bounds[2], spares=self._spares
        )
        try:
            open_files, file_bytes, memory_bytes = self._bounds
            by_path = self._launcher is not None and self._launcher.by_path
            said = [
                messages.GrantSaid(
                    guest=grant.guest,
                    writable=grant.writable,
                    path=grant.host if by_path else "",
                    overlay=grant.overlay,
                    limit=None if grant.limit is None else (grant.limit.disk_bytes, grant.limit.disk_files),
                )
                for grant in self._grants
            ]
            descriptors = [] if by_path else [grant.descriptor for grant in self._grants if not grant.overlay]
            room = None
            if self._room is not None:
                room = self._room[1] if by_path else ""
                descriptors += [] if by_path else [self._room[0]]
            configure = messages.Configure(
                grants=said,
                room=room,
                open_files=open_files,
                file_bytes=file_bytes,
                memory_bytes=memory_bytes,
            )
            worker.configure(configure, descriptors)
            if self._launcher is not None:
                worker.walls = (*worker.walls, self._launcher.name)
            # No later worker has fewer than the first, whose walls the sandbox tells.
            required = self._require_walls | {*self.walls}
            check_required(required, (*PROCESS_WALLS, *worker.walls), worker.missing)
        except BaseException as error:
            worker.close()
            if isinstance(error, OSError) and error.errno is not None:
                raise _as_engine_error(error) from error
            raise
        with self._lock:
            self._processes.add(worker)
        return worker

    # -- life ---------------------------------------------------------------------------------------------------------

    def pids(self) -> list[int]:
        """Return the process ids of the workers there are."""
        with self._lock:
            return [worker.process.pid for worker in self._processes]

    def close(self) -> None:
        """End all workers, after the runs that are under way."""
        if os.getpid() != self._pid:
            return  # the workers, and the threads that could end a run, are the parent's
        with self._lock:
            self._closed = True
            waiters, self._waiters = self._waiters, deque()
        for waiter in waiters:
            waiter.error = ClosedError("the sandbox is closed")
            waiter.ready.release()
        while True:
            with self._lock:
                if not self._busy and not self._starting and not self._helpers:
                    break
            time.sleep(0.002)
        self._finalizer()
        self._idle.clear()


def _as_engine_error(error: BaseException) -> WasiHostError:
    """Return what a caller is told of an error of the system, or of Python's own, that is about workers."""
    if isinstance(error, WasiHostError):
        return error
    what = (error.strerror if isinstance(error, OSError) else None) or type(error).__name__
    return EngineError(f"a worker process cannot be had or reached: {what}")


def _end_all(processes: set[WorkerProcess], owner: int) -> None:
    if os.getpid() != owner:
        return
    ending = list(processes)  # a run that has just ended may take its worker out
    for worker in ending:
        worker.kill()
    for worker in ending:
        worker.close()
    processes.clear()
