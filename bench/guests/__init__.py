"""Programs that are measured, each with what it prints: "small" are typical ones, "compute" are classics that compute.

They are not imported but read, and run with `python -c` and its likes on every interpreter that is measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A program and what it prints."""

    name: str
    code: str
    stdout: str


def programs(kind: str) -> list[Program]:
    """Return the programs of a kind, in the order of their names."""
    return [
        Program(
            name=path.stem.replace("_", " "),
            code=path.read_text(encoding="utf-8"),
            stdout=path.with_suffix(".txt").read_text(encoding="utf-8"),
        )
        for path in sorted((HERE / kind).glob("*.py"))
    ]
