"""Folders and variables: where the program finds them, and what is said when it asks for others."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_lab import environment, one_line, wasirun


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A current directory with `data/x`."""
    place = tmp_path / "place"
    (place / "data" / "deep").mkdir(parents=True)
    (place / "data" / "x").write_text("inside")
    (place / "data" / "deep" / "y").write_text("deeper")
    (place / "top").write_text("top")
    return place


@pytest.mark.parametrize(
    ("grant", "path", "text"),
    [
        ("data", "/data/x", "inside"),
        ("data", "data/x", "inside"),
        ("./data/", "/data/x", "inside"),
        ("data/deep", "/data/deep/y", "deeper"),
        (".", "/top", "top"),
        (".", "top", "top"),
        ("data::/elsewhere", "/elsewhere/x", "inside"),
        ("../place/data::/d", "/d/x", "inside"),
    ],
)
def test_where_a_granted_folder_is_found(grant: str, path: str, text: str, place: Path) -> None:
    done = wasirun("--allow-read", grant, "-c", f"print(open({path!r}).read())", cwd=place)
    assert (done.stdout, done.returncode) == (f"{text}\n", 0), done.stderr


def test_an_absolute_folder_is_found_at_the_same_path(place: Path) -> None:
    done = wasirun("--allow-read", place / "data", "-c", f"print(open({str(place / 'data' / 'x')!r}).read())")
    assert done.stdout == "inside\n", done.stderr


def test_a_folder_outside_needs_a_guest_path(place: Path) -> None:
    done = wasirun("--allow-read", "../place", "-c", "1", cwd=place)
    assert done.returncode == 2
    assert one_line(done.stderr).endswith("as in --allow-read ../place::/place")


def test_write_needs_its_own_grant(place: Path) -> None:
    code = "open('data/new', 'w').write('n')"
    done = wasirun("--allow-read", "data", "-c", code, cwd=place)
    assert done.returncode == 1
    assert not (place / "data" / "new").exists()
    assert done.stderr.splitlines()[-1] == (
        "wasirun: the program may not write /data/new: allow it with --allow-write data::/data instead of --allow-read"
    )
    assert wasirun("--allow-write", "data::/data", "-c", code, cwd=place).returncode == 0
    assert (place / "data" / "new").read_text() == "n"


def test_read_denial_names_the_option_that_then_works() -> None:
    code = "open('/etc/passwd').read()"
    done = wasirun("-c", code)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "wasirun: the program may not read /etc/passwd: allow it with --allow-read /etc::/etc"
    )
    assert wasirun("--allow-read", "/etc::/etc", "-c", code).returncode == 0


def test_a_relative_read_denial_names_the_folder_here(place: Path) -> None:
    done = wasirun("-c", "open('data/x')", cwd=place)
    assert "allow it with --allow-read data::/data" in done.stderr.splitlines()[-1]
    done = wasirun("-c", "open('top')", cwd=place)
    assert done.stderr.splitlines()[-1].endswith("may not read /top: allow it with --allow-read .::/")
    assert wasirun("--allow-read", ".::/", "-c", "open('top')", cwd=place).returncode == 0


def test_variables() -> None:
    env = environment(SECRET_OF_HOST="s", PLAIN="p")
    code = "import os; print(os.environ['SECRET_OF_HOST'])"
    done = wasirun("-c", code, env=env)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith("allow it with --allow-env SECRET_OF_HOST")
    assert wasirun("--allow-env", "SECRET_OF_HOST", "-c", code, env=env).stdout == "s\n"
    assert wasirun("--env", "SECRET_OF_HOST=a=b", "-c", code, env=env).stdout == "a=b\n"
    assert wasirun(
        "--allow-env", "PLAIN", "-c", "import os; print('SECRET_OF_HOST' in os.environ)", env=env
    ).stdout == ("False\n")


@pytest.mark.parametrize(
    ("code", "line"),
    [
        ("import socket; socket.socket()", "wasirun: the program may not use the network: that cannot be granted"),
        ("import os; os.system('true')", "wasirun: the program may not start processes: that cannot be granted"),
    ],
)
def test_what_cannot_be_granted(code: str, line: str) -> None:
    done = wasirun("-c", f"try:\n  {code}\nexcept (OSError, AttributeError): print('held')")
    assert done.stdout == "held\n"
    assert one_line(done.stderr) == line if "socket" in code else done.stderr in ("", line + "\n")


def test_at_most_three_denials_are_told() -> None:
    code = "import os\nfor i in range(7):\n  try: os.listdir(f'/no{i}')\n  except OSError: pass"
    lines = wasirun("-c", code).stderr.splitlines()
    assert [line.split(":")[1] for line in lines] == [
        *[f" the program may not read /no{i}" for i in range(3)],
        " and 4 more that the program may not do",
    ]


def test_names_of_the_guest_cannot_write_on_the_terminal() -> None:
    done = wasirun("-c", "try: open('/a\\x1b[31m\\nwasirun: all is well\\u202e/b')\nexcept OSError: pass")
    line = one_line(done.stderr)
    assert "\\x1b[31m\\nwasirun: all is well\\u202e/b" in line
    assert line.isprintable()


def test_a_module_beside_the_script_is_pointed_out(place: Path) -> None:
    (place / "data" / "helper.py").write_text("x = 42")
    (place / "data" / "prog.py").write_text("import helper\nprint(helper.x)")
    done = wasirun("data/prog.py", cwd=place)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "wasirun: the module helper lies beside the script: allow it with --allow-read data"
    )
    assert wasirun("--allow-read", "data", "data/prog.py", cwd=place).stdout == "42\n"
    assert "lies beside" not in wasirun("-c", "import nowhere", cwd=place).stderr


def test_a_module_here_is_pointed_out_for_dash_m(place: Path) -> None:
    (place / "tool.py").write_text("print(42)")
    done = wasirun("-m", "tool", cwd=place)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith("lies in the current directory: allow it with --allow-read .")
    assert wasirun("--allow-read", ".", "-m", "tool", cwd=place).stdout == "42\n"


def test_profiles_and_options_on_top_of_them(place: Path) -> None:
    profile = place / "mine.toml"
    profile.write_text(
        'name = "mine"\ndescription = "d"\n[[preopen]]\nhost = "data"\nguest = "/in"\nreason = "r"\n'
        "[limits]\ndeadline_seconds = 0.3\nfuel = 20_000_000\n"
    )
    assert wasirun("--profile", "mine.toml", "-c", "print(open('/in/x').read())", cwd=place).stdout == "inside\n"
    assert wasirun("--profile", "mine.toml", "-c", "while True: pass", cwd=place).returncode == 125
    more = ["--profile", "mine.toml", "--fuel", "unmetered"]
    assert wasirun(*more, "-c", "while True: pass", cwd=place).returncode == 124


def test_scratch_folder_is_there_and_gone_afterwards(tmp_path: Path) -> None:
    env = environment(TMPDIR=str(tmp_path))
    code = "open('/scratch/x', 'w').write('x'); import os; print(os.listdir('/scratch'))"
    done = wasirun("--profile", "scratch-dir", "-c", code, env=env)
    assert done.stdout == "['x']\n", done.stderr
    assert list(tmp_path.iterdir()) == []
