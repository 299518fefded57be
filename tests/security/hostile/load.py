"""Finds the cases: one file each, in one folder for each class."""

from __future__ import annotations

import functools
import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from hostile.case import Case

HOME: Final = Path(__file__).parent

CLASSES: Final = {
    "paths": "Paths",
    "time": "Time",
    "memory": "Memory and stack",
    "floods": "Floods",
    "channel": "The channel between guest and host",
    "network": "Network",
    "state": "State",
    "install": "Installation and cache",
    "life": "Life of runs and processes",
}
"""Folder -> heading."""


@functools.cache
def all_cases() -> dict[str, Case]:
    """Every case by `class/name`, in the order of the classes and then of the names."""
    return {
        f"{kind}/{path.stem}": importlib.import_module(f"hostile.{kind}.{path.stem}").CASE
        for kind in CLASSES
        for path in sorted((HOME / kind).glob("*.py"))
    }
