"""Report on a folder of CSV files with pandas and matplotlib inside: `csv_report.py DATA OUT`.

Makes DATA, twelve CSV files with 1,200,000 rows of bicycle hires, the same ones each time. Then runs a program that
nobody has to vouch for: it may read DATA and write into OUT, and reach nothing else. It leaves summary.csv and
hires.png in OUT.

All of it takes 4 seconds on two cores of 2026, half of them inside. Before that, the first use of the scientific
runtime on a machine downloads and compiles it, which takes a minute or two.
"""

import argparse
import random
import sys
import time
from pathlib import Path

from wasihost import Limits, Preopen, Sandbox

ROWS_A_MONTH = 100_000
STATIONS = {"Harbour": 1.6, "Market": 1.3, "Old Town": 1.0, "University": 0.8, "Airport": 0.3}
"""Stations, and how busy each is."""
SEASON = [0.5, 0.55, 0.8, 1.0, 1.25, 1.4, 1.45, 1.4, 1.15, 0.9, 0.6, 0.45]
"""How long people ride in each month, against the mean."""

# The guest's program. It knows its folders by the paths under which they are granted.
PROGRAM = """
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

# One file at a time, so that memory holds one month and its sums, not the year.
parts, rows = [], 0
for path in sorted(Path("/data").glob("*.csv")):
    hires = pd.read_csv(path, dtype={"station": "category"})
    rows += len(hires)
    months = hires["day"].str.slice(0, 7).rename("month")
    parts.append(hires.groupby([months, "station"], observed=True)["minutes"].agg(["size", "sum"]))
sums = pd.concat(parts).groupby(level=["month", "station"], observed=True).sum()
table = sums.rename(columns={"size": "hires", "sum": "minutes"}).reset_index()
table["mean_minutes"] = (table["minutes"] / table["hires"]).round(2)
table.to_csv("/out/summary.csv", index=False)

hours = table.pivot(index="month", columns="station", values="minutes") / 60
hours = hours[hours.sum().sort_values(ascending=False).index]
figure, axes = plt.subplots(figsize=(9, 5), layout="constrained")
for station in hours.columns:
    line, = axes.plot(range(len(hours)), hours[station], marker="o", markersize=4, linewidth=2)
    # The name stands at the end of its line: no legend to look up.
    axes.annotate(station, (len(hours) - 1, hours[station].iloc[-1]), (8, 0), textcoords="offset points",
                  va="center", color=line.get_color(), fontweight="bold")
axes.set_title("Hours that bicycles were out, by station", loc="left", fontsize=14, fontweight="bold", pad=12)
axes.set_xlabel("Month of 2025")
axes.set_ylabel("Hours hired")
axes.set_xticks(range(len(hours)), pd.to_datetime(hours.index).strftime("%b"))
axes.yaxis.set_major_formatter("{x:,.0f}")
axes.set_ylim(bottom=0)
axes.grid(axis="y", alpha=0.3)
axes.spines[["top", "right"]].set_visible(False)
figure.savefig("/out/hires.png", dpi=120)

{"rows": rows, "files": len(parts), "busiest": hours.columns[0], "hours": round(float(hours.to_numpy().sum()))}
"""


def make_data(folder: Path) -> None:
    """Write one file for each month of 2025. A fixed seed makes the same rows each time."""
    folder.mkdir(parents=True, exist_ok=True)
    dice = random.Random(2025)
    for month, season in enumerate(SEASON, start=1):
        stations = dice.choices(list(STATIONS), weights=list(STATIONS.values()), k=ROWS_A_MONTH)
        with (folder / f"hires-{month:02}.csv").open("w", encoding="utf-8") as file:
            file.write("day,station,minutes\n")
            for station in stations:
                minutes = 5 + int(dice.random() * 40 * season)
                file.write(f"2025-{month:02}-{dice.randint(1, 28):02},{station},{minutes}\n")


def report(data: Path, out: Path) -> dict:
    """Run the program over the files of `data`, return what it says.

    Raises:
        RunFailedError: The program raised, or reached a limit.
    """
    limits = Limits(
        # A quarter of the memory and a sixth of the default fuel are used: a year of twice the size fits as well.
        memory_bytes=512 * 2**20,
        deadline_seconds=60.0,
        disk_bytes=10 * 2**20,  # what it may leave in OUT
    )
    grants = [Preopen(data, "/data"), Preopen(out, "/out", writable=True)]
    # "plot" is an interpreter that has drawn with matplotlib before: it need not import anything.
    with Sandbox(runtime="cpython-3.15-sci", image="plot", preopens=grants, limits=limits) as sandbox:
        result = sandbox.run(PROGRAM).check()
    said = result.value
    print(f"Read {said['rows']:,} rows of {said['files']} files in {result.wall_seconds:.1f} s.")
    print(f"It took {result.memory_peak_bytes / 2**20:.0f} MiB and {result.fuel_consumed / 1e9:.0f} G of fuel.")
    print(f"Bicycles were out for {said['hours']:,} hours, most of them from {said['busiest']}.")
    return said


def main() -> None:
    parser = argparse.ArgumentParser(prog="csv_report.py", description="Report on CSV files, inside wasihost.")
    parser.add_argument("data", type=Path, help="folder for the CSV files, 26 MB")
    parser.add_argument("out", type=Path, help="folder for summary.csv and hires.png")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    make_data(options.data)
    print(f"Made {len(SEASON) * ROWS_A_MONTH:,} rows in {options.data} in {time.monotonic() - started:.1f} s.")
    report(options.data, options.out)
    print(f"Wrote {options.out / 'summary.csv'} and {options.out / 'hires.png'}.")


if __name__ == "__main__":
    sys.exit(main())
