"""`__main__`, scripts, modules and files beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from wasihost import Denial, Preopen, Scratch


def test_names_of_code(run: Any) -> None:
    code = (
        "import sys, __main__\n"
        "[__name__, __main__.__dict__ is globals(), __main__ is sys.modules['__main__'], '__file__' in globals(),"
        " sys.argv, sys.path[0], __builtins__ is sys.modules['builtins'], __doc__, __package__, __spec__]"
    )
    assert run(code, args=["a", "-b", "é"]).value == [
        "__main__", True, True, False, ["-c", "a", "-b", "é"], "", True, None, None, None,
    ]  # fmt: skip


def test_globals_at_the_start_are_those_of_python(run: Any) -> None:
    assert run("sorted(globals())").value == [
        "__builtins__", "__doc__", "__loader__", "__name__", "__package__", "__spec__",
    ]  # fmt: skip


@pytest.mark.parametrize("future", ["", "from __future__ import annotations\n"])
def test_dataclasses_and_type_hints(run: Any, future: str) -> None:
    code = (
        "from dataclasses import dataclass, field\nfrom typing import ClassVar, get_type_hints\n"
        "@dataclass(order=True)\nclass Point:\n    x: int\n    y: 'list[Point]' = field(default_factory=list)\n"
        "    n: ClassVar[int] = 3\n"
        "[repr(Point(1)), Point(1) < Point(2), str(get_type_hints(Point)['y']), Point.__module__]"
    )
    assert run(future + code).value == ["Point(x=1, y=[])", True, "list[__main__.Point]", "__main__"]


def test_pickle_of_own_classes(run: Any) -> None:
    code = (
        "import pickle, copy\nclass A:\n    def __init__(self, x): self.x = x\ndef f(): return 8\n"
        "[pickle.loads(pickle.dumps(A(5))).x, pickle.loads(pickle.dumps(f))(), copy.deepcopy(A([1])).x]"
    )
    assert run(code).value == [5, 8, [1]]


def test_enums_protocols_and_inspect(run: Any) -> None:
    code = (
        "import enum, inspect\nclass E(enum.Flag):\n    A = 1\n    B = 2\ndef f(a, *, b=2): return a\n"
        "[(E.A | E.B).value, repr(E.A), str(inspect.signature(f)), inspect.getsource(f), f.__module__]"
    )
    assert run(code).value == [3, "<E.A: 1>", "(a, *, b=2)", "def f(a, *, b=2): return a\n", "__main__"]


def test_the_main_guard_runs(run: Any) -> None:
    assert run("if __name__ == '__main__':\n    print('main')").stdout == "main\n"


SCRIPT = "import sys\nprint(__name__, __file__, sys.argv, sys.path[0])\n"


def test_names_of_a_script_in_a_granted_folder(run: Any, folder: Path) -> None:
    (folder / "sub").mkdir()
    script = folder / "sub" / "prog.py"
    script.write_text(SCRIPT)
    result = run(script=script, args=["x"], preopens=[Preopen(folder, "/w")])
    assert result.stdout == "__main__ /w/sub/prog.py ['/w/sub/prog.py', 'x'] /w/sub\n"


def test_names_of_a_script_that_lies_nowhere_inside(run: Any, folder: Path) -> None:
    script = folder / "prog.py"
    script.write_text(SCRIPT)
    assert run(script=script).stdout == "__main__ /prog.py ['/prog.py'] /\n"


def test_a_script_reads_the_file_beside_it(run: Any, folder: Path, python_version: tuple[int, int]) -> None:
    (folder / "data.txt").write_text("hello")
    script = folder / "prog.py"
    script.write_text(
        "import pathlib\nprint(open('data.txt').read(), (pathlib.Path(__file__).parent / 'data.txt').read_text())"
    )
    assert run(script=script, preopens=[Preopen(folder, "/")]).stdout == "hello hello\n"
    refused = run(script=script)
    # The C library of the oldest build says "no capability" where the others say "no such file".
    expected = "PermissionError" if python_version == (3, 11) else "FileNotFoundError"
    assert (refused.exit_code, refused.error.type) == (1, expected)
    assert refused.denials == (Denial(kind="read", target="/data.txt"),)


def test_a_script_imports_the_module_beside_it(run: Any, folder: Path) -> None:
    (folder / "helper.py").write_text("def greet():\n    return __name__ + ' ' + __file__\n")
    script = folder / "prog.py"
    script.write_text("import helper\nprint(helper.greet())")
    assert run(script=script, preopens=[Preopen(folder, "/w")]).stdout == "helper /w/helper.py\n"
    refused = run(script=script)
    assert (refused.exit_code, refused.error.type) == (1, "ModuleNotFoundError")
    assert refused.error.message.startswith("No module named 'helper'")


def test_no_bytecode_is_written_beside_a_module(run: Any, folder: Path) -> None:
    (folder / "helper.py").write_text("x = 1\n")
    assert (
        run(
            "import sys\nsys.path[0] = '/w'\nimport helper\nhelper.x", preopens=[Preopen(folder, "/w", writable=True)]
        ).value
        == 1
    )
    assert sorted(path.name for path in folder.iterdir()) == ["helper.py"]


def test_module_of_the_standard_library(run: Any) -> None:
    result = run(module="json.tool", stdin=b'{"a":1}')
    assert (result.exit_code, result.stdout) == (0, '{\n    "a": 1\n}\n')


def test_module_and_package_of_a_granted_folder(run: Any, folder: Path) -> None:
    (folder / "tool.py").write_text("import sys\nprint(__name__, sys.argv[1:], __spec__.name)\nsys.exit(3)")
    (folder / "pack").mkdir()
    (folder / "pack" / "__init__.py").write_text("")
    (folder / "pack" / "__main__.py").write_text("from . import __name__ as n\nprint(n, __package__)")
    grants = [Preopen(folder, "/")]
    result = run(module="tool", args=["q"], preopens=grants)
    assert (result.exit_code, result.stdout) == (3, "__main__ ['q'] tool\n")
    assert run(module="pack", preopens=grants).stdout == "pack pack\n"
    refused = run(module="tool")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert refused.stderr.endswith(": No module named tool\n")


def test_a_module_that_fails_shows_its_own_lines(run: Any, folder: Path) -> None:
    (folder / "tool.py").write_text("def f():\n    return 1 / 0\nf()\n")
    result = run(module="tool", preopens=[Preopen(folder, "/")])
    assert (result.exit_code, result.error.type) == (1, "ZeroDivisionError")
    assert '"/tool.py", line 2, in f\n    return 1 / 0\n' in result.stderr
    assert "wasihost" not in result.stderr


def test_a_missing_module(run: Any) -> None:
    result = run(module="no_such_module")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.endswith("python: No module named no_such_module\n") or result.stderr.endswith(
        "python.wasm: No module named no_such_module\n"
    )


def test_environment_is_what_was_passed(run: Any) -> None:
    assert run("import os\ndict(os.environ)", env={"A": "ü", "B": ""}).value == {"HOME": "/", "A": "ü", "B": ""}


def test_nothing_of_the_host_is_seen(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WASIHOST_TEST_SECRET", "s3cret")
    code = "import os\n['s3cret' in repr(os.environ), os.getcwd()]"
    assert run(code).value == [False, "/"]
    refused = run("import os\nos.environ['WASIHOST_TEST_SECRET']")
    assert (refused.error.type, refused.denials) == ("KeyError", (Denial(kind="env", target="WASIHOST_TEST_SECRET"),))


def test_processes_cannot_be_made(run: Any, python_version: tuple[int, int]) -> None:
    result = run("import subprocess\nsubprocess.run(['ls'])")
    assert (result.exit_code, result.error.type) == (1, "OSError")
    parallel = run("import multiprocessing\nmultiprocessing.Process(target=print).start()")
    expected = "AttributeError" if python_version == (3, 15) else "ModuleNotFoundError"
    assert (parallel.exit_code, parallel.error.type) == (1, expected)


def test_makedirs_finds_a_granted_folder(run: Any) -> None:
    code = """
import os, pathlib
os.makedirs("/out", exist_ok=True)
os.makedirs("/deep/er/a", exist_ok=True)
os.makedirs("/out/a/b", mode=0o700)
pathlib.Path("/out").mkdir(parents=True, exist_ok=True)
try:
    os.makedirs("/out")
except FileExistsError as error:
    exists = error.filename
try:
    os.makedirs("/elsewhere", exist_ok=True)
except OSError as error:
    elsewhere = error.filename
[exists, elsewhere, os.listdir("/out"), os.listdir("/deep/er")]
"""
    result = run(code, preopens=[Scratch("/out"), Scratch("/deep/er")])
    assert result.check().value == ["/out", "/", ["a"], ["a"]]
