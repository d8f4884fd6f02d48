"""Which drawing, in which style and tint, makes the difference that is seen at a place: a coarse search of the whole bank by
matrix products, then the best candidates registered to the picture (Gauss-Newton over place, size and turn) and compared.

Axes: R windows, K candidates, N drawings, k coefficients, M x M samples of an art box. Pixels are those of the working size.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from sayso.world.colours import ITEM_COLOURS, rgb
from sayso.world.judge.bank import FLOOR, GRID, REACH, SPRITE, Bank, premultiplied, tintable
from sayso.world.judge.warp import halves, place, resampler, sample, unit_grid

TINTS = np.array([rgb(c.hex) for c in ITEM_COLOURS], np.float32) / 255.0  # [11, 3]
TURNS = tuple(np.radians((-20.0, 0.0, 20.0)))
M, HALF = 32, 0.56  # samples along, and half the side of, the square in which a candidate is compared (unit sides)
TINT_DOUBT = 0.008
SLOPES = 0.5  # share of a score that slopes decide
_SHADOW = (0.47, 0.38, 0.08, 0.35)  # down, radius across, radius down, opacity: the drawn world's shadow


@dataclass(frozen=True, eq=False)
class Difference:
    """`field`: float32 [h, w, 3], what lies behind; `diff`: the picture minus it; `weight`: [h, w] in 0..1, what counts;
    `blur`: standard deviation of the picture's own softness in pixels."""

    field: np.ndarray
    diff: np.ndarray
    weight: np.ndarray
    blur: float

    @cached_property
    def pyramid(self) -> list[np.ndarray]:
        """Levels of [h, w, 7]: difference, field, weight."""
        return halves(np.concatenate([self.diff, self.field, self.weight[..., None]], -1), 3)


@dataclass(frozen=True)
class Candidate:
    """`row` of the bank, `box`: x, y, side (pixels), turn (radians), mirror; `tint`: red, green, blue in 0..1 or None; `score` 0..1."""

    row: int
    box: tuple[float, float, float, float, float]
    tint: tuple[float, float, float] | None
    score: float
    shadow: bool = False


class Matcher:
    """Searches one bank."""

    def __init__(self, bank: Bank) -> None:
        self.bank = bank
        k = bank.basis.shape[1]
        self.parts = np.ascontiguousarray(bank.colour.reshape(-1, 4, k))
        self.alpha = np.ascontiguousarray(self.parts[:, 3])
        colour = self.parts[:, :3]
        self.pp, self.pa = (colour**2).sum(-1), (colour * self.alpha[:, None]).sum(-1)  # [N, 3]
        self.aa, self.gg, self.ga = (self.alpha**2).sum(-1), (bank.grey**2).sum(-1), (bank.grey * self.alpha).sum(-1)
        self.line = np.array([bank.name(n)[1] == "line" for n in range(len(self.aa))])

    def coarse(self, seen: Difference, windows: np.ndarray, keep: int) -> list[Candidate]:
        """windows [R, 5] = centre x, y, standard deviation, turn, mirror → the `keep` best drawings, best first."""
        scores, tints = self._scores(seen, windows)
        best_window = scores.argmax(0)  # [N]
        columns = np.arange(scores.shape[1])
        top = scores[best_window, columns]
        order = np.argsort(-top)[:keep]
        out = []
        for n in order:
            window = windows[best_window[n]]
            mx, my, spread = (float(v) for v in self.bank.moments[n])
            side = float(window[2]) / max(spread, 0.02)
            cos, sin, mirror = np.cos(window[3]), np.sin(window[3]), float(window[4])
            dx, dy = mx * mirror * side, my * side
            box = (float(window[0] - cos * dx + sin * dy), float(window[1] - sin * dx - cos * dy), side, float(window[3]), mirror)
            tint = int(tints[best_window[n], n])
            out.append(Candidate(int(n), box, None if tint < 0 else colour_of(tint), float(top[n])))
        return out

    def _scores(self, seen: Difference, windows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """→ scores [R, N] (Dice similarity of differences), tint that gave them [R, N], -1 where the drawing's own colours did."""
        query, behind, tints = self._query(seen, windows)
        r = len(windows)
        energy = (query[:, :3] ** 2).sum((1, 2))[:, None]
        own = 2 * (query.reshape(r, -1) @ self.bank.colour.T)
        norm = (self.pp - 2 * behind * self.pa + behind**2 * self.aa[:, None]).sum(-1)
        scores = own / (energy + norm[None])
        which = np.full(scores.shape, -1, np.int8)
        grey = (query[:, :3].reshape(3 * r, -1) @ self.bank.grey.T).reshape(r, 3, -1)
        cover = query[:, 3] @ self.alpha.T
        for t in tints:
            tint = TINTS[t]
            norm = (tint**2).sum() * self.gg - 2 * (tint * behind).sum() * self.ga + (behind**2).sum() * self.aa
            tinted = 2 * (np.einsum("rcn,c->rn", grey, tint) + cover) / (energy + norm[None])
            better = tinted > scores
            scores, which = np.where(better, tinted, scores), np.where(better, np.int8(t), which)
        return scores, which

    def _query(self, seen: Difference, windows: np.ndarray) -> tuple[np.ndarray, np.ndarray, list[int]]:
        """→ coefficients [R, 4, k] (difference per channel, and minus difference times field), mean field [3], likely tints."""
        sigma = float(np.median(windows[:, 2]))
        level = int(np.clip(np.ceil(np.log2(max(1e-3, sigma * REACH / GRID))), 0, len(seen.pyramid) - 1))
        u, v = unit_grid(2 * GRID, REACH)
        x, y = place(u, v, windows)
        scale = 2.0**level
        got = sample(seen.pyramid[level], (x + 0.5) / scale - 0.5, (y + 0.5) / scale - 0.5)
        got = got.reshape(len(windows), GRID, 2, GRID, 2, 7).mean((2, 4)).reshape(len(windows), GRID * GRID, 7)
        diff, field = got[..., :3] * got[..., 6:], got[..., 3:6]
        strength = np.abs(diff[0]).sum(-1)
        behind = (field[0] * strength[:, None]).sum(0) / max(float(strength.sum()), 1e-6)
        four = np.concatenate([diff, -(diff * field).sum(-1, keepdims=True)], -1)
        query = np.einsum("rpc,pk->rck", four, self.bank.basis)
        return query.astype(np.float32), behind, likely_tints(diff[0] + field[0], strength)

    def refine(self, seen: Difference, candidates: list[Candidate], rounds: int = 4) -> list[Candidate]:
        """Registers each candidate to the picture and scores it anew → best first."""
        if not candidates:
            return []
        box = np.array([c.box for c in candidates], np.float32)
        side = float(np.median(box[:, 2]))
        level = int(np.clip(np.ceil(np.log2(max(1e-3, side / 44))), 0, len(seen.pyramid) - 1))
        sigma = max(0.34 * 2 * HALF / M, float(np.hypot(0.48 * 2**level, seen.blur)) / max(side, 4.0))
        drawn = self.drawn(candidates, round(sigma, 3))  # [K, M, M, 4]
        shadow = np.zeros(len(candidates), bool)
        for step in range(rounds):
            got = self._look(seen, box, level)
            if step == 2:
                shadow = self._shadowed(got, drawn, box)
            box = _newton(got, drawn, _shade(box, shadow), box)
        got = self._look(seen, box, level)
        score = _compare(got, drawn, _shade(box, shadow))
        out = [
            Candidate(c.row, tuple(float(v) for v in b), c.tint, float(s), bool(d))  # type: ignore[arg-type]
            for c, b, s, d in zip(candidates, box, score, shadow)
        ]
        return sorted(out, key=self.doubt)

    def doubt(self, c: Candidate) -> float:
        """Sort key, best first. Of two equals the untinted drawing is the likelier: a tint has one more way to fit."""
        return -c.score + (TINT_DOUBT if c.tint is not None and not self.line[c.row] else 0.0)

    def match(self, seen: Difference, windows: np.ndarray, keep: int = 24, first: int = 5, enough: float = 0.975) -> list[Candidate]:
        """Coarse, then refined: the `first` best, and where none of them reaches `enough`, all `keep` → best first."""
        found = self.coarse(seen, windows, keep)
        sure = self.refine(seen, found[:first])
        if sure and sure[0].score < enough:
            sure = sorted(sure + self.retinted(seen, sure[:2]), key=self.doubt)
        if sure and sure[0].score >= enough:
            return sure
        rest = self.refine(seen, found[first:])
        return sorted(sure + rest + self.retinted(seen, rest[:2]), key=self.doubt)

    def retinted(self, seen: Difference, candidates: list[Candidate]) -> list[Candidate]:
        """The tinted ones of these with the tint that fits the picture best, refined."""
        again = [replace(c, tint=self.tint_of(seen, c)) for c in candidates if c.tint is not None or self.line[c.row]]
        return self.refine(seen, again, 2)

    def tint_of(self, seen: Difference, c: Candidate) -> tuple[float, float, float]:
        """The tint by least squares that makes a drawing in its place most like the picture."""
        box = np.array([c.box], np.float32)
        level = int(np.clip(np.ceil(np.log2(max(1e-3, c.box[2] / 44))), 0, len(seen.pyramid) - 1))
        got = self._look(seen, box, level)[0]
        plain = self.drawn([replace(c, tint=None)], max(round(0.5 / max(c.box[2], 4.0), 3), 0.01))[0].reshape(-1, 4)
        return least_squares_tint(got[:, :3] + plain[:, 3:] * got[:, 3:6], tintable(plain, bool(self.line[c.row])), plain[:, 3], got[:, 6])

    @staticmethod
    def _look(seen: Difference, box: np.ndarray, level: int) -> np.ndarray:
        u, v = unit_grid(M, HALF)
        x, y = place(u, v, box)
        scale = 2.0**level
        return sample(seen.pyramid[level], (x + 0.5) / scale - 0.5, (y + 0.5) / scale - 0.5)  # [K, M * M, 7]

    @staticmethod
    def _shadowed(got: np.ndarray, drawn: np.ndarray, box: np.ndarray) -> np.ndarray:
        none = np.zeros(len(box), bool)
        return np.asarray(_compare(got, drawn, _shade(box, ~none)) > _compare(got, drawn, _shade(box, none)) + 0.002)

    def drawn(self, candidates: list[Candidate], sigma: float) -> np.ndarray:
        """Each candidate's drawing as its tint leaves it, softened and resampled → [K, M, M, 4] premultiplied."""
        sprites = np.stack([self.coloured(c) for c in candidates])  # [K, 48, 48, 4]
        across = resampler(SPRITE, M, HALF, sigma)
        rows = np.einsum("my,kyxc->kmxc", across, sprites, optimize=True)
        return np.einsum("nx,kmxc->kmnc", across, rows, optimize=True)

    def coloured(self, c: Candidate) -> np.ndarray:
        """Premultiplied sprite [48, 48, 4] of a candidate in its tint."""
        tint = None if c.tint is None else np.array(c.tint, np.float32)
        return tinted(premultiplied(self.bank.sprites[c.row]), tint, bool(self.line[c.row]))


def tinted(sprite: np.ndarray, tint: np.ndarray | None, line: bool) -> np.ndarray:
    """A premultiplied sprite under scene.Item's tint."""
    if tint is None:
        return sprite
    alpha = sprite[..., 3:]
    colour = np.minimum(tintable(sprite, line)[..., None] * tint, alpha)
    return np.concatenate([colour, alpha], -1)


def colour_of(tint: int) -> tuple[float, float, float]:
    """Index of TINTS → red, green, blue in 0..1."""
    red, green, blue = (float(v) for v in TINTS[tint])
    return red, green, blue


def least_squares_tint(paint: np.ndarray, grey: np.ndarray, alpha: np.ndarray, weight: np.ndarray) -> tuple[float, float, float]:
    """Paint [n, 3] that a drawing must have put down, what a white tint would give [n], alpha [n], weight [n] → the tint in 0..1."""
    used = weight * grey
    out = []
    for channel in range(3):
        # Where the tint is clamped the paint says no more than "at least this".
        free = used * (paint[:, channel] < 0.97 * alpha)
        kept = free if free.sum() > 0.2 * used.sum() else used
        out.append(float(np.clip((kept * paint[:, channel]).sum() / max(float((kept * grey).sum()), 1e-6), 0, 1)))
    return out[0], out[1], out[2]


def likely_tints(colours: np.ndarray, strength: np.ndarray, keep: int = 3) -> list[int]:
    """Colours [n, 3] seen with strength [n] → the tints that could have given them, best first."""
    weight = np.where(strength > 0.3 * strength.max(initial=1e-6), strength, 0.0)
    shade = np.clip((colours @ TINTS.T) / (TINTS**2).sum(-1), FLOOR, 1 + FLOOR)  # [n, 11]
    again = np.minimum(shade[..., None] * TINTS, 1.0)
    error = (((colours[:, None] - again) ** 2).sum(-1) * weight[:, None]).sum(0)
    return [int(i) for i in np.argsort(error)[:keep]]


def _shade(box: np.ndarray, shadow: np.ndarray) -> np.ndarray:
    """Opacity [K, M * M] of the shadows of those that have one."""
    down, rx, ry, opacity = _SHADOW
    x, y = place(*unit_grid(M, HALF), box)
    u, v = (x - box[:, 0:1]) / box[:, 2:3], (y - box[:, 1:2]) / box[:, 2:3]
    radius = np.sqrt((u / rx) ** 2 + ((v - down) / ry) ** 2)
    return np.asarray(opacity * np.clip(1 - radius, 0, 1) * shadow[:, None], dtype=np.float32)


def _model(got: np.ndarray, drawn: np.ndarray, shade: np.ndarray) -> np.ndarray:
    """The difference that the drawings (over their shadows) would make → [K, M * M, 3]."""
    flat = drawn.reshape(len(drawn), M * M, 4)
    field, alpha = got[..., 3:6], flat[..., 3:]
    return np.asarray(flat[..., :3] - alpha * field - (1 - alpha) * shade[..., None] * field)


def _compare(got: np.ndarray, drawn: np.ndarray, shade: np.ndarray) -> np.ndarray:
    """→ similarity [K], the mean of the Dice similarities of values and of slopes.

    Slopes count as much as values because two drawings of one outline and main colour differ in detail only.
    """
    model, weight, seen = _model(got, drawn, shade), got[..., 6], got[..., :3]
    values = _dice(seen, model, weight)[0]
    square = (len(got), M, M, 3)
    near = weight.reshape(square[:3])
    slopes = [
        _dice(np.diff(seen.reshape(square), axis=axis), np.diff(model.reshape(square), axis=axis),
              np.minimum(near.take(range(1, M), axis), near.take(range(M - 1), axis)))
        for axis in (1, 2)
    ]
    unlike = sum(s[1] for s in slopes) / np.maximum(sum(s[2] for s in slopes), 1e-6)
    return np.asarray(1 - SLOPES * unlike - (1 - SLOPES) * (1 - values))


def _dice(a: np.ndarray, b: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """a, b [K, ..., 3], weight [K, ...] → Dice similarity, squared error, and energy of both, each [K]."""
    axes = tuple(range(1, weight.ndim))
    error = (weight * ((a - b) ** 2).sum(-1)).sum(axes)
    both = (weight * ((a**2).sum(-1) + (b**2).sum(-1))).sum(axes)
    return 1 - error / np.maximum(both, 1e-6), error, both


def compare_drawn(drawn: np.ndarray, behind: np.ndarray) -> np.ndarray:
    """How alike each of drawn [K, M, M, 4] is to the first of them before the colour `behind` [3] → [K], as scores are."""
    flat = drawn.reshape(len(drawn), M * M, 4)
    first = flat[:1, :, :3] - flat[:1, :, 3:] * behind
    rest = np.broadcast_to(behind, (1, M * M, 3))
    got = np.concatenate([first, rest, np.ones((1, M * M, 1), np.float32)], -1).repeat(len(drawn), 0)
    return _compare(got, drawn, np.zeros((len(drawn), M * M), np.float32))


# How far a candidate may be off, one standard deviation: place (unit sides, twice), log size, turn (radians).
_PRIOR = np.array([0.12, 0.12, 0.15, 0.2], np.float32)
_MOST = np.array([0.12, 0.12, 0.15, 0.2], np.float32)  # per round


def _newton(got: np.ndarray, drawn: np.ndarray, shade: np.ndarray, box: np.ndarray) -> np.ndarray:
    """One Gauss-Newton round → improved boxes [K, 5]."""
    count, step = len(drawn), 2 * HALF / M
    du = np.gradient(drawn, step, axis=2).reshape(count, -1, 4)
    dv = np.gradient(drawn, step, axis=1).reshape(count, -1, 4)
    field, weight = got[..., 3:6], got[..., 6:7]
    gu, gv = du[..., :3] - du[..., 3:] * field, dv[..., :3] - dv[..., 3:] * field  # [K, M * M, 3]
    u, v = (a[None, :, None] for a in unit_grid(M, HALF))
    jacobian = np.stack([gu, gv, gu * u + gv * v, gv * u - gu * v], -1)  # [K, M * M, 3, 4]
    jacobian = jacobian.reshape(count, -1, 4)
    residual = (got[..., :3] - _model(got, drawn, shade)).reshape(count, -1)
    weighted = jacobian * np.repeat(weight, 3, axis=2).reshape(count, -1, 1)
    gram = np.einsum("kni,knj->kij", weighted, jacobian, optimize=True)
    noise = (residual**2).mean(-1)[:, None, None] + 1e-5
    gram += noise * np.diag(1 / _PRIOR**2)[None]
    change = np.linalg.solve(gram, np.einsum("kni,kn->ki", weighted, residual)[..., None])[..., 0]
    a, b, s, turn = np.clip(change, -_MOST, _MOST).T
    x, y = place(np.zeros(1, np.float32), np.zeros(1, np.float32), box)
    cos, sin, side, mirror = np.cos(box[:, 3]), np.sin(box[:, 3]), box[:, 2], box[:, 4]
    right, down = -a * side * mirror, -b * side
    return np.stack([x[:, 0] + right * cos - down * sin, y[:, 0] + right * sin + down * cos, side * np.exp(-s),
                     box[:, 3] - mirror * turn, mirror], 1).astype(np.float32)
