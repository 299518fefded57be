"""The README's examples are run, and its commands are the ones that continuous integration uses."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from wasihost.runtime import manifests, runtime_names

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
WASIRUN = "import sys; from wasihost.cli import main; sys.exit(main())"


PAGES = ("host-functions", "plugins")
"""Pages of docs/ whose examples are run as well."""


def blocks(language: str, text: str = README) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def pages() -> list[tuple[str, str]]:
    texts = {page: (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8") for page in PAGES}
    return [(page, code) for page, text in texts.items() for code in blocks("python", text)]


def examples() -> list[tuple[str, str]]:
    """(command, expected output) of every console block."""
    found: list[tuple[str, str]] = []
    for block in blocks("console"):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            found.append((command, output))
    return found


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A folder with the examples in it, and a `wasirun` of this source tree."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    folder = tmp_path / "bin"
    folder.mkdir()
    script = folder / "wasirun"
    script.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -c {shlex.quote(WASIRUN)} "$@"\n')
    script.chmod(0o755)
    return tmp_path


def in_shell(command: str, tree: Path) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "PATH": f"{tree / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
    }
    return subprocess.run(
        ["bash", "-c", command],
        cwd=tree,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def test_there_are_examples_of_each_kind() -> None:
    assert (len(blocks("sh")), len(blocks("console")), len(blocks("python"))) == (2, 3, 9)
    assert [page for page, _ in pages()] == [*PAGES]
    assert len(examples()) >= 6


@pytest.mark.parametrize(("command", "output"), examples())
def test_console_examples_print_what_the_readme_says(command: str, output: str, tree: Path) -> None:
    done = in_shell(command, tree)
    assert done.stdout == output, done.stderr


@pytest.mark.parametrize("code", blocks("python"))
def test_python_examples_run(code: str, tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tree)
    exec(compile(code, "README.md", "exec"), {"__name__": "readme"})


@pytest.mark.parametrize(("page", "code"), pages(), ids=PAGES)
def test_examples_of_the_docs_run(page: str, code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    exec(compile(code, f"{page}.md", "exec"), {"__name__": "__main__"})


def test_the_first_command_runs_a_real_file(tree: Path) -> None:
    command = blocks("sh")[0].strip()
    assert "\n" not in command
    install, kept, rest = command.partition("mkdir -p out && ")
    assert install == "python3 -m venv .venv && .venv/bin/pip install -q . && "
    done = in_shell(kept + rest.replace(".venv/bin/wasirun", "wasirun"), tree)
    assert done.returncode == 0, done.stderr
    line, _, report = done.stdout.partition("\n")
    assert line == "3 files, 111 words, 71 different; the report is /out/words.json"
    assert json.loads(report)["words"] == 111
    assert json.loads((tree / "out" / "words.json").read_text("utf-8")) == json.loads(report)


def test_the_example_counts_the_same_under_plain_python(tree: Path) -> None:
    (tree / "inside").mkdir()
    (tree / "outside").mkdir()
    inside = in_shell(
        "wasirun --allow-read examples/texts::/t --allow-write inside::/out examples/wordcount.py /t /out --tsv",
        tree,
    )
    outside = in_shell(
        f"{shlex.quote(sys.executable)} examples/wordcount.py examples/texts outside --tsv",
        tree,
    )
    assert (inside.returncode, outside.returncode) == (0, 0), inside.stderr + outside.stderr
    assert (tree / "inside" / "words.tsv").read_bytes() == (tree / "outside" / "words.tsv").read_bytes()
    assert (tree / "inside" / "words.tsv").read_text("utf-8").startswith("the\t")


def test_the_example_needs_its_grants(tree: Path) -> None:
    (tree / "out").mkdir()
    done = in_shell("wasirun --allow-write out::/out examples/wordcount.py /texts /out", tree)
    assert done.returncode == 1
    assert "FileNotFoundError" in done.stderr
    assert "--allow-read" in done.stderr
    assert list((tree / "out").iterdir()) == []


def test_continuous_integration_runs_the_readme_s_test_command() -> None:
    command = blocks("sh")[1].strip()
    assert "\n" not in command
    assert command in (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()


def test_every_runtime_is_in_the_table_and_its_makers_are_credited() -> None:
    # A user's own builds may be in the cache of this machine; those of the project are what counts here.
    ours = [path.stem for path in (ROOT / "runtimes").glob("*.toml")]
    for manifest in manifests():
        if manifest.name not in ours:
            continue
        assert manifest.homepage is None or manifest.homepage in README
        for part in manifest.slices:
            assert f"| `{part.runtime}`" in README
            assert part.runtime in runtime_names()
    for maker in (
        "Clay Gendron",
        "VMware Wasm Labs",
        "Bartosz Mosionek",
        "Bytecode Alliance",
        "Python Software Foundation",
    ):
        assert maker in README.split("## Credits")[1]


def test_links_lead_to_files_that_are_there() -> None:
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
