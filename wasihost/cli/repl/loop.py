"""What goes round: read, run, tell."""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from wasihost.cli.repl.actions import Actions, Leave
from wasihost.cli.repl.interrupts import Interrupts
from wasihost.cli.repl.orders import is_order, leaves
from wasihost.cli.repl.piped import Piped
from wasihost.cli.repl.screen import Screen
from wasihost.cli.repl.telling import tell
from wasihost.cli.repl.terminal import Terminal, end_line
from wasihost.cli.text import shown_name
from wasihost.errors import ClosedError, WasiHostError

if TYPE_CHECKING:
    from wasihost import Limits, Preopen, RunResult, Session
    from wasihost.cli.repl.sessions import Sessions
    from wasihost.session import Completeness, Completions


class Loop:
    """Makes turns of what is typed, until somebody leaves.

    Args:
        sessions: Where.
        limits: Of each turn, until %limits changes them.
        given: Options of the command line.
        preopens: What was granted on it.
        is_terminal: Whether somebody types; otherwise standard input is read to its end.
        keeps_history: Whether typed lines are kept for another time.
    """

    def __init__(
        self,
        sessions: Sessions,
        limits: Limits,
        *,
        given: Mapping[str, Any],
        preopens: Sequence[Preopen],
        is_terminal: bool,
        keeps_history: bool,
    ) -> None:
        self._sessions = sessions
        self._screen = Screen()
        self._actions = Actions(sessions, self._screen, limits)
        self._given = given
        self._preopens = preopens
        self._is_terminal = is_terminal
        self._keeps_history = keeps_history
        self._interrupts = Interrupts()
        self._status: int | None = None
        self._lost: weakref.WeakKeyDictionary[Session, int] = weakref.WeakKeyDictionary()

    def run(self, *, greeting: str) -> int:
        """Go round, and return the exit status.

        Args:
            greeting: What a person is told at the start: what the program is run on.

        Raises:
            OSError: The output cannot be written.
            KeyboardInterrupt: Ctrl-C, where nobody types.
        """
        return self._at_terminal(greeting) if self._is_terminal else self._on_pipe()

    def _at_terminal(self, greeting: str) -> int:
        self._interrupts.install()
        self._screen.answer(f"wasirun repl: {greeting}. %help lists commands, Ctrl-D leaves.")
        reader = Terminal(self._judge, self._complete, keeps_history=self._keeps_history, warn=self._screen.say)
        try:
            while True:
                try:
                    with self._interrupts:
                        text = reader.read()
                    self._perform(text)
                except KeyboardInterrupt:
                    end_line()
                except EOFError:
                    self._screen.answer("")
                    return 0
                except Leave:
                    return 0
                except (WasiHostError, OSError) as error:
                    self._tell_error(error)
        finally:
            reader.close()

    def _on_pipe(self) -> int:
        with open(0, "rb", closefd=False) as file:
            reader = Piped(file, lambda text: self._judge(text).status)
            while self._status is None:
                try:
                    self._perform(reader.read())
                except (EOFError, Leave):
                    return 0
                except (WasiHostError, OSError) as error:
                    self._tell_error(error)
        return self._status

    def _judge(self, text: str) -> Completeness:
        return self._current().is_complete(text)

    def _current(self) -> Session:
        session = self._sessions.current
        # A question is a turn too, and may be the one in which files are found to be lost.
        self._lost.setdefault(session, len(session.lost_files))
        return session

    def _complete(self, text: str, cursor: int) -> Completions:
        return self._current().complete(text, cursor)

    # -- one round ----------------------------------------------------------------------------------------------------

    def _perform(self, text: str) -> None:
        if leaves(text):
            raise Leave
        if is_order(text):
            with self._interrupts:
                self._actions.perform(text)
        else:
            self._turn(text)

    def _turn(self, text: str) -> None:
        session, screen = self._current(), self._screen
        before = session.turns
        result: RunResult | None = None
        try:
            with self._interrupts:
                result = session.run(
                    text,
                    limits=self._actions.limits,
                    on_stdout=screen.listener(1),
                    on_stderr=screen.listener(2),
                )
        except KeyboardInterrupt:
            if not self._is_terminal:
                raise
            screen.break_line()
        screen.end_turn()
        if screen.error is not None:
            raise BrokenPipeError if isinstance(screen.error, BrokenPipeError) else screen.error
        if result is None:
            undone = "is undone: what was there before it is there still" if session.turns == before else "was over"
            screen.say(f"stopped by Ctrl-C; the turn {undone}")
            return
        lost = session.lost_files
        tell(
            result,
            screen,
            given=self._given,
            limits=self._actions.limits,
            preopens=self._preopens,
            lost=lost[self._lost[session] :],
        )
        self._lost[session] = len(lost)
        if result.exit_code and result.error is None and not result.rolled_back:
            self._left_with(result.exit_code)

    def _left_with(self, status: int) -> None:
        """The program has left by `sys.exit`: a script wants to end then, and somebody who types does not."""
        if self._is_terminal:
            self._screen.say(f"the turn ended with status {status}, and the session goes on")
        else:
            self._status = status

    def _tell_error(self, error: WasiHostError | OSError) -> None:
        """Say why something could not be done; what nobody can read ends the loop."""
        if error is self._screen.error or isinstance(error, BrokenPipeError):
            raise error
        if isinstance(error, ClosedError):
            self._screen.say(f"{str(error).replace('idle_seconds', '--idle')}: %reset begins a new one")
        elif isinstance(error, OSError):
            where = f"{shown_name(str(error.filename))}: " if error.filename is not None else ""
            self._screen.say(f"{where}{error.strerror or error}")
        else:
            self._screen.say(str(error))
