"""Turns that break what they can reach: the next one works, or its result says exactly why not."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from wasihost import Limits, Outcome, RunResult, Sandbox, Scratch, Session

MENDED = "put back after an earlier turn removed or closed it: "
LIMITS = Limits(deadline_seconds=20.0)


class Bad(NamedTuple):
    """A turn, how it ends, and what the next one says on standard error; "" is nothing.

    `error` is the type of the exception that ends it.
    """

    code: str
    error: str | None = None
    exit_code: int = 0
    next_stderr: str = ""


BAD: dict[str, Bad] = {
    # -- nothing that could be run
    "syntax": Bad("def f(:\n  pass", "SyntaxError", 1),
    "indentation": Bad("if 1:\nx", "IndentationError", 1),
    "unclosed text": Bad("x = '''", "SyntaxError", 1),
    "return": Bad("return 1", "SyntaxError", 1),
    "too nested": Bad("(" * 500 + ")" * 500, "SyntaxError|MemoryError", 1),
    "nothing": Bad(""),
    # -- builtins
    "builtins deleted": Bad(
        "import builtins\nfor name in ('len', 'isinstance', 'print', 'repr'): delattr(builtins, name)",
        next_stderr=MENDED + "builtins.isinstance, builtins.len, builtins.print, builtins.repr\n",
    ),
    "builtins emptied": Bad("import builtins; vars(builtins).clear()", next_stderr="*" + MENDED),
    "builtins of the program replaced": Bad("__builtins__ = {}"),
    "builtins out of reach": Bad("import sys; sys.modules.pop('builtins')"),
    # -- standard streams
    "stdout None": Bad("import sys; sys.stdout = None", next_stderr=MENDED + "sys.stdout\n"),
    "stdout closed": Bad("import sys; sys.stdout.close()", next_stderr=MENDED + "sys.stdout\n"),
    "stdout deleted": Bad("import sys; del sys.stdout", next_stderr=MENDED + "sys.stdout\n"),
    "stdout is a number": Bad("import sys; sys.stdout = 5", next_stderr=MENDED + "sys.stdout\n"),
    "buffer closed": Bad("import sys; sys.__stdout__.buffer.close()", next_stderr=MENDED + "sys.stdout\n"),
    "buffer detached": Bad("import sys; b = sys.stdout.detach()", next_stderr=MENDED + "sys.stdout\n"),
    "stderr None": Bad("import sys; sys.stderr = None", next_stderr=MENDED + "sys.stderr\n"),
    "stderr closed": Bad("import sys; sys.stderr.close()", next_stderr=MENDED + "sys.stderr\n"),
    "streams deleted": Bad(
        "import sys; del sys.stdout, sys.stderr, sys.stdin, sys.__stdout__, sys.__stderr__, sys.__stdin__",
        next_stderr=MENDED + "sys.stdout, sys.stderr\n",
    ),
    "stdin closed": Bad("import sys; sys.stdin.close()"),
    "stdin deleted": Bad("import sys; del sys.stdin"),
    # -- what cannot be had
    "threads": Bad("import threading\nthreading.Thread(target=print).start()", "RuntimeError", 1),
    "processes": Bad("import subprocess; subprocess.run(['true'])", "OSError|ModuleNotFoundError", 1),
    "files left open": Bad("files = [open(f'/tmp/{n}', 'w') for n in range(50)]; files[3].write('unflushed')"),
    "files by number": Bad("import os; numbers = [os.open(f'/tmp/n{n}', os.O_CREAT | os.O_RDWR) for n in range(50)]"),
    "too many files": Bad("files = []\nwhile True: files.append(open('/tmp/x', 'w'))", "OSError", 1),
    # -- ends
    "exit": Bad("import sys; sys.exit(5)", None, 5),
    "exit with words": Bad("raise SystemExit('words')", None, 1),
    "exit in a function called at the end": Bad("import atexit; atexit.register(exit)", "NameError|"),
    "interrupt": Bad("raise KeyboardInterrupt", "KeyboardInterrupt", 130),
    "an exception whose text fails": Bad(
        "class E(Exception):\n    def __str__(self): raise ValueError\nraise E", "E", 1,
    ),
    "an exception without end": Bad("e = Exception(); e.__cause__ = e; raise e", "Exception", 1),
    "an exception of metaclass tricks": Bad(
        "class M(type):\n    def __getattribute__(c, n): raise SystemExit(3)\n"
        "class E(Exception, metaclass=M): pass\nraise E",
        "*", 1,
    ),
    "hook that fails": Bad("import sys; sys.excepthook = lambda *a: 1/0\n1/0", "ZeroDivisionError", 1),
    "hook removed": Bad("import sys; del sys.excepthook\n1/0", "ZeroDivisionError", 1),
    # -- recursion
    "recursion": Bad("def f(): f()\nf()", "RecursionError", 1),
    "recursion of methods": Bad("class A:\n    def __getattr__(self, n): return getattr(self, n + 'x')\nA().x",
                                "*", 1),
    "deep json": Bad("import json\nx = []\nfor _ in range(100_000): x = [x]\njson.dumps(x)", "RecursionError", 1),
    "deep repr": Bad("x = []\nfor _ in range(100_000): x = [x]\nx"),
    "deep value": Bad("x = []\nfor _ in range(900): x = [x]\nx"),
    "contains itself": Bad("x = []; x.append(x); x"),
    "deep comparison": Bad("x, y = [], []\nfor _ in range(100_000): x, y = [x], [y]\nx == y", "RecursionError", 1),
    "recursion limit of nearly nothing": Bad(
        "import sys\ntry: sys.setrecursionlimit(5)\nexcept RecursionError: sys.setrecursionlimit(30)",
        next_stderr="*" + MENDED + "sys.setrecursionlimit()",
    ),
    "recursion limit of much": Bad("import sys; sys.setrecursionlimit(10**6)"),
    # -- memory
    "memory in large pieces": Bad("pieces = []\nwhile True: pieces.append(bytearray(2**20))", "MemoryError", 1),
    "memory in one piece": Bad("x = bytearray(2**31 - 2)", "MemoryError", 1),
    "text": Bad("x = 'x' * 2**26\nwhile True: x += x", "MemoryError", 1),
    # -- the collector
    "collector off": Bad("import gc; gc.disable(); gc.set_threshold(0); gc.freeze()"),
    "collector's callbacks": Bad("import gc; gc.callbacks.append(lambda *a: 1/0); gc.collect()"),
    "last words": Bad("class D:\n    def __del__(self): 1/0\nd = D(); del d"),
    "objects of the collector": Bad(
        "import gc\nfor thing in gc.get_objects():\n    if type(thing) is list and thing is not gc.garbage:\n"
        "        try: thing.clear()\n        except Exception: pass", "*",
    ),
    # -- modules
    "modules emptied": Bad("import sys; sys.modules.clear()"),
    "modules replaced": Bad("import sys; sys.modules = {}", next_stderr=MENDED + "sys.modules\n"),
    "main removed": Bad("import sys; del sys.modules['__main__']"),
    "main replaced": Bad("import sys, types; sys.modules['__main__'] = types.ModuleType('other')"),
    "names of main": Bad("__name__ = 5; __spec__ = 6; __loader__ = 7; __file__ = 8; __doc__ = 9; _ = 10"),
    "path": Bad("import sys; sys.path = None; sys.meta_path.clear(); sys.path_hooks.clear()"),
    "codecs": Bad("import encodings\nvars(encodings).clear()"),
    "environment": Bad("import os; os.environ = None"),
    "working folder": Bad("import os; os.chdir('/tmp'); os.getcwd = None"),
    "event loop closed": Bad("import asyncio\nasync def f(): asyncio.get_running_loop().stop()\nawait f()", "*", 1),
    "event loop policy": Bad("import asyncio; asyncio.new_event_loop = asyncio.set_event_loop = None"),
    "task left": Bad(
        "import asyncio\nasync def f():\n    await asyncio.sleep(10)\nt = asyncio.ensure_future(f())", "*", 1,
    ),
    # -- tracing
    "trace": Bad("import sys\ndef t(*a): raise RuntimeError('trace')\nsys.settrace(t)", "*", 1),
    "profile": Bad("import sys\ndef t(*a): raise RuntimeError('profile')\nsys.setprofile(t)", "*", 1),
}  # fmt: skip

FILL = """
pieces, size = [], 2**24
while size > 64:
    try:
        pieces.append(bytearray(size))
    except MemoryError:
        size //= 2
"""

MODULES = ("json", "io", "asyncio", "linecache", "traceback", "random", "gc", "os", "codeop", "ast", "tokenize", "re")
"""What the code around turns was made with: none of it is there any more."""


@pytest.fixture(scope="module")
def sandbox(runtime: str) -> Iterator[Sandbox]:
    with Sandbox(runtime=runtime, workers=1, preopens=[Scratch("/tmp")], limits=LIMITS) as made:
        yield made


@pytest.fixture
def session(sandbox: Sandbox) -> Iterator[Session]:
    with sandbox.session() as made:
        made.run("keep_me = [41]\ndef double(n):\n    return 2 * n")
        yield made


def check_next_or_fallen(session: Session, runtime: str) -> None:
    """As `check_next`, after there was no memory: the build may have written to where nothing was, and fall later."""
    for code, value, stdout in (
        ("print('out'); keep_me[0] + 1", 42, "out\n"),
        ("import math\nprint('again')\ndouble(math.floor(2.5))", 4, "again\n"),
    ):
        result = session.run(code)
        if fell_over(result, runtime):
            return
        assert (result.value, result.stdout, result.stderr, result.error) == (value, stdout, "", None), result


def check_next(session: Session, *, stderr: str = "") -> RunResult:
    """The next turn prints, computes and has what was there before; return its result."""
    result = session.run("print('out'); keep_me[0] + 1")
    assert (result.outcome, result.exit_code, result.error) == (Outcome.EXITED, 0, None), result
    assert (result.value, result.text, result.stdout) == (42, "42", "out\n")
    if stderr.startswith("*"):
        assert stderr[1:] in result.stderr
    else:
        assert result.stderr == stderr
    after = session.run("import math\nprint('again')\ndouble(math.floor(2.5))")
    assert (after.value, after.stdout, after.stderr, after.error) == (4, "again\n", "", None), after
    return result


@pytest.mark.parametrize("name", BAD)
def test_the_next_turn_works(session: Session, name: str) -> None:
    bad = BAD[name]
    result = session.run(bad.code, filename="bad")
    if result.rolled_back:
        assert bad.error == "*", result
        assert result.detail
    elif bad.error != "*":
        found = None if result.error is None else result.error.type
        assert (found or "") in (bad.error or "").split("|"), result
        assert result.exit_code == bad.exit_code
        if result.error is not None:
            assert "<wasihost>" not in result.error.traceback
    check_next(session, stderr=bad.next_stderr)


@pytest.mark.parametrize("module", MODULES)
def test_modules_that_lose_everything(session: Session, module: str) -> None:
    code = f"import {module} as module\nfor name in list(vars(module)):\n    if name[:2] != '__': delattr(module, name)"
    assert session.run(code).error is None
    result = session.run("print('out'); keep_me[0] + 1")
    assert (result.value, result.stdout, result.stderr) == (42, "out\n", "")
    failed = session.run("x = 1\ndouble(1, 2)", filename="cell")
    assert failed.error is not None
    assert (failed.error.type, failed.exit_code) == ("TypeError", 1)
    assert failed.stderr.endswith(f"TypeError: {failed.error.message}\n")
    assert session.run("x = (").error is not None
    assert session.run("input()", stdin="line\n").value == "line"
    assert session.run("keep_me").value == [41]
    session.complete("keep")
    session.is_complete("x = (")
    fork = session.fork()
    assert fork.run("keep_me[0] + 1").value == 42
    fork.close()


def test_all_of_sys(session: Session) -> None:
    code = """
    import sys
    for name in list(vars(sys)):
        try: delattr(sys, name)
        except Exception: pass
    """
    assert session.run(textwrap.dedent(code)).error is None
    result = session.run("print('out'); keep_me[0] + 1")
    assert (result.value, result.stdout) == (42, "out\n")
    assert result.stderr == MENDED + "sys.modules, sys.stdout, sys.stderr\n"
    assert session.run("double(3)").value == 6
    error = session.run("import sys; sys.path").error
    assert error is not None
    assert error.type == "AttributeError"


# -- what is the program's own decision stays --------------------------------------------------------------------------


def test_replaced_builtins_fail_in_the_program_only(session: Session) -> None:
    assert session.run("import builtins; builtins.len = builtins.isinstance = builtins.eval = None").error is None
    error = session.run("len([])").error
    assert error is not None
    assert (error.type, error.message) == ("TypeError", "'NoneType' object is not callable")
    assert session.run("keep_me[0] + 1").value == 42
    assert session.run("del builtins.len, builtins.isinstance, builtins.eval").error is None
    check_next(session, stderr=MENDED + "builtins.eval, builtins.isinstance, builtins.len\n")


def test_own_streams_stay(session: Session) -> None:
    assert session.run("import io, sys; sys.stdout = own = io.StringIO(); print('one')").stdout == ""
    result = session.run("print('two'); keep_me")
    assert (result.value, result.stdout, result.stderr) == ([41], "", "")
    assert session.run("own.getvalue()").value == "one\ntwo\n"
    assert session.run("own.close()").error is None
    check_next(session, stderr=MENDED + "sys.stdout\n")


def test_a_stream_that_fails_says_so(session: Session) -> None:
    code = (
        "class W:\n    closed = False\n    def write(self, text): raise ValueError('no room')\n    def flush(self): 1/0"
    )
    assert session.run(code + "\nimport sys; sys.stdout = sys.stderr = W()").error is None
    result = session.run("print('x')")
    assert result.error is not None
    assert (result.error.type, result.error.message) == ("ValueError", "no room")
    assert session.run("keep_me").value == [41]
    assert session.run("sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__").error is None
    check_next(session)


def test_closed_descriptors_are_told(session: Session) -> None:
    assert session.run("import os; os.close(1)").error is None
    result = session.run("print('lost'); keep_me")
    assert (result.value, result.exit_code, result.stdout) == ([41], 120, "")
    assert result.stderr == "standard output could not be written: its descriptor was closed\n"
    result = session.run("print('lost')")
    assert result.error is not None
    assert result.error.type == "OSError"
    result = session.run("keep_me")
    assert (result.value, result.exit_code, result.stderr) == ([41], 0, "")
    assert session.run("os.close(2); os.close(0)").error is None
    assert session.run("keep_me").value == [41]


def test_an_interpreter_beyond_repair_says_so(session: Session) -> None:
    """Nobody can take an audit hook away: each turn that follows is refused by it."""
    code = "import sys\ndef hook(event, arguments): raise RuntimeError(event)\nsys.addaudithook(hook)"
    result = session.run(code)
    if result.rolled_back:
        check_next(session)
        return
    for _ in range(2):
        result = session.run("keep_me")
        assert (result.outcome, result.rolled_back) == (Outcome.GUEST_CRASHED, True)
        assert result.detail == (
            "the program left the interpreter broken; an earlier turn left the interpreter so that no turn can be made "
            "in this session any more"
        )
    assert session.is_complete("x = (").status == "complete"  # it cannot tell
    assert session.is_open


def test_a_turn_that_breaks_the_interpreter_at_once_is_undone(session: Session) -> None:
    for code in (
        "import sys\ng = sys._getframe(1).f_globals\ng.clear()",
        "import sys\ng = sys._getframe(1).f_globals\ng['session'] = g['give_reply'] = None",
        "import sys\ng = sys._getframe(1).f_globals\ng['encode_reply'] = lambda *a: 1/0",
    ):
        result = session.run("keep_me.append(1)\n" + code)
        assert (result.outcome, result.rolled_back) == (Outcome.GUEST_CRASHED, True), code
        assert result.detail in (
            "the interpreter came back without a reply",
            "the program left the interpreter broken",
            "the interpreter's reply makes no sense",
        )
        check_next(session)


def test_memory_filled_to_the_last_byte(session: Session, runtime: str) -> None:
    first = session.run(FILL)
    if fell_over(first, runtime):
        assert first.rolled_back
        check_next(session)
        return
    assert (first.outcome, first.error, first.rolled_back) == (Outcome.EXITED, None, False)
    for _ in range(3):
        result = session.run("keep_me[0] + 1")
        assert result.value == 42 or fell_over(result, runtime), result
    fork = session.fork()
    for one in (fork, session):
        result = one.run("pieces = None; keep_me[0] + 1")
        if not fell_over(result, runtime):
            assert result.value == 42
            check_next_or_fallen(one, runtime)
    fork.close()


def fell_over(result: RunResult, runtime: str) -> bool:
    """Whether the build itself does not stand it that there is no memory: this one's C code does not look."""
    said = result.outcome is Outcome.GUEST_CRASHED and result.detail.startswith("memory was accessed out of bounds")
    return runtime == "cpython-3.15" and said


def test_a_turn_that_leaves_no_memory_for_another_is_undone(session: Session, runtime: str) -> None:
    first = session.run(FILL)
    if fell_over(first, runtime):
        assert first.rolled_back
        check_next(session)
        return
    assert first.error is None
    assert session.run("len(pieces)").value is not None or runtime == "cpython-3.15"
    result = session.run(FILL.replace("pieces", "more"))
    if not fell_over(result, runtime):
        assert (result.outcome, result.rolled_back) == (Outcome.GUEST_CRASHED, True)
        assert result.stderr.endswith("the turn left no memory in which another one could be made\n")
        result = session.run("pieces = None; 'more' in globals()")
        if not fell_over(result, runtime):
            assert result.value is False
            check_next_or_fallen(session, runtime)


def test_open_files_when_there_is_no_memory_to_list_them(session: Session, runtime: str) -> None:
    code = """
    f = open('/tmp/f', 'w'); f.write('x'); f.flush()
    things = []
    try:
        while True: things.append([])
    except MemoryError:
        pass
    """
    first = session.run(textwrap.dedent(code), limits=Limits(memory_bytes=128 * 2**20, deadline_seconds=20.0))
    assert (first.outcome, first.error, first.rolled_back) == (Outcome.EXITED, None, False)
    result = session.run("keep_me[0] + 1")
    if not fell_over(result, runtime):
        assert result.value == 42
        assert session.run("things = None; f.write('y'); f.close(); open('/tmp/f').read()").value == "xy"
        check_next(session)


def test_coding_lines_and_long_sources(session: Session) -> None:
    assert session.run(b"# -*- coding: latin-1 -*-\nx = '\xe9'\nx").value == "é"
    assert session.run("\ufeffx = 5\nx").value == 5
    assert session.run("x = 0\n" + "x += 1\n" * 20_000 + "x").value == 20_000
    error = session.run("x = 0\n" + "x += 1\n" * 20_000 + "1/0").error
    assert error is not None
    assert "line 20002" in error.traceback
    assert session.run("'" + "y" * 3_000_000 + "'[:5]").value == "yyyyy"
    check_next(session)


def test_inputs_that_hide_what_is_needed(session: Session) -> None:
    hidden: dict[str, Any] = {"print": 1, "len": 2, "_": 3, "display": 4, "sys": 5}
    assert session.run("len + _", inputs=hidden).value == 5
    assert session.run("del print, len, _, display, sys").error is None
    check_next(session)
