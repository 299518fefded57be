"""`IPython.display` in a session: a stand-in, for as long as there is no IPython."""

from __future__ import annotations

import base64

from wasihost import Sandbox, Scratch

PNG = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII=")
SHOWN = """
from IPython.display import HTML, JSON, SVG, Image, Latex, Markdown, Math, clear_output, display
clear_output(wait=True)
display(HTML("<b>x</b>"), SVG("<svg/>"), JSON({"a": 1}), Latex("$x$"), Math("y"))
display(Image("/scratch/a.png"), Image(data=open("/scratch/a.png", "rb").read(), format="png"))
Markdown("*z*")
"""
NAMES = """
import sys
import IPython
import IPython.core.display
from IPython import display as module
module.display(1, display_id="a").update(2)
[
    IPython.get_ipython(), module is IPython.display, module.HTML is IPython.core.display.HTML,
    IPython.core.display.display is display, module.HTML.__module__,
    isinstance(module.HTML(""), module.DisplayObject), sys.modules["IPython"].version_info[0],
]
"""
REFUSALS = """
import importlib, importlib.util
told = []
for attempt in (
    lambda: module.Image(url="http://127.0.0.1/x.png"),
    lambda: module.Image("https://127.0.0.1/x.png"),
    lambda: module.HTML(filename="/scratch/none"),
    lambda: importlib.import_module("IPython.nothing"),
    lambda: module.Audio,
):
    try:
        attempt()
    except Exception as error:
        told.append([type(error).__name__, str(error)])
told
"""
REAL = """
import sys
sys.path.insert(0, "/scratch")
import IPython
try:
    import IPython.core.display
except ImportError as error:
    print(error)
IPython.display
"""


def test_things_are_shown_by_their_type(runtime: str) -> None:
    with Sandbox(runtime=runtime, preopens=[Scratch()]) as sandbox, sandbox.session() as session:
        session.files.write("/scratch/a.png", PNG)
        result = session.run(SHOWN, check=True)
        assert [dict(bundle) for bundle in result.displays] == [
            {"text/plain": "<IPython.core.display.HTML object>", "text/html": "<b>x</b>"},
            {"text/plain": "<IPython.core.display.SVG object>", "image/svg+xml": "<svg/>"},
            {"text/plain": "<IPython.core.display.JSON object>", "application/json": {"a": 1}},
            {"text/plain": "<IPython.core.display.Latex object>", "text/latex": "$x$"},
            {"text/plain": "<IPython.core.display.Math object>", "text/latex": "$\\displaystyle y$"},
            {"text/plain": "<IPython.core.display.Image object>", "image/png": PNG},
            {"text/plain": "<IPython.core.display.Image object>", "image/png": PNG},
            {"text/plain": "<IPython.core.display.Markdown object>", "text/markdown": "*z*"},
        ]


def test_its_names_and_what_it_cannot(runtime: str) -> None:
    with Sandbox(runtime=runtime, preopens=[Scratch()]) as sandbox, sandbox.session() as session:
        result = session.run(NAMES, check=True)
        assert result.value == [None, True, True, True, "IPython.core.display", True, 0]
        assert [bundle["text/plain"] for bundle in result.displays[:2]] == ["1", "2"]
        network = ["ValueError", "url: there is no network here; hand the data over instead"]
        kind, message = "ModuleNotFoundError", "No module named 'IPython.nothing'"
        told = session.run(REFUSALS, check=True).value
        assert told[:2] == [network, network]
        assert [name for name, _ in told] == ["ValueError", "ValueError", "FileNotFoundError", kind, "AttributeError"]
        assert told[3][1] == message


def test_a_real_ipython_comes_first_and_gets_no_parts_of_ours() -> None:
    with Sandbox(preopens=[Scratch()]) as sandbox, sandbox.session() as session:
        session.files.write("/scratch/IPython/__init__.py", b"display = 'theirs'")
        result = session.run(REAL, check=True)
        assert (result.value, result.stdout) == ("theirs", "No module named 'IPython.core'\n")


def test_a_run_and_a_session_that_does_not_ask_have_none_of_it() -> None:
    with Sandbox() as sandbox:
        result = sandbox.run("import IPython")
        assert result.error is not None
        assert result.error.message == "No module named 'IPython'"
        with sandbox.session() as session:
            made = "import sys\n[name for name in sys.modules if name.startswith('IPython')]"
            assert session.run(made).value == []
