"""What a run is handed besides directories: environment, arguments, inputs, standard input; all of it bounded."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from wasihost.capabilities.preopen import is_utf8, shown
from wasihost.errors import InvalidGrantError

MAX_STRINGS: Final = 16_384
"""Most arguments, and most environment variables."""

MAX_ARGS_ENV_BYTES: Final = 2**20
"""Arguments and environment together, in UTF-8, each string with its closing NUL."""

MAX_INPUTS: Final = 16_384
MAX_INPUT_DEPTH: Final = 200
"""Containers within containers in one input: well below the recursion limit of any reader."""

MAX_INPUT_VALUES: Final = 10_000_000
MAX_INPUT_BYTES: Final = 2**30
"""JSON text of all inputs in UTF-8; in practice the guest's memory ends earlier."""

MAX_INTEGER_DIGITS: Final = 4_000
"""Decimal digits of an integer in an input: Python reads and writes no more than 4,300 by default."""

MAX_STDIN_BYTES: Final = 2**30
"""Standard input; in practice the guest's memory ends earlier, as it is handed over whole."""

_LARGEST_INTEGER_BITS: Final = 13_288  # 10**4000 has 13,288 bits


def check_env(env: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Return the environment of a guest as pairs.

    Args:
        env: Names and values. Nothing of the host's own environment is added.

    Raises:
        InvalidGrantError: A name that is empty or has "=", a NUL, a lone surrogate, something else than str, too much.
    """
    if not isinstance(env, Mapping):
        raise InvalidGrantError(f"env must be a mapping of names to strings, not {type(env).__name__}")
    if len(env) > MAX_STRINGS:
        raise InvalidGrantError(f"env has {len(env)} variables; at most {MAX_STRINGS} are possible")
    pairs = []
    for name, value in env.items():
        check_env_name(name, "env: name")
        _check_string(value, f"env[{shown(name)}]")
        pairs.append((name, value))
    _check_total("env", (text for pair in pairs for text in pair))
    return tuple(pairs)


def check_env_name(name: object, label: str) -> str:
    """Return the name of an environment variable if it can be one.

    Args:
        name: The name.
        label: What it is called in the message.

    Raises:
        InvalidGrantError: Not a str, empty, with "=" or a NUL, or not valid Unicode.
    """
    text = _check_string(name, label)
    if not text:
        raise InvalidGrantError(f"{label} must not be empty")
    if "=" in text:
        raise InvalidGrantError(f'{label} {shown(text)} must not contain "="')
    return text


def check_args(args: Sequence[str], *, env: Iterable[tuple[str, str]] = ()) -> tuple[str, ...]:
    """Return the arguments of a guest (`sys.argv[1:]`).

    Args:
        args: The arguments.
        env: What `check_env` returned for the same run: both together are bounded by `MAX_ARGS_ENV_BYTES`.

    Raises:
        InvalidGrantError: A NUL, a lone surrogate, something else than str, too many or too long.
    """
    if isinstance(args, str | bytes) or not isinstance(args, Sequence):
        raise InvalidGrantError(f"args must be a sequence of strings, not {type(args).__name__}")
    if len(args) > MAX_STRINGS:
        raise InvalidGrantError(f"args has {len(args)} entries; at most {MAX_STRINGS} are possible")
    checked = tuple(_check_string(value, f"args[{index}]") for index, value in enumerate(args))
    pairs = tuple(env)
    _check_total("args and env together" if pairs else "args", [*checked, *(text for pair in pairs for text in pair)])
    return checked


def check_inputs(inputs: Mapping[str, object]) -> str:
    """Return the inputs of a guest as the text of one JSON object.

    Args:
        inputs: Names that become globals of the program, with JSON values: None, bool, int, finite float, str, list
            (or tuple, which arrives as a list) and dict with str keys. Copied, so later changes do not matter.

    Raises:
        InvalidGrantError: With the place of what cannot be passed, as in `inputs['a'][3]`.
    """
    if not isinstance(inputs, Mapping):
        raise InvalidGrantError(f"inputs must be a mapping of names to JSON values, not {type(inputs).__name__}")
    if not inputs:
        return "{}"
    if len(inputs) > MAX_INPUTS:
        raise InvalidGrantError(f"inputs has {len(inputs)} names; at most {MAX_INPUTS} are possible")
    import json  # takes milliseconds, and most runs have no inputs

    budget = _Budget()
    for name, value in inputs.items():
        _check_input_name(name)
        _check_json(value, name, budget)
    try:
        text = json.dumps(dict(inputs), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (ValueError, TypeError, RecursionError) as error:
        # A lower limit of this process on digits, or another thread changed a value after it was checked.
        raise InvalidGrantError(f"inputs cannot be written as JSON: {error}") from error
    if len(text) > MAX_INPUT_BYTES or (not text.isascii() and len(text.encode()) > MAX_INPUT_BYTES):
        raise InvalidGrantError(f"inputs are longer than {MAX_INPUT_BYTES} bytes as JSON")
    return text


def check_stdin(stdin: bytes | str) -> bytes:
    """Return what the guest reads from standard input; text is encoded in UTF-8.

    Raises:
        InvalidGrantError: Neither bytes nor str, a lone surrogate, or longer than `MAX_STDIN_BYTES`.
    """
    if isinstance(stdin, str):
        if not is_utf8(stdin):
            raise InvalidGrantError("stdin is not valid Unicode (a lone surrogate); pass bytes instead")
        stdin = stdin.encode()
    elif isinstance(stdin, bytearray | memoryview):
        stdin = bytes(stdin)
    elif not isinstance(stdin, bytes):
        raise InvalidGrantError(f'stdin must be bytes or str, not {type(stdin).__name__}; b"" is an empty one')
    if len(stdin) > MAX_STDIN_BYTES:
        raise InvalidGrantError(f"stdin has {len(stdin)} bytes; at most {MAX_STDIN_BYTES} are possible")
    return stdin


def _check_string(value: object, label: str) -> str:
    if not isinstance(value, str):
        raise InvalidGrantError(f"{label} must be a str, not {type(value).__name__}")
    if "\0" in value:
        raise InvalidGrantError(f"{label} contains a NUL character: {shown(value)}")
    if not is_utf8(value):
        raise InvalidGrantError(f"{label} is not valid Unicode (a lone surrogate): {shown(value)}")
    return value


def _check_total(label: str, strings: Iterable[str]) -> None:
    total = sum(len(text.encode()) + 1 for text in strings)
    if total > MAX_ARGS_ENV_BYTES:
        raise InvalidGrantError(
            f"{label} take {total} bytes; at most {MAX_ARGS_ENV_BYTES} are possible, pass more through inputs or stdin"
        )


def _check_input_name(name: object) -> None:
    if not isinstance(name, str) or not name.isidentifier() or not _is_in_normal_form(name):
        raise InvalidGrantError(f"inputs: {shown(name)} cannot be the name of a variable")
    import keyword  # small, and most runs have no inputs

    if keyword.iskeyword(name):
        raise InvalidGrantError(f"inputs: {shown(name)} is a keyword of Python, not the name of a variable")
    if name.startswith("__") and name.endswith("__"):
        raise InvalidGrantError(f"inputs: {shown(name)} is a name that Python keeps for itself")


def _is_in_normal_form(name: str) -> bool:
    """Whether Python would find the name as it is: source code is normalised, the names of globals are not."""
    if name.isascii():
        return True
    import unicodedata  # a large table, for few names

    return unicodedata.normalize("NFKC", name) == name


class _Budget:
    """What the inputs of one run amount to so far; what is shared counts each time it appears, as in the text."""

    def __init__(self) -> None:
        self.values = 0
        self.characters = 0

    def take(self, value: object) -> None:
        self.values += 1
        self.characters += len(value) if isinstance(value, str | dict | list | tuple) else 1
        if self.characters > MAX_INPUT_BYTES:
            raise InvalidGrantError(f"inputs are longer than {MAX_INPUT_BYTES} bytes as JSON")
        if self.values > MAX_INPUT_VALUES:
            raise InvalidGrantError(
                f"inputs hold more than {MAX_INPUT_VALUES} values; pass more through stdin or a file"
            )


_Item = tuple[object, object]


def _check_json(value: object, name: str, budget: _Budget) -> None:
    """Walk a value without recursion, so that depth is a message and not a crash."""
    budget.take(value)
    path: list[object] = []
    open_ids: list[int] = []
    open_items: list[Iterator[_Item]] = []

    def enter(value: object) -> None:
        items = _check_value(value, name, path)
        if items is None:
            return
        if id(value) in open_ids:
            raise InvalidGrantError(f"{_place(name, path)} contains itself; JSON has no cycles")
        if len(open_items) == MAX_INPUT_DEPTH:
            raise InvalidGrantError(f"{_place(name, path)} is nested more than {MAX_INPUT_DEPTH} levels deep")
        open_ids.append(id(value))
        open_items.append(items)

    enter(value)
    while open_items:
        item = next(open_items[-1], None)
        if item is None:
            open_items.pop()
            open_ids.pop()
        else:
            del path[len(open_items) - 1 :]
            path.append(item[0])
            budget.take(item[1])
            enter(item[1])


def _check_value(value: object, name: str, path: list[object]) -> Iterator[_Item] | None:
    """Check one value by itself; return what is in it when it is a container."""
    if isinstance(value, str):
        if not is_utf8(value):
            raise InvalidGrantError(f"{_place(name, path)} is not valid Unicode (a lone surrogate)")
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise InvalidGrantError(f"{_place(name, path)} is {float(value)}; JSON has no such number")
    elif isinstance(value, int):
        if value.bit_length() >= _LARGEST_INTEGER_BITS and abs(value) >= 10**MAX_INTEGER_DIGITS:
            raise InvalidGrantError(f"{_place(name, path)} is an integer of more than {MAX_INTEGER_DIGITS} digits")
    elif isinstance(value, list | tuple):
        return iter(enumerate(value))
    elif isinstance(value, dict):
        return _check_keys(value, name, path)
    elif value is not None:
        raise InvalidGrantError(f"{_place(name, path)} is a {type(value).__name__}, which is not a JSON value")
    return None


def _check_keys(value: dict[object, object], name: str, path: list[object]) -> Iterator[_Item]:
    for key in value:
        if not isinstance(key, str):
            raise InvalidGrantError(f"{_place(name, path)} has the key {shown(key)}; JSON keys are str")
        if not is_utf8(key):
            raise InvalidGrantError(f"{_place(name, path)} has the key {shown(key)}, a lone surrogate")
    return iter(value.items())


def _place(name: str, path: list[object]) -> str:
    """Spell the place of a value; of a very deep one, its beginning."""
    steps = "".join(f"[{shown(step)}]" for step in path[:20])
    return f"inputs[{shown(name)}]{steps}{'...' if len(path) > 20 else ''}"
