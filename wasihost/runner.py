"""What carries runs out for sandboxes: a runtime, open directories, and the process or processes around the engine.

Limits and environment come with each program, so that one runner can serve sandboxes that differ in nothing else.
"""

from __future__ import annotations

import contextlib
import os
import posixpath
import threading
import time
import weakref
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from wasihost.capabilities.paths import OpenedPreopens, guest_path_of, open_preopens
from wasihost.conclusion import conclude
from wasihost.containment.job import PROCESS_WALLS, Control, Grant, Turn, default_size, inside, make_job
from wasihost.containment.lookout import Lookout
from wasihost.errors import ClosedError, ConfigError, EngineError, InvalidLimitsError
from wasihost.image.protocol import MESSAGE_BYTES, Request
from wasihost.limits import UNMETERED, WASM_PAGE_BYTES, Limits
from wasihost.runtime.cache import cache_root

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

    from wasihost.calling import Calling, GrantedFunctions
    from wasihost.capabilities.overlay import OverlayCopy
    from wasihost.capabilities.preopen import Preopen, Scratch
    from wasihost.capabilities.usage import FolderLimit
    from wasihost.containment.direct import Direct
    from wasihost.containment.job import Job
    from wasihost.containment.launchers import Launcher
    from wasihost.containment.pool import Pool
    from wasihost.engine.code import Code
    from wasihost.engine.ending import Execution
    from wasihost.engine.layers import SessionMemory
    from wasihost.engine.mapping import Layout
    from wasihost.functions.record import HostCall
    from wasihost.image.store import Located, Ready
    from wasihost.progress import Progress
    from wasihost.result import RunResult
    from wasihost.source import Source

Containment = Literal["process", "in-process"]
CONTAINMENTS: Final = ("process", "in-process")
MAX_WORKERS: Final = 1024

MAX_READY: Final = 8
"""Images of which a process keeps one that nobody uses just now; those of users can be built without end."""

_ready: OrderedDict[Located, Ready] = OrderedDict()
_ready_lock = threading.Lock()


def shared_ready(located: Located) -> Ready:
    """Code and image are loaded once in a process and shared by all runners in it."""
    from wasihost.image.store import load

    ready = _ready.get(located)
    if ready is None:
        with _ready_lock:
            ready = _ready.get(located)
            if ready is None:
                ready = _ready[located] = load(located, code=_loaded_code(located))
                while len(_ready) > MAX_READY:
                    _ready.popitem(last=False)
    with contextlib.suppress(KeyError):  # another thread may have made room at this moment
        _ready.move_to_end(located)
    ready.code.engine.check_process()
    return ready


def own_ready(located: Located) -> Ready:
    """Load an image that nobody shares, with the code that all share."""
    from wasihost.image.store import load

    with _ready_lock:
        code = _loaded_code(located)
    return load(located, code=code)


def _loaded_code(located: Located) -> Code | None:
    """The code is the same for all images of a runtime."""
    same = (located.compiled, located.metered)
    return next((ready.code for other, ready in _ready.items() if (other.compiled, other.metered) == same), None)


class Setup(NamedTuple):
    """What a runner is made of; two equal ones may share a runner.

    Attributes:
        runtime: Name of the runtime.
        image: Name of the image.
        metered: Whether fuel is counted.
        containment: "process" or "in-process".
        memory_bytes: The most that a run's limits will ask for; walls are built for it.
        open_files: Likewise.
        disk_bytes: Likewise.
        workers: Most worker processes; None for one for each core.
        require_walls: Walls without which nothing is run.
        launcher: What starts the workers.
    """

    runtime: str
    image: str
    metered: bool
    containment: Containment
    memory_bytes: int
    open_files: int
    disk_bytes: int
    workers: int | None = None
    require_walls: frozenset[str] = frozenset()
    launcher: Launcher | None = None


class Program(NamedTuple):
    """What is run, with everything that was checked about it.

    Attributes:
        source: The program.
        args: `sys.argv[1:]`.
        inputs: JSON object of globals.
        stdin: Bytes, or None for the host's own.
        env: Environment variables.
        limits: Budget.
        on_stdout: Listener to standard output.
        on_stderr: Listener to standard error.
        functions: Functions of the host that it may call, None without any.
        loop: Event loop of the caller, where coroutine functions of the host are run.
        plugin: What the harness is told of a plugin, as JSON, when the source is a plugin's.
    """

    source: Source
    args: Sequence[str]
    inputs: str
    stdin: bytes | None
    env: Mapping[str, str]
    limits: Limits
    on_stdout: Callable[[bytes], object] | None = None
    on_stderr: Callable[[bytes], object] | None = None
    functions: GrantedFunctions | None = None
    loop: AbstractEventLoop | None = None
    plugin: str = ""


class Runner:
    """Carries programs out. Thread-safe.

    Args:
        setup: What it is made of.
        preopens: Directories to open.
        progress: Told about downloads and compilations on first use.

    Raises:
        ConfigError: Something of it cannot be had.
        RuntimeUnavailableError: The runtime cannot be had here and now.
        EngineError: No worker can be started, or a required wall is missing.
    """

    def __init__(
        self, setup: Setup, preopens: Iterable[Preopen | Scratch] = (), *, progress: Progress | None = None
    ) -> None:
        _check(setup)
        self.setup = setup
        self._users = 0
        self._closing = False
        self._is_enclosed = False
        self.gone: deque[int] = deque()
        """Keys of sessions that are over; in the collector, where they may end, nothing else is safe."""
        self._pid = os.getpid()
        self._lock = threading.Lock()
        from wasihost.image.store import locate

        located = locate(setup.runtime, setup.image, metered=setup.metered, progress=progress)
        ready = shared_ready(located) if setup.containment == "in-process" else None
        self.located = located
        self._layout: Layout | None = None
        self._libraries, least = located.libraries, located.memory_bytes
        if setup.memory_bytes // WASM_PAGE_BYTES * WASM_PAGE_BYTES < least:
            raise InvalidLimitsError(
                f"memory_bytes is {setup.memory_bytes}, and the interpreter of {setup.runtime} alone needs {least}: "
                f"the least that works is {least} bytes ({least / 2**20:.0f} MiB)"
            )
        self.least_memory_bytes = least
        self._opened: OpenedPreopens | None = open_preopens(
            [*preopens],
            reserved=[library.guest for library in self._libraries],
            slots=located.slots,
            forbidden=[cache_root()],
        )
        self._room: tuple[int, str] | None = None
        try:
            if any(entry.overlay or entry.limit is not None for entry in self._opened.entries):
                # Copies of overlays are made in it, and what sessions have for themselves.
                from wasihost.capabilities.scratch import make_scratch_folder  # few sandboxes have either

                path, descriptor = make_scratch_folder()
                self._room = descriptor, path
                self._drop_room = weakref.finalize(self, _remove_room, path, descriptor, os.getpid())
            self._carrier = self._make_carrier(ready, located)
        except BaseException:
            self._release(self._opened)
            raise

    def _make_carrier(self, ready: Any, located: Any) -> Direct | Pool:  # noqa: ANN401 - one of both is there
        setup, opened = self.setup, self._opened
        if opened is None:
            raise ClosedError("the sandbox is closed")
        grants = [
            Grant(
                guest=entry.guest,
                writable=entry.writable,
                descriptor=entry.descriptor,
                engine_path=entry.engine_path,
                host=str(entry.host),
                overlay=entry.overlay,
                limit=entry.limit,
            )
            for entry in opened.entries
        ]
        if ready is not None:
            from wasihost.containment.direct import Direct

            return Direct(ready, grants)
        from wasihost.containment.pool import Pool

        return Pool(
            located,
            grants=grants,
            room=self._room,
            open_files=setup.open_files,
            file_bytes=setup.disk_bytes,
            memory_bytes=setup.memory_bytes,
            size=setup.workers or default_size(),
            launcher=setup.launcher,
            require_walls=setup.require_walls,
        )

    @property
    def walls(self) -> tuple[str, ...]:
        """What stands around each run."""
        return self._carrier.walls

    @property
    def missing_walls(self) -> tuple[tuple[str, str], ...]:
        """Which walls this machine lacks, each with the reason."""
        return self._carrier.missing

    def enclose(self) -> None:
        """Put the operating system's walls around this whole process, for good.

        Raises:
            ConfigError: As `check_can_be_enclosed`.
            EngineError: The process has other threads, which Landlock would not hold.
        """
        carrier = self.check_can_be_enclosed()
        carrier.enclose(self.setup.memory_bytes, self.setup.open_files, self.setup.disk_bytes)
        self._is_enclosed = True

    def check_can_be_enclosed(self) -> Direct:
        """Return what puts the walls up; refuse what cannot go on behind them, before anything is done for that.

        Raises:
            ConfigError: The runs are not made in this process, or it has folders to remove at its end.
        """
        from wasihost.containment.direct import Direct

        if not isinstance(self._carrier, Direct) or self._opened is None:
            raise ConfigError('enclose() is for containment="in-process": workers enclose themselves')
        if self._room is not None:
            raise ConfigError(
                "enclose() is for sandboxes without Scratch and overlays: behind the walls nobody could remove those"
            )
        return self._carrier

    def check_not_enclosed(self, what: str) -> None:
        """Refuse what the walls around this process do not let it do.

        Raises:
            ConfigError: The runner is enclosed.
        """
        if self._is_enclosed:
            raise ConfigError(f"this sandbox is enclosed, and there are no {what} behind its walls")

    @property
    def size(self) -> int:
        """How many runs are made at a time when many are asked for at once."""
        return self.setup.workers or default_size()

    def depth(self) -> int:
        """How many runs are under way, each holding a worker, whose listener the caller is or was started by."""
        return sum(turn.runner is self for turn in inside.get())

    def pids(self) -> list[int]:
        """Process ids of the workers."""
        return self._carrier.pids()

    # -- runs ---------------------------------------------------------------------------------------------------------

    def run(self, program: Program, control: Control | None = None) -> RunResult:
        """Carry a program out and wait for its end.

        Raises:
            ClosedError: The runner was closed.
            EngineError: The guest could not be set up, or this process was forked.
            KeyboardInterrupt: Ctrl-C; the run is stopped first.
        """
        self.check_process()
        opened = self._enter()
        copies: list[OverlayCopy] = []
        calls: Calling | None = None
        host_calls: tuple[HostCall, ...] = ()
        try:
            if self._room is not None:
                copies += self._copy_overlays(opened)
            if program.functions is not None:
                calls = program.functions.calling(program.loop)
            job = self._job(program, opened, copies, calls)
            try:
                execution = self.carry(job, control or Control())
            finally:
                if calls is not None:
                    host_calls = calls.finish()
            result = conclude(execution, program.limits, execution.walls or self.walls)
            if host_calls:
                result = replace(result, host_calls=host_calls)
            if copies:
                from wasihost.capabilities.overlay import changes_of

                changes = changes_of(copies)
                result = replace(result, files_changed=changes.files, files_changed_omitted=changes.omitted)
            return result
        finally:
            for copy in copies:
                copy.remove()
            self._leave()

    def _copy_overlays(self, opened: OpenedPreopens) -> Iterator[OverlayCopy]:
        from wasihost.capabilities.overlay import make_copy  # few grants are overlays

        for entry in opened.entries:
            if entry.overlay and self._room is not None:
                yield make_copy(entry.descriptor, self._room[0], guest=entry.guest)

    def _job(
        self, program: Program, opened: OpenedPreopens, copies: Sequence[OverlayCopy], calls: Calling | None
    ) -> Job:
        limits = program.limits
        by_path = self._room is not None and self.setup.launcher is not None and self.setup.launcher.by_path
        indices = [index for index, entry in enumerate(opened.entries) if entry.overlay]
        brought = tuple(
            (index, copy.descriptor, f"{self._room[1]}/{copy.name}" if by_path else _name_of(copy.descriptor))
            for index, copy in zip(indices, copies, strict=True)
            if self._room is not None
        )
        folders = [(entry.descriptor, entry.limit) for entry in opened.entries if entry.writable]
        folders += [(copy.descriptor, None) for copy in copies]
        return make_job(
            limits,
            request=self._request(program, opened),
            stdin=program.stdin,
            reply_bytes=MESSAGE_BYTES + limits.value_bytes + 4,
            brought=brought,
            watch=self.watch(folders, limits),
            calls=calls,
            on_stdout=program.on_stdout,
            on_stderr=program.on_stderr,
        )

    def watch(
        self, folders: Sequence[tuple[int, FolderLimit | None]], limits: Limits
    ) -> Callable[[float], str | None] | None:
        """Return what looks at the disk from outside while a worker runs: exact counting is the worker's business.

        Args:
            folders: Descriptor and limit of each writable one.
            limits: Of the run.
        """
        if not folders or self.setup.containment != "process":
            return None
        return Lookout(folders, disk_bytes=limits.disk_bytes, disk_files=limits.disk_files).look

    def _request(self, program: Program, opened: OpenedPreopens) -> bytes:
        source = program.source
        name, path, first = source.name, "", "-c"
        if source.host is not None:
            name = guest_path_of(source.host.resolve(), opened) or f"/{source.name}"
            path, first = posixpath.dirname(name), name
        elif source.kind == "module":
            path, first = "/", "-m"
        elif source.kind == "plugin":
            path, first = name, name
        return Request(
            kind=source.kind,
            source=source.text,
            name=name,
            is_file=source.host is not None,
            argv=[first, *program.args],
            path=path,
            env=program.env,
            inputs=program.inputs,
            grants=self.grants(),
            stream=program.on_stdout is not None,
            value_bytes=program.limits.value_bytes,
            functions="" if program.functions is None else program.functions.told,
            plugin=program.plugin,
        ).encode()

    def grants(self) -> list[tuple[str, bool]]:
        """Return the guest folders with whether each is writable."""
        opened = self._opened
        entries = () if opened is None else opened.entries
        return [
            *[(entry.guest, entry.writable or entry.overlay) for entry in entries],
            *[(library.guest, False) for library in self._libraries],
        ]

    # -- what `turns` needs -------------------------------------------------------------------------------------------

    @property
    def layout(self) -> Layout:
        """What lies where in the image.

        Raises:
            EngineError: Its files in the cache are not what they were.
        """
        if self._layout is None:
            from wasihost.image.sound import layout_of, sound

            about = sound(self.located.image, "image")
            if about is None:
                raise EngineError(f"the files of {self.located.name} in the cache changed while they were used")
            self._layout = layout_of(about["layout"])
        return self._layout

    @property
    def room(self) -> int:
        """Descriptor of the private folder for what a run or a session brings along; -1 when nothing can be brought."""
        return -1 if self._room is None else self._room[0]

    @contextlib.contextmanager
    def entered(self) -> Iterator[OpenedPreopens]:
        """Keep the granted directories open for a while.

        Raises:
            ClosedError: The runner was closed.
        """
        opened = self._enter()
        try:
            yield opened
        finally:
            self._leave()

    def check_process(self) -> None:
        """Refuse to work in a forked child.

        Raises:
            EngineError: This process was forked after the runner was made.
        """
        self._carrier.check_process()

    def carry(self, job: Job, control: Control) -> Execution:
        """Have a job done, while listeners of it know in whose run they are.

        Raises:
            EngineError: The guest could not be set up.
            KeyboardInterrupt: Ctrl-C; the run is stopped first.
        """
        if self.gone:
            self.forget_gone()
        depth, turn = self.depth(), Turn(self)
        token = inside.set(frozenset({turn, *(other for other in inside.get() if other.runner is not None)}))
        try:
            return self._carrier.run(job, control, depth=depth)
        finally:
            turn.end()
            inside.reset(token)

    def forget(self, memory: SessionMemory) -> None:
        """Free the guests that are kept of a session."""
        self._carrier.forget(memory.key)

    def forget_gone(self) -> None:
        """Free what is kept of sessions that are over."""
        with contextlib.suppress(IndexError):
            while True:
                self._carrier.forget(self.gone.popleft())

    # -- life ---------------------------------------------------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        """Whether it was not closed yet."""
        return self._opened is not None

    @property
    def is_busy(self) -> bool:
        """Whether a run is under way."""
        return self._users > 0

    def folders(self) -> dict[str, Path]:
        """Guest path and host path of every granted directory.

        Raises:
            ClosedError: The runner was closed.
        """
        opened = self._opened
        if opened is None:
            raise ClosedError("the sandbox is closed")
        return opened.folders

    def identities(self) -> list[tuple[int, int]]:
        """Return device and inode of every granted directory."""
        opened = self._opened
        found = [] if opened is None else [os.fstat(entry.descriptor) for entry in opened.entries]
        return [(status.st_dev, status.st_ino) for status in found]

    def close(self) -> None:
        """End the workers, close the granted directories, remove scratch folders; wait for runs under way first.

        Raises:
            ConfigError: The caller is a listener of one of those runs, and would wait for itself.
        """
        if self.depth():
            raise ConfigError("a listener cannot close the sandbox that makes the run it listens to")
        self._closing = True  # no new runs: those who call in a loop would keep it open for ever
        while True:
            with self._lock:
                if not self._users or os.getpid() != self._pid:  # the runs of a forked child's parent are not its own
                    opened, self._opened = self._opened, None
                    break
            time.sleep(0.005)
        if opened is not None:
            self._carrier.close()
            self._release(opened)

    def _release(self, opened: OpenedPreopens) -> None:
        if self._room is not None:
            self._room = None
            self._drop_room()
        opened.close()

    def _enter(self) -> OpenedPreopens:
        with self._lock:
            if self._opened is None or self._closing:
                raise ClosedError("the sandbox is closed")
            self._users += 1
            return self._opened

    def _leave(self) -> None:
        with self._lock:
            self._users -= 1


def _remove_room(path: str, descriptor: int, owner: int) -> None:
    """At the latest when its runner is collected or the process ends; a forked child leaves its parent's alone."""
    from wasihost.capabilities.scratch import remove_scratch_folder

    if os.getpid() == owner:
        remove_scratch_folder(path, descriptor)
    os.close(descriptor)


def _name_of(descriptor: int) -> str:
    return f"/proc/self/fd/{descriptor}"


def _check(setup: Setup) -> None:
    if setup.containment not in CONTAINMENTS:
        raise ConfigError(f'containment must be "process" or "in-process", not {setup.containment!r}')
    workers = setup.workers
    if workers is not None and (
        isinstance(workers, bool) or not isinstance(workers, int) or not 1 <= workers <= MAX_WORKERS
    ):
        raise ConfigError(f"workers must be from 1 to {MAX_WORKERS}, or None for one for each core, not {workers!r}")
    known = {*PROCESS_WALLS, *_wall_names(), *([setup.launcher.name] if setup.launcher is not None else [])}
    if unknown := setup.require_walls - known:
        raise ConfigError(f"there is no wall {min(unknown)!r}; there are {', '.join(sorted(known))}")
    if setup.containment == "in-process":
        if setup.launcher is not None:
            raise ConfigError('a launcher starts workers, and containment="in-process" has none')
        if beyond := setup.require_walls - {"wasm"}:
            raise ConfigError(
                f'containment="in-process" has no wall but "wasm": {", ".join(sorted(beyond))} need '
                f'containment="process"'
            )


def _wall_names() -> tuple[str, ...]:
    from wasihost.containment.walls.enclosure import WALLS

    return WALLS


def metered(limits: Limits) -> bool:
    """Whether fuel is counted under these limits."""
    return limits.fuel is not UNMETERED
