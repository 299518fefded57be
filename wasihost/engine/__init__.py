"""Wasmtime, wrapped once: compile, instantiate, map an image, wire WASI, meter, name every trap.

The only package that touches Wasmtime. It speaks to the C interface of the library that the `wasmtime` package
ships, directly: importing that package's own bindings costs more than a run, and each call through them too.
"""
