"""Running programs: what reaches them, what comes out, with which status."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cli_lab import COMMAND, environment, one_line, wasirun

import wasihost

# -- the program and its arguments --------------------------------------------------------------------------------


def test_code() -> None:
    done = wasirun("-c", "print(6 * 7)")
    assert (done.stdout, done.stderr, done.returncode) == ("42\n", "", 0)


def test_code_written_without_a_space() -> None:
    assert wasirun("-cprint(6 * 7)").stdout == "42\n"


@pytest.mark.parametrize("program", ["code", "script", "stdin", "module"])
def test_everything_after_the_program_is_the_programs(program: str, tmp_path: Path) -> None:
    code = "import sys; print(sys.argv[1:])"
    (tmp_path / "prog.py").write_text(code)
    words = {
        "code": ["-c", code],
        "script": ["prog.py"],
        "stdin": ["-"],
        "module": ["--allow-read", ".", "-m", "prog"],
    }[program]
    rest = ["--fuel", "1", "--help", "-c", "x", "--", "runtime", "", "é"]
    done = wasirun(*words, *rest, cwd=tmp_path, input=code if program == "stdin" else "")
    assert (done.stdout, done.returncode) == (f"{rest}\n", 0), done.stderr


def test_script_knows_its_name_and_finds_modules_beside_it(tmp_path: Path) -> None:
    (tmp_path / "helper.py").write_text("def double(x): return 2 * x\n")
    (tmp_path / "prog.py").write_text("import helper\nprint(helper.double(21), __file__, __name__)\n")
    done = wasirun("--allow-read", ".", "prog.py", cwd=tmp_path)
    assert (done.stdout, done.returncode) == ("42 /prog.py __main__\n", 0), done.stderr


@pytest.mark.parametrize("words", [["./runtime"], ["--", "runtime"]])
def test_a_script_called_like_a_command_can_be_run(words: list[str], tmp_path: Path) -> None:
    (tmp_path / "runtime").write_text("print('a script')")
    assert wasirun(*words, cwd=tmp_path).stdout == "a script\n"


def test_stdin_is_the_programs(tmp_path: Path) -> None:
    assert wasirun("-c", "print(input() + input())", input="a\nb\n").stdout == "ab\n"
    assert wasirun("-", input="import sys; print(repr(sys.stdin.read()))").stdout == "''\n"


def test_a_closed_stdin_is_an_empty_one() -> None:
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" <&-', "sh", *COMMAND, "-c", "import sys; print(repr(sys.stdin.read()))"],
        capture_output=True,
        text=True,
        env=environment(),
        check=False,
    )
    assert (done.stdout, done.returncode) == ("''\n", 0), done.stderr


def test_output_is_passed_through_in_bytes_and_in_order() -> None:
    code = "import os, sys\nfor i in range(3): os.write(1, b'\\xff%d' % i); os.write(2, b'\\xfe%d' % i)\nprint('end')"
    done = subprocess.run(
        [*COMMAND, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment(),
        timeout=120,
        check=False,
    )
    assert done.stdout == b"\xff0\xfe0\xff1\xfe1\xff2\xfe2end\n"


def test_lines_arrive_while_the_program_runs() -> None:
    code = "import time\nprint('first')\ntime.sleep(3)\nprint('second')"
    process = subprocess.Popen([*COMMAND, "-c", code], stdout=subprocess.PIPE, env=environment())
    try:
        assert process.stdout is not None
        started = time.monotonic()
        assert process.stdout.readline() == b"first\n"
        assert time.monotonic() - started < 2.5
        assert process.communicate(timeout=60)[0] == b"second\n"
    finally:
        process.kill()
        process.communicate()


# -- statuses -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [0, 1, 3, 255])
def test_the_programs_own_status(status: int) -> None:
    done = wasirun("-c", f"import sys; sys.exit({status})")
    assert (done.returncode, done.stdout, done.stderr) == (status, "", "")


def test_an_exception_is_status_1_with_its_traceback() -> None:
    done = wasirun("-c", "1 / 0")
    assert done.returncode == 1
    assert done.stderr.startswith("Traceback (most recent call last):\n")
    assert done.stderr.endswith("ZeroDivisionError: division by zero\n")


@pytest.mark.parametrize(
    ("words", "status", "line"),
    [
        (["--deadline", "300ms", "-c", "while True: pass"], 124, "deadline of 0.3 s (--deadline raises it)"),
        (["--deadline", "300ms", "-c", "import time; time.sleep(60)"], 124, "(--deadline raises it)"),
        (["--fuel", "20M", "-c", "while True: pass"], 125, "fuel of 20000000 instructions (--fuel raises it)"),
        (
            ["--output", "10", "-c", "import os; os.write(2, b'x' * 11)"],
            126,
            "10 bytes to standard error (--output raises it",
        ),
    ],
)
def test_limits_have_a_status_and_name_their_option(words: list[str], status: int, line: str) -> None:
    done = wasirun(*words)
    assert done.returncode == status
    assert line in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_raised_limits_let_the_same_programs_end() -> None:
    done = wasirun(
        "--output", "11", "--fuel", "unmetered", "--deadline", "1m", "-c", "import os; os.write(2, b'x' * 11)"
    )
    assert (done.returncode, done.stderr) == (0, "x" * 11)


def test_truncated_output_lets_the_program_go_on() -> None:
    done = wasirun("--json", "--output", "10", "--output-overflow", "truncate", "-c", "print('x' * 99); 5")
    result = json.loads(done.stdout)
    assert (done.returncode, result["truncated"], result["value"]) == (0, True, 5)
    assert result["stdout_omitted_bytes"] == 90


def test_a_crash_of_the_interpreter_inside_is_134() -> None:
    code = "def f(): pass\nf.__code__ = f.__code__.replace(co_code=b'\\xff\\xff' * 50, co_stacksize=1)\nf()"
    done = wasirun("--runtime", "cpython-3.11", "-c", code)
    assert done.returncode == 134, done.stderr
    assert one_line(done.stderr).startswith("wasirun: the interpreter inside crashed: ")


def test_memory_limit_names_its_option() -> None:
    done = wasirun("--memory", "64M", "-c", "bytearray(100 * 2**20)")
    assert done.returncode == 1
    assert "wasirun: the program reached its memory limit of 64 MiB (--memory raises it)" in done.stderr
    assert wasirun("--memory", "256M", "-c", "bytearray(100 * 2**20)").returncode == 0


def test_open_files_limit_names_its_option(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("x")
    code = "files = [open('/data/x') for _ in range(5)]; print(len(files))"
    grant = ["--allow-read", f"{tmp_path}::/data"]
    done = wasirun(*grant, "--open-files", "3", "-c", code)
    assert done.returncode == 1
    assert "wasirun: the program held 3 files open, its limit (--open-files raises it)" in done.stderr
    assert wasirun(*grant, "--open-files", "10", "-c", code).stdout == "5\n"


# -- what it says of itself ---------------------------------------------------------------------------------------


def test_json_is_one_object_with_everything() -> None:
    done = wasirun("--json", "-c", "import sys; print('out'); print('err', file=sys.stderr); {'a': [1, None]}")
    assert done.stderr == ""
    result = json.loads(done.stdout)
    assert done.stdout.count("\n") == 1
    assert result["outcome"] == "EXITED"
    assert (result["exit_code"], result["stdout"], result["stderr"]) == (0, "out\n", "err\n")
    assert result["value"] == {"a": [1, None]}
    assert (result["error"], result["detail"], result["denials"], result["truncated"]) == (None, "", [], False)
    assert result["fuel_consumed"] > 10_000
    assert result["memory_peak_bytes"] > 2**20
    assert 0 < result["wall_seconds"] < 10


def test_json_of_an_exception_and_of_a_limit() -> None:
    done = wasirun("--json", "-c", "raise ValueError('no')")
    error = json.loads(done.stdout)["error"]
    assert (done.returncode, error["type"], error["message"]) == (1, "ValueError", "no")
    assert error["traceback"].startswith("Traceback")
    done = wasirun("--json", "--fuel", "20M", "-c", "while True: pass")
    result = json.loads(done.stdout)
    assert (done.returncode, result["outcome"], result["exit_code"]) == (125, "OUT_OF_FUEL", None)


def test_stats_are_the_last_line_on_stderr() -> None:
    done = wasirun("--stats", "-c", "print(1)")
    words = dict(word.split("=") for word in one_line(done.stderr).removeprefix("wasirun: ").split())
    assert (words["outcome"], words["exit_code"]) == ("EXITED", "0")
    assert float(words["wall_ms"]) > 0
    assert int(words["fuel"]) > 10_000
    assert int(words["memory_bytes"]) > 2**20
    assert "fuel=unmetered" in wasirun("--stats", "--fuel", "unmetered", "-c", "1").stderr


def test_version_and_help() -> None:
    assert wasirun("--version").stdout == f"wasirun {wasihost.__version__}\n"
    text = wasirun("--help").stdout
    for words in ("--allow-read HOST[::GUEST]", "default: 100G", "default: 256M", "default: 10s", "default: 1M"):
        assert words in text
    assert "124 deadline" in text


def test_a_plain_run_imports_nothing_that_it_does_not_need() -> None:
    heavy = [
        "click",
        "rich",
        "requests",
        "filelock",
        "tomllib",
        "tempfile",
        "subprocess",
        "logging",
        "zipfile",
    ]
    ours = [
        "cli.commands",
        "cli.bars",
        "cli.repl",
        "containment.pool",
        "image.freeze",
        "image.probe",
        "runtime.wasm",
        "capabilities.profile",
    ]
    names = heavy + [f"wasihost.{name}" for name in ours]
    look = (
        f"import os, sys\nos._exit = lambda status: print([n for n in {names} if n in sys.modules], status)\n"
        "from wasihost.cli import main\nsys.argv[1:] = ['-c', 'print(1)']\nmain()"
    )
    assert wasirun("-c", "1").returncode == 0  # the first one may have to install and compile
    done = subprocess.run(
        [sys.executable, "-c", look], capture_output=True, text=True, env=environment(), timeout=120, check=False
    )
    assert done.stdout == "1\n[] 0\n", done.stderr
