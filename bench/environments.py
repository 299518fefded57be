"""A virtual environment for each peer, made once and kept in the user's cache folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import platformdirs

from bench.roster import Peer

PREFERRED = ((3, 13), (3, 12), (3, 14), (3, 11))
"""Versions of Python for peers: those that most have wheels for come first."""
INSTALL_SECONDS = 1200
ASK_SECONDS = 60


class MissingError(Exception):
    """A peer cannot be had here; the message says why."""


class Environments:
    """The environments of peers.

    Args:
        folder: Where they are; None for the user's cache folder.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or platformdirs.user_cache_path("wasihost-bench")

    def python_of(self, peer: Peer) -> Path:
        """Return the interpreter that has a peer installed, making its environment if need be.

        Raises:
            MissingError: It cannot be installed.
        """
        if not peer.distribution:
            return Path(sys.executable)
        home = self.folder / peer.name
        python = home / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        if python.exists() and _installed(python, peer.distribution) == peer.version:
            return python
        chosen = find_python(peer.python)
        if chosen is None:
            least = ".".join(map(str, peer.python))
            raise MissingError(f"it needs Python {least}, and there is none on PATH, of pyenv or of uv")
        shutil.rmtree(home, ignore_errors=True)
        home.parent.mkdir(parents=True, exist_ok=True)
        try:
            _call([str(chosen), "-m", "venv", str(home)], "no environment could be made")
            requirement = f"{peer.distribution}=={peer.version}" if peer.version else peer.distribution
            options = ["--quiet", "--disable-pip-version-check", "--no-input"]
            _call([str(python), "-m", "pip", "install", *options, requirement], "it could not be installed")
        except MissingError:
            shutil.rmtree(home, ignore_errors=True)
            raise
        return python


def _call(command: list[str], trouble: str) -> None:
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=INSTALL_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MissingError(f"{trouble}: {type(error).__name__}") from None
    if done.returncode != 0:
        lines = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        said = [line for line in lines if line.startswith("ERROR")] or lines[-1:] or ["it said nothing"]
        raise MissingError(f"{trouble}: {said[-1].removeprefix('ERROR: ').strip()}"[:300])


def _installed(python: Path, distribution: str) -> str | None:
    code = "import sys\nfrom importlib import metadata\nprint(metadata.version(sys.argv[1]))"
    return _ask([str(python), "-c", code, distribution])


def _ask(command: list[str]) -> str | None:
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=ASK_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def find_python(least: tuple[int, int]) -> Path | None:
    """Return an interpreter of at least that version that can make environments; None when there is none."""
    for version in PREFERRED:
        if version >= least:
            for path in _pythons(*version):
                if _can_make(path, version):
                    return path
    return None


@cache
def _can_make(path: Path, version: tuple[int, int]) -> bool:
    code = "import ensurepip, sys, venv\nprint(sys.version_info[:2])"
    return _ask([str(path), "-c", code]) == str(version)


def _pythons(major: int, minor: int) -> Iterator[Path]:
    name = f"python{major}.{minor}"
    if sys.version_info[:2] == (major, minor):
        yield Path(sys.executable)
    found = shutil.which(name)
    if found is not None:
        yield Path(found)
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    for folder in sorted((root / "versions").glob(f"{major}.{minor}*")):
        yield folder / "bin" / name
    uv = shutil.which("uv")
    if uv is not None:
        known = _ask([uv, "python", "find", "--offline", f"{major}.{minor}"])
        if known:
            yield Path(known)
