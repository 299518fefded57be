from hostile.case import Case, Twin, gave, printed

CASE = Case(
    title="the program's value is an object: no value",
    guest="object()",
    expect=printed(),
    twin=Twin(granted="a text", guest="vars(type('A', (), {}))['__module__']", expect=gave("__main__")),
)
