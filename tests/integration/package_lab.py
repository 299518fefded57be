"""What a program that tries a bundled package is; test_scientific_packages.py runs those of package_programs_*.py.

Each ends in a value that is known without running it: from a formula, from how the input was made, or from a package's
own documentation. Files go to /tmp, which is a scratch folder.
"""

from __future__ import annotations

from textwrap import dedent
from typing import Any, NamedTuple


class Case(NamedTuple):
    """One program.

    Attributes:
        package: The distribution that it is about, by its canonical name.
        program: Code that ends in a value.
        expected: The value.
        core: Whether it is run on the default runtime too, which has no native code of other projects.
    """

    package: str
    program: str
    expected: Any
    core: bool


def pure(package: str, program: str, expected: Any) -> Case:
    """For packages that are Python only, and whose program needs nothing else."""
    return Case(package, dedent(program).strip(), expected, core=True)


def native(package: str, program: str, expected: Any) -> Case:
    """For packages that hold native code, need one that does, or are tried together with one."""
    return Case(package, dedent(program).strip(), expected, core=False)
