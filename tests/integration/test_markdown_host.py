"""The application of examples/markdown_host, run as its users run it: two honest plugins and one that is not."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from wasihost import Grants, Limits, Plugin, Preopen, host_function

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "markdown_host"
CONTAINMENTS = ("process", "in-process")
HONEST = ("link_checker", "word_counter")
PLUGINS = ("hostile", *HONEST)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A copy of the example that may be changed, beside homes for what nobody should write."""
    shutil.copytree(EXAMPLE, tmp_path / "markdown_host", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("home", "tmp", "here"):
        (tmp_path / name).mkdir()
    return tmp_path


def start(place: Path, *options: object, python: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """Run the application as a reader does, from an empty folder, with homes of its own."""
    return subprocess.run(
        [sys.executable, *(python or (str(place / "markdown_host" / "app.py"),)), *map(str, options)],
        cwd=place / "here",
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONIOENCODING": "utf-8",
            "HOME": str(place / "home"),
            "TMPDIR": str(place / "tmp"),
            "WASIHOST_CACHE_DIR": str(cache()),
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=600,
    )


def cache() -> Path:
    from wasihost.runtime.cache import cache_root

    return cache_root()


def told(place: Path, *options: object) -> dict[str, Any]:
    done = start(place, "--json", *options)
    assert (done.returncode, done.stderr) == (0, "")
    return dict(json.loads(done.stdout))


def of(answers: list[dict[str, Any]], *plugins: str) -> list[dict[str, Any]]:
    return [answer for answer in answers if answer["plugin"] in plugins]


def tree(folder: Path) -> dict[str, str]:
    """What each file below a folder holds."""
    return {
        str(path.relative_to(folder)): "" if path.is_dir() else hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
    }


# -- what it is for ---------------------------------------------------------------------------------------------------

SAVED = {
    "index.md": [
        ("link_checker", "7 links: 4 found, 1 elsewhere, 2 to look at"),
        ("link_checker", "ferry.md: no such file"),
        ("link_checker", "../../../../../../etc/passwd: refused (this link leads out of the folder)"),
        ("word_counter", "49 words, 1 min to read"),
    ],
    "tides.md": [
        ("link_checker", "2 links: 1 found, 0 elsewhere, 1 to look at"),
        ("link_checker", "#low-water: no such heading"),
        ("word_counter", "30 words, 1 min to read"),
    ],
    "walks/dunes.md": [
        ("link_checker", "3 links: 2 found, 1 elsewhere, 0 to look at"),
        ("word_counter", "23 words, 1 min to read"),
    ],
    "walks/lighthouse.md": [
        ("link_checker", "1 links: 1 found, 0 elsewhere, 0 to look at"),
        ("word_counter", "17 words, 1 min to read"),
    ],
}
REPORTS = [
    ("link_checker", "13 links: 8 found, 2 elsewhere, 3 to look at"),
    ("link_checker", "index.md -> ferry.md: no such file"),
    ("link_checker", "index.md -> ../../../../../../etc/passwd: refused (this link leads out of the folder)"),
    ("link_checker", "tides.md -> #low-water: no such heading"),
    ("word_counter", "119 words in all, most often the 19, to 5, water 5"),
    ("word_counter", "index.md: 49"),
    ("word_counter", "tides.md: 30"),
    ("word_counter", "walks/dunes.md: 23"),
    ("word_counter", "walks/lighthouse.md: 17"),
]
DUNES = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>The dunes</title>
<h1 id="the-dunes">The dunes</h1>
<p>The path begins behind the <a href="../index.html">harbour</a> and is dry at <a href="../tides.html#high-water">high water</a>. Mind the
&lt;script&gt;gorse&lt;/script&gt;, and the <a href="#">old gate</a>.</p>
<footer>
<p>Linked from <a href="../index.html">index.md</a>, <a href="../walks/lighthouse.html">walks/lighthouse.md</a></p>
<ul>
<li>link_checker: 3 links: 2 found, 1 elsewhere, 0 to look at</li>
<li>word_counter: 23 words, 1 min to read</li>
</ul>
</footer>
</html>
"""  # noqa: E501 - a page


def lines(answers: list[dict[str, Any]]) -> list[tuple[str, str]]:
    assert [answer["failure"] for answer in answers] == [""] * len(answers)
    return [(answer["plugin"], line) for answer in answers for line in answer["lines"]]


@pytest.mark.parametrize("containment", CONTAINMENTS)
def test_honest_plugins_work_and_the_hostile_one_changes_nothing(place: Path, containment: str) -> None:
    alone = place / "alone"
    shutil.copytree(place / "markdown_host" / "plugins", alone, ignore=shutil.ignore_patterns("hostile"))
    how = ("--containment", containment)
    before = told(place, *how, "--plugins", alone, "--out", place / "pages")
    assert sorted(before["plugins"]) == [*HONEST]
    assert {name: lines(answers) for name, answers in before["saved"].items()} == SAVED
    assert lines(before["reports"]) == REPORTS
    assert (place / "pages" / "walks" / "dunes.html").read_text(encoding="utf-8") == DUNES

    files = tree(place)
    after = told(place, *how, "--out", place / "pages")
    assert tree(place) == files  # the same pages again, and nothing else anywhere
    assert [*(place / "home").iterdir(), *(place / "tmp").iterdir(), *(place / "here").iterdir()] == []
    assert sorted(after["plugins"]) == [*PLUGINS]
    assert (after["not loaded"], after["skipped"]) == ({}, {})
    assert after["documents"] == before["documents"]
    assert {name: of(answers, *HONEST) for name, answers in after["saved"].items()} == before["saved"]
    assert of(after["reports"], *HONEST) == before["reports"]
    assert {name: after["plugins"][name] for name in HONEST} == before["plugins"]
    assert "GOT" not in json.dumps(after)
    attempts_ended_as_they_must(of(after["reports"], "hostile"))

    assert after["plugins"]["hostile"] == {
        "version": "6.6.6",
        "author": "Mallory",
        "asks for": [
            "host function resolve_link",
            "host function write_document",
            "directory /home, to read and change",
        ],
        "does not get": ["host function write_document", "directory /home, to read and change"],
        "calls let through": 500,  # of the flood
        "calls refused": 3,
        "suspended": True,
    }
    assert before["plugins"]["link_checker"]["calls let through"] == 20
    assert before["plugins"]["link_checker"]["calls refused"] == 2
    failures = [of(answers, "hostile") for answers in after["saved"].values()]
    assert [(answer["failure"], answer["lines"]) for (answer,) in failures] == [
        ("PluginLimitError", []), ("PluginLimitError", []), ("PluginRaisedError", []), ("PluginSuspendedError", []),
    ]  # fmt: skip
    assert [answer["why"] for (answer,) in failures] == [
        STOPPED + "the run used up its fuel of 5000000000 instructions",
        STOPPED + "unreachable code was reached (code outside the slice traps like this)",
        r"the plugin hostile raised RuntimeError: \x1b[2Jwalks/dunes.md\nword_counter.on_saved: 0 words "
        "in on_saved()",
        "the plugin hostile failed 3 times one after the other; resume() lets it go on",
    ]
    # It is told first, so the others were told after it had done its worst.
    assert all(answers[0]["plugin"] == "hostile" for answers in after["saved"].values())


# -- what the hostile one tries ---------------------------------------------------------------------------------------

STOPPED = "the plugin hostile was stopped: "
ANSWERS = {
    "files": {
        "read /etc/passwd": "FileNotFoundError",
        "read /proc/self/environ": "FileNotFoundError",
        "read /dev/zero": "FileNotFoundError",
        "read ../../../../../../etc/passwd": "FileNotFoundError",
        "read /plugin/../../../etc/passwd": "PermissionError",
        "read /plugin/../app.py": "PermissionError",
        "read /plugin/../../app.py": "PermissionError",
        "read /plugin/../word_counter/plugin.toml": "PermissionError",
        "read /link_checker/plugin.toml": "FileNotFoundError",
        "read /notes/index.md": "FileNotFoundError",
        "read /home/.ssh/id_rsa": "FileNotFoundError",
        "read /plugin/payload.txt/../../x": "NotADirectoryError",
        "list /": "FileNotFoundError",
        "list ..": "FileNotFoundError",
        "list /plugin/..": "PermissionError",
        "list /tmp": "FileNotFoundError",
        "list /home": "FileNotFoundError",
    },
    "writing": {
        "write /plugin/payload.txt": "PermissionError",
        "write /plugin/new": "PermissionError",
        "write /plugin/../new": "PermissionError",
        "write /tmp/new": "FileNotFoundError",
        "write /home/new": "FileNotFoundError",
        "write new": "FileNotFoundError",
        "write /etc/new": "FileNotFoundError",
        "remove": "PermissionError",
        "rename": "PermissionError",
        "mkdir": "PermissionError",
        "symlink": "PermissionError",
        "hard link": "PermissionError",
        "truncate": "PermissionError",
        "utime": "PermissionError",
    },
    "network": {
        "localhost": "AttributeError",
        "example.com": "AttributeError",
        "metadata": "AttributeError",
        "by hand": "OSError",
    },
    "processes": {
        "run": "OSError",
        "load": "OSError",
        "fork": "AttributeError",
        "kill": "AttributeError",
        "system": "AttributeError",
    },
    "not_granted": {
        "write_document": "AttributeError",
        "write_document by hand": "HostFunctionError",
        "__import__ by hand": "HostFunctionError",
        "resolve_link.__globals__ by hand": "ValueError",
        "a link that is not there": "HostFunctionError",
        "a link out of the folder": "HostFunctionError",
        "a document that is not there": "HostFunctionError",
        "a number": "TypeError",
        "one argument": "TypeError",
        "a keyword": "TypeError",
        "a long argument": "ValueError",
    },
    "others": {
        "import word_counter": "ModuleNotFoundError",
        "import link_checker": "ModuleNotFoundError",
        "import app": "ModuleNotFoundError",
        "import extensions": "ModuleNotFoundError",
        "import documents": "ModuleNotFoundError",
        "import wasihost": "ModuleNotFoundError",
        "import wasmtime": "ModuleNotFoundError",
        "host.suspend": "AttributeError",
        "host.plugins": "AttributeError",
        "host.emit": "AttributeError",
        "host.__file__": "AttributeError",
    },
    "doorbell": {
        "a call far outside": "OSError",
        "a call across the end": "LookupError",
        "a call of junk": "LookupError",
        "a call of nothing": "LookupError",
        "a call begun outside": "OSError",
        "a call begun with junk": "LookupError",
        "waiting for nobody": "LookupError",
        "taking what is not there": "LookupError",
        "a command that does not exist": "LookupError",
        "the request of somebody else": "LookupError",
    },
}
"""Attempts that Python inside tells it about."""
SAYINGS = {
    "trace": ["left what could be left"],
    "what_is_left": ["nothing is left"],
    "memory": ["MemoryError"],
    "disguise": [
        "fine\ufffdword_counter.report_words: 0 words in all", "\ufffd[2J\ufffd]0;owned\ufffd", "\ufffdgnorw",
        "x" * 160 + "...",
    ],
}  # fmt: skip
MESSAGE = r"the plugin hostile raised ValueError: \x1b[2J\nTraceback: the application is broken\n"
FAILURES = {
    "loop": ("PluginLimitError", STOPPED + "the run used up its fuel of 5000000000 instructions"),
    "sleep": ("PluginLimitError", STOPPED + "the run was still going at its deadline of 4 s"),
    "output": ("PluginLimitError", STOPPED + "the run wrote more than 65536 bytes to standard output"),
    "call_flood": ("PluginLimitError", STOPPED + "the run made more than 2000 calls to the host"),
    "huge": ("PluginResultError", "the plugin hostile raised ValueError: the result takes 13333370 bytes, and the host "
             "reads 262144 when the result of report_huge() was to be passed out"),
    "deep": ("PluginLimitError", STOPPED + "the native stack overflowed"),
    "other_shape": ("AnswerError", "answered something else than at most 30 lines of text"),
    "message": ("PluginRaisedError", f"{MESSAGE + 'x' * 160:.160}..."),
    "reply_that_is_none": ("PluginLimitError", STOPPED + "the guest named memory that it does not have"),
    "reply_that_claims": ("PluginResultError", "the plugin hostile: the plugin's answer makes no sense: Only base64 "
                          "data is allowed"),
    "no_reply": ("PluginLimitError", STOPPED + "the interpreter came back without a reply"),
    "exit": ("PluginLimitError", "the plugin hostile ended its interpreter itself (os._exit)"),
    "abort": ("PluginLimitError", STOPPED + "unreachable code was reached (code outside the slice traps like this)"),
    "teardown": ("PluginTeardownError", "the plugin hostile raised OSError: hostile to the end in teardown()"),
}  # fmt: skip
"""Attempts that end the call."""


def attempts_ended_as_they_must(answers: list[dict[str, Any]]) -> None:
    ended = {answer["function"].removeprefix("report_"): answer for answer in answers}
    assert set(ended) == {*ANSWERS, *SAYINGS, *FAILURES}
    for name, expected in ANSWERS.items():
        assert ended[name]["failure"] == "", ended[name]
        assert dict(line.rsplit(": ", 1) for line in ended[name]["lines"]) == expected
    for name, said in SAYINGS.items():
        assert (ended[name]["failure"], ended[name]["lines"]) == ("", said)
    for name, (failure, why) in FAILURES.items():
        assert (ended[name]["failure"], ended[name]["why"], ended[name]["lines"]) == (failure, why, [])


@pytest.mark.parametrize("containment", CONTAINMENTS)
def test_one_that_keeps_its_state_changes_nothing_either(place: Path, containment: str) -> None:
    manifest = place / "markdown_host" / "plugins" / "hostile" / "plugin.toml"
    text = manifest.read_text(encoding="utf-8")
    manifest.write_text(text.replace('api = "1"\n', 'api = "1"\nstate = "kept"\n', 1), encoding="utf-8")
    files = tree(place)
    after = told(place, "--containment", containment)
    assert tree(place) == files
    assert {name: lines(of(answers, *HONEST)) for name, answers in after["saved"].items()} == SAVED
    assert lines(of(after["reports"], *HONEST)) == REPORTS
    assert after["plugins"]["hostile"]["suspended"] is True
    ended = {answer["function"].removeprefix("report_"): answer for answer in of(after["reports"], "hostile")}
    for name in ("files", "network", "processes", "others"):
        assert dict(line.rsplit(": ", 1) for line in ended[name]["lines"]) == ANSWERS[name]
    for name in ("loop", "sleep", "output", "abort"):
        assert ended[name]["failure"] == "PluginLimitError"
        undone = " (what it remembered is what it was before)"
        assert ended[name]["why"] == FAILURES[name][1] + undone


@pytest.mark.parametrize("containment", CONTAINMENTS)
def test_what_is_granted_is_had(place: Path, containment: Any) -> None:
    written: list[tuple[str, str]] = []

    @host_function
    def write_document(document: str, text: str) -> None:
        """Write a document."""
        written.append((document, text))

    @host_function
    def resolve_link(document: str, target: str) -> str:
        """Tell everything to everybody."""
        return "found"

    grants = Grants(
        functions=[write_document, resolve_link],
        preopens=[Preopen(place / "home", "/home", writable=True)],
        limits=Limits(deadline_seconds=30.0),
    )
    with Plugin.load(
        place / "markdown_host" / "plugins" / "hostile", grants=grants, containment=containment
    ) as hostile:
        assert hostile.withheld == ()
        assert "write /home/new: GOT 16" in hostile.call("report_writing", {})
        assert (place / "home" / "new").read_text(encoding="utf-8") == "hostile was here"
        said = hostile.call("report_not_granted", {})
        assert said[:2] == ["write_document: GOT None", "write_document by hand: GOT None"]
        assert "a link that is not there: GOT 'found'" in said
        assert written == [("index.md", "x")] * 2
        assert "list /home: GOT ['new']" in hostile.call("report_files", {})


# -- as its users see it ----------------------------------------------------------------------------------------------


def test_the_report_is_text_that_nobody_can_disguise_himself_in(place: Path) -> None:
    done = start(place)
    assert (done.returncode, done.stderr) == (0, "")
    assert all(letter.isprintable() or letter == "\n" for letter in done.stdout)
    text = done.stdout.splitlines()
    assert text[:3] == [
        "4 documents",
        "  index.md: Notes of the harbour; 7 links, linked from tides.md, walks/dunes.md",
        "  tides.md: Tides; 2 links, linked from index.md, walks/dunes.md",
    ]
    assert "  hostile.report_files: read /etc/passwd: FileNotFoundError" in text
    assert f"  hostile.report_loop failed, PluginLimitError: {FAILURES['loop'][1]}" in text
    assert "    suspended: it failed too often, and is not told of documents any more" in text
    assert [line for line in text if line.startswith("  word_counter.report_words")] == [
        f"  word_counter.report_words: {line}" for plugin, line in REPORTS if plugin == "word_counter"
    ]
    assert text[-3:] == ["  word_counter 1.2.0, by Ada Example", "    asks for: nothing",
                         "    calls: 0 let through, 0 refused"]  # fmt: skip


def test_odd_folders_and_wishes(place: Path) -> None:
    odd = place / "odd"
    odd.mkdir()
    (odd / "latin.md").write_bytes(b"# caf\xe9\n")
    (odd / "large.md").write_bytes(b"x" * 1_000_001)
    (odd / "link.md").symlink_to("/etc/passwd")
    (odd / ".hidden.md").write_text("# secret\n")
    (odd / "no title.md").write_text(
        "[a](<no-such>) [b](//host/x.md) [c](%2e%2e/%2e%2e/etc/passwd) [d](http://[) [e](..\\x) [f](/etc/passwd)\n"
    )
    (odd / "empty.md").write_text("")
    plugins = place / "markdown_host" / "plugins"
    shutil.rmtree(plugins / "hostile")
    (plugins / "broken").mkdir()
    (plugins / "broken" / "plugin.toml").write_text("[plugin]\nname = 'a/b'\nversion = '1'\napi = '1'\n")
    after = told(place, odd, "--report", "link_checker")
    assert sorted(after["documents"]) == ["empty.md", "no title.md"]
    assert after["documents"]["no title.md"]["title"] == "no title.md"
    assert after["skipped"] == {
        "latin.md": "is not UTF-8", "large.md": "has more than 1000000 bytes", "link.md": "is no plain file",
    }  # fmt: skip
    assert [*after["not loaded"]] == ["broken"]
    assert "plugin.name" in after["not loaded"]["broken"]
    out = "refused (this link leads out of the folder)"
    assert lines(after["reports"]) == [
        ("link_checker", "6 links: 0 found, 1 elsewhere, 5 to look at"),
        ("link_checker", "no title.md -> no-such: no such file"),
        ("link_checker", f"no title.md -> //host/x.md: {out}"),
        ("link_checker", f"no title.md -> %2e%2e/%2e%2e/etc/passwd: {out}"),
        ("link_checker", f"no title.md -> ..\\x: {out}"),
        ("link_checker", f"no title.md -> /etc/passwd: {out}"),
    ]
    for options, words in (
        (("--report", "nobody"), "there is no plugin nobody"),
        ((place / "nowhere",), "is no folder"),
        (("--plugins", place / "nowhere"), "is no folder"),
    ):
        done = start(place, *options)
        assert done.returncode != 0
        assert words in done.stderr
        assert done.stdout == ""


def test_it_uses_public_names_only() -> None:
    for path in EXAMPLE.rglob("*.py"):
        assert not re.search(r"(from|import) wasihost\.", path.read_text(encoding="utf-8")), path
    assert '\nif __name__ == "__main__":\n' in (EXAMPLE / "app.py").read_text(encoding="utf-8")


# -- the plugins by themselves ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PLUGINS)
def test_plugins_have_what_belongs_to_them(name: str, place: Path) -> None:
    folder = place / "markdown_host" / "plugins" / name
    assert (folder / "README.md").read_text(encoding="utf-8").startswith(f"# {name}\n")
    for command, words in (
        ("unittest discover tests", r"^Ran [3-9] tests in .*\n\nOK"),
        ("wasihost plugin check .", r"^ok   tests      [3-9] of [3-9] passed"),
    ):
        done = subprocess.run(
            [sys.executable, "-m", *command.split()],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        said = done.stdout + done.stderr
        assert done.returncode == 0, said
        assert re.search(words, said, re.MULTILINE), said
        assert "failed" not in said


# -- an ordinary user -------------------------------------------------------------------------------------------------

NOBODY = 65534
AS_USER = """
import argparse, encodings.idna, hashlib, html, importlib, json, logging, os, pkgutil, random, runpy, sys, tempfile
import time, tomllib, urllib.parse
import filelock, platformdirs
import wasihost
from wasihost.engine.configuration import library_path
# Everything is imported before the change of user, who may not be able to read this Python's own files.
for part in pkgutil.walk_packages(wasihost.__path__, "wasihost."):
    if not part.name.startswith(("wasihost.guest", "wasihost.cli")):
        importlib.import_module(part.name)
library = library_path()
if os.getuid() == 0:
    os.setgroups([]); os.setgid({nobody}); os.setuid({nobody})
if not all(os.access(path, os.R_OK) for path in (wasihost.__file__, library)):
    sys.exit(77)
assert os.getuid() != 0
sys.path.insert(0, {folder!r})
sys.argv[0] = {folder!r} + "/app.py"
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def test_as_an_ordinary_user() -> None:
    with Plugin.load(EXAMPLE / "plugins" / "word_counter"):
        pass  # the cache holds the runtime from here on
    place = Path("/tmp") / f"wasihost-markdown-{os.getpid()}"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(mode=0o755)
    try:
        shutil.copytree(EXAMPLE, place / "markdown_host", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copytree(cache(), place / "cache", ignore=only_the_default)
        for name in ("home", "tmp", "here"):
            (place / name).mkdir()
        if os.getuid() == 0:
            for path in (place, *place.rglob("*")):
                os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
        files = tree(place)
        program = AS_USER.format(nobody=NOBODY, folder=str(place / "markdown_host"))
        done = subprocess.run(
            [sys.executable, "-c", program, "--json", "--containment", "in-process"],
            cwd=place / "here",
            env={
                "PATH": os.environ.get("PATH", ""),
                "HOME": str(place / "home"),
                "TMPDIR": str(place / "tmp"),
                "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
                "PYTHONDONTWRITEBYTECODE": "1",
                "WASIHOST_CACHE_DIR": str(place / "cache"),
                "WASIHOST_OFFLINE": "1",
            },
            capture_output=True,
            encoding="utf-8",
            timeout=300,
            check=False,
        )
        if done.returncode == 77:
            pytest.skip("the ordinary user cannot read the installed package")
        assert (done.returncode, done.stderr) == (0, "")
        found = tree(place)
        assert {name: found[name] for name in files} == files  # what was compiled as well
        assert {name for name in found if not name.startswith("cache/")} <= set(files)
        after = json.loads(done.stdout)
    finally:
        shutil.rmtree(place, ignore_errors=True)
    assert {name: lines(of(answers, *HONEST)) for name, answers in after["saved"].items()} == SAVED
    assert lines(of(after["reports"], *HONEST)) == REPORTS
    attempts_ended_as_they_must(of(after["reports"], "hostile"))
    assert after["plugins"]["hostile"]["suspended"] is True


def only_the_default(folder: str, names: list[str]) -> set[str]:
    """Leave out of a copy of the cache what belongs to other runtimes."""
    if Path(folder) == cache():
        return {name for name in names if name not in ("runtimes", "compiled", "images")}
    if Path(folder).parent == cache():
        return {name for name in names if not name.startswith("cpython-3.15-") or name.startswith("cpython-3.15-sci")}
    return set()
