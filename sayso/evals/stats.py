"""Intervals for scores: Wilson's for shares, the bootstrap's for means.

Source of the first: E. B. Wilson, "Probable Inference, the Law of Succession, and Statistical Inference" (1927).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

Z95 = 1.959963984540054  # two-sided 95 % point of the normal distribution


def wilson(k: int, n: int, z: float = Z95) -> tuple[float, float]:
    """k of n went right → (low, high) of the share, both in 0..1; (0, 1) when n is 0. Raises ValueError unless 0 <= k <= n."""
    if not 0 <= k <= n:
        raise ValueError(f"{k} of {n} is not a share; k must lie between 0 and n")
    if n == 0:
        return 0.0, 1.0
    share, z2 = k / n, z * z
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = z / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    # At the two ends the bounds are exact; rounding must not push them past the share itself.
    return (0.0 if k == 0 else max(0.0, middle - half)), (1.0 if k == n else min(1.0, middle + half))


def bootstrap_mean(values: Sequence[float], seed: int = 0, rounds: int = 2000, level: float = 0.95) -> tuple[float, float]:
    """Percentile interval of the mean of `values` by resampling with replacement. Raises ValueError when there are none."""
    import numpy as np

    data = np.asarray(values, dtype=np.float64)
    if data.size == 0:
        raise ValueError("no values to take a mean of")
    rng = np.random.default_rng(seed)
    means = np.array([data[rng.integers(0, data.size, data.size)].mean() for _ in range(rounds)])
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def share_text(k: int, n: int) -> str:
    """"97.3 % (93.3–99.0)": the share with its Wilson interval, for tables."""
    low, high = wilson(k, n)
    return f"{100 * k / n if n else float('nan'):5.1f} % ({100 * low:.1f}–{100 * high:.1f})"
