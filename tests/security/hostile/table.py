"""Writes the table of hostile cases for the docs: `python -m tests.security.hostile.table > docs/hostile-suite.md`."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent.parent))

from hostile.case import ALL_DIFFERENT, ALL_EQUAL, CONTAINMENTS, ERRNO_NAMES, LATE_SECONDS, RUNTIMES, Expect, Refused
from hostile.elsewhere import ELSEWHERE
from hostile.load import CLASSES, all_cases

from wasihost import Outcome

if TYPE_CHECKING:
    from hostile.case import Case, End

LONGEST = 48
"""Characters of output that are shown."""


def shown(text: str) -> str:
    if len(text) > LONGEST:
        return f"{len(text):,} characters"
    inner = text.removesuffix("\n").replace("\n", "⏎").replace("|", "\\|")
    return f"`{inner}`" if inner.isprintable() and "`" not in inner and inner else repr(text).join("``")


def end_in_words(end: End) -> str:
    if isinstance(end, Refused):
        return f"refused: {end.error.__name__}"
    words = [outcome_in_words(end)]
    if end.value is ALL_DIFFERENT or end.value is ALL_EQUAL:
        words.append(str(end.value))
    elif end.value is not None:
        words.append(f"value {shown(repr(end.value))}")
    for name, output in (("prints", end.stdout), ("on standard error", end.stderr)):
        if isinstance(output, str) and output:
            words.append(f"{name} {shown(output)}")
    if end.memory_peak_bytes:
        words.append(f"memory of {end.memory_peak_bytes:,} bytes")
    if end.omitted_bytes:
        words.append(f"{end.omitted_bytes:,} bytes omitted")
    if end.otherwise is not None:
        words[-1] += f" or {end_in_words(end.otherwise)}"
    return ", ".join(words)


def outcome_in_words(end: Expect) -> str:
    if end.outcome is not Outcome.EXITED:
        return end.outcome.name
    if end.error_type:
        number = f" ({ERRNO_NAMES[end.error_errno]})" if end.error_errno else ""
        name = end.error_type if len(end.error_type) <= LONGEST else "an exception"
        return f"{name}{number}" + ("" if end.exit_code == 1 else f", status {end.exit_code}")
    return "ends" if end.exit_code == 0 else f"status {end.exit_code}"


def ends_in_words(end: End | Mapping[str, End]) -> str:
    if not isinstance(end, Mapping):
        return end_in_words(end)
    return "; ".join(f"{key}: {end_in_words(one)}" for key, one in end.items())


def places(case: Case) -> str:
    words = []
    if case.runtimes != RUNTIMES:
        words.append(", ".join(case.runtimes))
    if case.containments != CONTAINMENTS:
        words.append(", ".join(case.containments))
    return "; ".join(words) + f" ({case.because})" if words else "everywhere"


def cell(text: str) -> str:
    return re.sub(r"(?<!\\)\|", r"\\|", text)


def lines() -> Iterator[str]:
    cases = all_cases()
    late = " and ".join(f"{seconds * 1000:.0f} ms ({name})" for name, seconds in LATE_SECONDS.items())
    yield "<!-- Written by `python -m tests.security.hostile.table`: change the cases, not this page. -->"
    yield ""
    yield "# The hostile suite"
    yield ""
    yield f"""\
{len(cases)} programs that mean harm, or days on which the host is out of luck. Each is one file with its exact end, and
with a twin: the same wish with the grant that allows it, which succeeds. A case that accepted any error would pass
on a broken runtime; none does.

Each runs in every containment ({", ".join(CONTAINMENTS)}) and on every runtime ({", ".join(RUNTIMES)}),
unless the last column says otherwise. After each, the next program in the same sandbox has to run as if nothing had
happened. The secret that lies beside the granted folder must not be in anything that came out. Nothing outside a
writable grant may have changed. A run that is stopped comes back at most {late} after its deadline."""
    for kind, heading in CLASSES.items():
        yield ""
        yield f"## {heading}"
        yield ""
        yield "| what is tried | what happens | what is allowed instead | and happens | where |"
        yield "| --- | --- | --- | --- | --- |"
        for name, case in cases.items():
            if name.startswith(f"{kind}/"):
                link = f"[{cell(case.title)}](../tests/security/hostile/{name}.py)"
                twin = case.twin
                yield (
                    f"| {link} | {cell(ends_in_words(case.expect))} | {cell(twin.granted)} "
                    f"| {cell(ends_in_words(twin.expect))} | {places(case)} |"
                )
        if kind in ELSEWHERE:
            yield ""
            yield "Elsewhere:"
            yield ""
            for what, path in ELSEWHERE[kind]:
                yield f"- {what}: [{path}](../{path})"


def text() -> str:
    return "\n".join(lines()) + "\n"


if __name__ == "__main__":
    sys.stdout.write(text())
