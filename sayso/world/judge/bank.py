"""The judge's memory of every drawing: exact sprites, and short descriptions of them that a whole bank is searched by.

A description is the sprite's premultiplied colours and alpha inside a window set by the alpha's moments (so that it does not
depend on place and size), as coefficients over a spatial basis common to all. Because the difference a drawing makes to a
background b is P - A * b, linear in both, one product of coefficients compares a picture's difference with all drawings on
that very background; and as a tint gives t * (0.4 + luma), linear in t but for its clamp, with all of them in any tint.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sayso import paths
from sayso.world.judge.warp import sample, unit_grid

SPRITE = 48  # pixels
GRID = 20  # samples along a description's window
REACH = 2.0  # half a window in standard deviations of the alpha
COMPONENTS = 112  # of the spatial basis; they keep over 95 % of the bank's energy
LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)
FLOOR = 0.4  # of scene.Item.tint
_VERSION = 3


@dataclass(frozen=True, eq=False)
class Bank:
    """Rows n = concept * len(styles) + style. `sprites`: uint8 [N, 48, 48, 4] straight alpha; `moments`: float32 [N, 3], the
    alpha's centre (unit sides from the box's centre) and standard deviation; `basis`: float32 [400, k]; `colour`: float32
    [N, 4 * k] (red, green, blue premultiplied, alpha); `grey`: float32 [N, k], what a white tint would give."""

    concepts: tuple[str, ...]
    styles: tuple[str, ...]
    sprites: np.ndarray
    moments: np.ndarray
    basis: np.ndarray
    colour: np.ndarray
    grey: np.ndarray

    def row(self, concept: str, style: str) -> int:
        """Row of a drawing; KeyError when it is not in the bank."""
        return self._position()[concept] * len(self.styles) + self.styles.index(style)

    def name(self, row: int) -> tuple[str, str]:
        """Row → (concept, style)."""
        return self.concepts[row // len(self.styles)], self.styles[row % len(self.styles)]

    def _position(self) -> dict[str, int]:
        known: dict[str, int] | None = self.__dict__.get("_where")
        if known is None:
            known = {slug: i for i, slug in enumerate(self.concepts)}
            self.__dict__["_where"] = known
        return known


def premultiplied(sprites: np.ndarray) -> np.ndarray:
    """uint8 [..., 4] straight alpha → float32 [..., 4] premultiplied in 0..1."""
    out = sprites.astype(np.float32) / 255.0
    out[..., :3] *= out[..., 3:]
    return out


def tintable(sprite: np.ndarray, line: bool) -> np.ndarray:
    """Premultiplied sprite [..., 4] → [...], what a white tint gives before its clamp (alpha alone in the line style)."""
    return np.asarray(sprite[..., 3] if line else FLOOR * sprite[..., 3] + sprite[..., :3] @ LUMA)


def moments_of(weight: np.ndarray) -> tuple[float, float, float]:
    """weight [h, w] >= 0 → centre x, centre y and standard deviation sqrt(var x + var y), in pixels; zeros when empty."""
    total = float(weight.sum())
    if total <= 0:
        return 0.0, 0.0, 0.0
    across, down = weight.sum(0) / total, weight.sum(1) / total
    x, y = np.arange(len(across)), np.arange(len(down))
    cx, cy = float(across @ x), float(down @ y)
    return cx, cy, float(np.sqrt(max(0.0, across @ (x - cx) ** 2 + down @ (y - cy) ** 2)))


def _describe(sprite: np.ndarray) -> tuple[np.ndarray, tuple[float, float, float]]:
    """Premultiplied sprite [48, 48, 4] → window [GRID * GRID, 4], moments in unit sides."""
    cx, cy, sigma = moments_of(sprite[..., 3])
    u, v = unit_grid(2 * GRID, REACH * max(sigma, 1.0))
    fine = sample(sprite, cx + u, cy + v).reshape(GRID, 2, GRID, 2, 4).mean((1, 3))
    centre = (SPRITE - 1) / 2
    return fine.reshape(-1, 4), ((cx - centre) / SPRITE, (cy - centre) / SPRITE, sigma / SPRITE)


def build(concepts: tuple[str, ...], styles: tuple[str, ...]) -> Bank:
    """Draws every concept in every style (3 ms each) and describes it. Raises Unknown for either."""
    from sayso.world.render import sprite

    sprites = np.stack([sprite(c, s, SPRITE) for c in concepts for s in styles])
    described = [_describe(p) for p in premultiplied(sprites)]
    windows, moments = np.stack([d[0] for d in described]), np.array([d[1] for d in described], np.float32)
    pictures = np.concatenate([windows[..., 3], windows[..., :3] @ LUMA]).astype(np.float32)  # [2N, 400]
    _, vectors = np.linalg.eigh(pictures.T @ pictures)
    basis = np.ascontiguousarray(vectors[:, ::-1][:, :COMPONENTS], dtype=np.float32)
    coefficients = np.einsum("npc,pk->nck", windows, basis).astype(np.float32)
    line = np.array([s == "line" for _ in concepts for s in styles], np.float32)[:, None]
    shaded = FLOOR * coefficients[:, 3] + np.einsum("nck,c->nk", coefficients[:, :3], LUMA)
    grey = line * coefficients[:, 3] + (1 - line) * shaded
    return Bank(concepts, styles, sprites, moments, basis, coefficients.reshape(len(sprites), -1), grey.astype(np.float32))


def _key(concepts: tuple[str, ...], styles: tuple[str, ...]) -> str:
    digest = hashlib.blake2b(f"{_VERSION} {SPRITE} {GRID} {REACH} {COMPONENTS} {concepts} {styles}".encode(), digest_size=12)
    for style in styles:
        digest.update((paths.WORLD_DATA / f"{style}.xz").read_bytes())
    return digest.hexdigest()


def _store(bank: Bank, path: Path) -> None:
    """Writes the bank beside its name and moves it into place, so that no reader ever meets half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as out:
            np.savez(out, sprites=bank.sprites, moments=bank.moments, basis=bank.basis, colour=bank.colour, grey=bank.grey)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def load(concepts: tuple[str, ...], styles: tuple[str, ...]) -> Bank:
    """The bank of these drawings, from the cache when it is there and whole, else built and cached. Raises Unknown."""
    path = paths.cache() / f"judge-{_key(concepts, styles)}.npz"
    if path.is_file():
        try:
            with np.load(path) as stored:
                return Bank(concepts, styles, **{name: stored[name] for name in ("sprites", "moments", "basis", "colour", "grey")})
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            pass  # damaged: built again below, and replaced
    bank = build(concepts, styles)
    try:
        _store(bank, path)
    except OSError:
        pass  # a full or read-only disk costs the cache, not the verdict
    return bank
