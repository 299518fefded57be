"""pysandbox-wasi: a wasm component in a sandbox process, asked from an event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

from driver import CALLS, Needs, Peer, Run, UnsupportedError, serve, version_of
from pysandbox import PythonRuntime, RpcContext, RuntimeLimits

T = TypeVar("T")


class PySandbox(Peer):
    """One runtime, on an event loop in a thread of its own."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()
        self.runtime = PythonRuntime()

        @self.runtime.rpc.expose
        def add(_context: RpcContext, /, a: int, b: int) -> int:
            return a + b

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result()

    def versions(self) -> dict[str, str]:
        inside = self.runner(Needs())("import sys\nprint(sys.version.split()[0])").strip()
        return {"pysandbox-wasi": version_of("pysandbox-wasi"), "CPython inside": inside}

    def calling(self) -> tuple[Run, str]:
        return self.runner(Needs()), CALLS.replace("add(", "await add(")

    def runner(self, needs: Needs) -> Run:
        if needs.packages:
            raise UnsupportedError("has no pandas")
        if needs.folder:
            raise UnsupportedError("grants no folders, only a file system that one writes oneself")
        limits = RuntimeLimits(max_output_bytes=needs.output_bytes) if needs.output_bytes else RuntimeLimits()

        async def execute(code: str) -> str:
            result = await self.runtime.execute(code, limits=limits)
            if result.exit_code not in (0, None) or getattr(result, "error", None):
                raise RuntimeError(str(getattr(result, "error", result))[-300:])
            return bytes(result.output.stdout).decode()

        return lambda code: self.wait(execute(code))


if __name__ == "__main__":
    serve(PySandbox())
