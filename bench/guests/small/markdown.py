import html
import re

TEXT = """\
# Notes on *sandboxes*

A sandbox runs **code** that `nobody` vouches for.
See [the manual](https://example.org/a?b=1&c=2) & more.

## Things to do

- read the *whole* text
- try `print("<hi>")`
- write **tests**

1. first
2. second

```
def f(x):
    return x < 3 and x > 1
```
Last line.
"""


def inline(text):
    parts = re.split(r"(`[^`]*`)", text)
    for index, part in enumerate(parts):
        if part.startswith("`") and part.endswith("`") and len(part) > 1:
            parts[index] = f"<code>{html.escape(part[1:-1])}</code>"
            continue
        part = html.escape(part, quote=False)
        part = re.sub(r"\*\*(.+?)\*\*", r"<b>\1</b>", part)
        part = re.sub(r"\*(.+?)\*", r"<i>\1</i>", part)
        parts[index] = re.sub(r"\[([^]]+)\]\(([^)]+)\)", r'<a href="\2">\1</a>', part)
    return "".join(parts)


def blocks(text):
    lines, at = text.splitlines(), 0
    while at < len(lines):
        line = lines[at]
        at += 1
        if heading := re.match(r"(#{1,6}) (.+)", line):
            level = len(heading[1])
            yield f"<h{level}>{inline(heading[2])}</h{level}>"
        elif line.startswith("```"):
            code = []
            while at < len(lines) and not lines[at].startswith("```"):
                code.append(html.escape(lines[at]))
                at += 1
            at += 1
            yield "<pre>" + "\n".join(code) + "</pre>"
        elif item := re.match(r"(-|\d+\.) (.+)", line):
            tag = "ul" if item[1] == "-" else "ol"
            items = [item[2]]
            while at < len(lines) and (more := re.match(r"(-|\d+\.) (.+)", lines[at])):
                items.append(more[2])
                at += 1
            yield f"<{tag}>" + "".join(f"<li>{inline(one)}</li>" for one in items) + f"</{tag}>"
        elif line.strip():
            yield f"<p>{inline(line)}</p>"


print("\n".join(blocks(TEXT)))
