"""Statements that somebody types, at prompts."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from wasihost.cli.repl.history import add_history, history_path, read_history
from wasihost.cli.repl.orders import is_order
from wasihost.cli.repl.statement import so_far, whole

if TYPE_CHECKING:
    from wasihost.cli.repl.editor import Editor
    from wasihost.session import Completeness, Completions

PROMPT: Final = ">>> "
GO_ON: Final = "... "
MAX_INDENT_CHARACTERS: Final = 200


class Terminal:
    """Reads statements and commands, with the standard line editor where Python has it.

    Args:
        judge: Tells whether a text is whole, and how its next line begins; the guest's word.
        complete: Returns the names that may be meant in a line at a place; the guest's word.
        keeps_history: Whether lines are kept for another time.
        warn: Told, in one line, what does not work.
    """

    def __init__(
        self,
        judge: Callable[[str], Completeness],
        complete: Callable[[str, int], Completions],
        *,
        keeps_history: bool,
        warn: Callable[[str], object],
    ) -> None:
        self._judge = judge
        self._warn = warn
        self._editor: Editor | None = None
        self._history: Path | None = None
        self._new: list[str] = []
        try:
            from wasihost.cli.repl.editor import Editor
        except ImportError:
            warn("this Python has no line editor (readline): there is no completion, and lines are not kept")
            return
        self._editor = Editor(complete)
        if keeps_history:
            self._load_history(self._editor)

    def read(self) -> str:
        """Return what was typed: a command, or a statement with its end of line.

        Raises:
            EOFError: Ctrl-D.
            KeyboardInterrupt: Ctrl-C; what was typed so far is forgotten.
            WasiHostError: What `judge` raised.
        """
        lines: list[str] = []
        indent = ""
        while True:
            line = self._line(GO_ON if lines else PROMPT, indent)
            if indent.startswith(line):
                line = ""  # nothing was typed: a part of the indentation stands there
            if not lines and not line.strip():
                continue
            if not lines and is_order(line):
                return line.strip()
            lines.append(line)
            status, indent = self._judge(so_far(lines))
            if status != "incomplete":
                return whole(lines)
            indent = "" if indent.strip(" \t") else indent[:MAX_INDENT_CHARACTERS]

    def close(self) -> None:
        """Keep the new lines."""
        if self._history is None:
            return
        try:
            add_history(self._history, self._new)
        except OSError as error:
            self._warn(f"the lines were not kept: {error.strerror or error}")

    def _line(self, prompt: str, indent: str) -> str:
        editor = self._editor
        if editor is None:
            return input(prompt)
        editor.indent = indent
        line = input(prompt)
        # By hand, because what is only indentation, or the same again, would be in the way.
        if line.strip() and (not self._new or self._new[-1] != line):
            editor.remember(line)
            self._new.append(line)
        return line

    def _load_history(self, editor: Editor) -> None:
        try:
            path = history_path()
            for line in read_history(path):
                editor.remember(line)
        except OSError as error:
            self._warn(f"lines of earlier times are not there and new ones are not kept: {error.strerror or error}")
            return
        self._history = path


def end_line() -> None:
    """Leave the line in which Ctrl-C was typed."""
    sys.stdout.write("\n")
    sys.stdout.flush()
