"""`wasirun plugin check`, as a person types it."""

from __future__ import annotations

import re
import subprocess
import textwrap
from collections.abc import Callable
from pathlib import Path

import plugin_lab
import pytest
from cli_lab import done, environment, one_line, refused, rows, wasirun
from plugin_lab import NOTHING, asks

Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def plugin(tmp_path: Path) -> Command:
    def call(*words: str | Path, **options: str) -> subprocess.CompletedProcess[str]:
        return wasirun("plugin", *words, cwd=tmp_path, **options)

    return call


def test_a_new_plugin_is_sound(plugin: Command, tmp_path: Path) -> None:
    done(plugin("new", "word-count"))
    found = plugin("check", "word-count")
    assert found.stderr == ""
    assert rows(found, 0) == [
        ("ok", "manifest", "word-count 0.1.0: Counts the words of a text."),
        ("ok", "asks for", "nothing"),
        ("ok", "import", "word_count can be imported"),
        ("ok", "exports", "count(text, top=10)"),
        ("ok", "tests", "2 of 2 passed"),
    ]
    done(plugin("pack", "word-count"))
    assert plugin("check", "word-count-0.1.0.zip").stdout == found.stdout


def test_tests_that_fail(plugin: Command, tmp_path: Path) -> None:
    done(plugin("new", "words"))
    module = tmp_path / "words" / "words.py"
    module.write_text(module.read_text().replace('"words": len(words)', '"words": 0'))
    result = plugin("check", "words")
    assert rows(result, 1)[-1] == (
        "BAD", "tests", "1 of 2 failed: test_words.CountTest.test_words_are_counted_whatever_their_case",
    )  # fmt: skip
    assert 'File "/plugin/tests/test_words.py", line 13' in result.stderr
    assert "FAILED (failures=1)" in result.stderr
    assert str(tmp_path) not in result.stderr


@pytest.mark.parametrize(
    ("test", "told"),
    [
        ("x = 5\n", "no test was found in tests/"),
        ("import nothing\n", "1 of 1 failed: "),
        ("raise SystemExit(0)\n", "1 of 1 failed: "),
        ("import os\nos._exit(0)\n", "they ended the interpreter that they ran in"),
        ("while True: pass\n", "they were stopped: "),
        ("print('x' * 2_000_000)\n", "they were stopped: "),
    ],
)
def test_tests_that_come_to_nothing(plugin: Command, tmp_path: Path, test: str, told: str) -> None:
    plugin_lab.write(tmp_path / "p", "def go():\n    pass\n", NOTHING)
    (tmp_path / "p" / "tests").mkdir()
    (tmp_path / "p" / "tests" / "test_it.py").write_text(test)
    mark, label, text = rows(plugin("check", "p", "--deadline", "5s"), 1)[-1]
    assert (mark, label) == ("BAD", "tests")
    assert text.startswith(told)
    assert ("--deadline raises it" in text) == ("while" in test)


def test_no_tests_are_no_mistake(plugin: Command, tmp_path: Path) -> None:
    plugin_lab.write(tmp_path / "p", "def go():\n    pass\n", NOTHING)
    assert rows(plugin("check", "p"), 0)[-1] == ("no", "tests", "there are none in tests/")


def test_tests_have_what_the_plugin_has(plugin: Command, runtime: str, tmp_path: Path) -> None:
    (tmp_path / "given").mkdir()
    (tmp_path / "given" / "a").write_text("here")
    folder = asks(
        tmp_path / "p", "import os\nfrom host import search\ndef go():\n    return search('x')\n",
        'kind = "directory"\nguest = "/documents"', 'kind = "environment"\nname = "WORD"',
        'kind = "function"\nname = "search"', 'kind = "scratch"\nguest = "/scratch"',
    )  # fmt: skip
    text = (folder / "plugin.toml").read_text()
    (folder / "plugin.toml").write_text(text.replace("[exports", f'runtime = "{runtime}"\n[exports', 1))
    (folder / "words.txt").write_text("one two")
    (folder / "tests").mkdir()
    (folder / "tests" / "__init__.py").write_text("")
    (folder / "tests" / "lab.py").write_text("HERE = 'here'\n")
    (folder / "tests" / "test_it.py").write_text(
        textwrap.dedent("""
            import os, unittest
            from unittest import mock
            import entry
            from tests.lab import HERE

            class ItTest(unittest.TestCase):
                def test_its_files(self):
                    with open("words.txt") as file:
                        self.assertEqual(file.read(), "one two")
                    with self.assertRaises(OSError):
                        open("/plugin/words.txt", "w")

                def test_what_was_granted(self):
                    with open("/documents/a") as file:
                        self.assertEqual(file.read(), HERE)
                    with self.assertRaises(OSError):
                        open("/documents/a", "w")
                    with open("/scratch/a", "w") as file:
                        file.write("x")
                    self.assertEqual(os.environ["WORD"], "x")

                def test_nothing_else_is_there(self):
                    self.assertEqual(os.environ.get("PATH"), None)
                    with self.assertRaises(OSError):
                        open("/etc/passwd")

                def test_the_stand_in(self):
                    with self.assertRaisesRegex(Exception, "search.. is a stand-in of .wasirun plugin check."):
                        entry.go()
                    with mock.patch("entry.search", return_value=[1]):
                        self.assertEqual(entry.go(), [1])

                @unittest.skip("not yet")
                def test_later(self):
                    pass
            """)
    )
    granted = ["--allow-write", "given::/documents", "--env", "WORD=x", "--scratch", "1M"]
    result = plugin("check", "p", *granted)
    assert rows(result, 0)[-1] == ("ok", "tests", "4 of 5 passed, 1 skipped"), result.stderr
    assert (tmp_path / "given" / "a").read_text() == "here"
    # Without, the check goes on as far as it can.
    found = rows(plugin("check", "p"), 1)
    assert found[-1][:2] == ("BAD", "tests")
    assert (
        "1 of 5 failed: tests.test_it.ItTest.test_what_was_granted; the plugin may not read /documents/a; it asks"
        in (found[-1][2])
    )
    assert [text for mark, label, text in found if (mark, label) == ("no", "asks for")] == [
        "directory /documents, to read (wants it): --allow-read FOLDER::/documents grants it",
        "environment variable WORD (wants it): --allow-env WORD or --env WORD=VALUE grants it",
        "host function search (wants it): only the program that uses the plugin can grant it, in Python; there is no "
        "option for it",
        "scratch folder /scratch (wants it): --scratch 64M grants it",
    ]
    assert ("ok", "exports", "go()") in found


def test_what_is_granted_and_what_is_not_asked_for(plugin: Command, tmp_path: Path) -> None:
    (tmp_path / "given").mkdir()
    asks(
        tmp_path / "p", "def go():\n    pass\n", 'kind = "directory"\nguest = "/documents"',
        more="[limits]\nmemory_bytes = 536870912\n",
    )  # fmt: skip
    found = rows(plugin("check", "p", "--allow-read", "given::/documents", "--env", "WORD=x"), 0)
    assert found[1:4] == [
        ("ok", "asks for", "directory /documents, to read (wants it): granted"),
        ("no", "asks for", "the limit memory_bytes=536870912, of which 268435456 is given: --memory 512M grants it"),
        ("no", "grants", "the plugin does not ask for the variable WORD, so it does not get it"),
    ]
    result = plugin("check", "p", "--allow-read", "nothing::/documents")
    assert result.returncode == 2
    assert one_line(result.stderr).endswith("there is no such folder; create it first")


def test_mistakes_name_file_line_and_field(plugin: Command, tmp_path: Path) -> None:
    done(plugin("new", "words"))
    module, manifest = tmp_path / "words" / "words.py", tmp_path / "words" / "plugin.toml"
    code, said = module.read_text(), manifest.read_text()

    def last(*, code: str = code, said: str = said, status: int = 1) -> tuple[str, str, str]:
        module.write_text(code)
        manifest.write_text(said)
        found = rows(plugin("check", "words"), status)
        return next(row for row in found if row[0] == "BAD")

    def line_of(text: str, said: str = said) -> int:
        return said.splitlines().index(text) + 1

    assert last(said=said.replace("0.1.0", "soon")) == (
        "BAD", "manifest", "words/plugin.toml:3: plugin.version: must be a version such as \"1.0.2\", not 'soon'",
    )  # fmt: skip
    assert last(code=code.replace("import re", "import re\nimport nothing")) == (
        "BAD", "import", "words.py:4: ModuleNotFoundError: No module named 'nothing'",
    )  # fmt: skip
    assert last(code="def count(:\n")[2].startswith("words.py:1: SyntaxError: ")
    place = f"words/plugin.toml:{line_of('[exports.count]')}: exports.count: "
    assert last(code=code.replace("def count", "def cont")) == (
        "BAD", "exports", f"{place}its manifest exports it, and the module has none",
    )  # fmt: skip
    assert last(code=code.replace("top: int = 10", "most: int = 10")) == (
        "BAD", "exports", f"{place}it does not take the parameter top",
    )  # fmt: skip
    hook = '\n[[hooks]]\nevent = "first"\nfunction = "count"\npriority = 200\n'
    hook += '\n[[hooks]]\nevent = "saved"\nfunction = "on_saved"\n'
    line = line_of('function = "on_saved"', said + hook)
    assert last(said=said + hook) == (
        "BAD", "exports",
        f"words/plugin.toml:{line}: hooks[1].function: its manifest names it as a hook, and the module has none",
    )  # fmt: skip
    module.write_text(code + "\n\ndef on_saved(document):\n    pass\n")
    assert ("ok", "hooks", "saved: on_saved()") in rows(plugin("check", "words"), 0)


def test_a_plugin_that_is_none(plugin: Command, tmp_path: Path) -> None:
    assert rows(plugin("check", "nothing"), 1) == [("BAD", "manifest", "nothing: there is no such file or folder")]
    assert rows(plugin("check", "installed:nothing"), 1)[0][2].startswith("no installed distribution has a plugin")
    assert refused(plugin("check", ".", "--fuel", "much")).startswith("--fuel: 'much' is no number of instructions")
    assert refused(plugin("check")) == "Missing argument 'PATH'."


def test_an_import_that_is_denied_something(plugin: Command, tmp_path: Path) -> None:
    asks(
        tmp_path / "p", "WORDS = open('/documents/words').read()\ndef go():\n    pass\n",
        'kind = "directory"\nguest = "/documents"',
    )  # fmt: skip
    mark, label, text = rows(plugin("check", "p"), 1)[-1]
    assert (mark, label) == ("BAD", "import")
    assert re.fullmatch(
        r"entry\.py:1: FileNotFoundError: .*; the plugin may not read /documents/words; it asks for that: directory "
        r"/documents, to read \(wants it\): --allow-read FOLDER::/documents grants it",
        text,
    )
    (tmp_path / "given").mkdir()
    (tmp_path / "given" / "words").write_text("one two")
    assert ("ok", "import", "entry can be imported") in rows(
        plugin("check", "p", "--allow-read", "given::/documents"), 0
    )


def test_checking_leaves_the_plugin_as_it_was(plugin: Command, tmp_path: Path) -> None:
    done(plugin("new", "words"))
    (tmp_path / "temporary").mkdir()
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    rows(plugin("check", "words", env=environment(TMPDIR=str(tmp_path / "temporary"))), 0)
    before[tmp_path / "temporary"] = (tmp_path / "temporary").stat().st_mtime_ns
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
