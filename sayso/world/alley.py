"""A walk in an alley that is made up as data: street cells between houses, seen from where one stands, drawn exactly.

Cells are 2 units wide. A walker stands in the middle of a street cell and looks along one of four directions; a step is
forward (where the next cell is street), or a quarter turn to the left or to the right.
"""

from __future__ import annotations

import functools
import random
from dataclasses import dataclass, replace

import numpy as np

from sayso.errors import BadInput, Unknown
from sayso.world import rays
from sayso.world.colours import rgb
from sayso.world.rays import Ball, Body, Box, Column, Hits

STEPS = ("forward", "left", "right")
WAYS = ((0, 1), (1, 0), (0, -1), (-1, 0))  # cell offsets (x, z) of the directions; one further = a turn to the right
MOODS = {  # top of the sky, its foot, the ground, light of everything
    "day": ("#5aa9ee", "#d8ecfa", "#b9b0a2", 1.0),
    "evening": ("#5b4a8a", "#f7a26b", "#9b8578", 0.84),
    "night": ("#0a1030", "#26305e", "#56586a", 0.6),
}
_EYE, _SPREAD = 0.95, 0.92  # units above the ground; half the picture's shorter side at distance 1
_FINE = 2
_HAZE = 22.0  # units after which a third of a colour is left
_WALLS = ("#c8643c", "#d9a066", "#e8d7b0", "#8fa8b8", "#a8b58a", "#b98a9c", "#cfcfcf", "#7f6a5a")
_DOORS = ("#e02424", "#2563eb", "#2e9e3f", "#8b5a2b", "#7e3ab8", "#f7d020")
_SUN = np.array([0.5, 0.78, -0.37]) / np.linalg.norm([0.5, 0.78, -0.37])


@dataclass(frozen=True)
class Alley:
    """`street`: cells one can walk on. `bodies`: houses and what is on and before them, in units. `mood`: of MOODS."""

    street: frozenset[tuple[int, int]]
    bodies: tuple[Body, ...]
    walls: int  # the first so many bodies are houses, which have bricks
    mood: str


@dataclass(frozen=True)
class Walker:
    """`cell`: (x, z); `way`: index of WAYS."""

    cell: tuple[int, int]
    way: int


def sample_alley(rng: random.Random, mood: str | None = None) -> tuple[Alley, Walker]:
    """A random alley of about twenty cells, and somewhere to begin that looks along the street. Raises Unknown."""
    if mood is not None and mood not in MOODS:
        raise Unknown("mood", mood, tuple(MOODS))
    street = _streets(rng)
    houses: list[Body] = []
    things: list[Body] = []
    beside = sorted({(x + dx, z + dz) for x, z in street for dx in (-1, 0, 1) for dz in (-1, 0, 1)} - street)
    for x, z in beside:
        high = rng.uniform(2.4, 4.2)
        houses.append(Box((2 * x, high / 2, 2 * z), (2.0, high, 2.0), rng.choice(_WALLS)))
        for dx, dz in WAYS:
            if (x + dx, z + dz) in street:
                things += _front(rng, x, z, dx, dz, high)
    things += [thing for cell in sorted(street) for thing in _furniture(rng, cell, street)]
    alley = Alley(frozenset(street), (*houses, *things), len(houses), mood or rng.choice(tuple(MOODS)))
    starts = [Walker(c, w) for c in sorted(street) for w in range(4) if _ahead(Walker(c, w)) in street]
    return alley, rng.choice(starts)


@functools.lru_cache(64)
def numbered(number: int, mood: str) -> tuple[Alley, Walker]:
    """The alley of a number and where a walk in it begins: the same wherever it is asked for. Those that models are trained in have
    negative numbers. Raises Unknown."""
    return sample_alley(random.Random(f"alley {number}"), mood)


def _streets(rng: random.Random) -> set[tuple[int, int]]:
    """Straight runs that branch, never two cells wide."""
    cells = [(0, 0)]
    street = {(0, 0)}
    for _ in range(200):
        if len(street) >= 20:
            break
        x, z = rng.choice(cells)
        dx, dz = rng.choice(WAYS)
        run = [(x + k * dx, z + k * dz) for k in range(1, 2 + rng.randrange(3) + 1)]
        new = [c for c in run if c not in street]
        if all(sum((a + ex, b + ez) in street | set(new) for ex, ez in WAYS) <= 2 for a, b in new) and new == run:
            street |= set(new)
            cells += new
    return street


def _front(rng: random.Random, x: int, z: int, dx: int, dz: int, high: float) -> list[Body]:
    """What a house has on the side towards (dx, dz): a door or a shop window, windows above, an awning or a sign."""

    def on(along: float, up: float, wide: float, tall: float, out: float, colour: str) -> Box:
        deep = 0.04 + 2 * out
        place = (2 * x + dx * (1 + out) + abs(dz) * along, up, 2 * z + dz * (1 + out) + abs(dx) * along)
        return Box(place, (deep if dx else wide, tall, deep if dz else wide), colour)

    side = rng.choice((-0.4, 0.4))
    made: list[Body] = []
    if rng.random() < 0.75:
        made += [on(side, 0.7, 0.62, 1.4, 0.02, rng.choice(_DOORS)), on(side + 0.2, 0.7, 0.07, 0.07, 0.06, "#f7d020")]
    else:
        side = 0.0
        made += [on(0, 0.85, 1.3, 0.9, 0.02, "#bfe3f5"), on(0, 0.85, 0.06, 0.9, 0.03, "#333333")]
    if rng.random() < 0.5:
        made.append(on(side, 1.55, 0.9 if side else 1.5, 0.12, 0.22, rng.choice(_DOORS)))
    if side:
        made += [on(-side, 0.95, 0.5, 0.6, 0.01, "#333333"), on(-side, 0.95, 0.42, 0.52, 0.02, "#bfe3f5")]
    for up in np.arange(2.0, high - 0.35, 0.95):
        lit = rng.random() < 0.35
        for along in (-0.45, 0.45):
            made += [
                on(along, float(up) + 0.2, 0.44, 0.58, 0.0, "#333333"),
                on(along, float(up) + 0.2, 0.36, 0.5, 0.01, "#fff2b0" if lit else "#bfe3f5"),
            ]
    return made


def _furniture(rng: random.Random, cell: tuple[int, int], street: set[tuple[int, int]]) -> list[Body]:
    """A lamp, a crate or a plant near a wall, away from where one walks."""
    if rng.random() < 0.45:
        return []
    x, z = 2 * cell[0] + rng.choice((-0.72, 0.72)), 2 * cell[1] + rng.choice((-0.72, 0.72))
    draw = rng.random()
    if draw < 0.4:
        return [Column((x, 0.85, z), 1.7, 0.05, 0.04, "y", "#333333"), Ball((x, 1.8, z), (0.15, 0.17, 0.15), "#fff2b0")]
    if draw < 0.7:
        side = rng.uniform(0.3, 0.42)
        return [Box((x, side / 2, z), (side, side, side), "#b07a45", rng.uniform(0, 45))]
    return [Column((x, 0.13, z), 0.26, 0.13, 0.18, "y", "#c8643c"), Ball((x, 0.45, z), (0.22, 0.28, 0.22), "#2e9e3f")]


def _ahead(walker: Walker) -> tuple[int, int]:
    return walker.cell[0] + WAYS[walker.way][0], walker.cell[1] + WAYS[walker.way][1]


def open_steps(alley: Alley, walker: Walker) -> tuple[str, ...]:
    """What the walker can do here."""
    return STEPS if _ahead(walker) in alley.street else ("left", "right")


def go(alley: Alley, walker: Walker, step: str) -> Walker:
    """The walker after a step. Raises Unknown for what is no step and BadInput where a house is in the way."""
    if step not in STEPS:
        raise Unknown("step", step, STEPS)
    if step not in open_steps(alley, walker):
        raise BadInput("there is a house in the way; turn left or right")
    if step == "forward":
        return replace(walker, cell=_ahead(walker))
    return replace(walker, way=(walker.way + (1 if step == "right" else -1)) % 4)


def sample_walk(alley: Alley, walker: Walker, rng: random.Random, count: int) -> list[str]:
    """`count` steps; forward where one can, mostly, and never back and forth on the spot."""
    out: list[str] = []
    for _ in range(count):
        able = open_steps(alley, walker)
        turning = [s for s in ("left", "right") if not (out and out[-1] in ("left", "right") and s != out[-1])]
        step = "forward" if "forward" in able and rng.random() < 0.62 else rng.choice(turning)
        walker = go(alley, walker, step)
        out.append(step)
    return out


def render(alley: Alley, walker: Walker, height: int, width: int) -> np.ndarray:
    """What the walker sees: uint8 [H, W, 4], opaque."""
    fine = _FINE
    eye, ray = outlook(walker, height * fine, width * fine)
    origin = np.broadcast_to(eye, ray.shape)
    casters = _casters(alley, eye)
    hits, walls = met(alley, walker, eye, ray)
    colour = rays.shaded(casters, hits, origin, ray, _SUN)
    points = origin + np.where(np.isfinite(hits.far), hits.far, 0)[:, None] * ray
    colour *= _bricks(walls, hits, points)[:, None]
    missed = hits.body < 0
    colour[missed] = _ground_and_sky(alley, casters, origin[missed], ray[missed])
    _, foot, _, light = MOODS[alley.mood]
    haze = 1 - np.exp(-np.where(np.isfinite(hits.far), hits.far, 0) / _HAZE)
    seen = (hits.body >= 0)[:, None]
    colour = np.where(seen, colour * light * (1 - haze[:, None]) + np.array(rgb(foot)) / 255 * haze[:, None], colour)
    if alley.mood == "night":  # what shines by itself
        bright = hits.colour.min(-1) * (hits.colour[:, 0] > 0.97) * (hits.colour[:, 2] < 0.75) > 0.6
        colour = np.where((seen[:, 0] & bright)[:, None], hits.colour, colour)
    return rays.averaged(np.concatenate([colour.clip(0, 1), np.ones((len(ray), 1))], -1), height, width, fine)


def sketched(alley: Alley, walker: Walker, height: int, width: int) -> np.ndarray:
    """What the map says of what the walker sees, uint8 [H, W, 4], opaque: every surface in its own colour, darker the more it is turned
    away and paler the farther it is; no sun and no shadow, no bricks, no flags, no lit windows, no smooth edges."""
    eye, ray = outlook(walker, height, width)
    hits, _ = met(alley, walker, eye, ray)
    top, foot, ground, light = (np.array(rgb(c)) / 255 if isinstance(c, str) else c for c in MOODS[alley.mood])
    with np.errstate(divide="ignore"):
        far = np.where(hits.body >= 0, hits.far, np.where(ray[:, 1] < -1e-6, -eye[1] / np.minimum(ray[:, 1], -1e-6), np.inf))
    sky = foot + (top - foot) * np.sqrt(np.clip(ray[:, 1:2], 0, 1))
    facing = np.abs(np.where(hits.body >= 0, np.einsum("ij,ij->i", hits.normal, ray), ray[:, 1]))
    own = np.where((hits.body >= 0)[:, None], hits.colour, ground) * (light * (0.55 + 0.45 * facing))[:, None]
    haze = (1 - np.exp(-np.where(np.isfinite(far), far, 0) / _HAZE))[:, None]
    colour = np.where(np.isfinite(far)[:, None], own * (1 - haze) + foot * haze, sky)
    return rays.averaged(np.concatenate([colour.clip(0, 1), np.ones((len(ray), 1))], -1), height, width, 1)


def outlook(walker: Walker, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Where the walker's eye is [3], and unit directions [H · W, 3] through the middles of height × width parts of what is seen."""
    short = min(height, width)
    v, u = np.mgrid[:height, :width]
    x = (u.ravel() + 0.5 - width / 2) / short * 2 * _SPREAD
    y = (height / 2 - (v.ravel() + 0.5)) / short * 2 * _SPREAD
    dx, dz = WAYS[walker.way]
    ray = x[:, None] * np.array([dz, 0, -dx]) + y[:, None] * np.array([0.0, 1, 0]) + np.array([dx, 0.0, dz])
    ray /= np.linalg.norm(ray, axis=-1, keepdims=True)
    return np.array([2.0 * walker.cell[0] - 0.75 * dx, _EYE, 2.0 * walker.cell[1] - 0.75 * dz]), ray


def met(alley: Alley, walker: Walker, eye: np.ndarray, ray: np.ndarray) -> tuple[Hits, int]:
    """What the rays [R, 3] from the walker's eye meet, and how many of the bodies, which are numbered anew, are houses."""
    dx, dz = WAYS[walker.way]
    bodies, walls = _in_sight(alley, eye, np.array([dx, 0.0, dz]))
    return rays.meet(bodies, np.broadcast_to(eye, ray.shape), ray), walls


def _in_sight(alley: Alley, eye: np.ndarray, towards: np.ndarray) -> tuple[list[Body], int]:
    """Bodies that may be seen, nearest first among the houses and then among the rest, and how many are houses."""
    parts: list[list[Body]] = []
    for group in (alley.bodies[: alley.walls], alley.bodies[alley.walls :]):
        far = [
            (float(np.linalg.norm(np.array(b.centre) - eye)), k, b)
            for k, b in enumerate(group)
            if float((np.array(b.centre) - eye) @ towards) > -rays.reach_of(b)
        ]
        parts.append([b for _, _, b in sorted(far, key=lambda row: row[:2])])
    return parts[0] + parts[1], len(parts[0])


def _casters(alley: Alley, eye: np.ndarray) -> list[Body]:
    """What throws a shadow that one can see: things of some size that are not too far."""
    return [
        b
        for b in alley.bodies
        if rays.reach_of(b) > 0.33
        and np.hypot(b.centre[0] - eye[0], b.centre[2] - eye[2]) < 14
        and not (isinstance(b, Box) and min(b.size) < 0.1)
    ]


def _bricks(walls: int, hits: Hits, points: np.ndarray) -> np.ndarray:
    """A factor [R] that draws courses of bricks on houses."""
    wall = (hits.body >= 0) & (hits.body < walls) & (np.abs(hits.normal[:, 1]) < 0.5)
    along = np.where(np.abs(hits.normal[:, 0]) > 0.5, points[:, 2], points[:, 0])
    row = np.floor(points[:, 1] / 0.2)
    a, b = points[:, 1] / 0.2 % 1, (along / 0.44 + 0.5 * (row % 2)) % 1
    return np.where(wall & ((a < 0.13) | (b < 0.06)), 0.86, 1.0)


def _ground_and_sky(alley: Alley, casters: list[Body], origin: np.ndarray, ray: np.ndarray) -> np.ndarray:
    """[R, 3] of rays that meet no body: paving below, a sky that pales towards its foot above."""
    top, foot, ground, light = (np.array(rgb(c)) / 255 if isinstance(c, str) else c for c in MOODS[alley.mood])
    rise = np.clip(ray[:, 1:2], 0, 1)
    sky = foot + (top - foot) * np.sqrt(rise)
    with np.errstate(divide="ignore"):
        far = np.where(ray[:, 1] < -1e-6, -origin[:, 1] / np.minimum(ray[:, 1], -1e-6), 1e6)
    points = origin + far[:, None] * ray
    i, j = points[:, 0] / 0.5, points[:, 2] / 0.5
    joint = (i % 1 < 0.06) | (j % 1 < 0.06)
    even = (np.floor(i) + np.floor(j)) % 2
    near = ray[:, 1] < -1e-6
    dark = np.zeros(len(ray), bool)
    lower = near & (far < 14)
    if lower.any():
        towards = np.broadcast_to(_SUN, (int(lower.sum()), 3))
        dark[lower] = np.isfinite(rays.meet(casters, points[lower], towards).far)
    shade = (1.0 - 0.05 * even - 0.14 * joint) * np.where(dark, 0.66, 1.0) * light
    haze = 1 - np.exp(-np.minimum(far, 1e3) / _HAZE)
    paving = ground * shade[:, None] * (1 - haze[:, None]) + foot * haze[:, None]
    return np.where(near[:, None], paving, sky)


# --- words ---------------------------------------------------------------------------------------------------------------

_SAID_EN = {
    "forward": ("go forward", "walk on", "take a step forward"),
    "left": ("turn left", "look to the left"),
    "right": ("turn right", "look to the right"),
}
_SAID_ZH = {"forward": ("向前走", "往前走一步"), "left": ("向左转", "左转"), "right": ("向右转", "右转")}
_MOOD_EN, _MOOD_ZH = (
    {"day": "by day", "evening": "in the evening", "night": "at night"},
    {"day": "白天", "evening": "傍晚", "night": "夜里"},
)
PLACE_EN = tuple(
    f"{words} {mood}" for words in ("an alley", "an alley between brick houses", "walking down an alley") for mood in _MOOD_EN.values()
)
PLACE_ZH = tuple(f"{mood}的一条小巷" for mood in _MOOD_ZH.values())


def caption(mood: str, rng: random.Random, language: str) -> str:
    """ "an alley between brick houses in the evening"."""
    said, mood = (PLACE_ZH, _MOOD_ZH[mood]) if language == "zh" else (PLACE_EN, _MOOD_EN[mood])
    return rng.choice([words for words in said if mood in words])


def instruction(step: str, rng: random.Random, language: str) -> str:
    return rng.choice((_SAID_EN if language == "en" else _SAID_ZH)[step])
