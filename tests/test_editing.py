"""What an edit paints and keeps: with exact pictures in the painter's place, the outcome is the exact picture after it."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sayso.engines import editing, keeping
from sayso.errors import BadInput
from sayso.types import Picture, Plan, PlanItem
from sayso.world import art, edits, plan, shorthand
from sayso.world.render import render
from sayso.world.sampler import default_mix, sample_scene
from sayso.world.scene import STYLES

WORLD = default_mix(art.CORE[:60])
FOX, OWL = PlanItem("fox", (10, 10, 46, 46), "flat"), PlanItem("owl", (54, 54, 90, 90), "flat")
BOTH = shorthand.settled(Plan(64, 64, "solid #ffffff", (FOX, OWL)))
A_FOX = replace(BOTH, items=BOTH.items[:1])


def exact(made: Plan) -> np.ndarray:
    return render(plan.scene_of(made), 2 * made.width, 2 * made.height)


def premultiplied(pixels: np.ndarray) -> np.ndarray:
    x = pixels.astype(np.float64)
    return np.concatenate([x[..., :3] * x[..., 3:] / 255, x[..., 3:]], -1)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10**6), st.sampled_from(edits.EDITS), st.booleans())
def test_the_outcome_is_the_exact_picture_and_the_rest_stays_to_the_bit(seed: int, kind: str, layered: bool) -> None:
    rng = random.Random(seed)
    try:
        made = edits.sample_edit(sample_scene(rng, WORLD), rng, "en", WORLD.concepts, STYLES, kind)
    except BadInput:  # this scene allows no such edit
        return
    before, after = (shorthand.settled(plan.to_plan(scene)) for scene in (made.before, made.after))
    base = exact(before)
    edit = editing.between(before, after, Picture(base), True, layered)
    if edit is None:
        assert before.background != after.background and before.background.startswith(("pattern", "backdrop"))
        return
    out = edit.applied([exact(p) for p in edit.painted])
    assert edit.free is not None and np.array_equal(out[~edit.free], base[~edit.free])
    off = np.abs(premultiplied(out) - premultiplied(exact(after))).max(-1)
    if edit.standing is not None:
        assert off.mean() < 12 and (off > 40).mean() < 0.15  # what can be seen through, or has the ground's colour, is not told from it
    elif edit.carried is None:
        assert off.max() <= 16 or (off > 3).mean() < 0.002  # a line of lettering may reach a pixel beyond its box
        assert (off > 3).mean() < 0.1
    else:
        assert off.mean() < 4 and (off > 40).mean() < 0.03  # its own pixels, resampled


def test_what_only_comes_is_laid_on_and_nothing_behind_it_is_painted() -> None:
    added = editing.between(A_FOX, BOTH, Picture(exact(A_FOX)), True, True)
    assert added is not None and added.behind is None and added.filled is None
    assert added.on_top == replace(BOTH, background="transparent", items=BOTH.items[1:])
    taken = editing.between(BOTH, A_FOX, Picture(exact(BOTH)), True, True)
    assert taken is not None and taken.on_top is None and taken.behind == A_FOX and taken.painted == (A_FOX,)


@pytest.mark.parametrize("ground", ["solid #ffffff", "transparent", "solid #123456", "gradient #ffffff #9ad0f5 90"])
def test_what_is_moved_or_sized_keeps_its_own_pixels(ground: str) -> None:
    """Whatever the plan says that it is: here the picture shows a zebra where a fox was read."""
    before = replace(BOTH, background=ground)
    picture = exact(replace(before, items=(replace(before.items[0], name="zebra"), before.items[1])))
    there = replace(before.items[0], box=(56, 8, 92, 44))
    moved = replace(before, items=(there, before.items[1]))
    edit = editing.between(before, moved, Picture(picture), False, True)
    assert edit is not None and edit.on_top is None and edit.carried is not None
    wanted = exact(replace(moved, items=(replace(there, name="zebra"), before.items[1])))
    assert np.abs(premultiplied(edit.applied([exact(p) for p in edit.painted])) - premultiplied(wanted)).mean() < 1.5
    smaller = replace(before, items=(replace(before.items[0], box=(18, 18, 38, 38)), before.items[1]))
    edit = editing.between(before, smaller, Picture(picture), False, True)
    assert edit is not None and edit.carried is not None
    wanted = exact(replace(smaller, items=(replace(smaller.items[0], name="zebra"), before.items[1])))
    assert np.abs(premultiplied(edit.applied([exact(p) for p in edit.painted])) - premultiplied(wanted)).mean() < 1.5
    patterned = replace(before, background="pattern dots #ffffff #123456")
    edit = editing.between(patterned, replace(patterned, items=moved.items), Picture(picture), False, True)
    assert edit is not None and edit.carried is None and edit.on_top is not None and edit.outlined is not None


@pytest.mark.parametrize("ground", ["solid #ffffff", "transparent", "gradient #123456 #9ad0f5 45"])
@pytest.mark.parametrize("other", ["transparent", "backdrop meadow 1", "solid #f58220"])
@pytest.mark.parametrize("seen", [0, 1, 2])
def test_on_another_ground_things_keep_their_own_pixels(ground: str, other: str, seen: int) -> None:
    """Whatever the plan says that they are, and those too that it does not speak of."""
    zebra = replace(BOTH, background=ground, items=(replace(BOTH.items[0], name="zebra"), BOTH.items[1]))
    before = replace(BOTH, background=ground, items=BOTH.items[:seen])
    edit = editing.between(before, replace(before, background=other), Picture(exact(zebra)), False, True)
    if ground == other:
        assert edit is not None and not edit.changes
        return
    assert edit is not None and edit.behind == (None if other == "transparent" else replace(before, background=other, items=()))
    out = edit.applied([exact(p) for p in edit.painted])
    off = np.abs(premultiplied(out) - premultiplied(exact(replace(zebra, background=other)))).max(-1)
    assert off.mean() < 5 and (off > 60).mean() < 0.06


def test_of_what_goes_all_is_filled_that_differs_from_a_smooth_ground_and_not_what_stays() -> None:
    """Even where it was read as smaller than it is."""
    small = replace(BOTH, items=(replace(BOTH.items[0], box=(20, 20, 36, 36)), BOTH.items[1]))
    edit = editing.between(small, replace(small, items=small.items[1:]), Picture(exact(BOTH)), False, True)
    assert edit is not None and edit.filled is not None
    out = edit.applied([exact(p) for p in edit.painted])
    assert np.abs(out.astype(int) - exact(replace(BOTH, items=BOTH.items[1:]))).max() <= 3


def test_before_a_pattern_only_the_outline_is_filled() -> None:
    before = shorthand.settled(replace(BOTH, background="pattern dots #ffffff #2e9e3f"))
    after, base = replace(before, items=before.items[1:]), exact(before)
    edit = editing.between(before, after, Picture(base), True, True)
    assert edit is not None and edit.outlined == replace(before, background="transparent", items=before.items[:1])
    wrong = exact(replace(after, background="pattern dots #123456 #f58220"))  # badly painted
    out = edit.applied([wrong, exact(edit.outlined)])
    changed = (out != base).any(-1)
    thing = exact(edit.outlined)[..., 3] > 0
    assert changed[thing].mean() > 0.95 and changed.sum() < 1.5 * thing.sum() < 0.8 * edit.filled.sum()  # type: ignore[union-attr]


def test_a_look_that_comes_is_put_on_when_the_rest_is_done() -> None:
    base = Picture(exact(BOTH))
    edit = editing.between(BOTH, replace(BOTH, look="watercolour"), base, True, True)
    assert edit is not None and edit.look == "watercolour" and not edit.painted and edit.changes
    assert np.array_equal(edit.applied([]), base.pixels)
    edit = editing.between(BOTH, replace(A_FOX, look="neon"), base, True, True)
    assert edit is not None and edit.look == "neon" and edit.plan == replace(A_FOX, look="neon") and edit.painted == (A_FOX,)
    worn = replace(BOTH, look="neon")
    edit = editing.between(worn, replace(worn, items=worn.items[:1]), base, True, True)
    assert edit is not None and not edit.look and all(p.look == "neon" for p in edit.painted), "it is there already"
    assert editing.between(worn, replace(BOTH, look="pixel"), base, True, True) is None
    assert editing.between(BOTH, BOTH, base, True, True) is not None and not editing.nothing(BOTH, base).changes


def test_what_lies_below_a_thing_that_stays_is_not_laid_on_it() -> None:
    over = replace(OWL, box=(30, 30, 66, 66))
    before = shorthand.settled(replace(BOTH, items=(FOX, over)))
    after = shorthand.settled(replace(before, items=(replace(before.items[0], colour="#2563eb"), before.items[1])))
    edit = editing.between(before, after, Picture(exact(before)), True, True)
    assert edit is not None and edit.painted == (after,)
    swapped = replace(before, items=before.items[::-1])
    edit = editing.between(before, swapped, Picture(exact(before)), True, True)
    assert edit is not None and edit.painted == (swapped,)


def test_a_mask_is_painted_anew_inside_and_kept_outside() -> None:
    base, mask = exact(A_FOX), np.zeros((128, 128), bool)
    mask[60:, 60:] = True
    edit = editing.inside(BOTH, Picture(base), mask)
    out = edit.applied([exact(p) for p in edit.painted])
    assert np.array_equal(out[~mask], base[~mask]) and np.array_equal(out[mask], exact(BOTH)[mask])
    assert np.array_equal(editing.anew(BOTH).applied([exact(BOTH)]), exact(BOTH))


@pytest.mark.parametrize("under", [0, 90, 255])
def test_laying_over_keeps_what_shows_through(under: int) -> None:
    before, top = np.full((2, 2, 4), (10, 200, 30, under), np.uint8), np.zeros((2, 2, 4), np.uint8)
    top[0, 0], top[0, 1] = (250, 0, 0, 255), (250, 0, 0, 128)
    out = keeping.laid_over(before, top)
    assert np.array_equal(out[1], before[1]) and tuple(out[0, 0]) == (250, 0, 0, 255)
    alpha = 128 + under * (1 - 128 / 255)
    red = (250 * 128 + 10 * under * (1 - 128 / 255)) / alpha
    assert np.allclose(out[0, 1, [0, 3]], (red, alpha), atol=1.5)
