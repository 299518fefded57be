"""A small part of JSON Schema, read and checked within bounds: schemas may come from people whom nobody vouches for.

Left out is what would have to be fetched (remote references), what can be made to run for ever (`pattern`), and what
few use. In exchange there are values that JSON has no form for: `format` says that a value is bytes ("binary"), a
datetime ("date-time"), date, time, timedelta ("duration"), Decimal ("decimal") or UUID ("uuid"), and no text then.
"""

from __future__ import annotations

from wasihost.functions.schema_checking import Check, Different, TooMuch
from wasihost.functions.schema_node import Node, place_within
from wasihost.functions.schema_reading import Linker, Reader, object_of


class MismatchError(ValueError):
    """A value is not what a schema says.

    Attributes:
        wrong_type: Whether it is of another type than the schema wants.
    """

    def __init__(self, message: str, *, wrong_type: bool) -> None:
        super().__init__(message)
        self.wrong_type = wrong_type


class Schema:
    """A schema that values can be held against. `Schema.read` makes one; it does not change."""

    __slots__ = ("definitions", "root")

    def __init__(self, root: Node, definitions: dict[str, Node]) -> None:
        self.root = root
        self.definitions = definitions

    @classmethod
    def read(cls, said: object, where: str = "parameters") -> Schema:
        """Read a schema.

        Args:
            said: JSON schema, as dicts and lists.
            where: What it is called in messages.

        Raises:
            ValueError: It is none, uses what is not supported here, or is too large; the message names the place.
        """
        reader = Reader()
        root = reader.node(said, where, 0)
        definitions: dict[str, Node] = {}
        for name, part in object_of(root.said.get("$defs", {}), f"{where}.$defs").items():
            definitions[name] = reader.node(part, place_within(f"{where}.$defs", name), 1)
        linker = Linker(definitions, where)
        linked = linker.target(root)
        for node in reader.nodes:
            linker.link(node)
        for node in reader.nodes:
            linker.accept(node)
        return cls(linked, {name: linker.target(node) for name, node in definitions.items()})

    def check(self, value: object) -> None:
        """Hold a value against the schema.

        Raises:
            MismatchError: A ValueError. It is something else; the message begins with the place in the value.
        """
        check = Check()
        try:
            check.node(self.root, value, sure=True)
        except Different as different:
            place = "".join(reversed(different.steps)).removeprefix(".") or "the value"
            raise MismatchError(f"{place}: {different.what}", wrong_type=different.wrong_type) from None
        except (TooMuch, RecursionError):
            raise MismatchError("the value: it would take too long to check it", wrong_type=False) from None
