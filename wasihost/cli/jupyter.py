"""`wasirun jupyter`: kernels for notebooks, each a sandbox with the options that it was installed with."""

from __future__ import annotations

import json
import logging
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from wasihost.cli import values
from wasihost.cli.options import SANDBOX_OPTIONS, sandbox_options
from wasihost.cli.report import print_table
from wasihost.cli.runtimes import bars
from wasihost.cli.text import one_line, shell_word, shown_name
from wasihost.errors import ConfigError, InvalidGrantError
from wasihost.runtime.default import DEFAULT_RUNTIME

if TYPE_CHECKING:
    from jupyter_client.kernelspec import KernelSpecManager

Command = TypeVar("Command", bound=Callable[..., Any])

NAME: Final = "wasihost"
# Without -P, Python would import what lies in the notebook's folder, on the host.
PROGRAM: Final = ("-P", "-m", "wasihost", "jupyter", "kernel")
LIMITS: Final = {"fuel": "10T", "memory": "1G", "deadline": "10m"}
"""Where neither options nor the profile say otherwise: somebody sits in front of a cell, and can stop it."""
_FIELDS: Final = {"fuel": "fuel", "memory": "memory_bytes", "deadline": "deadline_seconds"}
_MISSING: Final = "a kernel for Jupyter needs more packages: pip install 'wasihost[jupyter]'"


@click.group()
def jupyter() -> None:
    """Install, list and remove kernels for Jupyter notebooks."""


def kernel_options(command: Command) -> Command:
    """Give a command the options of a kernel."""
    for decorate in (
        sandbox_options(LIMITS),
        click.option(
            "--allow-scripts",
            is_flag=True,
            help="Pass on HTML, SVG and JavaScript as the program wrote them. In the browser they can do what you can"
            " do there: with a notebook server, run programs on this machine.",
        ),
        click.option("--figures", metavar="png|svg", default="png", help="How plots are drawn.  [default: png]"),
    ):
        command = decorate(command)
    return command


@jupyter.command()
@click.option("--user", "for_user", is_flag=True, help="Install it for this user; so it is without another place.")
@click.option("--sys-prefix", is_flag=True, help="Install it into the environment that wasirun runs in.")
@click.option("--prefix", metavar="FOLDER", help="Install it into FOLDER/share/jupyter/kernels.")
@click.option("--name", default=NAME, metavar="NAME", help="Of the kernel.  [default: wasihost]")
@click.option("--display-name", metavar="TEXT", help="As notebooks list it.  [default: Python (NAME)]")
@kernel_options
def install(
    *,
    for_user: bool,
    sys_prefix: bool,
    prefix: str | None,
    name: str,
    display_name: str | None,
    figures: str,
    allow_scripts: bool,
    **given: Any,  # noqa: ANN401 - the options of a sandbox
) -> None:
    """Make a kernel that notebooks can choose, with the options given here.

    Its sandbox is made once, so that mistakes are told here and the runtime is ready.
    """
    if for_user + sys_prefix + (prefix is not None) > 1:
        raise ConfigError("--user, --sys-prefix and --prefix exclude each other")
    manager = _manager()
    _integration()
    options = _fixed({key: value for key, value in given.items() if value})
    _try(options, figures)
    if sys_prefix:
        prefix = sys.prefix
    place = Path(prefix).resolve() / "share" / "jupyter" / "kernels" if prefix else Path(manager.user_kernel_dir)
    _refuse_foreign(place / name.lower())
    spec = {
        "argv": [sys.executable, *PROGRAM, "-f", "{connection_file}", *_words(options, figures, allow_scripts)],
        "display_name": display_name or f"Python ({name})",
        "language": "python",
        "interrupt_mode": "signal",
        "metadata": {"debugger": False},
    }
    try:
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "kernel.json").write_text(json.dumps(spec, indent=1, ensure_ascii=False) + "\n", "utf-8")
            Path(folder).chmod(0o755)
            installed = manager.install_kernel_spec(folder, name, user=prefix is None, prefix=prefix)
    except (OSError, ValueError) as error:
        raise ConfigError(f"the kernel cannot be installed: {error}") from None
    click.echo(f"{shown_name(name)} is installed: {shown_name(installed)}")
    if str(place) not in manager.kernel_dirs:
        click.echo(f"Jupyter finds it with JUPYTER_PATH={shell_word(str(place.parent))}")


@jupyter.command("list")
def list_kernels() -> None:
    """List the kernels that were made here, with their options."""
    rows = [("NAME", "FOLDER", "OPTIONS")]
    for name, folder in sorted(_manager().find_kernel_specs().items()):
        argv = _argv_of(Path(folder))
        if argv is not None:
            options = argv[argv.index("kernel") + 3 :]
            rows.append((shown_name(name), shown_name(folder), " ".join(map(shell_word, options))))
    print_table(rows)


@jupyter.command()
@click.argument("name")
def uninstall(name: str) -> None:
    """Remove a kernel that was made here."""
    manager = _manager()
    folder = manager.find_kernel_specs().get(name.lower())
    if folder is None:
        raise ConfigError(f"Jupyter knows no kernel {shown_name(name)}")
    _refuse_foreign(Path(folder))
    try:
        manager.remove_kernel_spec(name.lower())
    except OSError as error:
        raise ConfigError(f"the kernel cannot be removed: {error}") from None
    click.echo(f"{shown_name(name)} is removed: {shown_name(folder)}")


@jupyter.command(hidden=True)
@click.option("-f", "connection_file", metavar="FILE", required=True, help="What Jupyter wrote for it.")
@kernel_options
def kernel(
    *,
    connection_file: str,
    figures: str,
    allow_scripts: bool,
    **given: Any,  # noqa: ANN401 - the options of a sandbox
) -> None:
    """Be a kernel; Jupyter calls this."""
    made_of = _integration()
    sandbox = _sandbox_of({key: value for key, value in given.items() if value})
    options = made_of.Options(sandbox=sandbox, figures=(figures,), scripts=allow_scripts)
    made_of.run_kernel(connection_file, options)


def _integration() -> ModuleType:
    try:
        from wasihost.integrations import jupyter as found
    except ImportError as error:
        raise ConfigError(f"{_MISSING} ({error.__cause__ or error})") from None
    return found


def _manager() -> KernelSpecManager:
    try:
        from jupyter_client.kernelspec import KernelSpecManager
    except ImportError:
        raise ConfigError(_MISSING) from None
    # What it logs is said here, in one line.
    silent = logging.Logger("wasihost.jupyter", logging.CRITICAL + 1)
    return KernelSpecManager(log=silent, ensure_native_kernel=False)


def _fixed(given: dict[str, Any]) -> dict[str, Any]:
    """Return options that mean the same in another folder, which is where the kernel is started."""
    fixed = dict(given)
    profile: dict[str, Any] = {}
    if given.get("profile", "none") != "none":
        from wasihost.capabilities.profile import load_profile  # parses TOML, which is not needed otherwise

        profile = dict(load_profile(given["profile"]).limits)
        if Path(given["profile"]).is_file():
            fixed["profile"] = str(Path(given["profile"]).resolve())
    fixed |= {key: text for key, text in LIMITS.items() if key not in given and _FIELDS[key] not in profile}
    for key in ("allow_read", "allow_write", "overlay"):
        if key in given:
            grants = [values.preopen(text, "--" + key.replace("_", "-")) for text in given[key]]
            fixed[key] = [f"{Path(grant.host).absolute()}::{grant.guest}" for grant in grants]
    return fixed


def _words(options: dict[str, Any], figures: str, allow_scripts: bool) -> list[str]:
    """Return options as they are typed, each one word."""
    words = []
    for option in SANDBOX_OPTIONS:
        given = options.get(option.key, ())
        words += [f"{option.flag}={text}" for text in ([given] if isinstance(given, str) else given)]
    return [*words, f"--figures={figures}", *(["--allow-scripts"] if allow_scripts else [])]


def _sandbox_of(given: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of `Sandbox` that options mean."""
    from wasihost.cli.run import read_grants, read_walls  # what carries runs out, which most commands need not

    preopens, env, limits = read_grants(given)
    walls = read_walls(given)
    return {
        "preopens": preopens,
        "env": env,
        "limits": limits,
        "require_walls": walls.require_walls,
        "launcher": walls.launcher,
        "runtime": given.get("runtime", DEFAULT_RUNTIME),
        **{key: given[key] for key in ("image", "profile") if key in given},
    }


def _try(options: dict[str, Any], figures: str) -> None:
    from wasihost import Sandbox

    values.choice(figures, "--figures", ("png", "svg"))
    with bars() as drawn, Sandbox(**_sandbox_of(options), progress=drawn) as sandbox, sandbox.session() as session:
        session.run("", check=True)


def _argv_of(folder: Path) -> list[str] | None:
    """Return the command of a kernel that was made here, None for another one."""
    try:
        argv = json.loads((folder / "kernel.json").read_bytes())["argv"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    ours = isinstance(argv, list) and tuple(argv[1 : 1 + len(PROGRAM)]) == PROGRAM
    return [str(word) for word in argv] if ours else None


def _refuse_foreign(folder: Path) -> None:
    if folder.exists() and _argv_of(folder) is None:
        raise InvalidGrantError(f"there is a kernel that is not wasihost's: {one_line(str(folder))}")
