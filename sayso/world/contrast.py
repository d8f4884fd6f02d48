"""Whether two colours are far enough apart to be seen on each other, fast enough to ask for every sampled scene."""

from __future__ import annotations

from functools import cache

import numpy as np

from sayso.world.colours import COLOURS, ciede2000, difference, rgb, to_lab

APART = 25.0  # CIEDE2000
_MARGIN = 1.5  # the cube below is judged by its corners; inside a cell the difference can be a little smaller


@cache
def _index() -> dict[str, int]:
    return {c.hex: i for i, c in enumerate(COLOURS)}


@cache
def _named() -> list[list[bool]]:
    """[i][j]: whether COLOURS[i] and COLOURS[j] are at least APART."""
    lab = to_lab(np.array([rgb(c.hex) for c in COLOURS]))
    rows: list[list[bool]] = (ciede2000(lab[:, None], lab[None]) >= APART).tolist()
    return rows


@cache
def _cube() -> np.ndarray:
    """bool [16, 16, 16, COLOURS]: whether every colour in that cell of the RGB cube is at least APART from the named one."""
    steps = np.arange(17) * 16
    corners = to_lab(np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1))
    named = to_lab(np.array([rgb(c.hex) for c in COLOURS]))
    far = ciede2000(corners[..., None, :], named) >= APART + _MARGIN
    for axis in range(3):
        low = [slice(None)] * 4
        high = list(low)
        low[axis], high[axis] = slice(0, 16), slice(1, 17)
        far = far[tuple(low)] & far[tuple(high)]
    return far


def apart(a: str, b: str) -> bool:
    """Whether two "#rrggbb" colours differ by at least APART. Exact for two named or two free colours; between a named
    and a free one it errs on the strict side."""
    i, j = _index().get(a), _index().get(b)
    if i is not None and j is not None:
        return _named()[i][j]
    if i is None and j is None:
        return difference(a, b) >= APART
    (red, green, blue), word = (rgb(b), i) if j is None else (rgb(a), j)
    return bool(_cube()[red >> 4, green >> 4, blue >> 4, word])


def all_apart(colours: tuple[str, ...], others: tuple[str, ...]) -> bool:
    """Whether each colour is apart from each of the others."""
    return all(apart(a, b) for a in colours for b in others)
