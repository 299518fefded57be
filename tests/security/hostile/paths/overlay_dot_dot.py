from pathlib import Path

from hostile.case import EPERM, Case, Twin, gave, raised

from wasihost import Preopen


def overlay(folder: Path) -> dict[str, object]:
    return {"preopens": [Preopen(folder, "/d", overlay=True)]}


CASE = Case(
    title="`..` out of an overlay, whose copy lies elsewhere",
    guest="import os\nos.listdir('/d/..')",
    prepare=overlay,
    expect=raised("PermissionError", EPERM),
    twin=Twin(granted="`..` that stays inside", guest="open('/d/sub/../a.txt').read()", expect=gave("public")),
)
