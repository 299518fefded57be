"""`wasirun plugin call`, as a person types it."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import plugin_lab
import pytest
from cli_lab import done, environment, one_line, refused, rows, start, wasirun
from plugin_lab import NOTHING, asks

Command = Callable[..., "subprocess.CompletedProcess[str]"]

COUNTED = '{"words": 4, "most": [{"word": "the", "times": 2}]}'
TAKES_TEXT = plugin_lab.exports("back") + 'parameters = { text = { type = "string" } }\n'


@pytest.fixture
def plugin(tmp_path: Path) -> Command:
    def call(*words: str | Path, **options: str) -> subprocess.CompletedProcess[str]:
        return wasirun("plugin", *words, cwd=tmp_path, **options)

    return call


# -- call: values ---------------------------------------------------------------------------------------------------


def test_a_new_plugin_is_called(plugin: Command, tmp_path: Path) -> None:
    done(plugin("new", "word-count"))
    (tmp_path / "sea.txt").write_text("the sea, the sky")
    for words in (
        ("the sea, the sky", "1"),
        ("the sea, the sky", "top=1"),
        ("top=1", "text=the sea, the sky"),
        ("top=1", "text=@sea.txt"),
        ("--json-args", '{"text": "the sea, the sky", "top": 1}'),
        ("--json-args", '["the sea, the sky", 1]'),
        ("--", "the sea, the sky", "1"),
    ):
        assert done(plugin("call", "word-count", "count", *words)) == f"{COUNTED}\n"
    assert done(plugin("call", "word-count", "count", "@-", "top=1", input="the sea, the sky")) == f"{COUNTED}\n"
    assert done(plugin("pack", "word-count"))
    shutil.rmtree(tmp_path / "word-count")
    assert done(plugin("call", "word-count-0.1.0.zip", "count", "the the sky sea", "top=1")) == f"{COUNTED}\n"


def test_its_readme_tells_commands_that_work(plugin: Command, runtime: str, tmp_path: Path) -> None:
    done(plugin("new", "word-count"))
    folder = tmp_path / "word-count"
    manifest = folder / "plugin.toml"
    manifest.write_text(manifest.read_text().replace("\n\n", f'\nruntime = "{runtime}"\n\n', 1))
    assert f'runtime = "{runtime}"' in manifest.read_text()
    check, call = re.findall(
        r"^    wasirun (plugin (?:check|call) .*)$", (folder / "README.md").read_text(), re.MULTILINE
    )
    assert rows(wasirun(*check.split(), cwd=folder), 0)[-1] == ("ok", "tests", "2 of 2 passed")
    before, text, after = call.split('"')
    assert done(wasirun(*before.split(), text, *after.split(), cwd=folder)) == f"{COUNTED}\n"


def test_what_json_has_no_form_for(plugin: Command, tmp_path: Path) -> None:
    plugin_lab.write(
        tmp_path / "p",
        """
        def back(data, when, wait):
            assert isinstance(data, bytes), data
            return [data, when.replace(year=2027), wait * 2]
        """,
        plugin_lab.exports("back")
        + 'parameters.data.format = "binary"\nparameters.when.format = "date-time"\n'
        + 'parameters.wait.format = "duration"\n',
    )
    (tmp_path / "data").write_bytes(b"\0\xff")
    printed = '["AP8=", "2027-11-26T09:30:00Z", "PT180S"]\n'
    said = {"data": "AP8=", "when": "2026-11-26T09:30:00Z", "wait": "PT90S"}
    assert done(plugin("call", "p", "back", *said.values())) == printed
    assert done(plugin("call", "p", "back", "data=@data", "when=2026-11-26T09:30:00Z", "wait=PT90S")) == printed
    assert done(plugin("call", "p", "back", "--json-args", json.dumps(said))) == printed


def test_the_result_alone_is_on_standard_output(plugin: Command, tmp_path: Path) -> None:
    code = """
    import sys
    print("imported")
    def back(text):
        print("out", text)
        print("err", file=sys.stderr)
        return text
    """
    plugin_lab.write(tmp_path / "p", code, TAKES_TEXT)
    plugin_lab.write(tmp_path / "kept", code, TAKES_TEXT, state="kept")
    for path in ("p", "kept"):
        result = plugin("call", path, "back", "é\x1b[2J")
        assert (result.returncode, result.stdout) == (0, '"\\u00e9\\u001b[2J"\n')
        assert sorted(result.stderr.splitlines()) == ["err", "imported", "out é\x1b[2J"]
    assert plugin("call", "p", "back", "é", "--raw").stdout == "é\n"
    assert plugin("call", "p", "back", "é\n", "--raw").stdout == "é\n"


def test_what_it_prints_is_passed_on_at_once(tmp_path: Path) -> None:
    plugin_lab.write(
        tmp_path / "p", "import time\ndef go():\n    print('begun', flush=True)\n    time.sleep(60)\n", NOTHING
    )
    process = start("plugin", "call", "p", "go", "--deadline", "120s", cwd=tmp_path)
    assert process.stderr is not None
    assert process.stderr.readline() == b"begun\n"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (130, b"", b"wasirun: stopped by Ctrl-C\n")


def test_bytes_can_be_had_raw(tmp_path: Path) -> None:
    plugin_lab.write(tmp_path / "p", "def go():\n    return bytes([0, 255, 10])\n", NOTHING)
    process = start("plugin", "call", "p", "go", "--raw", cwd=tmp_path)
    assert process.communicate(timeout=60) == (b"\0\xff\n", b"")
    process = start("plugin", "call", "p", "go", cwd=tmp_path)
    assert process.communicate(timeout=60) == (b'"AP8K"\n', b"")


def test_nobody_reads_the_result(tmp_path: Path) -> None:
    plugin_lab.write(tmp_path / "p", "def go():\n    return 1\n", NOTHING)
    reading, writing = os.pipe()
    os.close(reading)
    process = start("plugin", "call", "p", "go", cwd=tmp_path, stdout=writing)
    os.close(writing)
    assert process.communicate(timeout=60)[1] == b""
    assert process.returncode == 141


# -- call: how it ends ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("call", "nothing", "go"), "nothing: there is no such file or folder"),
        (("call", "p"), "Missing argument 'FUNCTION'."),
        (("call", "p", "gone"), "the plugin tried exports no function 'gone'; it exports back"),
        (("call", "p", "a\x1b[2J"), r"the plugin tried exports no function 'a\x1b[2J'; it exports back"),
        (("call", "p", "back"), "back() missing required argument: 'text'"),
        (("call", "p", "back", "a", "b"), "back(text) takes no argument 'b' on top of those before it"),
        (("call", "p", "back", "a", "text=b"), "back() got multiple values for argument 'text'"),
        (("call", "p", "back", "--json-args", '{"text": 5}'), "back() argument text: expected a string, got"),
        (("call", "p", "back", "--json-args", '{"text": "", "x": 5}'), "back() got an unexpected keyword argument 'x'"),
        (("call", "p", "back", "a", "--json-args", "{}"), "--json-args says all arguments; there can be none"),
        (("call", "p", "back", "@nothing"), "text: nothing cannot be read: No such file or directory"),
        (("call", "p", "back", "a", "--fuel", "much"), "--fuel: 'much' is no number of instructions: write 500M"),
        (("call", "p", "back", "a", "--fuel", "0"), "--fuel must be"),
        (("call", "p", "back", "a", "--memory", "1M"), "--memory is 1048576, and the interpreter of"),
        (("call", "p", "back", "a", "--scratch", "big"), "--scratch: 'big' is no size"),
        (("call", "p", "back", "a", "--env", "X"), "--env: 'X' has not the form NAME=VALUE"),
        (("call", "p", "back", "a", "--runtime", "x"), "No such option"),
        (("call", "p", "back", "a", "--allow-read", "nothing"), "the plugin does not ask for a directory /nothing"),
    ],
)  # fmt: skip
def test_wrong_words(plugin: Command, tmp_path: Path, words: tuple[str, ...], why: str) -> None:
    plugin_lab.write(tmp_path / "p", "def back(text):\n    return text\n", TAKES_TEXT)
    result = plugin(*words)
    if words[-1] == "nothing":  # what is not asked for is not looked at either
        assert (result.returncode, result.stdout) == (0, '"a"\n')
        assert one_line(result.stderr).removeprefix("wasirun: ").startswith(why)
    else:
        assert refused(result).startswith(why)


@pytest.mark.parametrize(
    ("code", "status", "line", "options"),
    [
        ("def go():\n    raise KeyError('x')", 1, "the plugin tried raised KeyError: 'x' in go()", ()),
        ("def go():\n    raise SystemExit(0)", 1, "the plugin tried left its interpreter in go()", ()),
        ("import os\ndef go():\n    os._exit(0)", 1, "the plugin tried ended its interpreter itself (os._exit)", ()),
        ("def go():\n    return object()", 1, "the plugin tried raised TypeError: ", ()),
        ("import nothing\ndef go():\n    pass", 1, "the plugin tried raised ModuleNotFoundError: No module", ()),
        ("def gone():\n    pass", 1, "the plugin tried, go(): its manifest exports it, and the module has none", ()),
        ("def go():\n    pass\ndef setup():\n    1 / 0", 1, "the plugin tried raised ZeroDivisionError: ", ()),
        ("def go():\n    while True: pass", 124, "the plugin tried was stopped: ", ("--deadline", "300ms")),
        ("def go():\n    while True: pass", 125, "the plugin tried was stopped: ", ("--fuel", "500M")),
        ("def go():\n    while True: print('x' * 999)", 126, "the plugin tried was stopped: ", ("--output", "1K")),
    ],
)  # fmt: skip
def test_how_a_call_ends(
    plugin: Command, tmp_path: Path, code: str, status: int, line: str, options: tuple[str, ...]
) -> None:
    plugin_lab.write(tmp_path / "p", code, NOTHING)
    result = plugin("call", "p", "go", *options)
    assert (result.returncode, result.stdout) == (status, "")
    said = re.findall(r"wasirun: .*", result.stderr)
    assert said[0].startswith(f"wasirun: {line}")
    if options:
        assert said[1].startswith(f"wasirun: {options[0]} raises it")
    else:
        assert len(said) == 1
    has_place = "raised" in line and "TypeError" not in line  # which is about the result
    assert result.stderr.count("Traceback") == has_place
    assert "in _call" not in result.stderr, "the host's own code has no place in it"


def test_a_limit_of_the_manifest_is_not_raised_by_an_option(plugin: Command, tmp_path: Path) -> None:
    plugin_lab.write(tmp_path / "p", "def go():\n    while True: pass\n", NOTHING + "[limits]\nfuel = 500_000_000\n")
    result = plugin("call", "p", "go", "--fuel", "1T")
    assert result.returncode == 125
    assert result.stderr.splitlines()[1:] == ["wasirun: its plugin.toml asks for no more (fuel)"]


def test_too_little_memory(plugin: Command, tmp_path: Path) -> None:
    plugin_lab.write(tmp_path / "p", "def go(size=200_000_000):\n    return len(bytearray(size))\n", NOTHING)
    result = plugin("call", "p", "go", "--memory", "128M")
    assert result.returncode == 1
    assert "wasirun: the plugin reached its memory limit of 128 MiB: --memory raises it" in result.stderr.splitlines()
    assert done(plugin("call", "p", "go", "--memory", "512M")) == "200000000\n"


def test_what_fails_at_the_end(plugin: Command, tmp_path: Path) -> None:
    code = "def go():\n    return 1\ndef teardown():\n    raise ValueError('late')\n"
    plugin_lab.write(tmp_path / "fresh", code, NOTHING)
    plugin_lab.write(tmp_path / "kept", code, NOTHING, state="kept")
    for path, printed in (("fresh", ""), ("kept", "1\n")):
        result = plugin("call", path, "go")
        assert (result.returncode, result.stdout) == (1, printed)
        assert result.stderr.splitlines()[-1] == "wasirun: the plugin tried raised ValueError: late in teardown()"


def test_an_exception_with_control_characters(plugin: Command, tmp_path: Path) -> None:
    code = "raise ValueError('a\\x1b[2J\\nwasirun: all is well')\n"
    plugin_lab.write(tmp_path / "called", f"def go():\n    {code}", NOTHING)
    plugin_lab.write(tmp_path / "imported", code, NOTHING)
    for path, where in (("called", "in go()"), ("imported", "when it was imported")):
        result = plugin("call", path, "go")
        assert result.returncode == 1
        assert result.stderr.splitlines()[-1] == (
            f"wasirun: the plugin tried raised ValueError: a\\x1b[2J\\nwasirun: all is well {where}"
        )
        assert result.stderr.count("Traceback") == 1
    assert "\x1b" not in result.stderr
    assert "\x1b" not in plugin("check", "imported").stderr


# -- call: grants ---------------------------------------------------------------------------------------------------

GRANTED = [
    (
        'kind = "directory"\nguest = "/documents"', "open('/documents/a').read()",
        "directory /documents, to read (wants it): --allow-read FOLDER::/documents grants it",
        ["--allow-read", "given::/documents"], '"here"',
    ),
    (
        'kind = "directory"\nguest = "/out"\nwritable = true', "open('/out/b', 'w').write('there')",
        "directory /out, to read and change (wants it): --allow-write FOLDER::/out grants it "
        "(--overlay FOLDER::/out: on a copy)",
        ["--allow-write", "given::/out"], "5",
    ),
    (
        'kind = "environment"\nname = "WORD"', "__import__('os').environ['WORD']",
        "environment variable WORD (wants it): --allow-env WORD or --env WORD=VALUE grants it",
        ["--env", "WORD=x=y"], '"x=y"',
    ),
    (
        'kind = "environment"\nname = "WORD"', "__import__('os').environ['WORD']",
        "environment variable WORD (wants it): --allow-env WORD or --env WORD=VALUE grants it",
        ["--allow-env", "WORD"], '"of the host"',
    ),
    (
        'kind = "scratch"\nguest = "/scratch"', "open('/scratch/a', 'w').write('x')",
        "scratch folder /scratch (wants it): --scratch 64M grants it",
        ["--scratch", "64M"], "1",
    ),
    (
        'kind = "scratch"\nguest = "/s"\ndisk_bytes = 3145728', "open('/s/a', 'wb').write(bytes(3_000_000))",
        "scratch folder /s for 3145728 bytes (wants it): --scratch 3M grants it",
        ["--scratch", "3M"], "3000000",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("capability", "code", "why", "options", "printed"), GRANTED)
def test_what_is_missing_is_named_with_the_option_that_grants_it(
    plugin: Command, tmp_path: Path, capability: str, code: str, why: str, options: list[str], printed: str
) -> None:
    (tmp_path / "given").mkdir()
    (tmp_path / "given" / "a").write_text("here")
    asks(tmp_path / "p", f"def go():\n    return {code}\n", capability)
    before = environment(WORD="of the host")
    assert refused(plugin("call", "p", "go", env=before)) == f"the plugin tried asks for what it is not given: {why}"
    assert done(plugin("call", "p", "go", *options, env=before)) == f"{printed}\n"
    assert (tmp_path / "given" / "a").read_text() == "here"


def test_too_little_is_named_with_the_option_that_gives_more(plugin: Command, tmp_path: Path) -> None:
    (tmp_path / "given").mkdir()
    asks(
        tmp_path / "p", "def go():\n    return 1\n",
        'kind = "directory"\nguest = "/out"\nwritable = true',
        'kind = "scratch"\nguest = "/scratch"\ndisk_bytes = 2097153\ndisk_files = 20000',
        more='[limits]\nfuel = "unmetered"\nmemory_bytes = 536870912\ndeadline_seconds = 60\n',
    )  # fmt: skip
    given = ["--allow-read", "given::/out", "--scratch", "1M"]
    assert refused(plugin("call", "p", "go", *given)).split(": ", 1)[1].split("; ") == [
        "directory /out, to read and change (wants it): it is given for reading only",
        "--allow-write in place of --allow-read grants it (--overlay: on a copy)",
        "scratch folder /scratch for 2097153 bytes and 20000 files (wants it): its disk_bytes are 1048576 at most",
        "--scratch 2097153 grants it",
        "the limit fuel=UNMETERED, of which 100000000000 is given: --fuel unmetered grants it",
        "the limit memory_bytes=536870912, of which 268435456 is given: --memory 512M grants it",
        "the limit deadline_seconds=60, of which 10.0 is given: --deadline 60 grants it",
    ]
    given = ["--overlay", "given::/out", "--scratch", "2097153", "--fuel", "unmetered", "--memory", "512M"]
    given += ["--deadline", "60"]
    assert refused(plugin("call", "p", "go", *given)).endswith(
        "its disk_files are 10000 at most; --files 20000 grants it"
    )
    assert done(plugin("call", "p", "go", *given, "--files", "20000")) == "1\n"


def test_limits_without_an_option_are_named(plugin: Command, tmp_path: Path) -> None:
    limits = "[limits]\ndisplay_bytes = 900000000\nfuel = 200000000000\nvalue_bytes = 900000000\n"
    asks(tmp_path / "p", "def go():\n    return 1\n", more=limits)
    said = refused(plugin("call", "p", "go"))
    for field in ("display_bytes", "value_bytes"):
        assert f"the limit {field}=900000000, of which " in said
    assert said.count("only the program that uses the plugin can grant it, in Python; there is no option for it") == 2
    assert "--fuel 200000000000 grants it" in said
    found = plugin("check", "p").stdout
    assert "the limit value_bytes=900000000" in found and "go()" in found


def test_functions_of_the_host_have_no_option(plugin: Command, tmp_path: Path) -> None:
    asks(tmp_path / "p", "from host import search\ndef go():\n    return 1\n", 'kind = "function"\nname = "search"')
    assert refused(plugin("call", "p", "go")) == (
        "the plugin tried asks for what it is not given: host function search (wants it): only the program that uses "
        "the plugin can grant it, in Python; there is no option for it"
    )
    asks(tmp_path / "p", "def go():\n    return 1\n", 'kind = "function"\nname = "search"\nrequired = false')
    assert done(plugin("call", "p", "go")) == "1\n"


def test_what_is_not_asked_for_is_not_given(plugin: Command, tmp_path: Path) -> None:
    (tmp_path / "given").mkdir()
    asks(tmp_path / "p", "import os\ndef go():\n    return [os.path.exists('/given'), os.environ.get('WORD')]\n")
    result = plugin("call", "p", "go", "--allow-read", "given", "--env", "WORD=x", "--scratch", "1M")
    assert (result.returncode, result.stdout) == (0, "[false, null]\n")
    assert result.stderr.splitlines() == [
        "wasirun: the plugin does not ask for a directory /given, so it does not get it",
        "wasirun: the plugin does not ask for the variable WORD, so it does not get it",
        "wasirun: the plugin does not ask for a scratch folder, so it does not get one",
    ]


def test_a_denial_inside_says_whether_it_can_be_granted(plugin: Command, tmp_path: Path) -> None:
    (tmp_path / "given").mkdir()
    (tmp_path / "given" / "a").write_text("here")
    asks(
        tmp_path / "p",
        "def go(path):\n    return open(path).read()\n",
        'kind = "directory"\nguest = "/documents"\nrequired = false',
    )
    manifest = tmp_path / "p" / "plugin.toml"
    manifest.write_text(manifest.read_text().replace("[exports.go]", "[exports.go]\nparameters = { path = {} }"))
    result = plugin("call", "p", "go", "/etc/passwd")
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1] == (
        "wasirun: the plugin may not read /etc/passwd: its plugin.toml does not ask for it"
    )
    result = plugin("call", "p", "go", "/documents/a")
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1] == (
        "wasirun: the plugin may not read /documents/a; it asks for that: directory /documents, to read (wants it): "
        "--allow-read FOLDER::/documents grants it"
    )
    assert done(plugin("call", "p", "go", "/documents/a", "--allow-read", "given::/documents")) == '"here"\n'
