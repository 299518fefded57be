"""Walls that cannot stand are named with a reason, and nothing is changed by asking."""

from __future__ import annotations

import ctypes
import errno
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from wasihost.containment.walls import enclosure, kernel, landlock, rlimits, seccomp
from wasihost.containment.walls.enclosure import WALLS, available
from wasihost.containment.walls.kernel import PR_GET_DUMPABLE, PR_GET_NO_NEW_PRIVS, PR_GET_SECCOMP, prctl
from wasihost.containment.walls.landlock import Handled, Ruleset, UnavailableError


def refusing(number: int) -> Callable[..., int]:
    def system_call(*_arguments: object) -> int:
        raise OSError(number, os.strerror(number))

    return system_call


def state() -> tuple[object, ...]:
    old = os.umask(0o022)
    os.umask(old)
    limits = [resource.getrlimit(limit) for limit in (resource.RLIMIT_AS, resource.RLIMIT_NOFILE, resource.RLIMIT_CORE)]
    options = [prctl(option) for option in (PR_GET_DUMPABLE, PR_GET_NO_NEW_PRIVS, PR_GET_SECCOMP)]
    return old, limits, options, len(list(Path("/proc/self/fd").iterdir()))


def test_asking_changes_nothing() -> None:
    before = state()
    standing = available()
    assert state() == before
    assert sorted([*standing.walls, *(wall for wall, _ in standing.missing)]) == sorted(WALLS)
    assert all(reason for _, reason in standing.missing)


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.ENOSYS, "the kernel has no Landlock (needs Linux 5.13 with landlock in the lsm= boot list)"),
        (errno.EOPNOTSUPP, "the kernel's Landlock is switched off (needs landlock in the lsm= boot list)"),
        (
            errno.EPERM,
            "a filter around this process refuses Landlock (allow the landlock_ system calls there)",
        ),
        (errno.EIO, "the kernel says: Input/output error"),
    ],
)
def test_no_landlock(monkeypatch: pytest.MonkeyPatch, number: int, reason: str) -> None:
    monkeypatch.setattr(landlock, "system_call", refusing(number))
    standing = available()
    assert dict(standing.missing)["landlock"] == reason
    assert "landlock" not in standing.walls


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.ENOSYS, seccomp.NO_SECCOMP),
        (errno.EINVAL, seccomp.NO_SECCOMP),
        (errno.EPERM, "the kernel says: Operation not permitted"),
    ],
)
def test_no_seccomp(monkeypatch: pytest.MonkeyPatch, number: int, reason: str) -> None:
    monkeypatch.setattr(seccomp, "system_call", refusing(number))
    assert dict(available().missing)["seccomp"] == reason
    assert seccomp.install() == reason


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (OSError(errno.EPERM, ""), ""),
        (OSError(errno.EINVAL, ""), "the kernel took the filter and lets through what it refuses"),
        (None, "the kernel took the filter and lets through what it refuses"),
    ],
)
def test_a_filter_that_holds_nothing_is_none(
    monkeypatch: pytest.MonkeyPatch, answer: OSError | None, reason: str
) -> None:
    def prctl(option: int, *_: int) -> int:
        if option == kernel.PR_GET_SECCOMP:
            return 2
        if answer is not None:
            raise answer
        return 0

    monkeypatch.setattr(seccomp, "system_call", lambda *_: 0)
    monkeypatch.setattr(seccomp, "prctl", prctl)
    assert seccomp.install() == reason


def test_other_machines_have_no_filter(monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.uname()
    monkeypatch.setattr(os, "uname", lambda: os.uname_result((*real[:4], "riscv64")))
    reason = "there is a table of system calls for x86_64 and aarch64 programs of 64 bits only"
    assert seccomp.install() == reason
    assert dict(available().missing)["seccomp"] == reason


def test_other_systems_have_no_walls(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (enclosure, landlock, rlimits, seccomp):
        monkeypatch.setattr(module, "IS_LINUX", False)
    nothing = enclosure.Enclosure(data_bytes=0, address_bytes=0, open_files=0, file_bytes=0, readable=["/nowhere"])
    before = state()
    assert available() == ((), tuple((wall, "only Linux has this wall") for wall in WALLS))
    assert enclosure.enclose(nothing) == available()
    assert state() == before


def test_without_proc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rlimits, "STATUS", "/nowhere/status")
    assert dict(available().missing)["rlimits"].startswith("the process cannot read its own size (needs /proc mounted")


def test_sizes_are_those_that_the_limits_count() -> None:
    import mmap

    address, data = rlimits.memory_sizes()
    with mmap.mmap(-1, 64 << 20):
        pass
    with mmap.mmap(-1, 64 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS):
        larger_address, larger_data = rlimits.memory_sizes()
    assert 64 << 20 <= larger_address - address < 80 << 20
    assert 64 << 20 <= larger_data - data < 80 << 20


@pytest.mark.parametrize(
    ("abi", "files", "ports", "scopes"),
    [
        (1, 0x1FFF, 0, 0),
        (2, 0x3FFF, 0, 0),
        (3, 0x7FFF, 0, 0),
        (4, 0x7FFF, 3, 0),
        (5, 0xFFFF, 3, 0),
        (6, 0xFFFF, 3, 3),
        (7, 0xFFFF, 3, 3),
        (8, 0xFFFF, 3, 3),
        (9, 0x1FFFF, 3, 3),
        (30, 0x1FFFF, 3, 3),
    ],
)
def test_rights_of_each_abi(abi: int, files: int, ports: int, scopes: int) -> None:
    assert Handled.by(abi) == (files, ports, scopes)


def test_rights_of_grants() -> None:
    execute, devices, sockets, fifos, device_requests = 1, 1 << 6 | 1 << 11, 1 << 9, 1 << 10, 1 << 15
    assert landlock.READ == 0b1100
    assert landlock.WRITE == 0b111_0001_1011_1110
    assert not landlock.WRITE & (execute | devices | sockets | fifos | device_requests)


class Kernel:
    """Stands in for the kernel: any ABI, and what was asked of it."""

    def __init__(self, abi: int) -> None:
        self.abi = abi
        self.calls: list[tuple[object, ...]] = []

    def __call__(self, number: int, *arguments: object) -> int:
        if number == 444:
            if arguments == (None, 0, 1):
                return self.abi
            attributes = arguments[0]
            assert isinstance(attributes, ctypes.Structure)
            self.calls.append(tuple(getattr(attributes, name) for name in ("handled_fs", "handled_net", "scoped")))
            return os.open("/", os.O_PATH)
        self.calls.append((number, *arguments[1:2]))
        return 0


def test_an_old_landlock_is_asked_for_what_it_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    old = Kernel(1)
    monkeypatch.setattr(landlock, "system_call", old)
    Ruleset([], [], threads=1).close()
    assert old.calls == [(0x1FFF, 0, 0)]


def test_several_threads_need_a_newer_landlock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landlock, "_verify", lambda: None)
    monkeypatch.setattr(landlock, "system_call", Kernel(7))
    with pytest.raises(UnavailableError, match="has 3 threads, and this kernel's Landlock holds for one"):
        Ruleset([], [], threads=3)
    with pytest.raises(UnavailableError, match="cannot count its threads"):
        Ruleset([], [], threads=0)
    new = Kernel(8)
    monkeypatch.setattr(landlock, "system_call", new)
    Ruleset([], [], threads=3).enforce()
    assert new.calls[-1] == (446, 8)  # LANDLOCK_RESTRICT_SELF_TSYNC
    Ruleset([], [], threads=0).enforce()
    assert new.calls[-1] == (446, 8)
    Ruleset([], [], threads=1).enforce()
    assert new.calls[-1] == (446, 0)


def test_rules_that_hold_nothing_are_not_called_a_wall(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landlock, "system_call", Kernel(7))
    ruleset = Ruleset([], [], threads=1)
    with pytest.raises(UnavailableError, match="/ can still be read"):
        ruleset.enforce()


def test_kernel_calls_raise_what_the_kernel_said(monkeypatch: pytest.MonkeyPatch) -> None:
    assert kernel.system_call({"x86_64": 39, "aarch64": 172}[os.uname().machine]) == os.getpid()
    with pytest.raises(OSError, match="Bad file descriptor") as caught:
        kernel.system_call({"x86_64": 3, "aarch64": 57}[os.uname().machine], -1)
    assert caught.value.errno == errno.EBADF
    with pytest.raises(OSError, match="Invalid argument"):
        prctl(987654)
    assert kernel.thread_count() >= 1
    monkeypatch.setattr(os, "listdir", refusing(errno.ENOENT))
    assert kernel.thread_count() == 0


def test_importing_is_cheap() -> None:
    program = """
import sys, ctypes, os, typing
before = set(sys.modules)
import wasihost.containment.walls.enclosure
print(sorted(name for name in set(sys.modules) - before if not name.startswith("wasihost")))
"""
    done = subprocess.run(
        [sys.executable, "-S", "-c", program],
        env={"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "['__future__', 'errno', 'resource']\n"
