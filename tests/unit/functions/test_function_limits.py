"""What calls may use at most, and what is noted of them."""

from __future__ import annotations

import dataclasses
import math
import typing

import pytest

from wasihost.errors import InvalidLimitsError
from wasihost.functions.limits import FunctionLimits
from wasihost.functions.record import CallOutcome, HostCall


def test_the_defaults() -> None:
    assert dataclasses.asdict(FunctionLimits()) == {
        "calls": 10_000,
        "concurrent": 16,
        "argument_bytes": 2**20,
        "reply_bytes": 16 * 2**20,
        "call_seconds": 30.0,
    }


@pytest.mark.parametrize(
    ("name", "least", "most"),
    [
        ("calls", 0, 2**40),
        ("concurrent", 1, 1024),
        ("argument_bytes", 64, 2**30),
        ("reply_bytes", 64, 2**30),
    ],
)
def test_numbers_have_a_range(name: str, least: int, most: int) -> None:
    for value in (least, most):
        assert getattr(FunctionLimits(**{name: value}), name) == value
    for value in (least - 1, most + 1):
        with pytest.raises(InvalidLimitsError, match=f"{name} must be from {least} to {most}, not {value}"):
            FunctionLimits(**{name: value})
    for wrong in (True, 1.5, "1", None):
        with pytest.raises(InvalidLimitsError, match=f"{name} must be a whole number"):
            FunctionLimits(**{name: wrong})


def test_seconds_are_finite_and_more_than_none() -> None:
    assert FunctionLimits(call_seconds=1).call_seconds == 1
    for wrong in (0, -1, math.nan, math.inf, True, "1", None, 7 * 24 * 3600 + 1):
        with pytest.raises(InvalidLimitsError, match="call_seconds must be"):
            FunctionLimits(call_seconds=wrong)  # type: ignore[arg-type]


def test_they_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        FunctionLimits().calls = 1  # type: ignore[misc]


def test_a_record_of_each_outcome() -> None:
    for outcome in typing.get_args(CallOutcome):
        call = HostCall(
            name="f", arguments_digest="0" * 64, argument_bytes=1, reply_bytes=0, seconds=0.0, outcome=outcome
        )
        assert call.error is None
    with pytest.raises(dataclasses.FrozenInstanceError):
        call.name = "g"  # type: ignore[misc]
