"""wasihost itself, in the environment of the bench: `ours.py in-process` or `ours.py process`, with default limits."""

from __future__ import annotations

import sys
from typing import Any

from driver import CALLS, Needs, Peer, Run, UnsupportedError, add, script, serve, version_of

from wasihost import Limits, Preopen, Sandbox, host_function
from wasihost.engine.engine import native_version


class Ours(Peer):
    """One sandbox for all runs, as users keep one."""

    def __init__(self, containment: Any) -> None:
        self.containment = containment

    def versions(self) -> dict[str, str]:
        return {"wasihost": version_of("wasihost"), "wasmtime": native_version(), "CPython inside": "3.15"}

    def _sandbox(self, needs: Needs) -> Sandbox:
        given: dict[str, Any] = {}
        if needs.folder:
            given["preopens"] = [Preopen(needs.folder, self.data)]
        limits: dict[str, Any] = {}
        if needs.output_bytes:
            limits["output_bytes"] = needs.output_bytes
        if needs.seconds:
            limits["deadline_seconds"] = needs.seconds
        if needs.packages:
            given["runtime"] = "cpython-3.15-sci"
        return Sandbox(containment=self.containment, limits=Limits(**limits), **given)

    def runner(self, needs: Needs) -> Run:
        sandbox = self._sandbox(needs)
        return lambda code: sandbox.run(code, check=True).stdout

    def session(self) -> Run:
        session = Sandbox(containment=self.containment).session()
        return lambda code: session.run(code, check=True).stdout

    def calling(self) -> tuple[Run, str]:
        sandbox = Sandbox(containment=self.containment, functions=[host_function(add)])
        return lambda code: sandbox.run(code, check=True).stdout, f"from host import add\n{CALLS}"

    def idle(self) -> Sandbox:
        sandbox = Sandbox(containment=self.containment)
        sandbox.run("pass", check=True)
        return sandbox

    def command(self, code: str) -> list[str]:
        if self.containment != "process":
            raise UnsupportedError("has the same command line")
        return [script("wasirun"), "-c", code]


if __name__ == "__main__":
    serve(Ours(sys.argv[1]))
