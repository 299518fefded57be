"""Values held against schemas, in a time that the schema cannot make long."""

from __future__ import annotations

import hashlib
from typing import Any, Final

from wasihost.functions.schema_node import KINDS, WORDS, Node, quoted, step_to

FREE_TRIES: Final = 100_000
TRIES_PER_VALUE: Final = 20
"""How often a value may be compared with one of several schemas (`anyOf`) in one check: this often for each value that
was seen for sure, beyond what is free. Schemas that try and try again are refused, not followed."""


class Different(Exception):  # noqa: N818 - no error, as long as another choice may fit
    """A value is not what a schema says; where, is added on the way up, from the inside out."""

    def __init__(self, what: str, *, wrong_type: bool = False) -> None:
        super().__init__(what)
        self.what = what
        self.wrong_type = wrong_type
        self.steps: list[str] = []


class TooMuch(Exception):  # noqa: N818 - it says nothing of the value
    """A schema tries more than it may."""


class Check:
    """One value being held against one schema. What it costs is proportional to the value, whatever the schema says."""

    def __init__(self) -> None:
        self._seen = 0
        self._tried = 0
        self._tokens: dict[int, str] = {}
        self._unique: dict[int, bool] = {}

    def node(self, node: Node, value: Any, *, sure: bool) -> None:  # noqa: ANN401 - any value
        """Hold a value against a schema.

        Args:
            node: The schema.
            value: The value.
            sure: Whether it must fit, so that it is gone through once only; not so for one of several choices.

        Raises:
            Different: It does not fit.
            TooMuch: It would take too long to find out.
        """
        kind = KINDS.get(type(value))
        if kind is None:
            raise Different(f"a value of the type {type(value).__name__} is never right", wrong_type=True)
        if node.kinds is not None and kind not in node.kinds:
            raise _expected(node.kinds, kind)
        self._count(1 + len(node.required) // 16, sure)
        if node.tokens is not None and (
            value not in node.texts if kind == "string" else self.token(value) not in node.tokens
        ):
            raise Different(f"expected {node.shown}")
        if node.by_kind is not None:
            self._choices(node, node.by_kind.get(kind, ()), value, kind, sure)
        if kind == "object":
            self._object(node, value, sure)
        elif kind == "array":
            self._array(node, value, sure)
        elif kind in ("string", "binary"):
            for keyword, number in node.counts:
                if keyword == "minLength" and len(value) < number:
                    raise Different(f"expected a length of at least {number}, got {len(value)}")
                if keyword == "maxLength" and len(value) > number:
                    raise Different(f"expected a length of at most {number}, got {len(value)}")
        elif kind in ("integer", "number"):
            self._bounds(node, value)

    def token(self, value: Any) -> str:  # noqa: ANN401 - any value
        """Return a text that equal values have, and no others.

        Texts, because there are as many numbers of one hash as somebody likes. Each value is looked at once.
        """
        if type(value) is str:
            return "s" + value
        token = self._tokens.get(id(value))
        if token is None:
            token = self._tokens[id(value)] = self._token(value)
        return token

    def _token(self, value: Any) -> str:  # noqa: ANN401 - any value
        kind = KINDS.get(type(value), "")
        if kind == "integer":
            return f"n{value:x}"
        if kind == "number":
            return f"n{int(value):x}" if value.is_integer() else f"f{value.hex()}"
        if kind == "array":
            return "a" + _digest([self.token(item) for item in value])
        if kind == "object":
            return "o" + _digest(sorted(f"{len(key)}:{key}{self.token(item)}" for key, item in value.items()))
        if kind == "binary":
            return "b" + hashlib.sha256(value).hexdigest()
        return f"{kind} {value!r}"

    def _count(self, cost: int, sure: bool) -> None:
        if sure:
            self._seen += cost
        else:
            self._tried += cost
            if self._tried > FREE_TRIES + TRIES_PER_VALUE * self._seen:
                raise TooMuch

    def _choices(self, node: Node, choices: tuple[Node, ...], value: Any, kind: str, sure: bool) -> None:  # noqa: ANN401 - any value
        if len(choices) == 1:
            # What is in a value is gone through for sure once only: twice at each level would be often.
            self.node(choices[0], value, sure=sure and not node.has_parts)
            return
        different: Different | None = None
        for choice in choices:
            try:
                self.node(choice, value, sure=False)
            except Different as found:
                different = found
            else:
                return
        if different is None:
            raise _expected(node.accepted or frozenset(), kind)
        raise Different("it is none of what it may be")

    def _object(self, node: Node, value: dict[Any, Any], sure: bool) -> None:
        for name in node.required:
            if name not in value:
                raise Different(f"{quoted(name)} is missing")
        properties, additional = node.properties, node.additional
        if not properties and additional is True:
            return
        self._count(len(value) // 16, sure)
        for key, item in value.items():
            part = properties.get(key, additional)
            if part is True:
                continue
            if not isinstance(key, str):
                raise Different("its keys must be texts", wrong_type=True)
            if part is False:
                raise Different(f"{quoted(key)} is not expected")
            try:
                self.node(part, item, sure=sure)
            except Different as different:
                different.steps.append(step_to(key))
                raise

    def _array(self, node: Node, value: Any, sure: bool) -> None:  # noqa: ANN401 - a list or a tuple
        for keyword, number in node.counts:
            if keyword == "minItems" and len(value) < number:
                raise Different(f"expected at least {number} items, got {len(value)}")
            if keyword == "maxItems" and len(value) > number:
                raise Different(f"expected at most {number} items, got {len(value)}")
        if node.unique and not self._is_unique(value):
            raise Different("it has an item twice")
        part = node.items
        if part is None:
            return
        if part.is_simple:
            self._count(1 + len(value) // 16, sure)
            kinds = {KINDS.get(found) for found in set(map(type, value))}
            if None not in kinds and (part.kinds is None or kinds <= part.kinds):
                return
        for index, item in enumerate(value):
            try:
                self.node(part, item, sure=sure)
            except Different as different:
                different.steps.append(f"[{index}]")
                raise

    def _is_unique(self, value: Any) -> bool:  # noqa: ANN401 - a list or a tuple
        found = self._unique.get(id(value))
        if found is None:
            found = self._unique[id(value)] = len({self.token(item) for item in value}) == len(value)
        return found

    def _bounds(self, node: Node, value: float) -> None:
        for keyword, number in node.bounds:
            if keyword == "minimum" and value < number:
                raise Different(f"expected at least {quoted(number)}")
            if keyword == "maximum" and value > number:
                raise Different(f"expected at most {quoted(number)}")
            if keyword == "exclusiveMinimum" and value <= number:
                raise Different(f"expected more than {quoted(number)}")
            if keyword == "exclusiveMaximum" and value >= number:
                raise Different(f"expected less than {quoted(number)}")


def _expected(kinds: frozenset[str], kind: str) -> Different:
    wanted = [WORDS[name] for name in WORDS if name in kinds and not (name == "integer" and "number" in kinds)]
    return Different(f"expected {' or '.join(wanted) or 'nothing'}, got {WORDS[kind]}", wrong_type=True)


def _digest(tokens: list[str]) -> str:
    digest = hashlib.sha256()
    for token in tokens:
        said = token.encode("utf-8", "surrogatepass")
        digest.update(b"%d:" % len(said))
        digest.update(said)
    return digest.hexdigest()
