"""Copies of sessions, at random and with files that are open: each is what it would be without the others."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from wasihost import Limits, Preopen, Sandbox, Scratch, Session

RUNTIME = "cpython-3.11"


@pytest.fixture
def stack() -> Iterator[contextlib.ExitStack]:
    with contextlib.ExitStack() as made:
        yield made


class Model:
    """A session and what it should hold."""

    def __init__(self, session: Session, held: dict[str, int], bulk: dict[int, int], files: dict[str, str]) -> None:
        self.session, self.held, self.bulk, self.files = session, dict(held), dict(bulk), dict(files)

    def check(self) -> None:
        look = "[held, {i: b for i, b in enumerate(bulk) if b}, sorted(os.listdir('/tmp'))]"
        held, bulk, names = self.session.run(look).value
        assert held == self.held
        assert {int(at): byte for at, byte in bulk.items()} == self.bulk
        assert names == sorted(self.files)
        for name, text in self.files.items():
            assert self.session.files.read_text(f"/tmp/{name}") == text


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("containment", ["process", "in-process"])
def test_any_order_of_turns_stops_forks_and_saves(
    stack: contextlib.ExitStack, tmp_path: Path, containment: Any, seed: int
) -> None:
    chance = random.Random(seed)
    sandbox = stack.enter_context(
        Sandbox(runtime=RUNTIME, containment=containment, workers=1, preopens=[Scratch("/tmp")])
    )
    first = sandbox.session()
    first.run("import os\nheld = {}\nbulk = bytearray(600_000)")
    models = [Model(first, {}, {}, {})]
    saved: list[tuple[Path, Model]] = []
    for step in range(70):
        model = chance.choice(models)
        key, byte = f"k{chance.randrange(9)}", chance.randrange(1, 256)
        places = [chance.randrange(600_000) for _ in range(chance.choice([1, 5, 60]))]
        code = "held[key] = byte\nfor at in places: bulk[at] = byte\nopen('/tmp/' + key, 'w').write(str(byte))"
        inputs = {"key": key, "byte": byte, "places": places}
        what = chance.choice(["turn", "turn", "turn", "stop", "fork", "save", "load", "close"])
        if what == "turn":
            model.session.run(code, inputs=inputs, check=True)
            model.held[key] = byte
            model.bulk.update(dict.fromkeys(places, byte))
            model.files[key] = str(byte)
        elif what == "stop":
            end = chance.choice(["while True: pass", "os._exit(0)", "os.abort()"])
            stopped = model.session.run(f"{code}\n{end}", inputs=inputs, limits=Limits(fuel=200_000_000))
            assert stopped.rolled_back
            model.files[key] = str(byte)  # files are not undone
        elif what == "fork" and len(models) < 6:
            models.append(Model(model.session.fork(), model.held, model.bulk, model.files))
        elif what == "save":
            path = tmp_path / f"{step}"
            model.session.save(path)
            saved.append((path, Model(model.session, model.held, model.bulk, model.files)))
        elif what == "load" and saved and len(models) < 6:
            path, then = chance.choice(saved)
            models.append(Model(Session.load(path, sandbox=sandbox), then.held, then.bulk, then.files))
        elif what == "close" and len(models) > 1:
            models.remove(model)
            model.session.close()
        if step % 10 == 9:
            chance.choice(models).check()
    for model in models:
        model.check()
    assert len(sandbox.sessions) == len(models)


def test_copies_have_random_numbers_of_their_own(stack: contextlib.ExitStack, tmp_path: Path) -> None:
    sandbox = stack.enter_context(Sandbox(runtime=RUNTIME, workers=1))
    session = sandbox.session()
    session.run("import random, uuid, os, secrets\nrandom.seed(7)\nown = random.Random(7)")
    session.save(tmp_path / "saved")
    copies = [session, *[session.fork() for _ in range(3)]]
    copies += [Session.load(tmp_path / "saved", sandbox=sandbox) for _ in range(2)]
    for draw in ("random.random()", "uuid.uuid4().hex", "os.urandom(8).hex()", "secrets.token_hex()"):
        assert len({copy.run(draw).value for copy in copies}) == len(copies), draw
    assert len({copy.run("own.random()").value for copy in copies}) == 1  # a state of the program's own is kept
    assert len({copy.run("hash('text')").value for copy in copies}) == 1


def test_copies_have_random_numbers_of_numpy_of_their_own(stack: contextlib.ExitStack) -> None:
    sandbox = stack.enter_context(Sandbox(runtime="cpython-3.15-sci", image="data", workers=1))
    session = sandbox.session()
    session.run("import numpy\nnumpy.random.seed(7)\nown = numpy.random.RandomState(7)")
    copies = [session, *[session.fork() for _ in range(2)]]
    assert len({copy.run("float(numpy.random.rand())").value for copy in copies}) == len(copies)
    assert len({copy.run("float(own.rand())").value for copy in copies}) == 1


# -- files that are open -----------------------------------------------------------------------------------------------

OPEN = """
import io, os
w = open('/tmp/w', 'w'); w.write('one '); w.flush()
r = open('/tmp/w'); r.read(1)
a = open('/tmp/a', 'ab', buffering=0); a.write(b'a')
same = open(w.fileno(), 'w', closefd=False)
class Own(io.FileIO): pass
own = Own('/tmp/own', 'w'); own.write(b'own')
number = os.open('/tmp/number', os.O_CREAT | os.O_RDWR)
"""


@pytest.mark.parametrize("runtime", ["cpython-3.15", "cpython-3.11"])
@pytest.mark.parametrize("where", ["fork", "same grants", "more grants", "fewer grants", "twice"])
def test_open_files_of_copies(stack: contextlib.ExitStack, tmp_path: Path, where: str, runtime: str) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "here").write_text("here")
    two: list[Preopen | Scratch] = [Scratch("/tmp"), Preopen(tmp_path / "data", "/data", writable=True)]
    three: list[Preopen | Scratch] = [*two, Scratch("/more")]
    four: list[Preopen | Scratch] = [*three, Scratch("/much"), Scratch("/very"), Scratch("/yet")]
    sandbox = stack.enter_context(Sandbox(runtime=runtime, workers=1, preopens=three))
    session = sandbox.session()
    assert session.run(OPEN).error is None
    if where == "fork":
        copy = session.fork()
    else:
        grants = {"fewer grants": two, "more grants": four, "twice": four}.get(where, three)
        session.save(tmp_path / "saved")
        other = stack.enter_context(Sandbox(runtime=runtime, workers=1, preopens=grants))
        copy = Session.load(tmp_path / "saved", sandbox=other)
        if where == "twice":
            assert copy.run("x = 1").error is None
            copy.save(tmp_path / "again")
            copy = Session.load(tmp_path / "again", sandbox=sandbox)
    value = copy.run("w.write('two'); w.flush(); a.write(b'b'); [r.read(), open('/tmp/a').read()]").value
    assert value == ["ne two", "ab"]
    # What cannot be opened again reaches nobody else's file or folder, also not by being closed.
    for code in (
        "same.write('x'); same.flush()",
        "own.write(b'x')",
        "own.close()",
        "same.close()",
        "w.close(); r.close(); a.close()",
    ):
        copy.run(code)
    assert copy.run("import gc; del own, same, w, r, a; gc.collect(); os.listdir('/data')").value == ["here"]
    assert copy.run("open('/tmp/w').read() + open('/data/here').read()").value.startswith("one two")
    assert copy.files.read_text("/tmp/w") in ("one two", "one twox")
    assert any("opened by number" in lost for lost in copy.lost_files)
    # The session that was copied goes on with its own.
    assert session.run("w.write('mine'); w.flush(); own.write(b'!'); open('/tmp/w').read()").value == "one mine"
    assert session.lost_files == (("(1 opened by number)",) if where == "fork" else ())  # its guest began anew as well
    copy.close()
