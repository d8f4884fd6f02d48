"""What lies behind: the kind of background, its colours, and an estimate of it at every pixel.

Every kind of background is linear in its colours: solid in {1}, a gradient in {1, x, y}, a pattern in {1, its marks}, and a
drawn backdrop has no free colour at all. So one robust least-squares fit (iteratively reweighted, items count as outliers)
serves all of them, and the kind is the one that explains most of the picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from sayso.world.colours import ciede2000, to_lab
from sayso.world.judge.canvas import Canvas, reduce_as
from sayso.world.scene import BACKDROP_VARIANTS, BACKDROPS, PATTERNS, Background, Scene

TOLERANCE = 0.10  # distance in 0..1 sRGB beyond which a pixel is not background
MARGIN = 0.10  # share of the picture that counts as border, where items are rare
BORDER_WEIGHT = 3.0
TRANSPARENT_BELOW = 0.5  # median alpha of the border
SAME_COLOUR = 4.0  # CIEDE2000 under which the two colours of a gradient or a pattern are one


@dataclass(frozen=True, eq=False)
class FoundBackground:
    """`colours`: "#rrggbb" as in `scene.Background`; `lab`: exact L*a*b* of a solid one; `explained`: share of the picture
    that it accounts for; `opaque`: mean alpha of the border; `field`: float32 [h, w, 3], the estimate at working size."""

    kind: str
    colours: tuple[str, ...]
    name: str
    variant: int
    angle: int
    lab: tuple[float, float, float] | None
    explained: float
    opaque: float
    noise: float
    field: np.ndarray


@dataclass(frozen=True, eq=False)
class _Fit:
    kind: str
    name: str
    variant: int
    coefficients: np.ndarray  # [k, 3]
    loss: float
    basis: np.ndarray  # [n, k]


def _hex(rgb: np.ndarray) -> str:
    return "#" + "".join(f"{round(float(np.clip(v, 0, 1)) * 255):02x}" for v in rgb)


def _like(width: int, height: int, fine: float) -> Canvas:
    """An empty working picture of that size and softness."""
    return Canvas(np.zeros((height, width, 3), np.float32), np.zeros((height, width), np.float32), fine)


@lru_cache(maxsize=32)
def _patterns(width: int, height: int, fine: float, full_width: int, full_height: int) -> dict[str, np.ndarray]:
    """Marks of every pattern at working size and softness, [h, w] in 0..1."""
    from sayso.world.render import render

    out, like = {}, _like(width, height, fine)
    for name in PATTERNS:
        drawn = render(Scene(full_width, full_height, Background("pattern", ("#000000", "#ffffff"), name)))
        out[name] = reduce_as(drawn, like)[..., 0]
    return out


@lru_cache(maxsize=8)
def _backdrops(
    width: int, height: int, fine: float, full_width: int, full_height: int
) -> tuple[list[tuple[str, int]], np.ndarray, np.ndarray]:
    """Every backdrop at working size and softness → their names, float32 [32, h, w, 3], and the same at half size."""
    from sayso.world.render import render

    like = _like(width, height, fine)
    names, pictures = [], []
    for name in BACKDROPS:
        for variant in range(BACKDROP_VARIANTS):
            drawn = render(Scene(full_width, full_height, Background("backdrop", (), name, variant)))
            names.append((name, variant))
            pictures.append(reduce_as(drawn, like)[..., :3])
    return names, np.stack(pictures), np.stack([_halved(p) for p in pictures])


def _weights(width: int, height: int) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    edge = np.minimum(np.minimum(x, width - 1 - x), np.minimum(y, height - 1 - y))
    return np.where(edge < MARGIN * min(width, height), BORDER_WEIGHT, 1.0).astype(np.float32)


def _irls(basis: np.ndarray, pixels: np.ndarray, weight: np.ndarray, start: np.ndarray) -> tuple[np.ndarray, float]:
    """basis [n, k], pixels [n, 3], weight [n], start [n] (first guess of what is background) → coefficients, loss in 0..1."""
    trust = weight * start
    for step in range(8):
        tolerance = TOLERANCE * (3.0, 2.0, 1.5)[step] if step < 3 else TOLERANCE
        weighted = basis * trust[:, None]
        gram = weighted.T @ basis + 1e-6 * np.eye(basis.shape[1], dtype=np.float32)
        coefficients = np.linalg.solve(gram, weighted.T @ pixels)
        error2 = ((pixels - basis @ coefficients) ** 2).sum(1)
        trust = weight / (1 + error2 / tolerance**2) ** 2
    return coefficients, _loss(error2, weight)


def _loss(error2: np.ndarray, weight: np.ndarray) -> float:
    return float((np.minimum(error2 / TOLERANCE**2, 1.0) * weight).sum() / weight.sum())


def _two_colours(marks: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """First guess for a pattern: pixels near the per-side medians (ground, marks) count as background → [n]."""
    trust = np.zeros(len(pixels), np.float32)
    for side in (marks < 0.2, marks > 0.8):
        if side.any():
            centre = np.median(pixels[side], axis=0)
            trust += side * np.exp(-((pixels - centre) ** 2).sum(1) / (2 * (2 * TOLERANCE) ** 2)).astype(np.float32)
    return trust + 1e-3


def _fits(seen: Canvas, working: np.ndarray, width: int, height: int) -> list[_Fit]:
    """The working picture, its colours [h, w, 3] and its true size → every kind of background fitted (at half size), with its loss."""
    rgb = _halved(working)
    h, w = rgb.shape[:2]
    pixels, weight = rgb.reshape(-1, 3), _weights(w, h).reshape(-1)
    one = np.ones(len(pixels), np.float32)
    border = weight > 1
    near = np.exp(-((pixels - np.median(pixels[border], axis=0)) ** 2).sum(1) / (2 * 0.2**2)).astype(np.float32) + 1e-3
    y, x = np.mgrid[:h, :w].astype(np.float32)
    plane = np.stack([one, (x.reshape(-1) + 0.5) / w - 0.5, (y.reshape(-1) + 0.5) / h - 0.5], 1)
    out = []
    for kind, basis, start in (("solid", one[:, None], near), ("gradient", plane, near), ("gradient", plane, border * one + 0.05)):
        coefficients, loss = _irls(basis, pixels, weight, start)
        out.append(_Fit(kind, "", 0, coefficients, loss, basis))
    for name, marks in _patterns(seen.width, seen.height, seen.fine, width, height).items():
        flat = _halved(marks[..., None]).reshape(-1)
        basis = np.stack([1 - flat, flat], 1)
        coefficients, loss = _irls(basis, pixels, weight, _two_colours(flat, pixels))
        out.append(_Fit("pattern", name, 0, coefficients, loss, basis))
    names, _, small = _backdrops(seen.width, seen.height, seen.fine, width, height)
    error2 = ((small - rgb) ** 2).sum(-1).reshape(len(names), -1)
    best = int(np.argmin([_loss(e, weight) for e in error2]))
    out.append(_Fit("backdrop", *names[best], np.zeros((0, 3)), _loss(error2[best], weight), np.zeros((0, 0))))
    return out


# A richer kind must explain more than a plainer one by this much of the loss before it is believed.
_DOUBT = {"solid": 0.0, "gradient": 0.015, "pattern": 0.03, "backdrop": 0.015}


def _gradient_ends(coefficients: np.ndarray, width: int, height: int) -> tuple[int, np.ndarray, np.ndarray]:
    """Plane coefficients [3, 3] → angle in degrees (0 top to bottom, 90 left to right), colours at its two ends."""
    middle, slope = coefficients[0], np.stack([coefficients[1] / width, coefficients[2] / height])  # per pixel
    direction = np.linalg.svd(slope)[0][:, 0]
    # Which of the two colours comes first is a convention; the one that keeps the angle in 0..179 is taken.
    angle = float(np.degrees(np.arctan2(direction[0], direction[1])) % 180)
    along = np.array([np.sin(np.radians(angle)), np.cos(np.radians(angle))])
    reach = (abs(along[0]) * width + abs(along[1]) * height) / 2
    change = along @ slope * reach
    return round(angle) % 180, middle - change, middle + change


def _difference(a: np.ndarray, b: np.ndarray) -> float:
    return float(ciede2000(to_lab(np.clip(a, 0, 1) * 255), to_lab(np.clip(b, 0, 1) * 255)))


def _empty_colour(seen: Canvas) -> np.ndarray:
    """The colour to lay a cut-out over so that every part of it stands out: the candidate farthest from all opaque pixels."""
    opaque = seen.alpha > 0.5
    candidates = np.array([[1, 0, 1], [0, 1, 0], [0.5, 0.5, 0.5], [1, 1, 1], [0, 0, 0], [0, 0, 1]], np.float32)
    if not opaque.any():
        return candidates[0]
    colours = seen.premultiplied[opaque] / seen.alpha[opaque, None]
    distance = np.sqrt(((colours[:, None] - candidates[None]) ** 2).sum(-1))
    return np.asarray(candidates[int(np.argmax(np.quantile(distance, 0.03, axis=0)))])


def _transparent(seen: Canvas, opaque: float) -> FoundBackground:
    field = np.broadcast_to(_empty_colour(seen), seen.premultiplied.shape).astype(np.float32)
    return FoundBackground("transparent", (), "", 0, 0, None, float((seen.alpha < 0.1).mean()), opaque, 0.0, field)


def _halved(rgb: np.ndarray) -> np.ndarray:
    h, w = rgb.shape[0] // 2 * 2, rgb.shape[1] // 2 * 2
    return np.asarray(rgb[:h, :w].reshape(h // 2, 2, w // 2, 2, -1).mean((1, 3)))


def find_background(seen: Canvas, full_width: int, full_height: int) -> FoundBackground:
    """The working picture and the true size in pixels → what lies behind its items."""
    weight = _weights(seen.width, seen.height)
    opaque = float(np.median(seen.alpha[weight > 1]))
    if opaque < TRANSPARENT_BELOW:
        return _transparent(seen, opaque)
    rgb = seen.over(np.full(3, 0.5, np.float32))
    fits = _fits(seen, rgb, full_width, full_height)
    plain = fits[0]
    best = min(fits, key=lambda f: f.loss + _DOUBT[f.kind])
    if best.kind in ("gradient", "pattern"):
        ends = _gradient_ends(best.coefficients, seen.width, seen.height)[1:] if best.kind == "gradient" else tuple(best.coefficients)
        if _difference(ends[0], ends[1]) < SAME_COLOUR:
            best = plain
    return _describe(best, seen, rgb, opaque, full_width, full_height)


def _describe(fit: _Fit, seen: Canvas, rgb: np.ndarray, opaque: float, full_width: int, full_height: int) -> FoundBackground:
    h, w = seen.height, seen.width
    colours: tuple[str, ...] = ()
    angle = 0
    lab: tuple[float, float, float] | None = None
    if fit.kind == "solid":
        field = np.broadcast_to(fit.coefficients[0], rgb.shape)
        inside = ((rgb - field) ** 2).sum(-1) < TOLERANCE**2
        exact = np.median(rgb[inside], axis=0) if inside.any() else fit.coefficients[0]
        field, colours = np.broadcast_to(exact, rgb.shape), (_hex(exact),)
        lightness, a, b = (float(v) for v in to_lab(np.clip(exact, 0, 1) * 255))
        lab = (lightness, a, b)
    elif fit.kind == "gradient":
        angle, first, last = _gradient_ends(fit.coefficients, w, h)
        colours = (_hex(first), _hex(last))
        y, x = np.mgrid[:h, :w].astype(np.float32)
        plane = np.stack([np.ones_like(x), (x + 0.5) / w - 0.5, (y + 0.5) / h - 0.5], -1)
        field = np.clip(plane @ fit.coefficients, 0, 1)
    elif fit.kind == "pattern":
        marks = _patterns(w, h, seen.fine, full_width, full_height)[fit.name][..., None]
        field = np.clip((1 - marks) * fit.coefficients[0] + marks * fit.coefficients[1], 0, 1)
        colours = (_hex(fit.coefficients[0]), _hex(fit.coefficients[1]))
    else:
        names, drawn, _ = _backdrops(w, h, seen.fine, full_width, full_height)
        field = drawn[names.index((fit.name, fit.variant))]
    error = np.sqrt(((rgb - field) ** 2).sum(-1))
    close = error[error < TOLERANCE]
    noise = float(np.median(close)) * 1.5 if close.size else TOLERANCE
    return FoundBackground(fit.kind, colours, fit.name, fit.variant, angle, lab, 1 - fit.loss, opaque, noise,
                           np.ascontiguousarray(field, dtype=np.float32))
