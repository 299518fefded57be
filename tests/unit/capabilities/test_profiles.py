from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from wasihost.capabilities.paths import open_preopens
from wasihost.capabilities.preopen import Preopen, Scratch
from wasihost.capabilities.profile import NONE, Profile, _parse, _profiles_folder, load_profile
from wasihost.errors import InvalidProfileError
from wasihost.limits import UNMETERED, Limits

FULL = """
name = "report"
description = "Reads data, writes out."

[limits]
fuel = "unmetered"
memory_bytes = 536870912
deadline_seconds = 60

[[preopen]]
host = "data"
guest = "/data"
reason = "The tables."

[[preopen]]
host = "/srv/out"
guest = "/out"
writable = true
reason = "The report."

[[preopen]]
host = "templates"
guest = "/templates"
overlay = true
reason = "Filled in."

[[scratch]]
guest = "/tmp"
disk_bytes = 5000
disk_files = 50
reason = "Sorting."

[[scratch]]
reason = "More sorting."

[env]
names = ["LANG", "TZ"]
reason = "Dates."
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "report.toml"


def test_a_whole_profile(file: Path) -> None:
    file.write_text(FULL)
    expected = Profile(
        name="report",
        description="Reads data, writes out.",
        preopens=(
            Preopen("data", "/data"),
            Preopen("/srv/out", "/out", writable=True),
            Preopen("templates", "/templates", overlay=True),
        ),
        scratches=(Scratch("/tmp", disk_bytes=5000, disk_files=50), Scratch("/scratch")),
        env=("LANG", "TZ"),
        limits={"fuel": UNMETERED, "memory_bytes": 536870912, "deadline_seconds": 60},
    )
    assert load_profile(file) == load_profile(str(file)) == expected
    assert hash(expected) == hash(load_profile(file))
    assert Limits(**load_profile(file).limits).memory_pages == 8192


def test_the_shipped_ones() -> None:
    assert Profile.names() == ("none", "read-dir", "scratch-dir")
    for name in Profile.names():
        profile = load_profile(name)
        assert profile.name == name
        assert profile.description
        assert profile == _parse(_profiles_folder() / f"{name}.toml")
    assert load_profile("none") == Profile(name="none", description=NONE.description)
    assert load_profile("read-dir").preopens == (Preopen(".", "/data"),)
    assert load_profile("read-dir").scratches == ()
    assert load_profile("scratch-dir").preopens == ()
    assert load_profile("scratch-dir").scratches == (Scratch("/scratch"),)
    assert [load_profile(name).env for name in Profile.names()] == [(), (), ()]


def test_the_example_of_the_readme(file: Path) -> None:
    text = (_profiles_folder().parent / "README.md").read_text()
    file.write_text(text.split("```toml\n")[1].split("```")[0])
    profile = load_profile(file)
    assert [grant.writable for grant in profile.preopens] == [False, True, False]
    assert [grant.overlay for grant in profile.preopens] == [False, False, True]
    assert profile.limits == {"deadline_seconds": 60.0, "memory_bytes": 512 * 2**20, "fuel": UNMETERED}
    assert profile.scratches == (Scratch(disk_bytes=2**30, disk_files=1000),)
    assert profile.env == ("LANG", "TZ")


def test_none_needs_no_file_and_no_parser() -> None:
    code = (
        "import sys; from wasihost.capabilities.profile import load_profile; load_profile('none');"
        "import wasihost.capabilities.paths, wasihost.capabilities.grants, wasihost.capabilities.policy;"
        "heavy = {'tomllib', 'tempfile', 'hashlib', 'json', 'logging', 'subprocess', 'shutil'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    # Without site: what an installation's .pth files import is not ours.
    child = subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path.insert(0, {str(Path(__file__).parents[3])!r}); {code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert child.stdout == "[]\n"


def test_read_dir_is_the_current_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with open_preopens(load_profile("read-dir").preopens) as opened:
        assert (opened.entries[0].host, opened.entries[0].writable) == (tmp_path, False)


@pytest.mark.parametrize("name", ["nope", "", "../none", "none/../none", "NONE", "none.tom", "a\n\x1b[31m", "none\0"])
def test_unknown_names(name: str) -> None:
    with pytest.raises(InvalidProfileError) as caught:
        load_profile(name)
    assert str(caught.value) == (
        f"there is no profile {name!r}; there are none, read-dir, scratch-dir, and files whose name ends in .toml"
    )


@pytest.mark.parametrize("name", [None, 3, b"none"])
def test_names_that_are_none(name: Any) -> None:
    with pytest.raises(InvalidProfileError, match="profile must be a name or a path, not"):
        load_profile(name)


def problem_of(file: Path) -> str:
    with pytest.raises(InvalidProfileError) as caught:
        load_profile(file)
    message = str(caught.value)
    assert message.isprintable()
    assert message.startswith(f"profile {str(file)!r}: ")
    return message.removeprefix(f"profile {str(file)!r}: ")


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('name = "report"', "", "name is missing"),
        ('name = "report"', 'name = ""', "name is missing"),
        ('name = "report"', "name = 3", "name must be a string, not 3"),
        ('"Reads data, writes out."', "true", "description must be a string, not True"),
        ("[limits]", "extra = 1\n[limits]", "extra is not a field that a profile has"),
        ("[limits]", '"ex\\ntra" = 1\n[limits]', "'ex\\ntra' is not a field that a profile has"),
        ('[[scratch]]\nguest = "/tmp"', '[[scratches]]\nreason = "x"\n[[scratch]]\nguest = "/tmp"',
         "scratches is not a field that a profile has"),
        ('host = "data"', "", "preopen[0].host is missing"),
        ('host = "data"', "host = 1", "preopen[0].host must be a string, not 1"),
        ('host = "data"', 'host = "a\\u0000"', "preopen[0].host: preopen: host 'a\\x00' contains a NUL character"),
        ('guest = "/out"', "", "preopen[1].guest is missing"),
        ('guest = "/out"', 'guest = "out"',
         "preopen[1].guest: guest path 'out' must be written from the root, as '/out'"),
        ('guest = "/out"', 'guest = "/tmp"', "guest '/tmp' appears twice"),
        ("writable = true", "writable = 1", "preopen[1].writable must be true or false, not 1"),
        ("writable = true", 'writable = "yes"', "preopen[1].writable must be true or false, not 'yes'"),
        ("writable = true", "writeable = true", "preopen[1].writeable is not a field that a profile has"),
        ('reason = "The tables."', "", "preopen[0].reason is missing"),
        ('reason = "The tables."', 'reason = ""', "preopen[0].reason is missing"),
        ('reason = "The report."', 'reason = "  "', "preopen[1].reason is missing"),
        ('reason = "The report."', "reason = 1", "preopen[1].reason must be a string, not 1"),
        ('reason = "Sorting."', "", "scratch[0].reason is missing"),
        ("overlay = true", "overlay = 1", "preopen[2].overlay must be true or false, not 1"),
        ("overlay = true", "overlay = true\nwritable = true",
         "preopen[2].preopen: with overlay=True the guest writes to a copy, with writable=True to the folder itself; "
         "choose one"),
        ("disk_bytes = 5000", "disk_bytes = true", "scratch[0].disk_bytes must be a whole number, not True"),
        ("disk_bytes = 5000", "disk_bytes = 1.5", "scratch[0].disk_bytes must be a whole number, not 1.5"),
        ("disk_files = 50", "disk_files = -1",
         "scratch[0].scratch: disk_files must be from 0 to 16777216, not -1"),
        ('reason = "Sorting."', 'reason = "x"\nsize = 3', "scratch[0].size is not a field that a profile has"),
        ('guest = "/tmp"', 'guest = "/tmp/"',
         "scratch[0].guest: guest path '/tmp/' must be written without '.', '..', doubled or trailing slashes, "
         "as '/tmp'"),
        ('reason = "Dates."', "", "env.reason is missing"),
        ('names = ["LANG", "TZ"]', "", "env.names is missing"),
        ('names = ["LANG", "TZ"]', 'names = "LANG"', "env.names must be an array, not 'LANG'"),
        ('names = ["LANG", "TZ"]', 'names = ["LANG", 1]', "env.names[1] must be a str, not int"),
        ('names = ["LANG", "TZ"]', 'names = ["A=B"]', "env.names[0] 'A=B' must not contain \"=\""),
        ('names = ["LANG", "TZ"]', 'names = ["A", "A"]', "env 'A' appears twice"),
        ('reason = "Dates."', 'reason = "x"\nvalues = 1', "env.values is not a field that a profile has"),
        ('fuel = "unmetered"', 'fuel = "much"', "limits.fuel must be a whole number or UNMETERED, not 'much'"),
        ('fuel = "unmetered"', "fuel = 0", "limits.fuel must be from 1 to 4611686018427387904 or UNMETERED, not 0"),
        ("memory_bytes = 536870912", "memory_bytes = 1.5", "limits.memory_bytes must be a whole number, not 1.5"),
        ("deadline_seconds = 60", "deadline_seconds = inf",
         "limits.deadline_seconds must be a finite number of seconds, not inf"),
        ("deadline_seconds = 60", "deadline = 60",
         "limits.deadline is not a limit; there are deadline_seconds, disk_bytes, disk_files, display_bytes, fuel, "
         "host_calls, memory_bytes, open_files, output_bytes, output_overflow, value_bytes"),
    ],
)  # fmt: skip
def test_problems_name_file_and_field(file: Path, old: str, new: str, problem: str) -> None:
    assert old in FULL
    file.write_text(FULL.replace(old, new, 1))
    assert problem_of(file) == problem
    file.write_text(FULL)
    assert load_profile(file).name == "report"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('name = "x"\npreopen = "data"', "preopen must be an array, not 'data'"),
        ('name = "x"\npreopen = ["data"]', "preopen[0] must be a table, not 'data'"),
        ('name = "x"\n[preopen]\nhost = "data"', "preopen must be an array, not {'host': 'data'}"),
        ('name = "x"\nlimits = 3', "limits must be a table, not 3"),
        ('name = "x"\nenv = ["A"]', "env must be a table, not ['A']"),
    ],
)
def test_tables_of_the_wrong_kind(file: Path, text: str, problem: str) -> None:
    file.write_text(text)
    assert problem_of(file) == problem


def test_the_least_there_can_be(file: Path) -> None:
    file.write_text('name = "x"')
    assert load_profile(file) == Profile(name="x")
    assert load_profile(file).limits == {}


def test_files_that_cannot_be_read(file: Path) -> None:
    assert problem_of(file) == "there is no such file"
    file.mkdir()
    assert problem_of(file) == "is not a file"
    file.rmdir()
    os.mkfifo(file)
    assert problem_of(file) == "is not a file"
    file.unlink()
    file.write_bytes(b'name = "\xff"')
    assert problem_of(file) == "is not UTF-8 (byte 8)"
    file.write_text("name = ")
    assert problem_of(file).startswith("is not TOML: Invalid value (at ")
    file.write_text('name = "x"\nname = "y"')
    assert problem_of(file).startswith("is not TOML: Cannot overwrite a value")
    file.write_text('name = "x"\nextra = ' + "[" * 100_000)
    assert problem_of(file).startswith(("is nested too deeply", "is not TOML: "))
    file.write_text('name = "x"\n' + "#" * (2**20 - 11))
    assert load_profile(file).name == "x"
    file.write_text('name = "x"\n' + "#" * (2**20 - 10))
    assert problem_of(file) == "is larger than 1048576 bytes"


def test_a_path_with_a_nul() -> None:
    with pytest.raises(InvalidProfileError, match=r"^profile 'a\\x00\.toml': is not a path$"):
        load_profile("a\0.toml")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": 3}, "name must be a str, not 3"),
        ({"preopens": [Preopen("a", "/a")]}, "preopens must be a tuple of Preopen"),
        ({"preopens": (Scratch(),)}, "preopens must be a tuple of Preopen"),
        ({"scratches": (Preopen("a", "/a"),)}, "scratches must be a tuple of Scratch"),
        ({"env": "LANG"}, "env must be a tuple of str"),
        ({"env": ("",)}, r"env\[0\] must not be empty"),
        ({"limits": None}, "limits must be a dict, not None"),
        ({"limits": {"fuel": 0}}, "limits.fuel must be from 1 to"),
        ({"limits": {1: 0}}, "limits.'1' is not a limit"),
        ({"preopens": (Preopen("a", "/scratch"),), "scratches": (Scratch(),)}, "guest '/scratch' appears twice"),
    ],
)
def test_profiles_that_are_made_by_hand(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidProfileError, match=message):
        Profile(**{"name": "x", **fields})


def test_a_profile_does_not_change() -> None:
    limits = {"fuel": 5}
    profile = Profile("x", limits=limits)
    limits["fuel"] = 6
    assert profile.limits == {"fuel": 5}
    with pytest.raises(dataclasses.FrozenInstanceError):
        profile.name = "y"  # type: ignore[misc]
