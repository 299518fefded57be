from hostile.case import DEFAULT_RUNTIME_ONLY, Case, Refused, Twin, printed

from wasihost.errors import UnknownImageError

CASE = Case(
    title="an image that nobody built",
    guest="print(1)",
    options={"image": "nobody-built-this"},
    expect=Refused(
        UnknownImageError, "there is no image 'nobody-built-this' of the runtime cpython-3.15; there is: base"
    ),
    twin=Twin(granted="the one that is always there", options={"image": "base"}, expect=printed("1\n")),
    runtimes=DEFAULT_RUNTIME_ONLY,
    because="the name is looked up on the host, for each runtime alike",
)
