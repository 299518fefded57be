"""What the Jupyter kernel says: from code and results to the words of Jupyter's protocol."""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Final

from wasihost import Outcome, RunResult, Session, errors
from wasihost.integrations.harmless import PLAIN

INSPECT_SECONDS: Final = 2.0
INSPECT_BYTES: Final = 64 * 1024
MAX_DENIALS: Final = 3

_INSPECT: Final = """
import builtins, inspect, sys
try:
    first, *rest = wanted.split(".")
    thing = names[first] if first in names else vars(builtins)[first]
    for name in rest:
        thing = getattr(thing, name)
except (KeyError, AttributeError):
    pass
else:
    try:
        print(f"{wanted}{inspect.signature(thing)}", file=sys.__stdout__)
    except (TypeError, ValueError):
        print(wanted, file=sys.__stdout__)
    print(f"type: {type(thing).__name__}", file=sys.__stdout__)
    text = inspect.getdoc(thing)
    if text:
        print(file=sys.__stdout__)
        print(text, file=sys.__stdout__)
"""
_RAISED_BY: Final = {
    Outcome.OUT_OF_FUEL: "--fuel",
    Outcome.DEADLINE_EXCEEDED: "--deadline",
    Outcome.OUTPUT_LIMIT: "--output",
    Outcome.DISK_LIMIT: "--disk or --files",
    Outcome.HOST_CALL_LIMIT: "--host-calls",
}
UNDONE: Final = "The cell is undone: every variable is what it was before."
_MAGIC: Final = re.compile(r"^\s*[%!?]|\?\s*$", re.MULTILINE)
_FIGURE: Final = "<Figure size "


class Failure:
    """An error of a cell, in the words of Jupyter: a name, a value, and the lines that are shown."""

    def __init__(self, name: str, value: str, lines: Sequence[str] | None = None) -> None:
        self.name = name
        self.value = value
        self.lines = [f"{name}: {value}"] if lines is None else list(lines)


def failure_of(result: RunResult, code: str) -> Failure | None:
    """Return the error that a cell ended with; None if it ended well."""
    if result.rolled_back or result.outcome is not Outcome.EXITED:
        option = _RAISED_BY.get(result.outcome)
        raised = f" `wasirun jupyter install {option}` makes a kernel with another limit." if option else ""
        detail = result.detail or f"the cell ended: {result.outcome.value}"
        undone = "" if result.outcome is Outcome.EXITED else f" {UNDONE}"  # the detail of os._exit says so already
        return Failure(_name_of(result), f"{detail[:1].upper()}{detail[1:]}.{undone}{raised}")
    if result.error is not None:
        lines = [*result.error.traceback.rstrip("\n").split("\n"), *_hints(result, code)]
        return Failure(result.error.type, result.error.message, lines)
    if result.exit_code:
        return Failure("SystemExit", str(result.exit_code))
    return None


def _name_of(result: RunResult) -> str:
    try:
        result.check()
    except errors.RunFailedError as error:
        return type(error).__name__
    return "SystemExit"


def _hints(result: RunResult, code: str) -> list[str]:
    found = result.error
    hints = []
    if found is not None and found.type == "SyntaxError" and _MAGIC.search(code):
        hints.append("What begins with % or ! and what ends with ? is IPython's, and here is Python alone.")
    if found is not None and found.type == "EOFError" and "reading a line" in found.message:
        hints.append("This kernel has no standard input: input() has nobody to ask.")
    if found is not None and found.type == "MemoryError":
        hints.append("`wasirun jupyter install --memory` makes a kernel with another limit.")
    hints += [
        f"Not granted: {denial.kind} {denial.target!r}. `wasirun jupyter install --help` shows what can be."
        for denial in result.denials[:MAX_DENIALS]
    ]
    return ["", *hints] if hints else []


def position_of_value(result: RunResult) -> int | None:
    """Return which of the displays is that of the last expression; None if it has none.

    It has the text of the value, unless the object gave another one with its bundle. After it come the figures that
    were left open, and nothing else.
    """
    if result.text is None:
        return None
    texts = [str(bundle.get(PLAIN)) for bundle in result.displays]
    for position in reversed(range(len(texts))):
        if texts[position] == result.text:
            return position
    if result.displays_omitted:
        return None
    for position in reversed(range(len(texts))):
        if not texts[position].startswith(_FIGURE):
            return position
    return None


def ends_with_semicolon(code: str) -> bool:
    """Whether the value is not to be shown, as IPython has it."""
    nothing = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.ENDMARKER, tokenize.DEDENT}
    last = ""
    if ";" in code:
        with suppress(tokenize.TokenError, SyntaxError):
            for token in tokenize.generate_tokens(io.StringIO(code).readline):
                last = last if token.type in nothing else token.string
    return last == ";"


def name_at(code: str, cursor: int) -> str:
    """Return the dotted name at the cursor, or that of the call whose arguments it is in."""
    name = _name_around(code, cursor)
    depth = 0
    while not name and cursor > 0:
        cursor -= 1
        depth += {")": 1, "(": -1}.get(code[cursor], 0)
        if depth < 0:
            return _name_around(code, cursor)
    return name


def _name_around(code: str, cursor: int) -> str:
    start = end = cursor
    while start and (code[start - 1] == "." or f"_{code[start - 1]}".isidentifier()):
        start -= 1
    while end < len(code) and f"_{code[end]}".isidentifier():
        end += 1
    name = code[start:end].strip(".")
    return name if all(part.isidentifier() for part in name.split(".")) else ""


def inspect(guest: Session, name: str) -> str:
    """Let the guest tell of one of its names; what it takes is bounded, what it changes by that stays."""
    limits = replace(
        guest.limits,
        deadline_seconds=min(guest.limits.deadline_seconds, INSPECT_SECONDS),
        output_bytes=INSPECT_BYTES,
        output_overflow="truncate",
        display_bytes=0,
    )
    code = f"exec({_INSPECT!r}, {{'wanted': {name!r}, 'names': globals()}})"
    result = guest.run(code, filename="<inspect>", limits=limits)
    return "" if result.rolled_back else result.stdout.rstrip()


def language_of(runtime: str) -> dict[str, object]:
    """Return what front ends want to know of Python; the name of a runtime tells its version."""
    version = re.search(r"3(?:\.\d+)?", runtime)
    return {
        "name": "python",
        "version": version[0] if version else "3",
        "mimetype": "text/x-python",
        "file_extension": ".py",
        "pygments_lexer": "python3",
        "codemirror_mode": {"name": "python", "version": 3},
        "nbconvert_exporter": "python",
    }
