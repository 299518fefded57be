"""Programs that want too much memory or stack: a clear end, the host alive, the next run clean."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wasihost import Limits, Outcome, RunResult, run_wasm_python

Run = Callable[..., RunResult]

CAP = 64 * 2**20
MEMORY = {
    "bytearray": ("bytearray(2**30)", "print(len(bytearray(2**20)))", "1048576\n"),
    "bytes": ("b'x' * 2**30", "print(len(b'x' * 2**20))", "1048576\n"),
    "list": ("[None] * 2**29", "print(len([None] * 2**10))", "1024\n"),
    "string": ("x = 'x'\nwhile True: x += x", "x = 'x'\nfor _ in range(10): x += x\nprint(len(x))", "1024\n"),
    "dict": ("d = {}\nfor i in range(10**9): d[i] = [i]", "print(len({i: [i] for i in range(100)}))", "100\n"),
    "repeated repr": ("x = 'x' * 2**20\nfor _ in range(20): x = repr([x, x])", "print(repr(['x']))", "['x']\n"),
    "shift": ("1 << 2**33 - 1", "print(1 << 10)", "1024\n"),
    "decompression": (
        "import zlib\nzlib.decompress(zlib.compress(b'x'), bufsize=2**30)",
        "import zlib\nprint(zlib.decompress(zlib.compress(b'x'), bufsize=2**10))",
        "b'x'\n",
    ),
}

NEST = "x = []\nfor _ in range(100000): x = [x]\n"
RAISES = {
    "repr": (NEST + "repr(x)", "RecursionError"),
    "json dumps": ("import json\n" + NEST + "json.dumps(x)", "RecursionError"),
    "json loads": ("import json\njson.loads('[' * 100000)", "RecursionError"),
    "pickle": ("import pickle\n" + NEST + "pickle.dumps(x)", "RecursionError"),
    "deepcopy": ("import copy\n" + NEST + "copy.deepcopy(x)", "RecursionError"),
    "marshal": ("import marshal\n" + NEST + "marshal.dumps(x)", "ValueError"),
    "literal_eval": ("import ast\nast.literal_eval('(' * 100000 + ')' * 100000)", "MemoryError"),
    "eval": ("eval('(' * 150 + ')' * 150)", "MemoryError"),
    "compile": ("compile('-' * 100000 + '1', '', 'eval')", "MemoryError"),
    "recursion": ("def f(): f()\nf()", "RecursionError"),
    "comparison": (NEST + "y = x\n" + NEST + "x == y", "RecursionError"),
}
"""Name -> (program, the exception that ends it)."""

CRASHES = {
    "abort": "import os\nos.abort()",
    "signal": "import faulthandler\nfaulthandler._sigsegv()",
}

ANY_END = {Outcome.EXITED, Outcome.GUEST_CRASHED, Outcome.OUT_OF_FUEL, Outcome.OUTPUT_LIMIT}
"""What forged bytecode can come to: it may do anything inside, but the host never fails for it."""
FORGED = Limits(fuel=300_000_000, deadline_seconds=20.0, memory_bytes=CAP)


def check_clean(run: Run) -> None:
    assert run("print(6 * 7)").stdout == "42\n"


@pytest.mark.parametrize("name", MEMORY)
def test_memory_error(run: Run, name: str) -> None:
    program, twin, printed = MEMORY[name]
    limits = Limits(memory_bytes=CAP, deadline_seconds=30.0)
    result = run(program, limits=limits)
    assert (result.outcome, result.exit_code) == (Outcome.EXITED, 1), result
    assert result.error is not None
    assert result.error.type == "MemoryError"
    assert result.memory_peak_bytes <= CAP
    result = run(twin, limits=limits)
    assert (result.outcome, result.exit_code, result.stdout) == (Outcome.EXITED, 0, printed)


@pytest.mark.parametrize("cap", [CAP, CAP + 65536, CAP + 65537])
def test_growth_in_small_steps_stops_exactly_at_the_cap(run: Run, cap: int) -> None:
    result = run("l = []\nwhile True: l.append(bytearray(60000))", limits=Limits(memory_bytes=cap))
    assert result.error is not None
    assert (result.error.type, result.memory_peak_bytes) == ("MemoryError", cap // 65536 * 65536)


def test_memory_error_can_be_survived(run: Run) -> None:
    result = run(
        "l = []\ntry:\n  while True: l.append(bytearray(60000))\n"
        "except MemoryError:\n  n = len(l); l.clear()\nprint(n > 100)",
        limits=Limits(memory_bytes=CAP),
    )
    assert (result.exit_code, result.stdout) == (0, "True\n")


@pytest.mark.parametrize("name", RAISES)
def test_deep_structures_raise(run: Run, name: str) -> None:
    program, kind = RAISES[name]
    result = run(program, limits=Limits(deadline_seconds=30.0))
    assert (result.outcome, result.exit_code) == (Outcome.EXITED, 1), result
    assert result.error is not None
    assert result.error.type == kind
    twin = program.replace("100000", "10").replace("150", "10").replace("f(): f()", "f(): pass")
    result = run(twin.replace("' * 10 + ')'", "' * 10 + '1' + ')'").replace("'[' * 10", "'[' * 10 + ']' * 10"))
    assert (result.outcome, result.exit_code) == (Outcome.EXITED, 0), result


def test_generator_chain(run: Run, runtime: str) -> None:
    result = run("def g(n):\n  if n: yield from g(n - 1)\nlist(g(10**6))")
    if runtime == "cpython-3.11":  # it does not count such frames, and its own stack overflows first
        assert (result.outcome, result.detail) == (Outcome.GUEST_CRASHED, "memory was accessed out of bounds")
    else:
        assert result.error is not None
        assert result.error.type == "RecursionError"
    assert run("def g(n):\n  if n: yield from g(n - 1)\nprint(list(g(10)))").stdout == "[]\n"


def test_raised_recursion_limit(run: Run, runtime: str) -> None:
    program = "import sys\nsys.setrecursionlimit(10**9)\nclass A:\n  def __repr__(self): return repr(self)\nrepr(A())"
    result = run(program)
    if runtime == "cpython-3.15":
        assert result.error is not None
        assert result.error.type == "RecursionError"
    else:
        assert (result.outcome, result.detail) == (Outcome.GUEST_CRASHED, "memory was accessed out of bounds")
    check_clean(run)


@pytest.mark.parametrize("name", CRASHES)
def test_crash_is_an_outcome(run: Run, name: str) -> None:
    result = run(CRASHES[name])
    assert (result.outcome, result.exit_code) == (Outcome.GUEST_CRASHED, None)
    assert result.detail.startswith("unreachable code was reached")
    check_clean(run)


@pytest.mark.parametrize("stack_bytes", [256 * 1024, 64 * 1024])
def test_host_thread_with_a_small_stack(run: Run, stack_bytes: int) -> None:
    results: list[RunResult] = []

    def recurse() -> None:
        results.append(run("def f(n): return n and f(n - 1)\nprint(f(100))\nf(10**6)"))
        results.append(run(RAISES["repr"][0]))

    before = threading.stack_size(stack_bytes)
    try:
        thread = threading.Thread(target=recurse)
        thread.start()
    finally:
        threading.stack_size(before)
    thread.join()
    assert [(result.outcome, result.exit_code) for result in results] == [(Outcome.EXITED, 1)] * 2
    assert results[0].stdout == "0\n"
    assert {result.error.type for result in results if result.error} == {"RecursionError"}


def test_forged_code(runtime: str) -> None:
    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(code=st.binary(min_size=2, max_size=120), names=st.integers(0, 3))
    def forged(code: bytes, names: int) -> None:
        program = (
            "def f(a=1, b='x'):\n  g = lambda: a\n  return len([a, b, g])\n"
            f"names = ('len', 'f', 'print')[:{names}]\n"
            f"f.__code__ = f.__code__.replace(co_code={code + bytes(len(code) % 2)!r}, co_names=names)\n"
            "try: f()\nexcept BaseException: pass\n"
        )
        result = run_wasm_python(program, runtime=runtime, limits=FORGED)
        assert result.outcome in ANY_END, result

    forged()
    check_clean(lambda code: run_wasm_python(code, runtime=runtime))


def test_forged_marshal_data(runtime: str) -> None:
    @settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(data=st.binary(max_size=200), seed=st.integers(0, 2**32))
    def forged(data: bytes, seed: int) -> None:
        program = (
            "import marshal, random\n"
            f"for data in ({data!r}, marshal.dumps(compile('x = [i for i in range(3)]', '', 'exec'))):\n"
            f"  r = random.Random({seed}); data = bytearray(data)\n"
            "  for _ in range(3):\n    if data: data[r.randrange(len(data))] = r.randrange(256)\n"
            "  try: exec(marshal.loads(data))\n  except BaseException: pass\n"
        )
        result = run_wasm_python(program, runtime=runtime, limits=FORGED)
        assert result.outcome in ANY_END, result

    forged()
    check_clean(lambda code: run_wasm_python(code, runtime=runtime))


def test_code_object_made_from_nothing(run: Run) -> None:
    program = (
        "import types\nC = type((lambda: 0).__code__)\n"
        "c = (lambda: 0).__code__\nc = c.replace(co_code=bytes([100, 255] * 50), co_stacksize=0, co_varnames=())\n"
        "try: print(types.FunctionType(c, {})())\nexcept BaseException: print('raised')"
    )
    assert run(program, limits=FORGED).outcome in ANY_END
    check_clean(run)
