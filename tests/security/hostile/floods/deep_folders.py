from hostile.case import ENAMETOOLONG, Case, Twin, printed, raised

from wasihost import Limits

CASE = Case(
    title="folders inside each other until the path is too long",
    guest="import os\nfor depth in range(1, 3000): os.mkdir('/d' + '/a' * depth)",
    grant="write",
    options={"limits": Limits(deadline_seconds=30.0)},
    expect=raised("OSError", ENAMETOOLONG),
    twin=Twin(
        granted="a hundred of them",
        guest="import os\nfor depth in range(1, 100): os.mkdir('/d' + '/a' * depth)",
        expect=printed(),
    ),
)
