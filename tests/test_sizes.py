"""Sizes: the nearest of the shapes that an engine has, and what "exactly that size" takes."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sayso.studio.tools import sizes

SHAPES = ("512x512", "576x448", "448x576", "640x384", "384x640")


@pytest.mark.parametrize(
    ("asked", "shape"),
    [
        ((1024, 1024), None),  # the engine draws that itself
        ((1000, 1000), (512, 512)),  # no multiple of 16
        ((1536, 1024), (640, 384)),
        ((1024, 1536), (384, 640)),
        ((1792, 1024), (640, 384)),
        ((1024, 1792), (384, 640)),
        ((1152, 896), None),
        ((2048, 256), None),  # too far from all: the engine says so
    ],
)
def test_the_nearest_shape(asked: tuple[int, int], shape: tuple[int, int] | None) -> None:
    assert sizes.nearest(*asked, SHAPES) == shape


@given(st.integers(16, 4096), st.integers(16, 4096))
def test_no_other_shape_would_be_stretched_less(width: int, height: int) -> None:
    def far(across: int, down: int) -> float:
        return abs(math.log(width / height * down / across))

    best = min(far(*map(int, shape.split("x"))) for shape in SHAPES)
    found = sizes.nearest(width, height, SHAPES)
    if found is not None:
        assert far(*found) == pytest.approx(best, abs=1e-9) and best <= sizes.STRETCH
    else:
        assert best > sizes.STRETCH or sizes.drawable(width, height) == (width, height)
