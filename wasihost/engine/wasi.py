"""The WASI functions that the host answers itself, instead of Wasmtime.

capabilities/wasi-preview1.toml lists every function of WASI with its treatment and the reason; `SHADOWS` must hold
exactly those marked "shadowed" or "denied" (tested). All arguments come from the guest: every pointer, count and
length is checked, and anything odd is answered with an error number, never with an exception of the host.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from wasihost.engine.capi import I32, HostCallback, lib
from wasihost.engine.capture import CALLBACK_BYTES
from wasihost.engine.ending import Ending, Stop, host_failed
from wasihost.engine.instance import Guest, GuestMemoryError, GuestStoppedError, current

if TYPE_CHECKING:
    from ctypes import c_void_p

SUCCESS: Final = 0
EBADF: Final = 8
EFAULT: Final = 21
EINVAL: Final = 28
ENOSPC: Final = 51
ENOSYS: Final = 52
ENOTSOCK: Final = 57

DISK_FLAGS: Final = 0x4444
FILES_FLAGS: Final = 0x4646
"""What a rewritten module asks with; defined in `runtime.wasm.hooks` (tested to be the same), which takes its time to
import and is not needed for a run."""

MAX_IOVECS: Final = 1024
MAX_REMEMBERED_BYTES: Final = 65536
MAX_WRITE_BYTES: Final = 2**31 - 1
MAX_SUBSCRIPTIONS: Final = 1024
SUBSCRIPTION: Final = struct.Struct("<QB7xI4xQQH6x")
EVENT: Final = struct.Struct("<QHB5xQH6x")
CLOCK_EVENT: Final = 0
MONOTONIC: Final = 1
ABSOLUTE: Final = 1
U32: Final = 0xFFFFFFFF

HostFunction = Callable[..., int]


def sock_send(  # noqa: PLR0917 - as WASI has them
    guest: Guest, fd: int, iovecs: int, count: int, flags: int, written_at: int
) -> int:
    """Take what the guest writes to standard output and standard error; give it more to store, where it may.

    The rewritten module sends `fd_write` on descriptors 1 and 2 here; a guest that calls `send()` on one of them
    itself lands in the same place. It asks here too, on descriptor -1, when a counter of what it may store does not
    suffice (see `runtime.wasm.hooks`); a guest that asks by itself learns nothing and gains nothing.
    """
    if fd == U32 and flags in (DISK_FLAGS, FILES_FLAGS):
        need = iovecs | count << 32
        fits = guest.disk is not None and guest.disk(guest, *((need, 0) if flags == DISK_FLAGS else (0, need)))
        return SUCCESS if fits else ENOSPC
    if fd not in (1, 2):
        return ENOTSOCK
    if count > MAX_IOVECS:
        return EINVAL
    capture = guest.captures[fd - 1]
    pairs = struct.unpack(f"<{2 * count}I", guest.read(iovecs, 8 * count))
    pieces = [guest.view(address, size) for address, size in zip(pairs[::2], pairs[1::2], strict=True)]
    total = sum(map(len, pieces))
    if total > MAX_WRITE_BYTES:
        return EINVAL
    guest.write(written_at, total.to_bytes(4, "little"))
    if fd == 1:
        # A guest that is stopped before it knows that this was written still has it in its buffer.
        guest.last_output = b"".join(pieces) if total <= MAX_REMEMBERED_BYTES else b""
    for piece in pieces:
        # In steps, because a callback may take its time for each, and the deadline holds in here too.
        for start in range(0, len(piece), CALLBACK_BYTES):
            if not capture.feed(piece[start : start + CALLBACK_BYTES]) and guest.output_ends_run:
                stream = "standard output" if fd == 1 else "standard error"
                guest.stop = Stop(Ending.OUTPUT_LIMIT, f"the run wrote more than {capture.limit} bytes to {stream}")
                raise GuestStoppedError
            if guest.must_stop():
                raise GuestStoppedError
    return SUCCESS


def poll_oneoff(guest: Guest, subscriptions: int, events: int, count: int, stored_at: int) -> int:
    """Sleep for the guest, so that a sleep ends at the deadline and can be cancelled.

    Descriptors are ready at once: files always are, and standard input either holds bytes or blocks in the read.
    """
    if not 0 < count <= MAX_SUBSCRIPTIONS:
        return EINVAL
    raw = guest.read(subscriptions, SUBSCRIPTION.size * count)
    answered: list[bytes] = []
    clocks: list[tuple[float, int]] = []
    for position in range(count):
        userdata, kind, what, timeout, _precision, flags = SUBSCRIPTION.unpack_from(raw, SUBSCRIPTION.size * position)
        if kind == CLOCK_EVENT:
            clocks.append((_seconds_left(guest, what, timeout, flags), userdata))
        else:
            answered.append(EVENT.pack(userdata, SUCCESS, kind, 1, 0))
    if not answered:
        first = min(seconds for seconds, _ in clocks)
        if first > 0:
            guest.sleep(first)
        answered = [EVENT.pack(user, SUCCESS, CLOCK_EVENT, 0, 0) for seconds, user in clocks if seconds <= first]
    guest.write(events, b"".join(answered))
    guest.write(stored_at, len(answered).to_bytes(4, "little"))
    return SUCCESS


def _seconds_left(guest: Guest, clock: int, timeout: int, flags: int) -> float:
    if not flags & ABSOLUTE:
        return timeout / 1e9
    if clock == MONOTONIC:  # Wasmtime's monotonic clock starts at 0 with the guest
        return (timeout - (time.monotonic_ns() - guest.monotonic_start)) / 1e9
    return (timeout - time.time_ns()) / 1e9


def clock_res_get(guest: Guest, _clock: int, resolution_at: int) -> int:
    """Answer one nanosecond; on the way, serve the harness, for which this otherwise useless call is the doorbell."""
    if guest.doorbell is not None:
        guest.doorbell(guest)
    guest.write(resolution_at, (1).to_bytes(8, "little"))
    return SUCCESS


def proc_exit(guest: Guest, status: int) -> int:
    """End the guest with any status from 0 to 255: Wasmtime's own refuses those from 126 on.

    Raises:
        GuestStoppedError: Always.
    """
    guest.stop = Stop(Ending.EXITED, "", status & 0xFF)
    raise GuestStoppedError


def no_socket(_guest: Guest, *_arguments: int) -> int:
    """Answer that the descriptor is no socket: there are none."""
    return ENOTSOCK


def no_signal(_guest: Guest, *_arguments: int) -> int:
    """Answer that the function does not exist: a guest has nobody to signal."""
    return ENOSYS


def no_host(_guest: Guest, *_arguments: int) -> int:
    """Answer -1, which the one build that imports `host.call` takes as: no host is listening."""
    return -1


WASI: Final = "wasi_snapshot_preview1"

SHADOWS: Final[dict[tuple[str, str], tuple[HostFunction, int]]] = {
    (WASI, "proc_exit"): (proc_exit, 1),
    (WASI, "sock_send"): (sock_send, 5),
    (WASI, "poll_oneoff"): (poll_oneoff, 4),
    (WASI, "clock_res_get"): (clock_res_get, 2),
    (WASI, "sock_recv"): (no_socket, 6),
    (WASI, "sock_accept"): (no_socket, 3),
    (WASI, "sock_shutdown"): (no_socket, 2),
    (WASI, "proc_raise"): (no_signal, 1),
    ("host", "call"): (no_host, 4),
}
"""(module, function) -> (what answers, how many i32 arguments). All return an i32 but those of `NO_RESULT`."""
NO_RESULT: Final = frozenset({(WASI, "proc_exit")})


def callback_for(function: HostFunction) -> HostCallback:  # type: ignore[valid-type]
    """Wrap a host function for Wasmtime.

    It runs on the thread that called into wasm, so the thread's current guest is the caller. No exception leaves it:
    a stop becomes a trap, a bad pointer EFAULT, and anything else is a failure of the host that ends the run.
    """

    # ctypes hands over pointers that the type checker has no words for.
    def call(
        _env: c_void_p,
        _caller: c_void_p,
        arguments: Any,  # noqa: ANN401
        count: int,
        results: Any,  # noqa: ANN401
        _results: int,
    ) -> int:
        guest = current.guest
        try:
            if guest is None:
                return _trap()
            guest.calls_left -= 1
            if guest.calls_left < 0:
                guest.stop = guest.stop or Stop(Ending.HOST_CALL_LIMIT, "too many calls to the host")
                return _trap()
            answer = function(guest, *[arguments[position].of.i32 & U32 for position in range(count)])
        except GuestStoppedError:
            return _trap()
        except GuestMemoryError:
            answer = EFAULT
        except BaseException as error:  # must not cross into native code
            stop = host_failed(error)
            if guest is not None:
                guest.stop = stop
            return _trap()
        results[0].kind = I32
        results[0].of.i32 = answer
        return 0

    return HostCallback(call)


def _trap() -> int:
    return int(lib.wasmtime_trap_new(b"stopped by the host", 19))
