"""Run Python that nobody vouches for, in a fresh CPython-WASI interpreter, in about a millisecond."""

__version__ = "0.1.0"
