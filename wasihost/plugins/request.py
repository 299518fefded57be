"""What a plugin asks for, what a host gives, and what the plugin then gets.

The one place that decides the last: nothing that was not asked for, and nothing that was not given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from wasihost.capabilities.grants import check_env
from wasihost.capabilities.preopen import Preopen, Scratch, shown
from wasihost.errors import InvalidGrantError, InvalidPreopenError, PluginGrantError
from wasihost.limits import UNMETERED, Limits
from wasihost.plugins.declared import Capability, Dependency, Export, Hook, State
from wasihost.plugins.lack import Lack
from wasihost.plugins.package import PluginPackage

if TYPE_CHECKING:
    from wasihost.functions.function import HostFunction

PLAIN_IMAGE: Final = "base"
_OVERFLOWS: Final = ("end", "truncate")
"""The second lets a plugin go on where the first would end it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginRequest:
    """Everything that a plugin says of itself and wants; `str()` of it is a listing for a person.

    All of it is what the plugin's author wrote. Its texts are of one line and printable, so that none of them can be
    taken for another line of the listing.

    Attributes:
        name: Of the plugin.
        version: Its version.
        description: What it does.
        digest: Of its files: who has seen the request of one digest has seen that of all its copies.
        runtime: The runtime that it needs; None when any will do.
        state: "fresh", or "kept" when one call can leave something to the next.
        homepage: "" when there is none.
        author: "" when nothing is said.
        license: "" when nothing is said.
        capabilities: What it asks for, each with a reason.
        limits: Fields of `Limits` that it asks for.
        dependencies: Packages that would be added to its interpreter.
        exports: The functions that the host could call.
        hooks: What it would be told of.
    """

    name: str
    version: str
    description: str
    digest: str
    runtime: str | None = None
    state: State = "fresh"
    homepage: str = ""
    author: str = ""
    license: str = ""
    capabilities: tuple[Capability, ...] = ()
    limits: dict[str, Any] = field(default_factory=dict, hash=False)
    dependencies: tuple[Dependency, ...] = ()
    exports: tuple[Export, ...] = ()
    hooks: tuple[Hook, ...] = ()

    @classmethod
    def of(cls, package: PluginPackage) -> PluginRequest:
        """Return what a plugin asks for."""
        manifest = package.manifest
        return cls(
            name=manifest.name,
            version=manifest.version,
            description=manifest.description,
            digest=package.digest,
            runtime=manifest.runtime,
            state=manifest.state,
            homepage=manifest.homepage,
            author=manifest.author,
            license=manifest.license,
            capabilities=manifest.capabilities,
            limits=dict(manifest.limits),
            dependencies=manifest.dependencies,
            exports=manifest.exports,
            hooks=manifest.hooks,
        )

    def __str__(self) -> str:
        usual = Limits()
        rows = [("plugin", f"{self.name} {self.version}: {self.description}")]
        rows += [(label, text) for label in ("author", "license", "homepage") if (text := getattr(self, label))]
        rows.append(("sha256", self.digest))
        for capability in self.capabilities:
            need = "" if capability.required else " (works without)"
            rows.append(("asks for", f"{capability}{need}: {capability.reason}"))
        if not self.capabilities:
            rows.append(("asks for", "nothing"))
        for name, value in self.limits.items():
            rows.append(("limit", f"{name} {_limit_text(value)}, where {_limit_text(getattr(usual, name))} is usual"))
        for dependency in self.dependencies:
            origin = "which it brings along" if dependency.wheel else "from the configured Python index"
            rows.append(("package", f"{dependency.name} {dependency.version}, {origin}: sha256 {dependency.sha256}"))
        if self.runtime is not None:
            rows.append(("runtime", self.runtime))
        if self.state == "kept":
            rows.append(("state", "kept from one call to the next"))
        rows += [("function", f"{export.signature}: {_first_line(export.description)}") for export in self.exports]
        rows += [("hook", f"{hook.event}: {hook.function}, priority {hook.priority}") for hook in self.hooks]
        return "\n".join(f"{label:9} {text}" for label, text in rows)

    def describe(self) -> dict[str, Any]:
        """Return the same as a dict for JSON, with the schemas of the functions."""
        return {
            "name": self.name,
            "version": self.version,
            "description": self.description,
            "digest": self.digest,
            "runtime": self.runtime,
            "state": self.state,
            "homepage": self.homepage,
            "author": self.author,
            "license": self.license,
            "capabilities": [asdict(capability) for capability in self.capabilities],
            "limits": {name: UNMETERED.value if value is UNMETERED else value for name, value in self.limits.items()},
            "dependencies": [asdict(dependency) for dependency in self.dependencies],
            "exports": [
                {
                    "name": export.name,
                    "description": export.description,
                    "signature": export.signature,
                    "parameters": export.schema,
                    "returns": export.returns_said,
                }
                for export in self.exports
            ],
            "hooks": [asdict(hook) for hook in self.hooks],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Grants:
    """What a host is ready to give to a plugin; the plugin gets of it what it asks for.

    Attributes:
        preopens: Folders; the guest paths are those that the plugin asks for. One that is given for reading is never
            writable inside, and one that is asked for reading neither.
        functions: Functions of the host (`HostFunction`, or plain ones with type hints), by their names.
        env: Environment variables with their values; the host's own are never passed on by themselves.
        scratch: What a scratch folder may hold; it lies where the plugin asks for it. None: there is none.
        limits: The most that each call may use; a plugin that asks for less gets less.
        image: Name of the image that it is started from. A plugin that brings packages needs "base".

    Raises:
        ConfigError: Something of the wrong type, or two folders or functions of one name (the subclass says which).
    """

    preopens: Iterable[Preopen] = ()
    functions: Iterable[HostFunction | Callable[..., Any]] = ()
    env: Mapping[str, str] = field(default_factory=dict, hash=False)
    scratch: Scratch | None = None
    limits: Limits = Limits()  # noqa: RUF009 - frozen
    image: str = PLAIN_IMAGE

    def __post_init__(self) -> None:
        if isinstance(self.preopens, str | bytes) or not isinstance(self.preopens, Iterable):
            raise InvalidPreopenError(f"preopens must be a list of Preopen, not {shown(self.preopens)}")
        preopens = tuple(self.preopens)
        seen: set[str] = set()
        for preopen in preopens:
            if not isinstance(preopen, Preopen):
                hint = "; scratch=Scratch() grants a scratch folder" if isinstance(preopen, Scratch) else ""
                raise InvalidPreopenError(f"preopens must be a list of Preopen, not {shown(preopen)}{hint}")
            if preopen.guest in seen:
                raise InvalidPreopenError(f"two folders are granted as {preopen.guest}")
            seen.add(preopen.guest)
        if self.scratch is not None and not isinstance(self.scratch, Scratch):
            raise InvalidPreopenError(f"scratch must be a Scratch or None, not {shown(self.scratch)}")
        if not isinstance(self.limits, Limits):
            raise InvalidGrantError(f"limits must be a Limits, not {shown(self.limits)}")
        if not isinstance(self.image, str):
            raise InvalidGrantError(f"image must be the name of an image, not {shown(self.image)}")
        from wasihost.functions.function import granted  # who only looks at a request needs none

        object.__setattr__(self, "preopens", preopens)
        object.__setattr__(self, "functions", granted(self.functions))
        object.__setattr__(self, "env", MappingProxyType(dict(check_env(self.env))))


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """What a plugin gets.

    Attributes:
        preopens: Folders, and a scratch folder.
        functions: Functions of the host.
        env: Environment variables.
        limits: The limits of each call.
        image: Name of the image that it is started from, before its packages are added.
        withheld: What it asks for, can do without, and does not get, or not for writing.
    """

    preopens: tuple[Preopen | Scratch, ...] = ()
    functions: tuple[HostFunction, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict, hash=False)
    limits: Limits = Limits()  # noqa: RUF009 - frozen
    image: str = PLAIN_IMAGE
    withheld: tuple[Capability, ...] = ()


def resolve(request: PluginRequest, grants: Grants) -> Resolved:
    """Decide what a plugin gets: what it asks for and the host gives, both.

    Args:
        request: What it asks for.
        grants: What the host gives.

    Raises:
        PluginGrantError: Something that the plugin cannot do without is not given, or it asks for more than the limits
            that the host gives. The message names all of it, with the plugin's reasons and with what would grant it.
    """
    given = _Given(request, grants)
    needed = [lack for lack in given.lacks if lack.is_needed]
    if needed:
        missing = tuple(map(str, needed))
        raise PluginGrantError(
            f"the plugin {request.name} asks for what it is not given: {'; '.join(missing)}",
            missing=missing,
            lacks=tuple(needed),
        )
    return Resolved(
        preopens=tuple(given.preopens),
        functions=tuple(given.functions),
        env=MappingProxyType(given.env),
        limits=replace(grants.limits, **given.limits),
        image=grants.image,
        withheld=tuple(lack.capability for lack in given.lacks if lack.capability is not None),
    )


def lacks_of(request: PluginRequest, grants: Grants) -> tuple[Lack, ...]:
    """Return everything that a plugin asks for and would not get, also what it can do without."""
    return tuple(_Given(request, grants).lacks)


class _Given:
    """What a plugin asks for and is given, and what it is not."""

    def __init__(self, request: PluginRequest, grants: Grants) -> None:
        from wasihost.functions.function import granted  # loaded already

        self._grants = grants
        self._folders = {preopen.guest: preopen for preopen in grants.preopens}
        self._functions = {function.name: function for function in granted(grants.functions)}
        self.preopens: list[Preopen | Scratch] = []
        self.functions: list[HostFunction] = []
        self.env: dict[str, str] = {}
        self.limits: dict[str, Any] = {}
        self.lacks: list[Lack] = []
        for capability in request.capabilities:
            self._take(capability)
        for limit in fields(Limits):
            if limit.name in request.limits:
                self._take_limit(limit.name, request.limits[limit.name])
        if request.dependencies and grants.image != PLAIN_IMAGE:
            names = ", ".join(f"{dependency.name} {dependency.version}" for dependency in request.dependencies)
            self.lacks.append(Lack(kind="packages", asked=names))

    def _take(self, capability: Capability) -> None:
        name = capability.name
        if capability.kind == "directory":
            self._take_folder(capability)
        elif capability.kind == "scratch":
            self._take_scratch(capability)
        elif capability.kind == "function":
            if name in self._functions:
                self.functions.append(self._functions[name])
            else:
                self.lacks.append(Lack(kind="function", capability=capability))
        elif name in self._grants.env:
            self.env[name] = self._grants.env[name]
        else:
            self.lacks.append(Lack(kind="environment", capability=capability))

    def _take_folder(self, capability: Capability) -> None:
        given = self._folders.get(capability.name)
        if given is None:
            self.lacks.append(Lack(kind="directory", capability=capability))
        elif capability.writable:
            self.preopens.append(given)
            if not given.writable and not given.overlay:
                self.lacks.append(Lack(kind="writing", capability=capability))
        else:
            # What is only to be read is not given for more, not even as a copy that could be changed.
            self.preopens.append(replace(given, writable=False, overlay=False))

    def _take_scratch(self, capability: Capability) -> None:
        given = self._grants.scratch
        if given is None:
            self.lacks.append(Lack(kind="scratch", capability=capability))
            return
        bounds = {}
        for name in ("disk_bytes", "disk_files"):
            most, asked = getattr(given, name), getattr(capability, name)
            if asked is not None and asked > most:
                self.lacks.append(Lack(kind="room", capability=capability, field=name, asked=asked, given=most))
                return
            bounds[name] = most if asked is None else asked
        self.preopens.append(Scratch(capability.name, **bounds))

    def _take_limit(self, name: str, asked: Any) -> None:  # noqa: ANN401 - fields of Limits
        """Take what the plugin asks for, where that is not more than the host gives."""
        given = getattr(self._grants.limits, name)
        if _is_more(name, asked, given):
            self.lacks.append(Lack(kind="limit", field=name, asked=asked, given=given))
        else:
            self.limits[name] = asked


def _is_more(name: str, asked: Any, given: Any) -> bool:  # noqa: ANN401 - fields of Limits
    if name == "output_overflow":
        return _OVERFLOWS.index(asked) > _OVERFLOWS.index(given)
    if given is UNMETERED:
        return False
    return asked is UNMETERED or bool(asked > given)


def _limit_text(value: object) -> str:
    return UNMETERED.value if value is UNMETERED else str(value)


def _first_line(text: str) -> str:
    return text.partition("\n")[0]
