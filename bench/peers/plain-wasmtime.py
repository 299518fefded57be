"""Wasmtime as it comes, without an image: CPython 3.12 started anew for each run, from a module compiled beforehand.

`plain-wasmtime.py MODULE`, which is a command build of CPython that has its standard library inside.
"""

from __future__ import annotations

import hashlib
import sys
import tempfile
from pathlib import Path

from driver import Needs, Peer, Run, UnsupportedError, serve, version_of
from wasmtime import Config, Engine, ExitTrap, Linker, Module, Store, WasiConfig

FUEL = 10**12
STACK_BYTES = 8 << 20


class PlainWasmtime(Peer):
    """A store, an instance and a start of Python for each run; metered by fuel, like wasihost."""

    def __init__(self, path: Path) -> None:
        config = Config()
        config.consume_fuel = True
        config.max_wasm_stack = STACK_BYTES // 16  # on the stack of whatever thread calls
        self.engine = Engine(config)
        data = path.read_bytes()
        compiled = Path(sys.prefix) / f"{hashlib.sha256(data).hexdigest()[:16]}-{version_of('wasmtime')}.cwasm"
        if not compiled.exists():
            partial = compiled.with_suffix(".partial")
            partial.write_bytes(Module(self.engine, data).serialize())
            partial.rename(compiled)
        self.module = Module.deserialize_file(self.engine, str(compiled))
        self.linker = Linker(self.engine)
        self.linker.define_wasi()

    def versions(self) -> dict[str, str]:
        return {"wasmtime": version_of("wasmtime"), "CPython inside": "3.12"}

    def runner(self, needs: Needs) -> Run:
        if needs.packages:
            raise UnsupportedError("has no pandas")
        return lambda code: self.start(code, needs)

    def start(self, code: str, needs: Needs) -> str:
        with tempfile.NamedTemporaryFile(prefix="bench-") as out, tempfile.NamedTemporaryFile(prefix="bench-") as err:
            wasi = WasiConfig()
            wasi.argv = ["python", "-c", code]
            wasi.stdout_file, wasi.stderr_file = out.name, err.name
            if needs.folder:
                wasi.preopen_dir(needs.folder, self.data)
            store = Store(self.engine)
            store.set_fuel(FUEL)
            store.set_wasi(wasi)
            instance = self.linker.instantiate(store, self.module)
            try:
                instance.exports(store)["_start"](store)
            except ExitTrap as end:
                if end.code != 0:
                    raise RuntimeError(Path(err.name).read_text(encoding="utf-8")[-200:]) from None
            return Path(out.name).read_text(encoding="utf-8")


if __name__ == "__main__":
    serve(PlainWasmtime(Path(sys.argv[1])))
