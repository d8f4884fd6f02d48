"""Solids and alleys: rays meet bodies where geometry says, turntables turn, walks lead where they say."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sayso.errors import BadInput, Unknown
from sayso.world import alley, rays, solids
from sayso.world.rays import Ball, Body, Box, Column

AHEAD = np.array([[0.0, 0.0, -1.0]])
EYE = np.array([[0.0, 0.0, 5.0]])


def test_rays_meet_bodies_where_geometry_says() -> None:
    for body, far, normal in (
        (Box((0, 0, 0), (2, 2, 2), "#ff0000"), 4.0, (0, 0, 1)),
        (Ball((0, 0, 0), (1, 1, 1.5), "#ff0000"), 3.5, (0, 0, 1)),
        (Column((0, 0, 0), 2, 1, 1, "y", "#ff0000"), 4.0, (0, 0, 1)),
        (Column((0, 0, 0), 2, 1, 1, "z", "#ff0000"), 4.0, (0, 0, 1)),
        (Box((0, 0, 0), (2, 2, 2), "#ff0000", 45.0), 5 - np.sqrt(2), None),
    ):
        hits = rays.meet([body], EYE, AHEAD)
        assert hits.far[0] == pytest.approx(far) and hits.body[0] == 0 and np.allclose(hits.colour[0], (1, 0, 0))
        if normal is not None:
            assert np.allclose(hits.normal[0], normal)
    cone = Column((0, 0, 0), 2, 1, 0, "y", "#ff0000")  # half-way up its radius is a half
    assert rays.meet([cone], EYE, AHEAD).far[0] == pytest.approx(4.5)
    assert np.isinf(rays.meet([cone], EYE + [0.6, 0, 0], AHEAD).far[0]) and rays.meet([], EYE, AHEAD).body[0] == -1


def test_the_nearest_body_wins_and_what_is_behind_is_not_met() -> None:
    bodies: list[Body] = [
        Box((0, 0, 0), (1, 1, 1), "#ff0000"),
        Ball((0, 0, 2), (0.5, 0.5, 0.5), "#00ff00"),
        Box((0, 0, 9), (1, 1, 1), "#0000ff"),
    ]
    for order in (bodies, bodies[::-1]):
        hits = rays.meet(order, EYE, AHEAD)
        assert np.allclose(hits.colour[0], (0, 1, 0)) and hits.far[0] == pytest.approx(2.5)


@given(st.floats(-2, 2), st.floats(-2, 2), st.floats(0.2, 1.0), st.floats(0.2, 1.0), st.integers(0, 2**32))
@settings(max_examples=40)
def test_points_that_are_met_lie_on_the_body(x: float, y: float, radius: float, length: float, seed: int) -> None:
    towards = np.random.default_rng(seed).normal(0, 0.3, (50, 3)) + [0, 0, -1]
    ray = towards / np.linalg.norm(towards, axis=-1, keepdims=True)
    ball, column = (
        Ball((x / 4, y / 4, 0), (radius, radius, radius), "#ffffff"),
        Column((x / 4, y / 4, 0), length, radius, radius, "x", "#ffffff"),
    )
    for body in (ball, column):
        hits = rays.meet([body], EYE, ray)
        at = (EYE + hits.far[:, None] * ray)[np.isfinite(hits.far)] - body.centre
        if isinstance(body, Ball):
            assert np.allclose(np.linalg.norm(at, axis=-1), radius, atol=1e-6)
        else:
            across = np.hypot(at[:, 1], at[:, 2])
            assert (across <= radius + 1e-6).all() and (np.abs(at[:, 0]) <= length / 2 + 1e-6).all()
            assert (np.isclose(across, radius, atol=1e-6) | np.isclose(np.abs(at[:, 0]), length / 2, atol=1e-6)).all()
        facing = (hits.normal * ray).sum(-1)[np.isfinite(hits.far)]
        assert (facing < 1e-9).all(), "outer sides face the viewer"


@pytest.mark.parametrize("kind", solids.KINDS)
def test_a_solid_without_colours_is_dyed_to_what_is_drawn_at_once(kind: str) -> None:
    solid = solids.sample_solid(random.Random(f"dyed {kind}"), kind)
    parts = solids.undyed(solid, 60, 40, 48)
    for background in (None, "#f3ead3"):
        mine = solids.dyed(parts, solid.colour, solid.second, background).astype(int)
        exact = solids.render(replace(solid, background=background), 60, 40, 48).astype(int)
        off = np.abs(mine - exact) * (exact[..., 3:] > 0)
        assert mine.shape == exact.shape and off.mean() < 0.2 and off[exact[..., 3] == 255].max() <= 12
    one, two = (solids.dyed(parts, colour, "#ffffff", "#ffffff").astype(int) for colour in ("#e02424", "#2563eb"))
    assert (one != two).any(-1).sum() == (parts[..., 4] > 0).sum() > 20


@pytest.mark.parametrize("kind", solids.KINDS)
def test_a_turntable_turns_and_comes_back(kind: str) -> None:
    solid = solids.sample_solid(random.Random(kind), kind)
    views = solids.turntable(solid, 32, 32, count=13)
    assert np.array_equal(views[0], views[12]) and len({v.tobytes() for v in views[:12]}) == 12
    assert np.array_equal(solids.render(solid, 90, 32, 32), views[3])
    for k in range(12):  # its neighbours are more like a view than those across
        near = np.abs(views[k].astype(int) - views[(k + 1) % 12].astype(int)).mean()
        assert near > 0.3
    assert (views[0][..., 3] == 255).mean() > 0.05
    # Nothing of the solid is cut by the frame.
    alone = solids.render(solids.Solid(solid.kind, solid.colour, solid.second, solid.bodies, None), 30, 48, 48)
    assert not (alone[0, :, 3] == 255).any() and not (alone[:, 0, 3] == 255).any() and not (alone[:, -1, 3] == 255).any()


def test_turning_right_brings_the_front_to_the_viewers_right() -> None:
    nose = solids.Solid("dog", "#e02424", "#2563eb", (Box((0, 0, 0.7), (0.3, 0.3, 0.3), "#ff0000"),), None)

    def middle(turn: float) -> float:
        red = solids.render(nose, turn, 64, 64)
        across = np.nonzero((red[..., 0] > 80) & (red[..., 3] > 200))[1]
        return float(across.mean())

    assert middle(0) == pytest.approx(31.5, abs=1) and middle(60) > 40 and middle(-60) < 24


def test_solids_repeat_and_say_what_they_are() -> None:
    assert solids.sample_solid(random.Random(4)) == solids.sample_solid(random.Random(4)) != solids.sample_solid(random.Random(5))
    with pytest.raises(Unknown, match="robot"):
        solids.sample_solid(random.Random(0), "robto")
    solid = solids.sample_solid(random.Random(4), "car")
    assert "toy car" in solids.caption(solid, random.Random(0), "en") and "玩具车" in solids.caption(solid, random.Random(0), "zh")
    assert "right" in solids.instruction(60, random.Random(0), "en") and "60" in solids.instruction(60, random.Random(0), "en")
    assert "左" in solids.instruction(-30, random.Random(0), "zh")
    assert set(solids.NAMES_EN) == set(solids.NAMES_ZH) == set(solids.KINDS)


# ---------------------------------------------------------------------------------------------------------------------
# alleys


def test_an_alley_repeats_and_its_walker_stands_in_the_street() -> None:
    for seed in range(6):
        place, walker = alley.sample_alley(random.Random(seed))
        again, same = alley.sample_alley(random.Random(seed))
        assert place == again and walker == same
        assert walker.cell in place.street and "forward" in alley.open_steps(place, walker)
        assert len(place.street) >= 8 and all(isinstance(b, Box) for b in place.bodies[: place.walls])
        reached, front = {walker.cell}, [walker.cell]
        while front:  # the street is one piece
            x, z = front.pop()
            near = {(x + dx, z + dz) for dx, dz in alley.WAYS} & place.street - reached
            reached |= near
            front += near
        assert reached == place.street


def test_steps_lead_where_they_say() -> None:
    place, walker = alley.sample_alley(random.Random(1))
    assert alley.go(place, alley.go(place, walker, "left"), "right") == walker
    turned = walker
    for _ in range(4):
        turned = alley.go(place, turned, "right")
    assert turned == walker
    on = alley.go(place, walker, "forward")
    assert sum(abs(a - b) for a, b in zip(on.cell, walker.cell, strict=True)) == 1 and on.way == walker.way
    with pytest.raises(Unknown):
        alley.go(place, walker, "up")
    blocked = next(
        w for c in sorted(place.street) for k in range(4) for w in [alley.Walker(c, k)] if "forward" not in alley.open_steps(place, w)
    )
    with pytest.raises(BadInput, match="house"):
        alley.go(place, blocked, "forward")


def test_walks_are_possible_and_repeat() -> None:
    for seed in range(8):
        place, walker = alley.sample_alley(random.Random(seed))
        steps = alley.sample_walk(place, walker, random.Random(seed), 12)
        assert steps == alley.sample_walk(place, walker, random.Random(seed), 12) and "forward" in steps
        for step in steps:
            walker = alley.go(place, walker, step)
        assert not any({a, b} == {"left", "right"} for a, b in pairwise(steps))


def test_what_is_seen_depends_on_where_one_stands_and_is_opaque() -> None:
    place, walker = alley.sample_alley(random.Random(2), "day")
    here = alley.render(place, walker, 24, 36)
    assert here.shape == (24, 36, 4) and (here[..., 3] == 255).all()
    assert np.array_equal(here, alley.render(place, walker, 24, 36))
    for step in alley.open_steps(place, walker):
        assert np.abs(alley.render(place, alley.go(place, walker, step), 24, 36).astype(int) - here).mean() > 3
    with pytest.raises(Unknown, match="night"):
        alley.sample_alley(random.Random(0), "nigth")


def test_night_is_darker_than_day() -> None:
    bright = [alley.render(*alley.sample_alley(random.Random(3), mood), 16, 16)[..., :3].mean() for mood in ("day", "evening", "night")]
    assert bright[0] > bright[1] > bright[2]


def test_shadows_fall_away_from_the_sun_and_light_is_never_more_than_one() -> None:
    floor, post = Box((0, -0.1, 0), (10, 0.2, 10), "#ffffff"), Box((0, 1, 0), (0.4, 2, 0.4), "#ffffff")
    sun = np.array([0.6, 0.8, 0.0])
    down = np.repeat([[0.0, -1.0, 0.0]], 2, 0)
    eyes = np.array([[-1.0, 4, 0], [1.0, 4, 0]])
    hits = rays.meet([floor, post], eyes, down)
    light = rays.shaded([floor, post], hits, eyes, down, sun)[:, 0]
    assert light[0] < light[1] <= 1


@pytest.mark.parametrize("mood", alley.MOODS)
def test_a_sketch_shows_what_the_map_says_and_no_light(mood: str) -> None:
    """Sky where the picture has sky, houses in their own colours where the picture has them lit or in shadow."""
    for number in range(3):
        place, walker = alley.numbered(number, mood)
        sketch, exact = (f(place, walker, 48, 48)[..., :3].astype(float) / 255 for f in (alley.sketched, alley.render))
        eye, ray = alley.outlook(walker, 48, 48)
        hits, walls = alley.met(place, walker, eye, ray)
        sky = ((hits.body < 0) & (ray[:, 1] > 0)).reshape(48, 48)
        inside = sky[1:-1, 1:-1] & sky[:-2, 1:-1] & sky[2:, 1:-1] & sky[1:-1, :-2] & sky[1:-1, 2:]
        assert np.abs(sketch - exact)[1:-1, 1:-1][inside].max(initial=0) < 0.02
        near = ((hits.body >= 0) & (hits.body < walls) & (hits.far < 5)).reshape(48, 48)
        lit = exact[near].sum(-1) / sketch[near].sum(-1)
        assert near.sum() > 100 and 0.3 < np.quantile(lit, 0.05) < np.quantile(lit, 0.95) < 1.6
        assert len(np.unique(sketch[near].round(2), axis=0)) < len(np.unique(exact[near].round(2), axis=0)), "no bricks, no shadows"


def test_a_step_forward_brings_what_stands_ahead_nearer_by_a_cell() -> None:
    seen = 0
    for number in range(30):
        place, walker = alley.numbered(number, "day")
        there = [walker, alley.go(place, walker, "forward")]
        hits = [alley.met(place, w, eye, ray[:1]) for w in there for eye, ray in (alley.outlook(w, 1, 1),)]
        if all(0 <= h.body[0] < walls for h, walls in hits) and hits[0][0].far[0] < 20:
            assert hits[0][0].far[0] - hits[1][0].far[0] == pytest.approx(2)
            seen += 1
    assert seen >= 4
