"""The functions that are added to a build: output that reaches the host at once, and a count of open files.

Imports cannot be added, since every function index in the code would shift. So `sock_send`, which no guest has a use
for (no socket is ever granted), becomes the host's output hook, and three imports get a function of the module around
them. They cost the guest a few instructions and the host nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from wasihost.runtime.wasm.errors import WasmFormatError
from wasihost.runtime.wasm.leb import encode_signed, encode_unsigned
from wasihost.runtime.wasm.reader import FUNCTION_KIND, Import
from wasihost.runtime.wasm.values import FunctionType

WASI_MODULE: Final = "wasi_snapshot_preview1"

STREAMS: Final = "wasihost:streams"
"""Export of a global: bit 1 is set while descriptor 1 goes to the host's output hook, bit 2 for descriptor 2."""
OPEN_COUNT: Final = "wasihost:open_count"
"""Export of a global: files and directories that `path_open` opened and `fd_close` has not closed."""
OPEN_LIMIT: Final = "wasihost:open_limit"
"""Export of a global: the open count (unsigned) at which `path_open` answers EMFILE."""

HOOK_GLOBALS: Final = ((STREAMS, 0b110), (OPEN_COUNT, 0), (OPEN_LIMIT, 0x7FFFFFFF))
"""Exported name and first value of each added i32 global, in the order of their indices."""

OUTPUT_FLAGS: Final = 0x5757
"""The `si_flags` of a `sock_send` that is output; a guest's own `send()` cannot pass them by accident."""
EMFILE: Final = 33


class _Need(NamedTuple):
    params: tuple[str, ...]
    purpose: str


_I32 = ("i32",)
_NEEDS: Final = {
    "fd_write": _Need(_I32 * 4, "to see what the guest prints"),
    "path_open": _Need((*_I32 * 5, "i64", "i64", *_I32 * 2), "to limit the number of open files"),
    "fd_close": _Need(_I32, "to limit the number of open files"),
    "sock_send": _Need(_I32 * 5, "as its output hook"),
}


class HookedImports(NamedTuple):
    """Where the imports are that the hooks are built from.

    Attributes:
        indices: From the name to its function indices; a module may import the same thing several times.
        types: From the name to the type index of its first import.
    """

    indices: dict[str, list[int]]
    types: dict[str, int]


class Hook(NamedTuple):
    """A function to append: its type index, its body (without length) and the imports whose uses it takes over."""

    type: int
    body: bytes
    replaces: list[int]


def find_imports(imports: Sequence[Import], types: Sequence[FunctionType]) -> HookedImports:
    """Find the imports that the hooks need.

    Args:
        imports: All imports, in order; none but functions.
        types: The type section.

    Raises:
        WasmFormatError: One is missing, or has another signature than WASI gives it; the message names it.
    """
    indices: dict[str, list[int]] = {name: [] for name in _NEEDS}
    found: dict[str, int] = {}
    functions = [entry for entry in imports if entry.kind == FUNCTION_KIND]
    for index, entry in enumerate(functions):
        if entry.module != WASI_MODULE or entry.name not in _NEEDS or not isinstance(entry.type, int):
            continue
        signature = types[entry.type] if entry.type < len(types) else None
        expected = FunctionType(params=_NEEDS[entry.name].params, results=_I32)
        if signature != expected:
            raise WasmFormatError(
                f"the build imports {entry.name} as {signature}, where WASI defines {expected}", entry.offset
            )
        indices[entry.name].append(index)
        found.setdefault(entry.name, entry.type)
    for name, need in _NEEDS.items():
        if name not in found:
            raise WasmFormatError(f"the build does not import {name}, which wasihost needs {need.purpose}")
    return HookedImports(indices, found)


def build_hooks(imports: HookedImports, first_global: int) -> list[Hook]:
    """The functions to append to the module.

    Args:
        imports: What `find_imports` returned.
        first_global: The index that the first of `HOOK_GLOBALS` gets.
    """
    streams, open_count, open_limit = (first_global + place for place in range(len(HOOK_GLOBALS)))
    index = {name: found[0] for name, found in imports.indices.items()}
    bodies = {
        "fd_write": _fd_write(index["fd_write"], index["sock_send"], streams),
        "path_open": _path_open(index["path_open"], open_count, open_limit),
        "fd_close": _fd_close(index["fd_close"], streams, open_count),
    }
    return [Hook(imports.types[name], body, imports.indices[name]) for name, body in bodies.items()]


# The instructions that the bodies are made of.
_IF, _ELSE, _END, _RETURN = b"\x04\x40", b"\x05", b"\x0b", b"\x0f"
_EQZ, _LT_U, _GE_U = b"\x45", b"\x49", b"\x4f"
_ADD, _SUB, _AND, _XOR, _SHL, _SHR_U = b"\x6a", b"\x6b", b"\x71", b"\x73", b"\x74", b"\x76"
_NO_LOCALS, _ONE_I32_LOCAL = b"\0", b"\1\1\x7f"


def _const(value: int) -> bytes:
    return b"\x41" + encode_signed(value)


def _get(local: int) -> bytes:
    return b"\x20" + encode_unsigned(local)


def _tee(local: int) -> bytes:
    return b"\x22" + encode_unsigned(local)


def _load(index: int) -> bytes:
    return b"\x23" + encode_unsigned(index)


def _store(index: int) -> bytes:
    return b"\x24" + encode_unsigned(index)


def _call(function: int) -> bytes:
    return b"\x10" + encode_unsigned(function)


def _is_hooked_stream(fd: int, streams: int) -> bytes:
    """Whether the descriptor in local `fd` is 1 or 2 and its bit is set."""
    one_or_two = _get(fd) + _const(1) + _SUB + _const(2) + _LT_U
    bit = _load(streams) + _get(fd) + _SHR_U + _const(1) + _AND
    return one_or_two + bit + _AND


def _fd_write(fd_write: int, sock_send: int, streams: int) -> bytes:
    fd, iovs, iovs_len, nwritten = range(4)
    to_host = _get(fd) + _get(iovs) + _get(iovs_len) + _const(OUTPUT_FLAGS) + _get(nwritten) + _call(sock_send)
    to_file = _get(fd) + _get(iovs) + _get(iovs_len) + _get(nwritten) + _call(fd_write)
    return _NO_LOCALS + _is_hooked_stream(fd, streams) + _IF + to_host + _RETURN + _END + to_file + _END


def _path_open(path_open: int, open_count: int, open_limit: int) -> bytes:
    errno = 9  # after the nine parameters
    full = _load(open_count) + _load(open_limit) + _GE_U + _IF + _const(EMFILE) + _RETURN + _END
    opened = b"".join(_get(parameter) for parameter in range(9)) + _call(path_open) + _tee(errno)
    counted = _EQZ + _IF + _load(open_count) + _const(1) + _ADD + _store(open_count) + _END
    return _ONE_I32_LOCAL + full + opened + counted + _get(errno) + _END


def _fd_close(fd_close: int, streams: int, open_count: int) -> bytes:
    fd, errno = range(2)
    # Descriptors are reused: once a standard stream is closed, its number may belong to an opened file, whose closing
    # must count. So the bit decides, not the number.
    forget = _load(streams) + _const(1) + _get(fd) + _SHL + _const(-1) + _XOR + _AND + _store(streams)
    uncount = _load(open_count) + _IF + _load(open_count) + _const(1) + _SUB + _store(open_count) + _END
    closed = _is_hooked_stream(fd, streams) + _IF + forget + _ELSE + uncount + _END
    return _ONE_I32_LOCAL + _get(fd) + _call(fd_close) + _tee(errno) + _EQZ + _IF + closed + _END + _get(errno) + _END
