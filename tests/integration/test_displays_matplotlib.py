"""What the guest's displays make of the real matplotlib, where it is ready in the image and where it is imported."""

from __future__ import annotations

import base64
import json
import struct
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import wasihost
from wasihost import Limits, Outcome, RunResult, Sandbox

SOURCE = (Path(wasihost.__file__).parent / "guest" / "displays.py").read_text(encoding="utf-8")
LIMITS = Limits(memory_bytes=2**30, deadline_seconds=60)
# A turn of a session, in a run: what a program leaves in `told` comes back with what it showed.
FRAME = """
names = {"__name__": "_wasihost", "__builtins__": dict(vars(__import__("builtins")))}
exec(compile(source, "<wasihost>", "exec"), names)
names["install_displays"]()
names["begin_displays"](limit_bytes, 100, ["png", "svg"])
told = None
try:
    exec(program)
finally:
    shown, omitted = names["end_displays"]()
[shown.decode(), omitted, told]
"""


@pytest.fixture(scope="module", params=["plot", "base"])
def sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    with Sandbox(runtime="cpython-3.15-sci", image=request.param, limits=LIMITS) as made:
        yield made


def turn(sandbox: Sandbox, program: str, limit_bytes: int = 2**20) -> tuple[list[dict[str, Any]], Any]:
    """The bundles of a turn in which nothing was left out or complained of, and what the program told."""
    inputs = {"source": SOURCE, "program": program, "limit_bytes": limit_bytes}
    result = sandbox.run(FRAME, inputs=inputs)
    assert (result.outcome, result.error, result.stderr) == (Outcome.EXITED, None, "")
    shown, omitted, told = result.value
    assert omitted == 0
    return json.loads(shown), told


def size(bundle: dict[str, str]) -> tuple[int, int]:
    """Width and height of the PNG."""
    data = base64.b64decode(bundle["image/png"], validate=True)
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    assert data[12:16] == b"IHDR"
    assert data[-8:-4] == b"IEND"
    width, height = struct.unpack(">II", data[16:24])
    return width, height


def svg(bundle: dict[str, str]) -> ET.Element:
    tree = ET.fromstring(bundle["image/svg+xml"])
    assert tree.tag == "{http://www.w3.org/2000/svg}svg"
    return tree


def test_show_shows_and_closes(sandbox: Sandbox) -> None:
    bundles, told = turn(
        sandbox,
        "import warnings\n"
        "warnings.simplefilter('error')\n"
        "import matplotlib\n"
        "import matplotlib.pyplot as plt\n"
        "figure, axes = plt.subplots(figsize=(3, 2), dpi=50)\n"
        "axes.plot([1, 2], gid='curve')\n"
        "plt.show()\n"
        "told = [matplotlib.get_backend(), plt.get_fignums()]\n"
        "display('after')\n",
    )
    assert told == ["module://wasihost_figures", []]
    figure, after = bundles
    assert list(figure) == ["text/plain", "image/png", "image/svg+xml"]
    assert figure["text/plain"] == "<Figure size 150x100 with 1 Axes>"
    assert size(figure) == (150, 100)
    tree = svg(figure)
    assert (tree.get("width"), tree.get("height")) == ("216pt", "144pt")
    assert [group.get("id") for group in tree.iter() if group.get("id") == "curve"] == ["curve"]
    assert after == {"text/plain": "'after'"}


def test_open_figures_are_shown_at_the_end_in_order(sandbox: Sandbox) -> None:
    bundles, _ = turn(
        sandbox,
        "import matplotlib.pyplot as plt\n"
        "for number in (2, 1):\n"
        "    plt.figure(number, figsize=(number, 1), dpi=100)\n"
        "    plt.gca().set_axis_off()\n"
        "plt.figure(3)\n"
        "names['add_value'](plt.figure(2))\n",
    )
    assert [size(bundle) for bundle in bundles] == [(200, 100), (100, 100)]


def test_a_figure_shows_itself(sandbox: Sandbox) -> None:
    bundles, told = turn(
        sandbox,
        "import matplotlib.pyplot as plt\n"
        "figure = plt.figure(figsize=(2, 1))\n"
        "figure.add_axes((0, 0, 1, 1)).set_axis_off()\n"
        "figure.show()\n"
        "told = plt.get_fignums()\n"
        "figure.set_figwidth(3)\n"
        "display('between')\n",
    )
    assert told == [1]
    assert [size(bundles[0]), bundles[1], size(bundles[2])] == [(200, 100), {"text/plain": "'between'"}, (300, 100)]


def test_labels_are_not_cut_off(sandbox: Sandbox) -> None:
    bundles, _ = turn(
        sandbox,
        "import matplotlib.pyplot as plt\n"
        "plt.figure(figsize=(4, 3), dpi=100)\n"
        "plt.bar(['a label that is longer than the room for it', 'b'], [1, 2])\n"
        "plt.xticks(rotation=90)\n",
    )
    (bundle,) = bundles
    width, height = size(bundle)
    assert width == 400
    assert 400 < height < 600


def test_what_cannot_be_drawn_is_raised_by_show(sandbox: Sandbox) -> None:
    bundles, told = turn(
        sandbox,
        "import matplotlib.pyplot as plt\n"
        "plt.title(r'$\\frac{$')\n"
        "try:\n"
        "    plt.show()\n"
        "except ValueError as error:\n"
        "    told = [str(error).split()[0], plt.get_fignums()]\n",
    )
    assert (bundles, told) == ([], ["\\frac{", []])


def test_what_cannot_be_drawn_at_the_end_is_told(sandbox: Sandbox) -> None:
    program = "import matplotlib.pyplot as plt\nplt.title(r'$\\frac{$')"
    result = sandbox.run(FRAME, inputs={"source": SOURCE, "program": program, "limit_bytes": 2**20})
    assert (result.outcome, result.error) == (Outcome.EXITED, None)
    assert result.stderr.startswith("<Figure size 640x480 with 1 Axes> could not be drawn: ValueError: ")
    assert json.loads(result.value[0]) == [{"text/plain": "<Figure size 640x480 with 1 Axes>"}]


def test_the_larger_picture_goes_first(sandbox: Sandbox) -> None:
    program = (
        "import matplotlib.pyplot as plt\n"
        "figure = plt.figure(figsize=(1, 1), dpi=50)\n"
        "figure.add_axes((0, 0, 1, 1)).plot([n % 7 for n in range(300)])\n"
    )
    (both,), _ = turn(sandbox, program)
    assert len(both["image/svg+xml"]) > len(both["image/png"])
    (one,), _ = turn(sandbox, program, limit_bytes=len(json.dumps([both])) - len(both["image/png"]))
    assert one == {key: both[key] for key in ("text/plain", "image/png")}


def test_interactive_mode_and_pauses(sandbox: Sandbox) -> None:
    bundles, told = turn(
        sandbox,
        "import matplotlib.pyplot as plt\n"
        "plt.ion()\n"
        "plt.figure(figsize=(1, 1)).add_axes((0, 0, 1, 1)).set_axis_off()\n"
        "plt.pause(0.01)\n"
        "told = plt.get_fignums()\n",
    )
    assert ([size(bundle) for bundle in bundles], told) == ([(100, 100)], [])


def test_tables_and_pictures(sandbox: Sandbox) -> None:
    bundles, _ = turn(
        sandbox,
        "import pandas as pd\n"
        "from PIL import Image\n"
        "names['add_value'](pd.DataFrame({'a': [1, 2]}))\n"
        "display(Image.new('RGB', (3, 2)), pd.DataFrame)\n",
    )
    table, image, kind = bundles
    assert table["text/plain"] == "   a\n0  1\n1  2"
    assert "<th>0</th>" in table["text/html"]
    assert size(image) == (3, 2)
    assert kind == {"text/plain": "<class 'pandas.DataFrame'>"}


# -- every runtime -----------------------------------------------------------------------------------------------------


def shown_by(result: RunResult) -> tuple[list[dict[str, Any]], int]:
    assert (result.outcome, result.error, result.stderr) == (Outcome.EXITED, None, "")
    shown, omitted, _ = result.value
    return json.loads(shown), omitted


def inputs(program: str) -> dict[str, Any]:
    return {"source": SOURCE, "program": program, "limit_bytes": 2**20}


def test_every_runtime_has_displays(run: Callable[..., RunResult]) -> None:
    program = """
class Thing:
    def _repr_html_(self):
        return "<b>é"

    def __repr__(self):
        1 / 0

display(Thing())
"""
    assert shown_by(run(FRAME, inputs=inputs(program))) == (
        [{"text/plain": "<repr() of Thing failed: ZeroDivisionError>", "text/html": "<b>é"}],
        0,
    )


def test_deep_data_are_left_out(run: Callable[..., RunResult]) -> None:
    program = """
deep = []
for _ in range(100_000):
    deep = [deep]

class Thing:
    def __repr__(self):
        return "a thing"

    def _repr_json_(self):
        return deep

display(Thing())
while deep:  # a step at a time: it is freed by recursion otherwise
    deep = deep.pop()
"""
    assert shown_by(run(FRAME, inputs=inputs(program))) == ([{"text/plain": "a thing"}], 0)


def test_a_repr_without_end_is_told(default_run: Callable[..., RunResult]) -> None:
    # The default runtime alone: CPython 3.11 and 3.12 do not notice that the native stack ends.
    program = """
class Thing:
    def __repr__(self):
        return repr(self)

display(Thing())
"""
    assert shown_by(default_run(FRAME, inputs=inputs(program))) == (
        [{"text/plain": "<repr() of Thing failed: RecursionError>"}],
        0,
    )


def test_displays_without_end_are_left_out(default_run: Callable[..., RunResult]) -> None:
    program = """
class Thing:
    def __repr__(self):
        return "a thing"

    def _repr_html_(self):
        display(self)
        return "<b>"

display(Thing())
"""
    shown, omitted = shown_by(default_run(FRAME, inputs=inputs(program)))
    assert shown == [{"text/plain": "a thing", "text/html": "<b>"}] * 100
    assert omitted > 0
