from hostile.case import Case, Then, Twin, gave, printed

CASE = Case(
    title="looking for the request of the run before: its source, its inputs",
    guest="told = told.upper()",
    options={"inputs": {"told": "planted " * 4}},
    expect=printed(),
    then=Then(
        "import gc\n'told' in globals() or any(isinstance(o, dict) and 'told' in o for o in gc.get_objects())",
        gave(False),
    ),
    twin=Twin(granted="its own inputs", guest="'told' in globals()", expect=gave(True)),
)
