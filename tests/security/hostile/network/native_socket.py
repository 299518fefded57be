from hostile.case import ENOTSUP, Case, Twin, printed, raised

CASE = Case(
    title="the native socket type under the module",
    guest="import _socket\n_socket.socket(2, 1, 0)",
    expect=raised("OSError", ENOTSUP),
    twin=Twin(
        granted="the bytes that the host fetched, as standard input",
        guest="import sys\nprint(sys.stdin.read())",
        options={"stdin": b"the page"},
        expect=printed("the page\n"),
    ),
)
