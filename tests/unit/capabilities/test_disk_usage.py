# Names are bytes and descriptors here.
# ruff: noqa: PTH118, PTH208

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from wasihost.capabilities import usage
from wasihost.capabilities.scratch import remove_scratch_folder
from wasihost.capabilities.usage import DiskAccount, FolderLimit, UnmeasurableError, Usage, measure

pytestmark = pytest.mark.usefixtures("no_descriptor_is_left")


@pytest.fixture
def held() -> Iterator[Callable[[Path], int]]:
    """Hold folders open, as grants are."""
    opened: list[int] = []

    def hold(path: Path) -> int:
        opened.append(os.open(path, os.O_PATH | os.O_DIRECTORY))
        return opened[-1]

    yield hold
    for descriptor in opened:
        os.close(descriptor)


def used(*paths: Path, **options: Any) -> Usage:
    descriptors = [os.open(path, os.O_PATH | os.O_DIRECTORY) for path in paths]
    try:
        return measure(descriptors, **options)[1]
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


# --- measuring ------------------------------------------------------------------------------------------------------


def test_files_folders_and_links_count_and_the_folder_itself_does_not(tmp_path: Path) -> None:
    assert used(tmp_path) == (0, 0)
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "five").write_bytes(b"12345")
    (tmp_path / "a" / "b" / "seven").write_bytes(b"1234567")
    (tmp_path / "to-folder").symlink_to("a")
    (tmp_path / "to-file").symlink_to("a/five")
    (tmp_path / "dangling").symlink_to("x" * 200)
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "a" / "up").symlink_to("..")
    (tmp_path / "out").symlink_to("/")
    os.mkfifo(tmp_path / "fifo")
    assert used(tmp_path) == (12, 11)


def test_a_hole_counts_by_the_size_of_the_file(tmp_path: Path) -> None:
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(2**40)
    assert (tmp_path / "sparse").stat().st_blocks == 0
    assert used(tmp_path) == (2**40, 1)


def test_hard_links_hold_their_bytes_once(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    (one / "inner").mkdir(parents=True)
    two.mkdir()
    (one / "file").write_bytes(b"x" * 100)
    for place in (one / "again", one / "inner" / "again", two / "again"):
        os.link(one / "file", place)
    assert used(one) == (100, 4)
    assert used(one, two) == (100, 5)
    assert used(two) == (100, 1)


def test_the_same_folder_twice_and_a_folder_in_another(tmp_path: Path, held: Callable[[Path], int]) -> None:
    (tmp_path / "inner" / "deep").mkdir(parents=True)
    (tmp_path / "inner" / "deep" / "file").write_bytes(b"x" * 10)
    (tmp_path / "file").write_bytes(b"x")
    assert used(tmp_path, tmp_path) == (11, 4)
    outer, inner = held(tmp_path), held(tmp_path / "inner")
    assert measure([outer, inner]) == ([(1, 2), (10, 2)], (11, 4))
    assert measure([inner, outer]) == ([(10, 2), (1, 2)], (11, 4))


def test_names_of_any_bytes(tmp_path: Path) -> None:
    for name in (b"bad\xff", b"new\nline", b"-rf", b"n" * 255, b"\x1b[31m"):
        folder = os.path.join(os.fsencode(tmp_path), name)
        os.mkdir(folder)  # noqa: PTH102 - bytes
        with open(os.path.join(folder, name), "wb") as file:  # noqa: PTH123 - bytes
            file.write(b"xy")
    assert used(tmp_path) == (10, 10)


def test_ten_thousand_levels_with_few_descriptors(tmp_path: Path) -> None:
    import resource

    top = tmp_path / "deep"
    top.mkdir()
    current = os.open(top, os.O_RDONLY)
    for _ in range(10_000):
        os.mkdir("inner", dir_fd=current)
        os.mkdir("beside", dir_fd=current)
        file = os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=current)
        os.write(file, b"x")
        os.close(file)
        inner = os.open("inner", os.O_RDONLY, dir_fd=current)
        os.close(current)
        current = inner
    os.close(current)
    highest = max(int(name) for name in os.listdir("/proc/self/fd")) + 1
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 4, hard))
    try:
        assert used(top) == (10_000, 30_000)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        descriptor = os.open(top, os.O_PATH)
        remove_scratch_folder(str(top), descriptor)
        os.close(descriptor)
    assert not top.exists()


def test_files_that_are_open_and_have_no_name_count(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    (one / "gone").mkdir(parents=True)
    two.mkdir()
    files = [(path).open("wb") for path in (one / "a", one / "gone" / "b", two / "c", tmp_path / "d")]
    for number, file in enumerate(files):
        file.write(b"x" * 10 ** (number + 1))
        file.flush()
    again = os.dup(files[0].fileno())
    for path in (one / "a", one / "gone" / "b", two / "c", tmp_path / "d"):
        path.unlink()
    (one / "gone").rmdir()
    try:
        assert used(one) == (110, 0)
        assert used(two) == (1000, 0)
        assert used(one, two) == (1110, 0)
        assert used(tmp_path) == (11_110, 2)
    finally:
        for file in files:
            file.close()
        os.close(again)
    assert used(one) == (0, 0)


def test_without_names_of_descriptors_all_files_on_the_same_disk_count(
    tmp_path: Path, held: Callable[[Path], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    monkeypatch.setattr(usage, "DESCRIPTORS", "/nowhere/at/all")
    before = measure([held(one), held(two)])[1].bytes  # of images that were removed while this process has them mapped
    with (one / "a").open("wb") as file:
        file.write(b"x" * 10)
        file.flush()
        (one / "a").unlink()
        each, total = measure([held(one), held(two)])
        assert each == [(before + 10, 0), (before + 10, 0)]
        assert total == (before + 10, 0)


def test_a_folder_that_may_not_be_listed(as_ordinary_user: Callable[[str], Any]) -> None:
    results = as_ordinary_user(
        """
from wasihost.capabilities.usage import *
os.makedirs("top/locked/inner")
top = os.open("top", os.O_PATH)
results["before"] = measure([top])[1]
os.chmod("top/locked", 0o300)
try:
    measure([top])
except UnmeasurableError as error:
    results["locked"] = str(error)
account = DiskAccount(folders=[(top, None)], disk_bytes=100, disk_files=10)
results["first"] = account.allows(1, 0)
pathlib.Path("top/locked/file").write_bytes(b"x" * 60)
results["second"] = account.allows(20, 0, unused=(40, 9))
results["third"] = account.allows(41, 0, unused=(40, 9))
os.chmod("top/locked", 0o700)
shutil.rmtree("top")
"""
    )
    assert results == {
        "before": [0, 2],
        "locked": "Permission denied",
        "first": [100, 10],
        "second": [40, 9],
        "third": "the run stored more than 100 bytes in its writable directories",
    }


def test_it_stops_once_the_sum_is_more_than_matters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(30):
        (tmp_path / f"{number:02}").mkdir()
        (tmp_path / f"{number:02}" / "file").write_bytes(b"x" * 10)
    assert used(tmp_path, most=Usage(300, 60)) == (300, 60)
    assert used(tmp_path, most=Usage(300, 59)).files == 60
    assert used(tmp_path, most=Usage(299, 60)).bytes == 300
    assert used(tmp_path, most=Usage(10, 1000)).bytes == 20
    assert used(tmp_path, most=Usage(1000, 10)).files == 11


class StoppedError(Exception):
    pass


def test_it_can_be_stopped_from_outside(tmp_path: Path) -> None:
    for number in range(1000):
        (tmp_path / str(number)).touch()
    looks: list[int] = []

    def pause() -> None:
        looks.append(1)
        if len(looks) == 3:
            raise StoppedError

    with pytest.raises(StoppedError):
        used(tmp_path, pause=pause)
    assert len(looks) == 3
    looks[:] = [0] * 10
    assert used(tmp_path, pause=pause) == (0, 1000)


def test_a_folder_that_moves_while_it_is_walked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usage, "_BREATH", 1)
    (tmp_path / "top" / "a" / "b" / "c").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "secret").write_bytes(b"x" * 1000)
    moves = 0

    def move() -> None:
        nonlocal moves
        moves += 1
        b = tmp_path / "top" / "a" / "b"
        if b.exists() and moves in allowed:
            b.rename(tmp_path / "elsewhere" / "b")
            (tmp_path / "top" / "a" / "b" / "new").mkdir(parents=True)
            (tmp_path / "top" / "a" / "b" / "new" / "inner").mkdir()

    allowed = {3}
    assert used(tmp_path / "top", pause=move) == (0, 4)
    assert moves > 4
    remove_scratch = tmp_path / "elsewhere" / "b"
    assert remove_scratch.is_dir()

    def move_always() -> None:
        for path in list((tmp_path / "top" / "a").iterdir()):
            path.rename(tmp_path / "elsewhere" / f"{path.name}{os.urandom(4).hex()}")
            (tmp_path / "top" / "a" / "b" / "new" / "inner").mkdir(parents=True)

    with pytest.raises(UnmeasurableError, match="moved again and again"):
        used(tmp_path / "top", pause=move_always)


def test_a_folder_that_changes_all_the_time(tmp_path: Path) -> None:
    """Whatever happens meanwhile, it ends, and what did not change is counted."""
    for number in range(50):
        (tmp_path / f"keep{number}").write_bytes(b"x")
    ended = threading.Event()

    def churn() -> None:
        number = 0
        while not ended.is_set():
            number += 1
            folder = tmp_path / f"f{number % 7}"
            folder.mkdir(exist_ok=True)
            (folder / "file").write_bytes(b"y" * 100)
            (folder / "link").unlink(missing_ok=True)
            (folder / "link").symlink_to("/etc")
            (folder / "file").unlink()
            (folder / "link").unlink()
            folder.rmdir()
            folder.symlink_to("/etc")
            folder.unlink()

    thread = threading.Thread(target=churn, daemon=True)
    thread.start()
    try:
        for _ in range(200):
            total = used(tmp_path)
            assert 50 <= total.bytes <= 50 + 100
            assert 50 <= total.files <= 53
    finally:
        ended.set()
        thread.join()
    assert used(tmp_path) == (50, 50)


def test_what_is_mounted_below_counts(with_mounts: Callable[[str], Any]) -> None:
    results = with_mounts(
        """
from wasihost.capabilities.usage import *
os.makedirs("top/here/inner"); os.makedirs("other/a/b")
pathlib.Path("other/a/b/file").write_bytes(b"x" * 7)
subprocess.run(["mount", "--no-mtab", "--bind", "other", "top/here/inner"], check=True)
results["used"] = measure([os.open("top", os.O_PATH)])[1]
"""
    )
    assert results == {"used": [7, 5]}


# --- one run's account ----------------------------------------------------------------------------------------------

WHERE = "in its writable directories"


def account(*folders: tuple[int, FolderLimit | None], disk_bytes: int = 1000, disk_files: int = 10) -> DiskAccount:
    return DiskAccount(folders=folders, disk_bytes=disk_bytes, disk_files=disk_files)


def test_what_was_there_before_does_not_count(tmp_path: Path, held: Callable[[Path], int]) -> None:
    for number in range(20):
        (tmp_path / str(number)).write_bytes(b"x" * 500)
    mine = account((held(tmp_path), None))
    assert mine.allows(1, 0) == (1000, 10)
    (tmp_path / "new").write_bytes(b"x" * 400)
    assert mine.allows(600, 9) == (600, 9)
    assert mine.allows(601, 0) == f"the run stored more than 1000 bytes {WHERE}"
    assert mine.allows(0, 10) == f"the run stored more than 10 files and folders {WHERE}"
    (tmp_path / "0").unlink()
    assert mine.allows(1100, 10) == (1100, 10), "what is removed may be stored again"


def test_exactly_all_and_not_one_more(tmp_path: Path, held: Callable[[Path], int]) -> None:
    mine = account((held(tmp_path), None))
    assert mine.allows(1000, 10) == (1000, 10)
    assert account((held(tmp_path), None)).allows(1001, 0) == f"the run stored more than 1000 bytes {WHERE}"
    assert account((held(tmp_path), None)).allows(0, 11) == f"the run stored more than 10 files and folders {WHERE}"
    for number in range(10):
        (tmp_path / str(number)).write_bytes(b"x" * 100)
    assert mine.allows(0, 0) == (0, 0)
    assert mine.allows(1, 0) == f"the run stored more than 1000 bytes {WHERE}"
    assert mine.allows(0, 1) == f"the run stored more than 10 files and folders {WHERE}"


def test_nothing_at_all(tmp_path: Path, held: Callable[[Path], int]) -> None:
    none = account((held(tmp_path), None), disk_bytes=0, disk_files=0)
    assert none.allows(1, 0) == f"the run stored more than 0 bytes {WHERE}"
    assert none.allows(0, 1) == f"the run stored more than 0 files and folders {WHERE}"


def test_all_directories_count_together(tmp_path: Path, held: Callable[[Path], int]) -> None:
    folders = [tmp_path / name for name in "abc"]
    for folder in folders:
        folder.mkdir()
    mine = account(*((held(folder), None) for folder in folders))
    assert mine.allows(1, 0) == (1000, 10)
    for folder in folders:
        (folder / "file").write_bytes(b"x" * 300)
    assert mine.allows(1, 1) == (100, 7)
    (folders[0] / "file").rename(folders[1] / "moved")
    assert mine.allows(1, 1) == (100, 7)


def test_a_folder_with_a_limit_of_its_own_counts_what_others_left_there(
    tmp_path: Path, held: Callable[[Path], int]
) -> None:
    scratch, out = tmp_path / "scratch", tmp_path / "out"
    scratch.mkdir()
    out.mkdir()
    limit = FolderLimit(guest="/scratch", disk_bytes=500, disk_files=4)
    (scratch / "earlier").write_bytes(b"x" * 200)
    mine = account((held(out), None), (held(scratch), limit))
    assert mine.allows(1, 1) == (300, 3)
    (out / "file").write_bytes(b"x" * 900)
    assert mine.allows(1, 1) == (100, 3)
    (out / "file").unlink()
    (scratch / "more").write_bytes(b"x" * 300)
    assert mine.allows(0, 1) == (0, 2)
    assert mine.allows(1, 0) == "the run stored more than 500 bytes in '/scratch'"
    (scratch / "a").mkdir()
    (scratch / "b").mkdir()
    assert mine.allows(0, 1) == "the run stored more than 4 files and folders in '/scratch'"
    (scratch / "more").unlink()
    assert mine.allows(300, 1) == (300, 1)


def test_a_link_from_the_limited_folder_does_not_move_its_bytes_out_of_it(
    tmp_path: Path, held: Callable[[Path], int]
) -> None:
    scratch, out = tmp_path / "scratch", tmp_path / "out"
    scratch.mkdir()
    out.mkdir()
    limit = FolderLimit(guest="/scratch", disk_bytes=500, disk_files=4)
    mine = account((held(out), None), (held(scratch), limit))
    assert mine.allows(1, 1) == (500, 4)
    (scratch / "file").write_bytes(b"x" * 500)
    os.link(scratch / "file", out / "link")
    assert mine.allows(1, 0) == "the run stored more than 500 bytes in '/scratch'"
    (scratch / "file").unlink()
    assert mine.allows(500, 1) == (500, 4)


def test_a_hole_is_found_at_the_next_question_whatever_it_is_about(tmp_path: Path, held: Callable[[Path], int]) -> None:
    mine = account((held(tmp_path), None))
    assert mine.allows(1, 0) == (1000, 10)
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(5000)
    assert mine.allows(0, 1) == f"the run stored more than 1000 bytes {WHERE}"


def test_a_file_that_is_open_and_has_no_name_counts(tmp_path: Path, held: Callable[[Path], int]) -> None:
    mine = account((held(tmp_path), None))
    assert mine.allows(1, 0) == (1000, 10)
    with (tmp_path / "file").open("wb") as file:
        file.write(b"x" * 900)
        file.flush()
        (tmp_path / "file").unlink()
        assert mine.allows(101, 0) == f"the run stored more than 1000 bytes {WHERE}"
        assert mine.allows(100, 0) == (100, 10)
    assert mine.allows(1000, 0) == (1000, 10)


def test_too_many_files_to_count(tmp_path: Path, held: Callable[[Path], int], monkeypatch: pytest.MonkeyPatch) -> None:
    """What is stored is then all that counts; what is removed is not given back."""
    monkeypatch.setattr(usage, "MAX_MEASURED_FILES", 50)
    for number in range(51):
        (tmp_path / str(number)).touch()
    mine = account((held(tmp_path), None))
    assert mine.allows(1, 0) == (1000, 10)
    assert mine.allows(0, 1, unused=(600, 0)) == f"the run stored more than 10 files and folders {WHERE}"
    mine = account((held(tmp_path), None))
    assert mine.allows(1, 0) == (1000, 10)
    assert mine.allows(1, 0, unused=(0, 9)) == f"the run stored more than 1000 bytes {WHERE}"
    mine = account((held(tmp_path), None))
    assert mine.allows(1, 0) == (1000, 10)
    assert mine.allows(0, 0, unused=(600, 4)) == (600, 4)
    assert mine.allows(600, 4, unused=(600, 4)) == (600, 4)
    (tmp_path / "0").unlink()
    counted = account((held(tmp_path), None))
    assert counted.allows(1, 0) == (1000, 10)
    assert counted.allows(1, 0, unused=(0, 0)) == (1000, 10)


def test_too_many_files_to_count_beside_a_folder_with_a_limit(
    tmp_path: Path, held: Callable[[Path], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(usage, "MAX_MEASURED_FILES", 5)
    scratch, out = tmp_path / "scratch", tmp_path / "out"
    scratch.mkdir()
    out.mkdir()
    for number in range(10):
        (out / str(number)).touch()
    limit = FolderLimit(guest="/scratch", disk_bytes=500, disk_files=4)
    (scratch / "earlier").write_bytes(b"x" * 200)
    mine = account((held(out), None), (held(scratch), limit))
    assert mine.allows(1, 1) == (300, 3)
    (scratch / "more").write_bytes(b"x" * 300)
    assert mine.allows(1, 0, unused=(0, 2)) == "the run stored more than 500 bytes in '/scratch'"
    (scratch / "more").unlink()
    assert mine.allows(1, 0, unused=(0, 0)) == (300, 3)
    assert mine.allows(1, 0, unused=(0, 3)) == (300, 3)
    assert mine.allows(101, 0, unused=(0, 3)) == f"the run stored more than 1000 bytes {WHERE}"


def test_the_answer_fits_the_counters(tmp_path: Path, held: Callable[[Path], int]) -> None:
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(2**43)
    mine = account((held(tmp_path), None), disk_bytes=2**50, disk_files=2**24)
    assert mine.allows(1, 1) == (2**50, 2**24)
    (tmp_path / "sparse").unlink()
    assert mine.allows(1, 1) == (2**50 + 2**43, 2**24 + 1)
