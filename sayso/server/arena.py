"""Ratings from votes between two: a Bradley-Terry model, fitted by minorisation (Hunter 2004), on the Elo scale.

A vote that likes both, or neither, counts half for each. One even result against an imagined engine of middle strength keeps
the strengths finite where someone has only won.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

RESAMPLES = 200
SHARE = {"left": 1.0, "right": 0.0, "tie": 0.5, "both_bad": 0.5}


@dataclass(frozen=True)
class Ballot:
    """One vote. `choice`: left, right, tie or both_bad."""

    left: str
    right: str
    choice: str


@dataclass(frozen=True)
class Rated:
    name: str
    rating: float
    low: float
    high: float
    votes: int


def strengths(wins: np.ndarray) -> np.ndarray:
    """float [N] Elo ratings with mean 1000 from `wins` [N, N]: how often the row beat the column, halves allowed."""
    count = len(wins)
    games, won = wins + wins.T, wins.sum(1) + 0.5
    power = np.ones(count)
    for _ in range(500):
        apart = games / (power[:, None] + power[None, :])
        fresh = won / (apart.sum(1) + 1 / (power + 1))
        fresh /= np.exp(np.log(fresh).mean())
        if np.abs(np.log(fresh / power)).max() < 1e-9:
            break
        power = fresh
    return 1000 + 400 * np.log10(power)


def _table(ballots: Sequence[Ballot], place: dict[str, int]) -> np.ndarray:
    wins = np.zeros((len(place), len(place)))
    for ballot in ballots:
        share = SHARE[ballot.choice]
        wins[place[ballot.left], place[ballot.right]] += share
        wins[place[ballot.right], place[ballot.left]] += 1 - share
    return wins


def standings(ballots: Sequence[Ballot], seed: int = 0) -> list[Rated]:
    """Ratings with 95 % intervals by resampling the votes; best first."""
    names = sorted({name for ballot in ballots for name in (ballot.left, ballot.right)})
    if not names:
        return []
    place = {name: i for i, name in enumerate(names)}
    point = strengths(_table(ballots, place))
    chance = np.random.default_rng(seed)
    drawn = np.array(
        [strengths(_table([ballots[i] for i in chance.integers(0, len(ballots), len(ballots))], place)) for _ in range(RESAMPLES)]
    )
    low, high = np.quantile(drawn, (0.025, 0.975), axis=0)
    votes = {name: sum(name in (ballot.left, ballot.right) for ballot in ballots) for name in names}
    rows = [Rated(name, float(point[i]), float(low[i]), float(high[i]), votes[name]) for name, i in place.items()]
    return sorted(rows, key=lambda row: -row.rating)
