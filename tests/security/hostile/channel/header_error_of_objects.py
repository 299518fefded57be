from hostile.case import Case, Twin, crashed, printed
from hostile.harness import NONSENSE, forged

CASE = Case(
    title="an error that names a class of the host",
    guest=forged(b'{"exit_code": 1, "error": {"__class__": "os.system"}}'),
    expect=crashed(NONSENSE),
    twin=Twin(granted="a sound reply", guest=forged(b'{"exit_code": 0}'), expect=printed()),
)
