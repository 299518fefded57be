from hostile.case import EPERM, Case, Then, Twin, gave, raised

CASE = Case(
    title="a file left in a folder that only reads",
    guest="open('/d/n', 'w')",
    grant="read",
    expect=raised("PermissionError", EPERM),
    then=Then("import os\nos.path.exists('/d/n')", gave(False)),
    twin=Twin(
        granted="in a writable folder it stays: the only thing that two runs share",
        guest="open('/d/n', 'w').write('stays')\nopen('/d/n').read()",
        grant="write",
        expect=gave("stays"),
    ),
)
