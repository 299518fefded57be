"""`wasirun plugin call`: one call of a plugin's function."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any

import click

from wasihost.cli import statuses
from wasihost.cli.plugin_grants import (
    GRANTS_HELP,
    given_in,
    lacks_text,
    open_plugin,
    plugin_options,
    read_plugin_grants,
    unasked,
)
from wasihost.cli.text import say, write_all

_HELP = f"""Call a function of a plugin and print what it returns.

\b
  wasirun plugin call word-count count "the sea, the sky" top=2
  wasirun plugin call word-count count text=@book.txt
  wasirun plugin call word-count count --json-args '{{"text": "the sea", "top": 1}}'

PATH is the plugin's folder, zip or wheel, or installed:NAME. ARGUMENTS are values in the order of the parameters, or
NAME=VALUE. A value is a text as it is, where the parameter takes a text, and else JSON. @FILE stands for what is in a
file, @- for standard input; a text that begins with @ is typed with @@. What begins with a dash stands behind -- .

Standard output gets the result, as JSON on one line; what the plugin prints goes to standard error. Bytes are texts in
base64 in JSON, dates and times are texts as in ISO 8601 (a timedelta like PT90S), decimals and UUIDs are texts too; the
same holds for arguments.

{GRANTS_HELP}

\b
Exit status: 0; 1 the plugin failed; 2 it does not get what it needs, or the arguments are wrong;
124 deadline, 125 out of fuel, 126 another limit, 134 the interpreter inside crashed, 130 Ctrl-C, 70 the host failed.
"""


@click.command(help=_HELP, short_help="Call a function of a plugin and print what it returns.")
@click.argument("path")
@click.argument("function")
@click.argument("arguments", nargs=-1)
@click.option("--json-args", metavar="JSON|@FILE", help="All arguments: an object by name, or an array in order.")
@click.option("--raw", is_flag=True, help="Print a result that is a text or bytes as it is.")
@plugin_options
def call(
    *,
    path: str,
    function: str,
    arguments: tuple[str, ...],
    json_args: str | None,
    raw: bool,
    **options: Any,  # noqa: ANN401 - texts of options
) -> int:
    """Call a function; the help is above."""
    from wasihost.cli.run import Terminated, hear_termination

    hear_termination()
    try:
        return _call(path, function, arguments, json_args, raw=raw, given=given_in(options))
    except Terminated:
        return statuses.TERMINATED


def _call(
    path: str, function: str, words: Sequence[str], json_args: str | None, *, raw: bool, given: dict[str, Any]
) -> int:
    from wasihost.cli.plugin_failures import tell_failure
    from wasihost.cli.plugin_values import read_json, read_words
    from wasihost.cli.run import Output, made_on_a_thread, output_failed
    from wasihost.errors import ConfigError, PluginCallError, PluginGrantError, UnknownExportError
    from wasihost.plugin import Plugin
    from wasihost.plugins.request import PluginRequest

    package = open_plugin(path)
    manifest, request = package.manifest, PluginRequest.of(package)
    export = manifest.export(function)
    if export is None:
        known = ", ".join(export.name for export in manifest.exports) or "none at all"
        why = f"the plugin {manifest.name} exports no function {function!r:.100}; it exports {known}"
        return tell_failure(UnknownExportError(why, plugin=manifest.name), request, read_plugin_grants(given))
    if json_args is not None and words:
        raise ConfigError("--json-args says all arguments; there can be none beside it")
    grants = read_plugin_grants(given)
    args, kwargs = read_words(export, words) if json_args is None else read_json(export, json_args)
    for note in unasked(request, grants, given):
        say(note)
    output = Output()
    is_heard = manifest.state == "kept"  # from its import on; another's when it is called
    try:
        with made_on_a_thread(
            lambda bars: Plugin.load(
                package, grants=grants, progress=bars, on_stdout=output.to(2), on_stderr=output.to(2)
            )
        ) as plugin:
            # What is logged on other threads from here on is in the error too. wasirun itself writes to the descriptor.
            sys.stderr = open(os.devnull, "w")  # noqa: SIM115, PTH123 - for as long as the process lives
            is_heard = True
            _print(plugin.call(function, *args, **kwargs), raw=raw)
    except PluginGrantError as error:
        raise ConfigError(lacks_text(request.name, error.lacks)) from None
    except PluginCallError as error:
        if output.error is not None:
            return output_failed(output.error)
        return tell_failure(error, request, grants, is_traceback_shown=is_heard)
    return 0


def _print(value: object, *, raw: bool) -> None:
    from wasihost.cli.plugin_values import result_text

    if raw and isinstance(value, bytes):
        write_all(1, value)
    elif raw and isinstance(value, str):
        text = value if value.endswith("\n") else f"{value}\n"
        write_all(1, text.encode("utf-8", "surrogatepass"))
    else:
        write_all(1, result_text(value).encode() + b"\n")
