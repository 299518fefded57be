"""Finds plugins: in a folder of the host, and among what is installed. A broken one is told beside the others."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from wasihost.errors import InvalidPluginError, WasiHostError
from wasihost.plugins.contents import is_left_out
from wasihost.plugins.fields import printable
from wasihost.plugins.manifest import MANIFEST_NAME
from wasihost.plugins.package import (
    ARCHIVES,
    ENTRY_POINTS,
    PluginPackage,
    open_installed,
    open_package,
)

MAX_FOUND: Final = 1000
MAX_FOUND_BYTES: Final = 2**30
"""All plugins of a folder together, as they are held in memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Something that is a plugin, or should be.

    Attributes:
        name: Name of the folder, archive or entry point.
        package: The plugin; None when it cannot be used.
        error: Why not; None when it can.
    """

    name: str
    package: PluginPackage | None = None
    error: WasiHostError | None = None


def discover(folder: str | os.PathLike[str]) -> list[Found]:
    """Return the plugins that lie in a folder: folders with a plugin.toml, zips and wheels, sorted by their names.

    Whatever else lies there is passed over: hidden files, other files, and folders without a plugin.toml. Two plugins
    of one name are both refused, because which of them is meant nobody knows.

    Raises:
        InvalidPluginError: There is no such folder, it cannot be read, or it holds more than a thousand.
    """
    place = Path(folder)
    try:
        paths = sorted(path for path in place.iterdir() if not is_left_out(path.name))
    except OSError as error:
        raise InvalidPluginError(f"cannot be read: {error.strerror}", file=printable(str(place))) from None
    except ValueError:  # at a NUL
        raise InvalidPluginError("is no path", file=printable(str(place))) from None
    likely = [path for path in paths if _is_likely(path)]
    if len(likely) > MAX_FOUND:
        raise InvalidPluginError(f"holds more than {MAX_FOUND} plugins", file=printable(str(place)))
    found, room = [], MAX_FOUND_BYTES
    for path in likely:
        try:
            package = open_package(path)
            if package.size_bytes > room:
                raise InvalidPluginError(
                    f"does not fit: the plugins before it hold {MAX_FOUND_BYTES - room} of {MAX_FOUND_BYTES} bytes",
                    file=package.origin,
                )
            room -= package.size_bytes
            found.append(Found(name=path.name, package=package))
        except WasiHostError as error:
            found.append(Found(name=path.name, error=error))
    return _without_doubles(found)


def discover_installed() -> list[Found]:
    """Return the plugins that installed distributions offer as entry points, sorted by their names; imports nothing."""
    from importlib.metadata import entry_points  # 10 ms, only for what is installed

    found = []
    for point in sorted(entry_points(group=ENTRY_POINTS), key=lambda point: (point.name, point.value)):
        try:
            found.append(Found(name=point.name, package=open_installed(point)))
        except WasiHostError as error:
            found.append(Found(name=point.name, error=error))
    return _without_doubles(found)


def _is_likely(path: Path) -> bool:
    try:
        is_folder = path.is_dir()
    except OSError:  # a link into a folder that may not be entered
        return False
    return os.path.lexists(path / MANIFEST_NAME) if is_folder else path.suffix.lower() in ARCHIVES


def _without_doubles(found: list[Found]) -> list[Found]:
    """Return the same, with an error in the place of plugins whose name another one has too."""
    places: dict[str, list[str]] = {}
    for one in found:
        if one.package is not None:
            places.setdefault(one.package.manifest.name, []).append(one.name)
    checked = []
    for one in found:
        name = one.package.manifest.name if one.package is not None else ""
        others = [place for place in places.get(name, []) if place != one.name]
        if others or places.get(name, []).count(one.name) > 1:
            listed = ", ".join(printable(other) for other in others or [one.name])
            why = f"the name {name} is also that of {listed}; remove one"
            checked.append(Found(name=one.name, error=InvalidPluginError(why, file=printable(one.name))))
        else:
            checked.append(one)
    return checked
