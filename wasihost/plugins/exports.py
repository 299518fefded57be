"""Reads the exported functions of a manifest: their parameters and schemas."""

from __future__ import annotations

import datetime
import re
from typing import Any, Final

from wasihost.capabilities.preopen import shown
from wasihost.errors import InvalidFunctionError
from wasihost.functions.declared import DeclaredShape
from wasihost.functions.schema import Schema
from wasihost.plugins.declared import MISSING, Export, Parameter
from wasihost.plugins.fields import MAX_WHY_CHARACTERS, Fields, printable
from wasihost.plugins.positions import Path

MAX_EXPORTS: Final = 200
MAX_PARAMETERS: Final = 50
LIFECYCLE: Final = ("setup", "teardown")
"""Functions that are called when a plugin starts and ends, and for nothing else."""

_SCHEMA_STEP: Final = re.compile(r"\.([A-Za-z_$][A-Za-z0-9_]*)|\[(\d{1,6})\]")


def read_exports(top: Fields) -> tuple[Export, ...]:
    """Read the exported functions.

    Args:
        top: The whole manifest.

    Raises:
        InvalidPluginError: One is not what it should be.
    """
    return tuple(_export(top, name) for name, _ in top.entries("exports", most=MAX_EXPORTS))


def _export(top: Fields, name: str) -> Export:
    top.table("exports").identifier(name, name)
    export = top.table("exports").table(name)
    if name in LIFECYCLE:
        export.refuse("", f"{name}() is called when the plugin starts or ends; it cannot be an export too")
    description = export.text("description", most=4000, lines=True)
    parameters = _parameters(export)
    returns = said = None
    if "returns" in export:
        said = export.value("returns")
        returns = _schema(export, "returns", said)
    export.done()
    read = Export(name=name, description=description, parameters=parameters, returns=returns, returns_said=said)
    try:
        shape_of(read)
    except InvalidFunctionError as error:  # what no parameter has alone
        export.refuse("parameters", printable(str(error)[:MAX_WHY_CHARACTERS]))
    return read


def shape_of(export: Export) -> DeclaredShape:
    """Return what checks the arguments and the result of a function.

    Raises:
        InvalidFunctionError: Its parameters make no schema together.
    """
    # Those of the manifest, which may be dates: JSON, in which the schema is said, has texts for them.
    defaults = {each.name: each.default for each in export.parameters if each.default is not MISSING}
    return DeclaredShape(export.name, export.schema, export.returns_said, defaults=defaults)


def _parameters(export: Fields) -> tuple[Parameter, ...]:
    found: list[Parameter] = []
    said: dict[str, Any] = dict(export.entries("parameters", most=MAX_PARAMETERS))
    required = _required(export, said)
    for name, shape in said.items():
        table = export.table("parameters")
        table.identifier(name, name)
        default = shape.get("default", MISSING) if isinstance(shape, dict) else MISSING
        if isinstance(default, datetime.date | datetime.time):
            shape = {**shape, "default": default.isoformat()}  # noqa: PLW2901 - JSON has no form for it
        schema = _schema(table, name, shape)
        if default is not MISSING:
            try:
                schema.check(default)
            except ValueError as error:
                table.table(name).refuse("default", f"does not fit the schema: {printable(str(error))}")
        parameter = Parameter(name=name, schema=schema, said=shape, required=name in required, default=default)
        if parameter.required and found and not found[-1].required:
            table.refuse(name, f"is required, and stands behind {found[-1].name}, which can be left out")
        found.append(parameter)
    return tuple(found)


def _required(export: Fields, parameters: dict[str, Any]) -> set[str]:
    """Return the names of parameters that have to be passed: those listed, or else those without a default."""
    without = {name for name, said in parameters.items() if not (isinstance(said, dict) and "default" in said)}
    if "required" not in export:
        return without
    names = export.value("required")
    if not isinstance(names, list):
        export.refuse("required", f"must be a list of names of parameters, not {shown(names)}")
    for name in names:
        if not isinstance(name, str) or name not in parameters:
            export.refuse("required", f"there is no parameter {shown(name)}")
        if name not in without:
            export.refuse("required", f"{name} has a default, so that it can be left out")
    return set(names)


def _schema(table: Fields, key: str, said: object) -> Schema:
    try:
        return Schema.read(said, where=key)
    except ValueError as error:
        path, why = _place_in_schema(said, str(error).removeprefix(key))
        table.source.refuse((*table.path, key, *path), printable(why[:MAX_WHY_CHARACTERS]))


def _place_in_schema(said: object, message: str) -> tuple[Path, str]:
    """Return what a message about a schema begins with, as a way into it, and the rest of the message.

    The message calls a property by its name alone; what has no plain name stays in the message.
    """
    path: Path = ()
    while (step := _SCHEMA_STEP.match(message)) is not None:
        name, index = step.group(1), step.group(2)
        if index is not None and isinstance(said, list) and int(index) < len(said):
            path, said = (*path, int(index)), said[int(index)]
        elif name is not None and isinstance(said, dict) and name in said:
            path, said = (*path, name), said[name]
        elif name is not None and isinstance(said, dict) and name in (named := _properties(said)):
            path, said = (*path, "properties", name), named[name]
        else:
            break
        message = message[step.end() :]
    return path, message.removeprefix(": ").removeprefix(".")


def _properties(said: dict[str, Any]) -> dict[str, Any]:
    found = said.get("properties")
    return found if isinstance(found, dict) else {}
