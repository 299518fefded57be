"""Calls of host functions and what comes back, as bytes: JSON, with markers for what JSON has no form for."""

# Runs inside the guest, on every runtime from CPython 3.11. The host executes this text once, at boot, in the namespace
# of the harness and after it; it takes none of the names there. It is a module of its own as well: tests hold it
# against the host's end of the wire.
#
# A message is: u32 length of the header (little endian), header (JSON, UTF-8), blobs. The header of a call is
# [name, args, kwargs], or [name, args, kwargs, 1] when values are marked; of a reply [0, value], [0, value, 1] or
# [1, class name, message]. A marked value is an object with the only key "$": {"$": ["bytes", offset, length]} and so
# on, one for each entry of NATIVE_FORMS.
#
# What is small and plain is the rule, and goes through the C code of json after a look at its types. The host believes
# nothing of all this and checks everything again: what is refused here is refused for the sake of its message.
import dataclasses
import datetime
import decimal
import enum
import json
import uuid

CALL_DEPTH = 100  # lists and dicts within each other
CALL_EXPONENT = 4300  # of a Decimal; a few characters could stand for more digits than anybody can write down
MARK = "$"
PLAIN_SCALARS = frozenset({str, int, float, bool, type(None)})
PLAIN_HOLDERS = frozenset({list, tuple, dict})
PLAIN_TYPES = PLAIN_SCALARS | PLAIN_HOLDERS
TEXT_KEYS = frozenset({str})


def message_of(name, args, kwargs):
    """Return the message of a call of `name(*args, **kwargs)`.

    TypeError for what cannot be passed on at all, ValueError for a value that cannot: NaN, half a surrogate pair, an
    integer of more digits than Python writes, lists in lists without end.
    """
    if all_plain(args, 1) and all_plain(kwargs.values(), 1):
        return framed([name, args, kwargs])
    outgoing = Outgoing()
    said = [name, [outgoing.form(value, 1) for value in args], {key: outgoing.form(kwargs[key], 1) for key in kwargs}]
    if outgoing.marked:
        said.append(1)
    return framed(said, outgoing.blobs)


def value_of_reply(raw):
    """Return (0, value) or (1, class name, message)."""
    cut = 4 + int.from_bytes(raw[:4], "little")
    said = read_call_json(str(raw[4:cut], "utf-8"), 0)[0]
    if said[0] == 1:
        return 1, said[1], said[2]
    if len(said) == 3:
        return 0, native_value(said[1], memoryview(raw)[cut:])
    return 0, said[1]


def make_call_encoder():
    """Return the C encoder itself: `json.dumps` would make one anew at each call."""
    usual = json.JSONEncoder(ensure_ascii=False, allow_nan=False, check_circular=False, separators=(",", ":"))
    make = json.encoder.c_make_encoder
    if make is None:
        return usual.iterencode
    return make(None, usual.default, json.encoder.encode_basestring, None, ":", ",", False, False, False)


call_encoder = make_call_encoder()
read_call_json = json.JSONDecoder().scan_once


def framed(said, blobs=()):
    try:
        head = "".join(call_encoder(said, 0)).encode()
    except UnicodeEncodeError:
        raise ValueError("a text with half of a surrogate pair cannot be passed to the host") from None
    return b"".join((len(head).to_bytes(4, "little"), head, *blobs))


def all_plain(values, depth):
    """Whether JSON has a form for all of these and what is in them. It looks at types, not at each number."""
    kinds = set(map(type, values))
    if kinds <= PLAIN_SCALARS:
        return True
    if not kinds <= PLAIN_TYPES:
        return False
    if depth > CALL_DEPTH:
        raise too_deep()
    for value in values:
        kind = type(value)
        if kind is dict:
            if not TEXT_KEYS.issuperset(map(type, value)) or not all_plain(value.values(), depth + 1):
                return False
        elif kind in PLAIN_HOLDERS and not all_plain(value, depth + 1):
            return False
    return True


def too_deep():
    return ValueError(f"a value with more than {CALL_DEPTH} lists and dicts within each other cannot be passed on")


class Outgoing:
    """The way that values take which are not plain: each becomes something that JSON has, or is refused."""

    def __init__(self):
        self.blobs = []
        self.blob_bytes = 0
        self.marked = False

    def form(self, value, depth):
        kind = type(value)
        if kind in PLAIN_SCALARS:
            return value
        if isinstance(value, enum.Enum):
            return self.form(value.value, depth)
        if isinstance(value, dict):
            return self.form_of_dict(value, depth)
        if isinstance(value, (list, tuple)):
            if depth > CALL_DEPTH:
                raise too_deep()
            return [self.form(item, depth + 1) for item in value]
        for base in (str, int, float):
            if isinstance(value, base):
                return getattr(base, f"__{base.__name__}__")(value)
        if isinstance(value, (bytes, bytearray, memoryview)):
            return self.form_of_bytes(value)
        for base, name, say in NATIVE_FORMS:
            if isinstance(value, base):
                return self.mark(name, say(value))
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
            return self.form_of_dict(fields, depth)
        raise TypeError(f"{article(kind)} cannot be passed to the host")

    def form_of_dict(self, value, depth):
        if depth > CALL_DEPTH:
            raise too_deep()
        formed = {}
        for key, item in dict.items(value):
            if not isinstance(key, str):
                raise TypeError(f"keys of a dict that is passed to the host must be str, not {type(key).__name__}")
            formed[str.__str__(key)] = self.form(item, depth + 1)
        if MARK in formed:
            return self.mark("dict", [[key, item] for key, item in formed.items()])
        return formed

    def form_of_bytes(self, value):
        if isinstance(value, memoryview):
            value = value.tobytes()
        at = self.blob_bytes
        self.blobs.append(value)
        self.blob_bytes += len(value)
        return self.mark("bytes", at, len(value))

    def mark(self, *said):
        self.marked = True
        return {MARK: said}


def text_of_decimal(value):
    if not value.is_finite():
        raise ValueError(f"Decimal({str(value)!r}) cannot be passed to the host: it is no number")
    if abs(value.as_tuple().exponent) > CALL_EXPONENT or abs(value.adjusted()) > CALL_EXPONENT:
        raise ValueError(f"a Decimal with an exponent beyond {CALL_EXPONENT} cannot be passed to the host")
    return str(value)


def article(kind):
    name = (
        kind.__qualname__ if kind.__module__ in ("builtins", "__main__") else f"{kind.__module__}.{kind.__qualname__}"
    )
    return f"an object of the type {name}"


# A datetime is a date as well: it comes first.
NATIVE_FORMS = (
    (datetime.datetime, "datetime", datetime.datetime.isoformat),
    (datetime.date, "date", datetime.date.isoformat),
    (datetime.time, "time", datetime.time.isoformat),
    (datetime.timedelta, "timedelta", lambda value: [value.days, value.seconds, value.microseconds]),
    (decimal.Decimal, "decimal", text_of_decimal),
    (uuid.UUID, "uuid", str),
)
FROM_TEXT = {
    "datetime": datetime.datetime.fromisoformat,
    "date": datetime.date.fromisoformat,
    "time": datetime.time.fromisoformat,
    "timedelta": lambda said: datetime.timedelta(*said),
    "decimal": decimal.Decimal,
    "uuid": uuid.UUID,
}


def native_value(said, blobs):
    """Return what a marked value stands for, with all that is in it."""
    kind = type(said)
    if kind is list:
        return [item if type(item) in PLAIN_SCALARS else native_value(item, blobs) for item in said]
    if kind is not dict:
        return said
    if MARK not in said:
        return {key: item if type(item) in PLAIN_SCALARS else native_value(item, blobs) for key, item in said.items()}
    name, *rest = said[MARK]
    if name == "bytes":
        return bytes(blobs[rest[0] : rest[0] + rest[1]])
    if name == "dict":
        return {key: native_value(item, blobs) for key, item in rest[0]}
    return FROM_TEXT[name](rest[0])
