"""A module compiled for an engine and linked to its host functions: the part that all guests share."""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Sequence
from ctypes import byref, c_void_p
from pathlib import Path
from typing import Final

from wasihost.engine.capi import I32, Finalizer, HostCallback, ValTypeVec, check, lib
from wasihost.engine.engine import Engine
from wasihost.engine.wasi import NO_RESULT, SHADOWS, callback_for

_NO_FINALIZER: Final = ctypes.cast(0, Finalizer)

# Native code holds these pointers for as long as any linker lives: they are made once and never freed.
_CALLBACKS: Final = {key: callback_for(function) for key, (function, _) in SHADOWS.items()}


class Code:
    """Compiled code, ready to be instantiated any number of times, from any thread.

    Args:
        engine: The engine that compiled it.
        path: The file from `Engine.compile`, already checked for owner, mode and content.
        table_is_fixed: Whether no instruction of the module changes its function table
            (`runtime.wasm.tables.table_is_fixed`).

    Raises:
        EngineError: The file does not fit this engine, or the module imports something that nobody provides.
    """

    __slots__ = ("__weakref__", "_finalizer", "engine", "pre", "table_is_fixed")

    def __init__(self, engine: Engine, path: Path, *, table_is_fixed: bool = False) -> None:
        self.engine = engine
        self.table_is_fixed = table_is_fixed
        compiled = engine.load(path)
        linker: int = lib.wasmtime_linker_new(engine.pointer)
        lib.wasmtime_linker_allow_shadowing(linker, True)
        check(lib.wasmtime_linker_define_wasi(linker), "cannot define WASI")
        for (module, name), (_, parameters) in SHADOWS.items():
            results = 0 if (module, name) in NO_RESULT else 1
            _define(linker, (module, name), _CALLBACKS[module, name], parameters, results)
        pre = c_void_p()
        check(
            lib.wasmtime_linker_instantiate_pre(linker, compiled, byref(pre)),
            "the module needs something that wasihost does not give",
        )
        self.pre: int | None = pre.value
        # Guests hold on to their code, so nothing of it is in use when this is.
        self._finalizer = weakref.finalize(self, _free, engine, pre.value or 0, linker, compiled)
        self._finalizer.atexit = False

    def close(self) -> None:
        """Free the code; guests made from it must be closed before."""
        self._finalizer()
        self.pre = None


def _free(engine: Engine, pre: int, linker: int, module: int) -> None:
    if engine.is_of_this_process():  # in a forked child a thread that is not there may hold a lock of the library
        lib.wasmtime_instance_pre_delete(pre)
        lib.wasmtime_linker_delete(linker)
        lib.wasmtime_module_delete(module)


def _define(
    linker: int,
    key: tuple[str, str],
    callback: HostCallback,  # type: ignore[valid-type]
    parameters: int,
    results: int,
) -> None:
    module, name = (part.encode() for part in key)
    takes, gives = _types([I32] * parameters), _types([I32] * results)
    function_type = lib.wasm_functype_new(byref(takes), byref(gives))
    error = lib.wasmtime_linker_define_func(
        linker, module, len(module), name, len(name), function_type, callback, None, _NO_FINALIZER
    )
    lib.wasm_functype_delete(function_type)
    check(error, f"cannot define {name.decode()}")


def _types(kinds: Sequence[int]) -> ValTypeVec:
    vec = ValTypeVec()
    pointers = (c_void_p * len(kinds))(*[lib.wasm_valtype_new(kind) for kind in kinds])
    lib.wasm_valtype_vec_new(byref(vec), len(kinds), pointers)
    return vec
