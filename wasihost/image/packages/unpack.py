"""Wheels, unpacked for the guest: within bounds, below one folder, and nothing but what can be imported or read."""

from __future__ import annotations

import email.parser
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from wasihost.errors import DiskFullError, PackageError, WasiHostError

if TYPE_CHECKING:
    from wasihost.image.packages.package import ImagePackage

MAX_PACKAGE_BYTES: Final = 512 * 2**20
"""All packages of an image together, unpacked; and each file on the way."""
MAX_PACKAGE_FILES: Final = 50_000
_NATIVE: Final = (".so", ".pyd", ".dll", ".dylib")
_LIBRARIES: Final = ("purelib", "platlib")
"""Of what a wheel may keep beside its root (`*.data`), what belongs there too; scripts, headers and data do not."""


def unpack(found: Sequence[ImagePackage], wheels: Path, target: Path, *, work: Path) -> None:
    """Unpack wheels into one folder, the later ones over the earlier.

    Args:
        found: What the wheels have to be.
        wheels: A folder with the wheels and nothing else, their digests checked.
        target: The folder, which is made.
        work: A folder on the same disk, for what is needed on the way.

    Raises:
        PackageError: A wheel is damaged, larger than may be, or holds what no guest can use.
        DiskFullError: There is no room.
    """
    from wasihost.runtime.archive import digest_file, extract_all  # only after a download

    target.mkdir(mode=0o700)
    by_digest = {package.sha256: package for package in found}
    files, room = MAX_PACKAGE_FILES, MAX_PACKAGE_BYTES
    for number, wheel in enumerate(sorted(wheels.iterdir())):
        package = by_digest.pop(digest_file(wheel).sha256, None)
        if package is None:
            raise PackageError(f"pip fetched {wheel.name}, which nobody asked for")
        folder = work / f"unpacked-{number}"
        folder.mkdir(mode=0o700)
        try:
            taken = extract_all(wheel, folder, max_bytes=room, max_files=files)
        except DiskFullError:
            raise
        except WasiHostError as error:
            raise PackageError(f"{package.name} cannot be unpacked: {error}") from None
        files, room = files - taken.files, room - taken.size_bytes
        _keep_what_is_of_use(folder, package)
        _check_metadata(folder, package)
        shutil.copytree(folder, target, dirs_exist_ok=True, copy_function=os.replace)
        shutil.rmtree(folder)
    if by_digest:
        missing = next(iter(by_digest.values()))
        raise PackageError(f"pip fetched no wheel of {missing.name} {missing.version}")


def _keep_what_is_of_use(folder: Path, package: ImagePackage) -> None:
    for data in [path for path in folder.iterdir() if path.name.endswith(".data") and path.is_dir()]:
        for part in _LIBRARIES:
            if (data / part).is_dir():
                shutil.copytree(data / part, folder, dirs_exist_ok=True, copy_function=os.replace)
        shutil.rmtree(data)
    for parent, _, names in os.walk(folder):
        native = next((name for name in names if name.endswith(_NATIVE)), None)
        if native is not None:
            place = (Path(parent) / native).relative_to(folder)
            raise PackageError(f"{package.name} holds native code in spite of the name of its wheel: {place}")


def _check_metadata(folder: Path, package: ImagePackage) -> None:
    """Make sure that the wheel is of the package that was chosen: what an image says of itself comes from there."""
    from packaging.utils import canonicalize_name

    for path in folder.glob("*.dist-info/METADATA"):
        message = email.parser.BytesHeaderParser().parsebytes(path.read_bytes())
        if canonicalize_name(str(message["Name"])) == package.name and message["Version"] == package.version:
            return
    raise PackageError(f"the wheel of {package.name} {package.version} does not say of itself that it is that")
