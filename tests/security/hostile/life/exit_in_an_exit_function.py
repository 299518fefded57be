from hostile.case import Case, Twin, printed

CASE = Case(
    title="leaving at once in an exit function, before buffers are written, as anywhere",
    guest="""\
import atexit, os
atexit.register(os._exit, 7)
print('x')
""",
    expect=printed(exit_code=7),
    twin=Twin(
        granted="an exit function that prints",
        guest="import atexit\natexit.register(print, 'bye')",
        expect=printed("bye\n"),
    ),
)
