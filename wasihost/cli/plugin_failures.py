"""What a person is told when a call of a plugin gave no result, and with which status `wasirun` ends then."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from wasihost.cli import statuses
from wasihost.cli.notes import MAX_DENIALS, RAISED_BY, disk_hint
from wasihost.cli.plugin_grants import lack_text
from wasihost.cli.run import OUTCOME_STATUS
from wasihost.cli.text import say, say_traceback, shown_name
from wasihost.cli.values import size_text
from wasihost.errors import PluginArgumentsError, PluginCallError, UnknownExportError
from wasihost.plugins.lack import Lack
from wasihost.plugins.request import Grants, PluginRequest, lacks_of
from wasihost.result import Denial, Outcome, RunResult

_FIELDS: Final = {
    Outcome.OUT_OF_FUEL: ("fuel",),
    Outcome.DEADLINE_EXCEEDED: ("deadline_seconds",),
    Outcome.OUTPUT_LIMIT: ("output_bytes", "output_overflow"),
    Outcome.HOST_CALL_LIMIT: ("host_calls",),
    Outcome.DISK_LIMIT: ("disk_bytes", "disk_files"),
}
"""Fields of `Limits` that led to an outcome."""
_OWN_FILE: Final = re.compile(r'^ *File "/plugin/([^"]+)", line (\d{1,9})', re.MULTILINE)


def tell_failure(
    error: PluginCallError, request: PluginRequest, grants: Grants, *, is_traceback_shown: bool = False
) -> int:
    """Say why a call gave no result, and return the exit status."""
    if not is_traceback_shown:
        say_traceback(error.result)
    hints = hints_on(error.result, request, grants) if error.result is not None else []
    say(str(error))
    for hint in hints:
        say(hint)
    return status_of(error)


def status_of(error: PluginCallError) -> int:
    """Return the exit status for an error."""
    if isinstance(error, PluginArgumentsError | UnknownExportError):
        return statuses.USAGE
    if error.result is None:
        return statuses.PLUGIN_FAILED
    return OUTCOME_STATUS.get(error.result.outcome, statuses.PLUGIN_FAILED)


def place_of(result: RunResult | None) -> str:
    """Return the last line of the plugin in a traceback, as `words.py:3`; "" when there is none. The guest's word."""
    found = _OWN_FILE.findall(result.error.traceback) if result is not None and result.error is not None else []
    return f"{shown_name(found[-1][0])}:{found[-1][1]}" if found else ""


def hints_on(
    result: RunResult, request: PluginRequest, grants: Grants, *, of_what_could_be_granted: bool = False
) -> list[str]:
    """Return what would have let the call go on, a sentence each.

    Of what could be granted only, the denials of what the plugin does not ask for are left out: its tests try those on
    purpose.
    """
    lacks = lacks_of(request, grants)
    denials = [
        denial
        for denial in result.denials
        if not of_what_could_be_granted or any(_is_about(lack, denial) for lack in lacks)
    ]
    notes = list(dict.fromkeys(_denial_note(denial, lacks) for denial in denials))
    if len(notes) > MAX_DENIALS:
        notes[MAX_DENIALS:] = [f"and {len(notes) - MAX_DENIALS} more that the plugin may not do"]
    return [*notes, *_limit_notes(result, request, grants)]


def _limit_notes(result: RunResult, request: PluginRequest, grants: Grants) -> Iterator[str]:
    if result.error is not None and result.error.type == "MemoryError":
        size = size_text(request.limits.get("memory_bytes", grants.limits.memory_bytes))
        remedy = _raised(("memory_bytes",), "--memory raises it", request)
        yield f"the plugin reached its memory limit of {size}: {remedy}"
    hint = disk_hint(result.detail) if result.outcome is Outcome.DISK_LIMIT else RAISED_BY.get(result.outcome, "")
    if hint:
        yield _raised(_FIELDS[result.outcome], hint, request)


def _raised(fields: Sequence[str], hint: str, request: PluginRequest) -> str:
    own = [field for field in fields if field in request.limits]
    return f"its plugin.toml asks for no more ({', '.join(own)})" if own else hint


def _denial_note(denial: Denial, lacks: Sequence[Lack]) -> str:
    name = shown_name(denial.target)
    if denial.kind == "network":
        return "the plugin may not use the network: that cannot be granted"
    if denial.kind == "process":
        return "the plugin may not start processes: that cannot be granted"
    what = f"has no variable {name}" if denial.kind == "env" else f"may not {denial.kind} {name}"
    for lack in lacks:
        if lack.capability is not None and _is_about(lack, denial):
            return f"the plugin {what}; it asks for that: {lack_text(lack)}"
    return f"the plugin {what}: its plugin.toml does not ask for it"


def _is_about(lack: Lack, denial: Denial) -> bool:
    if lack.capability is None:
        return False
    name, target = lack.capability.name, denial.target
    if denial.kind == "env" or lack.kind == "environment":
        return denial.kind == "env" and lack.kind == "environment" and name == target
    return lack.kind in ("directory", "writing", "scratch") and (target == name or target.startswith(f"{name}/"))
