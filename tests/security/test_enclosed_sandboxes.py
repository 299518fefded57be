"""`Sandbox.enclose()`: all that a sandbox can do goes on behind the walls, and the rest is refused in words."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from wasihost import Preopen, Sandbox, Scratch, errors
from wasihost.containment.walls.enclosure import WALLS, available

HERE = available()
pytestmark = pytest.mark.skipif(
    bool(HERE.missing),
    reason="; ".join(f"no {wall} here: {reason}" for wall, reason in HERE.missing) or "all walls stand",
)

PROGRAM = """
import asyncio, json, os, sys
from wasihost import Preopen, Sandbox

def greet(name: str) -> str:
    return f"hello {name}"

async def later(number: int) -> int:
    await asyncio.sleep(0.01)
    return number + 1

async def gate(call):
    return call.arguments.get("name") != "nobody"

def said(function):
    try:
        return function()
    except Exception as error:
        return f"{type(error).__name__}: {error}"

folder = sys.argv[1]
sandbox = Sandbox(
    containment="in-process", preopens=[Preopen(folder, "/d", writable=True)], functions=[greet, later],
    gate=gate, runtime="cpython-3.15"
)
loop = asyncio.new_event_loop()
sandbox.enclose()
late = []
class Hook:
    def find_spec(self, name, path=None, target=None):
        late.append(name)
sys.meta_path.insert(0, Hook())
seen = dict(
    walls=sandbox.walls,
    host=said(lambda: open("/etc/passwd").read()),
    run=sandbox.run("print(x)\\nx", inputs={"x": [1, "é"]}).value,
    error=sandbox.run("1 / 0").error.type,
    wrote=sandbox.run("open('/d/new', 'w').write('inside')").value,
    denied=[denial.target for denial in sandbox.run("open('/etc/passwd')").denials],
    called=sandbox.run("from host import greet\\ngreet('you')").value,
    awaited_inside=sandbox.run(
        "import asyncio\\nfrom host import later\\nasync def main():\\n    return await later(4)\\nasyncio.run(main())"
    ).value,
    gated=sandbox.run("from host import greet\\ngreet('nobody')").error.type,
    many=[result.value for result in sandbox.map(["1", "2"])],
    awaited=loop.run_until_complete(sandbox.arun("3")).value,
    session=said(sandbox.session),
    late=late,
)
async def closed():
    async with sandbox:
        return (await sandbox.arun("6")).value
seen["closed"] = loop.run_until_complete(closed())
print(json.dumps(seen))
os._exit(0)
"""


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("granted")
    Sandbox(runtime="cpython-3.15").close()  # a process that has to compile cannot be enclosed any more
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(folder)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).resolve().parents[2],
        env=os.environ,
    )
    assert done.returncode == 0, done.stderr
    assert (folder / "new").read_text("utf-8") == "inside"
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_everything_that_a_sandbox_does_goes_on(seen: dict[str, Any]) -> None:
    assert seen["walls"] == ["wasm", *WALLS]
    assert (seen["run"], seen["error"], seen["wrote"]) == ([1, "é"], "ZeroDivisionError", 6)
    assert (seen["denied"], seen["called"]) == (["/etc/passwd"], "hello you")
    assert (seen["many"], seen["awaited"], seen["closed"]) == ([1, 2], 3, 6)
    assert (seen["awaited_inside"], seen["gated"]) == (5, "host.HostFunctionError")


def test_it_needs_nothing_more_of_the_host_s_files(seen: dict[str, Any]) -> None:
    assert seen["host"].startswith("PermissionError")
    assert seen["late"] == []


def test_sessions_are_refused_in_words(seen: dict[str, Any]) -> None:
    words = "ConfigError: this sandbox is enclosed, and there are no sessions behind its walls"
    assert seen["session"] == words
    with (
        Sandbox(containment="in-process") as sandbox,
        sandbox.session(),
        pytest.raises(errors.ConfigError, match="without sessions: close them before"),
    ):
        sandbox.enclose()


@pytest.mark.parametrize(
    "grant", [Scratch("/tmp"), Preopen(Path(__file__).parent, "/o", overlay=True)], ids=["scratch", "overlay"]
)
def test_what_could_not_be_removed_behind_the_walls_is_refused(grant: Any) -> None:
    with (
        Sandbox(containment="in-process", preopens=[grant]) as sandbox,
        pytest.raises(errors.ConfigError, match="behind the walls nobody could remove"),
    ):
        sandbox.enclose()


def test_workers_enclose_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    async def later() -> None:
        """Something for which an event loop would be made."""

    made: list[None] = []
    monkeypatch.setattr("wasihost.loops.make_background_loop", lambda: made.append(None))
    with Sandbox(functions=[later]) as sandbox, pytest.raises(errors.ConfigError, match="workers enclose themselves"):
        sandbox.enclose()
    assert made == [], "something was made for walls that are refused"
