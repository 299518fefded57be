"""A folder of Markdown files as the application knows it: read once, with its links. Knows nothing of plugins."""

import os
import posixpath
import re
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

MAX_BYTES = 1_000_000
FENCE = re.compile(r"^(```|~~~)")
HEADING = re.compile(r"^(#{1,6})\s+(.*?)\s*#*$")
LINK = re.compile(r"!?\[([^\]\n]*)\]\(\s*<?([^\s()<>]+)>?\s*\)")
CODE = re.compile(r"`[^`\n]*`")


@dataclass(frozen=True, kw_only=True)
class Document:
    """One Markdown file.

    Attributes:
        name: Its path within the folder, with slashes.
        text: What stands in it.
        title: Its first heading, or its name.
        anchors: What a link can name after "#".
        links: The targets of its links, as they are written.
    """

    name: str
    text: str
    title: str
    anchors: frozenset[str]
    links: tuple[str, ...]

    @classmethod
    def of(cls, name: str, text: str) -> "Document":
        headings, links = [], []
        for line in prose(text):
            if found := HEADING.match(line):
                headings.append(found[2])
            links += [found[2] for found in LINK.finditer(CODE.sub("", line))]
        return cls(
            name=name,
            text=text,
            title=headings[0] if headings else name,
            anchors=frozenset(map(anchor_of, headings)),
            links=tuple(links),
        )


def prose(text: str) -> list[str]:
    """Return the lines that are not between fences."""
    lines, is_code = [], False
    for line in text.splitlines():
        if FENCE.match(line):
            is_code = not is_code
        elif not is_code:
            lines.append(line)
    return lines


def anchor_of(heading: str) -> str:
    """Return what a link names a heading by: "High water" is #high-water."""
    return re.sub(r"\s+", "-", re.sub(r"[^\w\s-]", "", heading.lower()).strip())


@dataclass(frozen=True, kw_only=True)
class Library:
    """All documents of a folder, and what links where.

    Attributes:
        documents: By name.
        files: Names of all files in the folder, documents or not.
        skipped: What was not read, and why.
    """

    documents: dict[str, Document]
    files: frozenset[str]
    skipped: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path) -> "Library":
        """Read a folder. Hidden files and symbolic links are left out: they may lead anywhere."""
        documents, files, skipped = {}, set(), {}
        for parent, folders, names in os.walk(folder):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for path in (Path(parent) / name for name in sorted(names) if not name.startswith(".")):
                name = path.relative_to(folder).as_posix()
                if path.is_symlink() or not path.is_file():
                    skipped[name] = "is no plain file"
                    continue
                files.add(name)
                if path.suffix != ".md":
                    continue
                data = path.read_bytes()
                try:
                    if len(data) > MAX_BYTES:
                        raise ValueError(f"has more than {MAX_BYTES} bytes")
                    documents[name] = Document.of(name, data.decode())
                except UnicodeDecodeError:
                    skipped[name] = "is not UTF-8"
                except ValueError as error:
                    skipped[name] = str(error)
        return cls(documents=documents, files=frozenset(files), skipped=skipped)

    def place(self, document: str, target: str) -> tuple[str, str] | None:
        """Return (file, anchor) that a link of a document leads to; None when that is not within the folder."""
        try:
            parts = urlsplit(target)
        except ValueError:
            return None
        path = unquote(parts.path)
        if parts.scheme or parts.netloc or path.startswith("/") or "\\" in path or "\0" in path:
            return None
        if not path:
            return document, unquote(parts.fragment)
        file = posixpath.normpath(posixpath.join(posixpath.dirname(document), path))
        return None if file == ".." or file.startswith("../") else (file, unquote(parts.fragment))

    def resolve(self, document: str, target: str) -> str:
        """Say where a link leads: "found", "no such file", "no such heading" or "elsewhere"."""
        place = self.place(document, target)
        if place is None:
            return "elsewhere"
        file, anchor = place
        if file not in self.files:
            return "no such file"
        if anchor and file in self.documents and anchor not in self.documents[file].anchors:
            return "no such heading"
        return "found"

    def linked_from(self) -> dict[str, list[str]]:
        """Return for each document the names of those that link to it."""
        found: dict[str, set[str]] = defaultdict(set)
        for document in self.documents.values():
            for target in document.links:
                place = self.place(document.name, target)
                if place is not None and place[0] in self.documents and place[0] != document.name:
                    found[place[0]].add(document.name)
        return {name: sorted(found[name]) for name in self.documents}
