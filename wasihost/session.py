"""Sessions: an interpreter that lives over several turns, and can be rolled back, forked and saved."""

from __future__ import annotations

import contextlib
import os
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

from wasihost import lifetimes
from wasihost.bounds import Bounds
from wasihost.capabilities.granted_files import Folder, GrantedFiles
from wasihost.capabilities.grants import check_inputs, check_stdin
from wasihost.conclusion import conclude_turn, read_turn
from wasihost.containment.job import Control
from wasihost.engine.ending import End, Ending
from wasihost.errors import ClosedError, ConfigError, InvalidLimitsError, InvalidSourceError
from wasihost.fair_lock import FairLock, Ticket
from wasihost.image.plausible import globals_fit, with_our_counters
from wasihost.image.protocol import encodable
from wasihost.image.turn_protocol import MAX_DISPLAYS, OpenFile, TurnReply, TurnRequest, decode_files
from wasihost.limits import UNMETERED, Limits
from wasihost.result import Outcome, RunResult
from wasihost.source import read_source
from wasihost.turns import make_turn, new_folders, new_memory

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

    from wasihost.calling import GrantedFunctions
    from wasihost.capabilities.session_folders import SessionFolders
    from wasihost.engine.ending import Execution
    from wasihost.engine.layers import SessionMemory
    from wasihost.functions.record import HostCall
    from wasihost.runner import Runner
    from wasihost.sandbox import Sandbox

QUESTION_BYTES: Final = 1 << 20
"""Longest answer to a question of an editor."""
QUESTION_SECONDS: Final = 2.0
MAX_LOST_FILES: Final = 1000
BEYOND_REPAIR: Final = "an earlier turn left the interpreter so that no turn can be made in this session any more"
NONSENSE: Final = End(Ending.HOST_FAILED, "the worker told of a state that makes no sense")

Listener = Callable[[bytes], object]


class Completions(NamedTuple):
    """Names that may be meant where somebody writes; the guest's word.

    Attributes:
        start: Where in the text the name begins that they would replace.
        names: In their order.
    """

    start: int
    names: tuple[str, ...]


class Completeness(NamedTuple):
    """Whether what somebody writes is whole; the guest's word.

    Attributes:
        status: "complete", "incomplete" or "invalid".
        indent: What the next line begins with, if it is incomplete.
    """

    status: str
    indent: str


@dataclass(slots=True, kw_only=True)
class State:
    """What a session is made of, between its turns.

    Attributes:
        memory: The guest at rest.
        folders: Its directories.
        turns: How many turns it has taken over.
        number: How many were asked for: the next one's name must not be that of another.
        started: Whether it has begun to be a program of its own, by its first turn.
        renews: Whether its random numbers are to begin anew, because another session has the same.
        files: Files that the guest has open.
        unnamed: How many it has open besides, by number only.
        lost: Guest paths of files that it had open and has no more.
    """

    memory: SessionMemory
    folders: SessionFolders
    turns: int = 0
    number: int = 0
    started: bool = False
    renews: bool = False
    files: tuple[OpenFile, ...] = ()
    unnamed: int = 0
    lost: tuple[str, ...] = ()


class _Turning:
    """A turn that is under way, as its listeners know it; what they start inherits it and may outlive the turn."""

    __slots__ = ("control", "session")

    def __init__(self, session: Session, control: Control) -> None:
        self.session: Session | None = session
        self.control = control

    def is_late(self) -> bool:
        """Whether it would be over if no listener held it up."""
        return self.control.cancelled or self.control.expired or time.monotonic() >= self.control.until


_turning: ContextVar[tuple[_Turning, ...]] = ContextVar("wasihost-turning", default=())


class Session:
    """An interpreter that remembers: names, imports and definitions of a turn are there in the next.

    Made by `Sandbox.session`, `fork` and `load`. It is a context manager; leaving it closes it. Turns are made one
    after the other, in the order in which they were asked for, whichever threads ask. What a session is between two
    turns lies in this process, so the worker that makes its turns can be lost without it.

    A turn that is stopped (fuel, deadline, limits, a crash, cancelled, `os._exit`) is undone: the session is what it
    was before, and the result says `rolled_back=True`. An exception and `sys.exit()` end a turn and undo nothing. Files
    are not undone, but for those in overlays.
    """

    def __init__(
        self,
        runner: Runner,
        *,
        limits: Limits,
        env: Mapping[str, str],
        functions: GrantedFunctions | None = None,
        state: State,
        bounds: Bounds,
        siblings: lifetimes.Living[Session],
        sandbox: Sandbox | None = None,
    ) -> None:
        self.limits: Limits = limits
        self._runner = runner
        self._env = env
        self._functions = functions
        self._state = state
        self._bounds = bounds
        self._siblings = siblings
        self._sandbox = sandbox
        self._lock = FairLock()
        self._ended = ""
        self._pid = os.getpid()
        self.born = self._used = time.monotonic()
        """`time.monotonic()` at which it was made."""
        self._files = GrantedFiles(self._lent_folders)
        # In the collector no lock may be waited for, so the runner finds the key when it makes its next run.
        self._finalizer = weakref.finalize(self, runner.gone.append, state.memory.key)
        self._finalizer.atexit = False
        siblings.add(self)
        lifetimes.watch(self)

    # -- turns --------------------------------------------------------------------------------------------------------

    def run(
        self,
        code: str | bytes,
        *,
        stdin: bytes | str = b"",
        inputs: Mapping[str, Any] | None = None,
        limits: Limits | None = None,
        filename: str | None = None,
        on_stdout: Listener | None = None,
        on_stderr: Listener | None = None,
        check: bool = False,
    ) -> RunResult:
        """Make one turn and wait for its end.

        Top-level `await` works, `_` is the value of the last expression that had one, `display(thing)` shows a thing.

        Args:
            code: Python source.
            stdin: Standard input of this turn.
            inputs: JSON values that become globals.
            limits: Budget of this turn; None: that of the sandbox. Fuel is counted or not as in the sandbox, and the
                memory is at most the sandbox's.
            filename: Name of `code` in tracebacks; None: "<turn N>".
            on_stdout: Called with each piece of standard output as it is written, in order, on this or another thread;
                what it raises ends the turn with HOST_FAILED. It cannot use this session.
            on_stderr: Likewise for standard error.
            check: Raise unless the turn ends with status 0.

        Returns:
            The result, whatever the program did. `text` and `displays` are there beside `value`.

        Raises:
            ConfigError: An argument is wrong, or a listener of this session calls.
            ClosedError: The session was closed, or has reached the end of its time.
            InvalidPreopenError: An overlay became too large to be undone: remove some of it.
            EngineError: The guest could not be set up, or this process was forked after the session was made.
            RunFailedError: With `check`, the turn did not end with status 0.
            KeyboardInterrupt: Ctrl-C; the turn is stopped and undone first.
        """
        turn = self._asked(code, stdin, inputs, limits, filename)
        result = self._serve(None, turn, Control(), on_stdout, on_stderr)
        return result.check() if check else result

    async def arun(
        self,
        code: str | bytes,
        *,
        stdin: bytes | str = b"",
        inputs: Mapping[str, Any] | None = None,
        limits: Limits | None = None,
        filename: str | None = None,
        on_stdout: Listener | None = None,
        on_stderr: Listener | None = None,
        check: bool = False,
    ) -> RunResult:
        """Make one turn without blocking the event loop; otherwise like `run`.

        Cancelling the task stops and undoes the turn. `on_stdout` and `on_stderr` are called on the event loop's thread
        and may be coroutine functions.
        """
        import asyncio  # takes milliseconds

        from wasihost.concurrency import call_in_loop

        turn = self._asked(code, stdin, inputs, limits, filename)
        loop = asyncio.get_running_loop()
        ticket = self._lock.enter()
        result = await call_in_loop(
            lambda control, out, err: self._serve(ticket, turn, control, out, err, loop=loop),
            on_stdout,
            on_stderr,
            unstarted=lambda: self._lock.leave(ticket),
        )
        return result.check() if check else result

    def call_plugin(
        self,
        said: str,
        body: bytes,
        *,
        limits: Limits,
        control: Control | None = None,
        loop: AbstractEventLoop | None = None,
        on_stdout: Listener | None = None,
        on_stderr: Listener | None = None,
    ) -> RunResult:
        """Make a turn that calls a function of a plugin; for `Plugin` (`bundle.Bundle.ask` makes the arguments)."""
        self._refuse_listener()
        asked = _Asked(
            kind="plugin turn", source=body, name="<plugin>", inputs="{}", stdin=b"", limits=limits, plugin=said
        )
        return self._serve(None, asked, control or Control(), on_stdout, on_stderr, loop=loop)

    def complete(self, text: str, cursor: int | None = None) -> Completions:
        """Return the names that the guest has for what is written before the cursor.

        Asking may run code of the guest (`__dir__`, properties), for two seconds at most; what it changes stays.

        Args:
            text: What is being written.
            cursor: Where in it, in characters; None: at its end.

        Raises:
            ConfigError, ClosedError, EngineError: As `run`.
        """
        if cursor is None:
            cursor = len(text)
        if isinstance(cursor, bool) or not isinstance(cursor, int) or not 0 <= cursor <= len(text):
            raise ConfigError(f"cursor must be from 0 to {len(text)}, not {cursor!r}")
        said = self._ask("complete", text, cursor)
        match said:
            case [int(start), list(names)] if 0 <= start <= cursor and type(start) is int:
                return Completions(start, tuple(encodable(name) for name in names if isinstance(name, str)))
        return Completions(cursor, ())

    def is_complete(self, text: str) -> Completeness:
        """Return whether what is written is whole, as a line editor wants to know.

        Raises:
            ConfigError, ClosedError, EngineError: As `run`.
        """
        match self._ask("status", text, 0):
            case [("complete" | "incomplete" | "invalid") as status, str(indent)]:
                return Completeness(status, encodable(indent))
        return Completeness("complete", "")

    # -- files --------------------------------------------------------------------------------------------------------

    @property
    def files(self) -> GrantedFiles:
        """Files in the session's scratch folders, overlays and granted directories, by guest path.

        Each operation waits for the turn that is under way.
        """
        return self._files

    @property
    def lost_files(self) -> tuple[str, ...]:
        """Guest paths of files that the guest had open and that could not be opened again.

        That can be in another process, after a turn was undone, or after a fork. What was opened by number (`os.open`)
        has no path. In a loaded session these are also files of its own folders that could not be saved, because of a
        backslash, a control character, no UTF-8 or more than 1,024 characters in their paths.
        """
        return self._state.lost

    # -- fork, save, load ---------------------------------------------------------------------------------------------

    def fork(self) -> Session:
        """Return an independent session that goes on from here.

        Memory is shared until one of both writes it. Scratch folders and overlays are copied; other directories are
        the same. Random numbers of `random` and `numpy.random` begin anew in the fork, as after `os.fork`.

        Raises:
            ConfigError: A listener of this session calls.
            ClosedError: The session was closed.
            InvalidPreopenError: A scratch folder or overlay cannot be copied.
            EngineError: The system gives no memory.
        """
        with self._held():
            return self._forked()

    async def afork(self) -> Session:
        """Like `fork`, without blocking the event loop."""
        import asyncio

        self._refuse_listener()
        return await asyncio.to_thread(self.fork)

    def _forked(self) -> Session:
        state = self._state
        folders = new_folders(self._runner, copy_of=state.folders)
        try:
            other = replace(state, memory=state.memory.fork(), folders=folders, renews=True)
            return Session(
                self._runner,
                limits=self.limits,
                env=self._env,
                functions=self._functions,
                state=other,
                bounds=self._bounds,
                siblings=self._siblings,
                sandbox=self._sandbox,
            )
        except BaseException:
            folders.close()
            raise

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the session into a file, whole or not at all: what differs from its image, and its own folders.

        Scratch folders and overlays are in it, other directories are not. The file holds whatever the guest knows, so
        it is readable for this user only.

        Raises:
            ConfigError: A listener of this session calls.
            ClosedError: The session was closed.
            OSError: The file cannot be written.
        """
        from wasihost.saved import save  # most sessions are not saved

        with self._held():
            save(self._runner, self._state, os.fspath(path))

    async def asave(self, path: str | os.PathLike[str]) -> None:
        """Like `save`, without blocking the event loop."""
        import asyncio

        self._refuse_listener()
        await asyncio.to_thread(self.save, path)

    @staticmethod
    def load(path: str | os.PathLike[str], *, sandbox: Sandbox | None = None, **options: Any) -> Session:  # noqa: ANN401
        """Return a session that goes on where a saved one was.

        The file is data: whoever wrote it decides what the guest is like, and nothing else. Environment and arguments
        are those that the guest had; grants and limits are those of the sandbox here.

        Args:
            path: What `save` wrote.
            sandbox: Where it goes on: of the same runtime and image. None: in a sandbox of its own, which ends with it.
            **options: `idle_seconds`, `lifetime_seconds` and `figures`, as of `Sandbox.session`; without a sandbox, its
                arguments as well (runtime and image are those that the file names).

        Raises:
            InvalidSessionError: It is no saved session, or was damaged.
            UnusableSessionError: It belongs to another runtime, image or version than are here.
            InvalidLimitsError: Its memory is larger than the limits allow.
            ConfigError: An option is wrong.
            OSError: The file cannot be read.
        """
        from wasihost.saved import load

        return load(os.fspath(path), sandbox, options)

    @staticmethod
    async def aload(
        path: str | os.PathLike[str],
        *,
        sandbox: Sandbox | None = None,
        **options: Any,  # noqa: ANN401
    ) -> Session:
        """Like `load`, without blocking the event loop."""
        import asyncio

        return await asyncio.to_thread(lambda: Session.load(path, sandbox=sandbox, **options))

    # -- life ---------------------------------------------------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        """Whether it can make turns."""
        return not self._ended

    @property
    def turns(self) -> int:
        """How many turns it holds; those that were undone do not count."""
        return self._state.turns

    @property
    def stored_bytes(self) -> int:
        """What it takes of the host's memory while it rests; pages that forks share count for each of them."""
        return self._state.memory.stored_bytes()

    def due(self) -> float:
        """Return the `time.monotonic()` at which it ends by itself, unless it is used before."""
        return min(self._used + self._bounds.idle_seconds, self.born + self._bounds.lifetime_seconds)

    def end_if_due(self) -> None:
        """End if the time has come and no turn is under way."""
        ticket = self._lock.enter_if_free()
        if ticket is not None:
            try:
                self._end_if_due()
            finally:
                self._lock.leave(ticket)

    def close(self) -> None:
        """Forget everything, and remove the session's own folders; wait for the turn that is under way first.

        Raises:
            ConfigError: A listener of this session calls, which would wait for itself.
        """
        self.end("the session is closed")

    async def aclose(self) -> None:
        """Like `close`, without blocking the event loop."""
        import asyncio

        self._refuse_listener()
        await asyncio.to_thread(self.close)

    def end(self, reason: str) -> None:
        """Close the session; whoever uses it afterwards is told the reason."""
        self._refuse_listener()
        if self._ended:
            return
        if os.getpid() != self._pid:  # the turns of a forked child's parent are not its own
            self._ended = reason
            self._siblings.discard(self)
            return
        ticket = self._lock.enter()
        try:
            if not self._wait(ticket):
                raise ConfigError("a listener waited for another session until its own turn was over")
            self._end(reason)
        finally:
            self._lock.leave(ticket)

    def _end(self, reason: str) -> None:
        if self._ended:
            return
        self._ended = reason
        lifetimes.forget(self)
        self._siblings.discard(self)
        self._finalizer.detach()
        self._runner.gone.append(self._state.memory.key)
        self._runner.forget_gone()
        self._state.folders.close()
        self._state.memory.drop()
        if self._sandbox is not None and not self._siblings.all():
            self._sandbox.close()

    def _end_if_due(self) -> None:
        now = time.monotonic()
        bounds = self._bounds
        if now >= self.born + bounds.lifetime_seconds:
            self._end(f"the session was closed at the end of its lifetime of {bounds.lifetime_seconds:g} s")
        elif now >= self._used + bounds.idle_seconds:
            self._end(f"the session was closed after {bounds.idle_seconds:g} s without use (idle_seconds)")

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
        await self.aclose()

    def __repr__(self) -> str:
        state = f"{self.turns} turns" if not self._ended else self._ended
        return f"<Session of {self._runner.setup.runtime}, {state}>"

    # -- one at a time ------------------------------------------------------------------------------------------------

    def _refuse_listener(self) -> None:
        if any(turning.session is self for turning in _turning.get()):
            raise ConfigError("a listener cannot use the session whose turn it listens to: the turn waits for it")

    def _check_open(self) -> None:
        if not self._ended:
            self._end_if_due()
        if self._ended:
            raise ClosedError(self._ended)

    def _wait(self, ticket: Ticket, control: Control | None = None) -> bool:
        """Wait for the session; False when that was cancelled, or when the turn is over whose listener waits here.

        Two listeners that wait for each other's sessions would wait for ever.
        """
        outer = _turning.get()
        return self._lock.wait(
            ticket,
            lambda: (control is not None and control.cancelled) or any(turning.is_late() for turning in outer),
        )

    @contextlib.contextmanager
    def _held(self) -> Iterator[None]:
        """Have the session for oneself for a while.

        Raises:
            ConfigError: A listener of this session calls, or one of another whose turn is over meanwhile.
            ClosedError: The session was closed.
            EngineError: This process was forked after the session was made.
        """
        self._refuse_listener()
        self._runner.check_process()
        ticket = self._lock.enter()
        try:
            if not self._wait(ticket):
                raise ConfigError("a listener waited for another session until its own turn was over")
            self._check_open()
            yield
            self._used = time.monotonic()
        finally:
            self._lock.leave(ticket)

    @contextlib.contextmanager
    def _lent_folders(self) -> Iterator[Sequence[Folder]]:
        with self._held():
            yield self._state.folders.folders()

    def _asked(
        self,
        code: str | bytes,
        stdin: bytes | str,
        inputs: Mapping[str, Any] | None,
        limits: Limits | None,
        filename: str | None,
    ) -> _Asked:
        self._refuse_listener()
        source = read_source(code, script=None, module=None, filename="<turn>" if filename is None else filename)
        return _Asked(
            kind="turn",
            source=source.text,
            name=None if filename is None else source.name,
            inputs=check_inputs(inputs or {}),
            stdin=check_stdin(stdin),
            limits=self.limits if limits is None else self._checked_limits(limits),
        )

    def _checked_limits(self, limits: Limits) -> Limits:
        if not isinstance(limits, Limits):
            raise InvalidLimitsError(f"limits must be a Limits, not {type(limits).__name__}")
        if (limits.fuel is UNMETERED) != (self.limits.fuel is UNMETERED):
            raise InvalidLimitsError(
                "fuel is counted in all turns of a session or in none: as its sandbox's limits say"
            )
        for name in ("memory_bytes", "open_files", "disk_bytes"):
            if getattr(limits, name) > getattr(self.limits, name):
                raise InvalidLimitsError(
                    f"{name} of a turn is {getattr(limits, name)}, and its sandbox allows {getattr(self.limits, name)}"
                )
        return limits

    def _ask(self, kind: str, text: str, cursor: int) -> object:
        if not isinstance(text, str):
            raise InvalidSourceError(f"the text must be a str, not {type(text).__name__}")
        self._refuse_listener()
        result = self._serve(None, self._question(kind, text, cursor), Control(), None, None)
        return result.value if result.outcome is Outcome.EXITED and not result.rolled_back else None

    def _question(self, kind: str, text: str, cursor: int) -> _Asked:
        limits = replace(
            self.limits,
            deadline_seconds=min(self.limits.deadline_seconds, QUESTION_SECONDS),
            value_bytes=QUESTION_BYTES,
            display_bytes=0,
        )
        return _Asked(
            kind=kind, source=text.encode("utf-8", "replace"), name=None, inputs="{}", stdin=b"", limits=limits,
            cursor=cursor,
        )  # fmt: skip

    def _serve(
        self,
        ticket: Ticket | None,
        asked: _Asked,
        control: Control,
        on_stdout: Listener | None,
        on_stderr: Listener | None,
        *,
        loop: AbstractEventLoop | None = None,
    ) -> RunResult:
        try:
            # Here and not by the caller: Ctrl-C can come between any two steps.
            ticket = ticket or self._lock.enter()
            self._runner.check_process()
            if not self._wait(ticket, control):
                return RunResult(outcome=Outcome.CANCELLED, detail="the run was cancelled", rolled_back=True)
            self._check_open()
            turning = _Turning(self, control)
            token = _turning.set((*[other for other in _turning.get() if other.session is not None], turning))
            try:
                result = self._turn(asked, control, on_stdout, on_stderr, loop=loop)
                if result.outcome is Outcome.GUEST_CRASHED and not self._answers(control):
                    result = replace(result, detail=f"{result.detail}; {BEYOND_REPAIR}")
                return result
            finally:
                turning.session = None
                _turning.reset(token)
                self._used = time.monotonic()
        finally:
            try:
                self._lock.leave(ticket)
            except BaseException:
                self._lock.leave(ticket)
                raise

    def _answers(self, control: Control) -> bool:
        """Whether a turn can be made at all, after one that crashed was undone; it is undone as well."""
        asked = self._question("status", "", 0)
        return self._turn(asked, control, None, None, keeps=False).outcome is not Outcome.GUEST_CRASHED

    def _turn(
        self,
        asked: _Asked,
        control: Control,
        on_stdout: Listener | None,
        on_stderr: Listener | None,
        *,
        loop: AbstractEventLoop | None = None,
        keeps: bool = True,
    ) -> RunResult:
        state = self._state
        state.folders.before_turn()
        said: TurnReply | None = None
        is_over = False
        calls = None if self._functions is None or not asked.is_turn else self._functions.calling(loop)
        host_calls: tuple[HostCall, ...] = ()
        try:
            try:
                execution = make_turn(
                    self._runner, state.memory, state.folders, self._request(asked, streams=on_stdout is not None),
                    asked.limits, on_stdout=on_stdout, on_stderr=on_stderr, calls=calls, control=control,
                )  # fmt: skip
            finally:
                if calls is not None:
                    host_calls = calls.finish()
            execution, said = read_turn(execution, asked.limits)
            if not keeps:
                said = None
            elif said is not None:
                try:
                    is_sound = self._take_over(state, execution, said, asked)
                except BaseException:  # Ctrl-C at this very moment: what is over is not to be half there
                    self._take_over(state, execution, said, asked)
                    raise
                if not is_sound:
                    execution, said = execution._replace(end=NONSENSE), None
            is_over = True
        finally:
            if said is None:
                # Whoever has the guest of this turn must not go on with it, nor write into what is kept.
                try:
                    state.memory.renounce()
                finally:
                    self._runner.forget(state.memory)
                if not is_over:
                    state.folders.after_turn(rolled_back=True)
        changes = state.folders.after_turn(rolled_back=said is None)
        walls = execution.walls or self._runner.walls
        result = conclude_turn(execution, said, changes, limits=asked.limits, walls=walls)
        return replace(result, host_calls=host_calls) if host_calls else result

    def _request(self, asked: _Asked, *, streams: bool) -> TurnRequest:
        state = self._state
        if asked.kind == "turn":
            state.number += 1
        return TurnRequest(
            kind=asked.kind,
            source=asked.source,
            name=f"<turn {state.number}>" if asked.name is None else asked.name,
            inputs=asked.inputs,
            stdin=asked.stdin,
            start=None if state.started else ([""], self._env),
            renew=state.renews,
            files=state.files,
            grants=self._runner.grants() if state.renews or not state.started else (),
            stream=streams,
            value_bytes=asked.limits.value_bytes,
            display_bytes=asked.limits.display_bytes,
            displays=MAX_DISPLAYS,
            figures=self._bounds.figures,
            cursor=asked.cursor,
            functions="" if self._functions is None else self._functions.told,
            plugin=asked.plugin,
        )

    def _take_over(self, state: State, execution: Execution, said: TurnReply, asked: _Asked) -> bool:
        """Make what a turn came to the state of the session; False if it cannot be one."""
        checkpoint = execution.checkpoint
        if checkpoint is None or checkpoint.open_files < 0:
            return False
        ours = self._runner.layout.globals
        if not globals_fit(checkpoint.globals, ours):
            return False
        try:
            state.memory.commit(checkpoint, with_our_counters(checkpoint.globals, ours))
        except ValueError:
            return False
        files = decode_files(checkpoint.files) if checkpoint.files else ()
        lost = (*state.lost, *said.lost)
        if execution.attached and state.unnamed:
            lost = (*lost, f"({state.unnamed} opened by number)")
        # In one step, so that this can be done once more when it was interrupted.
        self._state = State(
            memory=state.memory,
            folders=state.folders,
            turns=state.turns + asked.is_turn,
            number=state.number,
            started=True,
            files=files,
            unnamed=max(0, checkpoint.open_files - len(files)),
            lost=lost[-MAX_LOST_FILES:],
        )
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """A turn as it was asked for, checked."""

    kind: str
    source: bytes
    name: str | None
    inputs: str
    stdin: bytes
    limits: Limits
    cursor: int = 0
    plugin: str = ""

    @property
    def is_turn(self) -> bool:
        """Whether it is one, and no question."""
        return self.kind in ("turn", "plugin turn")


def new_session(
    runner: Runner,
    *,
    limits: Limits,
    env: Mapping[str, str],
    functions: GrantedFunctions | None,
    bounds: Bounds,
    siblings: lifetimes.Living[Session],
) -> Session:
    """Return a session that has not begun yet.

    Raises:
        ConfigError: The sandbox cannot have sessions, or a folder cannot be made.
        ClosedError: The sandbox was closed.
        EngineError: The system gives no memory, or this process was forked after the sandbox was made.
    """
    runner.check_process()
    memory = new_memory(runner)
    folders = new_folders(runner)
    return Session(
        runner,
        limits=limits,
        env=env,
        functions=functions,
        state=State(memory=memory, folders=folders),
        bounds=bounds,
        siblings=siblings,
    )
