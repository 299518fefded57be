"""Reads WebAssembly modules and rewrites a stock CPython build into one that wasihost can freeze and cut into slices.

Bytes in, bytes out: nothing here knows Wasmtime, files or manifests, and nothing it is given is trusted.
`summarize` looks, `rewrite` changes, `function_names` serves whoever has to choose a slice.
"""

from __future__ import annotations

from wasihost.runtime.wasm.errors import WasmFormatError
from wasihost.runtime.wasm.names import function_names
from wasihost.runtime.wasm.rewrite import Rewritten, SavedGlobal, rewrite
from wasihost.runtime.wasm.summary import ModuleExport, ModuleImport, Summary, summarize

__all__ = [
    "ModuleExport",
    "ModuleImport",
    "Rewritten",
    "SavedGlobal",
    "Summary",
    "WasmFormatError",
    "function_names",
    "rewrite",
    "summarize",
]
