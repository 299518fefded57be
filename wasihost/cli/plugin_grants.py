"""What is given to a plugin on the command line, and which option would give it what it lacks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar

from wasihost.cli.arguments import OPTIONS, Option
from wasihost.cli.options import option_decorator

if TYPE_CHECKING:
    from wasihost.plugins.lack import Lack
    from wasihost.plugins.package import PluginPackage
    from wasihost.plugins.request import Grants, PluginRequest

Command = TypeVar("Command", bound=Callable[..., Any])

_NOT_OF_PLUGINS: Final = {"--runtime", "--profile", "--require-wall", "--launcher", "--json", "--stats"}
"""The runtime is in the manifest; walls are what workers have anyway."""
_TEXTS: Final = {
    "--overlay": "Let the plugin change a copy of this folder, which is thrown away; the folder stays as it is.",
    "--image": "The started interpreter to use. A plugin that brings packages needs the base image.",
}
PLUGIN_OPTIONS: Final = (
    *(
        option._replace(text=_TEXTS.get(option.flag, option.text.replace("the program", "the plugin")))
        for option in OPTIONS
        if option.flag not in _NOT_OF_PLUGINS
    ),
    Option("--scratch", "SIZE", "Give it the scratch folder that it asks for, for so much: 64M, 1G; see --files."),
)
GRANTS_HELP: Final = (
    "The options grant what the plugin asks for in its plugin.toml; it gets nothing else. GUEST is the guest path that "
    "it asks for. Functions of the host can only be granted by the program that uses the plugin, in Python: there is "
    "no option for them."
)


def plugin_options(command: Command) -> Command:
    """Give a command the options that grant something to a plugin."""
    return option_decorator(PLUGIN_OPTIONS)(command)


def given_in(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options that were given, by their keys."""
    return {key: value for key, value in options.items() if value not in (None, ())}


def open_plugin(path: str) -> PluginPackage:
    """Read a plugin from its folder, zip or wheel, or with `installed:NAME` from an installed distribution.

    Raises:
        InvalidPluginError: There is none, or it is not what it should be.
    """
    from wasihost.plugins.package import open_any

    return open_any(path)


def read_plugin_grants(given: dict[str, Any]) -> Grants:
    """Return what options grant.

    Raises:
        ConfigError: An option's text means nothing.
    """
    from wasihost.capabilities.preopen import Scratch
    from wasihost.cli import values
    from wasihost.cli.run import read_grants
    from wasihost.plugins.request import PLAIN_IMAGE, Grants

    preopens, env, limits = read_grants(given)
    scratch = None
    if "scratch" in given:
        scratch = Scratch(disk_bytes=values.size_bytes(given["scratch"], "--scratch"), disk_files=limits.disk_files)
    return Grants(preopens=preopens, env=env, limits=limits, scratch=scratch, image=given.get("image", PLAIN_IMAGE))


def unasked(request: PluginRequest, grants: Grants, given: dict[str, Any]) -> list[str]:
    """Return a sentence for each thing that was granted and that the plugin does not ask for, so that it has none."""
    asked = {(capability.kind, capability.name) for capability in request.capabilities}
    notes = [
        f"the plugin does not ask for a directory {preopen.guest}, so it does not get it"
        for preopen in grants.preopens
        if ("directory", preopen.guest) not in asked
    ]
    notes += [
        f"the plugin does not ask for the variable {name}, so it does not get it"
        for name in grants.env
        if ("environment", name) not in asked
    ]
    if "scratch" in given and all(kind != "scratch" for kind, _ in asked):
        notes.append("the plugin does not ask for a scratch folder, so it does not get one")
    return notes


def lack_text(lack: Lack) -> str:
    """Return what is missing, why the plugin wants it, and which option would give it."""
    return f"{lack.what}: {_remedy(lack)}"


def lacks_text(name: str, lacks: Sequence[Lack]) -> str:
    """Return the message about a plugin that cannot do without what it is not given."""
    return f"the plugin {name} asks for what it is not given: {'; '.join(map(lack_text, lacks))}"


def _remedy(lack: Lack) -> str:
    name = "" if lack.capability is None else lack.capability.name
    match lack.kind:
        case "directory" if lack.capability is not None and lack.capability.writable:
            return f"--allow-write FOLDER::{name} grants it (--overlay FOLDER::{name}: on a copy)"
        case "directory":
            return f"--allow-read FOLDER::{name} grants it"
        case "writing":
            return (
                "it is given for reading only; --allow-write in place of --allow-read grants it (--overlay: on a copy)"
            )
        case "function":
            return "only the program that uses the plugin can grant it, in Python; there is no option for it"
        case "environment":
            return f"--allow-env {name} or --env {name}=VALUE grants it"
        case "scratch":
            asked = lack.capability.disk_bytes if lack.capability is not None else None
            return f"--scratch {'64M' if asked is None else _size(asked)} grants it"
        case "room":
            option = f"--scratch {_size(lack.asked)}" if lack.field == "disk_bytes" else f"--files {lack.asked}"
            return f"its {lack.field} are {lack.given} at most; {option} grants it"
        case "packages":
            return "--image base is needed for them"
        case "limit":
            return _limit_remedy(lack.field, lack.asked)


def _limit_remedy(field: str, asked: object) -> str:
    from wasihost.cli.values import LIMITS
    from wasihost.limits import UNMETERED

    option = next((f"--{key.replace('_', '-')}" for key, (name, _) in LIMITS.items() if name == field), None)
    if option is None:
        return "only the program that uses the plugin can grant it, in Python; there is no option for it"
    if asked is UNMETERED:
        return f"{option} unmetered grants it"
    if field.endswith("_bytes") and isinstance(asked, int):
        return f"{option} {_size(asked)} grants it"
    return f"{option} {asked} grants it"


def _size(size: int) -> str:
    """Spell a size as options read it, exactly."""
    for unit, bytes_ in (("G", 2**30), ("M", 2**20), ("K", 2**10)):
        if size and size % bytes_ == 0:
            return f"{size // bytes_}{unit}"
    return str(size)
