from hostile.case import Case, Twin, printed, raised
from hostile.harness import forged

CASE = Case(
    title="an error with a surrogate, a NUL and terminal codes, and a second status: words to show, not to trust",
    guest=forged(b'{"exit_code": 1, "exit_code": 7, "error": ["T\\ud800", "m\\u0000", "t\\u001b[31m"]}'),
    expect=printed(exit_code=7, error_type="T?"),
    twin=Twin(granted="a true error", guest="raise KeyError('x')", expect=raised("KeyError")),
)
