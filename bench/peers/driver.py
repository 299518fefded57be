"""The half of the bench that runs in a peer's own environment: it does what is asked in lines of JSON, and times it.

A driver is `python bench/peers/NAME.py`, in the virtual environment in which that peer is installed: it imports nothing
of wasihost. Each line of standard input asks for one thing (`DOES` lists them), each line of standard output answers
it. Time is taken here, around the peer's own call, so that the way to the bench and back costs nobody anything.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

HEAD_CHARACTERS = 2000

Run = Callable[[str], str]
"""Runs a program in a fresh interpreter and returns what it printed."""


class UnsupportedError(Exception):
    """The peer has no such thing."""


@dataclasses.dataclass(frozen=True)
class Needs:
    """What runs need besides an interpreter.

    Attributes:
        folder: A folder of the host that they may read, at `Peer.data`; "" for none.
        output_bytes: How much they print at most; 0 for less than any peer's default limit.
        packages: Whether pandas is imported.
        seconds: How long they may take; 0 for no longer than any peer's default deadline.
        resident: Whether only computing is of interest: a native interpreter need not be started for each.
    """

    folder: str = ""
    output_bytes: int = 0
    packages: bool = False
    seconds: float = 0.0
    resident: bool = False


class Peer:
    """What a driver has to offer; what is not overridden is unsupported."""

    data = "/data"
    """Where runs find the folder that was granted."""
    shared = True
    """Whether threads may use one `Run` at once; otherwise each has its own."""

    def versions(self) -> dict[str, str]:
        """Return names and versions of what is measured."""
        raise NotImplementedError

    def runner(self, needs: Needs) -> Run:
        """Return what makes runs, everything that runs share being ready."""
        raise UnsupportedError("has no fresh runs")

    def session(self) -> Run:
        """Return what makes turns of a new session."""
        raise UnsupportedError("has no sessions")

    def calling(self) -> tuple[Run, str]:
        """Return what makes runs that may call `add` of the host, and the program that does so COUNT times."""
        raise UnsupportedError("calls no functions of the host")

    def idle(self) -> object:
        """Return one more sandbox that is ready to run something at once."""
        raise UnsupportedError("keeps nothing ready")

    def command(self, code: str) -> list[str]:
        """Return the command line that runs a program and prints what it prints."""
        raise UnsupportedError("has no command line")


class Driver:
    """Answers requests about one peer."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.runners: dict[Needs, Run] = {}

    def about(self) -> dict[str, Any]:
        return {"versions": self.peer.versions(), "python": sys.version.split()[0]}

    def command(self, code: str) -> dict[str, Any]:
        return {"command": self.peer.command(code)}

    def runner(self, needs: Needs) -> Run:
        if needs not in self.runners:
            self.runners[needs] = self.peer.runner(needs)
        return self.runners[needs]

    def run(self, code: str, times: int, most_seconds: float, needs: dict[str, Any]) -> dict[str, Any]:
        """Run a program again and again, but for no longer than `most_seconds`."""
        wanted = Needs(**needs)
        run, seconds, outputs = self.runner(wanted), [], Outputs()
        code = self._named(code, wanted)
        until = time.perf_counter() + most_seconds
        for _ in range(times):
            started = time.perf_counter()
            output = run(code)
            seconds.append(time.perf_counter() - started)
            outputs.add(output)
            if time.perf_counter() > until:
                break
        return {"seconds": seconds, "outputs": outputs.seen()}

    def throughput(self, code: str, callers: int, seconds: float) -> dict[str, Any]:
        """Run a program from several threads for a while; what was begun by then is finished and counts."""
        runs = [self.runner(Needs()) if self.peer.shared else self.peer.runner(Needs()) for _ in range(callers)]
        outputs, errors, counts = Outputs(), [], [0] * callers
        barrier = threading.Barrier(callers + 1)
        for run in runs:
            outputs.add(run(code))

        def work(number: int) -> None:
            barrier.wait()
            try:
                while time.perf_counter() < until:
                    outputs.add(runs[number](code))
                    counts[number] += 1
            except Exception as error:
                errors.append(error)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(callers)]
        for thread in threads:
            thread.start()
        until = time.perf_counter() + seconds
        started = time.perf_counter()
        barrier.wait()
        for thread in threads:
            thread.join()
        took = time.perf_counter() - started
        if errors:
            raise errors[0]
        return {"runs": sum(counts), "took": took, "outputs": outputs.seen()}

    def calls(self, count: int, times: int) -> dict[str, Any]:
        """Return what a call of a function of the host takes: what runs take longer that make `count` of them."""
        run, code = self.peer.calling()
        many, none = code.replace("COUNT", str(count)), code.replace("COUNT", "0")
        seconds, right = [], run(many) == f"{sum(range(count))}\n"
        for _ in range(times):
            started = time.perf_counter()
            right = run(none) == "0\n" and right
            between = time.perf_counter()
            right = run(many) == f"{sum(range(count))}\n" and right
            seconds.append((time.perf_counter() - between - (between - started)) / count)
        return {"seconds": seconds, "right": right}

    def session(self, code: str, turns: int, most_seconds: float) -> dict[str, Any]:
        """Make turns of one session; each has to print how many there were."""
        turn, seconds, right = self.peer.session(), [], True
        turn("count = 0")
        until = time.perf_counter() + most_seconds
        for number in range(1, turns + 1):
            started = time.perf_counter()
            output = turn(code)
            seconds.append(time.perf_counter() - started)
            right = right and output == f"{number}\n"
            if time.perf_counter() > until:
                break
        return {"seconds": seconds, "right": right}

    def idle(self, count: int, settle_seconds: float) -> dict[str, Any]:
        """Keep sandboxes ready, and say what memory of their own they take: of this process and all below it."""
        kept = [self.peer.idle()]  # what the first one brings along is shared by all
        time.sleep(settle_seconds)
        before = private_bytes_of_all()
        kept += [self.peer.idle() for _ in range(count)]
        time.sleep(settle_seconds)
        after = private_bytes_of_all()
        for one in kept:
            close = getattr(one, "close", None)
            if close is not None:
                close()
        return {"private_bytes": None if before is None or after is None else max(0, after - before) / count}

    def _named(self, code: str, needs: Needs) -> str:
        return code.replace("/data", self.peer.data) if needs.folder else code


class Outputs:
    """Different outputs, by their digests: there should be one."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.found: dict[str, dict[str, Any]] = {}
        self.last: object = None

    def add(self, output: str) -> None:
        with self.lock:
            if output == self.last:
                return
            self.last = output
            digest = hashlib.sha256(output.encode("utf-8", "surrogatepass")).hexdigest()
            self.found[digest] = {"sha256": digest, "length": len(output), "head": output[:HEAD_CHARACTERS]}

    def seen(self) -> list[dict[str, Any]]:
        return list(self.found.values())


CALLS = "total = 0\nfor number in range(COUNT):\n    total = add(total, number)\nprint(total)"
"""For those that call `add` by its name."""
DOES = ("about", "command", "run", "throughput", "calls", "session", "idle")


def serve(peer: Peer) -> None:
    """Answer until standard input ends. Whatever the peer itself prints goes to standard error."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    driver = Driver(peer)
    for line in sys.stdin:
        request = json.loads(line)
        do = request.pop("do")
        try:
            answer = getattr(driver, do)(**request) if do in DOES else {"error": f"cannot {do}"}
        except UnsupportedError as error:
            answer = {"unsupported": str(error)}
        except BaseException as error:  # reported, and the next request is answered
            traceback.print_exc()
            text = " ".join(str(error).split())
            answer = {"error": f"{type(error).__name__}: {text}"[:300]}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
    os._exit(0)  # a peer's threads may still be at work


# -- what drivers share -----------------------------------------------------------------------------------------------


def add(a: int, b: int) -> int:
    """Add two numbers: the function of the host that runs call."""
    return a + b


def version_of(distribution: str) -> str:
    """Return the version of an installed distribution."""
    from importlib import metadata

    return metadata.version(distribution)


def script(name: str) -> str:
    """Return the path of a command that was installed beside this interpreter."""
    return str(Path(sys.executable).with_name(name))


def private_bytes_of_all() -> int | None:
    """Return the memory that this process and those below it have written and share with nobody; None if not known.

    Clean pages of files are left out: they are one copy for all, and count as private only while one looks at them.
    """
    below: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                fields = (entry / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
                below.setdefault(int(fields[1]), []).append(int(entry.name))
    total, left = 0, [os.getpid()]
    while left:
        pid = left.pop()
        left += below.get(pid, [])
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8").splitlines()
        except ProcessLookupError:
            continue  # it ended in between
        except OSError:
            return None
        total += sum(int(line.split()[1]) << 10 for line in lines if line.startswith("Private_Dirty:"))
    return total
