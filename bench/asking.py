"""Asks drivers, which are processes that answer lines of JSON with lines of JSON."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import IO, Any

DRIVERS = Path(__file__).parent / "peers"
END_SECONDS = 10.0


class UnsupportedError(Exception):
    """The peer has no such thing."""


class PeerError(Exception):
    """The peer failed, or did not answer in time."""


class Driver:
    """The driver of one peer. It is started when something is asked, and again after it did not answer.

    Args:
        name: Of the peer.
        python: Interpreter of the environment in which the peer is installed.
        file: The driver, in bench/peers.
        arguments: Of the driver.
        search_path: Folders where it finds modules besides its environment's.
    """

    def __init__(
        self, name: str, python: Path, file: str, arguments: tuple[str, ...] = (), search_path: tuple[str, ...] = ()
    ) -> None:
        self.name = name
        self.python = python
        self._command = [str(python), str(DRIVERS / file), *arguments]
        self._search_path = search_path
        self._process: subprocess.Popen[bytes] | None = None
        self._errors: IO[bytes] | None = None
        self._unread = b""

    def ask(self, do: str, *, within: float, **details: Any) -> dict[str, Any]:
        """Ask for something and return the answer.

        Args:
            do: What; `DOES` in bench/peers/driver.py.
            within: Seconds for it.
            details: Its arguments.

        Raises:
            UnsupportedError: The peer has no such thing.
            PeerError: It failed or took longer.
        """
        process = self._process or self._start()
        try:
            assert process.stdin is not None
            process.stdin.write(json.dumps({"do": do, **details}).encode() + b"\n")
            process.stdin.flush()
            answer: dict[str, Any] = json.loads(self._line(process, time.monotonic() + within))
        except (OSError, EOFError, TimeoutError, ValueError) as error:
            reason = f"no answer within {within:g} s" if isinstance(error, TimeoutError) else "its driver ended"
            said = self._last_words()
            self.close()
            raise PeerError(f"{reason}{said}") from None
        if "unsupported" in answer:
            raise UnsupportedError(answer["unsupported"])
        if "error" in answer:
            raise PeerError(answer["error"])
        return answer

    def _start(self) -> subprocess.Popen[bytes]:
        path = os.pathsep.join(self._search_path)
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        if path:
            environment["PYTHONPATH"] = path
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the driver
        self._unread = b""
        # A session of its own, so that what it started ends with it.
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=environment,
            start_new_session=True,
        )
        return self._process

    def _line(self, process: subprocess.Popen[bytes], until: float) -> bytes:
        assert process.stdout is not None
        while b"\n" not in self._unread:
            left = until - time.monotonic()
            if left <= 0 or not select.select([process.stdout], [], [], left)[0]:
                raise TimeoutError
            piece = os.read(process.stdout.fileno(), 1 << 16)
            if not piece:
                raise EOFError
            self._unread += piece
        line, _, self._unread = self._unread.partition(b"\n")
        return line

    def _last_words(self) -> str:
        if self._errors is None:
            return ""
        self._errors.seek(0)
        lines = self._errors.read()[-2000:].decode(errors="replace").strip().splitlines()
        return f": {lines[-1]}"[:200] if lines else ""

    def close(self) -> None:
        """End the driver and everything that it started."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.stdin is not None:
            with contextlib.suppress(OSError, subprocess.TimeoutExpired):
                process.stdin.close()
                process.wait(END_SECONDS)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
        if self._errors is not None:
            self._errors.close()
            self._errors = None
