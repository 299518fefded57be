"""The command line `wasirun`: options into a `Sandbox`, its result into output and an exit status.

A plain run is parsed by a small table-driven reader (`arguments`); help, mistakes and the other commands go to click.
"""

from __future__ import annotations

from wasihost.cli.entry import main

__all__ = ["main"]
