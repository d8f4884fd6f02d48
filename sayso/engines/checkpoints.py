"""The table of published checkpoints that engines here can use, and where they lie on this machine. No torch, no network."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from sayso import paths
from sayso.errors import BadWeights, Unknown

MANIFEST = "sayso-files.json"  # written by `sayso pull`: the size and sha256 of every file


@dataclass(frozen=True)
class Source:
    """Files of one repository. `files`: patterns in the manner of the shell; `folder`: under the checkpoint's, "" = itself.

    `gated`: its owner asks for an account and consent first.
    """

    repository: str
    files: tuple[str, ...]
    folder: str = ""
    gated: bool = False


@dataclass(frozen=True)
class Published:
    """One row. `gigabytes`: of all files, about; `licence`: the weights'."""

    name: str
    summary: str
    gigabytes: float
    licence: str
    sources: tuple[Source, ...]


_I1 = "HiDream-ai/HiDream-I1-Full"
_SHARED = ("model_index.json", *(f"{part}/*" for part in ("scheduler", "text_encoder", "text_encoder_2", "text_encoder_3", "tokenizer",
                                                          "tokenizer_2", "tokenizer_3", "vae")))
_TRANSFORMER = ("transformer/*.json", "transformer/*.safetensors")
_LLAMA = Source("meta-llama/Llama-3.1-8B-Instruct", ("*.safetensors", "*.json", "tokenizer*"), "llama", gated=True)
_LICENCE = "MIT; its Llama text encoder under Meta's Llama 3.1 licence"


def _hidream(name: str, summary: str, gigabytes: float, *sources: Source) -> Published:
    return Published(name, summary, gigabytes, _LICENCE, (*sources, _LLAMA))


TABLE = {row.name: row for row in (
    Published("bagel", "BAGEL-7B-MoT: draws, edits, answers and thinks", 29.6, "Apache-2.0",
              (Source("ByteDance-Seed/BAGEL-7B-MoT", ("*.json", "*.txt", "ema.safetensors", "ae.safetensors")),)),
    _hidream("hidream-i1-full", "HiDream-I1: draws in 50 guided steps", 63.4, Source(_I1, (*_TRANSFORMER, *_SHARED))),
    _hidream("hidream-i1-dev", "HiDream-I1, distilled: draws in 28 steps", 63.4,
             Source("HiDream-ai/HiDream-I1-Dev", (*_TRANSFORMER, *_SHARED))),
    _hidream("hidream-i1-fast", "HiDream-I1, distilled: draws in 16 steps", 63.4,
             Source("HiDream-ai/HiDream-I1-Fast", (*_TRANSFORMER, *_SHARED))),
    _hidream("hidream-e1", "HiDream-E1: edits by instruction", 63.7, Source(_I1, (*_TRANSFORMER, *_SHARED)),
             Source("HiDream-ai/HiDream-E1-Full", ("HiDream-E1-Full.safetensors",), "lora")),
    _hidream("hidream-e1.1", "HiDream-E1.1: edits by instruction, at the picture's own shape", 63.4, Source(_I1, _SHARED),
             Source("HiDream-ai/HiDream-E1-1", _TRANSFORMER)),
)}


def published(name: str) -> Published:
    """One row; raises Unknown with the nearest name."""
    if name not in TABLE:
        raise Unknown("checkpoint", name, tuple(TABLE))
    return TABLE[name]


def home(name: str) -> Path:
    """Where `sayso pull` puts a checkpoint; `SAYSO_MODELS` moves the folder of all."""
    return paths.models() / name


def folder(name: str, chosen: Path | None) -> Path:
    """The folder with a checkpoint: the chosen one, what `sayso pull` fetched, or a snapshot in the Hugging Face cache.

    Raises BadWeights when there is none.
    """
    if chosen is not None:
        if not chosen.is_dir():
            raise BadWeights(f"there is no folder {chosen}; give one with --weights that holds the checkpoint's files")
        return chosen
    if (home(name) / MANIFEST).exists():
        return home(name)
    if sum(not source.gated for source in TABLE[name].sources) == 1:  # a snapshot of one repository is no checkpoint made of several
        for snapshot in _cached(TABLE[name].sources[0].repository):
            return snapshot
    if home(name).exists():
        raise BadWeights(f"the weights in {home(name)} are not complete; run `sayso pull {name}` again, it goes on where it stopped")
    raise BadWeights(f"its weights are not here; fetch them with `sayso pull {name}` (about {TABLE[name].gigabytes:g} GB) "
                     "or give their folder with --weights")


def missing(name: str) -> str | None:
    """Why a checkpoint cannot be used, as a clause, or None."""
    try:
        folder(name, None)
    except BadWeights as error:
        return str(error)
    return None


def _cached(repository: str) -> list[Path]:
    """Snapshots of a repository in the Hugging Face cache, the newest first."""
    env = os.environ
    home = Path(env.get("HF_HOME") or Path(env.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "huggingface")
    root = Path(env.get("HF_HUB_CACHE") or home / "hub") / ("models--" + repository.replace("/", "--")) / "snapshots"
    if not root.is_dir():
        return []
    return sorted((path for path in root.iterdir() if path.is_dir()), key=lambda path: path.stat().st_mtime, reverse=True)


def recorded(where: Path) -> dict[str, str]:
    """File → sha256 as `sayso pull` checked them, empty where it did not."""
    try:
        rows = json.loads((where / MANIFEST).read_text(encoding="utf-8"))["files"]
        return {str(name): str(row["sha256"]) for name, row in rows.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
