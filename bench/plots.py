"""A report of the bench as pictures, one for light and one for dark pages."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

from bench.common import machine_line
from bench.roster import IN_PROCESS, NATIVE, OURS, WORKER
from bench.showing import number

THEMES = {
    "light": {
        "back": "#ffffff",
        "text": "#1f2328",
        "faint": "#d1d9e0",
        "own": "#0a7a5c",
        "own2": "#5cb89b",
        "other": "#8c959f",
    },
    "dark": {
        "back": "#0d1117",
        "text": "#e6edf3",
        "faint": "#30363d",
        "own": "#2fbf8f",
        "own2": "#1d7a5d",
        "other": "#7d8590",
    },
}
LINES = {
    "light": ("#8250df", "#bf8700", "#0969da", "#cf222e", "#6e7781", "#bc4c00", "#953800"),
    "dark": ("#bc8cff", "#e3b341", "#58a6ff", "#ff7b72", "#b1bac4", "#ffa657", "#d2a8a0"),
}
MARKS = "osD^vPX*<>"


def draw(report: dict[str, Any], folder: Path) -> list[Path]:
    """Draw what a report holds and return the files.

    Raises:
        SystemExit: matplotlib is not installed.
    """
    try:
        import matplotlib as mpl
    except ImportError:
        raise SystemExit("plots need matplotlib: pip install 'wasihost[bench]', or --no-plots") from None
    mpl.use("Agg")
    written = []
    for theme, colours in THEMES.items():
        settings: dict[Any, Any] = {
            "figure.facecolor": colours["back"],
            "axes.facecolor": colours["back"],
            "savefig.facecolor": colours["back"],
            "text.color": colours["text"],
            "axes.labelcolor": colours["text"],
            "axes.edgecolor": colours["faint"],
            "xtick.color": colours["text"],
            "ytick.color": colours["text"],
            "grid.color": colours["faint"],
            "axes.spines.top": False,
            "axes.spines.right": False,
            "font.size": 10,
            "axes.titlesize": 11,
            "axes.titleweight": "bold",
            "axes.titlelocation": "left",
        }
        with mpl.rc_context(settings):
            path = folder / f"bench-{theme}.png"
            _figure(report, theme, path)
            written.append(path)
    return written


def _figure(report: dict[str, Any], theme: str, path: Path) -> None:
    import matplotlib.pyplot as plt

    colours = THEMES[theme]
    figure, axes = plt.subplots(3, 2, figsize=(13, 14))
    cases = report["cases"]
    _bars(axes[0][0], _medians(cases, "fresh"), "print(1), fresh interpreter", "milliseconds (logarithmic)", colours)
    _bars(
        axes[0][1],
        _ratios(cases, "small"),
        "Small programs, fresh interpreter",
        "times the native subprocess (logarithmic)",
        colours,
    )
    _bars(axes[1][0], _ratios(cases, "compute"), "Computing", "times native CPython (logarithmic)", colours)
    _bars(axes[1][1], _medians(cases, "command"), "Whole process, print(1)", "milliseconds (logarithmic)", colours)
    _rates(axes[2][0], cases, colours, LINES[theme])
    _bars(axes[2][1], _last_medians(cases, "idle"), "Private memory of an idle ready sandbox", "MB", colours, log=False)
    figure.suptitle("wasihost and its peers", x=0.02, ha="left", fontsize=15, fontweight="bold")
    note = machine_line(report["machine"], "shorter is better, except for runs a second")
    figure.text(0.02, 0.008, note, fontsize=8, color=colours["text"])
    figure.tight_layout(rect=(0, 0.02, 1, 0.985), h_pad=2.5, w_pad=2.5)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _medians(cases: dict[str, Any], case: str) -> dict[str, tuple[float, float, float]]:
    """Median and quartiles by peer of a case of one program."""
    row: dict[str, Any] = next(iter(cases.get(case, {}).get("rows", {}).values()), {})
    return {peer: (cell["median"], cell["lower"], cell["upper"]) for peer, cell in row.items() if "median" in cell}


def _last_medians(cases: dict[str, Any], case: str) -> dict[str, tuple[float, float, float]]:
    rows = list(cases.get(case, {}).get("rows", {}).values())
    return _medians({case: {"rows": {"": rows[-1]}}}, case) if rows else {}


def _ratios(cases: dict[str, Any], case: str) -> dict[str, tuple[float, float, float]]:
    """Geometric mean and quartiles by peer of what programs take in relation to the native interpreter."""
    found = {}
    rows = cases.get(case, {}).get("rows", {})
    for peer in next(iter(rows.values()), {}):
        ratios = [
            row[peer]["median"] / row[NATIVE]["median"]
            for row in rows.values()
            if row[peer].get("median") and row.get(NATIVE, {}).get("median")
        ]
        if ratios:
            quarters = statistics.quantiles(ratios, n=4, method="inclusive") if len(ratios) > 1 else [ratios[0]] * 3
            label = peer if len(ratios) == len(rows) else f"{peer} ({len(ratios)} of {len(rows)})"
            found[label] = (statistics.geometric_mean(ratios), quarters[0], quarters[2])
    return found


def _bars(
    axis: Any,
    values: dict[str, tuple[float, float, float]],
    title: str,
    label: str,
    colours: dict[str, str],
    *,
    log: bool = True,
) -> None:
    axis.set_title(title)
    if not values:
        axis.text(0.5, 0.5, "not measured", ha="center", va="center", transform=axis.transAxes)
        axis.set_axis_off()
        return
    names = sorted(values, key=lambda name: values[name][0], reverse=True)
    middle = [values[name][0] for name in names]
    low = [max(0.0, values[name][0] - values[name][1]) for name in names]
    high = [max(0.0, values[name][2] - values[name][0]) for name in names]
    shades = [_shade(name, colours) for name in names]
    axis.barh(names, middle, color=shades, height=0.68)
    axis.errorbar(
        middle, range(len(names)), xerr=[low, high], fmt="none", ecolor=colours["text"], elinewidth=1, capsize=2
    )
    for at, (value, more) in enumerate(zip(middle, high, strict=True)):
        axis.annotate(
            number(value), (value + more, at), xytext=(5, 0), textcoords="offset points", va="center", fontsize=9
        )
    if log and min(middle) > 0:
        axis.set_xscale("log")
        axis.set_xlim(min(middle) / 2.5, max(value + more for value, more in zip(middle, high, strict=True)) * 3)
        _plain_ticks(axis.xaxis)
    else:
        axis.set_xlim(0, max(1e-9, *(value + more for value, more in zip(middle, high, strict=True))) * 1.2)
    axis.set_xlabel(label)
    axis.grid(axis="x", linewidth=0.6)
    axis.set_axisbelow(True)
    for tick, name in zip(axis.get_yticklabels(), names, strict=True):
        if name.startswith(WORKER):
            tick.set_fontweight("bold")


def _shade(name: str, colours: dict[str, str]) -> str:
    if name.startswith(IN_PROCESS):
        return colours["own2"]
    return colours["own"] if name in OURS else colours["other"]


def _rates(axis: Any, cases: dict[str, Any], colours: dict[str, str], lines: tuple[str, ...]) -> None:
    axis.set_title("Runs of print(1) a second")
    rows = cases.get("throughput", {}).get("rows", {})
    peers = [peer for peer in next(iter(rows.values()), {}) if any(row[peer].get("median") for row in rows.values())]
    if not peers:
        axis.text(0.5, 0.5, "not measured", ha="center", va="center", transform=axis.transAxes)
        axis.set_axis_off()
        return
    callers = [int(name.split()[0]) for name in rows]
    others = iter(lines)
    for peer, mark in zip(peers, MARKS, strict=False):
        rates = [row[peer].get("median") for row in rows.values()]
        own = peer in OURS
        colour = _shade(peer, colours) if own else next(others)
        axis.plot(callers, rates, marker=mark, color=colour, linewidth=2.4 if own else 1.3, markersize=6, label=peer)
    axis.set_yscale("log")
    axis.set_xscale("log", base=2)
    axis.set_xticks(callers, [str(number) for number in callers])
    axis.minorticks_off()
    _plain_ticks(axis.yaxis)
    axis.set_xlabel("callers at once")
    axis.set_ylabel("runs a second (logarithmic)")
    axis.grid(axis="y", linewidth=0.6)
    axis.legend(fontsize=8, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))


def _plain_ticks(axis: Any) -> None:
    """Label a logarithmic axis with plain numbers: 1, 2, 5, or only powers of ten where there are many."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    low, high = axis.get_view_interval()
    axis.set_major_locator(LogLocator(base=10, subs=(1, 2, 5) if high / low < 500 else (1,)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
