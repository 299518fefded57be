"""Checked by mypy --strict, never run: the types that users see."""

from __future__ import annotations

from pathlib import Path
from typing import Any, assert_type

from wasihost import (
    INHERIT,
    UNMETERED,
    Denial,
    GuestError,
    Limits,
    Outcome,
    Preopen,
    RunResult,
    Sandbox,
    Scratch,
    errors,
    run_wasm_python,
)

result = run_wasm_python(
    "print(1)",
    args=["a"],
    stdin="text",
    env={"A": "b"},
    inputs={"x": [1]},
    preopens=[Preopen("data", "/data"), Preopen(Path("out"), "/out", writable=True), Scratch("/tmp")],
    limits=Limits(fuel=UNMETERED, deadline_seconds=1),
    on_stdout=lambda data: assert_type(data, bytes),
    check=True,
)
assert_type(result, RunResult)
assert_type(result.outcome, Outcome)
assert_type(result.exit_code, int | None)
assert_type(result.stdout, str)
assert_type(result.stdout_bytes, bytes)
assert_type(result.value, Any)
assert_type(result.error, GuestError | None)
assert_type(result.denials, tuple[Denial, ...])
assert_type(result.fuel_consumed, int | None)
assert_type(result.memory_peak_bytes, int)
assert_type(result.wall_seconds, float)
assert_type(result.truncated, bool)
assert_type(result.check(), RunResult)

with Sandbox(limits=Limits(), runtime="cpython-3.12") as sandbox:
    assert_type(sandbox, Sandbox)
    assert_type(sandbox.run(script=Path("x.py"), stdin=INHERIT), RunResult)
    assert_type(sandbox.run(module="json.tool", stdin=b"{}"), RunResult)
    assert_type(sandbox.limits, Limits)
    assert_type(sandbox.close(), None)

try:
    run_wasm_python(b"1")
except errors.RunFailedError as error:
    assert_type(error.result, RunResult)

# What must not type-check: an ignore that is not needed is an error under --strict.
Limits(fuel=None)  # type: ignore[arg-type]
Limits(output_overflow="drop")  # type: ignore[arg-type]
run_wasm_python(1)  # type: ignore[arg-type]
run_wasm_python("1", stdin=None)  # type: ignore[arg-type]
run_wasm_python("1", preopens=["/data"])  # type: ignore[list-item]
