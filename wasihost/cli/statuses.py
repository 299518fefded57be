"""Exit statuses of `wasirun` that are not the program's own."""

from __future__ import annotations

from typing import Final

CHECK_FAILED: Final = 1
"""`doctor`, `runtime verify` or `plugin check` found something wrong."""
PLUGIN_FAILED: Final = 1
"""A plugin raised, or did not do what its manifest says."""
USAGE: Final = 2
HOST_FAILED: Final = 70
DEADLINE: Final = 124
OUT_OF_FUEL: Final = 125
OTHER_LIMIT: Final = 126
INTERRUPTED: Final = 130
GUEST_CRASHED: Final = 134
PIPE_CLOSED: Final = 141
TERMINATED: Final = 143
