"""A worker in a guest's hands says whatever it likes: each lie is a typed outcome, in time, in bounded memory."""

# Files of /proc and descriptors, for which pathlib has no words.
# ruff: noqa: PTH123, PTH208

from __future__ import annotations

import gc
import math
import os
import socket
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from wasihost import __version__
from wasihost.containment import messages, process, spawner
from wasihost.containment.job import Control, Job
from wasihost.containment.process import WorkerLostError, WorkerProcess
from wasihost.engine.ending import Ending, Execution
from wasihost.errors import EngineError

PRELUDE = """
import sys
sys.path += sys.argv[1:]
import array, os, signal, socket, time
from wasihost import __version__
from wasihost.containment.messages import *
from wasihost.containment.messages import decode_to_worker, encode
from wasihost.containment.wire import HEADER, MARK, SocketEnd, Wire, WireClosedError
end = socket.socket(fileno=os.dup(0))
raw = end.dup()
os.close(0); os.close(1)
wire = Wire(SocketEnd(end), descriptors=True)
number = 0
def hear():
    global number
    told = decode_to_worker(wire.receive(2**32 - 1)[0])
    number = getattr(told, "number", 0)
    return told
def say(message):
    wire.send(encode(message))
def send_raw(data):
    raw.setblocking(True)
    raw.sendall(data)
def done(**kwargs):
    fields = dict(number=number, ending="exited", detail="", exit_code=0, reply=None, stdout=None, stderr=None,
                  fuel_consumed=1,
                  memory_bytes=65536, cpu_seconds=0.5, wall_seconds=0.5, worn=False, snapshot=None, checkpoint=None)
    return Done(**{**fields, **kwargs})
def loaded():
    hear()
    say(Loaded(protocol=PROTOCOL, version=__version__))
def ready(walls=(), missing=()):
    loaded()
    hear()
    say(Ready(walls=list(walls), missing=list(missing)))
"""
LOAD = messages.Load(
    protocol=messages.PROTOCOL, runtime="r", metered=True, compiled="/c", image="/i", libraries=[], slots=16,
    memory_bytes=65536,
)  # fmt: skip
CONFIGURE = messages.Configure(grants=[], room=None, open_files=8, file_bytes=0, memory_bytes=65536)
OUTPUT_BYTES = 4096
DEADLINE_SECONDS = 0.4
LATE_SECONDS = 2.0
"""How long a lie may hold its caller up past the deadline here: a busy machine, and the worker's start before it."""

_started: list[WorkerProcess] = []


@pytest.fixture(autouse=True)
def end_workers() -> Iterator[None]:
    yield
    while _started:
        _started.pop().close()


def argv_of(script: str) -> list[str]:
    return [sys.executable, "-I", "-B", "-c", PRELUDE + textwrap.dedent(script), *spawner.package_folders()]


def start(script: str) -> WorkerProcess:
    worker = WorkerProcess(argv_of(script), LOAD)
    _started.append(worker)
    return worker


def start_ready(script: str) -> WorkerProcess:
    worker = start("ready()\n" + textwrap.dedent(script))
    worker.await_loaded()
    worker.configure(CONFIGURE, [])
    return worker


def job(**kwargs: Any) -> Job:
    fields: dict[str, Any] = {
        "request": b"request", "stdin": b"", "fuel": 1000, "memory_bytes": 65536,
        "deadline_seconds": DEADLINE_SECONDS, "output_bytes": OUTPUT_BYTES, "output_ends_run": True, "open_files": 8,
        "host_calls": 100, "disk_bytes": 0, "disk_files": 0, "reply_bytes": 1024,
    }  # fmt: skip
    return Job(**{**fields, **kwargs})


def run(worker: WorkerProcess, **kwargs: Any) -> Execution:
    """Make a run; it is over in time, and a worker that lied is dead."""
    started = time.monotonic()
    execution = worker.run(job(**kwargs), Control())
    assert time.monotonic() - started < DEADLINE_SECONDS + LATE_SECONDS
    return execution


def is_dead(worker: WorkerProcess) -> bool:
    return worker.process.wait(5.0) is not None


# -- an honest one, so that the lies below are what is refused ---------------------------------------------------------


def test_an_honest_worker() -> None:
    worker = start_ready("""
        while True:
            told = hear()
            say(Output(stream=1, data=b"one "))
            say(Output(stream=2, data=b"two"))
            say(Output(stream=1, data=told.request))
            say(done(ending="returned", reply=b"reply", exit_code=3))
    """)
    for _ in range(3):
        execution = run(worker)
        assert execution.end.ending is Ending.RETURNED
        assert execution.reply == b"reply"
        assert execution.stdout == (b"one request", 0)
        assert execution.stderr == (b"two", 0)
        assert not worker.worn
    assert worker.is_alive()
    worker.close()
    assert not worker.is_alive()


def test_what_a_worker_says_of_its_walls() -> None:
    worker = start("ready(['a', 'b'], [('c', 'why')])\nhear()")
    worker.await_loaded()
    worker.configure(CONFIGURE, [])
    assert worker.walls == ("a", "b")
    assert worker.missing == (("c", "why"),)


# -- before the first run ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("hear(); say(Failed(reason='no image'))", "could not be made ready: no image"),
        ("hear(); say(Loaded(protocol=PROTOCOL, version='0.0.0'))", f"wasihost '0.0.0', and this is {__version__}"),
        ("hear(); say(Loaded(protocol=PROTOCOL + 1, version=__version__))", "the worker is wasihost"),
        ("hear(); say(Loaded(protocol=PROTOCOL, version='9' * 50000))", "the worker is wasihost '" + "9" * 40 + "'"),
        ("hear(); say(done())", "could not be made ready"),
        ("hear(); say(Ready(walls=[], missing=[]))", "could not be made ready"),
        ("hear(); send_raw(b'GET / HTTP/1.1\\r\\n\\r\\n'); time.sleep(9)", "could not be made ready"),
        ("hear(); send_raw(HEADER.pack(2**32 - 1, 0, MARK)); time.sleep(9)", "could not be made ready"),
        ("hear(); send_raw(HEADER.pack(3, 0, MARK) + b'\\x93\\xa1\\xa6'); time.sleep(9)", "could not be made ready"),
        ("hear(); os._exit(7)", "could not be made ready: it ended with status 7"),
        ("hear(); os.kill(os.getpid(), signal.SIGKILL)", "could not be made ready: it was killed by signal 9"),
        ("hear(); sys.exit('no memory left')", "could not be made ready: no memory left"),
    ],
)
def test_lies_before_the_first_run(script: str, said: str) -> None:
    worker = start(script)
    with pytest.raises(EngineError) as caught:
        worker.await_loaded()
    assert said in str(caught.value)
    assert len(str(caught.value)) < 3000
    assert is_dead(worker)


def test_a_worker_that_never_gets_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "START_SECONDS", 1.0)
    worker = start("hear(); time.sleep(60)")
    started = time.monotonic()
    with pytest.raises(EngineError, match="it does not answer"):
        worker.await_loaded()
    assert time.monotonic() - started < 1.0 + 1.0 + LATE_SECONDS
    assert is_dead(worker)


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("loaded(); hear(); say(Failed(reason='no landlock'))", "no landlock"),
        ("loaded(); hear(); say(Loaded(protocol=PROTOCOL, version=__version__))", "could not be made ready"),
        ("loaded(); hear(); os._exit(3)", "it ended with status 3"),
        ("loaded(); os._exit(3)", "ended"),
    ],
)
def test_lies_about_the_walls(script: str, said: str) -> None:
    worker = start(script)
    worker.await_loaded()
    with pytest.raises(EngineError) as caught:
        worker.configure(CONFIGURE, [])
    assert said in str(caught.value)
    assert is_dead(worker)


def test_a_program_that_cannot_be_started() -> None:
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(EngineError, match="cannot start a worker process: No such file or directory"):
        WorkerProcess(["/nonexistent/python"], LOAD)
    assert len(os.listdir("/proc/self/fd")) == before


# -- during a run ------------------------------------------------------------------------------------------------------

NONSENSE = "the worker said something that makes no sense"
LIES = {
    "an unknown ending": "say(done(ending='fine'))",
    "an ending of the boot": "say(done(ending='frozen'))",
    "a reply that is too long": "say(done(ending='returned', reply=b'x' * 1025))",
    "a reply that is much too long": "say(done(ending='returned', reply=b'x' * 2**22))",
    "more kept output than was allowed": "say(done(stdout=(b'x' * 8192, 0)))",
    "less than nothing omitted": "say(done(stderr=(b'', -1)))",
    "negative memory": "say(done(memory_bytes=-1))",
    "negative fuel": "say(done(fuel_consumed=-1))",
    "negative processor time": "say(done(cpu_seconds=-1.0))",
    "negative time": "say(done(wall_seconds=-0.001))",
    "time that is no number": "say(done(wall_seconds=float('nan')))",
    "processor time that is no number": "say(done(cpu_seconds=float('nan')))",
    "endless time": "say(done(wall_seconds=float('inf')))",
    "endless processor time": "say(done(cpu_seconds=float('inf')))",
    "numbers beyond 64 bits": "send_raw(HEADER.pack(9, 0, MARK) + b'\\xcf' + b'\\xff' * 8)",
    "the third stream": "say(Output(stream=3, data=b'x'))",
    "stream 0": "say(Output(stream=0, data=b'x'))",
    "stream -1": "say(Output(stream=-1, data=b'x'))",
    "Ready once more": "say(Ready(walls=['everything'], missing=[]))",
    "Loaded once more": "say(Loaded(protocol=PROTOCOL, version=__version__))",
    "a wrong mark": "send_raw(b'\\0' * 64)",
    "a frame of 4 GiB": "send_raw(HEADER.pack(2**32 - 1, 0, MARK) + b'x' * 65536)",
    "descriptors announced, none sent": "send_raw(HEADER.pack(4, 3, MARK) + b'xxxx')",
    "descriptors sent": "wire.send(encode(done()), [2, 2, 2])",
    "text that is not UTF-8": "send_raw(HEADER.pack(11, 0, MARK) + b'\\x93\\xa6output\\x01\\xa1\\xff')",
    "a tag that is not UTF-8": "send_raw(HEADER.pack(3, 0, MARK) + b'\\x93\\xa1\\xa6')",
    "a reason that is not UTF-8": "send_raw(HEADER.pack(10, 0, MARK) + b'\\x92\\xa6failed\\xa1\\xff')",
    "no msgpack": "send_raw(HEADER.pack(4, 0, MARK) + b'\\xc1\\xc1\\xc1\\xc1')",
    "an empty message": "send_raw(HEADER.pack(0, 0, MARK))",
    "text where bytes belong": "send_raw(HEADER.pack(12, 0, MARK) + b'\\x93\\xa6output\\x01\\xa2hi'[:12])",
    "a deep nest": "send_raw(HEADER.pack(50000, 0, MARK) + b'\\x91' * 50000)",
}


@pytest.mark.parametrize("script", LIES.values(), ids=LIES.keys())
def test_lies_in_a_run(script: str) -> None:
    worker = start_ready(f"hear(); {script}; time.sleep(60)")
    descriptors = len(os.listdir("/proc/self/fd"))
    execution = run(worker)
    assert execution.end.ending is Ending.HOST_FAILED
    assert execution.end.detail == NONSENSE
    assert math.isfinite(execution.wall_seconds)
    assert worker.worn
    assert is_dead(worker)
    assert len(os.listdir("/proc/self/fd")) == descriptors


def test_a_worker_that_says_that_it_failed(caplog: pytest.LogCaptureFixture) -> None:
    worker = start_ready(r"hear(); say(Failed(reason='secret\x1b[2J\nCRITICAL forged line' + 'x' * 60000))")
    execution = run(worker)
    assert execution.end.ending is Ending.HOST_FAILED
    assert execution.end.detail == "the worker could not make the run"
    assert is_dead(worker)
    check_the_log(caplog)


def check_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """What a worker says is written down, on one line, short, and without what a terminal acts on."""
    (record,) = caplog.records
    assert "secret" in record.getMessage()
    assert "\x1b" not in record.getMessage()
    assert "\n" not in record.getMessage()
    assert len(record.getMessage()) < 10_000


FLOODS = {
    "empty pieces": "while True: send_raw(frame)",
    "full pieces": "frame = HEADER.pack(len(full), 0, MARK) + full\nwhile True: send_raw(frame)",
    "a long piece byte by byte": """
        head = encode(Output(stream=1, data=b'x' * 4096))
        send_raw(HEADER.pack(len(head), 0, MARK))
        while True:
            send_raw(b'\\0' * 1)
            time.sleep(0.0002)
    """,
}


@pytest.mark.parametrize("ends", [True, False], ids=["ends", "truncates"])
@pytest.mark.parametrize("script", FLOODS.values(), ids=FLOODS.keys())
def test_a_flood_holds_nobody_past_the_deadline(script: str, *, ends: bool) -> None:
    worker = start_ready(
        "empty, full = encode(Output(stream=1, data=b'')), encode(Output(stream=2, data=b'y' * 5000))\n"
        "frame = (HEADER.pack(len(empty), 0, MARK) + empty) * 500\n"
        "hear()\n" + textwrap.dedent(script)
    )
    results: list[Execution] = []
    thread = threading.Thread(target=lambda: results.append(run(worker, output_ends_run=ends)), daemon=True)
    thread.start()
    thread.join(DEADLINE_SECONDS + LATE_SECONDS)
    held = thread.is_alive()
    worker.kill()  # lets the caller go where nothing else did
    thread.join(10.0)
    assert not held
    (execution,) = results
    assert execution.end.ending in (Ending.DEADLINE, Ending.HOST_FAILED)
    assert len(execution.stdout[0]) + len(execution.stderr[0]) <= 2 * (OUTPUT_BYTES + 128)
    assert worker.worn
    assert is_dead(worker)


def test_a_flood_does_not_fill_the_memory_of_its_parent() -> None:
    worker = start_ready("""
        hear()
        piece = encode(Output(stream=1, data=b'y' * 60000))
        frame = HEADER.pack(len(piece), 0, MARK) + piece
        while True:
            send_raw(frame)
    """)
    gc.collect()
    before = _resident_bytes()
    heard = 0

    def listen(data: bytes) -> None:
        nonlocal heard
        heard += len(data)

    execution = run(worker, output_ends_run=False, on_stdout=listen)
    assert execution.end.ending is Ending.DEADLINE
    assert heard > 32 << 20
    assert len(execution.stdout[0]) <= OUTPUT_BYTES + 128
    assert _resident_bytes() - before < 16 << 20


def _resident_bytes() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_output_past_the_limit_ends_the_run() -> None:
    worker = start_ready(
        "hear(); say(Output(stream=1, data=b'x' * 4000)); say(Output(stream=1, data=b'x' * 4000))\nhear()"
    )
    execution = run(worker)
    assert execution.end.ending is Ending.HOST_FAILED
    assert execution.end.detail == "the worker sent more output than it may"
    assert len(execution.stdout[0]) <= OUTPUT_BYTES + 128
    assert is_dead(worker)


def test_silence_ends_at_the_deadline_and_keeps_what_was_said() -> None:
    worker = start_ready("hear(); say(Output(stream=1, data=b'so far')); time.sleep(60)")
    execution = run(worker)
    assert execution.end.ending is Ending.DEADLINE
    assert execution.stdout == (b"so far", 0)
    assert DEADLINE_SECONDS <= execution.wall_seconds < DEADLINE_SECONDS + LATE_SECONDS
    assert is_dead(worker)


def test_a_worker_that_never_listens() -> None:
    worker = start_ready("time.sleep(60)")
    execution = run(worker, request=b"x" * (4 << 20))
    assert execution.end.ending is Ending.DEADLINE
    assert is_dead(worker)


@pytest.mark.parametrize(
    ("script", "ending", "detail"),
    [
        ("os._exit(0)", Ending.HOST_FAILED, "ended with status 0"),
        ("os._exit(3)", Ending.HOST_FAILED, "ended with status 3"),
        ("os.kill(os.getpid(), signal.SIGKILL)", Ending.HOST_FAILED, "was killed (SIGKILL)"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", Ending.CRASHED, "crashed (SIGSEGV)"),
        ("os.kill(os.getpid(), signal.SIGSYS)", Ending.CRASHED, "a system call that no guest needs"),
        ("os.kill(os.getpid(), signal.SIGALRM)", Ending.DEADLINE, "reached its deadline"),
        ("os.kill(os.getpid(), 34)", Ending.HOST_FAILED, "worker process"),
        ("end.close(); raw.close(); time.sleep(60)", Ending.HOST_FAILED, "closed its connection"),
        ("raw.shutdown(socket.SHUT_WR); time.sleep(60)", Ending.HOST_FAILED, "closed its connection"),
    ],
)
def test_the_end_of_a_worker_in_a_run(script: str, ending: Ending, detail: str) -> None:
    worker = start_ready(f"hear(); say(Output(stream=1, data=b'kept'))\n{script}")
    started = time.monotonic()
    execution = worker.run(job(deadline_seconds=20.0), Control())
    assert time.monotonic() - started < 1.0 + LATE_SECONDS
    assert execution.end.ending is ending
    assert detail in execution.end.detail
    assert execution.stdout == (b"kept", 0)
    assert worker.worn
    assert is_dead(worker)


def test_what_is_said_too_early_is_no_answer_to_the_next_run() -> None:
    worker = start_ready(
        "hear(); say(done(exit_code=1)); say(done(exit_code=2)); hear(); say(done(exit_code=3)); hear()"
    )
    first = run(worker)
    assert first.end.exit_code == 1
    time.sleep(0.2)
    if not worker.worn:
        with pytest.raises(WorkerLostError):
            run(worker)
    assert worker.worn
    assert is_dead(worker)


@pytest.mark.parametrize("ending", ["out of fuel", "crashed", "deadline", "output limit", "host failed"])
def test_a_worker_does_not_decide_that_it_may_go_on(ending: str) -> None:
    worker = start_ready(f"hear(); say(done(ending={ending!r}, worn=False)); hear()")
    execution = run(worker)
    assert execution.end.ending.value == ending
    assert worker.worn


def test_a_worker_that_read_the_standard_input_of_the_host_is_worn() -> None:
    worker = start_ready("hear(); say(done(worn=False)); hear()")
    read, write = os.pipe()
    saved = os.dup(0)
    try:
        os.dup2(read, 0)
        run(worker, stdin=None)
    finally:
        os.dup2(saved, 0)
        for descriptor in (read, write, saved):
            os.close(descriptor)
    assert worker.worn


def test_long_texts_are_cut() -> None:
    worker = start_ready("hear(); say(done(ending='crashed', detail='x' * 60000, exit_code=-1)); hear()")
    execution = run(worker)
    assert len(execution.end.detail) <= messages.MAX_DETAIL_CHARACTERS
    assert 0 <= execution.end.exit_code <= 255


def test_what_a_dying_worker_wrote_stays_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    worker = start_ready(
        r"hear(); sys.stderr.write('secret\x1b[2J\nCRITICAL forged line'); sys.stderr.flush(); os._exit(1)"
    )
    execution = run(worker)
    assert execution.end.detail == "the worker process ended with status 1"
    check_the_log(caplog)


@pytest.mark.parametrize("deadline_seconds", [DEADLINE_SECONDS, 30.0], ids=["late", "in time"])
def test_a_listener_holds_nobody_s_death_up(deadline_seconds: float) -> None:
    """The caller's own look at the clock has to wait for a listener; the worker has not."""
    worker = start_ready("hear(); say(Output(stream=1, data=b'x')); time.sleep(0.1); say(done()); time.sleep(60)")
    died: list[bool] = []

    def listen(data: bytes) -> None:
        until = time.monotonic() + DEADLINE_SECONDS + LATE_SECONDS
        while worker.process.poll() is None and time.monotonic() < until:
            time.sleep(0.01)
        died.append(worker.process.poll() is not None)

    execution = worker.run(job(deadline_seconds=deadline_seconds, on_stdout=listen), Control())
    late = deadline_seconds == DEADLINE_SECONDS
    assert died == [late]
    assert execution.end.ending is (Ending.DEADLINE if late else Ending.EXITED)
    assert worker.worn is late


def test_closing_the_connection_gains_no_time() -> None:
    worker = start_ready("hear(); time.sleep(0.2); end.close(); raw.close(); time.sleep(60)")
    started = time.monotonic()
    execution = worker.run(job(), Control())
    assert time.monotonic() - started < DEADLINE_SECONDS + process.KILL_SECONDS + 0.4  # the rest: a busy machine
    assert execution.end.ending in (Ending.DEADLINE, Ending.HOST_FAILED)
    assert is_dead(worker)


# -- what the caller does ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("when", ["before", "during"])
def test_cancelling(when: str) -> None:
    worker = start_ready("hear(); say(Output(stream=1, data=b'kept')); time.sleep(60)")
    control = Control()
    if when == "before":
        control.cancel()
    else:
        threading.Timer(0.2, control.cancel).start()
    started = time.monotonic()
    execution = worker.run(job(deadline_seconds=30.0), control)
    assert time.monotonic() - started < LATE_SECONDS
    assert execution.end.ending is Ending.CANCELLED
    assert is_dead(worker)
    control.cancel()  # more than once, and after the end


def test_cancelled_before_a_run_whose_worker_is_gone_already() -> None:
    """Killing is faster than sending, now and then."""
    worker = start_ready("hear()")
    control = Control()
    control.cancel()
    worker.kill()
    assert is_dead(worker)
    assert worker.run(job(), control).end.ending is Ending.CANCELLED
    with pytest.raises(WorkerLostError):  # without that, another worker can make the run
        worker.run(job(), Control())


def test_cancelled_after_its_last_word_a_worker_serves_nobody_else() -> None:
    worker = start_ready("hear(); say(Output(stream=1, data=b'x')); say(done()); time.sleep(60)")
    control = Control()

    def listen(data: bytes) -> None:
        time.sleep(0.1)  # the last word arrives meanwhile
        control.cancel()

    execution = worker.run(job(deadline_seconds=30.0, on_stdout=listen), control)
    assert execution.end.ending is Ending.EXITED
    assert worker.worn
    assert is_dead(worker)


def test_what_stopped_a_run_does_nothing_once_it_is_unbound() -> None:
    control = Control()
    begun, may_end, unbound = threading.Event(), threading.Event(), threading.Event()

    def stop() -> None:
        begun.set()
        may_end.wait(10.0)

    def unbind() -> None:
        control.bind(None)
        unbound.set()

    control.bind(stop)
    threads = [threading.Thread(target=control.cancel, daemon=True), threading.Thread(target=unbind, daemon=True)]
    threads[0].start()
    assert begun.wait(10.0)
    threads[1].start()
    assert not unbound.wait(0.1)  # else the worker might serve somebody else when it is stopped
    may_end.set()
    assert unbound.wait(10.0)
    begun.clear()
    control.cancel()
    assert not begun.is_set()


def test_a_callback_that_raises_ends_the_run() -> None:
    worker = start_ready("hear(); say(Output(stream=1, data=b'x')); time.sleep(60)")

    def listen(data: bytes) -> None:
        raise ZeroDivisionError("a word of the host")

    execution = run(worker, on_stdout=listen)
    assert execution.end.ending is Ending.HOST_FAILED
    assert "ZeroDivisionError" in execution.end.detail
    assert "a word of the host" not in execution.end.detail
    assert is_dead(worker)


def test_what_is_no_exception_passes_through_and_kills() -> None:
    worker = start_ready("hear(); say(Output(stream=1, data=b'x')); time.sleep(60)")

    def listen(data: bytes) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(worker, on_stdout=listen)
    assert worker.worn
    assert is_dead(worker)


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 8 << 20])
def test_standard_input_arrives_whole(size: int) -> None:
    worker = start_ready("""
        import hashlib
        message, descriptors = wire.receive(2**32 - 1)
        told = decode_to_worker(message)
        data = told.stdin
        if told.stdin_descriptor:
            with open(descriptors.pop(), 'rb') as file: data = file.read()
        say(Output(stream=1, data=f"{len(data)} {hashlib.sha256(data).hexdigest()} {len(descriptors)}".encode()))
        say(done())
        hear()
    """)
    import hashlib

    data = os.urandom(size)
    before = len(os.listdir("/proc/self/fd"))
    execution = worker.run(job(stdin=data, deadline_seconds=30.0), Control())
    assert execution.stdout[0].decode() == f"{size} {hashlib.sha256(data).hexdigest()} 0"
    assert len(os.listdir("/proc/self/fd")) == before


def test_closing_is_final_and_may_be_repeated() -> None:
    before = len(os.listdir("/proc/self/fd"))
    worker = start_ready("time.sleep(60)")
    threads = [threading.Thread(target=worker.close, daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10.0)
    assert not worker.is_alive()
    worker.kill()
    assert len(os.listdir("/proc/self/fd")) == before


# -- starting ----------------------------------------------------------------------------------------------------------


def test_no_descriptors_left_is_an_error_and_not_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise OSError(24, "Too many open files")

    answers: list[object] = []

    def attempt() -> None:
        try:
            answers.append(WorkerProcess(argv_of("ready()"), LOAD))
        except BaseException as error:
            answers.append(error)

    with monkeypatch.context() as patch:
        patch.setattr(socket, "socketpair", refuse)
        thread = threading.Thread(target=attempt, daemon=True)
        thread.start()
        thread.join(5.0)
    if thread.is_alive():
        spawner._requests = None  # so that the tests after this one have a spawner again
    assert not thread.is_alive()
    (error,) = answers
    assert isinstance(error, EngineError)
    assert str(error) == "cannot start a worker process: Too many open files"
    start_ready("hear()")  # and the next one starts


def test_a_worker_outlives_the_thread_that_asked_for_it() -> None:
    workers: list[WorkerProcess] = []
    thread = threading.Thread(target=lambda: workers.append(start("hear(); time.sleep(60)")), daemon=True)
    thread.start()
    thread.join()
    time.sleep(0.3)
    assert workers[0].is_alive()


def test_last_words_of_a_living_worker_are_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "pipe2", raising=False)  # as where the system has none
    worker = start("hear(); time.sleep(60)")
    said: list[str] = []
    thread = threading.Thread(target=lambda: said.append(spawner.last_words(worker._started)), daemon=True)
    thread.start()
    thread.join(5.0)
    worker.kill()
    thread.join(5.0)
    assert said == [""]
    assert not os.get_blocking(worker._started.errors)
