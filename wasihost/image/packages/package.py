"""A distribution in an image, as users see it and as it is kept."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagePackage:
    """A distribution that programs on an image can import.

    Attributes:
        name: Its normalized name.
        version: Its version.
        source: "index", "file" (a wheel that was given), or "runtime" (it comes with the build).
        requested: Whether it was asked for, and is not there for another's sake.
        file: Name of the wheel; empty for what comes with the build.
        sha256: Of the wheel; empty likewise.
    """

    name: str
    version: str
    source: str
    requested: bool
    file: str = ""
    sha256: str = ""
