from hostile.case import Case, Twin, printed

CASE = Case(
    title="leaving with a status that does not fit a byte",
    guest="import sys\nsys.exit(256 + 7)",
    expect=printed(exit_code=7),
    twin=Twin(granted="one that does", guest="import sys\nsys.exit(7)", expect=printed(exit_code=7)),
)
