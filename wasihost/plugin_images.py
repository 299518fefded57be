"""Images for plugins that bring packages: the base image and those packages, shared by all that bring the same."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from wasihost import errors
from wasihost.images import Image

if TYPE_CHECKING:
    from wasihost.plugins.package import PluginPackage
    from wasihost.progress import Progress


def image_with(package: PluginPackage, *, runtime: str, progress: Progress | None) -> str:
    """Return the name of an image that has the packages of a plugin; it is built when there is none yet.

    The packages are locked by their digests, so their list names the image.

    Raises:
        ImageBuildError: The packages cannot be had together, or not for this runtime.
        RuntimeUnavailableError: The runtime cannot be had here and now.
    """
    dependencies = sorted(package.manifest.dependencies, key=lambda dependency: dependency.name)
    lines = "\n".join(dependency.requirement for dependency in dependencies)
    name = f"plugin-{hashlib.sha256(lines.encode()).hexdigest()[:24]}"
    try:
        return Image.find(name, runtime=runtime).name
    except (errors.UnknownImageError, errors.UnusableImageError):
        pass
    with tempfile.TemporaryDirectory(prefix="wasihost-wheels-") as folder:
        wanted: list[str | Path] = []
        for dependency in dependencies:
            if dependency.wheel:
                wheel = Path(folder) / dependency.wheel.rpartition("/")[2]
                wheel.write_bytes(package.files[dependency.wheel])
                wanted.append(wheel)
            else:
                wanted.append(dependency.requirement)
        return Image.build(name=name, runtime=runtime, packages=wanted, progress=progress).name
