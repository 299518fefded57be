"""Reading modules: what is seen, what is refused, and that no bytes at all can do worse than be refused."""

from __future__ import annotations

import time

import pytest
import wasmtime
from hypothesis import given, settings
from hypothesis import strategies as st
from wasm_builder import (
    HEADER,
    PROCEDURE,
    encode_unsigned,
    function_type,
    guest,
    named,
    raw_guest,
    section,
    sized,
    vector,
)

from wasihost.runtime.wasm import (
    ModuleExport,
    ModuleImport,
    WasmFormatError,
    function_names,
    rewrite,
    summarize,
)
from wasihost.runtime.wasm.sections import CODE, SECTION_ORDER, ModuleSections

SMALL = guest(
    """
    (global $sp (mut i32) (i32.const 4096))
    (global i64 (i64.const 7))
    (tag (param i32))
    (func $run (export "run") (param i32) (result i32) (local i64)
      (block (br_table 0 0 (local.get 0)))
      (drop (call $close (local.get 0)))
      (i32.load offset=16 (local.get 0)))
    (func $start)
    (start $start)
    (elem (i32.const 1) $run $start $fd_close)
    (elem declare funcref (ref.func $run) (ref.null func))
    (data (i32.const 16) "hello")
    (data (i32.const 18) "LL")
    """
)


def name_section(subsections: bytes) -> bytes:
    return section(0, named("name") + subsections)


# --- what is seen ---------------------------------------------------------------------------------------------------


def test_summary_of_a_build():
    summary = summarize(SMALL)
    assert [entry.name for entry in summary.imports] == ["fd_write", "path_open", "fd_close", "sock_send"]
    assert summary.imports[2] == ModuleImport(
        module="wasi_snapshot_preview1", name="fd_close", kind="function", type="(i32) -> (i32)"
    )
    assert summary.exports[0] == ModuleExport(name="memory", kind="memory", type="2..10")
    assert [entry.name for entry in summary.exports] == ["memory", "write", "open", "close", "run"]
    assert (summary.memory_pages_min, summary.memory_pages_max) == (2, 10)
    assert (summary.table_count, summary.has_start, summary.custom_sections) == (1, True, ("name",))


def test_summary_describes_what_rewrite_refuses():
    text = """(module
      (import "env" "t" (table 1 9 funcref)) (import "env" "m" (memory 3))
      (import "env" "g" (global (mut i64))) (import "env" "e" (tag (param i32)))
      (table 2 externref) (memory i64 1 1)
      (export "g" (global 0)) (export "t" (table 1)) (export "e" (tag 0)) (export "m" (memory 1)))"""
    summary = summarize(bytes(wasmtime.wat2wasm(text)))
    assert [(entry.kind, entry.type) for entry in summary.imports] == [
        ("table", "funcref 1..9"),
        ("memory", "3.."),
        ("global", "mut i64"),
        ("tag", "(i32) -> ()"),
    ]
    assert [(entry.kind, entry.type) for entry in summary.exports] == [
        ("global", "mut i64"),
        ("table", "externref 2.."),
        ("tag", "(i32) -> ()"),
        ("memory", "1..1 64-bit"),
    ]
    assert (summary.memory_pages_min, summary.memory_pages_max, summary.table_count) == (3, None, 2)


def test_summary_of_an_empty_module():
    summary = summarize(HEADER)
    assert (summary.imports, summary.exports, summary.custom_sections) == ((), (), ())
    assert (summary.memory_pages_min, summary.memory_pages_max) == (None, None)
    assert (summary.table_count, summary.has_start) == (0, False)


def test_summary_names_reference_and_vector_types():
    types = [b"\x60" + b"\x05\x7b\x69\x64\x70\x63\x07\x63\x68" + b"\0"]
    module = HEADER + section(1, vector(types)) + section(2, vector([named("m") + named("f") + b"\0\0"]))
    assert summarize(module).imports[0].type == "(v128, exnref, (ref func), (ref null 7), (ref null -24)) -> ()"


def test_function_names():
    names = function_names(SMALL)
    assert names[0] == "fd_write"
    assert [names[index] for index in range(4, 9)] == ["write", "open", "close", "run", "start"]
    assert function_names(HEADER) == {}
    assert function_names(HEADER + section(0, named("producers") + b"\x00")) == {}


def test_function_names_after_other_subsections_and_with_odd_bytes():
    entries = vector([b"\0" + named("é"), b"\x80\x01" + b"\x02\xff\xfe"])
    module = HEADER + name_section(b"\0" + sized(named("module")) + b"\1" + sized(entries))
    assert function_names(module) == {0: "é", 128: "\ufffd\ufffd"}


def test_fourteen_megabytes_of_names_are_read_fast():
    entries = vector([encode_unsigned(index) + named("n" * 160) for index in range(89_000)])
    module = HEADER + name_section(b"\1" + sized(entries))
    started = time.process_time()
    names = function_names(module)
    assert time.process_time() - started < 2  # a tenth of a second on an ordinary machine
    assert len(module) > 14_000_000
    assert len(names) == 89_000
    assert names[88_999] == "n" * 160


# --- what is refused ------------------------------------------------------------------------------------------------

MALFORMED = {
    "empty": (b"", "this is no WebAssembly module: it does not start with \\0asm (at byte 0)"),
    "text": (b"(module)", "this is no WebAssembly module: it does not start with \\0asm (at byte 0)"),
    "header": (HEADER[:6], "the module is cut off in its header (at byte 6)"),
    "component": (b"\0asm\x0d\0\1\0", "this is a WebAssembly component; a core module is needed (at byte 4)"),
    "version": (b"\0asm\2\0\0\0", "format version 2 is unknown (at byte 4)"),
    "section": (HEADER + section(14, b""), "section 14 is unknown (at byte 8)"),
    "doubled": (HEADER + section(1, b"\0") * 2, "the type section is doubled or out of order (at byte 11)"),
    "order": (
        HEADER + section(6, b"\0") + section(13, b"\0"),
        "the tag section is doubled or out of order (at byte 11)",
    ),
    "length": (HEADER + b"\1\x05\0", "5 bytes are announced where 1 are left (at byte 10)"),
    "count": (HEADER + section(1, b"\xff\xff\xff\xff\x0f"), "4294967295 types are announced where 0 bytes are left"),
    "rest": (HEADER + section(1, b"\0\0"), "1 bytes too many in the type section (at byte 11)"),
    "struct": (HEADER + section(1, b"\1\x5f\0"), "type form 0x5f is not a function type, the only kind"),
    "value": (HEADER + section(1, vector([function_type(b"\x01", b"")])), "value type 0x01 is unknown (at byte 13)"),
    "import": (HEADER + section(2, vector([named("a") + named("b") + b"\7"])), "kind 7 of an import or export is"),
    "utf-8": (HEADER + section(2, vector([b"\1\xff" + named("b") + b"\0\0"])), "a name is not UTF-8 (at byte 11)"),
    "limits": (HEADER + section(5, vector([b"\x10\0"])), "limits with flags 0x10 are unknown (at byte 11)"),
    "minimum": (HEADER + section(5, vector([b"\1\2\1"])), "a maximum of 1 is below the minimum of 2 (at byte 11)"),
    "pages": (HEADER + section(5, vector([b"\x08\1\x11"])), "a page size above 64 KiB is unknown (at byte 11)"),
    "table": (HEADER + section(4, vector([b"\x7f\0\1"])), "a table of i32 is not possible (at byte 11)"),
    "mutability": (HEADER + section(6, vector([b"\x7f\2\x41\0\x0b"])), "global mutability 2 is unknown (at byte 12)"),
    "constant": (HEADER + section(6, vector([b"\x7f\0\x10\0\x0b"])), "instruction 0x10 is not allowed in a constant"),
    "open": (HEADER + section(6, vector([b"\x7f\0\x41\0"])), "a constant expression is cut off (at byte 13)"),
    "tag": (HEADER + section(13, vector([b"\1\0"])), "tag attribute 1 is unknown (at byte 11)"),
    "export": (HEADER + section(7, vector([named("f") + b"\0\0"])), "export 'f' names function 0 of 0 (at byte 11)"),
    "type": (HEADER + section(2, vector([named("a") + named("b") + b"\0\1"])), "type 1 is used, but there are only 0"),
    "custom": (HEADER + section(0, b"\5ab"), "5 bytes are announced where 2 are left (at byte 11)"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_modules(name):
    module, message = MALFORMED[name]
    with pytest.raises(WasmFormatError) as caught:
        summarize(module)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        (b"\1\x05\0", "5 bytes are announced where 1 are left"),
        (b"\1\2\5\0", "5 names are announced where 1 bytes are left"),
        (b"\1\4\1\0\5a", "a name reaches out of the name section"),
        (b"\1\1\x80", "a number is cut off"),
    ],
)
def test_malformed_name_section(payload, message):
    with pytest.raises(WasmFormatError, match=message):
        function_names(HEADER + name_section(payload))


# --- no bytes do worse than be refused ------------------------------------------------------------------------------


def attempt(module: bytes) -> int:
    """Call everything with the module; how many of the calls refused it. Any other exception fails the test."""
    refused = 0
    for function in (summarize, function_names, rewrite, lambda bad: rewrite(bad, keep=[(0, 5)])):
        try:
            function(module)
        except WasmFormatError:
            refused += 1
    return refused


def test_the_small_module_is_accepted():
    assert attempt(SMALL) == 0
    assert attempt(raw_guest([b"\0\x0b"])) == 0


def test_truncated_at_every_byte():
    sections = ModuleSections(SMALL)
    known = [sections.get(number) for number in SECTION_ORDER if number in sections]
    boundaries = {8, *(part.end for part in known), *(part.end for part in sections.custom)}
    code_end = sections.get(CODE).end
    usable = []
    for size in range(len(SMALL)):
        refused = attempt(SMALL[:size])
        if size not in boundaries:
            assert refused == 4, size
        elif refused < 2:
            usable.append(size)
    assert usable[0] == code_end  # without data and names it is still a build
    assert set(usable) == {size for size in boundaries if code_end <= size < len(SMALL)}


def test_every_bit_flipped():
    started = time.process_time()
    outcomes = set()
    for place in range(len(SMALL)):
        for bit in range(8):
            changed = bytearray(SMALL)
            changed[place] ^= 1 << bit
            outcomes.add(attempt(bytes(changed)))
    assert outcomes >= {0, 4}  # some flips are harmless, some fatal
    assert time.process_time() - started < 60


@settings(max_examples=300, deadline=1000)
@given(st.binary(max_size=200))
def test_random_bytes(data):
    assert data.startswith(HEADER) or attempt(data) == 4
    attempt(HEADER + data)


@settings(max_examples=300, deadline=1000)
@given(st.integers(1, 13), st.binary(max_size=60), st.binary(max_size=60))
def test_random_section_payloads(number, payload, code):
    attempt(HEADER + section(number, payload))
    attempt(HEADER + section(0, named("name") + payload))
    module = raw_guest([code or b"\0"], data=[payload], elements=[payload])
    attempt(module)


@settings(max_examples=300, deadline=1000)
@given(st.data())
def test_random_overwrites(data):
    place = data.draw(st.integers(8, len(SMALL) - 1))
    patch = data.draw(st.binary(min_size=1, max_size=8))
    attempt(SMALL[:place] + patch + SMALL[place + len(patch) :])
    attempt(SMALL[:place] + patch + SMALL[place:])


def test_lying_counts_are_refused_at_once():
    started = time.process_time()
    huge = b"\xff\xff\xff\xff\x0f"
    for number in range(1, 14):
        for filler in (b"", bytes(1000), b"\x7f" * 1000):
            attempt(HEADER + section(number, huge + filler))
    body = b"\0\x0e" + huge + b"\x10\0" + bytes(1000) + b"\x0b"
    assert attempt(raw_guest([body])) == 2
    assert time.process_time() - started < 5


def test_type_index_of_a_function_out_of_range():
    module = raw_guest([b"\0\x0b"]).replace(section(3, bytes([1, PROCEDURE])), section(3, b"\1\x09"))
    with pytest.raises(WasmFormatError, match="a function has type 9, but there are only 5 types"):
        rewrite(module)
