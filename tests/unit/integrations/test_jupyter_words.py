"""From results to the words of Jupyter, without a kernel."""

from __future__ import annotations

from types import MappingProxyType

import pytest

from wasihost import Denial, GuestError, Outcome, RunResult
from wasihost.integrations.jupyter_words import (
    UNDONE,
    ends_with_semicolon,
    failure_of,
    language_of,
    name_at,
    position_of_value,
)

FIGURE = "<Figure size 640x480 with 1 Axes>"


def shown(*texts: str, text: str | None, omitted: int = 0) -> RunResult:
    bundles = tuple(MappingProxyType({"text/plain": each}) for each in texts)
    return RunResult(
        outcome=Outcome.EXITED, exit_code=0, text=text, displays=bundles, displays_omitted=omitted
    )  # fmt: skip


@pytest.mark.parametrize(
    ("result", "position"),
    [
        (shown(text=None), None),
        (shown("1", text=None), None),
        (shown("1", text="1"), 0),
        (shown("1", "1", text="1"), 1),
        (shown("1", FIGURE, text="1"), 0),
        (shown(FIGURE, text=FIGURE), 0),
        (shown("1", "a chart of its own", FIGURE, FIGURE, text="<Chart>"), 1),
        (shown("1", text="too long", omitted=1), None),
        (shown(FIGURE, text="<Chart>"), None),
        (shown(text="1", omitted=1), None),
    ],
)
def test_which_display_is_the_value(result: RunResult, position: int | None) -> None:
    assert position_of_value(result) == position


@pytest.mark.parametrize(
    ("code", "quiet"),
    [
        ("x;", True),
        ("x; # why", True),
        ("y\nx ;\n\n# why\n", True),
        ("if x:\n    y;", True),
        ("x", False),
        ("x; y", False),
        ("x # y;", False),
        ("';'", False),
        ("'''\n;", False),
        ("", False),
    ],
)
def test_a_semicolon_at_the_end(code: str, quiet: bool) -> None:
    assert ends_with_semicolon(code) is quiet


@pytest.mark.parametrize(
    ("marked", "name"),
    [
        ("pri|nt(x)", "print"),
        ("|print", "print"),
        ("x = os.path.jo|in(a)", "os.path.join"),
        ("os.pa|th.join", "os.path"),
        ("f(|", "f"),
        ("f(a, (1, 2), |", "f"),
        ("f(g(1), |)", "f"),
        ("f(g(1, |", "g"),
        ("größe|", "größe"),
        ("f() + |", ""),
        ("|", ""),
        ("3.5|", ""),
    ],
)
def test_the_name_at_the_cursor(marked: str, name: str) -> None:
    assert name_at(marked.replace("|", ""), marked.index("|")) == name


def failed(kind: str, message: str, *denials: Denial) -> RunResult:
    error = GuestError(type=kind, message=message, traceback=f"Traceback\n{kind}: {message}\n")
    return RunResult(outcome=Outcome.EXITED, exit_code=1, error=error, denials=denials)


@pytest.mark.parametrize(
    ("result", "code", "hint"),
    [
        (failed("ValueError", "x"), "%time", None),
        (failed("SyntaxError", "x"), "x =", None),
        (failed("SyntaxError", "x"), "x\n%time y", "IPython's"),
        (failed("SyntaxError", "x"), "print?", "IPython's"),
        (failed("EOFError", "EOF when reading a line"), "input()", "no standard input"),
        (failed("MemoryError", ""), "x", "--memory"),
        (failed("OSError", "x", Denial(kind="read", target="/a\n")), "x", r"Not granted: read '/a\n'."),
    ],
)
def test_errors_have_their_lines_and_a_hint(result: RunResult, code: str, hint: str | None) -> None:
    failure = failure_of(result, code)
    assert failure is not None
    assert result.error is not None
    assert (failure.name, failure.value) == (result.error.type, result.error.message)
    assert failure.lines[:2] == ["Traceback", f"{failure.name}: {failure.value}"]
    assert "\n" not in "".join(failure.lines)
    assert len(failure.lines) == (2 if hint is None else 4)
    assert hint is None or hint in failure.lines[-1]


@pytest.mark.parametrize("outcome", [outcome for outcome in Outcome if outcome is not Outcome.EXITED])
def test_what_is_undone_says_so(outcome: Outcome) -> None:
    failure = failure_of(RunResult(outcome=outcome, detail="it was so", rolled_back=True), "")
    assert failure is not None
    assert failure.name.endswith("Error")
    assert failure.value.startswith(f"It was so. {UNDONE}")
    named = "wasirun jupyter install --" in failure.value
    assert named is (outcome not in {Outcome.CANCELLED, Outcome.GUEST_CRASHED, Outcome.HOST_FAILED})


@pytest.mark.parametrize("status", [0, 3])
def test_an_interpreter_that_was_ended_is_undone_too(status: int) -> None:
    result = RunResult(outcome=Outcome.EXITED, exit_code=status, rolled_back=True, detail="so it was undone")
    failure = failure_of(result, "")
    assert failure is not None
    assert failure.value == "So it was undone."


def test_exits() -> None:
    assert failure_of(RunResult(outcome=Outcome.EXITED, exit_code=0), "") is None
    failure = failure_of(RunResult(outcome=Outcome.EXITED, exit_code=3), "")
    assert failure is not None
    assert (failure.name, failure.value) == ("SystemExit", "3")


@pytest.mark.parametrize(
    ("runtime", "version"), [("cpython-3.15", "3.15"), ("cpython-3.15-sci", "3.15"), ("mine", "3"), ("cpython-3", "3")]
)
def test_the_version(runtime: str, version: str) -> None:
    assert language_of(runtime)["version"] == version
