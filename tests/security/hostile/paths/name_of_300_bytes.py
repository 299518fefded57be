from hostile.case import ENAMETOOLONG, Case, Twin, gave, raised

CASE = Case(
    title="a name of 300 bytes",
    guest="open('/d/' + 'x' * 300, 'w')",
    grant="write",
    expect=raised("OSError", ENAMETOOLONG),
    twin=Twin(granted="a name of 255 bytes", guest="open('/d/' + 'x' * 255, 'w').write('long')", expect=gave(4)),
)
