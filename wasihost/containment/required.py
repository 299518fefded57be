"""Walls that somebody insists on."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from wasihost.errors import WallsMissingError


def check_required(required: Collection[str], standing: Iterable[str], missing: Iterable[tuple[str, str]]) -> None:
    """Refuse to go on unless every required wall stands.

    Args:
        required: Their names.
        standing: Those that stand.
        missing: Those that do not: (wall, why).

    Raises:
        WallsMissingError: One does not; the message says which and, where it is known, why.
    """
    lacking = sorted({*required} - {*standing})
    if lacking:
        reasons = dict(missing)
        said = [f"{wall} ({reasons[wall]})" if wall in reasons else wall for wall in lacking]
        raise WallsMissingError(f"required walls do not stand here: {'; '.join(said)}")
