"""Tries everything that a plugin must not be able to do, and says how each attempt ended.

What an attempt gets hold of is shown after "GOT". The tests of the application look for that word.
"""

import array
import builtins
import contextlib
import importlib
import os
import sys
import time

FOREVER = 10**9
NAMES = ("word_counter", "link_checker", "app", "extensions", "documents", "wasihost", "wasmtime")
fails_at_the_end = False


def tried(what, function, *args, **kwargs):
    """Try something; return a line that says how it ended."""
    try:
        got = function(*args, **kwargs)
    except Exception as error:
        return f"{what}: {type(error).__name__}"
    return f"{what}: GOT {got!r:.60}"


def read(path):
    with open(path, "rb") as file:
        return file.read()


def write(path):
    with open(path, "w") as file:
        return file.write("hostile was here")


def harness():
    """Globals of the code that runs this plugin inside, which is no wall."""
    frame = sys._getframe()
    while frame is not None:
        if "give_reply" in frame.f_globals:
            return frame.f_globals
        frame = frame.f_back
    raise LookupError("no harness")


def teardown():
    if fails_at_the_end:
        raise OSError("hostile to the end")


# -- when a document was saved ----------------------------------------------------------------------------------------


def on_saved(document, text):
    while document.startswith("index"):
        pass
    if document.startswith("tides"):
        os.abort()
    raise RuntimeError(f"\x1b[2J{document}\nword_counter.on_saved: 0 words")


# -- reaching out -----------------------------------------------------------------------------------------------------


def report_files(documents):
    paths = [
        "/etc/passwd", "/proc/self/environ", "/dev/zero", "../../../../../../etc/passwd", "/plugin/../../../etc/passwd",
        "/plugin/../app.py", "/plugin/../../app.py", "/plugin/../word_counter/plugin.toml", "/link_checker/plugin.toml",
        "/notes/index.md", "/home/.ssh/id_rsa", "/plugin/payload.txt/../../x",
    ]  # fmt: skip
    lines = [tried(f"read {path}", read, path) for path in paths]
    return [*lines, *(tried(f"list {path}", os.listdir, path) for path in ("/", "..", "/plugin/..", "/tmp", "/home"))]


def report_writing(documents):
    paths = ("/plugin/payload.txt", "/plugin/new", "/plugin/../new", "/tmp/new", "/home/new", "new", "/etc/new")
    return [
        *(tried(f"write {path}", write, path) for path in paths),
        tried("remove", os.remove, "/plugin/payload.txt"),
        tried("rename", os.rename, "/plugin/payload.txt", "/plugin/other"),
        tried("mkdir", os.mkdir, "/plugin/folder"),
        tried("symlink", os.symlink, "/etc/passwd", "/plugin/link"),
        tried("hard link", os.link, "/plugin/payload.txt", "/plugin/link"),
        tried("truncate", os.truncate, "/plugin/payload.txt", 0),
        tried("utime", os.utime, "/plugin/payload.txt", (0, 0)),
    ]


def report_network(documents):
    def connect(host):
        import socket

        socket.create_connection((host, 80), timeout=1).close()
        return "connected"

    def fetch():
        import urllib.request

        return urllib.request.urlopen("http://169.254.169.254/", timeout=1).read()

    def raw():
        import _socket

        place = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
        return place.connect(("127.0.0.1", 80))

    return [tried("localhost", connect, "127.0.0.1"), tried("example.com", connect, "example.com"),
            tried("metadata", fetch), tried("by hand", raw)]  # fmt: skip


def report_processes(documents):
    def run():
        import subprocess

        return subprocess.run(["/bin/id"], capture_output=True, check=False).stdout

    def load():
        import ctypes

        return ctypes.CDLL(None)

    def fork():
        return os.fork()

    def kill():
        return os.kill(1, 9)

    def system():
        return os.system("id")

    return [tried(each.__name__, each) for each in (run, load, fork, kill, system)]


def report_not_granted(documents):
    import host

    def granted(*args, **kwargs):
        return host.resolve_link(*args, **kwargs)

    def by_hand(name):
        return harness()["call_now"](name, ("index.md", "x"), {})

    return [
        tried("write_document", lambda: host.write_document("index.md", "x")),
        tried("write_document by hand", by_hand, "write_document"),
        tried("__import__ by hand", by_hand, "__import__"),
        tried("resolve_link.__globals__ by hand", by_hand, "resolve_link.__globals__"),
        tried("a link that is not there", granted, "index.md", "private.md"),
        tried("a link out of the folder", granted, "index.md", "../../../../../../etc/passwd"),
        tried("a document that is not there", granted, "/etc/passwd", "tides.md"),
        tried("a number", granted, 1, 2),
        tried("one argument", granted, "index.md"),
        tried("a keyword", granted, "index.md", "tides.md", library=None),
        tried("a long argument", granted, "index.md", "x" * 1_000_000),
    ]


def report_others(documents):
    import host

    documents.clear()  # a copy
    lines = [tried(f"import {name}", importlib.import_module, name) for name in NAMES]
    lines += [tried(f"host.{name}", getattr, host, name) for name in ("suspend", "plugins", "emit", "__file__")]
    return lines


def report_doorbell(documents):
    g = harness()
    word, box = g["word"], g["box"]
    last = 0xFFFFFFFF

    def ring(command, size, address, ticket=0):
        word(4, size)
        word(8, address)
        word(20, ticket)
        word(0, command)
        time.clock_getres(time.CLOCK_REALTIME)
        answered, length = not box[0], int.from_bytes(box[24:28], "little")
        word(0, 0)
        return "an answer" if answered and length > 65_472 else None

    def unheard(*args):
        got = ring(*args)
        if got:
            return got
        raise LookupError("nothing was to be had")

    junk = array.array("B", bytes(range(256)) * 16)
    place = junk.buffer_info()[0]
    return [
        tried("a call far outside", unheard, 4, 100, last),
        tried("a call across the end", unheard, 4, last, 65_536),
        tried("a call of junk", unheard, 4, 4096, place),
        tried("a call of nothing", unheard, 4, 0, 0),
        tried("a call begun outside", unheard, 5, 100, last, 7),
        tried("a call begun with junk", unheard, 5, 4096, place, last),
        tried("waiting for nobody", unheard, 6, 0, 0, 0),
        tried("taking what is not there", unheard, 7, 0, place),
        tried("a command that does not exist", unheard, last, last, last),
        tried("the request of somebody else", unheard, 1, 0, last),
    ]


# -- leaving traces ---------------------------------------------------------------------------------------------------


def report_trace(documents):
    builtins.hostile_was_here = sys.hostile_was_here = True
    builtins.len = lambda _: 0
    os.environ["HOSTILE"] = "1"
    sys.modules["re"] = None
    sys.path.insert(0, "/plugin")
    g = harness()
    g["hostile_was_here"] = True
    return ["left what could be left"]


def report_what_is_left(documents):
    g = harness()
    found = [hasattr(builtins, "hostile_was_here"), hasattr(sys, "hostile_was_here"), "hostile_was_here" in g,
             "HOSTILE" in os.environ, sys.modules.get("re", True) is None, len("abc") != 3]  # fmt: skip
    return ["GOT something" if any(found) else "nothing is left"]


# -- taking too much --------------------------------------------------------------------------------------------------


def report_memory(documents):
    taken = []
    try:
        while True:
            taken.append(bytearray(2**20))
    except MemoryError:
        held = len(taken)
        del taken
        return ["MemoryError" if held < 200 else f"GOT {held} MiB"]


def report_loop(documents):
    while True:
        pass


def report_sleep(documents):
    while True:
        time.sleep(FOREVER)


def report_output(documents):
    while True:
        print("hostile" * 1000)


def report_call_flood(documents):
    import host

    while True:
        with contextlib.suppress(host.HostFunctionError):
            host.resolve_link("index.md", "tides.md")


# -- answering --------------------------------------------------------------------------------------------------------


def report_huge(documents):
    return ["x" * 10_000_000]


def report_deep(documents):
    nested = []
    for _ in range(100_000):
        nested = [nested]
    return nested


def report_other_shape(documents):
    return {"lines": ["trust me"]}


def report_disguise(documents):
    return ["fine\nword_counter.report_words: 0 words in all", "\x1b[2J\x1b]0;owned\x07", "\u202egnorw", "x" * 10_000]


def report_message(documents):
    raise ValueError("\x1b[2J\nTraceback: the application is broken\n" + "x" * 10_000)


def report_reply_that_is_none(documents):
    g = harness()
    raw = b"\xff" * 1000
    g["give_reply"] = lambda *_: (g["word"](16, 0xFFFFFFF0), g["word"](12, len(raw)))


def report_reply_that_claims(documents):
    g = harness()
    give = g["give_reply"]
    g["give_reply"] = lambda header, *_: give({"exit_code": 0, "plugin": "word_counter"}, b'"trust me"')


def report_no_reply(documents):
    harness()["give_reply"] = lambda *_: None


def report_exit(documents):
    os._exit(0)


def report_abort(documents):
    os.abort()


def report_teardown(documents):
    global fails_at_the_end
    fails_at_the_end = True
    return ["GOT away with it"]
