"""The programs of the soak: each says a word that no other run says, and has one right result.

A kind makes the arguments of `Sandbox.run` for a run and what has to come back. Ordinary kinds pass words in and out by
all the ways there are; hostile ones say their word first and then do their worst.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wasihost import Outcome, RunResult

HASTY_SECONDS = 0.25
"""Deadline of the hostile kinds that only the clock ends."""
OUTPUT_BYTES = 1 << 16
FUEL = 1_000_000_000
NOTE = "the note of the soak\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What has to come back; None where it is not looked at."""

    outcome: Outcome = Outcome.EXITED
    exit_code: int | None = 0
    stdout: str | None = ""
    floods: str = ""
    """What standard output consists of, again and again: its head and its tail are kept, with a line between."""
    stderr: str | None = ""
    value: Any = None
    error: tuple[str, str | None] | None = None
    """Class of the exception, and its message unless None."""
    detail: str = ""

    def complaint(self, result: RunResult) -> str:
        """Say what is wrong with a result, "" when nothing is."""
        error = None if result.error is None else (result.error.type, result.error.message)
        pairs: list[tuple[str, object, object]] = [
            ("outcome", result.outcome, self.outcome),
            ("exit code", result.exit_code, self.exit_code),
            ("value", result.value, self.value),
            ("exception", error and error[0], self.error and self.error[0]),
        ]
        if self.stdout is not None:
            pairs.append(("standard output", result.stdout, self.stdout))
        if self.stderr is not None:
            pairs.append(("standard error", result.stderr, self.stderr))
        if self.error is not None and self.error[1] is not None:
            pairs.append(("message", error and error[1], self.error[1]))
        if self.outcome is not Outcome.EXITED:
            pairs.append(("detail", result.detail, self.detail))
        for what, found, wanted in pairs:
            if found != wanted:
                return f"{what} is {_shown(found, wanted)} instead of {_shown(wanted, found)} ({result.detail})"
        return self._flood_complaint(result) if self.floods else ""

    def _flood_complaint(self, result: RunResult) -> str:
        endless = self.floods * (OUTPUT_BYTES // len(self.floods) + 2)
        head, _, rest = result.stdout.partition("\n[... ")
        omitted, _, tail = rest.partition(" bytes omitted ...]\n")
        if head != endless[: OUTPUT_BYTES // 2] or not tail or tail not in endless:
            return f"the flood is {_shown(result.stdout, endless)}"
        if omitted != str(result.stdout_omitted_bytes) or len(head) + len(tail) > OUTPUT_BYTES:
            return f"of the flood {len(head)} + {len(tail)} bytes were kept and {omitted!r} left out"
        return ""


def _shown(text: object, other: object) -> str:
    """Show where a text begins to differ from another."""
    text, other = str(text), str(other)
    start = max(0, next((at for at, (a, b) in enumerate(zip(text, other, strict=False)) if a != b), len(other)) - 20)
    return f"{'...' if start else ''}{text[start : start + 80]!r} ({len(text)} characters)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A run to be made.

    Attributes:
        kind: Name of its kind.
        arguments: Of `Sandbox.run`.
        expected: What has to come back.
        hasty: Whether it goes to the sandbox with the short deadline.
        listens: Whether the pieces of its output are listened to, and put together have to be its output.
        cancel_seconds: After which its task is cancelled.
    """

    kind: str
    arguments: dict[str, Any]
    expected: Expected
    hasty: bool = False
    listens: bool = False
    cancel_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of program and how often it is drawn."""

    name: str
    weight: int
    make: Callable[[str, random.Random], tuple[dict[str, Any], Expected]]
    hasty: bool = False
    listens: bool = False
    cancels: bool = field(default=False)


# -- ordinary kinds ---------------------------------------------------------------------------------------------------


def _print(word: str, _: random.Random) -> tuple[dict[str, Any], Expected]:
    return {"code": f"print({word!r})\n{word!r}"}, Expected(stdout=f"{word}\n", value=word)


def _inputs(word: str, draw: random.Random) -> tuple[dict[str, Any], Expected]:
    number = draw.getrandbits(62)
    code = "print(word)\n{'word': word, 'next': number + 1}"
    expected = Expected(stdout=f"{word}\n", value={"word": word, "next": number + 1})
    return {"code": code, "inputs": {"word": word, "number": number}}, expected


def _stdin(word: str, draw: random.Random) -> tuple[dict[str, Any], Expected]:
    text = f"{word}\n" * draw.randrange(1, 2000)
    code = "import sys\ndata = sys.stdin.read()\nprint(data[::-1][-20:])\nlen(data)"
    return {"code": code, "stdin": text}, Expected(stdout=f"{text[::-1][-20:]}\n", value=len(text))


def _arguments(word: str, _: random.Random) -> tuple[dict[str, Any], Expected]:
    return {"code": "import sys\nsys.argv[1:]", "args": [word, "--", word]}, Expected(value=[word, "--", word])


def _compute(word: str, draw: random.Random) -> tuple[dict[str, Any], Expected]:
    start, rounds = draw.randrange(1, 10**6), draw.randrange(10_000, 60_000)
    number = start
    for _ in range(rounds):
        number = number * 1103515245 + 12345 & 0x7FFFFFFF
    code = f"n = {start}\nfor _ in range({rounds}): n = n * 1103515245 + 12345 & 0x7fffffff\nprint({word!r})\nn"
    return {"code": code}, Expected(stdout=f"{word}\n", value=number)


def _modules(word: str, _: random.Random) -> tuple[dict[str, Any], Expected]:
    code = f"import hashlib, json, re\nprint(json.dumps(re.findall('[0-9a-f]', {word!r})))\n"
    code += f"hashlib.sha256({word!r}.encode()).hexdigest()"
    found = ", ".join(f'"{letter}"' for letter in word if letter in "0123456789abcdef")
    return {"code": code}, Expected(stdout=f"[{found}]\n", value=hashlib.sha256(word.encode()).hexdigest())


def _large(word: str, draw: random.Random) -> tuple[dict[str, Any], Expected]:
    times = draw.randrange(500, 2000)
    return {"code": f"for _ in range({times}): print({word!r})"}, Expected(stdout=f"{word}\n" * times)


def _file(word: str, _: random.Random) -> tuple[dict[str, Any], Expected]:
    return {"code": f"print({word!r})\nopen('/data/note.txt').read()"}, Expected(stdout=f"{word}\n", value=NOTE)


def _error(word: str, _: random.Random) -> tuple[dict[str, Any], Expected]:
    return {"code": f"raise ValueError({word!r})"}, Expected(exit_code=1, stderr=None, error=("ValueError", word))


def _status(word: str, draw: random.Random) -> tuple[dict[str, Any], Expected]:
    status = draw.randrange(1, 256)
    code = f"import sys\nprint({word!r}, file=sys.stderr)\nsys.exit({status})"
    return {"code": code}, Expected(exit_code=status, stderr=f"{word}\n")


ORDINARY = (
    Kind("print", 40, _print),
    Kind("inputs", 12, _inputs),
    Kind("standard input", 8, _stdin),
    Kind("arguments", 6, _arguments),
    Kind("computing", 8, _compute),
    Kind("modules", 6, _modules),
    Kind("60 KB of output", 4, _large),
    Kind("listened to", 6, _print, listens=True),
    Kind("a granted file", 4, _file),
    Kind("exception", 3, _error),
    Kind("exit status", 3, _status),
)


# -- hostile kinds ----------------------------------------------------------------------------------------------------


def _say(word: str) -> str:
    return f"print({word!r}, flush=True)\n"


def _late(body: str) -> Callable[[str, random.Random], tuple[dict[str, Any], Expected]]:
    """Only the clock ends it."""

    def make(word: str, _: random.Random) -> tuple[dict[str, Any], Expected]:
        detail = f"the run was still going at its deadline of {HASTY_SECONDS:g} s"
        end = Expected(outcome=Outcome.DEADLINE_EXCEEDED, exit_code=None, stdout=f"{word}\n", detail=detail)
        return {"code": _say(word) + body}, end

    return make


def _crash(body: str, detail: str) -> Callable[[str, random.Random], tuple[dict[str, Any], Expected]]:
    def make(word: str, _: random.Random) -> tuple[dict[str, Any], Expected]:
        end = Expected(outcome=Outcome.GUEST_CRASHED, exit_code=None, stdout=f"{word}\n", stderr=None, detail=detail)
        return {"code": _say(word) + body}, end

    return make


def _out_of_fuel(word: str, _: random.Random) -> tuple[dict[str, Any], Expected]:
    detail = f"the run used up its fuel of {FUEL} instructions"
    end = Expected(outcome=Outcome.OUT_OF_FUEL, exit_code=None, stdout=f"{word}\n", detail=detail)
    return {"code": _say(word) + "while True: pass"}, end


def _flood(word: str, _: random.Random) -> tuple[dict[str, Any], Expected]:
    detail = f"the run wrote more than {OUTPUT_BYTES} bytes to standard output"
    end = Expected(outcome=Outcome.OUTPUT_LIMIT, exit_code=None, stdout=None, floods=f"{word}\n", detail=detail)
    return {"code": f"while True: print({word!r})"}, end


def _bomb(word: str, _: random.Random) -> tuple[dict[str, Any], Expected]:
    end = Expected(exit_code=1, stdout=f"{word}\n", stderr=None, error=("MemoryError", None))
    return {"code": _say(word) + "x = []\nwhile True: x.append(bytearray(1 << 20))"}, end


_FORGERY = """\
import sys
g = sys._getframe(1).f_globals
word = g['word']
g['give_reply'] = lambda *_: (word(16, 0xfffffff0), word(12, 100))
"""
_RECURSION = "import sys\nsys.setrecursionlimit(10**9)\ndef f(): f()\nf()"

HOSTILE = (
    Kind("loop", 1, _late("while True: pass"), hasty=True),
    Kind("sleep", 1, _late("import time\ntime.sleep(1e6)"), hasty=True),
    Kind("FIFO", 1, _late("open('/data/pipe', 'rb').read()"), hasty=True),
    Kind("entropy", 1, _late("import os\nwhile True: os.urandom(1 << 24)"), hasty=True),
    Kind("fuel", 1, _out_of_fuel),
    Kind("output flood", 1, _flood),
    Kind("memory bomb", 1, _bomb),
    Kind("deep recursion", 1, _crash(_RECURSION, "the native stack overflowed")),
    Kind("forged reply", 1, _crash(_FORGERY, "the guest named memory that it does not have")),
)
CANCELLED = Kind("cancelled", 1, _late("while True: pass"), hasty=True, cancels=True)
"""Drawn among the hostile ones for callers that can cancel; where that comes too late, the deadline has ended it."""
KINDS = (*(kind.name for kind in (*ORDINARY, *HOSTILE)), CANCELLED.name)


def draw_call(seed: int, number: int, *, hostile_percent: float, cancels: bool) -> Call:
    """Return the run of that number: always the same for the same seed."""
    draw = random.Random(f"{seed}:{number}")
    kinds: tuple[Kind, ...] = ORDINARY
    if draw.uniform(0, 100) < hostile_percent:
        kinds = (*HOSTILE, CANCELLED) if cancels else HOSTILE
    kind = draw.choices(kinds, [kind.weight for kind in kinds])[0]
    arguments, expected = kind.make(f"{number:06d}-{draw.getrandbits(64):016x}", draw)
    return Call(
        kind=kind.name,
        arguments=arguments,
        expected=expected,
        hasty=kind.hasty,
        listens=kind.listens,
        cancel_seconds=draw.uniform(0.0, 0.1) if kind.cancels else None,
    )


def furnish(folder: Path) -> None:
    """Put into a folder what the programs find at /data."""
    import os

    (folder / "note.txt").write_text(NOTE, encoding="utf-8")
    os.mkfifo(folder / "pipe")
