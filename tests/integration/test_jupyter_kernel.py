"""The Jupyter kernel as notebooks and front ends use it: installed, started by Jupyter, asked over its sockets."""

from __future__ import annotations

import base64
import os
import signal
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jupyter_lab
import pytest

from wasihost.integrations.jupyter_words import UNDONE

# The folder of the notebook is the guest's to write into, so what the kernel imports must not come from there.
TRAPS = ("msgspec", "psutil", "debugpy", "wasihost", "json", "click", "IPython", "tornado", "inspect")


@pytest.fixture(scope="module")
def prefix(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where kernels are installed, and where Jupyter looks for them meanwhile."""
    folder = tmp_path_factory.mktemp("prefix")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_PATH", str(folder / "share" / "jupyter"))
        for name in ("JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "IPYTHONDIR"):
            patch.setenv(name, str(folder / name))
        patch.setenv("JUPYTER_PLATFORM_DIRS", "1")
        yield folder


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the notebooks, with modules in it that must not be imported."""
    folder = tmp_path_factory.mktemp("work")
    for name in TRAPS:
        (folder / f"{name}.py").write_text(
            f"open({str(folder / 'trapped')!r}, 'a').write({name!r})\nraise SystemExit\n"
        )
    return folder


@pytest.fixture(scope="module")
def kernel(prefix: Path, work: Path) -> Iterator[jupyter_lab.Kernel]:
    jupyter_lab.install(prefix, "small", "--allow-write", f"{work}::/notebook", "--env", "WHO=you")
    with jupyter_lab.started("small", work) as made:
        yield made
    assert not (work / "trapped").exists()


def values(published: list[tuple[str, dict[str, Any]]]) -> list[str]:
    return [content["data"]["text/plain"] for kind, content in published if kind == "execute_result"]


# -- a notebook --------------------------------------------------------------------------------------------------------


def test_a_notebook(prefix: Path, work: Path) -> None:
    jupyter_lab.install(prefix, "sci", "--runtime=cpython-3.15-sci", "--image=plot")
    cells = {
        "hello": "%matplotlib inline\nx = 41\nprint('hello')\nx + 1",
        "table": "import pandas as pd\npd.DataFrame({'a': [1, '<2>']})",
        "plot": "import matplotlib.pyplot as plt\nplt.figure(figsize=(3, 2), dpi=100)\nplt.plot([1, 3, 2]);",
        "figure": "figure = plt.figure(figsize=(2, 1), dpi=100)\nplt.bar(['a', 'b'], [1, 2])\ndisplay('first')\nfigure",
        "error": "import sys\nprint('out')\nprint('err', file=sys.stderr)\nx = 1\n1 / 0",
        "html": "from IPython.display import HTML, Markdown, display\n"
        "display(HTML('<b onclick=f()>bold</b><script>f()</script>'), Markdown('**x**'))",
        "after": "x",
    }
    outputs = dict(zip(cells, jupyter_lab.execute("sci", work, [*cells.values()]), strict=True))
    assert not (work / "trapped").exists()

    stream, value = outputs["hello"]
    assert (stream.output_type, stream.name, stream.text) == ("stream", "stdout", "hello\n")
    assert (value.output_type, value.execution_count, value.data) == ("execute_result", 1, {"text/plain": "42"})

    (table,) = outputs["table"]
    assert table.output_type == "execute_result"
    assert table.data["text/plain"] == "     a\n0    1\n1  <2>"
    assert '<table border="1" class="dataframe">' in table.data["text/html"]
    assert "<td>&lt;2&gt;</td>" in table.data["text/html"]

    (plot,) = outputs["plot"]
    assert plot.output_type == "display_data"
    assert set(plot.data) == {"image/png", "text/plain"}
    assert size_of(plot.data["image/png"]) == (300, 200)

    first, figure = outputs["figure"]
    assert (first.output_type, first.data) == ("display_data", {"text/plain": "'first'"})
    assert figure.output_type == "execute_result"
    width, height = size_of(figure.data["image/png"])
    assert (width, height > 100) == (200, True)  # with the labels below it

    out, err, error = outputs["error"]
    assert (out.name, out.text, err.name, err.text) == ("stdout", "out\n", "stderr", "err\n")
    assert (error.output_type, error.ename, error.evalue) == ("error", "ZeroDivisionError", "division by zero")
    assert error.traceback[:2] == ["Traceback (most recent call last):", '  File "<cell 5>", line 5, in <module>']
    assert error.traceback[-1] == "ZeroDivisionError: division by zero"

    bold, marked, told = outputs["html"]
    assert bold.data["text/html"] == "<b>bold</b>"
    assert marked.data["text/markdown"] == "**x**"
    assert (told.name, "script" in told.text, "--allow-scripts" in told.text) == ("stderr", True, True)

    (after,) = outputs["after"]
    assert after.data == {"text/plain": "1"}


def size_of(encoded: str) -> tuple[int, int]:
    data = base64.b64decode(encoded, validate=True)
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", data[16:24])
    return width, height


# -- cells -------------------------------------------------------------------------------------------------------------


def test_who_it_is(kernel: jupyter_lab.Kernel) -> None:
    info = kernel.ask("kernel_info")
    assert info["implementation"] == "wasihost"
    assert (info["language_info"]["name"], info["language_info"]["version"]) == ("python", "3.15")
    assert info["supported_features"] == []


def test_grants_are_those_of_the_installation(kernel: jupyter_lab.Kernel, work: Path) -> None:
    reply, published = kernel.run(
        "import os\nopen('/notebook/made.txt', 'w').write('inside')\n"
        "(os.environ['WHO'], os.environ.get('JPY_PARENT_PID'))"
    )
    assert reply["status"] == "ok"
    assert values(published) == ["('you', None)"]
    assert (work / "made.txt").read_text() == "inside"
    reply, _ = kernel.run("open('/etc/passwd')")
    assert (reply["status"], reply["ename"]) == ("error", "FileNotFoundError")
    assert "Not granted: read '/etc/passwd'" in reply["traceback"][-1]


def test_output_comes_while_the_cell_runs(kernel: jupyter_lab.Kernel) -> None:
    kernel.begin("import time\nprint('é')\ntime.sleep(3)\nprint('later')")
    began = time.monotonic()
    assert kernel.end()["status"] == "ok"
    assert time.monotonic() - began > 1


@pytest.mark.parametrize("way", ["signal", "message"])
def test_an_interrupted_cell_is_undone(kernel: jupyter_lab.Kernel, way: str) -> None:
    kernel.run("kept = [1, 2, 3]")
    kernel.begin("kept.append(4)\nprint('begun')\nwhile True:\n    pass")
    began = time.monotonic()
    if way == "signal":
        kernel.manager.interrupt_kernel()
    else:
        kernel.client.control_channel.send(kernel.client.session.msg("interrupt_request", {}))
        assert kernel.client.get_control_msg(timeout=jupyter_lab.SECONDS)["content"]["status"] == "ok"
    reply = kernel.end()
    assert time.monotonic() - began < 10
    assert (reply["status"], reply["ename"]) == ("error", "KeyboardInterrupt")
    assert reply["evalue"] == f"The cell was interrupted. {UNDONE}"
    told = kernel.run("kept")
    assert values(told[1]) == ["[1, 2, 3]"], told


def test_an_interrupt_between_cells_does_nothing(kernel: jupyter_lab.Kernel) -> None:
    kernel.run("between = 1")
    for _ in range(3):
        kernel.manager.interrupt_kernel()
    kernel.ask("complete", "betw")
    kernel.manager.interrupt_kernel()
    assert values(kernel.run("between")[1]) == ["1"]


def test_what_ends_the_interpreter_is_undone(kernel: jupyter_lab.Kernel) -> None:
    kernel.run("kept = 1")
    reply, published = kernel.run("kept = 2\nprint('before')\nimport os\nos._exit(3)")
    assert [content["text"] for kind, content in published if kind == "stream"] == ["before\n"]
    assert (reply["ename"], "os._exit" in reply["evalue"]) == ("GuestExitedError", True)
    reply, published = kernel.run("kept = 3\nprint('x' * 3_000_000)")
    assert reply["ename"] == "OutputLimitError"
    assert "--output" in reply["evalue"]
    assert values(kernel.run("kept")[1]) == ["1"]
    reply, _ = kernel.run("raise SystemExit(3)")
    assert (reply["ename"], reply["evalue"]) == ("SystemExit", "3")


def test_nobody_can_be_asked(kernel: jupyter_lab.Kernel) -> None:
    reply, _ = kernel.run("input('who? ')")
    assert reply["ename"] == "EOFError"
    assert "no standard input" in reply["traceback"][-1]


def test_silent_cells_and_cells_that_are_not_shown(kernel: jupyter_lab.Kernel) -> None:
    before = kernel.run("1")[0]["execution_count"]
    reply, published = kernel.run("print('x')\ndisplay(1)\nhidden = 5\nhidden", silent=True)
    assert (reply["status"], reply["execution_count"], published) == ("ok", before, [])
    reply, published = kernel.run("1 / 0", silent=True)
    assert (reply["status"], reply["ename"], published) == ("error", "ZeroDivisionError", [])
    assert kernel.run("hidden;  # not shown")[1] == []
    assert values(kernel.run("hidden")[1]) == ["5"]


def test_a_failed_cell_ends_the_queue(kernel: jupyter_lab.Kernel) -> None:
    for code in ("queued = 1\nimport time\ntime.sleep(0.5)\n1 / 0", "queued = 2", "queued = 3"):
        kernel.client.execute(code)
    statuses = [kernel.client.get_shell_msg(timeout=jupyter_lab.SECONDS)["content"]["status"] for _ in range(3)]
    assert statuses == ["error", "aborted", "aborted"]
    assert values(kernel.run("queued")[1])[-1:] == ["1"]


def test_odd_things_do_not_stop_the_kernel(kernel: jupyter_lab.Kernel) -> None:
    reply, published = kernel.run(
        "display({'application/json': '\\ud800', 'text/plain': '\\ud800'}, raw=True)\n"
        "import sys\nsys.stdout.buffer.write(b'\\xff\\xc3')\n'\\ud800'"
    )
    assert reply["status"] == "ok"
    texts = [content["text"] for kind, content in published if kind == "stream"]
    assert "".join(texts) == "\N{REPLACEMENT CHARACTER}" * 2
    assert values(published) == ["'\\ud800'"]
    kernel.run("globals()['odd\\ud800'] = 1")
    assert kernel.ask("complete", "od")["matches"] == ["odd?"]


# -- questions ---------------------------------------------------------------------------------------------------------


def test_completion(kernel: jupyter_lab.Kernel) -> None:
    kernel.run("import os\nalphabet = 'abc'")
    reply = kernel.ask("complete", "x = alph + 1", 8)
    assert (reply["matches"], reply["cursor_start"], reply["cursor_end"]) == (["alphabet"], 4, 8)
    text = "os.path.joi"
    reply = kernel.ask("complete", text)
    assert [text[: reply["cursor_start"]] + match for match in reply["matches"]] == ["os.path.join"]


def test_inspection(kernel: jupyter_lab.Kernel) -> None:
    kernel.run("def f(a, *, b: int = 3) -> str:\n    'What f does.'\nclass Slow:\n    @property\n    def it(self):\n"
               "        while True: pass\nslow = Slow()\n_ = 'last'")  # fmt: skip
    assert kernel.ask("inspect", "f(1, ", 5)["data"]["text/plain"] == (
        "f(a, *, b: int = 3) -> str\ntype: function\n\nWhat f does."
    )
    assert kernel.ask("inspect", "nothing", 3)["found"] is False
    assert kernel.ask("inspect", "slow.it", 7)["found"] is False
    assert values(kernel.run("_")[1]) == ["'last'"]
    assert values(kernel.run("slow.__class__.__name__")[1]) == ["'Slow'"]


def test_is_complete(kernel: jupyter_lab.Kernel) -> None:
    assert kernel.ask("is_complete", "x = 1") == {"status": "complete"}
    assert kernel.ask("is_complete", "for x in y:") == {"status": "incomplete", "indent": "    "}
    assert kernel.ask("is_complete", "x = = 1") == {"status": "invalid"}


# -- life --------------------------------------------------------------------------------------------------------------


def test_a_restart_forgets_and_a_shutdown_ends_it_also_under_a_cell(prefix: Path, work: Path) -> None:
    jupyter_lab.install(prefix, "brief", "--fuel=1G")
    with jupyter_lab.started("brief", work) as kernel:
        kernel.run("x = 1")
        reply, _ = kernel.run("x = 2\nwhile True:\n    pass")
        assert (reply["ename"], "--fuel" in reply["evalue"]) == ("FuelExhaustedError", True)
        kernel.manager.restart_kernel()
        kernel.client.wait_for_ready(timeout=jupyter_lab.SECONDS)
        assert kernel.run("x")[0]["ename"] == "NameError"
        kernel.begin("import time\nprint('begun')\ntime.sleep(600)")
        children = children_of(kernel.manager.provisioner.pid)  # type: ignore[union-attr]
        assert children
        began = time.monotonic()
        kernel.manager.shutdown_kernel()
        assert time.monotonic() - began < 4  # Jupyter kills after five
    assert not any(map(is_alive, children))


def test_being_terminated_closes_the_sandbox(prefix: Path, work: Path, tmp_path: Path) -> None:
    jupyter_lab.install(prefix, "scratchy", "--profile=scratch-dir")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(tmp_path))
        with jupyter_lab.started("scratchy", work) as kernel:
            kernel.begin("open('/scratch/x', 'w').close()\nimport time\nprint('begun')\ntime.sleep(600)")
            assert list(tmp_path.glob("wasihost-*"))
            os.kill(kernel.manager.provisioner.pid, signal.SIGTERM)  # type: ignore[union-attr]
            until = time.monotonic() + 30
            while kernel.manager.is_alive() and time.monotonic() < until:
                time.sleep(0.05)
            assert not kernel.manager.is_alive()
            assert not list(tmp_path.glob("wasihost-*"))


def test_a_sandbox_that_cannot_be_made_is_an_error_of_the_cell(prefix: Path, work: Path, tmp_path: Path) -> None:
    granted = tmp_path / "granted"
    granted.mkdir()
    jupyter_lab.install(prefix, "folder", "--allow-read", f"{granted}::/granted")
    granted.rmdir()
    with jupyter_lab.started("folder", work) as kernel:
        reply, published = kernel.run("1")
        assert (reply["status"], reply["ename"]) == ("error", "InvalidPreopenError")
        assert [kind for kind, _ in published] == ["error"]
        assert kernel.ask("complete", "pri")["matches"] == []
        granted.mkdir()
        assert values(kernel.run("import os\nos.listdir('/granted')")[1]) == ["[]"]


def children_of(pid: int | None) -> list[int]:
    listed = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for path in listed for child in path.read_text().split()]


def is_alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
