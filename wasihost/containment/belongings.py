"""What a worker needs of the host's files before its walls stand: for launchers that show it nothing else."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Final

from wasihost.containment.spawner import PACKAGES, package_folders

_LIBRARIES: Final = ("/lib", "/lib32", "/lib64", "/usr/lib", "/usr/lib32", "/usr/lib64", "/etc/ld.so.cache")
"""Where the system's shared libraries lie, and the list by which the loader finds those elsewhere."""
_STORES: Final = ("/nix/store", "/gnu/store")
"""Where some systems keep every program and library; a Python from there needs its neighbours."""


def with_real_python(worker: Sequence[str]) -> list[str]:
    """Return the command line of a worker with the Python itself in place of links to it.

    Links of a virtual environment are not there inside; the worker is told all folders of its packages anyway.
    """
    return [os.path.realpath(worker[0]), *worker[1:]]


def own_files() -> list[str]:
    """Return the paths of this Python, its standard library, the shared libraries, and the packages of a worker.

    Raises:
        EngineError: A package is missing.
    """
    python = os.path.realpath(sys.executable)
    wanted = [
        python,
        os.path.dirname(os.__file__),  # noqa: PTH120 - text in, text out
        *[f"{prefix}/lib" for prefix in (sys.base_prefix, sys.base_exec_prefix)],
        *[f"{folder}/{name}" for folder in package_folders() for name in PACKAGES],
        *_LIBRARIES,
        *[store for store in _STORES if python.startswith(f"{store}/")],
    ]
    return sorted({path for path in wanted if os.path.exists(path)})  # noqa: PTH110 - text in, text out
