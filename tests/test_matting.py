"""Outlines of things, and grounds carried on: against slow twins and exact pictures."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sayso.engines import matting
from sayso.types import Plan


def lot(seed: int, height: int, width: int, share: float) -> np.ndarray:
    out: np.ndarray = np.random.default_rng(seed).random((height, width)) < share
    return out


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6), st.integers(3, 24), st.integers(3, 24), st.integers(1, 4))
def test_grown_reaches_as_far_as_said(seed: int, height: int, width: int, by: int) -> None:
    mask = lot(seed, height, width, 0.05)
    def plainly(y: int, x: int) -> bool:
        return bool(mask[max(0, y - by) : y + by + 1, max(0, x - by) : x + by + 1].any())

    assert np.array_equal(matting.grown(mask, by), [[plainly(y, x) for x in range(width)] for y in range(height)])


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6), st.integers(3, 40), st.integers(3, 40))
def test_what_hangs_together_is_found_as_by_walking(seed: int, height: int, width: int) -> None:
    within, start = lot(seed, height, width, 0.55), lot(seed + 1, height, width, 0.02)
    found, open_ = np.zeros_like(within), [tuple(at) for at in np.argwhere(start & within)]
    while open_:
        y, x = open_.pop()
        if 0 <= y < height and 0 <= x < width and within[y, x] and not found[y, x]:
            found[y, x] = True
            open_ += [(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
    assert np.array_equal(matting.hanging(start, within), found)


def test_of_a_large_picture_the_parts_are_found_at_a_small_size() -> None:
    within = np.zeros((600, 450), bool)
    within[100:200, 100:200] = within[400:590, 300:440] = True
    found = matting.hanging(np.indices(within.shape)[0] == 150, within)
    assert found[100:200, 100:200].all() and not found[400:].any()


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6), st.integers(1, 70), st.integers(1, 70), st.floats(0.01, 1))
def test_spreading_keeps_what_is_known_and_stays_between(seed: int, height: int, width: int, share: float) -> None:
    values = np.random.default_rng(seed).normal(size=(height, width, 3)).astype(np.float32)
    known = lot(seed, height, width, share)
    out = matting.spread(values, known)
    assert out.shape == values.shape and np.array_equal(out[known], values[known])
    if known.any():
        assert (out <= values[known].max(0) + 1e-4).all() and (out >= values[known].min(0) - 1e-4).all()
    else:
        assert not out.any()


def test_a_slope_is_carried_on_over_a_hole() -> None:
    y, x = np.mgrid[:96, :96].astype(np.float32)
    slope, known = np.stack((y, x, 95 - y), -1), np.ones((96, 96), bool)
    known[30:60, 40:70] = False
    assert np.abs(matting.spread(np.where(known[..., None], slope, 0), known) - slope).max() < 6


@pytest.mark.parametrize("ground", ["solid #2563eb", "gradient #2563eb #f58220 45", "transparent"])
def test_where_a_thing_shows(ground: str) -> None:
    from sayso.world import plan
    from sayso.world.render import render

    bare = Plan(64, 64, ground)
    picture = render(plan.scene_of(bare), 96, 96)
    assert not matting.shows(picture, bare).any()  # type: ignore[union-attr]
    picture[30:50, 30:50] = (120, 20, 90, 255)
    things = matting.shows(picture, bare)
    assert things is not None and things[30:50, 30:50].mean() > 0.9 and things.sum() <= 400
    cut = matting.cut_out(picture, things)
    assert (cut[32:48, 32:48, 3] > 245).all() and not cut[:27, :, 3].any()
    assert np.abs(cut[40, 40, :3].astype(int) - (120, 20, 90)).max() <= 1


def test_before_other_grounds_nothing_is_told() -> None:
    picture = np.full((64, 64, 4), 255, np.uint8)
    assert matting.shows(picture, Plan(64, 64, "pattern dots #ffffff #2563eb")) is None
    assert matting.shows(picture, Plan(64, 64, "backdrop meadow 1")) is None
    assert matting.shows(picture, Plan(64, 64, "solid #000000")) is None, "that ground is not there"


def test_enclosed_parts_are_the_thing_s_where_it_is_painted_so() -> None:
    picture, painted = np.full((96, 96, 4), 255, np.uint8), np.zeros((96, 96, 4), np.uint8)
    picture[20:76, 20:76] = (30, 30, 30, 255)
    picture[36:60, 36:60] = 255
    things = (picture != 255).any(-1)
    assert not matting.cut_out(picture, things, painted)[44:52, 44:52, 3].any(), "a hole"
    painted[20:76, 20:76] = 255
    whole = matting.cut_out(picture, things, painted)
    assert (whole[24:72, 24:72, 3] == 255).all() and (whole[44:52, 44:52, :3] == 255).all(), "an eye"
    assert not whole[:16, :, 3].any()


def test_a_fill_meets_what_lies_around_it() -> None:
    there, painted = np.full((64, 64, 4), 200, np.uint8), np.full((64, 64, 4), 188, np.uint8)
    there[..., 3] = painted[..., 3] = 255
    where = np.zeros((64, 64), bool)
    where[20:40, 20:40] = True
    assert np.abs(matting.met(painted, there, where)[where].astype(int) - (200, 200, 200, 255)).max() <= 1
    far = painted.copy()
    far[..., :3] = 20
    assert np.array_equal(matting.met(far, there, where), far), "another thing, not the same ground"
