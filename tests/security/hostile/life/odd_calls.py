from hostile.case import Case, Twin, printed

ODD = {
    "os.ftruncate(1, 0)": "errno 8",
    "os.ftruncate(0, 0)": "errno 8",
    "os.read(1, 1)": "errno 8",
    "os.read(0, 1)": "b''",
    "os.write(0, b'x')": "errno 8",
    "os.write(3, b'x')": "errno 8",
    "os.write(999, b'x')": "errno 8",
    "os.write(2**31 - 1, b'x')": "errno 8",
    "os.write(-1, b'x')": "errno 8",
    "os.lseek(1, 0, 0)": "errno 70",
    "os.pwrite(1, b'x', 0)": "errno 70",
    "os.fsync(1)": "errno 8",
    "os.isatty(1)": "False",
    "os.close(99)": "errno 8",
    "os.close(-1)": "errno 8",
    "os.fstat(99)": "errno 8",
    "os.fdopen(-1)": "ValueError",
    "os.fdopen(40, 'rb', closefd=False).read()": "errno 8",
    "os.fdopen(2**31 - 1, 'rb', closefd=False).read()": "errno 8",
    "os.urandom(-1)": "ValueError",
    "select.select([5000], [], [], 0)": "ValueError",
    "select.select([-1], [], [], 0)": "ValueError",
    "socket.socket()": "errno 58",
    "socket.socket(fileno=1)": "errno 57",
    "socket.socket(fileno=99)": "errno 8",
    "socket.create_connection(('127.0.0.1', 80))": "AttributeError",
    "os.system('id')": "AttributeError",
    "os.fork()": "AttributeError",
    "os.kill(1, 9)": "AttributeError",
    "os.pipe()": "AttributeError",
    "os.mkfifo('/x')": "AttributeError",
    "__import__('threading').Thread(target=print).start()": "RuntimeError",
    "__import__('subprocess').run(['id'])": "errno 58",
    "__import__('time').sleep(-1)": "ValueError",
    "__import__('time').sleep(1e300)": "OverflowError",
}
"""Expression -> what comes of it."""

CASE = Case(
    title="odd descriptors, counts and calls, one after the other, each with its answer",
    guest=f"""\
import os, select, socket
for expression in {list(ODD)!r}:
    try:
        print(eval(expression))
    except OSError as error:
        print('errno', error.errno)
    except Exception as error:
        print(type(error).__name__)
""",
    expect=printed("".join(answer + "\n" for answer in ODD.values())),
    twin=Twin(
        granted="ordinary ones",
        guest="import os\nprint(os.write(1, b'x'), os.read(0, 1))",
        options={"stdin": b"x"},
        expect=printed("x1 b'x'\n"),
    ),
)
