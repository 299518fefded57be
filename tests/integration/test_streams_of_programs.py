"""Standard input, output and error, byte for byte."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from wasihost import Limits, Outcome, Preopen, Sandbox
from wasihost.containment import messages

INPUT: list[tuple[str, bytes, Any, bytes]] = [
    ("a = input('A? ')\nb = input('B? ')\n[a, b]", b"x\ny\n", ["x", "y"], b"A? B? "),
    ("input()", "é漢".encode(), "é漢", b""),
    ("input()", b"\xff\n", "\udcff", b""),
    ("import sys\n[line for line in sys.stdin]", b"x\ny", ["x\n", "y"], b""),
    ("import sys\n[sys.stdin.readline(), sys.stdin.read(), sys.stdin.read()]", b"x\ny\nz", ["x\n", "y\nz", ""], b""),
    ("import os\n[os.read(0, 5).decode(), os.read(0, 100).decode(), os.read(0, 5).decode()]", b"hello world",
     ["hello", " world", ""], b""),
    ("import sys\nlist(sys.stdin.buffer.read())", b"\0\r\n\xff", [0, 13, 10, 255], b""),
    ("import sys\nsys.stdin.read()", b"", "", b""),
]  # fmt: skip


@pytest.mark.parametrize(("code", "stdin", "value", "stdout"), INPUT, ids=range(len(INPUT)))
def test_standard_input(run: Any, code: str, stdin: bytes, value: Any, stdout: bytes) -> None:
    result = run(code, stdin=stdin)
    assert (result.value, result.stdout_bytes, result.exit_code) == (value, stdout, 0)


def test_the_end_of_standard_input(run: Any) -> None:
    result = run("print(input())\ninput('more? ')", stdin="one\n")
    assert (result.exit_code, result.stdout) == (1, "one\nmore? ")
    assert (result.error.type, result.error.message) == ("EOFError", "EOF when reading a line")


def test_five_megabytes_of_standard_input(run: Any) -> None:
    data = bytes(range(256)) * 20_000
    result = run("import hashlib, sys\nhashlib.sha256(sys.stdin.buffer.read()).hexdigest()", stdin=data)
    assert result.value == hashlib.sha256(data).hexdigest()
    assert result.fuel_consumed < 3_000_000_000


OUTPUT: list[tuple[str, bytes, bytes]] = [
    ("print('a', end='')", b"a", b""),
    ("print('é漢😀')", "é漢😀\n".encode(), b""),
    ("import os\nos.write(1, b'\\x00\\xff\\r\\n')", b"\0\xff\r\n", b""),
    ("import sys\nsys.stdout.buffer.write(b'\\xfe')\nsys.stdout.write('x')", b"\xfex", b""),
    ("print('\\udcff')", b"\xff\n", b""),
    ("import sys\nprint('o')\nprint('e', file=sys.stderr)", b"o\n", b"e\n"),
    ("import sys\nsys.stderr.write('\\ud800\\xe9')", b"", b"\\ud800\xc3\xa9"),
    ("import os\nos.write(2, b'raw')", b"", b"raw"),
    ("import os\nprint('a', flush=True)\nos.write(1, b'b\\n')\nprint('c')", b"a\nb\nc\n", b""),
    # Standard output is no terminal: print is buffered, os.write is not, as in any pipe.
    ("import os\nprint('a')\nos.write(1, b'b\\n')", b"b\na\n", b""),
    ("import io, sys\nsys.stdout = io.StringIO()\nprint('lost')\nsys.__stdout__.write('kept')", b"kept", b""),
    ("import sys\nsys.stdout = sys.stderr\nprint('x')", b"", b"x\n"),
    ("import sys\nprint('x')\nsys.stdout.close()", b"x\n", b""),
    ("import sys\nprint('x')\nsys.stdout = None\nprint('y')", b"x\n", b""),
    ("import sys\nprint('x')\ndel sys.stdout, sys.stderr", b"x\n", b""),
    ("import sys\nprint('x')\nsys.stdout.reconfigure(line_buffering=True)\nprint('y')", b"x\ny\n", b""),
    ("import contextlib, io\nwith contextlib.redirect_stdout(io.StringIO()) as s:\n    print(1)\nprint(s.getvalue())",
     b"1\n\n", b""),
    ("import logging\nlogging.warning('hi %s', 1)", b"", b"WARNING:root:hi 1\n"),
    ("import warnings\nwarnings.warn('hey')", b"", b"<string>:2: UserWarning: hey\n  warnings.warn('hey')\n"),
    ("for i in range(20000): print(i)", b"".join(b"%d\n" % i for i in range(20000)), b""),
]  # fmt: skip


@pytest.mark.parametrize(("code", "stdout", "stderr"), OUTPUT, ids=range(len(OUTPUT)))
def test_standard_output(run: Any, code: str, stdout: bytes, stderr: bytes) -> None:
    result = run(code)
    assert (result.stdout_bytes, result.stderr_bytes) == (stdout, stderr)
    assert (result.outcome, result.exit_code) == (Outcome.EXITED, 0)


def test_a_deleted_or_closed_standard_output_fails_as_in_python(run: Any) -> None:
    lost = run("import sys\nprint('x')\ndel sys.stdout\nprint('y')")
    assert (lost.stdout, lost.exit_code, lost.error.type) == ("x\n", 1, "RuntimeError")
    assert lost.error.message == "lost sys.stdout"
    closed = run("import sys\nprint('x')\nsys.stdout.close()\nprint('y')")
    assert (closed.stdout, closed.exit_code, closed.error.type) == ("x\n", 1, "ValueError")


@pytest.mark.parametrize("text", ["a\n", "no newline", "x" * 70_000])
def test_what_was_printed_before_an_endless_loop_is_kept(run: Any, text: str) -> None:
    code = f"print({text!r}, end='')\nwhile True: pass"
    late = run(code, limits=Limits(deadline_seconds=0.4))
    assert (late.outcome, late.stdout) == (Outcome.DEADLINE_EXCEEDED, text)
    spent = run(code, limits=Limits(fuel=100_000_000))
    assert (spent.outcome, spent.stdout) == (Outcome.OUT_OF_FUEL, text)


def test_streaming_in_order(run: Any) -> None:
    pieces: list[tuple[str, bytes]] = []
    result = run(
        "import sys, time\nfor i in range(3):\n    print(i)\n    print('e', i, file=sys.stderr)\nprint('end', end='')",
        on_stdout=lambda data: pieces.append(("out", data)),
        on_stderr=lambda data: pieces.append(("err", data)),
    )
    assert [name for name, _ in pieces if name == "out"] == ["out"] * 4
    assert b"".join(data for name, data in pieces if name == "out") == b"0\n1\n2\nend" == result.stdout_bytes
    assert b"".join(data for name, data in pieces if name == "err") == b"e 0\ne 1\ne 2\n" == result.stderr_bytes
    lines = [data.decode() for _, data in pieces]
    assert "".join(lines) == "0\ne 0\n1\ne 1\n2\ne 2\nend"


@pytest.mark.parametrize(
    ("code", "pieces"),
    [
        ("print(1)", []),
        ("import sys\nprint(1)\nsys.stderr.write('x')", [b"x"]),
        ("print(1, flush=True)\nprint(2)", [b"1\n", b"2\n"]),  # what was sent would be in the result once more
        ("print('x' * 70_000)", [b"x" * 70_000, b"\n"]),
    ],
)
def test_last_words_travel_with_the_result(
    monkeypatch: pytest.MonkeyPatch, runtime: str, code: str, pieces: list[bytes]
) -> None:
    sent: list[bytes] = []
    read = messages.decode_from_worker

    def heard(data: bytes) -> Any:
        message = read(data)
        if isinstance(message, messages.Output):
            sent.append(bytes(message.data))
        return message

    monkeypatch.setattr(messages, "decode_from_worker", heard)
    with Sandbox(runtime=runtime, containment="process") as sandbox:
        quiet = sandbox.run(code)
        assert sent == pieces
        del sent[:]
        streamed: list[bytes] = []
        loud = sandbox.run(code, on_stdout=streamed.append, on_stderr=streamed.append)
        assert sent == streamed
        assert b"".join(sent) == b"".join(streamed)
    assert (loud.stdout_bytes, loud.stderr_bytes) == (quiet.stdout_bytes, quiet.stderr_bytes)
    assert len(b"".join(sent)) == len(quiet.stdout_bytes + quiet.stderr_bytes)


def test_a_stream_callback_sees_lines_before_the_end(run: Any) -> None:
    import time

    seen: list[float] = []
    started = time.monotonic()
    run("import time\nprint('now')\ntime.sleep(0.4)", on_stdout=lambda _: seen.append(time.monotonic() - started))
    assert len(seen) == 1
    assert seen[0] < time.monotonic() - started - 0.3


def test_files_left_open_are_written(run: Any, folder: Path) -> None:
    code = (
        "f = open('/w/a.txt', 'w')\nf.write('text')\n"
        "g = open('/w/b.bin', 'wb')\ng.write(b'bytes')\n"
        "def h():\n    k = open('/w/c.txt', 'w')\n    k.write('local')\n    yield\nn = h()\nnext(n)\n"
    )
    grants = [Preopen(folder, "/w", writable=True)]
    assert run(code, preopens=grants).exit_code == 0
    assert [(folder / name).read_text() for name in ("a.txt", "b.bin", "c.txt")] == ["text", "bytes", "local"]
    failed = run("f = open('/w/d.txt', 'w')\nf.write('x')\n1 / 0", preopens=grants)
    assert (failed.error.type, (folder / "d.txt").read_text()) == ("ZeroDivisionError", "x")


def test_text_files_are_utf8(run: Any, folder: Path) -> None:
    code = "f = open('/w/é.txt', 'w')\nf.write('漢')\nf.close()\nopen('/w/é.txt').read()"
    assert run(code, preopens=[Preopen(folder, "/w", writable=True)]).value == "漢"
    assert (folder / "é.txt").read_bytes() == "漢".encode()


@pytest.mark.parametrize("containment", ["in-process", "process"])
def test_a_stopped_run_says_nothing_twice(runtime: str, containment: str) -> None:
    limits = Limits(deadline_seconds=0.1, output_bytes=2**24)
    with Sandbox(runtime=runtime, containment=containment, limits=limits) as sandbox:
        for _ in range(5):
            result = sandbox.run("n = 0\nwhile True:\n  n += 1\n  print(n, flush=True)")
            lines = result.stdout.splitlines()
            assert lines == [str(number) for number in range(1, len(lines) + 1)], lines[-3:]


@pytest.mark.parametrize(("overflow", "kept"), [("end", 2**27), ("truncate", 2**28)])
def test_the_last_line_after_much_output_does_not_bring_all_of_it_once_more(overflow: Any, kept: int) -> None:
    """What was sent ahead is not in the result again: the worker has not the memory for that, and need not have."""
    limits = Limits(memory_bytes=2**26, output_bytes=kept, output_overflow=overflow, deadline_seconds=60.0)
    code = "import os\nfor _ in range(80):\n    os.write(1, b'x' * 10**6)\nprint('the last')\nos.write(2, b'e')\n1"
    with Sandbox(limits=limits) as sandbox:
        result = sandbox.run(code)
    assert (result.outcome, result.value, result.stderr) == (Outcome.EXITED, 1, "e")
    assert len(result.stdout_bytes) == 80_000_009
    assert result.stdout_bytes.endswith(b"xxthe last\n")
