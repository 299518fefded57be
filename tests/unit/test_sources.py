"""What may be run: code, a script or a module, and exactly one of them."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from wasihost.errors import InvalidSourceError
from wasihost.source import Source, read_source


def read(code: object = None, *, script: object = None, module: object = None, filename: str = "<string>") -> Source:
    return read_source(code, script=script, module=module, filename=filename)  # type: ignore[arg-type]


def test_code_script_and_module(tmp_path: Path) -> None:
    script = tmp_path / "a.py"
    script.write_bytes(b"print(1)")
    assert read("é") == Source(kind="code", text="é".encode(), name="<string>")
    assert read(b"# coding: latin-1\n'\xe9'").text == b"# coding: latin-1\n'\xe9'"
    assert read(script=script) == Source(kind="code", text=b"print(1)", name="a.py", host=script)
    assert read(module="json.tool") == Source(kind="module", text=b"", name="json.tool")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "give exactly one of code, script and module"),
        ({"code": "1", "module": "json"}, "give exactly one of code, script and module"),
        ({"code": 1}, "code must be text, not int"),
        ({"code": "a\ud800"}, "the code has a character that is no text (a lone surrogate) at 1"),
        ({"code": "a\0"}, "the code holds a NUL byte at 1: it is not Python text"),
        (
            {"code": b"1\n'\xe9'"},
            "the code is not UTF-8 (line 2, byte 3) and has no coding line that says what it is",
        ),
        ({"code": "1", "filename": "a\nb"}, "filename must be up to 255 printable characters"),
        ({"module": "a-b"}, "module is not the name of a module: 'a-b'"),
        ({"module": ".a"}, "module is not the name of a module: '.a'"),
    ],
)
def test_what_cannot_be_run(given: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidSourceError, match=f"^{re.escape(message)}$"):
        read(**given)  # type: ignore[arg-type]


def test_scripts_that_are_no_files(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for path, said in ((tmp_path, "is a directory"), (fifo, "is not a regular file")):
        with pytest.raises(InvalidSourceError, match=f"^the script {re.escape(str(path))} {said}$"):
            read(script=path)
    with pytest.raises(InvalidSourceError, match=r"^there is no script .*missing\.py$"):
        read(script=tmp_path / "missing.py")
    assert len(list(Path("/proc/self/fd").iterdir())) == before
