"""`wasirun plugin stubs`, as a person types it."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_lab import done, environment, one_line, refused, rows, wasirun
from plugin_lab import asks

Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def plugin(tmp_path: Path) -> Command:
    def call(*words: str | Path, **options: str) -> subprocess.CompletedProcess[str]:
        return wasirun("plugin", *words, cwd=tmp_path, **options)

    return call


APPLICATION = '''
from dataclasses import dataclass

from wasihost import Grants, HostFunction, host_function


@dataclass
class Hit:
    word: str
    score: float


@host_function
async def search(word: str, *, most: int = 5) -> list[Hit]:
    """Look a word up."""
    return []


def now() -> str:
    return "now"


class Settings:
    functions = [search, now]


FUNCTIONS = Settings.functions
GRANTS = Grants(functions=FUNCTIONS)
NUMBER = 5
TWICE = [now, now]
'''


@pytest.fixture
def application(tmp_path: Path) -> Path:
    path = tmp_path / "application.py"
    path.write_text(APPLICATION)
    return path


def test_a_stub_file_for_a_plugin(plugin: Command, tmp_path: Path, application: Path) -> None:
    code = """
    from host import search

    async def go() -> list[str]:
        return [hit["word"] for hit in await search("a", most=1)]
    """
    folder = asks(tmp_path / "p", code, 'kind = "function"\nname = "search"')
    text = done(plugin("stubs", "p", "--functions", "application:FUNCTIONS"))
    assert "async def search(word: str, *, most: int = 5) -> list[Hit]:" in text
    assert "def now" not in text
    assert done(plugin("stubs", "p", "--functions", "application:FUNCTIONS", "--output", "p")) == (
        "p/host.pyi has 1 functions of the host\n"
    )
    assert (folder / "host.pyi").read_text() == text
    mypy = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache"), "entry.py"]
    checked = subprocess.run(mypy, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    assert (checked.returncode, checked.stdout.splitlines()[-1]) == (0, "Success: no issues found in 1 source file")
    (folder / "entry.py").write_text(textwrap.dedent(code).replace("most=1", 'most="1"'))
    checked = subprocess.run(mypy, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    assert checked.returncode == 1
    assert 'Argument "most" to "search" has incompatible type "str"; expected "int"' in checked.stdout
    # The plugin has no more of its files inside for that, and still no need of a folder.
    assert rows(plugin("check", "p"), 0)[-2:] == [
        ("ok", "exports", "go()"),
        ("no", "tests", "there are none in tests/"),
    ]


def test_all_functions_of_a_program(plugin: Command, tmp_path: Path, application: Path) -> None:
    text = done(plugin("stubs", "--functions", "application:FUNCTIONS"))
    assert "async def search(" in text
    assert "def now() -> str: ..." in text
    for place in ("application:Settings.functions", "application:GRANTS"):
        assert done(plugin("stubs", "--functions", place, "--output", "made.pyi")).startswith(
            "made.pyi has 2 functions"
        )
        assert (tmp_path / "made.pyi").read_text() == text
    assert "def search" not in done(plugin("stubs", "--functions", "application:now"))


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ((), "Missing option '--functions'."),
        (("--functions", "application"), "--functions: 'application' has not the form MODULE:NAME"),
        (("--functions", "a b:c"), "--functions: 'a b:c' has not the form MODULE:NAME"),
        (("--functions", "missing:FUNCTIONS"), "--functions: the module missing cannot be imported: ModuleNotF"),
        (("--functions", "broken:FUNCTIONS"), "--functions: the module broken cannot be imported: SystemExit: 0"),
        (("--functions", "application:MISSING"), "--functions: the module application has no MISSING"),
        (("--functions", "application:NUMBER"), "--functions application:NUMBER: that is no list of functions"),
        (("--functions", "application:TWICE"), "there are two functions"),
        (("p", "--functions", "application:now"), "the plugin tried asks for search, and there are now"),
        (("nothing", "--functions", "application:now"), "nothing: there is no such file or folder"),
        (("--functions", "application:now", "--output", "no/such/file"), "no/such/file cannot be written: No such"),
    ],
)  # fmt: skip
def test_stubs_that_cannot_be_made(
    plugin: Command, tmp_path: Path, application: Path, words: tuple[str, ...], why: str
) -> None:
    (tmp_path / "broken.py").write_text("raise SystemExit(0)\n")
    asks(tmp_path / "p", "def go():\n    pass\n", 'kind = "function"\nname = "search"')
    assert refused(plugin("stubs", *words)).startswith(why)


def test_what_a_plugin_works_without_may_be_missing(plugin: Command, tmp_path: Path, application: Path) -> None:
    asks(tmp_path / "p", "def go():\n    pass\n", 'kind = "function"\nname = "other"\nrequired = false')
    result = plugin("stubs", "p", "--functions", "application:now")
    assert (result.returncode, "def " in result.stdout) == (0, False)
    assert one_line(result.stderr) == (
        "wasirun: the plugin tried asks for other, which is not there, and which it works without"
    )


def test_the_current_folder_does_not_stand_in_for_what_is_installed(plugin: Command, tmp_path: Path) -> None:
    (tmp_path / "keyword.py").write_text("raise SystemExit('ran')\n")
    (tmp_path / "packaging.py").write_text("raise SystemExit('ran')\n")
    command = [sys.executable, "-P", "-c", "from wasihost.cli import main; main()", "plugin", "stubs", "--functions"]
    for place, why in (("keyword:kwlist", "'False' has no name"), ("packaging:MISSING", "packaging has no MISSING")):
        result = subprocess.run(
            [*command, place], cwd=tmp_path, capture_output=True, text=True, env=environment(), check=False
        )
        assert why in refused(result)
