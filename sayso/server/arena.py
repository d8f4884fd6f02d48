"""Ratings from votes between two: a Bradley-Terry model fitted by choix, with 95 % intervals, on the Elo scale.

Each vote counts as two half votes, so that one that likes both, or neither, goes half to each side. Before any vote, strengths are
taken to lie normally around the mean (`PRIOR`): it keeps those finite that have only won or only lost, and moves those that were
voted on often by next to nothing. Intervals come from the curvature at the fit (Laplace's approximation), so that two votes of two
give a wide one where drawing from the votes again would give none at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

ELO = 400 / np.log(10)  # points of one unit of log odds
PRIOR = 2.0  # standard deviation of strengths before any vote, in log odds: 347 points
NORMAL = 1.959964  # standard deviations that hold 95 %
HALVES = {"left": (True, True), "right": (False, False), "tie": (True, False), "both_bad": (True, False)}  # whether the left wins each half


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


def standings(ballots: Sequence[Ballot]) -> list[Rated]:
    """Ratings around a mean of 1000 with their 95 % intervals; best first."""
    names = sorted({name for ballot in ballots for name in (ballot.left, ballot.right)})
    if not names:
        return []
    place = {name: i for i, name in enumerate(names)}
    sides = [(place[ballot.left], place[ballot.right], HALVES[ballot.choice]) for ballot in ballots]
    points, spread = fit(len(names), [(a, b) if won else (b, a) for a, b, halves in sides for won in halves])
    votes = np.bincount([side for a, b, _ in sides for side in (a, b)])
    rows = [
        Rated(name, points[i], points[i] - NORMAL * spread[i], points[i] + NORMAL * spread[i], int(votes[i])) for name, i in place.items()
    ]
    return sorted(rows, key=lambda row: -row.rating)


def fit(count: int, halves: list[tuple[int, int]]) -> tuple[list[float], list[float]]:
    """Points of `count` sides and their standard deviations around the mean, from half votes (winner, loser)."""
    from choix.opt import PairwiseFcts, opt_pairwise  # brings scipy, which only ratings need

    # choix weighs alpha · |x|² against every comparison; a half vote is half of one, so alpha doubles with them.
    alpha = 2 * 0.5 / PRIOR**2
    strengths = opt_pairwise(count, halves, alpha=alpha, tol=1e-9)
    around = np.eye(count) - 1 / count  # what all share is no strength
    covariance = around @ np.linalg.inv(PairwiseFcts(halves, alpha).hessian(strengths) / 2) @ around
    points = 1000 + ELO * (strengths - strengths.mean())
    return points.tolist(), (ELO * np.sqrt(np.diag(covariance))).tolist()
