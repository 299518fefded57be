"""Finds what comes along and is no code of the host: the data folders `runtimes/` and `capabilities/`, guest code."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).parent


def data_folder(name: str) -> Path:
    """Return the data folder of that name.

    A wheel carries it inside the package as `_data/<name>`; an editable install reads the source tree beside it.

    Args:
        name: "runtimes" or "capabilities".

    Raises:
        FileNotFoundError: This installation is broken: it has the folder in neither place.
    """
    for folder in (_PACKAGE / "_data" / name, _PACKAGE.parent / name):
        if folder.is_dir():
            return folder
    raise FileNotFoundError(f"this installation of wasihost lacks its data folder {name!r}; reinstall it")


def guest_source(name: str) -> str:
    """Return the text of a file of guest code."""
    return (_PACKAGE / "guest" / name).read_text(encoding="utf-8")
