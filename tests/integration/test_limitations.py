"""Every program of docs/limitations.md does what the page says, on the default runtime."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from wasihost import Limits, Outcome, RunResult, Scratch

PAGE = Path(__file__).resolve().parents[2] / "docs" / "limitations.md"
PAIR = re.compile(r"^```python\n(.*?)^```\n```text\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def cases() -> list[object]:
    found: list[object] = []
    heading = ""
    for part in re.split(r"^## ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        heading = part.partition("\n")[0]
        found += [pytest.param(code, said, id=heading) for code, said in PAIR.findall(part)]
    return found


def test_the_page_has_programs_and_each_has_an_output() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert len(cases()) == text.count("```python") == text.count("```text") >= 12


@pytest.mark.parametrize(("code", "said"), cases())
def test_it_is_as_the_page_says(code: str, said: str, default_run: Callable[..., RunResult]) -> None:
    result = default_run(code)
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
