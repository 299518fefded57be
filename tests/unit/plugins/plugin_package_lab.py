"""Plugins on the disk: folders, zips and wheels, honest and not."""

from __future__ import annotations

import io
import stat
import zipfile
from pathlib import Path

from manifest_lab import SMALL

CODE = 'def count(text, top=10):\n    return {"words": len(text.split())}\n'
FILES = {
    "plugin.toml": SMALL.encode(),
    "word_count.py": CODE.encode(),
    "tests/test_word_count.py": b"import word_count\n",
    "data/stop words.txt": "the\nüber\n".encode(),
}


def make_folder(folder: Path, files: dict[str, bytes] | None = None) -> Path:
    for name, data in (FILES if files is None else files).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def make_zip(
    path: Path,
    files: dict[str, bytes] | list[tuple[str | zipfile.ZipInfo, bytes]],
    compression: int = zipfile.ZIP_DEFLATED,
) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in files.items() if isinstance(files, dict) else files:
            archive.writestr(name, data)
    return path


def special(name: str, kind: int) -> zipfile.ZipInfo:
    """Return the header of something in a zip that is not a file."""
    info = zipfile.ZipInfo(name)
    info.create_system, info.external_attr = 3, (kind | 0o777) << 16
    return info


def link(name: str) -> zipfile.ZipInfo:
    return special(name, stat.S_IFLNK)


def zip_bytes(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def within(folder: str, files: dict[str, bytes] | None = None) -> dict[str, bytes]:
    return {f"{folder}/{name}": data for name, data in (FILES if files is None else files).items()}


def wheel_files(manifest: str, entry: str = "acme_words") -> dict[str, bytes]:
    """Return the files of a wheel, with the manifest at the path that is given."""
    info = "acme_words-1.0.dist-info"
    record = "\n".join(f"{name},," for name in (manifest, "acme_words/__init__.py", "acme_words/words.txt"))
    return {
        "acme_words/__init__.py": CODE.encode(),
        "acme_words/words.txt": b"words",
        f"{info}/METADATA": b"Metadata-Version: 2.1\nName: acme-words\nVersion: 1.0\n",
        f"{info}/entry_points.txt": b"[wasihost.plugins]\nword-count = acme_words\n",
        f"{info}/RECORD": f"{record}\n../../../bin/acme,,\n{info}/METADATA,,\n{info}/RECORD,,\n".encode(),
        "acme_words-1.0.data/scripts/acme": b"#!/bin/sh\n",
        manifest: SMALL.replace('"word_count"', f'"{entry}"').encode(),
    }
