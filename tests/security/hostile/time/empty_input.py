from hostile.case import Case, Twin, printed, raised

CASE = Case(
    title="waiting for a line of input that was never given",
    guest="input()",
    expect=raised("EOFError"),
    twin=Twin(granted="a line", guest="print(input())", options={"stdin": "given\n"}, expect=printed("given\n")),
)
