"""LEB128 numbers: round trips, padding, and everything that is too long, too wide or cut off."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wasihost.runtime.wasm import WasmFormatError
from wasihost.runtime.wasm.leb import encode_signed, encode_unsigned, read_signed, read_unsigned, unsigned_forms


@given(st.integers(0, 2**32 - 1), st.binary(max_size=4), st.binary(max_size=4))
def test_unsigned_round_trip_in_every_form(value, before, after):
    forms = unsigned_forms(value)
    assert len(set(forms)) == len(forms)
    assert [len(form) for form in forms] == list(range(len(encode_unsigned(value)), 6))
    for form in forms:
        data = before + form + after
        assert read_unsigned(data, len(before), len(data)) == (value, len(before) + len(form))


@given(st.integers(0, 2**64 - 1))
def test_unsigned_64_round_trip(value):
    data = encode_unsigned(value)
    assert read_unsigned(data, 0, len(data), 64) == (value, len(data))
    assert len(unsigned_forms(value, 64)[-1]) == 10


@given(st.integers(-(2**31), 2**31 - 1), st.integers(0, 4))
def test_signed_round_trip_padded(value, padding):
    data = bytearray(encode_signed(value))
    filler = 0x7F if value < 0 else 0x00
    for _ in range(min(padding, 5 - len(data))):
        data[-1] |= 0x80
        data.append(filler)
    assert read_signed(bytes(data), 0, len(data)) == (value, len(data))


@given(st.integers(-(2**63), 2**63 - 1))
def test_signed_64_round_trip(value):
    data = encode_signed(value)
    assert read_signed(data, 0, len(data), 64) == (value, len(data))


@given(st.integers(0, 2**40), st.integers(1, 9))
def test_padding_never_changes_the_value(value, width):
    data = encode_unsigned(value, width)
    assert len(data) >= width
    assert read_unsigned(data, 0, len(data), 64) == (value, len(data))


def test_known_encodings():
    assert encode_unsigned(0) == b"\0"
    assert encode_unsigned(624485) == b"\xe5\x8e\x26"
    assert encode_signed(-1) == b"\x7f"
    assert encode_signed(64) == b"\xc0\0"
    assert encode_signed(-123456) == b"\xc0\xbb\x78"
    assert unsigned_forms(5) == (b"\x05", b"\x85\0", b"\x85\x80\0", b"\x85\x80\x80\0", b"\x85\x80\x80\x80\0")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "a number is cut off (at byte 0)"),
        (b"\x80\x80", "a number is cut off (at byte 0)"),
        (b"\x80\x80\x80\x80\x80\x00", "a number is longer than 32 bits allow (at byte 0)"),
        (b"\xff\xff\xff\xff\x1f", "a number does not fit 32 bits (at byte 0)"),
    ],
)
def test_bad_unsigned(data, message):
    with pytest.raises(WasmFormatError) as caught:
        read_unsigned(data, 0, len(data))
    assert str(caught.value) == message
    assert caught.value.offset == 0


@pytest.mark.parametrize("data", [b"\xff\xff\xff\xff\x0f", b"\x80\x80\x80\x80\x08", b"\x80\x80\x80\x80\x70"])
def test_signed_number_that_does_not_fit(data):
    with pytest.raises(WasmFormatError, match="does not fit 32 bits"):
        read_signed(data, 0, len(data))


def test_reading_stops_at_the_end_it_was_given():
    assert read_unsigned(b"\x80\x01", 0, 2) == (128, 2)
    with pytest.raises(WasmFormatError, match="cut off"):
        read_unsigned(b"\x80\x01", 0, 1)


def test_negative_numbers_have_no_unsigned_form():
    with pytest.raises(ValueError, match="-1 is negative"):
        encode_unsigned(-1)
