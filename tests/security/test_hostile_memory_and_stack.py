"""Random bytecode and marshal data, and callers with little stack: the host never fails for it."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wasihost import Limits, Outcome, RunResult, run_wasm_python

Run = Callable[..., RunResult]

CAP = 64 * 2**20
NESTED = "x = []\nfor _ in range(100000): x = [x]\nrepr(x)"

ANY_END = {Outcome.EXITED, Outcome.GUEST_CRASHED, Outcome.OUT_OF_FUEL, Outcome.OUTPUT_LIMIT}
"""What forged bytecode can come to: it may do anything inside, but the host never fails for it."""
FORGED = Limits(fuel=300_000_000, deadline_seconds=20.0, memory_bytes=CAP)


def check_clean(run: Run) -> None:
    assert run("print(6 * 7)").stdout == "42\n"


@pytest.mark.parametrize("stack_bytes", [256 * 1024, 64 * 1024])
def test_host_thread_with_a_small_stack(run: Run, stack_bytes: int) -> None:
    results: list[RunResult] = []

    def recurse() -> None:
        results.append(run("def f(n): return n and f(n - 1)\nprint(f(100))\nf(10**6)"))
        results.append(run(NESTED))

    before = threading.stack_size(stack_bytes)
    try:
        thread = threading.Thread(target=recurse, daemon=True)
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
