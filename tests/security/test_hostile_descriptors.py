"""WASI as far as Python lets a program abuse it: odd descriptors, flags and counts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from wasihost import Limits, Outcome, Preopen, RunResult

Run = Callable[..., RunResult]

TRY = (
    "import os, select, socket\n"
    "try: print(do())\n"
    "except OSError as error: print('errno', error.errno)\n"
    "except Exception as error: print(type(error).__name__)\n"
)
ODD = {
    "os.ftruncate(1, 0)": "errno 8",
    "os.ftruncate(0, 0)": "errno 8",
    "os.read(1, 1)": "errno 8",
    "os.read(0, 1)": "b''",
    "os.write(0, b'x')": "errno 8",
    "os.write(3, b'x')": "errno 8",
    "os.write(999, b'x')": "errno 8",
    "os.write(2**31 - 1, b'x')": "errno 8",
    "os.write(-1, b'x')": "errno 8",
    "os.lseek(1, 0, 0)": "errno 70",
    "os.pwrite(1, b'x', 0)": "errno 70",
    "os.fsync(1)": "errno 8",
    "os.isatty(1)": "False",
    "os.close(99)": "errno 8",
    "os.close(-1)": "errno 8",
    "os.fstat(99)": "errno 8",
    "os.fdopen(-1)": "ValueError",
    "os.fdopen(40, 'rb', closefd=False).read()": "errno 8",
    "os.fdopen(2**31 - 1, 'rb', closefd=False).read()": "errno 8",
    "os.urandom(-1)": "ValueError",
    "select.select([5000], [], [], 0)": "ValueError",
    "select.select([-1], [], [], 0)": "ValueError",
    "socket.socket()": "errno 58",
    "socket.socket(fileno=1)": "errno 57",
    "socket.socket(fileno=99)": "errno 8",
    "socket.create_connection(('127.0.0.1', 80))": "AttributeError",
    "os.system('id')": "AttributeError",
    "os.fork()": "AttributeError",
    "os.kill(1, 9)": "AttributeError",
    "os.pipe()": "AttributeError",
    "os.mkfifo('/x')": "AttributeError",
    "__import__('threading').Thread(target=print).start()": "RuntimeError",
    "__import__('subprocess').run(['id'])": "errno 58",
    "__import__('ctypes').CDLL(None)": None,
    "__import__('time').sleep(-1)": "ValueError",
    "__import__('time').sleep(1e300)": "OverflowError",
}
"""Expression -> what comes of it; None: errno or ImportError by runtime."""


@pytest.mark.parametrize("expression", ODD)
def test_odd_calls(run: Run, expression: str) -> None:
    result = run(f"do = lambda: {expression}\n{TRY}", limits=Limits(deadline_seconds=5.0))
    assert (result.outcome, result.exit_code) == (Outcome.EXITED, 0), result
    answer = result.stdout.rstrip("\n")
    if ODD[expression] is None:
        assert answer in ("errno None", "ModuleNotFoundError"), result
    else:
        assert answer == ODD[expression]


def test_sends_on_standard_output_are_output(run: Run) -> None:
    """`send()` is the way of output here; a program that calls it on 1 or 2 itself writes there, and nowhere else."""
    program = (
        "import socket, _socket\ns = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 0, fileno={fd})\n"
        "try: n = s.send(b'sent')\nexcept OSError as error: n = error.errno\n"
        "try: s.recv(1)\nexcept OSError as error: e = error.errno\n"
        "s.detach()\n[n, e]"
    )
    result = run(program.format(fd=1))
    assert (result.exit_code, result.stdout, result.value) == (0, "sent", [4, 57])
    result = run(program.format(fd=2))
    assert (result.exit_code, result.stderr, result.value) == (0, "sent", [4, 57])
    assert run(program.format(fd=5)).value == [57, 57]
    limits = Limits(output_bytes=1000)
    flood = run("import socket\ns = socket.socket(2, 1, 0, fileno=1)\nwhile True: s.send(b'x' * 999)", limits=limits)
    assert flood.outcome is Outcome.OUTPUT_LIMIT


def test_everything_closed(run: Run, folder: Path) -> None:
    program = "import os\nfor fd in range(41):\n  try: os.close(fd)\n  except OSError: pass\n"
    result = run(program + "print(1)", preopens=[Preopen(folder, "/d")])
    assert (result.outcome, result.exit_code, result.stdout) == (Outcome.EXITED, 120, "")
    result = run(program + "6 * 7", preopens=[Preopen(folder, "/d")])
    assert (result.outcome, result.exit_code, result.value) == (Outcome.EXITED, 0, 42)
    result = run(program + "import os\nos.listdir('/d')", preopens=[Preopen(folder, "/d")])
    assert (result.outcome, result.exit_code) == (Outcome.EXITED, 1)
    assert result.error is not None
    assert result.error.type == "OSError"


def test_preopens_under_the_fingers(run: Run, folder: Path) -> None:
    """Descriptors of granted directories can be used and closed; none leads further than its grant."""
    (folder / "a").write_text("a")
    program = (
        "import os\nfound = set()\n"
        "for fd in range(3, 41):\n"
        "  for path in ('/etc/passwd', '../etc/passwd', '../../../../../../etc/passwd', 'a'):\n"
        "    try: found.add(os.read(os.open(path, os.O_RDONLY, dir_fd=fd), 5))\n"
        "    except OSError: pass\n"
        "sorted(map(bytes.decode, found))"
    )
    assert run(program, preopens=[Preopen(folder, "/d")]).value == ["a"]
    assert run(program).value == []


POLL = (
    "import select\np = select.poll()\nfor fd in range({}): p.register(fd, select.POLLIN)\n"
    "try: n = len(p.poll(0))\nexcept OSError as error: n = -error.errno\nn"
)


def test_polls_of_many_descriptors(run: Run, runtime: str) -> None:
    """The host takes 1024 at a time; the libc of one build gives up before that."""
    values = [run(POLL.format(count)).value for count in (3, 1000, 1025)]
    if runtime == "cpython-3.12":
        assert values == [3, -58, -58]
    else:
        assert values == [3, 1000, -28]


def test_a_poll_that_overflows_the_guests_own_stack(run: Run, runtime: str) -> None:
    """Its libc then hands senseless pointers to the host: the program is to blame, not the host."""
    result = run(POLL.format(5000))
    if runtime == "cpython-3.12":
        assert (result.outcome, result.exit_code) == (Outcome.GUEST_CRASHED, None)
        assert result.detail.startswith("a pointer to the host made no sense (environ_sizes_get at write size")
    else:
        assert (result.outcome, result.value) == (Outcome.EXITED, -28)
    assert run("6 * 7").value == 42


def test_exit_status_is_any_byte(run: Run) -> None:
    for status in (0, 1, 125, 126, 127, 200, 255):
        result = run(f"import os\nos._exit({status})")
        assert (result.outcome, result.exit_code, result.detail) == (Outcome.EXITED, status, "")
    assert run("import os\nos._exit(-1)").exit_code == 255
