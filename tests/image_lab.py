"""For the tests of images: wheels that are made on the spot, and a cache of a test's own whose runtimes are ready."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path

from wasihost.image.store import compiled_folder, image_folder, make_ready
from wasihost.runtime import cache_root, find_runtime, install_folder, open_cache

DEMO = {
    "demo/__init__.py": b"from demo.inner import ANSWER\nDATA = 'demo/data.txt'\n",
    "demo/inner.py": b"ANSWER = 42\n",
    "demo/data.txt": b"data of the package\n",
}
"""A package with a module, a submodule and a file of data."""


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def make_wheel(
    folder: Path,
    name: str = "demo",
    version: str = "1.0",
    *,
    files: Mapping[str, bytes] | None = None,
    requires: tuple[str, ...] = (),
    extras: tuple[str, ...] = (),
    python: str = "",
    tags: str = "py3-none-any",
    record: Mapping[str, str] | None = None,
) -> Path:
    """Make a wheel that pip takes for one.

    Args:
        folder: Where.
        name: Of the distribution.
        version: Its version.
        files: What is in it; None for one module of its name that knows its version.
        requires: Requirements of it.
        extras: Those that it provides.
        python: Its Requires-Python.
        tags: The end of its name.
        record: Digests that its RECORD says in the place of the right ones.
    """
    stem = f"{name.replace('-', '_')}-{version}"
    path, info = folder / f"{stem}-{tags}.whl", f"{stem}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    metadata += "".join(f"Requires-Dist: {one}\n" for one in requires)
    metadata += "".join(f"Provides-Extra: {one}\n" for one in extras)
    metadata += f"Requires-Python: {python}\n" if python else ""
    own = {f"{name.replace('-', '_')}.py": f"VERSION = {version!r}\n".encode()} if files is None else files
    members = {
        **own,
        f"{info}/METADATA": metadata.encode(),
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {tags}\n".encode(),
    }
    lines = []
    for member, data in members.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        lines.append(f"{member},sha256={(record or {}).get(member, digest)},{len(data)}\n")
    members[f"{info}/RECORD"] = "".join([*lines, f"{info}/RECORD,,\n"]).encode()
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, data in members.items():
            archive.writestr(member, data)
    return path


def make_cache(folder: Path, *names: str) -> Path:
    """Make a cache in which runtimes are ready, in a moment: its files are those of the shared cache."""
    for name in names:
        make_ready(name, metered=True)
    shared, cache = cache_root(), open_cache()
    own = folder / "cache"
    own.mkdir(mode=0o700)
    for name in names:
        runtime = find_runtime(name)
        for source in (
            install_folder(runtime),
            compiled_folder(cache, runtime, metered=True),
            image_folder(cache, runtime),
        ):
            target = own / source.relative_to(shared)
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not target.exists():
                shutil.copytree(source, target, copy_function=_link)
    return own


def _link(source: str, target: str) -> None:
    """Nothing in a cache is ever written in place, so one file can be in two."""
    try:
        os.link(source, target)
    except OSError:  # another disk
        shutil.copy2(source, target)


def change(path: Path, old: bytes, new: bytes) -> None:
    """Replace bytes of a file of the cache by as many others, its time of change being kept."""
    assert len(old) == len(new)
    data, status = path.read_bytes(), path.stat()
    assert old in data
    path.chmod(0o600)
    path.write_bytes(data.replace(old, new, 1))
    path.chmod(0o400)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
