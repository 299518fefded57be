"""A fresh interpreter for each run: nothing that a program does is seen by the next."""

from __future__ import annotations

import gc
import os
import random
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from wasihost import Limits, Outcome, Preopen, Sandbox, errors

MARKS: list[tuple[str, str, Any]] = [
    ("import sys\nsys.modules['json'] = None", "import json\njson.dumps([1])", "[1]"),
    ("import json\njson.dumps = None", "import json\njson.dumps([1])", "[1]"),
    ("import builtins\nbuiltins.len = lambda x: 'bad'", "len('ab')", 2),
    ("import os\nos.environ['X'] = '1'", "import os\n'X' in os.environ", False),
    ("import os\nos.chdir('/d')", "import os\nos.getcwd()", "/"),
    ("x = 1\nimport __main__\n__main__.y = 2", "sorted(set(globals()) & {'x', 'y', '__main__'})", []),
    ("import sys\nsys.setrecursionlimit(50)\nsys.path.append('/d')\nsys.argv.append('q')", "import sys\n"
     "[sys.argv, '/d' in sys.path]", [["-c"], False]),
    ("f = open('/d/f')\nimport atexit\natexit.register(print, 'late')", "open('/d/f').fileno()", None),
    ("import decimal, locale, warnings, logging\ndecimal.getcontext().prec = 3\nlogging.basicConfig(level=10)\n"
     "warnings.simplefilter('error')",
     "import decimal, logging\n[decimal.getcontext().prec, logging.getLogger().handlers == []]", [28, True]),
    ("import sys\nsys.stdout.close()\nsys.stdin.close()", "print('x')\ninput()", "line"),
    ("raise MemoryError", "2", 2),
    ("import os\nos.abort()", "3", 3),
    ("import sys\nsys.exit(9)", "4", 4),
    ("while True: pass", "5", 5),
]  # fmt: skip


@pytest.mark.parametrize(("first", "second", "value"), MARKS, ids=range(len(MARKS)))
def test_the_next_run_sees_nothing(runtime: str, folder: Path, first: str, second: str, value: Any) -> None:
    (folder / "f").write_text("x")
    limits = Limits(deadline_seconds=0.3 if first.startswith("while") else 10.0)
    with Sandbox(runtime=runtime, preopens=[Preopen(folder, "/d")], limits=limits) as sandbox:
        before = sandbox.run(second, stdin="line\n")
        sandbox.run(first)
        after = sandbox.run(second, stdin="line\n")
        assert (after.value, after.stdout_bytes, after.exit_code) == (before.value, before.stdout_bytes, 0)
        if value is not None:
            assert after.value == value


def test_chance_differs_between_runs(run: Any) -> None:
    code = (
        "import os, random, secrets, uuid\n"
        "[random.random(), random.Random().random(), str(uuid.uuid4()), secrets.token_hex(16), os.urandom(16).hex()]"
    )
    seen = [value for _ in range(3) for value in run(code).value]
    assert len(set(seen)) == 15
    assert (
        run("import random\nrandom.seed(5)\nrandom.random()").value
        == run("import random\nrandom.seed(5)\nrandom.random()").value
    )


def test_the_generator_starts_with_numbers_from_the_host(runtime: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is as if they had been drawn inside: all of the state differs from run to run, and none of it was used."""
    look = (
        "import random\nversion, state, held = random.getstate()\n"
        "[version, len(state), state[-1], held, len(set(state)), state[0], state[623], random.gauss(0, 1)]"
    )
    with Sandbox(runtime=runtime, containment="in-process") as sandbox:
        sandbox.run("import random\nrandom.gauss(0, 1)")  # it keeps a second number for the next time
        seen = [sandbox.run(look).value for _ in range(3)]
        assert [value[:4] for value in seen] == [[3, 625, 624, None]] * 3
        assert all(value[4] > 600 for value in seen)
        for place in (5, 6, 7):
            assert len({value[place] for value in seen}) == 3
        known = bytes(range(256)) * 10
        monkeypatch.setattr("wasihost.engine.execute.os.urandom", lambda size: known[:size])
        (state,) = {tuple(sandbox.run("import random\nrandom.getstate()[1]").value) for _ in range(2)}
        assert list(state[:-1]) == list(struct.unpack_from("<624I", known))
        expected = random.Random()
        expected.setstate((3, state, None))
        drawn = sandbox.run("import random\n[random.random(), random.getrandbits(70), random.gauss(0, 1)]").value
        assert drawn == [expected.random(), expected.getrandbits(70), expected.gauss(0, 1)]


def test_a_secret_of_one_run_is_not_in_the_memory_of_the_next(runtime: str) -> None:
    marker = "S3CRET" * 100
    with Sandbox(runtime=runtime) as sandbox:
        sandbox.run("x = [s * 2 for _ in range(100)]", inputs={"s": marker})
        code = "a = [bytearray(2**16) for _ in range(300)]\nany(b'S3CRET' in x for x in a)"
        assert sandbox.run(code).value is False


def test_runs_in_many_threads_are_not_mixed_up(runtime: str) -> None:
    def one(n: int) -> bool:
        kind = n % 4
        if kind == 0:
            result = sandbox.run(f"print({n})\n{n}")
            return (result.stdout, result.value) == (f"{n}\n", n)
        if kind == 1:
            result = sandbox.run(f"raise ValueError({n})")
            return result.error is not None and result.error.message == str(n)
        if kind == 2:
            result = sandbox.run("import sys\ns = input()\nsys.exit(int(s) % 256)", stdin=f"{n}\n")
            return result.exit_code == n % 256
        result = sandbox.run("len(x) + y", inputs={"x": "x" * 70_000, "y": n})
        return bool(result.value == 70_000 + n)

    with Sandbox(runtime=runtime) as sandbox, ThreadPoolExecutor(8) as pool:
        assert all(pool.map(one, range(200)))


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


def test_many_runs_leave_nothing_behind(folder: Path) -> None:
    with Sandbox(preopens=[Preopen(folder, "/d")]) as sandbox:

        def some(count: int) -> tuple[int, int, int]:
            for n in range(count):
                assert sandbox.run("print(x)", inputs={"x": n}).stdout == f"{n}\n"
            gc.collect()
            return len(list(Path("/proc/self/fd").iterdir())), threading.active_count(), resident_bytes()

        before = some(50)
        after = some(300)
    assert after[0] == before[0]
    assert after[1] <= before[1] + 1
    assert after[2] - before[2] < 8 * 2**20


def test_a_closed_sandbox_refuses(runtime: str, folder: Path) -> None:
    with Sandbox(runtime=runtime, preopens=[Preopen(folder, "/d")]) as sandbox:
        assert sandbox.run("1").value == 1
    sandbox.close()
    with pytest.raises(errors.ClosedError, match=r"^the sandbox is closed$"):
        sandbox.run("1")


def child(code: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_control_c_in_the_main_thread_is_prompt() -> None:
    process = child(
        "from wasihost import Sandbox, Limits\n"
        "s = Sandbox(limits=Limits(deadline_seconds=60))\n"
        "try:\n    s.run('print(1)\\nwhile True: pass', on_stdout=lambda b: print('started', flush=True))\n"
        "except KeyboardInterrupt:\n    print('interrupted', s.run('7').value, flush=True)\n"
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        time.sleep(0.1)
        started = time.monotonic()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    finally:
        process.kill()
        process.wait()
    assert (out, err, process.returncode) == ("interrupted 7\n", "", 0)
    assert time.monotonic() - started < 3


@pytest.mark.parametrize("containment", ["process", "in-process"])
def test_a_forked_child_is_refused_and_the_parent_goes_on(containment: str) -> None:
    process = child(
        "import os, warnings\nwarnings.simplefilter('ignore')\nfrom wasihost import Sandbox, errors\n"
        f"sandbox = Sandbox(containment={containment!r})\n"
        "assert sandbox.run('1').value == 1\n"
        "pid = os.fork()\n"
        "if not pid:\n"
        "    try:\n        sandbox.run('2')\n        os._exit(1)\n"
        "    except errors.EngineError as error:\n        os._exit(42 if 'forked' in str(error) else 2)\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), sandbox.run('3').value)\n"
    )
    out, err = process.communicate(timeout=60)
    assert (out, err, process.returncode) == ("42 3\n", "", 0)


def test_a_forked_child_can_have_workers_of_its_own() -> None:
    process = child(
        "import os, warnings\nwarnings.simplefilter('ignore')\nfrom wasihost import run_wasm_python\n"
        "assert run_wasm_python('1').value == 1\n"
        "pid = os.fork()\n"
        "if not pid:\n"
        "    os._exit(40 + run_wasm_python('2').value)\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), run_wasm_python('3').value)\n"
    )
    out, err = process.communicate(timeout=60)
    assert (out, err, process.returncode) == ("42 3\n", "", 0)


def test_abort_is_a_crash_and_the_host_lives(run: Any) -> None:
    result = run("import os\nprint('before')\nos.abort()")
    assert (result.outcome, result.exit_code) == (Outcome.GUEST_CRASHED, None)
    with pytest.raises(errors.GuestCrashedError):
        result.check()


def test_check_raises_with_the_result(run: Callable[..., Any]) -> None:
    with pytest.raises(errors.GuestExitedError, match=r"^the program raised ValueError: no$") as caught:
        run("raise ValueError('no')", check=True)
    assert caught.value.result.exit_code == 1
    assert run("print(1)", check=True).stdout == "1\n"
