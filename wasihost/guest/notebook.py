"""The turns of a session, which is an interpreter that goes on."""

# Runs inside the guest, on every runtime from CPython 3.11, in the namespace of harness.py and displays.py and after
# them. Like the harness, it is no wall. Its builtins are the harness's own copy, and what it needs of other modules is
# taken from them here: so it goes on when a turn has deleted or replaced what everybody shares.
# ruff: noqa: F821, PLW0603 - names of harness.py and displays.py are there; the state of the one session is global
import asyncio
import builtins
import codeop
import json
import keyword
import linecache
import os
import random
import sys
from ast import PyCF_ALLOW_TOP_LEVEL_AWAIT, PyCF_ONLY_AST
from functools import partial
from gc import get_objects
from io import BufferedReader, BytesIO, FileIO, RawIOBase, TextIOWrapper
from os import fstat
from sys import getrecursionlimit, setrecursionlimit

CO_COROUTINE = 0x80
MAX_REMEMBERED_TURNS = 1000
WARM_UPS = 20
MAX_COMPLETIONS = 1000
MAX_OPEN_FILES_TOLD = 1000
LEAST_RECURSION = 200  # what the harness itself needs, with some room
RESERVE = 1024 * 1024
ROOM = 256 * 1024  # with less memory a turn may not even begin
BROKEN = {"exit_code": 1, "broken": True}
FILE_METHODS = (
    "close", "fileno", "flush", "isatty", "read", "readable", "readall", "readinto", "seek", "seekable", "tell",
    "truncate", "writable", "write",
)  # fmt: skip
OPEN_FLAGS = {"rb": os.O_RDONLY, "wb": os.O_WRONLY, "ab": os.O_WRONLY | os.O_APPEND, "xb": os.O_WRONLY}

turn_flags = 0  # of `from __future__ import ...`, which hold for later turns
turn_names = []
event_loop = None
std_builtins = {}
builtins_seen = None
no_stdin = None
std_recursion = getrecursionlimit()
std_modules = sys.modules
seed = random.seed
own_stderr = sys.__stderr__
first_stdout = []  # kept, because the host knows where its buffer lies
stdout_is_lost = False
nothing = BytesIO()
# Instead of the harness's list: objects of an image never die, but this can be made empty.
reserve = bytearray(RESERVE)
read_json = json.JSONDecoder().scan_once


def loads(text):
    """`json.loads` is written in Python, and needs builtins that a turn may have deleted."""
    return read_json(text, 0)[0]


def with_reserve(function):
    """Return a function that is called once more, with what is kept for the end, when memory runs out in it."""

    def call(*args):
        try:
            return function(*args)
        except MemoryError:
            del reserve[:]
            return function(*args)

    return call


take_request = with_reserve(take_request)
give_reply = with_reserve(give_reply)


def session(request, source):
    """What a session asks for; returns the header and the parts of the reply."""
    try:
        if request["kind"] == "files":
            return {"exit_code": 0, "files": open_files()}, []
        return answer(request, source)
    except BaseException:
        return BROKEN, []  # the host undoes the turn


def answer(request, source):
    global stdout_is_lost
    kind = request["kind"]
    header = {"exit_code": 1}
    parts = [b"", b""]  # the value, and what was shown
    try:
        begin_turn(request, header)
        if kind == "turn":
            turn(request, source, header, parts)
        elif kind == "plugin turn":
            parts[0] = perform_call(request, source, header)
        else:
            text = source.decode()
            said = completions(text, request["cursor"]) if kind == "complete" else status_of(text)
            parts[0] = encode_value(said).encode()
            header["exit_code"] = 0
    except BaseException as error:
        del reserve[:]
        header["exit_code"] = ended_by(error, header)
        if kind == "plugin turn":  # it left without an answer, whatever its status
            header["exit_code"] = header["exit_code"] or 1
            parts[0] = encode_value(plugin_step).encode()
    if not leave_room():
        complain_to_stderr("the turn left no memory in which another one could be made")
        return BROKEN, []
    for stream in (standard("stdout"), standard("stderr")):
        flush(stream)
    if not flush(own_stdout) and is_usable(own_stdout):
        # As at the end of any Python. What comes after it does not pile up behind what cannot be written.
        stdout_is_lost = True
        header["exit_code"] = header["exit_code"] or 120
        complain_to_stderr("standard output could not be written: its descriptor was closed")
    if denials:
        header["denials"] = denials[:]
        del denials[:]
    header["value"] = len(parts[0])
    return header, parts


def leave_room():
    """Take back what is kept for the end, or leave it to the next turn, which may free something; False without it."""
    if not reserve:
        try:
            reserve.__init__(RESERVE)
        except MemoryError:
            pass
    if is_memory_short():
        if not reserve:
            return False
        del reserve[:]
    return True


def is_memory_short():
    """Whether there is less left than a turn needs. Nothing is written into what is taken to find out."""
    try:
        BufferedReader(nothing, ROOM).detach()
    except MemoryError:
        return True
    return False


def begin_turn(request, header):
    global grants, watching, no_stdin
    start = request.get("start")
    del keep[:]
    if start is not None:
        prepare({**start, "grants": request["grants"]})
        main.__dict__.update(main_module_attributes)
        install_displays()
        install_notebook_modules()
        std_builtins.update(vars(builtins))
    elif request.get("renew"):
        seed()
        numpy_random = std_modules.get("numpy.random.mtrand")
        if numpy_random is not None:
            numpy_random.seed()
    mend()
    if "grants" in request:
        grants = request["grants"]
        install_functions(loads(request["functions"]) if "functions" in request else None)
    if pending_calls:
        forget_calls()
    watching = True
    if "files" in request or "renew" in request:
        lost = reopen(request.get("files", ()), "renew" in request)
        if lost:
            header["lost"] = lost
    if "stdin" in request:
        sys.stdin = stdin_of(request["stdin"].encode("latin-1"))
    elif no_stdin is None or no_stdin.closed or standard("stdin") is not no_stdin:
        sys.stdin = no_stdin = stdin_of(b"")
    streams = "stream" in request
    if own_stdout.line_buffering != streams and standard("stdout") is own_stdout:
        own_stdout.reconfigure(line_buffering=streams)
    if "inputs" in request:
        main.__dict__.update(loads(request["inputs"]))


def stdin_of(data):
    return TextIOWrapper(BytesIO(data), "utf-8", "surrogateescape")


def mend():
    """Put back what no program works without, so that one turn cannot end all that follow; say so on standard error."""
    global builtins_seen, own_stdout, own_stderr, stdout_is_lost
    mended = []
    if getrecursionlimit() < LEAST_RECURSION:
        setrecursionlimit(std_recursion)
        mended.append("sys.setrecursionlimit()")
    there = vars(builtins)
    # Names that were deleted leave fewer, or others as the last.
    if (len(there), next(reversed(there), None)) != builtins_seen:
        for name, value in std_builtins.items():
            if name not in there:
                there[name] = value
                mended.append(f"builtins.{name}")
        builtins_seen = len(there), next(reversed(there))
    if main.__dict__.get("__builtins__") is not builtins:
        main.__dict__["__builtins__"] = builtins
    if standard("modules") is not std_modules:
        sys.modules = std_modules
        mended.append("sys.modules")
    std_modules["__main__"] = main
    if stdout_is_lost or not is_usable(own_stdout):
        first_stdout.append(own_stdout)
        own_stdout, stdout_is_lost = open_anew(1, "<stdout>", "surrogateescape"), False
        sys.__stdout__ = own_stdout
        if standard("stdout") is first_stdout[-1]:
            sys.stdout = own_stdout
            mended.append("sys.stdout")
        del first_stdout[1:]
    if not is_usable(own_stderr):
        lost, own_stderr = own_stderr, open_anew(2, "<stderr>", "backslashreplace")
        sys.__stderr__ = own_stderr
        if standard("stderr") is lost:
            sys.stderr = own_stderr
            mended.append("sys.stderr")
    for name, own in (("stdout", own_stdout), ("stderr", own_stderr)):
        stream = standard(name)
        if stream is not own and not is_usable(stream):
            setattr(sys, name, own)
            mended.append(f"sys.{name}")
    if mended:
        more = f" and {len(mended) - 5} more" if len(mended) > 5 else ""
        complain_to_stderr(f"put back after an earlier turn removed or closed it: {', '.join(mended[:5])}{more}")


def is_usable(stream):
    try:
        return stream is not None and not stream.closed and callable(stream.write)
    except BaseException:
        return False


def open_anew(number, name, errors):
    """Return a standard stream that holds nothing back."""
    try:
        raw = FileIO(number, "w", closefd=False)
    except OSError as error:
        raw = Unwritable(error)
    raw.name = name
    stream = TextIOWrapper(raw, "utf-8", errors, newline="\n", write_through=True)
    stream.mode = "w"
    return stream


class Unwritable(RawIOBase):
    """What is written to a descriptor that was closed: an error, which the program is told."""

    def __init__(self, error):
        self.arguments = error.args

    def writable(self):
        return True

    def write(self, _):
        raise OSError(*self.arguments)


def complain_to_stderr(text):
    try:
        own_stderr.write(f"{text}\n")
        own_stderr.flush()
    except BaseException:
        pass


def turn(request, source, header, parts):
    name, namespace = request["name"], main.__dict__
    begin_displays(request["display_bytes"], request["displays"], request["figures"])
    try:
        remember_turn(name, source)
        codes = compiled(source, name)
        value = None
        try:
            for code in codes:
                value = perform_code(code, namespace)
            header["exit_code"] = 0
        except SystemExit as stop:
            header["exit_code"] = exit_code_of(stop)
        if value is not None:
            builtins._ = value
            header["text"] = add_value(value)
            parts[0] = json_of(value, request["value_bytes"])
    finally:
        parts[1], omitted = end_displays()
        if omitted:
            header["displays_omitted"] = omitted


def remember_turn(name, source):
    try:
        remember_lines(name, source)
        turn_names.append(name)
        if len(turn_names) > MAX_REMEMBERED_TURNS:
            linecache.cache.pop(turn_names.pop(0), None)
    except Exception:
        pass  # a turn has done something to linecache: then tracebacks quote nothing


def compiled(source, name):
    """Return the code of a turn, and note the features that it imports from the future."""
    global turn_flags
    codes = compile_program(source, name, turn_flags | PyCF_ALLOW_TOP_LEVEL_AWAIT)  # see compiling.py
    for code in codes:
        turn_flags |= code.co_flags & future_flags
    return codes


def perform_code(code, namespace):
    value = eval(code, namespace)
    return run_coroutine(value) if code.co_flags & CO_COROUTINE else value


def run_coroutine(coroutine):
    """Run what awaits at top level, in the session's own loop: tasks go on when a later turn awaits something."""
    global event_loop
    if event_loop is None or event_loop.is_closed():
        event_loop = asyncio.new_event_loop()
        asyncio.set_event_loop(event_loop)
    return event_loop.run_until_complete(coroutine)


# -- what editors ask -------------------------------------------------------------------------------------------------


def completions(text, cursor):
    """Return [start, names] for what is being written at the cursor."""
    start = cursor
    while start and (text[start - 1].isidentifier() or text[start - 1].isdigit() or text[start - 1] == "."):
        start -= 1
    *path, written = text[start:cursor].split(".")
    try:
        found = names_of(path) if path else {*main.__dict__, *vars(builtins), *keyword.kwlist}
    except Exception:
        found = ()
    names = sorted(name for name in found if isinstance(name, str) and name.startswith(written))
    public = [name for name in names if not name.startswith("_")]
    return [cursor - len(written), (names if written.startswith("_") else public)[:MAX_COMPLETIONS]]


def names_of(path):
    """The attributes of what a dotted name stands for."""
    first, *more = path
    thing = main.__dict__[first] if first in main.__dict__ else getattr(builtins, first)
    for name in more:
        thing = getattr(thing, name)
    return dir(thing)


def status_of(text):
    """Return "complete", "incomplete" or "invalid", as `codeop` has it, and the indentation of the next line."""
    compiler = codeop.CommandCompiler()
    compiler.compiler.flags |= PyCF_ALLOW_TOP_LEVEL_AWAIT | turn_flags
    try:
        import warnings

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            code = compiler(text, "<input>", "exec")
    except (SyntaxError, OverflowError, ValueError):
        return ["invalid", ""]
    lines = text.rstrip("\n").split("\n")
    indent = lines[-1][: len(lines[-1]) - len(lines[-1].lstrip())]
    if code is None:
        return ["incomplete", indent + ("    " if lines[-1].rstrip().endswith(":") else "")]
    if len(lines) > 1 and lines[-1][:1].isspace() and not text.endswith("\n\n"):
        last = compile(text, "<input>", "exec", compiler.compiler.flags | PyCF_ONLY_AST).body[-1:]
        if last and (hasattr(last[0], "body") or hasattr(last[0], "cases")):
            return ["incomplete", indent]  # a block ends with an empty line, and brackets and strings by themselves
    return ["complete", ""]


# -- open files -------------------------------------------------------------------------------------------------------


def files_of_python():
    """Those with a descriptor of their own; what was redirected has another's."""
    return [
        thing
        for thing in get_objects()
        if issubclass(type(thing), FileIO)
        and not FileIO.closed.__get__(thing)
        and FileIO.fileno(thing) > 2
        and "fileno" not in vars(thing)
    ]


def open_files():
    """Tell of every open file what is needed to open it again: its number, path, mode and offset."""
    told = []
    for file in files_of_python()[:MAX_OPEN_FILES_TOLD]:
        try:
            path = file.name
            if isinstance(path, int):
                continue
            path = os.path.abspath(os.fsdecode(path))
            told.append([file.fileno(), path, file.mode, file.tell() if file.seekable() else 0])
        except BaseException:
            continue
    return told


def reopen(files, is_copy):
    """Open files again that did not come along with the memory; return the paths of those that cannot be.

    A copy of a session never has them, but may have other folders: they have the numbers that files had.
    """
    stale = {}
    for file in files_of_python():
        number = FileIO.fileno(file)
        if is_open(number) and not is_copy:
            return []  # the guest of the turn before goes on
        # A file that was opened by number has no path, and shares the number with another one.
        stale.setdefault(number, []).insert(0 if isinstance(getattr(file, "name", 0), int) else 9, file)
    wanted = [(stale[number].pop(), path, mode, offset) for number, path, mode, offset in files if stale.get(number)]
    wanted = [(forget_number(file), path, mode, offset) for file, path, mode, offset in wanted]
    for others in stale.values():
        for file in others:
            forget_number(file)
    lost = []
    for file, path, mode, offset in wanted:
        try:
            # Not by its own mode, which might empty the file or insist on making it.
            flags = OPEN_FLAGS.get(mode, os.O_RDWR | (os.O_APPEND if "a" in mode else 0))
            how = "rb+" if "+" in mode else mode.replace("x", "w")
            FileIO.__init__(file, path, how, opener=partial(open_as, flags))
            if file.seekable():
                file.seek(offset)
        except BaseException:
            lost.append(path)
            try:
                FileIO.close(file)
            except BaseException:
                pass
    return lost


def is_open(number):
    try:
        fstat(number)
    except OSError:
        return False
    return True


def forget_number(file):
    """Let a file be closed without closing what has its number now; return what can be opened in its place."""
    if is_open(FileIO.fileno(file)):
        target = FileIO.__new__(FileIO)
        for name in FILE_METHODS:
            setattr(file, name, getattr(target, name))
        return target
    try:
        FileIO.close(file)  # it fails, and the number is forgotten
    except OSError:
        pass
    return file


def open_as(flags, path, _):
    return os.open(path, flags)


# -- before the freeze ------------------------------------------------------------------------------------------------


def warm_up_session():
    """Make some turns, so that code specialises and caches fill before the freeze, then forget them."""
    global builtins_seen, no_stdin, watching
    kept = vars(builtins).copy()
    builtins_seen = None
    std_builtins.update(kept)
    request = {"kind": "turn", "name": "<warm-up>", "value_bytes": 100, "inputs": "{}"}
    request.update(display_bytes=1000, displays=10, figures=["png"])
    raw = marshal.dumps(request)
    for source in (b"x = 1", b"x + 1", b"'a'", b"[1]", b"pass") * WARM_UPS:
        header, _ = session(read_header(raw), source)
        encode_reply(header)
    for kind in ("complete", "status"):
        session({**request, "kind": kind, "cursor": 1}, b"x")
    watching = False
    std_builtins.clear()
    builtins_seen = no_stdin = None
    sys.stdin = sys.__stdin__
    vars(builtins).clear()
    vars(builtins).update(kept)
    main.__dict__.clear()
    del turn_names[:], keep[:], denials[:]
