"""What bounds a session besides the limits of its turns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from wasihost.errors import ConfigError, InvalidLimitsError

IDLE_SECONDS: Final = 3600.0
LIFETIME_SECONDS: Final = 24 * 3600.0
MAX_SECONDS: Final = 366 * 24 * 3600.0
FIGURES: Final = ("png", "svg")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """When a session ends by itself, and what it shows.

    Attributes:
        idle_seconds: After so long without a turn or a look at its files.
        lifetime_seconds: So long after it was made.
        figures: Formats in which figures are drawn: "png", "svg".

    Raises:
        InvalidLimitsError: A number out of its range.
        ConfigError: A format that there is not.
    """

    idle_seconds: float = IDLE_SECONDS
    lifetime_seconds: float = LIFETIME_SECONDS
    figures: Sequence[str] = FIGURES

    def __post_init__(self) -> None:
        for name in ("idle_seconds", "lifetime_seconds"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= MAX_SECONDS:
                raise InvalidLimitsError(f"{name} must be more than 0 and at most {MAX_SECONDS:.0f}, not {value!r}")
        wanted = (self.figures,) if isinstance(self.figures, str) else self.figures
        if not isinstance(wanted, Sequence) or not all(name in FIGURES for name in wanted):
            raise ConfigError(f"figures are drawn as {' or '.join(FIGURES)}, not {self.figures!r}")
        object.__setattr__(self, "figures", tuple(wanted))
