"""What several classes of attack share."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def big_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 20,000 empty files."""
    folder = tmp_path_factory.mktemp("big")
    for number in range(20_000):
        (folder / f"file-{number:05d}").touch()
    return folder
