"""Small modules for the tests: from text, from raw sections, and run under fake WASI functions."""

from __future__ import annotations

from dataclasses import dataclass, field

import wasmtime

from wasihost.runtime.wasm import Rewritten, function_names, rewrite
from wasihost.runtime.wasm.leb import encode_unsigned

HEADER = b"\0asm\1\0\0\0"

IMPORTS = {
    "fd_write": "(param i32 i32 i32 i32) (result i32)",
    "path_open": "(param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)",
    "fd_close": "(param i32) (result i32)",
    "sock_send": "(param i32 i32 i32 i32 i32) (result i32)",
}

DRIVERS = """
  (func $write (export "write") (param i32 i32 i32 i32) (result i32)
    (call $fd_write (local.get 0) (local.get 1) (local.get 2) (local.get 3)))
  (func $open (export "open") (result i32)
    (call $path_open (i32.const 3) (i32.const 1) (i32.const 10) (i32.const 11) (i32.const 12)
      (i64.const 13) (i64.const 14) (i32.const 15) (i32.const 16)))
  (func $close (export "close") (param i32) (result i32) (call $fd_close (local.get 0)))
"""


def imports(leave_out: str = "", **changed: str) -> str:
    """The imports that the hooks need, as text."""
    return "\n".join(
        f'(import "wasi_snapshot_preview1" "{name}" (func ${name} {changed.get(name, signature)}))'
        for name, signature in IMPORTS.items()
        if name != leave_out
    )


def guest(body: str = "", *, drivers: str = DRIVERS, functions: str | None = None, table: str | None = None) -> bytes:
    """A module that `rewrite` accepts; `body` comes last, `table` and `functions` replace the usual lines."""
    text = f"""(module
      {imports() if functions is None else functions}
      {"(table 8 funcref)" if table is None else table}
      (memory (export "memory") 2 10)
      {drivers}
      {body})"""
    return bytes(wasmtime.wat2wasm(text))


def section(number: int, payload: bytes) -> bytes:
    return bytes([number]) + encode_unsigned(len(payload)) + payload


def vector(items: list[bytes]) -> bytes:
    return encode_unsigned(len(items)) + b"".join(items)


def named(text: str) -> bytes:
    return encode_unsigned(len(text.encode())) + text.encode()


def sized(body: bytes) -> bytes:
    return encode_unsigned(len(body)) + body


def function_type(params: bytes, results: bytes) -> bytes:
    return b"\x60" + sized(params) + sized(results)


I32, I64 = b"\x7f", b"\x7e"
HOOK_TYPES = [
    function_type(I32 * 4, I32),
    function_type(I32 * 5 + I64 * 2 + I32 * 2, I32),
    function_type(I32, I32),
    function_type(I32 * 5, I32),
    function_type(b"", b""),
]
PROCEDURE = 4
HOOK_IMPORTS = [
    named("wasi_snapshot_preview1") + named(name) + b"\0" + bytes([place]) for place, name in enumerate(IMPORTS)
]


def raw_guest(
    bodies: list[bytes],
    *,
    data: list[bytes] | None = None,
    elements: list[bytes] | None = None,
    custom: bytes = b"",
    pages: int = 2,
) -> bytes:
    """A module made of raw bodies of type () -> (), with the needed imports as functions 0 to 3."""
    parts = [
        HEADER,
        section(1, vector(HOOK_TYPES)),
        section(2, vector(HOOK_IMPORTS)),
        section(3, vector([bytes([PROCEDURE])] * len(bodies))),
        section(4, vector([b"\x70\0" + encode_unsigned(8)])),
        section(5, vector([b"\0" + encode_unsigned(pages)])),
        section(6, vector([b"\x7f\x01\x41\x2a\x0b"])),
        section(7, vector([named("memory") + b"\2\0"])),
    ]
    if elements is not None:
        parts.append(section(9, vector(elements)))
    parts.append(section(10, vector([sized(body) for body in bodies])))
    if data is not None:
        parts.append(section(11, vector(data)))
    return b"".join(parts) + custom


def indices(module: bytes) -> dict[str, int]:
    """Function index of each `$name` of the text."""
    return {name: index for index, name in function_names(module).items()}


def keeping(module: bytes, *names: str) -> Rewritten:
    """Rewrite to a slice of the named functions."""
    found = indices(module)
    return rewrite(module, keep=[(found[name], found[name]) for name in names])


@dataclass
class Host:
    """An instance of a rewritten module; `calls` records the WASI functions that it reached."""

    rewritten: Rewritten
    answers: dict[str, int] = field(default_factory=dict)
    calls: list[tuple] = field(default_factory=list)

    def __post_init__(self):
        config = wasmtime.Config()
        config.wasm_exceptions = True
        config.wasm_tail_call = True
        config.wasm_multi_memory = True
        engine = wasmtime.Engine(config)
        self.module = wasmtime.Module(engine, self.rewritten.code)
        self.store = wasmtime.Store(engine)
        linker = wasmtime.Linker(engine)
        unique = {(entry.module, entry.name): entry.type for entry in self.module.imports}
        for (module, name), signature in unique.items():
            linker.define_func(module, name, signature, self._recorder(name))
        self.instance = linker.instantiate(self.store, self.module)
        self.exports = self.instance.exports(self.store)

    def _recorder(self, name):
        def called(*args):
            self.calls.append((name, *args))
            return self.answers.get(name, 0)

        return called

    def call(self, name, *args):
        return self.exports[name](self.store, *args)

    def global_(self, name):
        return self.exports[name].value(self.store)

    def set_global(self, name, value):
        self.exports[name].set_value(self.store, value)

    def table_entry(self, index):
        return self.exports["wasihost:table"].get(self.store, index)
