"""A stand-in for `IPython.display`, so that what was written for notebooks shows its things in a session."""

# Runs inside the guest, on every runtime from CPython 3.11, in the namespace of harness.py, displays.py and notebook.py
# and after them. Until somebody imports it, all there is of it is a finder at the end of `sys.meta_path`, which is
# asked for what nobody else has: a real IPython comes first.
# ruff: noqa: ARG002, ARG003, F821, RET501 - hooks take what is passed; names of the other files are there
import sys

STAND_INS = ("IPython", "IPython.core", "IPython.core.display", "IPython.display")
SHOWN_BY = {
    "HTML": "_repr_html_",
    "JSON": "_repr_json_",
    "Latex": "_repr_latex_",
    "Markdown": "_repr_markdown_",
    "SVG": "_repr_svg_",
}
PICTURES = {b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg", b"GIF8": "image/gif", b"RIFF": "image/webp"}
made_things = {}


class NotebookFinder:
    """Finds and fills the stand-ins."""

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        above, _, _ = name.rpartition(".")
        if name not in STAND_INS or (above and getattr(sys.modules.get(above), "__loader__", None) is not cls):
            return None
        spec = type(sys.__spec__)(name, cls)
        if name in ("IPython", "IPython.core"):
            spec.submodule_search_locations = []
        return spec

    @classmethod
    def create_module(cls, spec):
        return None

    @classmethod
    def exec_module(cls, module):
        if module.__name__ == "IPython":
            # Packages ask here whether they are in IPython, and for its version if they are.
            vars(module).update(__version__="0", version_info=(0, 0, 0), get_ipython=get_ipython)
        elif module.__name__ != "IPython.core":
            vars(module).update(shown_things(), display=display, clear_output=clear_output, DisplayHandle=Handle)


def get_ipython():
    """There is no shell of IPython here."""
    return None


def clear_output(wait=False):
    """Nothing can be cleared: what was shown is in the result of the turn already."""


def shown_things():
    """The classes of IPython.display, made once, when they are first imported."""
    if made_things:
        return made_things

    class DisplayObject:
        """Data, or the content of a file, and how it is to be shown."""

        def __init__(self, data=None, url=None, filename=None, metadata=None, **_):
            if url is not None:
                raise ValueError("url: there is no network here; hand the data over instead")
            self.data, self.filename, self.metadata = data, filename, metadata
            if filename is not None:
                self.reload()

        def reload(self):
            with open(self.filename, "rb") as file:
                raw = file.read()
            self.data = raw if isinstance(self, Image) else raw.decode()

        def __repr__(self):
            return f"<IPython.core.display.{type(self).__name__} object>"

    class Image(DisplayObject):
        def __init__(self, data=None, url=None, filename=None, **more):
            if isinstance(data, str):  # a file or an address, says IPython
                if data.startswith(("http:", "https:")):
                    data, url = None, data
                else:
                    data, filename = None, data
            super().__init__(data, url, filename, **more)

        def _repr_mimebundle_(self, include=None, exclude=None):
            return {mime: self.data for start, mime in PICTURES.items() if bytes(self.data[:4]).startswith(start)}

    class Math(DisplayObject):
        def _repr_latex_(self):
            return "$\\displaystyle " + self.data.strip("$") + "$"

    made_things.update(DisplayObject=DisplayObject, Image=Image, Math=Math)
    for name, method in SHOWN_BY.items():
        made_things[name] = type(name, (DisplayObject,), {method: lambda self: self.data})
    for name, thing in made_things.items():
        thing.__module__, thing.__qualname__ = "IPython.core.display", name
    return made_things


def install_notebook_modules():
    """Let programs import the stand-ins; called once, at the first turn of a session."""
    sys.meta_path.append(NotebookFinder)
