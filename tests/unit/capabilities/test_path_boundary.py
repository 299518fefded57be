# The boundary is about spellings and descriptors; os does with them what is written here.
# ruff: noqa: PTH102, PTH104, PTH106, PTH108, PTH112, PTH116, PTH208, PTH211

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import wasihost
from wasihost.capabilities import paths, places
from wasihost.capabilities.paths import guest_path_of, open_preopens
from wasihost.capabilities.preopen import Preopen, Scratch, shown
from wasihost.capabilities.usage import FolderLimit
from wasihost.errors import ClosedError, InvalidPreopenError

PACKAGE = Path(wasihost.__file__).parent


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("data/inner/deep", "out", "other"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "data" / "file.txt").write_text("hello")
    monkeypatch.chdir(tmp_path)
    return tmp_path


pytestmark = pytest.mark.usefixtures("no_descriptor_is_left")


def refusal(*grants: Preopen | Scratch, **options: Any) -> str:
    with pytest.raises(InvalidPreopenError) as caught:
        open_preopens(grants, **options)
    message = str(caught.value)
    assert message.isprintable()
    return message


def granted(*grants: Preopen | Scratch, **options: Any) -> list[Path]:
    with open_preopens(grants, **options) as opened:
        return [entry.host for entry in opened.entries]


def test_entries_hold_the_directory_open(tree: Path) -> None:
    with open_preopens([Preopen("data", "/data"), Preopen(tree / "out", "/out", writable=True)]) as opened:
        data, out = opened.entries
        assert (data.guest, data.writable, data.host) == ("/data", False, tree / "data")
        assert (out.guest, out.writable, out.host) == ("/out", True, tree / "out")
        assert data.engine_path == f"/proc/self/fd/{data.descriptor}"
        assert os.path.samestat(os.fstat(data.descriptor), os.stat("data"))
        assert sorted(os.listdir(data.engine_path)) == ["file.txt", "inner"]
        assert not os.get_inheritable(data.descriptor)
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.listdir(data.descriptor)  # O_PATH: it names the directory and reads nothing


def test_no_grant_needs_nothing() -> None:
    with open_preopens([]) as opened:
        assert opened.entries == ()


def test_closing_twice_is_fine_and_use_after_it_is_not(tree: Path) -> None:
    opened = open_preopens([Preopen("data", "/data")])
    opened.close()
    opened.close()
    with pytest.raises(ClosedError, match="closed before"):
        _ = opened.entries


def test_a_forgotten_close_happens_with_the_object(tree: Path) -> None:
    opened = open_preopens([Preopen("data", "/data"), Scratch()])
    folder = opened.entries[1].host
    assert folder.is_dir()
    del opened
    gc.collect()
    assert not folder.exists()


def test_the_descriptor_is_the_directory_whatever_becomes_of_its_name(tree: Path) -> None:
    with open_preopens([Preopen("data", "/data")]) as opened:
        os.rename("data", "moved")
        os.symlink("/etc", "data")
        assert sorted(os.listdir(opened.entries[0].engine_path)) == ["file.txt", "inner"]


def test_the_host_path_may_pass_through_links(tree: Path) -> None:
    os.symlink("data", "link")
    os.symlink(tree, "other/up")
    assert granted(Preopen("link", "/data")) == [tree / "data"]
    assert granted(Preopen("other/up/data/../data/inner", "/data")) == [tree / "data" / "inner"]
    assert granted(Preopen(".", "/data")) == [tree]


def test_hosts_that_cannot_be_opened(tree: Path) -> None:
    os.symlink("nowhere", "dangling")
    os.symlink("loop", "loop")
    os.mkfifo("fifo")
    cases = {
        "missing": "there is no such folder; create it first",
        "~/data": "there is no such folder; '~' is not expanded here",
        "dangling": "there is no such folder; create it first",
        "data/file.txt": "this is a file; grant the folder that holds it, 'data'",
        "fifo": "this is a file; grant the folder that holds it, '.'",
        "data/file.txt/x": "a part of the host path is not a folder",
        "loop": "the host path is a loop of symbolic links",
        "n" * 300: "the folder cannot be opened (File name too long)",
    }
    for host, reason in cases.items():
        message = refusal(Preopen(host, "/data"))
        assert message == f"preopen {shown(host)} as '/data': {reason}"
    assert granted(Preopen("data", "/data")) == [tree / "data"]


def test_a_folder_that_was_removed(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("other")
    assert granted(Preopen(".", "/data")) == [tree / "other"]
    os.rmdir(tree / "other")
    assert "it was removed meanwhile" in refusal(Preopen(".", "/data"))
    monkeypatch.chdir(tree)


def test_names_with_terminal_codes_do_not_reach_the_terminal(tree: Path) -> None:
    name = "a\n\x1b[31mred"
    message = refusal(Preopen(name, "/data"))
    assert r"preopen 'a\n\x1b[31mred' as '/data'" in message
    os.mkdir(name)
    assert granted(Preopen(name, "/data")) == [tree / name]


def test_a_real_path_that_is_not_utf8(tree: Path) -> None:
    os.mkdir(b"bad\xff")
    os.symlink(b"bad\xff", "fine")
    assert r"its real path" in (message := refusal(Preopen("fine", "/data")))
    assert r"bad\udcff' is not valid UTF-8; rename the folder" in message
    os.rename(b"bad\xff", "good")
    os.unlink("fine")
    os.symlink("good", "fine")
    assert granted(Preopen("fine", "/data")) == [tree / "good"]


@pytest.mark.parametrize("how", ["/", "/../..", "//", "/proc/self/root", "up"])
def test_the_root_folder_is_refused_however_it_is_spelled(tree: Path, how: str) -> None:
    os.symlink("/", "up")
    assert refusal(Preopen(how, "/data")).endswith("this is the root folder of the machine; grant a folder below it")
    assert granted(Preopen("up" + str(tree), "/data")) == [tree]


@pytest.mark.parametrize(
    ("host", "top"),
    [
        ("/proc", "/proc"),
        ("/proc/self", "/proc"),
        ("/proc/self/fd", "/proc"),
        ("/proc/../proc/1", "/proc"),
        ("/sys", "/sys"),
        ("/sys/kernel", "/sys"),
        ("/dev", "/dev"),
        ("/dev/shm", "/dev"),
        ("/dev/fd", "/proc"),
    ],
)
def test_kernel_folders_are_refused(tree: Path, host: str, top: str) -> None:
    if not os.path.isdir(host):
        pytest.skip(f"this machine has no {host}")
    os.symlink(host, "link")
    expected = f"the folder lies in {top}, which is the kernel's and never granted"
    assert refusal(Preopen(host, "/data")).endswith(expected)
    assert refusal(Preopen("link", "/data", writable=True)).endswith(expected)
    assert refusal(Preopen("link/.", "/data")).endswith(expected)


def test_a_folder_that_is_only_called_like_one_is_granted(tree: Path) -> None:
    os.mkdir("proc")
    assert granted(Preopen("proc", "/proc")) == [tree / "proc"]


def test_proc_self_cwd_is_the_directory_it_leads_to(tree: Path) -> None:
    assert granted(Preopen("/proc/self/cwd/data", "/data")) == [tree / "data"]


@pytest.mark.parametrize("writable", [False, True])
def test_forbidden_folders(tree: Path, writable: bool) -> None:
    cache = tree / "data" / "inner"
    (tree / "data" / "beside").mkdir()
    os.symlink(cache, "link")
    cases = {"data": "contains", "data/inner": "is", "link": "is", "link/deep": "lies in", "link/..": "contains"}
    for host, relation in cases.items():
        expected = f"the folder {relation} '{cache}', a folder that no guest may reach"
        assert refusal(Preopen(host, "/data", writable=writable), forbidden=[cache]).endswith(expected), host
        assert refusal(Preopen(host, "/data", writable=writable), forbidden=[tree / "out", Path("link")]).endswith(
            expected
        )
        assert granted(Preopen(host, "/data", writable=writable), forbidden=[tree / "out"])
    assert granted(Preopen("data/beside", "/data", writable=writable), forbidden=[cache]) == [tree / "data" / "beside"]


def test_a_forbidden_folder_that_does_not_exist_yet(tree: Path) -> None:
    later = tree / "data" / "inner" / "cache" / "native"
    for host in (".", "data", "data/inner"):
        assert f"contains '{later}', a folder that no guest may reach" in refusal(
            Preopen(host, "/d"), forbidden=[later]
        )
    assert granted(Preopen("data/inner/deep", "/d"), forbidden=[later]) == [tree / "data" / "inner" / "deep"]
    assert granted(Preopen("out", "/d"), forbidden=[later]) == [tree / "out"]


def test_the_package_may_be_read_and_not_written(tree: Path) -> None:
    os.symlink(PACKAGE, "link")
    for host in (PACKAGE, PACKAGE.parent, PACKAGE / "capabilities", Path("link/capabilities")):
        message = refusal(Preopen(host, "/code", writable=True))
        assert message.endswith(f"'{PACKAGE.resolve()}', the code of wasihost; grant it read-only"), host
    assert granted(Preopen(PACKAGE / "capabilities", "/code")) == [PACKAGE.resolve() / "capabilities"]
    assert granted(Preopen("out", "/code", writable=True)) == [tree / "out"]


@pytest.mark.parametrize("overlay", [False, True])
@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize(
    ("readable", "writable", "refused"),
    [
        ("data", "data", True),
        ("data", "data/inner", True),
        ("data", "data/inner/deep", True),
        ("data/inner", "data", True),
        ("data", "link", True),
        ("link/inner", "data/../data", True),
        (".", "out", True),
        ("data", "out", False),
        ("data/inner", "other", False),
    ],
)
def test_no_folder_is_both_read_only_and_writable(
    tree: Path, readable: str, writable: str, refused: bool, order: int, overlay: bool
) -> None:
    os.symlink("data", "link")
    grants = [Preopen(readable, "/r", overlay=overlay), Preopen(writable, "/w", writable=True)][::order]
    if refused:
        message = refusal(*grants)
        assert "preopen" in message and message.endswith("; grant both alike or separate them")
        assert repr(readable) in message and repr(writable) in message
        assert ("overlaid" if overlay else "read-only") in message and "writable" in message
    else:
        assert len(granted(*grants)) == 2
    for alike in (False, True):
        assert len(granted(Preopen(readable, "/r", writable=alike), Preopen(writable, "/w", writable=alike))) == 2


def test_an_overlay_is_opened_as_what_is_only_read(tree: Path) -> None:
    grants = [
        Preopen("data", "/data", overlay=True),
        Preopen("data/inner", "/inner"),
        Preopen("out", "/out", writable=True),
    ]
    with open_preopens(grants) as opened:
        assert [(entry.writable, entry.overlay) for entry in opened.entries] == [
            (False, True),
            (False, False),
            (True, False),
        ]
        assert opened.entries[0].host == tree / "data"
    assert granted(Preopen(PACKAGE, "/package", overlay=True)) == [PACKAGE]
    assert "which no guest" not in refusal(Preopen(PACKAGE, "/package", writable=True))


def test_the_folders_of_the_host_behind_the_grants(tree: Path) -> None:
    grants = [Preopen("data", "/data"), Preopen("out", "/out", overlay=True), Scratch(disk_bytes=5, disk_files=6)]
    with open_preopens(grants) as opened:
        assert opened.folders == {"/data": tree / "data", "/out": tree / "out", "/scratch": opened.entries[2].host}
        assert [entry.limit for entry in opened.entries] == [
            None,
            None,
            FolderLimit(guest="/scratch", disk_bytes=5, disk_files=6),
        ]
        (opened.folders["/scratch"] / "file").write_text("readable until it is removed")
    with pytest.raises(ClosedError):
        _ = opened.folders


def test_a_scratch_folder_inside_a_read_only_grant_is_refused(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import tempfile

    monkeypatch.setattr(tempfile, "tempdir", str(tree / "out"))
    message = refusal(Preopen("out", "/out"), Scratch())
    assert message.startswith(
        "scratch '/scratch': the writable folder lies in the read-only one of preopen 'out' as '/out'"
    )
    assert list((tree / "out").iterdir()) == []
    assert len(granted(Preopen("data", "/data"), Scratch())) == 2
    assert list((tree / "out").iterdir()) == []


def test_guest_paths_are_unique_and_may_be_nested(tree: Path) -> None:
    message = refusal(Preopen("data", "/data"), Preopen("out", "/data"))
    assert message == "preopen 'out' as '/data': another grant has this guest path; each needs its own"
    assert "scratch '/data': another grant" in refusal(Preopen("data", "/data"), Scratch("/data"))
    assert (
        len(granted(Preopen("data", "/data"), Preopen("out", "/data/out", writable=True), Preopen("other", "/"))) == 3
    )


@pytest.mark.parametrize(
    ("guest", "refused"),
    [
        ("/usr/local/lib", True),
        ("/usr/local", True),
        ("/usr", True),
        ("/usr/local/lib/python", True),
        ("/", False),
        ("/usr2", False),
        ("/usr/local/libx", False),
        ("/usr/local/share", False),
    ],
)
def test_reserved_guest_paths(tree: Path, guest: str, refused: bool) -> None:
    for grant in (Preopen("data", guest), Scratch(guest)):
        if refused:
            message = refusal(grant, reserved=["/elsewhere", "/usr/local/lib"])
            assert "the runtime has its own files at '/usr/local/lib'; choose another guest path" in message
        else:
            assert len(granted(grant, reserved=["/elsewhere", "/usr/local/lib"])) == 1
        assert len(granted(grant)) == 1


def test_a_reserved_root_is_reserved(tree: Path) -> None:
    assert "the runtime has its own files at '/'" in refusal(Preopen("data", "/"), reserved=["/"])


def test_slots(tree: Path) -> None:
    grants = [Preopen("data", f"/{number}") for number in range(17)]
    assert refusal(*grants) == "preopens has 17 entries; a guest can have at most 16"
    assert len(granted(*grants[:16])) == 16
    assert len(granted(*grants, slots=17)) == 17
    assert refusal(Preopen("data", "/data"), slots=0) == "preopens has 1 entries; a guest can have at most 0"


@pytest.mark.parametrize("preopens", ["data", b"data", None, {"data": "/data"}, Preopen("data", "/data")])
def test_preopens_is_a_sequence(preopens: Any) -> None:
    with pytest.raises(InvalidPreopenError, match="preopens must be a sequence of Preopen and Scratch"):
        open_preopens(preopens)


def test_preopens_holds_nothing_else(tree: Path) -> None:
    with pytest.raises(InvalidPreopenError, match=r"preopens\[1\] must be a Preopen or a Scratch, not 'out'"):
        open_preopens([Preopen("data", "/data"), "out"])  # type: ignore[list-item]


def test_a_refusal_closes_what_was_open_and_removes_what_was_made(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import tempfile

    monkeypatch.setattr(tempfile, "tempdir", str(tree / "other"))
    assert "there is no such folder" in refusal(Scratch(), Preopen("data", "/data"), Preopen("missing", "/missing"))
    assert list((tree / "other").iterdir()) == []


def test_a_system_without_descriptor_names(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "DESCRIPTORS", "/nonexistent")
    monkeypatch.setattr(paths, "DESCRIPTORS", "/nonexistent")
    monkeypatch.setattr(places, "_MOUNT_TABLE", "/nonexistent")
    os.symlink("data", "link")
    with open_preopens([Preopen("link", "/data")]) as opened:
        assert opened.entries[0].engine_path == str(tree / "data")
    assert "lies in /proc" in refusal(Preopen("/proc/self", "/data"))
    assert "root folder" in refusal(Preopen("/", "/data"))
    assert "lies in '" in refusal(Preopen("data/inner", "/data"), forbidden=[tree / "data"])


def test_unreadable_folders(as_ordinary_user: Callable[[str], Any]) -> None:
    results = as_ordinary_user(
        """
for name, mode in (("closed", 0), ("unlistable", 0o300), ("unenterable", 0o600), ("fine", 0o500)):
    os.mkdir(name)
    os.mkdir(f"{name}/inner")
    os.chmod(name, mode)
    results[name] = attempt(Preopen(name, "/data"))
    results[f"{name}/inner"] = attempt(Preopen(f"{name}/inner", "/data"))
results["proc"] = attempt(Preopen("/proc", "/data"))
results["forbidden"] = attempt(Preopen("fine", "/data"), forbidden=[pathlib.Path("closed/cache")])
results["above"] = attempt(Preopen(".", "/data"), forbidden=[pathlib.Path("closed/cache")])
for name in ("closed", "unlistable", "unenterable", "fine"):
    os.chmod(name, 0o700)
"""
    )
    unreadable = ["refused", "preopen {!r} as '/data': the user of this process may not read the folder"]
    for name in ("closed", "unlistable", "unenterable", "closed/inner", "unenterable/inner"):
        assert results[name] == [text.format(name) for text in unreadable]
    assert results["unlistable/inner"] == ["granted"]
    assert results["fine"] == ["granted", "inner"]
    assert results["fine/inner"] == ["granted"]
    assert results["proc"][1].endswith("the folder lies in /proc, which is the kernel's and never granted")
    assert results["forbidden"] == ["granted", "inner"]
    assert "the folder contains '" in results["above"][1]


class TestGuestPathOf:
    def test_files_inside_and_outside(self, tree: Path) -> None:
        os.symlink("/etc/passwd", "data/out")
        os.symlink("data/file.txt", "link")
        with open_preopens([Preopen("data", "/data")]) as opened:
            assert guest_path_of(tree / "data" / "file.txt", opened) == "/data/file.txt"
            assert guest_path_of(Path("data/inner/../file.txt"), opened) == "/data/file.txt"
            assert guest_path_of(Path("link"), opened) == "/data/file.txt"
            assert guest_path_of(Path("data"), opened) == "/data"
            assert guest_path_of(Path("data/not-yet"), opened) == "/data/not-yet"
            assert guest_path_of(Path("data/out"), opened) is None
            assert guest_path_of(Path("other/file.txt"), opened) is None
            assert guest_path_of(Path("data2"), opened) is None
            assert guest_path_of(Path("data/bad\udcff"), opened) is None

    def test_the_innermost_grant_counts(self, tree: Path) -> None:
        with open_preopens([Preopen("data", "/"), Preopen("data/inner", "/in")]) as opened:
            assert guest_path_of(Path("data/inner/x"), opened) == "/in/x"
            assert guest_path_of(Path("data/x"), opened) == "/x"

    def test_a_file_that_another_grant_covers_has_no_path_there(self, tree: Path) -> None:
        with open_preopens([Preopen("data", "/data"), Preopen("other", "/data/inner")]) as opened:
            assert guest_path_of(Path("data/inner/x"), opened) is None
            assert guest_path_of(Path("other/x"), opened) == "/data/inner/x"
        with open_preopens([Preopen("data", "/data"), Preopen("other", "/other")]) as opened:
            assert guest_path_of(Path("data/inner/x"), opened) == "/data/inner/x"
