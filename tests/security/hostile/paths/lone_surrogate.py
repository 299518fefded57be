from hostile.case import EILSEQ, Case, Twin, gave, raised

CASE = Case(
    title="a lone surrogate in a name",
    guest="open('/d/\\udcff', 'w')",
    grant="write",
    expect=raised("OSError", EILSEQ),
    twin=Twin(granted="a pair of them", guest="open('/d/\\U0001f600', 'w').write('x')", expect=gave(1)),
)
