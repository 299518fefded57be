"""What somebody wants in an image: names with versions, or wheels; checked before pip sees any of it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from wasihost.errors import InvalidImageError, PackageError

MAX_PACKAGES: Final = 500
_HASH: Final = re.compile(r"\s+--hash=sha256:([0-9a-f]{64})(?!\S)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One package that was asked for.

    Attributes:
        name: Its normalized name.
        line: What pip is told.
        said: What the user said.
        wheel: The file, for a wheel of one's own.
        pinned: Whether a digest was given.
    """

    name: str
    line: str
    said: str
    wheel: Path | None = None
    pinned: bool = False


def read_wanted(packages: Iterable[str | os.PathLike[str]]) -> tuple[Wanted, ...]:
    """Check what is wanted.

    Args:
        packages: Requirements (`jinja2==3.1.6`, `rich>=13; python_version > "3.11"`), each with digests if they are
            known (`jinja2==3.1.6 --hash=sha256:...`), and paths of wheels.

    Raises:
        InvalidImageError: One of them is neither.
        PackageError: A wheel needs native code.
    """
    if isinstance(packages, str | bytes | os.PathLike):
        raise InvalidImageError("packages is a list of requirements and wheels, not one text")
    found = tuple(_read(package) for package in packages)
    if len(found) > MAX_PACKAGES:
        raise InvalidImageError(f"{len(found)} packages were asked for; {MAX_PACKAGES} is the most")
    if any(wanted.pinned for wanted in found) and not all(wanted.pinned or wanted.wheel for wanted in found):
        missing = next(wanted.said for wanted in found if not (wanted.pinned or wanted.wheel))
        raise InvalidImageError(f"{missing}: has no --hash, and others have one: give all of them, or none")
    return found


def _read(package: object) -> Wanted:
    if isinstance(package, os.PathLike) or (
        isinstance(package, str) and package.endswith(".whl") and "://" not in package
    ):
        return _read_wheel(Path(os.fspath(package)))
    if not isinstance(package, str):
        raise InvalidImageError(f"a package is a requirement or the path of a wheel, not {package!r}")
    return _read_requirement(package)


def _read_requirement(said: str) -> Wanted:
    from packaging.requirements import InvalidRequirement, Requirement  # only images with packages need it
    from packaging.utils import canonicalize_name

    text = said.strip()
    digests = _HASH.findall(text)
    bare = _HASH.sub("", text).strip()
    try:
        requirement = Requirement(bare)
    except InvalidRequirement as error:
        raise InvalidImageError(
            f"{said!r} is no requirement such as jinja2==3.1.6 ({str(error).splitlines()[0]})"
        ) from None
    if requirement.url is not None:
        raise InvalidImageError(f"{said!r} names an address: download the wheel, and give its path")
    # pip joins lines at a backslash, and puts variables of the environment in the place of ${NAME}.
    if any(character in bare for character in "\r\n\\$"):
        raise InvalidImageError(f"{said!r} is no requirement of one line and plain text")
    versions = [*requirement.specifier]
    if digests and not (len(versions) == 1 and versions[0].operator == "==" and "*" not in versions[0].version):
        raise InvalidImageError(f"{said!r} has a digest, which belongs to one version: say which, as in jinja2==3.1.6")
    line = " ".join([str(requirement), *[f"--hash=sha256:{digest}" for digest in digests]])
    return Wanted(name=canonicalize_name(requirement.name), line=line, said=bare, pinned=bool(digests))


def _read_wheel(path: Path) -> Wanted:
    from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

    if not path.is_file():
        raise InvalidImageError(f"there is no wheel {path}")
    try:
        name, version, _, tags = parse_wheel_filename(path.name)
    except InvalidWheelFilename:
        raise InvalidImageError(f"{path.name} is not called as a wheel is: name-version-tags.whl") from None
    if not any(tag.abi == "none" and tag.platform == "any" for tag in tags):
        raise PackageError(
            f"{path.name} needs native code ({path.stem.rpartition('-')[2]}), which cannot run inside: only pure "
            "Python wheels (…-none-any.whl) can be added"
        )
    from wasihost.runtime.archive import digest_file

    digest = digest_file(path).sha256
    line = f"{path.resolve().as_uri()} --hash=sha256:{digest}"
    return Wanted(name=canonicalize_name(name), line=line, said=f"{name}=={version}", wheel=path)
