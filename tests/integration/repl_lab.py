"""`wasirun repl` at a pseudo-terminal, as a person has it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path
from typing import Self

from cli_lab import environment

PROMPT = ">>> "
GO_ON = "... "
SECONDS = 30.0
_ON_TERMINAL = """
import fcntl, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)  # so that Ctrl-C is a signal
from wasihost.cli import main
main()
"""
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r|\x07")


class Repl:
    """One `wasirun repl`, from its first prompt on."""

    def __init__(self, *words: str | Path, state: Path, cwd: Path | None = None) -> None:
        self.raw = b""
        self._seen = 0
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))
        self.process = subprocess.Popen(
            [sys.executable, "-c", _ON_TERMINAL, "repl", *map(str, words)],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            cwd=cwd,
            env=environment(XDG_STATE_HOME=str(state), TERM="xterm", INPUTRC="/dev/null"),
            start_new_session=True,
        )
        os.close(slave)
        self.greeting = self.expect(PROMPT)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        with contextlib.suppress(OSError):
            os.close(self.master)

    def send(self, text: str) -> None:
        """Type."""
        os.write(self.master, text.encode())

    def expect(self, text: str) -> str:
        """Wait for a text; return what came since the last one, up to it, without colours and movements."""
        until = time.monotonic() + SECONDS
        while True:
            shown = _CONTROL.sub("", self.raw.decode("utf-8", "replace"))
            place = shown.find(text, self._seen)
            if place >= 0:
                came = shown[self._seen : place]
                self._seen = place + len(text)
                return came
            if not self._read(until):
                raise AssertionError(f"{text!r} did not come after {shown[self._seen :]!r}")

    def line(self, text: str, until: str = PROMPT) -> str:
        """Type a line; return what came between it and the next prompt."""
        self.send(f"{text}\n")
        self.expect(text)
        self.expect("\n")
        came = self.expect(until)
        return came.removesuffix("\n")

    def settle(self, seconds: float = 0.5) -> None:
        """Pass over what comes in so many seconds."""
        until = time.monotonic() + seconds
        while self._read(until):
            pass
        self._seen = len(_CONTROL.sub("", self.raw.decode("utf-8", "replace")))

    def end(self) -> int:
        """Wait for the end of the process and return its status."""
        until = time.monotonic() + SECONDS
        while self._read(until):
            pass
        return self.process.wait(SECONDS)

    def _read(self, until: float) -> bool:
        if not select.select([self.master], [], [], max(0.0, until - time.monotonic()))[0]:
            return False
        try:
            data = os.read(self.master, 1 << 16)
        except OSError:  # the other side is closed
            return False
        self.raw += data
        return bool(data)
