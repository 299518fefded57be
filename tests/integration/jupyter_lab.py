"""A kernel that was installed by `wasirun jupyter install`, and a client that asks it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli_lab import environment, wasirun
from jupyter_client.manager import KernelManager
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

if TYPE_CHECKING:
    from jupyter_client.blocking.client import BlockingKernelClient
    from nbformat import NotebookNode

SECONDS = 120


def install(prefix: Path, name: str, *options: str) -> list[str]:
    """Install a kernel and return its command."""
    done = wasirun("jupyter", "install", "--prefix", prefix, "--name", name, *options)
    assert done.returncode == 0, done.stderr
    said = json.loads((prefix / "share" / "jupyter" / "kernels" / name / "kernel.json").read_text("utf-8"))
    assert said["interrupt_mode"] == "signal"
    argv: list[str] = said["argv"]
    return argv


def execute(name: str, folder: Path, cells: list[str]) -> list[list[NotebookNode]]:
    """Execute a notebook whose cells may fail, and return the outputs of each."""
    notebook = new_notebook(cells=[new_code_cell(code) for code in cells])
    place = {"metadata": {"path": str(folder)}}
    client = NotebookClient(notebook, kernel_name=name, allow_errors=True, timeout=SECONDS, resources=place)
    client.execute(env=environment())
    assert [cell.execution_count for cell in notebook.cells] == [*range(1, len(cells) + 1)]
    return [list(cell.outputs) for cell in notebook.cells]


class Kernel:
    """A running kernel, asked in the words of the protocol.

    Cells go on after one that failed, like those of a notebook that allows errors: else what is asked in the moment
    after it is aborted.
    """

    def __init__(self, manager: KernelManager, client: BlockingKernelClient) -> None:
        self.manager = manager
        self.client = client
        self._begun = ""

    def run(self, code: str, **options: Any) -> tuple[dict[str, Any], list[tuple[str, dict[str, Any]]]]:
        """The reply, and what was published meanwhile."""
        published: list[tuple[str, dict[str, Any]]] = []

        def hear(message: dict[str, Any]) -> None:
            if message["msg_type"] not in {"status", "execute_input"}:
                published.append((message["msg_type"], message["content"]))

        options = {"stop_on_error": False} | options
        reply = self.client.execute_interactive(code, timeout=SECONDS, output_hook=hear, **options)
        return reply["content"], published

    def begin(self, code: str) -> None:
        """Send a cell that prints something, and wait until it does."""
        self._begun = self.client.execute(code, stop_on_error=False)
        while self.client.get_iopub_msg(timeout=SECONDS)["msg_type"] != "stream":
            continue

    def end(self) -> dict[str, Any]:
        """The reply to the cell that was begun, when all was published."""
        content = self._reply_to(self._begun)
        while self.client.get_iopub_msg(timeout=SECONDS)["content"].get("execution_state") != "idle":
            continue
        return content

    def ask(self, kind: str, *arguments: Any) -> dict[str, Any]:
        """The reply to a question."""
        return self._reply_to(getattr(self.client, kind)(*arguments))

    def _reply_to(self, asked: str) -> dict[str, Any]:
        """What was replied to a message. Jupyter asks a kernel that starts slowly more than once if it is there."""
        while (reply := self.client.get_shell_msg(timeout=SECONDS))["parent_header"]["msg_id"] != asked:
            assert reply["msg_type"] == "kernel_info_reply"
        content: dict[str, Any] = reply["content"]
        return content


@contextmanager
def started(name: str, folder: Path) -> Iterator[Kernel]:
    """Start a kernel in a folder, and shut it down."""
    manager = KernelManager(kernel_name=name)
    manager.start_kernel(cwd=str(folder), env=environment())
    client = manager.blocking_client()
    try:
        client.start_channels()
        client.wait_for_ready(timeout=SECONDS)
        yield Kernel(manager, client)
    finally:
        client.stop_channels()
        if manager.has_kernel:
            manager.shutdown_kernel()
        manager.cleanup_resources()
