"""pydantic-monty: an interpreter of its own for a part of Python, in worker processes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from driver import CALLS, Needs, Peer, Run, UnsupportedError, add, script, serve, version_of
from pydantic_monty import Monty, MountDir


class Held:
    """A session, which has a worker of its own."""

    def __init__(self, pool: Monty) -> None:
        self.open = pool.checkout()
        self.session = self.open.__enter__()
        feed(self.session, "1")

    def close(self) -> None:
        self.open.__exit__(None, None, None)


class PydanticMonty(Peer):
    """A pool, from which each run checks out a session."""

    def __init__(self) -> None:
        self.pool = Monty(max_processes=64).__enter__()

    def versions(self) -> dict[str, str]:
        return {"pydantic-monty": version_of("pydantic-monty"), "Python inside": "a part of it"}

    def runner(self, needs: Needs) -> Run:
        if needs.packages:
            raise UnsupportedError("has no pandas")
        mount = (
            MountDir(host_path=Path(needs.folder), virtual_path=self.data, mode="read-only") if needs.folder else None
        )

        def run(code: str) -> str:
            with self.pool.checkout() as session:
                return feed(session, code, mount)

        return run

    def session(self) -> Run:
        held = Held(self.pool)
        return lambda code: feed(held.session, code)

    def calling(self) -> tuple[Run, str]:
        def run(code: str) -> str:
            with self.pool.checkout() as session:
                return feed(session, code, functions={"add": add})

        return run, CALLS

    def idle(self) -> Held:
        return Held(self.pool)

    def command(self, code: str) -> list[str]:
        return [script("monty"), "-c", code]


def feed(session: Any, code: str, mount: MountDir | None = None, functions: dict[str, Any] | None = None) -> str:
    """Run code and return what it printed."""
    pieces: list[str] = []
    session.feed_run(
        code, print_callback=lambda _stream, text: pieces.append(text), mount=mount, external_lookup=functions
    )
    return "".join(pieces)


if __name__ == "__main__":
    serve(PydanticMonty())
