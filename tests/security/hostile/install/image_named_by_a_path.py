from hostile.case import DEFAULT_RUNTIME_ONLY, Case, Refused, Twin, printed

from wasihost.errors import UnknownImageError

CASE = Case(
    title="an image named by a path",
    guest="print(1)",
    options={"image": "../../../../tmp/image"},
    expect=Refused(
        UnknownImageError, r"there is no image '\.\./\.\./\.\./\.\./tmp/image' of the runtime cpython-3\.15"
    ),
    twin=Twin(granted="the one that is always there", options={"image": "base"}, expect=printed("1\n")),
    runtimes=DEFAULT_RUNTIME_ONLY,
    because="the name is looked up on the host, for each runtime alike",
)
