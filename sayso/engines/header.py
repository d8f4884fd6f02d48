"""What a checkpoint says of itself, read without torch, so that lists of engines and concepts answer at once."""

from __future__ import annotations

import hashlib
import json
import os
import struct
from pathlib import Path
from typing import Any

from sayso import paths
from sayso.errors import BadWeights
from sayso.types import Ability


def facts_digest(found: dict[str, Any]) -> str:
    """SHA-256 over the facts themselves, without the two hashes."""
    plain = {k: v for k, v in found.items() if k not in ("sha256", "facts_sha256")}
    return hashlib.sha256(json.dumps(plain, ensure_ascii=False, sort_keys=True).encode()).hexdigest()


def facts(path: Path) -> dict[str, Any]:
    """The facts in the header, without reading any weights. Raises BadWeights."""
    try:
        with path.open("rb") as f:
            (size,) = struct.unpack("<Q", f.read(8))
            if not 2 <= size <= 100_000_000 or size > path.stat().st_size:
                raise ValueError("header length out of range")
            found = json.loads(json.loads(f.read(size))["__metadata__"]["sayso"])
            if not isinstance(found, dict):
                raise TypeError("the facts are not a table")
            if found.get("facts_sha256") != facts_digest(found):
                raise ValueError("the header's hash is not the one it was saved with")
            return found
    except FileNotFoundError:
        raise BadWeights(f"no weights at {path}; give another path or train a model with `sayso train`") from None
    except (OSError, ValueError, KeyError, TypeError, RecursionError, struct.error) as error:
        raise BadWeights(f"{path} is not a sayso checkpoint or is damaged ({error}); fetch the file again") from error


def pocket_weights() -> Path:
    """The pocket model's file: `SAYSO_WEIGHTS`, or the one in the package."""
    chosen = os.environ.get("SAYSO_WEIGHTS")
    return Path(chosen) if chosen else paths.WEIGHTS / "pocket" / "model.safetensors"


def finisher_weights() -> Path:
    return paths.WEIGHTS / "pocket" / "finisher.safetensors"


def abilities(found: dict[str, Any]) -> frozenset[Ability]:
    """What weights say they were trained for; files from before they said so draw. A later version's words are left out."""
    known = {ability.value: ability for ability in Ability}
    return frozenset(known[word] for word in found.get("abilities", ("draw", "transparent")) if word in known)


def pocket_abilities() -> frozenset[Ability]:
    """Those of the pocket model at hand; of a file that cannot be read, what every pocket model can."""
    try:
        return abilities(facts(pocket_weights()))
    except BadWeights:
        return abilities({})
