"""Plans: scene → plan → text → plan → scene, and what is refused."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sayso.engines.editing import CUT
from sayso.errors import BadInput
from sayso.types import Plan, PlanItem, PlanText
from sayso.world import art, fonts, masks
from sayso.world.plan import HIGHEST, LOWEST, MAX_LETTERING, background_line, background_of, changed, read, scene_of, to_plan, write
from sayso.world.render import render
from sayso.world.sampler import default_mix, sample_scene
from sayso.world.scene import BACKDROP_VARIANTS, BACKDROPS, MAX_ITEMS, PATTERNS, STYLES, Background

EXAMPLE = """canvas 64x64 solid #f7d020
ladybug line 30 5 70 45
cactus line 30 50 70 90 #2e9e3f flip turn 15
text "HELLO" slab 10 80 90 95 #222222"""

colours = st.integers(0, 0xFFFFFF).map(lambda v: f"#{v:06x}")
edges = st.tuples(st.integers(LOWEST, HIGHEST - 1), st.integers(1, 300)).map(lambda p: (p[0], min(p[0] + p[1], HIGHEST)))
boxes = st.tuples(edges, edges).map(lambda p: (p[0][0], p[1][0], p[0][1], p[1][1]))
backgrounds = st.one_of(
    st.just(Background("transparent")),
    st.builds(lambda c: Background("solid", (c,)), colours),
    st.builds(lambda a, b, angle: Background("gradient", (a, b), angle=angle), colours, colours, st.integers(0, 360)),
    st.builds(lambda n, a, b: Background("pattern", (a, b), name=n), st.sampled_from(PATTERNS), colours, colours),
    st.builds(lambda n, v: Background("backdrop", name=n, variant=v), st.sampled_from(BACKDROPS), st.integers(0, BACKDROP_VARIANTS - 1)),
)
items = st.builds(
    PlanItem, st.sampled_from(art.CORE), boxes, st.sampled_from(STYLES), st.none() | colours, st.booleans(), st.integers(0, 359)
)
texts = st.text(min_size=1, max_size=40) | st.text(alphabet='你好"\\n\n\r“” #x', min_size=1, max_size=20)
letterings = st.builds(PlanText, texts.filter(lambda t: t.strip() != ""), boxes, st.sampled_from(fonts.FONTS), colours)
plans = st.builds(
    Plan,
    st.integers(1, 8192),
    st.integers(1, 8192),
    backgrounds.map(background_line),
    st.lists(items, max_size=6).map(tuple),
    st.lists(letterings, max_size=3).map(tuple),
)


@given(plans)
def test_what_is_written_is_read(plan: Plan) -> None:
    assert read(write(plan)) == plan


@given(backgrounds)
def test_backgrounds_have_one_line(background: Background) -> None:
    assert background_of(background_line(background)) == background


@given(
    st.text()
    | st.text(alphabet='canvs64x#\n "\\foxltend0123-', max_size=120)
    | st.lists(
        st.sampled_from(
            [
                "canvas",
                "64x64",
                "solid",
                "#f7d020",
                "\n",
                "fox",
                "flat",
                "10",
                "20",
                "text",
                '"HI"',
                "slab",
                "turn",
                "flip",
                '"',
                "gradient",
            ]
        )
    ).map(" ".join)
)
def test_reading_anything_raises_bad_input_at_most(text: str) -> None:
    try:
        plan = read(text)
    except BadInput as bad:
        assert "plan" in str(bad)
    else:
        assert read(write(plan)) == plan


@given(st.text(max_size=60))
def test_altered_plans_raise_bad_input_at_most(noise: str) -> None:
    for at in (0, 20, 40, 60, len(EXAMPLE)):
        try:
            read(EXAMPLE[:at] + noise + EXAMPLE[at:])
        except BadInput as bad:
            assert "plan" in str(bad)


def test_the_example_reads_as_it_stands() -> None:
    plan = read(EXAMPLE)
    assert write(plan) == EXAMPLE
    assert plan.items[1] == PlanItem("cactus", (30, 50, 70, 90), "line", "#2e9e3f", True, 15)
    assert plan.lettering[0] == PlanText("HELLO", (10, 80, 90, 95), "slab", "#222222")


def test_blanks_empty_lines_and_capitals_are_forgiven() -> None:
    assert read("\n  Canvas  64 x64 \n".replace(" x", "x") + "\n FOX   Flat 1 2 30 40   FLIP #FF0000 \n\n") == Plan(
        64, 64, "transparent", (PlanItem("fox", (1, 2, 30, 40), "flat", "#ff0000", True, 0),)
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "empty"),
        ("fox flat 1 2 3 4", "line 1.*canvas"),
        ("canvas 0x64", "line 1.*out of range"),
        ("canvas 64x64 solid red", "line 1.*#rrggbb"),
        ("canvas 64x64 plaid #ffffff", "line 1.*background.*plaid"),
        ("canvas 64x64\ncanvas 64x64", "line 2.*second canvas"),
        ("canvas 64x64\nfoxx flat 1 2 30 40", "line 2.*foxx.*fox"),
        ("canvas 64x64\nfox flatt 1 2 30 40", "line 2.*flatt.*flat"),
        ("canvas 64x64\nfox flat 1 2 30", "line 2.*x0 y0"),
        ("canvas 64x64\nfox flat 30 2 1 40", "line 2.*x0 < x1"),
        ("canvas 64x64\nfox flat 1 2 3 4.5", "whole number"),
        ("canvas 64x64\nfox flat 1 2 999 40", "999"),
        ("canvas 64x64\nfox flat 1 2 30 40 spin", "spin"),
        ("canvas 64x64\nfox flat 1 2 30 40 turn", "angle"),
        ('canvas 64x64\ntext "HI slab 1 2 30 40 #222222', "quote is not closed"),
        ('canvas 64x64\ntext "HI" comic 1 2 30 40 #222222', "font.*comic"),
        ('canvas 64x64\ntext " " slab 1 2 30 40 #222222', "empty"),
        ("canvas 64x64 backdrop night 9", "variant"),
        ("canvas 64x64\n" + "fox flat 1 2 30 40\n" * (MAX_ITEMS + 1), f"line {MAX_ITEMS + 2}.*more than {MAX_ITEMS} items"),
        ("canvas 64x64\n" + 'text "a" slab 1 2 30 40 #222222\n' * (MAX_LETTERING + 1), "more than"),
    ],
)
def test_what_is_wrong_is_named(text: str, told: str) -> None:
    with pytest.raises(BadInput, match=f"(?s){told}"):
        read(text)


def test_a_scene_comes_back_from_its_plan() -> None:
    spec = default_mix(aspects=(((256, 256), 1.0), ((384, 256), 1.0)))
    for k in range(200):
        scene = sample_scene(random.Random(k), spec)
        plan = to_plan(scene)
        again = scene_of(read(write(plan)))
        assert again.background == scene.background and (again.width, again.height) == (scene.width, scene.height)
        assert [(i.concept, i.style, i.tint, i.flip) for i in again.items] == [(i.concept, i.style, i.tint, i.flip) for i in scene.items]
        for one, two in zip(scene.items, again.items, strict=True):
            assert abs(one.x - two.x) < 0.0101 and abs(one.y - two.y) < 0.0101 and abs(one.size - two.size) < 0.021
            assert (one.turn - two.turn) % 360 == 0
        for line, other in zip(scene.lettering, again.lettering, strict=True):
            assert (line.text, line.font, line.colour) == (other.text, other.font, other.colour) and abs(line.height - other.height) < 0.021


def test_a_plan_with_letters_the_font_lacks_is_refused() -> None:
    with pytest.raises(BadInput, match="sans"):
        scene_of(read('canvas 64x64\ntext "你好" sans 10 10 90 30 #222222'))


# ---------------------------------------------------------------------------------------------------------------------
# plan against plan

near = st.tuples(st.integers(-5, 80), st.integers(-5, 80), st.integers(8, 45), st.integers(8, 45)).map(
    lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3])
)
parts = st.builds(
    PlanItem, st.sampled_from(art.CORE[:30]), near, st.sampled_from(STYLES), st.none() | colours, st.booleans(), st.integers(0, 359)
)
lines = st.builds(PlanText, st.sampled_from(["A", "HELLO", "jay g"]), near, st.sampled_from(fonts.LATIN), colours)
pools = st.tuples(st.lists(parts, min_size=1, max_size=4), st.lists(lines, max_size=2))


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Plan, Plan]:
    """Two plans of one canvas whose things and lines are taken, in some order, from one pool."""
    things, said = draw(pools)
    size = draw(st.sampled_from([(64, 64), (106, 64), (64, 82)]))
    out = []
    for _ in range(2):
        mine = draw(st.lists(st.sampled_from(things), max_size=5))
        out.append(Plan(*size, "solid #ffffff", tuple(mine), tuple(draw(st.permutations(said))[: draw(st.integers(0, 2))])))
    return out[0], out[1]


@settings(max_examples=40)
@given(pairs())
def test_outside_what_changed_two_plans_look_alike(two: tuple[Plan, Plan]) -> None:
    before, after = two
    boxes = changed(before, after)
    assert boxes is not None and (boxes == ()) == (before == after or (not boxes and off_canvas(two)))
    width, height = 2 * before.width, 2 * before.height
    free = masks.of_boxes(boxes, width, height, CUT[0])
    one, other = (render(scene_of(p), width, height) for p in two)
    assert np.array_equal(one[~free], other[~free])


def off_canvas(two: tuple[Plan, Plan]) -> bool:
    """Whether all that the plans do not share, or not in one order, lies beside the canvas."""
    one, other = (render(scene_of(p), 64, 64) for p in two)
    return bool(np.array_equal(one, other))


def test_what_changed_is_told_by_its_boxes() -> None:
    fox, dog = PlanItem("fox", (10, 10, 40, 40), "flat"), PlanItem("dog", (20, 20, 50, 50), "flat")
    one = Plan(64, 64, "solid #ffffff", (fox, dog))

    def boxes(after: Plan) -> list[tuple[float, ...]]:
        return sorted(tuple(round(edge, 6) for edge in box) for box in changed(one, after) or ())

    assert boxes(one) == []
    assert boxes(replace(one, items=(fox,))) == [(0.2, 0.2, 0.5, 0.5)]
    assert len(boxes(replace(one, items=(dog, fox)))) == 2, "what lies above is another one"
    assert boxes(replace(one, items=(fox, fox, dog))) == [(0.1, 0.1, 0.4, 0.4)]
    assert boxes(replace(one, items=(fox, replace(dog, box=(60, 60, 90, 90))))) == [(0.2, 0.2, 0.5, 0.5), (0.6, 0.6, 0.9, 0.9)]
    assert changed(one, replace(one, background="transparent")) is None and changed(one, replace(one, look="watercolour")) is None
    twice = replace(one, lettering=(PlanText("A", (10, 60, 40, 90), "sans", "#000000"),) * 2)
    assert changed(twice, twice) == () and changed(twice, replace(twice, lettering=twice.lettering[:1])), "two on one another are darker"
    with pytest.raises(BadInput):
        changed(one, replace(one, items=(replace(fox, name="unheard-of"),)))
