"""The treatment of every function that a guest can import: capabilities/wasi-preview1.toml, read strictly."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from wasihost.capabilities.preopen import shown
from wasihost.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

POLICY_FILE: Final = "wasi-preview1.toml"


class Treatment(enum.StrEnum):
    """What happens when a guest calls an imported function."""

    AMBIENT = "ambient"
    """Wasmtime's own, for every guest: it reaches nothing of the host that was not meant for the guest."""
    GRANTED = "granted"
    """Wasmtime's own, and it works on granted directories only."""
    WRAPPED = "wrapped"
    """Wasmtime's own, behind a check or a count of the host."""
    SHADOWED = "shadowed"
    """The host's function stands in its place and does something else."""
    DENIED = "denied"
    """Always answers with an error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportRow:
    """One imported function.

    Attributes:
        module: Module of the import, as in the wasm file.
        name: Name of the import.
        treatment: What happens when it is called.
        reason: Why that is right.
    """

    module: str
    name: str
    treatment: Treatment
    reason: str


@dataclass(frozen=True)
class Policy:
    """The whole table, in the order of the file.

    Attributes:
        rows: One for each function.
    """

    rows: tuple[ImportRow, ...]

    @cached_property
    def _by_name(self) -> dict[tuple[str, str], ImportRow]:
        return {(row.module, row.name): row for row in self.rows}

    def treatment(self, module: str, name: str) -> Treatment:
        """Return what happens when a guest calls this function.

        Raises:
            KeyError: The table does not have it: a build that imports it cannot be run.
        """
        return self._by_name[module, name].treatment

    def __contains__(self, name: object) -> bool:
        """Whether the table has the function, given as (module, name)."""
        return name in self._by_name


def load_policy(path: Path | None = None) -> Policy:
    """Read the table.

    Args:
        path: Another file than the one that comes with wasihost.

    Raises:
        ConfigError: The file cannot be read or says something else than it should; names the field.
    """
    import tomllib  # not needed to run anything

    from wasihost.resources import data_folder

    path = path if path is not None else data_folder("capabilities") / POLICY_FILE
    where = f"policy {shown(str(path))}"
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"{where}: cannot be read ({error.strerror or error})") from error
    except ValueError as error:
        raise ConfigError(f"{where}: is not TOML in UTF-8: {error}") from error
    if set(document) != {"imports"}:
        odd = min(set(document) ^ {"imports"})
        raise ConfigError(f"{where}: has one table, imports; {odd} is missing or too much")
    modules = _table(document["imports"], f"{where}: imports")
    return Policy(
        tuple(
            _row(module, name, fields, f"{where}: imports.{module}.{name}")
            for module, functions in modules.items()
            for name, fields in _table(functions, f"{where}: imports.{module}").items()
        )
    )


def _table(value: object, label: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ConfigError(f"{label} must be a table, not {shown(value)}")
    return value


def _row(module: str, name: str, value: object, label: str) -> ImportRow:
    fields = _table(value, label)
    for field in ("treatment", "reason"):
        if not isinstance(fields.get(field), str) or not fields[field].strip():
            raise ConfigError(f"{label}.{field} is missing or not a string")
    if unknown := sorted(set(fields) - {"treatment", "reason"}):
        raise ConfigError(f"{label}.{unknown[0]} is not a field of a function")
    try:
        treatment = Treatment(fields["treatment"])
    except ValueError as error:
        known = ", ".join(Treatment)
        raise ConfigError(f"{label}.treatment must be one of {known}, not {shown(fields['treatment'])}") from error
    return ImportRow(module=module, name=name, treatment=treatment, reason=fields["reason"])
