# Names are bytes and descriptors here.
# ruff: noqa: PTH105, PTH109, PTH123

from __future__ import annotations

import contextlib
import errno
import os
import resource
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from wasihost.capabilities import granted_files, reaching
from wasihost.capabilities.granted_files import MAX_READ_BYTES, FileEntry, Folder, GrantedFiles
from wasihost.errors import ClosedError, InvalidGrantError

SWAP = """
import ctypes, sys
swap = ctypes.CDLL(None, use_errno=True).renameat2
a, b = (name.encode() for name in sys.argv[1:])
if swap(-100, a, -100, b, 2):
    sys.exit(77)
print("started", flush=True)
while True:
    swap(-100, a, -100, b, 2)
"""


pytestmark = pytest.mark.usefixtures("no_descriptor_is_left")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    for name in ("out", "data", "beside"):
        (tmp_path / name).mkdir()
    (tmp_path / "beside" / "secret").write_text("secret")
    (tmp_path / "data" / "text").write_text("héllo\r\n")
    return tmp_path


@pytest.fixture
def grant() -> Iterator[Callable[..., GrantedFiles]]:
    """Make the access from guest paths with folders: a path means writable, a tuple of one read-only."""
    with contextlib.ExitStack() as opened:

        def granted(folders: dict[str, Path | tuple[Path]]) -> GrantedFiles:
            entries = []
            for guest, host in folders.items():
                path, writable = (host, True) if isinstance(host, Path) else (host[0], False)
                descriptor = os.open(path, os.O_PATH | os.O_DIRECTORY)
                opened.callback(os.close, descriptor)
                entries.append(Folder(guest, descriptor, writable))
            return GrantedFiles(lambda: contextlib.nullcontext(entries))

        yield granted


@pytest.fixture
def files(home: Path, grant: Callable[..., GrantedFiles]) -> GrantedFiles:
    return grant({"/out": home / "out", "/data": (home / "data",)})


@contextlib.contextmanager
def refused(number: int, path: str, text: str, home: Path | None = None) -> Iterator[None]:
    with pytest.raises(OSError) as raised:
        yield
    error = raised.value
    assert (error.errno, error.filename, error.filename2) == (number, path, None)
    assert type(error) is type(OSError(number, ""))
    assert text in str(error)
    assert error.__cause__ is None
    assert "/tmp" not in str(error) and "/proc" not in str(error)


def tree(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


# --- reading --------------------------------------------------------------------------------------------------------


def test_reading(files: GrantedFiles, home: Path) -> None:
    assert files.read("/data/text") == "héllo\r\n".encode()
    assert files.read_text("/data/text") == "héllo\r\n"
    assert files.read_text("/data/text", encoding="ascii", errors="replace") == "h\ufffd\ufffdllo\r\n"
    assert files.read("//data/./text") == files.read("/data/text")
    with pytest.raises(UnicodeDecodeError):
        files.read_text("/data/text", encoding="ascii")
    for path in ("/data/missing", "/out/no/folder"):
        with refused(errno.ENOENT, path, "No such file or directory"):
            files.read(path)
    with refused(errno.ENOTDIR, "/data/text/x", "Not a directory"):
        files.read("/data/text/x")


@pytest.mark.parametrize("path", ["/out", "/out/", "/out/folder", "/", "/data/text/"])
def test_a_folder_is_no_file(files: GrantedFiles, home: Path, path: str) -> None:
    (home / "out" / "folder").mkdir()
    with refused(errno.EISDIR, path, "folder"):
        files.read(path)
    if not path.startswith("/data"):
        with refused(errno.EISDIR, path, "folder"):
            files.write(path, b"")


@pytest.mark.parametrize("path", ["/", "/mnt", "/mnt/deep"])
def test_what_lies_above_grants_is_a_folder(home: Path, grant: Callable[..., GrantedFiles], path: str) -> None:
    files = grant({"/mnt/deep/out": home / "out"})
    for attempt in (files.read, lambda path: files.write(path, b"")):
        with refused(errno.EISDIR, path, "granted folders lie in"):
            attempt(path)
    assert files.exists(path)
    with refused(errno.EACCES, path, "no granted folder holds this"):
        files.remove(path)


def test_what_no_grant_holds(files: GrantedFiles, grant: Callable[..., GrantedFiles]) -> None:
    for attempt in (files.read, files.list, files.remove, lambda path: files.write(path, b"")):
        with refused(errno.EACCES, "/etc/passwd", "no granted folder holds this; there is '/out', '/data'"):
            attempt("/etc/passwd")
    with refused(errno.EACCES, "/outside", "no granted folder"):
        files.read("/outside")
    assert not files.exists("/etc/passwd")
    with refused(errno.EACCES, "/x", "there is none"):
        grant({}).read("/x")


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (b"/data/text", "must be a str, not bytes"),
        (Path("/data/text"), "must be a str, not PosixPath"),
        (None, "must be a str, not NoneType"),
        (1, "must be a str, not int"),
        ("", "must be absolute"),
        ("data/text", "must be absolute"),
        ("/data/te\0xt", "contains a NUL"),
        ("/data/../beside/secret", "contains '..'"),
        ("/data/..", "contains '..'"),
        ("/..", "contains '..'"),
        ("/data/\ud800", "is not valid Unicode"),
    ],
)
def test_paths_that_cannot_be_used(files: GrantedFiles, path: Any, text: str) -> None:
    for attempt in (files.read, files.list, files.remove, files.exists, lambda path: files.write(path, b"")):
        with pytest.raises(InvalidGrantError, match="guest path") as raised:
            attempt(path)
        assert text in str(raised.value)


def test_names_that_only_look_odd(files: GrantedFiles, home: Path) -> None:
    for name in ("...", "..x", "a\nb", "\x1b[2J", "-rf", " ", "\u202e", os.fsdecode(b"\xff"), "C:\\x", "*"):
        path = f"/out/{name}"
        files.write(path, name.encode("utf-8", "surrogateescape"))
        assert os.fsencode(files.read(path).decode("utf-8", "surrogateescape")) == os.fsencode(name)
        assert files.list("/out") == (FileEntry(name=name, path=path, kind="file", size_bytes=len(os.fsencode(name))),)
        files.remove(path)
    assert files.list("/out") == ()


def test_a_path_that_is_too_long(files: GrantedFiles) -> None:
    with refused(errno.ENAMETOOLONG, "/out/" + "x" * 256, "too long"):
        files.write("/out/" + "x" * 256, b"")
    with refused(errno.ENAMETOOLONG, "/out" + "/x" * 3000, "longer than 4096 bytes"):
        files.write("/out" + "/x" * 3000, b"")
    files.write("/out/" + "x" * 255, b"")
    files.write("/out" + "/x" * 2000, b"deep")
    assert files.read("/out" + "/x" * 2000) == b"deep"
    files.remove("/out/x")


def test_the_size_is_bounded(files: GrantedFiles, home: Path) -> None:
    (home / "out" / "ten").write_bytes(b"0123456789")
    assert files.read("/out/ten", max_bytes=10) == b"0123456789"
    with refused(errno.EFBIG, "/out/ten", "larger than max_bytes=9"):
        files.read("/out/ten", max_bytes=9)
    with refused(errno.EFBIG, "/out/ten", "larger than max_bytes=0"):
        files.read_text("/out/ten", max_bytes=0)
    (home / "out" / "empty").touch()
    assert files.read("/out/empty", max_bytes=0) == b""
    with open(home / "out" / "sparse", "wb") as sparse:
        sparse.truncate(2**40)
    with refused(errno.EFBIG, "/out/sparse", f"larger than max_bytes={MAX_READ_BYTES}"):
        files.read("/out/sparse")
    for wrong in (-1, True, 1.5, None, "1"):
        with pytest.raises(InvalidGrantError, match="max_bytes must be a whole number"):
            files.read("/out/ten", max_bytes=wrong)  # type: ignore[arg-type]


def test_a_file_that_grows_while_it_is_read(files: GrantedFiles, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "out" / "log").write_bytes(b"x")
    read, left = os.read, [3]

    def growing(descriptor: int, size: int) -> bytes:
        if left[0]:
            left[0] -= 1
            with open(home / "out" / "log", "ab") as log:
                log.write(b"y" * 4)
        return read(descriptor, size)

    monkeypatch.setattr(reaching.os, "read", growing)
    with refused(errno.EFBIG, "/out/log", "larger than max_bytes=10"):
        files.read("/out/log", max_bytes=10)
    assert files.read("/out/log", max_bytes=13) == b"x" + b"y" * 12


def test_other_kinds_of_files_are_neither_opened_nor_written(files: GrantedFiles, home: Path) -> None:
    os.mkfifo(home / "out" / "fifo")
    listener = socket.socket(socket.AF_UNIX)
    here = os.getcwd()
    try:
        os.chdir(home / "out")
        listener.bind("socket")
    finally:
        os.chdir(here)
        listener.close()
    for name in ("fifo", "socket"):
        for attempt in (files.read, lambda path: files.write(path, b"x")):
            with refused(errno.EINVAL, f"/out/{name}", "neither a file nor a folder"):
                attempt(f"/out/{name}")
        assert files.exists(f"/out/{name}")
    assert [(entry.name, entry.kind, entry.size_bytes) for entry in files.list("/out")] == [
        ("fifo", "other", 0),
        ("socket", "other", 0),
    ]
    for name in ("fifo", "socket"):
        files.remove(f"/out/{name}")
    files.write("/out/fifo", b"x")
    assert files.read("/out/fifo") == b"x"


def test_wrong_arguments(files: GrantedFiles) -> None:
    for encoding, errors in (("nonsense", "strict"), ("zip", "strict"), ("utf-8", "nonsense"), ("a\0b", "strict")):
        with pytest.raises(InvalidGrantError, match="no text encoding"):
            files.read_text("/data/text", encoding=encoding, errors=errors)
    with pytest.raises(InvalidGrantError, match="encoding must be a str"):
        files.read_text("/data/text", encoding=None)  # type: ignore[arg-type]
    for data in (None, 1, bytearray(b"x"), ["x"]):
        with pytest.raises(InvalidGrantError, match="data must be bytes or str"):
            files.write("/out/x", data)  # type: ignore[arg-type]
    with pytest.raises(InvalidGrantError, match="lone surrogate at 1"):
        files.write("/out/x", "a\ud800")
    assert files.list("/out") == ()


# --- symbolic links -------------------------------------------------------------------------------------------------


def test_links_are_never_followed(files: GrantedFiles, home: Path) -> None:
    out = home / "out"
    (out / "real").mkdir()
    (out / "real" / "file").write_text("inside")
    (out / "to-folder").symlink_to("real")
    (out / "to-file").symlink_to("real/file")
    (out / "away").symlink_to(home / "beside")
    (out / "secret").symlink_to(home / "beside" / "secret")
    (out / "real" / "up").symlink_to("../../beside")
    (out / "loop").symlink_to("loop")
    (out / "dangling").symlink_to(home / "beside" / "new")
    for name in ("to-file", "secret", "loop", "dangling", "away", "to-folder"):
        for attempt in (files.read, files.list, lambda path: files.write(path, b"x")):
            with refused(errno.ELOOP, f"/out/{name}", f"'/out/{name}' is a symbolic link, which the host does not"):
                attempt(f"/out/{name}")
        assert files.exists(f"/out/{name}")
    for link, path in (("to-folder", "to-folder/file"), ("away", "away/secret"), ("real/up", "real/up/secret")):
        for attempt in (files.read, files.list, files.remove, lambda path: files.write(path, b"x")):
            with refused(errno.ELOOP, f"/out/{path}", f"'/out/{link}' is a symbolic link"):
                attempt(f"/out/{path}")
        assert not files.exists(f"/out/{path}")
    assert files.read("/out/real/file") == b"inside"
    kinds = {entry.name: (entry.kind, entry.size_bytes) for entry in files.list("/out")}
    assert kinds["to-folder"] == ("link", 4)
    assert kinds["real"] == ("folder", 0)
    for name in ("to-folder", "to-file", "away", "secret", "loop", "dangling", "real"):
        files.remove(f"/out/{name}")
    assert tree(home) == ["beside", "beside/secret", "data", "data/text", "out"]


def test_a_folder_that_is_swapped_for_a_link_all_the_time(files: GrantedFiles, home: Path) -> None:
    out = home / "out"
    (out / "folder").mkdir()
    (out / "folder" / "secret").write_text("public")
    (out / "link").symlink_to(home / "beside")
    command = [sys.executable, "-c", SWAP, out / "folder", out / "link"]
    done, refusals = 0, 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as swapper:
        try:
            assert swapper.stdout is not None
            if not swapper.stdout.readline():
                pytest.skip("this file system cannot exchange two names at once")
            end = time.monotonic() + 30
            while (done + refusals < 10_000 or not (done and refusals)) and time.monotonic() < end:
                try:
                    assert files.read("/out/folder/secret") == b"public"
                    files.write("/out/folder/secret", b"public")
                    files.write("/out/folder/new/file", b"")
                    assert {entry.name for entry in files.list("/out/folder")} <= {"secret", "new"}
                    files.remove("/out/folder/new")
                    done += 1
                except OSError as error:
                    # ENOTDIR when it is a link while it is entered, and a folder when it is looked at.
                    assert error.errno in (errno.ELOOP, errno.ENOTDIR), error
                    refusals += 1
        finally:
            swapper.kill()
    assert done and refusals
    assert tree(home / "beside") == ["secret"]
    assert (home / "beside" / "secret").read_text() == "secret"


# --- writing --------------------------------------------------------------------------------------------------------


def test_writing(files: GrantedFiles, home: Path) -> None:
    files.write("/out/a", "ä")
    files.write("/out/new/er/b", b"\0" * 3_000_000)
    assert (home / "out" / "a").read_bytes() == "ä".encode()
    assert (home / "out" / "new" / "er" / "b").stat().st_size == 3_000_000
    files.write("/out/a", b"")
    assert tree(home / "out") == ["a", "new", "new/er", "new/er/b"]
    assert files.read("/out/a") == b""


def test_modes_are_as_usual_and_kept(files: GrantedFiles, home: Path) -> None:
    before = os.umask(0o027)
    try:
        files.write("/out/folder/file", b"x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((home / "out" / "folder").stat().st_mode) == 0o750
    assert stat.S_IMODE((home / "out" / "folder" / "file").stat().st_mode) == 0o640
    (home / "out" / "folder" / "file").chmod(0o4751)
    files.write("/out/folder/file", b"y")
    assert stat.S_IMODE((home / "out" / "folder" / "file").stat().st_mode) == 0o751


def test_a_hard_link_is_replaced_not_written_through(files: GrantedFiles, home: Path) -> None:
    os.link(home / "beside" / "secret", home / "out" / "hard")
    files.write("/out/hard", b"new")
    assert (home / "beside" / "secret").read_text() == "secret"
    assert files.read("/out/hard") == b"new"


def test_a_read_only_grant_is_not_written_to(files: GrantedFiles, home: Path) -> None:
    for attempt in (files.remove, lambda path: files.write(path, b"x")):
        for path in ("/data/text", "/data/new/file", "/data"):
            with refused(errno.EACCES, path, "'/data' was granted read-only; grant it with writable=True"):
                attempt(path)
    assert tree(home / "data") == ["text"]


@pytest.mark.parametrize("path", ["/out/old", "/out/file", "/out/new/er/file"])
def test_nothing_is_left_of_what_could_not_be_written(files: GrantedFiles, home: Path, path: str) -> None:
    (home / "out" / "old").write_bytes(b"old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
    try:
        with refused(errno.EFBIG, path, "File too large"):
            files.write(path, b"x" * 2_000_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert tree(home / "out") == ["old"]
    assert files.read("/out/old") == b"old"


def test_nothing_is_left_when_it_is_interrupted(
    files: GrantedFiles, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_arguments: object, **_options: object) -> None:
        raise KeyboardInterrupt

    for name in ("rename", "write"):
        with monkeypatch.context() as patch:
            patch.setattr(reaching.os, name, interrupt)
            with pytest.raises(KeyboardInterrupt):
                files.write("/out/new/file", b"x")
        assert tree(home / "out") == []
    files.write("/out/new/file", b"x")


def test_new_folders_are_removed_only_where_they_were_made(
    files: GrantedFiles, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "out" / "elsewhere").mkdir()

    def move_and_fail(*_arguments: object, **_options: object) -> None:
        os.replace(home / "out" / "a" / "b", home / "out" / "elsewhere" / "b")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(reaching.os, "rename", move_and_fail)
    with refused(errno.ENOSPC, "/out/a/b/c/file", "No space left"):
        files.write("/out/a/b/c/file", b"x")
    assert tree(home / "out") == ["a", "elsewhere", "elsewhere/b"]


def test_a_folder_on_the_way_that_cannot_be_made(files: GrantedFiles, home: Path) -> None:
    path = "/out/new/er/" + "x" * 256 + "/file"
    with refused(errno.ENAMETOOLONG, path, "too long"):
        files.write(path, b"")
    with refused(errno.ENOTDIR, "/out/file/x", "Not a directory"):
        files.write("/out/file", b"")
        files.write("/out/file/x", b"")
    assert tree(home / "out") == ["file"]


# --- listing --------------------------------------------------------------------------------------------------------


def names(files: GrantedFiles, path: str = "/") -> list[tuple[str, str, str]]:
    return [(entry.name, entry.path, entry.kind) for entry in files.list(path)]


def test_listing(files: GrantedFiles, home: Path) -> None:
    (home / "out" / "b").mkdir()
    (home / "out" / "a").write_bytes(b"123")
    assert (
        files.list("/out")
        == files.list("/out/")
        == (
            FileEntry(name="a", path="/out/a", kind="file", size_bytes=3),
            FileEntry(name="b", path="/out/b", kind="folder", size_bytes=0),
        )
    )
    assert files.list("/out/b") == ()
    with refused(errno.ENOTDIR, "/out/a", "Not a directory"):
        files.list("/out/a")
    with refused(errno.ENOENT, "/out/c", "No such file"):
        files.list("/out/c")


def test_folders_above_grants_are_listed(home: Path, grant: Callable[..., GrantedFiles]) -> None:
    files = grant(
        {"/mnt/a/one": home / "out", "/mnt/a/two": home / "data", "/mnt/b": home / "data", "/x": home / "out"}
    )
    assert names(files) == [("mnt", "/mnt", "folder"), ("x", "/x", "folder")]
    assert names(files, "/mnt") == [("a", "/mnt/a", "folder"), ("b", "/mnt/b", "folder")]
    assert names(files, "/mnt/a") == [("one", "/mnt/a/one", "folder"), ("two", "/mnt/a/two", "folder")]
    assert names(files, "/mnt/b") == [("text", "/mnt/b/text", "file")]
    with refused(errno.EACCES, "/mnt/c", "no granted folder"):
        files.list("/mnt/c")
    assert names(grant({})) == []
    assert grant({}).exists("/")
    assert not grant({}).exists("/x")


def test_the_innermost_grant_decides(home: Path, grant: Callable[..., GrantedFiles]) -> None:
    (home / "data" / "out").mkdir()
    (home / "data" / "out" / "hidden").touch()
    (home / "data" / "deep").mkdir()
    files = grant({"/": (home / "data",), "/out": home / "out", "/deep/er/out": home / "out"})
    files.write("/out/new", b"x")
    assert tree(home / "out") == ["new"]
    assert names(files, "/out") == [("new", "/out/new", "file")]
    assert names(files) == [("deep", "/deep", "folder"), ("out", "/out", "folder"), ("text", "/text", "file")]
    assert names(files, "/deep") == []
    assert not files.exists("/out/hidden")
    assert files.read("/deep/er/out/new") == b"x"
    with refused(errno.EACCES, "/new", "'/' was granted read-only"):
        files.write("/new", b"x")
    # A grant is listed in its folder even if nothing, or a file, has its name there.
    files = grant({"/d": home / "data", "/d/text": home / "out", "/d/none": home / "out"})
    assert [entry[0::2] for entry in names(files, "/d")] == [
        ("deep", "folder"),
        ("none", "folder"),
        ("out", "folder"),
        ("text", "folder"),
    ]


def test_the_number_of_entries_is_bounded(files: GrantedFiles, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(granted_files, "MAX_LISTED_ENTRIES", 3)
    for number in range(3):
        files.write(f"/out/{number}", b"")
    assert len(files.list("/out")) == 3
    files.write("/out/3", b"")
    with refused(errno.EOVERFLOW, "/out", "holds more than 3 entries"):
        files.list("/out")
    files.remove("/out/3")
    assert len(files.list("/out")) == 3


# --- removing -------------------------------------------------------------------------------------------------------


def test_removing(files: GrantedFiles, home: Path) -> None:
    files.write("/out/a", b"")
    files.write("/out/deep/er/b", b"")
    files.write("/out/deep/c", b"")
    (home / "out" / "deep" / "away").symlink_to(home / "beside")
    (home / "out" / "deep" / "locked").mkdir(mode=0)
    files.remove("/out/a")
    with refused(errno.ENOENT, "/out/a", "No such file"):
        files.remove("/out/a")
    files.remove("/out/deep/")
    assert tree(home / "out") == []
    assert tree(home / "beside") == ["secret"]


def test_a_deep_tree_is_removed(files: GrantedFiles, home: Path) -> None:
    current = os.open(home / "out", os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("deep", dir_fd=current)
        inner = os.open("deep", os.O_RDONLY, dir_fd=current)
        os.close(current)
        current = inner
    os.close(current)
    files.remove("/out/deep")
    assert tree(home / "out") == []


def test_granted_folders_are_never_removed(home: Path, grant: Callable[..., GrantedFiles]) -> None:
    (home / "out" / "sub" / "sub").mkdir(parents=True)
    files = grant({"/out": home / "out", "/out/a/b": home / "data", "/other": home / "out" / "sub"})
    files.write("/out/a2", b"")
    for path in ("/out", "/out/", "/other", "/out/a/b"):
        with refused(errno.EPERM, path, "a granted folder itself; remove what is in it"):
            files.remove(path)
    with refused(errno.EBUSY, "/out/a", "another granted folder lies in it"):
        files.remove("/out/a")
    with refused(errno.EBUSY, "/out/sub", "another granted folder is the same folder"):
        files.remove("/out/sub")
    files.remove("/other/sub")
    files.remove("/out/a2")
    assert tree(home / "out") == ["sub"]


def test_what_resists_is_told(files: GrantedFiles, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files.write("/out/folder/file", b"")
    with monkeypatch.context() as patch:
        patch.setattr(granted_files, "remove_folder", lambda *_arguments, **_options: ["Device or resource busy"])
        with refused(errno.ENOTEMPTY, "/out/folder", "could not be removed altogether (Device or resource busy)"):
            files.remove("/out/folder")
    files.remove("/out/folder")


# --- other ----------------------------------------------------------------------------------------------------------


def test_existing(files: GrantedFiles, home: Path) -> None:
    assert files.exists("/out")
    assert files.exists("/data/text")
    assert not files.exists("/data/text/x")
    assert not files.exists("/data/none")
    assert not files.exists("/out/" + "x" * 300)


def test_the_folders_are_asked_for_each_time(home: Path) -> None:
    current: list[Folder] = []
    files = GrantedFiles(lambda: contextlib.nullcontext(current))
    assert not files.exists("/d/text")
    descriptor = os.open(home / "data", os.O_PATH)
    try:
        current.append(Folder("/d", descriptor, writable=False))
        assert files.exists("/d/text")
    finally:
        os.close(descriptor)

    def closed() -> list[Folder]:
        raise ClosedError("this session was closed")

    files = GrantedFiles(closed)
    for attempt in (files.read, files.list, files.remove, files.exists, lambda path: files.write(path, b"")):
        with pytest.raises(ClosedError, match="was closed"):
            attempt("/d/text")


def test_the_rights_of_the_host_process_hold(as_ordinary_user: Callable[[str], Any]) -> None:
    results = as_ordinary_user("""
from wasihost.capabilities.granted_files import *
os.mkdir("d"); os.mkdir("d/locked")
for name in ("open", "shut"):
    pathlib.Path("d", name).write_text(name)
os.chmod("d/shut", 0); os.chmod("d/locked", 0)
folder = Folder("/d", os.open("d", os.O_PATH), True)
files = GrantedFiles(lambda: contextlib.nullcontext([folder]))
results["open"] = files.read_text("/d/open")
def attempt_to(do):
    try:
        return do()
    except OSError as error:
        return [type(error).__name__, error.filename]
results["shut"] = attempt_to(lambda: files.read_text("/d/shut"))
results["locked"] = attempt_to(lambda: files.list("/d/locked"))
results["inside"] = attempt_to(lambda: files.read_text("/d/locked/x"))
results["exists"] = files.exists("/d/locked/x")
os.chmod("d", 0o500)
results["write"] = attempt_to(lambda: files.write("/d/new", b""))
results["remove"] = attempt_to(lambda: files.remove("/d/open"))
results["folder"] = attempt_to(lambda: files.write("/d/new/file", b""))
os.chmod("d", 0o700)
results["removed"] = files.remove("/d/locked"), files.remove("/d/shut")
results["left"] = [entry.name for entry in files.list("/d")]
""")
    assert results == {
        "open": "open",
        "shut": ["PermissionError", "/d/shut"],
        "locked": ["PermissionError", "/d/locked"],
        "inside": ["PermissionError", "/d/locked/x"],
        "exists": False,
        "write": ["PermissionError", "/d/new"],
        "remove": ["PermissionError", "/d/open"],
        "folder": ["PermissionError", "/d/new/file"],
        "removed": [None, None],
        "left": ["open"],
    }
