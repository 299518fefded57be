"""Images of the user's own: what is in them, what runs on them share and do not, and what no image can be made of."""

from __future__ import annotations

import gc
import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from image_lab import DEMO, change, make_cache, make_wheel, sha256

import wasihost
from wasihost import (
    Image,
    ImagePackage,
    Limits,
    Outcome,
    Preopen,
    RunResult,
    Sandbox,
    errors,
    kept,
    run_wasm_python,
    runner,
)
from wasihost.images import BUILD_LIMITS, EntropyNote
from wasihost.runtime import find_runtime

RUNTIMES = ("cpython-3.15", "cpython-3.12", "cpython-3.11")
SMALL = "cpython-3.11"
SITE = "/usr/local/lib/site-packages"
CONTAINMENTS = ("process", "in-process")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    own = make_cache(tmp_path_factory.mktemp("images"), *RUNTIMES, "cpython-3.15-sci")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WASIHOST_CACHE_DIR", str(own))
        kept.close_all()
        yield own
        kept.close_all()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    files = {**DEMO, "demo/later.py": b"LATER = True\ndef fail():\n    raise ValueError('of the package')\n"}
    return make_wheel(tmp_path_factory.mktemp("wheels"), files=files)


@pytest.fixture(scope="module", params=RUNTIMES)
def image(request: pytest.FixtureRequest, cache: Path, wheel: Path) -> Image:
    return Image.build(
        name="demo",
        runtime=request.param,
        packages=[wheel],
        modules=["demo", "xml.dom.minidom"],
        setup="import decimal\nLIST = [demo_of := __import__('demo').ANSWER]\nprint('said by the set-up')",
    )


@pytest.fixture(scope="module", params=CONTAINMENTS)
def sandbox(request: pytest.FixtureRequest, image: Image) -> Iterator[Sandbox]:
    with Sandbox(image=image, containment=request.param, workers=1) as sandbox:
        yield sandbox


def value(result: RunResult) -> Any:
    assert result.exit_code == 0, result
    return result.value


def state(cache: Path) -> dict[str, float]:
    return {str(path): path.stat().st_mtime for path in (cache / "named").rglob("*")}


# -- what is in it ----------------------------------------------------------------------------------------------------


def test_the_description_says_what_went_into_it(image: Image, wheel: Path) -> None:
    version = find_runtime(image.runtime).manifest.python_version
    assert image.python.startswith(f"{version} (")
    assert image.packages == (
        ImagePackage(
            name="demo",
            version="1.0",
            source="file",
            requested=True,
            file=wheel.name,
            sha256=sha256(wheel.read_bytes()),
        ),
    )
    assert image.lock == ""  # a wheel of one's own is in no index: it is given again
    assert image.modules == ("demo", "xml.dom.minidom")
    assert image.setup.startswith("import decimal\n")
    assert image.entropy == ()
    assert image.memory_bytes % 65536 == 0
    assert image.sha256 == sha256((image.files().folder / "image.bin").read_bytes())
    assert time.time() - 120 < time.mktime(time.strptime(image.created, "%Y-%m-%dT%H:%M:%SZ")) - time.timezone
    assert 2**20 < image.size_bytes < image.memory_bytes + 2**20
    assert Image.find("demo", runtime=image.runtime) == image
    assert image in Image.all()


def test_modules_are_there_before_they_are_imported(sandbox: Sandbox) -> None:
    code = """
import sys
names = ["demo", "demo.inner", "xml.dom.minidom", "decimal", "demo.later"]
there = [name in sys.modules for name in names]
sys.path.clear(), sys.path_importer_cache.clear(), sys.meta_path.clear()
import demo.inner
[there, demo.ANSWER, demo.inner.ANSWER]
"""
    assert value(sandbox.run(code)) == [[True, True, True, True, False], 42, 42]


def test_importing_what_is_there_costs_nothing(sandbox: Sandbox) -> None:
    """An import of the standard library that is in every image is the measure."""
    fuel = {}
    for module in ("json", "demo", "demo.later"):
        result = sandbox.run(f"import {module}")
        assert result.exit_code == 0
        fuel[module] = result.fuel_consumed
    assert abs(fuel["demo"] - fuel["json"]) < 20_000, fuel
    assert fuel["demo.later"] - fuel["json"] > 200_000, fuel


def test_the_rest_of_the_package_is_at_hand(sandbox: Sandbox) -> None:
    code = """
import demo.later, importlib.metadata, importlib.resources, sys
data = importlib.resources.files("demo").joinpath("data.txt").read_text()
[demo.later.LATER, demo.__file__, data, importlib.metadata.version("demo"), sys.path[1]]
"""
    assert value(sandbox.run(code)) == [True, f"{SITE}/demo/__init__.py", "data of the package\n", "1.0", SITE]
    result = sandbox.run("import demo.later\ndemo.later.fail()")
    assert result.error is not None
    assert f'File "{SITE}/demo/later.py", line 3, in fail\n    raise ValueError(' in result.error.traceback


def test_a_package_can_be_run_as_a_module(sandbox: Sandbox) -> None:
    result = sandbox.run(module="demo.later")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")


def test_each_run_gets_its_own_copy(sandbox: Sandbox) -> None:
    code = """
import demo, sys
before = [LIST[:], demo.ANSWER, globals().get("NEW"), "NEW" in vars(demo), "made" in sys.modules]
LIST.append("changed"); demo.ANSWER = demo.NEW = NEW = 1; sys.modules["made"] = demo; del demo_of
before
"""
    for _ in range(3):
        assert value(sandbox.run(code)) == [[42], 42, None, False, False]


def test_a_program_is_a_program(sandbox: Sandbox) -> None:
    result = sandbox.run(
        "import sys\nprint(__name__, sys.argv, sorted(k for k in globals() if k.isupper()), A)", inputs={"A": 7}
    )
    assert (result.stdout, result.stderr) == ("__main__ ['-c'] ['A', 'LIST'] 7\n", "")
    assert value(sandbox.run("LIST", inputs={"LIST": 5})) == 5
    ended = sandbox.run("import sys; sys.exit(3)")
    assert (ended.outcome, ended.exit_code) == (Outcome.EXITED, 3)


def test_what_the_setup_defined_can_be_what_it_likes(cache: Path) -> None:
    setup = """
import enum, dataclasses, functools, re, contextvars
class Color(enum.Enum): RED = 1
@dataclasses.dataclass
class Point:
    x: int
    def double(self): return Point(self.x * 2)
@functools.lru_cache
def square(x): return x * x
square(4)
PATTERN = re.compile("a+")
VARIABLE = contextvars.ContextVar("v", default=5)
def counter():
    n = 0
    while True:
        n += 1
        yield n
COUNT = counter(); next(COUNT)
LONG = 10 ** 1000
"""
    code = """
import pickle
[Color.RED.name, Point(2).double().x, square.cache_info().currsize, PATTERN.match("aab").group(), VARIABLE.get(),
 next(COUNT), LONG == 10 ** 1000, Point.__module__, pickle.loads(pickle.dumps(Point(3))).x]
"""
    for runtime in RUNTIMES:
        built = Image.build(name="rich", runtime=runtime, setup=setup, containment="in-process")
        with Sandbox(image=built, containment="in-process") as sandbox:
            for _ in range(2):
                assert value(sandbox.run(code)) == ["RED", 4, 1, "aa", 5, 2, True, "__main__", 3]


def test_ways_of_saying_which_image(cache: Path) -> None:
    built = Image.build(name="ways", runtime=SMALL, setup="V = 1", containment="in-process")
    for given in ({"image": built}, {"image": built, "runtime": SMALL}, {"image": "ways", "runtime": SMALL}):
        assert run_wasm_python("V", **given).value == 1  # type: ignore[arg-type]
        with Sandbox(containment="in-process", **given) as sandbox:  # type: ignore[arg-type]
            assert sandbox.run("V").value == 1
    for given, error, message in (
        ({"image": "ways"}, errors.UnknownImageError,
         "there is no image 'ways' of the runtime cpython-3.15; there is: "),
        ({"image": built, "runtime": "cpython-3.12"}, errors.ConfigError,
         "the image ways belongs to the runtime cpython-3.11, and not to 'cpython-3.12'"),
        ({"image": 5}, errors.ConfigError, "image must be a name or an Image, not int"),
        ({"image": replace(built, sha256="0" * 64)}, errors.UnknownImageError,
         "the image ways of cpython-3.11 was replaced by another"),
    ):  # fmt: skip
        for use in (run_wasm_python, lambda _code, **more: Sandbox(**more)):
            with pytest.raises(error) as caught:
                use("V", **given)  # type: ignore[operator]
            assert str(caught.value).startswith(message)
    built.remove()
    with pytest.raises(errors.UnknownImageError) as caught:
        built.remove()
    assert str(caught.value).startswith("no image 'ways' was built for the runtime cpython-3.11")


def test_a_rebuilt_image_is_seen_by_the_next_call(cache: Path) -> None:
    old = Image.build(name="again", runtime=SMALL, setup="V = 1")
    assert run_wasm_python("V", runtime=SMALL, image="again").value == 1
    with Sandbox(image=old, workers=1) as sandbox:
        new = Image.build(name="again", runtime=SMALL, setup="V = 2")
        assert run_wasm_python("V", runtime=SMALL, image="again").value == 2
        assert run_wasm_python("V", image=new).value == 2
        assert sandbox.run("V").value == 1  # it was made of the old one
        with pytest.raises(errors.UnknownImageError):
            run_wasm_python("V", image=old)
    new.remove()
    with pytest.raises(errors.UnknownImageError):
        run_wasm_python("V", runtime=SMALL, image="again")


# -- grants -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("packages", "most"), [(True, 15), (False, 16)])
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_grants_go_with_packages(
    cache: Path, wheel: Path, tmp_path: Path, runtime: str, packages: bool, most: int
) -> None:
    built = Image.build(
        name="granted", runtime=runtime, packages=[wheel] if packages else [], modules=["demo"] if packages else [],
        containment="in-process",
    )  # fmt: skip
    folders = [tmp_path / f"host{number}" for number in range(most + 1)]
    for number, folder in enumerate(folders):
        folder.mkdir()
        (folder / "in.txt").write_text(f"read {number}")
    grants = [Preopen(folder, f"/data{n}", writable=n % 2 == 1) for n, folder in enumerate(folders)]
    code = f"""
found = []
for n in range({most}):
    found.append(open(f"/data{{n}}/in.txt").read())
    try:
        open(f"/data{{n}}/out.txt", "w").write(f"written {{n}}")
    except OSError:
        found.append("read-only")
try:
    import demo.later
    found.append(open(demo.__path__[0] + "/data.txt").read())
except ImportError as error:
    found.append(error.name)
found
"""
    expected = [text for n in range(most) for text in ([f"read {n}", "read-only"] if n % 2 == 0 else [f"read {n}"])]
    expected.append("data of the package\n" if packages else "demo")
    with Sandbox(image=built, preopens=grants[:most], containment="in-process") as sandbox:
        assert value(sandbox.run(code)) == expected
    assert [(folder / "out.txt").exists() for folder in folders] == [n % 2 == 1 for n in range(most)] + [False]
    assert folders[1].joinpath("out.txt").read_text() == "written 1"
    with pytest.raises(errors.InvalidPreopenError) as caught:
        Sandbox(image=built, preopens=grants, containment="in-process")
    assert str(caught.value) == f"preopens has {most + 1} entries; a guest can have at most {most}"


def test_packages_cannot_be_granted_over(image: Image, tmp_path: Path) -> None:
    for guest in (SITE, f"{SITE}/demo", "/usr/local/lib", "/usr"):
        with pytest.raises(errors.InvalidPreopenError, match=r": the runtime has its own files at '/usr/local/lib"):
            Sandbox(image=image, preopens=[Preopen(tmp_path, guest)])


def test_packages_beside_a_grant_of_the_root(image: Image, folder: Path) -> None:
    (folder / "program.py").write_text("import demo, helper\nprint(demo.ANSWER + helper.MORE)")
    (folder / "helper.py").write_text("MORE = 1\n")
    with Sandbox(image=image, preopens=[Preopen(folder, "/")], workers=1) as sandbox:
        assert sandbox.run(script=folder / "program.py").stdout == "43\n"


def test_packages_are_read_only_inside(sandbox: Sandbox, image: Image) -> None:
    packages = image.files().folder / "packages"
    before = sorted((str(path), path.lstat().st_mtime_ns, path.lstat().st_mode) for path in packages.rglob("*"))
    code = f"""
import os
def attempt(function, *arguments):
    try:
        function(*arguments)
    except OSError as error:
        return error.errno
site = {SITE!r}
data = site + "/demo/data.txt"
[
    attempt(open, site + "/new", "w"), attempt(open, data, "w"), attempt(open, data, "a"), attempt(open, data, "r+"),
    attempt(os.remove, data), attempt(os.mkdir, site + "/new"), attempt(os.rmdir, site + "/demo"),
    attempt(os.rename, data, data + "x"), attempt(os.utime, data), attempt(os.truncate, data, 0),
    attempt(os.symlink, "/", site + "/new"), attempt(os.link, data, site + "/new"),
]
"""
    refused = value(sandbox.run(code))
    assert set(refused) <= {63, 69, 76}, refused  # EPERM, EROFS, ENOTCAPABLE: each libc has its own word
    after = sorted((str(path), path.lstat().st_mtime_ns, path.lstat().st_mode) for path in packages.rglob("*"))
    assert after == before
    result = sandbox.run(f"open({SITE!r} + '/new', 'w')")
    assert [(denial.kind, denial.target) for denial in result.denials] == [("write", f"{SITE}/new")]


def test_packages_are_the_only_thing_inside(sandbox: Sandbox) -> None:
    names = value(sandbox.run(f"import os\nsorted(os.listdir({SITE!r}))"))
    assert names == ["demo", "demo-1.0.dist-info"]
    for path in (f"{SITE}/..", f"{SITE}/../image.bin", f"{SITE}/demo/../../image.json", f"{SITE}/../../../../etc"):
        # What is above is the guest's own tree (where the standard library is outside), never the image's folder.
        code = f"import os\ntry:\n    found = os.listdir({path!r})\nexcept OSError:\n    found = []\nfound"
        assert not {"image.bin", "image.json", "packages", "passwd"} & set(value(sandbox.run(code)))


# -- chance -----------------------------------------------------------------------------------------------------------

DRAW = """
import os, random, secrets, tempfile, uuid
[random.random(), random.getrandbits(64), random.Random().random(), random.SystemRandom().random(), str(uuid.uuid4()),
 str(uuid.uuid1()), uuid.getnode() if False else 0, next(tempfile._get_candidate_names()), secrets.token_hex(8),
 os.urandom(8).hex()]
"""
USED = """
import os, random, secrets, tempfile, uuid
random.seed(1); random.random()
uuid.uuid1(); uuid.uuid4(); uuid.getnode()
try:
    tempfile.mkdtemp()
except OSError:
    pass
secrets.token_hex(8)
"""


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_runs_share_no_chance_whatever_the_setup_drew(cache: Path, runtime: str) -> None:
    used = Image.build(name="chance", runtime=runtime, setup=USED, containment="in-process")
    with Sandbox(image=used, containment="in-process") as sandbox:
        draws = [value(sandbox.run(DRAW)) for _ in range(3)]
    for column, drawn in enumerate(zip(*draws, strict=True)):
        assert len(set(drawn)) == (1 if column == 6 else 3), column
    with Sandbox(image=used, workers=1) as sandbox:
        seeded = {value(sandbox.run("import random\nrandom.seed(1)\nrandom.random()")) for _ in range(2)}
    assert len(seeded) == 1  # the twin: who asks for the same gets the same


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_entropy_that_stays_in_the_image_is_reported(cache: Path, tmp_path: Path, runtime: str) -> None:
    token = make_wheel(tmp_path, "token", files={"token_at_import.py": b"import os\nTOKEN = os.urandom(8).hex()\n"})
    built = Image.build(
        name="entropy", runtime=runtime, packages=[token], modules=["random", "token_at_import", "uuid"],
        setup="import random\nX = random.Random()", containment="in-process",
    )  # fmt: skip
    assert [note.step for note in built.entropy] == ["token_at_import", "setup"]
    assert built.entropy[0] == EntropyNote(step="token_at_import", reads=1)
    assert built.entropy[1].reads >= 1
    with Sandbox(image=built, containment="in-process") as sandbox:
        code = "import token_at_import\n[token_at_import.TOKEN, X.random()]"
        assert value(sandbox.run(code)) == value(sandbox.run(code))  # which is what the note is about
    assert Image.find("entropy", runtime=runtime).entropy == built.entropy


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_entropy_that_is_renewed_is_not_reported(cache: Path, runtime: str) -> None:
    built = Image.build(
        name="entropy", runtime=runtime, modules=["random", "uuid", "tempfile", "secrets", "hashlib", "asyncio"],
        setup="import random\nrandom.seed()\nrandom.shuffle([1, 2, 3])\nrandom.seed(5)", containment="in-process",
    )  # fmt: skip
    assert [note for note in built.entropy if note.step != "setup"] == []
    assert all(note.reads <= 10 for note in built.entropy)  # seed() itself draws


def test_numpy_draws_anew(cache: Path) -> None:
    setup = "import numpy\nnumpy.random.seed(1)\nFIRST = float(numpy.random.rand())"
    built = Image.build(
        name="numbers", runtime="cpython-3.15-sci", modules=["numpy", "numpy.random", "pandas"], setup=setup
    )
    assert built.entropy == ()
    code = """
import numpy, pandas
[FIRST, pandas.Series([1]).sum().item(), float(numpy.random.rand()), numpy.random.default_rng().random()]
"""
    with Sandbox(image=built, workers=1) as sandbox:
        first, second = (value(sandbox.run(code)) for _ in range(2))
    assert [a == b for a, b in zip(first, second, strict=True)] == [True, True, False, False]
    kept_generator = Image.build(
        name="numbers", runtime="cpython-3.15-sci", setup="import numpy\nG = numpy.random.default_rng()",
        containment="in-process",
    )  # fmt: skip
    assert kept_generator.entropy == (EntropyNote(step="setup", reads=1),)


# -- what no image can be made of -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def before(cache: Path) -> Image:
    return Image.build(name="bad", runtime=SMALL, setup="OLD = 5")


TIGHT = replace(BUILD_LIMITS, deadline_seconds=60.0)

BAD = [
    ("raises", "1 / 0", "setting up failed with ZeroDivisionError: division by zero"),
    ("raises its own", "class Oops(Exception): pass\nraise Oops('x\\ny')", "setting up failed with Oops: x\ny"),
    ("no message", "raise ValueError", "setting up failed with ValueError"),
    ("no Python", "def", "setting up failed with SyntaxError: invalid syntax (<setup>, line 1)"),
    ("exits", "raise SystemExit", "setting up failed with SystemError: it left with status 0"),
    ("exits with 3", "import sys; sys.exit(3)", "setting up failed with SystemError: it left with status 3"),
    ("exits with a word", "import sys; sys.exit('bye')", "setting up failed with SystemError: it left with status 1"),
    ("os._exit(0)", "import os; os._exit(0)", "the program left instead of coming to its end"),
    (
        "os._exit(3)",
        "import os; os._exit(3)",
        "the imports and the set-up did not come to their end: the program left with status 3",
    ),
    ("interrupted", "raise KeyboardInterrupt", "setting up failed with KeyboardInterrupt"),
    (
        "recursion",
        "def f(): f()\nf()",
        "setting up failed with RecursionError: maximum recursion depth exceeded",
    ),
    (
        "a thread",
        "import threading\nthreading.Thread(target=print).start()",
        "setting up failed with RuntimeError: can't start new thread",
    ),
    ("a process", "import os; os.fork()", "setting up failed with AttributeError: module 'os' has no attribute 'fork'"),
    (
        "an open file",
        "F = open('/usr/local/lib/python311.zip', 'rb')",
        "1 file is still open after the set-up, and an image cannot hold open files",
    ),
    (
        "open files",
        "F = [open('/usr/local/lib/python311.zip', 'rb') for _ in range(3)]",
        "3 files are still open after the set-up, and an image cannot hold open files",
    ),
    ("no argv", "import sys; del sys.argv", "no program runs after this set-up (AttributeError)"),
    ("no path", "import sys; sys.path = None", "no program runs after this set-up (AttributeError)"),
    ("memory", "X = bytearray(2**29)", "setting up failed with MemoryError"),
]


@pytest.mark.parametrize(("setup", "message"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
@pytest.mark.parametrize("containment", CONTAINMENTS)
def test_bad_setups(cache: Path, before: Image, setup: str, message: str, containment: Any) -> None:
    old = state(cache)
    limits = replace(TIGHT, memory_bytes=2**28)
    with pytest.raises(errors.ImageBuildError) as caught:
        Image.build(name="bad", runtime=SMALL, setup=setup, limits=limits, containment=containment)
    assert type(caught.value) is errors.ImageBuildError
    assert str(caught.value) == f"bad: {message}"
    assert caught.value.result is not None
    assert state(cache) == old
    assert list((cache / "tmp").iterdir()) == []
    assert Image.find("bad", runtime=SMALL) == before


def test_the_old_image_still_works(before: Image) -> None:
    with Sandbox(image=before, containment="in-process") as sandbox:
        assert sandbox.run("OLD").value == 5


LATE = "the run was still going at its deadline of 0.5 s"
FLOOD = {"output_overflow": "end", "output_bytes": 10_000}


@pytest.mark.parametrize("containment", CONTAINMENTS)
@pytest.mark.parametrize(
    ("setup", "limits", "why", "outcome"),
    [
        ("while True: pass", {"deadline_seconds": 0.5}, LATE, "DEADLINE_EXCEEDED"),
        ("import time\ntime.sleep(1e6)", {"deadline_seconds": 0.5}, LATE, "DEADLINE_EXCEEDED"),
        ("while True: pass", {"fuel": 10**8}, "the run used up its fuel of 100000000 instructions", "OUT_OF_FUEL"),
        (
            "while True: print('x' * 1000)",
            FLOOD,
            "the run wrote more than 10000 bytes to standard output",
            "OUTPUT_LIMIT",
        ),
    ],
    ids=["loops", "sleeps", "fuel", "output"],
)
def test_setups_that_reach_a_limit(
    cache: Path, before: Image, setup: str, limits: dict[str, Any], why: str, outcome: str, containment: Any
) -> None:
    old = state(cache)
    started = time.monotonic()
    with pytest.raises(errors.ImageBuildError) as caught:
        Image.build(name="bad", runtime=SMALL, setup=setup, limits=replace(TIGHT, **limits), containment=containment)
    assert time.monotonic() - started < 10
    assert str(caught.value) == f"bad: the imports and the set-up did not come to their end: {why}"
    assert caught.value.result is not None
    assert caught.value.result.outcome is Outcome[outcome]
    assert state(cache) == old
    assert Image.find("bad", runtime=SMALL) == before


def test_a_flood_of_output_is_cut_and_no_trouble(cache: Path) -> None:
    built = Image.build(name="loud", runtime=SMALL, setup="for _ in range(3000): print('x' * 1000)\nV = 1")
    with Sandbox(image=built, containment="in-process") as sandbox:
        result = sandbox.run("print(V)")
    assert (result.stdout, result.stdout_omitted_bytes) == ("1\n", 0)


def test_limits_below_the_interpreter(cache: Path) -> None:
    with pytest.raises(errors.InvalidLimitsError) as caught:
        Image.build(name="tiny", runtime=SMALL, limits=Limits(memory_bytes=2**20))
    assert re.fullmatch(
        r"memory_bytes is 1048576, and the interpreter of cpython-3\.11 alone needs \d+", str(caught.value)
    )
    with pytest.raises(errors.InvalidLimitsError) as caught:
        Image.build(name="tiny", runtime=SMALL, limits=5)  # type: ignore[arg-type]
    assert str(caught.value) == "limits must be a Limits, not int"
    with pytest.raises(errors.ConfigError) as other:
        Image.build(name="tiny", runtime=SMALL, containment="none")  # type: ignore[arg-type]
    assert str(other.value) == """containment must be "process" or "in-process", not 'none'"""


ODD = [
    ("closes stdout", "import os; os.close(1)", "print(6 * 7)", "42\n"),
    ("closes all", "import os\nfor fd in range(3): os.close(fd)", "print(6 * 7)", "42\n"),
    ("closes the stream", "import sys; sys.stdout.close()", "import os; os.write(1, b'42\\n')", "42\n"),
    ("replaces the stream", "import io, sys; sys.stdout = io.StringIO()", "import os; os.write(1, b'42\\n')", "42\n"),
    ("wraps the stream", "import sys\nclass W:\n    def write(self, t): sys.__stdout__.write(t.upper())\n"
     "    def flush(self): pass\nsys.stdout = W()", "print('a')", "A\n"),
    ("forgets modules", "import sys; sys.modules.clear()", "print(6 * 7)", "42\n"),
    ("forgets print", "import builtins; del builtins.print", "import sys; sys.stdout.write('42\\n')", "42\n"),
    ("leaves half a line", "import sys; sys.stdout.write('half')", "print(6 * 7)", "42\n"),
    ("turns the collector off", "import gc; gc.disable()", "import gc; print(gc.isenabled())", "False\n"),
    ("sets a variable", "import os; os.environ['A'] = 'b'", "import os; print(os.environ['A'])", "b\n"),
    ("an exit function", "import atexit; atexit.register(print, 'bye')", "print('hello')", "hello\nbye\n"),
    ("deletes its name", "del __name__", "print(__name__)", "__main__\n"),
    ("catches its own end", "try:\n    raise SystemExit\nexcept SystemExit:\n    V = 1", "print(V)", "1\n"),
    ("has opened and closed", "import os, sys\nfor _ in range(2000):\n    os.listdir(sys.prefix + '/lib')", "print(1)",
     "1\n"),
    # What was alive when the image was made is the image's, and says no last words at the end of a run.
    ("a generator that waits", "def g():\n    try:\n        yield\n    finally:\n        print('fin')\n"
     "G = g(); next(G)", "print(1)", "1\n"),
]  # fmt: skip
"""Set-ups that are odd, and images all the same: programs find what they did."""


@pytest.mark.parametrize(("setup", "code", "stdout"), [case[1:] for case in ODD], ids=[case[0] for case in ODD])
def test_odd_setups(cache: Path, setup: str, code: str, stdout: str) -> None:
    built = Image.build(name="odd", runtime="cpython-3.15", setup=setup, containment="in-process")
    with Sandbox(image=built, containment="in-process") as sandbox:
        for _ in range(2):
            result = sandbox.run(code)
            assert (result.outcome, result.exit_code, result.stdout) == (Outcome.EXITED, 0, stdout), result


@pytest.mark.parametrize(
    ("modules", "message"),
    [
        (["nothing_here"], "importing nothing_here failed with ModuleNotFoundError: No module named 'nothing_here'"),
        (["json", "json.no"], "importing json.no failed with ModuleNotFoundError: No module named 'json.no'"),
        (["demo", "demo.broken"], "importing demo.broken failed with ZeroDivisionError: division by zero"),
        (["demo.exits"], "importing demo.exits failed with SystemError: it left with status 4"),
    ],
)  # fmt: skip
def test_modules_that_cannot_be_imported(cache: Path, tmp_path: Path, modules: list[str], message: str) -> None:
    files = {**DEMO, "demo/broken.py": b"1 / 0\n", "demo/exits.py": b"raise SystemExit(4)\n"}
    wheel = make_wheel(tmp_path, files=files)
    with pytest.raises(errors.ImageBuildError) as caught:
        Image.build(name="none", runtime=SMALL, packages=[wheel], modules=modules, containment="in-process")
    assert str(caught.value) == f"none: {message}"
    with pytest.raises(errors.UnknownImageError):
        Image.find("none", runtime=SMALL)


def test_native_code_that_the_slice_leaves_out(cache: Path) -> None:
    with pytest.raises(errors.ImageBuildError) as caught:
        Image.build(name="none", modules=["numpy"], containment="in-process")
    assert str(caught.value) == (
        "none: importing numpy failed with ModuleNotFoundError: No module named 'numpy' in the runtime cpython-3.15: "
        "its native code is left out there, use the runtime cpython-3.15-sci"
    )
    with pytest.raises(errors.PackageError) as caught:
        Image.build(name="none", packages=["numpy"], containment="in-process")
    # The version that comes with the build: it says the same of pip's answer as of its own.
    assert re.fullmatch(
        r"numpy needs native code, which cpython-3\.15 leaves out: use the runtime cpython-3\.15-sci, which has numpy "
        r"[0-9.]+ linked in",
        str(caught.value),
    )


def test_a_package_that_hides_the_standard_library(cache: Path, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "hiding", files={"json/__init__.py": b"", "random.py": b""})
    with pytest.raises(errors.ImageBuildError) as caught:
        Image.build(name="none", runtime=SMALL, packages=[wheel], containment="in-process")
    assert str(caught.value) == (
        "none: making it failed with ImportError: the packages bring 'json', which is a module of the standard library"
    )


CALLED = "an image is called 1 to 64 of a-z, 0-9, and inside also dot, dash and underscore, not"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"name": "base"}, "base is an image of the runtime cpython-3.11 itself: choose another name"),
        ({"name": "A"}, f"{CALLED} 'A'"),
        ({"name": "../a"}, f"{CALLED} '../a'"),
        ({"name": None}, f"{CALLED} None"),
        ({"modules": "json"}, "modules is a list of names, not one text"),
        ({"modules": ["a b"]}, "'a b' is no name of a module"),
        ({"modules": ["a..b"]}, "'a..b' is no name of a module"),
        ({"modules": ["a\n"]}, "'a\\n' is no name of a module"),
        ({"modules": [5]}, "5 is no name of a module"),
        ({"modules": ["a"] * 1001}, "1001 modules were asked for; 1000 is the most"),
        ({"setup": b"x"}, "setup must be the text of a Python program"),
        ({"setup": "\0"}, "setup must be the text of a Python program"),
        ({"setup": "'\ud800'"}, "setup is no text that could be stored: it holds a lone surrogate"),
        ({"setup": "#" * (2**20 + 1)}, "setup has 1048577 bytes; 1048576 is the most"),
        ({"packages": "jinja2"}, "packages is a list of requirements and wheels, not one text"),
    ],
)  # fmt: skip
def test_arguments_that_are_wrong(cache: Path, given: dict[str, Any], message: str) -> None:
    with pytest.raises(errors.InvalidImageError) as caught:
        Image.build(**{"name": "none", "runtime": SMALL, **given})
    assert str(caught.value) == message


# -- files that were changed ------------------------------------------------------------------------------------------

CHANGED = (
    "the files of the image fragile of cpython-3.11 were changed after it was built: build or import it again, or "
    "remove it with `wasirun image remove fragile --runtime cpython-3.11`"
)


def truncate(folder: Path) -> None:
    (folder / "image.bin").chmod(0o600)
    os.truncate(folder / "image.bin", 65536)


def edit_memory(folder: Path) -> None:
    path = folder / "image.bin"
    path.chmod(0o600)
    with path.open("r+b") as file:
        file.seek(5_000_000)
        file.write(b"edited")


def edit_package(folder: Path) -> None:
    (folder / "packages" / "demo" / "inner.py").write_bytes(b"ANSWER = 43\n")


def add_module(folder: Path) -> None:
    (folder / "packages" / "os.py").write_bytes(b"")


@pytest.mark.parametrize("damage", [truncate, edit_memory, edit_package, add_module])
def test_changed_files_are_not_used(cache: Path, wheel: Path, damage: Callable[[Path], None], tmp_path: Path) -> None:
    built = Image.build(name="fragile", runtime=SMALL, packages=[wheel], modules=["demo"], containment="in-process")
    damage(built.files().folder)
    uses: list[Callable[[], object]] = [
        lambda: run_wasm_python("1", runtime=SMALL, image="fragile"),
        lambda: run_wasm_python("1", image=built),
        lambda: Sandbox(image=built, containment="in-process"),
        lambda: Sandbox(image="fragile", runtime=SMALL),
        lambda: Image.find("fragile", runtime=SMALL),
        lambda: built.export(tmp_path / "x"),
    ]
    for use in uses:
        with pytest.raises(errors.UnusableImageError) as caught:
            use()
        assert str(caught.value) == CHANGED
    assert "fragile" not in [image.name for image in Image.all()]
    assert list(tmp_path.iterdir()) == []
    again = Image.build(name="fragile", runtime=SMALL, packages=[wheel], modules=["demo"], containment="in-process")
    assert run_wasm_python("import demo; demo.ANSWER", image=again).value == 42
    damage(again.files().folder)
    from wasihost.images import remove_image

    assert remove_image("fragile", runtime=SMALL) > 0


def test_an_image_of_another_version(cache: Path) -> None:
    built = Image.build(name="elder", runtime=SMALL, containment="in-process")
    path = built.files().folder / "image.json"
    parent = json.loads(path.read_bytes())["parent"]
    change(path, parent.encode(), parent[:-16].encode() + b"0123456789abcdef")
    for use in (lambda: run_wasm_python("1", image=built), lambda: Sandbox(image="elder", runtime=SMALL)):
        with pytest.raises(errors.UnusableImageError) as caught:
            use()
        assert str(caught.value) == (
            "the image elder was built for another version of wasihost or of cpython-3.11: build or import it again"
        )
    assert Image.find("elder", runtime=SMALL) == built  # it can be looked at and removed
    assert built.remove() > 0


# -- several at once, and days that end early -------------------------------------------------------------------------


def test_two_builds_of_one_name(cache: Path, wheel: Path) -> None:
    built: list[Image] = []

    def build(number: int) -> None:
        containment: Any = CONTAINMENTS[number % 2]
        built.append(
            Image.build(name="race", runtime=SMALL, packages=[wheel], setup=f"V = {number}", containment=containment)
        )

    threads = [threading.Thread(target=build, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(image.setup for image in built) == [f"V = {number}" for number in range(4)]
    last = Image.find("race", runtime=SMALL)
    assert last == built[-1]
    assert f"V = {run_wasm_python('V', image=last).value}" == last.setup
    assert list((cache / "tmp").iterdir()) == []


BUILD = """
import sys
from wasihost import Image
Image.build(name="killed", runtime="cpython-3.11", packages=[sys.argv[1]], setup=sys.argv[2])
print("built")
"""


def start_build(wheel: Path, setup: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(Path(wasihost.__file__).parent.parent)}
    return subprocess.Popen(
        [sys.executable, "-c", BUILD, str(wheel), setup], env=environment, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )  # fmt: skip


def test_a_build_that_is_killed(cache: Path, wheel: Path) -> None:
    old = Image.build(name="killed", runtime=SMALL, setup="V = 1", containment="in-process")
    before = state(cache)
    with start_build(wheel, "while True: pass") as process:
        until = time.monotonic() + 30
        while not list((cache / "tmp").glob("*/image/image.bin")):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < until
            time.sleep(0.02)
        time.sleep(0.2)
        process.send_signal(signal.SIGKILL)
        process.wait(10)
    assert state(cache) == before
    assert Image.find("killed", runtime=SMALL) == old
    assert run_wasm_python("V", image=old).value == 1
    with start_build(wheel, "V = 2") as process:  # its lock is free, and what it left is in nobody's way
        out, err = process.communicate(timeout=60)
        assert (out, err, process.returncode) == ("built\n", "", 0)
    assert run_wasm_python("V", runtime=SMALL, image="killed").value == 2
    for left in (cache / "tmp").iterdir():  # and goes within a day
        os.utime(left, (1, 1))
    Image.build(name="killed", runtime=SMALL, containment="in-process")
    assert list((cache / "tmp").iterdir()) == []


def test_ctrl_c_ends_a_build_at_once(cache: Path, wheel: Path) -> None:
    before = state(cache)
    code = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n" + BUILD
    with subprocess.Popen(
        [sys.executable, "-c", code, str(wheel), "while True: pass"],
        env={**os.environ, "PYTHONPATH": str(Path(wasihost.__file__).parent.parent)},
        text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        until = time.monotonic() + 30
        while not list((cache / "tmp").glob("*/image/image.bin")):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < until
            time.sleep(0.02)
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=5)
    assert err.rstrip().endswith("KeyboardInterrupt")
    assert state(cache) == before
    assert list((cache / "tmp").iterdir()) == []


# -- memory -----------------------------------------------------------------------------------------------------------


def mappings(path: Path) -> list[dict[str, int]]:
    """What /proc tells of each mapping of a file in this process, in KiB."""
    found: list[dict[str, int]] = []
    inside = False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        words = line.split()
        if words[0].endswith(":"):
            if inside and words[-1] == "kB":
                found[-1][words[0][:-1]] = int(words[1])
        else:
            inside = len(words) > 5 and words[5] == str(path)
            if inside:
                assert words[1] == "rw-p"
                found.append({"start": int(words[0].partition("-")[0], 16)})
    return found


def test_sandboxes_of_one_image_share_its_memory(cache: Path) -> None:
    setup = "TABLE = {n: str(n) for n in range(200_000)}"
    built = Image.build(name="shared", setup=setup)
    path = built.files().folder / "image.bin"
    waiting, results = threading.Barrier(11), []
    ready = threading.Event()

    def say(_text: bytes) -> None:
        waiting.wait(60)
        ready.wait(60)

    def run(sandbox: Sandbox) -> None:
        results.append(sandbox.run("print(TABLE[199_999], flush=True)", on_stdout=say).stdout)

    sandboxes = [Sandbox(image=built, containment="in-process") for _ in range(10)]
    threads = [threading.Thread(target=run, args=(sandbox,)) for sandbox in sandboxes]
    try:
        for thread in threads:
            thread.start()
        waiting.wait(60)
        running = mappings(path)
    finally:
        ready.set()
        for thread in threads:
            thread.join()
        for sandbox in sandboxes:
            sandbox.close()
    assert results == ["199999\n"] * 10
    sizes = {mapping["Size"] for mapping in running}
    assert sizes == {built.memory_bytes // 1024}
    assert len(running) >= 10
    assert max(mapping["Private_Dirty"] for mapping in running) < 3 * 1024
    shared = sum(mapping["Pss"] for mapping in running) - sum(mapping["Private_Dirty"] for mapping in running)
    assert shared <= built.memory_bytes // 1024  # all of them together hold the clean pages once


def test_nothing_is_left_open(cache: Path, wheel: Path, quiet_host: None) -> None:
    runner._ready.clear()

    def build(containment: Any) -> None:
        Image.build(name="tidy", runtime=SMALL, packages=[wheel], modules=["demo"], containment=containment)

    def descriptors() -> list[str]:
        found = []
        for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - descriptors, for which pathlib has no words
            try:
                found.append(os.readlink(f"/proc/self/fd/{name}"))  # noqa: PTH115 - likewise
            except FileNotFoundError:
                continue
        return sorted(path for path in found if str(cache) in path)

    build("in-process")  # what stays is the base image and its code, which all share
    gc.collect()
    before = descriptors()
    for containment in CONTAINMENTS * 2:
        build(containment)
    with pytest.raises(errors.ImageBuildError):
        Image.build(name="tidy", runtime=SMALL, packages=[wheel], setup="1/0")
    gc.collect()
    assert descriptors() == before
    assert [Path(path).parent.parent.name for path in before] == ["compiled", "images"]


def test_a_process_keeps_few_images_that_nobody_uses(cache: Path) -> None:
    runner._ready.clear()
    built = [Image.build(name=f"many-{n}", runtime=SMALL, setup=f"V = {n}", containment="in-process") for n in range(3)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runner, "MAX_READY", 2)
        with Sandbox(image=built[0], containment="in-process") as first:
            for number in (1, 2, 1, 0):
                with Sandbox(image=built[number], containment="in-process") as sandbox:
                    assert sandbox.run("V").value == number
            assert len(runner._ready) == 2
            assert first.run("V").value == 0
    assert len({id(ready.code) for ready in runner._ready.values()}) == 1  # all images of a runtime share its code


def test_what_the_setup_says_is_in_the_error(cache: Path) -> None:
    setup = textwrap.dedent("""
        print("on the way")
        raise LookupError("gone")
    """)
    with pytest.raises(errors.ImageBuildError) as caught:
        Image.build(name="bad", runtime=SMALL, setup=setup)
    result = caught.value.result
    assert result is not None
    assert result.stdout == "on the way\n"
    assert result.error is not None
    assert result.error.traceback == (
        "Traceback (most recent call last):\n"
        '  File "<setup>", line 3, in <module>\n'
        '    raise LookupError("gone")\n'
        "LookupError: gone\n"
    )


def test_entropy_that_no_step_tells_of_is_known_all_the_same(cache: Path) -> None:
    setup = """
import os
class Dying:
    def __del__(self):
        global KEY
        KEY = os.urandom(8).hex()
one = Dying()
one.itself = one
del one
"""
    image = Image.build(name="dying", runtime=SMALL, setup=setup)
    assert image.entropy == (EntropyNote(step="unknown", reads=1),)
    assert run_wasm_python("KEY", image=image).value == run_wasm_python("KEY", image=image).value
    quiet = Image.build(name="dying", runtime=SMALL, setup=setup.replace("os.urandom(8)", "bytes(8)"))
    assert quiet.entropy == ()


def test_what_the_base_image_has_imported_is_not_replaced(cache: Path, tmp_path: Path) -> None:
    six = make_wheel(tmp_path, "six", "1.16.0", files={"six.py": b"__version__ = '1.16.0'\n"})
    with pytest.raises(errors.ImageBuildError, match=r"brings? 'six', which the base image has imported already"):
        Image.build(name="six", runtime="cpython-3.15-sci", packages=[six])
    image = Image.build(name="six", runtime="cpython-3.15", packages=[six])
    assert run_wasm_python("import six\nsix.__version__", image=image).value == "1.16.0"


def test_a_build_past_its_deadline_writes_into_nothing_of_the_host(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pwrite, going_on = os.pwrite, threading.Event()

    def slow(descriptor: int, data: bytes, at: int) -> int:
        going_on.set()
        time.sleep(0.3)
        return pwrite(descriptor, data, at)

    with monkeypatch.context() as patch:
        patch.setattr("wasihost.engine.snapshot.os.pwrite", slow)
        limits = replace(BUILD_LIMITS, deadline_seconds=1.0)
        with pytest.raises(errors.ImageBuildError, match=r"the run was still going at its deadline of 1 s"):
            Image.build(name="late", runtime=SMALL, containment="in-process", limits=limits)
        assert going_on.is_set()
        files = [(tmp_path / str(number)).open("w+b") for number in range(20)]
        time.sleep(0.7)
        assert [os.fstat(file.fileno()).st_size for file in files] == [0] * 20
        for file in files:
            file.close()
    with pytest.raises(errors.UnknownImageError):
        Image.find("late", runtime=SMALL)


@pytest.mark.parametrize("containment", CONTAINMENTS)
def test_a_disk_that_fills_up_is_said(cache: Path, containment: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    if containment == "process":
        # The kernel's limit on the size of a file stands for a full disk: a worker is another process.
        least = Image.build(name="full", runtime=SMALL).memory_bytes
        monkeypatch.setattr("wasihost.building._file_bytes", lambda _limits: least // 2)
    else:

        def full(*_: Any) -> int:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("wasihost.engine.snapshot.os.pwrite", full)
    with pytest.raises(errors.DiskFullError, match=r"no room left for the memory of full .* set WASIHOST_CACHE_DIR"):
        Image.build(name="full", runtime=SMALL, containment=containment, setup="x = 1")


@pytest.mark.parametrize(
    "said",
    [{"globals": ()}, {"globals": (("wasihost:streams", "i32", 1),)}, {"globals": (("x", "i32", 2**40),)}],
)
def test_what_a_worker_says_of_the_guest_has_to_be_possible(
    cache: Path, said: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from wasihost.engine import execute

    take = execute.take_snapshot

    def lying(*arguments: Any) -> Any:
        snapshot = take(*arguments)
        assert snapshot is not None
        return snapshot._replace(**said)

    monkeypatch.setattr(execute, "take_snapshot", lying)
    with pytest.raises(errors.ImageBuildError, match="the worker tells of a guest that this runtime does not make"):
        Image.build(name="lied", runtime=SMALL, containment="in-process")


def test_counters_of_the_host_are_not_what_a_worker_says(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from wasihost.engine import execute

    take = execute.take_snapshot

    def lying(*arguments: Any) -> Any:
        snapshot = take(*arguments)
        assert snapshot is not None
        changed = [(n, k, -(2**31) if n == "wasihost:open_count" else v) for n, k, v in snapshot.globals]
        return snapshot._replace(globals=tuple(changed))

    monkeypatch.setattr(execute, "take_snapshot", lying)
    image = Image.build(name="counted", runtime=SMALL, containment="in-process")
    (path,) = (Path(os.environ["WASIHOST_CACHE_DIR"]) / "named").glob(f"{SMALL}@counted-*/image.json")
    counters = {name: value for name, _, value in json.loads(path.read_bytes())["layout"]["globals"]}
    assert counters["wasihost:open_count"] == 0
    code = "import os\nos.close(os.open('/d', os.O_RDONLY))\n6 * 7"
    granted = Path(os.environ["WASIHOST_CACHE_DIR"]).parent / "granted"
    granted.mkdir(exist_ok=True)
    assert run_wasm_python(code, image=image, preopens=[Preopen(granted, "/d")]).check().value == 42
