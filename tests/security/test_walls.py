"""The walls of the operating system, tried by processes that enclose themselves, as root and as an ordinary user.

Each thing is done twice: before the walls or with a grant, where it works, and behind them, where it fails in its
own way.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from wasihost import Sandbox
from wasihost.containment.walls.enclosure import WALLS, available

NOBODY = 65534
MIB = 2**20

HERE = available()
pytestmark = pytest.mark.skipif(
    bool(HERE.missing),
    reason="; ".join(f"no {wall} here: {reason}" for wall, reason in HERE.missing) or "all walls stand",
)

PRELUDE = """
import array, ctypes, errno, fcntl, json, mmap, os, resource, select, signal, socket, struct, sys, threading, time
from wasihost.containment.walls import landlock
from wasihost.containment.walls.enclosure import WALLS, Enclosure, available, enclose
from wasihost.containment.walls.kernel import prctl, system_call, thread_count
from wasihost.containment.walls.syscalls import ALLOWED, KILLED
libc = ctypes.CDLL(None, use_errno=True)
top, uid = sys.argv[1], int(sys.argv[2])
granted, readonly, outside = (f"{top}/{name}" for name in ("granted", "readonly", "outside"))
X86 = os.uname().machine == "x86_64"

def become_the_user():
    # What is imported was imported before: the user may not be able to read this Python's own files.
    if uid != os.getuid():
        os.setgroups([]); os.setgid(uid); os.setuid(uid)
        prctl(4, 1)  # a change of user makes a process non-dumpable; ordinary ones are not

def enclosure(**kwargs):
    given = dict(data_bytes=2**30, address_bytes=2**36, open_files=64, file_bytes=2**20,
                 readable=[readonly], writable=[granted])
    return Enclosure(**{**given, **kwargs})

def put_up(**kwargs):
    standing = enclose(enclosure(**kwargs))
    assert standing == (WALLS, ()), standing

def outcome(function):
    try:
        value = function()
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error))
    except MemoryError:
        return "MemoryError"
    return "ok" if value is None or (type(value) is int and value == 0) else value

def read(path):
    with open(path) as file:
        return file.read()

def write(path, text="x", mode="w"):
    with open(path, mode) as file:
        file.write(text)

def call(number, *arguments):
    system_call(number, *arguments)

def answer(**values):
    print(json.dumps(values))
    sys.stdout.flush()
    os._exit(0)
"""


@pytest.fixture(params=["root", "ordinary"])
def uid(request: pytest.FixtureRequest) -> int:
    """Root and an ordinary user; whoever runs the tests without being root is the ordinary one."""
    if os.getuid() != 0:
        if request.param == "root":
            pytest.skip("the tests do not run as root")
        return os.getuid()
    return 0 if request.param == "root" else NOBODY


@pytest.fixture
def top(uid: int) -> Iterator[Path]:
    """Three folders of that user: granted, read-only, and one that is outside."""
    top = Path("/tmp") / f"wasihost-walls-{os.getpid()}"
    shutil.rmtree(top, ignore_errors=True)
    for name in ("granted", "granted/sub", "readonly", "outside"):
        (top / name).mkdir(parents=True)
    for name in ("granted/file", "readonly/file", "outside/file"):
        (top / name).write_text(name)
    (top / "granted" / "out").symlink_to("../outside/file")
    for path in (top, *top.rglob("*")):
        os.chown(path, uid, -1, follow_symlinks=False)
    yield top
    shutil.rmtree(top)


def in_process(top: Path, uid: int, program: str) -> Any:
    """Run the program in a process of its own and return what it answers."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PRELUDE + program, str(top), str(uid)],
        env={"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "LANG": "C.UTF-8"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        start_new_session=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


FILES = """
def put_back():
    for path in ("outside/new", "outside/newdir", "granted/in", "granted/link"):
        path = f"{top}/{path}"
        if os.path.isdir(path):
            os.rmdir(path)
        elif os.path.lexists(path):
            os.unlink(path)
    for path in ("outside/file", "granted/file", "readonly/file"):
        write(f"{top}/{path}", path)

become_the_user()
here = os.open(outside, os.O_PATH)
CASES = {
    "read": lambda: read(f"{outside}/file"),
    "read through a symlink in a grant": lambda: read(f"{granted}/out"),
    "read by a descriptor of the folder": lambda: os.close(os.open("file", os.O_RDONLY, dir_fd=here)),
    "read by way of /proc": lambda: os.close(os.open(f"/proc/self/fd/{here}/file", os.O_RDONLY)),
    "list": lambda: os.listdir(outside),
    "list /": lambda: os.listdir("/") and None,
    "list this process's threads": lambda: os.listdir("/proc/self/task") and None,
    "write": lambda: write(f"{outside}/file"),
    "append": lambda: write(f"{outside}/file", mode="a"),
    "create": lambda: write(f"{outside}/new"),
    "make a folder": lambda: os.mkdir(f"{outside}/newdir"),
    "symlink": lambda: os.symlink("x", f"{outside}/new"),
    "remove": lambda: os.unlink(f"{outside}/file"),
    "rename within": lambda: os.rename(f"{outside}/file", f"{outside}/new"),
    "rename in": lambda: os.rename(f"{outside}/file", f"{granted}/in"),
    "rename out": lambda: os.rename(f"{granted}/file", f"{outside}/new"),
    "link in": lambda: os.link(f"{outside}/file", f"{granted}/link"),
    "link out": lambda: os.link(f"{granted}/file", f"{outside}/new"),
    "write to the read-only": lambda: write(f"{readonly}/file"),
    "truncate the read-only": lambda: os.close(os.open(f"{readonly}/file", os.O_RDONLY | os.O_TRUNC)),
    "remove from the read-only": lambda: os.unlink(f"{readonly}/file"),
    "link from the read-only": lambda: os.link(f"{readonly}/file", f"{granted}/link"),
    "make a FIFO in a grant": lambda: os.mkfifo(f"{granted}/in"),
    "change a mode in a grant": lambda: os.chmod(f"{granted}/file", 0o4777),
    "change an attribute in a grant": lambda: os.setxattr(f"{granted}/file", "user.x", b"x"),
}
before = {}
for name, function in CASES.items():
    before[name] = outcome(function)
    put_back()
put_up()
answer(before=before, after={name: outcome(function) for name, function in CASES.items()})
"""


def test_files_outside_do_not_open(top: Path, uid: int) -> None:
    answer = in_process(top, uid, FILES)
    read_back = {
        "read": "outside/file",
        "read through a symlink in a grant": "outside/file",
        "list": ["file"],
    }
    assert answer["before"] == {name: read_back.get(name, "ok") for name in answer["before"]}
    seccomp_refuses = {
        "make a FIFO in a grant",
        "change a mode in a grant",
        "change an attribute in a grant",
    }
    other = dict.fromkeys(seccomp_refuses, "EPERM") | LINKS
    assert answer["after"] == {name: other.get(name, "EACCES") for name in answer["before"]}
    assert (top / "outside" / "file").read_text() == "outside/file"
    assert sorted(path.name for path in (top / "outside").iterdir()) == ["file"]
    assert (top / "readonly" / "file").read_text() == "readonly/file"


LINKS = {"link in": "EXDEV", "link from the read-only": "EXDEV"}
"""A file may not get more rights by a link: it fails as between two file systems."""


def test_grants_work(top: Path, uid: int) -> None:
    program = """
become_the_user()
here = os.open(f"{top}/granted/sub", os.O_PATH)
put_up(readable=[readonly, f"{outside}/file"], writable=[here])
work = f"{granted}/sub"
steps = [
    lambda: read(f"{readonly}/file"), lambda: os.listdir(readonly), lambda: read(f"{outside}/file"),
    lambda: os.listdir(outside), lambda: read(f"{granted}/file"),
    lambda: write(f"{work}/a", "abc"), lambda: read(f"{work}/a"), lambda: write(f"{work}/a", "d", "a"),
    lambda: os.ftruncate(os.open(f"{work}/a", os.O_RDWR), 2), lambda: read(f"{work}/a"),
    lambda: os.mkdir(f"{work}/d"), lambda: os.rename(f"{work}/a", f"{work}/d/b"),
    lambda: os.link(f"{work}/d/b", f"{work}/c"), lambda: os.symlink("c", f"{work}/s"), lambda: read(f"{work}/s"),
    lambda: os.utime(f"{work}/c", (1, 2)), lambda: os.stat(f"{work}/c").st_mtime,
    lambda: oct(os.stat(f"{work}/c").st_mode), lambda: oct(os.stat(f"{work}/d").st_mode),
    lambda: os.posix_fallocate(os.open(f"{work}/c", os.O_RDWR), 0, 100),
    lambda: os.fsync(os.open(f"{work}/c", os.O_RDWR)),
    lambda: os.unlink(f"{work}/c"), lambda: os.unlink(f"{work}/d/b"), lambda: os.rmdir(f"{work}/d"),
    lambda: os.listdir(work),
]
answer(steps=[outcome(step) for step in steps])
"""
    assert in_process(top, uid, program)["steps"] == [
        "readonly/file", ["file"], "outside/file", "EACCES", "EACCES",
        "ok", "abc", "ok", "ok", "ab",
        "ok", "ok", "ok", "ok", "ab",
        "ok", 2.0, "0o100600", "0o40700",
        "ok", "ok", "ok", "ok", "ok", ["s"],
    ]  # fmt: skip


REFUSED = """
become_the_user()
here, there = socket.socketpair()
datagrams = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
address = f"{granted}/socket"
receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
receiver.bind(address)
page = mmap.mmap(-1, 4096)
pointer = ctypes.addressof(ctypes.c_char.from_buffer(page))
file = os.open(f"{granted}/file", os.O_RDWR)

def protect(rights):
    if libc.mprotect(ctypes.c_void_p(pointer), 4096, rights):
        raise OSError(ctypes.get_errno(), "")

def start_threads():
    seen = []
    threads = [threading.Thread(target=lambda: seen.append(outcome(lambda: read(f"{outside}/file")))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return seen

def send_descriptor():
    here.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [file]))])
    data, extra, _, _ = there.recvmsg(10, 100)
    return [data.decode(), len(extra)]

CASES = {
    "executable memory": lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_EXEC).close(),
    "executable file": lambda: mmap.mmap(file, 4, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_EXEC).close(),
    "making memory executable": lambda: protect(mmap.PROT_READ | mmap.PROT_EXEC),
    "making memory unreadable": lambda: protect(0),
    "sending to an address": lambda: datagrams.sendto(b"x", address) and None,
    "sending": lambda: here.send(b"x") and there.recv(1).decode(),
    "sending a descriptor": send_descriptor,
    "owner of a descriptor": lambda: fcntl.fcntl(there, fcntl.F_SETOWN, os.getpid()) and None,
    "notes of changes": lambda: fcntl.fcntl(os.open(granted, os.O_RDONLY), fcntl.F_NOTIFY, 0) and None,
    "flags of a descriptor": lambda: fcntl.fcntl(there, fcntl.F_GETFD),
    "becoming dumpable": lambda: prctl(4, 1) and None,
    "name of the thread": lambda: prctl(15, ctypes.addressof(ctypes.create_string_buffer(b"name"))) and None,
    "lower limit": lambda: call(302 if X86 else 261, 0, 0, (ctypes.c_ulong * 2)(10**6, 10**6), None),
    "reading a limit": lambda: resource.getrlimit(resource.RLIMIT_CPU) and None,
    "other device requests": lambda: fcntl.ioctl(file, 0x80086601, bytes(8)) and None,
    "whether it is a terminal": lambda: os.isatty(file),
    "binding to a CPU": lambda: os.sched_setaffinity(0, os.sched_getaffinity(0)),
    "waiting": lambda: [select.select([here], [], [], 0.01)[0], time.sleep(0.01)],
    "random bytes": lambda: len(os.urandom(10)),
    "a new call": lambda: call(460),
    "threads that read": start_threads,
    "big list": lambda: sum(list(range(10**6))),
}
before = {name: outcome(function) for name, function in CASES.items()}
put_up()
answer(before=before, after={name: outcome(function) for name, function in CASES.items()})
"""


def test_calls_that_are_refused(top: Path, uid: int) -> None:
    answer = in_process(top, uid, REFUSED)
    unchanged: dict[str, Any] = {
        "making memory unreadable": "ok",
        "sending": "x",
        "sending a descriptor": ["x", 1],
        "flags of a descriptor": 1,
        "name of the thread": "ok",
        "reading a limit": "ok",
        "whether it is a terminal": False,
        "waiting": [[], None],
        "random bytes": 10,
        "big list": 499999500000,
    }
    read = "outside/file"
    assert answer["after"].pop("a new call") == "ENOSYS"
    answer["before"].pop("a new call")
    assert answer["before"] == {
        name: unchanged.get(name, [read] * 4 if name == "threads that read" else "ok") for name in answer["before"]
    }
    assert answer["after"] == {
        name: unchanged.get(name, ["EACCES"] * 4 if name == "threads that read" else "EPERM")
        for name in answer["before"]
    }


KILLS = """
become_the_user()

def tried(function, enclosed):
    child = os.fork()
    if not child:
        try:
            if enclosed:
                put_up()
            function()
        except AssertionError:
            os._exit(99)
        except OSError:
            pass
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

def numbered(number, arguments=(-1,) * 6):
    return lambda: call(number, *arguments)

def clone(flags):
    # Without a stack of its own the child of a failed guess would share ours: it ends at once, like its parent.
    def make():
        if libc.syscall(56 if X86 else 220, flags, 0, 0, 0, 0) == 0:
            os._exit(0)
    return make

cases = {}
for row in KILLED:
    number = row.x86_64 if X86 else row.aarch64
    if number is not None:
        cases[row.name] = numbered(number)
cases["kill"] = lambda: os.kill(os.getpid(), 0)
cases["a process by clone"] = clone(signal.SIGCHLD)
cases["a process by fork"] = lambda: os.fork() or os._exit(0)
cases["a user namespace by clone"] = clone(signal.SIGCHLD | 0x10000000)
cases["a signal to the parent"] = lambda: call(234 if X86 else 131, os.getppid(), os.getppid(), 0)
cases["a program"] = lambda: os.execv("/bin/true", ["true"])
cases["a socket"] = lambda: socket.socket()
if X86:
    cases["a call of x32"] = numbered(0x40000000 | 39)
    code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    code.write(b"\\x53\\xb8\\x14\\x00\\x00\\x00\\xcd\\x80\\x5b\\xc3")  # push rbx; mov eax, 20; int 0x80; pop rbx; ret
    cases["a call of 32 bits"] = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(code)))
quiet = {"vfork"}  # returns twice on one stack: only its death can be tried
answer(
    before={name: tried(function, False) for name, function in cases.items() if name not in quiet},
    after={name: tried(function, True) for name, function in cases.items()},
    control=tried(lambda: None, True),
    raised=[tried(lambda: signal.raise_signal(signal.SIGTERM), enclosed) for enclosed in (False, True)],
    aborted=[tried(os.abort, enclosed) for enclosed in (False, True)],
)
"""


def test_calls_that_kill(top: Path, uid: int) -> None:
    answer = in_process(top, uid, KILLS)
    if answer["before"].get("a call of 32 bits") == -signal.SIGSEGV:
        del answer["before"]["a call of 32 bits"], answer["after"]["a call of 32 bits"]  # a kernel without them
    assert answer["before"] == dict.fromkeys(answer["before"], 0)
    assert answer["after"] == dict.fromkeys(answer["after"], -signal.SIGSYS)
    assert len(answer["after"]) > 80
    assert answer["control"] == 0
    # Signals to oneself still work: a crash looks like a crash.
    assert answer["raised"] == [-signal.SIGTERM] * 2
    assert answer["aborted"] == [-signal.SIGABRT] * 2


def test_another_thread_is_killed_too(top: Path, uid: int) -> None:
    program = """
become_the_user()
def tried(enclosed):
    child = os.fork()
    if not child:
        if enclosed:
            put_up()
        thread = threading.Thread(target=socket.socket)
        thread.start()
        thread.join()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
answer(codes=[tried(False), tried(True)])
"""
    assert in_process(top, uid, program)["codes"] == [0, -signal.SIGSYS]


def test_limits(top: Path, uid: int) -> None:
    program = """
become_the_user()
def open_files(count):
    def work():
        opened = []
        try:
            for _ in range(count):
                opened.append(os.open(f"{readonly}/file", os.O_RDONLY))
        finally:
            for descriptor in opened:
                os.close(descriptor)
    return work
def reserve(size):
    return lambda: mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x4000, prot=0).close()
def big_file(size):
    def make():
        with open(f"{granted}/big", "wb", buffering=0) as file:
            left = size
            while left:
                left -= file.write(bytes(left))
    return make
def sparse(size):
    def make():
        with open(f"{granted}/sparse", "wb") as file:
            file.truncate(size)
    return make
CASES = {
    "96 MiB of data": lambda: len(bytearray(96 * 2**20)) and None,
    "160 MiB of data": lambda: len(bytearray(160 * 2**20)) and None,
    "512 MiB of addresses": reserve(512 * 2**20),
    "2 GiB of addresses": reserve(2 * 2**30),
    "a file of 1 MiB": big_file(2**20),
    "a file of 1 MiB and 1 byte": big_file(2**20 + 1),
    "a sparse file of 1 MiB": sparse(2**20),
    "a sparse file of 2 MiB": sparse(2**21),
    "62 files": open_files(62),
    "60 files": open_files(60),
    "locked memory": lambda: call(149 if X86 else 228, 0, 0) and None,
}
before = {name: outcome(function) for name, function in CASES.items()}
put_up(data_bytes=128 * 2**20, address_bytes=2**30, open_files=64, file_bytes=2**20)
names = ("CORE", "FSIZE", "NOFILE", "MEMLOCK", "MSGQUEUE", "NICE", "RTPRIO")
answer(
    before=before,
    after={name: outcome(function) for name, function in CASES.items()},
    limits={name: resource.getrlimit(getattr(resource, f"RLIMIT_{name}")) for name in names},
    dumpable=prctl(3), privileges=prctl(39), filter=prctl(21),
)
"""
    answer = in_process(top, uid, program)
    assert answer["before"] == dict.fromkeys(answer["before"], "ok")
    assert answer["after"] == {
        "96 MiB of data": "ok",
        "160 MiB of data": "MemoryError",
        "512 MiB of addresses": "ok",
        "2 GiB of addresses": "ENOMEM",
        "a file of 1 MiB": "ok",
        "a file of 1 MiB and 1 byte": "EFBIG",
        "a sparse file of 1 MiB": "ok",
        "a sparse file of 2 MiB": "EFBIG",
        "62 files": "EMFILE",
        "60 files": "ok",
        "locked memory": "EPERM",
    }
    none = {name: [0, 0] for name in ("CORE", "MEMLOCK", "MSGQUEUE", "NICE", "RTPRIO")}
    assert answer["limits"] == none | {"FSIZE": [MIB, MIB], "NOFILE": [64, 64]}
    assert (answer["dumpable"], answer["privileges"], answer["filter"]) == (0, 1, 2)


def test_limits_are_never_raised(top: Path, uid: int) -> None:
    program = """
become_the_user()
resource.setrlimit(resource.RLIMIT_NOFILE, (20, 30))
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 8192))
put_up()
answer(limits=[resource.getrlimit(limit) for limit in (resource.RLIMIT_NOFILE, resource.RLIMIT_FSIZE)])
"""
    assert in_process(top, uid, program)["limits"] == [[30, 30], [8192, 8192]]


def test_nobody_looks_inside(top: Path, uid: int) -> None:
    program = """
become_the_user()
def look(enclosed):
    (from_child, to_parent), (from_parent, to_child) = os.pipe(), os.pipe()
    child = os.fork()
    if not child:
        if enclosed:
            put_up()
        os.write(to_parent, b"x")
        os.read(from_parent, 1)
        os._exit(0)
    os.read(from_child, 1)
    seen = [outcome(lambda: os.close(os.open(f"/proc/{child}/{name}", os.O_RDONLY))) for name in ("environ", "mem")]
    seen.append(outcome(lambda: os.listdir(f"/proc/{child}/fd") and None))
    os.write(to_child, b"x")
    os.waitpid(child, 0)
    return seen
answer(seen=[look(False), look(True)])
"""
    before, after = in_process(top, uid, program)["seen"]
    assert before == ["ok"] * 3
    # Root may look into everything, whatever a process says.
    assert after == (["ok"] * 3 if uid == 0 else ["EACCES"] * 3)


def test_landlock_alone(top: Path, uid: int) -> None:
    program = """
become_the_user()
server = socket.create_server(("127.0.0.1", 0))
abstract = socket.socket(socket.AF_UNIX)
abstract.bind(b"\\0wasihost-walls-%d" % os.getpid())
abstract.listen()
def connect(family, address):
    with socket.socket(family) as client:
        client.connect(address)
def bind():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
def execute():
    if not (child := os.fork()):
        try:
            os.execv("/bin/true", ["true"])
        except OSError as error:
            os._exit(error.errno)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status:
        raise OSError(status, "")
parent = os.getpid()
CASES = {
    "execute": execute,
    "FIFO": lambda: os.mkfifo(f"{granted}/fifo"),
    "socket": lambda: socket.socket(socket.AF_UNIX).bind(f"{granted}/socket"),
    "connect": lambda: connect(socket.AF_INET, server.getsockname()),
    "bind": bind,
    "abstract": lambda: connect(socket.AF_UNIX, abstract.getsockname()),
    "signal": lambda: os.kill(parent, 0),
}
def look(enclosed):
    read_end, write_end = os.pipe()
    if not os.fork():
        if enclosed:
            grant = os.open(granted, os.O_PATH)
            ruleset = landlock.Ruleset([], [grant], threads=1)
            prctl(38, 1)
            ruleset.enforce()
        os.write(write_end, json.dumps({name: outcome(case) for name, case in CASES.items()}).encode())
        os._exit(0)
    os.wait()
    for name in ("fifo", "socket"):
        if os.path.exists(f"{granted}/{name}"):
            os.unlink(f"{granted}/{name}")
    return json.loads(os.read(read_end, 4096))
answer(before=look(False), after=look(True), abi=landlock.abi())
"""
    answer = in_process(top, uid, program)
    assert answer["before"] == dict.fromkeys(answer["before"], "ok")
    expected = dict.fromkeys(("execute", "FIFO", "socket"), "EACCES")
    if answer["abi"] >= 4:
        expected |= {"connect": "EACCES", "bind": "EACCES"}
    if answer["abi"] >= 6:
        expected |= {"abstract": "EPERM", "signal": "EPERM"}
    assert answer["after"] == {name: expected.get(name, "ok") for name in answer["before"]}


def test_several_threads(top: Path, uid: int) -> None:
    program = """
become_the_user()
started, over = threading.Event(), threading.Event()
thread = threading.Thread(target=lambda: (started.set(), over.wait()))
thread.start()
started.wait()
abi = landlock.abi()
standing = enclose(enclosure())
privileges = {}
if "landlock" not in standing.walls:
    for task in os.listdir("/proc/self/task"):
        lines = read(f"/proc/self/task/{task}/status").splitlines()
        privileges[task] = [line.split()[1] for line in lines if line.startswith(("NoNewPrivs:", "Seccomp:"))]
over.set()
answer(standing=standing, abi=abi, tasks=list(privileges.values()))
"""
    answer = in_process(top, uid, program)
    walls, missing = answer["standing"]
    if answer["abi"] >= 8:
        assert (walls, missing) == (list(WALLS), [])
    else:
        assert walls == [wall for wall in WALLS if wall != "landlock"]
        assert missing == [
            [
                "landlock",
                "the process has 2 threads, and this kernel's Landlock holds for one (needs Linux 7.0, or one thread)",
            ]
        ]
        assert answer["tasks"] == [["1", "2"]] * 2


def test_a_grant_that_does_not_exist_puts_nothing_up(top: Path, uid: int) -> None:
    program = """
become_the_user()
seen = []
for wrong in (f"{top}/nowhere", 987):
    seen.append(outcome(lambda: enclose(enclosure(readable=[wrong]))))
seen += [prctl(3), prctl(39), prctl(21), outcome(lambda: read(f"{outside}/file")), len(os.listdir("/proc/self/fd"))]
descriptors = len(os.listdir("/proc/self/fd"))
enclose(enclosure())
answer(seen=seen, same=seen[-1] == descriptors)
"""
    answer = in_process(top, uid, program)
    assert answer["seen"][:-1] == ["ENOENT", "EBADF", 1, 0, 0, "outside/file"]
    assert answer["same"]


def test_a_grant_of_everything_is_no_wall(top: Path, uid: int) -> None:
    program = """
become_the_user()
answer(standing=enclose(enclosure(readable=["/"])), readable=outcome(lambda: read(f"{outside}/file")))
"""
    answer = in_process(top, uid, program)
    walls, missing = answer["standing"]
    assert walls == [wall for wall in WALLS if wall != "landlock"]
    assert missing == [["landlock", "/ can still be read: a grant of the whole file system leaves nothing to hold"]]
    assert answer["readable"] == "outside/file"


def test_no_room_to_try_it_out_is_said(top: Path, uid: int) -> None:
    answer = in_process(top, uid, "become_the_user()\nanswer(standing=enclose(enclosure(open_files=3)))")
    walls, missing = answer["standing"]
    assert walls == [wall for wall in WALLS if wall != "landlock"]
    assert missing == [["landlock", "it could not be tried out on /; the kernel says: Too many open files"]]


# -- real guests ------------------------------------------------------------------------------------------------------

GUESTS = """
from wasihost import Limits, Preopen, Sandbox
from wasihost.image.store import locate
import wasihost.result, wasihost.errors, concurrent.futures, gc, glob, traceback, queue, encodings.idna
runtime = sys.argv[3]
limits = Limits(deadline_seconds=1.0, memory_bytes=128 * 2**20)
preopens = [Preopen(granted, "/w", writable=True), Preopen(readonly, "/r")]
sandbox = Sandbox(runtime=runtime, limits=limits, preopens=preopens, containment="in-process")
assert thread_count() == 1
folders = [library.host for library in locate(runtime, metered=True).libraries]
become_the_user()
started = time.perf_counter()
put_up(readable=[readonly, *folders], open_files=256, data_bytes=2**30, address_bytes=2**37)
milliseconds = 1000 * (time.perf_counter() - started)

def run(code, **kwargs):
    result = sandbox.run(code, **kwargs)
    error = result.error
    return [result.outcome.name, result.exit_code, result.stdout, error.type if error else None]

FILES = '''
import os
with open("/w/new", "w+") as file:
    file.write("x" * 100000)
    file.flush()
    os.fsync(file.fileno())
    file.truncate(10)
os.mkdir("/w/d")
os.rename("/w/new", "/w/d/moved")
os.link("/w/d/moved", "/w/linked")
os.symlink("linked", "/w/symlink")
os.utime("/w/linked", (1, 2))
print(open("/r/file").read(), len(open("/w/symlink").read()), os.stat("/w/linked").st_mtime, sorted(os.listdir("/w")))
os.unlink("/w/symlink")
os.unlink("/w/d/moved")
os.rmdir("/w/d")
'''
DENIED = '''
for path, mode in (("/r/new", "w"), ("/w/out", "r"), ("/w/../outside/file", "r"), ("/w/big", "wb")):
    try:
        with open(path, mode) as file:
            file.write(bytes(2**20)), file.write(b"x") if mode == "wb" else file.read()
        print(path, "ok")
    except OSError as error:
        print(path, error.errno)
'''
answers = {
    "print": run("print(6 * 7)"),
    "files": run(FILES),
    "denied": run(DENIED),
    "modules": run("import decimal, json, unittest, random, uuid\\nprint(len(uuid.uuid4().hex), random.random() < 1)"),
    "sleep": run("import time\\ntime.sleep(0.05)\\nprint('slept')"),
    "long sleep": run("import time\\ntime.sleep(60)"),
    "loop": run("while True: pass"),
    "memory": run("kept = []\\nwhile True: kept.append(bytearray(2**20))"),
    "within memory": run("print(len(bytearray(32 * 2**20)))"),
    "recursion": run("def f(): f()\\nf()"),
    "trap": run("import os\\nos.abort()"),
    "raise": run("1 / 0"),
    "exit": run("raise SystemExit(3)"),
    "stdin": run("print(input())", stdin=b"line"),
    "again": run("print(6 * 7)"),
}
gc.collect()
pieces = []
sandbox.run("for i in range(3): print(i, flush=True)", on_stdout=pieces.append)
answer(answers=answers, streamed=b"".join(pieces).decode(), milliseconds=milliseconds,
       outside=outcome(lambda: read(f"{outside}/file")), filter=prctl(21))
"""


def guests_in_process(top: Path, uid: int, runtime: str) -> Any:
    done = subprocess.run(
        [sys.executable, "-c", PRELUDE + GUESTS, str(top), str(uid), runtime],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def check_guests(answer: Any) -> None:
    files = "readonly/file 10 2.0 ['d', 'file', 'linked', 'out', 'sub', 'symlink']\n"
    assert answer["answers"] == {
        "print": ["EXITED", 0, "42\n", None],
        "files": ["EXITED", 0, files, None],
        "denied": ["EXITED", 0, "/r/new 63\n/w/out 63\n/w/../outside/file 63\n/w/big 22\n", None],
        "modules": ["EXITED", 0, "32 True\n", None],
        "sleep": ["EXITED", 0, "slept\n", None],
        "long sleep": ["DEADLINE_EXCEEDED", None, "", None],
        "loop": ["DEADLINE_EXCEEDED", None, "", None],
        "memory": ["EXITED", 1, "", "MemoryError"],
        "within memory": ["EXITED", 0, "33554432\n", None],
        "recursion": ["EXITED", 1, "", "RecursionError"],
        "trap": ["GUEST_CRASHED", None, "", None],
        "raise": ["EXITED", 1, "", "ZeroDivisionError"],
        "exit": ["EXITED", 3, "", None],
        "stdin": ["EXITED", 0, "line\n", None],
        "again": ["EXITED", 0, "42\n", None],
    }
    assert answer["streamed"] == "0\n1\n2\n"
    assert answer["outside"] == "EACCES"
    assert answer["filter"] == 2


@pytest.mark.parametrize("uid", [os.getuid()], ids=["same user"])
def test_guests_behind_all_walls(top: Path, uid: int, runtime: str) -> None:
    check_guests(guests_in_process(top, uid, runtime))


@pytest.mark.skipif(os.getuid() != 0, reason="the tests run as an ordinary user already")
@pytest.mark.parametrize("uid", [NOBODY], ids=["ordinary"])
def test_guests_of_an_ordinary_user_behind_all_walls(top: Path, uid: int) -> None:
    with Sandbox(runtime="cpython-3.12"):
        pass  # ready; its standard library lies in the module, so that the user needs nothing of root's cache
    check_guests(guests_in_process(top, uid, "cpython-3.12"))
