"""Colours as they are seen in a picture, by the name that they have in the drawn world."""

from __future__ import annotations

import numpy as np

from sayso.engines.votes import Votes
from sayso.world.colours import COLOURS, rgb

TINT = 30.0  # of 255: how far from a named colour what the eye says of a tint may lie


def named(colour: np.ndarray, near: float) -> str:
    """A colour [3] of 0..255 as "#rrggbb": the named one that is nearest, where its channels are no farther than `near` on average."""
    away = {c.hex: float(np.abs(colour - rgb(c.hex)).mean()) for c in COLOURS}
    nearest = min(away, key=lambda hexed: away[hexed])
    return nearest if away[nearest] <= near else "#" + "".join(f"{round(float(c)):02x}" for c in np.clip(colour, 0, 255))


def said_tint(votes: Votes) -> np.ndarray:
    """The colour [3], 0..255, that the eye says of a thing that has one."""
    mean: np.ndarray = (np.average(votes.tint[:, 1:], axis=0, weights=votes.tint[:, 0] + 1e-6) + 1) * 127.5
    return mean


def tint_of(votes: Votes) -> str:
    """The same by its name, where it has one."""
    return named(said_tint(votes), TINT)
