"""pyeryx: CPython 3.14 as a wasm component, started beforehand."""

from __future__ import annotations

import eryx
from driver import CALLS, Needs, Peer, Run, UnsupportedError, add, script, serve, version_of


class Eryx(Peer):
    """One sandbox whose every `execute` is a fresh interpreter."""

    shared = False

    def versions(self) -> dict[str, str]:
        sandbox = eryx.Sandbox()
        inside = sandbox.execute("import sys\nprint(sys.version.split()[0])").stdout_text.strip()
        return {"pyeryx": version_of("pyeryx"), "CPython inside": inside}

    def runner(self, needs: Needs) -> Run:
        if needs.packages:
            raise UnsupportedError("has no pandas")
        volumes = [(needs.folder, self.data, True)] if needs.folder else None
        sandbox = eryx.Sandbox(volumes=volumes)
        return lambda code: sandbox.execute(code).stdout_text

    def session(self) -> Run:
        session = eryx.Session()
        return lambda code: session.execute(code).stdout_text

    def calling(self) -> tuple[Run, str]:
        sandbox = eryx.Sandbox(callbacks=[{"name": "add", "fn": add, "description": "Adds."}])
        code = CALLS.replace("add(total, number)", "await add(a=total, b=number)")
        return lambda text: sandbox.execute(text).stdout_text, code

    def idle(self) -> eryx.Sandbox:
        sandbox = eryx.Sandbox()
        sandbox.execute("pass")
        return sandbox

    def command(self, code: str) -> list[str]:
        return [script("eryx"), "-c", code]


if __name__ == "__main__":
    serve(Eryx())
