from hostile.case import Case, Twin, gave
from hostile.harness import HARNESS

CASE = Case(
    title="all of the mailbox overwritten with ones before the reply",
    guest=HARNESS + "for at in range(len(box)): box[at] = 255\n5\n",
    expect=gave(5),
    twin=Twin(granted="its unused part", guest=HARNESS + "box[60000] = 255\n5\n", expect=gave(5)),
)
