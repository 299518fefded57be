"""`python -m wasihost` is `wasirun`."""

from __future__ import annotations

from wasihost.cli import main

if __name__ == "__main__":
    main()
