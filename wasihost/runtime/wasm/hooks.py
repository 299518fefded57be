"""The functions that are added to a build: output that reaches the host at once, and counts of what is used up.

Imports cannot be added, since every function index in the code would shift. So `sock_send`, which no guest has a use
for (no socket is ever granted), becomes the host's hook, and some imports get a function of the module around them.
They cost the guest a few instructions and the host nothing.

What a guest stores is counted in two globals that the host fills: bytes and names that may still be added. A call is
charged before it is made, with the most that it can add, so the counters never promise too much; when one does not
suffice, the function asks the host, which measures what is stored and sets both anew, or ends the run. What is certain
to add nothing (a file that exists is opened, a file is cut) is not charged in the first place, because a run that has
used up everything may still do that.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from wasihost.runtime.wasm.assembly import (
    ADD,
    ADD64,
    AND,
    BLOCK,
    ELSE,
    END,
    EQZ,
    EXTEND_U,
    GE_U,
    GT_U,
    GT_U64,
    I32_LOAD,
    I64_LOAD,
    I64_STORE,
    IF,
    LOOP,
    LT_U,
    LT_U64,
    RETURN,
    SELECT,
    SHL,
    SHR_U,
    SHR_U64,
    SUB,
    SUB64,
    WRAP,
    XOR,
    br,
    br_if,
    call,
    const,
    const64,
    global_get,
    global_set,
    local_get,
    local_set,
    local_tee,
    local_types,
    memory_access,
)
from wasihost.runtime.wasm.errors import WasmFormatError
from wasihost.runtime.wasm.reader import FUNCTION_KIND, Import
from wasihost.runtime.wasm.values import FunctionType

WASI_MODULE: Final = "wasi_snapshot_preview1"

STREAMS: Final = "wasihost:streams"
"""Export of a global: bit 1 is set while descriptor 1 goes to the host's output hook, bit 2 for descriptor 2."""
OPEN_COUNT: Final = "wasihost:open_count"
"""Export of a global: files and directories that `path_open` opened and `fd_close` has not closed."""
OPEN_LIMIT: Final = "wasihost:open_limit"
"""Export of a global: the open count (unsigned) at which `path_open` answers EMFILE."""
FILES_LEFT: Final = "wasihost:files_left"
"""Export of a global: names (unsigned) that may be added to writable directories before the host is asked."""
DISK_LEFT: Final = "wasihost:disk_left"
"""Export of a global: bytes (unsigned) that may be added to files before the host is asked."""
ENTROPY_READS: Final = "wasihost:entropy_reads"
"""Export of a global: how often random bytes were asked for; what was drawn while an image was made is in the image."""


class HookGlobal(NamedTuple):
    """An added mutable global: the name of its export, its value type and its first value."""

    export: str
    type: str
    value: int


HOOK_GLOBALS: Final = (
    HookGlobal(STREAMS, "i32", 0b110),
    HookGlobal(OPEN_COUNT, "i32", 0),
    HookGlobal(OPEN_LIMIT, "i32", 0x7FFFFFFF),
    HookGlobal(FILES_LEFT, "i32", 0x7FFFFFFF),
    HookGlobal(DISK_LEFT, "i64", 0x7FFFFFFFFFFFFFFF),
    HookGlobal(ENTROPY_READS, "i32", 0),
)
"""The added globals, in the order of their indices."""

OUTPUT_FLAGS: Final = 0x5757
"""The `si_flags` of a `sock_send` that is output; a guest's own `send()` cannot pass them by accident."""
DISK_FLAGS: Final = 0x4444
"""The `si_flags` of a `sock_send` on descriptor -1 that asks for bytes; the second and third argument are the low and
high half of how many."""
FILES_FLAGS: Final = 0x4646
"""Likewise for names."""

EINVAL: Final = 28
EMFILE: Final = 33
ENOSPC: Final = 51

MAX_IOVECS: Final = 1024
"""Pieces of one write to a file; more are answered with EINVAL, as by Linux."""


class _Signature(NamedTuple):
    params: tuple[str, ...]
    purpose: str = ""


_I32 = ("i32",)
_IMPORTS: Final = {
    "fd_write": _Signature(_I32 * 4, "to see what the guest prints"),
    "path_open": _Signature((*_I32 * 5, "i64", "i64", *_I32 * 2), "to limit the number of open files"),
    "fd_close": _Signature(_I32, "to limit the number of open files"),
    "sock_send": _Signature(_I32 * 5, "as its output hook"),
    "fd_pwrite": _Signature((*_I32 * 3, "i64", "i32")),
    "fd_filestat_set_size": _Signature(("i32", "i64")),
    "fd_allocate": _Signature(("i32", "i64", "i64")),
    "path_create_directory": _Signature(_I32 * 3),
    "path_symlink": _Signature(_I32 * 5),
    "path_link": _Signature(_I32 * 7),
    "fd_filestat_get": _Signature(_I32 * 2),
    "path_filestat_get": _Signature(_I32 * 5),
    "random_get": _Signature(_I32 * 2),
}
"""What the hooks are built from. Those with a purpose are needed; a build that lacks another one cannot call it."""


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
    """Find the imports that the hooks are built from.

    Args:
        imports: All imports, in order; none but functions.
        types: The type section.

    Raises:
        WasmFormatError: One is missing, or has another signature than WASI gives it; the message names it.
    """
    indices: dict[str, list[int]] = {}
    found: dict[str, int] = {}
    functions = [entry for entry in imports if entry.kind == FUNCTION_KIND]
    for index, entry in enumerate(functions):
        if entry.module != WASI_MODULE or entry.name not in _IMPORTS or not isinstance(entry.type, int):
            continue
        signature = types[entry.type] if entry.type < len(types) else None
        expected = FunctionType(params=_IMPORTS[entry.name].params, results=_I32)
        if signature != expected:
            raise WasmFormatError(
                f"the build imports {entry.name} as {signature}, where WASI defines {expected}", entry.offset
            )
        indices.setdefault(entry.name, []).append(index)
        found.setdefault(entry.name, entry.type)
    for name, needed in _IMPORTS.items():
        if needed.purpose and name not in found:
            raise WasmFormatError(f"the build does not import {name}, which wasihost needs {needed.purpose}")
    return HookedImports(indices, found)


def build_hooks(imports: HookedImports, first_global: int) -> list[Hook]:
    """The functions to append to the module.

    Args:
        imports: What `find_imports` returned.
        first_global: The index that the first of `HOOK_GLOBALS` gets.
    """
    builder = _Builder({name: found[0] for name, found in imports.indices.items()}, first_global)
    bodies = {
        "fd_write": builder.fd_write,
        "path_open": builder.path_open,
        "fd_close": builder.fd_close,
        "fd_pwrite": builder.fd_pwrite,
        "fd_filestat_set_size": builder.fd_filestat_set_size,
        "fd_allocate": builder.fd_allocate,
        "path_create_directory": builder.path_create_directory,
        "path_symlink": builder.path_symlink,
        "path_link": builder.path_link,
        "random_get": builder.random_get,
    }
    return [
        Hook(imports.types[name], body(), imports.indices[name])
        for name, body in bodies.items()
        if name in imports.types
    ]


_OFLAGS_CREAT, _OFLAGS_EXCL = 1, 4
_STAT_BYTES, _STAT_SIZE = 64, 32
"""Of a WASI `filestat`: its size, and where in it the size of the file is."""
_STAT_AT = 0
"""Where a `filestat` is put for a moment; what lies there is kept in locals meanwhile."""


class _Builder:
    """Writes the bodies; `index` has the function index of each import that is there."""

    def __init__(self, index: dict[str, int], first_global: int) -> None:
        self.index = index
        self.streams, self.open_count, self.open_limit, self.files_left, self.disk_left, self.entropy_reads = (
            first_global + place for place in range(len(HOOK_GLOBALS))
        )

    def real(self, name: str) -> bytes:
        """Call an import with all parameters as they came."""
        arguments = b"".join(local_get(parameter) for parameter in range(len(_IMPORTS[name].params)))
        return arguments + call(self.index[name])

    def is_hooked_stream(self, fd: int) -> bytes:
        """Whether the descriptor in local `fd` is 1 or 2 and its bit is set."""
        one_or_two = local_get(fd) + const(1) + SUB + const(2) + LT_U
        bit = global_get(self.streams) + local_get(fd) + SHR_U + const(1) + AND
        return one_or_two + bit + AND

    def ask(self, low: bytes, high: bytes, flags: int, errno: int) -> bytes:
        """Ask the host for more, and return its answer to the guest unless it is 0."""
        question = const(-1) + low + high + const(flags) + const(0) + call(self.index["sock_send"])
        return question + local_tee(errno) + IF + local_get(errno) + RETURN + END

    def take_bytes(self, need: int, errno: int) -> bytes:
        """Charge the i64 local `need`, or return an error to the guest; `errno` is an i32 local to use."""
        short = global_get(self.disk_left) + local_get(need) + LT_U64
        halves = local_get(need) + WRAP, local_get(need) + const64(32) + SHR_U64 + WRAP
        asked = self.ask(*halves, DISK_FLAGS, errno) + short + IF + const(ENOSPC) + RETURN + END
        charge = global_get(self.disk_left) + local_get(need) + SUB64 + global_set(self.disk_left)
        return short + IF + asked + END + charge

    def take_name(self, exists: bytes, errno: int) -> bytes:
        """Charge one name, or return an error to the guest, in a block that is left early if it exists already.

        Args:
            exists: Leaves 0 if the name is there already; "" if that cannot be found out.
            errno: An i32 local to use.
        """
        none_left = global_get(self.files_left) + EQZ
        # Two levels out of here is the end of the block.
        check = exists + EQZ + br_if(1) if exists else b""
        asked = self.ask(const(1), const(0), FILES_FLAGS, errno)
        refused = none_left + IF + const(ENOSPC) + RETURN + END
        charge = global_get(self.files_left) + const(1) + SUB + global_set(self.files_left)
        return BLOCK + none_left + IF + check + asked + refused + END + charge + END

    def with_stat(self, look: bytes, kept: int, result: bytes) -> bytes:
        """Call a function that puts a `filestat` at `_STAT_AT`, evaluate `result`, and put back what was there.

        Args:
            look: The call.
            kept: The first of eight i64 locals to use.
            result: What to do while the `filestat` is in memory.
        """
        places = [(kept + number, 8 * number) for number in range(_STAT_BYTES // 8)]
        save = b"".join(const(_STAT_AT) + memory_access(I64_LOAD, at) + local_set(local) for local, at in places)
        restore = b"".join(const(_STAT_AT) + local_get(local) + memory_access(I64_STORE, at) for local, at in places)
        return save + look + result + restore

    def exists(self, fd: int, flags: bytes, path: tuple[int, int], *, errno: int) -> bytes:
        """Leave 0 on the stack if the path names something, else an error number; "" if that cannot be found out.

        Args:
            fd: Local of the directory.
            flags: Leaves the lookup flags.
            path: Locals of the path's address and length.
            errno: An i32 local to use; the eight i64 locals after it are used too.
        """
        function = self.index.get("path_filestat_get")
        if function is None:
            return b""
        look = local_get(fd) + flags + local_get(path[0]) + local_get(path[1]) + const(_STAT_AT) + call(function)
        return self.with_stat(look, errno + 1, local_set(errno)) + local_get(errno)

    def growth(self, fd: int, size: int, kept: int, errno: int) -> bytes:
        """Reduce the i64 local `size` by the size that the file has; return an error to the guest if it is no file."""
        function = self.index.get("fd_filestat_get")
        if function is None:
            return b""
        now = kept + _STAT_BYTES // 8
        look = local_get(fd) + const(_STAT_AT) + call(function) + local_set(errno)
        read = const(_STAT_AT) + memory_access(I64_LOAD, _STAT_SIZE) + local_set(now)
        failed = local_get(errno) + IF + local_get(errno) + RETURN + END
        grows = local_get(size) + local_get(now) + GT_U64
        less = local_get(size) + local_get(now) + SUB64 + const64(0) + grows + SELECT + local_set(size)
        return self.with_stat(look, kept, read) + failed + less

    def sum_iovecs(self, iovs: int, iovs_len: int, need: int, at: int, left: int) -> bytes:
        """Set the i64 local `need` to the length of all pieces; return EINVAL to the guest if they are too many.

        A pointer out of bounds traps. Each length has 32 bits, so the sum cannot overflow.
        """
        too_many = local_get(iovs_len) + const(MAX_IOVECS) + GT_U + IF + const(EINVAL) + RETURN + END
        start = local_get(iovs) + local_set(at) + local_get(iovs_len) + local_set(left)
        piece = local_get(need) + local_get(at) + memory_access(I32_LOAD, 4) + EXTEND_U + ADD64 + local_set(need)
        step = local_get(at) + const(8) + ADD + local_set(at) + local_get(left) + const(1) + SUB + local_set(left)
        loop = BLOCK + LOOP + local_get(left) + EQZ + br_if(1) + piece + step + br(0) + END + END
        return too_many + start + loop

    # -- bodies -------------------------------------------------------------------------------------------------

    def fd_write(self) -> bytes:
        fd, iovs, iovs_len, nwritten, errno, at, left, need = range(8)
        arguments = local_get(fd) + local_get(iovs) + local_get(iovs_len) + const(OUTPUT_FLAGS) + local_get(nwritten)
        output = self.is_hooked_stream(fd) + IF + arguments + call(self.index["sock_send"]) + RETURN + END
        charge = self.sum_iovecs(iovs, iovs_len, need, at, left) + self.take_bytes(need, errno)
        return local_types((3, "i32"), (1, "i64")) + output + charge + self.real("fd_write") + END

    def fd_pwrite(self) -> bytes:
        _, iovs, iovs_len, _, _, errno, at, left, need = range(9)
        charge = self.sum_iovecs(iovs, iovs_len, need, at, left) + self.take_bytes(need, errno)
        return local_types((3, "i32"), (1, "i64")) + charge + self.real("fd_pwrite") + END

    def fd_filestat_set_size(self) -> bytes:
        fd, size, errno, need, kept = range(5)
        charge = local_get(size) + local_set(need) + self.growth(fd, need, kept, errno) + self.take_bytes(need, errno)
        return local_types((1, "i32"), (10, "i64")) + charge + self.real("fd_filestat_set_size") + END

    def fd_allocate(self) -> bytes:
        fd, offset, length, errno, need, kept = range(6)
        total = local_get(offset) + local_get(length) + ADD64 + local_tee(need)
        overflowed = local_get(offset) + LT_U64 + IF + const64(-1) + local_set(need) + END
        charge = total + overflowed + self.growth(fd, need, kept, errno) + self.take_bytes(need, errno)
        return local_types((1, "i32"), (10, "i64")) + charge + self.real("fd_allocate") + END

    def path_open(self) -> bytes:
        fd, dirflags, path, path_len, oflags = range(5)
        errno = 9  # after the nine parameters
        full = global_get(self.open_count) + global_get(self.open_limit) + GE_U + IF + const(EMFILE) + RETURN + END
        # A new file can come to be behind a link, unless the name itself has to be new.
        follow = const(0) + local_get(dirflags) + local_get(oflags) + const(_OFLAGS_EXCL) + AND + SELECT
        name = self.take_name(self.exists(fd, follow, (path, path_len), errno=errno), errno)
        creates = local_get(oflags) + const(_OFLAGS_CREAT) + AND + IF + name + END
        counted = EQZ + IF + global_get(self.open_count) + const(1) + ADD + global_set(self.open_count) + END
        opened = self.real("path_open") + local_tee(errno) + counted + local_get(errno)
        return local_types((1, "i32"), (8, "i64")) + full + creates + opened + END

    def path_create_directory(self) -> bytes:
        fd, path, path_len, errno = range(4)
        return self._creating("path_create_directory", fd, (path, path_len), errno)

    def path_symlink(self) -> bytes:
        _, _, fd, path, path_len, errno = range(6)
        return self._creating("path_symlink", fd, (path, path_len), errno)

    def path_link(self) -> bytes:
        _, _, _, _, fd, path, path_len, errno = range(8)
        return self._creating("path_link", fd, (path, path_len), errno)

    def _creating(self, name: str, fd: int, path: tuple[int, int], errno: int) -> bytes:
        charge = self.take_name(self.exists(fd, const(0), path, errno=errno), errno)
        return local_types((1, "i32"), (8, "i64")) + charge + self.real(name) + END

    def random_get(self) -> bytes:
        count = global_get(self.entropy_reads) + const(1) + ADD + global_set(self.entropy_reads)
        return local_types() + count + self.real("random_get") + END

    def fd_close(self) -> bytes:
        fd, errno = range(2)
        count, streams = self.open_count, self.streams
        # Descriptors are reused: once a standard stream is closed, its number may belong to an opened file, whose
        # closing must count. So the bit decides, not the number.
        forget = global_get(streams) + const(1) + local_get(fd) + SHL + const(-1) + XOR + AND + global_set(streams)
        uncount = global_get(count) + IF + global_get(count) + const(1) + SUB + global_set(count) + END
        closed = self.is_hooked_stream(fd) + IF + forget + ELSE + uncount + END
        return (
            local_types((1, "i32"))
            + self.real("fd_close")
            + local_tee(errno)
            + EQZ
            + IF
            + closed
            + END
            + local_get(errno)
            + END
        )
