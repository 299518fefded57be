"""The examples do what they say, as the scripts that a reader starts."""

from __future__ import annotations

import contextlib
import csv
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from wasihost import Image, Preopen, errors, run_wasm_python

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"


def run(name: str, *args: object) -> subprocess.CompletedProcess[str]:
    """Run an example as a reader does."""
    return subprocess.run(
        [sys.executable, str(EXAMPLES / name), *map(str, args)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )


def started(name: str, *args: object) -> str:
    """Run an example that says nothing on standard error; return what it printed."""
    done = run(name, *args)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def counted(data: Path) -> tuple[Counter[tuple[str, str]], Counter[tuple[str, str]]]:
    """(hires, minutes) by month and station, counted without pandas."""
    hires: Counter[tuple[str, str]] = Counter()
    minutes: Counter[tuple[str, str]] = Counter()
    for path in data.iterdir():
        with path.open(encoding="utf-8") as file:
            assert next(file) == "day,station,minutes\n"
            for line in file:
                day, station, number = line.split(",")
                hires[day[:7], station] += 1
                minutes[day[:7], station] += int(number)
    return hires, minutes


def test_the_report_sums_up_more_than_a_million_rows_and_draws_them(tmp_path: Path) -> None:
    data, out = tmp_path / "data", tmp_path / "out"
    said = started("csv_report.py", data, out)
    assert sorted(path.name for path in out.iterdir()) == ["hires.png", "summary.csv"]
    hires, minutes = counted(data)
    assert hires.total() == 1_200_000
    with (out / "summary.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["month"], row["station"]) for row in rows] == sorted(hires)
    for row in rows:
        key = (row["month"], row["station"])
        assert (int(row["hires"]), int(row["minutes"])) == (hires[key], minutes[key])
        assert float(row["mean_minutes"]) == pytest.approx(minutes[key] / hires[key], abs=0.0051)
    assert re.search(r"^Read 1,200,000 rows of 12 files in \d+\.\d s\.$", said, re.MULTILINE)
    assert f"out for {round(minutes.total() / 60):,} hours, most of them from Harbour." in said
    look = (
        "from PIL import Image\npicture = Image.open('/out/hires.png').convert('RGB')\n"
        "lines = [(31, 119, 180), (255, 127, 14), (44, 160, 44), (214, 39, 40), (148, 103, 189)]\n"
        "seen = {colour: number for number, colour in picture.getcolors(2**20)}\n"
        "[picture.size, min(seen.get(line, 0) for line in lines) > 1000, picture.getpixel((1, 1))]"
    )
    grants = [Preopen(out, "/out")]
    seen = run_wasm_python(look, runtime="cpython-3.15-sci", image="plot", preopens=grants).check().value
    assert seen == [[1080, 600], True, [255, 255, 255]]


def test_the_linear_programme_finds_the_best_plan() -> None:
    # Proof that nothing is better: at 25 an hour of sawing, 5 a square metre and 5 a chair that may be made, every
    # product's profit is paid for, and all that there is costs 80 * 25 + 140 * 5 + 40 * 5 = 2900.
    assert started("linear_programme.py").splitlines() == [
        "Profit of the week: 2900.00",
        "  make  10.0 of table",
        "  make  40.0 of chair",
        "  make  20.0 of shelf",
        "    0.0 sawing hours are left; one more is worth 25.00",
        "   10.0 finishing hours are left; one more is worth 0.00",
        "    0.0 wood in square metres are left; one more is worth 5.00",
    ]


def test_examples_use_public_names_only() -> None:
    for path in EXAMPLES.glob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"(from|import) wasihost\.", text), path.name
        assert '\nif __name__ == "__main__":\n' in text, path.name


PAGE = """\
<!doctype html>
<title>Sales of the week</title>
<h1>Sales of the week</h1>
<table>
  <tr><td>Harbour</td><td align="right">1,234.50</td></tr>
  <tr><td>Old &amp; new town</td><td align="right">99.99</td></tr>
  <tr><td>&lt;script&gt;</td><td align="right">12.00</td></tr>
  <tr><th>all</th><th align="right">1,346.49</th></tr>
</table>
<p>That is 1.3 thousand.</p>
"""
HOSTILE = [
    "a hostile template: out of fuel, the run used up its fuel of 5000000000 instructions",
    "a hostile template: exited, FileNotFoundError",
]


def test_the_report_of_a_stranger_s_template(tmp_path: Path) -> None:
    def forget() -> None:
        with contextlib.suppress(errors.UnknownImageError):
            Image.find("jinja-report").remove()

    forget()
    try:
        first, second = run("jinja_report.py"), run("jinja_report.py", tmp_path / "page.html")
    finally:
        forget()
    assert (first.returncode, first.stdout.strip()) == (0, PAGE.strip()), first.stderr
    built, *rest = first.stderr.splitlines()
    assert re.fullmatch(r"built the image jinja-report in \d+\.\d s:", built)
    packages = ["  humanize 4.17.0 (index)", "  jinja2 3.1.6 (runtime)", "  markupsafe 3.0.4 (runtime)"]
    assert rest == [*packages, *HOSTILE]
    assert (second.returncode, second.stdout, second.stderr.splitlines()) == (0, "", HOSTILE)
    assert (tmp_path / "page.html").read_text(encoding="utf-8").strip() == PAGE.strip()
