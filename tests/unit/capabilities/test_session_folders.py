# Names are bytes and descriptors here.
# ruff: noqa: PTH104, PTH115, PTH208

from __future__ import annotations

import contextlib
import gc
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from wasihost.capabilities import overlay, session_folders, written
from wasihost.capabilities.comparing import Changes
from wasihost.capabilities.granted_files import GrantedFiles
from wasihost.capabilities.paths import OpenedPreopen, OpenedPreopens, open_preopens
from wasihost.capabilities.preopen import Preopen, Scratch
from wasihost.capabilities.session_folders import SessionFolders
from wasihost.capabilities.written import file_time_ns, written_since
from wasihost.errors import ClosedError, InvalidPreopenError
from wasihost.result import FileChange

pytestmark = pytest.mark.usefixtures("no_descriptor_is_left")


@pytest.fixture(autouse=True)
def nothing_is_logged(caplog: pytest.LogCaptureFixture, request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "logged" not in request.node.name:
        assert caplog.records == []


@pytest.fixture
def home(tmp_path: Path) -> Path:
    for name in ("data", "out", "texts", "private"):
        (tmp_path / name).mkdir()
    (tmp_path / "texts" / "folder").mkdir()
    (tmp_path / "texts" / "one").write_text("one")
    (tmp_path / "texts" / "folder" / "two").write_text("two")
    (tmp_path / "texts" / "link").symlink_to("one")
    return tmp_path


@pytest.fixture
def opened(home: Path) -> Iterator[OpenedPreopens]:
    grants = [
        Preopen(home / "data", "/data"),
        Scratch("/scratch", disk_bytes=1000, disk_files=10),
        Preopen(home / "texts", "/texts", overlay=True),
        Preopen(home / "out", "/out", writable=True),
    ]
    with open_preopens(grants) as preopens:
        yield preopens


@pytest.fixture
def room(home: Path) -> Iterator[int]:
    descriptor = os.open(home / "private", os.O_PATH | os.O_DIRECTORY)
    yield descriptor
    os.close(descriptor)
    assert os.listdir(home / "private") == []


@pytest.fixture
def session(opened: OpenedPreopens, room: int) -> Iterator[SessionFolders]:
    with contextlib.closing(SessionFolders(opened.entries, room)) as folders:
        yield folders


def files_of(folders: SessionFolders) -> GrantedFiles:
    return GrantedFiles(lambda: contextlib.nullcontext(folders.folders()))


def place(folders: SessionFolders, guest: str) -> Path:
    """The folder of the host where a guest would write."""
    (folder,) = (folder for folder in folders.folders() if folder.guest == guest)
    return Path(os.readlink(f"/proc/self/fd/{folder.descriptor}"))


def seen(changes: Changes) -> list[tuple[str, str]]:
    assert changes.omitted == 0
    return [(change.kind, change.path) for change in changes.files]


def rest() -> None:
    """Let the clock of the file system go on, past all times that it gave so far."""
    now = time.time_ns()
    while file_time_ns() <= now:
        time.sleep(0.001)


# --- what a session has ---------------------------------------------------------------------------------------------


def test_its_own_folders_and_the_shared_ones(
    session: SessionFolders, opened: OpenedPreopens, room: int, home: Path
) -> None:
    folders = session.folders()
    assert [(folder.guest, folder.writable) for folder in folders] == [
        ("/data", False),
        ("/scratch", True),
        ("/texts", True),
        ("/out", True),
    ]
    own = dict(session.brought())
    assert sorted(own) == [1, 2]
    assert session.scratch_indices() == [1]
    for index, folder in enumerate(folders):
        assert folder.descriptor == own.get(index, opened.entries[index].descriptor)
        assert (folder.descriptor != opened.entries[index].descriptor) == (index in own)
    for index in own:
        path = place(session, folders[index].guest)
        assert path.parent == home / "private"
        assert path.stat().st_mode & 0o777 == 0o700
    files = files_of(session)
    assert files.list("/scratch") == ()
    assert files.read("/texts/folder/two") == b"two"


def test_sessions_do_not_see_each_other(session: SessionFolders, opened: OpenedPreopens, room: int, home: Path) -> None:
    with contextlib.closing(SessionFolders(opened.entries, room)) as other:
        for guest in ("/scratch", "/texts", "/out"):
            files_of(session).write(f"{guest}/new", b"x")
        assert [files_of(other).exists(f"{guest}/new") for guest in ("/scratch", "/texts", "/out")] == [
            False,
            False,
            True,
        ]
    assert files_of(session).exists("/scratch/new")
    assert sorted(os.listdir(home / "texts")) == ["folder", "link", "one"]
    assert os.listdir(opened.entries[1].engine_path) == []


def test_a_session_with_nothing_of_its_own_costs_nothing(
    home: Path, room: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_preopens([Preopen(home / "data", "/data")]) as preopens:
        folders = SessionFolders(preopens.entries, room)

        def refuse(*_arguments: object, **_options: object) -> Any:
            raise AssertionError("nothing is to be looked at")

        with monkeypatch.context() as patch:
            for name in ("file_time_ns", "written_since", "changes_of_originals", "make_copy"):
                patch.setattr(session_folders, name, refuse)
            for rolled_back in (False, True):
                folders.before_turn()
                assert folders.after_turn(rolled_back=rolled_back) == ((), 0)
            assert folders.brought() == []
        folders.close()


# --- turns ----------------------------------------------------------------------------------------------------------


def test_each_turn_tells_what_it_did_to_overlays(session: SessionFolders) -> None:
    texts = place(session, "/texts")
    session.before_turn()
    (texts / "new").write_text("new")
    (texts / "one").unlink()
    (place(session, "/scratch") / "file").write_text("not told")
    changes = session.after_turn(rolled_back=False)
    assert changes == (
        (
            FileChange(kind="added", path="/texts/new", size_bytes=3, content=b"new"),
            FileChange(kind="removed", path="/texts/one", size_bytes=3),
        ),
        0,
    )
    session.before_turn()
    (texts / "new").write_text("NEW")
    (texts / "folder" / "two").rename(texts / "two")
    assert seen(session.after_turn(rolled_back=False)) == [
        ("removed", "/texts/folder/two"),
        ("changed", "/texts/new"),
        ("added", "/texts/two"),
    ]
    session.before_turn()
    assert session.after_turn(rolled_back=False) == ((), 0)


def test_what_the_host_does_between_turns_is_not_the_turns(session: SessionFolders) -> None:
    session.before_turn()
    assert session.after_turn(rolled_back=False) == ((), 0)
    files_of(session).write("/texts/by-host", b"x")
    files_of(session).write("/texts/one", b"ONE")
    session.before_turn()
    files_of(session).write("/texts/in-turn", b"x")
    assert seen(session.after_turn(rolled_back=False)) == [("added", "/texts/in-turn")]
    session.before_turn()
    files_of(session).remove("/texts/by-host")
    session.after_turn(rolled_back=True)
    assert files_of(session).read("/texts/by-host") == b"x"
    assert files_of(session).read("/texts/one") == b"ONE"


def test_only_an_overlay_that_changed_is_copied_again(session: SessionFolders, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    make_copy = overlay.make_copy

    def counted(*arguments: Any, **options: Any) -> overlay.OverlayCopy:
        made.append(options["guest"])
        return make_copy(*arguments, **options)

    monkeypatch.setattr(session_folders, "make_copy", counted)
    rest()
    texts = place(session, "/texts")
    copies = []
    for change in (
        lambda: None,
        (place(session, "/scratch") / "x").touch,
        (texts / "one").read_bytes,
        lambda: (texts / "one").write_text("two"),
        lambda: None,
        (texts / "empty").mkdir,
        lambda: os.utime(texts / "one", ns=(1, 1)),
        lambda: os.utime(texts / "folder", ns=(1, 1)),
        lambda: os.utime(texts / "link", ns=(1, 1), follow_symlinks=False),
        (texts / "folder" / "two").unlink,
        lambda: None,
    ):
        session.before_turn()
        copies.append(len(made))
        made.clear()
        rest()
        change()
        session.after_turn(rolled_back=False)
        rest()
    assert copies == [1, 0, 0, 0, 1, 0, 1, 1, 1, 1, 1]


def tree(folder: Path) -> dict[str, tuple[object, int]]:
    return {
        str(path.relative_to(folder)): (
            str(path.readlink()) if path.is_symlink() else None if path.is_dir() else path.read_bytes(),
            0 if path.is_symlink() else path.stat().st_mtime_ns,
        )
        for path in (folder, *folder.rglob("*"))
    }


@pytest.mark.parametrize("pause", [False, True])
def test_a_turn_that_is_rolled_back(session: SessionFolders, *, pause: bool) -> None:
    """With and without a tick of the clock of the file system between what is done."""
    if pause:
        rest()
    session.before_turn()
    texts = place(session, "/texts")
    (texts / "kept").write_text("kept")
    os.utime(texts / "one", ns=(5, 5))
    (texts / "empty").mkdir()
    assert seen(session.after_turn(rolled_back=False)) == [("added", "/texts/kept")]
    for change in (
        lambda top: (top / "kept").write_text("KEPT"),
        lambda top: os.utime(top / "folder", ns=(7, 7)),
        lambda top: (top / "link").unlink(),
        lambda top: [path.unlink() for path in top.rglob("*") if not path.is_dir()],
        lambda top: (top / "empty").rmdir(),
    ):
        if pause:
            rest()
        before = tree(texts)
        session.before_turn()
        if pause:
            rest()
        old = dict(session.brought())
        change(texts)
        assert session.after_turn(rolled_back=True) == ((), 0)
        texts = place(session, "/texts")
        assert tree(texts) == before
        assert session.folders()[2].descriptor == dict(session.brought())[2]
        assert session.brought()[0] == (1, old[1])


def test_a_turn_that_is_rolled_back_tells_what_stays(session: SessionFolders, home: Path) -> None:
    (home / "out" / "before").write_text("before")
    (home / "out" / "sub").mkdir()
    rest()
    session.before_turn()
    (home / "out" / "sub" / "new").write_text("new")
    (home / "out" / "link").symlink_to("/etc/passwd")
    (home / "out" / "folder").mkdir()
    os.mkfifo(home / "out" / "fifo")
    (place(session, "/scratch") / "file").write_text("1234")
    (place(session, "/texts") / "undone").write_text("x")
    os.utime(home / "out" / "sub" / "new", ns=(1, 1))  # the guest can set these times
    assert session.after_turn(rolled_back=True) == (
        (
            FileChange(kind="written", path="/out/link", size_bytes=11, link_target="/etc/passwd"),
            FileChange(kind="written", path="/out/sub/new", size_bytes=3),
            FileChange(kind="written", path="/scratch/file", size_bytes=4),
        ),
        0,
    )
    assert not files_of(session).exists("/texts/undone")
    rest()
    session.before_turn()
    assert session.after_turn(rolled_back=True) == ((), 0)


def test_a_turn_writes_at_once_after_it_started(session: SessionFolders, home: Path) -> None:
    for number in range(200):
        session.before_turn()
        (home / "out" / str(number)).touch()
        assert ("written", f"/out/{number}") in seen(session.after_turn(rolled_back=True))


def test_an_overlay_that_grew_too_large(session: SessionFolders, monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    session.before_turn()
    (place(session, "/texts") / "large").write_bytes(b"x" * 5000)
    session.after_turn(rolled_back=False)
    make_copy = overlay.make_copy
    with monkeypatch.context() as patch:
        patch.setattr(session_folders, "make_copy", lambda *a, **o: make_copy(*a, **o, max_bytes=5000))
        with pytest.raises(InvalidPreopenError, match=r"'/texts': .* more than the 5000 bytes .*; remove some of it"):
            session.before_turn()
    # It did not take place: nothing is undone.
    (home / "out" / "file").touch()
    for rolled_back in (True, False):
        assert session.after_turn(rolled_back=rolled_back) == ((), 0)
    assert files_of(session).exists("/texts/large")
    files_of(session).remove("/texts/large")
    session.before_turn()
    assert session.after_turn(rolled_back=False) == ((), 0)


def test_a_stale_copy_is_never_put_back(home: Path, room: int, monkeypatch: pytest.MonkeyPatch) -> None:
    grants = [Preopen(home / "texts", "/a", overlay=True), Preopen(home / "data", "/b", overlay=True)]
    with open_preopens(grants) as preopens, contextlib.closing(SessionFolders(preopens.entries, room)) as folders:
        folders.before_turn()
        folders.after_turn(rolled_back=False)
        for guest in ("/a", "/b"):
            files_of(folders).write(f"{guest}/by-host", b"x")

        def refuse(*_arguments: object, **_options: object) -> Any:
            raise InvalidPreopenError("no room")

        with monkeypatch.context() as patch:
            patch.setattr(session_folders, "make_copy", refuse)
            with pytest.raises(InvalidPreopenError, match="no room"):
                folders.before_turn()
        assert folders.after_turn(rolled_back=True) == ((), 0)
        assert [files_of(folders).exists(f"{guest}/by-host") for guest in ("/a", "/b")] == [True, True]


def test_a_file_shared_by_an_overlay_and_scratch(session: SessionFolders) -> None:
    """A hard link: what is written through the one name is in the other."""
    texts, scratch = place(session, "/texts"), place(session, "/scratch")
    os.link(texts / "one", scratch / "same")
    rest()
    session.before_turn()
    rest()
    (scratch / "same").write_text("two")
    assert seen(session.after_turn(rolled_back=False)) == [("changed", "/texts/one")]
    session.before_turn()
    (scratch / "same").write_text("six")
    assert seen(session.after_turn(rolled_back=True)) == [("written", "/scratch/same")]
    assert files_of(session).read("/texts/one") == b"two"
    assert files_of(session).read("/scratch/same") == b"six"


def test_hostile_trees_are_put_back(session: SessionFolders) -> None:
    session.before_turn()
    current = os.open(place(session, "/texts"), os.O_RDONLY)
    for _ in range(2000):
        os.mkdir("deep", dir_fd=current)
        os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=current))
        inner = os.open("deep", os.O_RDONLY, dir_fd=current)
        os.close(current)
        current = inner
    os.close(current)
    changes = session.after_turn(rolled_back=False)
    assert len(changes.files) + changes.omitted == 2000
    session.before_turn()
    os.rename(place(session, "/texts") / "deep", place(session, "/texts") / "moved")
    session.after_turn(rolled_back=True)
    assert [entry.name for entry in files_of(session).list("/texts")] == ["deep", "file", "folder", "link", "one"]


# --- forks ----------------------------------------------------------------------------------------------------------


def test_a_fork_has_copies(session: SessionFolders, opened: OpenedPreopens, room: int) -> None:
    mine = files_of(session)
    mine.write("/scratch/a/b", b"b")
    session.before_turn()
    mine.write("/texts/new", b"new")
    session.after_turn(rolled_back=False)
    with contextlib.closing(SessionFolders(opened.entries, room, copy_of=session)) as fork:
        theirs = files_of(fork)
        assert theirs.read("/scratch/a/b") == b"b"
        assert theirs.read("/texts/new") == b"new"
        fork.before_turn()
        theirs.write("/texts/of-fork", b"x")
        theirs.write("/scratch/of-fork", b"x")
        # What was there when it was forked is not its doing.
        assert seen(fork.after_turn(rolled_back=False)) == [("added", "/texts/of-fork")]
        assert not mine.exists("/texts/of-fork")
        assert not mine.exists("/scratch/of-fork")
        mine.remove("/scratch/a")
        session.close()
        assert theirs.read("/scratch/a/b") == b"b"
        fork.before_turn()
        theirs.remove("/texts/new")
        fork.after_turn(rolled_back=True)
        assert theirs.read("/texts/new") == b"new"
    with pytest.raises(ClosedError, match="closed before"):
        SessionFolders(opened.entries, room, copy_of=fork)


def test_a_fork_copies_no_more_than_scratch_may_hold(
    session: SessionFolders, opened: OpenedPreopens, room: int, home: Path
) -> None:
    scratch = place(session, "/scratch")
    (scratch / "file").write_bytes(b"x" * 400)
    os.link(scratch / "file", scratch / "link")
    SessionFolders(opened.entries, room, copy_of=session).close()
    os.link(scratch / "file", scratch / "another")
    before = sorted(os.listdir(home / "private"))
    with pytest.raises(InvalidPreopenError, match="scratch '/scratch': the folder holds more than the 1000 bytes"):
        SessionFolders(opened.entries, room, copy_of=session)
    assert sorted(os.listdir(home / "private")) == before


# --- the end --------------------------------------------------------------------------------------------------------


def test_it_is_gone_when_it_is_closed(opened: OpenedPreopens, room: int, home: Path) -> None:
    folders = SessionFolders(opened.entries, room)
    folders.before_turn()
    (place(folders, "/scratch") / "away").symlink_to(home / "data")
    (place(folders, "/texts") / "locked").mkdir(mode=0)
    assert len(os.listdir(home / "private")) == 3
    folders.close()
    folders.close()
    assert os.listdir(home / "private") == []
    for attempt in (
        folders.folders,
        folders.brought,
        folders.before_turn,
        lambda: folders.after_turn(rolled_back=False),
        lambda: files_of(folders).read("/texts/one"),
    ):
        with pytest.raises(ClosedError, match="closed before"):
            attempt()
    assert folders.scratch_indices() == [1]
    assert os.listdir(home / "data") == []


def test_it_is_gone_when_it_is_forgotten(opened: OpenedPreopens, room: int, home: Path) -> None:
    folders = SessionFolders(opened.entries, room)
    folders.before_turn()
    del folders
    gc.collect()
    assert os.listdir(home / "private") == []


def test_a_child_process_leaves_the_folders_of_its_parent(session: SessionFolders, home: Path) -> None:
    before = sorted(os.listdir(home / "private"))
    child = os.fork()
    if not child:
        try:
            session.close()
        finally:
            os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert sorted(os.listdir(home / "private")) == before
    assert files_of(session).read("/texts/one") == b"one"


def test_nothing_is_left_of_what_could_not_be_made(
    opened: OpenedPreopens, room: int, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "texts" / "too-much").write_bytes(b"x" * 100)
    with monkeypatch.context() as patch:
        make_copy = overlay.make_copy
        patch.setattr(session_folders, "make_copy", lambda *a, **o: make_copy(*a, **o, max_bytes=50))
        with pytest.raises(InvalidPreopenError, match="more than the 50 bytes"):
            SessionFolders(opened.entries, room)
    assert os.listdir(home / "private") == []
    SessionFolders(opened.entries, room).close()


def test_a_room_that_is_gone(opened: OpenedPreopens, home: Path) -> None:
    (home / "gone").mkdir()
    room = os.open(home / "gone", os.O_PATH)
    (home / "gone").rmdir()
    try:
        with pytest.raises(InvalidPreopenError, match="scratch '/scratch': cannot be made"):
            SessionFolders(opened.entries, room)
    finally:
        os.close(room)


def test_a_folder_that_somebody_else_removed(session: SessionFolders) -> None:
    place(session, "/scratch").rmdir()
    session.close()


# --- what was written -----------------------------------------------------------------------------------------------


@contextlib.contextmanager
def held(*paths: Path) -> Iterator[list[int]]:
    descriptors = [os.open(path, os.O_PATH) for path in paths]
    try:
        yield descriptors
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def test_the_clock_of_files_is_not_ahead_and_not_far_behind(home: Path) -> None:
    for number in range(200):
        before = file_time_ns()
        (home / "out" / str(number)).touch()
        changed = (home / "out" / str(number)).stat().st_ctime_ns
        assert before <= changed
        assert changed - before < 50_000_000


def test_a_search_is_bounded(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(5):
        (home / "out" / str(number)).touch()
    with held(home / "out") as (out,):
        assert len(written_since([("/out", out)], 0).files) == 5
        with monkeypatch.context() as patch:
            patch.setattr(written, "MAX_CHANGES", 3)
            changes = written_since([("/out", out)], 0)
            assert (len(changes.files), changes.omitted) == (3, 2)
        with monkeypatch.context() as patch:
            patch.setattr(written, "MAX_MEASURED_FILES", 4)
            changes = written_since([("/out", out)], 0)
            assert (len(changes.files), changes.omitted) == (4, 1)
            patch.setattr(written, "MAX_MEASURED_FILES", 5)
            assert seen(written_since([("/out", out)], 0)) == [("written", f"/out/{number}") for number in range(5)]


def test_folders_in_each_other_are_told_once(home: Path) -> None:
    (home / "out" / "in").mkdir()
    (home / "out" / "in" / "file").touch()
    with held(home / "out", home / "out" / "in", home / "out") as (out, inner, again):
        folders = [("/", out), ("/in", inner), ("/again", again)]
        assert seen(written_since(folders, 0)) == [("written", "/in/file")]


def test_links_are_not_followed_and_odd_names_are_readable(home: Path) -> None:
    (home / "data" / "secret").touch()
    (home / "out" / "away").symlink_to("../data")
    (home / "out" / os.fsdecode(b"\xff")).touch()
    with held(home / "out") as (out,):
        assert seen(written_since([("/", out)], 0)) == [("written", "/away"), ("written", "/\ufffd")]


def test_a_file_system_that_keeps_whole_seconds(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "out" / "file").touch()
    status = list((home / "out" / "file").stat())

    class Entry:
        name = "file"

        def __init__(self, changed_ns: int) -> None:
            self.changed_ns = changed_ns

        def is_dir(self, *, follow_symlinks: bool) -> bool:
            return False

        def stat(self, *, follow_symlinks: bool) -> os.stat_result:
            return os.stat_result(status, {"st_ctime_ns": self.changed_ns})

    for changed_ns, found in ((7_000_000_000, 1), (7_000_000_001, 0), (6_000_000_000, 0), (7_500_000_000, 1)):
        search = written._Search(7_500_000_000)
        search._look_at(Entry(changed_ns), "/out", [], -1, [])  # type: ignore[arg-type]
        assert len(search.found) == found


def test_a_folder_that_cannot_be_looked_through_is_logged(
    home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (home / "out" / "file").touch()
    (home / "data" / "file").touch()
    scandir, calls = os.scandir, []

    def failing(folder: int) -> Any:
        calls.append(folder)
        if len(calls) == 1:
            raise PermissionError(13, "Permission denied")
        return scandir(folder)

    with held(home / "out", home / "data") as (out, data), monkeypatch.context() as patch:
        patch.setattr(written.os, "scandir", failing)
        changes = written_since([("/out", out), ("/data", data)], 0)
    assert [change.path for change in changes.files] == ["/data/file"]
    assert changes.omitted == 1
    assert [record.getMessage() for record in caplog.records] == [
        "the folder '/out' cannot be looked through (Permission denied)"
    ]


def test_entries_are_taken_as_they_are(opened: OpenedPreopens) -> None:
    """The fields that this goes by; see `OpenedPreopen`."""
    assert [(entry.writable, entry.overlay, entry.limit is not None) for entry in opened.entries] == [
        (False, False, False),
        (True, False, True),
        (False, True, False),
        (True, False, False),
    ]
    assert all(isinstance(entry, OpenedPreopen) for entry in opened.entries)
