"""Running a piece of Python as somebody else, or where mounting is allowed.

The child never cleans up: something may be mounted in its folder. Its mounts live in a namespace of its own and end
with it, so the folder is plain again when the parent removes it.
"""

from __future__ import annotations

import gc
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

NOBODY = 65534
ROOT_OF_TREE = Path(__file__).parents[3]

# Everything is imported first: the ordinary user need not be able to read this installation.
PREAMBLE = """
import sys
tree, folder, user = sys.argv[1:]
sys.path.insert(0, tree)
import json, logging, os, pathlib, shutil, stat, subprocess, tempfile
from wasihost.capabilities.paths import *
from wasihost.capabilities.preopen import *
from wasihost.capabilities.scratch import *
from wasihost.errors import InvalidPreopenError

def attempt(*grants, **options):
    try:
        with open_preopens(grants, **options) as opened:
            return ["granted"] + sorted(os.listdir(opened.entries[0].engine_path))
    except InvalidPreopenError as error:
        return ["refused", str(error)]

os.umask(0o022)
if int(user) != os.geteuid():
    os.setgroups([]); os.setgid(int(user)); os.setuid(int(user))
    assert os.geteuid() == int(user)
os.chdir(folder)
tempfile.tempdir = folder
results = {}
exec(sys.stdin.read())
print(json.dumps(results))
"""


def run_child(code: str, folder: Path, user: int, *prefix: str) -> Any:
    child = subprocess.run(
        [*prefix, sys.executable, "-c", PREAMBLE, str(ROOT_OF_TREE), str(folder), str(user)],
        input=code,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert child.returncode == 0, child.stderr
    return json.loads(child.stdout.splitlines()[-1])


def descriptors() -> list[str]:
    return sorted(os.listdir("/proc/self/fd"))  # noqa: PTH208 - descriptors, for which pathlib has no words


@pytest.fixture(scope="module")
def nothing_of_others_is_left() -> None:
    """What tests of other modules left to the garbage collector is gone, so that it does not go during one of these."""
    gc.collect()


@pytest.fixture
def no_descriptor_is_left(quiet_host: None, nothing_of_others_is_left: None) -> Iterator[None]:
    """The test closes each descriptor that it opens, and none of anybody else."""
    before = descriptors()
    yield
    if descriptors() != before:
        gc.collect()
    assert descriptors() == before


@pytest.fixture
def as_ordinary_user() -> Iterator[Callable[[str], Any]]:
    """Run code that fills the dict `results`, as user 65534 if this is root, in a folder of that user.

    The code leaves folders behind that can be removed without another change of their mode.
    """
    user = NOBODY if os.geteuid() == 0 else os.geteuid()
    # Not tmp_path, which lies in a folder that only its user may enter.
    folder = tempfile.mkdtemp(dir=os.environ.get("TMPDIR", "/tmp"))
    try:
        os.chown(folder, user, -1)
        yield lambda code: run_child(code, Path(folder), user)
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def with_mounts(tmp_path: Path) -> Callable[[str], Any]:
    """Run code that may mount things, which nobody else sees and which are gone afterwards."""
    prefix = ["unshare", "--mount", "--propagation", "private"]
    if os.geteuid() != 0:
        prefix += ["--user", "--map-root-user"]
    try:
        able = subprocess.run(
            [*prefix, "mount", "--no-mtab", "--bind", tmp_path, tmp_path], capture_output=True, timeout=30, check=False
        )
    except FileNotFoundError:
        pytest.skip("this machine has no unshare and mount")
    if able.returncode != 0:
        pytest.skip("this machine does not let this user mount anything")
    assert str(tmp_path) not in Path("/proc/self/mountinfo").read_text(), "a mount of the child is seen outside"
    return lambda code: run_child(code, tmp_path, 0, *prefix)
