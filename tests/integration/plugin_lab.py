"""Writes plugins for tests."""

from __future__ import annotations

import textwrap
from pathlib import Path

ABOUT = """\
[plugin]
name = "{name}"
version = "{version}"
api = "1"
entry = "entry"
description = "A plugin of the tests."
state = "{state}"
"""


def write(
    folder: Path, code: str, manifest: str = "", *, name: str = "tried", version: str = "1.0", state: str = "fresh"
) -> Path:
    """Write a plugin with this code as its entry module and this text at the end of its manifest."""
    folder.mkdir(parents=True, exist_ok=True)
    about = ABOUT.format(name=name, version=version, state=state)
    (folder / "plugin.toml").write_text(about + textwrap.dedent(manifest), encoding="utf-8")
    (folder / "entry.py").write_text(textwrap.dedent(code), encoding="utf-8")
    return folder


def exports(*names: str) -> str:
    """Exports without a word about what they take."""
    return "".join(f'[exports.{name}]\ndescription = "For the tests."\n' for name in names)


NOTHING = exports("go")
"""A function that takes nothing."""


def asks(folder: Path, code: str, *capabilities: str, more: str = "") -> Path:
    """Write a plugin with a function `go` that asks for something."""
    wanted = "".join(f'[[capabilities]]\nreason = "wants it"\n{capability}\n' for capability in capabilities)
    return write(folder, code, NOTHING + wanted + more)
