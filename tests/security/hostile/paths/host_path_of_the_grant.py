from pathlib import Path

from hostile.case import NOT_GRANTED, Case, Twin, printed


def tell(folder: Path) -> dict[str, object]:
    return {"inputs": {"path": str(folder / "a.txt")}}


CASE = Case(
    title="the true host path of a granted file",
    guest="open(path)",
    grant="read",
    prepare=tell,
    expect=NOT_GRANTED,
    twin=Twin(granted="its guest path", guest="print(open('/d/a.txt').read())", expect=printed("public\n")),
)
