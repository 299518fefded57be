"""The function that opens a folder gets a larger buffer: that function, wholly, and no other."""

from __future__ import annotations

import pytest
import wasmtime
from wasm_builder import imports

from wasihost.runtime.wasm import rewrite
from wasihost.runtime.wasm.listing import PIECE_BYTES, USUAL_BYTES

TYPE = "(param i32 i32 i32 i64 i32) (result i32)"
WRAPPER = f"""(func $list {TYPE}
  (call $fd_readdir (local.get 0) (local.get 1) (local.get 2) (local.get 3) (local.get 4)))"""
SIZE = USUAL_BYTES << 32


def opener(
    name: str = "open", *, called: str = "$list", taken: int = 4096, more: str = "", stored: int = SIZE, place: int = 0
) -> str:
    return f"""(func ${name} (export "{name}") (param i32) (result i32) {more}
      (i64.store offset=20 (local.get 0) (i64.const {stored}))
      (i32.store (local.get 0) (i32.const {taken}))
      (call {called} (local.get 0) (i32.const 64) (i32.const 4096) (i64.const {place}) (i32.const 8)))"""


def module(*functions: str) -> bytes:
    return bytes(
        wasmtime.wat2wasm(f"""(module {imports()}
          (import "wasi_snapshot_preview1" "fd_readdir" (func $fd_readdir {TYPE}))
          (table 8 funcref) (memory (export "memory") 2 10) {" ".join(functions)})""")
    )


def run(code: bytes, name: str = "open") -> tuple[list[int], int, int]:
    """Return what `fd_readdir` got, what the function returned, and the two sizes that it stored."""
    store = wasmtime.Store()
    linker = wasmtime.Linker(store.engine)
    compiled = wasmtime.Module(store.engine, code)
    seen: list[int] = []

    def answer(*arguments: int) -> int:
        seen[:] = arguments
        return 7

    for entry in compiled.imports:
        linker.define(store, entry.module, entry.name or "", wasmtime.Func(store, entry.type, answer))
    instance = linker.instantiate(store, compiled)
    exports = instance.exports(store)
    function, memory = exports[name], exports["memory"]
    assert isinstance(function, wasmtime.Func)
    assert isinstance(memory, wasmtime.Memory)
    assert function(store, 1024) == 7
    stored = bytes(memory.read(store, 1024, 1052))
    return seen, int.from_bytes(stored[:4], "little"), int.from_bytes(stored[20:28], "little")


def test_the_buffer_is_larger_where_it_is_taken_used_and_remembered() -> None:
    rewritten = rewrite(module(WRAPPER, opener()))
    assert rewritten.lists_fast
    assert run(rewritten.code) == ([1024, 64, PIECE_BYTES, 0, 8], PIECE_BYTES, PIECE_BYTES << 32)


def test_it_may_call_the_import_itself() -> None:
    rewritten = rewrite(module(opener(called="$fd_readdir")))
    assert rewritten.lists_fast
    assert run(rewritten.code)[0][2] == PIECE_BYTES


@pytest.mark.parametrize(
    "functions",
    [
        (WRAPPER, opener(taken=4095)),
        (WRAPPER, opener(stored=SIZE + 1)),
        (WRAPPER, opener(more="(drop (i32.const 4096))")),
        (WRAPPER, opener(more=f"(drop (i64.const {SIZE}))")),
        (f"(func $list {TYPE} (i32.const 7))", opener()),
        (WRAPPER, opener(stored=0, more=f"(drop (i64.const {SIZE}))")),
        (WRAPPER, opener(place=1)),
    ],
    ids=[
        "another size",
        "another number",
        "a size more",
        "a number more",
        "it lists nothing",
        "nothing is stored",
        "it does not start at the beginning",
    ],
)
def test_anything_else_is_left_alone(functions: tuple[str, ...]) -> None:
    rewritten = rewrite(module(*functions))
    assert not rewritten.lists_fast
    assert len(rewritten.code) > 0
    if "fd_readdir" in functions[0]:
        assert run(rewritten.code)[0][2] == USUAL_BYTES


def test_of_two_that_look_like_it_neither_is_changed() -> None:
    rewritten = rewrite(module(WRAPPER, opener(), opener("other")))
    assert not rewritten.lists_fast
    assert [run(rewritten.code, name)[0][2] for name in ("open", "other")] == [USUAL_BYTES] * 2


def test_one_that_uses_a_hooked_function_keeps_its_size_and_is_hooked() -> None:
    uses = "(drop (call $fd_close (i32.const 3)))"
    whole, without = rewrite(module(WRAPPER, opener(more=uses))), rewrite(module(WRAPPER, opener()))
    assert (whole.lists_fast, without.lists_fast) == (False, True)
    assert whole.calls_redirected == without.calls_redirected + 1
    assert run(whole.code)[0][2] == USUAL_BYTES


def test_one_outside_the_slice_traps() -> None:
    rewritten = rewrite(module(WRAPPER, opener()), keep=[(0, 5)])
    with pytest.raises(wasmtime.Trap, match="unreachable"):
        run(rewritten.code)
