"""The sandbox: a runtime, its image, grants and limits, fixed when it is made; it makes runs."""

from __future__ import annotations

import enum
import os
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

from wasihost.bounds import FIGURES, IDLE_SECONDS, LIFETIME_SECONDS, Bounds
from wasihost.capabilities.grants import check_args, check_env, check_inputs, check_stdin
from wasihost.capabilities.preopen import Preopen, Scratch
from wasihost.errors import ConfigError, InvalidGrantError, InvalidLimitsError
from wasihost.lifetimes import Living
from wasihost.limits import Limits
from wasihost.result import RunResult
from wasihost.runner import Containment, Program, Runner, Setup, metered
from wasihost.runtime.default import DEFAULT_RUNTIME
from wasihost.source import read_source

if TYPE_CHECKING:
    from wasihost.calling import Gate, GrantedFunctions
    from wasihost.capabilities.profile import Profile
    from wasihost.containment.launchers import Launcher
    from wasihost.functions.function import HostFunction
    from wasihost.functions.limits import FunctionLimits
    from wasihost.images import Image
    from wasihost.progress import Progress
    from wasihost.session import Session


class HostStdin(enum.Enum):
    """A standard input that is not made of bytes."""

    INHERIT = "inherit"


INHERIT: Final = HostStdin.INHERIT
"""`stdin=INHERIT`: the guest reads the host's own standard input."""


class Home(NamedTuple):
    """Where sessions live: what they share with their sandbox."""

    runner: Runner
    limits: Limits
    env: Mapping[str, str]
    functions: GrantedFunctions | None
    sessions: Living[Session]


NEEDED_BEHIND_WALLS: Final = (
    "asyncio", "concurrent.futures.thread", "logging", "wasihost.calling", "wasihost.concurrency",
)  # fmt: skip
"""Imported where they are used, and there is no importing behind walls."""


class Sandbox:
    """Runs programs that may do what was granted here, each in a fresh interpreter.

    A sandbox may be used from several threads at once, and from asyncio. It is a context manager: leaving it ends its
    workers, closes the granted directories and removes scratch folders.

    Args:
        preopens: Granted directories (`Preopen`, `Scratch`).
        env: Environment variables of the guest; the host's own are never passed on by themselves.
        limits: Budget of each run.
        runtime: Name of a runtime; `wasirun runtime list` shows them. None: that of the image, else "cpython-3.15".
        image: Name of an image of it, or an `Image`. "base" has the usual standard modules imported.
        profile: Name of a profile, path of a profile file, or a `Profile`; its grants come before `preopens`.
        containment: "process": the guest runs in a worker process that the operating system walls in and that is killed
            at the deadline whatever it does. "in-process": it runs in this process, behind the wall of WebAssembly
            alone, and a host call that never returns (reading a FIFO in a granted directory) costs a thread; for code
            that is trusted not to be out for more, where a worker cannot be had.
        workers: Most worker processes, so also most runs at a time; more callers wait in the order in which they came.
            None: one for each core. Runs that a listener makes while its own run waits for it have workers of their
            own, as many again at each of at most four levels.
        require_walls: Names of walls (see `walls`) without which nothing is to be run.
        launcher: What starts the workers inside one more wall (`wasihost.BWRAP` and others). None: this process does.
        functions: Functions of the host that the guest may call (`from host import name`): plain functions or coroutine
            functions with type hints, or `HostFunction`s. They are called in this process, on other threads than the
            caller's: plain functions from several at once, coroutine functions on the event loop of `arun`, else on one
            in the background.
        function_limits: How often, how long and with how many bytes they may be called in one run.
        gate: Sees each call before it is made, after its arguments were checked, and lets it be made by returning True;
            may be a coroutine function. What else it returns or raises refuses the call.
        progress: Told about downloads and compilations on first use.

    Raises:
        ConfigError: An argument is wrong (the subclass says which).
        RuntimeUnavailableError: The runtime cannot be had here and now.
        EngineError: No worker can be started. `WallsMissingError`: a required wall does not stand here.
    """

    def __init__(
        self,
        *,
        preopens: Iterable[Preopen | Scratch] = (),
        env: Mapping[str, str] | None = None,
        limits: Limits | None = None,
        runtime: str | None = None,
        image: str | Image = "base",
        profile: str | os.PathLike[str] | Profile = "none",
        containment: Containment = "process",
        workers: int | None = None,
        require_walls: Iterable[str] = (),
        launcher: Launcher | None = None,
        functions: Iterable[HostFunction | Callable[..., Any]] = (),
        function_limits: FunctionLimits | None = None,
        gate: Gate | None = None,
        progress: Progress | None = None,
    ) -> None:
        granted = resolve_profile(profile)
        self.limits: Limits = check_limits(limits, granted)
        self._env = dict(check_env({**granted.make_env(), **(env or {})}))
        setup = make_setup(
            limits=self.limits,
            runtime=runtime,
            image=image,
            containment=containment,
            workers=workers,
            require_walls=require_walls,
            launcher=launcher,
        )
        self._functions = grant_functions(functions, function_limits, gate)
        self._runner = Runner(setup, [*granted.preopens, *preopens], progress=progress)
        self._sessions: Living[Session] = Living()

    @property
    def walls(self) -> tuple[str, ...]:
        """What stands around each run: "wasm", "process", and those of the operating system."""
        return self._runner.walls

    @property
    def missing_walls(self) -> Mapping[str, str]:
        """Walls that this machine lacks, each with the reason."""
        return MappingProxyType(dict(self._runner.missing_walls))

    @property
    def folders(self) -> Mapping[str, Path]:
        """Where on the host the granted directories lie, by guest path; scratch folders while the sandbox is open.

        What a guest wrote there is data that nobody vouches for: names, links and contents.

        Raises:
            ClosedError: The sandbox was closed.
        """
        return MappingProxyType(self._runner.folders())

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
            on_stdout: Called with each piece of standard output as it is written, in order, on this or another thread;
                what it raises ends the run with HOST_FAILED.
            on_stderr: Likewise for standard error.
            check: Raise unless the program exits with 0.

        Returns:
            The result, whatever the program did.

        Raises:
            ConfigError: An argument is wrong.
            ClosedError: The sandbox was closed.
            EngineError: The guest could not be set up, or this process was forked after the sandbox was made.
            RunFailedError: With `check`, the run did not exit with 0.
            KeyboardInterrupt: Ctrl-C; the run is stopped first.
        """
        program = make_program(
            code,
            limits=self.limits,
            env=self._env,
            functions=self._functions,
            script=script,
            module=module,
            args=args,
            stdin=stdin,
            inputs=inputs,
            filename=filename,
            on_stdout=on_stdout,
            on_stderr=on_stderr,
        )
        result = self._runner.run(program)
        return result.check() if check else result

    async def arun(
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
        """Run one program without blocking the event loop; otherwise like `run`.

        Cancelling the task kills the run and returns at once. At most `workers` runs are under way at a time; other
        tasks wait in the order in which they came. `on_stdout` and `on_stderr` are called on the event loop's thread,
        may be coroutine functions, and hold the guest up until they are done.
        """
        from wasihost import concurrency  # asyncio takes milliseconds to import, and most users run without it

        program = make_program(
            code,
            limits=self.limits,
            env=self._env,
            functions=self._functions,
            script=script,
            module=module,
            args=args,
            stdin=stdin,
            inputs=inputs,
            filename=filename,
            on_stdout=on_stdout,
            on_stderr=on_stderr,
        )
        result = await concurrency.run_in_loop(self._runner, program)
        return result.check() if check else result

    def map(self, codes: Iterable[str | bytes | Mapping[str, Any]], **common: Any) -> Iterator[RunResult]:  # noqa: ANN401
        """Run many programs, several at a time, and yield their results in the order of the programs.

        Programs are taken from `codes` as results are taken from here, a few ahead, so both may be endless. A program
        that fails is a result like any other; so is one that cannot even be started (HOST_FAILED).

        Args:
            codes: Source texts, or mappings of arguments of `run` (`{"code": ..., "inputs": ...}`).
            **common: Arguments of `run` for all of them, but for `check`.

        Raises:
            ConfigError: An argument that `run` has not; before anything is run.

        Leaving the loop early cancels the runs that were started ahead.
        """
        from wasihost import concurrency

        return concurrency.map_runs(self._runner, self._preparer(common), codes)

    def amap(
        self,
        codes: Iterable[str | bytes | Mapping[str, Any]] | AsyncIterable[str | bytes | Mapping[str, Any]],
        **common: Any,  # noqa: ANN401 - arguments of `run`
    ) -> AsyncIterator[RunResult]:
        """The same as `map` for asyncio: `async for result in sandbox.amap(codes)`."""
        from wasihost import concurrency

        return concurrency.amap_runs(self._runner, self._preparer(common), codes)

    def _preparer(self, common: Mapping[str, Any]) -> Callable[[str | bytes | Mapping[str, Any]], Program]:
        _check_names(common)

        def prepare(code: str | bytes | Mapping[str, Any]) -> Program:
            given = code if isinstance(code, Mapping) else {"code": code}
            _check_names(given)
            return make_program(
                **{**DEFAULTS, **common, **given}, limits=self.limits, env=self._env, functions=self._functions
            )

        return prepare

    def enclose(self) -> None:
        """Put the operating system's walls around this whole process, for good: with containment="in-process" only.

        For a program that is its own worker, as `wasirun` is: afterwards this process can open no file but those of the
        granted directories, start no program and reach no network, whatever a guest does to it. What wasihost needs for
        runs is imported here; import before what you need after, and make an event loop before, if there is to be one.
        There are no sessions behind the walls, which let nobody make memory that outlives a run. `walls` says which
        stand.

        Raises:
            ConfigError: The sandbox has workers, open sessions, or directories that must be removed at its end:
                `Scratch`, overlays.
            EngineError: The process has other threads already.
        """
        import importlib

        if self._sessions.all():
            raise ConfigError("enclose() is for sandboxes without sessions: close them before")
        self._runner.check_can_be_enclosed()
        for name in NEEDED_BEHIND_WALLS:
            importlib.import_module(name)
        if self._functions is not None:
            from wasihost.loops import make_background_loop

            make_background_loop()
        self._runner.enclose()

    # -- sessions -----------------------------------------------------------------------------------------------

    def session(
        self,
        *,
        idle_seconds: float = IDLE_SECONDS,
        lifetime_seconds: float = LIFETIME_SECONDS,
        figures: Sequence[str] = FIGURES,
    ) -> Session:
        """Return a new session: an interpreter that remembers from turn to turn.

        It has a scratch folder of its own for each `Scratch` of this sandbox and a copy of its own of each overlay;
        other directories are shared. It ends with the sandbox at the latest.

        Args:
            idle_seconds: After so long without use it is closed.
            lifetime_seconds: So long after it was made it is closed.
            figures: Formats in which matplotlib's figures are drawn: "png", "svg".

        Raises:
            ConfigError: An argument is wrong, the sandbox is enclosed, or the workers are where sessions cannot be
                (Docker, gVisor).
            ClosedError: The sandbox was closed.
            EngineError: The system gives no memory for it.
        """
        home = self.home()
        from wasihost.session import new_session  # most sandboxes have no session

        bounds = Bounds(idle_seconds=idle_seconds, lifetime_seconds=lifetime_seconds, figures=figures)
        return new_session(
            home.runner,
            limits=home.limits,
            env=home.env,
            functions=home.functions,
            bounds=bounds,
            siblings=home.sessions,
        )

    @property
    def sessions(self) -> tuple[Session, ...]:
        """The open sessions of this sandbox, oldest first; forks and loaded ones as well."""
        return tuple(sorted(self._sessions.all(), key=lambda session: session.born))

    def home(self) -> Home:
        """Return what sessions are made of; for `Session.load`.

        Raises:
            ConfigError: The sandbox is enclosed.
        """
        self._runner.check_not_enclosed("sessions")
        return Home(self._runner, self.limits, self._env, self._functions, self._sessions)

    # -- life ---------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """End sessions and workers, close granted directories, remove scratch folders; what is under way ends first."""
        while self._sessions.all():
            for session in self.sessions:
                session.end("the sandbox is closed")
        self._runner.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        import asyncio

        await asyncio.to_thread(self.close)

    def __repr__(self) -> str:
        state = "open" if self._runner.is_open else "closed"
        return f"<Sandbox of {self._runner.setup.runtime}, {self._runner.setup.containment}, {state}>"


# -- shared with run_wasm_python --------------------------------------------------------------------------------------


DEFAULTS: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "code": None,
        "script": None,
        "module": None,
        "args": (),
        "stdin": b"",
        "inputs": None,
        "filename": "<string>",
        "on_stdout": None,
        "on_stderr": None,
    }
)
"""What `make_program` takes besides limits and environment, where nothing was said."""


def _check_names(arguments: Mapping[str, Any]) -> None:
    """Refuse what is no argument of a program.

    Raises:
        ConfigError: One is not.
    """
    if unknown := sorted(str(name) for name in arguments if name not in DEFAULTS):
        raise ConfigError(f"a program has no argument {unknown[0]!r}; it has {', '.join(DEFAULTS)}")


class Granted:
    """The part of a profile that a sandbox uses; nothing, for the profile `none`."""

    def __init__(self, profile: Profile | None) -> None:
        self._profile = profile
        self.preopens: tuple[Preopen | Scratch, ...] = ()
        if profile is not None:
            self.preopens = (*profile.preopens, *profile.scratches)

    def make_limits(self) -> Limits:
        """Return the profile's limits."""
        return Limits() if self._profile is None else Limits(**self._profile.limits)

    def make_env(self) -> dict[str, str]:
        """Return those of the profile's environment variables that the host has."""
        names = () if self._profile is None else self._profile.env
        return {name: os.environ[name] for name in names if name in os.environ}


def resolve_profile(profile: str | os.PathLike[str] | Profile) -> Granted:
    """Return what a profile grants.

    Raises:
        InvalidProfileError: There is none of that name, or its file is not what it should be.
    """
    if profile == "none":
        return Granted(None)
    from wasihost.capabilities.profile import Profile, load_profile  # parses TOML, which most sandboxes need not

    if isinstance(profile, Profile):
        return Granted(profile)
    return Granted(load_profile(os.fspath(profile)))


def check_limits(limits: object, granted: Granted) -> Limits:
    """Return the limits, or those of the profile.

    Raises:
        InvalidLimitsError: They are something else.
    """
    if limits is None:
        return granted.make_limits()
    if not isinstance(limits, Limits):
        raise InvalidLimitsError(f"limits must be a Limits, not {type(limits).__name__}")
    return limits


def make_setup(
    *,
    limits: Limits,
    runtime: str | None,
    image: str | Image,
    containment: Containment,
    workers: int | None,
    require_walls: Iterable[str],
    launcher: Launcher | None,
) -> Setup:
    """Return what a runner for these limits is made of.

    Raises:
        ConfigError: The image belongs to another runtime.
    """
    runtime, name = (runtime or DEFAULT_RUNTIME, image) if isinstance(image, str) else _names_of(runtime, image)
    return Setup(
        runtime=runtime,
        image=name,
        metered=metered(limits),
        containment=containment,
        memory_bytes=limits.memory_bytes,
        open_files=limits.open_files,
        disk_bytes=limits.disk_bytes,
        workers=workers,
        require_walls=frozenset([require_walls] if isinstance(require_walls, str) else require_walls),
        launcher=launcher,
    )


def _names_of(runtime: str | None, image: Image) -> tuple[str, str]:
    from wasihost.images import runtime_and_image  # most sandboxes are on a named image

    return runtime_and_image(runtime, image)


def make_program(
    code: str | bytes | None = None,
    *,
    limits: Limits,
    env: Mapping[str, str],
    script: str | os.PathLike[str] | None,
    module: str | None,
    args: Sequence[str],
    stdin: bytes | str | HostStdin,
    inputs: Mapping[str, Any] | None,
    filename: str,
    on_stdout: Callable[[bytes], object] | None,
    on_stderr: Callable[[bytes], object] | None,
    functions: GrantedFunctions | None = None,
) -> Program:
    """Return a program whose every part was checked.

    Raises:
        ConfigError: A part is wrong.
    """
    source = read_source(code, script=script, module=module, filename=filename)
    given = None if stdin is INHERIT else check_stdin(stdin if isinstance(stdin, bytes | str) else _bad_stdin(stdin))
    return Program(
        source=source,
        args=check_args(args, env=tuple(env.items())),
        inputs=check_inputs(inputs or {}),
        stdin=given,
        env=env,
        limits=limits,
        functions=functions,
        on_stdout=on_stdout,
        on_stderr=on_stderr,
    )


def grant_functions(
    functions: Iterable[HostFunction | Callable[..., Any]], limits: FunctionLimits | None, gate: Gate | None
) -> GrantedFunctions | None:
    """Return what programs may call, None without any.

    Raises:
        InvalidFunctionError: One of the functions cannot be called from a guest.
        ConfigError: Limits or gate are something else.
    """
    if functions == () and limits is None and gate is None:
        return None
    from wasihost.calling import GrantedFunctions  # most sandboxes have no functions

    granted = GrantedFunctions(functions, limits=limits, gate=gate)
    return granted if granted.functions else None


def _bad_stdin(stdin: object) -> bytes:
    raise InvalidGrantError(f"stdin must be bytes, text or INHERIT, not {type(stdin).__name__}")
