"""The options of a run, once: read from here by the quick reader, by click for help and mistakes, and by tests.

Everything after the program's name belongs to the program, so the reading ends there: click alone cannot do that for
`-c` and `-m`. Importing click takes longer than a run, which is why a plain run does without.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

COMMANDS: Final = ("runtime", "image", "plugin", "jupyter", "doctor", "repl")


class Option(NamedTuple):
    """An option of a run.

    Attributes:
        flag: As it is typed.
        metavar: What its value is called; "" when it takes none.
        text: One sentence for --help.
        repeatable: Whether it can be given several times.
        default: What holds without it, for --help; "" when nothing does.
    """

    flag: str
    metavar: str
    text: str
    repeatable: bool = False
    default: str = ""

    @property
    def key(self) -> str:
        """Name of its value in `Line.values`, which is also click's."""
        return self.flag.lstrip("-").replace("-", "_")


OPTIONS: Final = (
    Option("--allow-read", "HOST[::GUEST]", "Let the program read this folder.", repeatable=True),
    Option(
        "--allow-write", "HOST[::GUEST]", "Let the program read, change and remove in this folder.", repeatable=True
    ),
    Option(
        "--overlay",
        "HOST[::GUEST]",
        "Let the program change a copy of this folder, and list the changes at the end; the folder stays as it is.",
        repeatable=True,
    ),
    Option("--allow-env", "NAME", "Pass on this variable of the host's environment.", repeatable=True),
    Option("--env", "NAME=VALUE", "Set a variable of the program's environment.", repeatable=True),
    Option("--fuel", "COUNT", "Wasm instructions: 500M, 5G (powers of 1000), or unmetered.", default="100G"),
    Option("--memory", "SIZE", "Memory, the interpreter's own included: 256M, 1G (powers of 1024).", default="256M"),
    Option("--deadline", "DURATION", "Wall clock, sleeps included: 500ms, 10s, 2m.", default="10s"),
    Option("--output", "SIZE", "Standard output and standard error, each.", default="1M"),
    Option("--output-overflow", "end|truncate", "Past --output: end the run, or let it go on unheard.", default="end"),
    Option("--open-files", "COUNT", "Files and folders held open at a time.", default="256"),
    Option("--disk", "SIZE", "Bytes that may be added to the writable folders together.", default="1G"),
    Option("--files", "COUNT", "Files, folders and links that may be added to them together.", default="10000"),
    Option("--host-calls", "COUNT", "Calls that the host answers: output, sleeps.", default="1000000"),
    Option("--runtime", "NAME", "The CPython build to use; `wasirun runtime list` shows them.", default="cpython-3.15"),
    Option("--image", "NAME", "The started interpreter to use; `wasirun image list` shows them.", default="base"),
    Option("--profile", "NAME|FILE", "Named grants and limits; options given here come on top.", default="none"),
    Option(
        "--require-wall",
        "NAME",
        "Run nothing unless this wall stands around the program; `wasirun doctor` lists them.",
        repeatable=True,
    ),
    Option(
        "--launcher", "bwrap|docker|runsc", "Put one more wall around the program, with a tool that is installed here."
    ),
    Option("--json", "", "Print one JSON object at the end, with the program's output in it."),
    Option("--stats", "", "Say at the end, on standard error, what the run took."),
)

_BY_FLAG: Final = {option.flag: option for option in OPTIONS}


class Line(NamedTuple):
    """A command line, taken apart.

    Attributes:
        values: Key of an option -> its text, list of texts when repeatable, or True.
        kind: "script", "code", "module", "stdin" or "command".
        program: Path, code, name of a module, "-", or the command's name.
        rest: What follows, untouched.
    """

    values: dict[str, Any]
    kind: str
    program: str
    rest: list[str]


def read_line(words: Sequence[str]) -> Line | None:
    """Take a command line apart; None when it asks for help or is wrong, which click then answers."""
    values: dict[str, Any] = {}
    position = 0
    while position < len(words):
        word = words[position]
        position += 1
        if word == "-":
            return Line(values, "stdin", word, list(words[position:]))
        if word == "--":
            return _program(values, words, position)
        if not word.startswith("-"):
            kind = "command" if word in COMMANDS else "script"
            return Line(values, kind, word, list(words[position:]))
        if word[:2] in ("-c", "-m"):
            kind = "code" if word[1] == "c" else "module"
            if len(word) > 2:
                return Line(values, kind, word[2:], list(words[position:]))
            return Line(values, kind, words[position], list(words[position + 1 :])) if position < len(words) else None
        flag, mark, text = word.partition("=")
        option = _BY_FLAG.get(flag)
        if option is None or (mark and not option.metavar):
            return None
        if not option.metavar:
            values[option.key] = True
            continue
        if not mark:
            if position == len(words):
                return None
            text = words[position]
            position += 1
        if option.repeatable:
            values.setdefault(option.key, []).append(text)
        else:
            values[option.key] = text
    return None


def _program(values: dict[str, Any], words: Sequence[str], position: int) -> Line | None:
    """Read what follows `--`: a script, whatever it is called."""
    if position == len(words):
        return None
    return Line(values, "script", words[position], list(words[position + 1 :]))
