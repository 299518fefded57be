"""What is kept in the repository: no host names of a registry, no paths of somebody's machine, nothing large."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LARGEST_BYTES = 300_000
FOLDERS = ("wasihost", "runtimes", "capabilities", "tests", "bench", "docs", "examples", ".ci")

# Written in parts, so that this file does not contain what it looks for.
REGISTRY_HOSTS = re.compile(
    "|".join(["py" + r"pi\.org", "python" + r"hosted\.org", "anaconda" + r"\.org", "npm" + r"js\.org"])
)
MACHINE_PATHS = re.compile(r"(?<![\w.$~])/(?:" + "|".join(["wor" + "k/", "tmp/" + "lab", "roo" + "t/"]) + ")")


def kept_files() -> list[Path]:
    """Files that are tracked, or would be: without git (an unpacked sdist), the folders of the project."""
    if (ROOT / ".git").exists() and shutil.which("git"):
        listed = subprocess.run(
            ["git", "-c", "safe.directory=*", "ls-files", "-co", "--exclude-standard", "-z"],
            cwd=ROOT,
            check=True,
            capture_output=True,
        ).stdout
        paths = [ROOT / name.decode() for name in listed.split(b"\0") if name]
    else:
        paths = [path for path in ROOT.glob("*.*") if path.is_file()]
        paths += [path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if "__pycache__" not in path.parts]
    return [path for path in paths if path.is_file() and ".egg-info" not in str(path)]


def test_the_list_of_files_is_not_empty() -> None:
    names = {path.relative_to(ROOT).as_posix() for path in kept_files()}
    assert {"pyproject.toml", "wasihost/__init__.py", "runtimes/cpython-3.15.toml", "README.md"} <= names


@pytest.mark.parametrize("pattern", [REGISTRY_HOSTS, MACHINE_PATHS], ids=["registry", "machine"])
def test_no_file_names_a_registry_or_a_machine(pattern: re.Pattern[str]) -> None:
    found = []
    for path in kept_files():
        text = path.read_text(encoding="utf-8", errors="replace")
        found += [f"{path.relative_to(ROOT)}: {match.group()}" for match in pattern.finditer(text)]
    assert found == []


def test_the_patterns_find_what_they_are_for() -> None:
    assert REGISTRY_HOSTS.search("https://" + "py" + "pi.org/simple")
    assert MACHINE_PATHS.search('open("/' + "wor" + 'k/main")')
    assert not MACHINE_PATHS.search("https://example.com/" + "wor" + "k/")


def test_nothing_large_is_kept() -> None:
    large = {path.relative_to(ROOT).as_posix(): path.stat().st_size for path in kept_files()}
    assert {name: size for name, size in large.items() if size > LARGEST_BYTES} == {}


def test_the_ci_script_can_be_executed() -> None:
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & 0o111
    assert script.read_text(encoding="utf-8").startswith("#!/usr/bin/env bash\n")
    subprocess.run(["bash", "-n", str(script)], check=True)
