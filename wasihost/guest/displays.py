"""What the turns of a session show: bundles {type: data}, like those of notebooks."""

# Runs inside the guest, on every runtime from CPython 3.11. The host executes this text once, at boot, in the namespace
# of the harness and right after it; it takes none of the harness's names. A bundle is what `display` was called with,
# or the last expression, or a figure of matplotlib.
#
# A turn is to end as its own code decides. What is asked of objects here (a repr, a `_repr_html_`, a key of a dict)
# may raise anything, KeyboardInterrupt and SystemExit too: then that part of the bundle is missing, and nothing else
# happens. `plt.show()` alone raises what drawing raised: it was called by the program, which can deal with that.
# ruff: noqa: PLW0603 - the state of the one turn is global
import binascii
import builtins
import importlib
import io
import json
import os
import re
import sys
import traceback
import types

TEXT_CHARACTERS = 256 * 1024
TYPE_CHARACTERS = 128
CLASS_CHARACTERS = 1024
REASON_CHARACTERS = 64 * 1024
STICKING_OUT = 0.02  # inches: less is the width of a line
PADDING = 0.1  # inches around what sticks out of a figure, as in notebooks
STRETCH = 2  # a figure grows to twice its width or height at most: a label may be anywhere
BACKEND = "wasihost_figures"
CANARY = "_ipython_canary_method_should_not_exist_"  # the name that others know as well
PLAIN = "text/plain"
METHODS = {
    "text/html": "_repr_html_",
    "text/markdown": "_repr_markdown_",
    "text/latex": "_repr_latex_",
    "image/svg+xml": "_repr_svg_",
    "image/png": "_repr_png_",
    "image/jpeg": "_repr_jpeg_",
    "application/json": "_repr_json_",
    "application/pdf": "_repr_pdf_",
}
PLAIN_KINDS = {int, float, complex, bool, str, bytes, list, tuple, dict, set, frozenset}  # they say nothing else
PLAIN_HEAD = b'{"text/plain":'
BINARY = {"image/png", "image/jpeg", "image/gif", "image/webp", "application/pdf"}
FIGURES = {"png": "image/png", "svg": "image/svg+xml"}
is_type = re.compile(r"[\w.+-]+/[\w.+-]+(?:; ?[\w.+-]+=[\w.+-]+)*", re.ASCII).fullmatch
is_base64 = re.compile(r"[A-Za-z0-9+/]*={0,2}").fullmatch
encode_shown = json.JSONEncoder(allow_nan=False, ensure_ascii=False, separators=(",", ":")).encode


def begin_displays(limit_bytes, limit_count, figure_formats):
    """Forget the displays of the turn before. The limits are for the bundles of one turn together, as JSON."""
    global displays
    displays = Displays(limit_bytes, limit_count, figure_formats)


def display(*objects, raw=False, display_id=None, **_):
    """Show objects in the result of this turn, each by all the types it offers.

    With raw=True a dict is taken for a bundle. What else IPython's function takes is accepted and has no effect.
    """
    for thing in objects:
        displays.show(thing, raw)
    return None if display_id is None else Handle(display_id)


def add_value(value):
    """Add the bundle of the last expression, None excepted, and return its repr."""
    text = text_of(value)
    if value is not None:
        displays.show(value, text=text)
    return text


def end_displays():
    """Show the figures that are still open, and return the JSON of all bundles and how many were left out."""
    global displays
    ended = displays
    try:
        ended.show_open_figures(at_end=True)
    except BaseException:
        pass  # what a program has made of matplotlib is no longer one
    displays = NO_DISPLAYS  # a session at rest is kept, and should not be kept with this
    try:
        return b"[" + b",".join(ended.bundles) + b"]", ended.omitted
    except BaseException:
        return b"[]", ended.omitted + len(ended.bundles)


class Handle:
    """What `display(..., display_id=...)` returns. Nothing that was shown changes: an update is shown as well."""

    def __init__(self, display_id):
        self.display_id = display_id

    def display(self, thing, **more):
        display(thing, **more)

    update = display


class Displays:
    """The bundles of one turn, in JSON already."""

    def __init__(self, limit_bytes, limit_count, figure_formats):
        self.room = limit_bytes - len("[]")
        self.limit_count = limit_count
        self.figure_formats = [name for name in figure_formats if name in FIGURES]
        self.bundles = []
        self.omitted = 0
        self.figures = []  # (figure, its bundle) of what was shown in this turn

    def show(self, thing, raw=False, text=None, failures=None):
        """Add the bundle of an object. With a list for failures, a figure that fails to be drawn is not shown."""
        if len(self.bundles) >= self.limit_count:
            self.omitted += 1
            return
        packed = None
        try:
            if text is not None and type(thing) in PLAIN_KINDS:
                packed = b"".join((PLAIN_HEAD, encode_shown(text).encode("utf-8", "replace"), b"}"))
            else:
                if raw and issubclass(type(thing), dict):
                    bundle = raw_bundle(thing)
                else:
                    bundle = bundle_of(thing, text)
                    if is_figure(thing) and not self.draw(thing, bundle, failures):
                        return
                packed = pack(bundle, self.room - bool(self.bundles))
        except BaseException:
            pass
        if packed is None or not self.keep(packed):
            self.omitted += 1
        elif is_figure(thing):
            self.figures.append((thing, packed))

    def keep(self, packed):
        """Add a bundle, unless others took its place: an object may display something while it is asked."""
        cost = len(packed) + bool(self.bundles)  # the comma
        if cost > self.room or len(self.bundles) >= self.limit_count:
            return False
        self.room -= cost
        self.bundles.append(packed)
        return True

    def draw(self, figure, bundle, failures):
        try:
            for mime, data in drawings(figure, self.figure_formats).items():
                bundle.setdefault(mime, data)
        except BaseException as error:
            if failures is not None:
                failures.append(error)
                return False
            complain(bundle[PLAIN], error)
        return True

    def show_open_figures(self, at_end=False):
        """Show and close the figures of pyplot in the order of their numbers.

        At the end of a turn, one that looks as it did when it was shown last is only closed, and what cannot be drawn
        is told on standard error; otherwise it is raised when all are closed.
        """
        registry = getattr(sys.modules.get("matplotlib._pylab_helpers"), "Gcf", None)
        if registry is None or "matplotlib.pyplot" not in sys.modules:
            return
        failures = []
        managers = registry.get_all_fig_managers()
        try:
            managers.sort(key=lambda manager: manager.num)
        except BaseException:
            pass  # numbers can be anything that has a hash
        for manager in managers:
            try:
                figure = manager.canvas.figure
                if not (is_blank(figure) or (at_end and self.shown_like_this(figure))):
                    self.show(figure, failures=None if at_end else failures)
            except BaseException as error:
                failures.append(error)
            try:
                registry.destroy(manager)
            except BaseException as error:
                failures.append(error)
        if failures and not at_end:
            raise failures[0]

    def shown_like_this(self, figure):
        """Whether a figure was shown in this turn and would be shown the same again."""
        earlier = [packed for other, packed in self.figures if other is figure]
        if not earlier:
            return False
        bundle = bundle_of(figure)
        try:
            self.draw(figure, bundle, failures=[])
            return pack(bundle, len(earlier[-1])) == earlier[-1]
        except BaseException:
            return False


# -- bundles ----------------------------------------------------------------------------------------------------------


def bundle_of(thing, text=None):
    """Collect what an object says of itself, by the rules of IPython."""
    bundle = {}
    if type(thing) in PLAIN_KINDS:
        return {PLAIN: text_of(thing) if text is None else text}
    if not answers_everything(thing):
        given = ask(thing, "_repr_mimebundle_", include=None, exclude=None)
        if issubclass(type(given), dict):
            bundle = checked(given)
        for mime, name in METHODS.items():
            if mime not in bundle:
                data = ask(thing, name)
                if data is not None:
                    bundle[mime] = data
    if text is None and not is_text(bundle.get(PLAIN)):
        text = text_of(thing)
    return with_text(bundle, text)


def raw_bundle(given):
    """Take a dict for what it is; its repr would be no help where it has no text, and long."""
    bundle = checked(given)
    return with_text(bundle, f"<{', '.join(bundle) or 'nothing'}>")


def with_text(bundle, text):
    """Put the text first. It is what is always there."""
    own = bundle.pop(PLAIN, None)
    return {PLAIN: shortened(str.__str__(own)) if is_text(own) else text, **bundle}


def checked(given):
    """Leave out what is no type and what has no data. Keys become plain strings, which cannot surprise."""
    try:
        pairs = [(str.__str__(key), data) for key, data in dict.items(given) if is_text(key) and data is not None]
    except BaseException:
        return {}
    return {key: data for key, data in pairs if len(key) <= TYPE_CHARACTERS and is_type(key)}


def is_text(thing):
    return issubclass(type(thing), str)  # unlike isinstance, it asks nothing of the object


def answers_everything(thing):
    """Whether an object has any attribute one asks for, or cannot be asked: then its methods mean nothing."""
    try:
        return getattr(thing, CANARY, None) is not None
    except BaseException:
        return True


def ask(thing, name, **arguments):
    """Call a method that an object may have. None when it has none or fails; of data and metadata, the data."""
    try:
        method = getattr(thing, name, None)
        if not callable(method):
            return None
        if issubclass(type(thing), type) and not issubclass(type(method), types.MethodType):
            return None  # it waits for an instance of the class
        answer = method(**arguments)
        if issubclass(type(answer), tuple) and tuple.__len__(answer) == 2:
            answer = tuple.__getitem__(answer, 0)
        return answer
    except BaseException:
        return None


def text_of(thing):
    try:
        return shortened(str.__str__(repr(thing)))
    except BaseException as error:
        return f"<repr() of {name_of(type(thing))} failed: {name_of(type(error))}>"


def name_of(kind):
    """The name of a class, whatever its metaclass makes of `__name__`."""
    return replaced(type.__dict__["__name__"].__get__(kind)[:CLASS_CHARACTERS])


def shortened(text):
    if len(text) > TEXT_CHARACTERS:
        mark = f"\n[... {len(text) - TEXT_CHARACTERS} or so characters more]"
        text = text[: TEXT_CHARACTERS - len(mark)] + mark
    return replaced(text)


def replaced(text):
    """Put question marks for halves of surrogate pairs, of which no UTF-8 can be made."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


# -- JSON -------------------------------------------------------------------------------------------------------------


def pack(bundle, room):
    """Return the JSON of a bundle, without its largest types when there is no room for them; None without any."""
    pieces = {}
    for mime, data in bundle.items():
        piece = None
        try:
            piece = piece_of(mime, data, room)
        except BaseException:
            pass  # it is not what its type says, or there is no memory for it
        if piece is not None:
            pieces[mime] = piece
    if PLAIN not in pieces:
        return None
    while size_of(pieces) > room and len(pieces) > 1:
        del pieces[max((mime for mime in pieces if mime != PLAIN), key=lambda mime: len(pieces[mime]))]
    if size_of(pieces) > room:
        return None
    return b"{" + b",".join(pieces.values()) + b"}"


def size_of(pieces):
    return len("{}") + sum(map(len, pieces.values())) + len(pieces) - 1


def piece_of(mime, data, room):
    """Return `"type":data` as JSON, None when the data are of the wrong kind or too many.

    What is too long is not encoded first: no JSON of a text has fewer bytes than it has characters.
    """
    head = encode_shown(mime).encode() + b":"
    if mime in BINARY:
        return binary_piece(head, data, room)
    if mime == "application/json" or (mime.startswith("application/") and mime.endswith("+json")):
        piece = head + encode_shown(data).encode("utf-8", "replace")
    elif not is_text(data) or str.__len__(data) > room:
        return None
    else:
        piece = head + encode_shown(str.__str__(data)).encode("utf-8", "replace")
    return piece if len(piece) <= room else None


def binary_piece(head, data, room):
    if is_text(data):
        # Base64 already, perhaps in lines.
        if str.__len__(data) > 2 * room:
            return None
        text = "".join(str.split(data))
        if len(text) % 4 or len(text) > room or not is_base64(text):
            return None
        return b"".join((head, b'"', text.encode(), b'"'))
    with memoryview(data) as view:  # bytes, bytearray and the like; anything else is a TypeError
        if view.nbytes * 4 // 3 > room:
            return None
        return b"".join((head, b'"', binascii.b2a_base64(view, newline=False), b'"'))


# -- figures ----------------------------------------------------------------------------------------------------------


def is_figure(thing):
    """Whether it is matplotlib's. Who has one has imported it."""
    try:
        module = sys.modules.get("matplotlib.figure")
        return module is not None and issubclass(type(thing), module.Figure)
    except BaseException:
        return False


def is_blank(figure):
    """Whether there is nothing on a figure but its ground: `plt.savefig` after `plt.show` makes such ones."""
    try:
        return len(figure.get_children()) <= 1
    except BaseException:
        return False


def drawings(figure, formats):
    """Draw a figure as its `savefig` does, in each format, but with what sticks out of it."""
    drawn = {}
    if not formats:
        return drawn
    settings = sys.modules["matplotlib"].rcParams
    salt = settings["svg.hashsalt"]
    try:
        if salt is None:
            settings["svg.hashsalt"] = BACKEND  # instead of a random one: the same figure is the same text
        data = draw(figure, formats[0])
        area = area_of(figure, settings)  # drawing has put everything in its place
        for name in formats:
            if area is not None or name != formats[0]:
                data = draw(figure, name, bbox_inches=area)
            drawn[FIGURES[name]] = data.decode() if name == "svg" else data
    finally:
        settings["svg.hashsalt"] = salt
    return drawn


def draw(figure, name, **options):
    buffer = io.BytesIO()
    if name == "svg":
        options["metadata"] = {"Date": None}
    figure.savefig(buffer, format=name, **options)
    return buffer.getvalue()


def area_of(figure, settings):
    """The figure and the labels around it; None when nothing sticks out, when it is far out, or when one has chosen."""
    if settings["savefig.bbox"] is not None:
        return None
    try:
        whole = figure.bbox_inches
        tight = figure.get_tightbbox()
        left, bottom = tight.x0 - whole.x0, tight.y0 - whole.y0
        right, top = whole.x1 - tight.x1, whole.y1 - tight.y1
        if min(left, bottom, right, top) >= -STICKING_OUT:
            return None
        area = type(whole).from_extents(
            whole.x0 + (left - PADDING if left < 0 else 0),
            whole.y0 + (bottom - PADDING if bottom < 0 else 0),
            whole.x1 - (right - PADDING if right < 0 else 0),
            whole.y1 - (top - PADDING if top < 0 else 0),
        )
        fits = area.width <= STRETCH * whole.width and area.height <= STRETCH * whole.height
        return area if fits else None
    except Exception:
        return None


def complain(text, error):
    try:
        reason = "".join(traceback.format_exception_only(type(error), error)).strip()[:REASON_CHARACTERS]
        sys.stderr.write(f"{text} could not be drawn: {reason}\n")
    except BaseException:
        pass


class Backend(types.ModuleType):
    """A backend of matplotlib that shows figures in the result of the turn.

    It needs matplotlib when matplotlib needs it, and not before: its classes are made on first use.
    """

    def __getattr__(self, name):
        if name not in ("FigureCanvas", "FigureManager", "backend_version"):
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}", name=name, obj=self)
        # pyplot copies the attributes that there are once it has got the first one: they come all at once.
        vars(self).update(backend_classes())
        return vars(self)[name]


def backend_classes():
    bases, agg = map(importlib.import_module, ("matplotlib.backend_bases", "matplotlib.backends.backend_agg"))

    class FigureManager(bases.FigureManagerBase):
        def show(self):
            """Show this one figure, which stays open: `figure.show()`."""
            failures = []
            displays.show(self.canvas.figure, failures=failures)
            if failures:
                raise failures[0]

    class FigureCanvas(agg.FigureCanvasAgg):
        manager_class = FigureManager

        def draw_idle(self, *_, **__):
            """Nobody watches: after `plt.ion()`, every command would draw the figure anew."""

    for made in (FigureManager, FigureCanvas):
        made.__module__, made.__qualname__ = BACKEND, made.__name__
    version = sys.modules["matplotlib"].__version__
    return {"FigureCanvas": FigureCanvas, "FigureManager": FigureManager, "backend_version": version}


def show_figures(*_, **__):
    """Show all open figures in the result of this turn and close them; `block` has no effect: `plt.show()`."""
    displays.show_open_figures()


def install_displays():
    """Let programs use `display`, and matplotlib show figures here; called once, at the first turn of a session."""
    builtins.display = display
    backend = Backend(BACKEND, Backend.__doc__)
    backend.__spec__ = type(sys.__spec__)(BACKEND, None)
    backend.show = show_figures
    sys.modules[BACKEND] = backend
    if os.environ.get("MPLBACKEND"):
        return
    chosen = os.environ["MPLBACKEND"] = f"module://{BACKEND}"
    matplotlib = sys.modules.get("matplotlib")
    try:
        # An image may have chosen agg, which was all it could do. Without a choice, what is there is no text.
        before = None if matplotlib is None else dict.get(matplotlib.rcParams, "backend")
        if matplotlib is not None and (not is_text(before) or before.lower() == "agg"):
            matplotlib.use(chosen)
    except Exception:
        pass  # a matplotlib that cannot be used is no reason to refuse a session


displays = NO_DISPLAYS = Displays(0, 0, ())
