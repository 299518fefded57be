"""One guest: a store, an instance of the code, and the state that its host functions share.

A guest is used by one thread, for one boot or one run, and closed. Everything read from it (pointers, lengths,
bytes) is hostile and checked here or in `wasi`.
"""

from __future__ import annotations

import ctypes
import math
import struct
import threading
import time
from collections.abc import Callable, Sequence
from ctypes import byref, c_int, c_uint8, c_uint64, c_void_p
from typing import TYPE_CHECKING, Any, Final

from wasihost.engine.capi import (
    EXTERN_FUNC,
    EXTERN_GLOBAL,
    EXTERN_MEMORY,
    EXTERN_TABLE,
    FUNCREF_KIND,
    I32,
    UPDATE_CONTINUE,
    VALKINDS,
    ByteVec,
    EpochCallback,
    Extern,
    Finalizer,
    Func,
    Instance,
    Val,
    check,
    lib,
    take_error,
    take_text,
)
from wasihost.engine.capture import Capture
from wasihost.engine.ending import CANCELLED, EXPIRED, End, Ending, Stop
from wasihost.engine.mapping import window
from wasihost.engine.surroundings import Surroundings
from wasihost.engine.traps import meaning_of
from wasihost.engine.wasi_context import wasi_config
from wasihost.errors import EngineError
from wasihost.limits import WASM_MEMORY_BYTES, WASM_PAGE_BYTES

if TYPE_CHECKING:
    from wasihost.engine.code import Code
    from wasihost.engine.written import Spans

UNLIMITED_FUEL: Final = 2**63
NO_FINALIZER: Final = ctypes.cast(0, Finalizer)
WASI_CALL_FAILED: Final = "In func wasi_snapshot_preview1::"
MAX_TABLE_ELEMENTS: Final = 1 << 20


class _Current(threading.local):
    guest: Guest | None = None


current: Final = _Current()
"""The guest whose wasm runs on this thread: host functions find their state here."""


class GuestMemoryError(Exception):
    """The guest named memory that it does not have.

    Not a ValueError: a callback of the host may raise one of its own, and the guest is not to be told of that.
    """


class GuestStoppedError(Exception):
    """Raised inside host functions to unwind the guest; `Guest.stop` says why."""


class Guest:
    """An instance with its own store, ready to be written to and called.

    Attributes:
        copies: The pages that were copies of its own when its memory was made the image's, if somebody looked.
        faults: The page faults of this process until then.
        age: How many guests had its store before.
    """

    __slots__ = (
        "_address",
        "_externs",
        "_fuel",
        "_has_grants",
        "_instance",
        "_memory",
        "_stop_wanted",
        "_store",
        "_wake",
        "age",
        "calls_left",
        "captures",
        "code",
        "context",
        "copies",
        "deadline",
        "disk",
        "doorbell",
        "faults",
        "last_output",
        "monotonic_start",
        "output_ends_run",
        "stop",
    )

    def __init__(self, code: Code) -> None:
        """Instantiate the code; `begin` gives the guest its surroundings."""
        code.engine.check_process()
        self._forget(code)
        self._externs: dict[str, Extern] = {}
        self._store: int | None = lib.wasmtime_store_new(code.engine.pointer, None, NO_FINALIZER)
        try:
            self._instantiate()
        except BaseException:
            self.close()
            raise

    def _forget(self, code: Code) -> None:
        self.code = code
        self.stop: Stop | None = None
        self.doorbell: Callable[[Guest], None] | None = None
        self.disk: Callable[[Guest, int, int], bool] | None = None
        self.calls_left = 0
        self.deadline = math.inf
        self.last_output = b""
        self.copies: Spans | None = None
        self.faults: int | None = None
        self.age = 0
        self._stop_wanted: Stop | None = None
        self._wake: threading.Event | None = None
        self._has_grants = False

    def _instantiate(self) -> None:
        self.context: int = lib.wasmtime_store_context(self._store)
        lib.wasmtime_store_limiter(self._store, WASM_MEMORY_BYTES, MAX_TABLE_ELEMENTS, 1, 1, 1)
        lib.wasmtime_store_epoch_deadline_callback(self._store, _on_epoch, None, NO_FINALIZER)
        lib.wasmtime_context_set_epoch_deadline(self.context, 1)
        instance, trap = Instance(), c_void_p()
        self._instance = instance
        error = lib.wasmtime_instance_pre_instantiate(self.code.pre, self.context, byref(instance), byref(trap))
        check(error, "cannot instantiate")
        if trap.value:
            vec = ByteVec()
            lib.wasm_trap_message(trap, byref(vec))
            lib.wasm_trap_delete(trap)
            raise EngineError(f"cannot instantiate: {take_text(vec)}")
        self._memory = self.export("memory", EXTERN_MEMORY).of.memory
        self._address: int | None = None

    def begin(self, surroundings: Surroundings) -> None:
        """Give the guest its grants and limits; its deadline counts from here.

        Raises:
            EngineError: A granted directory cannot be opened.
        """
        self.renew(surroundings)
        lib.wasmtime_context_set_epoch_deadline(self.context, 1)
        self._has_grants = True
        check(lib.wasmtime_context_set_wasi(self.context, wasi_config(surroundings)), "cannot set up WASI")
        self.monotonic_start = time.monotonic_ns()

    def renew(self, surroundings: Surroundings) -> None:
        """Give the guest of a session the limits of another turn; its directories stay those that it has."""
        self.stop = self._stop_wanted = None
        if self._wake is not None:
            self._wake.clear()
        self.doorbell = None
        self.last_output = b""
        self.deadline = time.monotonic() + surroundings.deadline_seconds
        self.output_ends_run = surroundings.output_ends_run
        self.captures = (
            Capture(surroundings.output_bytes, surroundings.on_stdout, ends=surroundings.output_ends_run),
            Capture(surroundings.output_bytes, surroundings.on_stderr, ends=surroundings.output_ends_run),
        )
        self.disk = surroundings.disk
        self.calls_left = surroundings.host_calls
        self._fuel = surroundings.fuel
        lib.wasmtime_store_limiter(self._store, surroundings.memory_bytes, MAX_TABLE_ELEMENTS, 1, 1, 1)
        if self.code.engine.metered:
            fuel = UNLIMITED_FUEL if surroundings.fuel is None else surroundings.fuel
            check(lib.wasmtime_context_set_fuel(self.context, fuel), "cannot set fuel")

    # -- what the instance exports ------------------------------------------------------------------------------

    def export(self, name: str, kind: int) -> Extern:
        """Return an export.

        Raises:
            EngineError: There is none of that name and kind.
        """
        extern = self._externs.get(name)
        if extern is None:
            extern, raw = Extern(), name.encode()
            if not lib.wasmtime_instance_export_get(self.context, byref(self._instance), raw, len(raw), byref(extern)):
                raise EngineError(f"the module exports no {name!r}")
            self._externs[name] = extern
        if extern.kind != kind:
            raise EngineError(f"the module's export {name!r} is of the wrong kind")
        return extern

    def get_global(self, name: str) -> int:
        """Return the value of a number global, a float as its bits."""
        value = Val()
        lib.wasmtime_global_get(self.context, byref(self.export(name, EXTERN_GLOBAL).of.global_), byref(value))
        return int(value.of.i64 if value.kind in (VALKINDS["i64"], VALKINDS["f64"]) else value.of.i32)

    def set_global(self, name: str, kind: str, number: int) -> None:
        """Set a number global, a float by its bits."""
        value = Val(kind=VALKINDS[kind])
        if kind in ("i64", "f64"):
            value.of.i64 = number
        else:
            value.of.i32 = number
        error = lib.wasmtime_global_set(self.context, byref(self.export(name, EXTERN_GLOBAL).of.global_), byref(value))
        check(error, "cannot set a global")

    # -- memory -------------------------------------------------------------------------------------------------

    def memory_bytes(self) -> int:
        """Size of the linear memory now."""
        return int(lib.wasmtime_memory_data_size(self.context, byref(self._memory)))

    def memory_address(self) -> int:
        """Address of the linear memory in this process; it does not move while the guest lives."""
        address = self._address
        if address is None:
            address = self._address = int(lib.wasmtime_memory_data(self.context, byref(self._memory)))
        return address

    def grow_to(self, size: int) -> None:
        """Grow the memory to at least `size` bytes.

        Raises:
            EngineError: The cap does not allow it.
        """
        missing = size - self.memory_bytes()
        if missing > 0:
            before = c_uint64()
            pages = -(-missing // WASM_PAGE_BYTES)
            error = lib.wasmtime_memory_grow(self.context, byref(self._memory), pages, byref(before))
            check(error, "cannot grow the guest's memory")

    def read(self, address: int, size: int) -> bytes:
        """Copy bytes out of the guest.

        Raises:
            GuestMemoryError: They do not lie within its memory.
        """
        self._bounds(address, size)
        return ctypes.string_at(self.memory_address() + address, size)

    def view(self, address: int, size: int) -> memoryview:
        """Return a read-only window on the guest's memory; valid only until wasm runs again.

        Raises:
            GuestMemoryError: It does not lie within its memory.
        """
        self._bounds(address, size)
        return window(self.memory_address() + address, size)

    def write(self, address: int, data: bytes) -> None:
        """Copy bytes into the guest.

        Raises:
            GuestMemoryError: They do not fit into its memory.
        """
        self._bounds(address, len(data))
        ctypes.memmove(self.memory_address() + address, data, len(data))

    def _bounds(self, address: int, size: int) -> None:
        if address < 0 or size < 0 or address + size > self.memory_bytes():
            raise GuestMemoryError("the guest named memory that it does not have")

    def read_u32(self, address: int) -> int:
        """Read one little-endian word.

        Raises:
            GuestMemoryError: It does not lie within the guest's memory.
        """
        return int(struct.unpack("<I", self.read(address, 4))[0])

    # -- calls --------------------------------------------------------------------------------------------------

    def call_export(self, name: str, *arguments: int) -> End:
        """Call an exported function that takes i32 arguments and returns nothing."""
        return self._call(self.export(name, EXTERN_FUNC).of.func, arguments, (Val * 0)())

    def call_for_result(self, name: str, *arguments: int) -> tuple[End, int]:
        """Call an exported function that takes i32 arguments and returns an i32."""
        results = (Val * 1)()
        end = self._call(self.export(name, EXTERN_FUNC).of.func, arguments, results)
        return end, int(results[0].of.i32)

    def call_table(self, index: int, *arguments: int) -> End:
        """Call a function of the function table that takes i32 arguments and returns an i32, which is dropped.

        Raises:
            EngineError: The table has no such function.
        """
        value = Val()
        table = self.export("wasihost:table", EXTERN_TABLE).of.table
        found = lib.wasmtime_table_get(self.context, byref(table), index, byref(value))
        if not found or value.kind != FUNCREF_KIND or not value.of.funcref.store_id:
            raise EngineError("the image's entry function is not in the function table")
        return self._call(value.of.funcref, arguments, (Val * 1)())

    def _call(self, function: Func, arguments: Sequence[int], results: ctypes.Array[Val]) -> End:
        count = len(arguments)
        values = (Val * count)()
        for position, argument in enumerate(arguments):
            values[position].kind = I32
            values[position].of.i32 = argument
        trap = c_void_p()
        ticker = self.code.engine.ticker
        ticker.enter()
        previous, current.guest = current.guest, self
        try:
            error = lib.wasmtime_func_call(
                self.context, byref(function), values, count, results, len(results), byref(trap)
            )
        finally:
            ticker.leave()
            current.guest = previous
        return self._end(error, trap)

    def _end(self, error: int | None, trap: c_void_p) -> End:
        if error:
            status = c_int()
            left = lib.wasmtime_error_exit_status(error, byref(status))
            message = take_error(error)
            if self.stop is not None:
                return self.stop.end()
            if left:
                return End(Ending.EXITED, exit_code=status.value & 0xFF)
            return _failed_call(message)
        if trap.value:
            code = c_uint8()
            known = lib.wasmtime_trap_code(trap, byref(code))
            lib.wasm_trap_delete(trap)
            if self.stop is not None:
                return self.stop.end()
            if known:
                return End(*meaning_of(code.value))
            return End(Ending.HOST_FAILED, "a host function failed")
        return End(Ending.RETURNED)

    # -- stopping -----------------------------------------------------------------------------------------------

    def cancel(self, stop: Stop = CANCELLED) -> None:
        """Stop the guest from another thread, at its next loop or function entry, or out of its sleep."""
        self._stop_wanted = stop
        wake = self._wake
        if wake is not None:
            wake.set()

    def must_stop(self) -> bool:
        """Whether the guest was cancelled or is past its deadline; `stop` says which."""
        if self.stop is None:
            if self._stop_wanted is not None:
                self.stop = self._stop_wanted
            elif time.monotonic() >= self.deadline:
                self.stop = EXPIRED
        return self.stop is not None

    def sleep(self, seconds: float) -> None:
        """Wait on behalf of the guest, within its deadline.

        Raises:
            GuestStoppedError: It was cancelled or reached its deadline.
        """
        if self._wake is None:
            self._wake = threading.Event()
        end = time.monotonic() + seconds
        while not self.must_stop():
            now = time.monotonic()
            if now >= end:
                return
            self._wake.wait(min(end, self.deadline) - now)
        raise GuestStoppedError

    def fuel_consumed(self) -> int | None:
        """Fuel used so far; None when unmetered."""
        if self._fuel is None or not self.code.engine.metered:
            return None
        left = c_uint64()
        check(lib.wasmtime_context_get_fuel(self.context, byref(left)), "cannot read fuel")
        return self._fuel - left.value

    def end(self) -> None:
        """Take its directories and files away: it will not run again."""
        check(lib.wasmtime_context_set_wasi(self.context, lib.wasi_config_new()), "cannot end a guest")
        self._has_grants = False

    def hand_over(self) -> Guest:
        """Return a guest that has this one's store, instance and memory; this one is as if closed.

        A guest of its own, because whoever still means to stop this one must not stop the next.

        Raises:
            EngineError: Its files could not be closed.
        """
        if self._has_grants:
            self.end()
        heir = object.__new__(Guest)
        heir._forget(self.code)
        heir.age = self.age + 1
        heir.context, heir._instance, heir._externs = self.context, self._instance, self._externs
        heir._memory, heir._address = self._memory, self._address
        heir._store, self._store = self._store, None
        return heir

    def close(self) -> None:
        """Free everything; the guest cannot be used afterwards."""
        store, self._store = self._store, None
        if store is not None:
            lib.wasmtime_store_delete(store)


def _failed_call(message: str) -> End:
    """Say who is to blame for an error that is neither a trap nor a stop of ours.

    Wasmtime's own WASI functions raise instead of answering when a pointer makes no sense, as one does after the
    guest's own stack in its memory has overflowed.
    """
    cause = message.rpartition("Caused by:")[2].strip().splitlines()
    first = cause[0].removeprefix("0: ") if cause else "for no known reason"
    if first.startswith(WASI_CALL_FAILED):
        return End(Ending.CRASHED, f"a pointer to the host made no sense ({first.removeprefix(WASI_CALL_FAILED)})")
    return End(Ending.HOST_FAILED, f"Wasmtime failed: {first}")


@EpochCallback  # type: ignore[untyped-decorator]
def _on_epoch(_context: int, _data: int, ticks: Any, kind: Any) -> int:  # noqa: ANN401 - pointers of ctypes
    guest = current.guest
    if guest is None or guest.must_stop():
        return int(lib.wasmtime_error_new(b"stopped by the host"))
    ticks[0] = 1
    kind[0] = UPDATE_CONTINUE
    return 0
