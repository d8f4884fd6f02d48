"""Sprites for the compositor, drawn once by the exact renderer and kept in the cache folder. No torch in here."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from hashlib import blake2b
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from sayso import paths
from sayso.errors import CannotWrite
from sayso.world import art, backdrops, colours, fonts, render, svg
from sayso.world.scene import BACKDROP_VARIANTS, BACKDROPS, PATTERNS, Background

Progress = Callable[[int, int], None]
"""Called with (sprites drawn, sprites in all)."""

_CHUNK = 64
_WORKERS = 2
_DRAWN_BY = (art, backdrops, colours, fonts, render, svg)  # a change in any of these makes new sprites


def _premultiplied(straight: np.ndarray) -> np.ndarray:
    """uint8 [H, W, 4] straight → the same with colours times alpha, rounded."""
    wide = straight.astype(np.uint16)
    wide[..., :3] = (wide[..., :3] * wide[..., 3:] + 127) // 255
    return wide.astype(np.uint8)


def draw_sprites(job: tuple[tuple[tuple[str, str], ...], int]) -> np.ndarray:
    """((concept, style), ...), px → uint8 [n, px, px, 4] premultiplied."""
    wanted, px = job
    return np.stack([_premultiplied(render.sprite(concept, style, px)) for concept, style in wanted])


def draw_glyphs(job: tuple[tuple[tuple[str, str], ...], int]) -> np.ndarray:
    """((font, char), ...), px → uint8 [n, px, px] coverage."""
    wanted, px = job
    return np.stack([render.glyph_sprite(font, char, px) for font, char in wanted])


def _drawn(draw: Callable[[tuple[tuple[tuple[str, str], ...], int]], np.ndarray], wanted: Sequence[tuple[str, str]], px: int,
           progress: Callable[[int], None]) -> np.ndarray:
    """All wanted sprites in order, by two processes where that pays (resvg holds the interpreter's lock)."""
    jobs = [(tuple(wanted[k:k + _CHUNK]), px) for k in range(0, len(wanted), _CHUNK)]
    parts: list[np.ndarray] = []

    def collect(results: Iterator[np.ndarray]) -> None:
        for part in results:
            parts.append(part)
            progress(len(part))

    if len(wanted) < 6 * _CHUNK:
        collect(map(draw, jobs))
    else:
        with ProcessPoolExecutor(_WORKERS, mp_context=get_context("spawn")) as pool:
            collect(pool.map(draw, jobs))
    return np.concatenate(parts)


def _source_hash(*parameters: object) -> str:
    digest = blake2b(repr(parameters).encode(), digest_size=12)
    files = [Path(module.__file__) for module in (*_DRAWN_BY, __import__(__name__, fromlist=["x"])) if module.__file__]
    packs = sorted(p for p in paths.WORLD_DATA.iterdir() if p.suffix == ".xz")
    for path in files + packs:
        digest.update(blake2b(path.read_bytes()).digest())
    return digest.hexdigest()


def _cached(name: str, make: Callable[[], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """The arrays of that name from the cache folder, made and stored (whole or not at all) where they are not there yet."""
    target = paths.cache() / "sprites" / f"{name}.safetensors"
    if target.exists():
        try:
            arrays: dict[str, np.ndarray] = load_file(target)
            return arrays
        except (SafetensorError, OSError):  # truncated or foreign: it can be made again
            target.unlink(missing_ok=True)
    arrays = make()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=target.parent, suffix=".part")
        os.close(handle)
        try:
            save_file({k: np.ascontiguousarray(v) for k, v in arrays.items()}, temporary)
            os.replace(temporary, target)
        finally:
            Path(temporary).unlink(missing_ok=True)
    except OSError as error:
        raise CannotWrite(f'cannot write sprites to "{target.parent}" ({error.strerror}); set SAYSO_CACHE to another folder') from error
    return arrays


def art_and_glyphs(pairs: tuple[tuple[str, str], ...], glyphs: tuple[tuple[str, str], ...], px: int, glyph_px: int,
                   progress: Progress | None = None) -> tuple[np.ndarray, np.ndarray]:
    """(uint8 [pairs, px, px, 4] premultiplied, uint8 [glyphs, glyph_px, glyph_px]) for (concept, style) and (font, char).

    Raises Unknown for a concept, style or font that does not exist, CannotWrite where the cache folder is not writable.
    """
    done = 0

    def tell(n: int) -> None:
        nonlocal done
        done += n
        if progress:
            progress(done, len(pairs) + len(glyphs))

    def make() -> dict[str, np.ndarray]:
        return {"art": _drawn(draw_sprites, pairs, px, tell), "glyphs": _drawn(draw_glyphs, glyphs, glyph_px, tell)}

    arrays = _cached("art-" + _source_hash(pairs, glyphs, px, glyph_px), make)
    return arrays["art"], arrays["glyphs"]


def plates(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """(uint8 [PATTERNS, H, W]: how much of each pixel is marks; uint8 [BACKDROPS * BACKDROP_VARIANTS, H, W, 3])."""

    unit = 256 / min(height, width)  # drawn at the usual design size, so that the numbers in the SVG round as a scene's do
    w, h = width * unit, height * unit

    def drawn(background: Background) -> np.ndarray:
        return render.rasterize(render.document(backdrops.background_svg(background, w, h), width, height, w, h))[..., :3]

    def make() -> dict[str, np.ndarray]:
        marks = [drawn(Background("pattern", ("#000000", "#ffffff"), name))[..., 0] for name in PATTERNS]
        views = [drawn(Background("backdrop", name=name, variant=v)) for name in BACKDROPS for v in range(BACKDROP_VARIANTS)]
        return {"patterns": np.stack(marks), "backdrops": np.stack(views)}

    arrays = _cached(f"plates-{width}x{height}-" + _source_hash(), make)
    return arrays["patterns"], arrays["backdrops"]
