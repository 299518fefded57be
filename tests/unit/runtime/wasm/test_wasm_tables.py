"""Which modules can change their function table: each instruction that does, in every form, and what looks like one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wasm_builder import guest, indices, raw_guest

from wasihost.runtime.wasm import rewrite
from wasihost.runtime.wasm.leb import unsigned_forms
from wasihost.runtime.wasm.tables import table_is_fixed

CHANGING = {
    "table.set": "(table.set (i32.const 0) (ref.null func))",
    "table.grow": "(drop (table.grow (ref.null func) (i32.const 1)))",
    "table.fill": "(table.fill (i32.const 0) (ref.null func) (i32.const 1))",
    "table.copy": "(table.copy (i32.const 0) (i32.const 1) (i32.const 1))",
    "table.init": "(table.init $later (i32.const 0) (i32.const 0) (i32.const 1))",
    "elem.drop": "(elem.drop $later)",
}
LEAVING = {
    "nothing": "",
    "table.get": "(drop (table.get (i32.const 0)))",
    "table.size": "(drop (table.size))",
    "call_indirect": "(call_indirect (i32.const 0))",
    "the thirty-ninth local": "(local.set 38 (i32.const 0)) (drop (local.get 38))",
    "numbers": "(drop (i32.const 0x26)) (drop (i32.const 38)) (drop (i64.const 0x110ffc0dfc0cfc26))",
    "memory.copy": "(memory.copy (i32.const 0x26) (i32.const 0) (i32.const 0))",
    "a float of such bytes": "(drop (f64.const nan:0x1fc0c26002611))",
}


def module_with(instructions: str) -> bytes:
    return guest(f"""(elem $later func $changed) (elem (i32.const 1) func $changed)
                     (func $changed (export "changed") (local {"i32 " * 39}) {instructions})""")


@pytest.mark.parametrize("name", CHANGING)
def test_every_instruction_that_changes_a_table_is_found(name: str) -> None:
    assert not rewrite(module_with(CHANGING[name])).table_is_fixed
    assert not rewrite(module_with(f"(block (loop {CHANGING[name]}))")).table_is_fixed


@pytest.mark.parametrize("name", LEAVING)
def test_what_leaves_the_table_alone_or_only_looks_like_such_an_instruction_is_not(name: str) -> None:
    assert rewrite(module_with(LEAVING[name])).table_is_fixed


def test_only_what_is_left_of_a_module_counts() -> None:
    module = module_with(CHANGING["table.set"])
    changed = indices(module)["changed"]
    assert not rewrite(module, keep=[(changed, changed)]).table_is_fixed
    assert rewrite(module, keep=[(0, changed - 1)]).table_is_fixed


@given(form=st.sampled_from(unsigned_forms(0)), padding=st.integers(0, 3))
def test_table_zero_is_found_in_every_form(form: bytes, padding: int) -> None:
    body = b"\0" + b"\x01" * padding + b"\x41\0\xd0\x70\x26" + form + b"\x0b"
    assert not table_is_fixed(raw_guest([body]))


@given(number=st.sampled_from([12, 13, 14, 15, 16, 17]), data=st.data())
def test_numbers_of_instructions_are_found_in_every_form(number: int, data: st.DataObject) -> None:
    form = data.draw(st.sampled_from(unsigned_forms(number)))
    operands = b"\0" if number in (13, 15, 16, 17) else b"\0\0"
    body = b"\0\xfc" + form + operands + b"\x0b"
    assert table_is_fixed(raw_guest([body])) is (number == 16)


def test_a_body_that_cannot_be_understood_may_change_it() -> None:
    assert not table_is_fixed(raw_guest([b"\0\xff\x26\0\x0b"]))
    assert table_is_fixed(raw_guest([b"\0\xff\x0b"])), "it names no table in any way"
