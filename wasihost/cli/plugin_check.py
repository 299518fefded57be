"""`wasirun plugin check`: whether a plugin is what its manifest says, and whether its tests pass inside."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wasihost.cli import statuses
from wasihost.cli.plugin_grants import (
    GRANTS_HELP,
    given_in,
    lack_text,
    open_plugin,
    plugin_options,
    read_plugin_grants,
    unasked,
)
from wasihost.cli.report import BAD, MISSING, Finding, print_findings
from wasihost.cli.text import say_lines, say_traceback, shown_name

if TYPE_CHECKING:
    from wasihost import Grants, HostFunction, PluginPackage, RunResult
    from wasihost.cli.bars import Bars
    from wasihost.errors import PluginCallError, PluginExportError
    from wasihost.plugins.lack import Lack
    from wasihost.plugins.request import PluginRequest

_HELP = f"""Check a plugin: its manifest, what it asks for, its functions, and its tests, which are run inside.

PATH is its folder, zip or wheel, or installed:NAME. What says "no" was not granted or is not there; what says "BAD" has
to be mended, and the exit status is 1 then. In place of functions of the host there are stand-ins that refuse each
call, so that the plugin can be imported. Tests are what `python -m unittest` finds in the folder tests/, with the
plugin's folder as the current one; tracebacks and their output go to standard error when one fails.

{GRANTS_HELP} The tests have the limits of the options, also where the plugin asks for less.
"""


@click.command(help=_HELP, short_help="Check a plugin, and run its tests inside.")
@click.argument("path")
@plugin_options
def check(*, path: str, **options: Any) -> int:  # noqa: ANN401 - texts of options
    """Check a plugin; the help is above."""
    from wasihost.cli.run import Terminated, hear_termination

    given = given_in(options)
    grants = read_plugin_grants(given)
    hear_termination()
    try:
        return print_findings(_findings(path, grants, given))
    except Terminated:
        return statuses.TERMINATED


@dataclass(frozen=True, slots=True, kw_only=True)
class _Checked:
    """A plugin that is checked.

    Attributes:
        package: The plugin, as if it could do without what it is not given.
        request: What it really asks for.
        grants: What it is given, stand-ins included.
    """

    package: PluginPackage
    request: PluginRequest
    grants: Grants


def _findings(path: str, grants: Grants, given: dict[str, Any]) -> Iterator[Finding]:
    from wasihost.errors import ImageBuildError, InvalidPluginError
    from wasihost.plugins.request import PluginRequest, lacks_of

    try:
        package = open_plugin(path)
    except InvalidPluginError as error:
        yield Finding("manifest", str(error), mark=BAD)
        return
    manifest, request = package.manifest, PluginRequest.of(package)
    yield Finding("manifest", f"{manifest.name} {manifest.version}: {manifest.description}")
    lacks = lacks_of(request, grants)
    lacking = {lack.capability for lack in lacks}
    for capability in request.capabilities:
        if capability not in lacking:
            yield Finding("asks for", f"{capability} ({capability.reason}): granted")
    for lack in lacks:
        yield Finding("asks for", lack_text(lack), mark=MISSING)
    if not request.capabilities and not lacks:
        yield Finding("asks for", "nothing")
    for note in unasked(request, grants, given):
        yield Finding("grants", note, mark=MISSING)
    checked = _without(package, request, grants, lacks)
    try:
        is_imported = True
        for finding in _load(checked):
            yield finding
            is_imported = is_imported and (finding.label, finding.mark) != ("import", BAD)
        if is_imported:
            yield from _tests(checked)
    except ImageBuildError as error:
        yield Finding("packages", str(error), mark=BAD)


def _without(package: PluginPackage, request: PluginRequest, grants: Grants, lacks: tuple[Lack, ...]) -> _Checked:
    """Return what can be tried of a plugin that is not given all that it asks for."""
    from wasihost.plugins.request import PLAIN_IMAGE

    lacking = {lack.capability for lack in lacks}
    limits = {lack.field for lack in lacks if lack.kind == "limit"}
    stand_ins = [
        _stand_in(lack.capability.name)
        for lack in lacks
        if lack.kind == "function" and lack.capability is not None and lack.is_needed
    ]
    manifest = replace(
        package.manifest,
        capabilities=tuple(
            replace(capability, required=False) if capability in lacking else capability
            for capability in package.manifest.capabilities
        ),
        limits={name: value for name, value in package.manifest.limits.items() if name not in limits},
    )
    image = PLAIN_IMAGE if any(lack.kind == "packages" for lack in lacks) else grants.image
    return _Checked(
        package=replace(package, manifest=manifest),
        request=request,
        grants=replace(grants, functions=stand_ins, image=image),
    )


def _stand_in(name: str) -> HostFunction:
    from wasihost import GuestVisibleError, host_function

    def refuse(*_args: Any, **_kwargs: Any) -> Any:  # noqa: ANN401 - whatever the real one takes and returns
        raise GuestVisibleError(f"{name}() is a stand-in of `wasirun plugin check`: it refuses each call")

    return host_function(refuse, name=name, help="A stand-in that refuses each call.")


# -- the functions ----------------------------------------------------------------------------------------------------


def _load(checked: _Checked) -> Iterator[Finding]:
    """Import the plugin inside, and hold its functions against the manifest."""
    from wasihost.cli.run import made_on_a_thread
    from wasihost.errors import PluginCallError, PluginExportError
    from wasihost.plugin import Plugin

    manifest = checked.package.manifest

    def load(bars: Bars | None) -> str:
        plugin = Plugin.load(checked.package, grants=checked.grants, progress=bars)
        plugin.end()
        return manifest.entry

    try:
        entry = made_on_a_thread(load)
    except PluginExportError as error:
        yield Finding("import", f"{manifest.entry} can be imported")
        yield Finding("exports", _export_text(checked.package, error), mark=BAD)
        return
    except PluginCallError as error:
        yield Finding("import", _import_text(checked, error), mark=BAD)
        return
    yield Finding("import", f"{entry} can be imported")
    for export in manifest.exports:
        yield Finding("exports", export.signature)
    for hook in manifest.hooks:
        yield Finding("hooks", f"{hook.event}: {hook.function}()")


def _import_text(checked: _Checked, error: PluginCallError) -> str:
    """Say why the plugin cannot be imported: file and line if it has them, what happened, what would help."""
    from wasihost.cli.plugin_failures import hints_on, place_of

    if error.result is None:
        return str(error)
    say_traceback(error.result)
    place = place_of(error.result)
    found = error.result.error
    what = f"{found.type}: {found.message}" if place and found is not None else str(error)
    hints = hints_on(error.result, checked.request, checked.grants)
    return "; ".join([f"{place}: {what}" if place else what, *hints])


def _export_text(package: PluginPackage, error: PluginExportError) -> str:
    """Say what is wrong with an export or a hook, with file, line and field."""
    import tomllib

    from wasihost.plugins.fields import spelled
    from wasihost.plugins.manifest import MANIFEST_NAME
    from wasihost.plugins.positions import Path as Field
    from wasihost.plugins.positions import Positions

    text = package.files[MANIFEST_NAME].decode()
    field: Field = ("exports", error.function)
    if package.manifest.export(error.function) is None:
        rows = tomllib.loads(text)["hooks"]
        index = next(index for index, row in enumerate(rows) if row["function"] == error.function)
        field = ("hooks", index, "function")
    why = str(error).removeprefix(f"the plugin {package.manifest.name}, {error.function}(): ")
    return f"{package.origin}/{MANIFEST_NAME}:{Positions(text).line_of(field)}: {spelled(field)}: {why}"


# -- the tests --------------------------------------------------------------------------------------------------------


def _tests(checked: _Checked) -> Iterator[Finding]:
    from wasihost.bundle import is_test

    if not any(is_test(path) and path.endswith(".py") for path in checked.package.files):
        yield Finding("tests", "there are none in tests/", mark=MISSING)
        return
    result = _run_tests(checked)
    finding = _finding_of(result, checked)
    if finding.mark == BAD:
        say_lines(result.stdout.splitlines())
        say_lines(result.stderr.splitlines())
    yield finding


def _run_tests(checked: _Checked) -> RunResult:
    """Run them in a sandbox that has what the plugin has, and its files at /plugin to read."""
    from wasihost import Preopen, Sandbox
    from wasihost.cli.run import made_on_a_thread
    from wasihost.plugin_images import image_with
    from wasihost.plugins.manifest import PLUGIN_GUEST
    from wasihost.plugins.request import PluginRequest, resolve
    from wasihost.resources import guest_source
    from wasihost.runtime.default import DEFAULT_RUNTIME

    package = checked.package
    runtime = package.manifest.runtime or DEFAULT_RUNTIME
    resolved = resolve(PluginRequest.of(package), checked.grants)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="wasihost-plugin-"))) / "files"
        package.write(folder)

        def make(bars: Bars | None) -> Sandbox:
            image = resolved.image
            if package.manifest.dependencies:
                image = image_with(package, runtime=runtime, progress=bars)
            return Sandbox(
                preopens=[*resolved.preopens, Preopen(folder, PLUGIN_GUEST)],
                env=resolved.env,
                limits=checked.grants.limits,
                runtime=runtime,
                image=image,
                workers=1,
                functions=resolved.functions,
                progress=bars,
            )

        sandbox = stack.enter_context(made_on_a_thread(make))
        return sandbox.run(guest_source("plugin_tests.py"), filename="<the tests>")


def _finding_of(result: RunResult, checked: _Checked) -> Finding:
    from wasihost.cli.plugin_failures import hints_on
    from wasihost.result import Outcome

    what = ""
    match result.value:
        case {"tests": 0, "failed": []}:
            what = "no test was found in tests/: unittest looks for test*.py, and for methods test* of a TestCase"
        case {"tests": int(tests), "skipped": int(skipped), "failed": []} if result.exit_code == 0:
            more = f", {skipped} skipped" if skipped else ""
            return Finding("tests", f"{tests - skipped} of {tests} passed{more}")
        case {"tests": int(tests), "failed": [*failed]} if all(isinstance(name, str) for name in failed):
            names = ", ".join(shown_name(name) for name in failed[:5])
            what = f"{len(failed)} of {tests} failed: {names}" + (" and others" if len(failed) > 5 else "")
        case _ if result.outcome is not Outcome.EXITED:
            what = f"they were stopped: {result.detail or result.outcome.value}"
        case _:
            what = "they ended the interpreter that they ran in"
    request = replace(checked.request, limits={})
    hints = hints_on(result, request, checked.grants, of_what_could_be_granted=True)
    return Finding("tests", "; ".join([what, *hints]), mark=BAD)
