"""The interpreter of this machine as a subprocess for each run: what a sandbox that is none costs."""

from __future__ import annotations

import contextlib
import io
import subprocess
import sys

from driver import Needs, Peer, Run, UnsupportedError, serve


class Idle:
    """An interpreter that waits."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", "import sys; print(1, flush=True); exec(sys.stdin.read())"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self.process.stdout is not None
        self.process.stdout.readline()

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


class Native(Peer):
    """CPython as it is."""

    def versions(self) -> dict[str, str]:
        return {"CPython": sys.version.split()[0]}

    def runner(self, needs: Needs) -> Run:
        if needs.packages:
            raise UnsupportedError("pandas is not installed for it")
        if needs.resident:
            return here
        if needs.folder:
            return lambda code: beside(code.replace("/data", needs.folder))
        return beside

    def idle(self) -> Idle:
        return Idle()

    def command(self, code: str) -> list[str]:
        return [sys.executable, "-c", code]


def beside(code: str) -> str:
    """Run a program in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", code], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True
    )
    return done.stdout


def here(code: str) -> str:
    """Run a program in this process, compiled anew, so that only its own work is timed."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(code, "<string>", "exec"), {"__name__": "__main__"})
    return out.getvalue()


if __name__ == "__main__":
    serve(Native())
