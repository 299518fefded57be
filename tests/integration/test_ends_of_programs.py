"""Exit statuses, exit functions, the death of globals, and tracebacks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from wasihost import Limits, Outcome

LOGGING: list[tuple[str, str]] = [
    (
        "import atexit\natexit.unregister(logging.shutdown)\n"
        "class H(logging.Handler):\n    def close(self): print('closed', file=__import__('sys').stderr)\nh = H()",
        "",
    ),
    (
        "h = logging.StreamHandler()\nh.flush = lambda: print('f', file=__import__('sys').stderr)\n"
        "logging.shutdown([lambda: h])\nh.flush = int",
        "f\n",
    ),
    ("logging.warning('w')", "WARNING:root:w\n"),
    ("logging.getLogger('x').info('unseen')", ""),
    (
        "import logging.handlers\n"
        "held = logging.handlers.MemoryHandler(99, target=logging.StreamHandler())\n"
        "logging.getLogger().addHandler(held)\nlogging.error('held')",
        "held\n",
    ),
    (
        "import logging.handlers\nlogging.lastResort = None\n"  # as many as before, and another one
        "held = logging.handlers.MemoryHandler(99, target=None)\nheld.target = type('T', (), {'handle': print})\n"
        "held.target.handle = lambda record: print(record.msg, file=__import__('sys').stderr)\n"
        "logging.getLogger().addHandler(held)\nlogging.error('held')",
        "held\n",
    ),
    (
        "class H(logging.Handler):\n    def close(self): print('closed', file=__import__('sys').stderr)\nh = H()",
        "closed\n",
    ),
]


@pytest.mark.parametrize(("code", "stderr"), LOGGING, ids=range(len(LOGGING)))
def test_what_is_logged_is_out_at_the_end(run: Any, code: str, stderr: str) -> None:
    result = run(f"import logging\n{code}")
    assert (result.stderr, result.exit_code) == (stderr, 0)


EXITS: list[tuple[str, int, bytes]] = [
    ("sys.exit()", 0, b""),
    ("sys.exit(None)", 0, b""),
    ("sys.exit(3)", 3, b""),
    ("sys.exit(256)", 0, b""),
    ("sys.exit(257)", 1, b""),
    ("sys.exit(-1)", 255, b""),
    ("sys.exit(2**80)", 255, b""),
    ("sys.exit(True)", 1, b""),
    ("sys.exit(False)", 0, b""),
    ("sys.exit('bye')", 1, b"bye\n"),
    ("sys.exit('')", 1, b"\n"),
    ("sys.exit((1, 2))", 1, b"(1, 2)\n"),
    ("sys.exit(1.5)", 1, b"1.5\n"),
    ("raise SystemExit", 0, b""),
    ("raise SystemExit(4)", 4, b""),
    ("quit(5)", 5, b""),
    ("exit()", 0, b""),
    ("def f():\n    try:\n        sys.exit(6)\n    finally:\n        print('b')\nf()", 6, b""),
    ("sys.stderr = None\nsys.exit('lost')", 1, b""),
]


@pytest.mark.parametrize(("code", "status", "stderr"), EXITS, ids=range(len(EXITS)))
def test_exit(run: Any, code: str, status: int, stderr: bytes) -> None:
    result = run("import sys\nprint('a')\n" + code)
    assert (result.outcome, result.exit_code, result.stderr_bytes) == (Outcome.EXITED, status, stderr)
    assert result.stdout == ("a\nb\n" if "print" in code else "a\n")
    assert result.error is None


def test_os_exit_ends_at_once(run: Any) -> None:
    result = run("import atexit, os\natexit.register(print, 'never')\nprint('lost')\nos._exit(7)")
    assert (result.outcome, result.exit_code, result.stdout_bytes) == (Outcome.EXITED, 7, b"")
    for status in (0, 1, 125, 126, 255):
        flushed = run(f"import os\nprint('kept', flush=True)\nos._exit({status})")
        assert (flushed.outcome, flushed.exit_code, flushed.stdout) == (Outcome.EXITED, status, "kept\n")


def test_exit_functions_run_in_reverse_after_the_program(run: Any) -> None:
    code = "import atexit\nfor n in (1, 2, 3): atexit.register(print, n)\nprint('body')\n"
    assert run(code).stdout == "body\n3\n2\n1\n"
    assert run(code + "raise SystemExit(9)").stdout == "body\n3\n2\n1\n"
    failed = run(code + "1 / 0")
    assert (failed.stdout, failed.error.type) == ("body\n3\n2\n1\n", "ZeroDivisionError")


def test_an_exit_function_that_fails_is_told_and_the_others_run(run: Any) -> None:
    result = run("import atexit\ndef boom():\n    1 / 0\natexit.register(print, 'after')\natexit.register(boom)")
    assert (result.exit_code, result.stdout, result.error) == (0, "after\n", None)
    lines = result.stderr.splitlines()
    assert lines[0].startswith("Exception ignored in atexit callback")
    assert lines[1:3] == ["Traceback (most recent call last):", '  File "<string>", line 3, in boom']
    assert lines[-1] == "ZeroDivisionError: division by zero"


def test_an_exit_function_that_exits_shows_nothing_of_ours(run: Any) -> None:
    result = run("import atexit, sys\natexit.register(sys.exit, 5)")
    assert result.exit_code == 0
    assert result.stderr.splitlines()[1:] == ["SystemExit: 5"]


def test_an_endless_exit_function_ends_at_the_deadline(run: Any) -> None:
    code = "import atexit\n@atexit.register\ndef loop():\n    print('in')\n    while True: pass\n"
    result = run(code, limits=Limits(deadline_seconds=0.4))
    assert (result.outcome, result.exit_code, result.stdout) == (Outcome.DEADLINE_EXCEEDED, None, "in\n")


DEATHS: list[tuple[str, str]] = [
    ("log = ['kept']\nclass A:\n    def __del__(self): print('gone', log)\na = A()\nprint('end')", "end\n"
     "gone ['kept']\n"),
    ("class A:\n    def __del__(self): print('gone')\na = [A()]\ndel A\nprint('end')", "end\ngone\n"),
    ("def g():\n    try:\n        yield 1\n    finally:\n        print('closed')\nx = g()\nnext(x)\nprint('end')",
     "end\nclosed\n"),
    ("import weakref\nclass A: pass\na = A()\nf = weakref.finalize(a, print, 'final')\nprint('end')", "end\nfinal\n"),
    ("class A:\n    def __del__(self): print('gone')\n    def f(self): yield\na = A()\nx = a.f()\nnext(x)\n"
     "print('end')",
     "end\ngone\n"),
    ("x = None\nfor i in range(100_000): x = [x]\ndef g(): yield\ny = g()\nnext(y)\nprint('end')", "end\n"),
]  # fmt: skip


@pytest.mark.parametrize(("code", "stdout"), DEATHS, ids=range(len(DEATHS)))
def test_the_death_of_globals(run: Any, code: str, stdout: str) -> None:
    result = run(code)
    assert (result.stdout, result.stderr, result.exit_code) == (stdout, "", 0)


def test_a_finalizer_that_fails_is_told(run: Any) -> None:
    result = run("class A:\n    def __del__(self):\n        1 / 0\na = [A()]\nprint('end')")
    assert (result.stdout, result.exit_code, result.error) == ("end\n", 0, None)
    lines = result.stderr.splitlines()
    assert lines[0].startswith("Exception ignored in: <function A.__del__ at 0x")
    assert lines[1:3] == ["Traceback (most recent call last):", '  File "<string>", line 3, in __del__']
    assert lines[-1] == "ZeroDivisionError: division by zero"


def test_a_coroutine_that_was_never_awaited_is_told(run: Any) -> None:
    result = run("async def f(): pass\nx = f()")
    assert result.exit_code == 0
    assert result.stderr.splitlines()[0] == "sys:1: RuntimeWarning: coroutine 'f' was never awaited"


def bare(traceback: str) -> str:
    """Without the lines of ~ and ^, which differ between versions of Python."""
    return "".join(line for line in traceback.splitlines(keepends=True) if line.strip(" ~^\n") or "^" not in line)


TRACEBACKS: list[tuple[str, str, str, str]] = [
    (
        "def f(x):\n    return 1 / x\n\nf(0)\n",
        "ZeroDivisionError", "division by zero",
        'Traceback (most recent call last):\n  File "<string>", line 4, in <module>\n    f(0)\n'
        '  File "<string>", line 2, in f\n    return 1 / x\nZeroDivisionError: division by zero\n',
    ),
    ("{}['k']", "KeyError", "'k'",
     'Traceback (most recent call last):\n  File "<string>", line 1, in <module>\n    {}[\'k\']\nKeyError: \'k\'\n'),
    ("raise ValueError", "ValueError", "",
     'Traceback (most recent call last):\n  File "<string>", line 1, in <module>\n    raise ValueError\nValueError\n'),
    ("assert 1 == 2, 'why'", "AssertionError", "why",
     'Traceback (most recent call last):\n  File "<string>", line 1, in <module>\n    assert 1 == 2, \'why\'\n'
     "AssertionError: why\n"),
    (
        "try:\n    1 / 0\nexcept ZeroDivisionError as e:\n    raise KeyError('k') from e\n",
        "KeyError", "'k'",
        'Traceback (most recent call last):\n  File "<string>", line 2, in <module>\n    1 / 0\n'
        "ZeroDivisionError: division by zero\n\n"
        "The above exception was the direct cause of the following exception:\n\n"
        'Traceback (most recent call last):\n  File "<string>", line 4, in <module>\n'
        "    raise KeyError('k') from e\nKeyError: 'k'\n",
    ),
    (
        "try:\n    1 / 0\nexcept ZeroDivisionError:\n    raise KeyError('k')\n",
        "KeyError", "'k'",
        'Traceback (most recent call last):\n  File "<string>", line 2, in <module>\n    1 / 0\n'
        "ZeroDivisionError: division by zero\n\n"
        "During handling of the above exception, another exception occurred:\n\n"
        'Traceback (most recent call last):\n  File "<string>", line 4, in <module>\n'
        "    raise KeyError('k')\nKeyError: 'k'\n",
    ),
    (
        "raise ExceptionGroup('g', [ValueError(1), TypeError('t')])",
        "ExceptionGroup", "g (2 sub-exceptions)",
        "  + Exception Group Traceback (most recent call last):\n"
        '  |   File "<string>", line 1, in <module>\n'
        "  |     raise ExceptionGroup('g', [ValueError(1), TypeError('t')])\n"
        "  | ExceptionGroup: g (2 sub-exceptions)\n  +-+---------------- 1 ----------------\n    | ValueError: 1\n"
        "    +---------------- 2 ----------------\n    | TypeError: t\n    +------------------------------------\n",
    ),
    ("class E(Exception):\n    def __str__(self): 1 / 0\nraise E", "E", "<exception str() failed>",
     'Traceback (most recent call last):\n  File "<string>", line 3, in <module>\n    raise E\n'
     "E: <exception str() failed>\n"),
    ("e = ValueError('x')\ne.add_note('a note')\nraise e", "ValueError", "x",
     'Traceback (most recent call last):\n  File "<string>", line 3, in <module>\n    raise e\n'
     "ValueError: x\na note\n"),
    ("x = 1\ny = (\n", "SyntaxError", "'(' was never closed (<string>, line 2)",
     '  File "<string>", line 2\n    y = (\nSyntaxError: \'(\' was never closed\n'),
    ("x = 1\n  y = 2\n", "IndentationError", "unexpected indent (<string>, line 2)",
     '  File "<string>", line 2\n    y = 2\nIndentationError: unexpected indent\n'),
    ("x = 1\nreturn 3\n", "SyntaxError", "'return' outside function (<string>, line 2)",
     '  File "<string>", line 2\n    return 3\nSyntaxError: \'return\' outside function\n'),
    ("exec('1 / 0')", "ZeroDivisionError", "division by zero",
     'Traceback (most recent call last):\n  File "<string>", line 1, in <module>\n    exec(\'1 / 0\')\n'
     '  File "<string>", line 1, in <module>\nZeroDivisionError: division by zero\n'),
]  # fmt: skip


@pytest.mark.parametrize(("code", "kind", "message", "text"), TRACEBACKS, ids=range(len(TRACEBACKS)))
def test_traceback(run: Any, python_version: tuple[int, int], code: str, kind: str, message: str, text: str) -> None:
    if code.startswith("exec"):
        # The inner code shares the name of the program, whose first line is what linecache knows under it.
        text = text.replace("line 1, in <module>\nZero", "line 1, in <module>\n    exec('1 / 0')\nZero")
    result = run(code)
    assert (result.outcome, result.exit_code, result.value) == (Outcome.EXITED, 1, None)
    assert (result.error.type, result.error.message) == (kind, message)
    assert bare(result.stderr) == text
    assert result.error.traceback == result.stderr


def test_traceback_names_the_file_given(run: Any, folder: Path) -> None:
    assert run("1 / 0", filename="answer.py").stderr.splitlines()[1] == '  File "answer.py", line 1, in <module>'
    script = folder / "prog.py"
    script.write_text("\n\nimport json\njson.loads('{')\n")
    result = run(script=script)
    assert result.stderr.splitlines()[1:3] == ['  File "/prog.py", line 4, in <module>', "    json.loads('{')"]
    assert (result.error.type, result.stderr.count("wasihost")) == ("json.decoder.JSONDecodeError", 0)


def test_traceback_of_a_source_in_latin_1(run: Any) -> None:
    result = run(b"# -*- coding: latin-1 -*-\nx = '\xe9'\nprint(x)\nraise ValueError('\xe8') # \xea\n")
    assert (result.stdout, result.error.message) == ("é\n", "è")
    assert bare(result.stderr).splitlines()[-2:] == ["    raise ValueError('è') # ê", "ValueError: è"]


@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b"\r"])
def test_every_kind_of_line_end(run: Any, newline: bytes) -> None:
    result = run(newline.join([b"x = 1", b"print(x)", b"1 / 0", b""]))
    assert result.stdout == "1\n"
    assert bare(result.stderr).splitlines()[1:3] == ['  File "<string>", line 3, in <module>', "    1 / 0"]


def test_a_byte_order_mark_is_skipped(run: Any) -> None:
    assert run(b"\xef\xbb\xbfprint('bom')").stdout == "bom\n"


def test_an_exception_hook_of_the_program(run: Any) -> None:
    hook = "import sys\ndef hook(kind, value, trace):\n    {}\nsys.excepthook = hook\nraise ValueError(3)"
    result = run(hook.format("print('HOOK', kind.__name__, value, trace.tb_lineno, file=sys.stderr)"))
    assert (result.exit_code, result.stderr, result.error.type) == (1, "HOOK ValueError 3 5\n", "ValueError")
    failing = run(hook.format("1 / 0"))
    text = bare(failing.stderr)
    assert text.startswith(
        'Error in sys.excepthook:\nTraceback (most recent call last):\n  File "<string>", line 3, in hook\n'
    )
    assert "\nOriginal exception was:\nTraceback (most recent call last):\n" in text
    assert text.endswith("ValueError: 3\n")
    assert "wasihost" not in text


def test_keyboard_interrupt_inside(run: Any) -> None:
    result = run("raise KeyboardInterrupt")
    assert (result.outcome, result.exit_code, result.error.type) == (Outcome.EXITED, 130, "KeyboardInterrupt")


def test_recursion_error(run: Any) -> None:
    result = run("def f(): f()\nf()")
    assert (result.exit_code, result.error.type) == (1, "RecursionError")
    assert "more times]\n" in result.stderr
    caught = run("def f(): f()\ntry:\n    f()\nexcept RecursionError:\n    print('caught')")
    assert caught.stdout == "caught\n"


@pytest.mark.parametrize(
    "code",
    [
        "x = []\nfor _ in range(100_000): x = [x]\nrepr(x)",
        "import json\njson.loads('[' * 100_000)",
        "x, y = [], []\nfor _ in range(100_000): x, y = [x], [y]\nx == y",
        "import pickle\nx = []\nfor _ in range(100_000): x = [x]\npickle.dumps(x)",
    ],
    ids=["repr", "json", "compare", "pickle"],
)
def test_recursion_error_in_native_code(run: Any, code: str) -> None:
    result = run(code)
    assert (result.outcome, result.exit_code, result.error.type) == (Outcome.EXITED, 1, "RecursionError")


@pytest.mark.parametrize(
    ("program", "kind", "message"),
    [
        ("raise ValueError(chr(0x1F600) * 10**6)", "ValueError", "\U0001f600" * 65536),
        ("raise type('A' * 10**7, (Exception,), {})('short')", "A" * 1024, "short"),
    ],
    ids=["emoji", "long name"],
)
def test_texts_that_grow_in_the_reply_are_cut_not_lost(run: Any, program: str, kind: str, message: str) -> None:
    result = run(program, limits=Limits(output_bytes=1 << 26))
    assert (result.outcome, result.exit_code) == (Outcome.EXITED, 1)
    assert (result.error.type, result.error.message) == (kind, message)


def test_an_exception_of_ten_megabytes_does_not_break_the_reply(run: Any) -> None:
    result = run("raise ValueError('x' * 10_000_000)", limits=Limits(output_bytes=2**25))
    assert (result.error.type, result.error.message) == ("ValueError", "x" * 65536)
    assert len(result.error.traceback) < 300_000


KNOWN: list[tuple[str, dict[tuple[int, int], tuple[Outcome, str]]]] = [
    # Freeing a chain longer than the native stack is deep. CPython 3.15 measures its stack by the part that lies
    # in linear memory, which this recursion does not use.
    (
        "x = None\nfor _ in range(100_000): x = [x]\nx = None\nprint('end', flush=True)",
        {(3, 15): (Outcome.GUEST_CRASHED, "")},
    ),
    # A comparison that calls Python that compares: 3.11 and 3.12 count Python's frames only.
    (
        "class A:\n    def __lt__(self, other): return sorted([A(), A()])\n"
        "try:\n    sorted([A(), A()])\nexcept RecursionError:\n    print('end', flush=True)",
        {(3, 12): (Outcome.GUEST_CRASHED, ""), (3, 11): (Outcome.GUEST_CRASHED, "")},
    ),
]


@pytest.mark.parametrize(("code", "different"), KNOWN, ids=["long chain", "nested comparisons"])
def test_known_differences(
    run: Any, python_version: tuple[int, int], code: str, different: dict[tuple[int, int], tuple[Outcome, str]]
) -> None:
    result = run(code)
    assert (result.outcome, result.stdout) == different.get(python_version, (Outcome.EXITED, "end\n"))
