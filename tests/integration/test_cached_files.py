"""Compiled code and images in the cache: damaged, replaced, or written by somebody else."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from wasihost import errors
from wasihost.engine.engine import Engine
from wasihost.image import store
from wasihost.image.sound import layout_of, stored_layout
from wasihost.image.store import compiled_folder, image_folder, is_ready, make_ready
from wasihost.runtime import cache_root, find_runtime, install_folder, open_cache

NAME = "cpython-3.11"


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of this test's own with a runtime that is ready, copied from the shared one."""
    runtime = find_runtime(NAME)
    make_ready(NAME, metered=True)
    shared, cache = cache_root(), open_cache()
    folders = [
        install_folder(runtime),
        compiled_folder(cache, runtime, metered=True),
        image_folder(cache, runtime),
    ]
    own = tmp_path / "cache"
    own.mkdir(mode=0o700)
    for folder in folders:
        target = own / folder.relative_to(shared)
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.copytree(folder, target)
    monkeypatch.setenv("WASIHOST_CACHE_DIR", str(own))
    return own


@pytest.fixture
def native(copy: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Compilation that is counted, and done by giving the right bytes back at once."""
    bytes_ = (compiled(copy) / "code.bin").read_bytes()
    calls: list[int] = []

    def compile_(_engine: Engine, module: bytes) -> bytes:
        calls.append(len(module))
        return bytes_

    monkeypatch.setattr(Engine, "compile", compile_)
    return lambda: len(calls)


def compiled(root: Path) -> Path:
    (folder,) = (root / "compiled").glob(f"{NAME}-fuel-*")
    return folder


def image(root: Path) -> Path:
    (folder,) = (root / "images").glob(f"{NAME}-base-*")
    return folder


def rewrite(path: Path, change: Callable[[bytes], bytes]) -> None:
    content = path.read_bytes()
    path.chmod(0o600)
    path.write_bytes(change(content))
    path.chmod(0o400)


def flip(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def test_a_copy_is_used_as_it_is(copy: Path, native: Callable[[], int]) -> None:
    before = (image(copy) / "image.bin").stat()
    assert is_ready(find_runtime(NAME))
    ready = make_ready(NAME, metered=True)
    after = (image(copy) / "image.bin").stat()
    assert (native(), after.st_ino, ready.name) == (0, before.st_ino, NAME)


@pytest.mark.parametrize(
    "change", [flip, lambda content: content[:-4096], lambda content: b""], ids=["flip", "cut", "empty"]
)
def test_a_damaged_image_is_made_again(copy: Path, native: Callable[[], int], change: Callable[[bytes], bytes]) -> None:
    path = image(copy) / "image.bin"
    rewrite(path, change)
    damaged = path.read_bytes()
    ready = make_ready(NAME, metered=True)
    assert native() == 0
    assert path.read_bytes() != damaged
    assert path.stat().st_size == ready.image.layout.memory_bytes


@pytest.mark.parametrize(
    "change", [flip, lambda content: content[:-4096], lambda content: b""], ids=["flip", "cut", "empty"]
)
def test_damaged_code_is_compiled_again(
    copy: Path, native: Callable[[], int], change: Callable[[bytes], bytes]
) -> None:
    path = compiled(copy) / "code.bin"
    whole = path.read_bytes()
    rewrite(path, change)
    make_ready(NAME, metered=True)
    assert native() == 1
    assert path.read_bytes() == whole


def test_an_older_date_alone_changes_nothing(copy: Path, native: Callable[[], int]) -> None:
    for path in (compiled(copy) / "code.bin", image(copy) / "image.bin"):
        os.utime(path, (1_000_000_000, 1_000_000_000))
        inode = path.stat().st_ino
        make_ready(NAME, metered=True)
        assert path.stat().st_ino == inode
    assert native() == 0


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b'{"file": {}}', b'{"file": 3}', b"\xff"], ids=range(6))
def test_a_damaged_description_is_made_again(copy: Path, native: Callable[[], int], text: bytes) -> None:
    path = image(copy) / "image.json"
    rewrite(path, lambda _: text)
    make_ready(NAME, metered=True)
    assert json.loads(path.read_bytes())["runtime"] == NAME


@pytest.mark.parametrize("mode", [0o666, 0o622, 0o620])
@pytest.mark.parametrize("name", ["code.bin", "code.json"])
def test_code_that_others_may_write_is_refused(copy: Path, name: str, mode: int) -> None:
    path = compiled(copy) / name
    path.chmod(mode)
    with pytest.raises(errors.UntrustedCacheError, match=name):
        make_ready(NAME, metered=True)
    path.chmod(0o600)
    assert make_ready(NAME, metered=True).name == NAME


def test_an_image_that_others_may_write_is_refused(copy: Path) -> None:
    path = image(copy) / "image.bin"
    path.chmod(0o666)
    with pytest.raises(errors.UntrustedCacheError):
        make_ready(NAME, metered=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_code_of_another_user_is_refused(copy: Path) -> None:
    os.chown(compiled(copy) / "code.bin", 65534, -1)
    with pytest.raises(errors.UntrustedCacheError):
        make_ready(NAME, metered=True)


def test_a_layout_survives_its_file(copy: Path) -> None:
    ready = make_ready(NAME, metered=True)
    stored = json.loads((image(copy) / "image.json").read_bytes())["layout"]
    assert layout_of(stored) == ready.image.layout
    assert layout_of(json.loads(json.dumps(stored_layout(ready.image.layout)))) == ready.image.layout
    assert ready.image.layout.output is not None
    assert len(ready.image.layout.slots) == 16


def test_every_runtime_keeps_its_output_buffer_where_the_host_finds_it(runtime: str) -> None:
    layout = make_ready(runtime, metered=True).image.layout
    assert layout.output is not None
    assert layout.memory_bytes % 65536 == 0
    assert len(set(layout.slots)) == 16


def test_built_files_can_be_removed(copy: Path) -> None:
    size = (compiled(copy) / "code.bin").stat().st_size + (image(copy) / "image.bin").stat().st_size
    assert store.remove_built(find_runtime(NAME)) > size
    assert not is_ready(find_runtime(NAME))
    assert list((copy / "compiled").iterdir()) == []


def test_looking_for_one_image_leaves_the_notes_on_others(copy: Path) -> None:
    store.locate(NAME, metered=True)
    (note,) = (copy / "images").glob(f"{NAME}@base.*.ready.json")
    with pytest.raises(errors.UnknownImageError):
        store.locate(NAME, "nothing", metered=True)
    assert note.exists()


def test_removing_a_runtime_leaves_what_is_called_alike(copy: Path) -> None:
    kept = copy / "images" / f"{NAME}-base-base-{'0' * 16}"
    kept.mkdir()
    store.remove_built(find_runtime(NAME))
    assert kept.is_dir()
    assert not list((copy / "images").glob(f"{NAME}-base-{'[0-9a-f]' * 16}"))
