"""The same walls for an ordinary user: nothing of the above depends on being root."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from wasihost import Sandbox
from wasihost.runtime.cache import cache_root

NOBODY = 65534
PROGRAM = """
import encodings.idna, hashlib, importlib, json, logging, os, pkgutil, random, sys, tempfile, time, tomllib
import filelock, platformdirs
import wasihost
from wasihost import Limits, Preopen, run_wasm_python
from wasihost.engine.configuration import library_path
# Everything is imported before the change of user, who may not be able to read this Python's own files.
for part in pkgutil.walk_packages(wasihost.__path__, "wasihost."):
    if not part.name.startswith(("wasihost.guest", "wasihost.cli")):
        importlib.import_module(part.name)
library = library_path()
if {uid} != os.getuid():
    os.setgroups([]); os.setgid({uid}); os.setuid({uid})
if not all(os.access(path, os.R_OK) for path in (wasihost.__file__, library)):
    sys.exit(77)
os.umask(0o077)
def outcome(code, **kwargs):
    started = time.monotonic()
    r = run_wasm_python(code, runtime="cpython-3.11", containment="in-process", **kwargs)
    return [r.outcome.name, r.exit_code, r.stdout, time.monotonic() - started < 3]
d = {folder!r}
read, write = Preopen(d, "/d"), Preopen(d, "/d", writable=True)
TRY = "try: print({{}})\\nexcept OSError as error: print(error.errno)"
print(json.dumps([
    os.getuid(),
    outcome(TRY.format("open('/d/../secret').read()"), preopens=[read]),
    outcome(TRY.format("open('/d/out').read()"), preopens=[read]),
    outcome(TRY.format("open('/d/new', 'w').write('x')"), preopens=[read]),
    outcome(TRY.format("open('/d/new', 'w').write('x')"), preopens=[write]),
    outcome(TRY.format("open('/d/a').read()"), preopens=[read]),
    outcome(TRY.format("open('/d/unreadable').read()"), preopens=[read]),
    outcome("while True: pass", limits=Limits(deadline_seconds=0.3)),
    outcome("bytearray(2**30)"),
    outcome("import os\\nos.abort()"),
    outcome("print(6 * 7)"),
]))
"""


def test_as_an_ordinary_user(tmp_path_factory: pytest.TempPathFactory) -> None:
    root = os.getuid() == 0
    with Sandbox(runtime="cpython-3.11"):
        pass  # the cache holds it from here on
    top = Path("/tmp") / f"wasihost-user-{os.getpid()}"
    shutil.rmtree(top, ignore_errors=True)
    top.mkdir(mode=0o755)
    try:
        cache, folder = top / "cache", top / "d"
        shutil.copytree(cache_root(), cache, ignore=only_cpython_3_11)
        folder.mkdir()
        (folder / "a").write_text("public")
        (top / "secret").write_text("secret")
        (folder / "out").symlink_to("../secret")
        if root:
            (folder / "unreadable").write_text("root's own")
            for path in (top, *top.rglob("*")):
                os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
            os.chown(folder / "unreadable", 0, 0)
            (folder / "unreadable").chmod(0o600)
        else:
            (folder / "unreadable").write_text("locked")
            (folder / "unreadable").chmod(0)
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM.format(uid=NOBODY if root else os.getuid(), folder=str(folder))],
            env={
                "PATH": os.environ.get("PATH", ""),
                "HOME": str(top),
                "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
                "WASIHOST_CACHE_DIR": str(cache),
                "WASIHOST_OFFLINE": "1",
            },
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    finally:
        shutil.rmtree(top, ignore_errors=True)
    if done.returncode == 77:
        pytest.skip("the ordinary user cannot read the installed package")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [
        NOBODY if root else os.getuid(),
        ["EXITED", 0, "63\n", True],
        ["EXITED", 0, "63\n", True],
        ["EXITED", 0, "63\n", True],
        ["EXITED", 0, "1\n", True],
        ["EXITED", 0, "public\n", True],
        ["EXITED", 0, "2\n", True],
        ["DEADLINE_EXCEEDED", None, "", True],
        ["EXITED", 1, "", True],
        ["GUEST_CRASHED", None, "", True],
        ["EXITED", 0, "42\n", True],
    ]


def only_cpython_3_11(folder: str, names: list[str]) -> set[str]:
    """Leave out of a copy of the cache what belongs to other runtimes."""
    if Path(folder) == cache_root():
        return {name for name in names if name not in ("runtimes", "compiled", "images")}
    if Path(folder).parent == cache_root():
        return {name for name in names if not name.startswith("cpython-3.11-")}
    return set()
