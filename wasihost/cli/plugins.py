"""`wasirun plugin`: write, look at, pack, check and call plugins; only the last two run anything of them."""

from __future__ import annotations

import click

from wasihost.cli.plugin_call import call
from wasihost.cli.plugin_check import check
from wasihost.cli.plugin_grants import open_plugin
from wasihost.cli.plugin_stubs import stubs
from wasihost.cli.text import shell_word, shown_name
from wasihost.cli.values import size_text


@click.group()
def plugin() -> None:
    """Write, inspect, check, call and pack plugins."""


plugin.add_command(check)
plugin.add_command(call)
plugin.add_command(stubs)


@plugin.command()
@click.argument("name")
@click.option("--folder", metavar="FOLDER", help="Where to write it, new or empty.  [default: NAME]")
def new(*, name: str, folder: str | None) -> None:
    """Write a plugin that works, with a test, to begin with."""
    from wasihost.plugins.scaffold import check_name, scaffold

    check_name(name)  # before it is taken for a folder
    made = scaffold(name if folder is None else folder, name)
    click.echo(f"{name} is in {shown_name(str(made))}; its README.md tells how to go on")


@plugin.command()
@click.argument("path")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, with the schemas of the functions.")
def inspect(*, path: str, as_json: bool) -> None:
    """Tell what a plugin is and asks for, by its own words; PATH is its folder, zip or wheel, or installed:NAME."""
    from wasihost.plugins.request import PluginRequest

    request = PluginRequest.of(open_plugin(path))
    if as_json:
        import json  # only with --json

        click.echo(json.dumps(request.describe()))
        return
    click.echo(str(request))


@plugin.command()
@click.argument("path")
@click.option("--output", metavar="FILE|FOLDER", default=".", help="The zip, or a folder for NAME-VERSION.zip.")
def pack(*, path: str, output: str) -> None:
    """Make one zip of a plugin, the same bytes for the same files; PATH is its folder."""
    from pathlib import Path

    from wasihost.plugins.package import open_package
    from wasihost.plugins.package import pack as make_zip

    made = make_zip(path, output)
    package = open_package(made)
    size = size_text(Path(made).stat().st_size)
    click.echo(f"{shown_name(str(made))} holds {package.manifest.name} {package.manifest.version} ({size})")
    click.echo(f"sha256 of its files: {package.digest}")
    click.echo(f"look at it: wasirun plugin inspect {shell_word(str(made))}")
