"""A report of the bench as Markdown."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from typing import Any

from bench.common import machine_line
from bench.reach import Cases, median_of, reached, rows_of
from bench.roster import NATIVE, OURS, WORKER

MANY_ROWS = 6
"""A case of more programs than this is shown by its geometric means."""


def markdown(report: dict[str, Any]) -> str:
    """Return the whole report."""
    cases: Cases = report["cases"]
    lines = [
        machine_line(
            report["machine"],
            f"load before {report['load']}",
            f"medians{', QUICK: no figures to go by' if report['quick'] else ''}",
        ),
        "",
        *peers_table(report["peers"]),
        "",
    ]
    lines += ["## Reach", "", *reach_table(cases), ""]
    for case in cases.values():
        lines += [f"## {case['title']} ({case['unit']})", "", *case_table(case), ""]
    return "\n".join(lines)


def grid(head: Iterable[object], rows: Iterable[Iterable[object]]) -> list[str]:
    """Return the lines of a table."""
    head = [str(cell) for cell in head]
    return [
        f"| {' | '.join(head)} |",
        f"| {' | '.join(['---', *['---:'] * (len(head) - 1)])} |",
        *[f"| {' | '.join(str(cell) for cell in row)} |" for row in rows],
    ]


def peers_table(peers: dict[str, Any]) -> list[str]:
    """Return who was measured, in which versions, and who was not, and why."""
    rows = []
    for name, peer in peers.items():
        if "missing" in peer:
            rows.append([name, f"missing: {peer['missing']}", ""])
        else:
            versions = ", ".join(f"{key} {value}" for key, value in peer["versions"].items())
            rows.append([name, f"{versions}; on Python {peer['python']}", peer["what"]])
    return ["| peer | versions | |", "| --- | --- | --- |", *[f"| {' | '.join(row)} |" for row in rows]]


def reach_table(cases: Cases) -> list[str]:
    """Return the goals, and what was reached of each."""
    rows = []
    for row in reached(cases):
        sign = "≥" if row["at_least"] else "≤"
        unit = f" {row['unit']}" if row["unit"] else " ×"
        rows.append(
            [
                row["work"],
                row["against"] or "-",
                "-" if row["measured"] is None else f"{number(row['measured'])}{unit}",
                row["of"] or "-",
                f"{sign} {number(row['bar'])}",
                "-" if row["stretch"] is None else f"{sign} {number(row['stretch'])}",
                row["verdict"],
            ]
        )
    return grid(["work", "against", "measured", "of", "bar", "stretch", "reached"], rows)


def case_table(case: dict[str, Any]) -> list[str]:
    """Return a case: peers below each other, programs beside each other, or their means where there are many."""
    rows, peers = case["rows"], list(next(iter(case["rows"].values()), {}))
    if len(rows) > MANY_ROWS:
        return [*mean_table(case), "", *wide_table(rows, peers)]
    lines = []
    for peer in peers:
        cells = [shown(rows[row][peer]) for row in rows]
        if not all(cell == "-" for cell in cells):
            lines.append([peer, *cells])
    notes = [f"- {peer}, {row}: {reason}" for row in rows for peer in peers if (reason := reason_of(rows[row][peer]))]
    return [*grid(["", *rows], lines), *(["", *notes] if notes else [])]


def mean_table(case: dict[str, Any]) -> list[str]:
    """Return how peers compare over the programs that both can run."""
    rows = case["rows"]
    peers = list(next(iter(rows.values()), {}))
    lines = []
    for peer in peers:
        right = [row for row in rows if rows[row][peer].get("median")]
        if not right:
            continue
        mean = statistics.geometric_mean([rows[row][peer]["median"] for row in right])
        lines.append(
            [peer, f"{len(right)} of {len(rows)}", number(mean), *[ratio(rows, peer, own) for own in (*OURS, NATIVE)]]
        )
    head = ["geometric means", "programs", case["unit"], *[f"× {own}" for own in (*OURS, NATIVE)]]
    return grid(head, lines)


def ratio(rows: dict[str, Any], peer: str, base: str) -> str:
    """Return how many times as long a peer takes as another, over the programs that both can run."""
    pairs = [
        (row[peer]["median"], row[base]["median"])
        for row in rows.values()
        if row[peer].get("median") and row.get(base, {}).get("median")
    ]
    return number(statistics.geometric_mean([one / other for one, other in pairs])) if pairs else "-"


def wide_table(rows: dict[str, Any], peers: list[str]) -> list[str]:
    """Return the medians of all programs."""
    present = [peer for peer in peers if any(rows[row][peer].get("median") for row in rows)]
    return grid(["", *present], [[row, *[shown(rows[row][peer], spread=False) for peer in present]] for row in rows])


def shown(cell: dict[str, Any], *, spread: bool = True) -> str:
    """Return a median with its quartiles, or a word for why there is none."""
    if "median" not in cell:
        return "fails" if "failed" in cell else "-"
    if not spread or cell["runs"] < 3:
        return number(cell["median"])
    return f"{number(cell['median'])} ({number(cell['lower'])} to {number(cell['upper'])})"


def reason_of(cell: dict[str, Any]) -> str:
    """Return why a peer has no figure."""
    return str(cell.get("failed") or cell.get("unsupported") or "")


def number(value: float) -> str:
    """Return three digits of a number."""
    if value >= 100:
        return f"{value:,.0f}"
    if value == 0:
        return "0"
    return f"{value:.3g}"


def summary_line(report: dict[str, Any]) -> str:
    """Return what is said of a run in one line."""
    cases = report["cases"]
    words = []
    for row in rows_of(cases, "fresh")[:1]:
        own = median_of(cases, "fresh", row, WORKER)
        words.append("" if own is None else f"{row} {number(own)} ms")
    found = [row["verdict"] for row in reached(cases)]
    words.append(", ".join(f"{found.count(word)} {word}" for word in ("stretch", "bar", "missed", "not measured")))
    return "; ".join(word for word in words if word)
