"""Every package that cpython-3.15 brings computes something whose answer is known, each in a fresh interpreter."""

from __future__ import annotations

import re
import struct
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from zipfile import ZipFile

import pytest
from package_lab import Case, native
from package_programs_data import NUMBERS, TABLES
from package_programs_text import DOCUMENTS, FOUNDATIONS

from wasihost import Limits, Outcome, Sandbox, Scratch
from wasihost.runtime import ensure_installed, find_runtime

LIMITS = Limits(memory_bytes=2**30, deadline_seconds=60)

# matplotlib draws from the image that has drawn before; everything else is run on "data".
PLOTS = [
    native("matplotlib", """
        import matplotlib.pyplot as plt
        from PIL import Image
        figure = plt.figure(figsize=(4, 3), dpi=100, facecolor='white')
        axes = figure.add_axes((0.25, 0.25, 0.5, 0.5), facecolor=(0, 0, 1))
        axes.fill_between([0, 1], 0.5, 1, color=(1, 0, 0), linewidth=0)
        axes.set(xlim=(0, 1), ylim=(0, 1))
        figure.savefig('/tmp/a.png')
        with open('/tmp/a.png', 'rb') as file:
            signature = file.read(8).hex()
        picture = Image.open('/tmp/a.png').convert('RGB')
        # Red above the middle, blue below, white at the rim.
        [signature, picture.size, picture.getpixel((200, 100)), picture.getpixel((200, 200)), picture.getpixel((5, 5))]
        """, ["89504e470d0a1a0a", [400, 300], [255, 0, 0], [0, 0, 255], [255, 255, 255]]),
    native("matplotlib", """
        import io
        import matplotlib.pyplot as plt
        from matplotlib.animation import FuncAnimation
        from mpl_toolkits.mplot3d import Axes3D
        from PIL import Image
        figure, axes = plt.subplots(figsize=(2, 2), subplot_kw={'projection': '3d'})
        axes.plot_trisurf([0, 1, 0], [0, 0, 1], [0, 1, 2])
        figure.savefig('/tmp/a.pdf')
        flat, axes = plt.subplots(figsize=(1, 1), dpi=50)
        flat.savefig('/tmp/a.eps')
        FuncAnimation(flat, lambda n: axes.set_title(str(n)), frames=3).save('/tmp/a.gif', writer='pillow')
        [isinstance(figure.axes[0], Axes3D), open('/tmp/a.pdf', 'rb').read(4).decode(), open('/tmp/a.eps').read(4),
         Image.open('/tmp/a.gif').n_frames]
        """, [True, "%PDF", "%!PS", 3]),
    native("seaborn", """
        import pandas as pd
        import seaborn as sns
        table = pd.DataFrame({'day': ['mo', 'mo', 'tu', 'tu'], 'tip': [1.0, 3.0, 5.0, 6.0]})
        axes = sns.barplot(table, x='day', y='tip', errorbar=None)
        axes.figure.savefig('/tmp/a.png')
        line = sns.regplot(table.assign(n=[0, 1, 2, 3], tip=[1, 3, 5, 7]), x='n', y='tip', ci=None).lines[-1]
        x, y = line.get_data()
        [[bar.get_height() for bar in axes.patches], [label.get_text() for label in axes.get_xticklabels()][:2],
         axes.get_ylabel(), round(float(y[-1] - y[0]) / float(x[-1] - x[0]), 6)]
        """, [[2.0, 5.5], ["mo", "tu"], "tip", 2.0]),
]  # fmt: skip

NEEDS_PILLOW = {"reportlab"}
"""Python only, and imported on the default runtime, but the first thing that it does asks for Pillow."""

OTHERS = NUMBERS + TABLES + DOCUMENTS + FOUNDATIONS
SVG = """
import sys
import matplotlib.pyplot as plt
plt.rcParams['svg.fonttype'] = 'none'
figure, axes = plt.subplots(figsize=(4, 3))
axes.plot([0, 1, 2], [0, 1, 4], gid='curve')
axes.set_title('Squares & more')
figure.savefig(sys.stdout, format='svg')
"""


def named(cases: list[Case]) -> list[object]:
    return [pytest.param(case, id=case.package) for case in cases]


@pytest.fixture(scope="module")
def sandboxes() -> Iterator[dict[str, Sandbox]]:
    """One for each image, "core" for the default runtime, and "slice" for the one with numpy and pandas alone."""
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(Sandbox(runtime=runtime, image=image, limits=LIMITS, preopens=[Scratch("/tmp")]))
            for name, runtime, image in (
                ("data", "cpython-3.15-sci", "data"),
                ("plot", "cpython-3.15-sci", "plot"),
                ("core", "cpython-3.15", "base"),
                ("slice", "cpython-3.15-data", "base"),
            )
        }


def compute(sandbox: Sandbox, case: Case) -> None:
    result = sandbox.run(case.program)
    assert (result.outcome, result.error, result.stderr) == (Outcome.EXITED, None, ""), result.stderr
    assert result.value == case.expected


@pytest.mark.parametrize("case", named(OTHERS))
def test_it_computes_what_is_known(case: Case, sandboxes: dict[str, Sandbox]) -> None:
    compute(sandboxes["data"], case)


@pytest.mark.parametrize("case", named([case for case in OTHERS if case.core]))
def test_pure_packages_do_so_on_the_default_runtime(case: Case, sandboxes: dict[str, Sandbox]) -> None:
    compute(sandboxes["core"], case)


def of_the_data_slice() -> list[Case]:
    """Programs with native code that name nothing which the slice leaves out."""
    left_out = re.compile(rf"\b(?:{'|'.join(find_runtime('cpython-3.15-data').slice.missing)})\b")
    others = [case for case in OTHERS if not case.core and case.package not in NEEDS_PILLOW]
    return [case for case in others if not left_out.search(case.program)]


@pytest.mark.parametrize("case", named(of_the_data_slice()))
def test_the_data_slice_holds_what_needs_numpy_and_pandas(case: Case, sandboxes: dict[str, Sandbox]) -> None:
    compute(sandboxes["slice"], case)


def test_the_data_slice_is_tried_with_all_that_it_has_more() -> None:
    core, data = (set(find_runtime(f"cpython-3.15{end}").slice.missing_packages) for end in ("", "-data"))
    assert {case.package for case in of_the_data_slice()} >= core - data == {"numpy", "pandas", "patsy"}


@pytest.mark.parametrize("case", named(PLOTS))
def test_it_draws_what_is_known(case: Case, sandboxes: dict[str, Sandbox]) -> None:
    compute(sandboxes["plot"], case)


def test_an_svg_holds_its_title_and_its_curve(sandboxes: dict[str, Sandbox]) -> None:
    result = sandboxes["plot"].run(SVG).check()
    tree = ET.fromstring(result.stdout)
    name = "{http://www.w3.org/2000/svg}"
    assert tree.tag == f"{name}svg"
    assert "Squares & more" in [text.text for text in tree.iter(f"{name}text")]
    curve = next(group for group in tree.iter(f"{name}g") if group.get("id") == "curve")
    points = re.findall(r"[ML] ([\d.]+) ([\d.]+)", curve[0].get("d", ""))
    heights = [float(y) for _, y in points]
    assert len(points) == 3
    assert (heights[0] - heights[2]) / (heights[0] - heights[1]) == pytest.approx(4.0, abs=1e-4)


def test_a_png_reaches_the_host(sandboxes: dict[str, Sandbox]) -> None:
    sandbox = sandboxes["plot"]
    sandbox.run(
        "import matplotlib.pyplot as plt\nplt.figure(figsize=(3, 2)).gca().plot([1, 2])\n"
        "plt.savefig('/tmp/host.png', dpi=50)"
    ).check()
    picture = (Path(sandbox.folders["/tmp"]) / "host.png").read_bytes()
    assert picture[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", picture[16:24]) == (150, 100)


# -- completeness ------------------------------------------------------------------------------------------------------


def bundled() -> set[str]:
    """Canonical names of the distributions whose metadata lie in the build's library."""
    archive = ensure_installed(find_runtime("cpython-3.15")).wasm.parent / "lib" / "python315.zip"
    with ZipFile(archive) as opened:
        found = {re.match(r"([^/]+?)-[^/-]+\.dist-info/METADATA$", name) for name in opened.namelist()}
    return {re.sub(r"[-_.]+", "-", match[1]).lower() for match in found if match}


def test_every_bundled_package_is_tried() -> None:
    assert {case.package for case in OTHERS + PLOTS} == bundled()


def test_every_package_that_the_default_runtime_has_is_tried_there() -> None:
    missing = set(find_runtime("cpython-3.15").slice.missing_packages)
    assert missing <= bundled()
    assert {case.package for case in OTHERS if case.core} == bundled() - missing - NEEDS_PILLOW


def test_reportlab_names_what_it_lacks_on_the_default_runtime(sandboxes: dict[str, Sandbox]) -> None:
    result = sandboxes["core"].run("import reportlab\nfrom reportlab.pdfgen import canvas")
    assert result.error is not None
    assert result.error.message.startswith("No module named 'PIL' in the runtime cpython-3.15")
