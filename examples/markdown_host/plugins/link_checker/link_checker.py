"""Tells which links lead nowhere. It sees texts; where a link leads, it asks the application."""

import re
from collections import Counter

from host import HostFunctionError, resolve_link

LINK = re.compile(r"\[[^\]\n]*\]\(\s*<?([^\s()<>]+)>?\s*\)")
CODE = re.compile(r"^(```|~~~).*?^\1|`[^`\n]*`", re.MULTILINE | re.DOTALL)
SCHEME = re.compile(r"^[a-zA-Z][a-zA-Z0-9+.-]*:")


def targets_of(text: str) -> list[str]:
    """Return what the links of a document lead to; there are none in code."""
    return LINK.findall(CODE.sub("", text))


def look(document: str, target: str) -> str:
    """Say in a word or two where a link leads. Links to the web are not followed: there is no network here."""
    if SCHEME.match(target):
        return "elsewhere"
    try:
        return resolve_link(document, target)
    except HostFunctionError as error:
        return f"refused ({error.message})"


def look_at_all(document: str, text: str) -> list[tuple[str, str]]:
    return [(target, look(document, target)) for target in targets_of(text)]


def summary(seen: list[tuple[str, str]]) -> str:
    counts = Counter(word for _, word in seen)
    fine, elsewhere = counts.pop("found", 0), counts.pop("elsewhere", 0)
    return f"{len(seen)} links: {fine} found, {elsewhere} elsewhere, {counts.total()} to look at"


def on_saved(document: str, text: str) -> list[str]:
    seen = look_at_all(document, text)
    return [summary(seen), *(f"{target}: {word}" for target, word in seen if word not in ("found", "elsewhere"))][:20]


def report_links(documents: dict[str, str]) -> list[str]:
    seen = [(name, *each) for name, text in documents.items() for each in look_at_all(name, text)]
    wrong = [f"{name} -> {target}: {word}" for name, target, word in seen if word not in ("found", "elsewhere")]
    return [summary([(target, word) for _, target, word in seen]), *wrong][:20]
