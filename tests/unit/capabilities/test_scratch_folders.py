# Names are bytes and descriptors here.
# ruff: noqa: PTH103, PTH118, PTH208

from __future__ import annotations

import gc
import logging
import os
import stat
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wasihost.capabilities import scratch
from wasihost.capabilities.paths import open_preopens
from wasihost.capabilities.preopen import Preopen, Scratch
from wasihost.capabilities.scratch import make_scratch_folder, remove_scratch_folder
from wasihost.errors import InvalidPreopenError


@pytest.fixture(autouse=True)
def temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture(autouse=True)
def nothing_is_logged(caplog: pytest.LogCaptureFixture, request: pytest.FixtureRequest) -> Any:
    yield
    if "expects_warning" not in request.node.name:
        assert caplog.records == []


def descriptors() -> int:
    gc.collect()
    return len(os.listdir("/proc/self/fd"))


def remove(path: Path) -> None:
    descriptor = os.open(path, os.O_PATH | os.O_DIRECTORY)
    try:
        remove_scratch_folder(str(path), descriptor)
    finally:
        os.close(descriptor)


def test_it_is_new_empty_private_and_gone_afterwards(temporary_folder: Path) -> None:
    before = descriptors()
    with open_preopens([Scratch(), Scratch("/other")]) as opened:
        first, second = opened.entries
        assert (first.guest, first.writable) == ("/scratch", True)
        assert first.host.parent == second.host.parent == temporary_folder
        assert first.host != second.host
        assert stat.S_IMODE(first.host.stat().st_mode) == 0o700
        assert os.listdir(first.engine_path) == []
        Path(first.engine_path, "file").write_text("x")
        assert (first.host / "file").read_text() == "x"
    assert list(temporary_folder.iterdir()) == []
    assert descriptors() == before


def test_links_are_removed_and_what_they_lead_to_survives(temporary_folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    (outside / "folder").mkdir(parents=True)
    (outside / "precious").write_text("precious")
    (outside / "folder" / "precious").write_text("precious")
    with open_preopens([Scratch()]) as opened:
        top = opened.entries[0].host
        (top / "a" / "b").mkdir(parents=True)
        for place in (top, top / "a", top / "a" / "b"):
            (place / "to-folder").symlink_to(outside)
            (place / "to-file").symlink_to(outside / "precious")
            (place / "dangling").symlink_to("nowhere")
            (place / "loop").symlink_to("loop")
            (place / "up").symlink_to("..")
            os.link(outside / "precious", place / "hard")
        os.mkfifo(top / "fifo")
    assert list(temporary_folder.iterdir()) == []
    assert sorted(path.name for path in outside.rglob("*")) == ["folder", "precious", "precious"]
    assert (outside / "precious").read_text() == "precious"


def test_a_tree_of_ten_thousand_levels(temporary_folder: Path) -> None:
    before = descriptors()
    with open_preopens([Scratch()]) as opened:
        current = os.open(opened.entries[0].host, os.O_RDONLY)
        for _ in range(10_000):
            os.mkdir("deep", dir_fd=current)
            os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=current))
            inner = os.open("deep", os.O_RDONLY, dir_fd=current)
            os.close(current)
            current = inner
        os.close(current)
    assert list(temporary_folder.iterdir()) == []
    assert descriptors() == before


def test_few_descriptors_are_needed(temporary_folder: Path) -> None:
    import resource

    with open_preopens([Scratch()]) as opened:
        current = opened.entries[0].host
        for number in range(100):
            current = current / f"{number}"
            (current / "beside" / "inner").mkdir(parents=True)
        used = max(int(name) for name in os.listdir("/proc/self/fd")) + 1
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (used + 5, hard))
        try:
            opened.close()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert list(temporary_folder.iterdir()) == []


def test_more_entries_than_one_batch(temporary_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scratch, "_BATCH", 7)
    with open_preopens([Scratch()]) as opened:
        for folder in (opened.entries[0].host, opened.entries[0].host / "inner"):
            folder.mkdir(exist_ok=True)
            for number in range(100):
                (folder / f"file{number}").touch()
                (folder / f"folder{number}").mkdir()
    assert list(temporary_folder.iterdir()) == []


def test_the_names_used_while_removing_may_be_taken(temporary_folder: Path) -> None:
    with open_preopens([Scratch()]) as opened:
        top = opened.entries[0].host
        names = [f"removing-{os.getpid()}-{number}" for number in range(12)]
        for number, name in enumerate(names):
            if number % 3 == 0:
                (top / name / "inner" / name).mkdir(parents=True)
            elif number % 3 == 1:
                (top / name).touch()
            else:
                (top / name).symlink_to("..")
    assert list(temporary_folder.iterdir()) == []


def test_odd_names(temporary_folder: Path) -> None:
    with open_preopens([Scratch()]) as opened:
        top = os.fsencode(opened.entries[0].host)
        for name in (b"new\nline", b"bad\xff", b"-rf", b"n" * 255, b"...", b"\x1b[31m"):
            os.makedirs(os.path.join(top, name, name))
    assert list(temporary_folder.iterdir()) == []


def test_folders_that_may_not_be_read(as_ordinary_user: Callable[[str], Any]) -> None:
    results = as_ordinary_user(
        """
warnings = []
class Collector(logging.Handler):
    def emit(self, record):
        warnings.append(record.getMessage())
logging.getLogger().addHandler(Collector())
with open_preopens([Scratch()]) as opened:
    top = opened.entries[0].host
    for mode in (0, 0o100, 0o200, 0o300, 0o400, 0o500, 0o600):
        inner = top / f"{mode:o}"
        for folder in (inner / "below" / "deep", inner / "empty"):
            folder.mkdir(parents=True)
            (folder / "file").touch(mode=0)
        for folder in (inner / "below" / "deep", inner / "below", inner / "empty", inner):
            folder.chmod(mode)
    top.chmod(0)
results["left"] = os.listdir(".")
results["warnings"] = warnings
"""
    )
    assert results == {"left": [], "warnings": []}


def test_it_expects_warning_when_something_cannot_be_removed(
    temporary_folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    unlink = os.unlink

    def stubborn(name: str, *, dir_fd: int | None = None) -> None:
        if name == "stubborn":
            raise OSError(5, "Input/output error")
        unlink(name, dir_fd=dir_fd)

    opened = open_preopens([Scratch()])
    top = opened.entries[0].host
    (top / "a" / "b").mkdir(parents=True)
    for name in ("a/stubborn", "a/b/c", "d"):
        (top / name).touch()
    with monkeypatch.context() as patch, caplog.at_level(logging.WARNING):
        patch.setattr(os, "unlink", stubborn)
        opened.close()
    assert [path.name for path in top.rglob("*") if path.is_file()] == ["stubborn"]
    assert len([path for path in top.rglob("*") if path.is_dir()]) == 1
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage() == (
        f"scratch folder {str(top)!r} could not be removed altogether (Input/output error; Directory not empty)"
    )
    remove(top)
    assert list(temporary_folder.iterdir()) == []


def test_it_expects_warning_when_another_folder_stands_in_its_place(
    temporary_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with open_preopens([Scratch()]) as opened:
        top = opened.entries[0].host
        (top / "mine").touch()
        moved = top.rename(temporary_folder / "moved")
        top.mkdir()
    assert top.is_dir()
    assert list(moved.iterdir()) == []
    assert "another folder stands in its place" in caplog.text


def test_a_folder_that_somebody_removed_is_no_reason_to_complain(temporary_folder: Path) -> None:
    with open_preopens([Scratch()]) as opened:
        opened.entries[0].host.rmdir()
    assert list(temporary_folder.iterdir()) == []


def test_a_forked_child_leaves_the_folder_to_its_parent(temporary_folder: Path) -> None:
    with open_preopens([Scratch()]) as opened:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # newer Pythons warn of threads that others left
            child = os.fork()
        if child == 0:
            try:
                opened.close()
            finally:
                os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        assert opened.entries[0].host.is_dir()
    assert list(temporary_folder.iterdir()) == []


def test_no_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    with pytest.raises(
        InvalidPreopenError, match=r"cannot be made in the temporary folder \(No such file .*set TMPDIR"
    ):
        open_preopens([Scratch()])
    (tmp_path / "missing").mkdir()
    open_preopens([Scratch()]).close()


@pytest.mark.parametrize("swap", ["link", "full", "open"])
def test_a_folder_that_was_exchanged_right_after_it_was_made(
    temporary_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, swap: str
) -> None:
    """In a temporary folder without the sticky bit, others can move the new folder away."""
    victim = tmp_path / "victim"
    victim.mkdir(mode=0o700)
    (victim / "precious").touch()
    make = tempfile.mkdtemp

    def exchanged(**options: Any) -> str:
        path = Path(make(**options))
        path.rmdir()
        if swap == "link":
            (tmp_path / "empty").mkdir(mode=0o700)
            path.symlink_to(tmp_path / "empty")
        elif swap == "full":
            victim.rename(path)
        else:
            path.mkdir(mode=0o755)
            path.chmod(0o777)
        return str(path)

    with monkeypatch.context() as patch:
        patch.setattr(tempfile, "mkdtemp", exchanged)
        with pytest.raises(InvalidPreopenError, match=r"scratch folder: .*; set TMPDIR to a folder that is yours"):
            make_scratch_folder()
    assert swap == "open" or len(list(tmp_path.rglob("precious"))) == 1
    open_preopens([Scratch()]).close()


def test_it_may_lie_where_nothing_else_is_granted(monkeypatch: pytest.MonkeyPatch) -> None:
    if not os.access("/dev/shm", os.W_OK):
        pytest.skip("this machine has no /dev/shm to write to")
    monkeypatch.setattr(tempfile, "tempdir", "/dev/shm")
    with open_preopens([Scratch()]) as opened:
        folder = opened.entries[0].host
        assert folder.parent == Path("/dev/shm")
        with pytest.raises(InvalidPreopenError, match="lies in /dev, which is the kernel's and never granted"):
            open_preopens([Preopen(folder, "/data")])
    assert not folder.exists()
