"""Blocks of measured figures in a page, each between two markers of its own."""

from __future__ import annotations

import os
from pathlib import Path

from sayso.errors import CannotWrite


def put(path: Path, name: str, text: str) -> None:
    """Puts the text between the markers of `name`, made at the end of the page where there are none. Raises CannotWrite."""
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    block = f"{begin}\n{text}\n{end}"
    try:
        page = path.read_text(encoding="utf-8") if path.exists() else "# How fast it is\n"
        if begin in page and end in page:
            before, rest = page.split(begin, 1)
            page = before + block + rest.split(end, 1)[1]
        else:
            page = page.rstrip() + f"\n\n{block}\n"
        part = path.with_name(path.name + ".part")
        part.write_text(page, encoding="utf-8")
        os.replace(part, path)
    except OSError as error:
        raise CannotWrite(f"cannot write {path} ({error.strerror}); run this in the repository's folder") from error
