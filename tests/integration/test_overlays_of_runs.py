"""Overlays: the program changes what it finds, the original stays, and the result says what was done."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from wasihost import Limits, Outcome, Preopen, Sandbox, Scratch, errors

CHANGE = """
import os
print(sorted(os.listdir("/d")), open("/d/a/text").read())
with open("/d/a/text", "a") as file: file.write(" and more")
os.remove("/d/gone")
os.mkdir("/d/b")
with open("/d/b/new", "wb") as file: file.write(b"\\0new")
"""


@pytest.fixture(params=["process", "in-process"])
def containment(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def original(folder: Path) -> Path:
    (folder / "a").mkdir()
    (folder / "a" / "text").write_text("text")
    (folder / "gone").write_text("x")
    (folder / "kept").write_text("kept")
    return folder


def tree(folder: Path) -> dict[str, bytes | None]:
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


def test_the_original_stays_and_the_changes_are_listed(original: Path, containment: Any) -> None:
    before = tree(original)
    with Sandbox(preopens=[Preopen(original, "/d", overlay=True)], containment=containment) as sandbox:
        result = sandbox.run(CHANGE)
        assert result.stdout == "['a', 'gone', 'kept'] text\n", result.stderr
        changes = [(c.kind, c.path, c.size_bytes, c.content) for c in result.files_changed]
        assert changes == [
            ("changed", "/d/a/text", 13, b"text and more"),
            ("added", "/d/b/new", 4, b"\0new"),
            ("removed", "/d/gone", 1, None),
        ]
        assert tree(original) == before
        # Each run starts from the original.
        again = sandbox.run("import os\nprint(sorted(os.listdir('/d')), open('/d/a/text').read())")
        assert (again.stdout, again.files_changed) == ("['a', 'gone', 'kept'] text\n", ())
    assert tree(original) == before


def test_the_writable_twin_changes_the_original(original: Path, containment: Any) -> None:
    with Sandbox(preopens=[Preopen(original, "/d", writable=True)], containment=containment) as sandbox:
        result = sandbox.run(CHANGE)
    assert (result.exit_code, result.files_changed) == (0, ())
    assert tree(original)["a/text"] == b"text and more"
    assert tree(original)["b/new"] == b"\0new"
    assert "gone" not in tree(original)


def test_a_killed_run_tells_what_it_changed(original: Path, containment: Any) -> None:
    before = tree(original)
    limits = Limits(deadline_seconds=0.4)
    with Sandbox(preopens=[Preopen(original, "/d", overlay=True)], limits=limits, containment=containment) as sandbox:
        result = sandbox.run("open('/d/new', 'w').close()\nwhile True: pass")
        assert result.outcome is Outcome.DEADLINE_EXCEEDED
        assert [(change.kind, change.path) for change in result.files_changed] == [("added", "/d/new")]
    assert tree(original) == before


def test_runs_at_the_same_time_have_copies_of_their_own(original: Path) -> None:
    program = "import os, time\nopen('/d/' + name, 'w').close()\ntime.sleep(0.2)\nprint(sorted(os.listdir('/d')))"
    with Sandbox(preopens=[Preopen(original, "/d", overlay=True)]) as sandbox:
        results = list(sandbox.map([{"code": program, "inputs": {"name": name}} for name in ("one", "two")]))
    assert [result.stdout for result in results] == [
        "['a', 'gone', 'kept', 'one']\n",
        "['a', 'gone', 'kept', 'two']\n",
    ]
    assert [[c.path for c in result.files_changed] for result in results] == [["/d/one"], ["/d/two"]]


def test_nothing_is_left_in_the_temporary_folder(
    original: Path, containment: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setattr("tempfile.tempdir", None)
    grants = [Preopen(original, "/d", overlay=True), Scratch("/s")]
    with Sandbox(preopens=grants, containment=containment) as sandbox:
        sandbox.run("open('/s/x', 'w').write('of the scratch')").check()
        assert (sandbox.folders["/s"] / "x").read_text() == "of the scratch"
        assert sandbox.folders["/d"] == original.resolve()
        assert len(list(temporary.iterdir())) == 2
    assert list(temporary.iterdir()) == []
    with pytest.raises(errors.ClosedError):
        _ = sandbox.folders


def test_the_parent_ends_a_run_that_stores_too_much(folder: Path) -> None:
    """A worker that does not count any more, as one that was taken over would not, is watched from outside."""
    limits = Limits(disk_bytes=1000, deadline_seconds=5.0)
    grant = Preopen(folder, "/d", writable=True)
    with Sandbox(preopens=[grant], limits=limits) as sandbox:
        # The host itself stores the bytes here, in place of such a worker.
        waiting = "import time\nprint('waiting', flush=True)\nfor _ in range(40): time.sleep(0.05)\nprint('done')"
        calls = []  # what is there soon after the start counts as found there, and no later than that

        def store(data: bytes) -> None:
            calls.append(data)
            if len(calls) == 2:
                (folder / "big").write_bytes(b"x" * 5000)

        program = waiting.replace("for _", "time.sleep(0.1)\nprint('now', flush=True)\nfor _")
        result = sandbox.run(program, on_stdout=store)
        assert (result.outcome, result.stdout) == (Outcome.DISK_LIMIT, "waiting\nnow\n")
        assert result.detail == "the run stored more than 1000 bytes in its writable directories"
        (folder / "big").unlink()
        assert sandbox.run(waiting).stdout == "waiting\ndone\n"
