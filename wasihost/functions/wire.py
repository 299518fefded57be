"""What both directions of the wire have in common; `wasihost/guest/values.py` is its other end.

A message is: u32 length of the header (little endian), header (JSON, UTF-8), blobs. The header of a call is
`[name, args, kwargs]`, or `[name, args, kwargs, 1]` when values are marked; of a reply `[0, value]`, `[0, value, 1]` or
`[1, class name, message]`. A marked value is an object with the only key "$":

    {"$": ["bytes", offset, length]}    into the blobs, which follow each other in the order in which they are named
    {"$": ["datetime", text]}           ISO 8601; likewise "date" and "time"
    {"$": ["timedelta", [days, seconds, microseconds]]}
    {"$": ["decimal", text]}
    {"$": ["uuid", text]}
    {"$": ["dict", [[key, value], ...]]}    a dict that has the key "$"
"""

from __future__ import annotations

import datetime
import decimal
import uuid
from typing import Final

MARK: Final = "$"
LENGTH_BYTES: Final = 4
MAX_DEPTH: Final = 100
"""Lists and dicts within each other, in one value."""
MAX_EXPONENT: Final = 4300
"""Of a Decimal. A few characters could stand for more digits than a function has memory for; this many digits is also
what Python writes of an integer."""
MAX_NAME_CHARACTERS: Final = 100
"""Of a function."""

SCALARS: Final = frozenset({str, int, float, bool, type(None)})
HOLDERS: Final = frozenset({list, tuple, dict})
PLAIN: Final = SCALARS | HOLDERS
NATIVE: Final = (
    bytes,
    bytearray,
    memoryview,
    datetime.datetime,
    datetime.date,
    datetime.time,
    datetime.timedelta,
    decimal.Decimal,
    uuid.UUID,
)
"""Types of values that are marked on the wire, and that msgspec is told to leave as they are."""
