"""The cache folder: who may own it, what is put into it how, and what a full or closed disk says."""

from __future__ import annotations

import errno
import os
import stat
import sys
import threading
import time
from pathlib import Path

import pytest
from runtime_lab import Recorder, raises_exactly, run_python, start_python, wait_until

from wasihost.errors import CacheError, DiskFullError, UntrustedCacheError
from wasihost.runtime.cache import Cache, cache_root, checked_file, disk_errors, open_cache

AS_ROOT = os.geteuid() == 0
NOBODY = 65534
KINDS = ("runtimes", "compiled", "images", "named", "downloads", "locks", "custom", "tmp")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def test_it_is_made_for_its_owner_alone(cache_dir: Path) -> None:
    old = os.umask(0)
    try:
        cache = open_cache()
        folders = [cache.folder(kind) for kind in KINDS]  # type: ignore[arg-type]
    finally:
        os.umask(old)
    assert cache.root == cache_dir
    assert [mode(path) for path in (cache_dir, *folders)] == [0o700] * (1 + len(KINDS))


def test_a_fresh_empty_folder_is_closed(cache_dir: Path) -> None:
    cache_dir.mkdir(mode=0o755)
    open_cache()
    assert mode(cache_dir) == 0o700


def test_a_readable_folder_with_something_in_it_is_refused(cache_dir: Path) -> None:
    cache_dir.mkdir(mode=0o755)
    (cache_dir / "thesis.txt").touch()
    with raises_exactly(UntrustedCacheError, "others can read", f"run 'chmod 700 {cache_dir}'"):
        open_cache()
    cache_dir.chmod(0o700)
    assert open_cache().root == cache_dir


@pytest.mark.parametrize("bits", [0o777, 0o720, 0o702, 0o1777])
def test_a_folder_that_others_may_write_to_is_refused(cache_dir: Path, bits: int) -> None:
    cache_dir.mkdir()
    cache_dir.chmod(bits)
    with raises_exactly(UntrustedCacheError, "others can write to", f"run 'chmod 700 {cache_dir}'"):
        open_cache()
    assert mode(cache_dir) == bits
    cache_dir.chmod(0o700)
    assert open_cache().root == cache_dir


def test_a_subfolder_that_others_may_write_to_is_refused(cache_dir: Path) -> None:
    compiled = open_cache().folder("compiled")
    compiled.chmod(0o777)
    with raises_exactly(UntrustedCacheError, "others can write to", str(compiled)):
        open_cache().folder("compiled")


def test_it_is_checked_at_every_use(cache_dir: Path) -> None:
    open_cache()
    cache_dir.chmod(0o770)
    with raises_exactly(UntrustedCacheError, "others can write to"):
        open_cache()


def test_a_sticky_parent_is_fine(tmp_path: Path, cache_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    monkeypatch.setenv("WASIHOST_CACHE_DIR", str(shared / "mine"))
    assert open_cache().root == shared / "mine"


@pytest.mark.skipif(not AS_ROOT, reason="only root can give files away")
def test_a_folder_of_somebody_else_is_refused(cache_dir: Path) -> None:
    cache_dir.mkdir(mode=0o700)
    os.chown(cache_dir, NOBODY, NOBODY)
    with raises_exactly(UntrustedCacheError, f"{cache_dir} belongs to user {NOBODY}, not to this user (0)"):
        open_cache()
    os.chown(cache_dir, 0, 0)
    assert open_cache().root == cache_dir


def test_a_link_is_refused(tmp_path: Path, cache_dir: Path) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    cache_dir.symlink_to(tmp_path / "elsewhere")
    with raises_exactly(UntrustedCacheError, f"{cache_dir} is a symbolic link"):
        open_cache()
    cache_dir.unlink()
    assert open_cache().root == cache_dir


def test_a_dangling_link_is_refused(tmp_path: Path, cache_dir: Path) -> None:
    cache_dir.symlink_to(tmp_path / "nowhere")
    with raises_exactly(UntrustedCacheError, "is a symbolic link"):
        open_cache()
    assert not (tmp_path / "nowhere").exists()


def test_a_linked_subfolder_is_refused(tmp_path: Path, cache_dir: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    (elsewhere / "old").touch()
    os.utime(elsewhere / "old", (0, 0))
    cache = open_cache()
    (cache_dir / "tmp").symlink_to(elsewhere)
    with raises_exactly(UntrustedCacheError, f"{cache_dir}/tmp is a symbolic link"):
        cache.sweep()
    assert (elsewhere / "old").exists()


def test_a_file_is_refused(cache_dir: Path) -> None:
    cache_dir.touch(mode=0o600)
    with raises_exactly(CacheError, f"{cache_dir} is not a folder", "WASIHOST_CACHE_DIR"):
        open_cache()


def test_a_path_below_a_file_is_refused(cache_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache_dir.touch()
    monkeypatch.setenv("WASIHOST_CACHE_DIR", str(cache_dir / "sub" / "cache"))
    with raises_exactly(CacheError, "cannot create the cache folder", "WASIHOST_CACHE_DIR"):
        open_cache()


AS_ORDINARY_USER = f"""
import os, sys
import platformdirs.unix, filelock, shutil, contextlib, stat, pwd
from wasihost import errors
from wasihost.runtime.cache import open_cache
if os.geteuid() == 0:
    os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})
try:
    cache = open_cache()
    cache.write_file(cache.root / "file", b"x")
    print("OK", oct(cache.root.stat().st_mode & 0o777))
except errors.WasiHostError as error:
    print(type(error).__name__, error)
"""


@pytest.fixture
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import shutil
    import tempfile

    folder = Path(tempfile.mkdtemp(dir="/var/tmp"))  # where an ordinary user can go
    folder.chmod(0o755)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


def test_a_read_only_home_says_what_to_set(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WASIHOST_CACHE_DIR", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    home.chmod(0o555)
    status, out, err = run_python(AS_ORDINARY_USER, HOME=str(home))
    assert (status, err) == (0, "")
    assert out == (
        f"CacheError cannot create the cache folder {home}/.cache/wasihost (Permission denied): "
        "set WASIHOST_CACHE_DIR to a folder you can write to\n"
    )
    mine = home / "mine"
    home.chmod(0o755)
    mine.mkdir(mode=0o700)
    if AS_ROOT:
        os.chown(mine, NOBODY, NOBODY)
    home.chmod(0o555)
    assert run_python(AS_ORDINARY_USER, HOME=str(home), WASIHOST_CACHE_DIR=str(mine / "cache")) == (0, "OK 0o700\n", "")


def test_an_ordinary_user_refuses_the_folder_of_another(home: Path) -> None:
    if not AS_ROOT:
        pytest.skip("needs two users")
    theirs = home / "cache"
    theirs.mkdir(mode=0o700)
    status, out, _ = run_python(AS_ORDINARY_USER, WASIHOST_CACHE_DIR=str(theirs))
    assert status == 0
    assert out.startswith(f"UntrustedCacheError {theirs} belongs to user 0, not to this user ({NOBODY})")


def test_where_it_is(cache_dir: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert cache_root() == cache_dir
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WASIHOST_CACHE_DIR", "here/../there")
    assert cache_root() == tmp_path / "there"
    monkeypatch.setenv("HOME", "/home/somebody")
    monkeypatch.setenv("WASIHOST_CACHE_DIR", "~/c")
    assert cache_root() == Path("/home/somebody/c")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    for unset in ("", None):
        monkeypatch.setenv("WASIHOST_CACHE_DIR", unset) if unset is not None else monkeypatch.delenv(
            "WASIHOST_CACHE_DIR"
        )
        assert cache_root() == tmp_path / "xdg" / "wasihost"


def test_a_user_without_a_home_is_told_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WASIHOST_CACHE_DIR", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # what it does when nobody knows a home
    with raises_exactly(CacheError, "no home folder: set WASIHOST_CACHE_DIR"):
        cache_root()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the platform's folder is asked for, not computed")
@pytest.mark.parametrize("base", [None, "", "/somewhere/else"])
@pytest.mark.parametrize("home", ["/home/somebody", "/"])
def test_the_default_is_the_one_of_platformdirs(monkeypatch: pytest.MonkeyPatch, base: str | None, home: str) -> None:
    import platformdirs

    monkeypatch.delenv("WASIHOST_CACHE_DIR", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", home)
    if base is not None:
        monkeypatch.setenv("XDG_CACHE_HOME", base)
    assert cache_root() == platformdirs.user_cache_path("wasihost", appauthor=False)


@pytest.fixture
def cache(cache_dir: Path) -> Cache:
    return open_cache()


def test_a_file_appears_whole_and_read_only(cache: Cache) -> None:
    path = cache.folder("images") / "a"
    assert cache.write_file(path, b"one") == path
    assert (path.read_bytes(), mode(path)) == (b"one", 0o400)
    with path.open("rb") as held:
        cache.write_file(path, lambda file: (file.write(b"tw"), file.write(b"o"))[0])
        assert held.read() == b"one"  # renamed over, not rewritten
    assert path.read_bytes() == b"two"
    assert list(cache.folder("tmp").iterdir()) == []


def test_a_writer_that_fails_leaves_the_old_file(cache: Cache) -> None:
    path = cache.folder("images") / "a"
    cache.write_file(path, b"one")

    def fail(file: object) -> None:
        file.write(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache.write_file(path, fail)
    assert path.read_bytes() == b"one"
    assert list(cache.folder("tmp").iterdir()) == []


def test_a_link_is_not_published_as_a_file(cache: Cache, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"s")
    (tmp_path / "secret").chmod(0o644)
    link = cache.folder("tmp") / "link"
    link.symlink_to(tmp_path / "secret")
    with pytest.raises(OSError, match="Too many levels of symbolic links"):
        cache.publish_file(link, cache.folder("images") / "a")
    assert mode(tmp_path / "secret") == 0o644


def test_a_folder_replaces_another_at_once(cache: Cache) -> None:
    final = cache.folder("runtimes") / "r"
    for content in (b"one", b"two"):
        with cache.temporary_folder() as work:
            (work / "new").mkdir()
            (work / "new" / "file").write_bytes(content)
            cache.publish_folder(work / "new", final)
        assert (final / "file").read_bytes() == content
    assert list(cache.folder("tmp").iterdir()) == []
    assert cache.remove_folder(final) == 3
    assert cache.remove_folder(final) == 0


def test_what_a_killed_process_left_is_swept_after_a_day(cache: Cache) -> None:
    now = time.time()
    for kind, name, age in (
        ("tmp", "young", 23),
        ("tmp", "old", 25),
        ("downloads", "young.part", 6 * 24),
        ("downloads", "old.part", 8 * 24),
        ("images", "old", 1000),
    ):
        path = cache.folder(kind) / name
        path.write_bytes(b"x")
        os.utime(path, (now - age * 3600,) * 2)
    folder = cache.folder("tmp") / "folder"
    (folder / "inner").mkdir(parents=True)
    os.utime(folder, (0, 0))
    cache.sweep()
    assert sorted(p.name for p in cache.root.rglob("*") if p.is_file()) == ["old", "young", "young.part"]
    assert not folder.exists()
    assert (cache.folder("images") / "old").exists()


def test_a_lock_excludes_threads(cache: Cache, recorder: Recorder) -> None:
    inside, most = [], []

    def work() -> None:
        with cache.lock("k"):
            inside.append(1)
            most.append(len(inside))
            time.sleep(0.02)
            inside.pop()

    threads = [threading.Thread(target=work, daemon=True) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 8
    with cache.lock("k", progress=recorder), cache.lock("other", progress=recorder):
        pass
    assert recorder.labels == []


def test_waiting_for_another_process_is_reported(cache: Cache, recorder: Recorder) -> None:
    code = (
        "import sys; from wasihost.runtime.cache import open_cache\n"
        "with open_cache().lock('a key'): print('held', flush=True); sys.stdin.read(); import time; time.sleep(1.5)\n"
    )
    holder = start_python(code)
    assert holder.stdout.readline() == "held\n"
    with cache.lock("a key", progress=recorder):
        pass
    assert holder.wait() == 0
    holder.stdout.close()
    holder.stderr.close()
    assert recorder.labels == ["Waiting for another process (a key)"]
    assert recorder.finished == 1


def test_a_lock_ends_with_its_process(cache: Cache) -> None:
    code = (
        "import time; from wasihost.runtime.cache import open_cache\n"
        "with open_cache().lock('k'): print('held', flush=True); time.sleep(60)\n"
    )
    holder = start_python(code)
    assert holder.stdout.readline() == "held\n"
    holder.kill()
    holder.communicate()
    with cache.lock("k"):
        assert mode(cache.folder("locks") / "k.lock") == 0o600


def test_a_key_cannot_leave_the_folder(cache: Cache) -> None:
    with cache.lock("../../x y"):
        assert [path.name for path in cache.folder("locks").iterdir()] == [".._.._x_y.lock"]


def test_native_code_is_trusted_from_its_owner_only(cache: Cache, tmp_path: Path) -> None:
    path = cache.write_file(cache.folder("compiled") / "code", b"x")
    assert checked_file(path) == path
    for bits in (0o420, 0o402, 0o666):
        path.chmod(bits)
        with raises_exactly(UntrustedCacheError, f"others can write to {path}"):
            checked_file(path)
    path.chmod(0o444)
    assert checked_file(path) == path
    link = tmp_path / "link"
    link.symlink_to(path)
    with raises_exactly(UntrustedCacheError, f"{link} is not a regular file"):
        checked_file(link)
    with raises_exactly(UntrustedCacheError, "is not a regular file"):
        checked_file(cache.root)
    with pytest.raises(FileNotFoundError):
        checked_file(tmp_path / "nothing")
    if AS_ROOT:
        os.chown(path, NOBODY, NOBODY)
        with raises_exactly(UntrustedCacheError, f"{path} belongs to user {NOBODY}"):
            checked_file(path)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_has_its_own_error(tmp_path: Path, number: int) -> None:
    with (
        raises_exactly(DiskFullError, f"no room left in {tmp_path} (5.0 MB are needed)", "WASIHOST_CACHE_DIR"),
        disk_errors(tmp_path, needed_bytes=5_000_000),
    ):
        raise OSError(number, os.strerror(number))


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.EIO])
def test_a_closed_disk_is_a_cache_error(tmp_path: Path, number: int) -> None:
    with raises_exactly(CacheError, f"cannot write to {tmp_path}: {os.strerror(number)}"), disk_errors(tmp_path):
        raise OSError(number, os.strerror(number))
    with pytest.raises(OSError, match="x"), disk_errors(tmp_path, only_room=True):
        raise OSError(number, "x")


def test_too_little_room_is_said_beforehand(cache: Cache) -> None:
    cache.require_room(1, "nothing")
    with raises_exactly(DiskFullError, "installing x needs 1000000000000.0 MB in ", "WASIHOST_CACHE_DIR"):
        cache.require_room(10**18, "installing x")


WRITE = """
import sys
from wasihost import errors
from wasihost.runtime.cache import open_cache
try:
    cache = open_cache()
    path = cache.write_file(cache.folder("images") / "a", lambda file: [file.write(bytes(1 << 16)) for _ in range(64)])
    print("OK", path.stat().st_size)
except errors.WasiHostError as error:
    print(type(error).__name__, error)
    print([p.name for p in cache.root.rglob("*") if p.is_file()])
"""


def test_a_file_size_limit_leaves_nothing(cache_dir: Path) -> None:
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))\n"
    status, out, err = run_python(limit + WRITE)
    assert (status, err) == (0, "")
    assert out.splitlines() == [
        f"DiskFullError no room left in {cache_dir}/images: make room, or set WASIHOST_CACHE_DIR to a folder on a "
        "larger disk",
        "[]",
    ]
    assert run_python(WRITE) == (0, f"OK {1 << 22}\n", "")


@pytest.mark.skipif(not AS_ROOT, reason="only root can mount")
def test_a_full_disk_leaves_nothing(cache_dir: Path) -> None:
    import subprocess

    cache_dir.mkdir(mode=0o700)
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m,mode=700", "none", str(cache_dir)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("this machine does not let root mount")
    try:
        status, out, _ = run_python(WRITE)
        assert status == 0
        assert out.startswith(f"DiskFullError no room left in {cache_dir}/images")
        assert out.splitlines()[1] == "[]"
    finally:
        subprocess.run(["umount", str(cache_dir)], check=True)
    wait_until(lambda: list(cache_dir.iterdir()) == [])
    assert run_python(WRITE) == (0, f"OK {1 << 22}\n", "")
