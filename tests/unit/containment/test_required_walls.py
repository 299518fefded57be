"""Walls that are insisted on."""

from __future__ import annotations

import pytest

from wasihost.containment.required import check_required
from wasihost.errors import WallsMissingError


def test_what_stands_is_enough() -> None:
    check_required(["a", "b"], ["b", "c", "a"], [("d", "never asked for")])
    check_required([], [], [("a", "why")])


def test_what_does_not_stand_is_named_with_its_reason() -> None:
    with pytest.raises(WallsMissingError) as caught:
        check_required({"c", "a", "b"}, ["b"], [("a", "the kernel is old")])
    assert str(caught.value) == "required walls do not stand here: a (the kernel is old); c"
