from hostile.case import EPERM, Case, Twin, printed, raised

CASE = Case(
    title="a hundred `..` before /etc/passwd, so that any depth would do",
    guest="open('/d/' + '../' * 100 + 'etc/passwd')",
    grant="read",
    expect=raised("PermissionError", EPERM),
    twin=Twin(
        granted="a hundred `sub/..`",
        guest="print(open('/d/' + 'sub/../' * 100 + 'a.txt').read())",
        expect=printed("public\n"),
    ),
)
