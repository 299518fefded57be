"""What a forged reply can put into a result: words and denials, bounded and as text."""

from __future__ import annotations

from collections.abc import Callable

from hostile.harness import forged

from wasihost import GuestError, Outcome, RunResult

Run = Callable[..., RunResult]


def test_forged_words_are_text(run: Run) -> None:
    result = run(forged(b'{"exit_code": 1, "exit_code": 7, "error": ["T\\ud800", "m\\u0000", "t\\u001b[31m"]}'))
    assert (result.outcome, result.exit_code) == (Outcome.EXITED, 7)
    assert result.error == GuestError(type="T?", message="m\0", traceback="t\x1b[31m")


def test_forged_denials_are_bounded(run: Run) -> None:
    items = b", ".join([b'["read", "/x"]', b'["evil", "/x"]', b'["read", 1]', b'"read"', b"[]"] * 500)
    result = run(forged(b'{"exit_code": 0, "denials": [' + items + b"]}"))
    assert result.exit_code == 0
    assert len(result.denials) == 16
    assert {(denial.kind, denial.target) for denial in result.denials} == {("read", "/x")}
    assert run(forged(b'{"exit_code": 0, "denials": {"a": 1}}')).denials == ()
