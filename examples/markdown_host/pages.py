"""Markdown to HTML: headings, paragraphs, lists, quotes, code, emphasis, links. Everything else is text.

HTML in a document is shown, not passed on, and a link can lead to the web, to a mail address or to another page.
"""

import re
from html import escape

from documents import FENCE, HEADING, Document, anchor_of

INLINE = re.compile(
    r"`(?P<code>[^`\n]+)`|(?P<image>!)?\[(?P<label>[^\]\n]*)\]\(\s*<?(?P<target>[^\s()<>]+)>?\s*\)"
    r"|\*\*(?P<strong>[^*\n]+)\*\*|\*(?P<em>[^*\n]+)\*"
)
ITEM = re.compile(r"^\s*(?:(?P<dash>[-*+])|\d{1,9}[.)])\s+(?P<text>.*)$")
RULE = re.compile(r"^\s*(?:-{3,}|\*{3,}|_{3,})\s*$")
SCHEME = re.compile(r"^[a-zA-Z][a-zA-Z0-9+.-]*:")
PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>{title}</title>
{body}
{footer}</html>
"""


def page(document: Document, linked_from: list[str], remarks: list[str]) -> str:
    """Return the page of a document, with what links to it and what plugins said of it: texts, which are escaped."""
    footer = ""
    if linked_from:
        links = ", ".join(f'<a href="{escape(address(up(document.name) + name))}">{escape(name)}</a>'
                          for name in linked_from)  # fmt: skip
        footer += f"<p>Linked from {links}</p>\n"
    if remarks:
        footer += "<ul>\n" + "".join(f"<li>{escape(remark)}</li>\n" for remark in remarks) + "</ul>\n"
    return PAGE.format(
        title=escape(document.title),
        body="\n".join(blocks(document.text.splitlines())),
        footer=f"<footer>\n{footer}</footer>\n" if footer else "",
    )


def up(name: str) -> str:
    """Return the way from a document to the top of the folder."""
    return "../" * name.count("/")


def address(target: str) -> str:
    """Return what a link leads to in the pages: other documents are pages there, and programs are nowhere."""
    if SCHEME.match(target):
        return target if target.lower().startswith(("http:", "https:", "mailto:")) else "#"
    path, mark, anchor = target.partition("#")
    return (path[:-3] + ".html" if path.endswith(".md") else path) + mark + anchor


def inline(text: str) -> str:
    """Return the HTML of a piece of running text."""
    done, last = "", 0
    for found in INLINE.finditer(text):
        done += escape(text[last : found.start()])
        last = found.end()
        if found["code"] is not None:
            done += f"<code>{escape(found['code'])}</code>"
        elif found["image"]:
            done += f'<img src="{escape(address(found["target"]))}" alt="{escape(found["label"])}">'
        elif found["target"] is not None:
            done += f'<a href="{escape(address(found["target"]))}">{inline(found["label"])}</a>'
        else:
            tag = "strong" if found["strong"] is not None else "em"
            done += f"<{tag}>{inline(found[tag])}</{tag}>"
    return done + escape(text[last:])


def blocks(lines: list[str]) -> list[str]:
    """Return the HTML of lines, block by block."""
    done: list[str] = []
    waiting = list(reversed(lines))
    while waiting:
        line = waiting.pop()
        if not line.strip():
            continue
        if found := FENCE.match(line):
            code = []
            while waiting and not waiting[-1].startswith(found[1]):
                code.append(waiting.pop())
            del waiting[-1:]
            done.append(f"<pre><code>{escape(chr(10).join(code))}</code></pre>")
        elif found := HEADING.match(line):
            level = len(found[1])
            done.append(f'<h{level} id="{escape(anchor_of(found[2]))}">{inline(found[2])}</h{level}>')
        elif RULE.match(line):
            done.append("<hr>")
        elif line.startswith(">"):
            quoted = [line, *taken(waiting, lambda text: text.startswith(">"))]
            inner = blocks([text[1:].removeprefix(" ").lstrip(">") for text in quoted])
            done.append("<blockquote>\n" + "\n".join(inner) + "\n</blockquote>")
        elif found := ITEM.match(line):
            tag = "ul" if found["dash"] else "ol"
            items = [found["text"], *(ITEM.match(text)["text"] for text in taken(waiting, ITEM.match))]
            done.append(f"<{tag}>\n" + "".join(f"<li>{inline(item)}</li>\n" for item in items) + f"</{tag}>")
        else:
            text = [line, *taken(waiting, is_running)]
            done.append(f"<p>{inline(chr(10).join(part.strip() for part in text))}</p>")
    return done


def taken(waiting: list[str], belongs) -> list[str]:
    """Take the lines off that belong to the block that was begun."""
    lines = []
    while waiting and belongs(waiting[-1]):
        lines.append(waiting.pop())
    return lines


def is_running(line: str) -> bool:
    """Whether a line goes on with a paragraph."""
    begins = FENCE.match(line) or HEADING.match(line) or RULE.match(line) or ITEM.match(line) or line.startswith(">")
    return bool(line.strip()) and not begins
