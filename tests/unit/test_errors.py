"""The tree of exceptions is the one drawn in its module's docstring."""

from __future__ import annotations

import inspect
import re

from wasihost import errors
from wasihost.result import Outcome, RunResult


def classes() -> dict[str, type[BaseException]]:
    return {
        name: kind for name, kind in vars(errors).items() if inspect.isclass(kind) and issubclass(kind, BaseException)
    }


def test_the_drawing_is_complete_and_right() -> None:
    drawn: dict[str, str] = {}
    stack: list[tuple[int, str]] = []
    for line in (errors.__doc__ or "").splitlines():
        found = re.match(r"^([ │├└─]*)([A-Z]\w+Error)\b", line)
        if found is None:
            continue
        depth, name = len(found.group(1)), found.group(2)
        while stack and stack[-1][0] >= depth:
            stack.pop()
        drawn[name] = stack[-1][1] if stack else "Exception"
        stack.append((depth, name))
    assert drawn == {name: kind.__bases__[0].__name__ for name, kind in classes().items()}


def test_mistakes_of_the_host_are_value_errors_and_a_run_that_failed_is_not() -> None:
    assert issubclass(errors.ConfigError, ValueError)
    assert not issubclass(errors.RunFailedError, ValueError)
    assert not issubclass(errors.RuntimeUnavailableError, ValueError)


def test_every_error_is_documented() -> None:
    assert [name for name, kind in classes().items() if not (kind.__doc__ or "").strip()] == []


def test_a_failed_run_carries_its_result() -> None:
    result = RunResult(outcome=Outcome.HOST_FAILED)
    assert errors.HostFailedError("m", result).result is result
