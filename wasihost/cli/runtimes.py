"""`wasirun runtime`: the CPython builds on this machine."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from wasihost.cli import statuses
from wasihost.cli.report import print_table
from wasihost.cli.text import one_line, shown_name
from wasihost.cli.values import size_text

if TYPE_CHECKING:
    from wasihost.cli.bars import Bars
    from wasihost.runtime import Runtime


@click.group()
def runtime() -> None:
    """List, install, describe, verify, remove and add runtimes."""


@runtime.command("list")
def list_runtimes() -> None:
    """List the runtimes there are, and whether they are installed and ready to run."""
    from wasihost.runtime import find_runtime, runtime_names

    rows = [("NAME", "PYTHON", "STATE", "SIZE", "SUMMARY")]
    for name in runtime_names():
        found = find_runtime(name)
        summary = one_line(found.slice.summary)
        rows.append((name, found.manifest.python_version, state_of(found), _size_of(found), summary))
    print_table(rows)


@runtime.command()
@click.argument("name")
def install(name: str) -> None:
    """Download, verify, compile and start a runtime, so that its first run is a fast one."""
    from wasihost.image.store import make_ready
    from wasihost.runtime import find_runtime

    found = find_runtime(name)
    with bars() as drawn:
        make_ready(name, metered=True, progress=drawn)
    click.echo(f"{name} is ready ({_size_of(found)})")


@runtime.command()
@click.argument("name")
def info(name: str) -> None:
    """Tell what a runtime is, who made it, under which licence, and what it is pinned to."""
    from wasihost.runtime import find_runtime, install_folder
    from wasihost.runtime.manifest import IndexSource, UrlSource
    from wasihost.runtime.url import shown_url

    found = find_runtime(name)
    manifest = found.manifest
    source = manifest.source
    if isinstance(source, IndexSource):
        origin = f"{source.file} ({source.package} {source.version} of the configured Python index)"
    elif isinstance(source, UrlSource):
        origin = shown_url(source.url)
    else:
        origin = str(source.path)
    lines = [
        ("name", name),
        ("python", manifest.python_version),
        ("state", state_of(found)),
        ("size", _size_of(found)),
        ("licence", manifest.licence),
        ("credit", one_line(manifest.credit)),
        ("homepage", manifest.homepage),
        ("layout", manifest.layout),
        ("source", origin),
        ("sha256", source.sha256),
    ]
    lines += [
        ("holds", f"{item.install_as}, {size_text(item.size_bytes)}, sha256 {item.sha256}") for item in manifest.items
    ]
    for part in manifest.slices:
        missing = f", without {', '.join(part.missing)}" if part.missing else ""
        lines.append(("slice", f"{part.name}, as {part.runtime}: {one_line(part.summary)}{missing}"))
    lines.append(("folder", str(install_folder(found))))
    lines += [("folder", str(folder)) for folder in built_folders(found) if folder.is_dir()]
    for label, text in lines:
        if text:
            click.echo(f"{label:9} {text}")


@runtime.command()
@click.argument("name", required=False)
def verify(name: str | None) -> int:
    """Hash every file of a runtime, or of all that are installed, and compare it with what is pinned."""
    from wasihost.runtime import find_runtime, install_folder, runtime_names, verify_installed

    if name is not None:
        wanted = [find_runtime(name)]
    else:
        wanted = [found for found in map(find_runtime, runtime_names()) if install_folder(found).is_dir()]
        if not wanted:
            click.echo("no runtime is installed")
    status = 0
    for found in wanted:
        problems = verify_installed(found)
        for problem in problems:
            click.echo(f"{found.name}: {one_line(problem)}")
            status = statuses.CHECK_FAILED
        if not problems:
            click.echo(f"{found.name}: every file is as pinned")
    return status


@runtime.command()
@click.argument("name")
def remove(name: str) -> None:
    """Remove the files of a runtime, its compiled code and its images; one that was added is forgotten too."""
    from wasihost.image.store import remove_built
    from wasihost.runtime import find_runtime, remove_installed, remove_runtime

    found = find_runtime(name)
    freed = remove_built(found)
    if found.manifest.custom:
        freed += remove_runtime(found.manifest.name)
        click.echo(f"{name} is removed and forgotten, {size_text(freed)} freed")
        return
    freed += remove_installed(found)
    others = [other for other in found.manifest.runtime_names if other != name]
    shared = f" (its download also served {', '.join(others)})" if others else ""
    click.echo(f"{name} is removed, {size_text(freed)} freed{shared}")


@runtime.command()
@click.argument("name")
@click.argument("origin")
@click.option("--sha256", metavar="HEX", help="Digest of the file; needed for an address.")
@click.option("--wasm", metavar="PATH", help="The module in the build, when it has several.")
@click.option("--library", metavar="PATH", help="The folder in the build that holds python3.N or python3N.zip.")
@click.option("--licence", metavar="SPDX", default="unknown", help="Its licence, as far as known.")
@click.option("--credit", metavar="TEXT", default="", help="Who made it.")
def add(
    *, name: str, origin: str, sha256: str | None, wasm: str | None, library: str | None, licence: str, credit: str
) -> None:
    """Add a build of your own under a name: a .wasm file, a folder, a .zip, a .tar.gz, or the address of such a file.

    It is looked at, compiled, started, frozen and made to compute 6 * 7; one that cannot do that is refused with the
    reason, and nothing of it stays.
    """
    from wasihost.image.probe import add_build

    def tell(finding: str) -> None:
        click.echo(f"found: {one_line(finding)}")

    with bars() as drawn:
        add_build(
            name,
            origin,
            sha256=sha256,
            wasm=wasm,
            library=library,
            licence=licence,
            credit=credit,
            progress=drawn,
            tell=tell,
        )
    click.echo(f"added: wasirun --runtime {shown_name(name)} -c 'print(6 * 7)'")


# -- shared with doctor -----------------------------------------------------------------------------------------------


def state_of(found: Runtime) -> str:
    """Return how far a runtime is: "ready", "installed" or "-"."""
    from wasihost.image.store import is_ready
    from wasihost.runtime import is_installed

    if not _cache_exists() or not is_installed(found):
        return "-"
    return "ready" if is_ready(found) else "installed"


def built_folders(found: Runtime) -> list[Path]:
    """Return where the compiled code (metered, unmetered) and the image of a runtime lie or will lie."""
    from wasihost.image.store import compiled_folder, image_folder
    from wasihost.runtime import open_cache

    cache = open_cache()
    compiled = [compiled_folder(cache, found, metered=metered) for metered in (True, False)]
    return [*compiled, *[image_folder(cache, found, name) for name in found.slice.image_names]]


def folder_bytes(folder: Path) -> int:
    """Return the size of all files below a folder."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += (Path(parent) / name).lstat().st_size
    return total


def _cache_exists() -> bool:
    from wasihost.runtime import cache_root

    return cache_root().is_dir()


def _size_of(found: Runtime) -> str:
    from wasihost.runtime import install_folder

    if _cache_exists():
        held = sum(folder_bytes(folder) for folder in [install_folder(found), *built_folders(found)])
        if held:
            return size_text(held)
    return f"{size_text(found.manifest.source.size_bytes or found.manifest.installed_bytes)} to fetch"


@contextlib.contextmanager
def bars() -> Iterator[Bars | None]:
    """Lend what draws long work, where somebody looks."""
    if not sys.stderr.isatty():
        yield None
        return
    from wasihost.cli.bars import Bars

    drawn = Bars()
    try:
        yield drawn
    finally:
        drawn.stop()
