"""An engine: Wasmtime with one configuration, and the code compiled for it."""

from __future__ import annotations

import ctypes
import os
from ctypes import byref, c_void_p
from pathlib import Path

from wasihost.engine.capi import ByteVec, check, lib
from wasihost.engine.configuration import engine_key, library_path
from wasihost.engine.threads import MAX_WASM_STACK_BYTES
from wasihost.engine.ticker import Ticker
from wasihost.errors import EngineError


class Engine:
    """Wasmtime, configured for metered guests (fuel and epochs) or unmetered ones (epochs only).

    Attributes:
        metered: Whether fuel is counted.
        key: Short text that names this configuration, for the cache of compiled code.
    """

    def __init__(self, *, metered: bool) -> None:
        config = lib.wasm_config_new()
        lib.wasmtime_config_consume_fuel_set(config, metered)
        lib.wasmtime_config_epoch_interruption_set(config, True)
        # Wasmtime insists that the stacks of its asynchronous mode, which is not used here, are no smaller.
        lib.wasmtime_config_async_stack_size_set(config, 2 * MAX_WASM_STACK_BYTES)
        lib.wasmtime_config_max_wasm_stack_set(config, MAX_WASM_STACK_BYTES)
        lib.wasmtime_config_wasm_exceptions_set(config, True)
        lib.wasmtime_config_wasm_threads_set(config, False)
        # Unwind tables serve native debuggers only; they cost size and a registration at every load.
        lib.wasmtime_config_native_unwind_info_set(config, False)
        self.pointer: int = lib.wasm_engine_new_with_config(config)
        if not self.pointer:
            raise EngineError("Wasmtime could not make an engine")
        self.metered = metered
        self.key = engine_key(metered=metered)
        self.ticker = Ticker(self.pointer)
        self._pid = os.getpid()

    def check_process(self) -> None:
        """Refuse to work in a forked child, where the engine's threads do not exist and locks may be held.

        Raises:
            EngineError: This process was forked after the engine was made.
        """
        if not self.is_of_this_process():
            raise EngineError(
                "this process was forked after wasihost was first used: use the 'spawn' start method, or fork before"
            )

    def is_of_this_process(self) -> bool:
        """Whether the engine was made in this process, and not before a fork."""
        return os.getpid() == self._pid

    def compile(self, module: bytes) -> bytes:
        """Compile a wasm module to native code, as bytes that `load` takes from a file.

        Raises:
            EngineError: The module is not valid wasm for this configuration.
        """
        self.check_process()
        compiled, vec = c_void_p(), ByteVec()
        check(lib.wasmtime_module_new(self.pointer, module, len(module), byref(compiled)), "cannot compile")
        try:
            check(lib.wasmtime_module_serialize(compiled, byref(vec)), "cannot serialize compiled code")
        finally:
            lib.wasmtime_module_delete(compiled)
        try:
            return ctypes.string_at(vec.data, vec.size)
        finally:
            lib.wasm_byte_vec_delete(byref(vec))

    def load(self, path: Path) -> int:
        """Map a file written from `compile`; return the module's pointer.

        The file is native code that this process will run: the caller vouches for its owner, mode and content.

        Raises:
            EngineError: Another Wasmtime, another configuration or another CPU made it, or it is damaged.
        """
        self.check_process()
        module = c_void_p()
        check(
            lib.wasmtime_module_deserialize_file(self.pointer, os.fsencode(path), byref(module)),
            "cannot load compiled code",
        )
        if not module.value:
            raise EngineError("cannot load compiled code")
        return module.value


_engines: dict[bool, Engine] = {}


def shared_engine(*, metered: bool) -> Engine:
    """Return this process's engine of that kind; engines are made once and live as long as the process."""
    engine = _engines.get(metered)
    if engine is None:
        engine = _engines.setdefault(metered, Engine(metered=metered))
    engine.check_process()
    return engine


def native_version() -> str:
    """Return the version of the Wasmtime library itself, which may differ from that of the Python package.

    The C interface does not tell it: the major number is read from the head of freshly compiled code, the whole from
    the library's own texts, where Wasmtime names itself.
    """
    import mmap
    import re

    compiled = shared_engine(metered=False).compile(b"\0asm\1\0\0\0")
    head = re.search(rb"[\x01-\x04](\d{1,4})[^\d]", compiled[:128])
    if head is None:
        return "unknown"
    major = head.group(1)
    with library_path().open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as library:
        found = re.search(rb"(?<![\d.])" + major + rb"\.\d+\.\d+(?![\d.])", library)
        return (found.group() if found else major).decode()
