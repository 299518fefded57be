"""What a plugin's manifest declares, as values that were checked."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

from wasihost.capabilities.preopen import shown
from wasihost.functions.schema import Schema


class _Missing(enum.Enum):
    MISSING = "missing"

    def __repr__(self) -> str:
        return self.name


MISSING: Final = _Missing.MISSING
"""Stands for a default that there is not; None would be one."""

State: TypeAlias = Literal["fresh", "kept"]
Kind: TypeAlias = Literal["directory", "function", "environment", "scratch"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A parameter of an exported function.

    Attributes:
        name: Its name, by which it can be passed.
        schema: What is accepted.
        said: The schema as the manifest has it, a subset of JSON Schema; a default that is a date is a text in it.
        required: Whether it has to be passed.
        default: What is passed when the caller leaves it out; `MISSING` when the function itself then decides.
    """

    name: str
    schema: Schema = field(compare=False)
    said: dict[str, Any] = field(hash=False)
    required: bool = True
    default: Any = field(default=MISSING, hash=False)

    def __str__(self) -> str:
        if self.default is not MISSING:
            return f"{self.name}={shown(self.default)}"
        return self.name if self.required else f"{self.name}=..."


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """A function that the host may call.

    Attributes:
        name: Its name in the entry module.
        description: What it does, for a person; may have several lines.
        parameters: In the order in which they can be passed without their names.
        returns: What it gives back; None when nothing is said of it.
        returns_said: The schema as the manifest has it; None likewise.
    """

    name: str
    description: str
    parameters: tuple[Parameter, ...] = ()
    returns: Schema | None = field(default=None, compare=False)
    returns_said: dict[str, Any] | None = field(default=None, hash=False)

    @property
    def signature(self) -> str:
        """The function as one would call it: `count(text, top=10)`."""
        return f"{self.name}({', '.join(map(str, self.parameters))})"

    @property
    def schema(self) -> dict[str, Any]:
        """All arguments together, by name, as one JSON schema."""
        return {
            "type": "object",
            "properties": {parameter.name: parameter.said for parameter in self.parameters},
            "required": [parameter.name for parameter in self.parameters if parameter.required],
            "additionalProperties": False,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Capability:
    """Something that a plugin asks for; it has none of it before the host gives it.

    Attributes:
        kind: "directory", "function", "environment" or "scratch".
        name: Of the function or variable; of a directory or scratch folder, the guest path.
        reason: Why, in the words of the plugin's author.
        required: Whether the plugin is of no use without.
        writable: Of a directory: whether the plugin wants to change it.
        disk_bytes: Of a scratch folder: what it should hold at least; None when that does not matter.
        disk_files: Likewise, files and folders.
    """

    kind: Kind
    name: str
    reason: str
    required: bool = True
    writable: bool = False
    disk_bytes: int | None = None
    disk_files: int | None = None

    def __str__(self) -> str:
        if self.kind == "directory":
            return f"directory {self.name}, to {'read and change' if self.writable else 'read'}"
        if self.kind == "function":
            return f"host function {self.name}"
        if self.kind == "environment":
            return f"environment variable {self.name}"
        sizes = [(self.disk_bytes, "bytes"), (self.disk_files, "files")]
        room = " and ".join(f"{size} {unit}" for size, unit in sizes if size is not None)
        return f"scratch folder {self.name}" + (f" for {room}" if room else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependency:
    """A package that the plugin imports: a pure wheel, locked.

    Attributes:
        name: Its normalized name.
        version: Its exact version.
        sha256: Of the wheel.
        wheel: Path of the wheel within the plugin; "" when it comes from the configured Python index.
    """

    name: str
    version: str
    sha256: str
    wheel: str = ""

    @property
    def requirement(self) -> str:
        """What an image is asked for: `name==version --hash=sha256:...`."""
        return f"{self.name}=={self.version} --hash=sha256:{self.sha256}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """A function that is called when something happens in the host.

    Attributes:
        event: What happens, as the host calls it: `document.saved`.
        function: Its name in the entry module.
        priority: Whose turn it is: lower numbers come first.
    """

    event: str
    function: str
    priority: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginManifest:
    """What a plugin says of itself.

    Attributes:
        name: Its name, of a-z, 0-9, dash and underscore.
        version: Its version, in the normal form.
        api: Versions of the plugin interface that it was written for, as the manifest has it: "1", ">=1,<2".
        entry: Name of the module that has its functions.
        description: One sentence for a person.
        runtime: Name of the runtime that it needs; None when any will do.
        state: "fresh": each call gets an interpreter of its own; "kept": one remembers what came before.
        homepage: An address, "" when there is none.
        author: "" when nothing is said.
        license: "" when nothing is said.
        exports: The functions that the host may call, in the order of the manifest.
        capabilities: What it asks for.
        limits: Fields of `wasihost.Limits` that it asks for.
        dependencies: The packages that it imports.
        hooks: In the order of their priorities.
    """

    name: str
    version: str
    api: str
    entry: str
    description: str
    runtime: str | None = None
    state: State = "fresh"
    homepage: str = ""
    author: str = ""
    license: str = ""
    exports: tuple[Export, ...] = ()
    capabilities: tuple[Capability, ...] = ()
    limits: dict[str, Any] = field(default_factory=dict, hash=False)
    dependencies: tuple[Dependency, ...] = ()
    hooks: tuple[Hook, ...] = ()

    def export(self, name: str) -> Export | None:
        """Return the exported function of that name, None when there is none."""
        return next((export for export in self.exports if export.name == name), None)
