"""Backgrounds as SVG: solid, gradient, pattern, and the drawn backdrops with their variants, for a canvas of any aspect.

Every length is relative to the canvas' shorter side, every drawn detail is a fixed function of (name, variant, aspect).
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable

from sayso.errors import BadInput, Unknown
from sayso.world import colours
from sayso.world.scene import BACKDROP_VARIANTS, BACKDROPS, BACKGROUND_KINDS, PATTERNS, Background
from sayso.world.svg import circle, ellipse, glow, hill, linear, num, path, polygon, rect, stroke, wave

REPEATS = 7
"""How many times a pattern's cell fits into the shorter side."""


def background_svg(background: Background, width: float, height: float) -> str:
    """SVG elements that fill 0..width, 0..height. Raises Unknown or BadInput for what `scene.Background` does not allow."""
    kind, given = background.kind, background.colours
    if kind not in BACKGROUND_KINDS:
        raise Unknown("background", kind, BACKGROUND_KINDS)
    needed = {"solid": 1, "gradient": 2, "pattern": 2}.get(kind, 0)
    if len(given) < needed:
        raise BadInput(f"a {kind} background needs {needed} colours but has {len(given)}; give them as #rrggbb")
    if kind == "transparent":
        return ""
    if kind == "backdrop":
        return _backdrop(background, width, height)
    used = [colours.parse(c) for c in given[:needed]]
    if kind == "solid":
        return rect(0, 0, width, height, used[0])
    if kind == "gradient":
        return gradient(used, background.angle, width, height)
    if background.name not in PATTERNS:
        raise Unknown("pattern", background.name, PATTERNS)
    return _pattern(background.name, used[0], used[1], width, height)


def gradient(stops: list[str], angle: float, width: float, height: float) -> str:
    """A gradient along `angle` (0 = top to bottom, 90 = left to right) that reaches its ends in the canvas' corners."""
    dx, dy = math.sin(math.radians(angle)), math.cos(math.radians(angle))
    half = (abs(dx) * width + abs(dy) * height) / 2
    cx, cy = width / 2, height / 2
    return linear("bg", stops, cx - dx * half, cy - dy * half, cx + dx * half, cy + dy * half) + rect(0, 0, width, height, "url(#bg)")


def _pattern(name: str, ground: str, marks: str, width: float, height: float) -> str:
    """A pattern of cells counted from the canvas' top left corner, drawn as one path so that no tile edges show."""
    c = min(width, height) / REPEATS
    columns, rows = math.ceil(width / c), math.ceil(height / c)
    cells = [(x * c, y * c) for y in range(rows) for x in range(columns)]
    out = rect(0, 0, width, height, ground)
    if name == "dots":
        return out + "".join(circle(x + c / 2, y + c / 2, c * 0.24, marks) for x, y in cells)
    if name == "checks":
        half = f"h{num(c / 2)}v{num(c / 2)}h{num(-c / 2)}z"
        d = "".join(f"M{num(x)} {num(y)}{half}M{num(x + c / 2)} {num(y + c / 2)}{half}" for x, y in cells)
        return out + f'<path d="{d}" fill="{marks}"/>'
    if name == "stripes":  # rising to the right at 45 degrees, as wide as the gaps between them
        gap = c * math.sqrt(2)
        fall = f"{num(-c)}l{num(-height - 2 * c)} {num(height + 2 * c)}"
        d = "".join(f"M{num(k * gap + c)} {fall}" for k in range(math.ceil((width + height) / gap) + 2))
        return out + stroke(d, marks, c / 2)
    if name == "grid":
        d = "".join(f"M{num((x + 0.5) * c)} 0V{num(height)}" for x in range(columns))
        d += "".join(f"M0 {num((y + 0.5) * c)}H{num(width)}" for y in range(rows))
        return out + stroke(d, marks, c * 0.1)
    if name == "zigzag":
        cell = f"l{num(c / 2)} {num(-c / 2)}l{num(c / 2)} {num(c / 2)}"
        d = "".join(f"M{num(-c)} {num((y + 0.75) * c)}" + cell * (columns + 2) for y in range(rows + 1))
        return out + stroke(d, marks, c * 0.22)
    cell = f"q{num(c / 4)} {num(-c / 2)} {num(c / 2)} 0t{num(c / 2)} 0"
    d = "".join(f"M{num(-c)} {num((y + 0.5) * c)}" + cell * (columns + 2) for y in range(rows))
    return out + stroke(d, marks, c * 0.18)


def _backdrop(background: Background, width: float, height: float) -> str:
    if background.name not in BACKDROPS:
        raise Unknown("backdrop", background.name, BACKDROPS)
    if background.variant not in range(BACKDROP_VARIANTS):
        raise BadInput(f"backdrop variant {background.variant} does not exist; choose one of 0 to {BACKDROP_VARIANTS - 1}")
    rng = random.Random(f"{background.name} {background.variant}")
    return _DRAW[background.name](background.variant, width, height, rng)


def _air(stops: list[str], width: float, bottom: float) -> str:
    return linear("air", stops, 0, 0, 0, bottom) + rect(0, 0, width, bottom, "url(#air)")


def _cloud(x: float, y: float, size: float, fill: str, opacity: float) -> str:
    """A flat-bottomed cloud `size` wide, its bottom's middle at x, y."""
    puffs = circle(-0.24 * size, -0.13 * size, 0.13 * size, fill) + circle(-0.02 * size, -0.21 * size, 0.21 * size, fill)
    puffs += circle(0.23 * size, -0.15 * size, 0.15 * size, fill)
    base = rect(-0.5 * size, -0.16 * size, size, 0.16 * size, fill, 0.08 * size)
    return f'<g transform="translate({num(x)} {num(y)})" opacity="{num(opacity)}">{base}{puffs}</g>'


def _clouds(rng: random.Random, width: float, top: float, bottom: float, s: float, fill: str, opacity: float) -> str:
    """About three clouds per square of sky, spread evenly across and jittered."""
    count = max(2, round(2.4 * width / s))
    out = ""
    for i in range(count):
        x = width * (i + 0.2 + 0.6 * rng.random()) / count
        y = top + (bottom - top) * ((i * 0.62 + 0.25 * rng.random()) % 1)
        out += _cloud(x, y, s * rng.uniform(0.2, 0.34), fill, opacity)
    return out


def _sun(x: float, y: float, radius: float, fill: str, light: str) -> str:
    return glow("sun", light, 0.75) + circle(x, y, 2.6 * radius, "url(#sun)") + circle(x, y, radius, fill)


def _stars(rng: random.Random, width: float, bottom: float, s: float, fill: str = "#ffffff") -> str:
    count = round(55 * width * bottom / (s * s))
    dots = ""
    for _ in range(count):
        x, y, big = rng.random() * width, rng.random() * bottom, rng.random()
        dots += circle(x, y, s * (0.0022 + 0.004 * big**3), fill, 0.45 + 0.5 * big)
    return dots


def _sky(variant: int, w: float, h: float, rng: random.Random) -> str:
    s = min(w, h)
    stops = (["#4aa8ee", "#a9dcf9", "#e6f6ff"], ["#7fb4e8", "#f7c9b4", "#fde7c2"],
             ["#2fb5c7", "#93e1df", "#e4faf3"], ["#6d6bc4", "#c48fc9", "#f8b9a9"])[variant]
    out = _air(stops, w, h)
    if variant == 0:
        out += _sun(w - 0.17 * s, 0.17 * s, 0.085 * s, "#ffe27a", "#fff3bd")
    if variant == 3:
        out += _sun(0.2 * s, h - 0.2 * s, 0.11 * s, "#ffd9a0", "#ffe4bd")
    out += _clouds(rng, w, 0.16 * h, 0.5 * h, s, "#ffffff", 0.55)
    return out + _clouds(rng, w, 0.62 * h, 0.97 * h, s * 1.3, "#ffffff", 0.85)


def _sea(variant: int, w: float, h: float, rng: random.Random) -> str:
    s = min(w, h)
    air, sun, water, sand = (
        (["#6cc3f5", "#d9f1fd"], "#fff1a8", ["#3fa9dd", "#2b8fca", "#1f76b3", "#175f98"], ""),
        (["#f08a6c", "#fbd19a"], "#fff0c2", ["#c9748a", "#a85c86", "#83497c", "#613a6c"], ""),
        (["#7fd8ee", "#e3faf6"], "", ["#52d3d0", "#33bfc4", "#1fa6b3", "#178fa3"], "#f6e0ae"),
        (["#8fa9bd", "#dfe7ea"], "", ["#6f96ab", "#577f97", "#436a83", "#33566e"], ""),
    )[variant]
    horizon = 0.46 * h
    out = rect(0, 0, w, h, water[0]) + _air(air, w, horizon)
    if sun:
        out += _sun(w * (0.7 if variant == 0 else 0.5), horizon - (0.22 * h if variant == 0 else 0.03 * h), 0.1 * s, sun, "#fff6d0")
    out += _clouds(rng, w, 0.1 * h, 0.3 * h, s, "#ffffff", 0.75 if variant != 1 else 0.35)
    out += rect(0, horizon, w, h - horizon, water[0])
    for i, fill in enumerate(water[1:]):
        out += path(wave(w, h, horizon + (0.1 + 0.16 * i) * h, (0.010 + 0.006 * i) * s, (0.24 + 0.09 * i) * s, 0.37 * i), fill)
    if sand:
        out += path(hill(w, h, 0.9 * h, (0.45 * w, 0.8 * h), 0.93 * h), "#ffffff", 0.6)
        out += path(hill(w, h, 0.92 * h, (0.45 * w, 0.83 * h), 0.95 * h), sand)
    return out


def _meadow(variant: int, w: float, h: float, rng: random.Random) -> str:
    s = min(w, h)
    air, hills, blooms = (
        (["#8fd0f7", "#e9f8fd"], ["#a9d977", "#86c75c", "#68b24a"], ["#ffffff", "#ffe066", "#ff9bb8"]),
        (["#5fb8f0", "#fdf3c9"], ["#7fca6a", "#57b457", "#3f9c4c"], ["#ff6f61", "#ffd54f", "#ffffff"]),
        (["#f6c38b", "#fdeccb"], ["#e2b857", "#cf9a3f", "#b57f35"], ["#fff1cf", "#d9542f", "#f2c14e"]),
        (["#b9d6dc", "#f1f5ea"], ["#b7d3b0", "#93bd92", "#74a67c"], ["#ffffff", "#c9b6f2", "#f7f3c1"]),
    )[variant]
    out = _air(air, w, 0.72 * h)
    if variant in (1, 2):
        out += _sun(0.18 * w, 0.2 * h, 0.09 * s, "#ffe27a", "#fff3bd")
    out += _clouds(rng, w, 0.14 * h, 0.34 * h, s, "#ffffff", 0.8)
    out += path(hill(w, h, 0.6 * h, (0.3 * w, 0.42 * h), 0.58 * h), hills[0])
    out += path(hill(w, h, 0.72 * h, (0.75 * w, 0.48 * h), 0.6 * h), hills[1])
    out += path(hill(w, h, 0.76 * h, (0.4 * w, 0.68 * h), 0.82 * h), hills[2])
    for i in range(round(9 * w / s)):
        x, y, r = rng.random() * w, h * rng.uniform(0.86, 0.98), s * rng.uniform(0.007, 0.011)
        petals = "".join(circle(x + r * dx, y + r * dy, r, blooms[i % 3]) for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1)))
        out += petals + circle(x, y, 0.7 * r, "#f7b733")
    return out


def _night(variant: int, w: float, h: float, rng: random.Random) -> str:
    s = min(w, h)
    air, land = (
        (["#0d1438", "#24316b", "#4a5a9c"], ["#1b2550", "#111839"]), (["#1a0f3c", "#4a2a78", "#94529a"], ["#2c1a55", "#1b1039"]),
        (["#06222f", "#0f4a58", "#3f8a86"], ["#0c3540", "#072229"]), (["#0a0f24", "#1b2544", "#38436a"], ["#141c36", "#0b1022"]),
    )[variant]
    out = _air(air, w, h) + _stars(rng, w, 0.7 * h, s, "#fdf6dc")
    mx, my, mr = ((0.78, 0.2), (0.22, 0.22), (0.5, 0.18), (0.82, 0.26))[variant] + ((0.09, 0.075, 0.08, 0.06)[variant],)
    x, y, r = mx * w, my * h, mr * s
    out += glow("moon", "#fff4c9", 0.4) + circle(x, y, 2.4 * r, "url(#moon)")
    if variant % 2 == 0:
        out += circle(x, y, r, "#fdf1c4") + circle(x - 0.3 * r, y - 0.2 * r, 0.2 * r, "#eadca6")
        out += circle(x + 0.35 * r, y + 0.3 * r, 0.15 * r, "#eadca6")
    else:
        outer, inner = f"A{num(r)} {num(r)} 0 1 0 {num(x + r)} {num(y)}", f"A{num(0.8 * r)} {num(0.8 * r)} 0 0 1 {num(x)} {num(y - r)}"
        out += path(f"M{num(x)} {num(y - r)}{outer}{inner}Z", "#fdf1c4")
    out += path(hill(w, h, 0.84 * h, (0.3 * w, 0.66 * h), 0.86 * h), land[0])
    return out + path(hill(w, h, 0.92 * h, (0.7 * w, 0.76 * h), 0.88 * h), land[1])


def _pine(x: float, y: float, size: float, fill: str, snow: str) -> str:
    """A pine `size` high standing on x, y with snow on its tiers."""
    out = rect(x - 0.04 * size, y - 0.14 * size, 0.08 * size, 0.14 * size, "#6b5444")
    for i in range(3):
        top, half = y - size * (1 - 0.24 * i), size * (0.17 + 0.06 * i)
        foot = top + 0.42 * size
        out += polygon([(x, top), (x + half, foot), (x - half, foot)], fill)
        brim, dip = top + 0.18 * size, top + 0.14 * size
        out += polygon([(x, top), (x + 0.42 * half, brim), (x, dip), (x - 0.42 * half, brim)], snow)
    return out


def _snow(variant: int, w: float, h: float, rng: random.Random) -> str:
    s = min(w, h)
    air, land, tree = (
        (["#a8d4f0", "#eaf6fc"], ["#dcecf6", "#eef6fb", "#ffffff"], "#5f8f86"),
        (["#b9a4d6", "#fbdcd6"], ["#e3d7ec", "#f0e7f3", "#fbf6fb"], "#6f7aa3"),
        (["#1f2f5c", "#6a82b8"], ["#8ea5cf", "#b3c5e3", "#d6e2f2"], "#2f4a63"),
        (["#c3ced6", "#f0f3f4"], ["#d8e0e5", "#e7edf0", "#f7f9fa"], "#74888f"),
    )[variant]
    out = _air(air, w, 0.75 * h) + path(hill(w, h, 0.6 * h, (0.28 * w, 0.42 * h), 0.66 * h), land[0])
    pines = max(3, round(4 * w / s))
    for i in range(pines):
        x = w * (i + rng.uniform(0.15, 0.85)) / pines
        out += _pine(x, h * 0.66 + rng.uniform(-0.01, 0.03) * h, s * rng.uniform(0.13, 0.22), tree, land[2])
    out += path(hill(w, h, 0.66 * h, (0.75 * w, 0.52 * h), 0.68 * h), land[1])
    out += path(hill(w, h, 0.8 * h, (0.35 * w, 0.68 * h), 0.76 * h), land[2])
    for _ in range(round(34 * w * h / s**2)):
        out += circle(rng.random() * w, rng.random() * 0.72 * h, s * rng.uniform(0.004, 0.009), "#ffffff", 0.85)
    return out


def _room(variant: int, w: float, h: float, rng: random.Random) -> str:
    s = min(w, h)
    wall, floor, board, rug = (
        ("#f3e3c7", "#c89b6d", "#fffaf0", "#d9776a"), ("#cfe3dc", "#b98b62", "#f6fbf8", "#5f9ea0"),
        ("#d9d3ec", "#9c7b66", "#f7f4fc", "#8f7cc0"), ("#f6cfc0", "#a9795a", "#fff3ec", "#e0a84e"),
    )[variant]
    line = 0.7 * h
    out = rect(0, 0, w, h, floor) + rect(0, 0, w, line, wall) + rect(0, line - 0.035 * s, w, 0.035 * s, board)
    for i in (1, 2, 3):
        out += rect(0, line + (h - line) * i * 0.25, w, 0.004 * s, "#000000", extra=' opacity="0.12"')
    if variant == 1:
        step = 0.1 * s
        stripes = "".join(rect(x * step, 0, step / 2, line - 0.035 * s, "#ffffff") for x in range(math.ceil(w / step)))
        out += f'<g opacity="0.3">{stripes}</g>'
    deep = h - line
    out += ellipse(0.5 * w, line + 0.62 * deep, 0.34 * w, 0.26 * deep, rug)
    out += ellipse(0.5 * w, line + 0.62 * deep, 0.27 * w, 0.19 * deep, "#ffffff", 0.22)
    if variant in (0, 2):
        x, y, ww, wh = (0.2 if variant == 0 else 0.62) * w, 0.12 * h, 0.26 * w, 0.32 * h
        out += rect(x - 0.02 * s, y - 0.02 * s, ww + 0.04 * s, wh + 0.04 * s, board, 0.01 * s)
        view = ["#9fd6f5", "#e6f6fd"] if variant == 0 else ["#f2b79a", "#fbe3c6"]
        out += linear("pane", view, 0, y, 0, y + wh) + rect(x, y, ww, wh, "url(#pane)")
        out += rect(x + ww / 2 - 0.008 * s, y, 0.016 * s, wh, board) + rect(x, y + wh / 2 - 0.008 * s, ww, 0.016 * s, board)
        return out + rect(x - 0.04 * s, y + wh + 0.02 * s, ww + 0.08 * s, 0.025 * s, board)
    for i, (fx, fy, size) in enumerate(((0.2, 0.15, 0.17), (0.44, 0.2, 0.13), (0.68, 0.13, 0.19))):
        x, y, side = fx * w, fy * h, size * s
        out += rect(x, y, side, side, ("#8a6a4f", "#ffffff")[variant // 3], 0.006 * s)
        out += rect(x + 0.1 * side, y + 0.1 * side, 0.8 * side, 0.8 * side, ("#e9efe4", "#f9dfae", "#dbe7f3")[i])
        out += circle(x + 0.5 * side, y + 0.5 * side, 0.2 * side, (rug, "#7fb38a", "#e59b6d")[i])
    return out


def _street(variant: int, w: float, h: float, rng: random.Random) -> str:
    s = min(w, h)
    air, walls, glass, road = (
        (["#8ccdf3", "#e2f4fc"], ["#e8a87c", "#c38d9e", "#85b8a6", "#e2c275"], "#f7fbfd", "#6b7480"),
        (["#f2a07b", "#fde0b4"], ["#8d6a9f", "#b57ba6", "#6f7fb0", "#a5678e"], "#ffe9a8", "#5a5568"),
        (["#c7e6df", "#f6faf0"], ["#f4c6bd", "#f6dfa9", "#bcd9ec", "#cfe3b8"], "#ffffff", "#8b9199"),
        (["#141b3c", "#3d4a80"], ["#2a3260", "#353f73", "#232a52", "#404a82"], "#ffd976", "#20253f"),
    )[variant]
    curb, kerb_line = 0.76 * h, 0.82 * h
    out = rect(0, 0, w, h, road) + _air(air, w, curb)
    x, i = -0.03 * s, 0
    while x < w:
        width, tall = s * rng.uniform(0.17, 0.26), (0.3 + 0.28 * rng.random()) * h
        top, fill = curb - tall, walls[i % 4]
        out += rect(x, top, width + 0.004 * s, tall, fill)
        out += rect(x - 0.008 * s, top, width + 0.016 * s, 0.022 * s, "#000000", extra=' opacity="0.12"')
        pane = 0.22 * width
        for row in range(int((tall - 0.1 * s) / (1.75 * pane))):
            for col in range(3):
                lit = glass if variant != 3 or rng.random() < 0.55 else "#1a2146"
                left, sill = x + width * (0.11 + 0.28 * col), top + 0.055 * s + row * 1.75 * pane
                out += rect(left, sill, pane, 1.15 * pane, lit, extra=' opacity="0.75"')
        x, i = x + width, i + 1
    out += rect(0, curb, w, kerb_line - curb, "#cfcac2" if variant != 3 else "#4a4f6b")
    dash, y = 0.12 * s, (kerb_line + h) / 2
    for k in range(math.ceil(w / (1.9 * dash))):
        out += rect((1.9 * k + 0.3) * dash, y - 0.009 * s, dash, 0.018 * s, "#f4f1e6")
    return out


def _space(variant: int, w: float, h: float, rng: random.Random) -> str:
    s = min(w, h)
    air, haze, planets = (
        (["#0b0a24", "#1d1547"], ("#7a3fb0", "#2f6fc0"),
         ((0.8, 0.22, 0.12, "#e08a5b", "#c96f45"), (0.14, 0.82, 0.06, "#8fc7d8", "#6fadc4"))),
        (["#050b1c", "#0d2440"], ("#1f8a9c", "#3656b8"),
         ((0.18, 0.24, 0.14, "#6aa5e0", "#4a86c9"), (0.86, 0.8, 0.05, "#f0d08a", "#d8b366"))),
        (["#170a22", "#3a1238"], ("#c23f7a", "#7a3fb0"),
         ((0.84, 0.8, 0.13, "#b58be0", "#976bc9"), (0.16, 0.2, 0.055, "#f2a09a", "#dc827d"))),
        (["#07080f", "#161a2b"], ("#3f4f80", "#5a3f70"),
         ((0.2, 0.78, 0.12, "#d9c9a3", "#bfae86"), (0.8, 0.18, 0.045, "#9aa6b8", "#7d8a9e"))),
    )[variant]
    out = _air(air, w, h) + glow("haze0", haze[0], 0.5) + glow("haze1", haze[1], 0.45)
    out += ellipse(0.3 * w, 0.35 * h, 0.5 * w, 0.36 * h, "url(#haze0)") + ellipse(0.72 * w, 0.66 * h, 0.46 * w, 0.36 * h, "url(#haze1)")
    out += _stars(rng, w, h, s)
    for index, (fx, fy, size, light, dark) in enumerate(planets):
        x, y, r = fx * w, fy * h, size * s
        out += f'<clipPath id="planet{index}">{circle(x, y, r, "#000000")}</clipPath>{circle(x, y, r, light)}'
        bands = rect(x - r, y - 0.15 * r, 2 * r, 0.25 * r, dark) + rect(x - r, y + 0.35 * r, 2 * r, 0.18 * r, dark)
        bands += ellipse(x + 0.75 * r, y + 0.5 * r, r, 1.3 * r, "#000000", 0.18)
        out += f'<g clip-path="url(#planet{index})">{bands}</g>'
        if index == 0 and variant in (0, 3):
            ends = (-0.96, -0.02, -2.6, 0.6, 2.4, 0.6, 0.96, -0.02)
            at = [num((x, y)[k % 2] + e * r) for k, e in enumerate(ends)]
            d = f"M{at[0]} {at[1]}C{' '.join(at[2:])}"
            out += stroke(d, "#f3dcc0", 0.11 * r, ' stroke-linecap="round" opacity="0.9"')
    return out


_DRAW: dict[str, Callable[[int, float, float, random.Random], str]] = {
    "sky": _sky, "sea": _sea, "meadow": _meadow, "night": _night, "snow": _snow, "room": _room, "street": _street, "space": _space,
}
