"""What a program shows, reduced to what can only be looked at.

Who shows HTML in a browser lets it act there: a script of a guest could do whatever the person can do in that page,
which in a notebook server is to run programs on the host. And a picture from some address tells that address what the
guest put into it. So markup is not cleaned but made anew: of what is read here, only listed elements, attributes and
values are written again, and everything else is text or left out.
"""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

PLAIN: Final = "text/plain"
PICTURES: Final = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
AS_IT_IS: Final = frozenset({PLAIN, "text/latex"})

ELEMENTS: Final = frozenset({
    "abbr", "b", "blockquote", "br", "caption", "center", "cite", "code", "col", "colgroup", "dd", "del", "details",
    "dfn", "div", "dl", "dt", "em", "figcaption", "figure", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "i", "img",
    "ins", "kbd", "li", "mark", "ol", "p", "pre", "q", "s", "samp", "small", "span", "strong", "sub", "summary",
    "sup", "table", "tbody", "td", "tfoot", "th", "thead", "tr", "tt", "u", "ul", "var",
})  # fmt: skip
WITHOUT_END: Final = frozenset({"br", "col", "hr", "img"})
WITH_CONTENT: Final = frozenset({
    "applet", "audio", "canvas", "embed", "frameset", "head", "iframe", "math", "noembed", "noframes", "noscript",
    "object", "plaintext", "script", "select", "style", "svg", "template", "textarea", "title", "video", "xmp",
})  # fmt: skip
"""Left out together with what is between their tags."""
ACTIVE: Final = frozenset(
    {"applet", "button", "embed", "form", "iframe", "input", "object", "script", "select", "textarea"}
)
"""Of which somebody may wonder where they are."""
MAX_DEPTH: Final = 100

_TAG: Final = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9:-]{0,30})(?![a-zA-Z0-9:-])([^<>]*)>|<[!?][^<>]*>")
_ATTRIBUTE: Final = re.compile(r"""(?<![\w-])([a-zA-Z][\w-]{0,30})\s*=\s*("[^"]*"|'[^']*'|[^\s"'=`]+)""")
_LENGTH: Final = re.compile(r"\d{1,4}(?:px|em|%)?", re.ASCII)
_WORD: Final = re.compile(r"[a-z]{1,20}")
_PICTURE: Final = re.compile(r"data:image/(?:png|jpeg|gif|webp);base64,[A-Za-z0-9+/\s]*={0,2}\s*", re.ASCII)
_STYLE: Final = re.compile(r"(?:[\w#%.,+ -]|rgba?\([\d.,% ]{1,40}\)){1,100}", re.ASCII)
_STYLES: Final = frozenset({
    "background-color", "border", "border-bottom", "border-collapse", "border-left", "border-right", "border-top",
    "color", "font-family", "font-size", "font-style", "font-weight", "padding", "text-align", "text-decoration",
    "vertical-align", "white-space", "width",
})  # fmt: skip
_VALUES: Final = {
    "align": _WORD,
    "alt": re.compile(r"[^\0]{0,1000}"),
    "border": _LENGTH,
    "class": re.compile("dataframe"),  # what front ends know as a table; other classes may mean anything to them
    "colspan": _LENGTH,
    "height": _LENGTH,
    "rowspan": _LENGTH,
    "scope": _WORD,
    "src": _PICTURE,
    "start": _LENGTH,
    "title": re.compile(r"[^\0]{0,1000}"),
    "valign": _WORD,
    "width": _LENGTH,
}
_ACTIVE_MARKDOWN: Final = re.compile(r"<|\]\(|\]:")


class Shown(NamedTuple):
    """A bundle as it may be shown.

    Attributes:
        bundle: From MIME type to text or JSON value; pictures as Base64 text.
        left_out: What of it could have acted, by name, for a person.
    """

    bundle: dict[str, Any]
    left_out: tuple[str, ...] = ()


def as_it_is(bundle: Mapping[str, Any]) -> Shown:
    """Return all of a bundle, only with bytes as text."""
    return Shown({mime: data for mime, given in bundle.items() if (data := _encodable(given)) is not None})


def harmless(bundle: Mapping[str, Any]) -> Shown:
    """Return of a bundle of `RunResult.displays` what can do nothing.

    HTML keeps its structure and simple styles, SVG becomes a picture, Markdown stays if it is without links and markup
    of HTML and becomes plain text otherwise. Types that only some front ends know are left out.
    """
    shown: dict[str, Any] = {}
    left_out: list[str] = []
    for mime, given in bundle.items():
        data = _encodable(given)
        if data is None:
            continue
        if mime in AS_IT_IS or mime in PICTURES or mime == "application/json":
            shown[mime] = data
        elif mime == "text/html":
            shown[mime], missed = harmless_html(str(data))
            left_out += missed
        elif mime not in {"text/markdown", "image/svg+xml"}:
            left_out.append(mime)
    if "text/html" not in shown:
        if "text/markdown" in bundle:
            source = str(bundle["text/markdown"])
            shown[PLAIN if _ACTIVE_MARKDOWN.search(source) else "text/markdown"] = source
        if "image/svg+xml" in bundle and not PICTURES & shown.keys():
            # In an <img>, a drawing runs no scripts and loads nothing.
            drawing = base64.b64encode(str(bundle["image/svg+xml"]).encode()).decode()
            shown["text/html"] = f'<img src="data:image/svg+xml;base64,{drawing}">'
    return Shown(shown, tuple(dict.fromkeys(left_out)))


def harmless_html(source: str) -> tuple[str, list[str]]:
    """Return markup that can do nothing, and the names of elements left out that could have acted."""
    written: list[str] = []
    open_elements: list[str] = []
    left_out: list[str] = []
    position = 0
    while (start := source.find("<", position)) >= 0:
        written.append(_text(source[position:start]))
        if source.startswith("<!--", start):
            end = source.find("-->", start + 4)
            position = len(source) if end < 0 else end + 3
            continue
        tag = _TAG.match(source, start)
        if tag is None:
            written.append("&lt;")
            position = start + 1
            continue
        position = tag.end()
        name = (tag[2] or "").lower()
        if not tag[1] and name in ACTIVE:
            left_out.append(name)
        if not tag[1] and name in WITH_CONTENT:
            end_tag = re.compile(rf"</{name}[^>]*>", re.IGNORECASE | re.ASCII).search(source, position)
            position = len(source) if end_tag is None else end_tag.end()
        elif name in ELEMENTS:
            written += _end(name, open_elements) if tag[1] else _begin(name, tag[3], open_elements)
    written.append(_text(source[position:]))
    written += [f"</{name}>" for name in reversed(open_elements)]
    return "".join(written), left_out


def _text(source: str) -> str:
    # An entity is a character and never markup, so the ampersand of one stays.
    return source.replace("<", "&lt;").replace(">", "&gt;")


def _begin(name: str, attributes: str, open_elements: list[str]) -> list[str]:
    kept = _attributes(attributes)
    if name == "img" and "src" not in kept:
        return []
    if name not in WITHOUT_END:
        if len(open_elements) >= MAX_DEPTH:
            return []
        open_elements.append(name)
    written = "".join(f' {key}="{html.escape(value)}"' for key, value in kept.items())
    return [f"<{name}{written}>"]


def _end(name: str, open_elements: list[str]) -> list[str]:
    if name not in open_elements:
        return []
    written = []
    while True:
        ended = open_elements.pop()
        written.append(f"</{ended}>")
        if ended == name:
            return written


def _attributes(source: str) -> dict[str, str]:
    kept: dict[str, str] = {}
    for name, raw in _ATTRIBUTE.findall(source):
        key = name.lower()
        value = html.unescape(raw[1:-1] if raw[0] in "\"'" else raw)
        if key == "style":
            value = "; ".join(filter(None, map(_declaration, value.split(";"))))
            if value:
                kept.setdefault(key, value)
        elif key in _VALUES and _VALUES[key].fullmatch(value):
            kept.setdefault(key, value)
    return kept


def _declaration(source: str) -> str:
    name, _, value = (part.strip() for part in source.partition(":"))
    known = name.lower() in _STYLES and _STYLE.fullmatch(value)
    return f"{name.lower()}: {value}" if known else ""


def _encodable(data: Any) -> Any:  # noqa: ANN401 - a JSON value
    """Return what a message can hold: bytes as Base64; None for JSON that has no UTF-8 or is too deep."""
    if isinstance(data, bytes):
        return base64.b64encode(data).decode()
    try:
        json.dumps(data, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError):
        return None
    return data
