"""Programs that take over the harness: what they can forge is their own result, and the host believes no byte of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from wasihost import GuestError, Limits, Outcome, RunResult

Run = Callable[..., RunResult]

HARNESS = (
    "import sys\ng = sys._getframe(1).f_globals\nbox, word, base = g['box'], g['word'], g['mailbox'].buffer_info()[0]\n"
)
FORGE = HARNESS + (
    "def give(header, value):\n"
    "  if len(raw) <= 65000: box[64:64 + len(raw)] = raw; at = base + 64\n"
    "  else: keep.append(__import__('array').array('B', raw)); at = keep[0].buffer_info()[0]\n"
    "  word(16, at); word(12, len(raw))\n"
    "keep = []\ng['give_reply'] = give\n"
)
NONSENSE = "the interpreter's reply makes no sense"
BROKEN = "the program left the interpreter broken"


def forged(head: bytes, value: bytes = b"", size: int | None = None) -> str:
    return FORGE + f"raw = ({len(head) if size is None else size}).to_bytes(4, 'little') + {head!r} + {value!r}\n"


@pytest.mark.parametrize(
    ("address", "size", "detail"),
    [
        (0xFFFFFFF0, 100, "the guest named memory that it does not have"),
        (0xFFFFFFFF, 1, "the guest named memory that it does not have"),
        (0, 2**32 - 1, "the interpreter's reply is longer than 16777220 bytes"),
        (0xFFFFFFFF, 2**32 - 1, "the interpreter's reply is longer than 16777220 bytes"),
        (2**31, 16777220, "the guest named memory that it does not have"),
        (64, 0, "the interpreter came back without a reply"),
        (0, 3, NONSENSE),
        (0, 16777220, NONSENSE),
    ],
)
def test_pointers_and_lengths(run: Run, address: int, size: int, detail: str) -> None:
    result = run(HARNESS + f"g['give_reply'] = lambda *_: (word(16, {address}), word(12, {size}))")
    assert (result.outcome, result.exit_code, result.detail) == (Outcome.GUEST_CRASHED, None, detail)
    assert result.value is None
    assert run("6 * 7").value == 42


REFUSED = {
    "truncated": (b'{"exit_code": 0', NONSENSE),
    "empty": (b"", NONSENSE),
    "not JSON": (b"\x00\x01\x02", NONSENSE),
    "not UTF-8": (b'{"exit_code": 0, "x": "\xff"}', NONSENSE),
    "a list": (b"[0]", NONSENSE),
    "deep": (b"[" * 60_000, NONSENSE),
    "deep and closed": (b'{"exit_code": ' + b"[" * 20_000 + b"]" * 20_000 + b"}", NONSENSE),
    "NaN": (b'{"exit_code": NaN}', NONSENSE),
    "giant integer": (b'{"exit_code": ' + b"9" * 5000 + b"}", NONSENSE),
    "no exit code": (b"{}", BROKEN),
    "null": (b'{"exit_code": null}', BROKEN),
    "text": (b'{"exit_code": "0"}', BROKEN),
    "float": (b'{"exit_code": 0.0}', BROKEN),
    "256": (b'{"exit_code": 256}', BROKEN),
    "-1": (b'{"exit_code": -1}', BROKEN),
    "broken": (b'{"exit_code": 0, "broken": true}', BROKEN),
    "error of two": (b'{"exit_code": 1, "error": ["a", "b"]}', NONSENSE),
    "error of numbers": (b'{"exit_code": 1, "error": [1, 2, 3]}', NONSENSE),
    "error of objects": (b'{"exit_code": 1, "error": {"__class__": "os.system"}}', NONSENSE),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_replies(run: Run, name: str) -> None:
    head, detail = REFUSED[name]
    result = run(forged(head))
    assert (result.outcome, result.exit_code, result.detail) == (Outcome.GUEST_CRASHED, None, detail)


@pytest.mark.parametrize("size", [2**32 - 1, 2**31, 2**20 + 1, 17, 15])
def test_header_length_that_lies(run: Run, size: int) -> None:
    assert run(forged(b'{"exit_code": 0}', size=16)).exit_code == 0
    result = run(forged(b'{"exit_code": 0}', size=size))
    assert (result.outcome, result.detail) == (Outcome.GUEST_CRASHED, NONSENSE)


@pytest.mark.parametrize("value", [b"NaN", b"Infinity", b"[1,", b"\xff", b"[" * 100_000, b"9" * 5000, b"{1: 2}"])
def test_refused_values(run: Run, value: bytes) -> None:
    result = run(forged(b'{"exit_code": 0}', value))
    assert (result.outcome, result.detail, result.value) == (Outcome.GUEST_CRASHED, NONSENSE, None)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b'{"a": 1, "a": 2}', {"a": 2}),
        (b'{"__class__": "x", "__proto__": 1}', {"__class__": "x", "__proto__": 1}),
        (b'"\\ud800"', "\ud800"),
        (b"[" * 100 + b"]" * 100, None),
        (b"9" * 4000, int("9" * 4000)),
    ],
)
def test_values_that_are_only_data(run: Run, value: bytes, expected: object) -> None:
    result = run(forged(b'{"exit_code": 0}', value))
    assert (result.outcome, result.exit_code) == (Outcome.EXITED, 0)
    assert expected is None or result.value == expected


def test_forged_words_are_text(run: Run) -> None:
    result = run(forged(b'{"exit_code": 1, "exit_code": 7, "error": ["T\\ud800", "m\\u0000", "t\\u001b[31m"]}'))
    assert (result.outcome, result.exit_code) == (Outcome.EXITED, 7)
    assert result.error == GuestError(type="T?", message="m\0", traceback="t\x1b[31m")


def test_forged_denials_are_bounded(run: Run) -> None:
    items = b", ".join([b'["read", "/x"]', b'["evil", "/x"]', b'["read", 1]', b'"read"', b"[]"] * 500)
    result = run(forged(b'{"exit_code": 0, "denials": [' + items + b"]}"))
    assert result.exit_code == 0
    assert len(result.denials) == 16
    assert {(denial.kind, denial.target) for denial in result.denials} == {("read", "/x")}
    assert run(forged(b'{"exit_code": 0, "denials": {"a": 1}}')).denials == ()


def test_a_reply_within_its_bound_is_taken_whole(run: Run) -> None:
    assert run(forged(b'{"exit_code": 0}', b'"' + b"x" * 100_000 + b'"')).value == "x" * 100_000
    result = run(FORGE + "raw = (16).to_bytes(4, 'little') + b'{\"exit_code\": 0}' + b' ' * 8388608 + b'1'")
    assert (result.outcome, result.detail) == (Outcome.GUEST_CRASHED, NONSENSE)


RING = "import time\ntry: print(time.clock_getres(time.CLOCK_REALTIME))\nexcept OSError as error: print(error.errno)\n"


@pytest.mark.parametrize(
    ("command", "address", "printed"),
    [
        (0, 0xFFFFFFFF, "1e-09\n"),
        (1, 0xFFFFFFFF, "21\n"),
        (1, 0xFFFE0000, "21\n"),
        (2, 0xFFFFFFFF, "1e-09\n"),
        (2**32 - 1, 0, "1e-09\n"),
    ],
)
def test_the_doorbell_rung_by_the_program(run: Run, command: int, address: int, printed: str) -> None:
    program = HARNESS + f"word(8, {address}); word(0, {command})\n" + RING
    result = run(program, inputs={"x": "y" * 100_000})
    assert (result.outcome, result.exit_code, result.stdout) == (Outcome.EXITED, 0, printed)
    short = run(program)  # a request that lay in the mailbox is not delivered twice
    assert (short.exit_code, short.stdout) == (0, "1e-09\n")


def test_the_request_fetched_again_is_the_programs_own(run: Run) -> None:
    program = HARNESS + (
        "import array, time\nroom = array.array('B', bytes(200_000))\n"
        "word(8, room.buffer_info()[0]); word(0, 1); time.clock_getres(0)\n"
        "print(b'y' * 100_000 in room.tobytes(), int.from_bytes(box[0:4], 'little'))"
    )
    assert run(program, inputs={"x": "y" * 100_000}).stdout == "True 0\n"


def test_the_request_written_over_the_interpreter(run: Run) -> None:
    program = (
        HARNESS + "import time\nfor at in range(0, 2**26, 100_000):\n  word(8, at); word(0, 1); time.clock_getres(0)\n"
    )
    result = run(program, inputs={"x": "y" * 100_000}, limits=Limits(deadline_seconds=5.0, fuel=2_000_000_000))
    assert result.outcome in (Outcome.GUEST_CRASHED, Outcome.OUT_OF_FUEL), result
    assert run("6 * 7").value == 42


def test_the_doorbell_rung_without_end(run: Run) -> None:
    result = run("import time\nwhile True: time.clock_getres(0)", limits=Limits(deadline_seconds=0.3))
    assert result.outcome is Outcome.DEADLINE_EXCEEDED


MEDDLING = {
    "json": ("import json\njson.loads = json.dumps = json.JSONEncoder.encode = None\n5", 0, 5),
    "modules": ("import sys\nsys.modules.clear()\n5", 0, 5),
    "import": ("import builtins\nbuiltins.__import__ = None\n5", 0, 5),
    "stdout is a number": ("import sys\nsys.stdout = sys.stderr = 5\n5", 0, 5),
    "stdout closed": ("import sys\nsys.stdout.close()\n5", 0, 5),
    "main cleared": ("globals().clear()", 0, None),
    "garbage": ("import gc\ngc.disable()\nfor o in gc.get_objects():\n  if isinstance(o, list): o.clear()\n5", 0, 5),
    "trace": ("import sys\nsys.settrace(lambda *a: None)\nsys.setprofile(lambda *a: None)\n5", 0, 5),
    "audit": ("import sys\nsys.addaudithook(lambda *a: None)\n5", 0, 5),
    "excepthook": ("import sys\ndel sys.excepthook\n5", 0, 5),
}


@pytest.mark.parametrize("name", MEDDLING)
def test_meddling_with_the_interpreter(run: Run, name: str) -> None:
    program, exit_code, value = MEDDLING[name]
    result = run(program)
    assert (result.outcome, result.exit_code, result.value) == (Outcome.EXITED, exit_code, value), result
    assert run("6 * 7").value == 42


DESTRUCTION = {
    "globals of the harness": ("g.clear()", "the interpreter came back without a reply"),
    "the reply function": ("g['give_reply'] = lambda *a: None", "the interpreter came back without a reply"),
    "the box released": ("box.release()", "the interpreter came back without a reply"),
    "builtins": (
        "import builtins\nd = vars(builtins)\nfor n in list(d):\n  if n != 'len': d.pop(n, None)",
        "the interpreter came back without a reply",
    ),
    "an exit function that cuts": (
        "import atexit\natexit.register(g.__setitem__, 'encode_reply', None)",
        "the interpreter came back without a reply",
    ),
}


@pytest.mark.parametrize("name", DESTRUCTION)
def test_destroying_the_harness(run: Run, name: str) -> None:
    program, detail = DESTRUCTION[name]
    result = run(HARNESS + program)
    assert (result.outcome, result.exit_code, result.detail) == (Outcome.GUEST_CRASHED, None, detail)
    assert run("6 * 7").value == 42


def test_recursion_limit_of_one(run: Run) -> None:
    result = run("import sys\nsys.setrecursionlimit(1)")
    assert (result.outcome, result.exit_code) == (Outcome.EXITED, 1)
    assert result.error is not None
    assert result.error.type == "RecursionError"


def test_pending_output_positions_are_not_believed(run: Run) -> None:
    """A stopped run's buffered output is looked up in its memory; written-over memory only loses it."""
    program = "print('kept', end='')\nwhile True: pass"
    assert run(program, limits=Limits(deadline_seconds=0.2)).stdout == "kept"
