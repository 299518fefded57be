"""The runtime that is used when none is named; alone in its file because every process asks for it."""

from __future__ import annotations

from typing import Final

DEFAULT_RUNTIME: Final = "cpython-3.15"
