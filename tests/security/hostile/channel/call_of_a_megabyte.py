from hostile.case import Case, Twin, gave
from hostile.granted import GRANTED
from hostile.harness import HARNESS

_CALL = HARNESS + (
    "g['calls_may'] = {**g['calls_may'], 'argument_bytes': 2**30}\nimport host\n"
    "try: said = host.look_up('x', **{'k': 'y' * SIZE} if SIZE else {})\n"
    "except ValueError as error: said = str(error)\nsaid"
)

CASE = Case(
    title="arguments of a megabyte, with the bound inside removed",
    guest=_CALL.replace("SIZE", "2**20"),
    options=GRANTED,
    expect=gave("a call may have 4096 bytes of arguments"),
    twin=Twin(granted="none of them", guest=_CALL.replace("SIZE", "0"), expect=gave(["x"])),
)
