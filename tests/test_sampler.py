"""The sampler: inside the frame, true relations, exact counts, readable, the same again, and never a held-out composition."""

import pickle
import random
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sayso.errors import BadInput, Unknown
from sayso.world import art, colours, contrast, fonts
from sayso.world.layout import box, frame, overlap, relation_holds, snapped
from sayso.world.pools import words
from sayso.world.render import render
from sayso.world.sampler import FIRST_LIGHT, KINDS, WorldSpec, default_mix, sample_scene
from sayso.world.scene import BACKDROP_VARIANTS, BACKDROPS, Background, Scene
from sayso.world.splits import count_held_out, held_out, pair_held_out, word_held_out
from sayso.world.staging import INK, main_colours

WIDE, TALL = ((384, 256), 1.0), ((256, 448), 1.0)
ASPECTS = {"square": ((256, 256), 1.0), "wide": WIDE, "tall": TALL}


def _only(kind: str, **changes: object) -> WorldSpec:
    return replace(FIRST_LIGHT, kinds=((kind, 1.0),), **changes)


def _some(spec: WorldSpec, n: int, seed: int = 0) -> list[Scene]:
    rng = random.Random(seed)
    return [sample_scene(rng, spec) for _ in range(n)]


def test_same_seed_same_scenes():
    assert _some(FIRST_LIGHT, 60, 7) == _some(default_mix(), 60, 7)
    assert _some(FIRST_LIGHT, 60, 7) != _some(FIRST_LIGHT, 60, 8)
    assert _some(pickle.loads(pickle.dumps(FIRST_LIGHT)), 60, 7) == _some(FIRST_LIGHT, 60, 7)


def test_training_never_meets_a_held_out_composition():
    assert not any(held_out(scene) for scene in _some(FIRST_LIGHT, 3000))
    whole = default_mix(tuple(c.slug for c in art.concepts()))
    assert not any(held_out(scene) for scene in _some(whole, 200))


@pytest.mark.parametrize("kind", [k for k in KINDS if k != "single"])
def test_the_held_out_split_tests_what_is_held_out(kind):
    for scene in _some(_only(kind, split="held-out"), 60):
        assert held_out(scene)
        names = [item.concept for item in scene.items]
        if kind == "pair":
            assert pair_held_out(*names)
        if kind == "count":
            assert count_held_out(names[0], len(names))
        if kind == "lettering":
            assert all(word_held_out(word) for line in scene.lettering for word in line.text.split())
        if kind == "relation":
            relation = scene.relations[0]
            assert pair_held_out(names[relation.subject], names[relation.objects[0]])


@settings(max_examples=120, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from(KINDS), st.sampled_from(sorted(ASPECTS)))
def test_geometry(seed, kind, aspect):
    scene = sample_scene(random.Random(seed), _only(kind, aspects=(ASPECTS[aspect],)))
    w, h = frame(scene.width, scene.height)
    boxes = [box(item, scene.width, scene.height) for item in scene.items]
    for x0, y0, x1, y1 in boxes:
        assert -2e-3 <= x0 and x1 <= w + 2e-3 and -2e-3 <= y0 and y1 <= h + 2e-3
    for relation in scene.relations:
        assert relation_holds(scene, relation), relation
    if kind != "relation":
        assert all(overlap(a, b) < 0.02 for i, a in enumerate(boxes) for b in boxes[:i])
    for line in scene.lettering:
        half = fonts.width(line.font, line.text) * line.height / 2
        assert line.x * w - half >= -0.01 and line.x * w + half <= w + 0.01
        assert 0.6 * line.height <= line.y * h <= h - 0.6 * line.height
        for x0, y0, x1, y1 in boxes:
            assert y1 <= line.y * h - 0.55 * line.height or y0 >= line.y * h + 0.55 * line.height


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32))
def test_kinds_are_what_they_say(seed):
    rng = random.Random(seed)
    made = {kind: sample_scene(rng, _only(kind)) for kind in KINDS}
    concepts = {kind: [item.concept for item in scene.items] for kind, scene in made.items()}
    assert len(concepts["single"]) == 1 and len(set(concepts["pair"])) == 2 and len(made["pair"].relations) == 1
    assert 3 <= len(concepts["several"]) <= 6 and len(set(concepts["several"])) == len(concepts["several"])
    count = made["count"].items
    assert 2 <= len(count) <= 10 and len({(i.concept, i.style, i.tint) for i in count}) == 1
    assert max(i.size for i in count) < 1.7 * min(i.size for i in count)
    tints = [item.tint for item in made["colours"].items]
    assert None not in tints and len(set(tints)) == len(tints) and 1 <= len(tints) <= 3
    rows, columns = made["grid"].grid
    assert len(concepts["grid"]) == rows * columns <= 16
    places = [(round(i.y * rows - 0.5), round(i.x * columns - 0.5)) for i in made["grid"].items]
    assert places == [(r, c) for r in range(rows) for c in range(columns)]
    assert made["lettering"].lettering and 7 <= len(concepts["crowd"]) <= 20
    assert made["relation"].relations[0].kind in ("between", "inside", "on", "wearing", "holding")


def _shown(background: Background) -> tuple[str, ...]:
    return main_colours(background.name, background.variant) if background.kind == "backdrop" else background.colours


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from(KINDS))
def test_what_is_drawn_can_be_seen(seed, kind):
    scene = sample_scene(random.Random(seed), _only(kind))
    inks = {i.tint or INK for i in scene.items if i.tint or i.style == "line"} | {line.colour for line in scene.lettering}
    for ground in _shown(scene.background):
        assert all(colours.difference(ink, ground) >= contrast.APART for ink in inks)


def test_the_mix():
    scenes = _some(FIRST_LIGHT, 3000)
    kinds = Counter(scene.background.kind for scene in scenes)
    assert 0.5 < kinds["solid"] / 3000 < 0.7 and all(kinds[k] > 150 for k in ("transparent", "gradient", "pattern", "backdrop"))
    items = [item for scene in scenes for item in scene.items]
    assert {item.concept for item in items} == set(art.CORE)
    assert 0.05 < sum(item.turn != 0 for item in items) / len(items) < 0.13
    assert 0.05 < sum(item.shadow for item in items) / len(items) < 0.15
    same = [len({item.style for item in scene.items}) == 1 for scene in scenes if len(scene.items) > 1]
    assert 0.8 < sum(same) / len(same) < 0.97


def test_words_are_plain():
    english = words("en")
    assert len(english) >= 600 and len(set(english)) == len(english)
    assert all(2 <= len(w) <= 9 and w.isascii() and w.islower() for w in english)
    assert all(1 <= len(w) <= 4 for w in words("zh")) and any(fonts.covers("hei", w) for w in words("zh"))


def test_main_colours_are_those_of_the_renders():
    """The table of backdrop colours was measured; when the backdrops change it must be measured anew."""
    for name in BACKDROPS:
        for variant in range(BACKDROP_VARIANTS):
            pixels = render(Scene(256, 256, Background("backdrop", name=name, variant=variant)), 32, 32)[..., :3].reshape(-1, 3)
            table = np.array([colours.rgb(c) for c in main_colours(name, variant)])
            near = np.linalg.norm(colours.to_lab(pixels)[:, None] - colours.to_lab(table), axis=-1).min(1) < 22
            assert near.mean() > 0.55, (name, variant, near.mean())


def test_a_world_of_one_thing_still_gives_scenes():
    for kind in KINDS:
        scene = sample_scene(random.Random(1), WorldSpec(("fox",), ("flat",), ("sans",), ((kind, 1.0),), (((128, 128), 1.0),)))
        assert {item.concept for item in scene.items} <= {"fox"}


def test_a_world_that_cannot_be_sampled_is_refused():
    with pytest.raises(Unknown, match='did you mean "fox"'):
        replace(FIRST_LIGHT, concepts=("foxx",))
    with pytest.raises(Unknown, match="style"):
        replace(FIRST_LIGHT, styles=("oil",))
    with pytest.raises(BadInput, match="at least one"):
        replace(FIRST_LIGHT, concepts=())


@pytest.mark.parametrize("aspect", [(64, 64), (72, 56), (96, 57)])
def test_snapped_scenes_lie_on_the_lines_and_stay_true(aspect: tuple[int, int]) -> None:
    parts = 8 if aspect[0] == aspect[1] else 7
    spec = replace(FIRST_LIGHT, aspects=((aspect, 1.0),), snap=parts)
    rng = random.Random(3)
    moved = 0
    for _ in range(300):
        scene = sample_scene(rng, spec)
        w, h = frame(*aspect)
        edges = [e * parts for i in scene.items if not i.turn for e in (i.x * w - i.size / 2, i.y * h - i.size / 2, i.size)]
        on_lines = all(abs(e - round(e)) < 0.01 for e in edges)
        moved += on_lines and bool(edges)
        assert all(relation_holds(scene, r) for r in scene.relations)
        assert on_lines or snapped(scene, parts) == scene  # those that cannot be moved stay as they were drawn
    assert moved > 200
