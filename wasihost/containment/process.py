"""A worker as its parent sees it: a process, a wire, and a clock that ends both."""

from __future__ import annotations

import contextlib
import math
import os
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from wasihost.containment import messages, spawner, watchdog
from wasihost.containment.job import PROCESS_WALLS, SLICE_SECONDS
from wasihost.containment.kept import KeptSessions
from wasihost.containment.outbox import Outbox
from wasihost.containment.wire import MAX_FRAME_BYTES, SocketEnd, Wire, WireClosedError, WireError, WireTimeoutError
from wasihost.engine.capture import CALLBACK_BYTES, Capture
from wasihost.engine.ending import CANCELLED, EXPIRED, End, Ending, Execution, host_failed
from wasihost.engine.layers import Checkpoint, resting_memory
from wasihost.engine.runs import PAGE_BYTES
from wasihost.errors import EngineError

if TYPE_CHECKING:
    from wasihost.containment.job import Control, Job
    from wasihost.containment.launchers import Launch
    from wasihost.engine.layers import SessionMemory
    from wasihost.engine.snapshot import Snapshot

KILL_SECONDS: Final = 0.05
"""How long after its deadline a run may take to say so itself; then its worker is killed."""
FIRST_LOOK_SECONDS: Final = 0.02
"""When the parent first looks at what lies in the folders of a run: soon, but most runs are over by then."""
WATCH_SECONDS: Final = 0.25
"""How often the parent looks at what a run stores; its worker counts exactly, as long as it is not taken over."""
WATCH_SHARE: Final = 0.1
"""The most of a run's time that its parent may spend on looking: full folders are looked at less often."""
START_SECONDS: Final = 30.0
"""How long a worker may take to load its code or to put up its walls."""
STOP_SECONDS: Final = 10.0
"""How long a launcher's own command may take to end a worker."""
MESSAGE_ROOM_BYTES: Final = 65536
"""Longest message apart from what it carries."""
MAX_FILES_BYTES: Final = 1 << 20
"""What the harness may say of open files; `engine.execute` has it too, which loads Wasmtime (tested to be the same)."""
WRITTEN_BYTES: Final = 16
"""What a worker needs at most to tell of one page that a turn wrote."""
MAX_RUNS: Final = 2000
"""A worker is replaced after so many runs, so that nothing can pile up in it."""
MAX_STDIN_IN_MESSAGE: Final = 1 << 20
"""A longer standard input travels as an open file."""

Answer = TypeVar("Answer", messages.Loaded, messages.Ready)

_ENDINGS: Final = {ending.value: ending for ending in Ending if ending is not Ending.FROZEN}


class WorkerLostError(Exception):
    """The worker was gone, or spoke out of turn, before it had its run: another one can make it."""


class WorkerProcess:
    """A worker that was started, told what to load, and later what to hold."""

    def __init__(self, argv: Sequence[str], load: messages.Load, *, launch: Launch | None = None) -> None:
        self._launch = launch
        self._by_path = launch is not None and launch.by_path
        self._started = spawner.start(argv, launch.environment if launch is not None else spawner.NO_ENVIRONMENT)
        self.process = self._started.process
        self._wire = Wire(SocketEnd(self._started.end), descriptors=False)
        self.walls: tuple[str, ...] = ()
        self.missing: tuple[tuple[str, str], ...] = ()
        self.runs = 0
        self.kept = KeptSessions(0)
        self.worn = False
        self._attached = False
        self._outbox: Outbox | None = None
        """Replies to calls of the run that is under way."""
        self._closed = threading.Lock()
        try:
            self._wire.send(messages.encode(load), until=time.monotonic() + START_SECONDS)
        except (WireError, WireClosedError, WireTimeoutError):
            why = self._reason()
            self.close()
            raise EngineError(f"{self._who()} did not start{why}") from None
        except BaseException:  # Ctrl-C, or an error of the system
            self.close()
            raise

    # -- getting ready ------------------------------------------------------------------------------------------------

    def await_loaded(self) -> None:
        """Wait until code and image are loaded.

        Raises:
            EngineError: They are not, or the worker is of another version.
        """
        answer = self._answer(messages.Loaded)
        from wasihost import __version__

        if answer.protocol != messages.PROTOCOL or answer.version != __version__:
            self.close()
            raise EngineError(f"the worker is wasihost {answer.version[:40]!r}, and this is {__version__}")

    def configure(self, configure: messages.Configure, descriptors: Sequence[int]) -> None:
        """Hand over the grants and wait until the walls stand.

        Raises:
            EngineError: The worker cannot do its work with them.
        """
        try:
            self._wire.send(messages.encode(configure), descriptors, until=time.monotonic() + START_SECONDS)
        except (WireError, WireClosedError, WireTimeoutError):
            why = self._reason()
            self.close()
            raise EngineError(f"{self._who()} ended before its first run{why}") from None
        self.kept = KeptSessions(configure.memory_bytes)
        ready = self._answer(messages.Ready)
        self.walls = tuple(ready.walls)
        self.missing = tuple(ready.missing)

    def _answer(self, kind: type[Answer]) -> Answer:
        try:
            frame = self._wire.receive(MESSAGE_ROOM_BYTES, until=time.monotonic() + START_SECONDS)
            answer = None if frame is None else messages.decode_from_worker(frame[0])
        except (WireError, WireClosedError, messages.DecodeError):
            answer = None
        if isinstance(answer, kind):
            return answer
        why = f": {answer.reason}" if isinstance(answer, messages.Failed) else self._reason()
        self.close()
        raise EngineError(f"{self._who()} could not be made ready{why}")

    def _who(self) -> str:
        return "a worker process" if self._launch is None else f"a worker process inside {self._launch.name}"

    def _reason(self) -> str:
        said = spawner.last_words(self._started).splitlines()
        if said:
            return f": {self._telling(said)}"
        try:
            status = self._ended(1.0)
        except subprocess.TimeoutExpired:
            return ": it does not answer"
        return f": it was killed by signal {-status}" if status < 0 else f": it ended with status {status}"

    def _telling(self, said: list[str]) -> str:
        """Return the line that says what went wrong: of a launcher its last one of its own, and not a hint after it."""
        mark = "\n" if self._launch is None else f"{os.path.basename(self._launch.argv[0])}: "  # noqa: PTH119 - text
        return next((line for line in reversed(said) if line.startswith(mark)), said[-1])

    def _ended(self, seconds: float) -> int:
        """Return the status of the ended process, minus a signal's number also where a launcher has passed it on."""
        status = self.process.wait(seconds)
        return 128 - status if self._launch is not None and 128 < status <= 128 + 64 else status

    # -- runs ---------------------------------------------------------------------------------------------------------

    def run(self, job: Job, control: Control) -> Execution:
        """Make a run, and return when it is over or its time is.

        Whatever the worker does or says, this comes back by the deadline, `KILL_SECONDS` and the time that a callback
        takes. `worn` tells afterwards whether the worker must be thrown away.

        Raises:
            BaseException: Ctrl-C, or what else a signal handler raised; the worker is dead then.
        """
        self.runs += 1
        started = time.monotonic()
        captures = (
            Capture(job.output_bytes, job.on_stdout, ends=job.output_ends_run),
            Capture(job.output_bytes, job.on_stderr, ends=job.output_ends_run),
        )
        try:
            control.until = started + job.deadline_seconds + KILL_SECONDS
            control.bind(self.kill)
            watchdog.watch(control)
            if job.calls is not None:
                self._outbox = Outbox(self._wire, control.until)
            done = self._converse(job, captures, control)
        except BaseException:
            self.worn = True
            self.kill()
            raise
        finally:
            is_whole = self._outbox is None or self._outbox.close()
            self._outbox = None
            watchdog.release(control)
            control.bind(None)
        if isinstance(done, End):
            self.worn = True
            self.kill()
            end = CANCELLED.end() if control.cancelled else done
            return Execution(
                end=end,
                walls=(*PROCESS_WALLS, *self.walls),
                stdout=captures[0].taken(),
                stderr=captures[1].taken(),
                wall_seconds=time.monotonic() - started,
            )
        ending = _ENDINGS[done.ending]
        # A worker in a guest's hands would like to go on, and one that was stopped after its last word is dead.
        self.worn = (
            done.worn
            or not is_whole
            or control.cancelled
            or control.expired
            or job.stdin is None
            or ending not in (Ending.RETURNED, Ending.EXITED)
            or self.runs >= MAX_RUNS
        )
        return Execution(
            end=End(ending, done.detail[: messages.MAX_DETAIL_CHARACTERS], done.exit_code & 0xFF),
            walls=(*PROCESS_WALLS, *self.walls),
            reply=done.reply,
            stdout=done.stdout or captures[0].taken(),
            stderr=done.stderr or captures[1].taken(),
            fuel_consumed=done.fuel_consumed,
            memory_bytes=done.memory_bytes,
            cpu_seconds=done.cpu_seconds,
            wall_seconds=done.wall_seconds,
            snapshot=None if done.snapshot is None else _snapshot(done.snapshot),
            checkpoint=None if done.checkpoint is None else self._checkpoint(done.checkpoint, job),
            attached=self._attached,
        )

    def _checkpoint(self, said: messages.CheckpointSaid, job: Job) -> Checkpoint:
        """Return what a turn changed; its guest goes on here if its session takes that over."""
        if job.session is not None and not self.worn:
            self.kept.keep(job.session.key, job.session.version + 1, said.memory_bytes)
        return Checkpoint(
            memory_bytes=said.memory_bytes,
            globals=tuple(said.globals),
            written=tuple(said.written),
            open_files=said.open_files,
            files=said.files,
        )

    def _converse(self, job: Job, captures: tuple[Capture, Capture], control: Control) -> messages.Done | End:
        """Send the run and hear it out: its last message, or how it ended without one."""
        until = control.until
        # A worker in a guest's hands may say anything, so each stream is bounded here as well.
        limit = job.reply_bytes + 2 * (job.output_bytes + 256) + MESSAGE_ROOM_BYTES
        if job.session is not None:
            limit += job.memory_bytes // PAGE_BYTES * WRITTEN_BYTES + MAX_FILES_BYTES
        if job.calls is not None:
            limit = max(limit, job.calls.message_bytes + MESSAGE_ROOM_BYTES)
        limit = min(max(limit, CALLBACK_BYTES + MESSAGE_ROOM_BYTES), MAX_FRAME_BYTES)
        try:
            try:
                if not self._wire.is_quiet():
                    return self._lost(control)
                if not self._send(job, until):
                    return EXPIRED.end()
            except WireClosedError:
                return self._lost(control)
            look = math.inf if job.watch is None else time.monotonic() + FIRST_LOOK_SECONDS
            while True:
                frame = self._wire.receive(limit, until=min(until, look, time.monotonic() + SLICE_SECONDS))
                if job.watch is not None and (now := time.monotonic()) >= look:
                    if why := job.watch(until):
                        return End(Ending.DISK_LIMIT, why)
                    look = time.monotonic() + max(WATCH_SECONDS, (time.monotonic() - now) / WATCH_SHARE)
                if job.calls is not None:
                    job.calls.look()
                if frame is None:
                    if time.monotonic() >= until:
                        return End(Ending.DEADLINE, "the run did not stop by itself")
                    continue
                message = messages.decode_from_worker(frame[0])
                if isinstance(message, messages.Output) and message.stream in (1, 2):
                    try:
                        with memoryview(message.data) as data:
                            within = captures[message.stream - 1].feed(data)
                    except Exception as error:  # a listener's; what a signal handler raised goes on its way
                        if control.cancelled:
                            return CANCELLED.end()
                        if time.monotonic() >= until:
                            return End(Ending.DEADLINE, "a listener did not come back in time")
                        return host_failed(error).end()
                    if not within and job.output_ends_run:
                        return End(Ending.HOST_FAILED, "the worker sent more output than it may")
                    if time.monotonic() >= until:  # pieces may be there faster than a listener takes them
                        return End(Ending.DEADLINE, "the run did not stop by itself")
                elif isinstance(message, messages.Call) and self._may_call(message, job):
                    if job.calls is not None and self._outbox is not None:
                        job.calls.begin(message.message, partial(_reply, self._outbox, message.number, message.call))
                elif isinstance(message, messages.Done) and self._is_sound(message, job):
                    return message
                elif isinstance(message, messages.Failed):
                    return self._failed(message)
                else:
                    return End(Ending.HOST_FAILED, "the worker said something that makes no sense")
        except WireClosedError:
            return self._death(control)
        except (WireError, messages.DecodeError):
            return End(Ending.HOST_FAILED, "the worker said something that makes no sense")

    def _may_call(self, said: messages.Call, job: Job) -> bool:
        """Whether a worker that does what it should may have sent this: it waits for what it has asked for."""
        return (
            job.calls is not None
            and self._outbox is not None
            and said.number == self.runs
            and len(said.message) <= job.calls.message_bytes
            and len(self._outbox) <= job.calls.concurrent + 1
        )

    @staticmethod
    def _lost(control: Control) -> End:
        """Say how a run ended that never began; unless it was stopped, another worker can make it."""
        if control.cancelled:
            return CANCELLED.end()
        if control.expired:
            return EXPIRED.end()
        raise WorkerLostError

    @staticmethod
    def _failed(message: messages.Failed) -> End:
        import logging  # only a failure needs it

        logging.getLogger("wasihost").error("a worker process failed: %r", message.reason[:1000])
        return End(Ending.HOST_FAILED, "the worker could not make the run")

    def _send(self, job: Job, until: float) -> bool:
        stdin, opened = job.stdin, -1
        brought, session = job.brought, None
        layers: list[int] = []
        self._attached = False
        if job.session is not None:
            session, layers = self._said_of(job.session)
            self._attached = session.attach is not None
            if session.attach is None:
                brought = ()  # its guest has them
        descriptors = [] if self._by_path else [descriptor for _, descriptor, _ in brought]
        descriptors += layers
        forget = self.kept.take(0 if job.session is None else job.session.key)
        try:
            if job.snapshot_into is not None:
                descriptors.append(job.snapshot_into)
            if stdin is None:
                descriptors.append(0)
            elif len(stdin) > MAX_STDIN_IN_MESSAGE and not self._by_path:
                opened = _as_file(stdin)
                descriptors.append(opened)
            held = stdin is None or opened >= 0
            message = messages.Execute(
                number=self.runs,
                request=job.request,
                stdin=b"" if held or stdin is None else stdin,
                stdin_descriptor=held,
                fuel=job.fuel,
                memory_bytes=job.memory_bytes,
                deadline_seconds=job.deadline_seconds,
                output_bytes=job.output_bytes,
                output_ends_run=job.output_ends_run,
                streams=job.on_stdout is not None or job.on_stderr is not None,
                open_files=job.open_files,
                host_calls=job.host_calls,
                disk_bytes=job.disk_bytes,
                disk_files=job.disk_files,
                reply_bytes=job.reply_bytes,
                brought=[(index, path if self._by_path else "") for index, _, path in brought],
                snapshot=job.snapshot_into is not None,
                session=session,
                forget=forget,
                calls=None
                if job.calls is None
                else messages.CallsSaid(
                    message_bytes=job.calls.message_bytes,
                    reply_bytes=job.calls.reply_bytes,
                    concurrent=job.calls.concurrent,
                    too_long=job.calls.too_long(job.calls.message_bytes + 1),
                    too_many=job.calls.too_many(),
                ),
            )
            self._wire.send(messages.encode(message), descriptors, until=until)
        except WireTimeoutError:
            return False
        finally:
            if opened >= 0:
                os.close(opened)
        return True

    def _said_of(self, memory: SessionMemory) -> tuple[messages.SessionSaid, list[int]]:
        if self.kept.has(memory.key, memory.version):
            return messages.SessionSaid(key=memory.key, attach=None), []
        resting = resting_memory(memory)
        attach = messages.AttachSaid(
            memory_bytes=resting.memory_bytes,
            globals=list(resting.globals),
            extents=[(page, count, layer, place) for page, count, layer, place in resting.extents],
            layers=len(resting.layers),
            own=resting.own,
        )
        return messages.SessionSaid(key=memory.key, attach=attach), list(resting.layers)

    def _is_sound(self, done: messages.Done, job: Job) -> bool:
        room = job.output_bytes + 128  # the line that counts what was omitted
        return (
            done.number == self.runs
            and done.ending in _ENDINGS
            and (done.reply is None or len(done.reply) <= job.reply_bytes)
            and all(kept is None or (len(kept[0]) <= room and kept[1] >= 0) for kept in (done.stdout, done.stderr))
            and 0 <= done.memory_bytes <= job.memory_bytes
            and 0 <= (done.fuel_consumed or 0) <= (job.fuel or 0)
            and 0 <= done.cpu_seconds < math.inf
            and 0 <= done.wall_seconds < math.inf
            and (done.snapshot is None or (job.snapshot_into is not None and done.snapshot.open_files >= 0))
            and (done.checkpoint is None or (job.session is not None and len(done.checkpoint.files) <= MAX_FILES_BYTES))
        )

    def _death(self, control: Control) -> End:
        """Say what the end of the process means for its run. One that only closed its connection gains no time."""
        try:
            status = self._ended(max(0.0, min(1.0, control.until - time.monotonic())))
        except subprocess.TimeoutExpired:
            if control.expired:
                return EXPIRED.end()
            return End(Ending.HOST_FAILED, "the worker process closed its connection")
        if said := spawner.last_words(self._started):
            import logging  # only a failure needs it

            logging.getLogger("wasihost").error("a worker process ended: %r", said)
        if status == -signal.SIGALRM or (control.expired and status == -signal.SIGKILL):
            return EXPIRED.end()
        if status == -signal.SIGSYS:
            return End(Ending.CRASHED, "the worker process was killed for a system call that no guest needs")
        if status in (-signal.SIGSEGV, -signal.SIGBUS, -signal.SIGILL, -signal.SIGABRT, -signal.SIGFPE):
            return End(Ending.CRASHED, f"the worker process crashed ({signal.Signals(-status).name})")
        if status < 0:
            with contextlib.suppress(ValueError):
                return End(Ending.HOST_FAILED, f"the worker process was killed ({signal.Signals(-status).name})")
        return End(Ending.HOST_FAILED, f"the worker process ended with status {status}")

    # -- life ---------------------------------------------------------------------------------------------------------

    def is_alive(self) -> bool:
        """Whether the process still runs."""
        return self.process.poll() is None and self._wire.is_quiet()

    def kill(self) -> None:
        """End the process at once."""
        spawner.kill(self.process)

    def close(self) -> None:
        """End the process, wait for its end and free what this side holds."""
        with self._closed:
            if self._wire.end.fileno() < 0:
                return
            self.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(5.0)
            self._stop()
            self._wire.close()
            os.close(self._started.errors)

    def _stop(self) -> None:
        """End what the launcher left behind: a container goes on when its client is killed."""
        if self._launch is not None and self._launch.stop:
            with contextlib.suppress(OSError, subprocess.SubprocessError):
                subprocess.run(  # noqa: S603 - a launcher's own command line
                    self._launch.stop,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    env=self._launch.environment,
                    timeout=STOP_SECONDS,
                    check=False,
                )


def _reply(outbox: Outbox, number: int, call: int, reply: bytes) -> None:
    """Tell a worker what came of a call; called from any thread."""
    outbox.put(messages.encode(messages.Answer(number=number, call=call, reply=reply)))


def _snapshot(said: messages.SnapshotSaid) -> Snapshot:
    from wasihost.engine.snapshot import Snapshot  # only images are made of one

    return Snapshot(
        memory_bytes=said.memory_bytes,
        globals=tuple(said.globals),
        open_files=said.open_files,
        entropy_reads=said.entropy_reads,
    )


def _as_file(data: bytes) -> int:
    """Return a descriptor of an unnamed file that holds the data, at its start."""
    import tempfile

    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("wasihost-stdin", os.MFD_CLOEXEC)
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor
