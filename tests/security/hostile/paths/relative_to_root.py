from hostile.case import NOT_GRANTED, Case, Twin, printed

CASE = Case(
    title="a relative path, from the current folder, which is nobody's",
    guest="open('../secret.txt')",
    grant="read",
    expect=NOT_GRANTED,
    twin=Twin(
        granted="a current folder within the grant",
        guest="""\
import os
os.chdir('/d/sub')
print(open('../a.txt').read())
""",
        expect=printed("public\n"),
    ),
)
