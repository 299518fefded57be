# Runs inside the guest, on every runtime from CPython 3.11. The host executes this text once, at boot, in a namespace
# of its own; the interpreter is then frozen, and each run calls `entry` in a fresh copy of it.
#
# Nothing here is a wall: user code shares this interpreter and can change all of it. What the host believes is
# checked on the host. What is here is about behaving like Python: a clean __main__, exit codes, tracebacks.
#
# The mailbox is a fixed array of bytes whose address the host knows (all numbers u32, little endian):
#    0  command to the host, rung by the doorbell: 0 none, 1 write the request to [8], 2 look at the output buffer,
#       3 (while an image is made) write to [20] how often entropy was read; calls of functions of the host
#       (functions.py): 4 make the call of [4] bytes at [8], 5 begin it under the ticket [20], 6 wait [4] milliseconds
#       (2**32 - 1: for ever) for the reply to one that was begun, 7 write a reply too long for the mailbox to [8]
#    4  length of the request            8  address for a request that is too long for the mailbox
#   12  length of the reply, 0 = none   16  address of the reply         20  a number that was asked for, or a ticket
#   24  length of the reply to a call, which stands at 64 when it fits
#   28  1 when what is written from here on is the last, and the reply follows (the host begins each run with 0)
#   32  1 when the host has put random numbers where the generator of `random` keeps its state
#   64  the request, or the reply, when it fits
# A request is: u32 length of the header, header (marshal), source. A reply is: u32 length of the header, header (JSON),
# value (JSON).
# ruff: noqa: ARG004, F821, PLW0603 - hooks take what Python passes, and the state of the one run is global
import array
import atexit
import builtins
import codeop  # noqa: F401 - part of every image
import errno
import gc
import io
import json
import linecache
import marshal
import os
import posixpath
import random
import runpy
import struct
import sys
import time
import traceback

MAILBOX_BYTES = 65536
BODY = 64
FETCH, CALIBRATE, ENTROPY = 1, 2, 3
NAME_CHARACTERS = 1024
MESSAGE_CHARACTERS = 64 * 1024
TRACEBACK_CHARACTERS = 256 * 1024
MAX_DENIALS = 16
SESSION_KINDS = ("turn", "plugin turn", "complete", "status", "files")  # see notebook.py
OURS = "<wasihost>"
SITE_ADVICE = (
    ". Site initialization is disabled, did you forget to add the site-packages directory to sys.path or to enable"
    " your virtual environment?"
)  # CPython 3.15 says so of every missing module, and it is no use here

mailbox = array.array("B", bytes(MAILBOX_BYTES))
box = memoryview(mailbox)
reserve = [bytearray(512 * 1024)]  # given back when memory runs out, so that the end can still be told
gap_fillers = []
keep = []  # a long reply must stay where it is until the host has read it
main = sys.modules["__main__"]
main_module_attributes = {}
loads = json.loads
read_header = marshal.loads
twister = random._inst
number = struct.Struct("<I")
read_number, write_number = number.unpack_from, number.pack_into
write_two = struct.Struct("<2I").pack_into
IMMUTABLE_TYPE = 1 << 8


def make_encoder(allow_nan):
    """Return `json.JSONEncoder(allow_nan=...).encode`, without what that does anew at each call."""
    usual = json.JSONEncoder(allow_nan=allow_nan, check_circular=False)
    make = json.encoder.c_make_encoder
    if make is None:
        return usual.encode
    # What contains itself ends by the limit on recursion, like what is nested too deep.
    encoder = make(None, usual.default, json.encoder.encode_basestring_ascii, None, ": ", ", ", False, False, allow_nan)

    def encode(value):
        return "".join(encoder(value, 0))

    return encode


encode_value = make_encoder(False)
encode_reply = make_encoder(True)
USUAL_HEADER = {"exit_code": 0}
USUAL_REPLY = array.array("B", b"\x10\0\0\0" + encode_reply(USUAL_HEADER).encode())
usual_reply = len(USUAL_REPLY), USUAL_REPLY.buffer_info()[0]
run_exit_functions = atexit._run_exitfuncs
bell, clock = time.clock_getres, time.CLOCK_REALTIME
future_flags = 0
missing = {}  # module -> message: what the slice leaves out
grants = []  # (guest folder, writable) of this run
denials = []
watching = False


def word(at, value):
    write_number(box, at, value)


def ring(command):
    word(0, command)
    bell(clock)  # a call that does not release the GIL: the host may unwind the stack from here


# -- requests and replies ---------------------------------------------------------------------------------------------


def take_request():
    total = read_number(box, 4)[0]
    if total <= MAILBOX_BYTES - BODY:
        raw = box[BODY : BODY + total].tobytes()
    else:
        room = array.array("B", [0]) * total
        word(8, room.buffer_info()[0])
        ring(FETCH)
        raw = room.tobytes()
        del room
    cut = 4 + read_number(raw)[0]
    return read_header(raw[4:cut]), raw[cut:]


def give_reply(header, *parts):
    if header == USUAL_HEADER and not any(parts):
        write_two(box, 12, *usual_reply)
        return
    head = encode_reply(header).encode()
    raw = b"".join((len(head).to_bytes(4, "little"), head, *parts))
    if len(raw) <= MAILBOX_BYTES - BODY:
        box[BODY : BODY + len(raw)] = raw
        address = mailbox.buffer_info()[0] + BODY
    else:
        keep.append(array.array("B", raw))
        address = keep[-1].buffer_info()[0]
    write_two(box, 12, len(raw), address)


# -- one run ----------------------------------------------------------------------------------------------------------


def entry():
    global watching
    header = {"exit_code": 1}
    value = b""
    request = {"kind": ""}
    try:
        try:
            request, source = take_request()
            if request["kind"] == "image":
                give_reply(*make_image(request, source))
                return
            if request["kind"] in SESSION_KINDS:
                header, parts = session(request, source)
                watching = False
                give_reply(header, *parts)
                return
            prepare(request)
            header["exit_code"], value = perform(request, source, header)
        except BaseException as error:
            del reserve[:]
            header["exit_code"] = ended_by(error, header)
            if request["kind"] == "plugin":  # it left without an answer, whatever its status
                header["exit_code"] = header["exit_code"] or 1
                value = encode_value(plugin_step).encode()
        finish(header)
    except BaseException:
        header = {"exit_code": header.get("exit_code") or 1, "broken": True}
        value = b""
    watching = False
    if denials:
        header["denials"] = denials
    give_reply(header, value)


def prepare(request):
    global watching, grants
    if read_number(box, 32)[0]:
        twister.gauss_next = None
    else:
        random.seed()
    numpy_random = sys.modules.get("numpy.random.mtrand")
    if numpy_random is not None:
        numpy_random.seed()
    now = time.time()
    logging = sys.modules.get("logging")
    if logging is not None:
        logging._startTime = time.time_ns() if isinstance(logging._startTime, int) else now
    sys.argv[:] = request["argv"]
    sys.orig_argv[:] = ["python", *request["argv"]]
    sys.path.insert(0, request["path"])
    if "functions" in request:
        install_functions(loads(request["functions"]))
    # What is not said costs nothing.
    if "env" in request:
        for name, text in request["env"].items():
            os.environ[name] = text
    if "stream" in request:
        sys.stdout.reconfigure(line_buffering=True)
    grants = request.get("grants") or []
    watching = True


def perform(request, source, header):
    namespace = main.__dict__
    namespace.update(main_module_attributes)
    if "inputs" in request:
        namespace.update(loads(request["inputs"]))
    if request["kind"] == "module":
        try:
            runpy._run_module_as_main(request["name"])
        except SystemExit as stop:
            return exit_code_of(stop), b""
        return 0, b""
    if request["kind"] == "plugin":
        return 0, perform_call(request, source, header)  # see plugins.py
    name = request["name"]
    if "file" in request:
        namespace["__file__"] = name
        if sys.version_info < (3, 15):
            namespace["__cached__"] = None
    remember_lines(name, source)
    codes = compile_program(source, name)  # see compiling.py
    try:
        for code in codes:
            value = eval(code, namespace)
    except SystemExit as stop:
        return exit_code_of(stop), b""
    return 0, json_of(value, request["value_bytes"])


def json_of(value, limit):
    if value is None:
        return b""
    try:
        text = encode_value(value).encode()
    except (TypeError, ValueError, OverflowError, RecursionError, MemoryError):
        return b""
    return text if len(text) <= limit else b""


def remember_lines(name, source):
    # Tracebacks quote the source; the entry has no date, so that checkcache() leaves it alone.
    linecache.cache[name] = entry = usual_lines if name == USUAL_NAME else LazyLines((1, None, [], name))
    entry.source = source
    entry.lines = None


def lines_of(source):
    encoding = "utf-8"
    try:
        import tokenize

        encoding = tokenize.detect_encoding(io.BytesIO(source).readline)[0]
    except SyntaxError:
        pass
    return io.TextIOWrapper(io.BytesIO(source), encoding, "replace").readlines()


class LazyLines(tuple):
    # linecache keeps (size, date, lines, full name). The lines of a program are split only when a traceback asks.
    source = b""
    lines = None

    def __getitem__(self, index):
        if index == 2:
            if self.lines is None:
                self.lines = lines_of(self.source)
            return self.lines
        return tuple.__getitem__(self, index)


USUAL_NAME = "<string>"
usual_lines = LazyLines((1, None, [], USUAL_NAME))


def exit_code_of(stop):
    code = stop.code
    if code is None:
        return 0
    if isinstance(code, int):
        return code & 0xFF if -(2**63) <= code < 2**63 else 255
    try:
        flush(standard("stdout"))
        stream = standard("stderr")
        if stream is not None:
            stream.write(str(code))
            stream.write("\n")
    except BaseException:
        pass
    return 1


def standard(name):
    """A standard stream, or None: programs replace and delete them."""
    return getattr(sys, name, None)


def ended_by(error, header):
    """Report an uncaught exception as Python would, and return the exit code."""
    if isinstance(error, SystemExit):
        return exit_code_of(error)
    strip(error)
    quote_line(error)
    cls = type(error)
    module = cls.__module__
    kind = cls.__qualname__ if module in ("builtins", "__main__") else f"{module}.{cls.__qualname__}"
    try:
        message = str(error)[:MESSAGE_CHARACTERS]
    except BaseException:
        message = "<exception str() failed>"
    try:
        text = "".join(traceback.format_exception(cls, error, error.__traceback__)).replace(SITE_ADVICE, "")
    except BaseException:
        text = f"{kind}: {message}\n"
    if len(text) > TRACEBACK_CHARACTERS:
        text = text[: TRACEBACK_CHARACTERS // 2] + "\n[...]\n" + text[-TRACEBACK_CHARACTERS // 2 :]
    note_denied_variable(error)
    header["error"] = [kind[:NAME_CHARACTERS], message, text]
    code = 130 if cls is KeyboardInterrupt else 1
    try:
        flush(standard("stdout"))
        hook = getattr(sys, "excepthook", None)
        if hook is sys.__excepthook__:
            sys.stderr.write(text)
        elif hook is None:
            sys.stderr.write("sys.excepthook is missing\n" + text)
        else:
            try:
                hook(cls, error, error.__traceback__)
            except SystemExit as stop:
                code = exit_code_of(stop)
            except BaseException as second:
                second.__context__ = None
                strip(second)
                trouble = "".join(traceback.format_exception(second))
                sys.stderr.write(f"Error in sys.excepthook:\n{trouble}\nOriginal exception was:\n{text}")
        flush(sys.stderr)
    except BaseException:
        pass
    return code


def strip(error):
    """Take our own frames out of an exception and of those behind it."""
    seen = set()
    waiting = [error]
    while waiting:
        error = waiting.pop()
        if error is None or id(error) in seen:
            continue
        seen.add(id(error))
        frames = []
        trace = error.__traceback__
        while trace is not None:
            if trace.tb_frame.f_code.co_filename != OURS:
                frames.append(trace)
            trace = trace.tb_next
        following = None
        for trace in reversed(frames):
            trace.tb_next = following
            following = trace
        error.__traceback__ = following
        waiting += [error.__cause__, error.__context__]
        if isinstance(error, BaseExceptionGroup):
            waiting += error.exceptions


def quote_line(error):
    """Add the line to a syntax error that was found after parsing, when the compiler no longer has the text."""
    try:
        if isinstance(error, SyntaxError) and error.text is None and isinstance(error.lineno, int):
            error.text = linecache.getline(error.filename, error.lineno) or None
    except BaseException:
        pass


def finish(header):
    """What the end of a process does: exit functions, the death of globals, flushed files."""
    if getattr(sys, "unraisablehook", None) is sys.__unraisablehook__:
        sys.unraisablehook = unraisable
    try:
        run_exit_functions()
    except BaseException:
        pass
    try:
        if any(map(has_last_words, {*map(type, gc.get_objects())} - silent_types)):
            say_last_words(main.__dict__)
    except BaseException:
        pass
    if grants and any(writable for _, writable in grants):
        for thing in gc.get_objects():
            if isinstance(thing, io.IOBase):
                flush(thing)
    for stream in (standard("stdout"), standard("stderr")):
        if stream is not own_stdout:
            flush(stream)
    word(28, 1)
    if not flush(own_stdout) and not header["exit_code"]:
        header["exit_code"] = 120


def types_without_last_words():
    """Types that say nothing when they die, and cannot be changed to: most objects are of these."""
    found = {kind for kind in map(type, gc.get_objects()) if kind.__flags__ & IMMUTABLE_TYPE}
    return frozenset({LazyLines, *(kind for kind in found if not has_last_words(kind))})


def has_last_words(kind):
    """Whether objects of a class do something when they die: its `__del__`, a `finally`, a file that is not flushed."""
    return hasattr(kind, "__del__") and not issubclass(kind, io.IOBase)


def say_last_words(namespace):
    """Call the finalizers of everything alive, as the end of a process does, globals first.

    The objects themselves are left to the host: freeing a long chain of them can overflow the native stack.
    """
    flush(standard("stdout"))
    done = set()
    for thing in [*namespace.values(), *gc.get_objects()]:
        if id(thing) not in done and has_last_words(type(thing)):
            done.add(id(thing))
            try:
                farewell(type(thing).__del__, thing)
            except BaseException as error:
                args = type(error), error, error.__traceback__, None, type(thing).__del__
                sys.unraisablehook(unraisable_args(args))


# What the dying warn of comes from "sys:1", as at the end of any Python.
farewell = eval(compile("lambda finalizer, thing: finalizer(thing)", "sys", "eval"))


def unraisable(args):
    """`sys.__unraisablehook__` without our frames."""
    error = args.exc_value
    trace = args.exc_traceback
    while trace is not None and trace.tb_frame.f_code.co_filename in (OURS, "sys"):
        trace = trace.tb_next
    if error is not None:
        error.__traceback__ = trace
    sys.__unraisablehook__(type(args)((args.exc_type, error, trace, args.err_msg, args.object)))


def type_of_unraisable_args():
    """The class of what `sys.unraisablehook` gets has no name: make it get something."""
    seen = []

    class Failing:
        def __del__(self):
            raise ValueError

    sys.unraisablehook = lambda args: seen.append(type(args))
    Failing()
    sys.unraisablehook = sys.__unraisablehook__
    return seen[0]


def flush(stream):
    try:
        if stream is not None and not stream.closed:
            stream.flush()
    except BaseException:
        return False
    return True


# -- images -----------------------------------------------------------------------------------------------------------


def make_image(request, source):
    """Import modules and run set-up code; what is in memory afterwards is where every run from this image starts.

    The value of the reply tells what was imported and who read entropy, or which step failed.
    """
    header = {"exit_code": 0}
    told = {"failed": None, "imported": [], "entropy": []}
    try:
        add_library(request["library"])
        for name in request["modules"]:
            told["failed"] = name
            with EntropyWatch(name, told["entropy"]):
                __import__(name)
            told["imported"].append(name)
        if source:
            told["failed"] = "setup"
            with EntropyWatch("", told["entropy"]):
                set_up(source)
        told["failed"] = None
    except BaseException as error:
        if isinstance(error, SystemExit):
            error = SystemError(f"it left with status {exit_code_of(error)}")
        header["exit_code"] = ended_by(error, header)
    if not header["exit_code"]:
        come_to_rest()
    return header, encode_value(told).encode()


def add_library(path):
    """Put the folder of the image's packages on the import path, before those that the build brings along."""
    if not path:
        return
    names = {name.partition(".")[0] for name in os.listdir(path)}
    hidden = sorted(names & sys.stdlib_module_names)
    if hidden:
        raise ImportError(f"the packages bring {hidden[0]!r}, which is a module of the standard library")
    # Others hold on to what is imported, so it cannot be taken out again.
    there = sorted(names & {name.partition(".")[0] for name in sys.modules})
    if there:
        raise ImportError(
            f"the packages bring {there[0]!r}, which the base image has imported already, in the version that comes "
            "with the build: it cannot be replaced"
        )
    sys.path.insert(0, path)
    sys.path_importer_cache.pop(path, None)


def set_up(source):
    namespace = main.__dict__
    namespace.update(main_module_attributes)
    remember_lines("<setup>", source)
    exec(compile(source, "<setup>", "exec", dont_inherit=True), namespace)


class EntropyWatch:
    """Notes how often a step asked for random bytes. The host counts them all, and knows when a note is missing."""

    def __init__(self, step, notes):
        self.step, self.notes = step, notes

    def __enter__(self):
        self.before = entropy_reads()

    def __exit__(self, *_):
        reads = entropy_reads() - self.before
        if reads:
            self.notes.append([self.step, reads])


def entropy_reads():
    ring(ENTROPY)
    return read_number(box, 20)[0]


def come_to_rest():
    """Forget what belongs to this process and not to the runs to come, and leave nothing for them to collect."""
    global watching
    watching = False
    tempfile, uuid = sys.modules.get("tempfile"), sys.modules.get("uuid")
    if tempfile is not None:
        tempfile._name_sequence = tempfile.tempdir = None
    for name in vars(uuid) if uuid is not None else ():
        if name == "_node" or name.startswith("_last_timestamp"):
            setattr(uuid, name, None)
    for name in ("last_type", "last_value", "last_traceback", "last_exc"):
        sys.__dict__.pop(name, None)
    for stream in (standard("stdout"), standard("stderr"), own_stdout):
        flush(stream)
    linecache.clearcache()
    del denials[:]
    del keep[:]
    gc.collect()
    gap_fillers.append(fill_gaps())
    gc.freeze()


# -- what was asked for and not given ---------------------------------------------------------------------------------

WATCHED = {
    "open": "file",
    "os.listdir": "read",
    "os.scandir": "read",
    "os.chdir": "read",
    "os.mkdir": "write",
    "os.remove": "write",
    "os.rmdir": "write",
    "os.rename": "write",
    "os.link": "write",
    "os.symlink": "write",
    "os.truncate": "write",
    "os.utime": "write",
    "socket.__new__": "network",
    "socket.getaddrinfo": "network",
    "socket.gethostbyname": "network",
    "subprocess.Popen": "process",
    "os.system": "process",
    "os.exec": "process",
    "os.posix_spawn": "process",
}


def audit(event, arguments):
    if watching and event in WATCHED:
        try:
            look(WATCHED[event], arguments)
        except Exception:
            pass


def look(kind, arguments):
    if len(denials) >= MAX_DENIALS:
        return
    if kind in ("network", "process"):
        note(kind, "")
        return
    path = arguments[0]
    if isinstance(path, int):
        return
    path = os.fsdecode(os.getcwd() if path is None else path)
    if kind == "file":
        mode, flags = arguments[1], arguments[2] or 0
        writes = any(c in mode for c in "wax+") if mode else flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        kind = "write" if writes else "read"
    if not path.startswith("/"):
        path = posixpath.join(os.getcwd(), path)
    path = posixpath.normpath(path)
    if posixpath.basename(path).startswith("<"):
        return  # linecache looking for the file of code that came from none
    best = None
    for folder, writable in grants:
        inside = path == folder or path.startswith(folder if folder == "/" else folder + "/")
        if inside and (best is None or len(folder) > len(best[0])):
            best = (folder, writable)
    if best is None or (kind == "write" and not best[1]):
        note(kind, path)


def note(kind, target):
    if [kind, target] not in denials and len(denials) < MAX_DENIALS:
        denials.append([kind, target[:1024]])


def note_denied_variable(error):
    trace = error.__traceback__
    if type(error) is not KeyError or trace is None or not error.args:
        return
    while trace.tb_next is not None:
        trace = trace.tb_next
    code = trace.tb_frame.f_code
    if code.co_name == "__getitem__" and code is type(os.environ).__getitem__.__code__:
        note("env", str(error.args[0]))


# -- boot -------------------------------------------------------------------------------------------------------------


class MissingFinder:
    """Says of modules outside the slice that they are not there, instead of letting their code trap.

    And of functions of the host that they were not granted.
    """

    @staticmethod
    def find_spec(name, path=None, target=None):
        message = missing.get(name)
        if message is not None:
            raise ModuleNotFoundError(message, name=name)
        if (name == "host" and path is None) or (host_module is not None and name.startswith("host.")):
            return find_host(name, path)
        return None


def open_stdout():
    raw = io.FileIO(1, "w", closefd=False)
    raw.name = "<stdout>"
    # What is written reaches the C buffer at once, whose address the host knows: it is not lost when a run is stopped.
    stream = io.TextIOWrapper(
        io.BufferedWriter(raw, 65536), "utf-8", "surrogateescape", newline="\n", write_through=True
    )
    stream.mode = "w"
    return stream


def calibrate(buffer):
    """Let the host find the fields of the output buffer by looking at it in known states."""
    for amount in (301, 400):
        buffer.write(b"W" * amount)
        ring(CALIBRATE)
    buffer.flush()
    ring(CALIBRATE)


def adapt_asyncio():
    """Let event loops work without the socket pair by which other threads and signals would wake them."""
    events = sys.modules.get("asyncio.selector_events")
    if events is None:
        return
    loop = events.BaseSelectorEventLoop

    def _make_self_pipe(self):
        self._ssock = self._csock = None

    def _close_self_pipe(self):
        pass

    loop._make_self_pipe = _make_self_pipe
    loop._close_self_pipe = _close_self_pipe
    selector = events.selectors.DefaultSelector
    original = selector.select

    def select(self, timeout=None):
        while timeout is None and not self.get_map():
            time.sleep(3600)  # nothing can ever happen: wait as Python would, until the deadline
        return original(self, timeout)

    selector.select = select
    adapt_selector(selector)


def adapt_makedirs():
    """Let `os.makedirs("/out", exist_ok=True)` see that a granted folder is there.

    It asks for the folder above first, which is "/", and no such folder was granted.
    """
    original = os.makedirs

    def makedirs(name, mode=0o777, exist_ok=False, **more):
        if os.path.isdir(name):
            if exist_ok:
                return
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), os.fspath(name))
        original(name, mode, exist_ok, **more)

    makedirs.__doc__, makedirs.__module__ = original.__doc__, original.__module__
    os.makedirs = makedirs


def adapt_logging():
    """At the end of a run that has logged nothing, do not look at each part of what would have logged."""
    logging = sys.modules.get("logging")
    if logging is None:
        return
    handlers, shut_down = logging._handlerList, logging.shutdown
    own = handlers[:]

    def shutdown(handlerList=handlers):  # noqa: N803 - as logging calls it
        if handlerList is not handlers or handlers != own:
            shut_down(handlerList)

    shutdown.__doc__, shutdown.__module__ = shut_down.__doc__, shut_down.__module__
    atexit.unregister(shut_down)
    logging.shutdown = shutdown
    atexit.register(shutdown)


def import_modules(names):
    imported = []
    for name in names:
        try:
            __import__(name)
        except Exception:
            continue
        imported.append(name)
    return imported


def boot(modules, required, setup, missing_modules):
    """Make the interpreter ready and tell the host where everything is; does not return on a command build."""
    global own_stdout, future_flags, unraisable_args, own_libraries, silent_types
    import __future__

    sys.dont_write_bytecode = True
    missing.update(missing_modules)
    sys.meta_path.insert(0, MissingFinder)
    sys.stdout = sys.__stdout__ = own_stdout = open_stdout()
    imported = import_modules(modules)
    adapt_asyncio()
    adapt_makedirs()
    adapt_logging()
    for name in required:
        __import__(name)
        imported.append(name)
    if setup:
        exec(compile(setup, "<setup>", "exec", dont_inherit=True), {"__name__": "<setup>"})
    for name in __future__.all_feature_names:
        future_flags |= getattr(__future__, name).compiler_flag
    for name in ("PYTHONTZPATH", "PYTHONHOME", "PYTHONPATH"):
        os.environ.pop(name, None)
    sys.argv = [""]
    sys.orig_argv = ["python"]
    sys.executable = sys.executable or "python"
    if sys.path and sys.path[0] == "":
        del sys.path[0]
    own_libraries = tuple(sys.path)
    main_module_attributes.update(
        __name__="__main__",
        __doc__=None,
        __package__=None,
        __loader__=getattr(main, "__loader__", None),
        __spec__=None,
        __builtins__=builtins,
    )
    unraisable_args = type_of_unraisable_args()
    silent_types = types_without_last_words()
    sys.addaudithook(audit)
    warm_up()
    calibrate(own_stdout.buffer)
    told = {
        "entry": id(entry),
        "function_type": id(type(entry)),
        "mailbox": mailbox.buffer_info()[0],
        "buffer": id(own_stdout.buffer),
        "buffer_size": sys.getsizeof(own_stdout.buffer),
        "imported": imported,
        "version": sys.version,
        "modules": len(sys.modules),
        "random": [id(twister), *random.getstate()[1]],
        "markers": markers(),
        "stdlib": list(sys.path),
    }
    main.__dict__.clear()
    linecache.clearcache()
    gc.collect()
    gap_fillers.append(fill_gaps())
    # Room in the heap, so that a small program does not have to grow the memory.
    del [bytearray(1 << 20) for _ in range(2)][:]
    if sys.version_info >= (3, 12):  # those before know no immortal objects
        marks = mark_objects(gc.get_objects())
        told["marks"] = [marks.buffer_info()[0], len(marks), id(None)]
    gc.freeze()
    os.write(1, b"BOOT " + encode_reply(told).encode() + b"\n")
    word(0, 0)
    bell(clock)


def fill_gaps():
    """Return objects that take the gaps which the start left all over the heap, so that a run's own lie side by side.

    A run writes, and so gets copies of, as few pages as its objects lie in. Of each size so many are made that several
    in a row lie one behind the other: no gap is left for it.
    """
    fillers, count = [None] * 200_000, 0
    for size in (*range(8192, 512, -512), *range(512, 8, -16)):
        before = step = same = 0
        # The bound is for the smallest: where numbers have no list of free ones, those of this loop lie among them.
        end = count + 4000
        while same < 16 and count < end:
            # What malloc adds is 4 bytes, and bytes have 17 before and behind them.
            fillers[count] = filler = bytes(size - 21) if size > 16 else object()
            count += 1
            same = same + 1 if id(filler) - before == step else 0
            before, step = id(filler), id(filler) - before
    return fillers, count


def mark_objects(waiting):
    """Return an array with a bit for every four bytes of memory, set where an object begins.

    The host makes these immortal, so that their reference counts are not written any more: what a run does not write
    need not be copied for it.
    """
    marks = array.array("B", [0]) * ((max(map(id, waiting)) >> 5) + 4096)
    code = type(mark_objects.__code__)
    while waiting:
        thing = waiting.pop()
        at = id(thing) >> 2
        if at >> 3 >= len(marks) or marks[at >> 3] & 1 << (at & 7):
            continue
        marks[at >> 3] |= 1 << (at & 7)
        waiting += gc.get_referents(thing)
        if type(thing) is code:  # what it says that it refers to, without what it makes when it is asked
            waiting += (thing.co_consts, thing.co_names, thing.co_name, thing.co_qualname, thing.co_filename)
            waiting += (thing.co_linetable, thing.co_exceptiontable)
    return marks


def markers():
    """What PEP 508 calls the environment: packages choose by it what else they need."""
    import platform

    version = "{0.major}.{0.minor}.{0.micro}".format(sys.version_info)
    return {
        "implementation_name": sys.implementation.name,
        "implementation_version": version,
        "os_name": os.name,
        "platform_machine": platform.machine(),
        "platform_python_implementation": platform.python_implementation(),
        "platform_release": platform.release(),
        "platform_system": platform.system(),
        "platform_version": platform.version(),
        "python_full_version": version,
        "python_version": "{0.major}.{0.minor}".format(sys.version_info),
        "sys_platform": sys.platform,
    }


def warm_up():
    """Run what every run runs, so that caches fill and code specialises before the freeze instead of after."""
    global watching, grants, run_exit_functions
    arguments, run_exit_functions = sys.argv[:], gc.isenabled  # those that are registered are for the run
    request = {"kind": "code", "name": "<string>", "argv": ["-c"], "path": "", "value_bytes": 100}
    for source in (b"print(end='')", b"x = [i for i in range(3)]\nf'{x}'\n", b"raise SystemExit(0)") * WARM_UPS:
        head = marshal.dumps(request)
        raw = len(head).to_bytes(4, "little") + head + source
        word(4, len(raw))
        box[BODY : BODY + len(raw)] = raw
        entry()
        main.__dict__.clear()
        del sys.path[0]
    run_exit_functions = atexit._run_exitfuncs
    sys.argv[:], sys.orig_argv[:] = arguments, ["python"]
    sys.unraisablehook = sys.__unraisablehook__
    grants = []
    word(12, 0)
    warm_up_session()
    watching = False
    try:
        perform(request, b"def f():\n    1 / 0\nf()\n", {})
    except ZeroDivisionError as error:
        strip(error)
        "".join(traceback.format_exception(error))
    json_of({"a": [1, 2.5, "x", None]}, 100)


own_stdout = unraisable_args = None
silent_types = frozenset()
