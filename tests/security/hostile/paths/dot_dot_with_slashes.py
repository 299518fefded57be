from hostile.case import EPERM, Case, Twin, printed, raised

CASE = Case(
    title="`..` hidden among doubled slashes and dots",
    guest="open('/d//..//.//../etc/passwd')",
    grant="read",
    expect=raised("PermissionError", EPERM),
    twin=Twin(
        granted="slashes and dots that stay inside",
        guest="print(open('/d//.//a.txt').read())",
        expect=printed("public\n"),
    ),
)
