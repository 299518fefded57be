from hostile.case import Case, Twin, gave, printed

CASE = Case(
    title="taking every descriptor for a socket and receiving from it",
    guest="""\
import socket
found = []
for fd in range(64):
  try:
    s = socket.socket(2, 1, 0, fileno=fd)
    try: found.append(s.recv(1))
    finally: s.detach()
  except OSError: pass
found
""",
    expect=gave([]),
    twin=Twin(
        granted="the bytes that the host fetched, as standard input",
        guest="import sys\nprint(sys.stdin.read())",
        options={"stdin": b"the page"},
        expect=printed("the page\n"),
    ),
)
