"""A program cut where its last statement begins means what it meant: same output, value, errors and lines."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import inspect
import io
import traceback
import warnings
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import wasihost

FILE = Path(wasihost.__file__).parent / "guest" / "compiling.py"


def names() -> dict[str, Any]:
    import __future__

    flags = 0
    for feature in __future__.all_feature_names:
        flags |= getattr(__future__, feature).compiler_flag
    space: dict[str, Any] = {"future_flags": flags}
    exec(compile(FILE.read_text(encoding="utf-8"), "<wasihost>", "exec"), space)
    return space


GUEST = names()


def outcome(compiled: Any, source: bytes, flags: int = 0) -> tuple[Any, ...]:
    """What it comes to: output, value, error with its lines, names that are left."""
    space: dict[str, Any] = {"__name__": "__main__", "__builtins__": __builtins__}
    out, value, error = io.StringIO(), None, None
    try:
        codes = compiled(source, "program.py", flags)
        with contextlib.redirect_stdout(out):
            for code in codes:
                value = eval(code, space)
                if code.co_flags & inspect.CO_COROUTINE:
                    value = asyncio.run(value)
    except Exception as caught:
        said = caught.args if not isinstance(caught, SyntaxError) else (caught.msg, caught.lineno, caught.offset)
        lines = [frame.lineno for frame in traceback.extract_tb(caught.__traceback__) if frame.filename == "program.py"]
        error = (type(caught), said, lines)
    kept = {name: repr(thing).split(" at 0x")[0] for name, thing in space.items() if name != "__builtins__"}
    return out.getvalue(), repr(value).split(" at 0x")[0], error, kept


def warned(compiled: Any, source: bytes, flags: int) -> list[tuple[str, int]]:
    with warnings.catch_warnings(record=True) as heard, contextlib.suppress(Exception):
        warnings.simplefilter("always")
        compiled(source, "program.py", flags)
    return sorted((str(warning.message), warning.lineno) for warning in heard)


def check(source: str, flags: int = 0) -> tuple[Any, ...]:
    raw = source.encode()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = outcome(GUEST["compile_program"], raw, flags)
        assert found == outcome(GUEST["compile_tree"], raw, flags), source
    assert warned(GUEST["compile_program"], raw, flags) == warned(GUEST["compile_tree"], raw, flags)
    return found


def value_of(source: str) -> str:
    return str(check(source)[1])


def is_cut(source: str) -> bool:
    """Whether it takes the fast way, and so no tree of more than its last statement is made."""
    trees = []

    def counted(*given: Any) -> Any:
        trees.append(given)
        return make(*given)

    make, GUEST["compile_tree"] = GUEST["compile_tree"], counted
    try:
        GUEST["compile_program"](source.encode(), "program.py")
    finally:
        GUEST["compile_tree"] = make
    return not trees


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("1 + 1", "2"),
        ("x = 1\nx + 1", "2"),
        ("x = 1\nx + 1\n\n# the end\n", "2"),
        ("def f(a):\n    return a\n\nf(\n    5\n)", "5"),
        ("def f(a):\n    return a\n\nf(\n5\n)\n", "5"),
        ("x = 3\nprint(x)\nx", "3"),
        ("if 1:\n    pass\n'text'", "'text'"),
        ("a = [1, 2]\nsorted(a)[0]  # comment", "1"),
        ("x = 1\n(x ==\n1)", "True"),
        ("x = 'a'\nx", "'a'"),
        ("x = 1\nnot x", "False"),
        ("x = 1\nlambda: x", "<function <lambda>"),
        ("x = 2\n[x for x in range(x)]", "[0, 1]"),
        ("x = 1\n(y := x + 4)", "5"),
        ("from __future__ import annotations\nx: foo = 1\nx", "1"),
        ("x = 1;x", "1"),
        ("x = 1\nx; x + 1", "2"),
        ("x = 2\nx = 3", "None"),
        ("x = 2\nx += 3", "None"),
        ("x = [1]\nx[0] = 3", "None"),
        ("for i in range(3):\n    i", "None"),
        ("if True:\n    1\nelse:\n    2", "None"),
        ("if False:\n    1\nelif True:\n    2\n", "None"),
        ("try:\n    1\nfinally:\n    2\n", "None"),
        ("x = 1\ntry:\n    1 / 0\nexcept ZeroDivisionError:\n    x = 2\n", "None"),
        ("", "None"),
        ("# nothing\n", "None"),
        ("\n\n5\n", "5"),
        ("#!/usr/bin/env python\nprint(1)\n", "None"),
        ('"""text"""', "'text'"),
        ('x = 1\n"""two\nlines"""', "'two\\nlines'"),
        ('x = """\nif 1"""\nx', "'\\nif 1'"),
        ('str("""\nif x""")', "'\\nif x'"),
        ("[a\nfor a in [1]]", "[1]"),
        ("x = 1 + \\\n2", "None"),
        ("x = 1\nx + \\\n2", "3"),
        ("def f():\n    pass\n@staticmethod\ndef g(): pass\n", "None"),
        ("x = {\n'a': 1\n}\nx['a']", "1"),
        ("# coding: latin-1\nx = 'a'\nx", "'a'"),
        ("x = 1\r\nx\r\n", "1"),
        ("x: int = 1\ny: int = 2", "None"),
        ("x: int = 1\nif x:\n    y: int = 2", "None"),
        ("x: int = 1\nx", "1"),
        ("x = 1\n'text'; print(__doc__)", "None"),
        ("'text'; print(__doc__)", "None"),
        ("x = 5\nx\n\\", "None"),
        ("a = 1000\nif a is 1000: print('same')", "None"),
    ],
)
def test_values(source: str, value: str) -> None:
    assert value_of(source).startswith(value)


@pytest.mark.parametrize(
    "source",
    [
        "x = (",
        "x = 1\n)",
        "x = 1\n  y = 2",
        "x = 1\nx y",
        "x = 'open\nx",
        'x = """open\nx',
        "def f():\nx",
        "x = 1\nglobal x",
        "x = 1\nif x:\n    global x",
        "x = 1\nfrom __future__ import annotations",
        "x = 1\nreturn 5",
        "x = 1\nelse: 5",
        "x = 1 + \\\n",
        "@f\n1",
        "for x in y:",
        "print 1",
        "x = 1\nprint x",
    ],
)
def test_errors_are_those_of_the_whole(source: str) -> None:
    with pytest.raises(SyntaxError) as whole:
        compile(source, "program.py", "exec", dont_inherit=True)
    assert check(source)[2] == (whole.type, (whole.value.msg, whole.value.lineno, whole.value.offset), [])


AWAITING = [
    "await asyncio.sleep(0)\n5",
    "await asyncio.sleep(0)\nfor i in [1]: asyncio.create_task(asyncio.sleep(0))",
    "x = 1\nif x:\n    await asyncio.sleep(0)\n",
    "v = contextvars.ContextVar('v')\nawait asyncio.sleep(0)\nv.set(1)\nif 1:\n    w = v.get()",
    "x = await asyncio.sleep(0, 5)\nx",
    "x = 1\nawait asyncio.sleep(0, 5)",
    "async def f(): return asyncio.current_task()\nx = await f()\nif 1:\n    y = asyncio.current_task() is x\nx = 0",
]


@pytest.mark.parametrize("source", AWAITING)
def test_what_awaits_at_top_level_is_one_coroutine(source: str) -> None:
    assert check(f"import asyncio, contextvars\n{source}", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)[2] is None


def test_lines_of_errors_are_those_of_the_program() -> None:
    assert check("x = 1\n\n\nx / 0")[2] == (ZeroDivisionError, ("division by zero",), [4])
    assert check("def f():\n    return 1 / 0\n\nx = 1\n\nif x:\n    f()\n")[2][2] == [7, 2]


@pytest.mark.parametrize(
    ("source", "cut"),
    [
        ("print(1)", True),
        ("x = 1\nprint(x)\n", True),
        ("def f():\n    pass\n\nif __name__ == '__main__':\n    f()\n", True),
        ("x = 1\n\n@property\ndef f(): pass\n", True),
        ("x = 1\nprint('a\\tb')", True),
        ("for i in range(3):\n    print(i)\n", False),
        ("x = 1\r\nx", False),
        ("def f():\n    global x\nx = 1", False),
    ],
)
def test_common_programs_need_no_tree(source: str, cut: bool) -> None:
    check(source)
    assert is_cut(source) == cut


def test_code_of_later_parts_knows_what_was_imported_from_the_future() -> None:
    found = GUEST["compile_program"](b"from __future__ import annotations\nif 1:\n    def f(a: b): pass\n", "x", 0)
    assert all(code.co_flags & GUEST["future_flags"] for code in found)
    found = check("from __future__ import annotations\ndef f(a: missing): pass\nf.__annotations__")
    assert found[1] == "{'a': 'missing'}"
    found = check(
        "from __future__ import annotations\nif 1:\n    def f(a: missing): pass\nf.__annotations__\nif 1:\n    g = 1"
    )
    assert found[2] is None
    found = check(
        "from __future__ import annotations\nx = 1\nif 1:\n    def f(a: missing): pass\n    print(f.__annotations__)"
    )
    assert found[0] == "{'a': 'missing'}\n"


@pytest.mark.parametrize(
    "source",
    [
        "x = 1\nprint('\\d'); x",
        "x = '\\d'\nx",
        "'\\d'\n@str\ndef f(): pass",
        "x = 1\n'\\d'",
        "if 1:\n    '\\d'",
        "x = 1 is 1\nif x:\n    y: int = 2",
        "x = 1\nprint(1if x else 2); print(2)",
    ],
)
def test_it_is_warned_once(source: str) -> None:
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        GUEST["compile_program"](source.encode(), "program.py")
    assert len(heard) == 1


LINES = st.sampled_from(
    """\
x = 1|y = 2; x = y|print(1)|x|x + 1|if 1:|else:|    x = 3|    print(x)|    pass|def f(a=1):|    return a|f()|class A:
    b = 1|A.b|try:|except Exception:|finally:|for i in range(2):|while False:|'text'|\"\"\"|\'\'\'|(|)|[1,|2]|x = [|]
# note||@f|lambda: 1|x: int = 1|global x|1 / 0|missing|import math|math.pi|with open:|del x|raise ValueError(x)|print(
x if x else 2|x == 1|x['a'] = 1|x.b = 1|x += 1|assert x|...|\tx|é = 1|é|\\|x = \\|match x:|    case 1: y = 1|not x
from math import *|x = yield|await x|(y := 2)|f'{x}'|f'{x'|:|elif x:|return|type x = 1|nonlocal x|    global x
    y: int = 1|async def g(): 1|'text'; x|if x is 1: y = 2|x = 1 is 1|print(1if x else 2); x
    await g()|'\\d'|x = '\\d'
""".replace("\n", "|").split("|")
)


@given(st.lists(LINES, max_size=12), st.booleans())
@settings(max_examples=1000, deadline=None)
def test_any_lines_mean_what_they_mean_as_a_whole(lines: list[str], ends: bool) -> None:
    source = "\n".join(lines) + "\n" * ends
    check(source)
    check(source, ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


@given(st.binary(max_size=40))
@settings(max_examples=300, deadline=None)
def test_any_bytes_mean_what_they_mean_as_a_whole(source: bytes) -> None:
    assert outcome(GUEST["compile_program"], source)[2] == outcome(GUEST["compile_tree"], source)[2]


@pytest.mark.parametrize(
    "source", [b"(" * 200_000, b"a" * 2_000_000, b"a\n" * 200_000, b"#" * 1_000_000, b" " * 1_000_000]
)
def test_large_programs_are_looked_through_once(source: bytes) -> None:
    import time

    started = time.process_time()
    GUEST["needs_tree"](source)
    GUEST["is_statement"](source, GUEST["last_statement"](source))
    assert time.process_time() - started < 1, "the time to find the last statement is more than linear"
