"""Checked by mypy --strict, never run: the types that users see."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, assert_type

from wasihost import (
    INHERIT,
    UNMETERED,
    Completeness,
    Completions,
    Denial,
    FileChange,
    FileEntry,
    FunctionLimits,
    Grants,
    GuestError,
    Hook,
    HookResult,
    HostCall,
    HostFunction,
    Limits,
    Outcome,
    PendingCall,
    Plugin,
    PluginFunction,
    PluginRequest,
    Plugins,
    Preopen,
    RunResult,
    Sandbox,
    Scratch,
    Session,
    errors,
    host_function,
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

with Sandbox() as sandbox, sandbox.session(idle_seconds=1, figures=["svg"]) as session:
    assert_type(session, Session)
    assert_type(sandbox.sessions, tuple[Session, ...])
    turn = session.run("1", stdin="x", inputs={"x": 1}, limits=Limits(), filename="f", on_stdout=print)
    assert_type(turn, RunResult)
    assert_type(turn.text, str | None)
    assert_type(turn.displays, tuple[Mapping[str, Any], ...])
    assert_type(turn.displays_omitted, int)
    assert_type(turn.rolled_back, bool)
    assert_type(turn.files_changed, tuple[FileChange, ...])
    assert_type(session.complete("x"), Completions)
    assert_type(session.complete("x").names, tuple[str, ...])
    assert_type(session.is_complete("x"), Completeness)
    assert_type(session.fork(), Session)
    assert_type(session.save(Path("s")), None)
    assert_type(Session.load("s", sandbox=sandbox, idle_seconds=1), Session)
    assert_type(session.lost_files, tuple[str, ...])
    assert_type(session.files.read("/data/x"), bytes)
    assert_type(session.files.read_text("/data/x"), str)
    assert_type(session.files.list("/data"), tuple[FileEntry, ...])
    assert_type(session.files.exists("/data/x"), bool)
    assert_type(session.turns, int)
    assert_type(session.is_open, bool)


async def in_a_loop(session: Session) -> None:
    assert_type(await session.arun("1"), RunResult)
    assert_type(await session.afork(), Session)
    assert_type(await Session.aload("s"), Session)
    async with session as same:
        assert_type(same, Session)


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
Session.load(1)  # type: ignore[arg-type]


# -- functions of the host, and plugins -------------------------------------------------------------------------------


@host_function
def search(query: str, top: int = 3) -> list[str]:
    return [query] * top


@host_function(name="later", help="Later.")
async def search_later(query: str) -> str:
    return query


def gate(call: PendingCall) -> bool:
    assert_type(call.name, str)
    assert_type(call.arguments, Mapping[str, Any])
    return call.number < 10


async def slow_gate(call: PendingCall) -> bool:
    return gate(call)


assert_type(search, HostFunction)
assert_type(search_later.is_async, bool)
allowed = FunctionLimits(calls=10, concurrent=2, argument_bytes=1000, reply_bytes=1000, call_seconds=1)
with Sandbox(functions=[search, search_later, len], function_limits=allowed, gate=gate) as calling:
    for made in calling.run("1").host_calls:
        assert_type(made, HostCall)
        assert_type(made.outcome == "returned", bool)
run_wasm_python("1", functions=(search,), gate=slow_gate)

grants = Grants(
    preopens=[Preopen("data", "/data")], functions=[search], env={"A": "b"}, scratch=Scratch(), limits=Limits()
)
request = Plugin.request_of("folder")
assert_type(request, PluginRequest)
with Plugin.load("folder", grants=grants, version=">=1", hot_reload=True) as plugin:
    assert_type(plugin.call("count", "text", top=3), Any)
    assert_type(plugin.functions["count"], PluginFunction)
    assert_type(plugin.functions["count"].parameters, dict[str, Any])
    assert_type(plugin.hooks, tuple[Hook, ...])
    assert_type(plugin.suspended, bool)
    plugin.on("document.saved", "count", priority=5)
with Plugins() as plugins:
    assert_type(plugins.load("folder"), Plugin)
    assert_type(plugins.discover("folder"), list[Plugin])
    assert_type(plugins.emit("document.saved", "/a"), tuple[HookResult, ...])
    assert_type(plugins["count"], Plugin)
    assert_type(plugins.failed, dict[str, errors.WasiHostError])
