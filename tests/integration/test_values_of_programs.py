"""The value of the last expression."""

from __future__ import annotations

from typing import Any

import pytest

from wasihost import Limits, Outcome

VALUES: list[tuple[str, Any]] = [
    ("6 * 7", 42),
    ("x = 1; x", 1),
    ("x = 1\nx + 1\n", 2),
    ("True", True),
    ("None", None),
    ("1.5", 1.5),
    ("'é😀'", "é😀"),
    ("[1, 'a', None, False, [2]]", [1, "a", None, False, [2]]),
    ("(1, 2)", [1, 2]),
    ("{'a': {'b': [1]}}", {"a": {"b": [1]}}),
    ("{1: 2, None: 3, 1.5: 4, False: 5}", {"1": 2, "null": 3, "1.5": 4, "false": 5}),
    ("-10**300", -(10**300)),
    ("10**4000", 10**4000),
    ("(y := 3)", 3),
    ("'doc'", "doc"),
    ("import enum\nclass E(enum.IntEnum):\n    A = 5\nE.A", 5),
    ("'\\ud800'", "\ud800"),
    # no JSON form
    ("float('nan')", None),
    ("[float('inf')]", None),
    ("10**5000", None),
    ("{1}", None),
    ("{(1, 2): 3}", None),
    ("object()", None),
    ("b'x'", None),
    ("x = []\nx.append(x)\nx", None),
    ("x = []\nfor _ in range(100_000): x = [x]\nx", None),
    # no last expression
    ("", None),
    ("\n\n", None),
    ("# a comment", None),
    ("x = 1", None),
    ("5\nx = 1", None),
    ("if True:\n    5", None),
    ("def f(): return 1", None),
]


@pytest.mark.parametrize(("code", "value"), VALUES, ids=range(len(VALUES)))
def test_value(run: Any, code: str, value: Any) -> None:
    result = run(code)
    assert (result.outcome, result.exit_code, result.error) == (Outcome.EXITED, 0, None)
    assert result.value == value
    assert type(result.value) is type(value)
    assert (result.stdout_bytes, result.stderr_bytes) == (b"", b"")


def test_a_docstring_alone_is_documentation_and_value(run: Any) -> None:
    result = run('"doc"\nprint(__doc__)')
    assert (result.stdout, result.value) == ("doc\n", None)
    assert run('"doc"').value == "doc"


def test_future_statements_hold_for_the_last_expression(run: Any) -> None:
    result = run("from __future__ import annotations\ndef f(x: Missing): ...\nf.__annotations__")
    assert result.value == {"x": "Missing"}


def test_a_value_of_the_longest_length_and_one_byte_more(run: Any) -> None:
    assert run("'x' * 100", limits=Limits(value_bytes=102)).value == "x" * 100
    longer = run("'x' * 100", limits=Limits(value_bytes=101))
    assert (longer.value, longer.outcome, longer.exit_code) == (None, Outcome.EXITED, 0)


def test_a_value_of_seven_megabytes(run: Any) -> None:
    assert run("'x' * 7_000_000").value == "x" * 7_000_000


def test_the_value_of_a_program_that_exits_or_fails_is_none(run: Any) -> None:
    assert run("import sys\nsys.exit(0)").value is None
    assert run("1 / 0").value is None


@pytest.mark.parametrize("size", [0, 1, 65472 - 300, 65472, 65536, 5_000_000])
def test_source_of_any_size(run: Any, size: int) -> None:
    assert run("#" * size + "\nprint(7)").stdout == "7\n"


def test_inputs_around_the_size_of_the_mailbox(default_run: Any) -> None:
    # The request is a header of some 200 bytes and the source: every length around the border is met.
    for size in range(65472 - 320, 65472 + 4, 3):
        result = default_run("len(x)", inputs={"x": "y" * size})
        assert result.value == size


def test_inputs_of_twenty_megabytes(run: Any) -> None:
    assert run("[len(x), x[:2], y]", inputs={"x": "ab" * 10_000_000, "y": [1, {"é": None}]}).value == [
        20_000_000,
        "ab",
        [1, {"é": None}],
    ]


def test_inputs_are_globals(run: Any) -> None:
    assert run("globals()['a'] + b['c']", inputs={"a": 1, "b": {"c": 2}}).value == 3
