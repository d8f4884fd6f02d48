"""View and walk sequences for training, drawn once ahead and kept in the cache folder: the exact renderer is too slow to
draw them for every step."""

from __future__ import annotations

import json
import os
import random
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from hashlib import blake2b
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from sayso import paths
from sayso.errors import CannotWrite
from sayso.training.config import TrainConfig
from sayso.training.tasks import Reel
from sayso.world import alley, motion, rays, solids

STEPS = 8  # of each walk
Progress = Callable[[int, int], None]


def _turntable(job: tuple[int, int]) -> tuple[str, np.ndarray]:
    """A solid's kind and its views without colours [12, S, S, 6] (solids.undyed). Training solids have seeds of their own."""
    index, side = job
    solid = solids.sample_solid(random.Random(f"train solid {index}"), solids.KINDS[index % len(solids.KINDS)])
    return solid.kind, np.stack([solids.undyed(solid, turn, side, side) for turn in range(0, 360, solids.STEP)])


def _stroll(job: tuple[int, int]) -> tuple[tuple[str, ...], np.ndarray, np.ndarray]:
    """The places of a walk, written out, sketches of them and what is seen there [9, S, S, 4].

    Alleys to train in have numbers below zero.
    """
    index, side = job
    place = motion.begun(-1 - index, tuple(alley.MOODS)[index % len(alley.MOODS)])
    there, walker = alley.numbered(-1 - index, place.mood)
    places = [place]
    for step in alley.sample_walk(there, walker, random.Random(f"walk {index}"), STEPS):
        places.append(motion.stepped(places[-1], step))
    seen = [alley.render(there, alley.Walker(p.cell, p.way), side, side) for p in places]
    return tuple(map(motion.write, places)), np.stack([motion.sketched(p, side, side) for p in places]), np.stack(seen)


def _path(turntables: int, walks: int, side: int) -> Path:
    """Where a reel of that size lies; another renderer makes another reel."""
    digest = blake2b(digest_size=8)
    for module in (alley, rays, solids):
        assert module.__file__ is not None
        digest.update(Path(module.__file__).read_bytes())
    return paths.cache() / "reels" / f"{turntables}-{walks}-{side}-{digest.hexdigest()}.safetensors"


def build(turntables: int, walks: int, side: int, workers: int, progress: Progress | None = None) -> Reel:
    """The reel of so many solids and walks in squares of `side` pixels, from the cache folder or drawn now."""
    path = _path(turntables, walks, side)
    if not path.exists():
        with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
            first = pool.map(_turntable, [(i, side) for i in range(turntables)])
            second = pool.map(_stroll, [(i, side) for i in range(walks)])
            views = list(_told(first, 0, turntables + walks, progress))
            strolls = list(_told(second, turntables, turntables + walks, progress))
        words = {"views": [kind for kind, _ in views], "walks": [places for places, _, _ in strolls]}
        arrays = {
            "views": np.stack([v for _, v in views]),
            "sketches": np.stack([s for _, s, _ in strolls]),
            "walks": np.stack([w for _, _, w in strolls]),
            "words": np.frombuffer(json.dumps(words).encode(), dtype=np.uint8),
        }
        _store(path, arrays)
    return _load(path)


def _told(results, done: int, total: int, progress: Progress | None):  # type: ignore[no-untyped-def]
    for result in results:
        done += 1
        if progress is not None:
            progress(done, total)
        yield result


def _store(path: Path, arrays: dict[str, np.ndarray]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".part")
        os.close(handle)
        try:
            save_file({k: np.ascontiguousarray(v) for k, v in arrays.items()}, temporary)
            os.replace(temporary, path)
        finally:
            Path(temporary).unlink(missing_ok=True)
    except OSError as error:
        raise CannotWrite(f'cannot write to "{path.parent}" ({error.strerror}); set SAYSO_CACHE to another folder') from error


def _load(path: Path) -> Reel:
    arrays = load_file(path)
    words = json.loads(arrays["words"].tobytes())
    views = tuple(zip(words["views"], arrays["views"], strict=True))
    strolls = zip(words["walks"], arrays["sketches"], arrays["walks"], strict=True)
    walks = tuple((tuple(map(motion.read, places)), sketches, seen) for places, sketches, seen in strolls)
    return Reel(views, walks)


def needed(config: TrainConfig) -> bool:
    return any(name in ("views", "walk") and share > 0 for name, share in config.tasks)


def reel_of(config: TrainConfig, workers: int = 1, progress: Progress | None = None) -> Reel:
    """The reel of a run, in squares of its last stage's side: oblong steps show the same squares stretched to their patches."""
    side = config.patch * round(config.stages[-1].tokens ** 0.5)
    return build(config.reel[0], config.reel[1], side, workers, progress)
