"""What a result says, and what `check()` makes of it."""

from __future__ import annotations

import dataclasses

import pytest

from wasihost import errors
from wasihost.result import CHECK_ERRORS, FileChange, GuestError, Outcome, RunResult

FAILED = GuestError(type="ValueError", message="no", traceback="Traceback…")


def test_success_is_returned() -> None:
    result = RunResult(outcome=Outcome.EXITED, exit_code=0)
    assert result.check() is result


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (RunResult(outcome=Outcome.EXITED, exit_code=3), "the program exited with status 3"),
        (RunResult(outcome=Outcome.EXITED, exit_code=1, error=FAILED), "the program raised ValueError: no"),
        (
            RunResult(outcome=Outcome.EXITED, exit_code=1, error=dataclasses.replace(FAILED, message="")),
            "the program raised ValueError",
        ),
        (RunResult(outcome=Outcome.GUEST_CRASHED, detail="it broke"), "it broke"),
        (RunResult(outcome=Outcome.CANCELLED), "the run ended: cancelled"),
    ],
    ids=range(5),
)
def test_the_message_of_a_failure(result: RunResult, message: str) -> None:
    with pytest.raises(CHECK_ERRORS[result.outcome]) as caught:
        result.check()
    assert type(caught.value) is CHECK_ERRORS[result.outcome]
    assert str(caught.value) == message
    assert caught.value.result is result


@pytest.mark.parametrize("outcome", [outcome for outcome in Outcome if outcome is not Outcome.EXITED])
def test_every_other_outcome_raises_its_own_error(outcome: Outcome) -> None:
    with pytest.raises(errors.RunFailedError) as caught:
        RunResult(outcome=outcome).check()
    assert type(caught.value) is CHECK_ERRORS[outcome]


def test_text_of_bytes_that_are_no_text() -> None:
    result = RunResult(outcome=Outcome.EXITED, stdout_bytes=b"a\xff", stderr_bytes="é".encode())
    assert (result.stdout, result.stderr) == ("a\ufffd", "é")


@pytest.mark.parametrize(("out", "err", "truncated"), [(0, 0, False), (1, 0, True), (0, 1, True)])
def test_truncated(out: int, err: int, truncated: bool) -> None:
    result = RunResult(outcome=Outcome.EXITED, stdout_omitted_bytes=out, stderr_omitted_bytes=err)
    assert result.truncated is truncated


def test_a_change_of_a_file_is_a_value() -> None:
    change = FileChange(kind="added", path="/data/x", size_bytes=1, content=b"x")
    assert change == FileChange(kind="added", path="/data/x", size_bytes=1, content=b"x")
    assert change != FileChange(kind="changed", path="/data/x", size_bytes=1, content=b"x")
    with pytest.raises(dataclasses.FrozenInstanceError):
        change.path = "/etc"  # type: ignore[misc]
    with pytest.raises(TypeError):
        FileChange("added", "/data/x")  # type: ignore[misc]
    result = RunResult(outcome=Outcome.EXITED)
    assert (result.files_changed, result.files_changed_omitted) == ((), 0)
