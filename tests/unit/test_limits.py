"""Limits: finite defaults, checked in one place."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest

from wasihost.errors import InvalidLimitsError
from wasihost.limits import UNMETERED, Limits


def test_the_defaults() -> None:
    assert dataclasses.asdict(Limits()) == {
        "fuel": 100_000_000_000,
        "memory_bytes": 256 * 2**20,
        "deadline_seconds": 10.0,
        "output_bytes": 2**20,
        "output_overflow": "end",
        "open_files": 256,
        "disk_bytes": 2**30,
        "disk_files": 10_000,
        "host_calls": 1_000_000,
        "value_bytes": 8 * 2**20,
        "display_bytes": 16 * 2**20,
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("fuel", 1),
        ("fuel", 2**62),
        ("fuel", UNMETERED),
        ("memory_bytes", 65536),
        ("memory_bytes", 2**32),
        ("deadline_seconds", 1),
        ("deadline_seconds", 1e-9),
        ("deadline_seconds", 604800.0),
        ("output_bytes", 0),
        ("output_overflow", "truncate"),
        ("open_files", 0),
        ("disk_bytes", 0),
        ("disk_bytes", 2**50),
        ("disk_files", 0),
        ("disk_files", 2**24),
        ("host_calls", 0),
        ("host_calls", 2**40),
        ("value_bytes", 0),
        ("display_bytes", 0),
        ("display_bytes", 2**32),
    ],
)
def test_borders_that_are_accepted(name: str, value: Any) -> None:
    assert getattr(Limits(**{name: value}), name) == value


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("fuel", 0),
        ("fuel", -1),
        ("fuel", 2**62 + 1),
        ("fuel", None),
        ("fuel", True),
        ("fuel", 1.0),
        ("fuel", "5G"),
        ("memory_bytes", 65535),
        ("memory_bytes", 2**32 + 1),
        ("memory_bytes", None),
        ("deadline_seconds", 0),
        ("deadline_seconds", -1),
        ("deadline_seconds", math.inf),
        ("deadline_seconds", math.nan),
        ("deadline_seconds", None),
        ("deadline_seconds", True),
        ("deadline_seconds", "10s"),
        ("deadline_seconds", 604801),
        ("output_bytes", -1),
        ("output_bytes", 2**32 + 1),
        ("output_overflow", "drop"),
        ("output_overflow", None),
        ("open_files", -1),
        ("open_files", 2**20 + 1),
        ("disk_bytes", -1),
        ("disk_bytes", 2**50 + 1),
        ("disk_bytes", None),
        ("disk_bytes", 1e9),
        ("disk_files", -1),
        ("disk_files", 2**24 + 1),
        ("disk_files", True),
        ("host_calls", -1),
        ("host_calls", 2**40 + 1),
        ("host_calls", None),
        ("value_bytes", -1),
        ("value_bytes", 2**32 + 1),
        ("display_bytes", -1),
        ("display_bytes", 2**32 + 1),
        ("display_bytes", None),
    ],
)
def test_what_is_refused_is_named(name: str, value: Any) -> None:
    with pytest.raises(InvalidLimitsError, match=rf"^{name} must be "):
        Limits(**{name: value})


def test_limits_are_frozen_and_keyword_only() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Limits().fuel = 1  # type: ignore[misc]
    with pytest.raises(TypeError):
        Limits(1)  # type: ignore[misc]
    assert not hasattr(Limits(), "__dict__")


@pytest.mark.parametrize(("memory_bytes", "pages"), [(65536, 1), (131071, 1), (131072, 2), (2**32, 65536)])
def test_memory_in_whole_pages(memory_bytes: int, pages: int) -> None:
    assert Limits(memory_bytes=memory_bytes).memory_pages == pages


def test_unmetered_shows_its_name() -> None:
    assert repr(UNMETERED) == "UNMETERED"
    assert "fuel=UNMETERED" in repr(Limits(fuel=UNMETERED))
