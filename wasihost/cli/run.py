"""One run: the process is its own worker, with a watchdog that ends it whatever hangs."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, NoReturn, TypeVar

from wasihost.capabilities.grants import check_env
from wasihost.capabilities.preopen import Preopen, Scratch
from wasihost.cli import statuses
from wasihost.cli.arguments import Line
from wasihost.cli.text import say, shown_name, write_all
from wasihost.containment.required import check_required
from wasihost.errors import ConfigError, EngineError, InvalidLimitsError, InvalidSourceError
from wasihost.limits import Limits
from wasihost.result import Outcome, RunResult
from wasihost.runner import Runner, Setup
from wasihost.runtime.default import DEFAULT_RUNTIME
from wasihost.sandbox import DEFAULTS, INHERIT, make_program, make_setup, resolve_profile

if TYPE_CHECKING:
    from wasihost.cli.bars import Bars
    from wasihost.containment.launchers import Launcher

T = TypeVar("T")

SLICE_SECONDS: Final = 0.2
"""How long Ctrl-C may go unnoticed."""
WATCHDOG_SECONDS: Final = 1.0
"""How long after its deadline a run may take to be over before the process is ended."""
LAUNCHED_SECONDS: Final = 15.0
"""The same where a launcher has to end what it started, such as a container."""

OUTCOME_STATUS: Final = {
    Outcome.OUT_OF_FUEL: statuses.OUT_OF_FUEL,
    Outcome.DEADLINE_EXCEEDED: statuses.DEADLINE,
    Outcome.OUTPUT_LIMIT: statuses.OTHER_LIMIT,
    Outcome.DISK_LIMIT: statuses.OTHER_LIMIT,
    Outcome.HOST_CALL_LIMIT: statuses.OTHER_LIMIT,
    Outcome.GUEST_CRASHED: statuses.GUEST_CRASHED,
    Outcome.CANCELLED: statuses.INTERRUPTED,
    Outcome.HOST_FAILED: statuses.HOST_FAILED,
}
"""Exit status of every outcome but EXITED (tested to be complete)."""

_MAX_PROGRAM_BYTES: Final = 256 * 2**20
_MAX_STDIN_BYTES: Final = 2**30


class Terminated(BaseException):
    """SIGTERM or SIGHUP: clean up, then go."""


class Output:
    """Passes on what the program writes, as it is written, and remembers why that failed."""

    def __init__(self) -> None:
        self.error: OSError | None = None

    def to(self, descriptor: int) -> Callable[[bytes], object]:
        """Return the listener for one stream."""

        def write(data: bytes) -> None:
            try:
                write_all(descriptor, data)
            except OSError as error:
                self.error = error
                raise

        return write


def run_program(line: Line) -> int:
    """Run a program as a command line says, and return the exit status.

    Raises:
        ConfigError: Something on the command line is wrong.
        RuntimeUnavailableError: The runtime cannot be had here and now.
        EngineError: Wasmtime refused something.
        KeyboardInterrupt: Ctrl-C.
    """
    hear_termination()
    try:
        return _run(line)
    except Terminated:
        return statuses.TERMINATED


def _run(line: Line) -> int:
    given = line.values
    preopens, env, limits = read_grants(given) if given else ([], {}, Limits())
    output = Output()
    listeners = {} if given.get("json") else {"on_stdout": output.to(1), "on_stderr": output.to(2)}
    granted = resolve_profile(given.get("profile", "none"))
    asked = read_walls(given)
    # Read before anything is installed: what is wrong with a script is told at once. And behind the walls, no file can
    # be opened any more.
    program = make_program(
        **{**DEFAULTS, **_arguments(line, asked.launcher), **listeners},
        limits=limits,
        env=dict(check_env(granted.make_env() | env)),
    )
    _import_what_comes_after(given)
    runner = _enclosed(given, [*granted.preopens, *preopens], limits, asked)
    gc.freeze()
    gc.enable()
    result: RunResult | None = None
    # What is logged or raised on other threads from here on has a line of its own in the result. wasirun itself
    # writes to the descriptor.
    sys.stderr = None
    with contextlib.closing(runner), _Watchdog(limits.deadline_seconds, asked.end_seconds):
        try:
            result = runner.run(program)
        except OSError:
            if output.error is None:
                raise
    if output.error is not None:
        return output_failed(output.error)
    if result is None:
        return statuses.HOST_FAILED
    return _report(result, line, limits, preopens)


def _import_what_comes_after(given: dict[str, Any]) -> None:
    from wasihost.cli import notes  # noqa: F401

    if given.get("json") or given.get("stats"):
        from wasihost.cli import json_result  # noqa: F401


# -- before -----------------------------------------------------------------------------------------------------------


def read_grants(given: dict[str, Any]) -> tuple[list[Preopen], dict[str, str], Limits]:
    """Return the folders, the environment and the limits that options ask for.

    Raises:
        ConfigError: An option's text means nothing.
    """
    from wasihost.cli import values  # a run without options does without

    preopens = [values.preopen(text, "--allow-read") for text in given.get("allow_read", ())]
    preopens += [values.preopen(text, "--allow-write", writable=True) for text in given.get("allow_write", ())]
    preopens += [values.preopen(text, "--overlay", overlay=True) for text in given.get("overlay", ())]
    return preopens, values.environment(given.get("env", ()), given.get("allow_env", ())), _limits(given)


def _limits(given: dict[str, Any]) -> Limits:
    """Return the limits of the profile, with those of the command line in place of its own."""
    from wasihost.cli import values  # as in `read_grants`

    fields = {
        field: read(given[key], "--" + key.replace("_", "-"))
        for key, (field, read) in values.LIMITS.items()
        if key in given
    }
    if given.get("profile", "none") != "none":
        from wasihost.capabilities.profile import load_profile  # parses TOML, which most runs need not

        fields = {**load_profile(given["profile"]).limits, **fields}
    try:
        return Limits(**fields)
    except InvalidLimitsError as error:
        raise in_options(error) from None


def in_options(error: InvalidLimitsError) -> InvalidLimitsError:
    """Name the option instead of the field that a library user would have set."""
    field, _, rest = str(error).partition(" ")
    short = "files" if field == "disk_files" else field.removesuffix("_bytes").removesuffix("_seconds")
    option = "--" + short.replace("_", "-")
    return InvalidLimitsError(f"{option} {rest}")


def _arguments(line: Line, launcher: Launcher | None) -> dict[str, Any]:
    """Return what `Sandbox.run` is to be called with."""
    arguments: dict[str, Any] = {"args": line.rest, "stdin": INHERIT}
    if line.kind == "script":
        _check_script(line.program)
        arguments["script"] = line.program
    elif line.kind == "module":
        arguments["module"] = line.program
    elif line.kind == "code":
        arguments["code"] = line.program
    else:
        with open(0, "rb", closefd=False) as file:
            code = file.read(_MAX_PROGRAM_BYTES + 1)
        arguments |= {"code": code, "stdin": b"", "filename": "<stdin>"}
    if launcher is not None and launcher.by_path and arguments["stdin"] is INHERIT:
        arguments["stdin"] = _whole_stdin()
    return arguments


def _whole_stdin() -> bytes:
    """Read standard input to its end, for a worker that cannot be handed it; a terminal, which has none, is empty."""
    if os.isatty(0):
        return b""
    with open(0, "rb", closefd=False) as file:
        return file.read(_MAX_STDIN_BYTES + 1)


def _check_script(path: str) -> None:
    """Tell of a missing script before a runtime is installed for it; what it holds is looked at when it is run."""
    if Path(path).is_dir():
        raise InvalidSourceError(f"the script {shown_name(path)} is a directory")
    if not Path(path).exists():
        raise InvalidSourceError(f"there is no script {shown_name(path)}")


class Asked(NamedTuple):
    """What the command line asks of the walls: those that must stand, and who puts up one more."""

    require_walls: frozenset[str] = frozenset()
    launcher: Launcher | None = None

    @property
    def end_seconds(self) -> float:
        """How long after its deadline a run may take to be over."""
        return WATCHDOG_SECONDS if self.launcher is None else LAUNCHED_SECONDS


def read_walls(given: dict[str, Any]) -> Asked:
    """Return what options ask of the walls.

    Raises:
        ConfigError: There is no such wall or launcher.
    """
    if "launcher" not in given and "require_wall" not in given:
        return Asked()
    from wasihost.cli import values  # as in `read_grants`
    from wasihost.containment.job import PROCESS_WALLS
    from wasihost.containment.launchers import READY_MADE
    from wasihost.containment.walls.enclosure import WALLS

    launcher = None
    if "launcher" in given:
        launcher = READY_MADE[values.choice(given["launcher"], "--launcher", [*READY_MADE])]
    for name in given.get("require_wall", ()):
        values.choice(name, "--require-wall", [*PROCESS_WALLS, *WALLS, *READY_MADE])
        if name in READY_MADE and (launcher is None or launcher.name != name):
            raise ConfigError(f"--require-wall {name} goes with --launcher {name}")
    return Asked(frozenset(given.get("require_wall", ())), launcher)


def _enclosed(given: dict[str, Any], preopens: list[Preopen | Scratch], limits: Limits, asked: Asked) -> Runner:
    """Return what carries the program out: this process, walled in, or a worker that is.

    This process cannot be walled in as a whole after it compiled or started a runtime, which leaves threads behind, and
    not when scratch folders or copies of folders have to be removed at the end.
    """
    setup = make_setup(
        limits=limits,
        runtime=given.get("runtime", DEFAULT_RUNTIME),
        image=given.get("image", "base"),
        containment="in-process",
        workers=None,
        require_walls=(),
        launcher=None,
    )
    plain = all(isinstance(grant, Preopen) and not grant.overlay for grant in preopens)
    if plain and asked.launcher is None and "process" not in asked.require_walls:
        runner = _make_runner(setup, preopens)
        try:
            runner.enclose()
        except EngineError:
            runner.close()
        else:
            check_required(asked.require_walls, runner.walls, runner.missing_walls)
            return runner
    in_worker = setup._replace(
        containment="process", workers=1, require_walls=asked.require_walls, launcher=asked.launcher
    )
    return _make_runner(in_worker, preopens)


def _make_runner(setup: Setup, preopens: list[Preopen | Scratch]) -> Runner:
    return made_on_a_thread(lambda bars: Runner(setup, preopens, progress=bars))


def made_on_a_thread(make: Callable[[Bars | None], T]) -> T:
    """Make what may have to compile first, on a thread: that is one long native call, and Ctrl-C must be heard.

    Args:
        make: Is given what draws long work, where somebody looks.

    Raises:
        WasiHostError: What `make` raised, with options named in place of limits.
    """
    bars: Bars | None = None
    if sys.stderr is not None and sys.stderr.isatty():
        from wasihost.cli.bars import Bars

        bars = Bars()
    made: list[T] = []
    failed: list[BaseException] = []

    def perform() -> None:
        try:
            made.append(make(bars))
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=perform, name="wasirun-start", daemon=True)
    try:
        thread.start()
        while thread.is_alive():
            thread.join(SLICE_SECONDS)
    except BaseException:
        if bars is not None:
            bars.stop()
        raise
    if failed:
        raise in_options(failed[0]) if isinstance(failed[0], InvalidLimitsError) else failed[0]
    return made[0]


def hear_termination() -> None:
    """Raise `Terminated` when somebody wants this process to end, unless that is ignored."""

    def end(_number: int, _frame: FrameType | None) -> NoReturn:
        raise Terminated

    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, end)


class _Watchdog:
    """Ends the process a while after the deadline, should a run or its clean-up hang in a host call."""

    def __init__(self, deadline_seconds: float, end_seconds: float) -> None:
        self._deadline_seconds = deadline_seconds
        self._end_seconds = end_seconds
        self._over = threading.Event()

    def __enter__(self) -> None:
        threading.Thread(target=self._watch, name="wasirun-watchdog", daemon=True).start()

    def __exit__(self, *_: object) -> None:
        """Stand by until the process ends: closing and the last words may hang too."""

    def _watch(self) -> None:
        self._over.wait(self._deadline_seconds + self._end_seconds)
        say(f"the run was still going at its deadline of {self._deadline_seconds:g} s (--deadline sets another)")
        os._exit(statuses.DEADLINE)


# -- after ------------------------------------------------------------------------------------------------------------


def output_failed(error: OSError) -> int:
    """Say that what the program wrote could not be passed on, and return the exit status."""
    if isinstance(error, BrokenPipeError):
        return statuses.PIPE_CLOSED
    say(f"cannot write the program's output: {error.strerror or error}")
    return statuses.HOST_FAILED


def _report(result: RunResult, line: Line, limits: Limits, preopens: list[Preopen]) -> int:
    status = OUTCOME_STATUS.get(result.outcome, statuses.HOST_FAILED)
    if result.outcome is Outcome.EXITED:
        status = result.exit_code if result.exit_code is not None else statuses.HOST_FAILED
    if line.values.get("json"):
        from wasihost.cli.json_result import result_json

        write_all(1, result_json(result).encode() + b"\n")
    if result.outcome is not Outcome.EXITED or result.error is not None or result.denials or result.exit_code:
        from wasihost.cli.notes import notes_on  # most runs go well

        for note in notes_on(result, line=line, limits=limits, preopens=preopens):
            say(note)
    if result.files_changed and not line.values.get("json"):
        from wasihost.cli.notes import changes_on

        for note in changes_on(result):
            say(note)
    if line.values.get("stats"):
        from wasihost.cli.json_result import stats_line

        say(stats_line(result))
    return status
