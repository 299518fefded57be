"""The note that spares a process the manifests: believed only while everything it was made from is as it was."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from wasihost.errors import UntrustedCacheError
from wasihost.image import note as notes
from wasihost.image.note import Note, forget, read_note, write_note
from wasihost.runtime.cache import Cache, open_cache


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cache:
    monkeypatch.setenv("WASIHOST_CACHE_DIR", str(tmp_path / "cache"))
    return open_cache()


def noted(cache: Cache, stdlib: Path) -> Note:
    stdlib.mkdir(exist_ok=True)
    (stdlib / "python.zip").write_bytes(b"zip")
    return Note(
        compiled=cache.root / "compiled" / "a", image=cache.root / "images" / "b", libraries=((str(stdlib), "/l"),)
    )


def test_a_note_comes_back_while_nothing_changes(cache: Cache, tmp_path: Path) -> None:
    note = noted(cache, tmp_path / "lib")
    assert read_note(cache, "cpython-3.15", "base", "fuel-1") is None
    write_note(cache, "cpython-3.15", "base", "fuel-1", note)
    assert read_note(cache, "cpython-3.15", "base", "fuel-1") == note
    assert read_note(cache, "cpython-3.15", "base", "epochs-1") is None
    assert read_note(cache, "cpython-3.12", "base", "fuel-1") is None
    assert read_note(cache, "cpython-3.15", "other", "fuel-1") is None
    forget(cache, "cpython-3.15")
    assert read_note(cache, "cpython-3.15", "base", "fuel-1") is None


def test_a_changed_file_of_the_standard_library_voids_it(cache: Cache, tmp_path: Path) -> None:
    note = noted(cache, tmp_path / "lib")
    write_note(cache, "cpython-3.15", "base", "fuel-1", note)
    os.utime(tmp_path / "lib" / "python.zip", ns=(1, 1))
    assert read_note(cache, "cpython-3.15", "base", "fuel-1") is None


def test_a_changed_folder_of_another_library_voids_it(cache: Cache, tmp_path: Path) -> None:

    note, more = noted(cache, tmp_path / "lib"), tmp_path / "more"
    more.mkdir()
    note = note._replace(libraries=(*note.libraries, (str(more), "/m")))
    write_note(cache, "cpython-3.15", "base", "fuel-1", note)
    assert read_note(cache, "cpython-3.15", "base", "fuel-1") == note
    os.utime(more, ns=(1, 1))
    assert read_note(cache, "cpython-3.15", "base", "fuel-1") is None


def test_an_added_manifest_of_that_name_voids_it(cache: Cache, tmp_path: Path) -> None:
    write_note(cache, "mine", "base", "fuel-1", noted(cache, tmp_path / "lib"))
    assert read_note(cache, "mine", "base", "fuel-1") is not None
    (cache.folder("custom") / "mine.toml").write_text("x = 1")
    assert read_note(cache, "mine", "base", "fuel-1") is None


def test_another_installation_does_not_believe_it(
    cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_note(cache, "cpython-3.15", "base", "fuel-1", noted(cache, tmp_path / "lib"))
    assert read_note(cache, "cpython-3.15", "base", "fuel-1") is not None
    monkeypatch.setattr(notes, "_HERE", tmp_path / "elsewhere" / "wasihost" / "image")
    assert read_note(cache, "cpython-3.15", "base", "fuel-1") is None


def test_not_even_under_the_same_checksum(cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wasihost.image.note.binascii.crc32", lambda _text: 7)
    write_note(cache, "cpython-3.15", "base", "fuel-1", noted(cache, tmp_path / "lib"))
    assert read_note(cache, "cpython-3.15", "base", "fuel-1") is not None
    monkeypatch.setattr(notes, "_HERE", tmp_path / "elsewhere" / "wasihost" / "image")
    assert read_note(cache, "cpython-3.15", "base", "fuel-1") is None


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b"\xff", b'{"version": 1}'])
def test_a_damaged_note_is_no_note(cache: Cache, tmp_path: Path, content: bytes) -> None:
    write_note(cache, "cpython-3.15", "base", "fuel-1", noted(cache, tmp_path / "lib"))
    (path,) = cache.folder("images").glob("*.ready.json")
    path.chmod(0o600)
    path.write_bytes(content)
    assert read_note(cache, "cpython-3.15", "base", "fuel-1") is None


def test_a_note_that_others_could_write_is_refused(cache: Cache, tmp_path: Path) -> None:
    write_note(cache, "cpython-3.15", "base", "fuel-1", noted(cache, tmp_path / "lib"))
    (path,) = cache.folder("images").glob("*.ready.json")
    path.chmod(0o666)
    with pytest.raises(UntrustedCacheError, match="others can write to"):
        read_note(cache, "cpython-3.15", "base", "fuel-1")
