"""Every program of docs/limitations.md does what the page says, on the default or the scientific runtime."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from wasihost import Limits, Outcome, RunResult, Sandbox, Scratch

PAGE = Path(__file__).resolve().parents[2] / "docs" / "limitations.md"
PAIR = re.compile(r"^```python\n(.*?)^```\n```text\n(.*?)^```$", re.MULTILINE | re.DOTALL)


# The page is in two parts: this heading begins what is said of the scientific runtime.
GENERAL, _, SCIENTIFIC = PAGE.read_text(encoding="utf-8").partition("## The scientific runtime\n")


def cases(text: str) -> list[object]:
    """The programs below each heading with the outputs that stand behind them."""
    found: list[object] = []
    for part in re.split(r"^#+ ", text, flags=re.MULTILINE)[1:]:
        heading = part.partition("\n")[0]
        found += [pytest.param(code, said, id=heading) for code, said in PAIR.findall(part)]
    return found


@pytest.fixture(scope="module")
def scientific() -> Iterator[Sandbox]:
    limits = Limits(memory_bytes=2**30, deadline_seconds=60)
    with Sandbox(runtime="cpython-3.15-sci", image="plot", preopens=[Scratch("/tmp")], limits=limits) as sandbox:
        yield sandbox


@pytest.mark.parametrize(("text", "least"), [(GENERAL, 12), (SCIENTIFIC, 12)])
def test_the_page_has_programs_and_each_has_an_output(text: str, least: int) -> None:
    assert len(cases(text)) == text.count("```python") == text.count("```text") >= least


@pytest.mark.parametrize(("code", "said"), cases(GENERAL))
def test_it_is_as_the_page_says(code: str, said: str, default_run: Callable[..., RunResult]) -> None:
    result = default_run(code)
    assert (result.outcome, result.exit_code, result.stderr) == (Outcome.EXITED, 0, "")
    assert result.stdout == said


@pytest.mark.parametrize(("code", "said"), cases(SCIENTIFIC))
def test_the_scientific_runtime_is_as_the_page_says(code: str, said: str, scientific: Sandbox) -> None:
    result = scientific.run(code)
    assert (result.outcome, result.exit_code, result.stderr) == (Outcome.EXITED, 0, "")
    assert result.stdout == said


def test_tempfile_works_with_a_scratch_folder(default_run: Callable[..., RunResult]) -> None:
    code = "import tempfile\nwith tempfile.TemporaryFile() as file:\n    print(file.write(b'x'), tempfile.gettempdir())"
    result = default_run(code, preopens=[Scratch("/tmp")])
    assert (result.exit_code, result.stdout) == (0, "1 /tmp\n"), result.stderr


def test_freeing_very_deep_lists_crashes_the_guest_and_not_the_host(default_run: Callable[..., RunResult]) -> None:
    code = "x = None\nfor _ in range({}):\n    x = [x]\ndel x\nprint('freed')"
    deep = default_run(code.format(200_000), limits=Limits(deadline_seconds=30.0))
    assert (deep.outcome, deep.stdout) == (Outcome.GUEST_CRASHED, "")
    shallow = default_run(code.format(200))
    assert (shallow.outcome, shallow.stdout) == (Outcome.EXITED, "freed\n")


def test_the_hash_seed_is_the_image_s_and_random_is_the_run_s(default_run: Callable[..., RunResult]) -> None:
    first, second = (default_run("import random\n[hash('a'), random.random()]").value for _ in range(2))
    assert first[0] == second[0]
    assert first[1] != second[1]


IMPORT_ALL = """
import importlib, pkgutil, warnings
warnings.simplefilter('ignore')
good, bad = [], []
def walk(name):
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name.partition('.')[0] == top:
            bad.append(name)
        return
    except Exception as error:
        bad.append(name)
        return
    good.append(name)
    for inner in pkgutil.iter_modules(getattr(module, '__path__', [])):
        if not inner.name.startswith('_') and inner.name not in ('tests', 'conftest'):
            walk(name + '.' + inner.name)
walk(top)
[len(good), bad]
"""


@pytest.mark.parametrize(
    ("package", "modules", "bad"),
    [
        ("numpy", 60, []),
        ("scipy", 140, ["scipy.odr"]),
        ("pandas", 150, []),
        ("sklearn", 70, []),
        # A script that makes tables when it is imported, and cannot on any machine.
        ("statsmodels", 300, ["statsmodels.stats.libqsturng.make_tbls"]),
        ("matplotlib", 60, []),
        ("seaborn", 10, []),
    ],
)
def test_every_public_module_is_imported(package: str, modules: int, bad: list[str], scientific: Sandbox) -> None:
    number, failed = scientific.run(IMPORT_ALL, inputs={"top": package}).check().value
    assert failed == bad
    assert number >= modules
