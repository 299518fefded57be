"""Calls of functions of the host: each is read, checked, shown to the gate, made and recorded, in the parent.

What a guest sends is data. A call that makes no sense, names nothing that was granted or has arguments that do not fit
is answered with an error, and the run goes on. Nothing that a function raises reaches the guest but the name of its
class; the message does for a `GuestVisibleError` alone.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import contextvars
import hashlib
import inspect
import json
import logging
import math
import threading
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from wasihost.engine import threads
from wasihost.errors import ConfigError, EngineError, GuestVisibleError
from wasihost.functions.binding import KEYWORD_ONLY, POSITIONAL_ONLY, VAR_KEYWORD, VAR_POSITIONAL
from wasihost.functions.function import HostFunction, granted
from wasihost.functions.limits import FunctionLimits
from wasihost.functions.mistakes import ArgumentsError, MalformedCallError, ReplyError
from wasihost.functions.reading import decode
from wasihost.functions.record import HostCall
from wasihost.functions.writing import encode_error, encode_value
from wasihost.loops import background_loop

if TYPE_CHECKING:
    from wasihost.functions.binding import BoundCall
    from wasihost.functions.record import CallOutcome

INLINE_BYTES: Final = 65536
"""Longest message that is read by who hears it: a worker's other messages wait meanwhile."""
NAME_CHARACTERS: Final = 100
MESSAGE_CHARACTERS: Final = 16384
LIMIT: Final = "CallLimitError"
REFUSED: Final = "CallRefusedError"
LATE: Final = "CallTimeoutError"

_log: Final = logging.getLogger("wasihost")

Done = Callable[[bytes], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingCall:
    """A call that is about to be made, as a gate sees it: after the arguments were checked.

    Attributes:
        function: What is to be called.
        arguments: By the names of the parameters, however the guest passed them; a tuple for `*args`, a dict for
            `**kwargs`. What it left out, for the function's own defaults, is not there.
        number: How many calls this run has asked for, this one included.
    """

    function: HostFunction
    arguments: Mapping[str, Any]
    number: int

    @property
    def name(self) -> str:
        """Name of the function."""
        return self.function.name


Gate = Callable[[PendingCall], bool | Awaitable[bool]]
"""Decides about a call: True lets it be made, anything else refuses it. May be a coroutine function."""


class GrantedFunctions:
    """The functions that the programs of one sandbox may call, and how.

    Args:
        functions: `HostFunction`s, or plain functions with type hints.
        limits: None: `FunctionLimits()`.
        gate: Decides about each call; None: all are made.

    Raises:
        InvalidFunctionError: One is no function, or two have the same name.
        ConfigError: Limits or gate are something else.
    """

    def __init__(
        self,
        functions: Iterable[HostFunction | Callable[..., Any]],
        *,
        limits: FunctionLimits | None = None,
        gate: Gate | None = None,
    ) -> None:
        if limits is not None and not isinstance(limits, FunctionLimits):
            raise ConfigError(f"function_limits must be a FunctionLimits, not {type(limits).__name__}")
        if gate is not None and not callable(gate):
            raise ConfigError(f"gate must be a function, not {type(gate).__name__}")
        self.functions: Mapping[str, HostFunction] = {function.name: function for function in granted(functions)}
        self.limits = limits or FunctionLimits()
        self.gate = gate
        self.told = json.dumps(
            {
                "concurrent": self.limits.concurrent,
                "argument_bytes": self.limits.argument_bytes,
                "functions": [function.describe() for function in self.functions.values()],
            }
        )
        """What the harness is told of them."""
        self._strays = 0
        self._lock = threading.Lock()

    def calling(self, loop: asyncio.AbstractEventLoop | None = None) -> Calling:
        """Return what makes the calls of one run; its coroutine functions are run on this loop."""
        return Calling(self, loop=loop)

    def has_room(self) -> bool:
        """Whether functions that were given up have come back, but for a few."""
        return self._strays < self.limits.concurrent

    def stray(self, count: int) -> None:
        """Count functions that were given up and still run: each holds a thread."""
        with self._lock:
            self._strays += count


def _nowhere(_: bytes) -> None:
    """Takes the place of what took a reply."""


class _LateError(Exception):
    """Ends the wait for something whose time is over."""


class _Call:
    """One call, from when it was heard of."""

    __slots__ = ("argument_bytes", "digest", "done", "due", "error", "is_async", "name", "number", "outcome",
                 "reply_bytes", "runs", "seconds", "started", "task")  # fmt: skip

    def __init__(self, message: bytes, done: Done, seconds: float) -> None:
        self.name = ""
        self.number = 0
        self.argument_bytes = len(message)
        self.digest = hashlib.sha256(message).hexdigest()
        self.done = done
        """Takes the reply; nothing of it is kept afterwards, or all that it holds would stay until the run ends."""
        self.started = time.monotonic()
        self.due = self.started + seconds
        self.is_async = False
        self.runs = False
        """Whether a thread is in the function just now."""
        self.task: asyncio.Task[None] | None = None
        self.outcome: CallOutcome | None = None
        self.error: str | None = None
        self.reply_bytes = 0
        self.seconds = 0.0

    def record(self) -> HostCall:
        return HostCall(
            name=self.name,
            arguments_digest=self.digest,
            argument_bytes=self.argument_bytes,
            reply_bytes=self.reply_bytes,
            seconds=self.seconds,
            outcome=self.outcome or "abandoned",
            error=self.error,
        )


def _by_name(function: HostFunction, bound: BoundCall) -> dict[str, Any]:
    """Return the arguments by the names of their parameters."""
    found: dict[str, Any] = {}
    args, kwargs = list(bound.args), dict(bound.kwargs)
    for parameter in function.shape.signature:
        if parameter.kind == VAR_POSITIONAL:
            found[parameter.name], args = tuple(args), []
        elif parameter.kind == VAR_KEYWORD:
            found[parameter.name], kwargs = kwargs, {}
        elif parameter.kind != KEYWORD_ONLY and args:
            found[parameter.name] = args.pop(0)
        elif parameter.kind != POSITIONAL_ONLY and parameter.name in kwargs:  # else it is one of `**kwargs`
            found[parameter.name] = kwargs.pop(parameter.name)
    return found


class Calling:
    """The calls of one run. `containment.job.Calls` is this seen from below; thread-safe.

    Args:
        granted: The functions.
        loop: Where coroutine functions are run; None: on the loop in the background.
    """

    def __init__(self, granted: GrantedFunctions, *, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self._granted = granted
        self._limits = granted.limits
        self._loop = loop
        self.message_bytes = granted.limits.argument_bytes
        self.reply_bytes = granted.limits.reply_bytes
        self.concurrent = granted.limits.concurrent
        self._lock = threading.Lock()
        self._calls: list[_Call] = []
        self._pending: set[_Call] = set()
        self._asked = 0
        self._due = math.inf
        self._is_over = False

    def too_long(self, size: int) -> bytes:
        """Return the reply to a call that is too long to be read."""
        del size  # a worker is told once for all calls
        return encode_error("ValueError", f"a call may have {self.message_bytes} bytes of arguments")

    def too_many(self) -> bytes:
        """Return the reply to a call that is one too many at a time."""
        return encode_error(LIMIT, self._too_many)

    @property
    def _too_many(self) -> str:
        return f"this program may have {self.concurrent} calls under way"

    def begin(self, message: bytes, done: Done, *, here: bool = False) -> None:
        """Make a call. Never raises.

        Args:
            message: What the guest sent.
            done: Called with the reply, on any thread, at most once; not after `finish`.
            here: Whether a function may be called on this thread, whose caller waits for the reply.
        """
        limits = self._limits
        call = _Call(message, done, limits.call_seconds)
        refusal = ""
        with self._lock:
            if self._is_over:
                return
            self._asked += 1
            if self._asked > limits.calls + 1:  # one more is recorded, and no flood of them
                refusal = f"this program may make {limits.calls} calls"
            else:
                self._calls.append(call)
                self._pending.add(call)
                call.number = self._asked
                self._due = min(self._due, call.due)
                if self._asked > limits.calls:
                    refusal = f"this program may make {limits.calls} calls"
                elif len(self._pending) > limits.concurrent + 1:  # one that is waited for, beside those that were begun
                    refusal = self._too_many
        if refusal:
            if call in self._pending:
                self._fail(call, "limit", LIMIT, refusal)
            else:
                done(encode_error(LIMIT, refusal))
        elif here or len(message) <= INLINE_BYTES:
            self._take(call, message, here=here)
        else:
            self._elsewhere(call, partial(self._take, call, message, here=True))

    def _take(self, call: _Call, message: bytes, *, here: bool) -> None:
        """Read a call, check it, and make it where it belongs."""
        try:
            name, args, kwargs = decode(message)
        except MalformedCallError as error:
            self._fail(call, "malformed", "ValueError", str(error))
            return
        call.name = name[:NAME_CHARACTERS]
        function = self._granted.functions.get(name)
        if function is None:
            self._fail(call, "unknown", "UnknownFunctionError", "no function of this name was granted")
            return
        try:
            bound = function.bind(args, kwargs)
        except ArgumentsError as error:
            self._fail(call, "invalid", error.kind, str(error))
            return
        except Exception as error:
            _log.error("the arguments of the host function %r could not be checked", name, exc_info=error)
            self._fail(call, "invalid", type(error).__name__, "")
            return
        call.is_async = function.is_async
        if function.is_async:
            self._in_loop(call, function, bound)
        elif not self._granted.has_room():
            self._fail(call, "limit", LIMIT, "too many earlier calls have not come back")
        elif here:
            self._perform(call, function, bound)
        else:
            self._elsewhere(call, partial(self._perform, call, function, bound))

    def _elsewhere(self, call: _Call, work: Callable[[], None]) -> None:
        try:
            threads.submit(partial(contextvars.copy_context().run, work))
        except EngineError as error:
            _log.error("a host function could not be called", exc_info=error)
            self._fail(call, "limit", LIMIT, "the host has no thread for this call")

    # -- plain functions ----------------------------------------------------------------------------------------------

    def _perform(self, call: _Call, function: HostFunction, bound: BoundCall) -> None:
        with self._lock:
            if call not in self._pending:
                return
            call.runs = True
        try:
            if self._granted.gate is not None and not (
                self._may(call, self._granted.gate, function, bound) and self._is_in_time(call)
            ):
                return
            result = function.call(*bound.args, **bound.kwargs)
            if inspect.isawaitable(result):  # of a callable that nobody can tell is a coroutine function
                result = self._awaited(call, result)
            self._reply(call, function, result)
        except _LateError:
            self._late(call)
        except BaseException as error:
            self._raised(call, function, error)

    def _may(self, call: _Call, gate: Gate, function: HostFunction, bound: BoundCall) -> bool:
        """Ask the gate; a call that it does not let through is answered."""
        try:
            allowed = gate(self._shown(call, function, bound))
            if inspect.isawaitable(allowed):
                allowed = self._awaited(call, allowed)
        except _LateError:
            raise
        except BaseException as error:
            self._refuse(call, error)
            return False
        if allowed is not True:
            self._refuse(call)
        return allowed is True

    def _is_in_time(self, call: _Call) -> bool:
        """Whether somebody still waits for a call that its gate let through; one that is late is answered."""
        with self._lock:
            is_awaited = call in self._pending
        if is_awaited and time.monotonic() < call.due:
            return True
        self._late(call)
        return False

    def _awaited(self, call: _Call, awaitable: Awaitable[Any]) -> Any:  # noqa: ANN401 - what it comes to
        async def wait() -> Any:  # noqa: ANN401
            return await awaitable

        waiting = asyncio.run_coroutine_threadsafe(wait(), self._loop or background_loop())
        if not concurrent.futures.wait([waiting], max(0.0, call.due - time.monotonic())).done:
            waiting.cancel()
            raise _LateError
        return waiting.result()

    # -- coroutine functions ------------------------------------------------------------------------------------------

    def _in_loop(self, call: _Call, function: HostFunction, bound: BoundCall) -> None:
        loop = self._loop or background_loop()

        def start() -> None:
            with self._lock:
                if call not in self._pending:
                    return
            # No lock is held: a task factory of the application may begin with the task at once.
            task = loop.create_task(self._attend(call, function, bound))
            with self._lock:
                call.task = task
                is_over = self._is_over
            if is_over:
                task.cancel()

        try:
            # The context is that of the callback: not every task factory takes one.
            loop.call_soon_threadsafe(start, context=contextvars.copy_context())
        except RuntimeError:  # the loop was closed
            self._fail(call, "cancelled", "CallCancelledError", "")

    async def _attend(self, call: _Call, function: HostFunction, bound: BoundCall) -> None:
        try:
            async with asyncio.timeout(max(0.0, call.due - time.monotonic())) as timeout:
                if self._granted.gate is not None and not (
                    await self._may_later(call, self._granted.gate, function, bound) and self._is_in_time(call)
                ):
                    return
                result = await function.call(*bound.args, **bound.kwargs)
            self._reply(call, function, result)
        except BaseException as error:
            if isinstance(error, TimeoutError) and timeout.expired():
                self._late(call)
            elif not self._is_over:
                self._raised(call, function, error)
            if isinstance(error, asyncio.CancelledError) or self._is_interrupt(error):
                raise

    def _is_interrupt(self, error: BaseException) -> bool:
        """Whether an error is for the application, whose loop this is: Ctrl-C came while a coroutine had the thread."""
        return self._loop is not None and isinstance(error, KeyboardInterrupt)

    async def _may_later(self, call: _Call, gate: Gate, function: HostFunction, bound: BoundCall) -> bool:
        try:
            allowed = gate(self._shown(call, function, bound))
            if inspect.isawaitable(allowed):
                allowed = await allowed
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            self._refuse(call, error)
            if self._is_interrupt(error):
                raise
            return False
        if allowed is not True:
            self._refuse(call)
        return allowed is True

    # -- what comes of them -------------------------------------------------------------------------------------------

    @staticmethod
    def _shown(call: _Call, function: HostFunction, bound: BoundCall) -> PendingCall:
        return PendingCall(function=function, arguments=_by_name(function, bound), number=call.number)

    def _reply(self, call: _Call, function: HostFunction, result: object) -> None:
        if time.monotonic() >= call.due:
            self._late(call)
            return
        try:
            reply = encode_value(function.reply(result))
        except ReplyError as error:
            _log.error("what the host function %r returned cannot be sent: %s", function.name, error)
            self._fail(call, "reply_invalid", "ReplyError", "")
            return
        if len(reply) > self.reply_bytes:
            _log.error("what the host function %r returned takes %d bytes, and a reply may have %d", function.name,
                       len(reply), self.reply_bytes)  # fmt: skip
            self._fail(call, "reply_invalid", "ReplyError", f"the reply is longer than {self.reply_bytes} bytes")
            return
        self._end(call, "returned", reply)

    def _raised(self, call: _Call, function: HostFunction, error: BaseException) -> None:
        kind, message = type(error).__name__, ""
        if isinstance(error, GuestVisibleError):
            message = str(error)[:MESSAGE_CHARACTERS]
        else:
            _log.error("the host function %r raised", function.name, exc_info=error)
        self._fail(call, "raised", kind, message)

    def _refuse(self, call: _Call, error: BaseException | None = None) -> None:
        message = "the host refused this call"
        if isinstance(error, GuestVisibleError):
            message = str(error)[:MESSAGE_CHARACTERS]
        elif error is not None:
            _log.error("the gate raised, so the call of %r was refused", call.name, exc_info=error)
        self._fail(call, "refused", REFUSED, message)

    def _late(self, call: _Call) -> None:
        self._fail(call, "deadline", LATE, f"the call took longer than {self._limits.call_seconds:g} s")

    def _fail(self, call: _Call, outcome: CallOutcome, kind: str, message: str) -> None:
        self._end(call, outcome, encode_error(kind, message), kind)

    def _end(self, call: _Call, outcome: CallOutcome, reply: bytes, error: str | None = None) -> None:
        with self._lock:
            if call not in self._pending:
                if call.runs:  # it was given up, and has come back
                    call.runs = False
                    self._granted.stray(-1)
                return
            call.runs = False
            done = self._settle(call, outcome, len(reply), error)
        done(reply)

    def _settle(self, call: _Call, outcome: CallOutcome, size: int, error: str | None) -> Done:
        """Take a call from those that are pending; with the lock held. Return what takes its reply."""
        self._pending.discard(call)
        done, call.done = call.done, _nowhere
        call.outcome, call.error, call.reply_bytes = outcome, error, size
        call.seconds = time.monotonic() - call.started
        return done

    def look(self) -> None:
        """Give up plain functions whose time is over; for whoever waits for replies, now and then."""
        now = time.monotonic()
        if now < self._due:
            return
        late: list[Done] = []
        reply = encode_error(LATE, f"the call took longer than {self._limits.call_seconds:g} s")
        with self._lock:
            for call in [call for call in self._pending if call.due <= now and not call.is_async]:
                late.append(self._settle(call, "abandoned", len(reply), LATE))
                if call.runs:
                    self._granted.stray(1)
            self._due = min((call.due for call in self._pending if not call.is_async), default=math.inf)
        for done in late:
            done(reply)

    def finish(self) -> tuple[HostCall, ...]:
        """End what is still under way and return the records of all calls, in the order in which they were asked for.

        Coroutine functions are cancelled, plain ones are left to themselves.
        """
        with self._lock:
            self._is_over = True
            left = [*self._pending]
            for call in left:
                self._settle(call, "cancelled" if call.is_async else "abandoned", 0, None)
                if call.runs:
                    self._granted.stray(1)
        for call in left:
            if call.task is not None:
                with contextlib.suppress(RuntimeError):  # the loop was closed
                    call.task.get_loop().call_soon_threadsafe(call.task.cancel)
        return tuple(call.record() for call in self._calls)
