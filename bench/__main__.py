"""wasihost and its peers side by side: `python -m bench`.

Every peer that can be installed is measured in a virtual environment of its own, in turns with all others, in one run.
What it prints is checked each time. Results are written as JSON, as Markdown and as plots. Nothing fails because of a
slow machine, nor because of a peer; only wrong results of wasihost itself make the bench fail.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from bench.asking import Driver
from bench.cases import CASES, QUICK, Bench, Case, Effort, closing, make_ready
from bench.common import machine, need_linux
from bench.environments import Environments, MissingError
from bench.reach import reached
from bench.roster import OURS, PEERS, PLAIN, Peer, find_peers
from bench.showing import markdown, summary_line

QUIET_LOAD = 0.3
"""Load of the last minute up to which a machine passes as idle."""
ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    """Measure, and write what came of it."""
    need_linux("bench")
    options = _options()
    if options.show is not None:
        report = json.loads(options.show.read_text(encoding="utf-8"))
        print(markdown(report))
        return 0
    cases = _chosen(options.only, quick=options.quick)
    report = _measured(options, cases)
    print(markdown(report) if not options.json else json.dumps(report, indent=1))
    _write(report, options)
    wrong = _own_failures(report)
    for line in wrong:
        _say(line)
    return 1 if wrong else 0


def _options() -> argparse.Namespace:
    names = ", ".join(case.name for case in CASES)
    parser = argparse.ArgumentParser(prog="bench", description=(__doc__ or "").split("\n\n", maxsplit=1)[0])
    parser.add_argument("--quick", action="store_true", help="little of everything, to see that it works")
    parser.add_argument("--only", default="", metavar="CASES", help=f"with commas between them: {names}")
    parser.add_argument(
        "--peers", default=None, metavar="NAMES", help="with commas between them; wasihost is always measured"
    )
    parser.add_argument("--out", type=Path, default=None, metavar="FOLDER", help="for bench.json, bench.md and plots")
    parser.add_argument("--no-plots", action="store_true", help="do without matplotlib")
    parser.add_argument("--json", action="store_true", help="print JSON instead of Markdown")
    parser.add_argument("--environments", type=Path, default=None, metavar="FOLDER", help="of the peers")
    parser.add_argument("--show", type=Path, default=None, metavar="FILE", help="print a report as Markdown")
    return parser.parse_args()


def _chosen(only: str, *, quick: bool) -> list[Case]:
    names = [name.strip() for name in only.split(",") if name.strip()]
    unknown = set(names) - {case.name for case in CASES}
    if unknown:
        raise SystemExit(f"there is no case {', '.join(sorted(unknown))}: {', '.join(case.name for case in CASES)}")
    return [case for case in CASES if case.name in names or (not names and not (quick and case.full_only))]


def _measured(options: argparse.Namespace, cases: list[Case]) -> dict[str, Any]:
    names = [peer.name for peer in PEERS] if options.peers is None else options.peers.split(",")
    peers = find_peers([name.strip() for name in names if name.strip()])
    environments, drivers, missing = Environments(options.environments), [], {}
    for peer in peers:
        try:
            drivers.append(_driver(peer, environments))
        except MissingError as error:
            _say(f"{peer.name} is missing: {error}")
            missing[peer.name] = {"missing": str(error)}
    bench = Bench(drivers=list(drivers), effort=QUICK if options.quick else Effort(), say=_say)
    load = round(os.getloadavg()[0], 2)
    if load > QUIET_LOAD:
        _say(f"the machine has other work (load {load}): figures will be worth little")
    report: dict[str, Any] = {
        "date": time.strftime("%Y-%m-%d"),
        "machine": machine(),
        "load": load,
        "quick": options.quick,
        "peers": {},
        "cases": {},
    }
    with closing(drivers):
        about = {**missing, **make_ready(bench)}
        for peer in peers:
            report["peers"][peer.name] = {**about[peer.name], "what": peer.what}
        for case in cases:
            _say(f"measuring {case.name}")
            started = time.monotonic()
            rows = case.measure(bench)
            took = round(time.monotonic() - started, 1)
            report["cases"][case.name] = {"title": case.title, "unit": case.unit, "seconds": took, "rows": rows}
    report["reach"] = reached(report["cases"])
    return report


def _driver(peer: Peer, environments: Environments) -> Driver:
    if peer.distribution:
        _say(f"looking for {peer.distribution} {peer.version}")
    python = environments.python_of(peer)
    arguments = (str(_plain_module()),) if peer.name == PLAIN else peer.arguments
    search_path = (str(ROOT),) if peer.name in OURS else ()
    return Driver(peer.name, python, peer.driver, arguments, search_path)


def _plain_module() -> Path:
    """Return the module of a command build of CPython that has its standard library inside."""
    from wasihost.runtime import ensure_installed, find_runtime, install_folder

    runtime = find_runtime("cpython-3.12")
    ensure_installed(runtime)
    return next(install_folder(runtime).rglob("*.wasm"))


def _write(report: dict[str, Any], options: argparse.Namespace) -> None:
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / "bench.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
        (options.out / "bench.md").write_text(markdown(report) + "\n", encoding="utf-8")
        if not options.no_plots:
            from bench.plots import draw

            for path in draw(report, options.out):
                _say(f"wrote {path}")
    _say(summary_line(report))


def _own_failures(report: dict[str, Any]) -> list[str]:
    found = []
    for name in OURS:
        if "missing" in report["peers"][name]:
            found.append(f"{name}: {report['peers'][name]['missing']}")
        for case, about in report["cases"].items():
            for row, cells in about["rows"].items():
                if "failed" in cells.get(name, {}):
                    found.append(f"{name} failed in {case}, {row}: {cells[name]['failed']}")
    return found


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
