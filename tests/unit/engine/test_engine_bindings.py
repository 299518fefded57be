"""Our declarations of Wasmtime's C interface against those that the wasmtime package generates from the headers."""

from __future__ import annotations

import ctypes
import re
from importlib.metadata import version
from typing import Any

import pytest
import wasmtime
from wasmtime import _bindings as theirs

from wasihost.engine import capi
from wasihost.engine.ending import Ending
from wasihost.engine.traps import TRAP_MEANINGS, meaning_of

POINTER = "pointer"

STRUCTS = {
    capi.Func: "wasmtime_func_t",
    capi.Instance: "wasmtime_instance_t",
    capi.Table: "wasmtime_table_t",
    capi.Memory: "wasmtime_memory_t",
    capi.Global: "wasmtime_global_t",
    capi.ExternUnion: "wasmtime_extern_union_t",
    capi.Extern: "wasmtime_extern_t",
    capi.ValUnion: "wasmtime_valunion_t",
    capi.Val: "wasmtime_val_t",
    capi.ByteVec: "wasm_byte_vec_t",
    capi.ValTypeVec: "wasm_valtype_vec_t",
}

ABSENT_TRAPS = {
    # the component model
    "CANNOT_ENTER_COMPONENT",
    "NO_ASYNC_RESULT",
    "ASYNC_DEADLOCK",
    "CANNOT_LEAVE_COMPONENT",
    "CANNOT_BLOCK_SYNC_TASK",
    "INVALID_CHAR",
    "DEBUG_ASSERT_STRING_ENCODING_FINISHED",
    "DEBUG_ASSERT_EQUAL_CODE_UNITS",
    "DEBUG_ASSERT_POINTER_ALIGNED",
    "DEBUG_ASSERT_UPPER_BITS_UNSET",
    "STRING_OUT_OF_BOUNDS",
    "LIST_OUT_OF_BOUNDS",
    "INVALID_DISCRIMINANT",
    "UNALIGNED_POINTER",
    "TASK_CANCEL_NOT_CANCELLED",
    "TASK_CANCEL_OR_RETURN_TWICE",
    "SUBTASK_CANCEL_AFTER_TERMINAL",
    "TASK_RETURN_INVALID",
    "WAITABLE_SET_DROP_HAS_WAITERS",
    "SUBTASK_DROP_NOT_RESOLVED",
    "THREAD_NEW_INDIRECT_INVALID_TYPE",
    "THREAD_NEW_INDIRECT_UNINITIALIZED",
    "BACKPRESSURE_OVERFLOW",
    "UNSUPPORTED_CALLBACK_CODE",
    "CANNOT_RESUME_THREAD",
    "CONCURRENT_FUTURE_STREAM_OP",
    "REFERENCE_COUNT_OVERFLOW",
    "STREAM_OP_TOO_BIG",
    "WAITABLE_SYNC_AND_ASYNC",
    # the Pulley interpreter
    "DISABLED_OPCODE",
}


def shape(kind: Any) -> object:
    """What matters at a call: nothing, a pointer, or a number of a size and kind."""
    if kind is None:
        return None
    if kind in (ctypes.c_void_p, ctypes.c_char_p):
        return POINTER
    if issubclass(kind, ctypes._Pointer) or hasattr(kind, "_restype_"):
        return POINTER
    if issubclass(kind, ctypes._CFuncPtr):
        return POINTER
    return kind._type_ if kind._type_ in "?fd" else (ctypes.sizeof(kind), kind(-1).value < 0)


@pytest.mark.parametrize("name", sorted(capi.DECLARATIONS))
def test_declaration_is_that_of_the_headers(name: str) -> None:
    result, arguments = capi.DECLARATIONS[name]
    generated = getattr(theirs, f"_{name}")
    assert [shape(kind) for kind in arguments] == [shape(kind) for kind in generated.argtypes]
    assert shape(result) == shape(generated.restype)


@pytest.mark.parametrize("ours", STRUCTS, ids=lambda ours: ours.__name__)
def test_struct_has_the_size_and_offsets_of_the_headers(ours: Any) -> None:
    generated = getattr(theirs, STRUCTS[ours])
    assert ctypes.sizeof(ours) == ctypes.sizeof(generated)
    assert ctypes.alignment(ours) == ctypes.alignment(generated)
    if issubclass(ours, ctypes.Union):
        return
    mine = [(getattr(ours, f[0]).offset, getattr(ours, f[0]).size) for f in ours._fields_]
    # Names with two underscores are mangled nowhere but in class bodies: read them as they are.
    other = [(getattr(generated, f[0]).offset, getattr(generated, f[0]).size) for f in generated._fields_]
    assert mine == other


@pytest.mark.parametrize(
    ("ours", "member"), [("i32", "i32"), ("i64", "i64"), ("f32", "f32"), ("f64", "f64"), ("funcref", "funcref")]
)
def test_value_union_members_have_their_sizes(ours: str, member: str) -> None:
    assert getattr(capi.ValUnion, ours).size == getattr(theirs.wasmtime_valunion_t, member).size


def test_callback_types_take_as_many_arguments_as_the_headers_say() -> None:
    callback = theirs._wasmtime_linker_define_func.argtypes[6]
    assert [shape(kind) for kind in capi.HostCallback._argtypes_] == [shape(kind) for kind in callback._argtypes_]
    epoch = theirs._wasmtime_store_epoch_deadline_callback.argtypes[1]
    assert [shape(kind) for kind in capi.EpochCallback._argtypes_] == [shape(kind) for kind in epoch._argtypes_]


def test_every_trap_code_has_a_meaning_or_is_absent_on_purpose() -> None:
    known = {code.name for code in wasmtime.TrapCode if code.value in TRAP_MEANINGS}
    assert known | ABSENT_TRAPS == {code.name for code in wasmtime.TrapCode}
    assert not known & ABSENT_TRAPS
    assert set(TRAP_MEANINGS) <= {code.value for code in wasmtime.TrapCode}


def test_traps_that_are_not_crashes() -> None:
    others = {
        wasmtime.TrapCode(code).name: end for code, (end, _) in TRAP_MEANINGS.items() if end is not Ending.CRASHED
    }
    assert others == {"INTERRUPT": Ending.DEADLINE, "OUT_OF_FUEL": Ending.OUT_OF_FUEL}


def test_an_unknown_trap_code_is_a_crash() -> None:
    assert meaning_of(250) == (Ending.CRASHED, "wasm trapped (code 250)")


def test_native_version_is_of_the_supported_series() -> None:
    from wasihost.engine.engine import native_version

    found = re.fullmatch(r"(\d+)\.\d+\.\d+", native_version())
    assert found is not None
    assert found.group(1) == version("wasmtime").split(".")[0]
