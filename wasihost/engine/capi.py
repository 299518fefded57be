"""The part of Wasmtime's C interface that is used here, declared by hand.

Struct layouts and signatures are those of the headers of Wasmtime 50 (`wasm.h`, `wasi.h`, `wasmtime/*.h`). The
dependency is bound to that major version, and a test compares every declaration with the ones that the `wasmtime`
package generates from the same headers.

Opaque pointers are plain `c_void_p` integers: this file is about call cost, types live one level up.
"""

from __future__ import annotations

import ctypes
from ctypes import (
    CFUNCTYPE,
    POINTER,
    Structure,
    Union,
    c_bool,
    c_char_p,
    c_double,
    c_float,
    c_int,
    c_int32,
    c_int64,
    c_size_t,
    c_uint8,
    c_uint32,
    c_uint64,
    c_void_p,
)
from typing import Any, Final

from wasihost.engine.configuration import library_path
from wasihost.errors import EngineError

I32: Final = 0
I64: Final = 1
FUNCREF_KIND: Final = 5
EXTERN_FUNC: Final = 0
EXTERN_GLOBAL: Final = 1
EXTERN_TABLE: Final = 2
EXTERN_MEMORY: Final = 3
UPDATE_CONTINUE: Final = 0
VALKINDS: Final = {"i32": 0, "i64": 1, "f32": 2, "f64": 3}


class Func(Structure):
    """`wasmtime_func_t`."""

    _fields_ = [("store_id", c_uint64), ("private", c_void_p)]


class Instance(Structure):
    """`wasmtime_instance_t`."""

    _fields_ = [("store_id", c_uint64), ("private", c_size_t)]


class _StoreItem(Structure):
    _fields_ = [("store_id", c_uint64), ("private1", c_uint32)]


class Table(Structure):
    """`wasmtime_table_t`."""

    _fields_ = [("item", _StoreItem), ("private2", c_uint32)]


class Memory(Structure):
    """`wasmtime_memory_t`."""

    _fields_ = [("item", _StoreItem), ("private2", c_uint32)]


class Global(Structure):
    """`wasmtime_global_t`."""

    _fields_ = [("store_id", c_uint64), ("private1", c_uint32), ("private2", c_uint32), ("private3", c_uint32)]


class ExternUnion(Union):
    """`wasmtime_extern_union_t`."""

    _fields_ = [("func", Func), ("global_", Global), ("table", Table), ("memory", Memory), ("other", c_void_p)]


class Extern(Structure):
    """`wasmtime_extern_t`."""

    _fields_ = [("kind", c_uint8), ("of", ExternUnion)]


class ReferenceValue(Structure):
    """The largest references of `wasmtime_valunion_t` (anyref, externref), for the size of the union."""

    _fields_ = [("store_id", c_uint64), ("private1", c_uint32), ("private2", c_uint32), ("private3", c_void_p)]


class ValUnion(Union):
    """`wasmtime_valunion_t`."""

    _fields_ = [
        ("i32", c_int32),
        ("i64", c_int64),
        ("f32", c_float),
        ("f64", c_double),
        ("reference", ReferenceValue),
        ("funcref", Func),
        ("v128", c_uint8 * 16),
    ]


class Val(Structure):
    """`wasmtime_val_t`."""

    _fields_ = [("kind", c_uint8), ("of", ValUnion)]


class ByteVec(Structure):
    """`wasm_byte_vec_t`, also `wasm_name_t` and `wasm_message_t`."""

    _fields_ = [("size", c_size_t), ("data", POINTER(c_uint8))]


class ValTypeVec(Structure):
    """`wasm_valtype_vec_t`."""

    _fields_ = [("size", c_size_t), ("data", POINTER(c_void_p))]


HostCallback = CFUNCTYPE(c_size_t, c_void_p, c_void_p, POINTER(Val), c_size_t, POINTER(Val), c_size_t)
"""`wasmtime_func_callback_t`: (env, caller, arguments, how many, results, how many) -> trap or 0."""

EpochCallback = CFUNCTYPE(c_size_t, c_void_p, c_void_p, POINTER(c_uint64), POINTER(c_uint8))
"""(context, data, ticks to add, what to do) -> error or 0."""

Finalizer = CFUNCTYPE(None, c_void_p)

DECLARATIONS: Final[dict[str, tuple[Any, list[Any]]]] = {
    # configuration and engine
    "wasm_config_new": (c_void_p, []),
    "wasmtime_config_consume_fuel_set": (None, [c_void_p, c_bool]),
    "wasmtime_config_epoch_interruption_set": (None, [c_void_p, c_bool]),
    "wasmtime_config_max_wasm_stack_set": (None, [c_void_p, c_size_t]),
    "wasmtime_config_async_stack_size_set": (None, [c_void_p, c_uint64]),
    "wasmtime_config_wasm_exceptions_set": (None, [c_void_p, c_bool]),
    "wasmtime_config_wasm_threads_set": (None, [c_void_p, c_bool]),
    "wasmtime_config_native_unwind_info_set": (None, [c_void_p, c_bool]),
    "wasm_engine_new_with_config": (c_void_p, [c_void_p]),
    "wasm_engine_delete": (None, [c_void_p]),
    "wasmtime_engine_increment_epoch": (None, [c_void_p]),
    # modules
    "wasmtime_module_new": (c_void_p, [c_void_p, c_char_p, c_size_t, POINTER(c_void_p)]),
    "wasmtime_module_deserialize_file": (c_void_p, [c_void_p, c_char_p, POINTER(c_void_p)]),
    "wasmtime_module_serialize": (c_void_p, [c_void_p, POINTER(ByteVec)]),
    "wasmtime_module_delete": (None, [c_void_p]),
    # linking
    "wasmtime_linker_new": (c_void_p, [c_void_p]),
    "wasmtime_linker_delete": (None, [c_void_p]),
    "wasmtime_linker_allow_shadowing": (None, [c_void_p, c_bool]),
    "wasmtime_linker_define_wasi": (c_void_p, [c_void_p]),
    "wasmtime_linker_define_func": (
        c_void_p,
        [c_void_p, c_char_p, c_size_t, c_char_p, c_size_t, c_void_p, HostCallback, c_void_p, Finalizer],
    ),
    "wasmtime_linker_instantiate_pre": (c_void_p, [c_void_p, c_void_p, POINTER(c_void_p)]),
    "wasmtime_instance_pre_delete": (None, [c_void_p]),
    "wasmtime_instance_pre_instantiate": (c_void_p, [c_void_p, c_void_p, POINTER(Instance), POINTER(c_void_p)]),
    "wasm_functype_new": (c_void_p, [POINTER(ValTypeVec), POINTER(ValTypeVec)]),
    "wasm_functype_delete": (None, [c_void_p]),
    "wasm_valtype_new": (c_void_p, [c_uint8]),
    "wasm_valtype_vec_new": (None, [POINTER(ValTypeVec), c_size_t, POINTER(c_void_p)]),
    # stores
    "wasmtime_store_new": (c_void_p, [c_void_p, c_void_p, Finalizer]),
    "wasmtime_store_delete": (None, [c_void_p]),
    "wasmtime_store_context": (c_void_p, [c_void_p]),
    "wasmtime_store_limiter": (None, [c_void_p, c_int64, c_int64, c_int64, c_int64, c_int64]),
    "wasmtime_store_epoch_deadline_callback": (None, [c_void_p, EpochCallback, c_void_p, Finalizer]),
    "wasmtime_context_set_fuel": (c_void_p, [c_void_p, c_uint64]),
    "wasmtime_context_get_fuel": (c_void_p, [c_void_p, POINTER(c_uint64)]),
    "wasmtime_context_set_epoch_deadline": (None, [c_void_p, c_uint64]),
    "wasmtime_context_set_wasi": (c_void_p, [c_void_p, c_void_p]),
    # WASI
    "wasi_config_new": (c_void_p, []),
    "wasi_config_delete": (None, [c_void_p]),
    "wasi_config_set_argv": (c_bool, [c_void_p, c_size_t, POINTER(c_char_p)]),
    "wasi_config_set_env": (c_bool, [c_void_p, c_size_t, POINTER(c_char_p), POINTER(c_char_p)]),
    "wasi_config_inherit_stdin": (None, [c_void_p]),
    "wasi_config_set_stdin_bytes": (None, [c_void_p, POINTER(ByteVec)]),
    "wasi_config_preopen_dir": (c_bool, [c_void_p, c_char_p, c_char_p, c_bool]),
    "wasm_byte_vec_new": (None, [POINTER(ByteVec), c_size_t, c_char_p]),
    "wasm_byte_vec_delete": (None, [POINTER(ByteVec)]),
    # what an instance exports
    "wasmtime_instance_export_get": (c_bool, [c_void_p, POINTER(Instance), c_char_p, c_size_t, POINTER(Extern)]),
    "wasmtime_memory_data": (c_void_p, [c_void_p, POINTER(Memory)]),
    "wasmtime_memory_data_size": (c_size_t, [c_void_p, POINTER(Memory)]),
    "wasmtime_memory_grow": (c_void_p, [c_void_p, POINTER(Memory), c_uint64, POINTER(c_uint64)]),
    "wasmtime_global_get": (None, [c_void_p, POINTER(Global), POINTER(Val)]),
    "wasmtime_global_set": (c_void_p, [c_void_p, POINTER(Global), POINTER(Val)]),
    "wasmtime_table_get": (c_bool, [c_void_p, POINTER(Table), c_uint64, POINTER(Val)]),
    "wasmtime_table_size": (c_uint64, [c_void_p, POINTER(Table)]),
    "wasmtime_func_call": (
        c_void_p,
        [c_void_p, POINTER(Func), POINTER(Val), c_size_t, POINTER(Val), c_size_t, POINTER(c_void_p)],
    ),
    # how things end
    "wasmtime_trap_new": (c_void_p, [c_char_p, c_size_t]),
    "wasmtime_trap_code": (c_bool, [c_void_p, POINTER(c_uint8)]),
    "wasm_trap_message": (None, [c_void_p, POINTER(ByteVec)]),
    "wasm_trap_delete": (None, [c_void_p]),
    "wasmtime_error_new": (c_void_p, [c_char_p]),
    "wasmtime_error_message": (None, [c_void_p, POINTER(ByteVec)]),
    "wasmtime_error_exit_status": (c_bool, [c_void_p, POINTER(c_int)]),
    "wasmtime_error_delete": (None, [c_void_p]),
}
"""Function name -> (result, arguments)."""


def _load() -> ctypes.CDLL:
    library = ctypes.CDLL(str(library_path()))
    for name, (result, arguments) in DECLARATIONS.items():
        try:
            function = getattr(library, name)
        except AttributeError:
            raise EngineError(
                f"the installed Wasmtime has no {name}: its version is not one that wasihost supports"
            ) from None
        function.restype, function.argtypes = result, arguments
    return library


lib: Final[Any] = _load()
"""The library with every declared function ready to call. Calls release the GIL."""


def take_text(vec: ByteVec) -> str:
    """Return the text of a byte vector and free it."""
    text = ctypes.string_at(vec.data, vec.size) if vec.size else b""
    lib.wasm_byte_vec_delete(ctypes.byref(vec))
    return text.rstrip(b"\0").decode("utf-8", "replace")


def take_error(error: int) -> str:
    """Return the message of a `wasmtime_error_t` and free it."""
    vec = ByteVec()
    lib.wasmtime_error_message(error, ctypes.byref(vec))
    lib.wasmtime_error_delete(error)
    return take_text(vec)


def check(error: int | None, doing: str) -> None:
    """Raise if a call returned an error.

    Raises:
        EngineError: With Wasmtime's first line after `doing`.
    """
    if error:
        raise EngineError(f"{doing}: {take_error(error).splitlines()[0]}")
