"""Writes docs/settings.md from the table of settings."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

HEAD = """# Settings

Made by `python scripts/settings_page.py` from the fields of `Settings` in `sayso/studio/settings.py`. A setting comes from the command line, then from the
environment, then from the TOML file that `SAYSO_CONFIG` (or `sayso serve --config`) names, where it is written by its name alone: `port = 8021`.

"""


def main() -> int:
    from sayso.studio.settings import table

    (ROOT / "docs" / "settings.md").write_text(HEAD + table() + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
