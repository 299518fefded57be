"""What a turn shows: bundles as in notebooks, within bounds, whatever the objects do when they are asked."""

from __future__ import annotations

import ast
import base64
import builtins
import json
import math
import os
import subprocess
import sys
import types
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest

import wasihost

GUEST = Path(wasihost.__file__).parent / "guest"
PNG = b"\x89PNG\r\n\x1a\n\0"
AWAY = [ValueError, KeyboardInterrupt, SystemExit, RecursionError, MemoryError, BaseException]


class Guest:
    """The two files in one namespace, as an image has them."""

    def __init__(self) -> None:
        self.names: dict[str, Any] = {"__name__": "_wasihost", "__builtins__": dict(vars(builtins))}
        for name in ("harness.py", "displays.py"):
            exec(compile((GUEST / name).read_text(encoding="utf-8"), "<wasihost>", "exec"), self.names)
        self.begin()

    def __getattr__(self, name: str) -> Any:
        return self.names[name]

    def begin(self, limit_bytes: int = 1_000_000, limit_count: int = 100, formats: tuple[str, ...] = ("png",)) -> None:
        self.names["begin_displays"](limit_bytes, limit_count, list(formats))

    def end(self) -> list[dict[str, Any]]:
        """All bundles, when none was left out."""
        raw, omitted = self.names["end_displays"]()
        assert omitted == 0
        shown = json.loads(raw)
        assert isinstance(shown, list)
        return shown

    def shown(self, *objects: object, **options: Any) -> list[dict[str, Any]]:
        self.names["display"](*objects, **options)
        return self.end()


@pytest.fixture
def guest(monkeypatch: pytest.MonkeyPatch) -> Guest:
    for name in [name for name in sys.modules if name.split(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    return Guest()


class Table:
    def __repr__(self) -> str:
        return "a table"

    def _repr_html_(self) -> str:
        return "<table></table>"


def having(**methods: Any) -> object:
    """An object whose methods return (or, when it is an exception, raise) what is given."""

    def method(answer: Any) -> Any:
        def call(self: object, **_: object) -> Any:
            if isinstance(answer, type) and issubclass(answer, BaseException):
                raise answer("no")
            return answer

        return call

    answers = {"__repr__": "a thing", **methods}
    return type("Thing", (), {name: method(answer) for name, answer in answers.items()})()


# -- the two files together --------------------------------------------------------------------------------------------


def names_made_by(name: str) -> set[str]:
    """What the statements of a file bind, not those inside its functions; modules are the same for both."""
    made = set()
    for node in ast.parse((GUEST / name).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            made.add(node.name)
        elif not isinstance(node, ast.Import | ast.ImportFrom):
            made |= {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    return made


def test_the_harness_keeps_its_names() -> None:
    harness = names_made_by("harness.py")
    assert {"entry", "boot", "mailbox", "TEXT_CHARACTERS"} - harness == {"TEXT_CHARACTERS"}
    assert not names_made_by("displays.py") & harness


def test_it_imports_next_to_nothing() -> None:
    code = (
        "import sys\n"
        "source = [open(path, encoding='utf-8').read() for path in sys.argv[1:]]\n"
        "names = {}\n"
        "exec(source[0], names)\n"
        "before = set(sys.modules)\n"
        "exec(source[1], names)\n"
        "print(sorted(set(sys.modules) - before))\n"
    )
    paths = [str(GUEST / "harness.py"), str(GUEST / "displays.py")]
    command = [sys.executable, "-I", "-c", code, *paths]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert set(ast.literal_eval(done.stdout)) <= {"binascii"}


# -- bundles -----------------------------------------------------------------------------------------------------------


def test_every_object_is_a_bundle(guest: Guest) -> None:
    assert guest.shown(1, Table()) == [
        {"text/plain": "1"},
        {"text/plain": "a table", "text/html": "<table></table>"},
    ]


def test_a_turn_without_displays_shows_nothing(guest: Guest) -> None:
    assert guest.names["end_displays"]() == (b"[]", 0)


def test_nothing_is_kept_between_turns(guest: Guest) -> None:
    guest.shown(1)
    guest.display(2)
    assert guest.names["displays"].bundles == []


def test_each_turn_starts_anew(guest: Guest) -> None:
    guest.shown(1)
    guest.begin()
    assert guest.shown(2) == [{"text/plain": "2"}]


def test_every_method_gives_its_type(guest: Guest) -> None:
    thing = having(
        _repr_html_="<b>", _repr_markdown_="*b*", _repr_svg_="<svg/>", _repr_latex_="$b$", _repr_json_={"b": [1, None]},
        _repr_png_=PNG, _repr_jpeg_=bytearray(b"\xff\xd8"), _repr_pdf_=b"%PDF",
    )  # fmt: skip
    assert guest.shown(thing) == [
        {
            "text/plain": "a thing",
            "text/html": "<b>",
            "text/markdown": "*b*",
            "text/latex": "$b$",
            "image/svg+xml": "<svg/>",
            "image/png": base64.b64encode(PNG).decode(),
            "image/jpeg": base64.b64encode(b"\xff\xd8").decode(),
            "application/json": {"b": [1, None]},
            "application/pdf": base64.b64encode(b"%PDF").decode(),
        }
    ]


def test_none_and_metadata_are_left_out(guest: Guest) -> None:
    thing = having(_repr_html_=None, _repr_svg_=("<svg/>", {"isolated": True}), _repr_json_=([1], {}))
    assert guest.shown(thing) == [{"text/plain": "a thing", "image/svg+xml": "<svg/>", "application/json": [1]}]


@pytest.mark.parametrize("metadata", [None, {"text/html": {"isolated": True}}])
def test_a_mimebundle_comes_before_the_methods(guest: Guest, metadata: dict[str, Any] | None) -> None:
    bundle = {"text/html": "<i>", "text/plain": "mine", "application/vnd.plot.v5+json": {"x": [1.5]}, "text/css": None}
    answer = bundle if metadata is None else (bundle, metadata)
    thing = having(_repr_mimebundle_=answer, _repr_html_="<b>", _repr_latex_="$b$")
    assert guest.shown(thing) == [
        {
            "text/plain": "mine",
            "text/html": "<i>",
            "application/vnd.plot.v5+json": {"x": [1.5]},
            "text/latex": "$b$",
        }
    ]


def test_a_mimebundle_is_asked_for_everything(guest: Guest) -> None:
    asked = {}

    class Thing:
        def _repr_mimebundle_(self, include: Any = 0, exclude: Any = 0) -> dict[str, str]:
            asked.update(include=include, exclude=exclude)
            return {}

    guest.shown(Thing())
    assert asked == {"include": None, "exclude": None}


@pytest.mark.parametrize("answer", [5, "text", ("text", {}), [("text/html", "<b>")]])
def test_what_is_no_mimebundle_is_not_taken_for_one(guest: Guest, answer: object) -> None:
    assert guest.shown(having(_repr_mimebundle_=answer)) == [{"text/plain": "a thing"}]


def test_classes_are_not_their_instances(guest: Guest) -> None:
    class Both:
        @classmethod
        def _repr_html_(cls) -> str:
            return f"<b>{cls.__name__}"

    table, both = guest.shown(Table, Both)
    assert table == {"text/plain": repr(Table)}
    assert both == {"text/plain": repr(Both), "text/html": "<b>Both"}


def test_objects_that_have_everything_are_not_fooled_by(guest: Guest) -> None:
    class Anything:
        def __getattr__(self, name: str) -> Any:
            return lambda **_: "<b>"

        def __repr__(self) -> str:
            return "anything"

    class Nothing:
        def __getattr__(self, name: str) -> Any:
            raise KeyboardInterrupt

        def __repr__(self) -> str:
            return "nothing"

    mock = MagicMock()
    assert guest.shown(Anything(), Nothing(), mock) == [
        {"text/plain": "anything"},
        {"text/plain": "nothing"},
        {"text/plain": repr(mock)},
    ]


def test_attributes_that_are_not_called(guest: Guest) -> None:
    thing = types.SimpleNamespace(_repr_html_="<b>", _repr_svg_=lambda: "<svg/>")
    assert guest.shown(thing) == [{"text/plain": repr(thing), "image/svg+xml": "<svg/>"}]


@pytest.mark.parametrize("error", AWAY)
def test_a_method_that_raises_leaves_its_type_out(guest: Guest, error: type[BaseException]) -> None:
    thing = having(_repr_html_=error, _repr_mimebundle_=error, _repr_latex_="$b$")
    assert guest.shown(thing) == [{"text/plain": "a thing", "text/latex": "$b$"}]


@pytest.mark.parametrize("error", AWAY)
def test_a_repr_that_raises_is_told(guest: Guest, error: type[BaseException]) -> None:
    thing = having(__repr__=error, _repr_html_="<b>")
    text = f"<repr() of Thing failed: {error.__name__}>"
    assert guest.add_value(thing) == text
    assert guest.end() == [{"text/plain": text, "text/html": "<b>"}]


def test_a_repr_that_is_no_string_or_has_no_end(guest: Guest) -> None:
    class Deep:
        def __repr__(self) -> str:
            return f"<{self!r}>"

    assert [bundle["text/plain"] for bundle in guest.shown(having(__repr__=5), Deep())] == [
        "<repr() of Thing failed: TypeError>",
        "<repr() of Deep failed: RecursionError>",
    ]


def test_names_of_classes_are_not_asked_of_them(guest: Guest) -> None:
    class Meta(type):
        @property
        def __name__(cls) -> str:
            raise KeyboardInterrupt

    class Thing(metaclass=Meta):
        def __repr__(self) -> str:
            raise ValueError

    assert guest.add_value(Thing()) == "<repr() of Thing failed: ValueError>"


def test_instances_that_lie_about_their_class(guest: Guest) -> None:
    class Liar:
        @property  # type: ignore[misc]
        def __class__(self) -> type:
            raise SystemExit

        def __repr__(self) -> str:
            return "a liar"

    assert guest.shown(Liar(), having(_repr_html_=Liar())) == [{"text/plain": "a liar"}, {"text/plain": "a thing"}]


def test_the_arguments_of_ipython_are_accepted(guest: Guest) -> None:
    assert guest.display(1, metadata={}, include=["text/html"], transient={}, clear=True) is None
    handle = guest.display(2, display_id=True)
    handle.update(3)
    handle.display(4)
    assert [bundle["text/plain"] for bundle in guest.end()] == ["1", "2", "3", "4"]


def test_raw_bundles(guest: Guest) -> None:
    bundle = {"text/html": "<b>", "image/gif": b"GIF89a", 5: "x", "no type": "x", "a/" + "b" * 500: "x", "text/css": 5}
    first, second, third, fourth = guest.shown(bundle, {}, {"text/plain": "own"}, "no dict", raw=True)
    assert first == {
        "text/plain": "<text/html, image/gif, text/css>",
        "text/html": "<b>",
        "image/gif": base64.b64encode(b"GIF89a").decode(),
    }
    assert [second, third, fourth] == [
        {"text/plain": "<nothing>"},
        {"text/plain": "own"},
        {"text/plain": "'no dict'"},
    ]


def test_a_display_inside_a_repr_comes_first(guest: Guest) -> None:
    class Thing:
        def __repr__(self) -> str:
            guest.display("inner")
            return "outer"

    assert [bundle["text/plain"] for bundle in guest.shown(Thing())] == ["'inner'", "outer"]


@pytest.mark.parametrize("limits", [{"limit_count": 1}, {"limit_bytes": 50}], ids=["count", "bytes"])
def test_displays_inside_others_are_within_the_bounds(guest: Guest, limits: dict[str, int]) -> None:
    class Nested(dict):  # type: ignore[type-arg]
        def items(self) -> Any:
            guest.display("inner" * 4)
            return super().items()

    guest.begin(**limits)
    guest.display(having(_repr_json_=Nested(a=1)))
    raw, omitted = guest.names["end_displays"]()
    assert (json.loads(raw), omitted) == ([{"text/plain": repr("inner" * 4)}], 1)


# -- the last expression -----------------------------------------------------------------------------------------------


def test_a_value_is_its_repr_and_its_bundle(guest: Guest) -> None:
    assert guest.add_value(Table()) == "a table"
    assert guest.end() == [{"text/plain": "a table", "text/html": "<table></table>"}]


def test_the_repr_is_asked_for_once(guest: Guest) -> None:
    class Counting:
        asked = 0

        def __repr__(self) -> str:
            Counting.asked += 1
            return "x"

    guest.add_value(Counting())
    assert Counting.asked == 1


def test_none_is_not_shown(guest: Guest) -> None:
    assert guest.add_value(None) == "None"
    assert guest.end() == []


def test_a_value_without_room_still_has_its_text(guest: Guest) -> None:
    guest.begin(limit_count=0)
    assert guest.add_value(5) == "5"
    assert guest.names["end_displays"]() == (b"[]", 1)


def test_a_long_repr_is_cut_where_one_sees_it(guest: Guest) -> None:
    limit = guest.TEXT_CHARACTERS
    assert limit == 256 * 1024
    text = guest.add_value(having(__repr__="x" * (limit + 5)))
    assert len(text) == limit
    assert text.endswith("x\n[... 5 or so characters more]")
    assert guest.add_value(having(__repr__="x" * limit)) == "x" * limit
    own = having(_repr_mimebundle_={"text/plain": "y" * 2 * limit})
    guest.display(own)
    assert [len(bundle["text/plain"]) for bundle in guest.end()] == [limit, limit, limit]


# -- data that cannot be shown -----------------------------------------------------------------------------------------


def test_halves_of_surrogate_pairs_are_replaced(guest: Guest) -> None:
    thing = having(__repr__="a\ud800", _repr_html_="\udfff<b>é", _repr_json_={"\ud800k": ["v\udc00"]})
    assert guest.add_value(thing) == "a?"
    assert guest.end() == [{"text/plain": "a?", "text/html": "?<b>é", "application/json": {"?k": ["v?"]}}]


@pytest.mark.parametrize(
    "data",
    [math.nan, [math.inf], {"a": {1, 2}}, object(), {(1, 2): 3}, b"bytes", 10**5000],
    ids=lambda data: type(data).__name__,
)
def test_what_is_no_json_is_left_out(guest: Guest, data: object) -> None:
    assert guest.shown(having(_repr_json_=data)) == [{"text/plain": "a thing"}]


def test_json_that_contains_itself_or_is_deep(guest: Guest) -> None:
    loop: list[Any] = []
    loop.append(loop)
    deep: list[Any] = []
    for _ in range(200_000):
        deep = [deep]
    assert guest.shown(having(_repr_json_=loop), having(_repr_json_=deep)) == [{"text/plain": "a thing"}] * 2
    while deep:  # a step at a time: some Pythons free such a thing by recursion
        deep = deep.pop()


def test_dicts_that_raise(guest: Guest) -> None:
    class Angry(dict):  # type: ignore[type-arg]
        def items(self) -> Any:
            raise KeyboardInterrupt

        keys = values = __iter__ = __len__ = items  # type: ignore[assignment]

    assert guest.shown(having(_repr_json_=Angry(a=1)), having(_repr_mimebundle_=Angry({"text/html": "<b>"}))) == [
        {"text/plain": "a thing"},
        {"text/plain": "a thing", "text/html": "<b>"},
    ]


def test_strings_that_raise(guest: Guest) -> None:
    class Angry(str):
        def __len__(self) -> int:
            raise KeyboardInterrupt

        __hash__ = str.__hash__
        __getitem__ = __str__ = __eq__ = encode = isascii = split = __iter__ = __len__  # type: ignore[assignment]

    thing = having(__repr__=Angry("x"), _repr_html_=Angry("<b>"), _repr_png_=Angry("QUJD"))
    assert guest.shown(thing) == [{"text/plain": "x", "text/html": "<b>", "image/png": "QUJD"}]
    guest.begin()
    raw = {Angry("text/html"): Angry("<i>")}
    assert guest.shown(raw, raw=True) == [{"text/plain": "<text/html>", "text/html": "<i>"}]


@pytest.mark.parametrize("data", [b"<b>", 5, ["<b>"], {"a": 1}, True])
def test_text_is_text(guest: Guest, data: object) -> None:
    assert guest.shown(having(_repr_html_=data)) == [{"text/plain": "a thing"}]


@pytest.mark.parametrize("data", ["é", "QUJ", "QU=D", "Q" * 5, "<svg>", "QUJD\x00QUJ", 5, [1]])
def test_binary_data_are_bytes_or_base64(guest: Guest, data: object) -> None:
    assert guest.shown(having(_repr_png_=data)) == [{"text/plain": "a thing"}]


@pytest.mark.parametrize("data", [b"ABC", memoryview(b"ABC"), "QUJD", "QU\nJD\n", ("QUJD", {"width": 5})])
def test_binary_data_become_base64(guest: Guest, data: object) -> None:
    assert guest.shown(having(_repr_png_=data)) == [{"text/plain": "a thing", "image/png": "QUJD"}]


# -- bounds ------------------------------------------------------------------------------------------------------------


def test_the_bytes_are_those_of_the_json(guest: Guest) -> None:
    objects = ["é" * 10, 7, Table()]
    guest.display(*objects)
    whole, _ = guest.names["end_displays"]()
    for limit, expected in ((len(whole), 0), (len(whole) - 1, 0)):
        guest.begin(limit_bytes=limit)
        guest.display(*objects)
        raw, omitted = guest.names["end_displays"]()
        assert len(raw) <= limit
        assert omitted == expected
    assert json.loads(raw)[2] == {"text/plain": "a table"}


def test_too_many_are_counted_and_not_asked(guest: Guest) -> None:
    class Asked:
        def __repr__(self) -> str:
            raise AssertionError

    guest.begin(limit_count=2)
    guest.display(1, 2, Asked(), Asked())
    raw, omitted = guest.names["end_displays"]()
    assert [bundle["text/plain"] for bundle in json.loads(raw)] == ["1", "2"]
    assert omitted == 2


def test_what_has_no_room_is_counted_and_smaller_things_follow(guest: Guest) -> None:
    guest.begin(limit_bytes=100)
    guest.display("x" * 200, 5)
    raw, omitted = guest.names["end_displays"]()
    assert (json.loads(raw), omitted) == ([{"text/plain": "5"}], 1)


def test_the_largest_types_go_first(guest: Guest) -> None:
    guest.begin(limit_bytes=300)
    thing = having(_repr_html_="h" * 100, _repr_svg_="s" * 150, _repr_latex_="l" * 50, _repr_png_=b"p" * 1000)
    assert guest.shown(thing) == [{"text/plain": "a thing", "text/html": "h" * 100, "text/latex": "l" * 50}]


def test_characters_are_counted_as_they_are_written(guest: Guest) -> None:
    guest.begin(limit_bytes=200)
    assert guest.shown(having(_repr_html_="\0" * 100)) == [{"text/plain": "a thing"}]


@pytest.mark.parametrize("limit", [-5, 0, 1, 2, 3])
def test_hardly_any_room(guest: Guest, limit: int) -> None:
    guest.begin(limit_bytes=limit)
    guest.display(5)
    assert guest.names["end_displays"]() == (b"[]", 1)


def test_before_the_first_turn_everything_is_left_out(guest: Guest) -> None:
    fresh = Guest.__new__(Guest)
    fresh.names = {}
    exec((GUEST / "displays.py").read_text(encoding="utf-8"), fresh.names)
    fresh.names["display"](1)
    assert fresh.names["end_displays"]() == (b"[]", 1)


# -- figures -----------------------------------------------------------------------------------------------------------


class Box(types.SimpleNamespace):
    @classmethod
    def from_extents(cls, x0: float, y0: float, x1: float, y1: float) -> Box:
        return cls(x0=x0, y0=y0, x1=x1, y1=y1, width=x1 - x0, height=y1 - y0)


class FakeFigure:
    bbox_inches = Box.from_extents(0, 0, 6, 4)
    reach = Box.from_extents(0.5, 0.5, 5.5, 3.5)
    error: BaseException | None = None

    def __init__(self, name: str, *, blank: bool = False) -> None:
        self.name = name
        self.children = [object()] if blank else [object(), object()]
        self.areas: list[Any] = []

    def __repr__(self) -> str:
        return f"<Figure {self.name}>"

    def get_children(self) -> list[object]:
        return self.children

    def get_tightbbox(self) -> Box:
        return self.reach

    def savefig(self, file: Any, **options: Any) -> None:
        self.areas.append(options.get("bbox_inches"))
        if self.error is not None:
            raise self.error
        if options["format"] == "png":
            assert "metadata" not in options
            file.write(PNG + self.name.encode())
        else:
            assert (options["format"], options["metadata"]) == ("svg", {"Date": None})
            assert sys.modules["matplotlib"].rcParams["svg.hashsalt"] is not None
            file.write(f"<svg>{self.name}</svg>".encode())


class FakeMatplotlib:
    """As much of matplotlib as is asked for, in `sys.modules`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, backend: object = "Agg") -> None:
        self.used: list[str] = []
        self.managers: list[Any] = []
        self.settings = {"backend": backend, "svg.hashsalt": None, "savefig.bbox": None}
        registry = types.SimpleNamespace(get_all_fig_managers=lambda: list(self.managers), destroy=self.managers.remove)

        class FigureManagerBase:
            pass

        class FigureCanvasAgg:
            manager_class: Any = FigureManagerBase

        contents: dict[str, dict[str, Any]] = {
            "matplotlib": {"rcParams": self.settings, "use": self.used.append, "__version__": "3.0"},
            "matplotlib.figure": {"Figure": FakeFigure},
            "matplotlib.pyplot": {},
            "matplotlib._pylab_helpers": {"Gcf": registry},
            "matplotlib.backend_bases": {"FigureManagerBase": FigureManagerBase},
            "matplotlib.backends": {},
            "matplotlib.backends.backend_agg": {"FigureCanvasAgg": FigureCanvasAgg},
        }
        for name, attributes in contents.items():
            module = types.ModuleType(name)
            vars(module).update(attributes)
            monkeypatch.setitem(sys.modules, name, module)

    def open(self, name: str, number: int = 1, **options: Any) -> FakeFigure:
        figure = FakeFigure(name, **options)
        self.managers.append(types.SimpleNamespace(num=number, canvas=types.SimpleNamespace(figure=figure)))
        return figure


@pytest.fixture
def plots(guest: Guest, monkeypatch: pytest.MonkeyPatch) -> FakeMatplotlib:
    return FakeMatplotlib(monkeypatch)


@pytest.fixture
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    """What installing changes is undone afterwards."""
    monkeypatch.setattr(builtins, "display", None, raising=False)
    monkeypatch.setitem(sys.modules, "wasihost_figures", types.ModuleType("none"))
    monkeypatch.setenv("MPLBACKEND", "")


def picture(name: str) -> dict[str, str]:
    return {"text/plain": f"<Figure {name}>", "image/png": base64.b64encode(PNG + name.encode()).decode()}


@pytest.mark.parametrize("formats", [(), ("png",), ("svg",), ("png", "svg"), ("svg", "png", "tiff")])
def test_a_figure_is_drawn_in_the_formats_asked_for(
    guest: Guest, plots: FakeMatplotlib, formats: tuple[str, ...]
) -> None:
    guest.begin(formats=formats)
    expected = picture("a") | {"image/svg+xml": "<svg>a</svg>"}
    types_of = {"png": "image/png", "svg": "image/svg+xml"}
    kept = {"text/plain", *(types_of[name] for name in formats if name in types_of)}
    assert guest.shown(FakeFigure("a")) == [{key: data for key, data in expected.items() if key in kept}]
    assert plots.settings["svg.hashsalt"] is None


def test_open_figures_are_shown_at_the_end_and_closed(guest: Guest, plots: FakeMatplotlib) -> None:
    plots.open("b", 2)
    plots.open("a", 1)
    guest.display(5)
    assert guest.end() == [{"text/plain": "5"}, picture("a"), picture("b")]
    assert plots.managers == []


def test_figures_without_pyplot_are_not_looked_for(
    guest: Guest, plots: FakeMatplotlib, monkeypatch: pytest.MonkeyPatch
) -> None:
    plots.open("a")
    monkeypatch.delitem(sys.modules, "matplotlib.pyplot")
    assert guest.end() == []


def test_blank_figures_are_only_shown_on_demand(guest: Guest, plots: FakeMatplotlib) -> None:
    blank = plots.open("a", blank=True)
    assert guest.end() == []
    assert plots.managers == []
    guest.begin()
    assert guest.shown(blank) == [picture("a")]


@pytest.mark.parametrize("how", ["display", "add_value"])
def test_a_figure_is_not_shown_twice(guest: Guest, plots: FakeMatplotlib, how: str) -> None:
    guest.names[how](plots.open("a"))
    assert guest.end() == [picture("a")]
    assert plots.managers == []


def test_a_figure_that_changed_is_shown_again(guest: Guest, plots: FakeMatplotlib) -> None:
    figure = plots.open("a")
    guest.display(figure)
    figure.name = "b"
    assert guest.end() == [picture("a"), picture("b")]


def test_the_same_figure_is_shown_again_in_the_next_turn(guest: Guest, plots: FakeMatplotlib) -> None:
    figure = plots.open("a")
    assert guest.end() == [picture("a")]
    guest.begin()
    assert guest.shown(figure) == [picture("a")]


@pytest.mark.parametrize("error", [*AWAY, OverflowError])
def test_a_figure_that_cannot_be_drawn_at_the_end_is_told(
    guest: Guest, plots: FakeMatplotlib, capsys: pytest.CaptureFixture[str], error: type[BaseException]
) -> None:
    plots.open("a").error = error("no ink")
    plots.open("b", 2)
    assert guest.end() == [{"text/plain": "<Figure a>"}, picture("b")]
    assert capsys.readouterr().err == f"<Figure a> could not be drawn: {error.__name__}: no ink\n"
    assert plots.managers == []


def test_it_is_told_even_without_standard_error(
    guest: Guest, plots: FakeMatplotlib, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(sys, "stderr")
    plots.open("a").error = ValueError("no ink")
    assert guest.end() == [{"text/plain": "<Figure a>"}]


def test_too_many_figures_are_closed_and_not_drawn(guest: Guest, plots: FakeMatplotlib) -> None:
    guest.begin(limit_count=1)
    figures = [plots.open(str(number), number) for number in range(3)]
    raw, omitted = guest.names["end_displays"]()
    assert (json.loads(raw), omitted, plots.managers) == ([picture("0")], 2, [])
    assert [len(figure.areas) for figure in figures] == [1, 0, 0]


def test_a_registry_that_fails_ends_no_turn(guest: Guest, plots: FakeMatplotlib) -> None:
    guest.display(1)
    sys.modules["matplotlib._pylab_helpers"].Gcf.get_all_fig_managers = 5  # type: ignore[attr-defined]
    assert guest.end() == [{"text/plain": "1"}]


def test_a_figure_that_cannot_be_closed_ends_no_turn(guest: Guest, plots: FakeMatplotlib) -> None:
    plots.open("a")
    sys.modules["matplotlib._pylab_helpers"].Gcf.destroy = 5  # type: ignore[attr-defined]
    assert guest.end() == [picture("a")]


def test_labels_that_stick_out_are_drawn(guest: Guest, plots: FakeMatplotlib) -> None:
    figure = FakeFigure("a")
    figure.reach = Box.from_extents(0.5, -1, 5.5, 3.5)
    guest.shown(figure)
    assert figure.areas == [None, Box.from_extents(0, -1.1, 6, 4)]


@pytest.mark.parametrize(
    "reach", [Box.from_extents(-0.01, 0, 6, 4.01), Box.from_extents(0, 0, 600, 4), None], ids=["line", "far", "unknown"]
)
def test_otherwise_the_figure_has_the_size_it_was_given(guest: Guest, plots: FakeMatplotlib, reach: Box) -> None:
    figure = FakeFigure("a")
    figure.reach = reach
    assert guest.shown(figure) == [picture("a")]
    assert figure.areas == [None]


def test_an_area_that_was_chosen_stays(guest: Guest, plots: FakeMatplotlib) -> None:
    plots.settings["savefig.bbox"] = "tight"
    figure = FakeFigure("a")
    figure.reach = Box.from_extents(0, -1, 6, 4)
    guest.shown(figure)
    assert figure.areas == [None]


# -- the backend -------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("clean")
def test_installing_needs_no_matplotlib(guest: Guest) -> None:
    guest.install_displays()
    assert builtins.display is guest.display  # type: ignore[attr-defined]
    assert os.environ["MPLBACKEND"] == "module://wasihost_figures"
    backend = sys.modules["wasihost_figures"]
    assert backend.__spec__ is not None
    assert backend.__spec__.name == "wasihost_figures"
    assert not hasattr(backend, "new_figure_manager")
    assert "matplotlib" not in sys.modules


@pytest.mark.usefixtures("clean")
@pytest.mark.parametrize(
    ("backend", "changed"), [("Agg", True), ("agg", True), (object(), True), (None, True), ("svg", False)]
)
def test_a_matplotlib_of_the_image_is_switched(
    guest: Guest, monkeypatch: pytest.MonkeyPatch, backend: object, changed: bool
) -> None:
    plots = FakeMatplotlib(monkeypatch, backend)
    guest.install_displays()
    assert plots.used == ["module://wasihost_figures"] * changed


@pytest.mark.usefixtures("clean")
def test_the_backend_of_the_environment_stays(
    guest: Guest, plots: FakeMatplotlib, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MPLBACKEND", "pdf")
    guest.install_displays()
    assert (os.environ["MPLBACKEND"], plots.used) == ("pdf", [])


@pytest.mark.usefixtures("clean")
def test_a_matplotlib_that_cannot_switch_ends_nothing(guest: Guest, plots: FakeMatplotlib) -> None:
    sys.modules["matplotlib"].use = None  # type: ignore[attr-defined]
    guest.install_displays()
    assert builtins.display is guest.display  # type: ignore[attr-defined]


@pytest.fixture
def backend(guest: Guest, plots: FakeMatplotlib, clean: None) -> Any:
    guest.install_displays()
    return sys.modules["wasihost_figures"]


def test_one_attribute_brings_all(backend: Any) -> None:
    # pyplot takes FigureCanvas first, and then a copy of all that is there.
    assert "FigureCanvas" not in vars(backend)
    canvas = backend.FigureCanvas
    assert {"FigureCanvas", "FigureManager", "backend_version", "show"} <= set(vars(backend))
    assert backend.FigureCanvas is canvas
    assert canvas.manager_class is backend.FigureManager
    assert canvas.__module__ == "wasihost_figures"


def test_show_shows_at_that_point_and_closes(guest: Guest, plots: FakeMatplotlib, backend: Any) -> None:
    plots.open("b", 2)
    plots.open("a", 1)
    backend.show(block=False)
    assert plots.managers == []
    guest.display(5)
    assert guest.end() == [picture("a"), picture("b"), {"text/plain": "5"}]


@pytest.mark.parametrize("error", AWAY)
def test_show_raises_what_drawing_raised(
    guest: Guest, plots: FakeMatplotlib, backend: Any, error: type[BaseException]
) -> None:
    plots.open("a").error = error("no ink")
    plots.open("b", 2)
    with pytest.raises(error, match="no ink"):
        backend.show()
    assert plots.managers == []
    assert guest.end() == [picture("b")]


def test_a_figure_shows_itself_and_stays_open(guest: Guest, plots: FakeMatplotlib, backend: Any) -> None:
    figure = plots.open("a")
    manager = backend.FigureManager()
    manager.canvas = types.SimpleNamespace(figure=figure)
    manager.show()
    assert len(plots.managers) == 1
    assert guest.end() == [picture("a")]
    guest.begin()
    figure.error = ValueError("no ink")
    with pytest.raises(ValueError, match="no ink"):
        manager.show()
