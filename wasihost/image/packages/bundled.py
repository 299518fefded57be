"""What a build has on its import path already, by the metadata that it brings along."""

from __future__ import annotations

import email.parser
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from wasihost.runtime import Installed

_METADATA: Final = re.compile(r"(?:.*/)?[^/]+\.dist-info/METADATA")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundled:
    """A distribution that comes with a build.

    Attributes:
        name: Its normalized name.
        version: Its version.
        metadata: Its METADATA file.
        usable: Whether the slice has its native code, if it needs some.
    """

    name: str
    version: str
    metadata: bytes
    usable: bool


def read_bundled(installed: Installed) -> dict[str, Bundled]:
    """Return what comes with a build, by normalized name; nothing for a build that does not say."""
    from packaging.utils import canonicalize_name  # only images with packages need it

    left_out = {canonicalize_name(name) for name in installed.runtime.slice.missing_packages}
    found: dict[str, Bundled] = {}
    for metadata in _metadata(installed.stdlib) if installed.stdlib is not None else ():
        message = email.parser.BytesHeaderParser().parsebytes(metadata)
        name, version = message["Name"], message["Version"]
        if name and version:
            key = canonicalize_name(name)
            found[key] = Bundled(name=key, version=version, metadata=metadata, usable=key not in left_out)
    return found


def _metadata(folder: Path) -> Iterator[bytes]:
    for path in sorted(folder.rglob("*.dist-info/METADATA")):
        yield path.read_bytes()
    for path in sorted(folder.glob("*.zip")):
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                if _METADATA.fullmatch(name):
                    yield archive.read(name)
