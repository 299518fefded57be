from hostile.case import EPERM, Case, Twin, gave, raised

CASE = Case(
    title="writing to a file outside through a relative link",
    guest="open('/d/relative', 'w')",
    grant="write",
    expect=raised("PermissionError", EPERM),
    twin=Twin(granted="a file inside through a link", guest="open('/d/inside', 'w').write('mine')", expect=gave(4)),
)
