"""The rewritten module as bytes: what changes, what stays, and every kind of build that is refused."""

from __future__ import annotations

import pytest
import wasmtime
from hypothesis import given, settings
from hypothesis import strategies as st
from wasm_builder import (
    HEADER,
    HOOK_IMPORTS,
    HOOK_TYPES,
    encode_unsigned,
    guest,
    imports,
    indices,
    keeping,
    named,
    raw_guest,
    section,
    vector,
)

from wasihost.runtime.wasm import SavedGlobal, WasmFormatError, rewrite, summarize
from wasihost.runtime.wasm.bodies import iter_bodies
from wasihost.runtime.wasm.elements import read_elements
from wasihost.runtime.wasm.instructions import function_uses
from wasihost.runtime.wasm.leb import encode_signed, unsigned_forms
from wasihost.runtime.wasm.reader import read_function_types, read_globals, read_imports, read_tags, read_types
from wasihost.runtime.wasm.sections import ModuleSections

ADDED_GLOBALS = {
    "wasihost:streams": "i32",
    "wasihost:open_count": "i32",
    "wasihost:open_limit": "i32",
    "wasihost:files_left": "i32",
    "wasihost:disk_left": "i64",
    "wasihost:entropy_reads": "i32",
}
NOP_BODY = b"\0\x0b"


def bodies_of(module: bytes) -> list[bytes]:
    return [module[start:end] for _, start, end in iter_bodies(ModuleSections(module))]


def refuses(module: bytes, message: str, **arguments) -> None:
    with pytest.raises(WasmFormatError) as caught:
        rewrite(module, **arguments)
    assert message in str(caught.value)


# --- what changes and what stays ------------------------------------------------------------------------------------


def test_exports_and_saved_globals():
    module = guest("""(global (mut i32) (i32.const 1)) (global i32 (i32.const 2)) (global (mut i64) (i64.const 3))
                      (global (mut f32) (f32.const 4)) (global (mut f64) (f64.const 5))""")
    rewritten = rewrite(module)
    assert rewritten.saved_globals == (
        SavedGlobal(export="wasihost:global:0", type="i32"),
        SavedGlobal(export="wasihost:global:2", type="i64"),
        SavedGlobal(export="wasihost:global:3", type="f32"),
        SavedGlobal(export="wasihost:global:4", type="f64"),
        *(SavedGlobal(export=name, type=kind) for name, kind in ADDED_GLOBALS.items()),
    )
    before, after = summarize(module), summarize(rewritten.code)
    assert after.imports == before.imports
    assert after.exports[: len(before.exports)] == before.exports
    added = [(entry.name, entry.kind, entry.type) for entry in after.exports[len(before.exports) :]]
    assert added == [
        ("wasihost:table", "table", "funcref 8.."),
        ("wasihost:global:0", "global", "mut i32"),
        ("wasihost:global:2", "global", "mut i64"),
        ("wasihost:global:3", "global", "mut f32"),
        ("wasihost:global:4", "global", "mut f64"),
        *((name, "global", f"mut {kind}") for name, kind in ADDED_GLOBALS.items()),
    ]
    assert after.custom_sections == ()
    assert rewritten.start_export is None
    assert rewritten.memory_pages == 2
    assert (rewritten.functions_kept, rewritten.functions_stubbed, rewritten.calls_redirected) == (3, 0, 3)


def test_globals_are_added_where_there_were_none():
    after = ModuleSections(rewrite(guest()).code)
    values = [item.initial.address for item in read_globals(after)]
    assert values == [6, 0, 0x7FFFFFFF, 0x7FFFFFFF, None, 0]


def test_globals_come_after_tags():
    sections = ModuleSections(rewrite(guest("(tag (param i32)) (tag)")).code)
    assert len(read_tags(sections)) == 2
    assert len(read_globals(sections)) == len(ADDED_GLOBALS)


def test_data_becomes_genesis():
    module = guest("""(data (i32.const 3) "abc") (data (i32.const 70000) "x\\00\\00") (data (i32.const 4) "BC")
                      (data (i32.const 131072) "")""")
    rewritten = rewrite(module)
    assert rewritten.genesis == b"\0\0\0aBC" + bytes(70000 - 6) + b"x"
    assert 11 not in ModuleSections(rewritten.code)
    assert rewrite(guest()).genesis == b""
    assert rewrite(guest('(data (i32.const 9) "\\00\\00")')).genesis == b""


def test_data_count_is_dropped():
    base = raw_guest([NOP_BODY], data=[b"\0\x41\5\x0b\1z"])
    code = base.index(section(10, vector([b"\2\0\x0b"])))
    module = base[:code] + section(12, b"\1") + base[code:]
    rewritten = rewrite(module)
    assert rewritten.genesis == b"\0\0\0\0\0z"
    assert 12 not in ModuleSections(rewritten.code)
    wasmtime.Module(wasmtime.Engine(), rewritten.code)


def test_data_in_the_upper_half_of_the_address_space_is_within_bounds_as_unsigned():
    address = encode_signed(0x90000000 - 2**32)
    refuses(raw_guest([NOP_BODY], data=[b"\0\x41" + address + b"\x0b\1z"]), "for address 2415919104 does not fit")


def test_everything_else_is_byte_identical():
    module = guest("""(global (mut i32) (i32.const 1)) (tag (param i32))
        (func (export "f") (param i32) (result i64) (local f32 i64) (i64.load offset=8 (local.get 0)))
        (elem (i32.const 2) 5 4 5) (elem declare func 4) (data (i32.const 0) "a")""")
    before, after = ModuleSections(module), ModuleSections(rewrite(module).code)
    for number in (1, 2, 4, 5, 13):
        assert before.payload(number) == after.payload(number)
    assert read_elements(before, 8)[0].references[0].function == 5
    assert before.payload(9) == after.payload(9)
    assert bodies_of(after.module)[3] == bodies_of(module)[3]


def body_bytes(instructions: list[bytes]) -> bytes:
    return b"\1\2\x7f" + b"".join(instructions) + b"\x0b"


INSTRUCTIONS = st.sampled_from(
    [b"\x01", b"\x41\x10", b"\x1a", b"\x41\x00", b"\x28\x02\x10", b"\x02\x40", b"\x0b", b"\x42\x12", b"\x20\x00"]
    + [b"\x41\x90\x04", b"\x44\x10\x00\x10\x01\x10\x02\xd2\x00", b"\x10\x03", b"\x0e\x02\x10\x01\x10"]
    + [b"\x10" + form for index in range(3) for form in unsigned_forms(index)]
    + [b"\x12\x02", b"\xd2\x01"]
)


@settings(max_examples=200, deadline=None)
@given(
    instructions=st.lists(st.lists(INSTRUCTIONS, max_size=12), min_size=1, max_size=8),
    data=st.lists(st.tuples(st.integers(0, 131000), st.binary(max_size=70)), max_size=5),
    custom=st.binary(max_size=30),
    keep=st.none() | st.lists(st.tuples(st.integers(0, 12), st.integers(0, 8)), max_size=3),
)
def test_rewrite_against_a_simple_model(instructions, data, custom, keep):
    """Generated modules: what comes out is what a slow and plain description of `rewrite` says."""
    ranges = None if keep is None else [(first, first + more) for first, more in keep]
    segments = [b"\0\x41" + encode_signed(at) + b"\x0b" + encode_unsigned(len(raw)) + raw for at, raw in data]
    module = raw_guest(
        [body_bytes(body) for body in instructions], data=segments, custom=section(0, named("x") + custom)
    )
    rewritten = rewrite(module, keep=ranges)
    after = ModuleSections(rewritten.code)

    memory = bytearray(131072)
    for at, raw in data:
        memory[at : at + len(raw)] = raw
    assert rewritten.genesis == bytes(memory).rstrip(b"\0")

    wrappers = {old: 4 + len(instructions) + old for old in range(3)}
    kept = [ranges is None or any(a <= 4 + n <= b for a, b in ranges) for n in range(len(instructions))]
    expected, redirected = [], 0
    for keeps, body in zip(kept, instructions, strict=True):
        changed = []
        for code in body:
            old = code[1] & 0x7F if code[0] in (0x10, 0x12, 0xD2) else 3
            if old < 3:
                changed.append(code[:1] + encode_unsigned(wrappers[old]))
                redirected += keeps
            else:
                changed.append(code)
        expected.append(body_bytes(changed) if keeps else b"\0\0\x0b")
    assert bodies_of(rewritten.code)[:-3] == expected
    assert rewritten.calls_redirected == redirected
    assert (rewritten.functions_kept, rewritten.functions_stubbed) == (sum(kept), len(kept) - sum(kept))
    assert read_imports(after) == read_imports(ModuleSections(module))
    assert read_types(after) == read_types(ModuleSections(module))
    assert read_function_types(after) == [4] * len(kept) + [0, 1, 2]
    for _, start, end in list(iter_bodies(after))[:-3]:
        assert function_uses(rewritten.code, start, end, {0, 1, 2}) == []


# --- slices ---------------------------------------------------------------------------------------------------------


def test_keep_counts_imports_and_may_reach_past_the_end():
    module = guest()
    found = indices(module)
    assert (found["write"], found["close"]) == (4, 6)
    assert rewrite(module, keep=[(4, 4)]).functions_kept == 1
    assert rewrite(module, keep=[(0, 4)]).functions_kept == 1
    assert rewrite(module, keep=[(5, 10**6)]).functions_kept == 2
    assert rewrite(module, keep=[(4, 5), (5, 6)]).functions_kept == 3
    assert rewrite(module, keep=[]).functions_kept == 0
    assert rewrite(module, keep=[(0, 3)]).functions_stubbed == 3


@pytest.mark.parametrize("bad", [(3, 2), (-1, 4)])
def test_ranges_that_are_none(bad):
    with pytest.raises(ValueError, match="which is no range of function indices") as caught:
        rewrite(guest(), keep=[(0, 1), bad])
    assert not isinstance(caught.value, WasmFormatError)  # the caller's mistake, not the module's


CONSTRUCTORS = """(func $ctors {body}) (func $a) (func $b) (func $c)
                  (func $takes (param i32)) (func $gives (result i32) (i32.const 1))"""


def fate(body: str, name: str, *kept: str) -> bytes:
    module = guest(drivers=CONSTRUCTORS.format(body=body))
    rewritten = keeping(module, "ctors", *kept)
    return bodies_of(rewritten.code)[indices(module)[name] - 4]


def test_constructors_outside_the_slice_become_empty():
    for name in "ab":
        assert fate("(call $a) (call $b)", name) == b"\0\x0b"
    assert fate("(call $a) (call $b)", "c") == b"\0\0\x0b"
    assert fate("(call $a) (call $b)", "ctors") == fate("(call $a) (call $b)", "ctors", "a", "b")


@pytest.mark.parametrize(
    "body",
    [
        "(call $a) (nop)",
        "(nop) (call $a)",
        "(local i32) (call $a)",
        "(call $a) (return)",
        "(call $takes (i32.const 1))",
    ],
)
def test_a_first_function_of_another_shape_is_not_the_constructors(body):
    assert fate(body, "a") == b"\0\0\x0b"
    assert fate(body, "takes") == b"\0\0\x0b"


def test_constructors_of_another_type_trap():
    bodies = [b"\0\x10\x05\x10\x06\x0b", NOP_BODY, b"\0\x41\0\x0b"]
    module = raw_guest(bodies).replace(section(3, bytes([3, 4, 4, 4])), section(3, bytes([3, 4, 4, 2])))
    assert bodies_of(rewrite(module, keep=[(4, 4)]).code)[1:3] == [b"\0\x0b", b"\0\0\x0b"]


def plain_elements(rewritten) -> list[tuple[int, list[int]]]:
    return [
        (segment.address, [reference.function for reference in segment.references])
        for segment in read_elements(ModuleSections(rewritten.code), 10**6)
    ]


FIVE = "(func $a) (func $b) (func $c) (func $d) (func $e)"  # functions 4 to 8


@pytest.mark.parametrize(
    ("kept", "expected"),
    [
        ("abcde", [(1, [4, 5, 6, 7, 8])]),
        ("abde", [(1, [4, 5]), (4, [7, 8])]),
        ("ace", [(1, [4]), (3, [6]), (5, [8])]),
        ("bcd", [(2, [5, 6, 7])]),
        ("", [(0, [])]),
    ],
)
def test_element_segments_are_cut_into_runs(kept, expected):
    module = guest("(elem (i32.const 1) $a $b $c $d $e)", drivers=FIVE)
    assert plain_elements(keeping(module, *kept)) == expected


def test_segments_keep_their_numbers():
    module = guest("(elem (i32.const 0) $a $b $a) (elem (i32.const 4) $c) (elem func $b)", drivers=FIVE)
    assert plain_elements(keeping(module, "a", "c")) == [(0, [4]), (4, [6]), (None, [5]), (2, [4])]


@pytest.mark.parametrize(
    "other",
    ["(elem (i32.const 2) $a)", "(elem (i32.const 3) funcref (ref.null func))", "(elem (offset (global.get 0)) $a)"],
    ids=["overlap", "overlap of expressions", "offset unknown"],
)
def test_segments_that_may_overlap_are_left_whole(other):
    module = guest(f"(global i32 (i32.const 7)) (elem (i32.const 1) $a $b $c) {other}", drivers=FIVE)
    assert plain_elements(keeping(module, "a", "c"))[0] == (1, [4, 5, 6])
    assert plain_elements(keeping(guest("(elem (i32.const 1) $a $b $c)", drivers=FIVE), "a", "c"))[0] == (1, [4])


def test_table_that_starts_out_filled_keeps_its_entries():
    elements = "(elem (i32.const 1) $a $b $c)"
    filled = guest(elements, drivers=FIVE, table="(table 8 funcref (ref.func $a))")
    assert plain_elements(keeping(filled, "a")) == [(1, [4, 5, 6])]
    empty = guest(elements, drivers=FIVE, table="(table 8 funcref)")
    assert plain_elements(keeping(empty, "a")) == [(1, [4])]


def test_segments_of_other_forms_are_left_alone():
    text = """(table $t 8 funcref) (elem func $a $b) (elem declare func $b) (elem (i32.const 0) funcref (ref.func $b))
              (elem funcref (ref.func $a) (ref.null func)) (elem (table $t) (i32.const 4) func $b $c)
              (elem (table $t) (i32.const 6) funcref (ref.func $b))"""
    module = guest(text, drivers=FIVE, table="")
    before, after = ModuleSections(module), ModuleSections(keeping(module, "a").code)
    assert before.payload(9) == after.payload(9)


def test_all_eight_forms_are_read_and_redirected():
    forms = [
        b"\0\x41\0\x0b\1\2",
        b"\1\0\1\2",
        b"\2\0\x41\1\x0b\0\1\2",
        b"\3\0\1\2",
        b"\4\x41\2\x0b\1\xd2\2\x0b",
        b"\5\x70\1\xd2\2\x0b",
        b"\6\0\x41\3\x0b\x70\2\xd0\x70\x0b\xd2\2\x0b",
        b"\7\x70\1\xd2\x82\x80\0\x0b",
    ]
    rewritten = rewrite(raw_guest([NOP_BODY], elements=forms))
    assert rewritten.calls_redirected == 8
    close = 4 + 1 + 2
    changed = [
        form.replace(b"\1\2", b"\1" + bytes([close])).replace(b"\xd2\2", b"\xd2" + bytes([close])) for form in forms[:7]
    ]
    changed.append(b"\7\x70\1\xd2" + bytes([close]) + b"\x0b")
    assert bytes(ModuleSections(rewritten.code).payload(9)) == vector(changed)
    wasmtime.Module(wasmtime.Engine(), rewritten.code)


def test_references_to_functions_taken_out_of_the_table_stay_declared():
    text = """(func $user (result funcref) (ref.func $b)) (func $a) (func $b) (func $c)
              (elem (i32.const 0) $user $a $b $c)"""
    rewritten = keeping(guest(drivers=text), "user")
    assert plain_elements(rewritten) == [(0, [4]), (None, [6])]
    wasmtime.Module(wasmtime.Engine(), rewritten.code)


def test_a_scattered_slice_does_not_exceed_the_segments_that_the_engine_accepts():
    entries = 200_400
    bodies = [NOP_BODY, NOP_BODY]
    element = b"\0\x41\0\x0b" + encode_unsigned(entries) + b"\4\5" * (entries // 2)
    table = b"\x70\0" + encode_unsigned(entries)
    module = raw_guest(bodies, elements=[element]).replace(
        section(4, vector([b"\x70\0\x08"])), section(4, vector([table]))
    )
    rewritten = rewrite(module, keep=[(4, 4)])
    assert bytes(ModuleSections(rewritten.code).payload(9)) == vector([element])
    wasmtime.Module(wasmtime.Engine(), rewritten.code)


# --- redirection ----------------------------------------------------------------------------------------------------


def test_look_alikes_in_immediates_are_left_alone():
    """0x10 0x00 as part of a constant, an offset, a label table or another call is no call of import 0."""
    look_alikes = (
        b"\1\x10\x7f"  # sixteen locals
        b"\x41\x90\x00\x1a\x42\x90\x80\x00\x1a\x43\x10\x00\x10\x01\x1a\x44\x10\x00\x12\x01\xd2\x02\x10\x00\x1a"
        b"\x20\x00\x28\x00\x10\x00\x00\x0b"
    )
    body = b"\0\x41\x10\x1a" + look_alikes[3:-3] + b"\x1a\x0b"
    module = raw_guest([look_alikes, body])
    rewritten = rewrite(module)
    assert rewritten.calls_redirected == 0
    assert bodies_of(rewritten.code)[:2] == [look_alikes, body]
    real = raw_guest([look_alikes[:-1] + b"\x10\x82\x00\x0b"])  # the twin with a real call of import 2 at its end
    assert rewrite(real).calls_redirected == 1
    assert bodies_of(rewrite(real).code)[0] == look_alikes[:-1] + b"\x10\x07\x0b"


def test_lengths_are_fixed_where_they_grow_and_shrink():
    for filler in range(100, 132):
        body = b"\0" + b"\x01" * filler + b"\x10\x82\x80\x80\x80\0\x0b"
        rewritten = rewrite(raw_guest([body] * 2))
        assert bodies_of(rewritten.code)[:2] == [b"\0" + b"\x01" * filler + b"\x10\x08\x0b"] * 2


def test_wrapper_indices_of_several_bytes():
    body = b"\0\x10\x02\x0b"
    rewritten = rewrite(raw_guest([body] + [NOP_BODY] * 300))
    assert bodies_of(rewritten.code)[0] == b"\0\x10" + encode_unsigned(4 + 301 + 2) + b"\x0b"


def test_unknown_instruction_in_a_body_that_may_need_redirection():
    refuses(raw_guest([b"\0\xe0\x10\x02\x0b"]), "instruction 0xe0 is unknown")
    assert rewrite(raw_guest([b"\0\xe0\x10\x03\x0b"])).functions_kept == 1  # nothing to redirect: the engine's business
    assert rewrite(raw_guest([b"\0\xe0\x10\x02\x0b"]), keep=[]).functions_stubbed == 1


def test_body_whose_decoding_does_not_end_at_its_end():
    refuses(raw_guest([b"\0\x10\x02\x41\x0b"]), "does not end where its length says")


def test_import_that_comes_twice_is_redirected_twice():
    again = '(import "wasi_snapshot_preview1" "fd_close" (func $again (param i32) (result i32)))'
    module = guest(
        "(func (drop (call $fd_close (i32.const 1))) (drop (call $again (i32.const 1))))",
        functions=imports() + again,
        drivers="",
    )
    assert rewrite(module).calls_redirected == 2


def test_references_in_globals_and_tables_are_redirected():
    module = guest(
        "(global funcref (ref.func $fd_write)) (global i32 (i32.const 3))",
        table="(table 8 funcref (ref.func $fd_close))",
        drivers="",
    )
    rewritten = rewrite(module)
    sections = ModuleSections(rewritten.code)
    assert read_globals(sections)[0].initial.references[0].function == 4
    assert bytes(sections.payload(4)).endswith(b"\xd2\x06\x0b")
    assert rewritten.calls_redirected == 2
    wasmtime.Module(wasmtime.Engine(), rewritten.code)


# --- refusals -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "purpose"),
    [
        ("fd_write", "to see what the guest prints"),
        ("path_open", "to limit the number of open files"),
        ("fd_close", "to limit the number of open files"),
        ("sock_send", "as its output hook"),
    ],
)
def test_missing_import(name, purpose):
    module = guest(drivers="", functions=imports(leave_out=name))
    refuses(module, f"the build does not import {name}, which wasihost needs {purpose}")
    rewrite(guest(drivers=""))


def test_same_name_from_another_namespace_does_not_count():
    module = guest(drivers="").replace(b"wasi_snapshot_preview1\x08fd_write", b"wasi_snapshot_preview2\x08fd_write")
    refuses(module, "the build does not import fd_write")


def test_import_of_another_signature():
    module = guest(drivers="", functions=imports(fd_close="(param i64) (result i32)"))
    refuses(module, "the build imports fd_close as (i64) -> (i32), where WASI defines (i32) -> (i32)")


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ('(import "env" "x" (global (mut i32)))', "global"),
        ('(import "env" "x" (global i32))', "global"),
        ('(import "env" "x" (memory 1))', "memory"),
        ('(import "env" "x" (table 1 funcref))', "table"),
        ('(import "env" "x" (tag))', "tag"),
    ],
)
def test_import_of_anything_but_functions(line, kind):
    module = guest(drivers="", functions=imports() + line)
    refuses(module, f"the build imports the {kind} env.x; wasihost can only use a build that imports nothing but")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("", "the build defines 0 tables, where wasihost needs exactly one"),
        ("(table 1 funcref) (table 1 funcref)", "the build defines 2 tables"),
        ("(table 1 externref)", "the build's table holds externref, where wasihost needs funcref"),
        ("(table i64 1 funcref)", "the build's table is shared or has 64-bit indices"),
    ],
)
def test_tables_that_cannot_be_used(table, message):
    refuses(guest(drivers="", table=table), message)


@pytest.mark.parametrize(
    ("memory", "message"),
    [
        ("", "the build defines 0 memories, where wasihost needs exactly one"),
        ('(memory (export "memory") 1) (memory 1)', "the build defines 2 memories"),
        ("(memory 1)", "the build does not export its memory as 'memory'"),
        ('(memory (export "mem") 1)', "the build does not export its memory as 'memory'"),
        ('(memory 1) (func (export "memory"))', "the build does not export its memory as 'memory'"),
        ('(memory (export "memory") 1 2 shared)', "the build's memory is shared between threads"),
        ('(memory (export "memory") i64 1)', "the build's memory has 64-bit addresses"),
        ('(memory (export "memory") 1 (pagesize 1))', "or unusual pages"),
    ],
)
def test_memories_that_cannot_be_used(memory, message):
    refuses(bytes(wasmtime.wat2wasm(f"(module {imports()} (table 1 funcref) {memory})")), message)


def test_memory_beyond_four_gigabytes():
    refuses(raw_guest([NOP_BODY], pages=65537), "the build's memory starts with 65537 pages")
    assert rewrite(raw_guest([NOP_BODY], pages=65536)).memory_pages == 65536


def test_export_under_our_prefix():
    refuses(guest('(func (export "wasihost:x"))'), "the build already exports 'wasihost:x'")
    refuses(rewrite(guest()).code, "the build already exports 'wasihost:table': it was rewritten before")
    rewrite(guest('(func (export "wasihost"))'))


@pytest.mark.parametrize(
    "definition",
    ["(global (mut funcref) (ref.null func))", "(global (mut v128) (v128.const i64x2 0 0))"],
)
def test_mutable_global_that_cannot_be_saved(definition):
    refuses(guest(definition), "which cannot be saved and restored")
    rewrite(guest(definition.replace("(mut funcref)", "funcref").replace("(mut v128)", "v128")))


@pytest.mark.parametrize(
    ("segment", "message"),
    [
        (b"\1\1z", "a passive data segment is not supported"),
        (b"\2\1\x41\0\x0b\1z", "a data segment is not for memory 0"),
        (b"\3\x41\0\x0b\1z", "a data segment with flags 3 is unknown"),
        (b"\0\x23\0\x0b\1z", "the offset of a data segment is not a plain i32.const"),
        (b"\0\x41\1\x41\1\x6a\x0b\1z", "the offset of a data segment is not a plain i32.const"),
        (b"\0\x41\xff\xff\x07\x0b\2zz", "a data segment of 2 bytes for address 131071 does not fit a memory of 131072"),
        (b"\0\x41\0\x0b\5z", "5 bytes are announced where 1 are left"),
    ],
)
def test_data_segments_that_cannot_be_used(segment, message):
    refuses(raw_guest([NOP_BODY], data=[segment]), message)
    good = b"\2\0\x41\xff\xff\x07\x0b\1z"
    assert len(rewrite(raw_guest([NOP_BODY], data=[good])).genesis) == 131072


def test_data_that_would_take_gigabytes():
    segment = b"\0\x41" + encode_signed(2**30) + b"\x0b\1z"
    refuses(raw_guest([NOP_BODY], data=[segment], pages=65536), "the data segments reach address 1073741825; at most")


@pytest.mark.parametrize(
    ("segment", "message"),
    [
        (b"\x08", "an element segment with flags 8 is unknown"),
        (b"\1\1\0", "an element segment is of an unknown kind"),
        (b"\0\x41\7\x0b\2\4\4", "an element segment of 2 entries for index 7 does not fit a table of 8 entries"),
        (b"\0\x41\0\x0b\x7f\4", "127 table entries are announced where 1 bytes are left"),
    ],
)
def test_element_segments_that_cannot_be_used(segment, message):
    refuses(raw_guest([NOP_BODY], elements=[segment]), message)
    rewrite(raw_guest([NOP_BODY], elements=[b"\0\x41\6\x0b\2\4\4"]))


def test_code_and_function_sections_that_disagree():
    module = raw_guest([NOP_BODY] * 2)
    code = section(10, vector([b"\2" + NOP_BODY] * 2))
    refuses(
        module.replace(code, section(10, vector([b"\2" + NOP_BODY]))), "there are 2 functions and 1 function bodies"
    )
    refuses(module.replace(code, section(10, vector([b"\2" + NOP_BODY] * 3))), "more function bodies than functions")
    refuses(module.replace(code, b""), "there are 2 functions and 0 function bodies")
    refuses(module.replace(code, section(10, b"\1\x09\0\x0b")), "a function body reaches out of the code section")
    refuses(module.replace(code, section(10, code[2:] + b"\0")), "1 bytes too many in the code section")


def test_module_without_functions_of_its_own():
    module = (
        HEADER
        + section(1, vector(HOOK_TYPES))
        + section(2, vector(HOOK_IMPORTS))
        + section(4, vector([b"\x70\0\x08"]))
        + section(5, vector([b"\0\1"]))
        + section(7, vector([named("memory") + b"\2\0"]))
    )
    rewritten = rewrite(module)
    assert (rewritten.functions_kept, rewritten.functions_stubbed) == (0, 0)
    wasmtime.Module(wasmtime.Engine(), rewritten.code)
