from __future__ import annotations

from pathlib import Path

import pytest

from wasihost.capabilities.policy import Treatment, load_policy
from wasihost.errors import ConfigError

WASI = "wasi_snapshot_preview1"

# Every function of the interface, by its definition.
PREVIEW1 = set(
    """
    args_get args_sizes_get environ_get environ_sizes_get clock_res_get clock_time_get fd_advise fd_allocate fd_close
    fd_datasync fd_fdstat_get fd_fdstat_set_flags fd_fdstat_set_rights fd_filestat_get fd_filestat_set_size
    fd_filestat_set_times fd_pread fd_prestat_get fd_prestat_dir_name fd_pwrite fd_read fd_readdir fd_renumber fd_seek
    fd_sync fd_tell fd_write path_create_directory path_filestat_get path_filestat_set_times path_link path_open
    path_readlink path_remove_directory path_rename path_symlink path_unlink_file poll_oneoff proc_exit proc_raise
    sched_yield random_get sock_accept sock_recv sock_send sock_shutdown
    """.split()  # noqa: SIM905 - forty names read better without quotes
)

# What all three builds import.
COMMON = set(
    """
    args_get args_sizes_get clock_res_get clock_time_get environ_get environ_sizes_get fd_advise fd_close fd_datasync
    fd_fdstat_get fd_fdstat_set_flags fd_filestat_get fd_filestat_set_size fd_filestat_set_times fd_pread
    fd_prestat_dir_name fd_prestat_get fd_pwrite fd_read fd_readdir fd_seek fd_sync fd_tell fd_write
    path_create_directory path_filestat_get path_filestat_set_times path_link path_open path_readlink
    path_remove_directory path_rename path_symlink path_unlink_file poll_oneoff proc_exit random_get sched_yield
    sock_accept sock_recv sock_send sock_shutdown
    """.split()  # noqa: SIM905 - forty names read better without quotes
)
BUILDS = {
    "cpython-3.15": {(WASI, name) for name in COMMON} | {("host", "call")},
    "cpython-3.12": {(WASI, name) for name in COMMON | {"fd_allocate"}},
    "cpython-3.11": {(WASI, name) for name in COMMON | {"fd_allocate"}},
}


WRAPPED = set(
    """
    fd_close fd_write fd_pwrite fd_filestat_set_size fd_allocate path_open path_create_directory path_symlink path_link
    random_get
    """.split()  # noqa: SIM905 - as above
)


def test_there_is_a_row_for_every_function_and_for_nothing_else() -> None:
    rows = load_policy().rows
    assert len(PREVIEW1) == 46
    assert {(row.module, row.name) for row in rows} == {(WASI, name) for name in PREVIEW1} | {("host", "call")}
    assert len(rows) == 47


def test_every_row_has_a_reason() -> None:
    for row in load_policy().rows:
        assert len(row.reason.split()) >= 4, row
        assert row.reason.endswith("."), row
        assert isinstance(row.treatment, Treatment)


@pytest.mark.parametrize("build", BUILDS)
def test_the_imports_of_the_builds_are_in_the_table(build: str) -> None:
    assert len(BUILDS[build]) == 43
    policy = load_policy()
    assert [name for name in BUILDS[build] if name not in policy] == []
    assert (WASI, "sock_open") not in policy
    with pytest.raises(KeyError, match="sock_open"):
        policy.treatment(WASI, "sock_open")


def test_the_treatments() -> None:
    policy = load_policy()
    assert {treatment: {row.name for row in policy.rows if row.treatment == treatment} for treatment in Treatment} == {
        "ambient": {
            *("args_get", "args_sizes_get", "environ_get", "environ_sizes_get"),
            *("clock_time_get", "sched_yield"),
        },
        "wrapped": WRAPPED,
        "shadowed": {"poll_oneoff", "clock_res_get", "proc_exit", "sock_send"},
        "denied": {"sock_accept", "sock_recv", "sock_shutdown", "proc_raise", "call"},
        "granted": {name for name in PREVIEW1 if name.startswith(("fd_", "path_")) and name not in WRAPPED},
    }
    assert policy.treatment("host", "call") == "denied"
    assert policy.treatment(WASI, "fd_read") is Treatment.GRANTED


GOOD = 'imports.m.f = { treatment = "denied", reason = "No." }\n'


def test_a_table_of_ones_own(tmp_path: Path) -> None:
    file = tmp_path / "policy.toml"
    file.write_text(GOOD)
    (row,) = load_policy(file).rows
    assert (row.module, row.name, row.treatment, row.reason) == ("m", "f", "denied", "No.")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "has one table, imports; imports is missing or too much"),
        (GOOD + "extra = 1", "has one table, imports; extra is missing or too much"),
        ("imports = 1", "imports must be a table, not 1"),
        ("imports.m = 1", "imports.m must be a table, not 1"),
        ("imports.m.f = 'denied'", "imports.m.f must be a table, not 'denied'"),
        (GOOD.replace("treatment", "treat"), "imports.m.f.treatment is missing or not a string"),
        (GOOD.replace('"denied"', "1"), "imports.m.f.treatment is missing or not a string"),
        (GOOD.replace("denied", "allowed"),
         "imports.m.f.treatment must be one of ambient, granted, wrapped, shadowed, denied, not 'allowed'"),
        (GOOD.replace("No.", " "), "imports.m.f.reason is missing or not a string"),
        (GOOD.replace(', reason = "No."', ""), "imports.m.f.reason is missing or not a string"),
        (GOOD.replace("reason", "why = 1, reason"), "imports.m.f.why is not a field of a function"),
        (GOOD + GOOD, "is not TOML in UTF-8: Cannot overwrite a value"),
    ],
)  # fmt: skip
def test_strictness(tmp_path: Path, text: str, problem: str) -> None:
    file = tmp_path / "policy.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_policy(file)
    assert str(caught.value).startswith(f"policy {str(file)!r}: {problem}")
    if "Cannot" not in problem:
        assert str(caught.value) == f"policy {str(file)!r}: {problem}"


def test_a_file_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_policy(tmp_path / "missing.toml")
