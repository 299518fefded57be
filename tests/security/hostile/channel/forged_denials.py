from hostile.case import Case, Twin, printed
from hostile.harness import forged

CASE = Case(
    title="2,500 denials, most of them malformed: no more than 16 are kept",
    guest=forged(
        b'{"exit_code": 0, "denials": ['
        + b", ".join([b'["read", "/x"]', b'["evil", "/x"]', b'["read", 1]', b'"read"', b"[]"] * 500)
        + b"]}"
    ),
    expect=printed(),
    twin=Twin(granted="a true one", guest=forged(b'{"exit_code": 0, "denials": [["read", "/x"]]}'), expect=printed()),
)
