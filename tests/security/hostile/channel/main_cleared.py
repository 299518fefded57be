from hostile.case import Case, Twin, gave, printed

CASE = Case(
    title="the program's own globals cleared",
    guest="globals().clear()",
    expect=printed(),
    twin=Twin(granted="the program without it", guest="5", expect=gave(5)),
)
