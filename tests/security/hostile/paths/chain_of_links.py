from hostile.case import EPERM, Case, Twin, printed, raised

CASE = Case(
    title="a chain of symbolic links, each harmless by its look",
    guest="open('/d/chain')",
    grant="read",
    expect=raised("PermissionError", EPERM),
    twin=Twin(
        granted="the chain's part that stays inside",
        guest="print(open('/d/sub/../inside').read())",
        expect=printed("public\n"),
    ),
)
