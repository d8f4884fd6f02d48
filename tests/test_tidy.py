"""Plans made fit to be seen: no lettering is cut, many things have gaps, and what comes anew has room."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sayso.types import Plan, PlanItem, PlanText
from sayso.world import art
from sayso.world.colours import rgb, to_lab
from sayso.world.contrast import all_apart
from sayso.world.layout import box, frame, overlap
from sayso.world.plan import scene_of
from sayso.world.staging import shown_by
from sayso.world.tidy import LEAST, OVER, framed, inked, roomed, spaced

WHITE = "#ffffff"


def test_the_things_of_a_grid_do_not_touch() -> None:
    grid = [PlanItem("fox", (25 * x, 25 * y, 25 * x + 25, 25 * y + 25), "flat") for y in range(4) for x in range(4)]
    plan_of = Plan(64, 64, "solid #ffffff", tuple(grid))
    kept = spaced(plan_of)
    assert [(i.name, i.style) for i in kept.items] == [("fox", "flat")] * 16 and kept.items[0].box == (2, 2, 23, 23)
    assert [sum(i.box[::2]) for i in kept.items] == [sum(i.box[::2]) for i in grid], "their centres stay"
    assert spaced(kept) == kept, "and now there is room"
    few, over = replace(plan_of, items=tuple(grid[:5])), replace(plan_of, items=(*grid, PlanItem("hat", (5, 0, 20, 12), "flat")))
    apart = replace(plan_of, items=tuple(replace(i, box=(i.box[0] + 4, i.box[1] + 4, i.box[2] - 4, i.box[3] - 4)) for i in grid))
    assert all(spaced(p) is p for p in (few, over, apart)), "few things, a hat that is worn, and what has room stay as they are"


@settings(deadline=None)
@given(
    text=st.sampled_from(("A", "HELLO", "HAPPY BIRTHDAY", "生日快乐")), x=st.integers(-60, 120), y=st.integers(-30, 110),
    wide=st.integers(4, 160), high=st.integers(4, 90), canvas=st.sampled_from(((64, 64), (106, 64), (64, 82))),
)  # fmt: skip
def test_lettering_is_not_cut_by_the_frame(text: str, x: int, y: int, wide: int, high: int, canvas: tuple[int, int]) -> None:
    font = "hei" if text > "z" else "slab"
    fox = PlanItem("fox", (10, 10, 60, 60), "flat")
    written = Plan(*canvas, "solid #ffffff", (fox,), (PlanText(text, (x, y, x + wide, y + high), font, "#000000"),), "oil")
    kept = framed(written)
    left, top, right, bottom = kept.lettering[0].box
    assert min(left, top) >= 0 and max(right, bottom) <= 100 and (kept.items, kept.look) == (written.items, "oil")
    assert (kept.lettering[0].text, kept.lettering[0].font) == (text, font) and framed(kept) == kept
    if min(x, y) > 4 and max(x + wide, y + high) < 96:
        assert kept is written, "what is not cut stays as it was written"


def plan_of(*items: PlanItem, lines: tuple[PlanText, ...] = (), size: tuple[int, int] = (64, 64)) -> Plan:
    return Plan(*size, f"solid {WHITE}", items, lines)


def clear(plan: Plan, k: int) -> bool:
    """Whether the k-th thing lies over nothing."""
    scene = scene_of(plan)
    boxes = [box(item, scene.width, scene.height) for item in scene.items]
    return all(overlap(boxes[k], other) <= OVER for i, other in enumerate(boxes) if i != k)


CAT, LARGE = PlanItem("cat", (12, 12, 88, 88), "flat"), PlanItem("house", (50, 0, 100, 50), "flat")


@pytest.mark.parametrize("side", ["left", "right"])
def test_who_fills_the_canvas_makes_room_for_what_comes(side: str) -> None:
    x = 5 if side == "left" else 60
    before, dog = plan_of(CAT), PlanItem("dog", (x, 30, x + 35, 65), "flat")
    after = roomed(before, plan_of(CAT, dog))
    cat, new = after.items
    assert clear(after, 1) and new.box[2] - new.box[0] >= 100 * LEAST - 1 and (cat.name, new.name) == ("cat", "dog")
    assert (new.box[0] + new.box[2] < cat.box[0] + cat.box[2]) == (side == "left"), "on the side that was asked for"
    assert 45 <= cat.box[2] - cat.box[0] < 76, "smaller, and no smaller than it must be"


def test_what_has_room_nearby_is_moved_there_and_nothing_else_is() -> None:
    before = plan_of(LARGE)
    panda = PlanItem("panda", (45, 9, 79, 43), "flat")
    after = roomed(before, plan_of(LARGE, panda))
    assert clear(after, 1) and after.items[0] == LARGE
    free = plan_of(LARGE, replace(panda, box=(5, 60, 39, 94)))
    assert roomed(before, free) is free


def test_words_that_come_are_not_laid_over_a_thing() -> None:
    words = PlanText("courage", (20, 10, 80, 30), "script", "#c9b6f2")
    after = roomed(plan_of(CAT), plan_of(CAT, lines=(words,)))
    (line,), (cat,) = after.lettering, after.items
    assert line.box[3] <= cat.box[1] + 2 and line.box[1] >= 0 and (line.text, line.font, line.colour) == ("courage", "script", "#c9b6f2")
    kept = plan_of(CAT, lines=(words,))
    assert roomed(kept, kept) is kept, "words that were there stay"


def test_what_is_worn_or_held_grown_or_recoloured_stays() -> None:
    fox = replace(CAT, name="fox")
    before = plan_of(fox, LARGE)
    hat = PlanItem("top-hat", (30, 4, 68, 42), "flat")
    assert "top-hat" in art.WEARABLE_HATS and "fox" in art.WEARERS
    for after in (
        plan_of(fox, LARGE, hat),
        plan_of(replace(fox, box=(5, 5, 95, 95)), LARGE),
        plan_of(replace(fox, colour="#e02424"), LARGE),
        plan_of(PlanItem("dog", fox.box, "flat"), LARGE),
        plan_of(fox),
    ):
        assert roomed(before, after) is after


boxes = st.tuples(st.integers(0, 80), st.integers(0, 80), st.integers(10, 60)).map(lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[2]))


@settings(deadline=None, max_examples=40)
@given(st.lists(boxes, min_size=1, max_size=5), boxes, st.sampled_from(((64, 64), (106, 64), (64, 82))))
def test_what_comes_is_never_lost_and_overlaps_no_more(
    there: list[tuple[int, ...]], new: tuple[int, ...], size: tuple[int, int]
) -> None:
    names = ("apple", "banana", "car", "tree", "key")
    old = [PlanItem(name, at, "flat") for name, at in zip(names, there, strict=False)]  # type: ignore[arg-type]
    dog = PlanItem("dog", new, "flat")  # type: ignore[arg-type]
    before, after = plan_of(*old, size=size), plan_of(*old, dog, size=size)
    made = roomed(before, after)
    assert [i.name for i in made.items] == [i.name for i in after.items]
    w, h = frame(*size)
    if made is not after:
        x0, y0, x1, y1 = box(scene_of(made).items[-1], *size)
        assert clear(made, len(old)) or max(abs(a - b) for a, b in zip(made.items[-1].box, new, strict=True)) <= 1
        assert x0 > -0.02 and y0 > -0.02 and x1 < w + 0.02 and y1 < h + 0.02


@pytest.mark.parametrize(("ground", "ink", "said", "inks"), [
    ("solid #14532d", "#14532d", "a balloon and the word “PLAY”", None), ("solid #ffffff", "#222222", "", "#222222"),
    ("solid #14532d", "#14532d", "“PLAY” in dark green", "#14532d"), ("solid #14532d", "#222222", "写着“PLAY”，黑色", "#222222"),
    ("solid #fbd9c0", "#f3ead3", "河流", None), ("transparent", "#ffffff", "", "#ffffff"),
    ("gradient #222222 #ffffff 0", "#8c8c8c", "", None),
    ("backdrop night 0", "#1e2a5a", "", None), ("pattern stripes #ffffff #222222", "#ffffff", "", None)])
def test_letterings_can_be_read_on_their_background(ground: str, ink: str, said: str, inks: str | None) -> None:
    plan_of = Plan(64, 64, ground, (), (PlanText("SALE", (10, 40, 90, 60), "sans", ink),))
    (line,) = inked(plan_of, said).lettering
    if inks:
        assert line.colour == inks
    else:
        shown = shown_by(scene_of(plan_of).background)
        light = [to_lab(np.array(rgb(c)))[0] for c in (line.colour, *shown)]
        assert min(abs(light[0] - other) for other in light[1:]) >= 30 or all_apart((line.colour,), shown)
    assert inked(plan_of, said) == replace(plan_of, lettering=(replace(plan_of.lettering[0], colour=line.colour),))
