"""The page about the hostile suite is the one that its cases make."""

from __future__ import annotations

from pathlib import Path

import pytest
from hostile.elsewhere import ELSEWHERE
from hostile.load import CLASSES, all_cases
from hostile.table import text

ROOT = Path(__file__).parent.parent.parent
PAGE = ROOT / "docs" / "hostile-suite.md"


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == text(), (
        "run `python -m tests.security.hostile.table > docs/hostile-suite.md`"
    )


def test_every_case_is_on_the_page() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for name in all_cases():
        assert f"(../tests/security/hostile/{name}.py)" in page


@pytest.mark.parametrize(("kind", "path"), [(kind, path) for kind, rows in ELSEWHERE.items() for _, path in rows])
def test_what_is_tested_elsewhere_is_there(kind: str, path: str) -> None:
    assert kind in CLASSES
    assert "def test_" in (ROOT / path).read_text(encoding="utf-8")
