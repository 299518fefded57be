from hostile.case import Case, Twin, gave
from hostile.granted import GRANTED
from hostile.harness import HARNESS

_RING = (
    HARNESS
    + """
import array, time
said = []
good = array.array('B', g['message_of']('look_up', ('a',), {}))
place = good.buffer_info()[0]
for command, size, address, ticket in RINGS:
    word(4, size); word(8, address); word(20, ticket); word(0, command)
    try:
        time.clock_getres(time.CLOCK_REALTIME)
        said.append([box[0], int.from_bytes(box[24:28], 'little') > 0])
    except OSError as error:
        said.append(error.errno)
    word(0, 0)
said
"""
)

CASE = Case(
    title="calls whose messages lie outside of memory, across its end or nowhere, replies that are not there",
    guest=_RING.replace(
        "RINGS",
        "((4, 9, 2**32 - 1, 0), (5, 9, 2**32 - 1, 3), (4, 2**32 - 1, 64, 0), (4, 0, 0, 0), (6, 0, 0, 0), "
        "(7, 0, 2**32 - 1, 0))",
    ),
    options=GRANTED,
    expect=gave([21, 21, [0, True], [0, True], [0, False], [7, False]]),
    twin=Twin(
        granted="one of its own", guest=_RING.replace("RINGS", "((4, len(good), place, 0),)"), expect=gave([[0, True]])
    ),
)
