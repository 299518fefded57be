"""The text of a statement, of which there is one line after another."""

from __future__ import annotations

from collections.abc import Sequence


def whole(lines: Sequence[str]) -> str:
    """Return the text that is run."""
    return "\n".join(lines) + "\n"


def so_far(lines: Sequence[str]) -> str:
    """Return the text about which is asked whether it is whole.

    An empty last line is seen as one, which ends a block. Behind a backslash there must be nothing: an end of line
    there would be that of the statement.
    """
    return "\n".join(lines) if lines[-1].endswith("\\") else whole(lines)
