"""Looking for a drawing that was asked for and not found: where things lie over one another, or hardly differ from the background.

A matched filter over the picture's difference from its background (by Fourier transform, over places and sizes) proposes where it
could be; it is then registered against what is known to lie behind and before it, and believed when it explains the picture
there well and no other drawing explains it better.
"""

from __future__ import annotations

import numpy as np
from scipy import fft, ndimage

from sayso.world.judge.looker import Looker, Thing, stamp
from sayso.world.judge.match import TURNS, Candidate, Difference
from sayso.world.judge.warp import halves, resampler

Tint = tuple[float, float, float] | None
SIZES = tuple(0.15 * 1.19**i for i in range(11))  # of the shorter side
MOST_COPIES = 12
STARTS = 6  # places that are looked at closely
BELIEVED = 0.84  # score from which a drawing that was looked for is there
VISIBLE = 0.55  # least share of a drawing that must be in view
RIVAL = 0.012  # by how much another drawing must fit better to be the one that is there


class _Plane:
    """A difference [h, w, 3] from what lies behind, at half size, made ready for correlation."""

    def __init__(self, diff: np.ndarray, field: np.ndarray) -> None:
        self.diff = halves(diff, 1)[1]
        self.behind = field.reshape(-1, 3).mean(0)
        h, w = self.diff.shape[:2]
        self.shape = (fft.next_fast_len(2 * h), fft.next_fast_len(2 * w))
        self.spectra = [fft.rfft2(self.diff[..., c], self.shape) for c in range(3)]
        self.summed = np.pad((self.diff**2).sum(-1).cumsum(0).cumsum(1), ((1, 0), (1, 0)))

    def cross(self, model: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """A drawing's difference [n, n, 3] against the picture's at every place: their product, and the picture's energy there."""
        h, w = self.diff.shape[:2]
        n = len(model)
        spectrum = sum(self.spectra[c] * np.conj(fft.rfft2(model[..., c], self.shape)) for c in range(3))
        cross = fft.irfft2(spectrum, self.shape)[: h - n + 1, : w - n + 1]
        total = self.summed
        return cross, total[n:, n:] - total[:-n, n:] - total[n:, :-n] + total[:-n, :-n]


class Search:
    """Looks for drawings in one picture."""

    def __init__(self, looker: Looker) -> None:
        self.looker = looker
        self.matcher = looker.matcher
        self.plane = _Plane(looker.diff, looker.field)

    def propose(self, row: int, tint: Tint, plane: _Plane | None = None, sizes: tuple[float, ...] = SIZES) -> list[Candidate]:
        """The STARTS likeliest places and sizes of a drawing: those that explain most, and those that look most like it."""
        plane = plane or self.plane
        sprite = self.matcher.coloured(Candidate(row, (0, 0, 1, 0, 1), tint, 0))
        gains: list[Candidate] = []
        likes: list[Candidate] = []
        short = min(self.looker.mask.shape)
        for size in sizes:
            n = max(5, round(size * short / 2))
            if n > min(plane.diff.shape[:2]):
                continue
            across = resampler(sprite.shape[0], n, 0.5, max(0.5 / n, 0.006))
            drawn = np.einsum("my,nx,yxc->mnc", across, across, sprite, optimize=True)
            model = drawn[..., :3] - drawn[..., 3:] * plane.behind
            for mirror in (1.0, -1.0):
                cross, around = plane.cross(model if mirror > 0 else model[:, ::-1])
                own = float((model**2).sum())
                for found, map_ in ((gains, 2 * cross - own), (likes, 2 * cross / (around + own + 1e-6))):
                    y, x = np.unravel_index(int(np.argmax(map_)), map_.shape)
                    box = (2 * (x + n / 2) - 0.5, 2 * (y + n / 2) - 0.5, 2.0 * n, 0.0, mirror)
                    found.append(Candidate(row, box, tint, float(map_[y, x])))
        best = [sorted(some, key=lambda c: -c.score)[: STARTS // 2] for some in (gains, likes)]
        return best[0] + [c for c in best[1] if c.box not in [g.box for g in best[0]]]

    def pair(self, rows: list[tuple[int, Tint]]) -> list[Thing | None]:
        """Drawings (row, tint) that lie over one another, lowest first → the thing each is, None where it is not there."""
        all_of_it = np.ones(self.looker.mask.shape, np.float32)
        places = [self._settle(self.propose(row, tint), self.looker.field, all_of_it) for row, tint in rows]
        for _ in range(2):
            for k in range(len(rows)):
                behind, before = self._around(places, k)
                starts = [c for c in (places[k],) if c is not None]
                if not starts or starts[0].score < BELIEVED:
                    starts += self.propose(*rows[k], _Plane((self.looker.rgb - behind) * (1 - before)[..., None], behind))
                places[k] = self._settle(starts, behind, 1 - before)
        return [self._believed(places, k) for k in range(len(rows))]

    def single(self, row: int, tint: Tint, known: list[Thing]) -> Thing | None:
        """One drawing beside things that are known, or None where it is not there."""
        weight = np.ones(self.looker.mask.shape, np.float32)
        for thing in known:
            weight[thing.mask] = 0
        best = self._settle(self.propose(row, tint), self.looker.field, weight)
        return self._judged(best, Difference(self.looker.field, self.looker.diff, weight, self.looker.blur))

    def copies(self, like: Candidate, spare: np.ndarray) -> list[Thing]:
        """Further copies of a drawing, about as large, in the part of the picture that nothing explains yet."""
        shape, out = self.looker.mask.shape, []
        spare = spare.copy()
        sizes = tuple(like.box[2] / min(shape) * s for s in (0.76, 0.87, 1.0, 1.15, 1.32))
        for _ in range(MOST_COPIES):
            if spare.sum() < 0.06 * like.box[2] ** 2:
                break
            plane = _Plane(self.looker.diff * spare[..., None], self.looker.field)
            near = self.propose(like.row, like.tint, plane, sizes)
            others = self.looker.mask & ~spare
            best = self._settle(near, self.looker.field, np.where(others, 0.0, 1.0))
            if best is None or best.score < BELIEVED or self._shown(best, ~others * 1.0) < 0.8:
                break
            alpha = stamp(self.matcher, best, shape)[..., 3]
            mask = spare & (alpha > 0.3)
            if mask.sum() < 0.5 * (alpha > 0.3).sum():
                break  # mostly where something else is: the soft rim of a copy already found
            out.append(Thing(mask, float((self.looker.strength[mask] ** 2).sum()), [best]))
            spare &= ~ndimage.binary_dilation(alpha > 0.05, iterations=self.looker.rim)
        return out

    def _around(self, places: list[Candidate | None], k: int) -> tuple[np.ndarray, np.ndarray]:
        """What lies behind the k-th [h, w, 3], and the alpha of what lies before it [h, w]."""
        shape = self.looker.mask.shape
        behind, before = self.looker.field, np.zeros(shape, np.float32)
        for i, at in enumerate(places):
            if at is None or i == k:
                continue
            over = stamp(self.matcher, at, shape)
            if i < k:
                behind = over[..., :3] + (1 - over[..., 3:]) * behind
            else:
                before = before + (1 - before) * over[..., 3]
        return behind.astype(np.float32), np.where(before > 0.05, 1.0, 0.0).astype(np.float32)

    def _settle(self, starts: list[Candidate], behind: np.ndarray, weight: np.ndarray) -> Candidate | None:
        seen = Difference(behind, self.looker.rgb - behind, weight.astype(np.float32), self.looker.blur)
        refined = [self.matcher.refine(seen, [c], 5)[0] for c in starts]
        return max(refined, key=lambda c: c.score) if refined else None

    def _believed(self, places: list[Candidate | None], k: int) -> Thing | None:
        behind, before = self._around(places, k)
        return self._judged(places[k], Difference(behind, self.looker.rgb - behind, 1 - before, self.looker.blur))

    def _shown(self, best: Candidate, weight: np.ndarray) -> float:
        """Share of a drawing that lies where the picture counts."""
        alpha = stamp(self.matcher, best, weight.shape)[..., 3]
        side = best.box[2]
        whole = max(float(alpha.sum()), 0.05 * side**2, 1e-6)
        return float((alpha * weight).sum()) / whole

    def _judged(self, best: Candidate | None, seen: Difference) -> Thing | None:
        """The thing a candidate is, unless it fits badly or some other drawing fits better in its place."""
        if best is None or best.score < BELIEVED or self._shown(best, seen.weight) < VISIBLE:
            return None
        x, y, side, turn, mirror = best.box
        mx, my, spread = (float(v) for v in self.matcher.bank.moments[best.row])
        dx, dy = mx * mirror * side, my * side
        cos, sin = float(np.cos(turn)), float(np.sin(turn))
        at = (x + cos * dx - sin * dy, y + sin * dx + cos * dy, spread * side)
        windows = np.array([(*at, t, m) for t in {turn, TURNS[1]} for m in (1, -1)], np.float32)
        rivals = self.matcher.refine(seen, [c for c in self.matcher.coarse(seen, windows, 10) if c.row != best.row])
        if rivals and rivals[0].score > best.score + RIVAL:
            return None
        mask = stamp(self.matcher, best, self.looker.mask.shape)[..., 3] > 0.5
        energy = float((self.looker.strength[mask] ** 2).sum())
        return Thing(mask, energy, [best, *rivals[:6]])
