"""`wasirun image`: interpreters with packages and modules, ready before a program starts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wasihost.cli import values
from wasihost.cli.report import print_table
from wasihost.cli.runtimes import bars
from wasihost.cli.text import one_line, say_traceback, shell_word, shown_name
from wasihost.cli.values import size_text
from wasihost.errors import ImageBuildError, InvalidImageError
from wasihost.runtime.default import DEFAULT_RUNTIME

if TYPE_CHECKING:
    from wasihost import Image
    from wasihost.image.named import NamedImage

_MAX_FILE_BYTES = 2**20
_for_runtime = click.option(
    "--runtime", metavar="NAME", default=DEFAULT_RUNTIME, show_default=True, help="The runtime that it belongs to."
)


@click.group()
def image() -> None:
    """Build, list, describe, remove, export and import images."""


@image.command()
@click.argument("name")
@_for_runtime
@click.option(
    "--package", "packages", metavar="REQUIREMENT|WHEEL", multiple=True,
    help="Add a package: jinja2==3.1.6, or the path of a wheel.",
)  # fmt: skip
@click.option(
    "--requirements", metavar="FILE", help="Add the packages that this file lists, as `image info --lock` does."
)
@click.option("--module", "modules", metavar="NAME", multiple=True, help="Import this module before programs start.")
@click.option("--setup", metavar="FILE", help="Run this Python file after the imports; programs see what it defines.")
@click.option("--fuel", metavar="COUNT", help="Of the imports and the set-up.  [default: 2T]")
@click.option("--memory", metavar="SIZE", help="Of the imports and the set-up.  [default: 1G]")
@click.option("--deadline", metavar="DURATION", help="Of the imports and the set-up.  [default: 2m]")
def build(
    *,
    name: str,
    runtime: str,
    packages: tuple[str, ...],
    requirements: str | None,
    modules: tuple[str, ...],
    setup: str | None,
    fuel: str | None,
    memory: str | None,
    deadline: str | None,
) -> None:
    """Make an image with packages and modules, for `wasirun --image NAME`."""
    from dataclasses import replace

    from wasihost import Image
    from wasihost.images import BUILD_LIMITS

    given: dict[str, Any] = {}
    if fuel:
        given["fuel"] = values.fuel(fuel, "--fuel")
    if memory:
        given["memory_bytes"] = values.size_bytes(memory, "--memory")
    if deadline:
        given["deadline_seconds"] = values.seconds(deadline, "--deadline")
    listed = _lines(_text(requirements, "--requirements")) if requirements is not None else []
    try:
        with bars() as drawn:
            built = Image.build(
                name=name,
                runtime=runtime,
                packages=[*packages, *listed],
                modules=modules,
                setup=_text(setup, "--setup") if setup is not None else "",
                limits=replace(BUILD_LIMITS, **given),
                progress=drawn,
            )
    except ImageBuildError as error:
        say_traceback(error.result)
        raise
    click.echo(f"{shown_name(name)} is built ({size_text(built.size_bytes)})")
    _tell_packages(built)
    _tell_entropy(built)
    option = "" if runtime == DEFAULT_RUNTIME else f"--runtime {shell_word(runtime)} "
    click.echo(f"use it: wasirun {option}--image {shell_word(name)} PROGRAM")


@image.command("list")
def list_images() -> None:
    """List the images there are: those that come with a runtime, and those that were built here."""
    from wasihost.image.named import list_named
    from wasihost.runtime import find_runtime, open_cache, runtime_names

    rows = [("NAME", "RUNTIME", "SIZE", "WHAT")]
    for runtime in runtime_names():
        part = find_runtime(runtime).slice
        for name in part.image_names:
            shipped = part.image(name)
            rows.append((name, runtime, "", one_line(shipped.summary) if shipped is not None else ""))
    rows += [_own_row(named) for named in list_named(open_cache())]
    print_table(rows)


def _own_row(named: NamedImage) -> tuple[str, str, str, str]:
    """Return what is listed of an image that was built here, and what is wrong with it, if something is."""
    from wasihost import Image
    from wasihost.errors import UnusableImageError, WasiHostError
    from wasihost.image.store import image_folder
    from wasihost.runtime import find_runtime, open_cache

    row = named.name, named.runtime, size_text(named.size_bytes())
    try:
        built = Image.find(named.name, runtime=named.runtime)
        named.check(image_folder(open_cache(), find_runtime(named.runtime)).name)
    except UnusableImageError as error:
        return (*row, f"unusable: {one_line(str(error))}")
    except WasiHostError as error:  # its runtime was removed, or it was itself, this moment
        return (*row, one_line(str(error)))
    what = [*(f"{package.name} {package.version}" for package in built.packages if package.requested)]
    what += [*built.modules, *(["set-up code"] if built.setup else [])]
    return (*row, one_line(", ".join(what)))


@image.command()
@click.argument("name")
@_for_runtime
@click.option("--lock", is_flag=True, help="Print only the packages with their digests, for --requirements.")
def info(*, name: str, runtime: str, lock: bool) -> None:
    """Tell what an image was built of."""
    from wasihost import Image
    from wasihost.runtime import find_runtime

    part = find_runtime(runtime).slice
    shipped = part.image(name)
    if shipped is not None and not lock:
        click.echo(f"name      {name}\nruntime   {runtime}\nwhat      {one_line(shipped.summary)}")
        if shipped.modules:
            click.echo(f"modules   {', '.join(shipped.modules)}")
        click.echo("built     when it is first used; it comes with the runtime")
        return
    found = Image.find(name, runtime=runtime)
    if lock:
        click.echo(found.lock, nl=False)
        for package in found.packages:
            if package.source == "file":
                click.echo(f"# and with --package the wheel {one_line(package.file)}, sha256 {package.sha256}")
        return
    lines = [
        ("name", found.name),
        ("runtime", found.runtime),
        ("python", found.python.partition(" ")[0]),
        ("built", found.created),
        ("memory", size_text(found.memory_bytes)),
        ("size", size_text(found.size_bytes)),
        ("sha256", found.sha256),
        ("modules", ", ".join(found.modules)),
        ("set-up", _count(len(found.setup.splitlines()), "line") if found.setup else ""),
    ]
    for label, text in lines:
        if text:
            click.echo(f"{label:9} {one_line(text)}")
    _tell_packages(found)
    _tell_entropy(found)


@image.command()
@click.argument("name")
@_for_runtime
def remove(*, name: str, runtime: str) -> None:
    """Remove an image that was built or imported here, also one whose files are damaged."""
    from wasihost.images import remove_image

    click.echo(f"{shown_name(name)} is removed, {size_text(remove_image(name, runtime=runtime))} freed")


@image.command()
@click.argument("name")
@click.argument("file")
@_for_runtime
def export(*, name: str, file: str, runtime: str) -> None:
    """Write an image into one file, for `wasirun image import` on another machine."""
    from wasihost import Image

    try:
        sha256 = Image.find(name, runtime=runtime).export(file)
    except OSError as error:
        raise InvalidImageError(f"{shown_name(file)} cannot be written: {error.strerror}") from None
    size = Path(file).stat().st_size
    click.echo(f"{shown_name(file)} holds {shown_name(name)} ({size_text(size)}), sha256 {sha256}")


@image.command("import")
@click.argument("file")
@click.option("--name", metavar="NAME", help="Another name for it.")
@click.option("--sha256", metavar="HEX", help="Digest that the file must have.")
def import_image(*, file: str, name: str | None, sha256: str | None) -> None:
    """Take in an image that `wasirun image export` wrote, of the same version and runtime."""
    from wasihost import Image

    with bars() as drawn:
        found = Image.import_file(file, name=name, sha256=sha256, progress=drawn)
    option = "" if found.runtime == DEFAULT_RUNTIME else f"--runtime {shell_word(found.runtime)} "
    click.echo(f"{found.name} is there; use it: wasirun {option}--image {found.name} PROGRAM")


def _tell_packages(found: Image) -> None:
    for package in found.packages:
        origin = {"runtime": "comes with the runtime"}.get(package.source, f"sha256 {package.sha256}")
        need = "" if package.requested else ", needed by another"
        click.echo(f"package   {one_line(package.name)} {one_line(package.version)}{need}: {origin}")


def _tell_entropy(found: Image) -> None:
    for note in found.entropy:
        step = "the set-up code" if note.step == "setup" else f"importing {one_line(note.step)}"
        click.echo(f"note      {step} drew random bytes: what it made of them is the same in every run")


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _text(path: str, option: str) -> str:
    try:
        with Path(path).open("rb") as file:
            raw = file.read(_MAX_FILE_BYTES + 1)
        if len(raw) > _MAX_FILE_BYTES:
            raise InvalidImageError(f"{option}: {shown_name(path)} is longer than {_MAX_FILE_BYTES} bytes")
        return raw.decode()
    except OSError as error:
        raise InvalidImageError(f"{option}: {shown_name(path)} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InvalidImageError(f"{option}: {shown_name(path)} is no text in UTF-8") from None


def _lines(text: str) -> list[str]:
    """Return the requirements of a file: a line each, comments and continued lines as pip has them."""
    joined = text.replace("\\\n", " ")
    return [
        line for line in (line.partition(" #")[0].strip() for line in joined.splitlines()) if line and line[0] != "#"
    ]
