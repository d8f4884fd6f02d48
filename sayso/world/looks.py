"""Looks: styles that any picture can be turned into by program, each an exact function of the pixels.

A look is a pure function of a picture, the same for the same pixels, so that it gives exact pairs for training and for
judging; it is also a tool for any picture. Sizes of dots, tiles and strokes are fractions of the shorter side.

Axes: H height, W width. Inside, pictures are float32 [H, W, 4] in 0..1 with straight alpha.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from sayso.errors import Unknown
from sayso.world import strokes
from sayso.world.strokes import blur, edges, enlarge, grain, luma, step

SHORT = 256  # pixels along the shorter side below which a picture is enlarged before a look is put on
Colour = tuple[float, float, float]


@dataclass(frozen=True)
class Look:
    """`en[0]`, `zh[0]`: the usual wording, which may follow a comma. `opaque`: it lays the picture on a ground of its own."""

    name: str
    en: tuple[str, ...]
    zh: tuple[str, ...]
    opaque: bool
    paint: Callable[[np.ndarray, float], np.ndarray]


# --- helpers -------------------------------------------------------------------------------------------------------------


def _over(rgba: np.ndarray, ground: np.ndarray | Colour) -> np.ndarray:
    """[H, W, 4] on a ground → [H, W, 3]."""
    alpha = rgba[..., 3:]
    out: np.ndarray = rgba[..., :3] * alpha + np.asarray(ground, np.float32) * (1 - alpha)
    return out


def _opaque(rgb: np.ndarray) -> np.ndarray:
    return np.concatenate([np.clip(rgb, 0, 1), np.ones((*rgb.shape[:2], 1), np.float32)], -1).astype(np.float32)


def _premultiplied(rgba: np.ndarray) -> np.ndarray:
    return np.concatenate([rgba[..., :3] * rgba[..., 3:], rgba[..., 3:]], -1)


def _straight(x: np.ndarray) -> np.ndarray:
    alpha = np.clip(x[..., 3:], 0, 1)
    return np.concatenate([np.clip(x[..., :3] / np.maximum(alpha, 1e-4), 0, 1) * (alpha > 0), alpha], -1).astype(np.float32)


def _lively(rgb: np.ndarray, by: float) -> np.ndarray:
    """More saturated by a factor."""
    grey = luma(rgb)[..., None]
    return np.clip(grey + (rgb - grey) * by, 0, 1)


def _mesh(like: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    H, W = like.shape[:2]
    y, x = np.mgrid[:H, :W].astype(np.float32)
    return y, x


# --- the looks; u is the shorter side in pixels -----------------------------------------------------------------------------


def _pixel(p: np.ndarray, u: float) -> np.ndarray:
    """32 squares along the shorter side, ten levels a channel, no half transparency."""
    small = _straight(strokes.blocks(_premultiplied(p), u / 32))
    small[..., :3] = np.round(_lively(small[..., :3], 1.1) * 9) / 9
    small[..., 3] = small[..., 3] > 0.45
    small[..., :3] *= small[..., 3:]
    return enlarge(small, *p.shape[:2])


def _sketch(p: np.ndarray, u: float) -> np.ndarray:
    """Graphite on paper: outlines, and two layers of hatching where it is dark."""
    y, x = _mesh(p)
    grey = luma(_over(p, (1, 1, 1)))
    lines = step(edges(p, u / 300), 0.12, 0.2)
    wobble = grain(*p.shape[:2], u / 24, 1)
    tone = blur(grey, u / 130)
    first = step(np.sin((x + y + 2.5 * wobble) * (2 * np.pi / (u / 40))), 0.1, 0.8) * step(0.72 - tone, 0.0, 0.25)
    second = step(np.sin((x - y + 2.5 * wobble) * (2 * np.pi / (u / 46))), 0.1, 0.8) * step(0.45 - tone, 0.0, 0.25)
    dark = np.clip(0.85 * lines + 0.42 * first + 0.42 * second, 0, 1) * (0.9 + 0.1 * grain(*p.shape[:2], u / 128, 2))
    paper = 0.97 + 0.012 * grain(*p.shape[:2], u / 100, 3)
    return _opaque((paper * (1 - dark * 0.82))[..., None] * np.array([1.0, 0.985, 0.95], np.float32))


def _watercolour(p: np.ndarray, u: float) -> np.ndarray:
    """Washes that run a little, pale inside and dark at their rims, on rough paper."""
    y, x = _mesh(p)
    H, W = p.shape[:2]
    dx, dy = grain(H, W, u / 16, 4) * u / 110, grain(H, W, u / 16, 5) * u / 110
    run = strokes.sample(_premultiplied(p), x + dx, y + dy)
    wash = strokes.kuwahara(run, max(2, round(u / 60)))
    paper = np.array([0.985, 0.975, 0.95], np.float32)
    colour = wash[..., :3] + paper * (1 - wash[..., 3:])
    rims = blur(edges(wash, u / 200), u / 256)
    thin = 0.36 + 0.09 * grain(H, W, u / 10, 6) - 0.3 * rims
    out = colour + (paper - colour) * np.clip(thin, 0, 0.6)[..., None]
    rough = 0.02 * grain(H, W, u / 150, 7)
    return _opaque(out * (1 - 0.22 * rims[..., None]) + rough[..., None])


def _neon(p: np.ndarray, u: float) -> np.ndarray:
    """Glowing outlines in the picture's own colours on a dark wall."""
    rgb = _over(p, (0.5, 0.5, 0.5))
    line = step(edges(p, u / 200), 0.16, 0.24)
    hue = rgb / np.maximum(rgb.max(-1, keepdims=True), 0.05)
    hue = np.clip(_lively(hue, 2.2), 0.0, 1)
    hue = np.where(luma(rgb)[..., None] < 0.12, np.array([0.35, 0.9, 1.0], np.float32), hue)
    light = blur(hue * line[..., None], u / 300)
    glow = blur(light, u / 45) * 1.6 + blur(light, u / 18) * 1.3
    wall = np.array([0.035, 0.03, 0.075], np.float32)
    core = step(line, 0.62, 0.4)[..., None] * 0.45
    lit = light * 0.85 + glow + core
    return _opaque(wall + 1.15 * lit / (1 + 0.45 * lit.max(-1, keepdims=True)))


def _blueprint(p: np.ndarray, u: float) -> np.ndarray:
    """White lines on blue paper with a fine grid."""
    y, x = _mesh(p)
    line = step(edges(p, u / 330), 0.1, 0.18)
    small, large = u / 32, u / 8
    grid = np.zeros(p.shape[:2], np.float32)
    for at in (x, y):
        grid = np.maximum(grid, 0.16 * (np.abs((at / small + 0.5) % 1 - 0.5) * small < 0.5))
        grid = np.maximum(grid, 0.34 * (np.abs((at / large + 0.5) % 1 - 0.5) * large < u / 300))
    blue = np.array([0.075, 0.27, 0.56], np.float32)
    shade = 0.1 * (1 - luma(_over(p, (1, 1, 1))))[..., None] * p[..., 3:]
    white = np.maximum(line * 0.95, grid)[..., None]
    return _opaque((blue + shade) * (1 - white) + np.array([0.93, 0.97, 1.0], np.float32) * white)


def _papercut(p: np.ndarray, u: float) -> np.ndarray:
    """Sheets of coloured paper, one for each step of brightness, each throwing a shadow on the one below."""
    soft = strokes.kuwahara(_premultiplied(p), max(2, round(u / 50)))
    straight = _straight(soft)
    grey = blur(luma(straight[..., :3]), u / 200)
    height = np.floor(np.clip(grey, 0, 0.999) * 4) + 1
    height = np.where(soft[..., 3] > 0.5, height, 0)
    colour = np.round(_lively(straight[..., :3], 1.1) * 8) / 8 * 0.92 + 0.05
    reach = max(1, round(u / 70))
    cast = np.zeros(p.shape[:2], np.float32)
    for k in range(1, reach + 1):  # light falls from the upper left
        moved = np.pad(height, ((k, 0), (k, 0)), mode="edge")[: height.shape[0], : height.shape[1]]
        cast = np.maximum(cast, (moved > height) * (1 - (k - 1) / (reach + 1)))
    lit = np.pad(height, ((0, 1), (0, 1)), mode="edge")[1:, 1:] > height
    rim = (np.pad(height, ((1, 0), (1, 0)), mode="edge")[:-1, :-1] < height) * 0.12
    shade = 1 - 0.42 * blur(cast, u / 400) + rim - 0.04 * lit
    fibre = 1 + 0.015 * grain(*p.shape[:2], u / 120, 8)
    alpha = np.maximum(soft[..., 3] > 0.5, 0.42 * cast * (height == 0))
    rgb = np.where((height > 0)[..., None], np.clip(colour * (shade * fibre)[..., None], 0, 1), 0)
    return np.concatenate([rgb, alpha[..., None]], -1).astype(np.float32)


@lru_cache(8)
def _cells(height: int, width: int, size: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A jittered honeycomb: the cell of each pixel (int [H, W]) and how far its rim is (pixels [H, W])."""
    rng = np.random.Generator(np.random.PCG64(seed))
    rows, columns = int(np.ceil(height / size)) + 2, int(np.ceil(width / size)) + 2
    jitter = rng.uniform(-0.32, 0.32, (rows, columns, 2)).astype(np.float32)
    cy = (np.arange(rows, dtype=np.float32)[:, None] - 0.5 + jitter[..., 0]) * size
    cx = (np.arange(columns, dtype=np.float32)[None, :] - 0.5 + jitter[..., 1] + 0.5 * (np.arange(rows) % 2)[:, None]) * size
    y, x = np.mgrid[:height, :width].astype(np.float32)
    home_r, home_c = (y / size).astype(int), (x / size).astype(int)
    near = np.full((height, width), np.inf, np.float32)
    second = near.copy()
    which = np.zeros((height, width), np.int64)
    for dr in (-1, 0, 1, 2):
        for dc in (-1, 0, 1, 2):
            r, c = np.clip(home_r + dr, 0, rows - 1), np.clip(home_c + dc, 0, columns - 1)
            far = np.hypot(y - cy[r, c], x - cx[r, c])
            index = r * columns + c
            closer = (far < near) & (index != which)
            second = np.where(closer, near, np.where(index != which, np.minimum(second, far), second))
            which, near = np.where(far < near, index, which), np.minimum(near, far)
    return which, (second - near) / 2


def _means(x: np.ndarray, which: np.ndarray) -> np.ndarray:
    """Each pixel the mean of its cell."""
    flat = which.ravel()
    count = np.maximum(np.bincount(flat), 1)
    planes = [(np.bincount(flat, weights=x[..., c].ravel().astype(np.float64)) / count)[which] for c in range(x.shape[-1])]
    return np.stack(planes, -1).astype(np.float32)


def _glass(p: np.ndarray, u: float) -> np.ndarray:
    """Pieces of coloured glass in lead, with light behind them."""
    H, W = p.shape[:2]
    which, rim = _cells(H, W, u / 17, 9)
    picture = _over(p, (0.86, 0.9, 0.95))
    colour = _lively(_means(picture, which), 1.7)
    outline = step(edges(p, u / 220), 0.22, 0.2)
    lead = np.maximum(1 - step(rim, u / 260, u / 200), outline)
    light = 0.86 + 0.1 * grain(H, W, u / 9, 10) + 0.14 * np.clip(rim / (u / 34), 0, 1)
    glass = np.clip(colour * light[..., None] + 0.05, 0, 1)
    return _opaque(glass * (1 - lead[..., None]) + np.array([0.07, 0.07, 0.08], np.float32) * lead[..., None])


def _mosaic(p: np.ndarray, u: float) -> np.ndarray:
    """Small square stones in grout."""
    H, W = p.shape[:2]
    rows, columns = round(H / (u / 36)), round(W / (u / 36))
    small = strokes.area(_over(p, (0.93, 0.9, 0.84)), rows, columns)
    rng = np.random.Generator(np.random.PCG64(11))
    small = _lively(small, 1.2) + 0.055 * rng.standard_normal((rows, columns, 1)).astype(np.float32)
    y, x = _mesh(p)
    fy, fx = (y + 0.5) * rows / H % 1, (x + 0.5) * columns / W % 1
    near = np.minimum(np.minimum(fx, 1 - fx), np.minimum(fy, 1 - fy))
    stone = step(near, 0.09, 0.09)
    bevel = 1 + 0.16 * ((fy < 0.24) & (near > 0.09)) - 0.14 * ((fy > 0.8) & (near > 0.09))
    rgb = enlarge(np.clip(small, 0, 1), H, W) * bevel[..., None]
    return _opaque(rgb * stone[..., None] + np.array([0.42, 0.4, 0.38], np.float32) * (1 - stone[..., None]))


def _comic(p: np.ndarray, u: float) -> np.ndarray:
    """Flat inks, black outlines and printed dots in the shades."""
    y, x = _mesh(p)
    rgb = strokes.kuwahara(_over(p, (1, 0.98, 0.9)), max(1, round(u / 100)))
    pitch = u / 48
    a, b = (x + y) / pitch / np.sqrt(2), (x - y) / pitch / np.sqrt(2)
    far = np.hypot(a % 1 - 0.5, b % 1 - 0.5)
    flat = (np.round(_lively(rgb, 1.3) * 4) / 4 + _lively(rgb, 1.3)) / 2
    want = np.clip((0.8 - luma(rgb)) * 0.85, 0, 0.8)
    dots = 1 - step(far, np.sqrt(want / np.pi), 0.12)
    dots = np.where(want > 0.02, dots, 0)
    inked = flat * (1 - 0.5 * dots[..., None])
    line = step(edges(p, u / 260), 0.16, 0.2)[..., None]
    return _opaque(np.clip(inked * 1.05 + 0.03, 0, 1) * (1 - line) + 0.05 * line)


def _woodcut(p: np.ndarray, u: float) -> np.ndarray:
    """Black ink on cream paper, light carved into it as lines that swell."""
    y, x = _mesh(p)
    H, W = p.shape[:2]
    grey = blur(luma(_over(p, (1, 1, 1))), u / 200)
    wave = np.sin((y + 0.35 * x + u / 40 * grain(H, W, u / 6, 12)) * (2 * np.pi / (u / 38)))
    cut = step(0.5 + 0.5 * wave, 1.06 - 1.15 * grey, 0.22)
    line = step(edges(p, u / 220), 0.14, 0.2)
    ink = np.clip((1 - cut) * (grey < 0.93) + line, 0, 1)
    ink *= 0.95 + 0.05 * grain(H, W, u / 128, 13)
    return _opaque(np.array([0.96, 0.92, 0.82], np.float32) * (1 - ink[..., None]) + 0.08 * ink[..., None])


def _stitch(p: np.ndarray, u: float) -> np.ndarray:
    """Crosses of thread on linen."""
    H, W = p.shape[:2]
    rows, columns = round(H / (u / 40)), round(W / (u / 40))
    small = _straight(strokes.area(_premultiplied(p), rows, columns))
    y, x = _mesh(p)
    fy, fx = (y + 0.5) * rows / H % 1 - 0.5, (x + 0.5) * columns / W % 1 - 0.5
    down, up = np.abs(fx - fy) / np.sqrt(2), np.abs(fx + fy) / np.sqrt(2)
    inside = np.maximum(np.abs(fx), np.abs(fy)) < 0.47
    thread = 0.16
    top, under = (up < thread) & inside, (down < thread) & inside
    colour = enlarge(np.round(_lively(small[..., :3], 1.15) * 7) / 7, H, W)
    worked = enlarge((small[..., 3:] > 0.5).astype(np.float32), H, W)[..., 0] > 0
    shade = np.where(top, 1.08 - 1.4 * up, np.where(under, 0.86 - 1.2 * down, 0.0))
    weave = 0.86 + 0.05 * np.sign(np.sin(x * 2 * np.pi / (u / 120)) * np.sin(y * 2 * np.pi / (u / 120)))
    linen = np.array([0.95, 0.91, 0.83], np.float32) * weave[..., None]
    return _opaque(
        np.where((worked & (top | under))[..., None], colour * shade[..., None] + 0.02, linen * np.where(worked, 0.8, 1)[..., None])
    )


def _oil(p: np.ndarray, u: float) -> np.ndarray:
    """Thick paint: short strokes along the shapes, with light on their ridges."""
    H, W = p.shape[:2]
    y, x = _mesh(p)
    base = strokes.kuwahara(_over(p, (0.95, 0.92, 0.86)), max(2, round(u / 44)))
    gx, gy = strokes.gradient(blur(luma(base), u / 50))
    angle = np.where(np.hypot(gx, gy) > 0.0012, np.arctan2(gx, -gy), 0.6 + 0.9 * grain(H, W, u / 4, 14))
    noise = np.random.Generator(np.random.PCG64(15)).standard_normal((H, W)).astype(np.float32)
    noise = blur(noise, u / 300)[..., None]
    drawn, weight = np.zeros((H, W, 1), np.float32), 0.0
    for k in np.linspace(-1, 1, 13):  # smear the noise along the strokes
        drawn = drawn + strokes.sample(noise, x + np.cos(angle) * k * u / 26, y + np.sin(angle) * k * u / 26)
        weight += 1
    relief = drawn[..., 0] / weight
    relief = relief / max(float(relief.std()), 1e-4)
    hx, hy = strokes.gradient(relief)
    lit = np.clip(-(hx + hy) * u / 256, -1, 1)
    busy = (0.45 + 0.55 * step(blur(edges(p, u / 100), u / 24), 0.05, 0.1))[..., None]
    return _opaque(_lively(base, 1.3) * (1 + 0.05 * busy * relief[..., None]) + 0.16 * busy * lit[..., None])


def _chalk(p: np.ndarray, u: float) -> np.ndarray:
    """Coloured chalk on a blackboard."""
    H, W = p.shape[:2]
    y, x = _mesh(p)
    rgb = _over(p, (0.13, 0.2, 0.18))
    tooth = grain(H, W, u / 200, 16)
    line = step(edges(p, u / 190), 0.14, 0.22) * step(tooth, -0.9, 1.2)
    dusty = step(np.sin((x * 0.9 + y * 1.3) * (2 * np.pi / (u / 60)) + 0.8 * grain(H, W, u / 20, 17)) + tooth * 0.7, 0.15, 1.4)
    pastel = np.clip(_lively(rgb, 1.3) * 0.75 + 0.16, 0, 1)
    inner = 1 - step(np.abs(luma(blur(rgb, u / 20)) - luma(rgb)), 0.3, 0.4) * 0.3
    fill = (0.25 + 0.75 * dusty) * 0.62 * p[..., 3] * inner
    board = np.array([0.13, 0.2, 0.18], np.float32) + 0.018 * grain(H, W, u / 12, 18)[..., None] + 0.01 * tooth[..., None]
    out = board * (1 - fill[..., None]) + pastel * fill[..., None]
    bright = np.clip(pastel * 0.5 + 0.48, 0, 1)
    return _opaque(out * (1 - line[..., None]) + bright * line[..., None])


LOOKS: tuple[Look, ...] = (
    Look("pixel", ("pixel art", "8-bit pixel art", "pixelated style"), ("像素风格", "像素画"), False, _pixel),
    Look("sketch", ("pencil sketch", "sketch style", "pencil drawing"), ("铅笔素描", "素描风格"), True, _sketch),
    Look("watercolour", ("watercolour", "watercolor painting", "watercolour style"), ("水彩画", "水彩风格"), True, _watercolour),
    Look("neon", ("neon sign", "neon lights", "neon style"), ("霓虹灯风格", "霓虹灯"), True, _neon),
    Look("blueprint", ("blueprint", "blueprint style", "technical blueprint"), ("蓝图", "蓝图风格"), True, _blueprint),
    Look("papercut", ("paper cut", "paper cut-out", "layered paper style"), ("剪纸风格", "剪纸"), False, _papercut),
    Look("glass", ("stained glass", "stained-glass window", "stained glass style"), ("彩色玻璃", "彩绘玻璃风格"), True, _glass),
    Look("mosaic", ("mosaic", "tile mosaic", "mosaic style"), ("马赛克拼贴", "马赛克风格"), True, _mosaic),
    Look("comic", ("comic print", "comic book style", "halftone comic"), ("漫画印刷风格", "漫画风格"), True, _comic),
    Look("woodcut", ("woodcut", "woodcut print", "linocut"), ("木刻版画", "木刻风格"), True, _woodcut),
    Look("stitch", ("cross-stitch", "cross-stitch embroidery", "embroidery style"), ("十字绣", "十字绣风格"), True, _stitch),
    Look("oil", ("oil painting", "oil paint style", "painted in oils"), ("油画", "油画风格"), True, _oil),
    Look("chalk", ("chalk drawing", "chalk on a blackboard", "chalkboard style"), ("粉笔画", "黑板画"), True, _chalk),
)
_BY_NAME = {look.name: look for look in LOOKS}
NAMES: tuple[str, ...] = tuple(_BY_NAME)


def look(name: str) -> Look:
    """Raises Unknown with the nearest name."""
    if name not in _BY_NAME:
        raise Unknown("look", name, NAMES)
    return _BY_NAME[name]


def put_on(name: str, pixels: np.ndarray) -> np.ndarray:
    """uint8 [H, W, 4] straight alpha → the picture in that look, same shape and type. Raises Unknown.

    Pictures smaller than SHORT pixels are worked on enlarged, so that dots and strokes keep their proportions.
    """
    chosen = look(name)
    H, W = pixels.shape[:2]
    p = pixels.astype(np.float32) / 255
    short = min(H, W)
    if short < SHORT:
        height, width = round(H * SHORT / short), round(W * SHORT / short)
        p = _straight(strokes.area(_premultiplied(p), height, width))
    painted = chosen.paint(p, float(min(p.shape[:2])))
    if short < SHORT:
        painted = _straight(strokes.area(_premultiplied(painted), H, W))
    return reduced(painted)


def reduced(painted: np.ndarray) -> np.ndarray:
    """float [H, W, 4] in 0..1 → uint8; what is transparent has no colour."""
    painted = np.where(painted[..., 3:] < 0.5 / 255, 0, painted)
    out: np.ndarray = np.round(np.clip(painted, 0, 1) * 255).astype(np.uint8)
    return out
