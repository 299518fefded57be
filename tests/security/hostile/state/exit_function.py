from hostile.case import Case, Then, Twin, gave, printed

CASE = Case(
    title="left for the next run: an exit function that never came to run",
    guest="""\
import atexit, os
atexit.register(print, 'late')
os._exit(0)
""",
    expect=printed(),
    then=Then("1", gave(1)),
    twin=Twin(
        granted="the program ends by itself",
        guest="import atexit\natexit.register(print, 'late')",
        expect=printed("late\n"),
    ),
)
