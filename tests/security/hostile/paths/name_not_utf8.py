from hostile.case import EILSEQ, Case, Twin, gave, raised

CASE = Case(
    title="a name that is not UTF-8",
    guest="open(b'/d/\\xff', 'w')",
    grant="write",
    expect=raised("OSError", EILSEQ),
    twin=Twin(granted="a name in UTF-8", guest="open('/d/\\u00ff', 'w').write('x')", expect=gave(1)),
)
