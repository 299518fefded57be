"""The standard library inside: what imports, what works, what says clearly that it does not."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from wasihost import Limits, Outcome, Preopen, Sandbox, run_wasm_python
from wasihost.image.base import BASE_MODULES
from wasihost.runtime import ensure_installed, find_runtime
from wasihost.runtime.wasm import function_names

ABSENT = {
    (3, 15): set(),
    (3, 12): {"lzma", "webbrowser"},
    (3, 11): {"bz2", "lzma", "webbrowser"},
}
"""Modules of the base image that a build does not have."""


def test_base_modules_are_imported_and_cost_no_memory(runtime: str, python_version: tuple[int, int]) -> None:
    names = [name for name in BASE_MODULES if name not in ABSENT[python_version]]
    with Sandbox(runtime=runtime) as sandbox:
        plain = sandbox.run("print(1)").memory_peak_bytes
        result = sandbox.run(
            "import sys\nn = len(sys.modules)\n" + "".join(f"import {n}\n" for n in names) + "len(sys.modules) - n"
        )
        assert (result.exit_code, result.stderr) == (0, "")
        assert (result.value, result.memory_peak_bytes) == (0, plain)
        assert plain == sandbox._runner.least_memory_bytes
        for name in ABSENT[python_version]:
            assert sandbox.run(f"import {name}").error.type == "ModuleNotFoundError"


CASES: list[tuple[str, Any]] = [
    ("import decimal\nstr(decimal.Decimal(1) / 3)", "0.3333333333333333333333333333"),
    ("import re\nre.findall(r'(?i)[a-c]+', 'xABCy')", ["ABC"]),
    ("import json\njson.loads(json.dumps({'é': [1.5, None]}))", {"é": [1.5, None]}),
    ("import hashlib\n"
     "[hashlib.sha256(b'').hexdigest()[:8], hashlib.md5(b'').hexdigest()[:8], hashlib.sha3_256(b'').hexdigest()[:8],"
     " hashlib.blake2b(b'').hexdigest()[:8]]", ["e3b0c442", "d41d8cd9", "a7ffc6f8", "786a02f7"]),
    ("import sqlite3\nd = sqlite3.connect(':memory:')\nd.execute('create table t(x)')\n"
     "d.execute('insert into t values (3)')\n"
     "d.execute('select x from t').fetchall()", [[3]]),
    ("import zlib, gzip\n"
     "zlib.decompress(zlib.compress(b'x' * 1000)) == gzip.decompress(gzip.compress(b'x' * 1000))", True),
    ("import datetime\n"
     "[str(datetime.date(2024, 2, 29) + datetime.timedelta(366)), "
     "datetime.datetime.now().astimezone().utcoffset().seconds]",
     ["2025-03-01", 0]),
    ("import struct, array, math, statistics, fractions\n"
     "[struct.pack('<I', 7).hex(), math.comb(5, 2), str(fractions.Fraction(3, 6)),"
     " statistics.mean([1, 2, 3])]", ["07000000", 10, "1/2", 2]),
    ("import itertools, functools, collections, heapq\n"
     "[collections.Counter('abca').most_common(1), heapq.nsmallest(2, [3, 1, 2])]",
     [[["a", 2]], [1, 2]]),
    ("import xml.etree.ElementTree as E\nE.fromstring('<a><b x=\"1\"/></a>')[0].get('x')", "1"),
    ("import csv, io\nlist(csv.reader(io.StringIO('a,\"b,c\"')))", [["a", "b,c"]]),
    ("import textwrap, string, difflib\n"
     "[textwrap.fill('a b c', 3), string.Template('$x').substitute(x=1)]", ["a b\nc", "1"]),
    ("import unicodedata\nunicodedata.name('é')", "LATIN SMALL LETTER E WITH ACUTE"),
    ("def g():\n    x = yield 1\n    yield x\ni = g()\n[next(i), i.send(5), list(i)]", [1, 5, []]),
    ("import argparse\np = argparse.ArgumentParser()\np.add_argument('--n', type=int)\n"
     "p.parse_args(['--n', '3']).n", 3),
    ("import contextvars\nv = contextvars.ContextVar('v', default=1)\nv.get()", 1),
    ("import urllib.parse, base64, email.message\n"
     "[urllib.parse.quote('é'), base64.b64encode(b'x').decode()]", ["%C3%A9", "eA=="]),
    ("import doctest\ndef f():\n    '''\n    >>> f()\n    1\n    '''\n    return 1\nlist(doctest.testmod())", [0, 1]),
    ("import ast, dis, inspect\nast.unparse(ast.parse('x=1'))", "x = 1"),
    ("import pathlib\n[str(pathlib.Path('/a') / 'b'), pathlib.Path('/a/b.txt').stem]", ["/a/b", "b"]),
]  # fmt: skip


@pytest.mark.parametrize(("code", "value"), CASES, ids=range(len(CASES)))
def test_module_works(run: Any, code: str, value: Any) -> None:
    result = run(code)
    assert (result.value, result.exit_code, result.stderr) == (value, 0, "")


def test_time_passes(run: Any) -> None:
    before = time.time()
    code = (
        "import time\na, b = time.time(), time.monotonic()\ntime.sleep(0.05)\n"
        "[a, time.time() - a, time.monotonic() - b, time.perf_counter() > 0]"
    )
    stamp, wall, steady, counter = run(code).value
    assert before <= stamp <= time.time()
    assert 0.05 <= wall < 1
    assert 0.05 <= steady < 1
    assert counter is True


ASYNC: list[tuple[str, Any]] = [
    ("async def f(x):\n    await asyncio.sleep(0.02)\n    return x\n"
     "async def main(): return await asyncio.gather(f(1), f(2))\nasyncio.run(main())", [1, 2]),
    ("async def main():\n    q = asyncio.Queue()\n    async def put():\n        for i in range(3): await q.put(i)\n"
     "    async with asyncio.TaskGroup() as g:\n        g.create_task(put())\n"
     "    return [q.get_nowait() for _ in range(3)]\n"
     "asyncio.run(main())", [0, 1, 2]),
    ("async def main():\n    try:\n        async with asyncio.timeout(0.02): await asyncio.sleep(60)\n"
     "    except TimeoutError: return 'late'\nasyncio.run(main())", "late"),
    ("loop = asyncio.new_event_loop()\nloop.call_later(0.01, loop.stop)\nloop.run_forever()\nloop.close()\n"
     "loop.is_closed()", True),
    ("async def main(): return 1\n[asyncio.run(main()), asyncio.run(main())]", [1, 1]),
    ("async def g():\n    for i in range(3):\n        yield i\nasync def main(): return [i async for i in g()]\n"
     "asyncio.run(main())", [0, 1, 2]),
]  # fmt: skip


@pytest.mark.parametrize(("code", "value"), ASYNC, ids=range(len(ASYNC)))
def test_asyncio(run: Any, code: str, value: Any) -> None:
    result = run("import asyncio\n" + code)
    assert (result.value, result.stderr) == (value, "")


def test_asyncio_that_waits_for_nothing_ends_at_the_deadline(run: Any) -> None:
    code = "import asyncio\nasync def main():\n    print('in')\n    await asyncio.Future()\nasyncio.run(main())"
    result = run(code, limits=Limits(deadline_seconds=0.8))
    assert (result.outcome, result.stdout) == (Outcome.DEADLINE_EXCEEDED, "in\n")


def test_asyncio_errors_show_the_lines_of_the_program(run: Any) -> None:
    result = run("import asyncio\nasync def main():\n    1 / 0\nasyncio.run(main())")
    assert (result.exit_code, result.error.type) == (1, "ZeroDivisionError")
    assert '  File "<string>", line 3, in main\n    1 / 0\n' in result.stderr
    assert "wasihost" not in result.stderr


def test_threads_and_sockets_do_not_exist(run: Any) -> None:
    thread = run("import threading\nthreading.Thread(target=print).start()")
    assert (thread.error.type, thread.error.message) == ("RuntimeError", "can't start new thread")
    assert run("import threading\nwith threading.Lock(): x = threading.current_thread().name\nx").value == "MainThread"
    socket = run("import socket\nsocket.socket()")
    assert (socket.exit_code, socket.error.type) == (1, "OSError")
    assert [denial.kind for denial in socket.denials] == ["network"]


def test_temporary_files_in_a_writable_grant(run: Any, folder: Path) -> None:
    code = (
        "import tempfile\nwith tempfile.TemporaryDirectory() as d, tempfile.NamedTemporaryFile('w+') as f:\n"
        "    f.write('x')\n    f.seek(0)\n    v = [d.rsplit('/', 1)[0], f.read()]\nv"
    )
    assert run(code, preopens=[Preopen(folder, "/tmp", writable=True)]).value == ["/tmp", "x"]
    assert run(code, preopens=[Preopen(folder, "/w", writable=True)], env={"TMPDIR": "/w"}).value == ["/w", "x"]
    refused = run(code, preopens=[Preopen(folder, "/tmp")])
    assert (refused.exit_code, refused.error.type) == (1, "FileNotFoundError")
    assert list(folder.iterdir()) == []


def test_time_zones(run: Any, python_version: tuple[int, int]) -> None:
    code = "import datetime, zoneinfo\nstr(datetime.datetime(2026, 7, 1, tzinfo=zoneinfo.ZoneInfo('{}')).utcoffset())"
    result = run(code.format("Europe/Berlin"))
    if python_version == (3, 15):  # carries tzdata; the others have no zones but those that the program brings
        assert result.value == "2:00:00"
    else:
        assert result.error.type == "zoneinfo._common.ZoneInfoNotFoundError"


def test_modules_outside_the_slice_name_the_runtime_to_use() -> None:
    for code, name in (("import numpy", "numpy"), ("import pandas.core", "pandas"), ("from lxml import etree", "lxml")):
        result = run_wasm_python(code)
        assert (result.exit_code, result.error.type) == (1, "ModuleNotFoundError")
        assert result.error.message == (
            f"No module named {name!r} in the runtime cpython-3.15: "
            "its native code is left out there, use the runtime cpython-3.15-sci"
        )
    caught = run_wasm_python("try:\n    import numpy\nexcept ImportError as e:\n    print(e.name)")
    assert caught.stdout == "numpy\n"
    other = run_wasm_python("import no_such_thing")
    assert other.error.message == "No module named 'no_such_thing'"


def test_packages_with_optional_native_code_fall_back() -> None:
    code = "import jinja2, markupsafe\n[str(markupsafe.escape('<')), jinja2.Template('{{ x | e }}').render(x='<')]"
    result = run_wasm_python(code)
    assert (result.value, result.exit_code) == (["&lt;", "&lt;"], 0)


def test_every_native_module_imports_without_a_trap(runtime: str) -> None:
    with Sandbox(runtime=runtime) as sandbox:
        names = sandbox.run("import sys\nsorted(sys.builtin_module_names)").value
        batch = 12
        bad = []
        for start in range(0, len(names), batch):
            code = (
                "import importlib\nbad = []\n"
                f"for n in {names[start : start + batch]!r}:\n"
                "    try: importlib.import_module(n)\n"
                "    except ImportError as e: bad.append([n, type(e).__name__])\nbad"
            )
            result = sandbox.run(code)
            assert (result.outcome, result.exit_code) == (Outcome.EXITED, 0), (
                names[start : start + batch],
                result.detail,
            )
            bad += result.value
    # What is linked in but outside the slice says so; all else imports.
    outside = find_runtime(runtime).slice.missing
    assert [[name, kind] for name, kind in bad if not name.startswith(tuple(f"{top}." for top in outside))] == []
    assert {kind for _, kind in bad} <= {"ModuleNotFoundError"}


def test_landmarks_of_the_slices_are_in_the_module() -> None:
    runtime = find_runtime("cpython-3.15")
    landmarks = runtime.slice.landmarks
    names = function_names(ensure_installed(runtime).wasm.read_bytes())
    assert len(landmarks) == 2 * len(runtime.slice.keep) > 0
    assert {index: names[index] for index in landmarks} == landmarks
