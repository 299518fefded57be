"""Reads `plugin.toml`, strictly: what is unknown, missing, too large or of the wrong form is refused by file and line.

[plugin]        name, version, api, entry, description; runtime, state, homepage, author, license
[exports.NAME]  description; parameters, required, returns
[[capabilities]] kind, reason; name or guest, required, writable, disk_bytes, disk_files
[limits]        fields of wasihost.Limits
[[dependencies]] name, version, sha256; wheel
[[hooks]]       event, function; priority
"""

from __future__ import annotations

import keyword
import math
import re
import sys
from collections.abc import Callable
from dataclasses import fields
from typing import Any, Final, TypeVar

from wasihost.capabilities.grants import check_env_name
from wasihost.capabilities.preopen import Scratch, check_guest_path, shown
from wasihost.errors import ConfigError, InvalidLimitsError, InvalidPluginError
from wasihost.limits import MAX_DISK_BYTES, MAX_DISK_FILES, UNMETERED, Limits
from wasihost.plugins.declared import (
    Capability,
    Dependency,
    Hook,
    Kind,
    PluginManifest,
)
from wasihost.plugins.exports import LIFECYCLE, read_exports
from wasihost.plugins.fields import MAX_WHY_CHARACTERS, Fields, Source, printable
from wasihost.plugins.positions import Path, Positions, TooComplexError
from wasihost.runtime.names import is_runtime_name

API_VERSION: Final = "1.0"
"""Of what plugins find here: the manifest, how they are called, what they may ask for."""
PLUGIN_GUEST: Final = "/plugin"
"""Where a plugin finds its own files, read-only."""
MANIFEST_NAME: Final = "plugin.toml"

MAX_MANIFEST_BYTES: Final = 256 * 2**10
MAX_CAPABILITIES: Final = 100
MAX_DEPENDENCIES: Final = 100
MAX_HOOKS: Final = 200
MAX_PRIORITY: Final = 1_000_000
MAX_REASON_CHARACTERS: Final = 300

NAME: Final = re.compile(r"(?=.{1,64}\Z)[a-z][a-z0-9]*(?:[-_][a-z0-9]+)*")
NAME_FORM: Final = "1 to 64 of a-z, 0-9, dash and underscore, beginning with a letter"
_MODULE: Final = re.compile(r"(?=.{1,200}\Z)[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*")
_EVENT: Final = re.compile(r"(?=.{1,100}\Z)[A-Za-z][A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]+)*")
_ADDRESS: Final = re.compile(r"https?://[!-~]{1,500}")
_SYNTAX_LINE: Final = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")
_GIVEN_MODULES: Final = frozenset({"host"})
_LIMITS: Final = tuple(limit.name for limit in fields(Limits))
_T = TypeVar("_T")


def read_manifest(text: str | bytes, *, file: str = MANIFEST_NAME) -> PluginManifest:
    """Read and check a manifest.

    Args:
        text: The TOML text, or its bytes.
        file: What messages call it.

    Raises:
        InvalidPluginError: It is not what it should be, or was written for another version of the plugin interface;
            the message names file, line and field.
    """
    table, source = _parse(text, file)
    _check_values(source, table)
    top = Fields(source, (), table)
    plugin = top.table("plugin")
    _check_api(plugin)  # first: what another version has besides is not known here
    about = _about(plugin)
    exports = read_exports(top)
    capabilities = _capabilities(top)
    limits = _limits(top)
    dependencies = _dependencies(top)
    hooks = _hooks(top)
    top.done()
    if not exports and not hooks:
        top.refuse("exports", "is missing: a plugin has at least one function, as an export or for a hook")
    return PluginManifest(
        **about, exports=exports, capabilities=capabilities, limits=limits, dependencies=dependencies, hooks=hooks
    )


def check_module(name: str) -> str:
    """Tell why a module cannot be a plugin's entry, "" when it can."""
    top = name.partition(".")[0]
    if not _MODULE.fullmatch(name) or any(map(keyword.iskeyword, name.split("."))) or top == "__main__":
        return "must be the name of a module, such as word_count or words.count"
    if top in sys.stdlib_module_names or top in sys.builtin_module_names:
        return f"{top} is a module of the standard library, which would hide it"
    if top in _GIVEN_MODULES:
        return f"{top} is the module that brings the functions of the host"
    return ""


def _parse(text: str | bytes, file: str) -> tuple[dict[str, Any], Source]:
    import tomllib  # costs 6 ms: only when a manifest is read

    raw = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    if len(raw) > MAX_MANIFEST_BYTES:
        raise InvalidPluginError(f"is larger than {MAX_MANIFEST_BYTES} bytes", file=file)
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise InvalidPluginError(f"is not UTF-8 (byte {error.start})", file=file, line=line) from None
    try:
        source = Source(file=file, positions=Positions(text))
    except TooComplexError as error:
        raise InvalidPluginError(f"asks too much of a reader: {error}", file=file, line=error.line) from None
    try:
        table = tomllib.loads(text)
    except RecursionError:  # the caller's stack was nearly used up
        raise InvalidPluginError("is nested too deeply", file=file) from None
    except ValueError as error:  # also at a number of more than 4,300 digits, a date that there is not
        found = _SYNTAX_LINE.search(str(error))
        at = int(found.group(1) or source.positions.last_line) if found is not None else None
        why = _SYNTAX_LINE.sub("", str(error))
        raise InvalidPluginError(f"is not TOML: {printable(why[:MAX_WHY_CHARACTERS])}", file=file, line=at) from None
    if not source.positions.is_whole:  # what a later Python takes for TOML: its bounds and lines are not known here
        raise InvalidPluginError("is TOML of a kind that is not known here", file=file, line=source.positions.last_line)
    return table, source


def _check_values(source: Source, table: dict[str, Any]) -> None:
    """Refuse numbers that no reader has to have: wider than 64 bits, infinite, none."""
    left: list[tuple[Path, object]] = [((), table)]
    while left:
        path, value = left.pop()
        if isinstance(value, dict):
            left += [((*path, key), inner) for key, inner in value.items()]
        elif isinstance(value, list):
            left += [((*path, index), inner) for index, inner in enumerate(value)]
        elif isinstance(value, int) and not -(2**63) <= value < 2**63:
            source.refuse(path, "is a number of more than 64 bits")
        elif isinstance(value, float) and not math.isfinite(value):
            source.refuse(path, f"must be a finite number, not {value}")


def _check_api(plugin: Fields) -> None:
    from packaging.specifiers import InvalidSpecifier, SpecifierSet  # only manifests need it

    said = plugin.text("api", most=100)
    try:
        wanted = SpecifierSet(said if said[0] in "<>=!~" else f"=={said}.*")
    except InvalidSpecifier:
        plugin.refuse("api", f'must be a version such as "1", or a range such as ">=1,<2", not {shown(said)}')
    if not wanted.contains(API_VERSION):
        plugin.refuse("api", f"the plugin was written for version {said} of the interface; here is {API_VERSION}")


def _about(plugin: Fields) -> dict[str, Any]:
    from packaging.version import InvalidVersion, Version  # only manifests need it

    name = plugin.formed("name", NAME, NAME_FORM)
    said = plugin.text("version", most=64)
    try:
        version = str(Version(said))
    except InvalidVersion:
        plugin.refuse("version", f'must be a version such as "1.0.2", not {shown(said)}')
    entry = plugin.text("entry", most=200)
    if why := check_module(entry):
        plugin.refuse("entry", why)
    about = {
        "name": name,
        "version": version,
        "api": plugin.text("api"),
        "entry": entry,
        "description": plugin.text("description"),
    }
    if "runtime" in plugin:
        about["runtime"] = plugin.text("runtime")
        if not is_runtime_name(about["runtime"]):
            plugin.refuse(
                "runtime", f"must be the name of a runtime, such as cpython-3.15, not {shown(about['runtime'])}"
            )
    if "state" in plugin:
        about["state"] = plugin.choice("state", ("fresh", "kept"))
    if "homepage" in plugin:
        about["homepage"] = plugin.formed("homepage", _ADDRESS, "an address that begins with https://")
    about |= {key: plugin.text(key, most=200) for key in ("author", "license") if key in plugin}
    plugin.done()
    return about


def _capabilities(top: Fields) -> tuple[Capability, ...]:
    found: list[Capability] = []
    for row in top.rows("capabilities", most=MAX_CAPABILITIES):
        capability = _capability(row)
        if any((other.kind, other.name) == (capability.kind, capability.name) for other in found):
            row.refuse("", f"asks a second time for the {capability.kind} {capability.name}")
        folders = ("directory", "scratch")
        if capability.kind in folders and any(o.kind in folders and o.name == capability.name for o in found):
            row.refuse("guest", f"{capability.name} is another folder already")
        if capability.kind == "scratch" and any(other.kind == "scratch" for other in found):
            row.refuse("kind", "a plugin has one scratch folder at most")
        found.append(capability)
    return tuple(found)


def _capability(row: Fields) -> Capability:
    if "kind" in row and row.value("kind") == "network":
        row.refuse("kind", "there is no network for plugins yet: ask for a function of the host")
    kinds: tuple[Kind, ...] = ("directory", "function", "environment", "scratch")
    kind = row.choice("kind", kinds)
    reason = row.text("reason", most=MAX_REASON_CHARACTERS)
    required = row.flag("required", default=True)
    more: dict[str, Any] = {}
    if kind == "directory":
        name = _guest(row)
        more["writable"] = row.flag("writable", default=False)
    elif kind == "scratch":
        name = _guest(row) if "guest" in row else Scratch().guest
        for key, most in (("disk_bytes", MAX_DISK_BYTES), ("disk_files", MAX_DISK_FILES)):
            if key in row:
                more[key] = row.number(key, 1, most)
    elif kind == "function":
        name = row.identifier("name", row.value("name"))
    else:
        name = _translated(row, "name", check_env_name, row.text("name", most=200), "name")
    row.done()
    return Capability(kind=kind, name=name, reason=reason, required=required, **more)


def _guest(row: Fields) -> str:
    guest = _translated(row, "guest", check_guest_path, row.text("guest"))
    if guest == "/" or f"{guest}/".startswith(f"{PLUGIN_GUEST}/"):
        row.refuse("guest", f"{guest} holds the plugin itself: choose another path, such as /data")
    return guest


def _limits(top: Fields) -> dict[str, Any]:
    if "limits" not in top:
        return {}
    table = top.table("limits")
    asked: dict[str, Any] = {}
    for name in _LIMITS:
        if name not in table:
            continue
        value = table.value(name)
        if name == "fuel" and value == UNMETERED.value:
            value = UNMETERED
        try:
            Limits(**{name: value})
        except InvalidLimitsError as error:
            table.refuse(name, str(error).removeprefix(f"{name} "))
        asked[name] = value
    table.done()
    return asked


def _dependencies(top: Fields) -> tuple[Dependency, ...]:
    found: dict[str, Dependency] = {}
    for row in top.rows("dependencies", most=MAX_DEPENDENCIES):
        dependency = _dependency(row)
        if dependency.name in found:
            row.refuse("name", f"{dependency.name} is listed twice")
        found[dependency.name] = dependency
    return tuple(found.values())


def _dependency(row: Fields) -> Dependency:
    from packaging.utils import InvalidName, InvalidWheelFilename, canonicalize_name, parse_wheel_filename
    from packaging.version import InvalidVersion, Version  # only manifests need them

    said, exact = row.text("name", most=200), row.text("version", most=64)
    try:
        name = canonicalize_name(said, validate=True)
    except InvalidName:
        row.refuse("name", f"must be the name of a package, such as markdown-it-py, not {shown(said)}")
    try:
        version = Version(exact)
    except InvalidVersion:
        row.refuse("version", f'must be one exact version such as "3.1.6", not {shown(exact)}')
    sha256 = row.digest("sha256")
    wheel = ""
    if "wheel" in row:
        wheel = row.inner_path("wheel")
        try:
            wheel_name, wheel_version, _, tags = parse_wheel_filename(wheel.rpartition("/")[2])
        except InvalidWheelFilename:
            row.refuse("wheel", f"must be the path of a wheel, name-version-tags.whl, not {shown(wheel)}")
        if (wheel_name, wheel_version) != (name, version):
            row.refuse("wheel", f"is {wheel_name} {wheel_version}, and not {name} {version}")
        if not any(tag.abi == "none" and tag.platform == "any" for tag in tags):
            row.refuse("wheel", "needs native code, which cannot run inside: only …-none-any.whl can be used")
    row.done()
    return Dependency(name=name, version=str(version), sha256=sha256, wheel=wheel)


def _hooks(top: Fields) -> tuple[Hook, ...]:
    found: list[Hook] = []
    for row in top.rows("hooks", most=MAX_HOOKS):
        event = row.formed("event", _EVENT, "the name of an event, such as document.saved")
        function = row.identifier("function", row.value("function"))
        if function in LIFECYCLE:
            row.refuse("function", f"{function}() is called when the plugin starts or ends; it cannot be a hook too")
        priority = row.number("priority", -MAX_PRIORITY, MAX_PRIORITY) if "priority" in row else 100
        row.done()
        if any((other.event, other.function) == (event, function) for other in found):
            row.refuse("", f"{function} listens to {event} already")
        found.append(Hook(event=event, function=function, priority=priority))
    return tuple(sorted(found, key=lambda hook: hook.priority))


def _translated(row: Fields, key: str, check: Callable[..., _T], *values: object) -> _T:
    """Call a check of ours and let its message stand under the name of the field."""
    try:
        return check(*values)
    except ConfigError as error:
        row.refuse(key, str(error))
