"""A Jupyter kernel whose cells are turns of a session; `wasirun jupyter install` tells Jupyter of it."""

from __future__ import annotations

import asyncio
import codecs
import re
import signal
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from wasihost import Completions, Outcome, RunResult, Sandbox, Session, __version__, errors
from wasihost.integrations.harmless import PICTURES, PLAIN, as_it_is, harmless
from wasihost.integrations.jupyter_words import (
    UNDONE,
    Failure,
    ends_with_semicolon,
    failure_of,
    inspect,
    language_of,
    name_at,
    position_of_value,
)

try:
    from ipykernel._version import kernel_protocol_version
    from ipykernel.kernelapp import IPKernelApp
    from ipykernel.kernelbase import Kernel
except ImportError as error:
    raise ImportError(f"the Jupyter kernel is not there ({error}): pip install 'wasihost[jupyter]'") from error

if TYPE_CHECKING:
    from zmq.eventloop.zmqstream import ZMQStream

LIFETIME_SECONDS: Final = 366 * 24 * 3600.0
"""The longest that there is: a notebook is kept open, and its kernel ends with it."""
JOIN_SECONDS: Final = 0.05
"""How long output waits for more of it: each message costs a front end more than its text."""
TERMINATE_SECONDS: Final = 0.1
"""After which the loop is stopped: it has to tell the cell first."""
SIGNAL_ROUNDS: Final = 3
"""Rounds of the loop in which a signal that is there already is heard: one to see it, one to read it, one to act."""

_BEGIN: Final = '__import__("sys").excepthook = lambda kind, error, trace: None'
"""A traceback is the error of the cell, and would be on its standard error as well."""
_INLINE: Final = re.compile(r"^%matplotlib\b.*$", re.MULTILINE)
"""Said at the top of most notebooks, and always so here."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a kernel is made of.

    Attributes:
        sandbox: Arguments of `Sandbox`.
        figures: Formats in which figures of matplotlib are drawn: "png", "svg".
        scripts: Whether HTML, SVG and JavaScript reach the browser as the program wrote them. They can do there
            whatever the person in front of it can: with a notebook server, run programs on the host.
    """

    sandbox: Mapping[str, Any] = field(default_factory=dict)
    figures: Sequence[str] = ("png",)
    scripts: bool = False


def run_kernel(connection_file: str, options: Options | None = None) -> None:
    """Be the kernel that a front end has started, until it is shut down.

    Args:
        connection_file: What the front end wrote for it.
        options: None: the default sandbox.

    Raises:
        ConfigError: There is no connection file.
    """
    if not Path(connection_file).is_file():
        raise errors.ConfigError(f"there is no connection file {connection_file!r}: Jupyter starts a kernel with one")
    app = KernelApp.instance(connection_file=connection_file, kernel_class=SandboxKernel, outstream_class=None)
    app.options = options or Options()
    app.initialize([])
    try:
        app.start()
    finally:
        app.kernel.end()
        app.close()


class KernelApp(IPKernelApp):
    """ipykernel's program, for a kernel that is not IPython's."""

    name = "wasihost-kernel"
    options: Options

    def init_path(self) -> None:
        """Leave the current folder out of `sys.path`.

        It is the notebook's, and what lies there would be run on the host: it may be a stranger's, or granted to the
        guest for writing.
        """


class SandboxKernel(Kernel):
    """The kernel; its requests are served on the event loop of the main thread, shutting down on another one's."""

    implementation = "wasihost"
    implementation_version = __version__
    banner = f"Python in a sandbox (wasihost {__version__})"

    def __init__(self, **given: Any) -> None:  # noqa: ANN401 - traits of the base class
        super().__init__(**given)
        app: Any = self.parent
        self.options: Options = app.options
        self.language_info = language_of(str(self.options.sandbox.get("runtime") or "cpython-3"))
        self._sandbox: Sandbox | None = None
        self._guest: Session | None = None
        self._starting: asyncio.Task[Session] | None = None
        self._cell: _Cell | None = None
        self._turn: asyncio.Task[RunResult] | None = None
        self._doing = ""
        self._is_over = False
        self._making = threading.Lock()

    def start(self) -> None:
        """Listen, and make the sandbox meanwhile."""
        super().start()
        loop: Any = self.io_loop
        self._loop: asyncio.AbstractEventLoop = loop.asyncio_loop
        self._loop.add_signal_handler(signal.SIGINT, self.interrupt)
        self._loop.add_signal_handler(signal.SIGTERM, self._terminate)
        self._loop.call_soon(self._start)

    # ipykernel would let SIGINT raise KeyboardInterrupt wherever the loop is just then, and end it.
    def pre_handler_hook(self) -> None:
        """Leave SIGINT as it is."""

    def post_handler_hook(self) -> None:
        """Leave SIGINT as it is."""

    def interrupt(self) -> None:
        """Stop the cell that is being run, if one is."""
        if self._turn is not None:
            self._turn.cancel()

    def _terminate(self) -> None:
        self.interrupt()
        self._loop.call_later(TERMINATE_SECONDS, self.io_loop.stop)

    # -- the sandbox --------------------------------------------------------------------------------------------------

    def _start(self) -> asyncio.Task[Session]:
        if self._starting is None:
            self._starting = self._loop.create_task(asyncio.to_thread(self._make))
            self._starting.add_done_callback(self._started)
        return self._starting

    def _started(self, task: asyncio.Task[Session]) -> None:
        self._starting = None
        if not task.cancelled() and task.exception() is None:
            self._guest = task.result()

    def _make(self) -> Session:
        """Make sandbox and session, on a thread: a runtime may have to be downloaded and compiled first."""
        sandbox = self._sandbox or Sandbox(**self.options.sandbox, progress=_Teller(self._loop, self._tell))
        with self._making:
            if self._is_over:
                sandbox.close()
            self._sandbox = sandbox
        guest = sandbox.session(
            idle_seconds=LIFETIME_SECONDS, lifetime_seconds=LIFETIME_SECONDS, figures=self.options.figures
        )
        guest.run(_BEGIN, filename="<kernel>", check=True)
        return guest

    def _tell(self, doing: str) -> None:
        self._doing = doing
        if self._cell is not None and doing:
            self._cell.tell(f"{doing} ...")

    async def _ready(self) -> Session:
        if self._guest is not None and self._guest.is_open:
            return self._guest
        if self._doing:
            self._tell(self._doing)
        return await asyncio.shield(self._start())

    def end(self) -> None:
        """Close the sandbox, after the turn that is under way. One that is still being made is closed when it is."""
        with self._making:
            self._is_over = True
            sandbox = self._sandbox
        if sandbox is not None:
            sandbox.close()

    async def do_shutdown(self, restart: bool) -> dict[str, Any]:
        """Stop the cell that is being run, and close the sandbox."""
        self._loop.call_soon_threadsafe(self.interrupt)
        await asyncio.to_thread(self.end)
        return {"status": "ok", "restart": restart}

    # -- cells --------------------------------------------------------------------------------------------------------

    async def do_execute(
        self,
        code: str,
        silent: bool,
        store_history: bool = True,
        user_expressions: Mapping[str, Any] | None = None,
        allow_stdin: bool = False,
        *,
        cell_meta: object = None,
        cell_id: object = None,
    ) -> dict[str, Any]:
        """Make a turn of a cell, send what comes of it, and return the reply."""
        del store_history, user_expressions, allow_stdin, cell_meta, cell_id  # nothing here depends on them
        cell = self._cell = _Cell(self, silent=silent)
        for _ in range(SIGNAL_ROUNDS):  # an interrupt that was sent before this cell is not for it
            await asyncio.sleep(0)
        try:
            failure = await self._execute(_INLINE.sub("", code), cell)
        except errors.WasiHostError as error:
            failure = Failure(type(error).__name__, str(error))
        except Exception as error:  # without a reply, front ends would wait for ever
            self.log.exception("a cell could not be run")
            failure = Failure("HostFailedError", f"{type(error).__name__}: {error}")
        finally:
            self._cell = None
            cell.flush(last=True)
        if failure is None:
            return {
                "status": "ok", "execution_count": self.execution_count, "payload": [], "user_expressions": {},
            }  # fmt: skip
        content = {"ename": failure.name, "evalue": failure.value, "traceback": failure.lines}
        cell.send("error", content)
        return {"status": "error", "execution_count": self.execution_count, **content}

    async def _execute(self, code: str, cell: _Cell) -> Failure | None:
        turns: int | None = None

        async def run() -> RunResult:
            nonlocal turns
            guest = await self._ready()
            turns = guest.turns
            return await guest.arun(
                code,
                filename=f"<cell {self.execution_count}>",
                on_stdout=cell.listener("stdout"),
                on_stderr=cell.listener("stderr"),
            )

        self._turn = self._loop.create_task(run())
        try:
            result = await self._turn
        except asyncio.CancelledError:
            return await self._interrupted(turns)
        finally:
            self._turn = None
        cell.flush(last=True)
        self._show(result, cell, is_quiet=ends_with_semicolon(code))
        return failure_of(result, code)

    async def _interrupted(self, turns: int | None) -> Failure:
        """Wait until the turn has really ended, and tell whether it was undone: it may just have been over."""
        if turns is None or self._guest is None:
            return Failure("KeyboardInterrupt", "The cell was interrupted before it began.")
        with suppress(errors.WasiHostError):
            await asyncio.to_thread(self._guest.is_complete, "")
        if self._guest.turns > turns:
            return Failure("KeyboardInterrupt", "The cell was interrupted when it had ended: what it did stays.")
        return Failure("KeyboardInterrupt", f"The cell was interrupted. {UNDONE}")

    def _show(self, result: RunResult, cell: _Cell, *, is_quiet: bool) -> None:
        value_at = position_of_value(result)
        reduce = as_it_is if self.options.scripts else harmless
        left_out: dict[str, None] = {}
        for position, given in enumerate(result.displays):
            shown = reduce(given)
            left_out.update(dict.fromkeys(shown.left_out))
            is_figure = bool(PICTURES & shown.bundle.keys())
            if position == value_at and not is_quiet:
                cell.send_value(shown.bundle, self.execution_count)
            elif position != value_at or is_figure:
                cell.send("display_data", {"data": shown.bundle, "metadata": {}})
        if result.text is not None and value_at is None and not is_quiet:
            cell.send_value({PLAIN: result.text}, self.execution_count)
        if left_out:
            cell.tell(
                f"Not shown, because it could act in this browser: {', '.join(left_out)}. "
                "`wasirun jupyter install --allow-scripts` makes a kernel that passes it on."
            )
        if result.displays_omitted:
            cell.tell(f"{result.displays_omitted} things were not shown: they were too many or too large.")
        omitted = result.stdout_omitted_bytes + result.stderr_omitted_bytes
        if omitted and result.outcome is Outcome.EXITED:
            cell.tell(f"{omitted} bytes of output were left out.")
        cell.flush(last=True)

    # -- questions ----------------------------------------------------------------------------------------------------

    async def do_complete(self, code: str, cursor_pos: int) -> dict[str, Any]:
        """Return the names that the guest has."""
        cursor = max(0, min(cursor_pos, len(code)))
        found = Completions(cursor, ())
        with suppress(errors.WasiHostError, OSError):
            guest = await self._ready()
            found = await asyncio.to_thread(guest.complete, code, cursor)
        return {
            "status": "ok",
            "matches": list(found.names),
            "cursor_start": found.start,
            "cursor_end": cursor,
            "metadata": {},
        }

    async def do_is_complete(self, code: str) -> dict[str, Any]:
        """Return whether a cell is whole, for front ends of one line."""
        try:
            guest = await self._ready()
            status, indent = await asyncio.to_thread(guest.is_complete, code)
        except (errors.WasiHostError, OSError):
            return {"status": "unknown"}
        return {"status": status, "indent": indent} if status == "incomplete" else {"status": status}

    async def do_inspect(
        self, code: str, cursor_pos: int, detail_level: int = 0, omit_sections: Iterable[str] = ()
    ) -> dict[str, Any]:
        """Return signature and documentation of what is named at the cursor, as the guest tells them."""
        del detail_level, omit_sections
        text = ""
        name = name_at(code, max(0, min(cursor_pos, len(code))))
        if name:
            with suppress(errors.WasiHostError, OSError):
                text = await asyncio.to_thread(inspect, await self._ready(), name)
        return {"status": "ok", "found": bool(text), "data": {PLAIN: text} if text else {}, "metadata": {}}

    @property
    def kernel_info(self) -> dict[str, Any]:
        """What a front end is told first: there is no debugger here, and one cell is run at a time."""
        return {
            "protocol_version": kernel_protocol_version,
            "implementation": self.implementation,
            "implementation_version": self.implementation_version,
            "language_info": self.language_info,
            "banner": self.banner,
            "help_links": self.help_links,
            "supported_features": [],
        }

    async def create_subshell_request(self, socket: ZMQStream, ident: list[bytes], parent: dict[str, Any]) -> None:
        """Refuse: a session makes one turn at a time."""
        content = {"status": "error", "ename": "NotImplementedError", "evalue": "no subshells here", "traceback": []}
        if self.session is not None:
            self.session.send(socket, "create_subshell_reply", content, parent, ident)


class _Cell:
    """A cell that is being run: what is sent belongs to its request, whoever sends it."""

    def __init__(self, kernel: SandboxKernel, *, silent: bool) -> None:
        self._kernel = kernel
        self._silent = silent
        self._parent = kernel.get_parent("shell")
        self._loop = asyncio.get_running_loop()
        self._decoders = {name: codecs.getincrementaldecoder("utf-8")("replace") for name in ("stdout", "stderr")}
        self._pieces: list[str] = []
        self._stream = ""
        self._timer: asyncio.TimerHandle | None = None

    def send(self, kind: str, content: dict[str, Any]) -> None:
        """Send a message to all front ends."""
        kernel = self._kernel
        if not self._silent and kernel.session is not None:
            kernel.session.send(kernel.iopub_socket, kind, content, self._parent)

    def send_value(self, bundle: Mapping[str, Any], number: int) -> None:
        """Send the value of the last expression."""
        self.send("execute_result", {"data": bundle, "metadata": {}, "execution_count": number})

    def listener(self, name: str) -> Callable[[bytes], None] | None:
        """Return what hears one of the streams; it is called in the loop."""
        return None if self._silent else lambda data: self._write(name, self._decoders[name].decode(data))

    def tell(self, sentence: str) -> None:
        """Say something of the kernel's own."""
        self._write("stderr", f"{sentence}\n")

    def _write(self, name: str, text: str) -> None:
        if name != self._stream:
            self.flush()
        self._stream = name
        self._pieces.append(text)
        if self._timer is None:
            self._timer = self._loop.call_later(JOIN_SECONDS, self.flush)

    def flush(self, *, last: bool = False) -> None:
        """Send the output so far; at the last, also a character that was never completed."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        text = "".join(self._pieces)
        self._pieces.clear()
        if text:
            self.send("stream", {"name": self._stream, "text": text})
        if last:
            for name, decoder in self._decoders.items():
                rest = decoder.decode(b"", final=True)
                if rest:
                    self.send("stream", {"name": name, "text": rest})


class _Teller:
    """A `Progress` that tells what takes long, in the loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, tell: Callable[[str], None]) -> None:
        self._loop = loop
        self._tell = tell

    def _in_loop(self, doing: str) -> None:
        with suppress(RuntimeError):  # the loop was closed: the kernel ends
            self._loop.call_soon_threadsafe(self._tell, doing)

    def start(self, label: str, *, total_bytes: int | None = None, expected_seconds: float | None = None) -> None:
        """Tell what is being done."""
        if total_bytes is not None:
            label += f" ({total_bytes / 1e6:.0f} MB)"
        elif expected_seconds is not None:
            label += f" (about {expected_seconds:.0f} s)"
        self._in_loop(label)

    def update(self, done_bytes: int) -> None:
        """Tell nothing more."""

    def finish(self, seconds: float) -> None:
        """It is over."""
        del seconds
        self._in_loop("")
