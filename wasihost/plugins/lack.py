"""What a plugin asks for and is not given, and what would give it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from wasihost.limits import UNMETERED
from wasihost.plugins.declared import Capability

LackKind: TypeAlias = Literal["directory", "writing", "function", "environment", "scratch", "room", "limit", "packages"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lack:
    """Something that a plugin asks for and is not given; `str()` of it says it, and what of Python would give it.

    Attributes:
        kind: What is missing: of "writing", the directory is given for reading only; of "room", the scratch folder is
            given and too small; "packages" cannot be added to another image than "base".
        capability: What was asked for; None for limits and packages.
        field: Of a limit, the field of `Limits`; of "room", that of `Scratch`.
        asked: What the plugin wants: of a limit or of room. Of packages, their names.
        given: What it would get: of a limit or of room.
    """

    kind: LackKind
    capability: Capability | None = None
    field: str = ""
    asked: Any = None
    given: Any = None

    @property
    def is_needed(self) -> bool:
        """Whether the plugin cannot do without."""
        return self.capability is None or self.capability.required

    @property
    def what(self) -> str:
        """What is missing, with the reason that the plugin's author gave."""
        if self.capability is not None:
            return f"{self.capability} ({self.capability.reason})"
        if self.kind == "packages":
            return f"packages of its own ({self.asked})"
        return f"the limit {self.field}={_spelled(self.asked)}, of which {_spelled(self.given)} is given"

    def __str__(self) -> str:
        name = "" if self.capability is None else self.capability.name
        match self.kind:
            case "limit":
                return self.what
            case "packages":
                return f'{self.what}, for which image="base" is needed'
            case "directory":
                how = ", writable=True" if self.capability is not None and self.capability.writable else ""
                remedy = f'preopens=[Preopen(FOLDER, "{name}"{how})] grants it'
            case "writing":
                remedy = "it is given for reading only; writable=True grants it"
            case "function":
                remedy = f"functions=[...] with one called {name} grants it"
            case "environment":
                remedy = f"env={{{name!r}: ...}} grants it"
            case "scratch":
                remedy = "scratch=Scratch() grants it"
            case "room":
                most = f"its {self.field} are {self.given} at most"
                remedy = f"{most}; scratch=Scratch({self.field}={self.asked}) grants it"
        return f"{self.what}: {remedy}"


def _spelled(value: object) -> str:
    return "UNMETERED" if value is UNMETERED else repr(value)
