"""What a granted folder looks like before a case: the ordinary, the links that lead out, and a secret beside it."""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import stat
import subprocess
import threading
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

from hostile.case import SECRET

GRANTABLE = ("granted", "other")
"""The folders that a case may let its guest write to; whatever else lies there has to stay as it is."""


def furnish(folder: Path) -> None:
    """Empty the folder and everything beside it, and lay the same things out anew.

    The folder itself stays the same one, so that a sandbox which holds it open can be used again.
    """
    for top in (folder.parent, folder):
        for path in top.iterdir() if top.exists() else ():
            if path != folder:
                _remove(path)
    folder.mkdir(parents=True, exist_ok=True)
    (folder.parent / "secret.txt").write_text(SECRET)
    (folder / "a.txt").write_text("public")
    (folder / "empty").mkdir()
    (folder / "sub").mkdir()
    (folder / "inside").symlink_to("a.txt")
    (folder / "relative").symlink_to("../secret.txt")
    (folder / "absolute").symlink_to(folder.parent / "secret.txt")
    (folder / "up").symlink_to("..")
    (folder / "etc").symlink_to("/etc")
    (folder / "loop").symlink_to("loop")
    (folder / "ping").symlink_to("pong")
    (folder / "pong").symlink_to("ping")
    (folder / "sub" / "back").symlink_to("../a.txt")
    (folder / "sub" / "out").symlink_to("../../secret.txt")
    (folder / "chain").symlink_to("sub/out")


def _remove(path: Path) -> None:
    if path.is_symlink() or not path.is_dir():
        path.unlink()
        return
    try:
        shutil.rmtree(path)
    except (RecursionError, OSError):
        subprocess.run(["rm", "-rf", str(path)], check=True)  # too deep for anything that recurses or names whole paths


def state_of(top: Path, *, without: Collection[str] = ()) -> list[tuple[str, int, int, int, bytes]]:
    """Everything that can be seen of a folder: names, modes, times, links, contents."""
    kept = [path for path in top.iterdir() if path.name not in without]
    below = [inner for path in kept if path.is_dir() and not path.is_symlink() for inner in path.rglob("*")]
    found = []
    for path in sorted([*kept, *below]):
        status = path.lstat()
        data = b""
        if stat.S_ISREG(status.st_mode) and status.st_size < 2**20:
            data = path.read_bytes()
        elif stat.S_ISLNK(status.st_mode):
            data = os.fsencode(path.readlink())
        found.append((str(path.relative_to(top)), status.st_mode, status.st_mtime_ns, status.st_nlink, data))
    return found


@functools.cache
def folder_of_many_files(folder: Path) -> Path:
    """20,000 empty files, made once, away from everything else."""
    big = folder.parent.parent / "many"
    big.mkdir()
    for number in range(20_000):
        (big / f"file-{number:05d}").touch()
    return big


@contextlib.contextmanager
def meanwhile(step: Callable[[], Any]) -> Iterator[None]:
    """Repeat something on another thread for as long as the case runs."""
    done = threading.Event()

    def repeat() -> None:
        while not done.is_set():
            step()

    thread = threading.Thread(target=repeat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


@contextlib.contextmanager
def changed(name: str, value: str | None) -> Iterator[None]:
    """An environment variable of the host with another value, or without one."""
    before = os.environ.pop(name, None)
    if value is not None:
        os.environ[name] = value
    try:
        yield
    finally:
        os.environ.pop(name, None)
        if before is not None:
            os.environ[name] = before


@contextlib.contextmanager
def cache_at(path: Path) -> Iterator[Path]:
    """Another place for the cache, where nothing is yet."""
    with changed("WASIHOST_CACHE_DIR", str(path)):
        yield path
