"""What one run leaves in the memory of this process: nothing."""

from __future__ import annotations

import os
import secrets
from typing import TYPE_CHECKING

from wasihost import Sandbox
from wasihost.engine.instance import Guest

if TYPE_CHECKING:
    import pytest


def test_no_bytes_of_memory_are_shared(runtime: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole memory of each guest is searched at its end, for a secret that only the first was told."""
    secret = secrets.token_hex(24)
    found = []
    end = Guest.end

    def search_and_end(guest: Guest) -> None:
        found.append(secret.encode() in guest.read(0, guest.memory_bytes()))
        end(guest)

    monkeypatch.setattr(Guest, "end", search_and_end)
    with Sandbox(runtime=runtime, containment="in-process") as sandbox:
        sandbox.run("kept = [bytes(told, 'ascii') for _ in range(10000)]", inputs={"told": secret}).check()
        sandbox.run("pass").check()
        sandbox.run("x = bytearray(2**26)").check()
        sandbox.run("import gc\nx = gc.get_objects()").check()
    assert found == [True, False, False, False]


def test_the_image_file_is_not_written(runtime: str) -> None:
    import hashlib

    with Sandbox(runtime=runtime, containment="in-process") as sandbox:
        descriptor = sandbox._runner._carrier._ready.image._descriptor
        size = os.fstat(descriptor).st_size

        def digest() -> str:
            return hashlib.sha256(os.pread(descriptor, size, 0)).hexdigest()

        before = digest()
        sandbox.run("import sys\nsys.modules.clear()\nx = bytearray(b'x') * 2**24").check()
        assert digest() == before
