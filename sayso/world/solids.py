"""Simple solids that can be looked at from all round: things put together from primitives, drawn exactly every 30°.

A solid is data; `render` draws it from any side. A turntable is a row of views, each 30° further than the one before.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

import numpy as np

from sayso.errors import Unknown
from sayso.world import rays
from sayso.world.colours import ITEM_COLOURS, rgb
from sayso.world.rays import Ball, Body, Box, Column

KINDS = ("blocks", "figure", "car", "house", "robot", "table", "tree", "boat", "train", "dog")
STEP = 30  # degrees from one view to the next
_TILT = 24.0  # degrees that the viewer looks down
_SHOWN = 2.75  # units along the shorter side of the picture
_FINE = 3  # samples along a pixel's side
_LIGHT = 200.0  # of `undyed`
_SUN = np.array([-0.45, 0.72, 0.53]) / np.linalg.norm([-0.45, 0.72, 0.53])  # stays with the viewer, so that turning shows
_SKIN, _DARK, _GLASS, _WOOD = "#f2c9a0", "#333333", "#bfe3f5", "#8b5a2b"


@dataclass(frozen=True)
class Solid:
    """A thing of KINDS: `colour` its main colour, `second` that of its parts, `bodies` in a cube of side 2 round the origin,
    its front towards +z. `background`: "#rrggbb" or None for transparent."""

    kind: str
    colour: str
    second: str
    bodies: tuple[Body, ...]
    background: str | None


def sample_solid(rng: random.Random, kind: str | None = None) -> Solid:
    """A random solid, of `kind` when given. Raises Unknown."""
    if kind is not None and kind not in KINDS:
        raise Unknown("solid", kind, KINDS)
    kind = kind or rng.choice(KINDS)
    one, two, ground = rng.sample([c.hex for c in ITEM_COLOURS if c.hex != "#222222"], 3)
    bodies = _MAKERS[kind](rng, one, two)
    pale = "#" + "".join(f"{round(255 - (255 - v) * 0.3):02x}" for v in rgb(ground))
    return Solid(kind, one, two, tuple(bodies), rng.choice((pale, "#ffffff", "#f3ead3", None)))


@dataclass(frozen=True, eq=False)
class _Sight:
    """What the rays of a picture meet. `sun`: unit direction."""

    origin: np.ndarray
    ray: np.ndarray
    sun: np.ndarray
    hits: rays.Hits


def _sight(solid: Solid, turn: float, height: int, width: int) -> _Sight:
    """Parallel rays, so that nothing is distorted."""
    fine = _FINE
    short = min(height, width)
    v, u = np.mgrid[: height * fine, : width * fine]
    x = ((u.ravel() + 0.5) / fine - width / 2) / short * _SHOWN
    y = (height / 2 - (v.ravel() + 0.5) / fine) / short * _SHOWN
    tilt, angle = np.radians(_TILT), np.radians(turn)
    # The viewer goes round the other way; the sun goes with the viewer.
    about = np.array([[np.cos(angle), 0, -np.sin(angle)], [0, 1, 0], [np.sin(angle), 0, np.cos(angle)]])
    right = np.array([1.0, 0, 0]) @ about.T
    up = np.array([0, np.cos(tilt), -np.sin(tilt)]) @ about.T
    back = np.array([0, np.sin(tilt), np.cos(tilt)]) @ about.T
    origin = x[:, None] * right + y[:, None] * up + 6 * back
    ray = np.broadcast_to(-back, origin.shape)
    return _Sight(origin, ray, _SUN @ about.T, rays.meet(solid.bodies, origin, ray))


def render(solid: Solid, turn: float, height: int, width: int) -> np.ndarray:
    """The solid turned by `turn` degrees (anticlockwise seen from above: its front goes to the viewer's right):
    uint8 [H, W, 4]."""
    seen = _sight(solid, turn, height, width)
    colour = rays.shaded(solid.bodies, seen.hits, seen.origin, seen.ray, seen.sun)
    met = (seen.hits.body >= 0).astype(float)[:, None]
    samples = _grounded(solid, np.concatenate([colour * met, met], -1), seen)
    return rays.averaged(samples, height, width, _FINE)


def undyed(solid: Solid, turn: float, height: int, width: int) -> np.ndarray:
    """As `render`, with its two colours and its background left open, for `dyed`: uint8 [H, W, 6], red, green and blue of what has
    neither colour (premultiplied), alpha, and the light on what has the first and on what has the second, in steps of 1 / _LIGHT."""
    seen = _sight(solid, turn, height, width)
    grey = replace(seen.hits, colour=np.full((len(seen.ray), 3), 0.8))  # the brightest light is 1.14
    light = rays.shaded(solid.bodies, grey, seen.origin, seen.ray, seen.sun)[:, :1] / 0.8
    owners = np.array([1 if b.colour == solid.colour else 2 if b.colour == solid.second else 0 for b in solid.bodies] + [-1])
    owner = owners[seen.hits.body][:, None]
    own = (seen.hits.colour * light).clip(0, 1) * (owner == 0)
    bare = _grounded(replace(solid, background=None), np.concatenate([own, (owner >= 0).astype(float)], -1), seen)
    every = np.concatenate([bare * 255, light * _LIGHT * (owner == 1), light * _LIGHT * (owner == 2)], -1)
    out: np.ndarray = every.reshape(height, _FINE, width, _FINE, 6).mean((1, 3)).round().clip(0, 255).astype(np.uint8)
    return out


def dyed(parts: np.ndarray, colour: str, second: str, background: str | None) -> np.ndarray:
    """A picture of `undyed` [H, W, 6] in these colours before that background: uint8 [H, W, 4]. Where light is stronger than 1 on a
    bright colour, a rim may be a little brighter than in `render`."""
    x = parts.astype(np.float32)
    alpha = x[..., 3:4] / 255
    made = x[..., :3] / 255 + x[..., 4:5] / _LIGHT * (np.array(rgb(colour)) / 255) + x[..., 5:6] / _LIGHT * (np.array(rgb(second)) / 255)
    made = np.minimum(made, alpha)
    if background is not None:
        made, alpha = made + np.array(rgb(background)) / 255 * (1 - alpha), np.ones_like(alpha)
    straight = made / np.maximum(alpha, 1e-6)
    out: np.ndarray = np.round(np.concatenate([straight, alpha], -1).clip(0, 1) * 255).astype(np.uint8)
    return out


def _grounded(solid: Solid, samples: np.ndarray, seen: _Sight) -> np.ndarray:
    """Behind the solid its shadow on the floor (y = −1), and the background."""
    origin, ray = seen.origin, seen.ray
    far = (-1 - origin[:, 1]) / ray[:, 1]
    points = origin + far[:, None] * ray
    open_ = samples[:, 3] < 0.5
    shadow = np.zeros(len(ray))
    near = open_ & (np.hypot(points[:, 0], points[:, 2]) < 3)
    if near.any():
        towards = np.broadcast_to(seen.sun, (int(near.sum()), 3))
        shadow[near] = 0.3 * np.isfinite(rays.meet(solid.bodies, points[near], towards).far)
    behind = np.concatenate([np.zeros((len(ray), 3)), shadow[:, None]], -1)
    if solid.background is not None:
        ground = np.array(rgb(solid.background)) / 255
        behind = np.concatenate([ground * (1 - shadow[:, None]), np.ones((len(ray), 1))], -1)
    out: np.ndarray = samples + behind * (1 - samples[:, 3:])
    return out


def turntable(solid: Solid, height: int, width: int, start: int = 0, count: int = 12, step: int = STEP) -> list[np.ndarray]:
    """`count` views from `start` degrees on, each `step` degrees further."""
    return [render(solid, start + k * step, height, width) for k in range(count)]


# --- the kinds -----------------------------------------------------------------------------------------------------------


def _blocks(rng: random.Random, one: str, two: str) -> list[Body]:
    """A tower that is not the same from any two sides."""
    a = rng.uniform(0.9, 1.2)
    high = rng.uniform(0.5, 0.7)
    top: Body = rng.choice(
        (
            Ball((0.25, -1 + high + 0.35, 0.2), (0.35, 0.35, 0.35), two),
            Box((0.25, -1 + high + 0.3, 0.2), (0.6, 0.6, 0.6), two, 0.0),
            Column((0.25, -1 + high + 0.4, 0.2), 0.8, 0.36, 0.0, "y", two),
        )
    )
    flag = Box((-0.35, -1 + high + 0.15, a / 2 - 0.1), (0.3, 0.3, 0.3), rng.choice((_DARK, "#ffffff", "#f7d020")), 0.0)
    return [Box((0, -1 + high / 2, 0), (1.3, high, a), one), top, flag]


def _figure(rng: random.Random, one: str, two: str) -> list[Body]:
    hair = rng.choice((_DARK, _WOOD, "#f7d020"))
    arm = rng.uniform(0.5, 0.72)
    return [
        Column((0, -0.05, 0), 0.8, 0.42, 0.26, "y", one),
        Ball((0, 0.6, 0), (0.32, 0.34, 0.32), _SKIN),
        Ball((0, 0.72, -0.07), (0.34, 0.3, 0.33), hair),
        Ball((-0.12, 0.62, 0.3), (0.05, 0.06, 0.04), _DARK),
        Ball((0.12, 0.62, 0.3), (0.05, 0.06, 0.04), _DARK),
        Ball((0, 0.53, 0.33), (0.05, 0.05, 0.06), _SKIN),
        Column((-0.16, -0.72, 0), 0.56, 0.11, 0.12, "y", two),
        Column((0.16, -0.72, 0), 0.56, 0.11, 0.12, "y", two),
        Box((-0.16, -0.95, 0.08), (0.2, 0.1, 0.36), _DARK),
        Box((0.16, -0.95, 0.08), (0.2, 0.1, 0.36), _DARK),
        Column((-0.42, 0.0, 0), arm, 0.08, 0.09, "y", _SKIN),
        Column((0.42, 0.0, 0.0), arm, 0.08, 0.09, "y", _SKIN),
    ]


def _wheels(spots: list[tuple[float, float]], radius: float, reach: float) -> list[Body]:
    return [Column((x * reach, -1 + radius, z), 0.16, radius, radius, "x", _DARK) for x, z in spots]


def _car(rng: random.Random, one: str, two: str) -> list[Body]:
    cabin = rng.uniform(0.7, 0.95)
    back = rng.uniform(-0.3, -0.1)
    return [
        Box((0, -0.62, 0), (0.86, 0.36, 1.9), one),
        Box((0, -0.28, back), (0.76, 0.36, cabin), two),
        Box((0, -0.28, back + cabin / 2), (0.66, 0.26, 0.04), _GLASS),
        Box((0, -0.28, back - cabin / 2), (0.66, 0.26, 0.04), _GLASS),
        Box((0, -0.28, back), (0.8, 0.24, cabin * 0.8), _GLASS),
        Ball((-0.28, -0.6, 0.95), (0.1, 0.1, 0.05), "#f7d020"),
        Ball((0.28, -0.6, 0.95), (0.1, 0.1, 0.05), "#f7d020"),
        Box((0.3, -0.6, -0.95), (0.16, 0.1, 0.04), "#e02424"),
        Box((-0.3, -0.6, -0.95), (0.16, 0.1, 0.04), "#e02424"),
        *_wheels([(s, z) for s in (-1, 1) for z in (-0.6, 0.6)], 0.22, 0.42),
    ]


def _house(rng: random.Random, one: str, two: str) -> list[Body]:
    """A hipped roof of shrinking layers, a door in front, a chimney."""
    high = rng.uniform(0.8, 1.0)
    roof = [Box((0, -1 + high + 0.045 + 0.09 * k, 0), (1.6 - 0.22 * k, 0.09, 1.3 - 0.2 * k), two) for k in range(6)]
    side = rng.choice((-1, 1))
    return [
        Box((0, -1 + high / 2, 0), (1.4, high, 1.1), one),
        *roof,
        Box((side * 0.3, -0.72, 0.56), (0.3, 0.56, 0.04), _WOOD),
        Box((-side * 0.35, -0.5, 0.56), (0.32, 0.3, 0.04), _GLASS),
        Box((0.71, -0.5, 0.0), (0.04, 0.3, 0.36), _GLASS),
        Box((side * 0.4, -1 + high + 0.45, -0.25), (0.18, 0.5, 0.18), _DARK),
    ]


def _robot(rng: random.Random, one: str, two: str) -> list[Body]:
    return [
        Box((0, -0.25, 0), (0.8, 0.8, 0.5), one),
        Box((0, 0.42, 0), (0.56, 0.42, 0.46), two),
        Ball((-0.13, 0.46, 0.23), (0.09, 0.09, 0.05), "#ffffff"),
        Ball((0.13, 0.46, 0.23), (0.09, 0.09, 0.05), "#ffffff"),
        Column((0, 0.75, 0), 0.3, 0.03, 0.03, "y", _DARK),
        Ball((0, 0.92, 0), (0.09, 0.09, 0.09), "#e02424"),
        Box((-0.52, -0.25, 0.05), (0.18, 0.7, 0.2), two),
        Box((0.52, -0.05, 0.2), (0.18, 0.2, 0.6), two),
        Box((-0.2, -0.82, 0), (0.2, 0.36, 0.26), _DARK),
        Box((0.2, -0.82, 0), (0.2, 0.36, 0.26), _DARK),
        Box((0, -0.2, 0.26), (0.4, 0.3, 0.04), _GLASS),
        Box((0, -0.25, -0.3), (0.3, 0.4, 0.1), _DARK),
    ]


def _table(rng: random.Random, one: str, two: str) -> list[Body]:
    """A table with a chair before it and a cup on it."""
    legs = [Box((x, -0.62, z), (0.1, 0.76, 0.1), _WOOD) for x in (-0.6, 0.6) for z in (-0.35, 0.35)]
    return [
        Box((0, -0.2, 0), (1.5, 0.1, 0.95), one),
        *legs,
        Column((rng.uniform(-0.4, 0.4), -0.02, 0.1), 0.26, 0.1, 0.13, "y", two),
        Box((0, -0.62, 0.85), (0.45, 0.08, 0.42), two),
        Box((0, -0.3, 1.02), (0.45, 0.6, 0.06), two),
        *[Box((x, -0.82, z), (0.07, 0.36, 0.07), _WOOD) for x in (-0.18, 0.18) for z in (0.7, 1.0)],
    ]


def _tree(rng: random.Random, one: str, two: str) -> list[Body]:
    """A round or pointed tree with a bench and a ball beside it, so that its sides differ."""
    green = rng.choice(("#2e9e3f", "#14532d", one))
    crown: list[Body] = [Ball((0, 0.35, 0), (0.62, 0.6, 0.62), green)]
    if rng.random() < 0.5:
        crown = [Column((0, 0.05 + 0.34 * k, 0), 0.6, 0.62 - 0.16 * k, 0.0, "y", green) for k in range(3)]
    return [
        Column((0, -0.62, 0), 0.8, 0.13, 0.1, "y", _WOOD),
        *crown,
        Box((0, -0.8, 0.75), (0.8, 0.08, 0.26), two),
        Box((-0.3, -0.92, 0.75), (0.08, 0.16, 0.2), _DARK),
        Box((0.3, -0.92, 0.75), (0.08, 0.16, 0.2), _DARK),
        Ball((0.75, -0.85, -0.15), (0.15, 0.15, 0.15), "#e02424"),
    ]


def _boat(rng: random.Random, one: str, two: str) -> list[Body]:
    return [
        Box((0, -0.78, -0.1), (0.7, 0.4, 1.3), one),
        Column((0, -0.78, 0.75), 0.4, 0.3, 0.35, "y", one),
        Box((0, -0.5, -0.35), (0.5, 0.3, 0.5), "#ffffff"),
        Column((0, 0.2, 0.12), 1.3, 0.035, 0.035, "y", _WOOD),
        Box((0, 0.3, -0.2), (0.03, 0.9, 0.55), two),
        Box((0, 0.0, 0.36), (0.03, 0.5, 0.36), two),
        Box((0, 0.92, 0.02), (0.02, 0.14, 0.24), "#e02424"),
    ]


def _train(rng: random.Random, one: str, two: str) -> list[Body]:
    return [
        Column((0, -0.35, 0.25), 1.1, 0.34, 0.34, "z", one),
        Box((0, -0.2, -0.62), (0.8, 0.9, 0.6), two),
        Box((0, 0.3, -0.62), (0.95, 0.1, 0.75), _DARK),
        Column((0, 0.15, 0.55), 0.4, 0.1, 0.16, "y", _DARK),
        Box((0, -0.72, 0), (0.72, 0.14, 1.8), _DARK),
        Box((0.41, 0.0, -0.62), (0.03, 0.28, 0.34), _GLASS),
        Box((-0.41, 0.0, -0.62), (0.03, 0.28, 0.34), _GLASS),
        Ball((0, -0.35, 0.82), (0.13, 0.13, 0.08), "#f7d020"),
        *_wheels([(s, z) for s in (-1, 1) for z in (-0.6, 0.05, 0.65)], 0.2, 0.4),
    ]


def _dog(rng: random.Random, one: str, two: str) -> list[Body]:
    return [
        Column((0, -0.35, -0.1), 1.0, 0.3, 0.32, "z", one),
        Ball((0, 0.12, 0.6), (0.34, 0.32, 0.32), one),
        Box((0, 0.02, 0.93), (0.26, 0.2, 0.3), two),
        Ball((0, 0.1, 1.08), (0.08, 0.07, 0.07), _DARK),
        Ball((-0.14, 0.22, 0.88), (0.05, 0.06, 0.04), _DARK),
        Ball((0.14, 0.22, 0.88), (0.05, 0.06, 0.04), _DARK),
        Box((-0.33, 0.2, 0.52), (0.1, 0.42, 0.22), two),
        Box((0.33, 0.2, 0.52), (0.1, 0.42, 0.22), two),
        *[Column((x, -0.78, z), 0.46, 0.09, 0.1, "y", two) for x in (-0.2, 0.2) for z in (-0.48, 0.28)],
        Box((0, -0.02, -0.66), (0.1, 0.44, 0.1), two),
    ]


_MAKERS = {
    "blocks": _blocks,
    "figure": _figure,
    "car": _car,
    "house": _house,
    "robot": _robot,
    "table": _table,
    "tree": _tree,
    "boat": _boat,
    "train": _train,
    "dog": _dog,
}

# --- words ---------------------------------------------------------------------------------------------------------------

NAMES_EN = {
    "blocks": "toy blocks",
    "figure": "a little figure",
    "car": "a toy car",
    "house": "a little house",
    "robot": "a toy robot",
    "table": "a table",
    "tree": "a toy tree",
    "boat": "a toy boat",
    "train": "a toy train",
    "dog": "a toy dog",
}
NAMES_ZH = {
    "blocks": "积木",
    "figure": "一个小人",
    "car": "一辆玩具车",
    "house": "一座小房子",
    "robot": "一个玩具机器人",
    "table": "一张桌子",
    "tree": "一棵玩具树",
    "boat": "一艘玩具船",
    "train": "一列玩具火车",
    "dog": "一只玩具狗",
}


POSE_EN = ("{thing}, {one} and {two}, 3d model, seen from the front", "a 3d model of {thing} in {one} and {two}, front view")
POSE_ZH = ("{thing}，{one}和{two}，立体模型，从正面看",)


def caption(solid: Solid, rng: random.Random, language: str) -> str:
    """ "a toy car, red and blue, 3d model, seen from the front"."""
    word = {c.hex: c for c in ITEM_COLOURS}
    one, two = word[solid.colour], word[solid.second]
    if language == "zh":
        return rng.choice(POSE_ZH).format(thing=NAMES_ZH[solid.kind], one=one.zh[0], two=two.zh[0])
    return rng.choice(POSE_EN).format(thing=NAMES_EN[solid.kind], one=one.en[0], two=two.en[0])


def instruction(degrees: int, rng: random.Random, language: str) -> str:
    """Turning on by so many degrees: positive = its front goes to the viewer's right."""
    side_en, side_zh = ("right", "右") if degrees > 0 else ("left", "左")
    much = abs(degrees)
    if language == "zh":
        return rng.choice((f"向{side_zh}转{much}度", f"把它向{side_zh}转{much}度"))
    return rng.choice((f"turn it {much} degrees to the {side_en}", f"rotate it {much}° to the {side_en}"))
