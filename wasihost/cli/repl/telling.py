"""What is printed of a turn when it is over."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from wasihost.cli.arguments import Line
from wasihost.cli.notes import changes_on, notes_on
from wasihost.cli.text import shown_name
from wasihost.cli.values import size_text
from wasihost.integrations.jupyter_words import position_of_value
from wasihost.result import Outcome

if TYPE_CHECKING:
    from wasihost import Limits, Preopen, RunResult
    from wasihost.cli.repl.screen import Screen

PLAIN: Final = "text/plain"
MAX_TYPES: Final = 8
MAX_LOST: Final = 5

_RAISED_BY: Final = {
    Outcome.OUT_OF_FUEL: "%limits fuel=... allows more, as --fuel does",
    Outcome.DEADLINE_EXCEEDED: "%limits deadline=... allows more, as --deadline does",
    Outcome.OUTPUT_LIMIT: "%limits output=... allows more, as --output does",
    Outcome.HOST_CALL_LIMIT: "%limits host_calls=... allows more, as --host-calls does",
}
_MORE_FILES: Final = "%limits files=... allows more, as --files does"
_MORE_DISK: Final = "wasirun repl --disk ... allows more"


def tell(
    result: RunResult,
    screen: Screen,
    *,
    given: Mapping[str, Any],
    limits: Limits,
    preopens: Sequence[Preopen],
    lost: Sequence[str] = (),
) -> None:
    """Print the value, what was shown, and why a turn was undone.

    The traceback of an exception is on standard error already: the guest wrote it.

    Args:
        result: Of the turn.
        screen: Where.
        given: Options of the command line.
        limits: Of the turn.
        preopens: What was granted on the command line.
        lost: Guest paths of files that the turn has cost the session.
    """
    tell_values(result, screen)
    line = Line(dict(given), "code", "", [])
    about_program = replace(result, outcome=Outcome.EXITED)
    for note in notes_on(about_program, line=line, limits=limits, preopens=preopens):
        screen.say(note)
    if result.error is not None and result.error.type == "EOFError":
        screen.say("standard input is where statements come from, so the program finds nothing in it")
    if result.rolled_back:
        screen.say(undone(result))
    for note in changes_on(result, elsewhere=""):
        screen.say(note)
    if lost:
        more = f" and {len(lost) - MAX_LOST} more" if len(lost) > MAX_LOST else ""
        screen.say(
            f"files that are not open, or not there, any more: {', '.join(map(shown_name, lost[:MAX_LOST]))}{more}"
        )


def undone(result: RunResult) -> str:
    """Return why a turn was undone, and what would have let it go on."""
    if result.outcome is Outcome.EXITED:
        return result.detail
    reason = result.detail or result.outcome.value
    if result.outcome is Outcome.GUEST_CRASHED:
        reason = f"the interpreter inside crashed: {reason}"
    elif result.outcome is Outcome.HOST_FAILED:
        reason = f"the host failed: {reason}"
    hint = _RAISED_BY.get(result.outcome, "")
    if result.outcome is Outcome.DISK_LIMIT and reason.endswith("in its writable directories"):
        hint = _MORE_FILES if " files " in reason else _MORE_DISK
    return f"the turn is undone: {reason}{f' ({hint})' if hint else ''}"


def tell_values(result: RunResult, screen: Screen) -> None:
    """Print the repr of the last value, and what was shown, in the order in which it was."""
    own = position_of_value(result)
    for bundle in result.displays:
        text = bundle.get(PLAIN)
        named = named_types(bundle)
        # What has no text of its own has its types in brackets instead.
        if isinstance(text, str) and text != f"<{', '.join(mime for mime in bundle if mime != PLAIN) or 'nothing'}>":
            screen.show(text)
        if named:
            screen.answer(named)
    if own is None and result.text is not None:
        screen.show(result.text)
    if result.displays_omitted:
        screen.answer(f"[{result.displays_omitted} more that there was no room for]")


def named_types(bundle: Mapping[str, Any]) -> str:
    """Return "[image/png, 12 KiB]" for what is no plain text, "" when there is nothing else."""
    types = [f"{shown_name(mime)}, {size_text(_size(data))}" for mime, data in bundle.items() if mime != PLAIN]
    if len(types) > MAX_TYPES:
        types[MAX_TYPES:] = [f"{len(types) - MAX_TYPES} more"]
    return f"[{'; '.join(types)}]" if types else ""


def _size(data: object) -> int:
    if isinstance(data, bytes):
        return len(data)
    text = data if isinstance(data, str) else json.dumps(data)
    return len(text.encode("utf-8", "surrogatepass"))
