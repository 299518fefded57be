"""What a guest stores is charged before it happens: to the byte, to the name, and nothing else is."""

from __future__ import annotations

from pathlib import Path

import pytest
import wasmtime
from hypothesis import given, settings
from hypothesis import strategies as st
from wasm_builder import IMPORTS, Host

from wasihost.runtime.wasm import Rewritten, WasmFormatError, rewrite
from wasihost.runtime.wasm.hooks import DISK_FLAGS, FILES_FLAGS, HOOK_GLOBALS

EBADF, EEXIST, EINVAL, EMFILE, ENOENT, ENOSPC = 8, 20, 28, 33, 44, 51
CREAT, DIRECTORY, EXCL, TRUNC = 1, 2, 4, 8
FOLLOW = 1
U32, U64 = 2**32 - 1, 2**64 - 1
FOREVER = 0x7FFFFFFFFFFFFFFF

STORING = {
    "fd_pwrite": "i32 i32 i32 i64 i32",
    "fd_filestat_set_size": "i32 i64",
    "fd_allocate": "i32 i64 i64",
    "path_create_directory": "i32 i32 i32",
    "path_symlink": "i32 i32 i32 i32 i32",
    "path_link": "i32 i32 i32 i32 i32 i32 i32",
}
LOOKING = {"fd_filestat_get": "i32 i32", "path_filestat_get": "i32 i32 i32 i32 i32"}
SIGNATURES = {name: text.removeprefix("(param ").split(")")[0] for name, text in IMPORTS.items()} | STORING | LOOKING


def storing(*leave_out: str) -> Rewritten:
    """A rewritten module that imports everything that stores, and exports each function under its own name."""
    names = [name for name in SIGNATURES if name not in leave_out]
    lines = [
        f'(import "wasi_snapshot_preview1" "{name}" (func ${name} (param {SIGNATURES[name]}) (result i32)))'
        for name in names
    ]
    lines += ['(table 8 funcref) (memory (export "memory") 2 10)']
    for name in names:
        arguments = " ".join(f"(local.get {place})" for place in range(len(SIGNATURES[name].split())))
        lines.append(f'(func (export "{name}") (param {SIGNATURES[name]}) (result i32) (call ${name} {arguments}))')
    return rewrite(bytes(wasmtime.wat2wasm("(module " + "\n".join(lines) + ")")))


MODULE = storing()


class Disk(Host):
    """A host that says how much is left when it is asked, and how large and whether there each file is."""

    def __init__(self, rewritten: Rewritten = MODULE, *, left: int = 0, files: int = 0, **answers: int) -> None:
        self.granted: list[tuple[int, int]] = []  # what the next questions are answered with
        self.asked: list[tuple[int, int]] = []  # (flags, how much)
        self.refuses = 0
        self.size = 0
        super().__init__(rewritten, answers=answers)
        self.set_global("wasihost:disk_left", left)
        self.set_global("wasihost:files_left", files)

    def _recorder(self, name):
        def called(*args):
            if name == "sock_send" and args[0] == -1:
                self.asked.append((args[3], args[1] & U32 | (args[2] & U32) << 32))
                assert args[4] == 0
                if self.refuses:
                    return self.refuses
                left, files = self.granted.pop(0)
                self.set_global("wasihost:disk_left", left)
                self.set_global("wasihost:files_left", files)
                return 0
            self.calls.append((name, *args))
            if name in LOOKING and not self.answers.get(name, 0):
                stat = bytearray(b"\xaa" * 64)
                stat[32:40] = self.size.to_bytes(8, "little")
                self.exports["memory"].write(self.store, stat, args[-1])
            return self.answers.get(name, 0)

        return called

    @property
    def left(self) -> int:
        return self.global_("wasihost:disk_left") & U64

    @property
    def files(self) -> int:
        return self.global_("wasihost:files_left") & U32

    def put(self, at: int, *words: int) -> None:
        self.exports["memory"].write(self.store, b"".join(word.to_bytes(4, "little") for word in words), at)

    def write(self, *lengths: int, fd: int = 4) -> int:
        self.put(512, *(word for length in lengths for word in (9999, length)))
        return self.call("fd_write", fd, 512, len(lengths), 200)

    def pwrite(self, *lengths: int) -> int:
        self.put(512, *(word for length in lengths for word in (9999, length)))
        return self.call("fd_pwrite", 4, 512, len(lengths), 7, 200)


# --- the globals ----------------------------------------------------------------------------------------------------


def test_both_counters_are_saved_globals_that_start_as_good_as_endless():
    saved = {entry.export: entry.type for entry in MODULE.saved_globals}
    assert saved["wasihost:disk_left"] == "i64"
    assert saved["wasihost:files_left"] == "i32"
    assert [entry.export for entry in MODULE.saved_globals] == [added.export for added in HOOK_GLOBALS]
    fresh = Host(MODULE)
    assert fresh.global_("wasihost:disk_left") == FOREVER
    assert fresh.global_("wasihost:files_left") == 0x7FFFFFFF


def test_nobody_is_asked_while_the_counters_are_full():
    disk = Disk(left=FOREVER, files=0x7FFFFFFF)
    assert [disk.write(U32, U32), disk.pwrite(U32), disk.call("path_create_directory", 3, 0, 1)] == [0, 0, 0]
    assert disk.call("fd_filestat_set_size", 4, 2**62) == 0
    assert disk.asked == []


# --- bytes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["write", "pwrite"])
def test_a_write_is_charged_to_the_byte(way):
    disk = Disk(left=10)
    write = getattr(disk, way)
    assert write(3, 0, 4) == 0
    assert (disk.left, disk.asked) == (3, [])
    assert write(3) == 0
    assert (disk.left, disk.asked) == (0, [])
    disk.granted = [(0, 0)]
    assert write(1) == ENOSPC
    assert disk.asked == [(DISK_FLAGS, 1)]
    assert [call[0] for call in disk.calls] == [f"fd_{way}"] * 2
    assert write() == write(0, 0) == 0
    assert len(disk.asked) == 1


@pytest.mark.parametrize("way", ["write", "pwrite"])
def test_what_the_host_gives_is_used(way):
    disk = Disk()
    write = getattr(disk, way)
    disk.granted = [(100, 5), (99, 5)]
    assert write(100) == 0
    assert (disk.left, disk.files) == (0, 5)
    assert write(100) == ENOSPC
    assert disk.left == 99
    assert write(99) == 0
    assert disk.asked == [(DISK_FLAGS, 100)] * 2


@pytest.mark.parametrize("way", ["write", "pwrite"])
def test_the_hosts_refusal_reaches_the_guest_and_nothing_is_written(way):
    disk = Disk(left=5)
    disk.refuses = EINVAL
    assert getattr(disk, way)(6) == EINVAL
    assert (disk.left, disk.calls) == (5, [])


@pytest.mark.parametrize("way", ["write", "pwrite"])
def test_sums_beyond_32_bits_do_not_wrap(way):
    disk = Disk(left=2**33)
    disk.granted = [(2**33, 0)]
    assert getattr(disk, way)(*[U32] * 1024) == ENOSPC
    assert disk.asked == [(DISK_FLAGS, 1024 * U32)]
    disk.granted = [(1024 * U32, 0)]
    assert getattr(disk, way)(*[U32] * 1024) == 0
    assert disk.left == 0


@pytest.mark.parametrize("way", ["fd_write", "fd_pwrite"])
@pytest.mark.parametrize("count", [1025, 2**31, U32])
def test_too_many_pieces(way, count):
    disk = Disk()
    signed = count - 2**32 if count >= 2**31 else count
    rest = (7, 200) if way == "fd_pwrite" else (200,)
    assert disk.call(way, 4, 512, signed, *rest) == EINVAL
    assert (disk.calls, disk.asked) == ([], [])


@pytest.mark.parametrize("way", ["fd_write", "fd_pwrite"])
@pytest.mark.parametrize("address", [2 * 65536 - 4, 2 * 65536, -8, -4, -1, -(2**31)])
def test_a_bad_pointer_traps_and_nothing_is_written(way, address):
    disk = Disk(left=FOREVER)
    rest = (7, 200) if way == "fd_pwrite" else (200,)
    with pytest.raises(wasmtime.Trap, match="out of bounds"):
        disk.call(way, 4, address, 1, *rest)
    assert disk.calls == []
    assert disk.call(way, 4, 2 * 65536 - 8, 1, *rest) == 0


def test_output_is_not_charged_but_a_file_that_took_its_number_is():
    disk = Disk()
    assert disk.write(1000, fd=1) == disk.write(1000, fd=2) == 0
    assert disk.call("fd_close", 1) == 0
    disk.granted = [(7, 0)]
    assert disk.write(7, fd=1) == 0
    assert disk.asked == [(DISK_FLAGS, 7)]
    assert [call[0] for call in disk.calls] == ["sock_send", "sock_send", "fd_close", "fd_write"]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, U32), max_size=20), st.integers(0, 2**38))
def test_any_pieces_against_any_rest(lengths, left):
    disk = Disk(left=left)
    disk.granted = [(left, 0)]
    fits = sum(lengths) <= left
    assert disk.write(*lengths) == (0 if fits else ENOSPC)
    assert disk.left == left - (sum(lengths) if fits else 0)
    assert disk.asked == ([] if fits else [(DISK_FLAGS, sum(lengths))])


# --- sizes ----------------------------------------------------------------------------------------------------------


def test_only_the_growth_of_a_file_is_charged():
    disk = Disk(left=100)
    disk.size = 1000
    assert disk.call("fd_filestat_set_size", 4, 1000) == 0
    assert disk.call("fd_filestat_set_size", 4, 0) == 0
    assert disk.left == 100
    assert disk.call("fd_filestat_set_size", 4, 1060) == 0
    assert disk.left == 40
    disk.granted = [(40, 0)]
    assert disk.call("fd_filestat_set_size", 4, 1041) == ENOSPC
    assert disk.asked == [(DISK_FLAGS, 41)]
    assert disk.call("fd_filestat_set_size", 4, 1040) == 0
    assert [call for call in disk.calls if call[0] == "fd_filestat_set_size"] == [
        ("fd_filestat_set_size", 4, size) for size in (1000, 0, 1060, 1040)
    ]


@pytest.mark.parametrize("size", [2**63 - 1, -1, -(2**63)])
def test_sizes_are_unsigned(size):
    disk = Disk(left=FOREVER - 1)
    disk.granted = [(5, 0)]
    assert disk.call("fd_filestat_set_size", 4, size) == ENOSPC
    assert disk.asked == [(DISK_FLAGS, size & U64)]


def test_allocating():
    disk = Disk(left=100)
    disk.size = 1000
    assert disk.call("fd_allocate", 4, 500, 500) == 0
    assert disk.call("fd_allocate", 4, 1000, 100) == 0
    assert disk.left == 0
    disk.granted = [(0, 0)] * 3
    assert disk.call("fd_allocate", 4, 1000, 1) == ENOSPC
    assert disk.call("fd_allocate", 4, -1, 1) == ENOSPC
    assert disk.call("fd_allocate", 4, 2**62, 2**63 - 1) == ENOSPC
    assert disk.asked == [(DISK_FLAGS, 1), (DISK_FLAGS, U64 - 1000), (DISK_FLAGS, 2**62 + 2**63 - 1001)]


@pytest.mark.parametrize("call", [("fd_filestat_set_size", 4, 5), ("fd_allocate", 4, 0, 5)])
def test_what_is_no_file_is_said_before_anything_is_charged(call):
    disk = Disk(fd_filestat_get=EBADF)
    assert disk.call(*call) == EBADF
    assert (disk.left, disk.asked) == (0, [])
    assert [name for name, *_ in disk.calls] == ["fd_filestat_get"]


def test_memory_is_as_before():
    disk = Disk(left=100)
    before = bytes(range(1, 129))
    disk.exports["memory"].write(disk.store, before, 0)
    disk.granted = [(100, 5)]
    assert disk.call("fd_filestat_set_size", 4, 5) == 0
    assert disk.call("path_create_directory", 3, 0, 1) == 0
    assert bytes(disk.exports["memory"].read(disk.store, 0, 128)) == before


# --- names ----------------------------------------------------------------------------------------------------------

CREATING = {
    "path_open": ("path_open", 3, FOLLOW, 10, 2, CREAT, 0, 0, 0, 300),
    "path_create_directory": ("path_create_directory", 3, 10, 2),
    "path_symlink": ("path_symlink", 20, 2, 3, 10, 2),
    "path_link": ("path_link", 5, 0, 20, 2, 3, 10, 2),
}


@pytest.mark.parametrize("call", CREATING.values(), ids=CREATING)
def test_a_new_name_is_charged(call):
    disk = Disk(files=2, path_filestat_get=ENOENT)
    assert [disk.call(*call), disk.call(*call)] == [0, 0]
    assert (disk.files, disk.asked) == (0, [])
    disk.granted = [(0, 0), (0, 3)]
    assert disk.call(*call) == ENOSPC
    assert disk.call(*call) == 0
    assert disk.asked == [(FILES_FLAGS, 1)] * 2
    assert disk.files == 2
    assert disk.calls.count(call) == 3


@pytest.mark.parametrize("call", CREATING.values(), ids=CREATING)
def test_the_hosts_refusal_of_a_name(call):
    disk = Disk(path_filestat_get=ENOENT)
    disk.refuses = EINVAL
    assert disk.call(*call) == EINVAL
    assert call not in disk.calls
    assert disk.call("path_open", 3, 0, 10, 2, 0, 0, 0, 0, 300) == 0, "opening what is there needs no name"


@pytest.mark.parametrize("call", CREATING.values(), ids=CREATING)
def test_what_exists_needs_no_name_even_when_none_is_left(call):
    disk = Disk()
    flags = FOLLOW if call[0] == "path_open" else 0
    assert disk.call(*call) == 0
    assert disk.calls == [("path_filestat_get", 3, flags, 10, 2, 0), call]
    assert (disk.files, disk.asked) == (0, [])


def test_an_exclusive_name_is_looked_up_without_following():
    disk = Disk()
    call = ("path_open", 3, FOLLOW, 10, 2, CREAT | EXCL, 0, 0, 0, 300)
    disk.call(*call)
    assert disk.calls[0] == ("path_filestat_get", 3, 0, 10, 2, 0)


@pytest.mark.parametrize("oflags", [0, DIRECTORY, EXCL, TRUNC, DIRECTORY | EXCL | TRUNC])
def test_opening_without_creating_is_free(oflags):
    disk = Disk()
    assert disk.call("path_open", 3, 0, 10, 2, oflags, 0, 0, 0, 300) == 0
    assert (len(disk.calls), disk.asked) == (1, [])


def test_a_full_table_of_files_is_said_first():
    disk = Disk()
    disk.set_global("wasihost:open_limit", 0)
    assert disk.call(*CREATING["path_open"]) == EMFILE
    assert (disk.calls, disk.asked) == ([], [])


def test_the_count_of_names_is_unsigned():
    disk = Disk(files=-1, path_filestat_get=ENOENT)
    assert disk.call(*CREATING["path_link"]) == 0
    assert disk.files == U32 - 1


# --- builds that import less ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", STORING)
def test_a_build_need_not_import_what_stores(name):
    rewritten = storing(name)
    assert rewritten.calls_redirected == len(STORING) + 3 - 1
    assert Disk(rewritten, left=5).write(5) == 0


def test_a_build_that_cannot_look_is_charged_for_everything():
    disk = Disk(storing(*LOOKING), left=10, files=1)
    assert disk.call("fd_filestat_set_size", 4, 6) == disk.call("fd_allocate", 4, 1, 3) == 0
    assert disk.left == 0
    disk.granted = [(0, 0)]
    assert [disk.call(*CREATING["path_open"]) for _ in range(2)] == [0, ENOSPC]


def test_another_signature_is_refused():
    text = '(module (import "wasi_snapshot_preview1" "fd_pwrite" (func (param i32) (result i32)))'
    text += "".join(
        f'(import "wasi_snapshot_preview1" "{name}" (func {signature}))' for name, signature in IMPORTS.items()
    )
    module = bytes(wasmtime.wat2wasm(text + '(table 8 funcref) (memory (export "memory") 2 10))'))
    with pytest.raises(WasmFormatError, match=r"imports fd_pwrite as \(i32\) -> \(i32\), where WASI defines"):
        rewrite(module)


# --- with the real functions ----------------------------------------------------------------------------------------


class Real:
    """The module over Wasmtime's own WASI and a real folder; the host's answers count what is left."""

    def __init__(self, folder: Path) -> None:
        engine = wasmtime.Engine()
        self.store = wasmtime.Store(engine)
        config = wasmtime.WasiConfig()
        config.preopen_dir(str(folder), "/")
        self.store.set_wasi(config)
        linker = wasmtime.Linker(engine)
        linker.allow_shadowing = True
        linker.define_wasi()
        i32 = wasmtime.ValType.i32()
        linker.define_func("wasi_snapshot_preview1", "sock_send", wasmtime.FuncType([i32] * 5, [i32]), self._refuse)
        self.exports = linker.instantiate(self.store, wasmtime.Module(engine, MODULE.code)).exports(self.store)
        self.asked: list[tuple[int, int]] = []
        self.leave(0, 0)

    def _refuse(self, _fd, low, _high, flags, _at):
        self.asked.append((flags, low))
        return ENOSPC

    def leave(self, left: int, files: int) -> None:
        self.exports["wasihost:disk_left"].set_value(self.store, left)
        self.exports["wasihost:files_left"].set_value(self.store, files)

    def call(self, name: str, *args: int) -> int:
        return self.exports[name](self.store, *args)

    def path(self, text: str) -> tuple[int, int]:
        self.exports["memory"].write(self.store, text.encode(), 16)  # where a filestat lies for a moment
        return 16, len(text.encode())

    def open(self, text: str, oflags: int, dirflags: int = FOLLOW) -> int:
        rights = (1 << 6) | (1 << 1) | (1 << 21) | (1 << 22)  # write, read, filestat_get, filestat_set_size
        errno = self.call("path_open", 3, dirflags, *self.path(text), oflags, rights, 0, 0, 3000)
        self.fd = int.from_bytes(self.exports["memory"].read(self.store, 3000, 3004), "little")
        return errno

    def write(self, size: int) -> int:
        self.exports["memory"].write(self.store, (4096).to_bytes(4, "little") + size.to_bytes(4, "little"), 2000)
        return self.call("fd_write", self.fd, 2000, 1, 2100)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_real_files_to_the_byte(tmp_path):
    real = Real(tmp_path)
    real.leave(1000, 1)
    assert real.open("a", CREAT) == 0
    assert [real.write(999), real.write(2), real.write(1), real.write(1)] == [0, ENOSPC, 0, ENOSPC]
    assert (tmp_path / "a").stat().st_size == 1000
    assert real.call("fd_filestat_set_size", real.fd, 1001) == ENOSPC
    assert real.call("fd_filestat_set_size", real.fd, 10) == 0
    assert (tmp_path / "a").stat().st_size == 10


def test_real_names_one_by_one(tmp_path):
    real = Real(tmp_path)
    (tmp_path / "there").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "link").symlink_to("there")
    for name, oflags, dirflags, errno in (
        ("there", CREAT, FOLLOW, 0),
        ("link", CREAT, FOLLOW, 0),
        ("there", CREAT | EXCL, 0, EEXIST),
        ("dangling", CREAT | EXCL, FOLLOW, EEXIST),
        ("dangling", CREAT, FOLLOW, ENOSPC),
        ("new", CREAT, FOLLOW, ENOSPC),
        ("new", CREAT | EXCL, 0, ENOSPC),
        ("new", 0, FOLLOW, ENOENT),
    ):
        assert (name, real.open(name, oflags, dirflags)) == (name, errno)
    assert real.call("path_create_directory", 3, *real.path("folder")) == EEXIST
    assert real.call("path_create_directory", 3, *real.path("new")) == ENOSPC
    assert names(tmp_path) == ["dangling", "folder", "link", "there"]
    real.leave(0, 2)
    assert real.open("dangling", CREAT) == 0
    assert real.call("path_create_directory", 3, *real.path("new")) == 0
    assert real.open("more", CREAT) == ENOSPC
    assert names(tmp_path) == ["dangling", "folder", "link", "new", "nowhere", "there"]


def test_real_links_are_names(tmp_path):
    real = Real(tmp_path)
    (tmp_path / "there").touch()
    real.leave(0, 2)
    at, size = real.path("there")
    real.exports["memory"].write(real.store, b"hard soft more", 1000)
    assert real.call("path_link", 3, 0, at, size, 3, 1000, 4) == 0
    assert real.call("path_symlink", at, size, 3, 1005, 4) == 0
    assert real.call("path_link", 3, 0, at, size, 3, 1010, 4) == ENOSPC
    assert real.call("path_symlink", at, size, 3, 1010, 4) == ENOSPC
    assert real.call("path_symlink", at, size, 3, 1005, 4) == EEXIST
    assert names(tmp_path) == ["hard", "soft", "there"]
