"""The look from outside: it sees what was stored since the first look, and ends no run for anything else."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from wasihost.capabilities import usage
from wasihost.capabilities.usage import FolderLimit, UnmeasurableError
from wasihost.containment.lookout import Lookout

TOO_MUCH = "the run stored more than 1000 bytes in its writable directories"


@pytest.fixture
def descriptor(folder: Path) -> Iterator[int]:
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    yield opened
    os.close(opened)


def lookout(descriptor: int, limit: FolderLimit | None = None) -> Lookout:
    return Lookout([(descriptor, limit)], disk_bytes=1000, disk_files=5000)


def test_what_was_there_is_not_counted_and_what_comes_is(folder: Path, descriptor: int) -> None:
    (folder / "found").write_bytes(b"x" * 5000)
    watch = lookout(descriptor)
    for size in (0, 1000, 500, 1000):
        (folder / "stored").write_bytes(b"x" * size)
        assert watch.look(math.inf) is None
    (folder / "stored").write_bytes(b"x" * 1001)
    assert watch.look(math.inf) == TOO_MUCH


def test_a_look_that_sees_nothing_proves_nothing(
    folder: Path, descriptor: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    measure = usage.measure

    def fail(folders: Any, **kwargs: Any) -> Any:
        if folders:
            raise UnmeasurableError("folders in it are moved again and again")
        return measure(folders, **kwargs)

    watch = lookout(descriptor)
    for _ in range(3):
        assert watch.look(math.inf) is None
    with monkeypatch.context() as patch:
        patch.setattr(usage, "measure", fail)
        for _ in range(3):
            assert watch.look(math.inf) is None
    (folder / "stored").write_bytes(b"x" * 1001)
    assert watch.look(math.inf) == TOO_MUCH


def test_a_folder_with_a_limit_of_its_own_is_judged_from_the_start(folder: Path, descriptor: int) -> None:
    (folder / "stored").write_bytes(b"x" * 51)
    assert lookout(descriptor, FolderLimit(guest="/s", disk_bytes=51, disk_files=9)).look(math.inf) is None
    reason = lookout(descriptor, FolderLimit(guest="/s", disk_bytes=50, disk_files=9)).look(math.inf)
    assert reason is not None
    assert "50 bytes" in reason


def test_a_look_does_not_outlast_the_run(folder: Path, descriptor: int) -> None:
    for number in range(2000):
        os.close(os.open(folder / str(number), os.O_CREAT | os.O_WRONLY))
    watch = lookout(descriptor)
    assert watch.look(math.inf) is None
    (folder / "stored").write_bytes(b"x" * 1001)
    assert watch.look(time.monotonic()) is None
    assert lookout(descriptor).look(time.monotonic()) is None
    watch = lookout(descriptor)
    assert watch.look(math.inf) is None
    (folder / "stored").write_bytes(b"x" * 2002)
    assert watch.look(math.inf) == TOO_MUCH
