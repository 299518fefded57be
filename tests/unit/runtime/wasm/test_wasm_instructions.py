"""The instruction decoder: every encoding has the right length, and function indices are found and nothing else."""

from __future__ import annotations

import pytest
import wasmtime
from hypothesis import given
from hypothesis import strategies as st

from wasihost.runtime.wasm import WasmFormatError
from wasihost.runtime.wasm.bodies import iter_bodies
from wasihost.runtime.wasm.instructions import FunctionUse, function_uses, skip_instruction, skip_locals
from wasihost.runtime.wasm.leb import unsigned_forms
from wasihost.runtime.wasm.sections import ModuleSections

# One instruction a row, as bytes in hexadecimal: each form of immediates, and the first and last of each block.
SINGLE = """
00 | 01 | 05 | 0b | 0f | 1a | 1b | 45 | c4 | d1 | 0a | 19
02 40 | 03 7f | 04 81 01 | 02 64 70 | 03 63 85 01 | 06 40
07 03 | 08 83 80 00 | 09 01 | 18 02
0c 00 | 0d ff 01 | 0e 00 00 | 0e 03 00 01 82 00 05
10 05 | 10 85 80 80 80 00 | 11 02 00 | 12 05 | 13 02 00
1c 01 7f | 1c 02 64 70 63 6f
1f 40 00 | 1f 7f 04 00 01 02 01 01 02 02 03 03 04
20 00 | 24 81 01 | 25 00 | 26 00
28 02 10 | 3e 00 80 01 | 28 42 00 10 | 29 03 ff ff ff ff 0f
3f 00 | 40 00
41 7f | 41 80 80 80 80 78 | 42 80 80 80 80 80 80 80 80 80 7f | 43 00 00 80 3f | 44 00 00 00 00 00 00 f0 3f
d0 70 | d0 6f | d2 05
fc 00 | fc 07 | fc 08 00 00 | fc 09 00 | fc 0a 00 00 | fc 0b 00 | fc 0c 00 00 | fc 0d 00 | fc 0e 00 00
fc 0f 00 | fc 10 00 | fc 11 00 | fc 8a 00 00 00
fd 00 04 10 | fd 0b 04 00 | fd 0c 00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f
fd 0d 00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f | fd 0e | fd 14 | fd 15 00 | fd 22 01 | fd 23 | fd 53
fd 54 00 10 03 | fd 5b 03 00 01 | fd 5c 02 00 | fd 5d 03 00 | fd 5e | fd 80 01 | fd ff 01 | fd 80 02 | fd 93 02
fe 00 02 00 | fe 02 03 00 | fe 03 00 | fe 10 02 00 | fe 4e 02 00
"""
INSTRUCTIONS = [bytes.fromhex(row) for row in SINGLE.replace("\n", "|").split("|") if row.strip()]

UNKNOWN = ["14", "17", "1d", "27", "c5", "cf", "d3", "d6", "e0", "f0", "ff", "fc 12", "fd 9a 01", "fd ee 01"]
UNKNOWN += ["fd 94 02", "fe 04", "fe 0f", "fe 4f"]


@pytest.mark.parametrize("code", INSTRUCTIONS, ids=bytes.hex)
def test_length_of_every_form(code):
    assert skip_instruction(code, 0, len(code)) == len(code)
    assert skip_instruction(b"\x41" + code + b"\x0b\x0b", 1, len(code) + 3) == len(code) + 1


@pytest.mark.parametrize("code", INSTRUCTIONS, ids=bytes.hex)
def test_every_cut_instruction_is_refused(code):
    for end in range(len(code)):
        with pytest.raises(WasmFormatError):
            skip_instruction(code, 0, end)


@pytest.mark.parametrize("text", UNKNOWN)
def test_unknown_instructions_are_refused(text):
    code = bytes.fromhex(text) + bytes(20)
    with pytest.raises(WasmFormatError, match=r"instruction 0x.* is unknown \(at byte 0\)"):
        skip_instruction(code, 0, len(code))


def test_every_opcode_is_either_known_or_refused():
    padding = bytes(40)  # zeros do for every immediate
    known = []
    for opcode in range(256):
        try:
            skip_instruction(bytes([opcode]) + padding, 0, 41)
        except WasmFormatError:
            continue
        known.append(opcode)
    expected = {*range(0x0A), 0x0A, *range(0x0B, 0x14), 0x18, 0x19, 0x1A, 0x1B, 0x1C, 0x1F, *range(0x20, 0x27)}
    expected |= {*range(0x28, 0xC5), 0xD0, 0xD1, 0xD2, 0xFC, 0xFD, 0xFE}
    assert set(known) == expected


def test_simd_opcodes_are_those_of_the_specification():
    known = []
    for number in range(0x200):
        code = b"\xfd" + unsigned_forms(number)[0] + bytes(24)
        try:
            skip_instruction(code, 0, len(code))
        except WasmFormatError:
            continue
        known.append(number)
    assert len([number for number in known if number < 0x100]) == 236  # the specification has as many
    assert [number for number in known if number >= 0x100] == list(range(0x100, 0x114))


def test_bad_catch_clause_is_refused():
    with pytest.raises(WasmFormatError, match="catch clause 4 is unknown"):
        skip_instruction(bytes.fromhex("1f 40 01 04 00"), 0, 5)


@given(st.lists(st.sampled_from(INSTRUCTIONS), max_size=40), st.integers(0, 3))
def test_calls_are_found_in_any_sequence(instructions, groups):
    """The quick paths of the body walk agree with measuring one instruction after the other."""
    declared = bytes([groups]) + b"\x02\x7f" * groups
    body = declared + b"".join(instructions) + b"\x0b"
    expected, pos = [], len(declared)
    for code in instructions:
        if code[0] in (0x10, 0x12, 0xD2):
            expected.append(FunctionUse(code[0], pos + 1, pos + len(code), 5))
        pos += len(code)
    assert function_uses(body, 0, len(body), {5}) == expected
    assert function_uses(body, 0, len(body), {6}) == []
    shifted = b"\x10\x05" + body + b"\x10\x05"  # what lies around the body is not looked at
    assert len(function_uses(shifted, 2, len(body) + 2, {5})) == len(expected)


@pytest.mark.parametrize(
    "body",
    ["", "00", "00 10", "00 10 0b", "00 41 0b", "00 28 00 0b", "00 01", "00 0b 01", "01 7f", "01 01 0b", "05 01 7f 0b"],
)
def test_body_that_does_not_end_at_its_end_is_refused(body):
    code = bytes.fromhex(body)
    with pytest.raises(WasmFormatError):
        function_uses(code + b"\x0b\x0b\x0b", 0, len(code), {5})


def test_locals_of_every_type_are_skipped():
    code = bytes.fromhex("04 01 7f ff ff 03 7b 02 70 01 64 81 00") + b"\x0b"
    assert skip_locals(code, 0, len(code)) == len(code) - 1
    with pytest.raises(WasmFormatError, match="value type 0x40 is unknown"):
        skip_locals(b"\x01\x01\x40", 0, 3)


def test_a_lying_count_ends_where_the_bytes_do():
    for code in (b"\x0e\xff\xff\xff\xff\x0f", b"\x1c\xff\xff\xff\xff\x0f\x7f", b"\x1f\x40\xff\xff\xff\xff\x0f\2\0"):
        with pytest.raises(WasmFormatError, match="cut off"):
            skip_instruction(code, 0, len(code))


TEXT = """(module
  (memory 1) (table 4 funcref) (tag $t (param i32)) (type $pair (func (param i32) (result i32 i32)))
  (elem declare func $callee)
  (func $callee (param i32) (result i32) local.get 0)
  (func (param i32) (result i32) (local f64 v128 funcref)
    (block $a (block $b (br_table $a $b $a (local.get 0))))
    (drop (f64.add (f64.const 1.5) (f64.load offset=70000 (i32.const 0))))
    (drop (i64.trunc_sat_f64_u (f64.const 3)))
    (memory.copy (i32.const 0) (i32.const 16) (i32.const 0x1010))
    (memory.fill (i32.const 0) (i32.const 16) (i32.const 2))
    (drop (i8x16.shuffle 0 1 2 3 16 5 6 7 8 9 10 11 12 13 14 15 (v128.const i32x4 16 0 0 0) (v128.const i64x2 0 1)))
    (drop (v128.load8_lane offset=300 1 (i32.const 0) (local.get 2)))
    (drop (i32x4.dot_i16x8_s (local.get 2) (local.get 2)))
    (table.set (i32.const 0) (ref.func $callee))
    (drop (table.grow (ref.null func) (i32.const 1)))
    (drop (select (result funcref) (local.get 3) (ref.null func) (i32.const 1)))
    (i32.const 0) (block (type $pair) (i32.const 1)) drop drop
    (block $h (result i32) (try_table (catch $t $h) (throw $t (i32.const 16))) (i32.const 3)) drop
    (drop (i32.atomic.rmw8.add_u (i32.const 0) (i32.const 1)))
    (atomic.fence)
    (call_indirect (type 0) (i32.const 1) (i32.const 0)) drop
    (return_call $callee (call $callee (i32.const 16)))))"""


def test_bodies_made_by_another_assembler_are_decoded():
    text = TEXT.replace("(type 0)", "(param i32) (result i32)")
    sections = ModuleSections(bytes(wasmtime.wat2wasm(text)))
    bodies = list(iter_bodies(sections))
    uses = [use for _, start, end in bodies for use in function_uses(sections.module, start, end, {0})]
    assert [use.opcode for use in uses] == [0xD2, 0x10, 0x12]
