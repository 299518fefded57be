"""`wasirun repl`, typed at a pseudo-terminal and piped."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cli_lab import environment, one_line, start, wasirun
from repl_lab import GO_ON, PROMPT, Repl

UNDONE = "wasirun: stopped by Ctrl-C; the turn is undone: what was there before it is there still"
CTRL_C, CTRL_D, CTRL_U, UP = "\x03", "\x04", "\x15", "\x1b[A"


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Where the repl keeps what lasts."""
    return tmp_path / "state"


# -- typed ------------------------------------------------------------------------------------------------------------


def test_turns_at_a_terminal(state: Path) -> None:
    with Repl(state=state) as repl:
        assert "wasirun repl: cpython-3.15, image base. %help lists commands, Ctrl-D leaves." in repl.greeting
        assert repl.line("answer = 6 * 7") == ""
        assert repl.line("answer") == "42"
        assert repl.line("_ + 1") == "43"
        assert repl.line("None") == ""
        assert repl.line("print('streamed'); 'shown'") == "streamed\n'shown'"
        # The guest writes its traceback by itself, and once.
        told = repl.line("answer / 0")
        assert told.startswith('Traceback (most recent call last):\n  File "<turn 6>", line 1, in <module>')
        assert told.endswith("ZeroDivisionError: division by zero")
        assert told.count("ZeroDivisionError") == 1
        assert "SyntaxError" in repl.line("answer = = 1")

        repl.send("def twice(n):\n")
        assert repl.expect(GO_ON).endswith("twice(n):\n")
        repl.send("return n * 2\n")  # the indentation stands there
        repl.expect("    return n * 2\n")
        repl.expect(GO_ON)
        repl.send("\n")
        repl.expect(PROMPT)
        assert repl.line("twice(answer)") == "84"

        repl.send("1 + \\\n")
        repl.expect(GO_ON)
        assert repl.line("2") == "3"
        repl.send("answ\t")
        repl.expect("answer")
        assert repl.line(" - 2") == "40"
        repl.line("import sys")
        repl.send("answer + sys.stdou\t")
        repl.expect("sys.stdout")
        assert repl.line(".fileno()") == "43"
        repl.send("if 1:\n")
        repl.expect(GO_ON)
        repl.send(f"{CTRL_U}\tanswer = 5\n")  # Tab at the beginning of a line is indentation
        repl.expect("    answer = 5\n")
        repl.expect(GO_ON)
        repl.send(f"{CTRL_U}else: answer = 6\n")
        repl.expect(PROMPT)
        assert repl.line("answer") == "5"

        repl.line("class Picture: _repr_png_ = lambda self: b'x' * 12345")
        assert repl.line("display(Picture()); 1").splitlines()[1:] == ["[image/png, 12 KiB]", "1"]
        assert repl.line("display({'text/html': '<b>'}, raw=True)") == "[text/html, 3 bytes]"
        assert repl.line("sys.exit(3)") == "wasirun: the turn ended with status 3, and the session goes on"
        told = repl.line("input()").splitlines()
        assert told[-1] == "wasirun: standard input is where statements come from, so the program finds nothing in it"
        repl.send(CTRL_D)
        assert repl.end() == 0


def test_ctrl_c_undoes_the_turn_and_clears_the_line(state: Path) -> None:
    with Repl(state=state) as repl:
        repl.line("kept = ['before']")
        repl.send("kept.append('during'); print('going'); \nwhile True: pass\n")
        repl.expect("going\n")
        repl.expect("while True: pass\n")
        time.sleep(0.3)
        started = time.monotonic()
        for _ in range(5):  # a person in a hurry
            repl.send(CTRL_C)
        repl.expect(UNDONE)
        assert time.monotonic() - started < 5.0
        repl.expect(PROMPT)
        repl.settle()
        assert repl.line("kept") == "['before', 'during']"
        repl.send("kept.clear(); import time; print('asleep'); time.sleep(9)\n")
        repl.expect("asleep\n")
        repl.send(CTRL_C)
        repl.expect(UNDONE)
        repl.expect(PROMPT)
        assert repl.line("kept") == "['before', 'during']"

        repl.send("kept = 'never run'")
        repl.expect("never run'")
        repl.send(CTRL_C)
        repl.expect(PROMPT)
        repl.send("if True:\n")
        repl.expect(GO_ON)
        repl.send(CTRL_C)
        repl.expect(PROMPT)
        assert repl.line("kept") == "['before', 'during']"
        repl.send("exit()\n")
        assert repl.end() == 0


def test_commands(state: Path, tmp_path: Path) -> None:
    saved, foreign, texts = tmp_path / "a b.session", tmp_path / "foreign", tmp_path / "texts"
    foreign.write_text("mine")
    (texts / "deep").mkdir(parents=True)
    (texts / "note").write_text("12345")
    words = ["--profile", "scratch-dir", "--allow-read", f"{texts}::/texts", "--fuel", "5G"]
    with Repl(*words, state=state) as repl:
        assert repl.line("%files").split() == ["scratch/", "texts/"]
        assert repl.line("%files /texts").split() == ["deep/", "5", "bytes", "note"]
        assert repl.line("%files scratch") == "/scratch is empty"
        assert repl.line("%files /etc").startswith("wasirun: /etc: no granted folder holds this")

        repl.line("x = 1")
        assert repl.line("%fork") == "session 2 goes on; session 1 stays as it is (%switch 1 goes back)"
        repl.line("x = 2; open('/scratch/two', 'w').write('22')")
        assert repl.line("%files scratch").split() == ["2", "bytes", "two"]
        assert repl.line("%switch 1") == "session 1 goes on"
        assert repl.line("x") == "1"
        assert repl.line("%files scratch") == "/scratch is empty"
        listed = repl.line("%switch").splitlines()
        assert [line.split(",")[0].split() for line in listed] == [["*", "1", "2", "turns"], ["2", "2", "turns"]]
        assert repl.line("%switch 3") == "wasirun: there is no session 3; %switch lists those there are"

        assert repl.line(f"%save {saved}").startswith(f"session 1 is in {saved}, ")
        assert stat.S_IMODE(saved.stat().st_mode) == 0o600
        assert repl.line(f"%save {saved}").startswith(f"session 1 is in {saved}, ")
        assert "%save --replace" in repl.line(f"%save {foreign}")
        assert foreign.read_text() == "mine"
        assert repl.line(f"%save {tmp_path}/no/file") == f"wasirun: {tmp_path}/no/file: No such file or directory"
        assert repl.line(f"%load {foreign}").startswith("wasirun: foreign is no saved session")
        assert repl.line(f"%save --replace {foreign}").startswith("session 1 is in")
        repl.line("x = 'after'")
        repl.send(f"%load {tmp_path}/a\t\n")
        repl.expect(f"session 3 goes on, from {saved}; session 1 stays as it is\n")
        repl.expect(PROMPT)
        assert repl.line("x") == "1"
        assert repl.line("%reset") == "session 3 is a new one"
        assert repl.line("x").endswith("NameError: name 'x' is not defined")
        repl.line("%switch 1")
        assert repl.line("x") == "'after'"

        assert "\nfuel=5G\n" in "\n" + repl.line("%limits")
        assert repl.line("%limits fuel=1G deadline=20s").split() == ["fuel=1G", "deadline_seconds=20.0s"]
        assert repl.line("while True: x = 0") == (
            "wasirun: the turn is undone: the run used up its fuel of 1000000000 instructions "
            "(%limits fuel=... allows more, as --fuel does)"
        )
        assert repl.line("x") == "'after'"
        repl.line("%limits deadline=300ms fuel=90G")
        assert "its deadline of 0.3 s (%limits deadline=... allows more" in repl.line("while True: x = 0")
        assert "and its sandbox allows" in repl.line("%limits memory=512M")
        assert repl.line("%limits fuel=unmetered").startswith("wasirun: fuel is counted in all turns")
        assert "\nfuel=90G\n" in "\n" + repl.line("%limits")
        assert repl.line("%nothing") == "wasirun: there is no command %nothing; %help lists those there are"
        assert "%save [--replace] PATH" in repl.line("%help")
        repl.send("%quit\n")
        assert repl.end() == 0


def test_why_a_turn_was_undone(state: Path) -> None:
    words = ["--output", "64K", "--host-calls", "2000", "--files", "3", "--disk", "1M", "--profile", "scratch-dir"]
    with Repl(*words, state=state) as repl:
        repl.line("import os; x = 'there'; file = open('/scratch/gone', 'w'); os.remove('/scratch/gone')")
        assert repl.line("os._exit(0)").startswith("wasirun: the turn ended the interpreter itself")
        assert repl.line("x") == "'there'\nwasirun: files that are not open, or not there, any more: /scratch/gone"
        assert repl.line("x") == "'there'"
        flood = repl.line("x = 0; print('y' * 100_000)")
        assert flood.endswith("(%limits output=... allows more, as --output does)")
        assert "(%limits host_calls=..." in repl.line("x = 0; import time; [time.sleep(0) for _ in range(5000)]")
        assert "(%limits files=..." in repl.line("x = 0; [open(f'/scratch/{n}', 'w') for n in range(9)]")
        assert "(wasirun repl --disk" in repl.line("x = 0; open('/scratch/0', 'w').write('y' * 2_000_000)")
        assert repl.line("x") == "'there'"


def test_a_session_that_ended(state: Path) -> None:
    with Repl("--idle", "700ms", state=state) as repl:
        repl.line("x = 1")
        time.sleep(1.5)
        ended = "wasirun: the session was closed after 0.7 s without use (--idle): %reset begins a new one"
        assert repl.line("x") == ended
        repl.send("x\t\n")  # completion has nobody to ask
        repl.expect(ended)
        repl.expect(PROMPT)
        assert repl.line("%switch") == "* 1  ended"
        assert repl.line("%reset") == "session 1 is a new one"
        assert repl.line("1 + 1") == "2"


def test_history(state: Path) -> None:
    file = state / "wasihost" / "repl_history"
    with Repl(state=state) as repl:
        repl.line("first = 1")
        repl.line("second = 2")
        repl.send(CTRL_D)
        assert repl.end() == 0
    assert file.read_text() == '"first = 1"\n"second = 2"\n'
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    with Repl(state=state) as repl:
        repl.send(f"{UP}{UP}")
        repl.expect("first = 1")
        assert repl.line("00; first") == "100"
        repl.process.send_signal(signal.SIGTERM)
        assert repl.end() == 143
    assert file.read_text().splitlines()[2:] == ['"first = 100; first"']
    before = file.read_bytes()
    with Repl("--no-history", state=state) as repl:
        repl.send(f"{UP}{CTRL_U}")
        assert repl.line("'nothing of before'") == "'nothing of before'"
        repl.send(CTRL_D)
        assert repl.end() == 0
    assert b"first" not in repl.raw
    assert file.read_bytes() == before


def test_pasted_lines_stay_as_they_are(state: Path) -> None:
    with Repl(state=state) as repl:
        repl.send("\x1b[200~def half(n):\r    m = n\r\r    return m // 2\r\x1b[201~")
        repl.expect("return m // 2")
        repl.send("\n")
        repl.expect(PROMPT)
        assert repl.line("half(84)") == "42"


def test_a_hostile_guest_reaches_neither_line_nor_terminal(state: Path) -> None:
    with Repl(state=state) as repl:
        # What a terminal would answer, or take for an order, is spelled; colours are not.
        repl.line(r"print('\x1b[31mred\x1b[0m \x1b[6n \x1b]52;c;eA==\x07 \x9b6n')")
        repl.line(r"import sys; sys.stderr.write('\x1b[c') and None")
        repl.line(r"type('Loud', (), {'__repr__': lambda self: '\x1b]0;title\x07'})()")
        for text in (b"\x1b[31mred\x1b[0m ^[[6n ^[]52;c;eA==", b"\\x9b6n", b"^[[c", b"^[]0;title"):
            assert text in repl.raw
        for text in (b"\x1b[6n", b"\x1b]", b"\x1b[c", b"\xc2\x9b"):
            assert text not in repl.raw
        # The harness answers questions of the editor, and a guest can put something else in its place.
        repl.line("inside = sys._getframe(1).f_globals")
        repl.line("inside['completions'] = lambda text, cursor: [0, ['evil()', 'x\\x1b[6n', 'other', 'exact']]")
        repl.send("ex\t")
        repl.expect("exact")
        repl.send(f"{CTRL_U}")
        repl.line("inside['status_of'] = lambda text: ['incomplete', 'evil()\\n']")
        repl.send("1\n")
        assert "evil" not in repl.expect(GO_ON)
        repl.send("\n")
        assert "evil" not in repl.expect(GO_ON)
        repl.send(CTRL_C)
        repl.expect(PROMPT)
        assert repl.line("%reset") == "session 1 is a new one"
        assert repl.line("1 + 1") == "2"


def test_the_end_of_a_terminal_ends_everything(state: Path) -> None:
    with Repl(state=state) as repl:
        repl.line("x = 1")
        children = Path(f"/proc/{repl.process.pid}/task/{repl.process.pid}/children")
        workers = [int(pid) for thread in children.parent.parent.iterdir() for pid in _children(thread)]
        assert workers
        os.close(repl.master)
        assert repl.process.wait(20) == 143
    until = time.monotonic() + 10.0
    while any(Path(f"/proc/{pid}").exists() for pid in workers):
        assert time.monotonic() < until
        time.sleep(0.02)


def _children(thread: Path) -> list[str]:
    return (thread / "children").read_text().split()


# -- piped ------------------------------------------------------------------------------------------------------------

SCRIPT = '''\
def total(numbers):
    """Docstring.

not indented, and in a string
"""
    sum_ = 0

    for number in numbers:
        # a comment
        sum_ += number
# another
    return sum_

table = {
"a": 1,
}
if table: chosen = "if"
else: chosen = "else"
@staticmethod
def nothing(): pass
total(table.values()), chosen
1 / 0
_
%limits fuel=1G
table = None; zero = 0
while True: zero += 1

table
%fork
%bogus
'''


def test_a_piped_script(tmp_path: Path) -> None:
    done = wasirun("repl", input=SCRIPT, cwd=tmp_path)
    assert done.stdout.splitlines() == [
        "(1, 'if')",
        "(1, 'if')",
        "fuel=1G",
        "session 2 goes on; session 1 stays as it is (%switch 1 goes back)",
    ]
    told = done.stderr.splitlines()
    assert told[0] == "Traceback (most recent call last):"
    assert [line for line in told if line.startswith("wasirun: ")] == [
        "wasirun: the turn is undone: the run used up its fuel of 1000000000 instructions "
        "(%limits fuel=... allows more, as --fuel does)",
        "wasirun: there is no command %bogus; %help lists those there are",
    ]
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("script", "status", "printed"),
    [
        ("", 0, ""),
        ("print(1)\n1/0", 0, "1\n"),
        ("import sys\nprint(1)\nsys.exit(3)\nprint(2)\n", 3, "1\n"),
        ("print(1)\nexit()\nprint(2)\n", 0, "1\n"),
        ("print(1)\n%quit\nprint(2)\n", 0, "1\n"),
        ("print(1)\nif True:\n    print(2)", 0, "1\n2\n"),
        ("print('\\x1b[6n')", 0, "\x1b[6n\n"),
    ],
)
def test_how_a_piped_script_ends(script: str, status: int, printed: str) -> None:
    done = wasirun("repl", input=script)
    assert (done.returncode, done.stdout) == (status, printed), done.stderr


def test_a_pipe_that_is_fed_piece_by_piece() -> None:
    process = start("repl", stdin=-1)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        for number in range(3):
            process.stdin.write(b"print(%d)\n" % number)
            process.stdin.flush()
            assert process.stdout.readline() == b"%d\n" % number
        process.stdin.write(b"print('going', flush=True)\nimport time\ntime.sleep(9)\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"going\n"
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode == 130
    assert one_line(errors.decode()) == "wasirun: stopped by Ctrl-C"


def test_nobody_reads_the_output() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        process = start("repl", stdin=-1, stdout=writer)
        _, errors = process.communicate(b"print(1)\n", timeout=60)
    finally:
        os.close(writer)
    assert (process.returncode, errors) == (141, b"")


def test_grants_are_those_of_the_options(tmp_path: Path) -> None:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a").write_text("inside")
    script = "import os\nopen('/texts/a').read(), os.environ.get('WHO')\n"
    done = wasirun("repl", "--allow-read", "texts", "--env", "WHO=you", input=script, cwd=tmp_path)
    assert (done.stdout, done.stderr) == ("('inside', 'you')\n", "")
    done = wasirun("repl", input=script, cwd=tmp_path)
    assert done.stdout == ""
    assert "allow it with --allow-read texts::/texts" in done.stderr
    overlaid = wasirun("repl", "--overlay", "texts", input="open('/texts/b', 'w').write('new')\n", cwd=tmp_path)
    assert overlaid.stderr == "wasirun: added /texts/b (3 bytes)\n"
    assert not (tmp_path / "texts" / "b").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--fuel", "1G", "repl"], "--fuel stands behind the command: `wasirun repl --fuel ...`"),
        (["repl", "--fuel", "much"], "--fuel: 'much' is no number of instructions"),
        (["repl", "--memory", "1M"], "--memory is 1048576"),
        (["repl", "--idle", "0"], "--idle must be more than 0"),
        (["repl", "--json"], "No such option"),
        (["repl", "script.py"], "unexpected extra argument"),
        (["repl", "--launcher", "sudo"], "--launcher: 'sudo' is not one of"),
    ],
)
def test_a_wrong_command_line(words: list[str], said: str) -> None:
    done = wasirun(*words, input="print(1)")
    assert said in one_line(done.stderr)
    assert (done.returncode, done.stdout) == (2, "")


def test_help_and_runs_do_without_what_the_prompt_needs() -> None:
    names = [f"wasihost.{name}" for name in ("session", "cli.run", "cli.repl.loop", "cli.repl.orders")]
    look = (
        "import os, sys\n"
        f"os._exit = lambda status: print([n for n in {[*names, 'readline']} if n in sys.modules], status)\n"
        "from wasihost.cli import main\nmain()"
    )
    done = subprocess.run(
        [sys.executable, "-c", look, "repl", "--help"],
        capture_output=True,
        text=True,
        env=environment(),
        timeout=60,
        check=False,
    )
    assert done.stdout.startswith("Usage: wasirun repl [OPTIONS]")
    assert done.stdout.endswith("\n[] 0\n")
