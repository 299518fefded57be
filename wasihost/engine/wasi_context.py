"""Wasmtime's WASI context of one guest: the directories, arguments and standard input that it was given."""

from __future__ import annotations

from ctypes import byref, c_char_p

from wasihost.engine.capi import ByteVec, lib
from wasihost.engine.surroundings import Surroundings
from wasihost.errors import EngineError


def wasi_config(surroundings: Surroundings) -> int:
    """Return a new `wasi_config_t`, which the caller hands to a store.

    Raises:
        EngineError: A directory cannot be opened.
    """
    config = lib.wasi_config_new()
    try:
        _fill(config, surroundings)
    except BaseException:
        lib.wasi_config_delete(config)
        raise
    return int(config)


def _fill(config: int, surroundings: Surroundings) -> None:
    if surroundings.arguments:
        arguments = [a.encode() for a in surroundings.arguments]
        lib.wasi_config_set_argv(config, len(arguments), (c_char_p * len(arguments))(*arguments))
    if surroundings.environment:
        names = [n.encode() for n, _ in surroundings.environment]
        values = [v.encode() for _, v in surroundings.environment]
        count = len(names)
        lib.wasi_config_set_env(config, count, (c_char_p * count)(*names), (c_char_p * count)(*values))
    if surroundings.stdin is None:
        lib.wasi_config_inherit_stdin(config)
    elif surroundings.stdin:
        vec = ByteVec()
        lib.wasm_byte_vec_new(byref(vec), len(surroundings.stdin), surroundings.stdin)
        lib.wasi_config_set_stdin_bytes(config, byref(vec))  # takes the vector over
    for directory in surroundings.directories:
        if not lib.wasi_config_preopen_dir(
            config, directory.host.encode("utf-8", "surrogateescape"), directory.guest.encode(), directory.writable
        ):
            raise EngineError(f"cannot open the directory granted as {directory.guest}")
