import re

from hostile.case import ENOTSUP, Case, Twin, gave, raised

CASE = Case(
    title="starting a process",
    guest="import subprocess\nsubprocess.run(['id'])",
    expect=raised("OSError", ENOTSUP),
    twin=Twin(
        granted="running a module of its own",
        guest="import runpy\nrunpy.run_module('this')['__name__']",
        expect=gave("this", stdout=re.compile(r"(?s)The Zen of Python.*")),
    ),
)
