from hostile.case import Case, Twin, printed, raised

CASE = Case(
    title="a program that is no Python",
    guest="\x7fELF\x01\x02 not python",
    expect=raised("SyntaxError"),
    twin=Twin(granted="one that is", guest="print(1)", expect=printed("1\n")),
)
