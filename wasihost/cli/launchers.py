"""Which launchers work on this machine, tried out."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from typing import Final

from wasihost import BWRAP, DOCKER, RUNSC, Launcher, Sandbox
from wasihost.cli.report import MISSING, OK
from wasihost.containment.launchers import DEFAULT_IMAGE
from wasihost.errors import WasiHostError

_ANSWER_SECONDS: Final = 5.0
_INFO: Final = "{{.ServerVersion}}{{range $name, $_ := .Runtimes}} {{$name}}{{end}}"


def launchers_found() -> Iterator[tuple[str, str]]:
    """Yield a mark and a line for each ready-made launcher: whether a program runs inside it, or what it lacks."""
    if shutil.which("bwrap") is None:
        yield MISSING, "bwrap: not installed; the package is called bubblewrap"
    else:
        yield _tried(BWRAP)
    if shutil.which("docker") is None:
        yield MISSING, "docker: not installed"
        yield MISSING, "runsc: needs docker, with runsc among its runtimes"
        return
    version, runtimes = _engine()
    if not version:
        yield MISSING, "docker: installed, but its engine does not answer; start it, or see `docker info`"
        yield MISSING, "runsc: needs the engine of docker, with runsc among its runtimes"
        return
    if not _ask("image", "inspect", "--format", "{{.Id}}", DEFAULT_IMAGE):
        yield MISSING, f"docker: the engine {version} answers; get the image with `docker pull {DEFAULT_IMAGE}`"
        yield MISSING, "runsc: the same image is needed"
        return
    yield _tried(DOCKER)
    if "runsc" in runtimes:
        yield _tried(RUNSC)
    else:
        yield MISSING, "runsc: not among the runtimes of docker; `runsc install` adds it there"


def _tried(launcher: Launcher) -> tuple[str, str]:
    try:
        with Sandbox(launcher=launcher, workers=1) as sandbox:
            product = sandbox.run("6 * 7").value
    except WasiHostError as error:
        return MISSING, f"{launcher.name}: installed, but it does not work: {error}"
    if product != 42:
        return MISSING, f"{launcher.name}: installed, but 6 * 7 gave {product!r} inside it"
    return OK, f"{launcher.name}: a program runs inside it (--launcher {launcher.name})"


def _engine() -> tuple[str, list[str]]:
    """Return the version of Docker's engine and its runtimes; "" when it does not answer."""
    version, *runtimes = _ask("info", "--format", _INFO).split() or [""]
    return version, runtimes


def _ask(*words: str) -> str:
    try:
        done = subprocess.run(  # noqa: S603 - no word of it comes from elsewhere
            [shutil.which("docker") or "docker", *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_ANSWER_SECONDS,
            check=False,
            env={name: os.environ[name] for name in DOCKER.environment if name in os.environ},
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.decode("utf-8", "replace").strip() if done.returncode == 0 else ""
