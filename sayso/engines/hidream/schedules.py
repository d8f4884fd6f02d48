"""The tables of times that HiDream's releases step through, in float64, with the timesteps that the model is told.

`shifted(u, s) = s · u / (1 + (s − 1) · u)`. Three tables exist for the Full model: that of its own code, and those of two
generations of diffusers. Ours is the first; the others reproduce what those tools draw.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

TRAINED = 1000  # timesteps of training
LAST = 0.001
FULL_SHIFT = np.exp(1.15)  # what Full's own code derives from 4096 tokens


@dataclass(frozen=True)
class Schedule:
    """`times`: falling, the last is 0. `timesteps`: one for each but the last, on the scale 0…1000."""

    times: tuple[float, ...]
    timesteps: tuple[float, ...]

    @property
    def steps(self) -> int:
        return len(self.timesteps)


def shifted(u: np.ndarray | float, s: float) -> np.ndarray:
    return np.asarray(s * u / (1 + (s - 1) * u), dtype=np.float64)


def _made(times: np.ndarray, whole: bool) -> Schedule:
    """Times as float32 has them, so that timesteps are cut where the releases cut them."""
    times = times.astype(np.float32)
    steps = times * np.float32(TRAINED)
    return Schedule((*times.astype(float).tolist(), 0.0), tuple(np.trunc(steps).tolist() if whole else steps.tolist()))


def official(steps: int, shift: float) -> Schedule:
    """The table of HiDream-I1's own code for the Full model."""
    grid = np.linspace(shifted(1 - LAST, shift), 0, steps + 1)[:-1]
    return _made(shifted(grid, FULL_SHIFT), whole=True)


def diffusers(steps: int, shift: float) -> Schedule:
    """The table of UniPC with flow sigmas in diffusers from 0.37 on; E1 runs on it."""
    times = shifted(np.linspace(1, LAST, steps + 1)[:-1], shift)
    times[0] -= 1e-6
    return _made(times, whole=True)


def legacy(steps: int, shift: float) -> Schedule:
    """The same in diffusers up to 0.36."""
    return _made(shifted((1 - LAST) * np.arange(steps, 0, -1) / steps, shift), whole=True)


def few(steps: int, shift: float) -> Schedule:
    """The table of the distilled models: the shift acts twice at its low end, and timesteps are not cut."""
    return _made(shifted(np.linspace(1, shifted(LAST, shift), steps), shift), whole=False)


TABLES: dict[str, Callable[[int, float], Schedule]] = {"official": official, "diffusers": diffusers, "legacy": legacy}


def unfinished(whole: Schedule) -> Schedule:
    """Without its last step, as the distilled models' own code runs it: what is left of the last noise stays in the picture."""
    return Schedule(whole.times[:-1], whole.timesteps[:-1])
