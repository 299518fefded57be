"""Named sets of grants and limits: TOML files in capabilities/profiles, or anywhere else."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import Any, Final

from wasihost.capabilities.grants import check_env_name
from wasihost.capabilities.preopen import Preopen, Scratch, check_guest_path, check_host_path, shown
from wasihost.errors import ConfigError, InvalidProfileError
from wasihost.limits import UNMETERED, Limits

MAX_PROFILE_BYTES: Final = 2**20
_LIMITS: Final = frozenset(field.name for field in fields(Limits))


@dataclass(frozen=True, slots=True)
class Profile:
    """A named set of grants and limits.

    Isolation: a profile adds exactly what it lists; grants of the caller come on top. One whose file others may write
    to is theirs to widen.

    Attributes:
        name: What it is called.
        description: One sentence for a person.
        preopens: Directories; a relative host path is relative to the current directory of the host program.
        scratches: Private folders, removed afterwards.
        env: Names of variables of the host's environment that are passed on, where they are set.
        limits: Fields of `Limits` that differ from the defaults.

    Raises:
        InvalidProfileError: A value of the wrong type, two grants with one guest path, or limits that are out of range.
    """

    name: str
    description: str = ""
    preopens: tuple[Preopen, ...] = ()
    scratches: tuple[Scratch, ...] = ()
    env: tuple[str, ...] = ()
    limits: dict[str, Any] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        for name in ("name", "description"):
            if not isinstance(getattr(self, name), str):
                raise InvalidProfileError(f"{name} must be a str, not {shown(getattr(self, name))}")
        for name, kind in (("preopens", Preopen), ("scratches", Scratch), ("env", str)):
            values = getattr(self, name)
            if not isinstance(values, tuple) or not all(isinstance(value, kind) for value in values):
                raise InvalidProfileError(f"{name} must be a tuple of {kind.__name__}, not {shown(values)}")
        for index, name in enumerate(self.env):
            _translated("", check_env_name, name, f"env[{index}]")
        _refuse_repeated(
            "guest", (*(grant.guest for grant in self.preopens), *(grant.guest for grant in self.scratches))
        )
        _refuse_repeated("env", self.env)
        if not isinstance(self.limits, dict):
            raise InvalidProfileError(f"limits must be a dict, not {shown(self.limits)}")
        if unknown := [str(name) for name in self.limits if name not in _LIMITS]:
            known = ", ".join(sorted(_LIMITS))
            raise InvalidProfileError(f"limits.{_spelled(unknown[0])} is not a limit; there are {known}")
        _translated("limits.", lambda: Limits(**self.limits))
        object.__setattr__(self, "limits", dict(self.limits))

    @staticmethod
    def names() -> tuple[str, ...]:
        """Return the names of the profiles that come with wasihost, sorted."""
        return tuple(sorted(path.stem for path in _profiles_folder().glob("*.toml")))


def load_profile(name_or_path: str | os.PathLike[str]) -> Profile:
    """Return a profile that comes with wasihost, by its name, or any other, by its path.

    Args:
        name_or_path: "none", "read-dir", "scratch-dir", or a path that ends in ".toml".

    Raises:
        InvalidProfileError: There is no such profile, or its file is not what it should be; the message names the file
            and the field.
    """
    if name_or_path == NONE.name:
        return NONE
    text = os.fspath(name_or_path) if isinstance(name_or_path, str | os.PathLike) else name_or_path
    if not isinstance(text, str):
        raise InvalidProfileError(f"profile must be a name or a path, not {shown(name_or_path)}")
    if text.endswith(".toml"):
        return _parse(Path(text))
    # Looked up among the names there are, never joined to the folder: a name is not a path.
    if text in (names := Profile.names()):
        return _parse(_profiles_folder() / f"{text}.toml")
    raise InvalidProfileError(
        f"there is no profile {shown(text)}; there are {', '.join(names)}, and files whose name ends in .toml"
    )


def _profiles_folder() -> Path:
    from wasihost.resources import data_folder  # the default profile needs no file

    return data_folder("capabilities") / "profiles"


def _parse(path: Path) -> Profile:
    where = shown(str(path))
    try:
        return _build(_Table(_read(path), ""))
    except InvalidProfileError as error:
        raise InvalidProfileError(f"profile {where}: {error}") from error


def _read(path: Path) -> dict[str, Any]:
    import tomllib  # only profiles that are files need it

    if path.exists() and not path.is_file():  # reading a FIFO would wait for ever
        raise InvalidProfileError("is not a file")
    try:
        with path.open("rb") as file:
            data = file.read(MAX_PROFILE_BYTES + 1)
    except FileNotFoundError as error:
        raise InvalidProfileError("there is no such file") from error
    except OSError as error:
        raise InvalidProfileError(f"cannot be read ({error.strerror or error})") from error
    except ValueError as error:
        raise InvalidProfileError("is not a path") from error  # a NUL
    if len(data) > MAX_PROFILE_BYTES:
        raise InvalidProfileError(f"is larger than {MAX_PROFILE_BYTES} bytes")
    try:
        return tomllib.loads(data.decode())
    except UnicodeDecodeError as error:
        raise InvalidProfileError(f"is not UTF-8 (byte {error.start})") from error
    except RecursionError as error:
        raise InvalidProfileError("is nested too deeply") from error
    except tomllib.TOMLDecodeError as error:
        raise InvalidProfileError(f"is not TOML: {error}") from error


def _build(table: _Table) -> Profile:
    name, description = table.take("name", str), table.take("description", str, "")
    preopens, scratches = [], []
    env: tuple[str, ...] = ()
    for row in table.take_rows("preopen"):
        row.take_reason()
        host = _translated(f"{row.label}host: ", check_host_path, row.take("host", str))
        guest = _translated(f"{row.label}guest: ", check_guest_path, row.take("guest", str))
        writable, overlay = row.take("writable", bool, False), row.take("overlay", bool, False)
        preopens.append(_translated(row.label, partial(Preopen, host, guest, writable=writable, overlay=overlay)))
        row.finish()
    for row in table.take_rows("scratch"):
        row.take_reason()
        guest = row.take("guest", str, Scratch().guest)
        _translated(f"{row.label}guest: ", check_guest_path, guest)
        bounds = {name: row.take(name, int) for name in ("disk_bytes", "disk_files") if name in row.values}
        scratches.append(_translated(row.label, partial(Scratch, guest, **bounds)))
        row.finish()
    if (variables := table.take_table("env")) is not None:
        variables.take_reason()
        env = tuple(variables.take("names", list))
        for index, variable in enumerate(env):
            _translated("", check_env_name, variable, f"{variables.label}names[{index}]")
        variables.finish()
    limits = dict(table.take("limits", dict, {}))
    if limits.get("fuel") == UNMETERED.value:
        limits["fuel"] = UNMETERED
    table.finish()
    return Profile(name, description, tuple(preopens), tuple(scratches), env, limits)


class _Table:
    """A TOML table that is taken apart; what is left over at the end is an error."""

    def __init__(self, values: dict[str, Any], label: str) -> None:
        self.values = dict(values)
        self.label = label

    def take(self, name: str, kind: type, default: object = None) -> Any:  # noqa: ANN401 - TOML values
        """Remove and return a field; without a default it has to be there, and not empty."""
        value = self.values.pop(name, default)
        if value is None or (default is None and value == ""):
            raise InvalidProfileError(f"{self.label}{name} is missing")
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise InvalidProfileError(f"{self.label}{name} must be {_TOML_NAMES[kind]}, not {shown(value)}")
        return value

    def take_reason(self) -> None:
        """Remove the reason that every grant must have."""
        if not self.take("reason", str).strip():
            raise InvalidProfileError(f"{self.label}reason is missing")

    def take_table(self, name: str) -> _Table | None:
        """Remove and return a table; None when there is none."""
        return _Table(self.take(name, dict), f"{self.label}{name}.") if name in self.values else None

    def take_rows(self, name: str) -> list[_Table]:
        """Remove and return an array of tables; empty when there is none."""
        rows = self.take(name, list, [])
        for index, row in enumerate(rows):
            if not isinstance(row, dict):
                raise InvalidProfileError(f"{self.label}{name}[{index}] must be a table, not {shown(row)}")
        return [_Table(row, f"{self.label}{name}[{index}].") for index, row in enumerate(rows)]

    def finish(self) -> None:
        """Refuse what nobody took."""
        if self.values:
            raise InvalidProfileError(f"{self.label}{_spelled(min(self.values))} is not a field that a profile has")


_TOML_NAMES: Final[dict[type, str]] = {
    str: "a string",
    bool: "true or false",
    int: "a whole number",
    list: "an array",
    dict: "a table",
}


def _spelled(key: str) -> str:
    return key if key.replace("-", "_").isidentifier() else shown(key)


def _translated(label: str, check: Any, *values: object) -> Any:  # noqa: ANN401 - passes on what the check returns
    """Call a check of ours and let its message stand under the name of the field."""
    try:
        return check(*values)
    except ConfigError as error:
        raise InvalidProfileError(f"{label}{error}") from error


def _refuse_repeated(label: str, values: tuple[str, ...]) -> None:
    seen: set[str] = set()
    for value in values:
        if value in seen:
            raise InvalidProfileError(f"{label} {shown(value)} appears twice")
        seen.add(value)


NONE: Final = Profile("none", "No grant at all: the guest computes, and reads and writes what it is handed.")
"""The default. The same as its file (tested), without reading one."""
