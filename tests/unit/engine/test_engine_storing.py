"""The host's side of a question for more to store."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from wasihost.engine import wasi
from wasihost.runtime.wasm import hooks

U32 = 2**32 - 1


def test_both_sides_ask_with_the_same_flags() -> None:
    assert (wasi.DISK_FLAGS, wasi.FILES_FLAGS) == (hooks.DISK_FLAGS, hooks.FILES_FLAGS)
    assert len({hooks.DISK_FLAGS, hooks.FILES_FLAGS, hooks.OUTPUT_FLAGS, 0}) == 4


def guest(answer: bool | None) -> Any:
    asked: list[tuple[int, int]] = []

    def disk(_guest: object, more_bytes: int, more_files: int) -> bool:
        asked.append((more_bytes, more_files))
        return bool(answer)

    return SimpleNamespace(disk=None if answer is None else disk, asked=asked)


@pytest.mark.parametrize(("answer", "errno"), [(True, wasi.SUCCESS), (False, wasi.ENOSPC), (None, wasi.ENOSPC)])
def test_the_answer(answer: bool | None, errno: int) -> None:
    asking = guest(answer)
    assert wasi.sock_send(asking, U32, 5, 0, wasi.DISK_FLAGS, 0) == errno
    assert wasi.sock_send(asking, U32, 7, 3, wasi.DISK_FLAGS, 0) == errno
    assert wasi.sock_send(asking, U32, U32, U32, wasi.DISK_FLAGS, 0) == errno
    assert wasi.sock_send(asking, U32, 1, 0, wasi.FILES_FLAGS, 0) == errno
    assert asking.asked == ([] if answer is None else [(5, 0), (3 * 2**32 + 7, 0), (2**64 - 1, 0), (0, 1)])


@pytest.mark.parametrize("flags", [0, hooks.OUTPUT_FLAGS, 0x4445, U32])
def test_nothing_else_is_a_question(flags: int) -> None:
    asking = guest(answer=True)
    assert wasi.sock_send(asking, U32, 5, 0, flags, 0) == wasi.ENOTSOCK
    assert wasi.sock_send(asking, 3, 5, 0, wasi.DISK_FLAGS, 0) == wasi.ENOTSOCK
    assert asking.asked == []
