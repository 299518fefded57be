"""Folders with more names than libc asks for at a time."""

from __future__ import annotations

from pathlib import Path

import pytest

from wasihost import Limits, Preopen, Sandbox
from wasihost.runtime import ensure_installed, find_runtime
from wasihost.runtime.wasm import rewrite

COUNT = 3000
LIST = """
import os
with os.scandir("/d") as entries:
    kinds = {entry.name: entry.is_dir() for entry in entries}
names = sorted(os.listdir("/d"))
walked = sorted(name for _, folders, files in os.walk("/d") for name in folders + files)
[sorted(kinds) == names == walked, names, sorted(name for name in kinds if kinds[name])]
"""


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str], list[str]]:
    folder = tmp_path_factory.mktemp("many")
    # Of all lengths, so that a piece ends in the middle of each part of an entry.
    names = [f"{number}-".ljust(6 + number % 250, "x") for number in range(COUNT)]
    for name in names:
        (folder / name).touch()
    folders = [f"folder {number}" for number in range(7)]
    for name in folders:
        (folder / name).mkdir()
    return folder, sorted([*names, *folders]), folders


def test_all_names_are_listed_once(runtime: str, many: tuple[Path, list[str], list[str]]) -> None:
    folder, names, folders = many
    with Sandbox(
        runtime=runtime, preopens=[Preopen(folder, "/d")], limits=Limits(value_bytes=2**20, deadline_seconds=60.0)
    ) as sandbox:
        assert sandbox.run(LIST).value == [True, names, folders]


def test_the_shipped_builds_ask_for_many_names_at_a_time(runtime: str) -> None:
    found = find_runtime(runtime)
    keep = [(kept.first, kept.last) for kept in found.slice.keep]
    assert rewrite(ensure_installed(found).wasm.read_bytes(), keep=keep or None).lists_fast
