"""Exact pictures of simple bodies: every pixel asks which body its rays meet first, and how the light falls there.

Bodies are boxes, balls, upright round columns that may taper, and vertical slabs of a wall; each is met by solving its own
equation. Space: x right, y up, z towards the viewer at turn 0, lengths in units of the scene. Colours are "#rrggbb".

Axes: R rays.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from sayso.world.colours import rgb

NEAR = 1e-4


@dataclass(frozen=True)
class Box:
    """Axis-aligned in its own frame, which is turned by `turn` degrees about the upright axis through its centre."""

    centre: tuple[float, float, float]
    size: tuple[float, float, float]
    colour: str
    turn: float = 0.0


@dataclass(frozen=True)
class Ball:
    """An ellipsoid: `radii` along x, y, z."""

    centre: tuple[float, float, float]
    radii: tuple[float, float, float]
    colour: str


@dataclass(frozen=True)
class Column:
    """A round body along `axis` ("x", "y" or "z"): `radius` at its low end, `top` at its high end (0: a cone)."""

    centre: tuple[float, float, float]
    length: float
    radius: float
    top: float
    axis: str
    colour: str


Body = Box | Ball | Column


@dataclass(frozen=True, eq=False)
class Hits:
    """`far` [R] (inf: nothing was met), `normal` [R, 3], `colour` [R, 3] in 0..1, `body` int [R] (−1: none)."""

    far: np.ndarray
    normal: np.ndarray
    colour: np.ndarray
    body: np.ndarray


def _box(body: Box, origin: np.ndarray, ray: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(distance [R], normal [R, 3]) by the slab method."""
    angle = np.radians(body.turn)
    c, s = np.cos(angle), np.sin(angle)
    into = np.array([[c, 0, -s], [0, 1, 0], [s, 0, c]])  # world → own frame
    o, d = (origin - np.array(body.centre)) @ into.T, ray @ into.T
    half = np.array(body.size) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        a, b = (-half - o) / d, (half - o) / d
    enter, leave = np.fmin(a, b), np.fmax(a, b)
    first, last = enter.max(-1), leave.min(-1)
    hit = (first <= last) & (first > NEAR)
    axis = enter.argmax(-1)
    normal = np.zeros_like(d)
    rows = np.arange(len(d))
    normal[rows, axis] = -np.sign(d[rows, axis])
    return np.where(hit, first, np.inf), normal @ into


def _ball(body: Ball, origin: np.ndarray, ray: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    radii = np.array(body.radii)
    o, d = (origin - np.array(body.centre)) / radii, ray / radii
    a, b, c = (d * d).sum(-1), (o * d).sum(-1), (o * o).sum(-1) - 1
    inside = b * b - a * c
    far = (-b - np.sqrt(np.maximum(inside, 0))) / a
    normal = (o + far[..., None] * d) / radii
    normal /= np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-9)
    return np.where((inside > 0) & (far > NEAR), far, np.inf), normal


_ORDER = {"x": (1, 0, 2), "y": (0, 1, 2), "z": (0, 2, 1)}  # swaps that bring the axis to y; each is its own inverse


def _column(body: Column, origin: np.ndarray, ray: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    order = list(_ORDER[body.axis])
    o, d = (origin - np.array(body.centre))[..., order], ray[..., order]
    half = body.length / 2
    slope = (body.top - body.radius) / body.length
    middle = (body.radius + body.top) / 2
    r0, r1 = middle + slope * o[..., 1], slope * d[..., 1]
    a = d[..., 0] ** 2 + d[..., 2] ** 2 - r1**2
    b = o[..., 0] * d[..., 0] + o[..., 2] * d[..., 2] - r0 * r1
    c = o[..., 0] ** 2 + o[..., 2] ** 2 - r0**2
    best, normal = np.full(len(d), np.inf), np.zeros_like(d)
    root = np.sqrt(np.maximum(b * b - a * c, 0))
    with np.errstate(divide="ignore", invalid="ignore"):
        for far in ((-b - root) / a, (-b + root) / a):
            y = o[..., 1] + far * d[..., 1]
            good = (b * b > a * c) & (far > NEAR) & (np.abs(y) <= half) & (middle + slope * y >= 0) & (far < best)
            at = o + far[..., None] * d
            side = np.stack([at[..., 0], -slope * (middle + slope * y), at[..., 2]], -1)
            best, normal = np.where(good, far, best), np.where(good[..., None], side, normal)
        for end, radius in ((-half, body.radius), (half, body.top)):
            far = (end - o[..., 1]) / d[..., 1]
            at = o + far[..., None] * d
            good = (far > NEAR) & (at[..., 0] ** 2 + at[..., 2] ** 2 <= radius**2) & (far < best)
            best = np.where(good, far, best)
            normal = np.where(good[..., None], np.array([0.0, np.sign(end), 0.0]), normal)
    normal /= np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-9)
    return best, normal[..., order]


def reach_of(body: Body) -> float:
    """Radius of a ball round the body's centre that holds it."""
    if isinstance(body, Box):
        return float(np.linalg.norm(body.size)) / 2 + NEAR
    if isinstance(body, Ball):
        return max(body.radii) + NEAR
    return float(np.hypot(body.length / 2, max(body.radius, body.top))) + NEAR


_MEET = {Box: _box, Ball: _ball, Column: _column}


_TOGETHER = 32  # bodies whose balls are met at once
_SLACK = 0.02  # squared units, more than single precision errs by within 100 units of the middle


def _near(bodies: Sequence[Body], origin: np.ndarray, ray: np.ndarray) -> Iterator[np.ndarray]:
    """For each body, from how far on each ray [R] may be in the ball that holds it; inf where it never is."""
    own, square = (np.einsum("ij,ij->i", origin, x).astype(np.float32) for x in (ray, origin))
    start, towards = origin.astype(np.float32).T, ray.astype(np.float32).T
    for first in range(0, len(bodies), _TOGETHER):
        some = bodies[first : first + _TOGETHER]
        centres, reach = np.array([b.centre for b in some], np.float32), np.array([[reach_of(b)] for b in some], np.float32)
        along = centres @ towards - own  # [bodies, R]
        apart = (centres**2).sum(1, keepdims=True) - 2 * centres @ start + square - along**2  # squared distance of the ray's line
        yield from np.where((apart < reach**2 + _SLACK) & (along > -reach - _SLACK), along - reach - _SLACK, np.float32(np.inf))


def meet(bodies: Sequence[Body], origin: np.ndarray, ray: np.ndarray) -> Hits:
    """The first body along each ray: origins [R, 3] (or [3]), unit directions [R, 3]."""
    count = len(ray)
    origin = np.broadcast_to(origin, ray.shape)
    far, normal = np.full(count, np.inf), np.zeros((count, 3))
    which = np.full(count, -1)
    for k, (body, near) in enumerate(zip(bodies, _near(bodies, origin, ray), strict=True)):
        likely = np.flatnonzero(near < far)
        if not len(likely):
            continue
        at, n = _MEET[type(body)](body, origin[likely], ray[likely])  # type: ignore[operator]
        nearer = at < far[likely]
        rows = likely[nearer]
        far[rows], normal[rows], which[rows] = at[nearer], n[nearer], k
    table = np.array([*(rgb(b.colour) for b in bodies), (0, 0, 0)]) / 255
    return Hits(far, normal, table[which], which)


def shaded(casters: Sequence[Body], hits: Hits, origin: np.ndarray, ray: np.ndarray, sun: np.ndarray) -> np.ndarray:
    """Colours [R, 3] of what was met: light from the sky and from the sun (unit direction); `casters` throw sharp shadows."""
    seen = hits.body >= 0
    out = np.zeros((len(ray), 3))
    if not seen.any():
        return out
    points = (np.broadcast_to(origin, ray.shape) + np.where(seen, hits.far, 0)[:, None] * ray)[seen]
    normals = hits.normal[seen]
    facing = np.maximum(normals @ sun, 0)
    lit = facing > 0
    dark = np.zeros(len(points), bool)
    if lit.any():
        towards = np.broadcast_to(sun, (int(lit.sum()), 3))
        dark[lit] = np.isfinite(meet(casters, points[lit] + 1e-3 * normals[lit], towards).far)
    light = 0.52 + 0.14 * normals[:, 1] + 0.48 * facing * ~dark
    out[seen] = np.clip(hits.colour[seen] * light[:, None], 0, 1)
    return out


def averaged(samples: np.ndarray, height: int, width: int, fine: int) -> np.ndarray:
    """Premultiplied samples [H · f · W · f, 4] → uint8 [H, W, 4] straight, each pixel the mean of f × f samples."""
    x = samples.reshape(height, fine, width, fine, 4).mean((1, 3))
    alpha = x[..., 3:]
    colour = np.where(alpha > 0, x[..., :3] / np.maximum(alpha, 1e-6), 0)
    out: np.ndarray = np.round(np.concatenate([colour, alpha], -1).clip(0, 1) * 255).astype(np.uint8)
    return out
