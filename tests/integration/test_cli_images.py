"""`wasirun image` and `wasirun --image`, as a person types them, in a cache of their own."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cli_lab import environment, one_line, wasirun
from image_lab import DEMO, make_cache, make_wheel, sha256

RUNTIME = "cpython-3.11"
OF = ("--runtime", RUNTIME)
SIZE = r"\d+(?:\.\d)? MiB"
Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the person is in, with a wheel and the files that the commands name."""
    folder = tmp_path_factory.mktemp("desk")
    make_wheel(folder, files=DEMO, requires=("helper>=1",))
    make_wheel(folder, "helper", "1.5")
    make_cache(folder, RUNTIME)
    (folder / "setup.py").write_text("X = 5\n")
    return folder


@pytest.fixture(scope="module")
def image(desk: Path) -> Iterator[Command]:
    env = environment(
        WASIHOST_CACHE_DIR=str(desk / "cache"), PIP_NO_INDEX="1", PIP_FIND_LINKS=str(desk), PIP_CONFIG_FILE="/dev/null"
    )

    def call(*words: str | Path, more: tuple[str, ...] = ("image",)) -> subprocess.CompletedProcess[str]:
        return wasirun(*more, *words, env=env, cwd=desk)

    yield call


@pytest.fixture(scope="module")
def built(image: Command) -> str:
    """What building the image `report` says."""
    done = image(
        "build", "report", *OF, "--package", "demo-1.0-py3-none-any.whl", "--module", "demo", "--module", "bisect",
        "--setup", "setup.py",
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.fixture
def digest(desk: Path) -> Callable[[str], str]:
    return lambda name: sha256((desk / f"{name}-py3-none-any.whl").read_bytes())


def run(image: Command, code: str, name: str = "report") -> str:
    done = image(*OF, "--image", name, "-c", code, more=())
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_build_says_what_is_in_it_and_how_to_use_it(built: str, image: Command, digest: Callable[[str], str]) -> None:
    lines = built.splitlines()
    assert re.fullmatch(rf"report is built \({SIZE}\)", lines[0])
    assert lines[1:] == [
        f"package   demo 1.0: sha256 {digest('demo-1.0')}",
        f"package   helper 1.5, needed by another: sha256 {digest('helper-1.5')}",
        f"use it: wasirun --runtime {RUNTIME} --image report PROGRAM",
    ]
    assert run(image, "import demo, helper; print(X, demo.ANSWER, helper.VERSION)") == "5 42 1.5\n"


def test_image_goes_with_everything_else(built: str, image: Command, desk: Path) -> None:
    (desk / "data").mkdir(exist_ok=True)
    (desk / "data" / "in.txt").write_text("read")
    (desk / "program.py").write_text("import demo, sys; print(X, sys.argv[1], open('/data/in.txt').read())")
    done = image(*OF, "--image", "report", "--allow-read", "data::/data", "program.py", "word", more=())
    assert (done.stdout, done.stderr, done.returncode) == ("5 word read\n", "", 0)
    done = image(*OF, "--image", "report", "--json", "-c", "X", more=())
    assert '"value": 5' in done.stdout
    assert done.returncode == 0


def test_list_shows_those_that_are_shipped_and_those_that_were_built(built: str, image: Command) -> None:
    done = image("list")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["NAME", "RUNTIME", "SIZE", "WHAT"]
    shipped = [tuple(line.split()[:2]) for line in lines[1:8]]
    assert shipped == [
        ("base", "cpython-3.11"),
        ("base", "cpython-3.12"),
        ("base", "cpython-3.15"),
        ("base", "cpython-3.15-data"),
        ("base", "cpython-3.15-sci"),
        ("data", "cpython-3.15-sci"),
        ("plot", "cpython-3.15-sci"),
    ]
    own = {line.split()[0]: line for line in lines[8:]}
    assert re.fullmatch(rf"report +cpython-3\.11 +{SIZE} +demo 1\.0, demo, bisect, set-up code", own["report"])


def test_info_tells_what_it_was_built_of(built: str, image: Command, digest: Callable[[str], str]) -> None:
    done = image("info", "report", *OF)
    assert (done.returncode, done.stderr) == (0, "")
    patterns = [
        "name      report",
        r"runtime   cpython-3\.11",
        r"python    3\.11\.1",
        r"built     20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ",
        rf"memory    {SIZE}",
        rf"size      {SIZE}",
        "sha256    [0-9a-f]{64}",
        "modules   demo, bisect",
        "set-up    1 line",
        rf"package   demo 1\.0: sha256 {digest('demo-1.0')}",
        rf"package   helper 1\.5, needed by another: sha256 {digest('helper-1.5')}",
    ]
    for line, pattern in zip(done.stdout.splitlines(), patterns, strict=True):
        assert re.fullmatch(pattern, line)


def test_lock_builds_the_same_again(built: str, image: Command, desk: Path, digest: Callable[[str], str]) -> None:
    lock = image("info", "report", *OF, "--lock").stdout
    wheel = "demo-1.0-py3-none-any.whl"
    assert lock == (
        f"helper==1.5 --hash=sha256:{digest('helper-1.5')}\n"
        f"# and with --package the wheel {wheel}, sha256 {digest('demo-1.0')}\n"
    )
    continued = lock.replace(" --hash", " \\\n    --hash")
    (desk / "lock.txt").write_text(f"# made by info --lock\n\n{continued}")
    done = image("build", "again", *OF, "--requirements", "lock.txt", "--package", wheel)
    assert (done.returncode, done.stderr) == (0, "")
    assert run(image, "import demo, helper; print(demo.ANSWER, helper.VERSION)", "again") == "42 1.5\n"
    assert image("info", "again", *OF, "--lock").stdout == lock
    (desk / "lock.txt").write_text(lock.replace(digest("helper-1.5"), "0" * 64))
    wrong = image("build", "again", *OF, "--requirements", "lock.txt", "--package", wheel)
    assert wrong.returncode == 70
    assert one_line(wrong.stderr) == f"wasirun: helper has sha256 {digest('helper-1.5')}, but {'0' * 64} was asked for"
    assert run(image, "import demo; print(demo.ANSWER)", "again") == "42\n"


def test_entropy_is_noted(image: Command, desk: Path) -> None:
    (desk / "drawn.py").write_text("import os\nTOKEN = os.urandom(3)\n")
    note = "note      the set-up code drew random bytes: what it made of them is the same in every run"
    done = image("build", "drawn", *OF, "--setup", "drawn.py")
    assert done.stdout.splitlines()[1:] == [note, f"use it: wasirun --runtime {RUNTIME} --image drawn PROGRAM"]
    assert image("info", "drawn", *OF).stdout.splitlines()[-2:] == ["set-up    2 lines", note]


def test_export_import_and_remove(built: str, image: Command, desk: Path) -> None:
    done = image("export", "report", "report.image", *OF)
    assert (done.returncode, done.stderr) == (0, "")
    said = re.fullmatch(rf"report\.image holds report \({SIZE}\), sha256 ([0-9a-f]{{64}})\n", done.stdout)
    assert said is not None
    assert said.group(1) == sha256((desk / "report.image").read_bytes())
    umask = os.umask(0)
    os.umask(umask)
    assert (desk / "report.image").stat().st_mode & 0o777 == 0o666 & ~umask
    done = image("import", "report.image", "--name", "taken", "--sha256", said.group(1))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"taken is there; use it: wasirun --runtime {RUNTIME} --image taken PROGRAM\n"
    assert run(image, "print(X)", "taken") == "5\n"
    done = image("import", "report.image", "--name", "taken", "--sha256", "0" * 64)
    assert done.returncode == 2
    assert one_line(done.stderr) == (f"wasirun: report.image has sha256 {said.group(1)}, but {'0' * 64} was asked for")
    done = image("remove", "taken", *OF)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(rf"taken is removed, {SIZE} freed\n", done.stdout)
    done = image("remove", "taken", *OF)
    assert done.returncode == 2
    assert one_line(done.stderr).startswith(
        "wasirun: no image 'taken' was built for the runtime cpython-3.11; there is: "
    )
    assert "taken" not in image("list").stdout


def test_a_damaged_image_can_be_removed(image: Command, desk: Path) -> None:
    assert image("build", "damaged", *OF).returncode == 0
    (folder,) = (desk / "cache" / "named").glob(f"{RUNTIME}@damaged-*")
    (folder / "image.bin").unlink()
    changed = (
        "wasirun: the files of the image damaged of cpython-3.11 were changed after it was built: build or import it "
        "again, or remove it with `wasirun image remove damaged --runtime cpython-3.11`"
    )
    for words, more in (
        (("info", "damaged", *OF), ("image",)),
        (("export", "damaged", "x", *OF), ("image",)),
        ((*OF, "--image", "damaged", "-c", "1"), ()),
    ):
        done = image(*words, more=more)
        assert (done.returncode, done.stdout) == (70, "")
        assert one_line(done.stderr) == changed
    assert "  unusable: the files of the image damaged " in image("list").stdout
    assert image("remove", "damaged", *OF).returncode == 0
    assert not folder.exists()


CALLED = "an image is called 1 to 64 of a-z, 0-9, and inside also dot, dash and underscore, not"


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        ("build", 2, "Missing argument 'NAME'."),
        ("build A", 2, f"{CALLED} 'A'"),
        ("build ../a", 2, f"{CALLED} '../a'"),
        ("build base", 2, "base is an image of the runtime cpython-3.15 itself: choose another name"),
        (
            "build a --runtime nope",
            2,
            "there is no runtime 'nope'; known are cpython-3.11, cpython-3.12, cpython-3.15, "
            "cpython-3.15-data, cpython-3.15-sci",
        ),
        ("build a --fuel x", 2, "--fuel: 'x' is no number of instructions: write 500M, 5G, unmetered"),
        ("build a --package nope.whl", 2, "there is no wheel nope.whl"),
        (
            "build a --package demo@http://h/x",
            2,
            "'demo@http://h/x' names an address: download the wheel, and give its path",
        ),
        ("build a --module a..b", 2, "'a..b' is no name of a module"),
        ("build a --setup nope", 2, "--setup: nope cannot be read: No such file or directory"),
        ("build a --setup cache", 2, "--setup: cache cannot be read: Is a directory"),
        ("build a --setup binary", 2, "--setup: binary is no text in UTF-8"),
        ("build a --setup long", 2, "--setup: long is longer than 1048576 bytes"),
        ("build a --requirements nope", 2, "--requirements: nope cannot be read: No such file or directory"),
        ("build a OF --package nothing", 70, "there is no package nothing in the configured Python index"),
        ("build a OF --package helper==9", 70, "no version of helper fits helper==9; the newest are 1.5"),
        ("build a OF --package native-1-cp311-cp311-any.whl", 70,
         "native-1-cp311-cp311-any.whl needs native code (any), which cannot run inside: only pure Python wheels "
         "(…-none-any.whl) can be added"),
        ("build a OF --module nothing", 70,
         "a: importing nothing failed with ModuleNotFoundError: No module named 'nothing'"),
        ("build a OF --setup raises", 70, "a: setting up failed with ValueError: x \\x1b[31my"),
        ("build a OF --setup loops --deadline 500ms", 70,
         "a: the imports and the set-up did not come to their end: the run was still going at its deadline of 0.5 s"),
        ("build a OF --setup loops --fuel 100M", 70,
         "a: the imports and the set-up did not come to their end: the run used up its fuel of 100000000 "
         "instructions"),
        ("build a OF --setup eats --memory 64M", 70, "a: setting up failed with MemoryError"),
        ("info nope", 2, "no image 'nope' was built for the runtime cpython-3.15"),
        ("info", 2, "Missing argument 'NAME'."),
        ("remove nope", 2, "no image 'nope' was built for the runtime cpython-3.15"),
        ("remove ../x", 2, "no image '../x' was built for the runtime cpython-3.15"),
        ("remove base OF", 2, "no image 'base' was built for the runtime cpython-3.11; there is: "),
        ("export nope x", 2, "no image 'nope' was built for the runtime cpython-3.15"),
        ("export report OF nowhere/x", 2, "nowhere/x cannot be written: No such file or directory"),
        ("export report", 2, "Missing argument 'FILE'."),
        ("import nope", 2, "nope cannot be read: No such file or directory"),
        ("import setup.py", 2, "setup.py is no exported image (BadZipFile)"),
        ("import demo-1.0-py3-none-any.whl", 2, "demo-1.0-py3-none-any.whl is no exported image (KeyError)"),
        ("import setup.py --name A", 2, f"{CALLED} 'A'"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line(built: str, image: Command, desk: Path, words: str, status: int, said: str) -> None:
    (desk / "binary").write_bytes(b"\xff")
    (desk / "long").write_bytes(b"#" * (2**20 + 1))
    (desk / "raises").write_text(r'raise ValueError("x\n\x1b[31my")')
    (desk / "loops").write_text("while True: pass")
    (desk / "eats").write_text("X = bytearray(2**30)")
    (desk / "native-1-cp311-cp311-any.whl").write_bytes(b"")
    done = image(*words.replace("OF", f"--runtime {RUNTIME}").split())
    assert (done.returncode, done.stdout) == (status, ""), done.stderr
    *traceback, last = done.stderr.splitlines(keepends=True)
    assert not traceback or (words.endswith(("raises", "eats --memory 64M")) and traceback[0].startswith("Traceback"))
    line = one_line(last)
    assert line == f"wasirun: {said}" or (said.endswith(" ") and line.startswith(f"wasirun: {said}"))


def test_use_of_what_is_not_there(built: str, image: Command) -> None:
    done = image("--image", "report", "-c", "1", more=())
    assert (done.returncode, done.stdout) == (2, "")
    assert one_line(done.stderr) == ("wasirun: there is no image 'report' of the runtime cpython-3.15; there is: base")


def test_a_failed_build_leaves_the_image_as_it_was(built: str, image: Command, desk: Path) -> None:
    (desk / "raises").write_text("1 / 0")
    done = image("build", "report", *OF, "--setup", "raises")
    assert done.returncode == 70
    last = done.stderr.splitlines(keepends=True)[-1]
    assert one_line(last) == "wasirun: report: setting up failed with ZeroDivisionError: division by zero"
    assert run(image, "print(X)") == "5\n"


def test_help_names_every_command(image: Command) -> None:
    done = image("--help")
    assert (done.returncode, done.stderr) == (0, "")
    listed = re.findall(r"^  ([a-z]+)  ", done.stdout.partition("Commands:")[2], re.MULTILINE)
    assert listed == ["build", "export", "import", "info", "list", "remove"]


def test_a_set_up_that_fails_shows_where(built: str, image: Command, desk: Path) -> None:
    (desk / "wrong.py").write_text("def f():\n    raise ValueError('\\x1b[2Jno')\nf()\n")
    done = image("build", "report", *OF, "--setup", "wrong.py")
    assert (done.returncode, done.stdout) == (70, "")
    assert "\x1b" not in done.stderr
    *traceback, last = done.stderr.splitlines()
    assert traceback == [
        "Traceback (most recent call last):",
        '  File "<setup>", line 3, in <module>',
        "    f()",
        '  File "<setup>", line 2, in f',
        "    raise ValueError('\\x1b[2Jno')",
        "ValueError: \\x1b[2Jno",
    ]
    assert last == "wasirun: report: setting up failed with ValueError: \\x1b[2Jno"
    assert run(image, "print(X)") == "5\n"


def test_list_says_what_is_wrong_with_an_image(built: str, image: Command, desk: Path) -> None:
    for name in ("stale", "edited"):
        assert image("build", name, *OF).returncode == 0
    (about,) = (desk / "cache" / "named").glob(f"{RUNTIME}@stale-*/image.json")
    about.chmod(0o600)
    about.write_text(about.read_text().replace('"parent": "', '"parent": "older-'))
    about.chmod(0o400)
    (memory,) = (desk / "cache" / "named").glob(f"{RUNTIME}@edited-*/image.bin")
    memory.chmod(0o600)
    memory.write_bytes(memory.read_bytes()[:-65536])
    memory.chmod(0o400)
    done = image("list")
    assert (done.returncode, done.stderr) == (0, "")
    own = {line.split()[0]: line for line in done.stdout.splitlines() if f" {RUNTIME} " in line}
    assert "unusable: the image stale was built for another version of wasihost or of cpython-3.11" in own["stale"]
    assert "unusable: the files of the image edited of cpython-3.11 were changed after it was built" in own["edited"]
    assert "unusable" not in own["report"]
    for name in ("stale", "edited"):
        assert image("remove", name, *OF).returncode == 0


def test_info_on_an_image_that_comes_with_a_runtime(image: Command) -> None:
    done = image("info", "plot", "--runtime", "cpython-3.15-sci")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "name      plot",
        "runtime   cpython-3.15-sci",
        "what      base, and matplotlib ready to draw without a screen: its fonts found, a first figure drawn",
        "modules   numpy, pandas",
        "built     when it is first used; it comes with the runtime",
    ]
    assert image("info", "base", *OF).stdout.startswith("name      base\nruntime   cpython-3.11\nwhat ")
