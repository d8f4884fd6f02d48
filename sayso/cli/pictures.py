"""Picture files that a person gives to a command, read whole and told apart from anything else."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from sayso.errors import BadInput

if TYPE_CHECKING:
    from sayso.types import Parent, Picture

LARGEST = 200_000_000  # bytes of a file
MOST = 8  # pictures in one ask


def read(path: Path) -> tuple[Picture, bytes]:
    """The picture and its file's bytes. Raises BadInput for what is missing, no file, too large or no picture."""
    from sayso.trust import formats
    from sayso.types import Picture

    try:
        if os.path.isdir(path):
            raise BadInput(f'"{path}" is a folder; give a picture\'s file')
        if not path.is_file() and path.exists():
            raise BadInput(f'"{path}" is not a plain file; give a picture\'s file')
        if path.stat().st_size > LARGEST:
            raise BadInput(f'"{path}" has more than {LARGEST:,} bytes; make the picture smaller')
        data = path.read_bytes()
    except FileNotFoundError:
        raise BadInput(f'there is no file "{path}"; give the picture\'s name') from None
    except (OSError, ValueError) as error:
        raise BadInput(f'"{path}" cannot be read ({getattr(error, "strerror", None) or error}); give another file') from error
    try:
        return Picture(formats.decode(data)), data
    except BadInput as error:
        raise BadInput(f'"{path}": {error}') from error


def given(paths: Sequence[Path]) -> list[tuple[Picture, Parent]]:
    """The pictures in order, each as a parent of what will be made: the first is edited, the others are looked at."""
    from sayso.types import Parent

    if len(paths) > MOST:
        raise BadInput(f"{len(paths)} pictures were given and {MOST} can be used; leave some out")
    out = []
    for i, path in enumerate(paths):
        picture, data = read(path)
        relation: Literal["parentOf", "inputTo"] = "parentOf" if i == 0 else "inputTo"
        out.append((picture, Parent(data, relation, path.name)))
    return out
