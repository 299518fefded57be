"""The standard line editor: what stands in a line from the start, what Tab makes of a word, and lines of before."""

from __future__ import annotations

import readline
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from wasihost.cli.repl.orders import complete_order, is_order

if TYPE_CHECKING:
    from wasihost.session import Completions

INDENT: Final = "    "
_DELIMITERS: Final = " \t\n`~!@#$%^&*()-=+[{]}\\|;:'\",<>/?"


class Editor:
    """Edits the lines that `input` reads. There is one for the process.

    Args:
        complete: Returns the names that may be meant in a line at a place; the guest's word.
    """

    def __init__(self, complete: Callable[[str, int], Completions]) -> None:
        self.indent = ""
        """What the next line begins with."""
        self._complete = complete
        self._found: list[str] = []
        readline.set_auto_history(False)
        readline.set_completer(self._completed)
        readline.set_completer_delims(_DELIMITERS)
        readline.set_startup_hook(lambda: readline.insert_text(self.indent))
        if "libedit" in (readline.__doc__ or ""):
            readline.parse_and_bind("bind ^I rl_complete")
        else:
            readline.parse_and_bind("tab: complete")
            # What is pasted arrives as it is, in one piece, and its lines are not indented a second time.
            readline.parse_and_bind("set enable-bracketed-paste on")

    @staticmethod
    def remember(line: str) -> None:
        """Offer a line as the last of those of before."""
        readline.add_history(line)

    def _completed(self, _word: str, state: int) -> str | None:
        if state == 0:
            line, begin, end = readline.get_line_buffer(), readline.get_begidx(), readline.get_endidx()
            self._found = completions(line, begin, end, self._complete)
        return self._found[state] if state < len(self._found) else None


def completions(line: str, begin: int, end: int, complete: Callable[[str, int], Completions]) -> list[str]:
    """Return what the editor may put in place of the word before the cursor.

    Args:
        line: What stands in the line.
        begin: Where the editor takes the word to begin.
        end: Where the cursor is.
        complete: Returns names; the guest's word, so only names that continue what was typed are taken.
    """
    before = line[:end]
    if not before.strip():
        return [INDENT]
    start, names = _answer(line, before, complete)
    typed = before[start:]
    names = [name for name in names if name.startswith(typed)]
    # The editor replaces what it takes for the word, which may begin before or after.
    return [before[begin:start] + name if begin <= start else name[begin - start :] for name in names]


def _answer(line: str, before: str, complete: Callable[[str, int], Completions]) -> tuple[int, Sequence[str]]:
    if is_order(before):
        return complete_order(before)
    start, names = complete(line, len(before))
    return start, [name for name in names if all(part.isidentifier() for part in name.split("."))]
