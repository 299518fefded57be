"""Runs every hostile case and its twin, in every containment and on every runtime where it applies."""

from __future__ import annotations

import contextlib
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hostile.case import (
    ALL_DIFFERENT,
    ALL_EQUAL,
    CONTAINMENTS,
    LATE_SECONDS,
    RUNTIMES,
    SECRET,
    Case,
    End,
    Expect,
    Refused,
    UnavailableError,
    pick,
)
from hostile.furniture import GRANTABLE, furnish, state_of
from hostile.load import CLASSES, all_cases

from wasihost import Denial, GuestError, Limits, Outcome, Preopen, RunResult, Sandbox, Scratch

SANDBOX_OPTIONS = {
    "runtime", "preopens", "env", "limits", "profile", "image", "functions", "function_limits", "gate",
}  # fmt: skip
KEPT_SANDBOXES = 8
TRIES = 3
"""A late answer is measured again: the machine may have been busy with something else, but not each time."""


class Sandboxes:
    """Sandboxes that are alike are one, because a case needs several runs and starting workers takes time."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Sandbox] = OrderedDict()

    @contextlib.contextmanager
    def get(self, options: Mapping[str, Any], *, keep: bool) -> Iterator[Sandbox]:
        if not keep:
            with Sandbox(**options) as sandbox:
                yield sandbox
            return
        key = repr(sorted(options.items()))
        if key not in self._kept:
            while len(self._kept) >= KEPT_SANDBOXES:
                self._kept.popitem(last=False)[1].close()
            self._kept[key] = Sandbox(**options)
        self._kept.move_to_end(key)
        yield self._kept[key]

    def close(self) -> None:
        for sandbox in self._kept.values():
            sandbox.close()


@pytest.fixture(scope="module")
def sandboxes() -> Iterator[Sandboxes]:
    kept = Sandboxes()
    yield kept
    kept.close()


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that is granted; furnished anew for each attempt."""
    return tmp_path_factory.mktemp("hostile") / "host" / "granted"


def matches(found: str, wanted: str | re.Pattern[str]) -> bool:
    return found == wanted if isinstance(wanted, str) else wanted.fullmatch(found) is not None


def check(result: RunResult, wanted: Expect, *, secret: bool) -> None:
    wanted = wanted.for_outcome(result.outcome)
    assert result.outcome is wanted.outcome, result
    assert result.exit_code == wanted.exit_code, result
    assert matches(result.stdout, wanted.stdout), result
    assert wanted.stderr is None or matches(result.stderr, wanted.stderr), result
    assert matches(result.detail, wanted.detail), result
    assert (result.error.type if result.error else None) == wanted.error_type, result
    if wanted.error_errno is not None:
        assert result.error is not None
        assert result.error.message.startswith(f"[Errno {wanted.error_errno}]"), result
    if wanted.value not in (ALL_DIFFERENT, ALL_EQUAL):
        assert result.value == wanted.value, result
    omitted = result.stdout_omitted_bytes + result.stderr_omitted_bytes
    assert omitted == wanted.omitted_bytes or (wanted.omitted_bytes is None and omitted > 0), result
    if wanted.memory_peak_bytes is not None:
        assert result.memory_peak_bytes == wanted.memory_peak_bytes
    assert secret or SECRET not in repr(result)


def check_values(results: list[RunResult], wanted: object) -> None:
    values = [repr(result.value) for result in results]
    if wanted is ALL_DIFFERENT:
        assert len(set(values)) == len(values) > 1
        assert "None" not in values
    elif wanted is ALL_EQUAL:
        assert len(set(values)) == 1 < len(values)
        assert "None" not in values


def run_in_time(run: Callable[[], RunResult], limits: Limits, wanted: Expect, late_seconds: float) -> RunResult:
    for _ in range(TRIES):
        started = time.monotonic()
        result = run()
        late = time.monotonic() - started - limits.deadline_seconds
        assert result.outcome is wanted.for_outcome(result.outcome).outcome, result
        if result.outcome is not Outcome.DEADLINE_EXCEEDED or late <= late_seconds:
            return result
    raise AssertionError(f"the answer came {late:.3f} s after the deadline")


class Attempt:
    """One program of a case, or its twin, in a folder that was just furnished."""

    def __init__(self, case: Case, lab: Path, sandboxes: Sandboxes, *, runtime: str, containment: str) -> None:
        self.case = case
        self.lab = lab
        self.sandboxes = sandboxes
        self.where = {"runtime": runtime, "containment": containment}
        self.workers = {"workers": 1} if containment == "process" else {}

    def of_the_case(self) -> None:
        case = self.case
        self._go(
            case.guest, case.expect, case.grant, case.options, case.prepare, runs=case.runs,
            secret=case.reads_secret, around=case.around, then=True,
        )  # fmt: skip

    def of_the_twin(self) -> None:
        case, twin = self.case, self.case.twin
        self._go(
            case.guest if twin.guest is None else twin.guest,
            twin.expect,
            case.grant if twin.grant is None else twin.grant,
            case.options if twin.options is None else twin.options,
            case.prepare if twin.prepare is None else twin.prepare,
            runs=twin.runs, secret=twin.reads_secret, around=None, then=False,
        )  # fmt: skip

    def _go(
        self, guest: str, end: Any, grant: str, options: Mapping[str, Any], prepare: Any, *, runs: int,
        secret: bool, around: Any, then: bool,
    ) -> None:  # fmt: skip
        furnish(self.lab)
        wanted: End = pick(end, **self.where)
        with contextlib.ExitStack() as stack:
            if isinstance(wanted, Refused):
                stack.enter_context(pytest.raises(wanted.error, match=wanted.message))
            given = {**options, **((prepare(self.lab) if prepare else None) or {})}
            keep = "preopens" not in given and not isinstance(wanted, Refused)
            going_on = stack.enter_context(contextlib.ExitStack())
            given.update((going_on.enter_context(around(self.lab)) if around else None) or {})
            if grant != "none":
                given["preopens"] = [Preopen(self.lab, "/d", writable=grant == "write"), *given.get("preopens", ())]
            outside = state_of(self.lab.parent, without=GRANTABLE)
            inside = None if around or self._may_write(given.get("preopens", ())) else state_of(self.lab)
            sandbox_options = {
                **self.where,
                **self.workers,
                **{name: given.pop(name) for name in SANDBOX_OPTIONS & set(given)},
            }
            with self.sandboxes.get(sandbox_options, keep=keep) as sandbox:
                results = self._run(sandbox, guest, given, wanted, runs)
                going_on.close()
                for result in results:
                    check(result, wanted, secret=secret)
                check_values(results, wanted.value)
                if then and self.case.then:
                    self._look_afterwards(sandbox)
                clean = sandbox.run("print(6 * 7)")
                assert (clean.outcome, clean.exit_code, clean.stdout) == (Outcome.EXITED, 0, "42\n"), clean
            assert state_of(self.lab.parent, without=GRANTABLE) == outside
            assert inside is None or state_of(self.lab) == inside

    def _run(self, sandbox: Sandbox, guest: str, given: Mapping[str, Any], wanted: End, runs: int) -> list[RunResult]:
        if isinstance(wanted, Refused):
            sandbox.run(guest, **given)
            raise AssertionError("the host accepted what it should refuse")
        late = LATE_SECONDS[self.where["containment"]] + self.case.late_seconds
        return [run_in_time(lambda: sandbox.run(guest, **given), sandbox.limits, wanted, late) for _ in range(runs)]

    def _may_write(self, grants: Iterable[Preopen | Scratch]) -> bool:
        folders = [Path(grant.host).resolve() for grant in grants if isinstance(grant, Preopen) and grant.writable]
        return any(folder.is_relative_to(self.lab) for folder in folders)

    def _look_afterwards(self, sandbox: Sandbox) -> None:
        assert self.case.then is not None
        wanted = pick(self.case.then.expect, **self.where)
        assert isinstance(wanted, Expect)
        check(sandbox.run(self.case.then.guest), wanted, secret=False)


# Neighbours share a runtime and a containment, so that they can share sandboxes.
PLACES = [
    pytest.param(case, runtime, containment, id=f"{name}-{runtime}-{containment}")
    for containment in CONTAINMENTS
    for runtime in RUNTIMES
    for name, case in all_cases().items()
    if runtime in case.runtimes and containment in case.containments
]


@pytest.mark.parametrize(("case", "runtime", "containment"), PLACES)
def test_case(case: Case, runtime: str, containment: str, lab: Path, sandboxes: Sandboxes) -> None:
    attempt = Attempt(case, lab, sandboxes, runtime=runtime, containment=containment)
    try:
        attempt.of_the_case()
    except UnavailableError as error:
        pytest.skip(str(error))
    attempt.of_the_twin()


def test_there_are_cases_of_every_class() -> None:
    names = list(all_cases())
    assert len(names) >= 120
    assert {name.split("/")[0] for name in names} == set(CLASSES)
    titles = [case.title for case in all_cases().values()]
    assert len(set(titles)) == len(titles)


SOUND = RunResult(outcome=Outcome.EXITED, exit_code=0, stdout_bytes=b"a\n", value=5)


@pytest.mark.parametrize(
    "result",
    [
        replace(SOUND, outcome=Outcome.GUEST_CRASHED),
        replace(SOUND, exit_code=1),
        replace(SOUND, stdout_bytes=b"a"),
        replace(SOUND, stderr_bytes=b"a"),
        replace(SOUND, value=6),
        replace(SOUND, detail="a"),
        replace(SOUND, error=GuestError(type="E", message="", traceback="")),
        replace(SOUND, stderr_omitted_bytes=1),
        replace(SOUND, denials=(Denial(kind="read", target=SECRET),)),
    ],
)
def test_every_difference_is_a_failure(result: RunResult) -> None:
    wanted = Expect(exit_code=0, stdout="a\n", value=5)
    check(SOUND, wanted, secret=False)
    with pytest.raises(AssertionError):
        check(result, wanted, secret=False)


def test_a_late_answer_is_a_failure() -> None:
    def run() -> RunResult:
        time.sleep(0.03)
        return RunResult(outcome=Outcome.DEADLINE_EXCEEDED)

    limits, wanted = Limits(deadline_seconds=0.01), Expect(outcome=Outcome.DEADLINE_EXCEEDED)
    run_in_time(run, limits, wanted, 10.0)
    with pytest.raises(AssertionError, match="after the deadline"):
        run_in_time(run, limits, wanted, 0.0)
