"""The sandbox: a runtime, its image, grants and limits, fixed when it is made; it makes runs."""

from __future__ import annotations

import enum
import os
import posixpath
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Literal, Self

from wasihost.capabilities.grants import check_args, check_env, check_inputs, check_stdin
from wasihost.capabilities.paths import OpenedPreopens, guest_path_of, open_preopens
from wasihost.capabilities.preopen import Preopen, Scratch
from wasihost.engine import threads
from wasihost.engine.execute import Execution, Run
from wasihost.engine.instance import Directory, End, Surroundings
from wasihost.engine.mapping import SLOTS
from wasihost.engine.traps import Ending
from wasihost.errors import ClosedError, ConfigError, InvalidGrantError, InvalidLimitsError
from wasihost.image.protocol import MESSAGE_BYTES, Reply, Request, decode_reply
from wasihost.image.store import Ready, make_ready
from wasihost.limits import UNMETERED, WASM_PAGE_BYTES, Limits
from wasihost.result import Outcome, RunResult
from wasihost.runtime.cache import cache_root
from wasihost.runtime.default import DEFAULT_RUNTIME
from wasihost.source import Source, read_source

if TYPE_CHECKING:
    from wasihost.capabilities.profile import Profile
    from wasihost.progress import Progress

GRACE_SECONDS: Final = 0.25
"""How long a stopped guest may take to leave a host call before its thread is abandoned."""

SLICE_SECONDS: Final = 0.2
"""How long a signal may go unnoticed."""

OUTCOMES: Final[dict[Ending, Outcome]] = {
    Ending.RETURNED: Outcome.EXITED,
    Ending.EXITED: Outcome.EXITED,
    Ending.OUT_OF_FUEL: Outcome.OUT_OF_FUEL,
    Ending.DEADLINE: Outcome.DEADLINE_EXCEEDED,
    Ending.CANCELLED: Outcome.CANCELLED,
    Ending.OUTPUT_LIMIT: Outcome.OUTPUT_LIMIT,
    Ending.CRASHED: Outcome.GUEST_CRASHED,
    Ending.HOST_FAILED: Outcome.HOST_FAILED,
    Ending.FROZEN: Outcome.HOST_FAILED,
}
"""Every way in which wasm ends, as an outcome (tested to be complete)."""

Containment = Literal["in-process"]


class HostStdin(enum.Enum):
    """A standard input that is not made of bytes."""

    INHERIT = "inherit"


INHERIT: Final = HostStdin.INHERIT
"""`stdin=INHERIT`: the guest reads the host's own standard input."""

_ready: dict[tuple[str, bool], Ready] = {}
_ready_lock = threading.Lock()


def _shared_ready(runtime: str, *, metered: bool, progress: Progress | None) -> Ready:
    """Code and image are loaded once in a process and shared by all sandboxes."""
    key = (f"{cache_root()}:{runtime}", metered)
    ready = _ready.get(key)
    if ready is None:
        with _ready_lock:
            ready = _ready.get(key)
            if ready is None:
                ready = _ready[key] = make_ready(runtime, metered=metered, progress=progress)
    ready.code.engine.check_process()
    return ready


class Sandbox:
    """Runs programs that may do what was granted here, each in a fresh interpreter.

    A sandbox may be used from several threads at once. It is a context manager: leaving it closes the granted
    directories and removes scratch folders.

    Args:
        preopens: Granted directories (`Preopen`, `Scratch`).
        env: Environment variables of the guest; the host's own are never passed on by themselves.
        limits: Budget of each run.
        runtime: Name of a runtime; `wasirun runtime list` shows them.
        image: Name of an image of it; "base" has the usual standard modules imported.
        profile: Name of a profile, path of a profile file, or a `Profile`; its grants come before `preopens`.
        containment: "in-process": the guest runs in this process, behind the wall of WebAssembly alone, and a host
            call that never returns (reading a FIFO in a granted directory) costs a thread.
        progress: Told about downloads and compilations on first use.

    Raises:
        ConfigError: An argument is wrong (the subclass says which).
        RuntimeUnavailableError: The runtime cannot be had here and now.
    """

    def __init__(
        self,
        *,
        preopens: Iterable[Preopen | Scratch] = (),
        env: Mapping[str, str] | None = None,
        limits: Limits | None = None,
        runtime: str = DEFAULT_RUNTIME,
        image: str = "base",
        profile: str | os.PathLike[str] | Profile = "none",
        containment: Containment = "in-process",
        progress: Progress | None = None,
    ) -> None:
        if containment != "in-process":
            raise ConfigError(f'containment must be "in-process", not {containment!r}')
        if image != "base":
            raise ConfigError(f"there is no image {image!r} of the runtime {runtime}; there is: base")
        if limits is not None and not isinstance(limits, Limits):
            raise InvalidLimitsError(f"limits must be a Limits, not {type(limits).__name__}")
        granted = _resolve_profile(profile)
        self.limits: Limits = limits if limits is not None else granted.make_limits()
        self._env = dict(check_env({**granted.make_env(), **(env or {})}))
        self._ready = _shared_ready(runtime, metered=self.limits.fuel is not UNMETERED, progress=progress)
        least = self._ready.image.layout.memory_bytes
        if self.limits.memory_pages * WASM_PAGE_BYTES < least:
            raise InvalidLimitsError(
                f"memory_bytes is {self.limits.memory_bytes}, and the interpreter of {runtime} alone needs {least}: "
                f"the least that works is {least} bytes ({least / 2**20:.0f} MiB)"
            )
        reserved = [] if self._ready.stdlib is None else [self._ready.stdlib.guest]
        self._opened: OpenedPreopens | None = open_preopens(
            [*granted.preopens, *preopens], reserved=reserved, slots=SLOTS, forbidden=[cache_root()]
        )
        self._users = 0
        self._lock = threading.Lock()

    # -- runs ---------------------------------------------------------------------------------------------------

    def run(
        self,
        code: str | bytes | None = None,
        *,
        script: str | os.PathLike[str] | None = None,
        module: str | None = None,
        args: Sequence[str] = (),
        stdin: bytes | str | HostStdin = b"",
        inputs: Mapping[str, Any] | None = None,
        filename: str = "<string>",
        on_stdout: Callable[[bytes], object] | None = None,
        on_stderr: Callable[[bytes], object] | None = None,
        check: bool = False,
    ) -> RunResult:
        """Run one program in a fresh interpreter and wait for its end.

        Args:
            code: Python source; or `script`, or `module`.
            script: A Python file of the host. Its folder is not granted by that.
            module: A module to run as `python -m` does, from the standard library or a granted directory at "/".
            args: `sys.argv[1:]`.
            stdin: Standard input, or `INHERIT`.
            inputs: JSON values that become globals of the program.
            filename: Name of `code` in tracebacks.
            on_stdout: Called with each piece of standard output as it is written, on another thread; what it raises
                ends the run with HOST_FAILED.
            on_stderr: Likewise for standard error.
            check: Raise unless the program exits with 0.

        Returns:
            The result, whatever the program did.

        Raises:
            ConfigError: An argument is wrong.
            ClosedError: The sandbox was closed.
            EngineError: The guest could not be set up, or this process was forked after wasihost was first used.
            RunFailedError: With `check`, the run did not exit with 0.
            KeyboardInterrupt: Ctrl-C; the run is stopped first.
        """
        source = read_source(code, script=script, module=module, filename=filename)
        arguments = check_args(args, env=tuple(self._env.items()))
        text = check_inputs(inputs or {})
        given = (
            None if stdin is INHERIT else check_stdin(stdin if isinstance(stdin, bytes | str) else _bad_stdin(stdin))
        )
        self._ready.code.engine.check_process()
        opened = self._enter()
        started = time.monotonic()
        try:
            request = self._request(source, opened, arguments, text, stream=on_stdout is not None)
            run = self._prepare(opened, given, on_stdout, on_stderr)
            execution = self._wait(run, request)
        finally:
            self._leave()
        result = _result(execution, self.limits, time.monotonic() - started)
        return result.check() if check else result

    def _request(
        self, source: Source, opened: OpenedPreopens, args: Sequence[str], inputs: str, *, stream: bool
    ) -> bytes:
        name, path, first = source.name, "", "-c"
        if source.host is not None:
            name = guest_path_of(source.host.resolve(), opened) or f"/{source.name}"
            path, first = posixpath.dirname(name), name
        elif source.kind == "module":
            path, first = "/", "-m"
        return Request(
            kind=source.kind,
            source=source.text,
            name=name,
            is_file=source.host is not None,
            argv=[first, *args],
            path=path,
            env=self._env,
            inputs=inputs,
            grants=[(entry.guest, entry.writable) for entry in opened.entries] + self._stdlib_grants(),
            stream=stream,
            value_bytes=self.limits.value_bytes,
        ).encode()

    def _stdlib_grants(self) -> list[tuple[str, bool]]:
        return [] if self._ready.stdlib is None else [(self._ready.stdlib.guest, False)]

    def _prepare(
        self,
        opened: OpenedPreopens,
        stdin: bytes | None,
        on_stdout: Callable[[bytes], object] | None,
        on_stderr: Callable[[bytes], object] | None,
    ) -> Run:
        limits = self.limits
        directories = [] if self._ready.stdlib is None else [self._ready.stdlib]
        directories += [
            Directory(host=entry.engine_path, guest=entry.guest, writable=entry.writable) for entry in opened.entries
        ]
        surroundings = Surroundings(
            directories=directories,
            stdin=stdin,
            fuel=limits.fuel if isinstance(limits.fuel, int) else None,
            memory_bytes=limits.memory_pages * WASM_PAGE_BYTES,
            deadline_seconds=limits.deadline_seconds,
            output_bytes=limits.output_bytes,
            output_ends_run=limits.output_overflow == "end",
            open_files=limits.open_files,
            on_stdout=on_stdout,
            on_stderr=on_stderr,
        )
        return Run(
            self._ready.code,
            self._ready.image,
            surroundings,
            [entry.guest for entry in opened.entries],
            reply_bytes=MESSAGE_BYTES + limits.value_bytes + 4,
        )

    def _wait(self, run: Run, request: bytes) -> Execution:
        task = threads.submit(lambda: run.execute(request))
        try:
            if _is_over(task, self.limits.deadline_seconds + GRACE_SECONDS):
                return task.result()
        except BaseException:  # Ctrl-C, or a signal handler that raised
            run.cancel()
            task.wait(GRACE_SECONDS)
            raise
        run.expire()
        if task.wait(GRACE_SECONDS):
            return task.result()
        # A host call does not come back, and nothing but the end of the process stops it.
        return run.abandoned()

    # -- life ---------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Close the granted directories and remove scratch folders; wait for runs under way in other threads."""
        while True:
            with self._lock:
                if not self._users:
                    opened, self._opened = self._opened, None
                    break
            time.sleep(0.005)
        if opened is not None:
            opened.close()

    def _enter(self) -> OpenedPreopens:
        with self._lock:
            if self._opened is None:
                raise ClosedError("the sandbox is closed")
            self._users += 1
            return self._opened

    def _leave(self) -> None:
        with self._lock:
            self._users -= 1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed" if self._opened is None else "open"
        return f"<Sandbox of {self._ready.name}, {state}>"


def _is_over(task: threads.Task[Execution], seconds: float) -> bool:
    """Wait for the end of a run in slices: Ctrl-C just before a lock is waited for is noticed only after that wait."""
    end = time.monotonic() + seconds
    while not task.wait(max(0.0, min(end - time.monotonic(), SLICE_SECONDS))):
        if time.monotonic() >= end:
            return False
    return True


def _bad_stdin(stdin: object) -> bytes:
    raise InvalidGrantError(f"stdin must be bytes, text or INHERIT, not {type(stdin).__name__}")


def _result(execution: Execution, limits: Limits, wall_seconds: float) -> RunResult:
    end = execution.end
    outcome, detail = OUTCOMES[end.ending], end.detail
    reply: Reply | None = None
    if end.ending is Ending.RETURNED:
        try:
            reply = decode_reply(execution.reply or b"", value_bytes=limits.value_bytes)
        except ValueError as error:
            outcome, detail = Outcome.GUEST_CRASHED, str(error)
    exit_code = None
    if outcome is Outcome.EXITED:
        exit_code = end.exit_code if reply is None else reply.exit_code
    return RunResult(
        outcome=outcome,
        exit_code=exit_code,
        stdout_bytes=execution.stdout[0],
        stderr_bytes=execution.stderr[0],
        value=reply.value if reply else None,
        error=reply.error if reply else None,
        detail="" if outcome is Outcome.EXITED else _sentence(end, detail, limits),
        denials=reply.denials if reply else (),
        fuel_consumed=execution.fuel_consumed,
        memory_peak_bytes=execution.memory_bytes,
        wall_seconds=wall_seconds,
        cpu_seconds=execution.cpu_seconds,
        stdout_omitted_bytes=execution.stdout[1],
        stderr_omitted_bytes=execution.stderr[1],
    )


def _sentence(end: End, detail: str, limits: Limits) -> str:
    if end.ending is Ending.OUT_OF_FUEL:
        return f"the run used up its fuel of {limits.fuel} instructions"
    if end.ending is Ending.DEADLINE:
        return f"the run was still going at its deadline of {limits.deadline_seconds:g} s"
    return detail or end.ending.value


class _Granted:
    """The part of a profile that a sandbox uses; nothing, for the profile `none`."""

    def __init__(self, profile: Profile | None) -> None:
        self._profile = profile
        self.preopens: tuple[Preopen | Scratch, ...] = ()
        if profile is not None:
            self.preopens = (*profile.preopens, *profile.scratches)

    def make_limits(self) -> Limits:
        return Limits() if self._profile is None else Limits(**self._profile.limits)

    def make_env(self) -> dict[str, str]:
        names = () if self._profile is None else self._profile.env
        return {name: os.environ[name] for name in names if name in os.environ}


def _resolve_profile(profile: str | os.PathLike[str] | Profile) -> _Granted:
    if profile == "none":
        return _Granted(None)
    from wasihost.capabilities.profile import Profile, load_profile  # parses TOML, which most sandboxes need not

    if isinstance(profile, Profile):
        return _Granted(profile)
    return _Granted(load_profile(os.fspath(profile)))
