"""What a person is told after a run: how it ended, and which option would have let it go on.

Names in denials are the guest's words: they are escaped, and a suggestion is made of them only for a person to judge.
"""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from wasihost.capabilities.preopen import Preopen
from wasihost.cli.arguments import Line
from wasihost.cli.text import shell_word, shown_name
from wasihost.cli.values import default_guest, size_text
from wasihost.limits import Limits
from wasihost.result import Denial, FileChange, Outcome, RunResult

MAX_DENIALS: Final = 3
MAX_CHANGES: Final = 20

RAISED_BY: Final = {
    Outcome.OUT_OF_FUEL: "--fuel raises it",
    Outcome.DEADLINE_EXCEEDED: "--deadline raises it",
    Outcome.OUTPUT_LIMIT: "--output raises it, --output-overflow truncate lets the program go on",
    Outcome.HOST_CALL_LIMIT: "--host-calls raises it",
}
_NO_MODULE: Final = re.compile(r"No module named '([^\W\d]\w*)[\w.]*'")
_TOO_MANY_FILES: Final = "[Errno 33]"
"""EMFILE, as WASI numbers it."""


def notes_on(result: RunResult, *, line: Line, limits: Limits, preopens: Sequence[Preopen]) -> list[str]:
    """Return the lines to print about a run that did not simply end well."""
    notes = _denial_notes(result.denials, preopens)
    module = _missing_module(result, line)
    if module is not None:
        notes.append(module)
    if result.error is not None and result.error.type == "MemoryError":
        notes.append(f"the program reached its memory limit of {size_text(limits.memory_bytes)} (--memory raises it)")
    if result.error is not None and result.error.type == "OSError" and result.error.message.startswith(_TOO_MANY_FILES):
        notes.append(f"the program held {limits.open_files} files open, its limit (--open-files raises it)")
    if result.outcome is not Outcome.EXITED:
        hint = disk_hint(result.detail) if result.outcome is Outcome.DISK_LIMIT else RAISED_BY.get(result.outcome)
        detail = result.detail or f"the run ended: {result.outcome.value}"
        if result.outcome is Outcome.GUEST_CRASHED:
            detail = f"the interpreter inside crashed: {detail}"
        elif result.outcome is Outcome.HOST_FAILED:
            detail = f"the host failed: {detail}"
        notes.append(f"{detail} ({hint})" if hint else detail)
    return notes


def disk_hint(detail: str) -> str:
    """Return which option would have helped: none where a scratch folder of a profile has a limit of its own."""
    if not detail.endswith("in its writable directories"):
        return ""
    return "--files raises it" if " files " in detail else "--disk raises it"


def changes_on(result: RunResult, *, elsewhere: str = " (--json lists them)") -> list[str]:
    """Return a line for each file of an overlay that the run added, changed or removed, as far as they are few."""
    notes = [_change_note(change) for change in result.files_changed[:MAX_CHANGES]]
    more = len(result.files_changed) + result.files_changed_omitted - len(notes)
    if more:
        notes.append(f"and {more} more files that the program added, changed or removed{elsewhere}")
    return notes


def _change_note(change: FileChange) -> str:
    what = size_text(change.size_bytes) if change.link_target is None else f"a link to {shown_name(change.link_target)}"
    return f"{change.kind} {shown_name(change.path)}" + ("" if change.kind == "removed" else f" ({what})")


# -- denials ----------------------------------------------------------------------------------------------------------


def _denial_notes(denials: Sequence[Denial], preopens: Sequence[Preopen]) -> list[str]:
    notes = list(dict.fromkeys(_denial_note(denial, preopens) for denial in denials))
    if len(notes) > MAX_DENIALS:
        notes[MAX_DENIALS:] = [f"and {len(notes) - MAX_DENIALS} more that the program may not do"]
    return notes


def _denial_note(denial: Denial, preopens: Sequence[Preopen]) -> str:
    name = shown_name(denial.target)
    if denial.kind == "env":
        return f"the program has no variable {name}: allow it with --allow-env {shell_word(denial.target)}"
    if denial.kind == "network":
        return "the program may not use the network: that cannot be granted"
    if denial.kind == "process":
        return "the program may not start processes: that cannot be granted"
    return f"the program may not {denial.kind} {name}: {_suggestion(denial, preopens)}"


def _suggestion(denial: Denial, preopens: Sequence[Preopen]) -> str:
    option = f"--allow-{denial.kind}"
    target = posixpath.normpath(denial.target)
    granted = max((p for p in preopens if _holds(p.guest, target)), key=lambda p: len(p.guest), default=None)
    if granted is not None:
        return f"allow it with {option} {shell_word(f'{granted.host}::{granted.guest}')} instead of --allow-read"
    folder = target if denial.kind == "read" and _is_folder(target) else posixpath.dirname(target)
    host = _host_folder(folder)
    if host is None:
        return f"allow it with {option} FOLDER::{shell_word(folder)}"
    return f"allow it with {option} {shell_word(f'{host}::{folder}')}"


def _holds(guest: str, target: str) -> bool:
    return guest in ("/", target) or target.startswith(f"{guest}/")


def _is_folder(path: str) -> bool:
    try:
        return path != "/" and (Path(path).is_dir() or Path(path[1:]).is_dir())
    except (OSError, ValueError):
        return False


def _host_folder(folder: str) -> str | None:
    """Guess which folder of the host is meant: the same path, or the one below the current directory."""
    if folder == "/":
        return "."
    try:
        if Path(folder).is_dir():
            return folder
        if Path(folder[1:]).is_dir():
            return folder[1:]
    except (OSError, ValueError):
        return None
    return folder


# -- modules ----------------------------------------------------------------------------------------------------------


def _missing_module(result: RunResult, line: Line) -> str | None:
    """Tell that a module lies beside the script, whose folder the program does not have by itself."""
    if line.kind == "module":
        name, folder = line.program.partition(".")[0], ""
        if result.exit_code != 1 or (result.error is not None and result.error.type != "ModuleNotFoundError"):
            return None
    else:
        error = result.error
        found = _NO_MODULE.match(error.message) if error is not None and error.type == "ModuleNotFoundError" else None
        if found is None:
            return None
        name, folder = found.group(1), os.path.dirname(line.program) if line.kind == "script" else ""  # noqa: PTH120
    beside = Path(folder or ".")
    if not ((beside / f"{name}.py").is_file() or (beside / name).is_dir()) or _is_granted(beside, line):
        return None
    where = folder or "."
    guest = default_guest(where)
    text = where if guest else f"{where}::/{Path(where).resolve().name or 'program'}"
    place = "beside the script" if line.kind == "script" else "in the current directory"
    return f"the module {name} lies {place}: allow it with --allow-read {shell_word(text)}"


def _is_granted(folder: Path, line: Line) -> bool:
    real = folder.resolve()
    texts = [text for option in ("allow_read", "allow_write", "overlay") for text in line.values.get(option, ())]
    hosts = [Path(text.rpartition("::")[0] if "::" in text else text).resolve() for text in texts]
    return any(host == real or host in real.parents for host in hosts)
