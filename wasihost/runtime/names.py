"""What runtimes and images may be called."""

from __future__ import annotations

from typing import Final

MAX_NAME_CHARACTERS: Final = 64
_ENDS: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789")
_INSIDE: Final = _ENDS | frozenset("._-")


def is_runtime_name(name: object) -> bool:
    """Whether this is the name of a runtime by its form: 1 to 64 of a-z, 0-9, and inside dot, dash and underscore."""
    return (
        isinstance(name, str)
        and 1 <= len(name) <= MAX_NAME_CHARACTERS
        and name[0] in _ENDS
        and name[-1] in _ENDS
        and _INSIDE.issuperset(name)
        and ".." not in name
    )


def is_image_name(name: object) -> bool:
    """Whether this is the name of an image by its form, which is that of a runtime's name."""
    return is_runtime_name(name)
