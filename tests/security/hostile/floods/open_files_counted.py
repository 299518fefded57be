from hostile.case import EMFILE, Case, Twin, gave, raised

from wasihost import Limits

CASE = Case(
    title="the 51st open file of 50; what is closed is free again",
    guest="""\
import os
opened = [os.open('/d/a.txt', os.O_RDONLY) for _ in range(50)]
os.close(opened.pop())
opened.append(os.open('/d/a.txt', os.O_RDONLY))
print(len(opened))
os.open('/d/a.txt', os.O_RDONLY)
""",
    grant="read",
    options={"limits": Limits(open_files=50)},
    expect=raised("OSError", EMFILE, stdout="50\n"),
    twin=Twin(
        granted="51 open files",
        options={"limits": Limits(open_files=51)},
        guest="import os\nlen([os.open('/d/a.txt', os.O_RDONLY) for _ in range(51)])",
        expect=gave(51),
    ),
)
