"""Lines that come from a pipe, from the editor and from other days."""

from __future__ import annotations

import ast
import io
import os
import stat
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wasihost import Sandbox, Session
from wasihost.cli.repl.history import MAX_FILE_BYTES, MAX_LINES, add_history, read_history
from wasihost.cli.repl.piped import Piped
from wasihost.errors import InvalidSourceError
from wasihost.session import Completions

# -- piped ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    with Sandbox(workers=1) as sandbox, sandbox.session() as session:
        yield session


def pieces(text: bytes | str, session: Session) -> list[str]:
    """Return what a pipe is taken apart into."""
    raw = text.encode() if isinstance(text, str) else text
    reader = Piped(io.BytesIO(raw), lambda part: session.is_complete(part).status)
    found = []
    while True:
        try:
            found.append(reader.read())
        except EOFError:
            return found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", []),
        ("\n# only\n\n", []),
        ("a\nb", ["a\n", "b\n"]),
        ("\ufeffa\r\nb\r\n", ["a\n", "b\n"]),
        ("%files /x \na", ["%files /x", "a\n"]),
        ("a = (1,\n2)\nb", ["a = (1,\n2)\n", "b\n"]),
        ("a = '''\n%files\n\nif'''\nb", ["a = '''\n%files\n\nif'''\n", "b\n"]),
        ("if a:\n  b\nelse: c\nd", ["if a:\n  b\nelse: c\n", "d\n"]),
        ("if a: b\nelif c: d\ne", ["if a: b\nelif c: d\n", "e\n"]),
        ("def f():\n  a\n\n# c\n  b\n\n\nf()", ["def f():\n  a\n\n# c\n  b\n\n\n", "f()\n"]),
        ("@a\n@b\ndef f(): pass\nc", ["@a\n@b\ndef f(): pass\n", "c\n"]),
        ("with (\na as b,\n):\n  c\nd", ["with (\na as b,\n):\n  c\n", "d\n"]),
        ("def f():\n  '''x\nnot\n  '''\nd", ["def f():\n  '''x\nnot\n  '''\n", "d\n"]),
        ("with_ = 1\nmatch = 2\nd", ["with_ = 1\n", "match = 2\n", "d\n"]),
        ("a = = 1\nb", ["a = = 1\n", "b\n"]),
        ("if a b:\n  c\nd", ["if a b:\n  c\n", "d\n"]),
        ("foo(", ["foo(\n"]),
        ("a = \\\n  1\nb", ["a = \\\n  1\n", "b\n"]),
    ],
)
def test_statements(text: str, found: list[str], session: Session) -> None:
    assert pieces(text, session) == found


def test_a_whole_module_is_taken_apart_as_the_parser_does(session: Session) -> None:
    source = Path(textwrap.__file__).read_text()
    found = pieces(source, session)
    assert [ast.dump(ast.parse(piece).body[0]) for piece in found] == [
        ast.dump(statement) for statement in ast.parse(source).body
    ]
    assert len(found) > 10


def test_what_is_no_text(session: Session) -> None:
    reader = Piped(io.BytesIO(b"a\n'\xff'\nb\n"), lambda part: session.is_complete(part).status)
    assert reader.read() == "a\n"
    with pytest.raises(InvalidSourceError, match="line 2 of standard input is not UTF-8"):
        reader.read()
    assert reader.read() == "b\n"


# -- completion -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "begin", "answer", "found"),
    [
        ("", 0, (0, ()), ["    "]),
        ("   ", 3, (3, ()), ["    "]),
        ("pri", 0, (0, ("print",)), ["print"]),
        ("a + sys.st", 4, (4, ("sys.stdin", "sys.stdout")), ["sys.stdin", "sys.stdout"]),
        ("sys.st", 4, (0, ("sys.stdin",)), ["stdin"]),
        ("\u00e9.pri", 0, (2, ("print",)), ["\u00e9.print"]),
        ("pri", 0, (0, ("other", "pri\x1b[6n", "print()", "print;x", "pri nt", "print")), ["print"]),
        ("pri", 0, (0, ("pri\u202e",)), []),
        ("%fo", 1, (0, ("evil",)), ["fork"]),
    ],
)
def test_completions(line: str, begin: int, answer: tuple[int, tuple[str, ...]], found: list[str]) -> None:
    editor = pytest.importorskip("wasihost.cli.repl.editor")
    assert editor.completions(line, begin, len(line), lambda *_: Completions(*answer)) == found


@given(st.text(max_size=12), st.integers(0, 12), st.lists(st.text(max_size=8), max_size=4))
def test_no_answer_of_a_guest_changes_what_was_typed(line: str, start: int, names: list[str]) -> None:
    editor = pytest.importorskip("wasihost.cli.repl.editor")
    if editor.is_order(line) or not line.strip():
        return
    for name in editor.completions(line, 0, len(line), lambda *_: Completions(min(start, len(line)), tuple(names))):
        assert name.startswith(line)
        assert name[len(line) :].replace(".", "a").isalnum() or "_" in name or name == line


# -- other days -------------------------------------------------------------------------------------------------------


def test_history_is_kept_for_this_user_alone(tmp_path: Path) -> None:
    path = tmp_path / "state" / "wasihost" / "lines"
    assert read_history(path) == []
    add_history(path, [])
    assert not path.exists()
    add_history(path, ["a", "two\nlines", "\u00e9\udc80"])
    add_history(path, ["b"])
    assert read_history(path) == ["a", "two\nlines", "\u00e9\udc80", "b"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o644)
    assert read_history(path)[0] == "a"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_damaged_history_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    path.write_bytes(b'"a"\n\xff\n{"b": 1}\n' + b"[" * 100_000 + b'\n"nul\\u0000"\n"c"\n"cut')
    assert read_history(path) == ["a", "c"]


def test_history_does_not_grow_for_ever(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    add_history(path, [f"{number} {'x' * 2000}" for number in range(2500)])
    size = path.stat().st_size
    assert size <= MAX_FILE_BYTES
    assert read_history(path)[-1].startswith("2499 ")
    assert [entry.name for entry in tmp_path.iterdir()] == ["lines"]
    other = tmp_path / "short"
    add_history(other, [str(number) for number in range(MAX_LINES + 10)])
    assert read_history(other)[0] == "10"


def test_what_only_pretends_to_be_history(tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.write_text('"a"\n')
    link = tmp_path / "link"
    link.symlink_to(real)
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    for path in (link, fifo):
        with pytest.raises(OSError, match=r"symbolic link|is no file|No such device"):
            read_history(path)
        with pytest.raises(OSError, match=r"symbolic link|is no file|No such device"):
            add_history(path, ["b"])
    assert real.read_text() == '"a"\n'
