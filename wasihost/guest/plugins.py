"""Calls of a function of a plugin, whose modules come along with the request."""

# Runs inside the guest, on every runtime from CPython 3.11, in the namespace of harness.py, values.py and notebook.py
# and after them. Like the harness, it is no wall: what is told here of exports, steps and results is the plugin's own
# word, and the host checks it.
#
# A request has the plugin's files first: source, and code that was made of it inside before, which the host keeps as
# bytes that it never looks into. After them comes what is to be done, in the form of a reply (values.py).
# ruff: noqa: ARG004, F821, PLW0603 - finders get what Python passes; names of the files before are there; the modules
# of the one plugin are global
import binascii
import importlib
import inspect
import marshal
import sys
from importlib.machinery import ModuleSpec

bundle = {}  # module -> [file, is a package, source from, to, code from, to]: where it stands in the text
bundle_text = b""
plugin_is_up = False
plugin_step = ""


class BundleFinder:
    """Finds the modules of the plugin in what came with the request; loads them, too."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        entry = bundle.get(name)
        if entry is None:
            return None
        spec = ModuleSpec(name, BundleFinder, origin=entry[0], is_package=bool(entry[1]))
        spec.has_location = True
        if entry[1]:
            spec.submodule_search_locations.append(entry[0].rpartition("/")[0])
        return spec

    @staticmethod
    def create_module(spec):
        return None

    @staticmethod
    def exec_module(module):
        exec(code_of_module(module.__spec__.name), vars(module))

    @staticmethod
    def get_source(name):
        return importlib.util.decode_source(source_of_module(name))

    @staticmethod
    def get_code(name):
        return code_of_module(name)

    @staticmethod
    def get_filename(name):
        return bundle[name][0]

    @staticmethod
    def is_package(name):
        return bool(bundle[name][1])


def source_of_module(name):
    _, _, start, end, *_ = bundle[name]
    return bundle_text[start:end]


def code_of_module(name):
    file, _, _, _, start, end = bundle[name]
    if end > start:
        return marshal.loads(bundle_text[start:end])
    return compile(source_of_module(name), file, "exec", dont_inherit=True)


def perform_call(request, body, header):
    """Do what the host asks of a plugin; return the JSON text of the answer.

    The step that is under way is kept, so that the host can be told where it ended.
    """
    global bundle, bundle_text, plugin_step, plugin_is_up
    said = loads(request["plugin"])
    if said["modules"] is not None:
        bundle, bundle_text = said["modules"], body
        if BundleFinder not in sys.meta_path:
            sys.meta_path.insert(1, BundleFinder)
    order, *rest = value_of_reply(body[said["bundle_bytes"] :])[1]
    plugin_step = "import"
    module = importlib.import_module(said["entry"])
    if order == "check":
        told = encode_value([compiled_modules(request["value_bytes"] // 2), exported(module, rest)]).encode()
        header["exit_code"] = 0
        return told
    if not plugin_is_up and order != "end":
        plugin_step = "setup"
        call_if_there(module, "setup")
        plugin_is_up = True
    message = b""
    if order == "call":
        name, args, kwargs = rest
        plugin_step = "export"
        function = getattr(module, name)
        if not callable(function):
            raise TypeError(f"{name!r} cannot be called")
        plugin_step = "call"
        value = waited_for(function(*args, **kwargs))
        plugin_step = "result"
        message = message_of("result", [value], {})
    if plugin_is_up and (order == "end" or not said["kept"]):
        plugin_step = "teardown"
        plugin_is_up = False
        call_if_there(module, "teardown")
    plugin_step = "result"
    text = b'"%b"' % binascii.b2a_base64(message, newline=False)
    if len(text) > request["value_bytes"]:
        raise ValueError(f"the result takes {len(text)} bytes, and the host reads {request['value_bytes']}")
    header["exit_code"] = 0
    return text


def call_if_there(module, name):
    function = getattr(module, name, None)
    if function is not None:
        waited_for(function())


def waited_for(value):
    return run_coroutine(awaiting(value)) if inspect.isawaitable(value) else value


async def awaiting(value):
    return await value


def compiled_modules(room):
    """The code of each module, as text, as far as there is room for it.

    Those with a mistake are left out, and fail when they are imported.
    """
    made = {}
    for name in bundle:
        try:
            text = binascii.b2a_base64(marshal.dumps(code_of_module(name)), newline=False).decode()
        except (SyntaxError, ValueError, RecursionError):
            continue
        if len(text) <= room:
            room -= len(text)
            made[name] = text
    return made


def exported(module, names):
    """For each name of the entry module: its parameters, None when it is not there or cannot be called."""
    found = {}
    for name in names:
        function = getattr(module, name, None)
        found[name] = parameters_of(function) if callable(function) else None
    return found


def parameters_of(function):
    """[name, kind, whether it has a default] for each; one that takes anything, where Python does not know."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return [["args", "VAR_POSITIONAL", False], ["kwargs", "VAR_KEYWORD", False]]
    return [[each.name, each.kind.name, each.default is not each.empty] for each in parameters]
