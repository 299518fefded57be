from pathlib import Path

from hostile.case import EPERM, Case, Twin, gave, raised

from wasihost import Preopen


def overlay(folder: Path) -> dict[str, object]:
    return {"preopens": [Preopen(folder, "/d", overlay=True)]}


CASE = Case(
    title="following a link out of an overlay",
    guest="open('/d/relative').read()",
    prepare=overlay,
    expect=raised("PermissionError", EPERM),
    twin=Twin(granted="one that stays inside", guest="open('/d/inside').read()", expect=gave("public")),
)
