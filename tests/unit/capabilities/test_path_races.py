"""Somebody exchanges a folder for a symbolic link in a loop while it is granted."""

# The boundary is about descriptors.
# ruff: noqa: PTH104, PTH116, PTH208

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from wasihost.capabilities.paths import open_preopens
from wasihost.capabilities.preopen import Preopen
from wasihost.errors import InvalidPreopenError

OPENINGS = 3000

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


@pytest.mark.parametrize(
    ("target", "refusal"),
    [
        ("secret", "a folder that no guest may reach"),
        ("/proc/self", "lies in /proc"),
        ("/", "this is the root folder"),
    ],
)
@pytest.mark.parametrize("writable", [False, True])
def test_a_folder_that_is_exchanged_in_a_loop(tmp_path: Path, target: str, refusal: str, writable: bool) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "password").write_text("1234")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "harmless").write_text("")
    (tmp_path / "link").symlink_to(target)
    allowed = os.stat(tmp_path / "data")
    swapper = subprocess.Popen(
        [sys.executable, "-c", SWAP, tmp_path / "data", tmp_path / "link"], stdout=subprocess.PIPE, text=True
    )
    granted = refused = 0
    try:
        assert swapper.stdout is not None
        if not swapper.stdout.readline():
            pytest.skip("this file system cannot exchange two names at once")
        end = time.monotonic() + 30
        while granted + refused < OPENINGS or not (granted and refused):
            assert time.monotonic() < end, (granted, refused)
            try:
                opened = open_preopens(
                    [Preopen(tmp_path / "data", "/data", writable=writable)], forbidden=[tmp_path / "secret"]
                )
            except InvalidPreopenError as error:
                assert refusal in str(error)
                refused += 1
            else:
                with opened:
                    (entry,) = opened.entries
                    assert os.path.samestat(os.fstat(entry.descriptor), allowed)
                    assert os.listdir(entry.engine_path) == ["harmless"]
                granted += 1
    finally:
        swapper.kill()
        swapper.communicate()


def test_a_parent_that_is_exchanged_by_a_thread(tmp_path: Path) -> None:
    for name in ("real/data", "secret/data"):
        (tmp_path / name).mkdir(parents=True)
    allowed = os.stat(tmp_path / "real" / "data")
    current, spare = tmp_path / "current", tmp_path / "spare"
    current.symlink_to("real")
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            for target in ("secret", "real"):
                spare.symlink_to(target)
                os.rename(spare, current)

    thread = threading.Thread(target=swap, daemon=True)
    thread.start()
    granted = refused = 0
    try:
        end = time.monotonic() + 30
        while granted + refused < OPENINGS or not (granted and refused):
            assert time.monotonic() < end, (granted, refused)
            try:
                opened = open_preopens([Preopen(current / "data", "/data")], forbidden=[tmp_path / "secret"])
            except InvalidPreopenError as error:
                assert "lies in" in str(error)
                refused += 1
            else:
                with opened:
                    assert os.path.samestat(os.fstat(opened.entries[0].descriptor), allowed)
                    assert os.path.samestat(os.stat(opened.entries[0].engine_path), allowed)
                granted += 1
    finally:
        stop.set()
        thread.join()
