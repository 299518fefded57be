"""Markup of strangers is written anew, and what is written can do nothing."""

from __future__ import annotations

import base64
import json
import time
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wasihost.integrations.harmless import ACTIVE, ELEMENTS, WITHOUT_END, as_it_is, harmless, harmless_html

ATTRIBUTES = {
    "align", "alt", "border", "class", "colspan", "height", "rowspan", "scope", "src", "start", "style", "title",
    "valign", "width",
}  # fmt: skip
TABLE = """<div>
<style scoped>
    .dataframe tbody tr th:only-of-type { vertical-align: middle; }
</style>
<table border="1" class="dataframe">
  <thead><tr style="text-align: right;"><th></th><th>a</th></tr></thead>
  <tbody><tr><th>0</th><td>1 &lt; 2</td></tr></tbody>
</table>
</div>"""


class Reader(HTMLParser):
    """Fails on anything that is not allowed, and on tags that do not match."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in ELEMENTS
        for name, value in attrs:
            assert name in ATTRIBUTES
            assert value is not None
            assert name != "src" or value.startswith("data:image/")
            assert name != "style" or not set("(@\\") & set(value.replace("rgba(", "").replace("rgb(", ""))
            assert name != "class" or value == "dataframe"
        if tag not in WITHOUT_END:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_comment(self, data: str) -> None:
        pytest.fail("a comment")

    def handle_decl(self, decl: str) -> None:
        pytest.fail("a declaration")

    def handle_pi(self, data: str) -> None:
        pytest.fail("an instruction")


def check(written: str) -> None:
    reader = Reader()
    reader.feed(written)
    reader.close()
    assert reader.open == []


def written(source: str) -> str:
    made, _ = harmless_html(source)
    check(made)
    return made


def test_a_table_of_pandas_stays() -> None:
    assert (
        written(TABLE)
        == """<div>

<table border="1" class="dataframe">
  <thead><tr style="text-align: right"><th></th><th>a</th></tr></thead>
  <tbody><tr><th>0</th><td>1 &lt; 2</td></tr></tbody>
</table>
</div>"""
    )


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a < b > c & d &amp; &lt;i&gt;", "a &lt; b &gt; c & d &amp; &lt;i&gt;"),
        ("<B CLASS='dataframe' Title=x>y</b>", '<b class="dataframe" title="x">y</b>'),
        ("<b onclick=f()>x</b>", "<b>x</b>"),
        ("<b title='\"><script>f()</script>'>x</b>", "<b>'&gt;x</b>"),
        ("<b title='&quot; onclick=&quot;f()'>x</b>", '<b title="&quot; onclick=&quot;f()">x</b>'),
        ("<a href='javascript:f()'>x</a>", "x"),
        ("<a href='https://127.0.0.1/'>x</a>", "x"),
        ("<img src=x onerror=f()>", ""),
        ("<img alt=' src=x' width=3>y", "y"),
        ("<img src='https://127.0.0.1/x.png'>", ""),
        ("<img src='data:image/svg+xml;base64,AAAA'>", ""),
        ("<img src='data:image/png;base64,AAAA' width=3>", '<img src="data:image/png;base64,AAAA" width="3">'),
        ("<script>f()</script>x", "x"),
        ("<SCRIPT src=x>f()</ScRiPt >x", "x"),
        ("<script>f()", ""),
        ("x</script>y", "xy"),
        ("<svg><g onload=f()></g></svg>x", "x"),
        ("<style>b { background: url(x) }</style>x", "x"),
        ("<iframe srcdoc='<b>'>y</iframe>x", "&lt;iframe srcdoc='<b>'&gt;yx</b>"),
        ("<!-- <b> --><?php f() ?><!doctype html><![CDATA[y]]>x", "x"),
        ("<!-- x", ""),
        ("<!-->x", ""),
        ("</b></div>x", "x"),
        ("<div><b>x</div>y</b>", "<div><b>x</b></div>y"),
        ("<div><b>x", "<div><b>x</b></div>"),
        ("<b style='color: red; position: fixed; COLOR : #fff'>x</b>", '<b style="color: red; color: #fff">x</b>'),
        (
            "<b style='background-color: rgba(1, 2, 3, .5)'>x</b>",
            '<b style="background-color: rgba(1, 2, 3, .5)">x</b>',
        ),
        ("<b style='background-color: url(//127.0.0.1)'>x</b>", "<b>x</b>"),
        ("<b style='color: r\\65 d; width: expression(f())'>x</b>", "<b>x</b>"),
        ("<p class='jp-Dialog' id=a data-commandlinker-command=x name=y>x</p>", "<p>x</p>"),
        ("<p class='dataframe jp-Dialog'>x</p>", "<p>x</p>"),
        ("<bb>x</bb><b/>y<br/>", "x<b>y<br></b>"),
        ("<math><mtext><table><mglyph><style><img src=x></style></math>x", "x"),
        ("<td colspan=99999>x</td>", "<td>x</td>"),
    ],
)
def test_markup(source: str, expected: str) -> None:
    assert written(source) == expected


def test_what_could_have_acted_is_told() -> None:
    assert harmless_html("<script></script><b><form><input>")[1] == ["script", "form", "input"]
    assert set() == ELEMENTS & ACTIVE


PIECES = st.sampled_from(
    ["<", ">", "</", "/>", '"', "'", "=", " ", "<!--", "-->", "script", "style", "b", "div", "img", "svg", "src",
     "onerror", "title", "data:image/png;base64,AA==", "javascript:f()", "&lt;", "&quot;", "&", ";", "color:", "url(",
     "\\", "\n", "\0", "é", "x", "<![CDATA[", "]]>", "<?", "table", "td", "p"]
)  # fmt: skip


@given(st.lists(PIECES).map("".join) | st.text())
def test_anything(source: str) -> None:
    once = written(source)
    assert written(once) == once


@pytest.mark.parametrize(
    "piece", ["<a ", "<", '<b "', "<style>", "<!--", "<b a=", "<b>", "</b>", "<b a='", "<script></scrip", "&#1", "</"]
)
def test_floods_take_time_by_their_length(piece: str) -> None:
    source = piece * (1_000_000 // len(piece))
    began = time.perf_counter()
    harmless_html(source)
    harmless_html(f"<b {source.replace('<', '').replace('>', '')}>")
    assert time.perf_counter() - began < 10  # a quadratic way would take hours


def test_depth_is_bounded() -> None:
    made = written("<div>" * 10_000 + "x")
    assert made == "<div>" * 100 + "x" + "</div>" * 100


# -- bundles -----------------------------------------------------------------------------------------------------------

ALL = {
    "text/plain": "p",
    "text/html": "<b onclick=f()>x",
    "image/png": b"\x89PNG",
    "application/json": {"a": [1, None]},
    "text/latex": "$x$",
    "application/javascript": "f()",
    "application/pdf": b"%PDF",
    "application/vnd.bokehjs_exec.v0+json": {},
}


def test_types() -> None:
    shown = harmless(ALL)
    assert shown.bundle == {
        "text/plain": "p",
        "text/html": "<b>x</b>",
        "image/png": base64.b64encode(b"\x89PNG").decode(),
        "application/json": {"a": [1, None]},
        "text/latex": "$x$",
    }
    assert shown.left_out == ("application/javascript", "application/pdf", "application/vnd.bokehjs_exec.v0+json")


def test_everything_is_passed_on_when_that_is_wanted() -> None:
    shown = as_it_is(ALL)
    assert shown.bundle == {
        **ALL, "image/png": "iVBORw==", "application/pdf": base64.b64encode(b"%PDF").decode()
    }  # fmt: skip
    assert shown.left_out == ()


@pytest.mark.parametrize(
    ("source", "stays"),
    [
        ("**x** and $y$\n\n- `z`", True),
        ("[x] and (y)", True),
        ("a < b", False),
        ("[x](javascript:f())", False),
        ("![x](https://127.0.0.1/x.png)", False),
        ("[x]\n\n[x]: javascript:f()", False),
    ],
)
def test_markdown(source: str, stays: bool) -> None:
    expected = {"text/plain": "p", "text/markdown": source} if stays else {"text/plain": source}
    assert harmless({"text/plain": "p", "text/markdown": source}).bundle == expected


def test_a_drawing_becomes_a_picture() -> None:
    shown = harmless({"text/plain": "p", "image/svg+xml": "<svg><script>f()</script></svg>"}).bundle
    encoded = base64.b64encode(b"<svg><script>f()</script></svg>").decode()
    assert shown == {"text/plain": "p", "text/html": f'<img src="data:image/svg+xml;base64,{encoded}">'}
    assert "text/html" not in harmless({"image/svg+xml": "<svg/>", "image/png": b""}).bundle


def deep() -> Any:
    value: Any = []
    for _ in range(100_000):
        value = [value]
    return value


@pytest.mark.parametrize("data", [float("nan"), "\ud800", ["\ud800"], deep()])
@pytest.mark.parametrize("how", [harmless, as_it_is])
def test_what_no_message_can_hold_is_left_out(how: Any, data: Any) -> None:
    shown = how({"text/plain": "p", "application/json": data}).bundle
    assert shown == {"text/plain": "p"}
    assert json.dumps(shown)
