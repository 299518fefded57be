"""`wasirun plugin stubs`: a `host.pyi` for the authors of plugins."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from wasihost.cli.text import say, shown_name, write_all

if TYPE_CHECKING:
    from wasihost import HostFunction

FILE_NAME: Final = "host.pyi"


@click.command(short_help="Write a host.pyi of the functions that a program grants.")
@click.argument("path", required=False)
@click.option(
    "--functions", metavar="MODULE:NAME", required=True,
    help="What the program grants: a list of functions, one function, or Grants.",
)  # fmt: skip
@click.option(
    "--output", metavar="FILE|FOLDER", help="Where to write it; in a folder it is host.pyi. It is printed otherwise."
)
def stubs(*, path: str | None, functions: str, output: str | None) -> None:
    """Write a host.pyi: what editors and type checkers of plugin authors know of `from host import ...`.

    The functions are those of the program that uses plugins: MODULE is imported here, in this Python, from what is
    installed or else from the current folder. It is run by that, so it must be code that you trust; nothing of a plugin
    is run, unless the current folder is the plugin's and MODULE one of its modules. NAME may have dots.

    PATH is a plugin's folder, zip or wheel: then only the functions that it asks for are written, and it is an error
    when one is not there that it cannot do without.
    """
    from wasihost.functions.stubs import stub_file

    granted = _granted(functions)
    if path is not None:
        granted = _asked(path, granted)
    text = stub_file(granted)
    if output is None:
        write_all(1, text.encode())
        return
    target = _write(Path(output), text)
    click.echo(f"{shown_name(str(target))} has {len(granted)} functions of the host")


def _granted(place: str) -> tuple[HostFunction, ...]:
    """Return the functions that a module of the program has under a name."""
    from wasihost.errors import ConfigError
    from wasihost.functions.function import HostFunction, granted
    from wasihost.plugins.request import Grants

    found = _attribute(place)
    if isinstance(found, Grants):
        return granted(found.functions)
    if isinstance(found, HostFunction) or callable(found):
        return granted([found])
    if isinstance(found, str | bytes) or not isinstance(found, Iterable):
        raise ConfigError(f"--functions {shown_name(place)}: that is no list of functions, but {type(found).__name__}")
    return granted(found)


def _attribute(place: str) -> object:
    import importlib

    from wasihost.errors import ConfigError

    module, mark, name = place.partition(":")
    if not mark or not all(part.isidentifier() for part in [*module.split("."), *name.split(".")]):
        raise ConfigError(f"--functions: {shown_name(place)!r} has not the form MODULE:NAME, as in my_app:FUNCTIONS")
    sys.path.append("")  # last: nothing that lies in the current folder may pass for a module of Python or a package
    try:
        found: object = importlib.import_module(module)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # whatever the program does when it is imported, also sys.exit
        why = f"{type(error).__name__}: {error}"
        raise ConfigError(f"--functions: the module {shown_name(module)} cannot be imported: {why}") from None
    finally:
        with contextlib.suppress(ValueError):  # the program may have put it in order itself
            sys.path.remove("")
    for part in name.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            raise ConfigError(f"--functions: the module {shown_name(module)} has no {shown_name(name)}") from None
    return found


def _asked(path: str, granted: tuple[HostFunction, ...]) -> tuple[HostFunction, ...]:
    """Return those that a plugin asks for, in the order in which it does."""
    from wasihost.cli.plugin_grants import open_plugin
    from wasihost.errors import ConfigError

    manifest = open_plugin(path).manifest
    by_name = {function.name: function for function in granted}
    asked = [capability for capability in manifest.capabilities if capability.kind == "function"]
    missing = [capability for capability in asked if capability.name not in by_name]
    if needed := [capability.name for capability in missing if capability.required]:
        known = ", ".join(by_name) or "none at all"
        raise ConfigError(f"the plugin {manifest.name} asks for {', '.join(needed)}, and there are {known}")
    for capability in missing:
        say(f"the plugin {manifest.name} asks for {capability.name}, which is not there, and which it works without")
    return tuple(by_name[capability.name] for capability in asked if capability.name in by_name)


def _write(target: Path, text: str) -> Path:
    from wasihost.errors import PluginTargetError

    if target.is_dir():
        target /= FILE_NAME
    try:
        target.write_text(text, encoding="utf-8")
    except (OSError, ValueError) as error:  # the second at a NUL
        why = error.strerror if isinstance(error, OSError) else "that is no path"
        raise PluginTargetError(f"{shown_name(str(target))} cannot be written: {why}") from None
    return target
