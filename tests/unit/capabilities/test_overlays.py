# Names are bytes and descriptors here.
# ruff: noqa: PTH102, PTH123, PTH208

from __future__ import annotations

import contextlib
import logging
import os
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from wasihost.capabilities import comparing, copying, overlay
from wasihost.capabilities.overlay import OverlayCopy, changes_of, make_copy
from wasihost.capabilities.scratch import remove_scratch_folder
from wasihost.capabilities.usage import DiskAccount
from wasihost.errors import InvalidPreopenError
from wasihost.result import FileChange

OLD = 1_500_000_000_123_456_789


pytestmark = pytest.mark.usefixtures("no_descriptor_is_left")


@pytest.fixture(autouse=True)
def nothing_is_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    yield
    assert caplog.records == []


@pytest.fixture
def original(tmp_path: Path) -> Path:
    folder = tmp_path / "original"
    (folder / "a" / "b").mkdir(parents=True)
    for name in ("one", "two", "a/three", "a/b/four"):
        (folder / name).write_bytes(name.encode())
        os.utime(folder / name, ns=(OLD, OLD))
    (folder / "link").symlink_to("a/three")
    (folder / "dangling").symlink_to("/nowhere")
    (folder / "to-folder").symlink_to("a")
    (folder / "empty").mkdir()
    os.utime(folder / "a", ns=(OLD, OLD))
    return folder


@contextlib.contextmanager
def copied(folder: Path, **options: Any) -> Iterator[tuple[OverlayCopy, Path]]:
    private = folder.parent / "private"
    private.mkdir(exist_ok=True)
    source, parent = os.open(folder, os.O_PATH), os.open(private, os.O_PATH)
    copy = None
    try:
        copy = make_copy(source, parent, guest=options.pop("guest", "/data"), **options)
        yield copy, private / copy.name
    finally:
        if copy is not None:
            copy.remove()
            copy.remove()
        os.close(source)
        os.close(parent)
        assert os.listdir(private) == []


def tree(folder: Path) -> dict[str, bytes | str | None]:
    found: dict[str, bytes | str | None] = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        found[name] = str(path.readlink()) if path.is_symlink() else None if path.is_dir() else path.read_bytes()
    return found


def seen(copy: OverlayCopy) -> list[tuple[str, str]]:
    changes = copy.changes()
    assert changes.omitted == 0
    return [(change.kind, change.path) for change in changes.files]


def deepen(top: Path, levels: int) -> None:
    current = os.open(top, os.O_RDONLY)
    for _ in range(levels):
        os.mkdir("deep", dir_fd=current)
        os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=current))
        inner = os.open("deep", os.O_RDONLY, dir_fd=current)
        os.close(current)
        current = inner
    os.close(current)


def remove(top: Path) -> None:
    descriptor = os.open(top, os.O_PATH)
    remove_scratch_folder(str(top), descriptor)
    os.close(descriptor)


# --- copying --------------------------------------------------------------------------------------------------------


def test_a_copy_is_the_same_and_private(original: Path) -> None:
    before = tree(original)
    (original / "one").chmod(0o444)
    (original / "two").chmod(0o777)
    with copied(original) as (copy, path):
        assert tree(path) == before
        assert copy.changes() == ((), 0)
        for inner in (path, *path.rglob("*")):
            if not inner.is_symlink():
                assert stat.S_IMODE(inner.stat().st_mode) == (0o700 if inner.is_dir() else 0o600)
        assert (path / "a" / "three").stat().st_mtime_ns == OLD
        assert (path / "a").stat().st_mtime_ns == OLD
        assert os.path.samestat(os.fstat(copy.descriptor), path.stat())
        assert not os.get_inheritable(copy.descriptor)
    assert copy.descriptor == -1


def test_the_original_is_not_touched(original: Path) -> None:
    before, times = tree(original), {path: path.lstat() for path in original.rglob("*")}
    with copied(original) as (_, path):
        (path / "one").write_bytes(b"changed")
        (path / "link").write_bytes(b"through a link")
        (path / "a" / "three").unlink()
        (path / "new").mkdir()
        os.truncate(path / "two", 100)
    assert tree(original) == before
    for inner, status in times.items():
        now = inner.lstat()
        assert (now.st_ino, now.st_size, now.st_mtime_ns, now.st_ctime_ns) == (
            status.st_ino,
            status.st_size,
            status.st_mtime_ns,
            status.st_ctime_ns,
        )


@pytest.mark.parametrize("missing", [(), ("clone",), ("clone", "range")])
def test_every_way_of_copying_a_file(original: Path, monkeypatch: pytest.MonkeyPatch, missing: tuple[str, ...]) -> None:
    import fcntl

    def refuse(*_arguments: object) -> int:
        raise OSError(95, "Operation not supported")

    if "clone" in missing:
        monkeypatch.setattr(fcntl, "ioctl", refuse)
    if "range" in missing:
        monkeypatch.setattr(os, "copy_file_range", refuse)
    monkeypatch.setattr(copying, "CHUNK_BYTES", 1000)
    large = os.urandom(123_457)
    (original / "large").write_bytes(large)
    with (original / "sparse").open("wb") as file:
        file.truncate(50_000)
    with copied(original) as (copy, path):
        assert (path / "large").read_bytes() == large
        assert (path / "sparse").read_bytes() == bytes(50_000)
        assert tree(path) == tree(original)
        assert seen(copy) == []


def test_hard_links_become_files_of_their_own(original: Path) -> None:
    os.link(original / "one", original / "again")
    with copied(original) as (copy, path):
        assert (path / "one").stat().st_nlink == 1
        (path / "again").write_bytes(b"changed")
        assert (path / "one").read_bytes() == b"one"
        assert seen(copy) == [("changed", "/data/again")]


def test_what_is_no_file_is_left_out_and_nobody_waits_for_it(original: Path) -> None:
    import socket

    os.mkfifo(original / "fifo")
    (original / "a" / "short").mkdir()
    here = Path.cwd()
    os.chdir(original / "a")
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind("socket")
    finally:
        os.chdir(here)
    with copied(original) as (copy, path):
        assert not (path / "fifo").exists()
        assert sorted(os.listdir(path / "a")) == ["b", "short", "three"]
        assert seen(copy) == []


def test_names_of_any_bytes(original: Path) -> None:
    for name in (b"bad\xff", b"new\nline", b"n" * 255):
        folder = os.fsencode(original) + b"/" + name
        os.mkdir(folder)
        with open(folder + b"/" + name, "wb") as file:
            file.write(name)
    with copied(original) as (copy, path):
        assert tree(path) == tree(original)
        Path(os.fsdecode(os.fsencode(path) + b"/bad\xff/bad\xff")).unlink()
        Path(os.fsdecode(os.fsencode(path) + b"/\xfe\n")).write_bytes(b"x")
        assert seen(copy) == [("removed", "/data/bad\ufffd/bad\ufffd"), ("added", "/data/\ufffd\n")]


def test_ten_thousand_levels(tmp_path: Path) -> None:
    folder = tmp_path / "original"
    folder.mkdir()
    deepen(folder, 10_000)
    try:
        with copied(folder) as (copy, path):
            assert copy.changes() == ((), 0)
            (path / "deep" / "deep" / "file").unlink()
            assert seen(copy) == [("removed", "/data/deep/deep/file")]
            (path / "deep" / "deep").rename(path / "moved")
            changes = copy.changes()
            # Deeper ones have paths that are too long to be listed: 5 bytes a level.
            listed = [change.path for change in changes.files]
            assert max(map(len, listed)) <= 4096 < max(map(len, listed)) + 5
            assert {change.kind for change in changes.files} == {"added", "removed"}
            assert len(listed) + changes.omitted == 9998 + 9997
    finally:
        remove(folder)


@pytest.mark.parametrize(
    ("limits", "what"),
    [({"max_files": 9}, "9 files and folders"), ({"max_bytes": 20}, "20 bytes")],
)
def test_a_folder_that_is_too_large(original: Path, limits: dict[str, int], what: str) -> None:
    with pytest.raises(InvalidPreopenError) as caught, copied(original, **limits):
        pass
    assert str(caught.value) == (
        f"overlay '/data': the folder holds more than the {what} that are copied for a run; grant a smaller folder"
    )
    enough = {name: value + 1 for name, value in limits.items()}
    with copied(original, **enough) as (copy, _):
        assert seen(copy) == []


def test_a_file_that_may_not_be_read_is_named(as_ordinary_user: Callable[[str], Any]) -> None:
    results = as_ordinary_user(
        """
from wasihost.capabilities.overlay import *
os.makedirs("top/a/b"); os.makedirs("private")
pathlib.Path("top/a/b/se\\ncret").touch()
top, private = os.open("top", os.O_PATH), os.open("private", os.O_PATH)
def attempt_copy():
    try:
        copy = make_copy(top, private, guest="/data")
    except InvalidPreopenError as error:
        return str(error)
    finally:
        results["fds"] = len(os.listdir("/proc/self/fd"))
    copy.remove()
    return "copied"
results["before"] = attempt_copy()
fds = results["fds"]
os.chmod("top/a/b/se\\ncret", 0)
results["file"] = attempt_copy()
results["leak"] = results.pop("fds") - fds + 1
os.chmod("top/a/b/se\\ncret", 0o400)
os.chmod("top/a/b", 0)
results["folder"] = attempt_copy()
os.chmod("top/a/b", 0o500)
results["after"] = attempt_copy()
results.pop("fds")
os.chmod("top/a/b", 0o700)
results["left"] = os.listdir("private")
"""
    )
    hint = "cannot be copied (Permission denied); make it readable, or grant a folder without it"
    assert results == {
        "before": "copied",
        "file": f"overlay '/data': 'a/b/se\\ncret' {hint}",
        "folder": f"overlay '/data': 'a/b' {hint}",
        "after": "copied",
        "left": [],
        "leak": 0,
    }


def test_a_folder_that_changes_while_it_is_copied(original: Path) -> None:
    """Each attempt gives a copy or a clear refusal, and what did not change is in it."""
    ended = threading.Event()

    def churn() -> None:
        while not ended.is_set():
            folder = original / "a" / "churn"
            folder.mkdir()
            (folder / "file").write_bytes(b"y" * 100)
            (folder / "file").write_bytes(b"y")
            (folder / "file").unlink()
            folder.rmdir()
            folder.symlink_to("/etc")
            folder.unlink()

    thread = threading.Thread(target=churn, daemon=True)
    thread.start()
    copies = 0
    try:
        for _ in range(100):
            try:
                with copied(original) as (_, path):
                    copies += 1
                    assert (path / "a" / "b" / "four").read_bytes() == b"a/b/four"
                    churned = path / "a" / "churn"
                    if churned.is_dir() and not churned.is_symlink():
                        assert [name for name in os.listdir(churned) if name != "file"] == []
            except InvalidPreopenError as error:
                assert "was copied" in str(error) or "cannot be copied" in str(error)
    finally:
        ended.set()
        thread.join()
    assert copies > 10


def test_folders_that_are_moved_while_they_are_copied(original: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    utime = os.utime

    def moving(target: int, **options: Any) -> None:
        utime(target, **options)
        if (original / "a" / "b").exists():
            (original / "a" / "b").rename(original / "empty" / "b")

    monkeypatch.setattr(os, "utime", moving)
    (original / "a" / "b" / "four").unlink()
    for name in ("one", "two", "a/three"):
        (original / name).unlink()
    with pytest.raises(InvalidPreopenError, match="folders in it were moved while it was copied; try again"):
        for _ in range(2):  # which folder comes first is the file system's choice
            with copied(original):
                (original / "empty" / "b").rename(original / "a" / "b")
    assert (original / "empty" / "b").is_dir()


def test_copies_are_not_made_in_what_is_copied(original: Path) -> None:
    private = original / "a" / "private"
    private.mkdir()
    source, parent = os.open(original, os.O_PATH), os.open(private, os.O_PATH)
    try:
        with pytest.raises(InvalidPreopenError, match="where the copy is made, lies in it; set TMPDIR"):
            make_copy(source, parent, guest="/data")
        assert os.listdir(private) == []
    finally:
        os.close(source)
        os.close(parent)


def test_no_room_for_a_copy(original: Path, with_mounts: Callable[[str], Any]) -> None:
    results = with_mounts(
        """
from wasihost.capabilities.overlay import *
os.makedirs("small"); os.makedirs("top")
pathlib.Path("top/large").write_bytes(b"x" * 2**20)
subprocess.run(["mount", "--no-mtab", "-t", "tmpfs", "-o", "size=256k", "none", "small"], check=True)
small = os.open("small", os.O_PATH)
try:
    make_copy(os.open("top", os.O_PATH), small, guest="/data")
except InvalidPreopenError as error:
    results["error"] = str(error)
results["left"] = os.listdir("small")
"""
    )
    assert results["error"].startswith("overlay '/data': 'large' cannot be copied (No space left on device)")
    assert results["left"] == []


# --- changes --------------------------------------------------------------------------------------------------------


def test_every_kind_of_change(original: Path) -> None:
    with copied(original) as (copy, path):
        (path / "one").write_bytes(b"ONE")
        (path / "two").unlink()
        (path / "a" / "three").rename(path / "moved")
        (path / "a" / "b" / "five").write_bytes(b"5")
        (path / "link").unlink()
        (path / "link").symlink_to("elsewhere")
        (path / "dangling").unlink()
        (path / "dangling").write_bytes(b"a file")
        (path / "to-folder").unlink()
        (path / "new" / "inner").mkdir(parents=True)
        (path / "new" / "inner" / "l").symlink_to("/etc/passwd")
        (path / "empty").rmdir()
        assert copy.changes() == (
            (
                FileChange(kind="added", path="/data/a/b/five", size_bytes=1, content=b"5"),
                FileChange(kind="removed", path="/data/a/three", size_bytes=7),
                FileChange(kind="changed", path="/data/dangling", size_bytes=6, content=b"a file"),
                FileChange(kind="changed", path="/data/link", size_bytes=9, link_target="elsewhere"),
                FileChange(kind="added", path="/data/moved", size_bytes=7, content=b"a/three"),
                FileChange(kind="added", path="/data/new/inner/l", size_bytes=11, link_target="/etc/passwd"),
                FileChange(kind="changed", path="/data/one", size_bytes=3, content=b"ONE"),
                FileChange(kind="removed", path="/data/to-folder", size_bytes=1, link_target="a"),
                FileChange(kind="removed", path="/data/two", size_bytes=3),
            ),
            0,
        )


def test_a_file_in_place_of_a_folder_and_the_other_way_round(original: Path) -> None:
    with copied(original) as (copy, path):
        (path / "a" / "b" / "four").unlink()
        (path / "a" / "b").rmdir()
        (path / "a" / "b").write_bytes(b"a file now")
        (path / "one").unlink()
        (path / "one").mkdir()
        (path / "one" / "inner").touch()
        (path / "link").unlink()
        (path / "link").mkdir()
        os.mkfifo(path / "fifo")
        (path / "two").unlink()
        os.mkfifo(path / "two")
        assert seen(copy) == [
            ("added", "/data/a/b"),
            ("removed", "/data/a/b/four"),
            ("removed", "/data/link"),
            ("removed", "/data/one"),
            ("added", "/data/one/inner"),
            ("removed", "/data/two"),
        ]


def test_a_folder_that_was_moved(original: Path) -> None:
    with copied(original) as (copy, path):
        (path / "a").rename(path / "z")
        assert seen(copy) == [
            ("removed", "/data/a/b/four"),
            ("removed", "/data/a/three"),
            ("added", "/data/z/b/four"),
            ("added", "/data/z/three"),
        ]


def test_only_what_differs_in_content_counts(original: Path) -> None:
    with copied(original) as (copy, path):
        (path / "one").touch()
        (path / "two").write_bytes(b"two")
        (path / "a" / "three").rename(path / "x")
        (path / "x").rename(path / "a" / "three")
        os.link(path / "a" / "b" / "four", path / "again")
        (path / "again").unlink()
        assert seen(copy) == []


def test_times_that_were_set_back_hide_nothing(original: Path) -> None:
    """In the same tick of the clock even the time of change is the same."""
    for _ in range(50):
        with copied(original) as (copy, path):
            before = (path / "one").stat()
            with (path / "one").open("r+b") as file:
                file.write(b"0NE")
                file.flush()
                os.utime(file.fileno(), ns=(before.st_atime_ns, before.st_mtime_ns))
            assert seen(copy) == [("changed", "/data/one")]


def stop_clock(monkeypatch: pytest.MonkeyPatch, clock: int) -> None:
    """Let all files have been changed at one time, however often they are."""
    real = copying.state_of

    def coarse(status: os.stat_result) -> copying.State:
        size, written, _, number = real(status)
        return size, written, clock, number

    monkeypatch.setattr(copying, "state_of", coarse)
    monkeypatch.setattr(comparing, "state_of", coarse)


@pytest.mark.parametrize(("clock", "found"), [(2**62, [("changed", "/data/one")]), (0, [])])
def test_a_clock_that_stands_still(
    original: Path, monkeypatch: pytest.MonkeyPatch, clock: int, found: list[tuple[str, str]]
) -> None:
    """A time of change is believed only if it is older than the copy."""
    stop_clock(monkeypatch, clock)
    with copied(original) as (copy, path):
        (path / "one").write_bytes(b"0NE")
        os.utime(path / "one", ns=(OLD, OLD))
        assert seen(copy) == found


@pytest.mark.parametrize(("clock", "found"), [(2**62, [("changed", "/data/one")]), (0, [])])
def test_a_clock_that_stands_still_while_the_original_is_written_to(
    original: Path, monkeypatch: pytest.MonkeyPatch, clock: int, found: list[tuple[str, str]]
) -> None:
    stop_clock(monkeypatch, clock)
    with copied(original) as (copy, _):
        (original / "one").write_bytes(b"0NE")
        os.utime(original / "one", ns=(OLD, OLD))
        changes = copy.changes_of_original()
        assert [(change.kind, change.path) for change in changes.files] == found
        assert all(change.content == b"0NE" for change in changes.files)
        assert not copy.is_up_to_date()


def test_what_became_of_the_original(original: Path) -> None:
    with copied(original) as (copy, _):
        assert copy.changes_of_original() == ((), 0)
        (original / "one").write_bytes(b"ONE")
        (original / "two").unlink()
        (original / "a" / "new").symlink_to("/etc/passwd")
        os.utime(original / "a" / "three")
        assert copy.changes_of_original() == (
            (
                FileChange(kind="added", path="/data/a/new", size_bytes=11, link_target="/etc/passwd"),
                FileChange(kind="changed", path="/data/one", size_bytes=3, content=b"ONE"),
                FileChange(kind="removed", path="/data/two", size_bytes=3),
            ),
            0,
        )
        assert copy.changes() == ((), 0)


def test_an_original_that_changed_meanwhile_cannot_vouch_for_the_copy(original: Path) -> None:
    with copied(original) as (copy, path):
        (original / "one").write_bytes(b"ONE")
        (path / "one").write_bytes(b"ONE")
        (original / "two").unlink()
        (path / "two").touch()
        assert seen(copy) == [("changed", "/data/one"), ("changed", "/data/two")]


def test_contents_are_kept_while_there_is_room(original: Path) -> None:
    with copied(original) as (copy, path):
        for number, size in enumerate((50, 60, 40, 11, 10, 0)):
            (path / f"new{number}").write_bytes(b"x" * size)
        kept = {change.path: change.content for change in copy.changes(content_bytes=100).files}
        assert {path: None if content is None else len(content) for path, content in kept.items()} == {
            "/data/new0": 50,
            "/data/new1": None,
            "/data/new2": 40,
            "/data/new3": None,
            "/data/new4": 10,
            "/data/new5": 0,
        }


def test_more_changes_than_are_listed(original: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparing, "MAX_CHANGES", 10)
    with copied(original) as (copy, path):
        for number in range(95):
            (path / f"new{number:02}").touch()
        (path / "one").unlink()
        changes = copy.changes()
        assert [change.path for change in changes.files] == [f"/data/new{number:02}" for number in range(10)]
        assert changes.omitted == 86


def test_a_grant_at_the_root(original: Path) -> None:
    with copied(original, guest="/") as (copy, path):
        (path / "a" / "new").touch()
        assert seen(copy) == [("added", "/a/new")]


def test_several_overlays_share_the_bounds(original: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overlay, "MAX_CONTENT_BYTES", 10)
    monkeypatch.setattr(overlay, "MAX_CHANGES", 3)
    with copied(original, guest="/z") as (first, first_path), copied_beside(original) as (second, second_path):
        for path in (first_path, second_path):
            (path / "x").write_bytes(b"123456")
            (path / "y").touch()
        changes = changes_of([first, second])
        assert [(change.path, change.content) for change in changes.files] == [
            ("/b/x", None),
            ("/b/y", b""),
            ("/z/x", b"123456"),
        ]
        assert changes.omitted == 1


@contextlib.contextmanager
def copied_beside(folder: Path) -> Iterator[tuple[OverlayCopy, Path]]:
    other = folder.parent / "beside" / "original"
    other.parent.mkdir()
    folder.joinpath("one").exists()
    other.mkdir()
    with copied(other, guest="/b") as found:
        yield found


def test_a_copy_that_cannot_be_looked_through(original: Path, caplog: pytest.LogCaptureFixture) -> None:
    with copied(original) as (copy, path):
        (path / "new").touch()

        def broken(*_arguments: object) -> None:
            raise OSError(5, "Input/output error")

        with pytest.MonkeyPatch.context() as patch, caplog.at_level(logging.WARNING):
            patch.setattr(comparing.Comparison, "_compare", broken)
            assert copy.changes() == ((), 1)
        assert caplog.messages == ["the overlay '/data' cannot be looked through (Input/output error)"]
        caplog.clear()
        assert seen(copy) == [("added", "/data/new")]


def test_the_copy_itself_does_not_count_as_stored(original: Path) -> None:
    with copied(original) as (copy, path):
        account = DiskAccount(folders=[(copy.descriptor, None)], disk_bytes=100, disk_files=5)
        assert account.allows(1, 1) == (100, 5)
        (path / "new").write_bytes(b"x" * 99)
        assert account.allows(1, 1) == (1, 4)
        assert account.allows(2, 0) == "the run stored more than 100 bytes in its writable directories"
