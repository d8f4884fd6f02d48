"""The exact renderer and the backgrounds."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sayso.errors import BadInput, Unknown
from sayso.world import art, render
from sayso.world.colours import rgb
from sayso.world.scene import BACKDROP_VARIANTS, BACKDROPS, PATTERNS, STYLES, Background, Item, Lettering, Scene

NOTHING = Background("transparent")
WHITE = Background("solid", ("#ffffff",))


def one(item: Item, background: Background = NOTHING, width: int = 64, height: int = 64) -> Scene:
    return Scene(width, height, background, (item,))


def test_a_sample_of_concepts_draws_in_every_style() -> None:
    for c in art.concepts()[::23]:
        for style in STYLES:
            pixels = render.sprite(c.slug, style, 24)
            assert pixels.shape == (24, 24, 4) and pixels.dtype == np.uint8
            assert (pixels[..., 3] > 100).sum() > 5, (c.slug, style)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(art.CORE), st.floats(-0.2, 1.2), st.floats(-0.2, 1.2), st.floats(0.02, 1.4), st.floats(0, 360))
def test_the_style_with_filters_draws_anywhere(slug: str, x: float, y: float, size: float, turn: float) -> None:
    assert render.render(one(Item(slug, "fluent", x, y, size, turn=turn, tint="#2563eb", shadow=True))).shape == (64, 64, 4)


def test_two_copies_and_two_arts_keep_their_own_gradients() -> None:
    left, right = Item("fox", "fluent", 0.25, 0.5, 0.9), Item("apple", "noto", 0.75, 0.5, 0.9)
    again = Item("fox", "fluent", 0.75, 0.5, 0.9)
    for second in (right, again):
        scene = Scene(128, 64, WHITE, (left, second))
        ids = re.findall(r'\bid="([^"]+)"', render.scene_svg(scene))
        assert len(ids) == len(set(ids)) > 4
        both = render.render(scene)
        assert np.array_equal(both[:, :64], render.render(Scene(128, 64, WHITE, (left,)))[:, :64])
        assert np.array_equal(both[:, 64:], render.render(Scene(128, 64, WHITE, (second,)))[:, 64:])


@pytest.mark.parametrize("style", ["fluent", "flat", "noto", "twemoji"])
@pytest.mark.parametrize("tint", ["#e02424", "#22c3d6"])
def test_tint_is_the_stated_formula(style: str, tint: str) -> None:
    plain = render.sprite("apple", style, 64).astype(float)
    tinted = render.sprite("apple", style, 64, tint).astype(float)
    luma = plain[..., :3] @ np.array(render.LUMA) / 255
    expected = np.minimum(np.array(rgb(tint)) * (0.4 + luma)[..., None], 255)
    inside = plain[..., 3] == 255
    assert inside.sum() > 500
    assert np.abs(tinted[..., :3] - expected)[inside].max() <= 2
    assert np.abs(tinted[..., 3] - plain[..., 3]).max() <= 1


def test_line_style_is_drawn_in_the_tint_or_in_ink() -> None:
    for tint, ink in ((None, render.INK), ("#f58220", "#f58220")):
        pixels = render.sprite("car", "line", 64, tint)
        assert np.all(pixels[pixels[..., 3] == 255][:, :3] == rgb(ink))


@settings(max_examples=20, deadline=None)
@given(st.sampled_from(art.CORE[:60]), st.sampled_from(("flat", "line", "noto", "twemoji")))
def test_a_flip_mirrors_and_a_half_turn_turns(slug: str, style: str) -> None:
    plain = render.render(one(Item(slug, style, 0.5, 0.5, 0.8))).astype(int)
    flipped = render.render(one(Item(slug, style, 0.5, 0.5, 0.8, flip=True))).astype(int)
    turned = render.render(one(Item(slug, style, 0.5, 0.5, 0.8, turn=180))).astype(int)
    assert np.abs(flipped[:, ::-1, 3] - plain[..., 3]).mean() < 1.5
    assert np.abs(turned[::-1, ::-1, 3] - plain[..., 3]).mean() < 1.5


def test_a_quarter_turn_is_clockwise_and_comes_after_the_flip() -> None:
    plain = render.render(one(Item("key", "flat", 0.5, 0.5, 0.8))).astype(int)
    turned = render.render(one(Item("key", "flat", 0.5, 0.5, 0.8, turn=90))).astype(int)
    assert np.abs(turned - np.rot90(plain, -1))[..., 3].mean() < 1.5
    both = render.render(one(Item("key", "flat", 0.5, 0.5, 0.8, turn=90, flip=True))).astype(int)
    assert np.abs(both - np.rot90(plain[:, ::-1], -1))[..., 3].mean() < 1.5


def test_an_item_lies_where_and_as_large_as_it_says() -> None:
    pixels = render.render(one(Item("tree", "twemoji", 0.25, 0.5, 0.6), width=200, height=100))
    rows, columns = np.nonzero(pixels[..., 3] > 10)
    assert 20 <= columns.min() and columns.max() < 80 and columns.max() - columns.min() > 35
    assert 20 <= rows.min() and rows.max() < 80 and rows.max() - rows.min() > 50


def test_shadow_is_the_stated_ellipse_and_ignores_the_turn() -> None:
    item = Item("fox", "flat", 0.5, 0.4, 0.6)
    plain = render.render(one(item, width=200, height=200))[..., 3] / 255
    for turn in (0.0, 45.0):
        bare = render.render(one(Item("fox", "flat", 0.5, 0.4, 0.6, turn=turn), width=200, height=200))[..., 3] / 255
        shaded = render.render(one(Item("fox", "flat", 0.5, 0.4, 0.6, turn=turn, shadow=True), width=200, height=200))[..., 3] / 255
        y, x = np.mgrid[0:200, 0:200] + 0.5
        r = np.hypot((x - 100) / (0.38 * 120), (y - (80 + 0.47 * 120)) / (0.08 * 120))
        expected = np.where(bare == 0, 0.35 * np.clip(1 - r, 0, None), shaded)
        assert np.abs(shaded - expected).max() < 0.03
        assert (shaded - bare).max() > 0.2
    assert plain.max() == 1


def test_transparent_is_real_alpha_and_solid_is_exact() -> None:
    assert render.render(Scene(8, 8, NOTHING)).max() == 0
    assert np.all(render.render(Scene(8, 8, Background("solid", ("#12ab9f",)))) == (0x12, 0xAB, 0x9F, 255))
    alpha = render.render(one(Item("fox", "flat", 0.5, 0.5, 0.5)))[..., 3]
    assert alpha[0, 0] == 0 and alpha[32, 32] == 255 and ((alpha > 0) & (alpha < 255)).any()


@pytest.mark.parametrize(("angle", "dark"), [(0, "top"), (90, "left"), (180, "bottom"), (270, "right")])
def test_gradients_run_along_their_angle(angle: int, dark: str) -> None:
    pixels = render.render(Scene(60, 40, Background("gradient", ("#000000", "#ffffff"), angle=angle)))[..., 0].astype(int)
    edges = {"top": pixels[0].mean(), "bottom": pixels[-1].mean(), "left": pixels[:, 0].mean(), "right": pixels[:, -1].mean()}
    assert min(edges, key=lambda k: edges[k]) == dark
    assert edges[dark] < 10 and max(edges.values()) > 245


@pytest.mark.parametrize("name", PATTERNS)
def test_patterns_hold_both_colours_and_nothing_else_but_their_blends(name: str) -> None:
    for width, height in ((96, 96), (160, 90)):
        pixels = render.render(Scene(width, height, Background("pattern", ("#ffffff", "#000000"), name=name)))
        dark = (pixels[..., 0] < 30).mean()
        assert 0.08 < dark < 0.6 and (pixels[..., 0] > 225).mean() > 0.2
        assert (pixels[..., 3] == 255).all() and np.ptp(pixels[..., :3].astype(int), axis=2).max() == 0
        quarters = [pixels[:40, :40, 0].mean(), pixels[-40:, -40:, 0].mean(), pixels[:40, -40:, 0].mean()]
        assert max(quarters) - min(quarters) < 60  # it covers the whole canvas


@pytest.mark.parametrize("name", BACKDROPS)
def test_backdrops_cover_any_aspect_are_fixed_and_differ_by_variant(name: str) -> None:
    for width, height in ((64, 64), (96, 40), (40, 96)):
        drawn = [render.render(Scene(width, height, Background("backdrop", name=name, variant=v))) for v in range(BACKDROP_VARIANTS)]
        assert all((p[..., 3] == 255).all() for p in drawn)
        for i, first in enumerate(drawn):
            for second in drawn[i + 1 :]:
                assert np.abs(first.astype(int) - second.astype(int)).mean() > 8
    again = render.render(Scene(40, 96, Background("backdrop", name=name, variant=BACKDROP_VARIANTS - 1)))
    assert np.array_equal(again, drawn[-1])


def test_lettering_is_centred_coloured_and_over_the_items() -> None:
    scene = Scene(200, 100, WHITE, (Item("tree", "flat", 0.5, 0.5, 0.9),), (Lettering("HOH", "sans", 0.5, 0.5, 0.3, "#ff0000"),))
    rows, columns = np.nonzero(np.all(render.render(scene)[..., :3] == (255, 0, 0), axis=2))
    assert abs((columns.min() + columns.max() + 1) / 2 - 100) <= 1.5
    assert abs((rows.min() + rows.max() + 1) / 2 - 50) <= 1.5
    assert 0.6 < (rows.max() - rows.min()) / 30 < 0.85


def test_scale_keeps_the_aspect_and_the_picture() -> None:
    scene = one(Item("car", "flat", 0.4, 0.5, 0.7), Background("backdrop", name="sea"), 120, 80)
    assert render.render(scene).shape == (80, 120, 4)
    assert render.render(scene, width=60).shape == (40, 60, 4)
    large = render.render(scene, height=160)
    assert large.shape == (160, 240, 4)
    small = large.reshape(80, 2, 120, 2, 4).astype(float).mean(axis=(1, 3))
    assert np.abs(small - render.render(scene)).mean() < 2
    with pytest.raises(BadInput, match="aspect 120:80"):
        render.render(scene, 100, 100)
    with pytest.raises(BadInput, match="between 1 and"):
        render.render(scene, width=100_000)


@pytest.mark.parametrize(("background", "message"), [
    (Background("backdrop", name="skye"), 'did you mean "sky"'),
    (Background("backdrop", name="sky", variant=9), "variant 9"),
    (Background("pattern", ("#ffffff", "#000000"), name="stripe"), 'did you mean "stripes"'),
    (Background("gradient", ("#ffffff",)), "needs 2 colours but has 1"),
])
def test_bad_backgrounds_say_what_is_wrong(background: Background, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        render.render(Scene(8, 8, background))


def test_bad_items_name_the_nearest() -> None:
    with pytest.raises(Unknown, match='did you mean "fox"'):
        render.sprite("foxx", "flat", 8)
    with pytest.raises(Unknown, match='did you mean "flat"'):
        render.sprite("fox", "flatt", 8)
