"""What a plan says of every patch, beside plain loops that say the same, and the module that turns it into rows."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import numpy as np
import pytest
import torch

from sayso.engines.ground import ground_of, of_plans, spec_of
from sayso.models.grounding import Ground, Grounding
from sayso.types import Plan, PlanItem, PlanText
from sayso.world import art, fonts, looks, plan, sheets
from sayso.world.grounds import BEHIND, INK, MANNERS, MEASURES, NOTHING, STRANGER, THINGS, Known, characters, grounds, posed
from sayso.world.motion import Motion
from sayso.world.render import render
from sayso.world.sampler import KINDS, default_mix, sample_scene
from sayso.world.scene import BACKDROP_VARIANTS, BACKDROPS, BACKGROUND_KINDS, PATTERNS, Background, Scene

KNOWN = Known(art.CORE[:200], characters())
GRIDS = {(64, 64): (8, 8), (82, 64): (7, 9), (64, 106): (10, 6)}


def things(scene: Scene) -> list[dict[str, object]]:
    """The scene's things in the order they are drawn, lengths in shorter sides."""
    short = min(scene.width, scene.height)
    out: list[dict[str, object]] = []
    for item in scene.items:
        turn = math.radians(item.turn)
        corners = [x * math.cos(turn) - y * math.sin(turn) for x in (-1, 1) for y in (-1, 1)]  # of a square: as far across as down
        reach = max(corners) * item.size / 2
        what = 2 + KNOWN.concepts.index(item.concept) if item.concept in KNOWN.concepts else STRANGER
        out.append(
            {
                "what": what, "manner": item.style, "x": item.x * scene.width / short, "y": item.y * scene.height / short,
                "side": item.size, "reach": (reach, reach), "turn": turn, "flip": item.flip, "colour": item.tint,
            }
        )
    for line in scene.lettering:
        left = line.x * scene.width / short - sum(fonts.width(line.font, c) for c in line.text) * line.height / 2
        for k, char in enumerate(line.text):
            if char == " ":
                continue
            before, wide = fonts.width(line.font, line.text[:k]) * line.height, fonts.width(line.font, char) * line.height
            out.append(
                {
                    "what": 2 + len(KNOWN.concepts) + KNOWN.characters.index(char), "manner": line.font, "x": left + before + wide / 2,
                    "y": line.y * scene.height / short, "side": line.height, "reach": (0.6 * wide, 0.6 * line.height), "turn": 0.0,
                    "flip": False, "colour": line.colour,
                }
            )
    return out


def rgb(colour: str) -> list[float]:
    return [int(colour[i : i + 2], 16) / 127.5 - 1 for i in (1, 3, 5)]


def waves(x: float, counts: tuple[int, ...] = (1, 2, 4, 8)) -> list[float]:
    x = min(max(x, -2), 4)
    return [f(x * math.pi * n) for f in (math.sin, math.cos) for n in counts]


def slowly(made: Plan, rows: int, columns: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """what, manner [T, K], measures [T, K, F] and behind [T, G], patch by patch and thing by thing."""
    scene, parts = plan.scene_of(made), min(rows, columns)
    T = rows * columns
    what, manner, measures = np.zeros((T, THINGS), int), np.zeros((T, THINGS), int), np.zeros((T, THINGS, MEASURES))
    behind = np.zeros((T, BEHIND))
    listed = things(scene)
    for t in range(T):
        x, y, half = (t % columns + 0.5) / parts, (t // columns + 0.5) / parts, 0.5 / parts
        covers = []
        for n, thing in enumerate(listed):
            across, down = thing["reach"]  # type: ignore[misc]
            wide = min(x + half, thing["x"] + across) - max(x - half, thing["x"] - across)  # type: ignore[operator]
            high = min(y + half, thing["y"] + down) - max(y - half, thing["y"] - down)  # type: ignore[operator]
            if wide > 1e-6 and high > 1e-6:
                covers.append((-wide * high, -n))
        chosen = sorted((-n for _, n in sorted(covers)[:THINGS]), reverse=True)
        for slot, n in enumerate(chosen):
            thing = listed[n]
            side, turn = float(thing["side"]), float(thing["turn"])  # type: ignore[arg-type]
            du, dv = (x - thing["x"]) / side, (y - thing["y"]) / side  # type: ignore[operator]
            u = du * math.cos(turn) + dv * math.sin(turn)  # the art stood upright before it was turned
            v = dv * math.cos(turn) - du * math.sin(turn)
            facing = -1.0 if thing["flip"] else 1.0
            large = math.log2(side * parts)
            colour = [0.0] * 4 if thing["colour"] is None else [1.0, *rgb(str(thing["colour"]))]
            what[t, slot], manner[t, slot] = thing["what"], MANNERS.index(str(thing["manner"]))
            measures[t, slot] = [*waves(facing * u), *waves(v), large, *waves(large), facing, math.sin(turn), math.cos(turn), *colour,
                                 slot == 0, *waves(facing * u, (16, 32)), *waves(v, (16, 32)), 0, 0, 0, 0]
        back = scene.background
        said = [float(back.kind == k) for k in BACKGROUND_KINDS] + [float(back.name == n) for n in (*PATTERNS, *BACKDROPS)]
        said += [float(back.kind == "backdrop" and back.variant == n) for n in range(BACKDROP_VARIANTS)]
        colours = [c for colour in back.colours for c in rgb(colour)]
        said += colours + [0.0] * (6 - len(colours))
        angle = math.radians(back.angle)
        said += [math.sin(angle), math.cos(angle)] if back.kind == "gradient" else [0.0, 0.0]
        said += [float(made.look == name) for name in looks.NAMES]
        behind[t] = [*said, *waves(x), *waves(y)]
    return what, manner, measures, behind


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", GRIDS)
def test_grounds_agree_with_plain_loops(kind: str, size: tuple[int, int]) -> None:
    rng = random.Random(f"{kind} {size}")
    world = replace(default_mix(), kinds=((kind, 1.0),), aspects=((size, 1.0),))
    scenes = [sample_scene(rng, world) for _ in range(3)]
    scenes[1] = replace(scenes[1], items=tuple(replace(i, turn=rng.uniform(0, 360), flip=True, size=i.size * 1.7) for i in scenes[1].items))
    made = [replace(plan.to_plan(s), look=rng.choice(("", *looks.NAMES))) for s in scenes]
    rows, columns = GRIDS[size]
    got = grounds(made, KNOWN, rows, columns)
    assert got.what.shape == (3, rows * columns, THINGS) and got.measures.dtype == np.float32
    for b, one in enumerate(made):
        what, manner, measures, behind = slowly(one, rows, columns)
        assert np.array_equal(got.what[b], what) and np.array_equal(got.manner[b], manner)
        np.testing.assert_allclose(got.measures[b], measures, atol=2e-4)
        np.testing.assert_allclose(got.behind[b], behind, atol=2e-5)


@pytest.mark.parametrize("shape", [(8, 8), (6, 10)])
def test_a_solid_in_a_pose_is_one_thing_in_two_colours(shape: tuple[int, int]) -> None:
    """As large as the canvas' shorter side: what a patch is told of it is what it is told of an item there, but for the second colour."""
    rows, columns = shape
    poses = [Motion(30, "", "dog", "#e02424", "#2563eb", "#ffffff"), Motion(0, "", "car", "#2563eb", "#e02424", None)]
    got = posed(poses, KNOWN, rows, columns)
    assert (got.what[:, :, 0] == KNOWN.count + np.array([p.pose for p in poses])[:, None]).all() and not got.what[:, :, 1:].any()
    wide = 64 * columns // rows
    middle, half = 50, 50 * rows / columns
    item = PlanItem(art.CORE[0], (round(middle - half), 0, round(middle + half), 100), "flat", colour="#e02424")
    plain = grounds([Plan(wide, 64, "solid #ffffff", (item,))], KNOWN, rows, columns)
    mine = plain.what[0, :, 0] != NOTHING
    last, tolerance = (-4, 1e-4) if rows == columns else (16, 0.5)  # the item's box is in whole percents: fine waves differ
    np.testing.assert_allclose(got.measures[0, mine, 0, :last], plain.measures[0, mine, 0, :last], atol=tolerance)
    assert np.allclose(got.measures[0, :, 0, -4:], [1.0, *rgb("#2563eb")]) and np.allclose(got.behind[0], plain.behind[0])
    assert not got.measures[:, :, 1:].any() and not got.ink.any()


@pytest.mark.parametrize("size", GRIDS)
def test_ink_is_what_the_exact_renderer_draws_of_the_lettering(size: tuple[int, int]) -> None:
    rng = random.Random(str(size))
    world = replace(default_mix(), kinds=(("lettering", 1.0),), aspects=((size, 1.0),))
    rows, columns = GRIDS[size]
    scenes = [replace(sample_scene(rng, world), items=(), background=Background("transparent")) for _ in range(6)]
    scenes[0] = sheets.of_character("福", "brush", "#222222") if rows == columns else scenes[0]
    made = [plan.to_plan(s) for s in scenes]
    ink = grounds(made, KNOWN, rows, columns).ink
    assert ink.shape == (6, rows * columns, INK * INK) and ink.dtype == np.float32
    page = ink.reshape(6, rows, columns, INK, INK).transpose(0, 1, 3, 2, 4).reshape(6, rows * INK, columns * INK)
    for mine, one in zip(page, made, strict=True):
        scene = plan.scene_of(one)
        exact = render(replace(scene, width=columns * INK, height=rows * INK), columns * INK, rows * INK)[..., 3] / 255
        alike = np.corrcoef(mine.ravel(), exact.ravel())[0, 1]
        em = scene.lettering[0].height * min(rows, columns) * INK
        assert exact.max() > 0.5 and np.abs(mine - exact).mean() < 0.02
        assert alike > (0.96 if em > 16 else 0.88), "letters of a few pixels lie between them otherwise than in the renderer"
    assert not grounds([Plan(64, 64, "transparent", (PlanItem(art.CORE[0], (0, 0, 50, 50), "flat"),))], KNOWN, 8, 8).ink.any()


def told(*items: PlanItem, lettering: tuple[PlanText, ...] = (), rows: int = 8, columns: int = 8) -> np.ndarray:
    """`what` of a plan [rows, columns, K]."""
    return grounds([Plan(64 * columns // rows, 64, "transparent", items, lettering)], KNOWN, rows, columns).what.reshape(rows, columns, -1)


def test_what_a_patch_is_told_of() -> None:
    fox, cup, strange = (PlanItem(n, (0, 0, 50, 50), "flat") for n in (*art.CORE[:2], art.CORE[300]))
    what = told(fox)
    assert (what[:4, :4, 0] == 2).all() and (what[4:] == NOTHING).all() and (what[..., 1:] == NOTHING).all()
    what = told(fox, cup)
    assert (what[:4, :4] == (3, 2, NOTHING)).all(), "what is drawn later lies above and comes first"
    assert (told(strange)[:4, :4, 0] == STRANGER).all(), "a concept that the model does not know"
    half, whole = replace(cup, box=(25, 0, 75, 50)), replace(strange, box=(0, 0, 100, 100))
    assert (told(fox, half, whole, fox, cup)[0, 0] == (3, 2, STRANGER)).all(), "of four that cover all of it, the three above"
    many = [replace(fox, box=(0, 0, 3, 3)), *([replace(fox, box=(0, 0, 25, 25))] * 3)]
    assert (told(*many)[0, 0] == 2).all() and (told(*many[:2])[0, 0] == (2, 2, NOTHING)).all()


def test_letters_lie_one_after_another_as_they_are_drawn() -> None:
    line = PlanText("AB", (0, 25, 100, 75), "mono", "#000000")
    what = told(lettering=(line,))
    a, b = (2 + len(KNOWN.concepts) + KNOWN.characters.index(c) for c in "AB")
    em = plan.scene_of(Plan(64, 64, "transparent", (), (line,))).lettering[0].height
    wide = fonts.width("mono", "A") * em
    first, last = int((0.5 - wide) * 8 + 0.5), int((0.5 + wide) * 8 - 0.5)
    assert first < 4 <= last and (what[4, first:4, :] == a).any(-1).all() and (what[4, 4 : last + 1] == b).any(-1).all()
    assert not (what[4, : first - 1] == b).any() and (what[0] == NOTHING).all()


def test_every_patch_of_an_oblong_canvas_lies_where_it_is() -> None:
    right = PlanItem(art.CORE[0], (80, 10, 100, 30), "flat")
    what = told(right, rows=6, columns=10)
    assert {tuple(p) for p in np.argwhere(what[..., 0] > 0)} <= {(r, c) for r in range(3) for c in range(8, 10)}
    assert (what[1, 8:, 0] == 2).all()


# ---------------------------------------------------------------------------------------------------------------------
# the module


@pytest.fixture(scope="module")
def grounding() -> Grounding:
    torch.manual_seed(0)
    return Grounding(spec_of(KNOWN), 32)


@pytest.fixture(scope="module")
def ground() -> Ground:
    rng = random.Random(3)
    made = [plan.to_plan(sample_scene(rng, replace(default_mix(), kinds=((kind, 1.0),)))) for kind in KINDS]
    return of_plans(made, KNOWN, 8, 8, torch.device("cpu"))


def test_a_model_is_told_as_many_things_as_the_world_has(ground: Ground) -> None:
    spec = spec_of(KNOWN)
    assert (spec.things, spec.manners) == (2 + 200 + len(characters()), len(MANNERS)) and int(ground.what.max()) < spec.things
    assert (ground.measures.shape[-1], ground.behind.shape[-1]) == (spec.measures, spec.behind)


def test_rows_agree_with_a_loop_over_things(grounding: Grounding, ground: Ground) -> None:
    silu = torch.nn.functional.silu
    with torch.no_grad():
        rows = grounding(ground, torch.float32)
        for b in range(len(rows)):
            for t in range(0, 64, 5):
                wanted = grounding.behind_out(silu(grounding.behind(ground.behind[b, t]))) + grounding.ink(ground.ink[b, t])
                for k in range(THINGS):
                    if ground.what[b, t, k] != NOTHING:
                        named = grounding.things.weight[ground.what[b, t, k]] + grounding.manners.weight[ground.manner[b, t, k]]
                        wanted = wanted + grounding.thing_out(silu(named + grounding.measures(ground.measures[b, t, k])))
                torch.testing.assert_close(rows[b, t], wanted, rtol=1e-4, atol=1e-5)


def test_nothing_adds_nothing(grounding: Grounding, ground: Ground) -> None:
    """Where there is no thing its row, manner and measures do not matter, and no gradient reaches them."""
    bare = replace(ground, what=torch.zeros_like(ground.what), ink=torch.zeros_like(ground.ink))
    other = replace(bare, manner=torch.ones_like(bare.manner), measures=torch.randn_like(bare.measures))
    with torch.no_grad():
        assert torch.equal(grounding(bare, torch.float32), grounding(other, torch.float32))
        back = grounding.behind_out(torch.nn.functional.silu(grounding.behind(ground.behind)))
        torch.testing.assert_close(grounding(bare, torch.float32), back)
    grounding.zero_grad()
    grounding(ground, torch.float32).square().sum().backward()
    assert grounding.things.weight.grad is not None
    assert float(grounding.things.weight.grad[NOTHING].abs().max()) == 0 < float(grounding.things.weight.grad.abs().max())


def test_the_order_of_slots_does_not_matter(grounding: Grounding, ground: Ground) -> None:
    for order in ((1, 0, 2), (2, 1, 0), (1, 2, 0)):
        o = torch.tensor(order)
        mixed = Ground(ground.what[:, :, o], ground.manner[:, :, o], ground.measures[:, :, o], ground.behind, ground.ink)
        with torch.no_grad():
            torch.testing.assert_close(grounding(mixed, torch.float32), grounding(ground, torch.float32), rtol=1e-4, atol=1e-5)


def test_pick_takes_whole_pictures(grounding: Grounding, ground: Ground) -> None:
    rows = torch.tensor([4, 1, 1])
    with torch.no_grad():
        torch.testing.assert_close(grounding(ground.pick(rows), torch.float32), grounding(ground, torch.float32)[rows])
    assert ground.to(torch.device("cpu")).what.equal(ground.what)


def test_arrays_become_tensors_of_their_types() -> None:
    made = ground_of(grounds([Plan(64, 64, "solid #ffffff")], KNOWN, 8, 8))
    assert (made.what.dtype, made.manner.dtype, made.measures.dtype, made.behind.dtype) == (torch.int64,) * 2 + (torch.float32,) * 2
    assert not made.what.any() and made.behind.any()
